//! The configuration as text: a file to begin with, and the page of the manual.

use super::hooks::HOOK_KEYS;
use super::keys::{KEYS, Kind, RESTART, variable};
use super::{budget_named, shown_duration, takes};
use crate::domain::budget::shown_bytes;

/// A configuration with every key as a comment.
pub fn template() -> String {
    let mut text = String::from(
        "# The configuration of beadle. Every key may also come from the environment.\n",
    );
    let mut table = "";
    for key in KEYS {
        if key.table != table {
            table = key.table;
            text.push_str(&format!("\n[{table}]\n"));
        }
        text.push_str(&format!("# {}\n# {} = {}\n", key.help, key.name, key.default));
    }
    text
}

/// The reference page.
pub fn reference() -> String {
    let mut text = String::from(
        "# Configuration\n\nMade from the table of keys in `src/config/keys.rs`; `make docs` writes it anew.\n\n\
         The file is TOML. It is the one given with `--config`, else `$BEADLE_CONFIG`, else `beadle.toml` in the current\n\
         directory, else `~/.config/beadle/beadle.toml`. An environment variable overrides the file; a list is given there\n\
         with commas. `beadle init` writes a file with every key as a comment.\n\n\
         A running bot reads the file again on SIGHUP (see [running.md](running.md)), except for the keys marked *restart*.\n\n\
         | key | takes | default | environment | what it is for |\n| --- | --- | --- | --- | --- |\n",
    );
    for key in KEYS {
        let kind = match key.kind {
            Kind::Bool => "true or false".to_owned(),
            Kind::Text | Kind::Prefix => "text".to_owned(),
            Kind::Pem => "path".to_owned(),
            Kind::Hosts => "list of hosts".to_owned(),
            Kind::List | Kind::Role => "list of texts".to_owned(),
            Kind::Tables => "tables of texts".to_owned(),
            Kind::Hours => "hours by room".to_owned(),
            Kind::Duration => "time span".to_owned(),
            Kind::DurationOrNever => "time span or `never`".to_owned(),
            Kind::DurationWithin(least, most) => {
                format!("time span from {} to {}", shown_duration(least), shown_duration(most))
            }
            Kind::Addresses => "addresses by bridge".to_owned(),
            Kind::Count(least, most) => format!("number from {least} to {most}"),
            Kind::Budget(name) => takes(budget_named(name)).trim_start_matches("a ").to_owned(),
            Kind::Listen => "address with a port, or `none`".to_owned(),
            Kind::Bytes(least, most) => {
                format!("size from {} to {}", shown_bytes(least), shown_bytes(most))
            }
            Kind::Hook => "table".to_owned(),
        };
        let (table, name, help) = (key.table, key.name, key.help);
        let default = match key.kind {
            Kind::Hook => "–".to_owned(),
            _ => format!("`{}`", key.default),
        };
        let restart = if RESTART.contains(&(table, name)) { " *restart*" } else { "" };
        let variable = match key.kind {
            Kind::Role | Kind::Hook => "–".to_owned(),
            _ => format!("`{}`", variable(key)),
        };
        text.push_str(&format!(
            "| `{table}.{name}` | {kind} | {default} | {variable} | {help}{restart} |\n"
        ));
    }
    text.push_str(&hooks());
    text
}

/// The keys of a hook.
fn hooks() -> String {
    let mut text = String::from(
        "\n## Hooks\n\nThe keys of a table `[hooks.NAME]`; [webhooks.md](webhooks.md) has examples. A key that would change\n\
         nothing with the hook's `auth` is an error.\n\n| key | takes | default | what it is for |\n| --- | --- | --- | --- |\n",
    );
    for (name, takes, default, help) in HOOK_KEYS {
        let default = if default.is_empty() { "–" } else { default };
        text.push_str(&format!("| `{name}` | {takes} | {default} | {help} |\n"));
    }
    text
}
