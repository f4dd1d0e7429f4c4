//! What the bot says by itself, each sentence once: pure functions, one file a topic.

pub mod what_did;
pub mod why;
