//! Edits of what was said to the bot: what was done stays done; what was not understood may be mended for a while.

use super::id::{ExecutionId, Timestamp};

/// So long after something was not understood an edit of it is taken as what was meant.
pub const EDIT_RETRY_MS: i64 = 2 * 60_000;
/// Most versions of one post that an edit is held against: the newest.
pub const VERSIONS_MAX: usize = 32;

/// A version of a post as it was heard before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// What was said to the bot.
    pub text: String,
    /// When it was recorded.
    pub at: Timestamp,
    /// What became of it.
    pub became: Became,
}

/// What became of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Became {
    /// No command and no answer could be read out of it.
    NotUnderstood,
    /// It is being asked what it lacks or which command it means, and nothing has run.
    Asked(ExecutionId),
    /// It was decided on: it ran, was answered or was refused.
    Taken,
}

/// What is done with an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// It is taken as if it had been said so at first; what was asked about it is asked no more.
    Take(Option<ExecutionId>),
    /// It says what was said before.
    Same,
    /// It comes too late.
    TooLate,
    /// What was said before counts.
    Stays,
    /// Nobody heard what it corrects.
    Unheard,
}

/// Judges an edit by the versions that were heard before it, the oldest first.
pub fn judge(versions: &[Version], text: &str, at: Timestamp) -> Judged {
    let Some(last) = versions.last() else { return Judged::Unheard };
    if versions.iter().any(|version| version.became == Became::Taken) {
        let said = versions.iter().any(|version| same(&version.text, text));
        return if said { Judged::Same } else { Judged::Stays };
    }
    if same(&last.text, text) {
        return Judged::Same;
    }
    if at.0.saturating_sub(last.at.0) > EDIT_RETRY_MS {
        return Judged::TooLate;
    }
    let asked = versions.iter().rev().find_map(|version| match &version.became {
        Became::Asked(execution) => Some(execution.clone()),
        Became::NotUnderstood | Became::Taken => None,
    });
    Judged::Take(asked)
}

/// Whether two texts say the same: how they are spaced is no matter.
fn same(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str, at: i64, became: &str) -> Version {
        let became = match became {
            "not understood" => Became::NotUnderstood,
            "taken" => Became::Taken,
            asked => Became::Asked(ExecutionId(asked.to_owned())),
        };
        Version { text: text.to_owned(), at: Timestamp(at), became }
    }

    #[test]
    fn what_was_done_stays_and_what_was_not_understood_is_mended() {
        let (soon, late) = (EDIT_RETRY_MS, EDIT_RETRY_MS + 1);
        for (versions, text, at, want) in [
            (vec![], "ping", soon, Judged::Unheard),
            (vec![version("pnig", 0, "not understood")], "ping", soon, Judged::Take(None)),
            (vec![version("pnig", 0, "not understood")], "ping", late, Judged::TooLate),
            (vec![version("pnig", 0, "not understood")], " pnig ", soon, Judged::Same),
            (vec![version("ping", 0, "taken")], "pong", soon, Judged::Stays),
            (vec![version("ping", 0, "taken")], "ping", soon, Judged::Same),
            (
                vec![version("deploy", 0, "EXEC")],
                "deploy shop",
                soon,
                Judged::Take(Some(ExecutionId("EXEC".into()))),
            ),
            // An edit of an edit has its time from the last one that was not understood.
            (
                vec![version("pnig", 0, "not understood"), version("pign", soon, "not understood")],
                "ping",
                2 * soon,
                Judged::Take(None),
            ),
            // What ran once never runs again, whatever it is changed to and back.
            (
                vec![version("pnig", 0, "not understood"), version("ping", 1, "taken")],
                "pong",
                2,
                Judged::Stays,
            ),
            (
                vec![version("pnig", 0, "not understood"), version("ping", 1, "taken")],
                "pnig",
                2,
                Judged::Same,
            ),
        ] {
            assert_eq!(
                judge(&versions, text, Timestamp(at)),
                want,
                "{text:?} at {at}: {versions:?}"
            );
        }
    }
}
