//! The host functions: all that a script can do, one file a topic. Each file registers its functions and holds their rows;
//! together the rows are the table that documentation, error texts, checks and editors are made from.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use rhai::{Dynamic, Engine, NativeCallContext};

use super::context::{HostResult, error};
use crate::domain::alias::parse_duration;
use crate::domain::alias_index::damerau;

pub mod act;
pub mod action;
pub mod alert;
pub mod approve;
mod bot;
pub mod bounded;
pub mod chat;
mod compose;
mod data;
pub mod declare;
mod doc;
pub mod editor;
pub mod group;
mod http;
pub mod memory;
pub mod options;
mod perform;
pub mod picture;
pub mod question;
pub mod reference;
pub mod rule;
pub mod saga;
pub mod schedule;
pub mod secret;
pub mod sensor;
pub mod table;
pub mod talk;
pub mod time;
#[cfg(test)]
pub mod trial;
pub mod words;

pub use act::{error_value, is_scripted, request};
pub use bot::LEVELS;
pub use declare::{Loading, loading};
pub use editor::editor;
pub use options::Options;
pub use perform::{begin, perform, pinned};
pub use saga::Undo;
pub use table::HostFn;
pub use talk::Progress;

/// The version of this table: a replay needs the one that the execution was started with.
pub const HOST_VERSION: u32 = 2;
/// How many letters may differ between a name and the one that is suggested for it.
const NEAR_MAX: usize = 2;

/// The topics, in the order of the documentation.
const TOPICS: &[(&str, &[HostFn])] = &[
    ("Declaring", declare::ROWS),
    ("Rules", rule::ROWS),
    ("Schedules", schedule::ROWS),
    ("Actions", action::ROWS),
    ("Watching", sensor::ROWS),
    ("Saying", talk::ROWS),
    ("Alerting", alert::ROWS),
    ("Formatting", doc::ROWS),
    ("Asking", question::ROWS),
    ("Approving", approve::ROWS),
    ("Doing and waiting", act::ROWS),
    ("Over HTTP", http::ROWS),
    ("Waiting together", group::ROWS),
    ("Undoing", saga::ROWS),
    ("Working together", compose::ROWS),
    ("Remembering", memory::ROWS),
    ("Pictures and files", picture::ROWS),
    ("Times", time::ROWS),
    ("Secrets", secret::ROWS),
    ("Knowing", bot::ROWS),
    ("Data", data::ROWS),
    ("Texts", words::ROWS),
    ("Testing", chat::ROWS),
];

/// The names that stand for something in every handler.
pub const VARIABLES: &[&str] = &["memory"];

/// What such a name stands for.
pub fn variable(name: &str) -> Option<Dynamic> {
    (name == VARIABLES[0]).then(|| Dynamic::from(memory::Memories))
}

/// Registers all of them.
pub fn register(engine: &mut Engine) {
    declare::register(engine);
    sensor::register(engine);
    rule::register(engine);
    schedule::register(engine);
    chat::register(engine);
    talk::register(engine);
    doc::register(engine);
    question::register(engine);
    approve::register(engine);
    act::register(engine);
    alert::register(engine);
    http::register(engine);
    memory::register(engine);
    picture::register(engine);
    time::register(engine);
    group::register(engine);
    saga::register(engine);
    secret::register(engine);
    bot::register(engine);
    compose::register(engine);
    data::register(engine);
    words::register(engine);
}

/// Every host function.
pub fn table() -> impl Iterator<Item = &'static HostFn> {
    TOPICS.iter().flat_map(|(_, rows)| rows.iter())
}

/// The topics and their rows, in the order of the documentation.
pub fn topics() -> &'static [(&'static str, &'static [HostFn])] {
    TOPICS
}

/// The row of a function.
pub fn find(name: &str) -> Option<&'static HostFn> {
    static BY_NAME: LazyLock<BTreeMap<&str, &HostFn>> =
        LazyLock::new(|| table().map(|row| (row.name, row)).collect());
    BY_NAME.get(name).copied()
}

/// The name that was probably meant, if one is near.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let far = |known: &&str| damerau(known, name);
    known
        .filter(|known| far(known) <= NEAR_MAX && far(known) < name.chars().count())
        .min_by_key(far)
}

/// What is said about a call that fits no function, given as the engine writes it: `say (i64, map)`.
pub fn wrong_call(signature: &str) -> String {
    let name = signature.split([' ', '(']).next().unwrap_or(signature);
    let inside = signature[name.len()..].trim().trim_start_matches('(').trim_end_matches(')');
    let given: Vec<&str> = inside.split(", ").map(table::type_word).collect();
    let given = given.join(", ");
    match find(name) {
        Some(row) => format!("no form of `{name}` takes ({given}); it takes: {}", row.usage()),
        None => format!("there is no function `{name}` that takes ({given})"),
    }
}

/// A duration from a script: `"15m"`, or seconds.
pub fn milliseconds(value: &Dynamic) -> Result<i64, String> {
    let seconds = value.as_int().ok().map(|n| n.saturating_mul(1000));
    let fraction = value.as_float().ok().map(|n| (n * 1000.0) as i64);
    let ms = match (seconds.or(fraction), value.clone().into_immutable_string()) {
        (Some(ms), _) => ms,
        (None, Ok(text)) => parse_duration(&text)?,
        (None, Err(other)) => {
            return Err(format!(
                "a duration is a text such as \"15m\" or a number of seconds, not {other}"
            ));
        }
    };
    if ms < 0 { Err("a duration cannot be negative".into()) } else { Ok(ms) }
}

/// A text, or a list of texts.
pub fn texts(call: &NativeCallContext, value: &Dynamic, what: &str) -> HostResult<Vec<String>> {
    let wrong = || error(call, format!("{what} is a text or a list of texts"));
    if let Ok(text) = value.clone().into_string() {
        return Ok(vec![text]);
    }
    let list = value.clone().into_array().map_err(|_| wrong())?;
    list.into_iter().map(|item| item.into_string().map_err(|_| wrong())).collect()
}

#[cfg(test)]
mod tests;
