//! Whether the homeserver still knows a login, asked without the SDK and its store.

use std::time::Duration;

use matrix_sdk::reqwest;
use serde_json::Value;

use super::client::REQUEST_MS_MAX;
use super::session::Session;
use super::trouble::{Logout, Trouble, unreachable_reason};

/// What the homeserver makes of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It knows it.
    Known,
    /// It asks for a new login, of the same device or of another.
    LoggedOut(Logout),
}

/// Asks the homeserver at `address` about a session.
pub(super) async fn standing(address: &str, session: &Session) -> Result<Standing, Trouble> {
    let url = format!("{}/_matrix/client/v3/account/whoami", address.trim_end_matches('/'));
    let request = reqwest::Client::new()
        .get(url)
        .bearer_auth(session.access_token.expose())
        .timeout(Duration::from_millis(REQUEST_MS_MAX));
    let no_answer = |error| Trouble::Unreachable(unreachable_reason(&error));
    let answer = request.send().await.map_err(no_answer)?;
    let status = answer.status().as_u16();
    let text = answer.text().await.map_err(no_answer)?;
    read(status, &text, session.device_id.as_str())
}

/// What an answer to `whoami` says about a device.
fn read(status: u16, text: &str, device: &str) -> Result<Standing, Trouble> {
    let said: Value = serde_json::from_str(text).unwrap_or_default();
    match (status, said["errcode"].as_str()) {
        (200, _) if said["device_id"] == device => Ok(Standing::Known),
        // The token belongs to another device: this one is nobody's any more.
        (200, _) if said["user_id"].is_string() => Ok(Standing::LoggedOut(Logout::Hard)),
        (401, Some("M_UNKNOWN_TOKEN" | "M_MISSING_TOKEN")) => {
            let soft = said["soft_logout"] == true;
            Ok(Standing::LoggedOut(if soft { Logout::Soft } else { Logout::Hard }))
        }
        (429, _) => Err(Trouble::Limited(None)),
        (_, Some(code)) if status < 500 => Err(Trouble::Refused {
            code: code.to_owned(),
            reason: said["error"].as_str().unwrap_or("refused").chars().take(200).collect(),
        }),
        _ => Err(Trouble::Server(format!("status {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_tell_the_standing_of_a_login() {
        for (status, text, want) in [
            (200, r#"{"user_id":"@b:hs","device_id":"D"}"#, "Ok(Known)"),
            (200, r#"{"user_id":"@b:hs","device_id":"E"}"#, "Ok(LoggedOut(Hard))"),
            (200, "<html>", "Err(Server"),
            (401, r#"{"errcode":"M_UNKNOWN_TOKEN","soft_logout":true}"#, "Ok(LoggedOut(Soft))"),
            (401, r#"{"errcode":"M_UNKNOWN_TOKEN","soft_logout":false}"#, "Ok(LoggedOut(Hard))"),
            (401, r#"{"errcode":"M_UNKNOWN_TOKEN"}"#, "Ok(LoggedOut(Hard))"),
            (401, "", "Err(Server"),
            (403, r#"{"errcode":"M_USER_DEACTIVATED","error":"gone"}"#, "Err(Refused"),
            (429, r#"{"errcode":"M_LIMIT_EXCEEDED"}"#, "Err(Limited"),
            (502, "bad gateway", "Err(Server"),
        ] {
            let got = format!("{:?}", read(status, text, "D"));
            assert!(got.starts_with(want), "{status} {text}: {got}");
        }
    }
}
