//! Silences at work: what is held back, what people hear before and at the end of one, and the commands about them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use super::alerts::of_alert;
use super::dispatch::{Origin, Routed};
use super::sheet::queued;
use super::{Error, Kernel, write};
use crate::domain::alert::Alert;
use crate::domain::event::{
    Event, ExecutionStarted, HandlerKind, MessageQueued, Meta, NewEvent, Recorded, SilenceEnded,
    SilenceExtended, SilenceHeld, SilenceNoticed, SilenceStarted, TriggerRecorded, Verdict,
};
use crate::domain::id::{DedupeKey, StreamName, Timestamp, UserId, Version};
use crate::domain::message::Doc;
use crate::domain::named::NamedEvent;
use crate::domain::policy::{PolicyAction, Resource, ResourceKind};
use crate::domain::rule::On;
use crate::domain::silence::{
    Due, NOTICE_MS, SILENCE_MS_MAX, SILENCES_MAX, Silence, Silences, Subject, Target, TargetKind,
};
use crate::domain::silence_command::SilenceCommand;
use crate::domain::trigger::{Place, Speaker, Trigger, What};
use crate::domain::wake::{Wakes, with_plan};
use crate::domain::words::silences as words;
use crate::domain::words::switches::clock;
use crate::domain::words::{alerts as alert_words, policy as policy_words, to};
use crate::query::stream_fold::StreamFold;
use crate::script::context::{Silenced, Silences as MaySilence};
use crate::store::{Direction, Expected, ReadError, Write};

/// Most of what a silence held back that is looked at when it is told: the newest.
const LOOKED_AT_MAX: usize = 256;
/// Most alerts that one answer lists.
pub const LISTED_MAX: usize = 100;

/// The fold, kept: it goes on where the log has moved on.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<StreamFold<Arc<Silences>>>);

/// For how long something is silenced, by whom and why.
pub(super) struct Wish<'a> {
    pub ms: i64,
    pub by: Option<&'a UserId>,
    pub who: &'a str,
    pub why: &'a str,
    pub place: &'a Place,
}

/// Changes of silences that are recorded together.
pub(super) struct Silencing<'a> {
    kernel: &'a Kernel,
    meta: Meta,
    now: Timestamp,
    silences: Silences,
    version: Option<Version>,
    events: Vec<Event>,
    others: Vec<Write>,
}

impl<'a> Silencing<'a> {
    pub(super) fn new(kernel: &'a Kernel, meta: &Meta) -> Result<Self, ReadError> {
        let (silences, version) = kernel.silences()?;
        let (meta, now, silences) = (meta.clone(), kernel.clock.now(), (*silences).clone());
        Ok(Self { kernel, meta, now, silences, version, events: vec![], others: vec![] })
    }

    /// The one that is begun, or a new one.
    pub(super) fn of<'b>(
        begun: &'b mut Option<Self>,
        kernel: &'a Kernel,
        meta: &Meta,
    ) -> Result<&'b mut Self, ReadError> {
        if begun.is_none() {
            *begun = Some(Self::new(kernel, meta)?);
        }
        Ok(begun.as_mut().expect("it was begun"))
    }

    fn take(&mut self, event: Event) {
        self.silences.take(&event, self.now);
        self.events.push(event);
    }

    /// Silences something, in place of what silences the same.
    pub(super) fn start(&mut self, id: &str, target: &Target, wish: &Wish) {
        let same = self.silences.open(self.now).find(|it| it.started.target == *target);
        let started = SilenceStarted {
            silence: same.map_or(id.to_owned(), |same| same.started.silence.clone()),
            target: target.clone(),
            until: self.now.plus_ms(wish.ms),
            by: wish.by.cloned(),
            who: wish.who.to_owned(),
            why: wish.why.to_owned(),
            place: wish.place.clone(),
        };
        self.trigger("silence.started", &started, id);
        self.take(started.into());
    }

    /// Lets the silences of something go on.
    fn extend(&mut self, what: &str, ms: i64, (by, who): (&UserId, &str), nonce: &str) {
        let found: Vec<Silence> = self.silences.of(what, self.now).into_iter().cloned().collect();
        let most = self.now.plus_ms(SILENCE_MS_MAX);
        for silence in found {
            let until = silence.started.until.plus_ms(ms).min(most);
            let started = SilenceStarted { until, ..silence.started };
            self.trigger("silence.started", &started, nonce);
            let silence = started.silence;
            let by = Some(by.clone());
            self.take(SilenceExtended { silence, until, by, who: who.to_owned() }.into());
        }
    }

    /// Ends the silences of something; those that were ended.
    pub(super) fn end(
        &mut self,
        what: &str,
        (by, who): (Option<&UserId>, &str),
        nonce: &str,
    ) -> Vec<Silence> {
        let found: Vec<Silence> = self.silences.of(what, self.now).into_iter().cloned().collect();
        for silence in &found {
            self.trigger("silence.ended", &silence.started, nonce);
            let silence = silence.started.silence.clone();
            self.take(SilenceEnded { silence, by: by.cloned(), who: who.to_owned() }.into());
        }
        found
    }

    /// That a silence begins or ends is a trigger: who can, is silent at the source.
    fn trigger(&mut self, name: &str, it: &SilenceStarted, nonce: &str) {
        let fields = serde_json::json!({
            "silence": it.silence,
            "what": it.target.name,
            "kind": it.target.kind.word(),
            "until": it.until.0,
            // `until` is a word of the script language: `e.until` cannot be written there.
            "ends_at": it.until.0,
            "by": it.who,
            "why": it.why,
            "room": it.place.name,
        });
        let fields = fields.as_object().cloned().unwrap_or_default();
        let key = DedupeKey::new(&[name, &it.silence, &it.target.words(), nonce]);
        let stream = StreamName::trigger(&self.kernel.store.key().dedupe(&key));
        if self.others.iter().any(|write| write.stream == stream) {
            return;
        }
        let event = NamedEvent { name: name.to_owned(), fields, source: "silence".into() };
        let what = What::Event(event);
        let trigger = Trigger { key: key.clone(), at: self.now, late: false, what };
        let events = vec![NewEvent::with(&self.meta, TriggerRecorded { trigger })];
        let expected = Expected::NoStream;
        self.others.push(Write { stream, expected, key: Some(key), events });
    }

    /// Everything that is to be written.
    pub(super) fn finish(self) -> Vec<Write> {
        if self.events.is_empty() {
            return vec![];
        }
        let plan = with_plan(&self.silences, vec![], self.now);
        let events = self.events.into_iter().chain(plan);
        let events = events.map(|event| NewEvent::with(&self.meta, event)).collect();
        let expected = self.version.map_or(Expected::NoStream, Expected::Exact);
        let mut writes = vec![write(StreamName::silences(), expected, events)];
        writes.extend(self.others);
        writes
    }
}

impl Kernel {
    /// The silences, with the version of their stream.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn silences(&self) -> Result<(Arc<Silences>, Option<Version>), ReadError> {
        let mut kept = self.silent.0.lock().expect("nobody panics with it");
        kept.go_on(self.store.as_ref(), &StreamName::silences(), |silences, recorded| {
            Arc::make_mut(silences).apply(recorded);
        })?;
        Ok((kept.folded.clone(), kept.version))
    }

    /// The silence that keeps a rule from firing, if one does.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn silenced(&self, rule: &str) -> Result<Option<Silence>, ReadError> {
        self.held_by(&Subject { rule, ..Subject::default() }, self.clock.now())
    }

    /// Answers scripts whether something is silenced.
    pub(super) fn answers_silenced(&self) -> Silenced {
        // A script that waits on its thread must not keep what it asks alive.
        let me = self.me.clone();
        Arc::new(move |what| {
            let Some(me) = me.upgrade() else { return false };
            match me.silences() {
                Ok((silences, _)) => !silences.of(what, me.clock.now()).is_empty(),
                Err(error) => {
                    tracing::error!(%error, "the silences cannot be read");
                    false
                }
            }
        })
    }

    /// Says to a script why whoever asked for it may not silence something, as they would be told themselves.
    pub(super) fn answers_silences(&self, started: &ExecutionStarted) -> MaySilence {
        let (me, started) = (self.me.clone(), started.clone());
        Arc::new(move |what| {
            let Some(me) = me.upgrade() else { return Some(policy_words::stopping()) };
            me.may_silence(&Target::parse(what), &started.requester, &started.place)
        })
    }

    /// Why something that is silenced is not told, as it is recorded: `silenced until 10:15 by ann`.
    pub fn silence_reason(&self, silence: &Silence) -> String {
        words::reason(&silence.started, self.clock.now(), &self.settings().zone)
    }

    /// The silence that holds something back.
    pub(super) fn held_by(
        &self,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Option<Silence>, ReadError> {
        Ok(self.silences()?.0.covering(subject, now).cloned())
    }

    /// The write that counts what a silence held back.
    pub fn counted_back(&self, silence: &Silence, what: &str, meta: &Meta) -> Write {
        let stream = self.held_stream(silence);
        let events = vec![NewEvent::with(meta, SilenceHeld { what: what.to_owned() })];
        write(stream, Expected::Any, events)
    }

    fn held_stream(&self, silence: &Silence) -> StreamName {
        StreamName::held_back(&self.store.key().tag("silence", &[&silence.started.silence]))
    }

    /// How often a silence held something back, and what.
    fn held_so_far(&self, silence: &Silence) -> Result<(u64, Vec<String>), ReadError> {
        let stream = self.held_stream(silence);
        let count = self.store.version(&stream)?.map_or(0, |version| version.0 + 1);
        let last = self.store.read(&stream, Version::END, Direction::Backward, LOOKED_AT_MAX)?;
        let mut names = vec![];
        for recorded in &last {
            if let Some(Event::SilenceHeld(held)) = recorded.event()
                && !names.contains(&held.what)
            {
                names.push(held.what.clone());
            }
        }
        Ok((count, names))
    }

    /// The open alerts that a silence is about, by their keys.
    fn still_firing(&self, silence: &Silence) -> Result<Vec<String>, ReadError> {
        let about = |alert: &Alert| silence.started.target.covers(&of_alert(alert));
        let open = self.open_alerts()?.into_iter().filter(|(_, alert)| about(alert));
        Ok(open.map(|(_, alert)| alert.raised.key).collect())
    }

    /// Everything that has a name by which it can be silenced.
    pub(super) fn silenceable(&self) -> Result<BTreeSet<Target>, ReadError> {
        let mut known = BTreeSet::new();
        let mut add = |kind: TargetKind, name: &str| {
            if !name.is_empty() {
                known.insert(Target { kind, name: name.to_owned() });
            }
        };
        for (_, alert) in self.open_alerts()? {
            add(TargetKind::Alert, &alert.raised.key);
            add(TargetKind::Host, &alert.raised.facts.host);
            add(TargetKind::Source, &alert.raised.facts.source);
            add(TargetKind::Rule, alert.raised.by.strip_prefix("rule ").unwrap_or_default());
        }
        for rule in &self.scripts.offered().catalog.rules {
            add(TargetKind::Rule, &rule.name);
            if let On::Trigger { name, .. } = &rule.on {
                add(TargetKind::Source, source_of(name).unwrap_or_default());
            }
        }
        for silence in self.silences()?.0.open(self.clock.now()) {
            let target = &silence.started.target;
            if target.kind != TargetKind::Any {
                add(target.kind, &target.name);
            }
        }
        Ok(known)
    }

    /// Whether somebody may silence something, or why not.
    pub(super) fn may_silence(
        &self,
        target: &Target,
        who: &Speaker,
        place: &Place,
    ) -> Option<String> {
        let of_rule = matches!(target.kind, TargetKind::Rule | TargetKind::Any);
        let resource = match of_rule {
            true => self.rule_resource(&target.name),
            false => Resource::of(ResourceKind::Rule, target.words()),
        };
        let permission = self.may(PolicyAction::Silence, resource, who, place);
        let told = policy_words::own_command(
            "silence",
            &permission,
            policy_words::MANAGEMENT,
            words::CONCERNS,
        );
        (!permission.allowed()).then_some(told)
    }

    /// What policies are asked about a rule: with its role and tags, if there is one of this name.
    pub(super) fn rule_resource(&self, name: &str) -> Resource {
        let offered = self.scripts.offered();
        let rule = offered.catalog.rules.iter().find(|rule| rule.name.eq_ignore_ascii_case(name));
        rule.map_or_else(|| Resource::of(ResourceKind::Rule, name), Resource::rule)
    }

    /// The silence of a host or a source that keeps a rule's execution from speaking.
    pub(super) fn mutes(&self, started: &ExecutionStarted) -> Result<Option<Silence>, ReadError> {
        if started.handler.kind != HandlerKind::Rule {
            return Ok(None);
        }
        let host = started.args["host"].as_str().unwrap_or_default();
        let source = source_of(&started.command).unwrap_or_default();
        let subject = Subject { host, source, ..Subject::default() };
        self.held_by(&subject, self.clock.now())
    }

    /// What is recorded so that some things are silent, or why they are not.
    pub(super) fn silence(
        &self,
        id: &str,
        targets: &[Target],
        wish: &Wish,
        meta: &Meta,
    ) -> Result<Result<Vec<Write>, String>, Error> {
        let mut silencing = Silencing::new(self, meta)?;
        if silencing.silences.open(silencing.now).count() + targets.len() > SILENCES_MAX {
            return Ok(Err(words::too_many(SILENCES_MAX, &self.before_commands(wish.place))));
        }
        for (n, target) in targets.iter().enumerate() {
            let id = if n == 0 { id.to_owned() } else { format!("{id}-{n}") };
            silencing.start(&id, target, wish);
        }
        Ok(Ok(silencing.finish()))
    }

    /// What people hear of what a silence held back.
    fn held_words(&self, silence: &Silence) -> Result<String, Error> {
        let (count, names) = self.held_so_far(silence)?;
        let still = self.still_firing(silence)?;
        Ok(words::held(count, &names, &still))
    }

    /// Tells of silences that end soon and still hold something back, and ends those whose time is over.
    pub(super) fn silences_due(&self, now: Timestamp) -> Result<Vec<Write>, Error> {
        let mut silencing = Silencing::new(self, &Meta::default())?;
        for due in silencing.silences.due(now) {
            let (silence, text) = match due {
                Due::Notice(silence) => {
                    let id = silence.started.silence.clone();
                    let text = self.notice_words(&silence)?;
                    silencing.take(SilenceNoticed { silence: id }.into());
                    (silence, text)
                }
                Due::End(silence) => {
                    let held = self.held_words(&silence)?;
                    let text = words::over(&silence.started.target.name, &held);
                    let id = silence.started.silence.clone();
                    let nonce = silence.started.until.0.to_string();
                    silencing.trigger("silence.ended", &silence.started, &nonce);
                    let ended = SilenceEnded { silence: id, by: None, who: String::new() };
                    silencing.take(ended.into());
                    (silence, Some(text))
                }
            };
            let Some(text) = text else { continue };
            let version = silencing.version.map_or(0, |it| it.0);
            let at = format!("{version} {}", silence.started.silence);
            let id = self.store.key().message(StreamName::silences().as_str(), &at);
            let message = MessageQueued::plain(id, silence.started.place, Doc::text(&text));
            silencing.others.push(queued(&Meta::default(), message));
        }
        Ok(silencing.finish())
    }

    /// What people hear before a silence ends; none: nothing would speak.
    fn notice_words(&self, silence: &Silence) -> Result<Option<String>, Error> {
        let (count, _) = self.held_so_far(silence)?;
        let still = self.still_firing(silence)?;
        let (name, prefix) = (&silence.started.target.name, &self.settings().prefix);
        let tell = !still.is_empty() || count > 0;
        Ok(tell.then(|| words::notice(name, NOTICE_MS / 60_000, &still, prefix)))
    }

    /// Does what one of these commands says that is answered at once.
    pub(super) fn silence_command(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        command: &SilenceCommand,
    ) -> Result<Routed, Error> {
        let plain = "it is a command of the bot itself";
        match command {
            SilenceCommand::Silences => {
                let doc = self.silences_told()?;
                Ok(self.told(recorded, origin, doc, plain))
            }
            SilenceCommand::Alerts => {
                let doc = self.alerts_told()?;
                Ok(self.told(recorded, origin, doc, plain))
            }
            SilenceCommand::Extend { what, ms } => self.extend(recorded, origin, what, *ms),
            SilenceCommand::Unsilence { what } => self.end_silence(recorded, origin, what),
            SilenceCommand::Ack { key } => self.ack(recorded, origin, key.as_deref()),
            // It may have to ask: it is an execution.
            SilenceCommand::Silence { .. } => Ok(Routed::ignored("silence", plain)),
        }
    }

    fn silences_told(&self) -> Result<Doc, Error> {
        let (now, zone) = (self.clock.now(), self.settings().zone.clone());
        let mut lines = vec![];
        for silence in self.silences()?.0.open(now) {
            let (count, _) = self.held_so_far(silence)?;
            lines.push(words::line(&silence.started, count, now, &zone));
        }
        Ok(match lines.is_empty() {
            true => Doc::text(words::NONE),
            false => Doc::text(&lines.join("\n")),
        })
    }

    fn alerts_told(&self) -> Result<Doc, Error> {
        let now = self.clock.now();
        let open = self.open_alerts()?;
        let more = open.len().saturating_sub(LISTED_MAX);
        let mut listed = vec![];
        for (_, alert) in open.into_iter().take(LISTED_MAX) {
            let held = self.held_by(&of_alert(&alert), now)?;
            listed.push((alert, held.map(|held| self.silence_reason(&held))));
        }
        Ok(alert_words::listing(&listed, more, now))
    }

    fn extend(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        what: &str,
        ms: i64,
    ) -> Result<Routed, Error> {
        let (silences, _) = self.silences()?;
        let (now, zone) = (self.clock.now(), self.settings().zone.clone());
        let found: Vec<Silence> = silences.of(what, now).into_iter().cloned().collect();
        let Some(first) = found.first() else {
            return Ok(self.not_silenced(recorded, origin, &words::is_not(what)));
        };
        if let Some(why) = self.may_silence(&first.started.target, origin.speaker, origin.place) {
            return Ok(self.not_silenced(recorded, origin, &why));
        }
        let (who, meta) = (origin.speaker, origin.meta(recorded));
        let mut silencing = Silencing::new(self, &meta)?;
        silencing.extend(what, ms, (&who.id, &who.name), recorded.id.stream.as_str());
        let until = silencing.silences.of(what, now).first().map(|it| it.started.until);
        let at = clock(until.unwrap_or(now), now, &zone);
        let writes = silencing.finish();
        let text = words::extended(&first.started.target.name, &at);
        Ok(self.done(recorded, origin, &text, writes))
    }

    fn end_silence(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        what: &str,
    ) -> Result<Routed, Error> {
        let (who, meta) = (origin.speaker, origin.meta(recorded));
        let nonce = recorded.id.stream.as_str();
        let by = (Some(&who.id), who.name.as_str());
        let mut silencing = Silencing::new(self, &meta)?;
        let found = silencing.end(what, by, nonce);
        let Some(first) = found.first() else {
            return Ok(self.not_silenced(recorded, origin, &words::is_not(what)));
        };
        if let Some(why) = self.may_silence(&first.started.target, who, origin.place) {
            return Ok(self.not_silenced(recorded, origin, &why));
        }
        let text = words::unsilenced(&first.started.target.name, &self.held_words(first)?);
        Ok(self.done(recorded, origin, &text, silencing.finish()))
    }

    /// An answer with what is recorded beside it.
    pub(super) fn done(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        text: &str,
        writes: Vec<Write>,
    ) -> Routed {
        let routed =
            self.told(recorded, origin, Doc::text(text), "it is a command of the bot itself");
        let mut all = routed.writes;
        all.extend(writes);
        Routed { writes: all, ..routed }
    }

    pub(super) fn not_silenced(&self, recorded: &Recorded, origin: &Origin, why: &str) -> Routed {
        let doc = Doc::text(&to(&origin.speaker.name, why));
        let (message, writes) = self.answer(recorded, origin, doc);
        Routed::new(Verdict::Refused(message), why, writes)
    }
}

/// The hook, sensor or schedule that a trigger comes from, by its name.
fn source_of(trigger: &str) -> Option<&str> {
    let (kind, name) = trigger.split_once('.')?;
    matches!(kind, "webhook" | "sensor" | "schedule").then_some(name)
}
