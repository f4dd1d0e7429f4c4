//! The bot in a real homeserver, seen from outside.

mod approvals;
mod audit;
mod backlog;
mod bench;
mod conversation;
mod doctor;
mod doubt;
mod edits;
mod erasure;
mod federation;
mod files;
mod invites;
mod kill;
mod late_keys;
mod limits;
mod misuse;
mod people;
mod pictures;
mod questions;
mod resend;
mod rewind;
mod rooms;
mod running;
mod scene;
mod session;
mod upgrades;
