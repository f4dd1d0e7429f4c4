//! What went wrong at the homeserver, in the few kinds that differ in what to do next.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use matrix_sdk::ruma::api::error::{ErrorBody, ErrorKind, RetryAfter};
use matrix_sdk::{ClientBuildError, HttpError, RefreshTokenError};

/// Longest explanation of a homeserver that is passed on, in characters.
const REASON_CHARS_MAX: usize = 200;

/// Matrix's code for an event that does not fit.
pub(super) const TOO_LARGE: &str = "M_TOO_LARGE";

/// How a login ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logout {
    /// The device is still there: it needs a new token.
    Soft,
    /// The device is gone.
    Hard,
}

impl Logout {
    /// What a person does about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Soft => {
                "`beadle login` with the bot's password, then start again: the same device goes on, nothing is lost"
            }
            Self::Hard => {
                "`beadle login` with the bot's password, then start again: it makes a new device, with the recovery key in `matrix/recovery.key`; the log and what is open in it stay"
            }
        }
    }
}

impl fmt::Display for Logout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Soft => "the homeserver asks for a new login of this device",
            Self::Hard => "the homeserver does not know this login any more",
        })
    }
}

/// A failed request, by what can be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The access token is worth nothing any more, and cannot be renewed.
    LoggedOut(Logout),
    /// Too many requests.
    Limited(Option<Duration>),
    /// No answer, or none from a homeserver.
    Unreachable(String),
    /// The homeserver is there and has a problem of its own.
    Server(String),
    /// The homeserver understood and says no.
    Refused {
        /// Matrix's code for it, `M_FORBIDDEN`.
        code: String,
        /// What it says.
        reason: String,
    },
    /// Something on this side: keys, the store.
    Local(String),
}

impl Trouble {
    /// In words.
    pub fn reason(&self) -> String {
        match self {
            Self::LoggedOut(how) => how.to_string(),
            Self::Limited(_) => "the homeserver asks us to send less".into(),
            Self::Unreachable(reason) | Self::Server(reason) | Self::Local(reason) => {
                reason.clone()
            }
            Self::Refused { code, reason } => format!("{reason} ({code})"),
        }
    }

    /// What the homeserver asks us to wait.
    pub fn after(&self) -> Option<Duration> {
        match self {
            Self::Limited(after) => *after,
            _ => None,
        }
    }

    /// Whether the same request may work later.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Limited(_) | Self::Unreachable(_) | Self::Server(_))
    }
}

impl From<&matrix_sdk::Error> for Trouble {
    fn from(error: &matrix_sdk::Error) -> Self {
        match error {
            matrix_sdk::Error::Http(error) => (&**error).into(),
            error => Self::Local(bounded(&error.to_string())),
        }
    }
}

impl From<&HttpError> for Trouble {
    fn from(error: &HttpError) -> Self {
        match error {
            HttpError::Cached(error) => return (&**error).into(),
            HttpError::Reqwest(error) => return Self::Unreachable(unreachable_reason(error)),
            HttpError::RefreshToken(error) => return error.into(),
            _ => {}
        }
        let Some(answer) = error.as_client_api_error() else {
            return Self::Server(bounded(&innermost(error)));
        };
        let kind = answer.error_kind();
        match kind {
            Some(ErrorKind::UnknownToken(data)) if data.soft_logout => {
                return Self::LoggedOut(Logout::Soft);
            }
            Some(ErrorKind::UnknownToken(_) | ErrorKind::MissingToken) => {
                return Self::LoggedOut(Logout::Hard);
            }
            Some(ErrorKind::LimitExceeded(data)) => {
                return Self::Limited(data.retry_after.as_ref().and_then(delay));
            }
            _ => {}
        }
        let status = answer.status_code.as_u16();
        let said = match &answer.body {
            ErrorBody::Standard(body) => Some(bounded(&body.message)),
            _ => None,
        };
        let code = kind.map(|kind| kind.errcode().to_string());
        refusal(status, code.unwrap_or_default(), said)
    }
}

/// An access token that cannot be renewed is a logout, unless asking for a new one may work later: a hard one if the
/// homeserver does not know the refresh token, for then the device has none.
impl From<&RefreshTokenError> for Trouble {
    fn from(error: &RefreshTokenError) -> Self {
        match error {
            RefreshTokenError::MatrixAuth(error) => match Self::from(&**error) {
                trouble if trouble.passes() => trouble,
                Self::LoggedOut(how) => Self::LoggedOut(how),
                _ => Self::LoggedOut(Logout::Soft),
            },
            RefreshTokenError::RefreshTokenRequired => Self::LoggedOut(Logout::Soft),
            RefreshTokenError::OAuth(error) => Self::Server(bounded(&error.to_string())),
        }
    }
}

/// What an error answer means; one without Matrix's words does not come from a homeserver.
fn refusal(status: u16, code: String, said: Option<String>) -> Trouble {
    match (status, said) {
        (429, _) => Trouble::Limited(None),
        (413, None) => Trouble::Refused { code: TOO_LARGE.into(), reason: "too large".into() },
        (_, None) => Trouble::Server(format!("status {status}, and not from a homeserver")),
        (500.., Some(reason)) => Trouble::Server(reason),
        (_, Some(reason)) => Trouble::Refused { code, reason },
    }
}

impl From<&ClientBuildError> for Trouble {
    fn from(error: &ClientBuildError) -> Self {
        match error {
            ClientBuildError::Http(error) => error.into(),
            ClientBuildError::SqliteStore(_) => Self::Local(bounded(&innermost(error))),
            error => Self::Unreachable(bounded(&format!("{error}: {}", innermost(error)))),
        }
    }
}

/// How long to wait from now.
fn delay(after: &RetryAfter) -> Option<Duration> {
    match after {
        RetryAfter::Delay(delay) => Some(*delay),
        RetryAfter::DateTime(time) => time.duration_since(std::time::SystemTime::now()).ok(),
    }
}

/// Why a request got no answer; the address it was sent to is left out.
pub(super) fn unreachable_reason(error: &matrix_sdk::reqwest::Error) -> String {
    let said = innermost(error);
    match error.is_timeout() {
        true => "no answer in time".into(),
        false => bounded(&said),
    }
}

/// What the first cause says.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut first = error;
    while let Some(cause) = first.source() {
        first = cause;
    }
    first.to_string()
}

/// At most a few lines' worth.
fn bounded(text: &str) -> String {
    text.chars().take(REASON_CHARS_MAX).collect()
}

/// What a person can do about a homeserver that gives no answer.
pub(super) fn hint(reason: &str) -> &'static str {
    let said = reason.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if has(&["dns", "lookup", "resolve", "name or service not known", "no such host"]) {
        "no such name: check the spelling of the homeserver, and the name server of this machine"
    } else if has(&["certificate", "tls", "handshake", "unknownissuer", "unknown issuer"]) {
        "the TLS certificate was not accepted: check its name and issuer, and this machine's clock"
    } else if has(&["refused"]) {
        "nothing listens there: is the homeserver running, and is the port right?"
    } else if has(&["timed out", "in time", "unreachable"]) {
        "no answer: check the address, the network and the firewall"
    } else {
        "check the address of the homeserver; `https://` and the port belong to it"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_say_what_to_check() {
        for (reason, want) in [
            ("failed to lookup address information: Name or service not known", "no such name"),
            ("Connection refused (os error 111)", "nothing listens"),
            ("invalid peer certificate: UnknownIssuer", "the TLS certificate"),
            ("received fatal alert: HandshakeFailure", "the TLS certificate"),
            ("no answer in time", "no answer"),
            ("Network is unreachable", "no answer"),
            ("expected value at line 1", "check the address"),
        ] {
            assert!(hint(reason).starts_with(want), "{reason:?}: {}", hint(reason));
        }
    }

    #[test]
    fn answers_refuse_for_now_or_for_ever() {
        for (status, said, passes) in [
            (403, Some("no"), false),
            (413, Some("big"), false),
            (413, None, false),
            (404, Some("what?"), false),
            (404, None, true),
            (429, Some("slow"), true),
            (429, None, true),
            (500, Some("oops"), true),
            (502, None, true),
        ] {
            let trouble = refusal(status, "M_X".into(), said.map(Into::into));
            assert_eq!(trouble.passes(), passes, "{status} {said:?}: {trouble:?}");
        }
    }

    #[test]
    fn long_explanations_are_cut() {
        assert_eq!(bounded(&"ä".repeat(500)).chars().count(), REASON_CHARS_MAX);
    }
}
