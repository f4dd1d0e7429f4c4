//! The read side: folds of the log that can be deleted and made again.

pub mod agenda;
pub mod command;
pub mod executions;
pub mod proof;
pub mod unreadable;
