//! The one integration binary.

mod bounds;
mod cli;
mod control;
mod day;
mod desk;
mod events;
mod intake;
mod lab;
mod matrix;
mod outbox;
mod proof;
mod proof_files;
mod proof_world;
mod reread;
mod rooms;
mod scripts;
mod stays;
mod store_contract;
mod store_ends;
mod store_faults;
mod store_world;
mod tidy;
mod transcripts;
mod tree_heads;
