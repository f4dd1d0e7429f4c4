//! What is recorded of schedules and sensors: how far each has come.

use serde::{Deserialize, Serialize};

use super::id::Timestamp;

/// A schedule has come so far: all of its occurrences up to a time are decided on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleAdvanced {
    /// Its name.
    pub name: String,
    /// When it comes, as its script says.
    pub spec: String,
    /// The zone of its times.
    pub zone: String,
    /// When it was first seen.
    pub began: Timestamp,
    /// All occurrences up to here are decided on.
    pub upto: Timestamp,
    /// How many fired now.
    pub fired: u32,
    /// How many were missed now, and do not fire.
    pub skipped: u64,
    /// The last occurrence that fired, ever.
    pub last: Option<Timestamp>,
    /// What brought it on.
    pub how: Advance,
}

/// What brings a schedule on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Advance {
    /// It is seen for the first time, or says another time than before.
    Began,
    /// Its time came.
    Came,
    /// Its time came while it was switched off.
    Off,
    /// The clock was set back.
    ClockBack,
    /// No script declares it any more.
    Ended,
}

/// Lines of a sensor were recorded as triggers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SensorAdvanced {
    /// Its name.
    pub name: String,
    /// Where it goes on when it is started again, in its own words.
    pub cursor: Option<String>,
    /// How many lines became triggers, ever.
    pub lines: u64,
    /// How many lines were no triggers, ever.
    pub bad: u64,
}
