//! The bot in a real homeserver, seen from outside.

mod backlog;
mod conversation;
mod doctor;
mod doubt;
mod federation;
mod invites;
mod kill;
mod late_keys;
mod misuse;
mod people;
mod rewind;
mod running;
mod scene;
mod upgrades;
