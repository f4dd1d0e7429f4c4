//! What the script on this thread has taken of its budgets; the engine looks at it at every operation.
//!
//! Invariant: once a budget is used up that stays so until the script has ended, so a script that catches the error gets nowhere.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::memory::held;
use crate::domain::budget::{BUDGETS, Budgets, shown_bytes};

/// How many operations pass between two looks at the clock.
pub const CLOCK_EVERY: u64 = 32;

/// A budget that is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Too many operations.
    Operations,
    /// Too long.
    Time,
    /// Too much memory.
    Memory,
}

#[derive(Clone, Copy)]
struct Gauge {
    floor: isize,
    until: Option<Instant>,
    over: Option<Over>,
}

thread_local! {
    static GAUGE: Cell<Option<Gauge>> = const { Cell::new(None) };
}

/// Measures what `body` takes from here on; `time`: it has so long. Gives what was used up, if anything was.
pub fn gauged<T>(time: Option<Duration>, body: impl FnOnce() -> T) -> (T, Option<Over>) {
    let until = time.map(|time| Instant::now() + time);
    let outer = GAUGE.replace(Some(Gauge { floor: held(), until, over: None }));
    let result = body();
    let over = GAUGE.replace(outer).and_then(|gauge| gauge.over);
    (result, over)
}

/// Whether a budget is used up after so many operations.
pub fn look(operations: u64, budgets: &Budgets) -> Option<Over> {
    let mut gauge = GAUGE.get()?;
    if gauge.over.is_none() {
        let late = |until: Option<Instant>| until.is_some_and(|until| Instant::now() > until);
        gauge.over = match () {
            () if operations >= budgets.operations_max => Some(Over::Operations),
            () if too_much(&gauge, budgets) => Some(Over::Memory),
            () if operations.is_multiple_of(CLOCK_EVERY) && late(gauge.until) => Some(Over::Time),
            () => None,
        };
        GAUGE.set(Some(gauge));
    }
    gauge.over
}

/// Whether there is no more memory for what a native function is about to make.
pub fn memory_is_over(budgets: &Budgets) -> bool {
    GAUGE.get().is_some_and(|gauge| too_much(&gauge, budgets))
}

fn too_much(gauge: &Gauge, budgets: &Budgets) -> bool {
    let taken = held().wrapping_sub(gauge.floor);
    u64::try_from(taken).is_ok_and(|taken| taken > budgets.memory_bytes_max)
}

impl Over {
    /// What a person reads: what is used up, and the setting.
    pub fn words(self, budgets: &Budgets) -> String {
        let (what, name) = match self {
            Self::Operations => {
                let most = budgets.operations_max;
                (format!("the script did {most} operations and had not ended"), "operations_max")
            }
            Self::Time => {
                let seconds = Duration::from_millis(budgets.slice_time_ms).as_secs_f64();
                (format!("the script ran for {seconds} s without waiting"), "slice_time_ms")
            }
            Self::Memory => {
                let most = shown_bytes(budgets.memory_bytes_max);
                (format!("the script's values took more than {most}"), "memory_bytes_max")
            }
        };
        format!("{what} ({})", setting(name))
    }
}

/// A setting as messages name it.
pub fn setting(name: &str) -> String {
    let key = BUDGETS.iter().find(|budget| budget.name == name).map_or(name, |found| found.key());
    format!("the setting is `[scripts] {key}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_that_is_used_up_stays_so() {
        let budgets = Budgets { memory_bytes_max: 1_000_000, ..Budgets::default() };
        assert_eq!(look(u64::MAX, &budgets), None, "nothing is measured");
        let (seen, over) = gauged(None, || {
            let before = look(1, &budgets);
            let bytes = vec![0_u8; 1_000_001];
            let with = (look(2, &budgets), memory_is_over(&budgets), bytes.len());
            drop(bytes);
            (before, with, look(3, &budgets), memory_is_over(&budgets))
        });
        let memory = Some(Over::Memory);
        assert_eq!(seen, (None, (memory, true, 1_000_001), memory, false));
        assert_eq!(over, memory);
        assert_eq!(look(u64::MAX, &budgets), None, "it is over");
    }

    #[test]
    fn each_budget_is_named_with_its_setting() {
        let budgets = Budgets::default();
        for (over, want) in [
            (
                Over::Operations,
                "the script did 1000000 operations and had not ended (the setting is `[scripts] operations_max`)",
            ),
            (
                Over::Time,
                "the script ran for 2 s without waiting (the setting is `[scripts] slice_time`)",
            ),
            (
                Over::Memory,
                "the script's values took more than 64 MiB (the setting is `[scripts] memory_bytes_max`)",
            ),
        ] {
            assert_eq!(over.words(&budgets), want);
        }
    }

    #[test]
    fn operations_and_time_are_measured() {
        let budgets = Budgets::default();
        let most = budgets.operations_max;
        let (_, over) = gauged(None, || look(most - 1, &budgets));
        assert_eq!(over, None);
        let (_, over) = gauged(None, || look(most, &budgets));
        assert_eq!(over, Some(Over::Operations));
        let ended = Some(Duration::ZERO);
        let (_, over) = gauged(ended, || while look(CLOCK_EVERY, &budgets).is_none() {});
        assert_eq!(over, Some(Over::Time));
        let (_, over) = gauged(ended, || look(CLOCK_EVERY + 1, &budgets));
        assert_eq!(over, None, "the clock is looked at now and then");
    }
}
