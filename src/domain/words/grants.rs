//! What is said of grants.

use serde_json::Value;

/// Nobody has been given anything.
pub const NONE: &str = "Nothing is granted to anybody now.";

/// What others are asked to approve: the account as a whole, the command with its script, how long and why.
pub fn asked(args: &Value) -> String {
    let text = |name: &str| args[name].as_str().unwrap_or_default();
    let time = super::silences::span(args["ms"].as_i64().unwrap_or_default());
    let why = match text("reason") {
        "" => String::new(),
        reason => format!(" because {reason}"),
    };
    let (account, alias, file) = (text("account"), text("alias"), text("file"));
    format!("let {account} run `{alias}` ({file}) for {time}{why}")
}

/// The grant is not made any more.
pub fn not_made(why: &str) -> String {
    format!("nothing was granted: {why}")
}

/// It takes more approvals now than it has.
pub const NEEDS_MORE: &str = "policies ask for more approvals of it now than it has; ask again";
/// Its command is not what it was.
pub const ANOTHER_COMMAND: &str = "the command was changed meanwhile; ask again";

/// It was given.
pub fn made(who: &str, alias: &str, until: &str, id: &str, at: &str) -> String {
    format!("{who} may run `{alias}` until {until} (grant {id}); `{at}revoke {id}` ends it before.")
}

/// The same was given before, for less time.
pub fn instead(id: &str) -> String {
    format!("It stands for grant {id}, which ended earlier.")
}

/// The same holds at least as long already.
pub fn holds_already(who: &str, alias: &str, until: &str, id: &str) -> String {
    format!("nothing was granted: {who} may run `{alias}` until {until} already (grant {id}).")
}

/// Whoever is to be given something was never heard of.
pub fn nobody_called(who: &str, account: &str) -> String {
    format!("I know nobody called {who}; say the whole id, if it is {account} you mean.")
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
pub fn unknown(id: &str, at: &str) -> String {
    format!("I know of no grant `{id}` that holds; `{at}grants` lists them.")
}

/// Several grants begin so.
pub fn unclear(id: &str) -> String {
    format!("several grants' ids begin with `{id}`: write more of it.")
}
