//! What a login leaves behind: the session file and the recovery key, readable by the bot's own user only.

use std::fmt;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use matrix_sdk::authentication::matrix::MatrixSession;
use matrix_sdk::{SessionMeta, SessionTokens};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::domain::id::{RoomId, Timestamp, UserId};

/// Only the owner may read and write.
const SECRET_MODE: u32 = 0o600;

/// A text that never prints.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The bot's login at its homeserver, kept in `matrix/session.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// The homeserver's address as it was found at login.
    pub homeserver: String,
    /// The account.
    pub user_id: UserId,
    /// The device; it never changes, for transaction ids belong to it.
    pub device_id: String,
    /// Proves the device to the homeserver.
    pub access_token: Secret,
    /// Renews the access token, where the homeserver lets it expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Secret>,
    /// Opens the store of keys and rooms.
    pub store_passphrase: Secret,
    /// Where the bot reports to its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management_room: Option<RoomId>,
    /// When the login happened.
    pub created: Timestamp,
}

/// Why a session cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The file is there and cannot be read.
    #[error("cannot read the session in `{}`", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is no session; its text stays out of the message, for it holds secrets.
    #[error("`{}` is not a session file (line {line}, column {column})", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where reading it stopped.
        line: usize,
        /// Where in that line.
        column: usize,
    },
    /// The file cannot be written.
    #[error("cannot write `{}`", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The folder of everything about Matrix.
pub fn matrix_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("matrix")
}

/// The session file.
pub fn session_path(matrix_dir: &Path) -> PathBuf {
    matrix_dir.join("session.json")
}

/// The file of the recovery key.
pub fn recovery_key_path(matrix_dir: &Path) -> PathBuf {
    matrix_dir.join("recovery.key")
}

/// The folder of the SDK's store.
pub fn store_path(matrix_dir: &Path) -> PathBuf {
    matrix_dir.join("store")
}

impl Session {
    /// Reads the session of a data directory; `None` before the first login.
    ///
    /// # Errors
    /// [`SessionError`] if the file is there and cannot be used.
    pub fn load(data_dir: &Path) -> Result<Option<Self>, SessionError> {
        let path = session_path(&matrix_dir(data_dir));
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
                SessionError::Damaged { path, line: error.line(), column: error.column() }
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(SessionError::Read { path, source }),
        }
    }

    /// Writes the session into a matrix folder, all or nothing.
    ///
    /// # Errors
    /// [`SessionError::Write`] if it is not on disk.
    pub fn save(&self, matrix_dir: &Path) -> Result<(), SessionError> {
        let path = session_path(matrix_dir);
        let bytes = serde_json::to_vec_pretty(self).expect("a session has only text keys");
        write_secret(&path, &bytes)
    }

    /// The SDK's shape of it; `None` if the account's id is none.
    pub(super) fn to_sdk(&self) -> Option<MatrixSession> {
        let user_id = self.user_id.as_str().try_into().ok()?;
        let meta = SessionMeta { user_id, device_id: self.device_id.as_str().into() };
        let refresh = self.refresh_token.as_ref().map(|token| token.expose().to_owned());
        let access_token = self.access_token.expose().to_owned();
        Some(MatrixSession { meta, tokens: SessionTokens { access_token, refresh_token: refresh } })
    }
}

/// Writes a file that only its owner may read: beside it first, then in its place, each step on disk.
///
/// # Errors
/// [`SessionError::Write`] if it is not on disk; the old file is then untouched.
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), SessionError> {
    let failed = |source| SessionError::Write { path: path.to_owned(), source };
    let beside = path.with_extension("tmp");
    let put = || -> io::Result<()> {
        let mut options = std::fs::OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(SECRET_MODE).open(&beside)?;
        file.set_permissions(std::fs::Permissions::from_mode(SECRET_MODE))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        sync_dir(path.parent().unwrap_or(Path::new(".")))
    };
    put().map_err(failed)
}

/// Makes the names in a folder durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    std::fs::File::open(dir)?.sync_all()
}

/// Whether only the owner may read a file.
pub(super) fn is_private(path: &Path) -> io::Result<bool> {
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o077 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session {
            homeserver: "https://hs.org/".into(),
            user_id: UserId("@bot:hs.org".into()),
            device_id: "DEVICE".into(),
            access_token: Secret::new("syt_access"),
            refresh_token: Some(Secret::new("syr_refresh")),
            store_passphrase: Secret::new("pass_phrase"),
            management_room: Some(RoomId("!room".into())),
            created: Timestamp(1),
        }
    }

    #[test]
    fn a_session_reads_back_and_is_private() {
        let data = tempfile::tempdir().expect("a temporary folder");
        let dir = matrix_dir(data.path());
        std::fs::create_dir(&dir).expect("the matrix folder");
        assert_eq!(Session::load(data.path()).expect("no file is no error"), None);
        session().save(&dir).expect("it is written");
        session().save(&dir).expect("it is written over");
        assert_eq!(Session::load(data.path()).expect("it reads"), Some(session()));
        assert!(is_private(&session_path(&dir)).expect("it is there"), "the mode is 0600");
        let left = std::fs::read_dir(&dir).expect("the folder reads").count();
        assert_eq!(left, 1, "nothing is left beside the file");
    }

    #[test]
    fn secrets_never_print() {
        let shown = format!("{:?} {:?}", session(), session().to_sdk());
        for secret in ["syt_access", "syr_refresh", "pass_phrase"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }

    #[test]
    fn a_damaged_session_is_refused_without_its_text() {
        for text in ["{\"access_token\": 12}", "{\"access_token\": \"syt_x\"}", "syt_x", ""] {
            let data = tempfile::tempdir().expect("a temporary folder");
            let dir = matrix_dir(data.path());
            std::fs::create_dir(&dir).expect("the matrix folder");
            std::fs::write(session_path(&dir), text).expect("it is written");
            let error = Session::load(data.path()).expect_err("it is damaged");
            assert!(matches!(error, SessionError::Damaged { .. }), "{text:?}");
            assert!(!format!("{error} {error:?}").contains("syt_x"), "{text:?}");
        }
    }
}
