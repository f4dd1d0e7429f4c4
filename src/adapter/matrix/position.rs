//! The position that the log keeps for us: Matrix's `next_batch`, and when it was true.

use std::fmt;

use crate::domain::id::Timestamp;

/// Stands between the time and the token; no homeserver begins a token with digits and this.
const MARK: char = '|';

/// How far the bot has read, and until when.
///
/// Written as `1732150000000|s42_7`. The time bounds how far back a hole in a room is searched, so it must be exactly as
/// durable as the token, and never later than it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    /// Matrix's `next_batch`.
    pub token: String,
    /// When the homeserver gave it; unknown for a bare token.
    pub at: Option<Timestamp>,
}

impl Position {
    /// Reads what [`fmt::Display`] wrote, or a bare token.
    pub fn parse(text: &str) -> Self {
        let parts = text.split_once(MARK);
        let timed = parts.and_then(|(at, token)| Some((at.parse().ok()?, token)));
        match timed {
            Some((at, token)) => Self { token: token.to_owned(), at: Some(Timestamp(at)) },
            None => Self { token: text.to_owned(), at: None },
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "{}{MARK}{}", at.0, self.token),
            None => f.write_str(&self.token),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_read_back() {
        for (text, token, at) in [
            ("1732150000000|s42_7", "s42_7", Some(1_732_150_000_000)),
            ("1|a|b", "a|b", Some(1)),
            ("s42_7", "s42_7", None),
            ("s|42", "s|42", None),
            ("", "", None),
        ] {
            let position = Position::parse(text);
            assert_eq!(position.token, token, "{text:?}");
            assert_eq!(position.at, at.map(Timestamp), "{text:?}");
            assert_eq!(position.to_string(), text);
        }
    }
}
