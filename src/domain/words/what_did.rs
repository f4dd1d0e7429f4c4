//! What `what did ann do` says around the list of what was found.

/// What others did is told to those who may read the audit.
pub fn not_yours(name: &str) -> String {
    format!(
        "{name}: what somebody else did is told to those who may read the audit; ask in the management room. `what did i do today` tells what you did yourself."
    )
}

/// The head of the list.
pub fn head(who: &str, when: &str, count: usize) -> String {
    let things = if count == 1 { "1 thing" } else { &format!("{count} things") };
    format!("{who}, {when}: {things}")
}

/// Nothing was found.
pub fn nothing(who: &str, when: &str) -> String {
    format!("{who} asked me for nothing {when}, as far as I may tell here.")
}
