//! Why a message that has the words of a command is not one, in a sentence for its author.

use std::fmt;

/// Most characters of a message that are repeated in a problem.
pub const QUOTED_CHARS_MAX: usize = 60;

/// Why a message with the words of a format does not fit it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// A parameter is not of its type, or none of its choices.
    Wrong { parameter: String, wanted: String, got: String },
    /// A parameter is no time that was understood; why, in words.
    Untimely { parameter: String, why: String },
    /// A parameter is needed and not there.
    Missing { parameter: String, wanted: String },
    /// There is more than the format takes.
    Unexpected { got: String },
    /// A quote is opened and never closed.
    Unclosed { got: String },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Wrong { parameter, wanted, got } => {
                write!(f, "`{parameter}` must be {wanted}, not `{got}`")
            }
            Problem::Untimely { parameter, why } => write!(f, "`{parameter}`: {why}"),
            Problem::Missing { parameter, wanted } => {
                write!(f, "`{parameter}` is missing: it must be {wanted}")
            }
            Problem::Unexpected { got } => write!(f, "there is no place for `{got}`"),
            Problem::Unclosed { got } => {
                write!(f, "the quote that begins at `{got}` is never closed")
            }
        }
    }
}

/// The beginning of what a person wrote, without what would end the quote.
pub(super) fn quoted(written: &str) -> String {
    let line = written.split_whitespace().collect::<Vec<_>>().join(" ").replace('`', "'");
    match line.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}
