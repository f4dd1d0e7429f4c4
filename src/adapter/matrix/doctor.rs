//! Looks at the Matrix side of an installation and says what is wrong and how to mend it.
//!
//! It never opens the store, so it can look while the bot runs.

use std::path::Path;
use std::time::Duration;

use matrix_sdk::reqwest;
use serde_json::{Value, json};

use super::client::{MatrixSettings, REQUEST_MS_MAX};
use super::limits::Limited;
use super::pace::now;
use super::session::{Session, is_private, matrix_dir, recovery_key_path, session_path};
use super::standing::{Standing, standing};
use super::trouble::{Logout, hint, unreachable_reason};

/// How far the clocks may differ.
pub const CLOCK_MS_MAX: i64 = 10 * 60 * 1000;

/// How long rate limits that were met are spoken of.
pub const LIMITED_MS: i64 = 24 * 60 * 60 * 1000;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Good,
    /// It works, and may not for long.
    Warning,
    /// It does not work, or is not safe.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub name: &'static str,
    /// How it is.
    pub level: Level,
    /// What was seen.
    pub detail: String,
    /// What to do, if it is not as it should be.
    pub remedy: Option<String>,
}

impl Finding {
    /// All is as it should be.
    pub fn good(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, level: Level::Good, detail: detail.into(), remedy: None }
    }

    /// Something works, and may not for long.
    pub fn warning(
        name: &'static str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { level: Level::Warning, ..Self::bad(name, detail, remedy) }
    }

    /// Something does not work, or is not safe.
    pub fn bad(name: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        let (detail, remedy) = (detail.into(), Some(remedy.into()));
        Self { name, level: Level::Bad, detail, remedy }
    }

    /// Whether it is as it should be.
    pub fn is_good(&self) -> bool {
        self.level == Level::Good
    }
}

/// Looks at everything about Matrix; stops early where the rest cannot be known.
pub async fn check(data_dir: &Path, settings: &MatrixSettings) -> Vec<Finding> {
    let dir = matrix_dir(data_dir);
    let session = match Session::load(data_dir) {
        Ok(Some(session)) => {
            let management_room = settings.management_room.clone().or(session.management_room);
            Session { management_room, ..session }
        }
        Ok(None) => {
            return vec![Finding::bad("login", "there is no session", "run `beadle login`")];
        }
        Err(error) => {
            let remedy = "put `matrix/session.json` back from a copy, or move the folder `matrix` away and run `beadle login`";
            return vec![Finding::bad("login", error.to_string(), remedy)];
        }
    };
    let mut findings = vec![
        private("session file", &session_path(&dir)),
        private("recovery key", &recovery_key_path(&dir)),
        limits(&dir, session.user_id.as_str(), now().0),
    ];
    let address = settings.homeserver.as_deref().unwrap_or(&session.homeserver);
    let server = Server::new(address, &session);
    match server.versions().await {
        Ok(clock) => findings.extend([Finding::good("homeserver", address), clock_finding(clock)]),
        Err(reason) => {
            findings.push(Finding::bad(
                "homeserver",
                format!("{address}: {reason}"),
                hint(&reason),
            ));
            return findings;
        }
    }
    // Where it can be renewed, the token expires after minutes; only the bot may renew it.
    let renewed = session.refresh_token.is_some()
        && standing(address, &session).await == Ok(Standing::LoggedOut(Logout::Soft));
    if renewed {
        findings.push(Finding::good("token", "expired; the bot renews it when it runs"));
        return findings;
    }
    findings.push(server.token().await);
    if findings.iter().all(|finding| finding.name != "token" || finding.is_good()) {
        findings.push(server.device().await);
        findings.push(server.management_room().await);
    }
    findings
}

/// That the homeserver does not make the bot wait. It tells nobody whom it exempts, so this goes by what was met.
fn limits(dir: &Path, user: &str, now_ms: i64) -> Finding {
    let name = "rate limits";
    let Some(limits) = Limited::load(dir) else {
        return Finding::good(name, "not met so far");
    };
    let age_ms = now_ms.saturating_sub(limits.last_ms);
    if age_ms >= LIMITED_MS {
        return Finding::good(name, "not met in the last 24 h");
    }
    let (times, minutes) = (limits.limited, age_ms.max(0) / 60_000);
    let detail = format!("the homeserver made the bot wait {times} times, last {minutes} min ago");
    let remedy = format!(
        "let an administrator of the homeserver exempt it; on Synapse: POST /_synapse/admin/v1/users/{user}/override_ratelimit with {{\"messages_per_second\": 0, \"burst_count\": 0}}"
    );
    Finding::warning(name, detail, remedy)
}

/// That a file or folder is there and its owner's only.
pub fn private(name: &'static str, path: &Path) -> Finding {
    let shown = path.display();
    match is_private(path) {
        Ok(true) => Finding::good(name, format!("`{shown}`")),
        Ok(false) => {
            let detail = format!("other users can read `{shown}`");
            let mode = if path.is_dir() { 700 } else { 600 };
            Finding::bad(name, detail, format!("chmod {mode} '{shown}'"))
        }
        Err(error) => {
            let remedy = "put it back from your backup, or log in again";
            Finding::bad(name, format!("`{shown}`: {error}"), remedy)
        }
    }
}

/// That the clocks agree; the homeserver's is in its answers.
fn clock_finding(date: Option<String>) -> Finding {
    let parsed = date.as_deref().and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    let Some(theirs) = parsed.map(|date| date.timestamp().as_millisecond()) else {
        return Finding::good("clock", "the homeserver does not say its time");
    };
    let ahead_s = (now().0 - theirs) / 1000;
    match ahead_s.abs() * 1000 > CLOCK_MS_MAX {
        false => Finding::good("clock", format!("{ahead_s} s ahead of the homeserver")),
        true => Finding::bad(
            "clock",
            format!("{ahead_s} s ahead of the homeserver"),
            "set this machine's clock, best with NTP",
        ),
    }
}

/// What is said of a token that only has to be renewed.
const SOFT_LOGOUT: &str = "soft logout";

/// The homeserver, asked without the SDK and its store.
struct Server<'a> {
    address: &'a str,
    session: &'a Session,
    http: reqwest::Client,
}

impl<'a> Server<'a> {
    fn new(address: &'a str, session: &'a Session) -> Self {
        Self { address, session, http: reqwest::Client::new() }
    }

    /// Asks one thing; an answer of any status is an answer.
    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, String> {
        let request = request.timeout(Duration::from_millis(REQUEST_MS_MAX));
        request.send().await.map_err(|error| unreachable_reason(&error))
    }

    fn url(&self, path: &str) -> String {
        format!("{}/_matrix/client/{path}", self.address.trim_end_matches('/'))
    }

    /// Asks one thing as the bot, and reads the answer.
    async fn read(&self, path: &str, body: Option<Value>) -> Result<Value, String> {
        let request = match body {
            None => self.http.get(self.url(path)),
            Some(body) => self.http.post(self.url(path)).body(body.to_string()),
        };
        let answer = self.ask(request.bearer_auth(self.session.access_token.expose())).await?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| unreachable_reason(&error))?;
        let value: Value = serde_json::from_str(&text).map_err(|_| status.to_string())?;
        let Some(code) = value["errcode"].as_str().filter(|_| !status.is_success()) else {
            return if status.is_success() { Ok(value) } else { Err(status.to_string()) };
        };
        match value["soft_logout"] == true {
            true => Err(SOFT_LOGOUT.to_owned()),
            false => Err(code.to_owned()),
        }
    }

    /// That it is a homeserver, and its time.
    async fn versions(&self) -> Result<Option<String>, String> {
        let answer = self.ask(self.http.get(self.url("versions"))).await?;
        let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
        let date = date.map(str::to_owned);
        match answer.status() {
            status if status.is_success() => Ok(date),
            status => Err(format!("it answers with status {}", status.as_u16())),
        }
    }

    async fn token(&self) -> Finding {
        let (user, device) = (self.session.user_id.as_str(), self.session.device_id.as_str());
        match self.read("v3/account/whoami", None).await {
            Ok(me) if me["user_id"] == user && me["device_id"] == device => {
                Finding::good("token", format!("`{user}`, device {device}"))
            }
            Ok(_) => Finding::bad("token", "it belongs to another device", "log in again"),
            Err(reason) => token_refused(&reason),
        }
    }

    async fn device(&self) -> Finding {
        let user = self.session.user_id.as_str();
        let asked = self.read("v3/keys/query", Some(json!({"device_keys": {user: []}}))).await;
        match asked.map(|keys| is_signed(&keys, user, &self.session.device_id)) {
            Ok(true) => Finding::good("device", "signed by its owner"),
            Ok(false) => Finding::bad(
                "device",
                "not signed by its owner: some clients will not send it keys",
                "log in again with the recovery key",
            ),
            Err(reason) => Finding::bad("device", reason, "try again"),
        }
    }

    async fn management_room(&self) -> Finding {
        let name = "management room";
        let Some(room) = &self.session.management_room else {
            let remedy = "log in again with `--owner @you:server`";
            return Finding::bad(name, "there is none", remedy);
        };
        let joined = self.read("v3/joined_rooms", None).await;
        let is_in = |rooms: &Value| {
            let rooms = rooms["joined_rooms"].as_array();
            rooms.is_some_and(|rooms| rooms.iter().any(|id| id == room.as_str()))
        };
        match joined.map(|rooms| is_in(&rooms)) {
            Ok(true) => Finding::good(name, format!("`{room}`")),
            Ok(false) => {
                let remedy = "invite the bot into it again";
                Finding::bad(name, format!("the bot is no longer in `{room}`"), remedy)
            }
            Err(reason) => Finding::bad(name, reason, "try again"),
        }
    }
}

/// What a refused token means.
fn token_refused(reason: &str) -> Finding {
    let (detail, remedy) = match reason {
        SOFT_LOGOUT => (
            "the homeserver wants the bot to log in again (soft logout)",
            "`beadle login`: the device and its keys stay",
        ),
        "M_UNKNOWN_TOKEN" | "M_MISSING_TOKEN" => (
            "the homeserver does not know this login any more",
            "`beadle login`: it makes a new device; the log and all open work stay",
        ),
        reason => (reason, "try again; if it stays, ask the homeserver's administrator"),
    };
    Finding::bad("token", detail, remedy)
}

/// Whether a device carries a signature of its owner's self-signing key.
fn is_signed(keys: &Value, user: &str, device: &str) -> bool {
    let signatures = &keys["device_keys"][user][device]["signatures"][user];
    let signing = keys["self_signing_keys"][user]["keys"].as_object();
    signing.is_some_and(|signing| signing.keys().any(|key| signatures[key].is_string()))
}

#[cfg(test)]
mod tests {
    use super::super::limits::FILE;
    use super::*;

    #[test]
    fn a_device_is_signed_by_its_owner_or_not() {
        let keys = |signer: &str| {
            json!({"device_keys": {"@b:hs": {"D": {"signatures": {"@b:hs": {signer: "sig"}}}}},
                   "self_signing_keys": {"@b:hs": {"keys": {"ed25519:SSK": "SSK"}}}})
        };
        for (keys, device, want) in [
            (keys("ed25519:SSK"), "D", true),
            (keys("ed25519:D"), "D", false),
            (keys("ed25519:SSK"), "E", false),
            (json!({}), "D", false),
        ] {
            assert_eq!(is_signed(&keys, "@b:hs", device), want, "{keys} {device}");
        }
    }

    #[test]
    fn clocks_may_differ_a_little() {
        let date = |ms: i64| {
            let time = jiff::Timestamp::from_millisecond(now().0 + ms).expect("a time");
            Some(time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
        };
        for (date, want) in [
            (date(0), true),
            (date(CLOCK_MS_MAX - 5_000), true),
            (date(CLOCK_MS_MAX + 5_000), false),
            (date(-CLOCK_MS_MAX - 5_000), false),
            (Some("yesterday".into()), true),
            (None, true),
        ] {
            assert_eq!(clock_finding(date.clone()).is_good(), want, "{date:?}");
        }
    }

    #[test]
    fn rate_limits_are_spoken_of_for_a_day() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for (text, want) in [
            ("", "not met so far"),
            ("nonsense", "not met so far"),
            ("{\"limited\": 3, \"last_ms\": 1000}", "not met in the last 24 h"),
            (
                "{\"limited\": 3, \"last_ms\": 86341000}",
                "the homeserver made the bot wait 3 times, last 1 min ago",
            ),
        ] {
            std::fs::write(dir.path().join(FILE), text).expect("ours");
            let finding = limits(dir.path(), "@b:hs", LIMITED_MS + 1000);
            assert_eq!(finding.detail, want, "{text}");
            let remedy = finding.remedy.unwrap_or_default();
            assert_eq!(remedy.contains("users/@b:hs/override_ratelimit"), !want.starts_with("not"));
        }
    }

    #[test]
    fn each_refusal_of_the_token_has_its_remedy() {
        for (reason, detail, remedy) in [
            (SOFT_LOGOUT, "soft logout", "the device and its keys stay"),
            ("M_UNKNOWN_TOKEN", "does not know this login", "a new device"),
            ("502 Bad Gateway", "502 Bad Gateway", "try again"),
        ] {
            let finding = token_refused(reason);
            assert!(finding.detail.contains(detail), "{reason}: {finding:?}");
            assert!(finding.remedy.is_some_and(|told| told.contains(remedy)), "{reason}");
        }
    }
}
