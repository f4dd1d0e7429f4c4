//! Matrix: what is said in rooms becomes triggers, messages become events; nothing is acknowledged before it is recorded.
//!
//! The log, not the SDK, holds the sync position: at the start the SDK is set back to it, and a position is handed over only
//! with or after everything that came before it. So a process that dies anywhere sees the same events again, and the
//! intake leaves out what it knows.

pub mod bridged;
mod client;
pub mod doctor;
pub mod login;
pub mod session;
pub mod sync;

mod alone;
pub mod audit;
mod declines;
mod departures;
mod device;
mod gap;
mod happenings;
mod harvest;
mod heads;
mod inbound;
mod invites;
mod late_keys;
pub mod limits;
mod looks;
mod lookup;
mod management;
mod media;
mod missing;
mod outbound;
mod oversize;
mod pace;
mod plain;
mod position;
mod pulse;
mod quick;
mod receipts;
mod recovery;
mod shared;
mod standing;
mod stores;
mod tell;
mod timeline;
mod tokens;
mod trouble;
mod upgrades;
mod visits;

pub use audit::{Post, Posts, own_posts_of};
pub use client::{ConnectError, Matrix, MatrixSettings};
pub use doctor::{Finding, Level, check, private};
pub use login::{LoginError, LoginReport, LoginRequest, Made, login};
pub use plain::{Opening, PlainClient, PlainError, Said, random_name};
pub use session::{Secret, Session, SessionError};
pub use sync::SyncError;
pub use trouble::Logout;
