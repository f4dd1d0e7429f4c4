//! `log query`: the events that a filter lets through, the newest ones, or those behind a mark, and those still to come.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::command::{Refusal, Sink};
use super::filter::{Filter, LIMIT};
use super::follow::{self, Followers};
use super::lookup::Lookup;
use super::search::{Flow, Search};
use super::story;
use crate::domain::id::Position;
use crate::store::{Direction, EventStore};

/// Events that are read again at a time.
const READ_AGAIN: usize = 256;

/// A question for events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ask {
    /// Which.
    pub filter: Filter,
    /// Only behind this mark.
    pub behind: Option<Mark>,
    /// All of it from old to new, instead of the newest.
    pub in_order: bool,
    /// Say in a last row where to go on.
    pub mark: bool,
    /// Go on with what is still to come.
    pub follow: bool,
}

/// A place in a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// The log's name.
    pub log: String,
    /// Everything before it was seen.
    pub next: Position,
}

/// The name of the log behind a store.
pub fn log_name(store: &dyn EventStore) -> String {
    store.key().tag("log", &[]).to_string()
}

/// Answers with a row for each event.
///
/// # Errors
/// [`Refusal`] if the filter names nobody, the mark is of another log, or the log cannot be read.
pub fn answer(
    store: &dyn EventStore,
    ask: &Ask,
    followers: &Followers,
    sink: &mut dyn Sink,
) -> Result<(), Refusal> {
    let _place = if ask.follow { Some(followers.join()?) } else { None };
    let (log, end) = (log_name(store), store.next_position());
    let first = match &ask.behind {
        None => Position::START,
        Some(mark) => checked(mark, &log, end)?,
    };
    let mut search = Search::new(store, &ask.filter, first..end, sink)?;
    let mut answering = Answering { store, ask, lookup: Lookup::new(store) };
    let in_order = ask.behind.is_some() || ask.in_order;
    let next = match in_order {
        true => answering.in_order(&search, end, sink)?,
        false => answering.newest(&search, sink).map(|()| end)?,
    };
    let marked = |next: Position| json!({ "mark": Mark { log: log.clone(), next } });
    if ask.mark {
        sink.row(marked(next))?;
    }
    if !ask.follow {
        return Ok(());
    }
    follow::each_batch(store, next, sink, &mut |batch, sink| {
        let next = batch.end;
        search.within(batch);
        answering.in_order(&search, next, sink)?;
        if ask.mark {
            sink.row(marked(next))?;
        }
        Ok(())
    })
}

fn checked(mark: &Mark, log: &str, end: Position) -> Result<Position, Refusal> {
    let Mark { log: of, next } = mark;
    if of != log {
        return Err(Refusal::Invalid(format!("the checkpoint is of the log {of}, this is {log}")));
    }
    if *next > end {
        let what =
            format!("the checkpoint is at {next}, the log ends at {end}: it is an older copy");
        return Err(Refusal::Invalid(what));
    }
    Ok(*next)
}

/// An answer under way.
struct Answering<'a> {
    store: &'a dyn EventStore,
    ask: &'a Ask,
    lookup: Lookup<'a>,
}

impl Answering<'_> {
    /// Everything from old to new, or as much as is wanted; says where to go on.
    fn in_order(
        &mut self,
        search: &Search,
        end: Position,
        sink: &mut dyn Sink,
    ) -> Result<Position, Refusal> {
        if self.ask.filter.reverse && !self.ask.follow {
            return Err(Refusal::Invalid(
                "a checkpoint goes from old to new: leave out `reverse`".into(),
            ));
        }
        // What comes while somebody follows is not counted.
        let limit = self.ask.filter.limit.filter(|_| !self.ask.follow).unwrap_or(0);
        let (mut count, mut next) = (0, end);
        search.each(Direction::Forward, &mut self.lookup, sink, &mut |event, lookup, sink| {
            sink.row(story::row(event, lookup)?)?;
            count += 1;
            if count == limit {
                next = event.position.next();
                return Ok(Flow::Enough);
            }
            Ok(Flow::On)
        })?;
        Ok(next)
    }

    /// The newest, shown from old to new unless they are wanted the other way round.
    fn newest(&mut self, search: &Search, sink: &mut dyn Sink) -> Result<(), Refusal> {
        let Filter { limit, reverse, .. } = &self.ask.filter;
        let (limit, reverse) = (limit.unwrap_or(LIMIT), *reverse);
        if limit == 0 && !reverse {
            let mut show = |event: &_, lookup: &mut Lookup, sink: &mut dyn Sink| {
                sink.row(story::row(event, lookup)?)?;
                Ok(Flow::On)
            };
            return search.each(Direction::Forward, &mut self.lookup, sink, &mut show);
        }
        let mut found = vec![];
        let mut count = 0;
        search.each(Direction::Backward, &mut self.lookup, sink, &mut |event, lookup, sink| {
            match reverse {
                true => sink.row(story::row(event, lookup)?)?,
                false => found.push(event.position),
            }
            count += 1;
            Ok(if count == limit { Flow::Enough } else { Flow::On })
        })?;
        found.reverse();
        for page in found.chunks(READ_AGAIN) {
            for event in self.store.read_at(page)? {
                sink.row(story::row(&event, &mut self.lookup)?)?;
            }
        }
        Ok(())
    }
}
