//! The connection: opens the store, sets it back to the position in the log, and says what the bot is called.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use matrix_sdk::Client;
use matrix_sdk::authentication::matrix::MatrixSession;
use matrix_sdk::config::RequestConfig;
use matrix_sdk::cross_process_lock::CrossProcessLockConfig;
use matrix_sdk::encryption::{BackupDownloadStrategy, EncryptionSettings};
use matrix_sdk::ruma::{OwnedRoomId, OwnedUserId, RoomAliasId};
use matrix_sdk::store::{StateStoreDataKey, StateStoreDataValue};
use tokio::sync::{Notify, watch};

use super::heads::HeadsByRoom;
use super::limits::Limits;
use super::missing::MissingPosts;
use super::position::Position;
use super::pulse::Pulse;
use super::session::{Secret, Session, SessionError, matrix_dir, store_path};
use super::stores;
use super::tell::Hearing;
use super::tokens::Tokens;
use super::trouble::{Logout, Trouble, hint};
use super::upgrades::CameFor;
use crate::adapter::{Intake, IntakeError};
use crate::domain::bridge::Bridges;
use crate::domain::id::{RoomId, Timestamp, UserId};

/// Longest wait for one answer of the homeserver.
pub const REQUEST_MS_MAX: u64 = 30_000;
/// Most tries of one request inside the SDK; the outbox has its own patience.
pub const REQUEST_TRIES_MAX: usize = 3;
/// The SDK's databases without which a login is worth nothing.
const STORE_FILES: [&str; 2] = ["matrix-sdk-crypto.sqlite3", "matrix-sdk-state.sqlite3"];
/// How long a sync waits for something to happen, unless configured.
pub const SYNC_TIMEOUT_MS: u64 = 30_000;

/// Most rooms that are noted for another look at who invited.
pub const RENEWED_MAX: usize = 1_000;

/// What is configured about Matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatrixSettings {
    /// Another address for the homeserver than the one found at login.
    pub homeserver: Option<String>,
    /// Whose invitations are accepted: `@ana:example.org`, `@*:example.org`.
    pub invites_allow: Vec<String>,
    /// Another management room than the one that the login made.
    pub management_room: Option<RoomId>,
    /// How long a sync waits for something to happen.
    pub sync_timeout_ms: u64,
    /// How long the bot stays in a room where nobody else is; none: for ever.
    pub leave_alone_after: Option<Duration>,
    /// Where signed heads of the log are published, by id or name: the bot stays there.
    pub audit_room: Option<RoomId>,
    /// The bridges of the homeserver.
    pub bridges: Arc<Bridges>,
}

impl Default for MatrixSettings {
    fn default() -> Self {
        Self {
            homeserver: None,
            invites_allow: Vec::new(),
            management_room: None,
            sync_timeout_ms: SYNC_TIMEOUT_MS,
            leave_alone_after: None,
            audit_room: None,
            bridges: Bridges::shipped(),
        }
    }
}

/// The bot's account at its homeserver.
pub struct Matrix {
    pub(super) client: Client,
    pub(super) user: OwnedUserId,
    settings: RwLock<Arc<MatrixSettings>>,
    pub(super) intake: Arc<dyn Intake>,
    pub(super) ready: watch::Sender<bool>,
    pub(super) invited: Notify,
    /// When the device was made: what was to be said before may have been said by another.
    pub(super) created: Timestamp,
    pub(super) tokens: Arc<Tokens>,
    pub(super) pulse: Pulse,
    pub(super) limits: Limits,
    pub(super) upgraded: Notify,
    pub(super) came_for: Mutex<CameFor>,
    pub(super) heads: Mutex<HeadsByRoom>,
    pub(super) missing: Mutex<MissingPosts>,
    pub(super) missed: Notify,
    pub(super) renewed: Mutex<BTreeSet<OwnedRoomId>>,
    pub(super) going: Mutex<BTreeSet<OwnedRoomId>>,
    pub(super) looked_at: Mutex<BTreeSet<OwnedRoomId>>,
    pub(super) hearing: Hearing,
}

impl fmt::Debug for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matrix").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// There was no login.
    #[error("the bot has no Matrix account yet")]
    NotLoggedIn,
    /// The homeserver does not know the login any more.
    #[error("`{user}` is logged out: {how}")]
    LoggedOut {
        /// The account.
        user: UserId,
        /// Whether the device is still there.
        how: Logout,
    },
    /// No answer.
    #[error("cannot reach the homeserver `{homeserver}`: {reason}")]
    Unreachable {
        /// Its address.
        homeserver: String,
        /// What happened.
        reason: String,
        /// What to check.
        hint: &'static str,
    },
    /// The session file cannot be used.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The log cannot be read.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// The store of keys and rooms cannot be opened.
    #[error("cannot open the Matrix store: {reason}")]
    Store {
        /// What happened.
        reason: String,
    },
    /// The homeserver answers and refuses.
    #[error("the homeserver refuses: {reason}")]
    Refused {
        /// What it says.
        reason: String,
    },
}

impl ConnectError {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotLoggedIn => "log in once with `beadle login`",
            Self::LoggedOut { how, .. } => how.hint(),
            Self::Unreachable { hint, .. } => hint,
            Self::Session(_) => "check the folder `matrix` of the data directory, or log in again",
            Self::Store { .. } => {
                "`beadle login` makes a new device; its recovery key in `matrix/recovery.key` is used by itself, the log stays as it is"
            }
            Self::Intake(_) | Self::Refused { .. } => "see the reason",
        }
    }
}

/// How requests are tried.
pub(super) fn request_config() -> RequestConfig {
    let timeout = Duration::from_millis(REQUEST_MS_MAX);
    RequestConfig::new().timeout(timeout).retry_limit(REQUEST_TRIES_MAX)
}

/// Whether a folder has the databases of a login; the SDK would make new ones, with new keys for the old device.
pub(super) fn store_is_there(store: &Path) -> bool {
    let has = |name: &str| store.join(name).metadata().is_ok_and(|file| file.len() > 0);
    STORE_FILES.iter().all(|name| has(name))
}

/// A key that does not come is looked for in the account's own backup. Nobody else can be asked for it: a request goes to
/// the account's own devices only, and the bot has one.
fn encryption_settings() -> EncryptionSettings {
    let backup_download_strategy = BackupDownloadStrategy::AfterDecryptionFailure;
    EncryptionSettings { backup_download_strategy, ..EncryptionSettings::default() }
}

/// Opens a client on a store; a bare server name is looked up, an address is taken as it is.
pub(super) async fn open(
    homeserver: &str,
    store: &Path,
    passphrase: &Secret,
) -> Result<Client, Trouble> {
    let builder = match homeserver.contains("://") {
        true => Client::builder().homeserver_url(homeserver),
        false => Client::builder().server_name_or_homeserver_url(homeserver),
    };
    let stores = stores::open(store, passphrase).await.map_err(|error| Trouble::from(&error))?;
    let built = builder
        .store_config(stores)
        .cross_process_store_config(CrossProcessLockConfig::SingleProcess)
        .request_config(request_config())
        .with_encryption_settings(encryption_settings())
        .handle_refresh_tokens()
        .build()
        .await;
    built.map_err(|error| (&error).into())
}

impl Matrix {
    /// Opens the account of a data directory and checks that the homeserver still knows it.
    ///
    /// Before anything is read, the SDK is set back to the position in the log: what came after it comes again.
    ///
    /// # Errors
    /// [`ConnectError`]; nothing was read or sent then.
    pub async fn connect(
        data_dir: &Path,
        settings: MatrixSettings,
        intake: Arc<dyn Intake>,
    ) -> Result<Arc<Self>, ConnectError> {
        let session = Session::load(data_dir)?.ok_or(ConnectError::NotLoggedIn)?;
        let homeserver = settings.homeserver.clone().unwrap_or_else(|| session.homeserver.clone());
        let dir = matrix_dir(data_dir);
        let failed = |trouble: Trouble| connect_error(&trouble, &session.user_id, &homeserver);
        let store = store_path(&dir);
        if !store_is_there(&store) {
            let reason = format!("`{}` is lost or not whole", store.display());
            return Err(ConnectError::Store { reason });
        }
        let client = open(&homeserver, &store, &session.store_passphrase).await.map_err(failed)?;
        let position = intake.sync_token()?.map(|text| Position::parse(&text));
        rewind(&client, position.as_ref()).await.map_err(failed)?;
        let Some(sdk_session) = session.to_sdk() else {
            return Err(ConnectError::Store { reason: "the session names no account".into() });
        };
        let tokens = Tokens::of(session.clone(), dir.clone());
        tokens.keep(&client).map_err(failed)?;
        restore(&client, sdk_session).await.map_err(failed)?;
        let me = client.whoami().await.map_err(|error| failed((&error).into()))?;
        intake.names(names(&client, &me.user_id).await);
        tracing::info!(user = %me.user_id, "connected");
        let management_room = settings.management_room.clone().or(session.management_room);
        Ok(Arc::new(Self {
            client,
            user: me.user_id,
            settings: RwLock::new(Arc::new(MatrixSettings { management_room, ..settings })),
            intake,
            ready: watch::Sender::new(false),
            invited: Notify::new(),
            created: session.created,
            tokens,
            pulse: Pulse::default(),
            limits: Limits::of(&dir),
            upgraded: Notify::new(),
            came_for: Mutex::default(),
            heads: Mutex::default(),
            missing: Mutex::default(),
            missed: Notify::new(),
            renewed: Mutex::default(),
            going: Mutex::default(),
            looked_at: Mutex::default(),
            hearing: Hearing::default(),
        }))
    }

    /// The account.
    pub fn user_id(&self) -> UserId {
        UserId(self.user.to_string())
    }

    /// The room that a name such as `#ops:example.org` stands for, as the homeserver says; none: no room has it.
    ///
    /// # Errors
    /// In words, why nobody can say at the moment.
    pub async fn resolve(&self, name: &str) -> Result<Option<RoomId>, String> {
        self.look_up(name).await.map_err(|trouble| trouble.reason())
    }

    /// The same, for who knows what can be done about it.
    pub(super) async fn look_up(&self, name: &str) -> Result<Option<RoomId>, Trouble> {
        let Ok(alias) = <&RoomAliasId>::try_from(name) else { return Ok(None) };
        match self.client.resolve_room_alias(alias).await {
            Ok(resolved) => Ok(Some(RoomId(resolved.room_id.to_string()))),
            Err(error) => no_such((&error).into()),
        }
    }

    /// What is configured now.
    pub fn settings(&self) -> Arc<MatrixSettings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Goes by other settings from now on; another homeserver needs another connection.
    pub fn reconfigure(&self, settings: MatrixSettings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    /// Notes the rooms into which a sync says that the bot is invited: somebody else may have done it this time.
    pub(super) fn note_invited<'a>(&self, rooms: impl Iterator<Item = &'a OwnedRoomId>) {
        let mut renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        // Without room for all, those that are left out are looked at as long as they are new.
        let free = RENEWED_MAX.saturating_sub(renewed.len());
        renewed.extend(rooms.take(free).cloned());
    }

    /// The rooms that were noted since the last time.
    pub(super) fn take_renewed(&self) -> BTreeSet<OwnedRoomId> {
        std::mem::take(&mut self.renewed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where the bot reports to its owner.
    pub fn management_room(&self) -> Option<RoomId> {
        self.settings().management_room.clone()
    }

    /// Becomes true when the first sync is through.
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }
}

/// What the failure of a step means for the connection.
pub(super) fn connect_error(trouble: &Trouble, user: &UserId, homeserver: &str) -> ConnectError {
    let reason = trouble.reason();
    match trouble {
        Trouble::LoggedOut(how) => ConnectError::LoggedOut { user: user.clone(), how: *how },
        Trouble::Local(_) => ConnectError::Store { reason },
        Trouble::Refused { .. } => ConnectError::Refused { reason },
        Trouble::Limited(_) | Trouble::Unreachable(_) | Trouble::Server(_) => {
            let hint = hint(&reason);
            ConnectError::Unreachable { homeserver: homeserver.to_owned(), reason, hint }
        }
    }
}

/// Sets the SDK's position to the log's; only before the session is restored, or it answers with nothing.
async fn rewind(client: &Client, position: Option<&Position>) -> Result<(), Trouble> {
    let store = client.state_store();
    let done = match position {
        Some(position) => {
            let token = StateStoreDataValue::SyncToken(position.token.clone());
            store.set_kv_data(StateStoreDataKey::SyncToken, token).await
        }
        None => store.remove_kv_data(StateStoreDataKey::SyncToken).await,
    };
    done.map_err(|error| Trouble::Local(error.to_string()))
}

pub(super) async fn restore(client: &Client, session: MatrixSession) -> Result<(), Trouble> {
    client.restore_session(session).await.map_err(|error| (&error).into())
}

/// What the bot answers to.
async fn names(client: &Client, user: &OwnedUserId) -> Vec<String> {
    let mut names = vec![user.to_string(), user.localpart().to_owned()];
    match client.account().get_display_name().await {
        Ok(Some(name)) if !names.contains(&name) => names.push(name),
        Ok(_) => {}
        Err(error) => {
            let reason = Trouble::from(&error).reason();
            tracing::warn!(reason, "own display name not known");
        }
    }
    names
}

/// A homeserver's word that no room has a name is an answer; everything else that goes wrong is none.
fn no_such(trouble: Trouble) -> Result<Option<RoomId>, Trouble> {
    match trouble {
        Trouble::Refused { code, .. } if code == "M_NOT_FOUND" => Ok(None),
        trouble => Err(trouble),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_homeserver_says_that_a_name_is_nobodys() {
        let refused = |code: &str| Trouble::Refused { code: code.into(), reason: "no".into() };
        for (trouble, none) in [
            (refused("M_NOT_FOUND"), true),
            (refused("M_FORBIDDEN"), false),
            (refused("M_UNRECOGNIZED"), false),
            (Trouble::Limited(None), false),
            (Trouble::Unreachable("no answer".into()), false),
            (Trouble::Server("status 404, and not from a homeserver".into()), false),
        ] {
            let want = if none { Ok(None) } else { Err(trouble.clone()) };
            assert_eq!(no_such(trouble), want);
        }
    }

    #[test]
    fn a_store_without_its_databases_is_none() {
        let store = tempfile::tempdir().expect("a temporary folder");
        assert!(!store_is_there(&store.path().join("none")));
        for name in STORE_FILES {
            assert!(!store_is_there(store.path()), "`{name}` is missing");
            std::fs::write(store.path().join(name), "").expect("it is written");
            assert!(!store_is_there(store.path()), "`{name}` is empty");
            std::fs::write(store.path().join(name), "x").expect("it is written");
        }
        assert!(store_is_there(store.path()));
    }
}
