//! Transcripts and the tests inside scripts: conversations as tests, and the demonstration. The simulated homeserver, the fake actions and the clock
//! live here, outside of the bot, and survive its ends.

pub mod bot;
pub mod child;
#[cfg(test)]
mod conversations;
pub mod dry;
#[cfg(test)]
mod kept_agendas;
pub mod parse;
pub mod pattern;
mod people;
mod plays;
pub mod rehearse;
mod responses;
pub mod runner;
pub mod stage;
pub mod stops;
pub mod world;
