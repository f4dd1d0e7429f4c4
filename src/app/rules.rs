//! Why a rule is or is not for a trigger of the log.

use serde_json::json;

use super::desk::Desk;
use super::orders::Hands;
use crate::domain::event::{Event, Outcome, Recorded};
use crate::domain::id::{StreamName, Version};
use crate::domain::near::nearest;
use crate::domain::rule::named;
use crate::domain::trigger::{Trigger, What};
use crate::query::command::{Refusal, Sink, find};
use crate::store::{Direction, EventStore};

impl Desk {
    /// Says it criterion by criterion, and what was recorded of it.
    pub(super) fn rule_why(
        &self,
        trigger: &str,
        rule: &str,
        sink: &mut dyn Sink,
    ) -> Result<(), Refusal> {
        let kernel = match &self.hands {
            Hands::Bot(kernel) => kernel.clone(),
            Hands::Later(make) => make(self.store.clone())?,
        };
        let offered = kernel.scripts.offered();
        let rules = &offered.catalog.rules;
        let Some(found) = named(rules, rule) else {
            let near = nearest(rule, rules.iter().map(|it| it.name.as_str()));
            let hint = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            return Err(Refusal::NotFound(format!("no script has a rule `{rule}`{hint}")));
        };
        let events = self.trigger_called(trigger)?;
        let event = events.first().and_then(Recorded::event);
        let Some(Event::TriggerRecorded(recorded)) = event else {
            return Err(Refusal::NotFound(format!("{trigger} is erased")));
        };
        let Trigger { what: What::Event(event), .. } = &recorded.trigger else {
            let what = "rules are for named triggers, and this is what somebody did";
            return Err(Refusal::Invalid(what.into()));
        };
        let criteria = self.runtime.block_on(kernel.rule_why(found, event));
        let criteria: Vec<_> =
            criteria.iter().map(|it| json!({ "said": it.said, "holds": it.holds })).collect();
        let recorded: Vec<String> = match events.get(1).and_then(Recorded::event) {
            Some(Event::TriggerRouted(routed)) => {
                let of_rule =
                    |outcome: &&Outcome| outcome.considered == format!("rule {}", found.name);
                routed.outcomes.iter().filter(of_rule).map(|it| it.reason.clone()).collect()
            }
            _ => vec![],
        };
        let fits = criteria.iter().all(|it| it["holds"] == true);
        let row = json!({ "rule": found.name, "trigger": event.name, "fits": fits, "criteria": criteria, "recorded": recorded });
        Ok(sink.row(row)?)
    }

    /// A trigger and what was decided on it, by its stream or by one of its events.
    fn trigger_called(&self, text: &str) -> Result<Vec<Recorded>, Refusal> {
        let missing = || {
            Refusal::NotFound(format!(
                "there is no trigger `{text}`: write its stream, or the position of its event"
            ))
        };
        let stream = match StreamName::parse(text) {
            Ok(stream) if stream.category() == "trigger" => stream,
            _ => find(&self.store, text)?.ok_or_else(missing)?.id.stream,
        };
        if stream.category() != "trigger" {
            return Err(missing());
        }
        let events = self.store.read(&stream, Version::START, Direction::Forward, 2)?;
        if events.is_empty() { Err(missing()) } else { Ok(events) }
    }
}
