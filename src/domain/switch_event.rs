//! What is recorded of automation that is switched off and on.

use serde::{Deserialize, Serialize};

use super::id::{Timestamp, UserId};
use super::switch::Automation;
use super::trigger::Place;

/// A rule that fires only so often has fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleFired {
    /// Its name.
    pub rule: String,
}

/// A rule, schedule, hook or sensor was switched off or on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutomationSwitched {
    /// What kind of thing.
    pub kind: Automation,
    /// Its name.
    pub name: String,
    /// Whether it is on from now on.
    pub on: bool,
    /// When it comes back by itself; none: when somebody switches it on.
    pub until: Option<Timestamp>,
    /// Who did it; none: its time was over.
    pub by: Option<UserId>,
    /// What people call them.
    pub who: String,
    /// Why; empty: they did not say.
    pub reason: String,
    /// Where it was said.
    pub place: Place,
}
