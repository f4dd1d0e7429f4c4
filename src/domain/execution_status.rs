//! How far an execution has come, in a word.

/// Where an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Its script can go on.
    Ready,
    /// An action runs, or is about to.
    Running,
    /// It waits for people.
    Asking,
    /// It waits for a time.
    Sleeping,
    /// It ended well.
    Succeeded,
    /// It ended badly.
    Failed,
    /// Its replay did something else than its journal says.
    Diverged,
    /// It ended because somebody did not want it any more.
    Cancelled,
}

impl Status {
    /// As people read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Asking => "asking",
            Self::Sleeping => "sleeping",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Diverged => "diverged",
            Self::Cancelled => "cancelled",
        }
    }
}
