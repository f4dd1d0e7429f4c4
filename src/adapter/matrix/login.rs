//! The one login: makes the device, signs it, makes the management room, and keeps all of it or nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use matrix_sdk::Client;
use matrix_sdk::config::SyncSettings;
use matrix_sdk::ruma::OwnedUserId;

use super::client::open;
use super::management::management_room;
use super::pace::now;
use super::recovery::{is_signed, secure};
use super::session::{
    Secret, Session, SessionError, matrix_dir, recovery_key_path, store_path, sync_dir,
    write_secret,
};
use super::trouble::{Trouble, hint};
use crate::domain::id::{RoomId, UserId};

/// Longest wait for the login itself, with the pauses that a homeserver asks for.
pub const LOGIN_MS_MAX: u64 = 120_000;
/// Random bytes of the store's passphrase.
const PASSPHRASE_BYTES: usize = 32;

/// Everything that a login needs.
#[derive(Debug, Clone)]
pub struct LoginRequest {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// A server name, `example.org`, or an address, `https://matrix.example.org`.
    pub homeserver: String,
    /// The account, `beadle` or `@beadle:example.org`.
    pub user: String,
    /// Its password; it is not kept.
    pub password: Secret,
    /// Who is invited to the management room; without an owner there is none.
    pub owner: Option<UserId>,
    /// What the device is called in the account's list.
    pub device_name: String,
    /// For an account that already has encrypted secrets.
    pub recovery_key: Option<Secret>,
}

/// What a login made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginReport {
    /// The account.
    pub user_id: UserId,
    /// The device.
    pub device_id: String,
    /// Where the bot reports to its owner.
    pub management_room: Option<RoomId>,
    /// Whether other people's clients see the device as signed by its owner.
    pub cross_signed: bool,
    /// Where the recovery key is; a copy of it belongs in a safe place.
    pub recovery_key_path: PathBuf,
}

/// Why there is no login; nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
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
    /// The homeserver does not accept user and password.
    #[error("the homeserver does not accept this user and password")]
    WrongPassword,
    /// There is a login already.
    #[error("already logged in as `{user}`")]
    AlreadyLoggedIn {
        /// The account.
        user: UserId,
    },
    /// Too many tries.
    #[error("the homeserver asks to wait before the next try{}", waiting(*.after))]
    RateLimited {
        /// For how long.
        after: Option<Duration>,
    },
    /// The account has encrypted secrets, and only its recovery key opens them.
    #[error("this account already has encrypted secrets: its recovery key is needed")]
    NeedsRecoveryKey,
    /// The recovery key opens nothing.
    #[error("this is not the account's recovery key")]
    WrongRecoveryKey,
    /// The owner's id is none.
    #[error("`{owner}` is not a Matrix user id: write `@name:server`")]
    BadOwner {
        /// What was given.
        owner: UserId,
    },
    /// The old session cannot be read, or the new one not be kept.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The data directory cannot be written.
    #[error("cannot write in `{}`", .dir.display())]
    Folder {
        /// The folder.
        dir: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot log in: {reason}")]
    Other {
        /// What happened.
        reason: String,
    },
}

impl LoginError {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreachable { hint, .. } => hint,
            Self::WrongPassword => "check the spelling of both; the password is the bot's own",
            Self::AlreadyLoggedIn { .. } => {
                "nothing is to do; for another account use another data directory"
            }
            Self::RateLimited { .. } => "wait, then try once more",
            Self::NeedsRecoveryKey | Self::WrongRecoveryKey => {
                "it is in `matrix/recovery.key` of the old data directory; a lost one is replaced with a client like Element"
            }
            Self::BadOwner { .. } => "the owner is your own account, with its server",
            Self::Session(_) | Self::Folder { .. } => "check the data directory and its owner",
            Self::Other { .. } => "see the reason",
        }
    }
}

/// Logs in and keeps session, keys and recovery key in `<data>/matrix`, all or nothing.
///
/// # Errors
/// [`LoginError`]; the homeserver then has no device more, and the data directory no file more.
pub async fn login(request: LoginRequest) -> Result<LoginReport, LoginError> {
    if let Some(session) = Session::load(&request.data_dir)? {
        return Err(LoginError::AlreadyLoggedIn { user: session.user_id });
    }
    let owner = request.owner.as_ref().map(owner).transpose()?;
    let dir = matrix_dir(&request.data_dir);
    let folder = |source| LoginError::Folder { dir: request.data_dir.clone(), source };
    private_dir(&request.data_dir).map_err(folder)?;
    let beside = tempfile::Builder::new().prefix("matrix-login-").tempdir_in(&request.data_dir);
    let beside = beside.map_err(folder)?;
    let passphrase = passphrase()?;
    let opened = open(&request.homeserver, &store_path(beside.path()), &passphrase).await;
    let client = opened.map_err(|trouble| login_error(&trouble, &request.homeserver))?;
    log_in(&client, &request).await?;
    let made = set_up(&client, &request, owner.as_ref(), beside.path(), passphrase).await;
    let kept = match made {
        Ok(report) => keep(beside.path(), &dir).map(|()| report).map_err(folder),
        Err(error) => Err(error),
    };
    let key = recovery_key_path(beside.path());
    match &kept {
        Ok(_) => drop(beside.keep()),
        Err(_) => {
            if client.matrix_auth().logout().await.is_err() {
                tracing::warn!("the unfinished login stays in the account's list of devices");
            }
            if key.exists() {
                tracing::error!(key = %key.display(), "login not finished; the recovery key is kept");
                drop(beside.keep());
            }
        }
    }
    kept
}

/// The owner's account.
fn owner(owner: &UserId) -> Result<OwnedUserId, LoginError> {
    let parsed = matrix_sdk::ruma::UserId::parse(owner.as_str());
    parsed.map_err(|_| LoginError::BadOwner { owner: owner.clone() })
}

async fn log_in(client: &Client, request: &LoginRequest) -> Result<(), LoginError> {
    let auth = client.matrix_auth();
    let login = auth
        .login_username(&request.user, request.password.expose())
        .initial_device_display_name(&request.device_name);
    let failed = |trouble: Trouble| login_error(&trouble, &request.homeserver);
    match tokio::time::timeout(Duration::from_millis(LOGIN_MS_MAX), login.send()).await {
        Ok(logged_in) => logged_in.map(|_| ()).map_err(|error| failed((&error).into())),
        Err(_) => Err(failed(Trouble::Unreachable("no answer in time".into()))),
    }
}

/// Everything between the login and its being kept; what only the recovery key can open comes last.
async fn set_up(
    client: &Client,
    request: &LoginRequest,
    owner: Option<&OwnedUserId>,
    dir: &Path,
    passphrase: Secret,
) -> Result<LoginReport, LoginError> {
    let failed = |error: matrix_sdk::Error| login_error(&(&error).into(), &request.homeserver);
    let settings = || SyncSettings::new().timeout(Duration::ZERO);
    client.sync_once(settings()).await.map_err(failed)?;
    let Some(sdk) = client.matrix_auth().session() else {
        return Err(LoginError::Other { reason: "the homeserver gave no session".into() });
    };
    let management_room = management_room(client, owner).await.map_err(|error| {
        let reason = Trouble::from(&error).reason();
        LoginError::Other { reason: format!("there is no management room: {reason}") }
    })?;
    let user_id = sdk.meta.user_id.to_string();
    let key = request.recovery_key.as_ref();
    let recovery_key = secure(client, &user_id, &request.password, key).await?;
    write_secret(&recovery_key_path(dir), format!("{}\n", recovery_key.expose()).as_bytes())?;
    if let Err(error) = client.sync_once(settings()).await {
        tracing::warn!(reason = Trouble::from(&error).reason(), "own keys not read back");
    }
    let session = Session {
        homeserver: client.homeserver().to_string(),
        user_id: UserId(user_id.clone()),
        device_id: sdk.meta.device_id.to_string(),
        access_token: Secret::new(sdk.tokens.access_token),
        refresh_token: sdk.tokens.refresh_token.map(Secret::new),
        store_passphrase: passphrase,
        management_room: management_room.clone(),
        created: now(),
    };
    session.save(dir)?;
    Ok(LoginReport {
        user_id: UserId(user_id),
        device_id: session.device_id.clone(),
        management_room,
        cross_signed: is_signed(client).await,
        recovery_key_path: recovery_key_path(&matrix_dir(&request.data_dir)),
    })
}

/// Moves the finished folder to its place; an empty one there gives way.
fn keep(beside: &Path, dir: &Path) -> io::Result<()> {
    sync_dir(beside)?;
    std::fs::rename(beside, dir)?;
    sync_dir(dir.parent().unwrap_or(Path::new(".")))
}

/// Makes a folder that only its owner can enter, if it is missing.
fn private_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// A passphrase that nobody types.
fn passphrase() -> Result<Secret, LoginError> {
    let mut bytes = [0; PASSPHRASE_BYTES];
    let filled = getrandom::fill(&mut bytes);
    filled.map_err(|error| LoginError::Other { reason: error.to_string() })?;
    Ok(Secret::new(data_encoding::HEXLOWER.encode(&bytes)))
}

/// What a failure at the homeserver means for the login.
fn login_error(trouble: &Trouble, homeserver: &str) -> LoginError {
    let reason = trouble.reason();
    match trouble {
        Trouble::Refused { code, .. } if code == "M_FORBIDDEN" => LoginError::WrongPassword,
        Trouble::Limited(after) => LoginError::RateLimited { after: *after },
        Trouble::Unreachable(_) | Trouble::Server(_) => {
            let hint = hint(&reason);
            LoginError::Unreachable { homeserver: homeserver.to_owned(), reason, hint }
        }
        _ => LoginError::Other { reason },
    }
}

/// How long, for people.
fn waiting(after: Option<Duration>) -> String {
    after.map_or(String::new(), |after| format!(": {} s", after.as_secs().saturating_add(1)))
}
