//! `!more`: the next part of a long answer.

use super::id::Position;

/// The command as help shows it.
pub const COMMANDS: &[(&str, &str)] =
    &[("more [{id}]", "Go on with a long answer: the last one here, or the one with this id")];

/// A part of something that the bot said: where that stands in the log, and which part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Which {
    /// Where.
    pub at: Position,
    /// Which part, from 1.
    pub part: usize,
}

impl Which {
    /// As people type it: `1234` is the second part of what stands there, `1234-3` the third.
    pub fn id(self) -> String {
        match self.part {
            2 => self.at.0.to_string(),
            part => format!("{}-{part}", self.at.0),
        }
    }

    /// What somebody typed.
    pub fn parse(text: &str) -> Option<Self> {
        let (at, part) = text.split_once('-').unwrap_or((text, "2"));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if !digits(at) || !digits(part) {
            return None;
        }
        let (at, part) = (Position(at.parse().ok()?), part.parse().ok()?);
        (part >= 2).then_some(Self { at, part })
    }
}

/// What follows `more`, if that is what a text says.
pub fn parse(text: &str) -> Option<Option<Which>> {
    let mut words = text.split_whitespace();
    if !words.next()?.eq_ignore_ascii_case("more") {
        return None;
    }
    match (words.next(), words.next()) {
        (None, _) => Some(None),
        (Some(id), None) => Which::parse(id).map(Some),
        (Some(_), Some(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_ids_that_are_read_back() {
        for (text, want) in [
            ("more", Some(None)),
            ("More 1234", Some(Some((1234, 2)))),
            ("more 1234-3", Some(Some((1234, 3)))),
            ("more 1234-1", None),
            ("more beer", None),
            ("more -5", None),
            ("more 12 34", None),
            ("moreover", None),
        ] {
            let want = want.map(|which: Option<(u64, usize)>| {
                which.map(|(at, part)| Which { at: Position(at), part })
            });
            assert_eq!(parse(text), want, "{text:?}");
            if let Some(Some(which)) = want {
                assert_eq!(Which::parse(&which.id()), Some(which));
            }
        }
    }
}
