//! Scripts: loads them, and runs one handler against its journal. Sees the domain and nothing else of ours.
//!
//! A run is deterministic: the same source, the same arguments and the same journal do the same effects in the same order.
//! An execution that waits is not in memory; it is run again from the start, and the journal answers what was done already.

pub mod action;
pub mod check;
pub mod closure;
pub mod context;
pub mod criteria;
pub mod engine;
mod evaluate;
pub mod fuzz;
pub mod gauge;
pub mod host;
pub mod hot;
pub mod isolate;
pub mod journal;
pub mod leaks;
pub mod load;
pub mod memory;
pub mod missing;
pub mod natives;
pub mod param;
pub mod problem;
pub mod reload;
pub mod resolver;
pub mod run;
pub mod sensor;
pub mod shape;
pub mod source;
pub mod threads;
pub mod uses;
