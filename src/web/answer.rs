//! Answers: JSON with what is wrong and what to do, never with a secret or with what was sent.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

/// An answer that says no.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    error: String,
    hint: String,
    header: Option<Box<(HeaderName, HeaderValue)>>,
    /// The rest of what is sent is not read: the connection ends with this.
    close: bool,
}

impl Refusal {
    pub(super) fn new(
        status: StatusCode,
        error: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { status, error: error.into(), hint: hint.into(), header: None, close: false }
    }

    /// Later it may be another answer.
    pub(super) fn later(
        status: StatusCode,
        error: impl Into<String>,
        hint: impl Into<String>,
        after: Duration,
    ) -> Self {
        let seconds = HeaderValue::from(after.as_millis().div_ceil(1000).max(1) as u64);
        let header = Some(Box::new((header::RETRY_AFTER, seconds)));
        Self { header, ..Self::new(status, error, hint) }
    }

    pub(super) fn with(self, name: HeaderName, value: &'static str) -> Self {
        Self { header: Some(Box::new((name, HeaderValue::from_static(value)))), ..self }
    }

    pub(super) fn closing(self) -> Self {
        Self { close: true, ..self }
    }

    pub(super) fn answer(self) -> Response<Body> {
        let mut answer = json(self.status, &json!({ "error": self.error, "hint": self.hint }));
        let headers = answer.headers_mut();
        if let Some((name, value)) = self.header.map(|it| *it) {
            headers.insert(name, value);
        }
        if self.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }
}

/// An answer in JSON.
pub(super) fn json(status: StatusCode, value: &Value) -> Response<Body> {
    written(status, "application/json", format!("{value}\n"))
}

/// An answer in words.
pub(super) fn text(status: StatusCode, text: String) -> Response<Body> {
    written(status, "text/plain; charset=utf-8", text)
}

fn written(status: StatusCode, kind: &'static str, body: String) -> Response<Body> {
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A browser must neither guess what this is nor show it inside of another page.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// Nothing is at this address; a hook that there is not answers the same.
pub(super) fn not_found() -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "there is nothing at this address",
        "a hook is a table [hooks.NAME] of the configuration, its address is /hooks/NAME; `beadle hook list` shows all",
    )
}

/// The answer at every other address.
pub(super) async fn nowhere() -> Response<Body> {
    not_found().answer()
}

/// The answer to a method that an address does not take.
pub(super) fn wrong_method(allow: &'static str, hint: &str) -> Refusal {
    let error = format!("this address takes {allow} only");
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, error, hint).with(header::ALLOW, allow)
}
