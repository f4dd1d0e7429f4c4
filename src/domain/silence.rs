//! Silences: what is not told for a while, as a fold of the log; and what people mean who name something to be silenced.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::event::{Event, Recorded, SilenceStarted};
use super::id::Timestamp;
use super::near::nearest;
use super::wake::Wakes;

/// How long something is silenced if nobody says how long.
pub const SILENCE_MS: i64 = 15 * 60 * 1000;
/// Longest silence.
pub const SILENCE_MS_MAX: i64 = 30 * 24 * 60 * 60 * 1000;
/// Shortest silence.
pub const SILENCE_MS_MIN: i64 = 1000;
/// So long before its end people are told of it, if it still holds something back.
pub const NOTICE_MS: i64 = 10 * 60 * 1000;
/// Most silences that may hold at once.
pub const SILENCES_MAX: usize = 1_000;
/// Longest name of what is silenced, and longest reason, in bytes.
pub const NAME_BYTES_MAX: usize = 200;
/// Longest reason, in bytes.
pub const WHY_BYTES_MAX: usize = 1_000;
/// Most things that are silenced by one command.
pub const TARGETS_MAX: usize = 10;

/// What kind of thing is silenced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// A rule of a script, by its name.
    Rule,
    /// An alert, by its key.
    Alert,
    /// All alerts of a machine.
    Host,
    /// All that comes from a hook, a sensor or a system.
    Source,
    /// Whatever has this name.
    Any,
}

impl TargetKind {
    /// As people write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Alert => "alert",
            Self::Host => "host",
            Self::Source => "source",
            Self::Any => "any",
        }
    }
}

/// What is silenced.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Target {
    /// Its kind.
    pub kind: TargetKind,
    /// Its name.
    pub name: String,
}

impl Target {
    /// What a text names: `host:web301`, or whatever has the name.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let kinds = [TargetKind::Rule, TargetKind::Alert, TargetKind::Host, TargetKind::Source];
        let exact = text.split_once(':').and_then(|(word, name)| {
            let kind = kinds.into_iter().find(|kind| kind.word().eq_ignore_ascii_case(word))?;
            Some(Self { kind, name: name.trim().to_owned() })
        });
        let any = || Self { kind: TargetKind::Any, name: text.to_owned() };
        exact.filter(|target| !target.name.is_empty()).unwrap_or_else(any)
    }

    /// As people read it where the kind matters: `host web301`.
    pub fn words(&self) -> String {
        match self.kind {
            TargetKind::Any => self.name.clone(),
            kind => format!("{} {}", kind.word(), self.name),
        }
    }

    /// Whether it is about something that wants to be told.
    pub fn covers(&self, subject: &Subject) -> bool {
        let is = |name: &str| !name.is_empty() && name.eq_ignore_ascii_case(&self.name);
        match self.kind {
            TargetKind::Rule => is(subject.rule),
            TargetKind::Alert => is(subject.key),
            TargetKind::Host => is(subject.host),
            TargetKind::Source => is(subject.source),
            TargetKind::Any => {
                [subject.rule, subject.key, subject.host, subject.source].into_iter().any(is)
            }
        }
    }
}

/// Something that wants to be told; what is not known is empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'a> {
    /// The rule that says it.
    pub rule: &'a str,
    /// The alert's key.
    pub key: &'a str,
    /// The machine.
    pub host: &'a str,
    /// The hook, sensor or system.
    pub source: &'a str,
}

/// A silence that holds, or is over and not ended yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// How it began; until when it holds now.
    pub started: SilenceStarted,
    /// When its time was last set.
    pub set: Timestamp,
    /// People were told that it ends soon.
    pub noticed: bool,
}

impl Silence {
    /// When people are told that it ends soon; none: they were, or it is too short for that.
    fn notice_at(&self) -> Option<Timestamp> {
        let at = self.started.until.plus_ms(-NOTICE_MS);
        (!self.noticed && at > self.set).then_some(at)
    }
}

/// What has to happen with a silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Tell that it ends soon.
    Notice(Silence),
    /// End it.
    End(Silence),
}

/// The silences.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Silences {
    held: BTreeMap<String, Silence>,
    planned: Option<Timestamp>,
}

impl Wakes for Silences {
    fn take(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::SilenceStarted(e) => {
                let silence = Silence { started: e.clone(), set: at, noticed: false };
                self.held.insert(e.silence.clone(), silence);
            }
            Event::SilenceExtended(e) => {
                if let Some(silence) = self.held.get_mut(&e.silence) {
                    silence.started.until = e.until;
                    (silence.set, silence.noticed) = (at, false);
                }
            }
            Event::SilenceNoticed(e) => {
                if let Some(silence) = self.held.get_mut(&e.silence) {
                    silence.noticed = true;
                }
            }
            Event::SilenceEnded(e) => drop(self.held.remove(&e.silence)),
            Event::WakePlanned(e) => self.planned = e.due,
            _ => {}
        }
    }

    fn wake(&self) -> Option<Timestamp> {
        let next = |silence: &Silence| silence.notice_at().unwrap_or(silence.started.until);
        self.held.values().map(next).min()
    }

    fn planned(&self) -> Option<Timestamp> {
        self.planned
    }
}

impl Silences {
    /// What one more event changes.
    pub fn apply(&mut self, recorded: &Recorded) {
        if let Some(event) = recorded.event() {
            self.take(event, recorded.wall);
        }
    }

    /// The silences that hold, by their ids.
    pub fn open(&self, now: Timestamp) -> impl Iterator<Item = &Silence> {
        self.held.values().filter(move |silence| silence.started.until > now)
    }

    /// The silence that holds something back, the one that ends last.
    pub fn covering(&self, subject: &Subject, now: Timestamp) -> Option<&Silence> {
        let covers = |silence: &&Silence| silence.started.target.covers(subject);
        self.open(now).filter(covers).max_by_key(|silence| silence.started.until)
    }

    /// The silences of what a text names.
    pub fn of(&self, text: &str, now: Timestamp) -> Vec<&Silence> {
        let wanted = Target::parse(text);
        let same = |silence: &&Silence| {
            let target = &silence.started.target;
            let kind = wanted.kind == TargetKind::Any || target.kind == wanted.kind;
            kind && target.name.eq_ignore_ascii_case(&wanted.name)
        };
        self.open(now).filter(same).collect()
    }

    /// What has to happen now.
    pub fn due(&self, now: Timestamp) -> Vec<Due> {
        let due = |silence: &Silence| match silence.notice_at() {
            _ if silence.started.until <= now => Some(Due::End(silence.clone())),
            Some(at) if at <= now => Some(Due::Notice(silence.clone())),
            _ => None,
        };
        self.held.values().filter_map(due).collect()
    }
}

/// What somebody means who names something to be silenced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meant {
    /// This.
    One(Target),
    /// It could be any of these, or all.
    Several(Vec<Target>),
    /// Nothing has this name; something has one that is near.
    Nothing(Option<String>),
}

/// Finds what is meant among all that is known: by its whole name, else by words of it.
pub fn meant(text: &str, known: &BTreeSet<Target>) -> Meant {
    let wanted = Target::parse(text);
    let of_kind = |target: &&Target| wanted.kind == TargetKind::Any || target.kind == wanted.kind;
    let named = |target: &&Target| target.name.eq_ignore_ascii_case(&wanted.name);
    let asked = words(&wanted.name);
    let worded = |target: &&Target| {
        let has = words(&target.name);
        !asked.is_empty() && asked.iter().all(|word| has.contains(word))
    };
    let mut found: Vec<Target> = known.iter().filter(of_kind).filter(named).cloned().collect();
    if found.is_empty() {
        found = known.iter().filter(of_kind).filter(worded).cloned().collect();
    }
    // What has one name is one thing to people, whatever kinds of things have it.
    if let [first, _, ..] = found.as_slice()
        && found.iter().all(|target| target.name.eq_ignore_ascii_case(&first.name))
    {
        return Meant::One(Target { kind: TargetKind::Any, name: first.name.clone() });
    }
    match found.len() {
        0 => {
            let names: Vec<String> =
                known.iter().filter(of_kind).map(|target| target.name.to_lowercase()).collect();
            let lower = wanted.name.to_lowercase();
            Meant::Nothing(nearest(&lower, names.iter().map(String::as_str)).map(str::to_owned))
        }
        1 => Meant::One(found.remove(0)),
        _ => Meant::Several(found),
    }
}

fn words(name: &str) -> BTreeSet<String> {
    let parts = name.split(|c: char| !c.is_alphanumeric());
    parts.filter(|part| !part.is_empty()).map(str::to_lowercase).collect()
}

#[cfg(test)]
#[path = "silence_tests.rs"]
mod tests;
