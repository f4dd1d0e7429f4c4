//! Matrix: what is said in rooms becomes triggers, messages become events; nothing is acknowledged before it is recorded.
//!
//! The log, not the SDK, holds the sync position: at the start the SDK is set back to it, and a position is handed over only
//! with or after everything that came before it. So a process that dies anywhere sees the same events again, and the
//! intake leaves out what it knows.

pub mod client;
pub mod doctor;
pub mod login;
pub mod session;
pub mod sync;

mod gap;
mod harvest;
mod inbound;
mod invites;
mod late_keys;
mod management;
mod missing;
mod outbound;
mod pace;
mod position;
mod receipts;
mod recovery;
mod timeline;
mod trouble;

pub use client::{ConnectError, Matrix, MatrixSettings};
pub use doctor::{Finding, check};
pub use login::{LoginError, LoginReport, LoginRequest, login};
pub use session::{Secret, Session, SessionError};
pub use sync::SyncError;
