//! A laboratory on loopback: a real homeserver, people with clients of their own, and the bot as a black box.
//!
//! One [`Lab`] serves all tests of the binary; every test makes its own people, rooms and bot in it. Whatever the lab
//! starts is known to its reaper, which ends it and removes the files when this process ends, however it ends.

mod bot;
mod bridge;
mod event;
mod homeserver;
mod irc;
mod pair;
mod person;
mod plain;
mod process;
mod proxy;
mod reaper;
mod relay;
mod services;

pub use bot::{Bot, CLOCK_FILE};
pub use bridge::IrcLab;
pub use event::{Chat, Event, WAIT, edit, in_thread, notice, reaction, reply, text};
pub use homeserver::{Lab, free_port};
pub use irc::{Irc, Said};
pub use pair::Pair;
pub use person::Person;
pub use plain::{Plain, Room, answer, fetch, request};
pub use process::Lines;
pub use proxy::Proxy;
