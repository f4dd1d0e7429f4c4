//! What is switched off: rules, schedules, hooks and sensors, with who did it, why and until when, as a fold of the log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event::{AutomationSwitched, Event, Recorded};
use super::id::Timestamp;
use super::wake::Wakes;

/// Most things that may be switched off at once.
pub const SWITCHED_OFF_MAX: usize = 1_000;
/// Longest time for which something is switched off, if it is to come back by itself.
pub const OFF_MS_MAX: i64 = 90 * 24 * 60 * 60 * 1000;
/// Shortest such time.
pub const OFF_MS_MIN: i64 = 60 * 1000;

/// What can be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Automation {
    /// A rule of a script.
    Rule,
    /// A schedule of a script.
    Schedule,
    /// A webhook.
    Hook,
    /// A sensor or a poll.
    Sensor,
}

/// All of them.
pub const AUTOMATIONS: [Automation; 4] =
    [Automation::Rule, Automation::Schedule, Automation::Hook, Automation::Sensor];

impl Automation {
    /// As people write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Schedule => "schedule",
            Self::Hook => "hook",
            Self::Sensor => "sensor",
        }
    }

    /// What a word names.
    pub fn of(word: &str) -> Option<Self> {
        AUTOMATIONS.into_iter().find(|kind| kind.word().eq_ignore_ascii_case(word))
    }
}

/// What is switched off now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Switches {
    off: BTreeMap<(Automation, String), AutomationSwitched>,
    planned: Option<Timestamp>,
}

impl Wakes for Switches {
    fn take(&mut self, event: &Event, _: Timestamp) {
        match event {
            Event::AutomationSwitched(e) => {
                let key = (e.kind, e.name.clone());
                match e.on {
                    true => drop(self.off.remove(&key)),
                    false => drop(self.off.insert(key, e.clone())),
                }
            }
            Event::WakePlanned(e) => self.planned = e.due,
            _ => {}
        }
    }

    fn wake(&self) -> Option<Timestamp> {
        self.off.values().filter_map(|switch| switch.until).min()
    }

    fn planned(&self) -> Option<Timestamp> {
        self.planned
    }
}

impl Switches {
    /// What one more event changes.
    pub fn apply(&mut self, recorded: &Recorded) {
        if let Some(event) = recorded.event() {
            self.take(event, recorded.wall);
        }
    }

    /// How something was switched off, if it is off now. What is over is on, whether or not that is recorded yet.
    pub fn off(&self, kind: Automation, name: &str, now: Timestamp) -> Option<&AutomationSwitched> {
        let found = self.off.get(&(kind, name.to_owned()));
        found.filter(|switch| switch.until.is_none_or(|until| until > now))
    }

    /// All that is off now, by kind and name.
    pub fn all_off(&self, now: Timestamp) -> impl Iterator<Item = &AutomationSwitched> {
        self.off.values().filter(move |switch| switch.until.is_none_or(|until| until > now))
    }

    /// What comes back now, because its time is over.
    pub fn back(&self, now: Timestamp) -> Vec<AutomationSwitched> {
        let over = |switch: &&AutomationSwitched| switch.until.is_some_and(|until| until <= now);
        self.off.values().filter(over).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::id::{RoomId, UserId};
    use super::super::trigger::Place;
    use super::super::wake::with_plan;
    use super::*;

    fn switched(kind: Automation, name: &str, on: bool, until: Option<i64>) -> Event {
        let place = Place {
            network: "matrix".into(),
            room: RoomId("!ops".into()),
            name: "#ops".into(),
            thread: None,
            direct: false,
            encrypted: false,
        };
        AutomationSwitched {
            kind,
            name: name.into(),
            on,
            until: until.map(Timestamp),
            by: Some(UserId("@ann:hs".into())),
            who: "ann".into(),
            reason: String::new(),
            place,
        }
        .into()
    }

    fn given(events: &[Event]) -> Switches {
        let mut switches = Switches::default();
        for event in events {
            switches.take(event, Timestamp(0));
        }
        switches
    }

    #[test]
    fn what_is_off_is_off_until_its_time_or_until_somebody_says_so() {
        let (rule, hook) = (Automation::Rule, Automation::Hook);
        let off = switched(rule, "twitter", false, Some(100));
        let on = switched(rule, "twitter", true, None);
        let ever = switched(rule, "twitter", false, None);
        for (events, kind, name, now, want) in [
            (vec![], rule, "twitter", 0, false),
            (vec![off.clone()], rule, "twitter", 99, true),
            (vec![off.clone()], rule, "twitter", 100, false),
            (vec![off.clone()], hook, "twitter", 0, false),
            (vec![off.clone()], rule, "nagios", 0, false),
            (vec![off.clone(), on.clone()], rule, "twitter", 0, false),
            (vec![off.clone(), ever.clone()], rule, "twitter", 1_000, true),
            (vec![ever, off.clone()], rule, "twitter", 1_000, false),
        ] {
            let is = given(&events).off(kind, name, Timestamp(now)).is_some();
            assert_eq!(is, want, "{} events, {kind:?} {name} at {now}", events.len());
        }
        assert_eq!(given(&[off]).back(Timestamp(100)).len(), 1);
    }

    #[test]
    fn the_next_end_is_planned() {
        let rule = Automation::Rule;
        let first = switched(rule, "a", false, Some(900_000));
        let second = switched(rule, "b", false, Some(500_000));
        let plans = |switches: &Switches, events: Vec<Event>| {
            with_plan(switches, events, Timestamp(0)).into_iter().find_map(|event| match event {
                Event::WakePlanned(plan) => Some(plan.due.map(|due| due.0)),
                _ => None,
            })
        };
        assert_eq!(plans(&given(&[]), vec![first.clone()]), Some(Some(900_000)));
        let planned =
            Event::from(super::super::wake::WakePlanned { due: Some(Timestamp(900_000)) });
        let one = given(&[first.clone(), planned]);
        assert_eq!(plans(&one, vec![second]), Some(Some(500_000)));
        assert_eq!(plans(&one, vec![switched(rule, "a", true, None)]), Some(None));
        assert_eq!(plans(&one, vec![switched(rule, "c", false, None)]), None);
    }
}
