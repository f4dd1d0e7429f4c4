//! How fast somebody may command: so many in a minute, and whoever is faster is told once for how long to wait.

use super::id::Timestamp;

/// The time in which commands are counted.
pub const PACE_MS: i64 = 60_000;
/// How many commands one account may give in that time, unless the configuration says otherwise.
pub const COMMANDS_PER_MINUTE: u32 = 60;
/// Most that can be configured.
pub const COMMANDS_PER_MINUTE_MAX: u32 = 6_000;
/// Most of somebody of whom nothing but a name is known, such as a relay, which may repeat another bot.
pub const NAMES_COMMANDS_PER_MINUTE: u32 = 20;
/// What is considered of a command that came too fast. It is stored and never changes.
pub const CONSIDERED: &str = "pace";

/// A command that somebody gave before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Given {
    /// When it was recorded.
    pub at: Timestamp,
    /// It was not done because it came too fast.
    pub slowed: bool,
    /// Its sender was told so.
    pub told: bool,
}

/// What is decided about a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// It is done.
    Go,
    /// It is not done.
    Slow {
        /// Whether its sender is told.
        tell: bool,
        /// How long it is until the next one is done.
        again_ms: i64,
    },
}

/// Decides whether a command comes too fast after those before it, the oldest first.
pub fn judge(before: &[Given], at: Timestamp, most: u32) -> Pace {
    let recent = |given: &&Given| at.0.saturating_sub(given.at.0) < PACE_MS;
    let done: Vec<&Given> = before.iter().filter(recent).filter(|given| !given.slowed).collect();
    let surplus = done.len().checked_sub(usize::try_from(most).unwrap_or(usize::MAX));
    let Some(surplus) = surplus else { return Pace::Go };
    // As many as are too many must be out of the time before there is room for another one.
    let frees = done.get(surplus).map_or(at, |given| given.at);
    let again_ms = frees.plus_ms(PACE_MS).0.saturating_sub(at.0).max(0);
    let tell = !before.iter().filter(recent).any(|given| given.told);
    Pace::Slow { tell, again_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(list: &str) -> Vec<Given> {
        let one = |word: &str| {
            let (at, how) = word.split_at(word.find(char::is_alphabetic).unwrap_or(word.len()));
            let at = Timestamp(at.parse::<i64>().expect("seconds") * 1_000);
            Given { at, slowed: !how.is_empty(), told: how == "t" }
        };
        list.split_whitespace().map(one).collect()
    }

    #[test]
    fn so_many_commands_in_a_minute_are_done() {
        let slow = |tell, s: i64| Pace::Slow { tell, again_ms: s * 1_000 };
        for (before, at, want) in [
            ("", 0, Pace::Go),
            ("0 1", 2, Pace::Go),
            ("0 1 2", 3, slow(true, 57)),
            ("0 1 2 3t", 4, slow(false, 56)),
            ("0 1 2 3t 4s 5s", 59, slow(false, 1)),
            // What was not done does not count: who waits is heard again when the bot said so.
            ("0 1 2 3t 4s 5s", 60, Pace::Go),
            ("0 1 2 3t 60", 60, slow(false, 1)),
            // A minute later they are told anew.
            ("30 40 50 3t", 63, slow(true, 27)),
            // The bound was made smaller meanwhile.
            ("0 1 2 3 4", 5, slow(true, 57)),
        ] {
            let most = 3;
            let pace = judge(&given(before), Timestamp(at * 1_000), most);
            assert_eq!(pace, want, "{before:?} at {at}");
        }
        assert_eq!(PACE_MS, 60_000, "the seconds of the rows");
    }
}
