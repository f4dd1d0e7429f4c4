//! All that the bot says by itself, each sentence once: one file a topic, pure functions.

pub mod approval;
