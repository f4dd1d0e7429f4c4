//! beadle: a Matrix-native ChatOps bot whose heart is an append-only event log.
//!
//! Data flows one way. An adapter hears something and hands it to the intake as a trigger; it is on disk before anything
//! acts on it. The dispatcher asks a pure function what to do and appends the decision with its first consequences. A
//! script runs against the journal of its execution; effects are recorded as started before they happen. The outbox
//! speaks. Each step reads the log, decides, and ends in one atomic append, so each can be cut off and done again.
//!
//! The modules, inside out; each may use those before it in its row and in the rows above:
//! - [`domain`]: ids, events, formats, decisions; pure.
//! - [`store`]: the event log. [`script`]: runs a script against a journal. [`adapter`]: the outside. [`config`].
//! - [`query`]: folds of the log for reading.
//! - [`processor`]: the acting loops; only they append. [`web`]: webhooks in, health, metrics.
//! - [`app`] and [`control`]: wiring, start and stop. [`play`]: transcripts. [`cli`]: the command line.

pub mod adapter;
pub mod app;
pub mod cli;
pub mod config;
pub mod control;
pub mod domain;
pub mod play;
pub mod processor;
pub mod query;
pub mod script;
pub mod store;
pub mod web;
