//! What is said of grants.

/// Nobody has been given anything.
pub const NONE: &str = "Nothing is granted to anybody now.";

/// It was given.
pub fn made(who: &str, alias: &str, until: &str, id: &str) -> String {
    format!("{who} may run `{alias}` until {until} (grant {id}); `revoke {id}` ends it before.")
}

/// It was taken back.
pub fn revoked(who: &str, alias: &str, id: &str) -> String {
    format!("{who} may not run `{alias}` by grant {id} any more.")
}

/// One of those that hold.
pub fn line(id: &str, who: &str, alias: &str, until: &str, by: &str, reason: &str) -> String {
    let why = if reason.is_empty() { String::new() } else { format!(", because {reason}") };
    format!("{id}: {who} may run `{alias}` until {until}, by {by}{why}")
}

/// What is to be granted is no command.
pub fn no_command(text: &str) -> String {
    format!("I know no command `{text}` to grant; say its name or its first words.")
}

/// Several commands begin so.
pub fn several(text: &str, names: &[String]) -> String {
    format!("several commands begin with `{text}`: {}. Write more of it.", names.join(", "))
}

/// Nobody grants something to themselves.
pub fn to_yourself() -> String {
    "nobody grants something to themselves: somebody else has to.".into()
}

/// A grant holds for so long at most.
pub fn too_long(days: i64) -> String {
    format!("a grant holds for at least a minute and at most {days} days.")
}

/// There are so many grants that no more is made.
pub fn too_many(most: usize) -> String {
    format!("{most} grants hold already, which is my limit: revoke one first.")
}

/// There is no such grant.
pub fn unknown(id: &str) -> String {
    format!("I know of no grant `{id}` that holds; `grants` lists them.")
}

/// Several grants begin so.
pub fn unclear(id: &str) -> String {
    format!("several grants' ids begin with `{id}`: write more of it.")
}
