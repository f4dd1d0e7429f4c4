//! What happened since the process began, counted by kind: for machines that watch the bot. Nothing of what people said is in it.

use std::collections::BTreeMap;

use crate::domain::event::{Ending, Event, Recorded, Verdict};
use crate::domain::id::Position;
use crate::domain::trigger::What;
use crate::store::{Direction, EventStore, READ_EVENTS_MAX, ReadError};

/// Counts by what is counted and by its kind; both are words of this program, so there are few.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Everything before this position is counted.
    pub next: Position,
    /// How many events there were.
    pub events: u64,
    /// Triggers, by what brought them.
    pub triggers: BTreeMap<&'static str, u64>,
    /// What was decided on them.
    pub verdicts: BTreeMap<&'static str, u64>,
    /// Executions that ended, by how.
    pub executions: BTreeMap<&'static str, u64>,
    /// Messages, by what became of them.
    pub messages: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// From the head of a log on.
    pub fn from_here(store: &dyn EventStore) -> Self {
        Self { next: store.next_position(), ..Self::default() }
    }

    /// Counts one page of what is new; says whether there was anything.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn step(&mut self, store: &dyn EventStore) -> Result<bool, ReadError> {
        let page = store.read_all(self.next, Direction::Forward, READ_EVENTS_MAX)?;
        page.iter().for_each(|recorded| self.apply(recorded));
        Ok(!page.is_empty())
    }

    /// Counts one event.
    pub fn apply(&mut self, recorded: &Recorded) {
        self.next = recorded.position.next();
        self.events += 1;
        let add = |counts: &mut BTreeMap<&'static str, u64>, kind| {
            *counts.entry(kind).or_default() += 1;
        };
        match recorded.event() {
            Some(Event::TriggerRecorded(e)) => add(&mut self.triggers, kind(&e.trigger.what)),
            Some(Event::TriggerRouted(e)) => {
                e.outcomes.iter().for_each(|it| add(&mut self.verdicts, verdict(&it.verdict)));
            }
            Some(Event::ExecutionStarted(_)) => add(&mut self.executions, "started"),
            Some(Event::ExecutionFinished(e)) => add(&mut self.executions, ending(&e.ending)),
            Some(Event::MessageQueued(_)) => add(&mut self.messages, "queued"),
            Some(Event::MessageSent(_)) => add(&mut self.messages, "sent"),
            Some(Event::MessageFailed(_)) => add(&mut self.messages, "failed"),
            Some(Event::MessageSuperseded(_)) => add(&mut self.messages, "superseded"),
            _ => {}
        }
    }
}

/// What brought a trigger. The first word of a named one is ours where it comes from outside; scripts choose all others.
fn kind(what: &What) -> &'static str {
    const OUTSIDE: [&str; 6] = ["webhook", "schedule", "sensor", "alert", "room", "silence"];
    match what {
        What::Message(_) => "message",
        What::Reaction(_) => "reaction",
        What::Timer(_) => "timer",
        What::Undecryptable(_) => "undecryptable",
        What::Order(_) => "order",
        What::Call(_) => "call",
        What::Deleted(_) => "deletion",
        What::Event(event) => {
            let first = event.name.split('.').next();
            OUTSIDE.into_iter().find(|it| first == Some(*it)).unwrap_or("event")
        }
    }
}

fn verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Started(_) => "started",
        Verdict::Continued(_) => "continued",
        Verdict::Said(_) => "said",
        Verdict::Refused(_) => "refused",
        Verdict::Ignored => "ignored",
    }
}

fn ending(ending: &Ending) -> &'static str {
    match ending {
        Ending::Succeeded(_) => "succeeded",
        Ending::Failed(_) => "failed",
        Ending::Diverged(_) => "diverged",
        Ending::Cancelled { .. } => "cancelled",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::domain::id::{ExecutionId, Timestamp};
    use crate::domain::named::NamedEvent;
    use crate::domain::trigger::Timer;

    #[test]
    fn kinds_are_words_of_ours() {
        let event = |name: &str| {
            let fields = Map::new();
            What::Event(NamedEvent { name: name.into(), fields, source: String::new() })
        };
        let timer =
            Timer { execution: ExecutionId("x".into()), path: "0".into(), due: Timestamp(0) };
        for (what, want) in [
            (event("webhook.nagios"), "webhook"),
            (event("schedule.morning"), "schedule"),
            (event("room.joined"), "room"),
            (event("deploy.finished"), "event"),
            (event("webhooks.of-somebody"), "event"),
            (What::Timer(timer), "timer"),
        ] {
            assert_eq!(kind(&what), want, "{what:?}");
        }
        assert_eq!(ending(&Ending::Diverged(String::new())), "diverged");
    }
}
