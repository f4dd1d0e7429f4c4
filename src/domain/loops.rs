//! Bots that answer each other: whoever answers at once, again and again, is not answered for a while.
//!
//! A person reads before they write. What beadle says is a notice, which bots should not answer, and carries how often
//! it was passed on; this is for those that answer all the same.

/// Whoever says something this soon after the bot has answered at once.
pub const QUICK_MS: i64 = 1_000;
/// So many answers at once in a row are no person's.
pub const QUICK_MAX: usize = 6;
/// So many answers at once in a row that say the same are no person's either.
pub const SAME_MAX: usize = 3;
/// Behind a bridge, where nothing comes at once, the same command within so long counts as an answer.
pub const SAME_MS: i64 = 30_000;
/// Most commands in that time that are looked through for the same.
pub const SAME_LOOKED_AT_MAX: usize = 16;
/// Behind a bridge the commands of this time are counted: where each line takes its time a ring goes round slowly.
pub const LONG_MS: i64 = 5 * 60_000;
/// So many commands in that time are no person's of whom nothing but a name is known,
pub const LONG_NAMES_MAX: usize = 40;
/// and so many no person's at all.
pub const LONG_MAX: usize = 80;
/// What this many bots have passed on goes no further.
pub const HOPS_MAX: u32 = 4;
/// How long such a conversation is not gone on with.
pub const MUTE_MS: i64 = 5 * 60_000;
/// What is considered of a message that ends such a conversation. It is stored and never changes.
pub const CONSIDERED: &str = "loop";
/// What is considered of a message in a conversation that is not gone on with. It is stored and never changes.
pub const MUTED: &str = "muted";

/// Why a conversation is not gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loop {
    /// Too many bots have passed it on.
    Hops,
    /// It answers at once all the time.
    Quick,
    /// It says the same all the time.
    Same,
    /// The same, from behind a bridge.
    Repeats,
    /// It goes on and on, from behind a bridge.
    Long,
}

impl Loop {
    /// For the record.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Hops => "too many bots have passed it on",
            Self::Quick => "it answers within a second, again and again",
            Self::Same => "it says the same within a second, again and again",
            Self::Repeats => "it says the same again and again",
            Self::Long => "it has given commands for minutes without a rest",
        }
    }
}

/// Finds whether a message goes round in a ring: how many bots have passed it on, and the texts of those messages in a
/// row, this one the last, that came at once after something that the bot said.
pub fn judge(hops: u32, quick: &[String]) -> Option<Loop> {
    if hops >= HOPS_MAX {
        return Some(Loop::Hops);
    }
    if quick.len() >= QUICK_MAX {
        return Some(Loop::Quick);
    }
    is_one_text(quick).then_some(Loop::Same)
}

/// Finds whether somebody behind a bridge goes round in a ring: the texts of their last commands, this one the last, and how
/// many there were in a longer time.
pub fn repeats(texts: &[String], long: usize, proven: bool) -> Option<Loop> {
    let same = texts.last().map_or(0, |last| texts.iter().filter(|text| *text == last).count());
    let most = if proven { LONG_MAX } else { LONG_NAMES_MAX };
    match (same >= SAME_MAX, long >= most) {
        (true, _) => Some(Loop::Repeats),
        (false, true) => Some(Loop::Long),
        (false, false) => None,
    }
}

/// Whether the last texts are one and the same.
fn is_one_text(texts: &[String]) -> bool {
    let last = &texts[texts.len().saturating_sub(SAME_MAX)..];
    last.len() == SAME_MAX && last.iter().all(|text| *text == last[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_are_found() {
        for (hops, quick, want) in [
            (0, "", None),
            (HOPS_MAX - 1, "a", None),
            (HOPS_MAX, "", Some(Loop::Hops)),
            (0, "a b c d e", None),
            (0, "a b c d e f", Some(Loop::Quick)),
            (0, "a a", None),
            (0, "a a a", Some(Loop::Same)),
            (0, "a a b a a", None),
            (0, "b a a a", Some(Loop::Same)),
        ] {
            let texts: Vec<String> = quick.split_whitespace().map(str::to_owned).collect();
            assert_eq!(judge(hops, &texts), want, "{hops} hops, {quick:?}");
        }
        for (texts, long, proven, want) in [
            ("", 0, false, None),
            ("a a", 2, false, None),
            ("a a a", 3, true, Some(Loop::Repeats)),
            ("a a b", 3, false, None),
            ("a b a c a", 5, false, Some(Loop::Repeats)),
            ("a b", LONG_NAMES_MAX - 1, false, None),
            ("a b", LONG_NAMES_MAX, false, Some(Loop::Long)),
            ("a b", LONG_MAX - 1, true, None),
            ("a b", LONG_MAX, true, Some(Loop::Long)),
        ] {
            let texts: Vec<String> = texts.split_whitespace().map(str::to_owned).collect();
            assert_eq!(repeats(&texts, long, proven), want, "{texts:?} {long}");
        }
        assert_eq!((QUICK_MAX, SAME_MAX), (6, 3), "the rows are at the bounds");
    }
}
