//! What the SDK keeps on disk: rooms and their members, and the keys of encryption, each in sqlite behind a memory.
//!
//! The SDK writes four transactions for every sync, each with a disk flush, and asks a dozen questions for every message, each
//! on another thread. Most of these writes change nothing that matters after a restart, and most answers do not change.

use std::path::Path;

use matrix_sdk::cross_process_lock::CrossProcessLockConfig;
use matrix_sdk::{ClientBuildError, SqliteCryptoStore, SqliteStateStore, SqliteStoreConfig};
use matrix_sdk_base::store::StoreConfig;

use super::session::Secret;

mod answers;
mod keys;
mod state;

/// Connections to each database: one writes, the others read.
const CONNECTIONS_MAX: usize = 2;
/// Memory for pages of each connection.
const PAGES_BYTES_MAX: u32 = 500_000;
/// How much of a write-ahead file stays on disk.
const WAL_BYTES_MAX: u32 = 2_000_000;

/// Opens both databases in a folder, or makes them. What was read from the network and media stay in memory.
///
/// # Errors
/// [`ClientBuildError`] if a database cannot be read with this passphrase, or the system refuses something.
pub(super) async fn open(
    path: &Path,
    passphrase: &Secret,
) -> Result<StoreConfig, ClientBuildError> {
    let config = SqliteStoreConfig::new(path)
        .passphrase(Some(passphrase.expose()))
        .pool_max_size(CONNECTIONS_MAX)
        .cache_size(PAGES_BYTES_MAX)
        .journal_size_limit(WAL_BYTES_MAX);
    let (state, keys) = tokio::try_join!(
        SqliteStateStore::open_with_config(&config),
        SqliteCryptoStore::open_with_config(&config),
    )?;
    Ok(StoreConfig::new(CrossProcessLockConfig::SingleProcess)
        .state_store(state::Rooms::new(state))
        .crypto_store(keys::Keys::new(keys)))
}
