//! The bot in a real homeserver, seen from outside.

mod backlog;
mod conversation;
mod doubt;
mod federation;
mod invites;
mod kill;
mod late_keys;
mod misuse;
mod people;
mod rewind;
mod rooms;
mod running;
mod scene;
mod upgrades;
