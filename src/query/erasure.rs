//! Finds what is to be erased, a round at a time: events, the values beside them, and what must be ended before.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{executions, quotes, told_alerts, words};
use crate::domain::erasure::{
    COPY_CHARS_MIN, ErasedBlob, Needles, Places, Scope, ending, is_end, is_kept,
};
use crate::domain::event::{Event, Payload, Recorded, Secrecy};
use crate::domain::id::{
    DedupeKey, EventId, ExecutionId, Position, Pseudonym, StreamName, Timestamp, Version,
};
use crate::domain::person::joins;
use crate::domain::trigger::What;
use crate::store::{By, Direction, EventStore, READ_EVENTS_MAX, ReadError, Subject};

/// About how many events are erased in one round; what a trigger led to stays together.
pub const ROUND_EVENTS_MAX: u64 = 16_384;
/// Most names of a person that are looked for.
pub const NAMES_MAX: usize = 1_000;
/// Most persons that a round counts.
pub const PERSONS_MAX: usize = 10_000;

/// What somebody wants erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// An event by id or position; of a trigger, all that it led to.
    Event(String),
    /// An execution by the beginning of its id, with all that led to it.
    Execution(String),
    /// A person by their account.
    Person(String),
    /// What ended before a time.
    OlderThan(Timestamp),
    /// What was heard with one of these dedupe keys.
    Heard(Vec<DedupeKey>),
}

impl Target {
    /// How the log names what was asked for.
    pub fn scope(&self) -> Scope {
        match self {
            Self::Event(_) => Scope::Event,
            Self::Execution(_) => Scope::Execution,
            Self::Person(_) => Scope::Person,
            Self::OlderThan(_) => Scope::OlderThan,
            Self::Heard(_) => Scope::Redaction,
        }
    }
}

/// Why nothing can be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// It cannot be erased.
    #[error("{0}")]
    Invalid(String),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// One round: what goes, and what is ended before.
#[derive(Debug, Default)]
pub struct Round {
    /// The events.
    pub places: Places,
    /// How many of each type.
    pub kinds: BTreeMap<String, u64>,
    /// Whose events they are.
    pub persons: BTreeSet<Pseudonym>,
    /// The values beside the log.
    pub blobs: Vec<ErasedBlob>,
    /// The records of persons.
    pub subjects: Vec<u64>,
    /// The last events of streams that are not over.
    pub open: BTreeMap<StreamName, Recorded>,
    /// Where the next round goes on; none: this is the last.
    pub next: Option<Position>,
    /// The end of the log when it was planned.
    pub end: Position,
    /// The reports of alerts that go, and their places in digests: what was told of them goes as well.
    pub(super) alerts: Vec<EventId>,
    /// The streams of the alerts of which a report goes.
    pub(super) reported: BTreeSet<StreamName>,
    /// Alerts that fire, and of which no report is left: the last event of each. They are over.
    pub over: BTreeSet<EventId>,
    taken: u64,
    looked_at: BTreeSet<StreamName>,
}

/// Plans one erasure.
pub struct Planner {
    target: Target,
    from: Position,
    until: Position,
    actor: Option<Pseudonym>,
    account: Needles,
    names: Needles,
}

impl Planner {
    /// Looks at what is wanted.
    ///
    /// # Errors
    /// [`PlanError`] if the log cannot be read.
    pub fn new(store: &dyn EventStore, target: Target) -> Result<Self, PlanError> {
        let (from, until) = (Position::START, store.next_position());
        let (account, names) = Default::default();
        let mut planner = Self { target, from, until, actor: None, account, names };
        if let Target::Person(id) = &planner.target {
            planner.actor = store.pseudonym(&Subject::Person(id.clone()));
            planner.account = Needles::new([id.clone()]);
            let mut names = BTreeSet::new();
            if let Some(actor) = &planner.actor {
                names_of(store, actor, id, &mut names)?;
            }
            planner.names = Needles::names(names);
        }
        Ok(planner)
    }

    /// How much of the log has been gone over, and how much there is.
    pub fn progress(&self) -> (u64, u64) {
        (self.from.0, self.until.0)
    }

    /// Goes on to the next round; false: there is none.
    pub fn advance(&mut self, round: &Round) -> bool {
        self.from = round.next.unwrap_or(self.until);
        round.next.is_some()
    }

    /// The round that follows. The same again if it was not carried out.
    ///
    /// # Errors
    /// [`PlanError`] if there is nothing like that, or the log cannot be read.
    pub fn round(&self, store: &dyn EventStore) -> Result<Round, PlanError> {
        let mut round = Round { end: store.next_position(), ..Round::default() };
        match &self.target {
            Target::Event(id) => one_event(store, id, &mut round)?,
            Target::Execution(prefix) => one_execution(store, prefix, &mut round)?,
            Target::Heard(keys) => {
                for key in keys {
                    heard(store, key, &mut round)?;
                }
            }
            Target::Person(id) => {
                self.scan(store, &mut round, |event, round| self.of_person(store, event, round))?;
                if round.next.is_none() {
                    round.subjects.extend(store.subject_record(&Subject::Person(id.clone())));
                }
            }
            Target::OlderThan(time) => {
                self.scan(store, &mut round, |event, round| {
                    older(store, event, *time, round)?;
                    Ok(event.ts < *time)
                })?;
            }
        }
        // What is old goes when its time has come, and so does what was told of it.
        if !matches!(self.target, Target::OlderThan(_)) {
            told_alerts::take(store, &mut round)?;
            quotes::take(store, &mut round)?;
        }
        told_alerts::end(store, &mut round)?;
        Ok(round)
    }

    /// Goes over the log until a round is full, or `take` says that this is far enough.
    fn scan(
        &self,
        store: &dyn EventStore,
        round: &mut Round,
        take: impl Fn(&Recorded, &mut Round) -> Result<bool, ReadError>,
    ) -> Result<(), ReadError> {
        let mut from = self.from;
        let until = match &self.target {
            // What they say meanwhile has to go too: nobody finds it by them once their key is gone.
            Target::Person(_) => round.end,
            _ => self.until,
        };
        while from < until {
            let page = store.read_all(from, Direction::Forward, READ_EVENTS_MAX)?;
            let Some(last) = page.last().map(|last| last.position) else { return Ok(()) };
            for event in page.iter().filter(|event| event.position < until) {
                if round.taken >= ROUND_EVENTS_MAX {
                    round.next = Some(event.position);
                    return Ok(());
                }
                if !take(event, round)? {
                    return Ok(());
                }
            }
            from = last.next();
        }
        Ok(())
    }

    fn of_person(
        &self,
        store: &dyn EventStore,
        event: &Recorded,
        round: &mut Round,
    ) -> Result<bool, ReadError> {
        if is_kept(event) && event.position >= self.until {
            // What this erasure itself says.
            return Ok(true);
        }
        let theirs = self.actor.is_some() && event.actor == self.actor || self.spoke(event);
        if theirs && event.kind == "trigger_recorded" {
            correlation(store, &event.id.stream, Keeps::Nothing, round)?;
        } else if theirs || self.mention(store, event)? {
            round.take(store, event, true)?;
        }
        Ok(true)
    }

    /// Whether it is their account that spoke: an earlier erasure may have ended their pseudonym.
    fn spoke(&self, event: &Recorded) -> bool {
        let (Target::Person(id), Some(Event::TriggerRecorded(it))) = (&self.target, event.event())
        else {
            return false;
        };
        it.trigger.speaker().is_some_and(|speaker| speaker.id.as_str() == id)
    }

    /// Whether an event speaks of the person, or the value beside the log that it names.
    fn mention(&self, store: &dyn EventStore, event: &Recorded) -> Result<bool, ReadError> {
        let content = content(event);
        let named = |text: &str| self.names.name_somebody_in(text);
        if self.account.are_in(&content) || words::any_named(&content, &named) {
            return Ok(true);
        }
        let Some(blob) = event.event().and_then(Event::blob) else { return Ok(false) };
        let bytes = store.blob(blob)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        Ok(self.account.are_in_text(&text) || self.names.name_somebody_in(&text))
    }
}

impl Round {
    /// Adds an event, unless there is nothing of it to erase.
    pub(super) fn take(
        &mut self,
        store: &dyn EventStore,
        event: &Recorded,
        even_kept: bool,
    ) -> Result<(), ReadError> {
        let open = event.event().map(Event::secrecy) == Some(Secrecy::Open);
        let gone = matches!(event.payload, Payload::Erased) || event.event().is_some_and(is_end);
        if open || gone || is_kept(event) && !even_kept || !self.places.add(event.position) {
            return Ok(());
        }
        self.taken += 1;
        if matches!(event.kind.as_str(), "alert_raised" | "alert_placed") {
            self.alerts.push(event.id.clone());
        }
        if event.kind == "alert_raised" {
            self.reported.insert(event.id.stream.clone());
        }
        if let (true, Some(Event::EventsErased(earlier))) = (is_kept(event), event.event()) {
            // What it said was erased is said by the new one from now on.
            for stretch in &earlier.stretches {
                for n in stretch.0.0..=stretch.1.0 {
                    let _ = self.places.add(Position(n));
                }
            }
        }
        *self.kinds.entry(event.kind.clone()).or_default() += 1;
        if self.persons.len() < PERSONS_MAX {
            self.persons.extend(event.actor.clone());
        }
        let blob = event.event().and_then(Event::blob);
        self.blobs.extend(blob.map(|it| ErasedBlob { id: it.id.clone(), slot: it.slot }));
        self.look_at(store, &event.id.stream)
    }

    /// Notes whether a stream still has to be ended.
    pub(super) fn look_at(
        &mut self,
        store: &dyn EventStore,
        stream: &StreamName,
    ) -> Result<(), ReadError> {
        if self.looked_at.insert(stream.clone())
            && let Some(last) = last_of(store, stream)?
            && ending(&last).is_some()
        {
            self.open.insert(stream.clone(), last);
        }
        Ok(())
    }
}

/// What can be read of an event, as JSON.
fn content(event: &Recorded) -> serde_json::Value {
    match &event.payload {
        Payload::Event(event) => event.encode(),
        Payload::Unknown(value) => value.clone(),
        Payload::Erased => serde_json::Value::Null,
    }
}

fn last_of(store: &dyn EventStore, stream: &StreamName) -> Result<Option<Recorded>, ReadError> {
    Ok(store.read(stream, Version::END, Direction::Backward, 1)?.pop())
}

/// The names under which a person spoke.
fn names_of(
    store: &dyn EventStore,
    actor: &Pseudonym,
    id: &str,
    names: &mut BTreeSet<String>,
) -> Result<(), ReadError> {
    each(store, &By::Actor(actor.clone()), |event| {
        if let Some(Event::TriggerRecorded(it)) = event.event()
            && let Some(speaker) = it.trigger.speaker().filter(|speaker| speaker.id.as_str() == id)
            && names.len() < NAMES_MAX
        {
            names.insert(speaker.name.clone());
        }
        Ok(())
    })
}

/// Goes over all events that have something in common.
pub(super) fn each(
    store: &dyn EventStore,
    by: &By,
    mut take: impl FnMut(&Recorded) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let mut from = Position::START;
    loop {
        let positions = store.positions(by, from, Direction::Forward, READ_EVENTS_MAX)?;
        let Some(last) = positions.last() else { return Ok(()) };
        for event in store.read_at(&positions)? {
            take(&event)?;
        }
        from = last.next();
    }
}

fn one_event(store: &dyn EventStore, id: &str, round: &mut Round) -> Result<(), PlanError> {
    let missing = || PlanError::NotFound(format!("there is no event `{id}`"));
    let found = match id.parse() {
        Ok(position) => {
            let found = store.read_all(Position(position), Direction::Forward, 1)?.pop();
            found.filter(|event| event.position == Position(position))
        }
        Err(_) => store.event(&EventId::parse(id).map_err(|_| missing())?)?,
    };
    let event = found.ok_or_else(missing)?;
    if event.event().map(Event::secrecy) == Some(Secrecy::Open) || is_kept(&event) {
        let what = format!("`{}` is open: nothing of it can be erased", event.kind);
        return Err(PlanError::Invalid(what));
    }
    match event.kind == "trigger_recorded" {
        true => Ok(correlation(store, &event.id.stream, Keeps::Nothing, round)?),
        false => Ok(round.take(store, &event, false)?),
    }
}

fn one_execution(store: &dyn EventStore, prefix: &str, round: &mut Round) -> Result<(), PlanError> {
    let stream = match executions::resolve(store, prefix)? {
        Ok(id) => StreamName::execution(&id),
        Err(0) => {
            let what = format!("no execution's id begins with `{prefix}`");
            return Err(PlanError::NotFound(what));
        }
        Err(several) => {
            let what = format!("{several} executions' ids begin with `{prefix}`: write more of it");
            return Err(PlanError::NotFound(what));
        }
    };
    let first = store.read(&stream, Version::START, Direction::Forward, 1)?;
    if let Some(trigger) = first.first().and_then(|first| first.correlation.clone()) {
        correlation(store, &trigger, Keeps::Nothing, round)?;
    }
    Ok(whole_stream(store, &stream, round)?)
}

/// What was heard with a dedupe key and led to something: a reaction that is taken back is no erasure.
fn heard(store: &dyn EventStore, key: &DedupeKey, round: &mut Round) -> Result<(), ReadError> {
    let stream = StreamName::trigger(&store.key().dedupe(key));
    let first = store.read(&stream, Version::START, Direction::Forward, 1)?;
    match first.first().and_then(Recorded::event) {
        Some(Event::TriggerRecorded(it)) if matches!(it.trigger.what, What::Reaction(_)) => Ok(()),
        _ if first.is_empty() => Ok(()),
        _ => correlation(store, &stream, Keeps::Others, round),
    }
}

/// What of a trigger stays that reached executions which others asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeps {
    /// Nothing.
    Nothing,
    /// What those cannot do without: everything while they are open, and votes for good.
    Others,
}

impl Keeps {
    fn has(self, store: &dyn EventStore, event: &Recorded) -> Result<bool, ReadError> {
        let vote = || matches!(event.event(), Some(Event::ApprovalVoted(_)));
        Ok(self == Self::Others
            && (vote() || is_of_another(store, &event.id.stream, event.actor.as_ref())?))
    }
}

/// Whether an execution is open that somebody else asked for.
fn is_of_another(
    store: &dyn EventStore,
    stream: &StreamName,
    actor: Option<&Pseudonym>,
) -> Result<bool, ReadError> {
    let first = store.read(stream, Version::START, Direction::Forward, 1)?;
    let own = first.first().is_some_and(|first| first.actor.as_ref() == actor);
    Ok(!own && is_open(store, stream)?)
}

fn is_open(store: &dyn EventStore, stream: &StreamName) -> Result<bool, ReadError> {
    Ok(last_of(store, stream)?.is_some_and(|last| ending(&last).is_some()))
}

/// All that a trigger led to: its events, the executions that it started as a whole, and in executions that it answered
/// what is a copy of it.
pub(super) fn correlation(
    store: &dyn EventStore,
    trigger: &StreamName,
    keeps: Keeps,
    round: &mut Round,
) -> Result<(), ReadError> {
    let (mut started, mut answered) = (BTreeSet::new(), BTreeSet::new());
    let (mut text, mut actor) = (String::new(), None);
    each(store, &By::Correlation(trigger.clone()), |event| {
        if event.id.stream == *trigger {
            actor = actor.take().or_else(|| event.actor.clone());
        }
        if let Some(Event::TriggerRecorded(it)) = event.event()
            && let What::Message(message) = &it.trigger.what
        {
            text = message.command.as_ref().map_or(&message.text, |it| &it.text).trim().to_owned();
        }
        match event.id.stream.category() {
            "execution" if event.kind == "execution_started" => {
                started.insert(event.id.stream.clone());
            }
            "execution" if !started.contains(&event.id.stream) => {
                answered.insert(event.id.stream.clone());
                if keeps.has(store, event)? {
                    return Ok(());
                }
            }
            _ => {}
        }
        round.take(store, event, false)
    })?;
    for stream in &started {
        whole_stream(store, stream, round)?;
    }
    let copies = Needles::new((text.chars().count() >= COPY_CHARS_MIN).then_some(text));
    for stream in answered.difference(&started).filter(|_| !copies.is_empty()) {
        if keeps == Keeps::Others && is_of_another(store, stream, actor.as_ref())? {
            continue;
        }
        let first = store.read(stream, Version::START, Direction::Forward, 1)?;
        let Some(of) = first.first().and_then(|first| first.correlation.clone()) else { continue };
        each(store, &By::Correlation(of), |event| {
            let stays = event.id.stream.category() == "execution" && keeps.has(store, event)?;
            let copy = !stays && copies.are_in(&content(event));
            if copy { round.take(store, event, false) } else { Ok(()) }
        })?;
    }
    Ok(())
}

pub(super) fn whole_stream(
    store: &dyn EventStore,
    stream: &StreamName,
    round: &mut Round,
) -> Result<(), ReadError> {
    let mut from = Version::START;
    loop {
        let page = store.read(stream, from, Direction::Forward, READ_EVENTS_MAX)?;
        let Some(last) = page.last() else { return Ok(()) };
        for event in &page {
            round.take(store, event, false)?;
        }
        from = last.id.version.next();
    }
}

/// What is old enough and over: a trigger with all that it led to, or something that stands alone.
fn older(
    store: &dyn EventStore,
    event: &Recorded,
    time: Timestamp,
    round: &mut Round,
) -> Result<(), ReadError> {
    let stream = &event.id.stream;
    let superseded = || Ok(store.version(stream)? > Some(event.id.version));
    match &event.correlation {
        Some(trigger) if trigger == stream && event.kind == "trigger_recorded" => {
            old_correlation(store, trigger, time, round)
        }
        Some(_) => Ok(()),
        None => {
            let over = match stream.category() {
                "message" => last_of(store, stream)?.is_none_or(|last| ending(&last).is_none()),
                "people" => !joins(event),
                // The last one says how things are.
                _ => superseded()?,
            };
            if over { round.take(store, event, false) } else { Ok(()) }
        }
    }
}

fn old_correlation(
    store: &dyn EventStore,
    trigger: &StreamName,
    time: Timestamp,
    round: &mut Round,
) -> Result<(), ReadError> {
    let by = By::Correlation(trigger.clone());
    let newest = store.positions(&by, Position::END, Direction::Backward, 1)?;
    let newest = store.read_at(&newest)?;
    if newest.first().is_none_or(|newest| newest.ts >= time) {
        return Ok(());
    }
    let mut streams = BTreeSet::new();
    each(store, &by, |event| {
        streams.insert(event.id.stream.clone());
        Ok(())
    })?;
    for stream in &streams {
        if last_of(store, stream)?.is_some_and(|last| ending(&last).is_some() || last.ts >= time) {
            return Ok(());
        }
    }
    each(store, &by, |event| {
        let remembered = event.id.stream.category() == "memory";
        let current = remembered && store.version(&event.id.stream)? == Some(event.id.version);
        if current { Ok(()) } else { round.take(store, event, false) }
    })
}

/// The execution that a stream is of.
pub fn execution_of(stream: &StreamName) -> Option<ExecutionId> {
    (stream.category() == "execution").then(|| ExecutionId(stream.id().to_owned()))
}
