//! Transcripts: conversations as tests, and the demonstration. The simulated homeserver, the fake actions and the clock
//! live here, outside of the bot, and survive its ends.

pub mod bot;
pub mod child;
pub mod parse;
pub mod pattern;
pub mod runner;
pub mod stops;
pub mod world;
