//! A plain client without a store and without encryption: what a measurement is held against.

use std::path::Path;
use std::time::Duration;

use matrix_sdk::reqwest;
use serde_json::{Value, json};

use super::session::{Secret, Session, matrix_dir, store_path};
use super::trouble::unreachable_reason;
use crate::domain::id::{Timestamp, UserId};

/// Longest wait for one answer of the homeserver, beside what a sync waits by itself.
const PLAIN_MS_MAX: u64 = 30_000;

/// What a device is called that the homeserver does not name.
const DEVICE: &str = "BENCH";

/// An account at a homeserver, logged in.
#[derive(Debug, Clone)]
pub struct PlainClient {
    http: reqwest::Client,
    homeserver: String,
    token: String,
    /// The account.
    pub user: String,
    /// The device of this login; a homeserver need not name one.
    pub device: Option<String>,
}

/// How an account is opened.
#[derive(Clone, PartialEq, Eq)]
pub enum Opening {
    /// A new account, where everybody may make one.
    Register(String),
    /// A user and their password.
    Password(String, String),
    /// A login that somebody else made.
    Token(String),
}

/// A message in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Where.
    pub room: String,
    /// The post.
    pub event: String,
    /// Who said it.
    pub sender: String,
    /// What.
    pub body: String,
    /// Which post it answers.
    pub answers: Option<String>,
}

/// A request that failed.
#[derive(Debug, thiserror::Error)]
#[error("{homeserver}: {what}: {reason}")]
pub struct PlainError {
    homeserver: String,
    what: String,
    reason: String,
}

impl PlainClient {
    /// Opens an account.
    ///
    /// # Errors
    /// [`PlainError`] if the homeserver is not there or says no.
    pub async fn open(homeserver: &str, opening: Opening) -> Result<Self, PlainError> {
        let address = match homeserver.contains("://") {
            true => homeserver.trim_end_matches('/').to_owned(),
            false => format!("https://{homeserver}"),
        };
        let (http, token) = (reqwest::Client::new(), String::new());
        let mut client =
            Self { http, homeserver: address, token, user: String::new(), device: None };
        let opened = match opening {
            Opening::Register(name) => {
                let auth = json!({"type": "m.login.dummy"});
                let device = "beadle bench";
                let body = json!({"username": name, "password": random_name(), "auth": auth,
                                  "initial_device_display_name": device});
                client.call(reqwest::Method::POST, "register", Some(body)).await?
            }
            Opening::Password(user, password) => {
                let identifier = json!({"type": "m.id.user", "user": user});
                let body = json!({"type": "m.login.password", "identifier": identifier,
                                  "password": password, "initial_device_display_name": "beadle bench"});
                client.call(reqwest::Method::POST, "login", Some(body)).await?
            }
            Opening::Token(token) => {
                client.token = token;
                client.call(reqwest::Method::GET, "account/whoami", None).await?
            }
        };
        if let Some(token) = opened["access_token"].as_str() {
            client.token = token.to_owned();
        }
        client.user = opened["user_id"].as_str().unwrap_or_default().to_owned();
        client.device = opened["device_id"].as_str().map(str::to_owned);
        match client.user.is_empty() || client.token.is_empty() {
            true => Err(client.failed("open the account", "it does not say who that is")),
            false => Ok(client),
        }
    }

    /// The homeserver's address.
    pub fn homeserver(&self) -> &str {
        &self.homeserver
    }

    /// Makes a data directory for a bot with this login: a session, and a store with nothing in it.
    ///
    /// # Errors
    /// [`PlainError`] if something cannot be written.
    pub async fn give_to_bot(&self, data_dir: &Path) -> Result<(), PlainError> {
        let dir = matrix_dir(data_dir);
        let failed = |why: String| self.failed("make a data directory", &why);
        std::fs::create_dir_all(&dir).map_err(|why| failed(why.to_string()))?;
        let session = Session {
            homeserver: self.homeserver.clone(),
            user_id: UserId(self.user.clone()),
            device_id: self.device.clone().unwrap_or_else(|| DEVICE.into()),
            access_token: Secret::new(&self.token),
            refresh_token: None,
            store_passphrase: Secret::new(random_name()),
            management_room: None,
            created: Timestamp(0),
        };
        let stores = super::stores::open(&store_path(&dir), &session.store_passphrase).await;
        stores.map_err(|why| failed(why.to_string()))?;
        session.save(&dir).map_err(|why| failed(why.to_string()))
    }

    /// Makes a room without encryption and invites others.
    ///
    /// # Errors
    /// [`PlainError`].
    pub async fn create_room(&self, invite: &[&str]) -> Result<String, PlainError> {
        let body = json!({"preset": "private_chat", "name": "beadle bench", "invite": invite});
        let made = self.call(reqwest::Method::POST, "createRoom", Some(body)).await?;
        let room = made["room_id"].as_str().map(str::to_owned);
        room.ok_or_else(|| self.failed("make a room", "it does not say which room it made"))
    }

    /// Joins a room.
    ///
    /// # Errors
    /// [`PlainError`].
    pub async fn join(&self, room: &str) -> Result<(), PlainError> {
        let path = format!("join/{}", quoted(room));
        self.call(reqwest::Method::POST, &path, Some(json!({}))).await.map(drop)
    }

    /// Leaves a room for good.
    ///
    /// # Errors
    /// [`PlainError`].
    pub async fn leave(&self, room: &str) -> Result<(), PlainError> {
        for act in ["leave", "forget"] {
            let path = format!("rooms/{}/{act}", quoted(room));
            self.call(reqwest::Method::POST, &path, Some(json!({}))).await?;
        }
        Ok(())
    }

    /// Ends the login.
    ///
    /// # Errors
    /// [`PlainError`].
    pub async fn log_out(&self) -> Result<(), PlainError> {
        self.call(reqwest::Method::POST, "logout", Some(json!({}))).await.map(drop)
    }

    /// Says something, perhaps in answer to a post; the new post.
    ///
    /// # Errors
    /// [`PlainError`].
    pub async fn say(
        &self,
        room: &str,
        text: &str,
        answers: Option<&str>,
    ) -> Result<String, PlainError> {
        let mut content = json!({"msgtype": "m.text", "body": text});
        if let Some(post) = answers {
            content["m.relates_to"] = json!({"m.in_reply_to": {"event_id": post}});
        }
        let path = format!("rooms/{}/send/m.room.message/{}", quoted(room), random_name());
        let sent = self.call(reqwest::Method::PUT, &path, Some(content)).await?;
        Ok(sent["event_id"].as_str().unwrap_or_default().to_owned())
    }

    /// What was said since a position, and the next position.
    ///
    /// # Errors
    /// [`PlainError`].
    pub async fn sync(
        &self,
        since: Option<&str>,
        timeout_ms: u64,
    ) -> Result<(Vec<Said>, String), PlainError> {
        const FILTER: &str = r#"{"presence":{"types":[]},"room":{"ephemeral":{"types":[]},"timeline":{"limit":100}}}"#;
        let since = since.map(|since| format!("&since={}", quoted(since))).unwrap_or_default();
        let path = format!("sync?timeout={timeout_ms}&filter={}{since}", quoted(FILTER));
        let synced = self.call(reqwest::Method::GET, &path, None).await?;
        let next = synced["next_batch"].as_str().unwrap_or_default().to_owned();
        Ok((said(&synced), next))
    }

    async fn call(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, PlainError> {
        let url = format!("{}/_matrix/client/v3/{path}", self.homeserver);
        let waits_ms = if path.starts_with("sync") { 2 * PLAIN_MS_MAX } else { PLAIN_MS_MAX };
        let mut request = self.http.request(method, url).timeout(Duration::from_millis(waits_ms));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        // What stands behind `?` and `/` may be long, and is no help.
        let what = path.split(['?', '/']).next().unwrap_or(path);
        let failed = |error: reqwest::Error| self.failed(what, &unreachable_reason(&error));
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status();
        let text = answer.text().await.map_err(failed)?;
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        match status.is_success() {
            true => Ok(value),
            false => {
                let said = value["error"].as_str().unwrap_or("it gives no reason");
                Err(self.failed(what, &format!("status {}: {said}", status.as_u16())))
            }
        }
    }

    fn failed(&self, what: &str, reason: &str) -> PlainError {
        let homeserver = self.homeserver.clone();
        PlainError { homeserver, what: what.to_owned(), reason: reason.to_owned() }
    }
}

/// The messages in an answer to a sync.
fn said(synced: &Value) -> Vec<Said> {
    let rooms = synced["rooms"]["join"].as_object().into_iter().flatten();
    let said = rooms.flat_map(|(room, update)| {
        let events = update["timeline"]["events"].as_array().into_iter().flatten();
        events.filter_map(|event| {
            let text = |value: &Value| value.as_str().map(str::to_owned);
            let content = &event["content"];
            (event["type"] == "m.room.message").then_some(())?;
            Some(Said {
                room: room.clone(),
                event: text(&event["event_id"])?,
                sender: text(&event["sender"])?,
                body: text(&content["body"])?,
                answers: text(&content["m.relates_to"]["m.in_reply_to"]["event_id"]),
            })
        })
    });
    said.collect()
}

/// A name that nobody has yet.
pub fn random_name() -> String {
    let mut random = [0; 12];
    // Without randomness the homeserver refuses the second use, which is then said.
    let _ = getrandom::fill(&mut random);
    data_encoding::HEXLOWER.encode(&random)
}

/// A text as part of an address.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                quoted.push(char::from(byte));
            }
            byte => quoted.push_str(&format!("%{byte:02X}")),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_with_what_they_answer() {
        let message = |id: &str, relation: Value| {
            json!({"type": "m.room.message", "event_id": id, "sender": "@a:hs",
                   "content": {"body": "pong", "m.relates_to": relation}})
        };
        let answer = json!({"m.in_reply_to": {"event_id": "$q"}});
        let other = json!({"type": "m.room.member", "event_id": "$m", "sender": "@a:hs"});
        let events = json!([message("$1", answer), other, message("$2", Value::Null)]);
        let synced = json!({"rooms": {"join": {"!r": {"timeline": {"events": events}}}}});
        let found: Vec<_> = said(&synced).into_iter().map(|it| (it.event, it.answers)).collect();
        assert_eq!(found, [("$1".into(), Some("$q".into())), ("$2".into(), None)]);
        assert_eq!(said(&json!({})), []);
    }

    #[test]
    fn texts_are_quoted_for_addresses() {
        assert_eq!(quoted("!a:b/c d~"), "%21a%3Ab%2Fc%20d~");
    }
}
