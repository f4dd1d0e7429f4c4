//! Alerts at work: what a change of one is recorded as, and what its room and its thread hear of it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::sheet::queued;
use super::{Error, Kernel, write};
use crate::domain::alert::{self, Alert, Arrival, Change, Folded, Report, Say, State};
use crate::domain::alert_event::Shown;
use crate::domain::event::{Event, MessageQueued, Meta, NewEvent, TriggerRecorded};
use crate::domain::id::{
    EventId, MessageId, PostId, RoomId, StreamName, Timestamp, UserId, Version,
};
use crate::domain::message::Doc;
use crate::domain::named::NamedEvent;
use crate::domain::silence::Subject;
use crate::domain::storm::{self, Digest, Storm, Terms};
use crate::domain::trigger::{Place, Trigger, What};
use crate::domain::wake::{Wakes, with_plan};
use crate::domain::words::alerts as words;
use crate::query::agenda::alerts::OPEN_ALERTS_MAX;
use crate::query::stream_fold::StreamFold;
use crate::store::{EventStore, Expected, ReadError, Write};

/// Most alerts and rooms whose folds are kept at hand.
pub const KEPT_MAX: usize = OPEN_ALERTS_MAX;

type Kept<T> = Mutex<BTreeMap<StreamName, StreamFold<T>>>;

/// The folds, kept: they go on where the log has moved on.
#[derive(Debug, Default)]
pub(super) struct Known {
    alerts: Kept<Folded>,
    rooms: Kept<Storm>,
}

/// A stream that is being changed: as it was read, and with what is to be recorded.
struct Staged<T> {
    state: T,
    version: Option<Version>,
    events: Vec<Event>,
}

impl<T: Wakes> Staged<T> {
    fn take(&mut self, event: Event, now: Timestamp) {
        self.state.take(&event, now);
        self.events.push(event);
    }

    /// Where the next event will stand.
    fn next(&self) -> Version {
        let begin = self.version.map_or(0, |version| version.0 + 1);
        Version(begin + self.events.len() as u64)
    }
}

/// Changes of alerts that are recorded together.
pub(super) struct Alerting<'a> {
    kernel: &'a Kernel,
    meta: Meta,
    now: Timestamp,
    terms: Terms,
    alerts: BTreeMap<StreamName, Staged<Folded>>,
    rooms: BTreeMap<StreamName, Staged<Storm>>,
    said: Vec<Write>,
    /// Who looks after an alert is answered where that is told of it.
    answered: bool,
}

impl<'a> Alerting<'a> {
    pub(super) fn new(kernel: &'a Kernel, meta: Meta) -> Self {
        let (now, terms) = (kernel.clock.now(), kernel.settings().alerts.clone());
        let (alerts, rooms) = (BTreeMap::new(), BTreeMap::new());
        Self { kernel, meta, now, terms, alerts, rooms, said: vec![], answered: false }
    }

    /// Whoever looks after an alert is told so in the same place: it need not be said of the alert as well.
    pub(super) fn answered(self, answered: bool) -> Self {
        Self { answered, ..self }
    }

    /// Something is wrong.
    pub(super) fn report(&mut self, report: Report) -> Result<(), ReadError> {
        let stream = self.kernel.alert_stream(&report.key);
        let (now, rejoin) = (self.now, self.terms.rejoin_within_ms);
        let staged = self.alert(&stream)?;
        let (before, version) = (staged.state.alert.clone(), staged.next());
        let root = alert::root(self.kernel.store.key(), &stream, version);
        let held = self.kernel.held_by(&subject(&report), now)?;
        let mut arrival = Arrival::Alone;
        if held.is_none() && alert::arrives(before.as_ref(), now, rejoin) {
            let joined = before.as_ref().filter(|alert| alert::joins(alert, now, rejoin));
            let place = joined.map_or(&report.place, |alert| &alert.raised.place).clone();
            arrival = self.arrive(&stream, &place, &report.facts.severity)?;
        }
        let silence = held.as_ref().map(|held| held.started.silence.as_str());
        let key = report.key.clone();
        let change =
            alert::report(before.as_ref(), report, silence, (arrival, root), (now, rejoin));
        self.change(&stream, change)?;
        if let Some(held) = held {
            self.said.push(self.kernel.counted_back(&held, &key, &self.meta));
        }
        Ok(())
    }

    /// Somebody looks after an alert; false: there is nothing to look after.
    pub(super) fn acknowledge(
        &mut self,
        stream: &StreamName,
        by: Option<&UserId>,
        who: &str,
    ) -> Result<bool, ReadError> {
        let alert = self.alert(stream)?.state.alert.clone();
        let change = alert.and_then(|alert| alert::acknowledge(&alert, by, who));
        self.changed(stream, change)
    }

    /// An alert is over; false: it was, or it is not known.
    pub(super) fn resolve(&mut self, stream: &StreamName, doc: Doc) -> Result<bool, ReadError> {
        let alert = self.alert(stream)?.state.alert.clone();
        let silenced = self.is_silenced(alert.as_ref())?;
        let change = alert.and_then(|alert| alert::resolve(&alert, doc, silenced));
        self.changed(stream, change)
    }

    /// The time has come to look at an alert.
    fn escalate(&mut self, stream: &StreamName) -> Result<bool, ReadError> {
        let alert = self.alert(stream)?.state.alert.clone();
        let silenced = self.is_silenced(alert.as_ref())?;
        let change = alert.and_then(|alert| alert::escalate(&alert, self.now, silenced));
        self.changed(stream, change)
    }

    fn is_silenced(&self, alert: Option<&Alert>) -> Result<bool, ReadError> {
        let Some(alert) = alert else { return Ok(false) };
        Ok(self.kernel.held_by(&of_alert(alert), self.now)?.is_some())
    }

    /// How a new alert comes to its room.
    fn arrive(
        &mut self,
        alert: &StreamName,
        place: &Place,
        severity: &str,
    ) -> Result<Arrival, ReadError> {
        let quiet = self.kernel.quiet_until(&place.room, severity, self.now);
        let stream = self.kernel.digest_stream(&place.room);
        let (now, terms) = (self.now, self.terms.clone());
        let room = self.room(&stream)?;
        let (arrival, placed) = room.state.place(alert, place, quiet, (now, &terms));
        room.take(placed.into(), now);
        Ok(arrival)
    }

    fn changed(&mut self, stream: &StreamName, change: Option<Change>) -> Result<bool, ReadError> {
        let Some(change) = change else { return Ok(false) };
        self.change(stream, change)?;
        Ok(true)
    }

    /// Takes in a change, and prepares what is said of it.
    fn change(&mut self, stream: &StreamName, change: Change) -> Result<(), ReadError> {
        let now = self.now;
        let staged = self.alert(stream)?;
        let version = staged.next();
        change.events.into_iter().for_each(|event| staged.take(event, now));
        let Some(alert) = staged.state.alert.clone() else { return Ok(()) };
        let cause = EventId { stream: stream.clone(), version };
        let meta = Meta { cause: Some(cause.clone()), ..self.meta.clone() };
        for (n, say) in change.says.iter().enumerate() {
            if self.answered && matches!(say, Say::Acknowledged) {
                continue;
            }
            let id = alert::message(self.kernel.store.key(), stream, version, n);
            let changes = self.kernel.caps(&alert.raised.place).edits;
            self.said.extend(
                said(&alert, say, (id, changes), now).map(|message| queued(&meta, message)),
            );
        }
        if let Some(state) = change.turned
            && !matches!(alert.raised.shown, Shown::HeldBack(_))
        {
            self.said.push(self.trigger(&cause, &alert, state));
        }
        Ok(())
    }

    /// That an alert stands otherwise now is a trigger of its own.
    fn trigger(&self, cause: &EventId, alert: &Alert, state: State) -> Write {
        let key = alert::turned(cause);
        let store = &self.kernel.store;
        let stream = StreamName::trigger(&store.key().dedupe(&key));
        let what = What::Event(named(alert, state));
        let trigger = Trigger { key: key.clone(), at: self.now, late: false, what };
        let events = vec![NewEvent::with(&self.meta, TriggerRecorded { trigger })];
        Write { stream, expected: Expected::NoStream, key: Some(key), events }
    }

    fn alert(&mut self, stream: &StreamName) -> Result<&mut Staged<Folded>, ReadError> {
        if !self.alerts.contains_key(stream) {
            let (state, version) = self.kernel.alert_at(stream)?;
            let staged = Staged { state, version, events: vec![] };
            self.alerts.insert(stream.clone(), staged);
        }
        Ok(self.alerts.get_mut(stream).expect("it was put there"))
    }

    fn room(&mut self, stream: &StreamName) -> Result<&mut Staged<Storm>, ReadError> {
        if !self.rooms.contains_key(stream) {
            let (state, version) = self.kernel.storm_at(stream)?;
            let staged = Staged { state, version, events: vec![] };
            self.rooms.insert(stream.clone(), staged);
        }
        Ok(self.rooms.get_mut(stream).expect("it was put there"))
    }

    /// Everything that is to be written.
    pub(super) fn finish(self) -> Vec<Write> {
        let (now, meta) = (self.now, &self.meta);
        let alerts =
            self.alerts.into_iter().filter_map(|(stream, it)| staged(stream, it, meta, now));
        let rooms = self.rooms.into_iter().filter_map(|(stream, it)| staged(stream, it, meta, now));
        alerts.chain(rooms).chain(self.said).collect()
    }
}

/// The write of a changed stream, with its plan.
fn staged<T: Wakes>(
    stream: StreamName,
    staged: Staged<T>,
    meta: &Meta,
    now: Timestamp,
) -> Option<Write> {
    if staged.events.is_empty() {
        return None;
    }
    let plan = with_plan(&staged.state, vec![], now);
    let events = staged.events.into_iter().chain(plan);
    let events = events.map(|event| NewEvent::with(meta, event)).collect();
    let expected = staged.version.map_or(Expected::NoStream, Expected::Exact);
    Some(write(stream, expected, events))
}

/// What a silence may know a report by.
fn subject(report: &Report) -> Subject<'_> {
    let rule = report.by.strip_prefix("rule ").unwrap_or_default();
    Subject { rule, key: &report.key, host: &report.facts.host, source: &report.facts.source }
}

/// What a silence may know an alert by.
pub(super) fn of_alert(alert: &Alert) -> Subject<'_> {
    let raised = &alert.raised;
    let rule = raised.by.strip_prefix("rule ").unwrap_or_default();
    Subject { rule, key: &raised.key, host: &raised.facts.host, source: &raised.facts.source }
}

/// The trigger that an alert stands otherwise.
fn named(alert: &Alert, state: State) -> NamedEvent {
    let raised = &alert.raised;
    let fields = serde_json::json!({
        "key": raised.key,
        "state": state.word(),
        "text": raised.doc.words(),
        "severity": raised.facts.severity,
        "host": raised.facts.host,
        "source": raised.facts.source,
        "link": raised.facts.link,
        "labels": raised.facts.labels,
        "room": raised.place.name,
        "count": raised.count,
        "by": raised.acknowledged,
    });
    let fields = fields.as_object().cloned().unwrap_or_default();
    NamedEvent { name: format!("alert.{}", state.word()), fields, source: "alert".into() }
}

/// The message that says something of an alert, where that can be shown.
fn said(
    alert: &Alert,
    say: &Say,
    (id, changes): (MessageId, bool),
    now: Timestamp,
) -> Option<MessageQueued> {
    let root = alert.root()?;
    let place = alert.raised.place.clone();
    let note = |doc: Doc| {
        let (thread, doc) = match changes {
            true => (Some(PostId::of_message(root)), doc),
            false => (None, words::keyed(&alert.raised.key, doc)),
        };
        Some(MessageQueued::plain(id.clone(), Place { thread, ..place.clone() }, doc))
    };
    match say {
        Say::Root => Some(MessageQueued::plain(root.clone(), place, words::root(alert, now))),
        Say::Edit => {
            let edits = Some(root.clone());
            let doc = words::root(alert, now);
            changes.then(|| MessageQueued { edits, ..MessageQueued::plain(id, place, doc) })
        }
        Say::Again => note(words::again(alert)),
        Say::Severity => note(words::severity(alert)),
        Say::Acknowledged => note(words::acknowledged(alert)),
        Say::Resolved(doc) => note(words::resolved(alert, doc)),
        Say::Escalated(escalation) => {
            let doc = words::escalated(alert, escalation.after_ms, &escalation.then);
            let notify = escalation.then.people.clone();
            note(doc).map(|message| MessageQueued { notify, ..message })
        }
    }
}

impl Kernel {
    /// The stream of the alert with a key.
    pub(super) fn alert_stream(&self, key: &str) -> StreamName {
        StreamName::alert(&self.store.key().tag("alert", &[key]))
    }

    /// The stream of how alerts come to a room.
    fn digest_stream(&self, room: &RoomId) -> StreamName {
        StreamName::digest(&self.store.key().tag("digest", &[room.as_str()]))
    }

    /// An alert as it stands, with the version of its stream.
    pub(super) fn alert_at(
        &self,
        stream: &StreamName,
    ) -> Result<(Folded, Option<Version>), ReadError> {
        let back = alert::LOOK_BACK_EVENTS;
        kept(&self.alerting.alerts, self.store.as_ref(), stream, back, Folded::apply)
    }

    fn storm_at(&self, stream: &StreamName) -> Result<(Storm, Option<Version>), ReadError> {
        let back = storm::LOOK_BACK_EVENTS;
        kept(&self.alerting.rooms, self.store.as_ref(), stream, back, Storm::apply)
    }

    /// The alerts that are not over.
    pub(super) fn open_alerts(&self) -> Result<Vec<(StreamName, Alert)>, ReadError> {
        let streams: Vec<StreamName> =
            self.agenda(|agenda| agenda.alerts.open().cloned().collect());
        let mut open = vec![];
        for stream in streams {
            let alert = self.alert_at(&stream)?.0.alert;
            let alert = alert.filter(|alert| alert.state != State::Resolved);
            open.extend(alert.map(|alert| (stream, alert)));
        }
        Ok(open)
    }

    /// The alert whose thread a post begins, if it does.
    pub(super) fn alert_of_post(
        &self,
        room: &RoomId,
        post: &PostId,
    ) -> Result<Option<(StreamName, Alert)>, ReadError> {
        let key = crate::domain::event::post_key(room, post);
        let Some(sent) = self.store.find(&key)? else { return Ok(None) };
        let Some(sent) = self.store.read_at(&[sent])?.pop() else { return Ok(None) };
        let said = EventId { stream: sent.id.stream, version: Version::START };
        let cause = self.store.event(&said)?.and_then(|said| said.cause);
        let Some(stream) = cause.map(|cause| cause.stream) else { return Ok(None) };
        if stream.category() != "alert" {
            return Ok(None);
        }
        let alert = self.alert_at(&stream)?.0.alert;
        Ok(alert.map(|alert| (stream, alert)))
    }

    /// When the quiet hours of a room end that hold something of this severity back.
    fn quiet_until(&self, room: &RoomId, severity: &str, now: Timestamp) -> Option<Timestamp> {
        let settings = self.settings();
        let here = |name: &String| self.listed(std::slice::from_ref(name), room);
        let quiet = settings.alerts.quiet.iter().filter(|(name, _)| here(name));
        quiet.filter_map(|(_, quiet)| quiet.until(now, &settings.zone, severity)).max()
    }

    /// Calls somebody to an alert that nobody looks after, if it is time.
    pub(super) fn alert_due(&self, stream: &StreamName) -> Result<Vec<Write>, Error> {
        let mut alerting = Alerting::new(self, Meta::default());
        alerting.escalate(stream)?;
        Ok(alerting.finish())
    }

    /// Tells or changes the digest of a room, if it is time.
    pub(super) fn digest_due(&self, stream: &StreamName) -> Result<Vec<Write>, Error> {
        let (now, terms) = (self.clock.now(), self.settings().alerts.clone());
        let (storm, version) = self.storm_at(stream)?;
        let Some(digest) = storm.digest.clone() else { return Ok(vec![]) };
        let mut alerts = vec![];
        for stream in &digest.alerts {
            alerts.extend(self.alert_at(stream)?.0.alert);
        }
        let over = alerts.iter().all(|alert| alert.state == State::Resolved) && digest.more == 0;
        let changed = digest.news || alerts.iter().any(|alert| alert.at >= digest.told);
        let (place, before) = (&digest.place, self.told_as(&digest)?);
        let lines = if before.is_some() { EDITED_LINES_MAX } else { usize::MAX };
        let at = self.before_commands(place);
        let doc = words::digest(&alerts, digest.more, (&place.name, &at), digest.quiet, lines);
        let id = storm::message(self.store.key(), stream, version.unwrap_or(Version::START));
        let edits = before.clone().filter(|_| self.caps(place).edits);
        let says = match (&before, &edits) {
            (Some(_), Some(_)) => changed,
            (Some(_), None) => digest.news,
            (None, _) => digest.message.is_none() || (changed && !alerts.is_empty()),
        };
        let message = match before {
            None if !says => digest.message.clone(),
            before => before,
        };
        let message = message.unwrap_or_else(|| id.clone());
        let next = storm.next_look(over, now, &terms);
        let told = crate::domain::event::DigestTold { message, next };
        let events = with_plan(&storm, vec![told.into()], now);
        let events = events.into_iter().map(NewEvent::bare).collect();
        let expected = version.map_or(Expected::NoStream, Expected::Exact);
        let mut writes = vec![write(stream.clone(), expected, events)];
        if says {
            let queue = MessageQueued { edits, ..MessageQueued::plain(id, place.clone(), doc) };
            writes.push(queued(&Meta::default(), queue));
        }
        Ok(writes)
    }

    /// The message that a digest was told by. One that is erased cannot be changed any more: what is left is told anew.
    fn told_as(&self, digest: &Digest) -> Result<Option<MessageId>, ReadError> {
        let Some(message) = &digest.message else { return Ok(None) };
        Ok(self.queued(message)?.map(|queued| queued.message))
    }
}

/// Most lines of a digest that is changed: a change is shown as a whole.
pub const EDITED_LINES_MAX: usize = 20;

/// A fold that is kept, brought to the head of its stream.
fn kept<T: Default + Clone>(
    all: &Kept<T>,
    store: &dyn EventStore,
    stream: &StreamName,
    look_back: usize,
    apply: impl Fn(&mut T, &crate::domain::event::Recorded),
) -> Result<(T, Option<Version>), ReadError> {
    let mut all = all.lock().expect("nobody panics with it");
    if all.len() >= KEPT_MAX && !all.contains_key(stream) {
        // They are made again from the log where they are wanted.
        all.clear();
    }
    let fold = all.entry(stream.clone()).or_default();
    fold.follow(store, stream, look_back, apply)?;
    Ok((fold.folded.clone(), fold.version))
}
