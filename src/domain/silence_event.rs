//! What is recorded of silences: that something is not to be told for a while, and what was held back.

use serde::{Deserialize, Serialize};

use super::id::{Timestamp, UserId};
use super::silence::Target;
use super::trigger::Place;

/// Something is not told for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceStarted {
    /// Its id.
    pub silence: String,
    /// What is silenced.
    pub target: Target,
    /// Until when.
    pub until: Timestamp,
    /// Who wants it; none: a script.
    pub by: Option<UserId>,
    /// What people call them.
    pub who: String,
    /// Why; empty: they did not say.
    pub why: String,
    /// Where it was said.
    pub place: Place,
}

/// A silence ends at another time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceExtended {
    /// Its id.
    pub silence: String,
    /// When it ends.
    pub until: Timestamp,
    /// Who wants it; none: a script.
    pub by: Option<UserId>,
    /// What people call them.
    pub who: String,
}

/// People were told that a silence ends soon, if there was anything to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceNoticed {
    /// Its id.
    pub silence: String,
}

/// A silence is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceEnded {
    /// Its id.
    pub silence: String,
    /// Who ended it; none: its time was over.
    pub by: Option<UserId>,
    /// What people call them.
    pub who: String,
}

/// A silence held something back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceHeld {
    /// What: an alert by its key, or a rule by its name.
    pub what: String,
}
