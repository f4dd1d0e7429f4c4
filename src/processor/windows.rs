//! What keeps a rule from firing that is on: it is silenced, or it has fired so recently.

use super::rules::ignored;
use super::{Kernel, write};
use crate::domain::event::{Event, Meta, NewEvent, Outcome, RuleFired};
use crate::domain::id::{StreamName, Version};
use crate::domain::rule::Rule;
use crate::domain::throttle::Window;
use crate::domain::words::rules as words;
use crate::domain::words::switches::clock;
use crate::store::{Direction, Expected, ReadError, Write};
use serde_json::Value;

/// Whether a rule may fire.
pub(super) enum Gate {
    /// It may; this records that it did.
    Open(Vec<Write>),
    /// It may not; this is recorded of it.
    Closed(Box<Outcome>, Vec<Write>),
}

impl Kernel {
    /// Whether a rule may fire for a trigger with these fields.
    pub(super) fn gate_of_rule(
        &self,
        rule: &Rule,
        args: &Value,
        meta: &Meta,
    ) -> Result<Gate, ReadError> {
        if let Some(silence) = self.silenced(&rule.name)? {
            let held = self.counted_back(&silence, &rule.name, meta);
            return Ok(Gate::Closed(
                Box::new(ignored(rule, self.silence_reason(&silence))),
                vec![held],
            ));
        }
        let fields = args.as_object().cloned().unwrap_or_default();
        let mut used = vec![];
        for window in rule.windows.of(&fields) {
            let stream = self.window_stream(rule, &window);
            let last = self.store.read(&stream, Version::END, Direction::Backward, 1)?;
            let last = last.first();
            let fired = last.filter(|it| matches!(it.event(), Some(Event::RuleFired(_))));
            let now = self.clock.now();
            if let Some(until) = window.closed_until(fired.map(|it| it.wall), now) {
                let until = clock(until, now, &self.settings().zone);
                let why = words::fired_lately(window.kind, window.ms, &until);
                return Ok(Gate::Closed(Box::new(ignored(rule, why)), vec![]));
            }
            let expected = last.map_or(Expected::NoStream, |it| Expected::Exact(it.id.version));
            let event = NewEvent::with(meta, RuleFired { rule: rule.name.clone() });
            used.push(write(stream, expected, vec![event]));
        }
        Ok(Gate::Open(used))
    }

    fn window_stream(&self, rule: &Rule, window: &Window) -> StreamName {
        StreamName::window(&self.store.key().tag(window.kind, &[&rule.name, &window.of]))
    }
}
