//! The read side: folds of the log that can be deleted and made again, and the questions that people ask it.

pub mod agenda;
pub mod audit;
pub mod command;
pub mod compose;
pub mod edits;
pub mod erased;
pub mod erasure;
pub mod execution_story;
pub mod executions;
pub mod export;
pub mod filter;
pub mod follow;
pub mod fuzz;
pub mod locks;
pub mod lookup;
pub mod proof;
pub mod question;
pub mod report;
pub mod retention;
pub mod search;
pub mod stats;
pub mod story;
pub mod subjects;
pub mod unreadable;
pub mod when;
pub mod words;
