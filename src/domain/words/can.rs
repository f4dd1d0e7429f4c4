//! What `can` and `who can` say.

/// They may, with what decided it.
pub fn yes(who: &str, alias: &str, by: &str, needs: Option<&str>) -> String {
    let needs = needs.map_or_else(String::new, |needs| format!(" It {needs} before it runs."));
    format!("Yes: {who} may run `{alias}` here, {by}.{needs}")
}

/// They may not, with what decided it.
pub fn no(who: &str, alias: &str, by: &str) -> String {
    format!("No: {who} may not run `{alias}` here: {by}")
}

/// The policies that decided.
pub fn by_policies(cited: &str) -> String {
    format!("by {cited}")
}

/// No policy is named, but a reason.
pub fn because(reason: &str) -> String {
    format!("as {}", reason.trim_end_matches('.'))
}

/// The text is no command.
pub fn no_command(text: &str) -> String {
    format!("I know no command “{text}”.")
}

/// Nobody is known by this name.
pub fn nobody(name: &str) -> String {
    format!("I know nobody called {name}; write the whole id, such as @bob:example.org.")
}

/// The head of who can.
pub fn who_can(alias: &str, count: usize, looked: usize) -> String {
    let people = if count == 1 { "1 person".to_owned() } else { format!("{count} people") };
    format!(
        "{people} of {looked} may run `{alias}` here, of those whom I heard of in the last 90 days or whom my configuration names:"
    )
}

/// Nobody can.
pub fn nobody_can(alias: &str, looked: usize) -> String {
    format!(
        "None of the {looked} people whom I heard of in the last 90 days or whom my configuration names may run `{alias}` here."
    )
}

/// Not everybody was looked at.
pub fn bounded(most: usize) -> String {
    format!("I looked at {most} people, the ones heard of last; there are more.")
}

/// So many more may.
pub fn more(count: usize) -> String {
    format!("… and {count} more")
}
