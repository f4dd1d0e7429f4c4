//! `beadle login`: the first one, and the one after a logout.
//!
//! After a soft logout the same device goes on. Where the device or its keys are lost, a new one takes its place: the old
//! folder is moved aside, and the recovery key in it opens the account's secrets again.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use matrix_sdk::ruma::OwnedUserId;

use super::client::{open, store_is_there};
use super::device::{log_in, new_device};
use super::recovery::is_signed;
use super::session::{Secret, Session, SessionError, matrix_dir, recovery_key_path, store_path};
use super::standing::{Standing, standing};
use super::trouble::{Logout, Trouble, hint};
use crate::domain::id::{RoomId, UserId};

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
    /// For an account that already has encrypted secrets; the one of a login before is found by itself.
    pub recovery_key: Option<Secret>,
    /// A running bot has the data directory: nothing in it may change.
    pub in_use: bool,
}

/// What a login did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// The first device of this data directory.
    First,
    /// A new token for the device that was there.
    SameDevice,
    /// A new device in the place of one that was lost.
    NewDevice {
        /// Where the folder of the old one is now.
        old: PathBuf,
    },
}

/// What a login made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginReport {
    /// The account.
    pub user_id: UserId,
    /// The device.
    pub device_id: String,
    /// Whether it is a new one.
    pub made: Made,
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
    /// There was a login of another account.
    #[error("this data directory belongs to `{user}`")]
    OtherAccount {
        /// Whose it is.
        user: UserId,
    },
    /// A running bot works with the old login.
    #[error("a bot is running on this data directory")]
    InUse,
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
            Self::OtherAccount { .. } => "use another data directory for another account",
            Self::InUse => "stop it, then log in again",
            Self::RateLimited { .. } => "wait, then try once more",
            Self::NeedsRecoveryKey | Self::WrongRecoveryKey => {
                "it is in `recovery.key` of an old folder `matrix`, or where you keep your copy; a lost one is replaced with a client like Element"
            }
            Self::BadOwner { .. } => "the owner is your own account, with its server",
            Self::Session(_) | Self::Folder { .. } => "check the data directory and its owner",
            Self::Other { .. } => "see the reason",
        }
    }
}

/// Logs in and keeps session, keys and recovery key in `<data>/matrix`, all or nothing.
///
/// Where there was a login before, it is used again as far as the homeserver and its store allow.
///
/// # Errors
/// [`LoginError`]; the homeserver then has no device more, and the data directory no file more.
pub async fn login(request: LoginRequest) -> Result<LoginReport, LoginError> {
    let owner = request.owner.as_ref().map(owner).transpose()?;
    let Some(session) = Session::load(&request.data_dir)? else {
        return new_device(&request, owner.as_ref(), None).await;
    };
    if !is_named(&session.user_id, &request.user) {
        return Err(LoginError::OtherAccount { user: session.user_id });
    }
    let address = address(&request, &session).to_owned();
    let asked = standing(&address, &session).await;
    let asked = asked.map_err(|trouble| login_error(&trouble, &address))?;
    let next = next(asked, is_usable(&request, &session).await, session.refresh_token.is_some());
    match (next, request.in_use) {
        (Next::Nothing, _) => Err(LoginError::AlreadyLoggedIn { user: session.user_id }),
        (Next::Renewing, true) => Err(LoginError::AlreadyLoggedIn { user: session.user_id }),
        (_, true) => Err(LoginError::InUse),
        (Next::SameDevice | Next::Renewing, false) => same_device(&request, session).await,
        (Next::NewDevice, false) => new_device(&request, owner.as_ref(), Some(&session)).await,
    }
}

/// What is to be done where there was a login before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// All is well.
    Nothing,
    /// A running bot gets a new token by itself; without one, a login gets it.
    Renewing,
    /// The device goes on with a new token.
    SameDevice,
    /// The device or its keys are lost.
    NewDevice,
}

/// Decides on an old login by what the homeserver says and whether its store can be opened.
fn next(standing: Standing, usable: bool, renews: bool) -> Next {
    match (standing, usable) {
        (Standing::Known, true) => Next::Nothing,
        (Standing::LoggedOut(Logout::Soft), true) if renews => Next::Renewing,
        (Standing::LoggedOut(Logout::Soft), true) => Next::SameDevice,
        (Standing::LoggedOut(Logout::Hard), _) | (_, false) => Next::NewDevice,
    }
}

/// Whether the store of a session can be opened; that of a running bot is not touched.
async fn is_usable(request: &LoginRequest, session: &Session) -> bool {
    let store = store_path(&matrix_dir(&request.data_dir));
    if request.in_use {
        return true;
    }
    if !store_is_there(&store) {
        return false;
    }
    let opened = open(address(request, session), &store, &session.store_passphrase).await;
    let Err(Trouble::Local(reason)) = opened else { return true };
    tracing::warn!(reason, "the Matrix store cannot be opened");
    false
}

/// Where the homeserver of a session is: another address than the one of its login counts only if it is one.
fn address<'a>(request: &'a LoginRequest, session: &'a Session) -> &'a str {
    let given = request.homeserver.as_str();
    if given.contains("://") { given } else { session.homeserver.as_str() }
}

/// Whether an account is meant by a name with or without its server.
fn is_named(user: &UserId, name: &str) -> bool {
    let localpart = user.as_str().strip_prefix('@').and_then(|id| id.split(':').next());
    user.as_str() == name || localpart == Some(name) || localpart == name.strip_prefix('@')
}

/// Gets a new token for the device of a session; its keys and its store go on.
async fn same_device(
    request: &LoginRequest,
    mut session: Session,
) -> Result<LoginReport, LoginError> {
    let dir = matrix_dir(&request.data_dir);
    let address = address(request, &session).to_owned();
    let opened = open(&address, &store_path(&dir), &session.store_passphrase).await;
    let client = opened.map_err(|trouble| login_error(&trouble, &address))?;
    let tokens = log_in(&client, request, Some(&session.device_id)).await?;
    session.access_token = Secret::new(tokens.access_token);
    session.refresh_token = tokens.refresh_token.map(Secret::new);
    session.save(&dir)?;
    Ok(LoginReport {
        user_id: session.user_id.clone(),
        device_id: session.device_id.clone(),
        made: Made::SameDevice,
        management_room: session.management_room.clone(),
        cross_signed: is_signed(&client).await,
        recovery_key_path: recovery_key_path(&dir),
    })
}

/// The owner's account.
fn owner(owner: &UserId) -> Result<OwnedUserId, LoginError> {
    let parsed = matrix_sdk::ruma::UserId::parse(owner.as_str());
    parsed.map_err(|_| LoginError::BadOwner { owner: owner.clone() })
}

/// What a failure at the homeserver means for the login.
pub(super) fn login_error(trouble: &Trouble, homeserver: &str) -> LoginError {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_before_goes_on_as_far_as_it_can() {
        use {Logout::*, Next::*, Standing::*};
        for (standing, usable, renews, want) in [
            (Known, true, false, Nothing),
            (Known, true, true, Nothing),
            (Known, false, true, NewDevice),
            (LoggedOut(Soft), true, false, SameDevice),
            (LoggedOut(Soft), true, true, Renewing),
            (LoggedOut(Soft), false, true, NewDevice),
            (LoggedOut(Hard), true, true, NewDevice),
            (LoggedOut(Hard), false, false, NewDevice),
        ] {
            assert_eq!(next(standing, usable, renews), want, "{standing:?} {usable} {renews}");
        }
    }

    #[test]
    fn an_account_is_named_with_or_without_its_server() {
        for (name, want) in [
            ("beadle", true),
            ("@beadle", true),
            ("@beadle:hs.org", true),
            ("@beadle:other.org", false),
            ("beadl", false),
            ("", false),
        ] {
            assert_eq!(is_named(&UserId("@beadle:hs.org".into()), name), want, "{name:?}");
        }
    }
}
