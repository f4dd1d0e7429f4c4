//! Places in an execution's journal: `7`, and `3.1.0` for the first effect in branch 1 of group 3.

use std::cmp::Ordering;

/// The place of what is waited for before anything of the script runs.
pub const GATE: &str = "gate";

/// The numbers of a place: a counter, then a branch and a counter for each group that it is in.
fn numbers(path: &str) -> impl Iterator<Item = i64> {
    let number = |part: &str| part.parse().unwrap_or(if part == GATE { -1 } else { i64::MAX });
    path.split('.').map(number)
}

/// In which order the script reaches two places; branches of a group in the order in which they are written.
pub fn order(one: &str, other: &str) -> Ordering {
    numbers(one).cmp(numbers(other)).then_with(|| one.cmp(other))
}

/// Whether a place is in a branch of a group.
pub fn inside(path: &str, group: &str) -> bool {
    path.strip_prefix(group).is_some_and(|rest| rest.starts_with('.'))
}

/// Whether the script reaches a place only after it is done with an earlier one; what is in two branches of one group
/// goes on side by side, and a group begins before what is in it.
pub fn follows(later: &str, earlier: &str) -> bool {
    let mut pairs = numbers(later).zip(numbers(earlier)).enumerate();
    match pairs.find(|(_, (a, b))| a != b) {
        Some((at, (a, b))) => at % 2 == 0 && a > b,
        None => inside(later, earlier),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_ordered_as_the_script_reaches_them() {
        let mut paths =
            ["10", "gate", "3.1.0", "3", "2", "3.0.11", "3.0.2", "3.0.2.1.0", "4", "run-1"];
        paths.sort_by(|a, b| order(a, b));
        let want = ["gate", "2", "3", "3.0.2", "3.0.2.1.0", "3.0.11", "3.1.0", "4", "10", "run-1"];
        assert_eq!(paths, want);
    }

    #[test]
    fn what_is_side_by_side_does_not_follow() {
        for (later, earlier, want) in [
            ("10", "9", true),
            ("9", "10", false),
            ("9", "9", false),
            ("3.1.0", "3.0.5", false),
            ("3.0.5", "3.1.0", false),
            ("3.0.5", "3.0.4", true),
            ("3.0.5.1.0", "3.0.4", true),
            ("4", "3.0.5", true),
            ("3", "3.0.5", false),
            ("3.0.5", "3", true),
            ("3.0.5", "30", false),
            ("0", "gate", true),
            ("gate", "0", false),
        ] {
            assert_eq!(follows(later, earlier), want, "{later} after {earlier}");
        }
    }

    #[test]
    fn a_group_holds_its_branches_alone() {
        for (path, group, want) in [
            ("3.0.1", "3", true),
            ("30", "3", false),
            ("3", "3", false),
            ("3.0.1.0.0", "3.0", true),
        ] {
            assert_eq!(inside(path, group), want, "{path} in {group}");
        }
    }
}
