//! Memory that scripts leave behind: closures that hold one another are never freed, so who makes them is switched off.
//!
//! Rhai counts references. A cycle of closures stays after its run, at most a memory budget of it. What a version of a
//! script has left is added up; beyond its budget it is not run again until it is changed or the bot starts anew.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::gauge::setting;
use crate::domain::budget::{Budgets, shown_bytes};
use crate::domain::id::ScriptHash;

/// Most versions of scripts that are remembered; those that left least are forgotten.
pub const REMEMBERED_MAX: usize = 4_096;

static LEFT: Left = Left(Mutex::new(BTreeMap::new()));

/// What versions of scripts have left behind, in bytes.
struct Left(Mutex<BTreeMap<ScriptHash, isize>>);

impl Left {
    fn locked(&self) -> MutexGuard<'_, BTreeMap<ScriptHash, isize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, script: &ScriptHash, bytes: isize) {
        let mut left = self.locked();
        let total = left.entry(script.clone()).or_default();
        *total = total.saturating_add(bytes);
        if left.len() > REMEMBERED_MAX {
            let least = left.iter().min_by_key(|(_, bytes)| **bytes).map(|(hash, _)| hash.clone());
            least.map(|hash| left.remove(&hash));
        }
    }

    fn of(&self, script: &ScriptHash) -> u64 {
        let bytes = self.locked().get(script).copied().unwrap_or(0);
        u64::try_from(bytes).unwrap_or(0)
    }
}

/// Notes what one run of a script left behind; below zero where it freed what another had left.
pub fn add(script: &ScriptHash, bytes: isize) {
    LEFT.add(script, bytes);
}

/// What the runs of a version of a script have left behind so far, in bytes.
pub fn left(script: &ScriptHash) -> u64 {
    LEFT.of(script)
}

/// Why a script may not run any more, if so.
pub fn refusal(script: &ScriptHash, budgets: &Budgets) -> Option<String> {
    let left = left(script);
    (left > budgets.leaked_bytes_max).then(|| {
        format!(
            "this script is switched off: its runs left {} of memory behind, in closures that hold one another; {}. \
             It runs again when it is changed or the bot is started anew",
            shown_bytes(left / 1024 * 1024),
            setting("leaked_bytes_max")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(nth: usize) -> ScriptHash {
        ScriptHash(format!("{nth:032}"))
    }

    #[test]
    fn what_is_left_is_added_up() {
        let left = Left(Mutex::default());
        for (bytes, want) in [(100, 100), (50, 150), (-120, 30), (-100, 0), (80, 10)] {
            left.add(&script(1), bytes);
            assert_eq!(left.of(&script(1)), want);
        }
        assert_eq!(left.of(&script(2)), 0);
    }

    #[test]
    fn those_that_left_least_are_forgotten() {
        let left = Left(Mutex::default());
        for nth in 0..REMEMBERED_MAX + 2 {
            left.add(&script(nth), 10 + nth.cast_signed());
        }
        assert_eq!(left.locked().len(), REMEMBERED_MAX);
        assert_eq!((left.of(&script(0)), left.of(&script(1)), left.of(&script(2))), (0, 0, 12));
    }

    #[test]
    fn who_leaves_too_much_is_switched_off() {
        let (budgets, hash) = (Budgets::default(), script(77_000));
        let most = isize::try_from(budgets.leaked_bytes_max).expect("it fits");
        add(&hash, most);
        assert_eq!(refusal(&hash, &budgets), None);
        add(&hash, 1);
        let why = refusal(&hash, &budgets).expect("it is refused");
        assert!(why.contains("left 64 MiB") && why.contains("leaked_bytes_max"), "{why}");
    }
}
