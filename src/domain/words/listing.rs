//! What the list of everything that the bot offers says.

/// Nothing is offered to this person here.
pub const NOTHING: &str = "There is nothing that you may do here.";
/// Nothing happens by itself.
pub const NO_AUTOMATION: &str =
    "Nothing happens by itself: no script has a rule, a schedule or a sensor.";
/// It works.
pub const ON: &str = "on";
/// Anybody may use it.
pub const EVERYONE: &str = "everyone";
/// Nobody may use it but those whom a policy lets.
pub const GUARDED: &str = "whom a policy permits";
/// Scripts run it.
pub const BY_SCRIPTS: &str = "run by scripts";

/// It works in an older version.
pub fn older(why: &str) -> String {
    format!("on, in an older version: {why}")
}

/// It does not work.
pub fn off(why: &str) -> String {
    format!("off: {why}")
}

/// When it was used last.
pub fn used(ago: Option<&str>) -> String {
    ago.map_or_else(|| "not used yet".to_owned(), |ago| format!("last used {ago} ago"))
}

/// How what happens by itself is switched off, and where that is looked for.
pub fn turn_off(prefix: &str) -> String {
    format!(
        "`{prefix}rule off NAME [for 2h] [because …]` switches one off, `{prefix}rule on NAME` on again; so do `schedule`, `hook` and \
         `sensor`. `{prefix}shut up NAME` keeps it silent for a while."
    )
}

/// So many things are not told of.
pub fn more(count: usize) -> String {
    format!("… and {count} more: `beadle catalog` lists all")
}

/// Who may use what a role guards.
pub fn role(role: &str) -> String {
    format!("role {role}")
}

/// Where it can be used.
pub fn rooms(rooms: &[String]) -> String {
    format!("in {}", rooms.join(", "))
}

/// What must happen before it is done.
pub fn needs(count: u32, from: Option<&str>) -> String {
    let approvals = if count == 1 { "1 approval".to_owned() } else { format!("{count} approvals") };
    from.map_or_else(
        || format!("needs {approvals}"),
        |role| format!("needs {approvals} from {role}"),
    )
}
