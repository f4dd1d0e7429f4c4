//! `beadle schedule list` and `beadle sensor list`: when each comes next or how it does, and how far it has come.

use serde_json::{Value, json};

use super::desk::Desk;
use super::orders::Hands;
use crate::domain::id::Timestamp;
use crate::domain::schedule::Missed;
use crate::domain::switch::Automation;
use crate::processor::schedules::Standings;
use crate::processor::sensors::Doing;
use crate::query::command::{Refusal, Sink};
use crate::script::sensor::Feed;

/// How many of the next times are told.
pub const NEXT_TOLD: usize = 3;

impl Desk {
    /// All schedules with their next times.
    pub(super) fn schedules(&self, sink: &mut dyn Sink) -> Result<(), Refusal> {
        let kernel = match &self.hands {
            Hands::Bot(kernel) => kernel.clone(),
            Hands::Later(make) => make(self.store.clone())?,
        };
        let now = self.clock.now();
        for standing in kernel.schedules()? {
            let mut row = row(&standing, now);
            if let Some(off) = kernel.schedule_off(&standing.def)? {
                row["off"] = json!(kernel.off_reason(&off));
            }
            sink.row(row)?;
        }
        Ok(())
    }
}

impl Desk {
    /// All sensors with how they do; without a bot that runs, none does.
    pub(super) fn sensors(&self, sink: &mut dyn Sink) -> Result<(), Refusal> {
        let (kernel, runs) = match &self.hands {
            Hands::Bot(kernel) => (kernel.clone(), true),
            Hands::Later(make) => (make(self.store.clone())?, false),
        };
        let doing = kernel.sensors_doing();
        for (name, def) in kernel.sensors() {
            let stands = kernel.sensor_stands(&name)?;
            let off = kernel.switched_off(Automation::Sensor, &name)?;
            let (state, since, why) = match doing.get(&name) {
                Some(Doing::Runs(since)) => ("runs", Some(*since), None),
                Some(Doing::Ended(ends, why, again)) => {
                    ("ended", Some(*again), Some(format!("{why} (for the {ends}. time)")))
                }
                None if off.is_some() => ("off", None, off.map(|off| kernel.off_reason(&off))),
                None if runs => ("waits", None, None),
                None => ("off", None, Some("no bot runs".to_owned())),
            };
            let what = match &def.feed {
                Feed::Program(action) => action.run.join(" "),
                Feed::File { path, .. } => path.clone(),
            };
            sink.row(json!({
                "sensor": name, "what": what, "state": state, "since_ms": since, "why": why,
                "lines": stands.lines, "bad": stands.bad, "cursor": stands.cursor,
                "help": def.help, "file": kernel.sensor_file(&name), "line": def.line,
            }))?;
        }
        Ok(())
    }
}

fn row(standing: &Standings, now: Timestamp) -> Value {
    let Standings { def, schedule, stands } = standing;
    let began = stands.as_ref().map_or(now, |stands| stands.began);
    // What was missed meanwhile is not told: whether it fires is decided when a bot runs.
    let mut at = stands.as_ref().map_or(now, |stands| stands.upto).max(now);
    let mut next = vec![];
    while next.len() < NEXT_TOLD {
        let Some(following) = schedule.next(began, at) else { break };
        next.push(following);
        at = following;
    }
    let shown = |at: &Timestamp| schedule.shown(*at);
    let last = stands.as_ref().and_then(|stands| stands.last);
    json!({
        "schedule": def.name, "spec": def.spec, "zone": schedule.zone_name(),
        "next_ms": next, "next": next.iter().map(shown).collect::<Vec<_>>(),
        "last_ms": last, "last": last.as_ref().map(shown),
        "began_ms": stands.as_ref().map(|stands| stands.began),
        "over": next.is_empty().then(|| {
            schedule.never(began).unwrap_or_else(|| "it came, and comes once only".to_owned())
        }),
        "missed": missed(def.policy.missed), "jitter_ms": def.policy.jitter_ms,
        "help": def.help, "file": def.file, "line": def.line,
    })
}

fn missed(missed: Missed) -> String {
    match missed {
        Missed::Skip => "skip".into(),
        Missed::Once => "once".into(),
        Missed::All(most) => format!("all, up to {most}"),
    }
}
