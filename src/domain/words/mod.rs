//! Everything that the bot says by itself, a file for each topic, each sentence once.

pub mod questions;
