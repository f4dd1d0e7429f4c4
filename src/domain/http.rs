//! A request of a script over HTTP, as the journal keeps it, and when it is tried again.
//!
//! Invariant: a request names its secrets and where they belong, and holds nothing of their values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::event::{EffectClass, EffectResult};
use super::id::Timestamp;

/// The host functions that make requests, the method of each, and whether it may be repeated if the script does not say.
pub const METHODS: &[(&str, &str, EffectClass)] = &[
    ("http_get", "GET", EffectClass::Read),
    ("http_post", "POST", EffectClass::Once),
    ("http_put", "PUT", EffectClass::Idempotent),
    ("http_delete", "DELETE", EffectClass::Idempotent),
];
/// Longest URL in bytes.
pub const URL_BYTES_MAX: usize = 2048;
/// Most headers of a request.
pub const REQUEST_HEADERS_MAX: usize = 64;
/// Longest value of a header in bytes.
pub const HEADER_BYTES_MAX: usize = 8 * 1024;
/// How long a request may take if it does not say.
pub const TIMEOUT_MS: i64 = 30_000;
/// How long a request may take at most.
pub const TIMEOUT_MS_MAX: i64 = 5 * 60_000;
/// How often a request is tried again if it does not say.
pub const RETRIES: u32 = 3;
/// How often a request is tried again at most.
pub const RETRIES_MAX: u32 = 10;
/// How long it is waited before the first repetition; each further one waits twice as long.
pub const RETRY_WAIT_MS: i64 = 1_000;
/// How long it is waited at most, whatever the server asks for: one that asks for more is believed, and not asked again.
pub const RETRY_WAIT_MS_MAX: i64 = 5 * 60_000;
/// The statuses after which a request may be tried again: too many, and three ways of being out of order for a while.
const PASSING: &[u64] = &[429, 502, 503, 504];
/// How much of a URL is named in messages, in characters.
const NAME_CHARS_MAX: usize = 160;

/// The kind of the error of a request that may not be made.
pub const NOT_ALLOWED: &str = "not_allowed";
/// The kind of the error when there was no connection: nothing was sent.
pub const UNREACHABLE: &str = "unreachable";
/// The kind of the error when what was sent or came back is too large.
pub const TOO_LARGE: &str = "too_large";

/// A request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// What people call it: `POST https://api.example.org/issues`.
    pub action: String,
    /// `GET`.
    pub method: String,
    /// Where it goes.
    pub url: String,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// What it carries.
    pub body: Option<Body>,
    /// The secrets that it carries, by name.
    pub secrets: Vec<SecretAt>,
    /// How long it may take.
    pub timeout_ms: i64,
    /// How often it may be tried again.
    pub retries: u32,
}

/// What a request carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// A value.
    Json(Value),
    /// A text.
    Text(String),
}

/// A secret of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretAt {
    /// Its name.
    pub name: String,
    /// Where it belongs.
    pub at: Spot,
}

/// Where a secret belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spot {
    /// Behind this word in the header `Authorization`.
    Scheme(String),
    /// As the password of this user.
    Password(String),
    /// As the value of this header.
    Header(String),
    /// In the JSON that is carried, at this pointer.
    Json(String),
}

impl Request {
    /// Reads the arguments of an effect; none: it is no request.
    pub fn of(op: &str, args: &Value) -> Option<Self> {
        is_request(op).then(|| serde_json::from_value(args.clone()).ok()).flatten()
    }

    /// The request as tests and fakes see it; secrets are named, not shown.
    pub fn seen(&self) -> Value {
        let mut headers = json!(self.headers);
        let mut seen = json!({ "method": self.method, "url": self.url });
        let mut body = match &self.body {
            Some(Body::Json(value)) => Some(("json", value.clone())),
            Some(Body::Text(text)) => Some(("body", json!(text))),
            None => None,
        };
        for SecretAt { name, at } in &self.secrets {
            let shown = json!(format!("[secret {name}]"));
            match (at, &mut body) {
                (Spot::Scheme(_) | Spot::Password(_), _) => seen["auth"] = shown,
                (Spot::Header(header), _) => headers[header] = shown,
                (Spot::Json(pointer), Some((_, value))) => {
                    if let Some(place) = value.pointer_mut(pointer) {
                        *place = shown;
                    }
                }
                (Spot::Json(_), None) => {}
            }
        }
        seen["headers"] = headers;
        if let Some((name, value)) = body {
            seen[name] = value;
        }
        seen
    }

    /// What fakes know it by: its method and all of its URL.
    pub fn called(&self) -> String {
        called(&self.method, &self.url)
    }
}

/// What fakes know a request by.
pub fn called(method: &str, url: &str) -> String {
    format!("{} {url}", method.to_ascii_uppercase())
}

/// Whether a host function makes requests.
pub fn is_request(op: &str) -> bool {
    METHODS.iter().any(|(name, _, _)| *name == op)
}

/// What people call a request: without what stands behind the `?`, where keys are.
pub fn action(method: &str, url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let bare = &url[..end];
    match bare.char_indices().nth(NAME_CHARS_MAX) {
        Some((cut, _)) => format!("{method} {}…", &bare[..cut]),
        None => format!("{method} {bare}"),
    }
}

/// What a script gets of a response.
pub fn response(status: u16, headers: &BTreeMap<String, String>, body: &str) -> Value {
    let ok = (200..300).contains(&status);
    json!({ "status": status, "ok": ok, "headers": headers, "body": body })
}

/// An error of a request, as a script gets it.
pub fn error(kind: &str, action: &str, message: &str) -> Value {
    json!({ "kind": kind, "action": action, "message": message })
}

/// How long to wait before a request is tried again that came to this; none: it is not.
///
/// What may have been done is repeated only where that does no harm; where there was no connection, nothing was done.
pub fn again(
    request: &Request,
    class: EffectClass,
    result: &EffectResult,
    failed: u32,
    now: Timestamp,
) -> Option<i64> {
    let harmless = class != EffectClass::Once;
    let asked = match result {
        EffectResult::Ok(response) => {
            let status = response["status"].as_u64().unwrap_or_default();
            if !(harmless && PASSING.contains(&status)) {
                return None;
            }
            response["headers"]["retry-after"].as_str().and_then(|text| retry_after(text, now))
        }
        EffectResult::Err(error) => match error["kind"].as_str().unwrap_or_default() {
            UNREACHABLE => None,
            "failed" | "timed_out" if harmless => None,
            _ => return None,
        },
    };
    let doubled = RETRY_WAIT_MS.saturating_mul(1 << failed.saturating_sub(1).min(20));
    let wait = asked.unwrap_or_else(|| doubled.min(RETRY_WAIT_MS_MAX));
    (failed <= request.retries && wait <= RETRY_WAIT_MS_MAX).then_some(wait)
}

/// The error of an attempt that is followed by another.
pub fn attempt(request: &Request, result: &EffectResult) -> Value {
    match result {
        EffectResult::Err(error) => error.clone(),
        EffectResult::Ok(response) => {
            let status = &response["status"];
            let told = format!("{} was answered with {status}", request.action);
            let mut error = error("failed", &request.action, &told);
            error["status"] = status.clone();
            error
        }
    }
}

/// What a server asks for: seconds, or a date.
fn retry_after(text: &str, now: Timestamp) -> Option<i64> {
    if let Ok(seconds) = text.trim().parse::<u32>() {
        return Some(i64::from(seconds) * 1_000);
    }
    let date = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    Some((date.timestamp().as_millisecond() - now.0).max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request {
            action: "GET https://a.example/x".into(),
            method: "GET".into(),
            url: "https://a.example/x?key=1".into(),
            headers: BTreeMap::from([("Accept".to_owned(), "text/plain".to_owned())]),
            body: Some(Body::Json(json!({ "a": null, "b": [1, null] }))),
            secrets: vec![
                SecretAt { name: "cloud/token".into(), at: Spot::Scheme("Bearer".into()) },
                SecretAt { name: "other".into(), at: Spot::Header("X-Key".into()) },
                SecretAt { name: "third".into(), at: Spot::Json("/b/1".into()) },
            ],
            timeout_ms: TIMEOUT_MS,
            retries: RETRIES,
        }
    }

    #[test]
    fn secrets_are_named_where_they_belong() {
        let want = json!({
            "method": "GET",
            "url": "https://a.example/x?key=1",
            "auth": "[secret cloud/token]",
            "headers": { "Accept": "text/plain", "X-Key": "[secret other]" },
            "json": { "a": null, "b": [1, "[secret third]"] },
        });
        assert_eq!(request().seen(), want);
        assert_eq!(Request::of("http_get", &json!(request())), Some(request()));
        assert_eq!(Request::of("exec", &json!(request())), None);
    }

    #[test]
    fn keys_in_urls_stand_in_no_name() {
        let long = format!("https://a.example/{}", "é".repeat(200));
        assert_eq!(action("GET", "https://a.example/x?key=1#y"), "GET https://a.example/x");
        let named = action("GET", &long);
        assert_eq!(named.chars().count(), NAME_CHARS_MAX + "GET …".chars().count());
    }

    #[test]
    fn what_does_no_harm_is_tried_again() {
        use EffectClass::{Idempotent, Once, Read};
        // Sun, 06 Nov 1994 08:49:37 GMT
        let now = Timestamp(784_111_777_000);
        let status = |status: u16, after: Option<&str>| {
            let headers = after.map(|it| ("retry-after".to_owned(), it.to_owned()));
            EffectResult::Ok(response(status, &headers.into_iter().collect(), ""))
        };
        let failed = |kind: &str| EffectResult::Err(error(kind, "GET x", "no"));
        for (class, result, tried, want) in [
            (Read, status(200, None), 1, None),
            (Read, status(404, None), 1, None),
            (Read, status(500, None), 1, None),
            (Read, status(503, None), 1, Some(1_000)),
            (Read, status(503, None), 2, Some(2_000)),
            (Read, status(503, None), 3, Some(4_000)),
            (Read, status(503, None), 4, None),
            (Read, status(429, Some("7")), 1, Some(7_000)),
            (Read, status(429, Some("300")), 1, Some(RETRY_WAIT_MS_MAX)),
            (Read, status(429, Some("301")), 1, None),
            (Read, status(429, Some("Sun, 06 Nov 1994 08:50:00 GMT")), 1, Some(23_000)),
            (Read, status(429, Some("Sun, 06 Nov 1994 08:00:00 GMT")), 1, Some(0)),
            (Read, status(429, Some("soon")), 1, Some(1_000)),
            (Idempotent, status(502, None), 1, Some(1_000)),
            (Once, status(503, None), 1, None),
            (Once, status(429, Some("1")), 1, None),
            (Read, failed("failed"), 1, Some(1_000)),
            (Read, failed("timed_out"), 2, Some(2_000)),
            (Once, failed("failed"), 1, None),
            (Once, failed("timed_out"), 1, None),
            (Once, failed(UNREACHABLE), 1, Some(1_000)),
            (Read, failed(NOT_ALLOWED), 1, None),
            (Read, failed(TOO_LARGE), 1, None),
        ] {
            let got = again(&request(), class, &result, tried, now);
            assert_eq!(got, want, "{class:?} {result:?} {tried}");
        }
        let often = Request { retries: RETRIES_MAX, ..request() };
        assert_eq!(again(&often, Read, &failed("failed"), 10, now), Some(RETRY_WAIT_MS_MAX));
        let never = Request { retries: 0, ..request() };
        assert_eq!(again(&never, Read, &failed("failed"), 1, now), None);
    }

    #[test]
    fn an_attempt_tells_its_status() {
        let done = EffectResult::Ok(response(503, &BTreeMap::new(), "later"));
        let told = attempt(&request(), &done);
        assert_eq!(told["message"], "GET https://a.example/x was answered with 503");
        assert_eq!(told["status"], 503);
    }
}
