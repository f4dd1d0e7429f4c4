//! The one integration binary.

mod backup;
mod both_states;
mod bounds;
mod cli;
mod control;
mod day;
mod desk;
mod events;
mod faults;
mod intake;
mod lab;
mod matrix;
mod outbox;
mod reread;
mod rooms;
mod scripts;
mod stays;
mod store_contract;
mod store_ends;
mod store_faults;
mod store_index;
mod store_verify;
mod store_world;
mod tidy;
mod transcripts;
