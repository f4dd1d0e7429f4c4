//! What the bot says by itself, each sentence once: one file a topic, pure functions from what is known to words.
//!
//! Whoever decides or acts calls one of these; a sentence that is written where it is used is found by a test over our
//! own source. What a script may be told stands in the host table, and what a command does beside the command.

use super::id::UserId;
use super::order::NETWORK;
use super::trigger::Place;

pub mod alerts;
pub mod approvals;
pub mod bridges;
pub mod can;
pub mod context;
pub mod edits;
pub mod executions;
pub mod grants;
pub mod listing;
pub mod manners;
pub mod notices;
pub mod people;
pub mod policy;
pub mod questions;
pub mod records;
pub mod routing;
pub mod rules;
pub mod sensors;
pub mod setups;
pub mod silences;
pub mod switches;
pub mod what_did;
pub mod why;

/// What people call an account where nothing better is known: what stands before its server.
pub fn called(account: &UserId) -> &str {
    let bare = account.as_str().trim_start_matches('@');
    bare.split_once(':').map_or(bare, |(name, _)| name)
}

/// What stands before a command in a place: where the bot is alone with somebody, or at the command line, nothing does.
pub fn before_commands<'a>(place: &Place, prefix: &'a str) -> &'a str {
    if place.direct || place.network == NETWORK { "" } else { prefix }
}

/// To somebody, by name: `ann: that is not so.`
pub fn to(name: &str, what: &str) -> String {
    format!("{name}: {what}")
}
