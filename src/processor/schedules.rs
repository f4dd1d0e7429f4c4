//! Schedules that have come: each occurrence becomes a trigger once, in one batch with how far its schedule has come.
//!
//! How far a schedule has come is the last event of its stream, so a start finds it there. What is kept here can be lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::intake::record;
use super::scripts::Offered;
use super::{ATTEMPTS_MAX, Error, Kernel, Tried, write};
use crate::domain::catalog::Scheduled;
use crate::domain::event::{Advance, AutomationSwitched, Event, NewEvent, ScheduleAdvanced};
use crate::domain::id::{DedupeKey, StreamName, Timestamp, Version};
use crate::domain::named::NamedEvent;
use crate::domain::schedule::{self, CLOCK_BACK_MS, Due, Schedule, Standing};
use crate::domain::switch::Automation;
use crate::domain::trigger::Trigger;
use crate::query::agenda::{Task, Work};
use crate::store::{Direction, Expected, ReadError, Write};

/// What is known of the schedules, kept until the scripts or the zone change.
#[derive(Default)]
pub(super) struct Known(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    of: Option<(Arc<Offered>, TimeZone)>,
    all: BTreeMap<String, Held>,
}

/// A schedule, and how far it has come.
#[derive(Clone)]
struct Held {
    /// What the scripts say; none: they say nothing of it any more.
    def: Option<(Scheduled, Schedule)>,
    stands: Option<ScheduleAdvanced>,
    version: Option<Version>,
    /// When something is to be decided about it; none: never.
    due: Option<Timestamp>,
}

/// A schedule for those who ask.
#[derive(Debug, Clone)]
pub struct Standings {
    /// What the script says.
    pub def: Scheduled,
    /// When it comes.
    pub schedule: Schedule,
    /// How far it has come; none: it was never seen by a bot that ran.
    pub stands: Option<ScheduleAdvanced>,
}

impl Kernel {
    /// The schedules about which something is to be decided now.
    pub(super) fn due_schedules(
        &self,
        now: Timestamp,
        taken: &dyn Fn(&str) -> bool,
        most: usize,
    ) -> Vec<Task> {
        let mut kept = self.schedules.0.lock().expect("nobody panics with them");
        if let Err(why) = self.refresh(&mut kept) {
            // The next step of anything else ends the bot with it.
            tracing::error!(%why, "the schedules cannot be read");
            return vec![];
        }
        let due = kept.all.iter().filter(|(_, held)| held.is_due(now));
        let tasks = due.map(|(name, _)| Task {
            lane: format!("schedule {name}"),
            work: Work::Occur(name.clone()),
        });
        tasks.filter(|task| !taken(&task.lane)).take(most).collect()
    }

    /// When the next schedule comes.
    pub(super) fn next_schedule(&self, now: Timestamp) -> Option<Timestamp> {
        let mut kept = self.schedules.0.lock().expect("nobody panics with them");
        if let Err(why) = self.refresh(&mut kept) {
            // The next step of anything else ends the bot with it.
            tracing::error!(%why, "the schedules cannot be read");
        }
        kept.all.values().filter_map(|held| held.due).filter(|due| *due > now).min()
    }

    /// All schedules with how far they have come, by name.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn schedules(&self) -> Result<Vec<Standings>, ReadError> {
        let mut kept = self.schedules.0.lock().expect("nobody panics with them");
        self.refresh(&mut kept)?;
        let all = kept.all.values().filter_map(|held| {
            let (def, schedule) = held.def.clone()?;
            Some(Standings { def, schedule, stands: held.stands.clone() })
        });
        Ok(all.collect())
    }

    /// Decides about a schedule whose time has come.
    pub(super) async fn occur(&self, name: &str) -> Result<(), Error> {
        for _ in 0..ATTEMPTS_MAX {
            let held = {
                let kept = self.schedules.0.lock().expect("nobody panics with them");
                kept.all.get(name).cloned()
            };
            let Some(held) = held else { return Ok(()) };
            let Some(batch) = self.advanced(name, &held)? else {
                return Ok(self.look_again(name)?);
            };
            match self.append(batch).await? {
                Tried::Done => return Ok(self.look_again(name)?),
                Tried::Moved => self.look_again(name)?,
                Tried::TooMuch(why) => {
                    tracing::error!(name, why, "a schedule cannot be recorded");
                    return Ok(());
                }
            }
        }
        // It is still due, and is tried again.
        tracing::warn!(name, "a schedule moved on every time it was decided about");
        Ok(())
    }

    /// What is to be written about a schedule now; none: nothing.
    fn advanced(&self, name: &str, held: &Held) -> Result<Option<Vec<Write>>, ReadError> {
        let now = self.clock.now();
        let Some((def, schedule)) = &held.def else {
            let ended = held.stands.clone().map(|stands| ScheduleAdvanced {
                fired: 0,
                skipped: 0,
                how: Advance::Ended,
                ..stands
            });
            return Ok(ended.map(|ended| vec![self.step(name, held, ended)]));
        };
        let Some(stands) = held.going_on() else {
            let began = ScheduleAdvanced {
                name: name.to_owned(),
                spec: def.spec.clone(),
                zone: schedule.zone_name(),
                began: now,
                upto: now,
                fired: 0,
                skipped: 0,
                last: None,
                how: Advance::Began,
            };
            return Ok(Some(vec![self.step(name, held, began)]));
        };
        let standing = Standing { began: stands.began, upto: stands.upto };
        let jitter = |at: Timestamp| self.jitter(def, at);
        let Some(due) = schedule::look(schedule, &standing, &def.policy, now, &jitter) else {
            return Ok(None);
        };
        let Due { mut fire, mut skipped, upto } = due;
        let off = self.schedule_off(def)?.is_some();
        if off {
            skipped += fire.len() as u64;
            fire.clear();
        }
        let mut triggers = vec![];
        for (at, missed) in fire {
            let trigger = occurrence(name, at, missed, now);
            // After the clock went back it may have come already.
            if self.store.find(&trigger.key)?.is_none() {
                triggers.push((at, trigger));
            }
        }
        let how = match off {
            _ if upto < stands.upto => Advance::ClockBack,
            true => Advance::Off,
            false => Advance::Came,
        };
        let step = ScheduleAdvanced {
            zone: schedule.zone_name(),
            upto,
            fired: u32::try_from(triggers.len()).unwrap_or(u32::MAX),
            skipped,
            last: triggers.last().map(|(at, _)| *at).or(stands.last),
            how,
            ..stands.clone()
        };
        let mut batch = vec![self.step(name, held, step)];
        batch.extend(triggers.into_iter().map(|(_, it)| record(self.store.as_ref(), it)));
        Ok(Some(batch))
    }

    /// How a schedule was switched off, if it is off now; one that looks at something again and again is a sensor too.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn schedule_off(&self, def: &Scheduled) -> Result<Option<AutomationSwitched>, ReadError> {
        let off = self.switched_off(Automation::Schedule, &def.name)?;
        if off.is_some() || !def.polls {
            return Ok(off);
        }
        self.switched_off(Automation::Sensor, &def.name)
    }

    fn step(&self, name: &str, held: &Held, step: ScheduleAdvanced) -> Write {
        let expected = held.version.map_or(Expected::NoStream, Expected::Exact);
        write(self.schedule_stream(name), expected, vec![NewEvent::bare(step)])
    }

    fn schedule_stream(&self, name: &str) -> StreamName {
        StreamName::schedule(&self.store.key().tag("schedule", &[name]))
    }

    /// By how much an occurrence comes later: always the same for the same one.
    fn jitter(&self, def: &Scheduled, at: Timestamp) -> i64 {
        if def.policy.jitter_ms == 0 {
            return 0;
        }
        let hash = self.store.key().hash("jitter", &[&def.name, &at.0.to_string()]);
        let number = u64::from_be_bytes(hash[..8].try_into().expect("these are eight bytes"));
        let most = u64::try_from(def.policy.jitter_ms).unwrap_or(0);
        i64::try_from(number % (most + 1)).unwrap_or(0)
    }

    /// Takes in what the log says of one schedule now.
    fn look_again(&self, name: &str) -> Result<(), ReadError> {
        let mut kept = self.schedules.0.lock().expect("nobody panics with them");
        let Some(held) = kept.all.get(name) else { return Ok(()) };
        let held = self.looked_at(name, held.def.clone())?;
        // What has ended is forgotten.
        match held.def.is_none() && held.going_on().is_none() {
            true => drop(kept.all.remove(name)),
            false => drop(kept.all.insert(name.to_owned(), held)),
        }
        Ok(())
    }

    fn looked_at(&self, name: &str, def: Option<(Scheduled, Schedule)>) -> Result<Held, ReadError> {
        let stream = self.schedule_stream(name);
        let last = self.store.read(&stream, Version::END, Direction::Backward, 1)?;
        let version = last.first().map(|recorded| recorded.id.version);
        let stands = last.first().and_then(|recorded| match recorded.event() {
            Some(Event::ScheduleAdvanced(stands)) => Some(stands.clone()),
            _ => None,
        });
        let mut held = Held { def, stands, version, due: None };
        held.due = match (&held.def, held.going_on()) {
            (Some((def, schedule)), Some(stands)) => {
                let standing = Standing { began: stands.began, upto: stands.upto };
                schedule::next_due(schedule, &standing, &|at| self.jitter(def, at))
            }
            // It begins, or it ends.
            (Some(_), None) | (None, Some(_)) => Some(Timestamp(i64::MIN)),
            (None, None) => None,
        };
        Ok(held)
    }

    /// Takes in what the scripts say now, if that is something else than before.
    fn refresh(&self, kept: &mut Kept) -> Result<(), ReadError> {
        let (offered, zone) = (self.scripts.offered(), self.settings().zone.clone());
        let same = |(of, at): &(Arc<Offered>, TimeZone)| Arc::ptr_eq(of, &offered) && *at == zone;
        if kept.of.as_ref().is_some_and(same) {
            return Ok(());
        }
        let zones = |name: &str| TimeZone::get(name).ok();
        let mut all = BTreeMap::new();
        for def in &offered.catalog.schedules {
            match Schedule::parse(&def.spec, &zone, &zones) {
                Ok(schedule) => {
                    let held = self.looked_at(&def.name, Some((def.clone(), schedule)))?;
                    all.insert(def.name.clone(), held);
                }
                // It was read when its script was loaded.
                Err(why) => tracing::error!(name = def.name, %why, "a schedule cannot be read"),
            }
        }
        for (name, held) in std::mem::take(&mut kept.all) {
            if held.going_on().is_some() && !all.contains_key(&name) {
                let ending = self.looked_at(&name, None)?;
                all.insert(name, ending);
            }
        }
        *kept = Kept { of: Some((offered, zone)), all };
        Ok(())
    }
}

impl Held {
    /// How far it has come, if that is still what the script means.
    fn going_on(&self) -> Option<&ScheduleAdvanced> {
        let same = |stands: &&ScheduleAdvanced| {
            self.def.as_ref().is_none_or(|(def, _)| def.spec == stands.spec)
        };
        self.stands.as_ref().filter(|stands| stands.how != Advance::Ended).filter(same)
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let came = self.due.is_some_and(|due| due <= now);
        let back = |stands: &ScheduleAdvanced| stands.upto > now.plus_ms(CLOCK_BACK_MS);
        came || self.due.is_some() && self.going_on().is_some_and(back)
    }
}

/// The trigger of one occurrence: the same time of the same schedule is the same trigger.
fn occurrence(name: &str, at: Timestamp, missed: u64, now: Timestamp) -> Trigger {
    let mut fields = Map::new();
    for (field, value) in [
        ("name", Value::from(name)),
        ("at", json!(now.0)),
        ("scheduled", json!(at.0)),
        ("missed", json!(missed)),
        ("late_ms", json!(now.0.saturating_sub(at.0))),
    ] {
        fields.insert(field.to_owned(), value);
    }
    let event = NamedEvent { name: format!("schedule.{name}"), fields, source: "schedule".into() };
    let key = DedupeKey::new(&["schedule", name, &at.0.to_string()]);
    Trigger::event(key, now, event)
}
