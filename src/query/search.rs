//! Finding events: an index where a filter allows one, else a look over the log between two times.

use std::ops::Range;

use super::command::{Refusal, Sink};
use super::executions;
use super::filter::Filter;
use super::lookup::Lookup;
use super::story;
use super::subjects::Subjects;
use super::words::{Needle, WORDLESS};
use crate::domain::event::Recorded;
use crate::domain::id::{ExecutionId, Position, Pseudonym, Timestamp};
use crate::domain::trigger::Trust;
use crate::store::scan::{Glance, Holds, Sieve};
use crate::store::{By, Direction, EventStore, READ_EVENTS_MAX, ReadError, Subject};

/// Most steps of the clock that a search by time minds; behind them it looks at every event.
pub const CLOCK_STEPS_MAX: usize = 4_096;
/// The first page of an index; the next ones are larger.
const FIRST_PAGE: usize = 64;

/// Whether a search goes on.
pub enum Flow {
    /// With the next event.
    On,
    /// No more is wanted.
    Enough,
}

/// Takes what is found, one event after the other.
pub type Take<'a> = dyn FnMut(&Recorded, &mut Lookup, &mut dyn Sink) -> Result<Flow, Refusal> + 'a;

/// A filter, with everything that it names found in the log.
pub struct Search<'a> {
    store: &'a dyn EventStore,
    filter: &'a Filter,
    actor: Option<Pseudonym>,
    room: Option<Pseudonym>,
    network: Option<Pseudonym>,
    execution: Option<ExecutionId>,
    needle: Option<Needle>,
    ranges: Vec<Range<u64>>,
}

/// Where candidates come from.
enum Source {
    /// The positions of a story, in order.
    Story(Vec<Position>),
    /// What has something in common.
    Index(By),
    /// Everything.
    All,
}

impl<'a> Search<'a> {
    /// Finds what a filter names; only events from `first` and before `end` count.
    ///
    /// # Errors
    /// [`Refusal`] if it names nobody, or several.
    pub fn new(
        store: &'a dyn EventStore,
        filter: &'a Filter,
        bounds: Range<Position>,
        sink: &mut dyn Sink,
    ) -> Result<Self, Refusal> {
        // An id is known at once; for a name the log is looked over.
        let id = |subject: Option<Subject>| {
            subject.is_none_or(|subject| store.pseudonym(&subject).is_some())
        };
        let ids = id(filter.who.clone().map(Subject::Person))
            && id(filter.room.clone().map(Subject::Room));
        let subjects = if ids { Subjects::default() } else { Subjects::current(store, sink)? };
        let person = |text: &String| subjects.person(store, text);
        let room = |text: &String| subjects.room(store, text);
        let network = |text: &String| {
            let known = store.pseudonym(&Subject::Network(text.clone()));
            let none = || Refusal::NotFound(format!("nothing in the log is on a network `{text}`"));
            known.ok_or_else(none)
        };
        let execution = |prefix: &String| found_execution(store, prefix);
        let needle = |text: &String| {
            let none = || Refusal::Invalid(format!("`{text}` is nothing to look for"));
            Needle::new(text).ok_or_else(none)
        };
        let first = bounds.start.0;
        let end = bounds.end.0.min(store.next_position().0).max(first);
        let ranges = times(store, filter.since, filter.until)?;
        let within = |range: Range<u64>| range.start.max(first)..range.end.min(end);
        let ranges = ranges.into_iter().map(within).filter(|range| !range.is_empty());
        Ok(Self {
            store,
            filter,
            actor: filter.who.as_ref().map(person).transpose()?,
            room: filter.room.as_ref().map(room).transpose()?,
            network: filter.network.as_ref().map(network).transpose()?,
            execution: filter.execution.as_ref().map(execution).transpose()?,
            needle: filter.text.as_ref().map(needle).transpose()?,
            ranges: ranges.collect(),
        })
    }

    /// Looks at these positions from now on.
    pub fn within(&mut self, range: Range<Position>) {
        self.ranges = std::iter::once(range.start.0..range.end.0).collect();
    }

    fn source(&self) -> Result<Source, ReadError> {
        if let Some(id) = &self.execution {
            return Ok(Source::Story(story::positions(self.store, id)?));
        }
        let by = match (&self.actor, &self.room, &self.network, self.filter.types.as_slice()) {
            (Some(actor), ..) => By::Actor(actor.clone()),
            (_, Some(room), ..) => By::Room(room.clone()),
            (_, _, _, [kind]) if !kind.contains('*') => By::Kind(kind.clone()),
            (_, _, Some(network), _) => By::Network(network.clone()),
            _ => return Ok(Source::All),
        };
        // Most events of a day are read more quickly one after the other than through an index.
        let few = self.ranges.iter().map(|range| range.end - range.start).sum::<u64>();
        Ok(if few <= READ_EVENTS_MAX as u64 { Source::All } else { Source::Index(by) })
    }

    /// Gives what is found, in one direction, until it is enough.
    ///
    /// # Errors
    /// [`Refusal`] if the log cannot be read, nobody waits any more, or what `take` says.
    pub fn each(
        &self,
        direction: Direction,
        lookup: &mut Lookup,
        sink: &mut dyn Sink,
        take: &mut Take,
    ) -> Result<(), Refusal> {
        let source = self.source()?;
        let mut ranges = self.ranges.clone();
        if direction == Direction::Backward {
            ranges.reverse();
        }
        let total: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        let mut done = 0;
        for range in ranges {
            let mut pages = Pages::new(range.clone(), direction);
            while let Some(from) = pages.next {
                let behind = match direction {
                    Direction::Forward => from.0 - range.start,
                    Direction::Backward => (range.end - 1).saturating_sub(from.0),
                };
                sink.progress("events", done + behind, total)?;
                for event in self.page(&source, &mut pages, from)? {
                    let fits = self.fits(&event, lookup)?;
                    if fits && matches!(take(&event, lookup, sink)?, Flow::Enough) {
                        return Ok(());
                    }
                }
            }
            done += range.end - range.start;
        }
        Ok(())
    }

    /// The candidates of one page, and where the next one begins.
    fn page(
        &self,
        source: &Source,
        pages: &mut Pages,
        from: Position,
    ) -> Result<Vec<Recorded>, ReadError> {
        match source {
            Source::Story(positions) => {
                let wanted: Vec<Position> = pages.all_of(positions);
                self.store.read_at(&wanted)
            }
            Source::Index(by) => {
                let found = self.store.positions(by, from, pages.direction, pages.size)?;
                let wanted = pages.of_index(&found);
                self.store.read_at(&wanted)
            }
            Source::All => {
                let wanted = |glance: &Glance| self.wants(glance);
                let needle = self.needle.as_ref();
                let holds = |json: &[u8]| needle.is_none_or(|needle| needle.may_be_in(json));
                let holds: Option<&Holds> = if needle.is_some() { Some(&holds) } else { None };
                let max = pages.left(from);
                let sieve = Sieve { wanted: &wanted, holds };
                let sifted = self.store.sift(from, pages.direction, max, &sieve)?;
                pages.go_on(sifted.next);
                Ok(sifted.events)
            }
        }
    }

    /// Whether an event may fit, from its clear part.
    fn wants(&self, glance: &Glance) -> bool {
        let same = |wanted: &Option<Pseudonym>, is: Option<&str>| {
            wanted.as_ref().is_none_or(|wanted| is == Some(wanted.as_str()))
        };
        same(&self.actor, glance.actor)
            && same(&self.room, glance.room)
            && same(&self.network, glance.network)
            && self.filter.takes(glance.kind)
            && self.in_time(glance.ts)
            && (self.needle.is_none() || !WORDLESS.contains(&glance.kind))
    }

    fn in_time(&self, ts: i64) -> bool {
        self.filter.since.is_none_or(|since| ts >= since.0)
            && self.filter.until.is_none_or(|until| ts < until.0)
    }

    /// Whether an event is what the filter says.
    fn fits(&self, event: &Recorded, lookup: &mut Lookup) -> Result<bool, ReadError> {
        let same =
            |wanted: &Option<Pseudonym>, is: &Option<Pseudonym>| wanted.is_none() || wanted == is;
        let clear = same(&self.actor, &event.actor)
            && same(&self.room, &event.room)
            && same(&self.network, &event.network)
            && self.filter.takes(&event.kind)
            && self.in_time(event.ts.0);
        if !clear || self.needle.as_ref().is_some_and(|needle| !needle.is_in(event)) {
            return Ok(false);
        }
        if let Some(trust) = self.filter.trust
            && self.trust_of(event, lookup)? != Some(trust)
        {
            return Ok(false);
        }
        if let Some(rule) = &self.filter.rule {
            let cause = lookup.cause_of(event)?;
            let name = format!("rule {rule}");
            let considered = cause.is_some_and(|cause| cause.considered.contains(&name));
            if !considered {
                return Ok(false);
            }
        }
        self.execution_fits(event, lookup)
    }

    fn trust_of(&self, event: &Recorded, lookup: &mut Lookup) -> Result<Option<Trust>, ReadError> {
        Ok(lookup.speaker(event)?.map(|speaker| speaker.trust))
    }

    fn execution_fits(&self, event: &Recorded, lookup: &mut Lookup) -> Result<bool, ReadError> {
        let Filter { alias, action, status, .. } = self.filter;
        if alias.is_none() && action.is_none() && status.is_none() {
            return Ok(true);
        }
        let Some(id) = lookup.execution(event)? else { return Ok(false) };
        let Some(facts) = lookup.facts(&id)? else { return Ok(false) };
        Ok(alias.as_ref().is_none_or(|alias| facts.alias == *alias)
            && action.as_ref().is_none_or(|action| facts.actions.contains(action))
            && status.is_none_or(|status| facts.standing == status))
    }
}

/// How far a search is in one range of positions.
struct Pages {
    range: Range<u64>,
    direction: Direction,
    next: Option<Position>,
    size: usize,
}

impl Pages {
    fn new(range: Range<u64>, direction: Direction) -> Self {
        let next = match direction {
            Direction::Forward => range.start,
            Direction::Backward => range.end - 1,
        };
        Self { range, direction, next: Some(Position(next)), size: FIRST_PAGE }
    }

    /// How many events are left from a position on, at most a page of them.
    fn left(&self, from: Position) -> usize {
        let left = match self.direction {
            Direction::Forward => self.range.end - from.0,
            Direction::Backward => from.0 + 1 - self.range.start,
        };
        usize::try_from(left).unwrap_or(usize::MAX).min(READ_EVENTS_MAX)
    }

    fn go_on(&mut self, next: Option<Position>) {
        self.next = next.filter(|next| self.range.contains(&next.0));
    }

    /// What of an index lies in the range.
    fn of_index(&mut self, found: &[Position]) -> Vec<Position> {
        let full = found.len() >= self.size;
        let next = found.last().filter(|_| full).and_then(|last| match self.direction {
            Direction::Forward => Some(last.next()),
            Direction::Backward => last.0.checked_sub(1).map(Position),
        });
        self.size = (self.size * 4).min(READ_EVENTS_MAX / 4);
        self.go_on(next);
        found.iter().copied().filter(|position| self.range.contains(&position.0)).collect()
    }

    /// What of a short list lies in the range: all at once.
    fn all_of(&mut self, positions: &[Position]) -> Vec<Position> {
        self.next = None;
        let inside = positions.iter().copied().filter(|at| self.range.contains(&at.0));
        let mut inside: Vec<Position> = inside.collect();
        if self.direction == Direction::Backward {
            inside.reverse();
        }
        inside
    }
}

/// The execution whose id begins like this.
///
/// # Errors
/// [`Refusal::NotFound`] if there is none, or more than one.
pub fn found_execution(store: &dyn EventStore, prefix: &str) -> Result<ExecutionId, Refusal> {
    match executions::resolve(store, prefix)? {
        Ok(id) => Ok(id),
        Err(0) => Err(Refusal::NotFound(format!("no execution's id begins with `{prefix}`"))),
        Err(several) => Err(Refusal::NotFound(format!(
            "{several} executions' ids begin with `{prefix}`: write more of it"
        ))),
    }
}

/// Where in the log the events between two times are: one range for each epoch of the clock.
fn times(
    store: &dyn EventStore,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Result<Vec<Range<u64>>, ReadError> {
    let end = store.next_position().0;
    if since.is_none() && until.is_none() {
        return Ok(std::iter::once(0..end).collect());
    }
    let kind = By::Kind("clock_stepped".into());
    let steps = store.positions(&kind, Position::START, Direction::Forward, CLOCK_STEPS_MAX)?;
    let mut ranges = vec![];
    let mut from = 0;
    for step in steps.iter().map(|step| step.0).chain([end]) {
        // Behind too many steps nothing is known of the order.
        let known = steps.len() < CLOCK_STEPS_MAX || step < end;
        let bound = |time: Option<Timestamp>, other: u64| match time {
            Some(time) if known => first_at(store, from..step, time),
            _ => Ok(other),
        };
        let range = bound(since, from)?..bound(until, step)?;
        if !range.is_empty() {
            ranges.push(range);
        }
        from = step;
    }
    Ok(ranges)
}

/// The first event of an epoch that is not before a time.
fn first_at(store: &dyn EventStore, epoch: Range<u64>, time: Timestamp) -> Result<u64, ReadError> {
    let (mut low, mut high) = (epoch.start, epoch.end);
    while low < high {
        let middle = low + (high - low) / 2;
        let mut ts = i64::MAX;
        store.glance(Position(middle), Direction::Forward, 1, &mut |glance| ts = glance.ts)?;
        match ts < time.0 {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    Ok(low)
}
