//! Pure data and decisions: no I/O, no clock, no randomness; everything they need arrives as an argument.

pub mod alias;
pub mod alias_index;
pub mod audit_command;
pub mod budget;
pub mod builtin;
pub mod catalog;
pub mod catch_up;
pub mod conversation;
pub mod erasure;
pub mod event;
pub mod execution;
pub mod help;
pub mod id;
pub mod log_event;
pub mod lost_keys;
pub mod message;
pub mod near;
pub mod own_command;
pub mod permission;
pub mod recorded;
pub mod room_command;
pub mod room_event;
pub mod route;
pub mod tree_head;
pub mod trigger;
pub mod unreadable;
