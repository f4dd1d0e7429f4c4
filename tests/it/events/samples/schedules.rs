//! Events of how far schedules and sensors have come.

use beadle::domain::event::*;
use beadle::domain::id::Timestamp;

use super::{NOW, SECOND};

/// All of them.
pub fn all() -> Vec<Event> {
    let began = ScheduleAdvanced {
        name: "report".into(),
        spec: "mon-fri 09:00 Europe/London".into(),
        zone: "Europe/London".into(),
        began: NOW,
        upto: NOW,
        fired: 0,
        skipped: 0,
        last: None,
        how: Advance::Began,
    };
    let day = Timestamp(NOW.0 + 86_400 * SECOND);
    let came = ScheduleAdvanced {
        upto: day,
        fired: 1,
        skipped: 2,
        last: Some(day),
        how: Advance::Came,
        ..began.clone()
    };
    let off = ScheduleAdvanced { fired: 0, skipped: 1, how: Advance::Off, ..came.clone() };
    let back = ScheduleAdvanced { fired: 0, skipped: 0, how: Advance::ClockBack, ..came.clone() };
    let ended = ScheduleAdvanced { fired: 0, skipped: 0, how: Advance::Ended, ..came.clone() };
    let sensor =
        SensorAdvanced { name: "doors".into(), cursor: Some("17".into()), lines: 40, bad: 2 };
    let without = SensorAdvanced { cursor: None, bad: 0, ..sensor.clone() };
    let all = [began, came, off, back, ended].map(Event::from);
    all.into_iter().chain([sensor.into(), without.into()]).collect()
}
