//! Makes a device: logs in, signs it, makes the management room, and keeps all of it or nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use matrix_sdk::config::SyncSettings;
use matrix_sdk::ruma::{OwnedDeviceId, OwnedUserId};
use matrix_sdk::{Client, SessionTokens};

use super::client::open;
use super::login::{LoginError, LoginReport, LoginRequest, Made, login_error};
use super::management::management_room;
use super::pace::now;
use super::recovery::{is_signed, password_proof, secure};
use super::session::{
    Secret, Session, matrix_dir, recovery_key_path, store_path, sync_dir, write_secret,
};
use super::trouble::Trouble;
use crate::domain::id::{Timestamp, UserId};

/// Longest wait for the login itself, with the pauses that a homeserver asks for.
pub const LOGIN_MS_MAX: u64 = 120_000;
/// Random bytes of the store's passphrase.
const PASSPHRASE_BYTES: usize = 32;

/// Makes a device in a folder beside `matrix`, which takes its place when all is done; an old one is moved aside.
pub(super) async fn new_device(
    request: &LoginRequest,
    owner: Option<&OwnedUserId>,
    old: Option<&Session>,
) -> Result<LoginReport, LoginError> {
    let dir = matrix_dir(&request.data_dir);
    let folder = |source| LoginError::Folder { dir: request.data_dir.clone(), source };
    std::fs::create_dir_all(&request.data_dir).map_err(folder)?;
    let beside = tempfile::Builder::new().prefix("matrix-login-").tempdir_in(&request.data_dir);
    let beside = beside.map_err(folder)?;
    let passphrase = passphrase()?;
    let opened = open(&request.homeserver, &store_path(beside.path()), &passphrase).await;
    let client = opened.map_err(|trouble| login_error(&trouble, &request.homeserver))?;
    let tokens = log_in(&client, request, None).await?;
    let made = set_up(&client, request, owner, beside.path(), tokens, passphrase).await;
    let kept = made.and_then(|report| {
        let aside = old.map(|_| aside(&request.data_dir, now()));
        keep(beside.path(), &dir, aside.as_deref()).map_err(folder)?;
        let made = aside.map_or(Made::First, |old| Made::NewDevice { old });
        Ok(LoginReport { made, ..report })
    });
    let key = recovery_key_path(beside.path());
    match &kept {
        Ok(_) => {
            drop(beside.keep());
            if let Some(old) = old {
                remove_device(&client, old, &request.password).await;
            }
        }
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

/// Logs in, as a new device or as one that the account has. The token can be renewed where the homeserver lets it expire.
pub(super) async fn log_in(
    client: &Client,
    request: &LoginRequest,
    device: Option<&str>,
) -> Result<SessionTokens, LoginError> {
    let auth = client.matrix_auth();
    let login =
        auth.login_username(&request.user, request.password.expose()).request_refresh_token();
    let login = match device {
        Some(device) => login.device_id(device),
        None => login.initial_device_display_name(&request.device_name),
    };
    let failed = |trouble: Trouble| login_error(&trouble, &request.homeserver);
    let within = Duration::from_millis(LOGIN_MS_MAX);
    let logged_in = tokio::time::timeout(within, login.send()).await;
    let logged_in =
        logged_in.map_err(|_| failed(Trouble::Unreachable("no answer in time".into())))?;
    logged_in.map_err(|error| failed((&error).into()))?;
    let none = || LoginError::Other { reason: "the homeserver gave no session".into() };
    client.session_tokens().ok_or_else(none)
}

/// Everything between the login and its being kept; what only the recovery key can open comes last.
async fn set_up(
    client: &Client,
    request: &LoginRequest,
    owner: Option<&OwnedUserId>,
    dir: &Path,
    tokens: SessionTokens,
    passphrase: Secret,
) -> Result<LoginReport, LoginError> {
    let failed = |error: matrix_sdk::Error| login_error(&(&error).into(), &request.homeserver);
    let settings = || SyncSettings::new().timeout(Duration::ZERO);
    client.sync_once(settings()).await.map_err(failed)?;
    let Some(meta) = client.session_meta().cloned() else {
        return Err(LoginError::Other { reason: "the homeserver gave no session".into() });
    };
    let management_room = management_room(client, owner).await.map_err(|error| {
        let reason = Trouble::from(&error).reason();
        LoginError::Other { reason: format!("there is no management room: {reason}") }
    })?;
    let user_id = meta.user_id.to_string();
    let key = recovery_key(request)?;
    let recovery_key = secure(client, &user_id, &request.password, key.as_ref()).await?;
    write_secret(&recovery_key_path(dir), format!("{}\n", recovery_key.expose()).as_bytes())?;
    if let Err(error) = client.sync_once(settings()).await {
        tracing::warn!(reason = Trouble::from(&error).reason(), "own keys not read back");
    }
    // A token that was renewed meanwhile is the one that counts.
    let tokens = client.session_tokens().unwrap_or(tokens);
    let session = Session {
        homeserver: client.homeserver().to_string(),
        user_id: UserId(user_id.clone()),
        device_id: meta.device_id.to_string(),
        access_token: Secret::new(tokens.access_token),
        refresh_token: tokens.refresh_token.map(Secret::new),
        store_passphrase: passphrase,
        management_room: management_room.clone(),
        created: now(),
    };
    session.save(dir)?;
    Ok(LoginReport {
        user_id: UserId(user_id),
        device_id: session.device_id.clone(),
        made: Made::First,
        management_room,
        cross_signed: is_signed(client).await,
        recovery_key_path: recovery_key_path(&matrix_dir(&request.data_dir)),
    })
}

/// The key that was given, or else the one of the login before.
fn recovery_key(request: &LoginRequest) -> Result<Option<Secret>, LoginError> {
    if request.recovery_key.is_some() {
        return Ok(request.recovery_key.clone());
    }
    match std::fs::read_to_string(recovery_key_path(&matrix_dir(&request.data_dir))) {
        Ok(text) => Ok(Some(Secret::new(text.trim())).filter(|key| !key.expose().is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(LoginError::Folder { dir: request.data_dir.clone(), source }),
    }
}

/// Takes the old device out of the account, so that nobody encrypts for it any more; best effort.
async fn remove_device(client: &Client, old: &Session, password: &Secret) {
    let device: OwnedDeviceId = old.device_id.as_str().into();
    let proof = password_proof(old.user_id.as_str(), password);
    if let Err(error) = client.delete_devices(&[device], Some(proof)).await {
        let reason = Trouble::from(&error).reason();
        tracing::warn!(device = old.device_id, reason, "the old device stays in the account");
    }
}

/// Where the folder of an old login goes.
fn aside(data_dir: &Path, now: Timestamp) -> PathBuf {
    let time = jiff::Timestamp::from_millisecond(now.0).unwrap_or_default();
    data_dir.join(format!("matrix-{}", time.strftime("%Y%m%dT%H%M%SZ")))
}

/// Moves the finished folder to its place; an old one there is moved aside, an empty one gives way.
fn keep(beside: &Path, dir: &Path, aside: Option<&Path>) -> io::Result<()> {
    sync_dir(beside)?;
    if let Some(aside) = aside {
        std::fs::rename(dir, aside)?;
    }
    let moved = std::fs::rename(beside, dir);
    if let (Err(_), Some(aside)) = (&moved, aside) {
        std::fs::rename(aside, dir)?;
    }
    moved?;
    sync_dir(dir.parent().unwrap_or(Path::new(".")))
}

/// A passphrase that nobody types.
fn passphrase() -> Result<Secret, LoginError> {
    let mut bytes = [0; PASSPHRASE_BYTES];
    let filled = getrandom::fill(&mut bytes);
    filled.map_err(|error| LoginError::Other { reason: error.to_string() })?;
    Ok(Secret::new(data_encoding::HEXLOWER.encode(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_folder_takes_the_place_of_the_old() {
        let data = tempfile::tempdir().expect("a temporary folder");
        let make = |name: &str| {
            let dir = data.path().join(name);
            std::fs::create_dir(&dir).expect("a new folder");
            std::fs::write(dir.join("mark"), name).expect("it is written");
            dir
        };
        let read = |dir: &Path| std::fs::read_to_string(dir.join("mark")).unwrap_or_default();
        let dir = matrix_dir(data.path());
        keep(&make("first"), &dir, None).expect("the place is free");
        assert_eq!(read(&dir), "first");
        let old = aside(data.path(), Timestamp(1_732_150_000_000));
        assert_eq!(old.file_name().and_then(|name| name.to_str()), Some("matrix-20241121T004640Z"));
        keep(&make("second"), &dir, Some(&old)).expect("the old one is moved aside");
        assert_eq!((read(&dir), read(&old)), ("second".into(), "first".into()));
        keep(&data.path().join("none"), &dir, Some(&data.path().join("third")))
            .expect_err("there is no new folder");
        assert_eq!(read(&dir), "second", "the old one stays in its place");
    }
}
