//! `POST /hooks/NAME`: who it is, whether it may, what it says; accepted when it is on disk.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use futures_util::StreamExt;
use serde_json::{Map, Value, json};

use super::answer::{Refusal, json, not_found, wrong_method};
use super::{Peer, Web};
use crate::adapter::secrets::Secret;
use crate::domain::hook::body::{BadBody, fields, pairs};
use crate::domain::hook::proof::{self, Denied};
use crate::domain::hook::{Auth, Hook};
use crate::domain::named::OUTSIDE_BYTES_MAX;
use crate::domain::switch::Automation;
use crate::domain::trigger::{Trigger, What};
use crate::processor::deliver::{DeliverError, Delivered};

/// Longest address of a request in bytes, with its query.
pub const URL_BYTES_MAX: usize = 4 * 1024;
/// How long a body may take to come.
pub const BODY_WITHIN: Duration = Duration::from_secs(20);
/// Most requests at work at once, once their bodies are read.
pub const WORK_MAX: usize = 64;
/// How often one machine may fail to prove who it is in a minute.
pub const FAILURES_PER_MINUTE_MAX: u32 = 60;
/// When a sender tries again that found too many at work.
const WORK_WAIT: Duration = Duration::from_secs(1);
/// What a proxy says of whom it asks for.
const OF_PROXIES: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
/// What a browser says of the page that asks.
const OF_BROWSERS: [&str; 2] = ["origin", "sec-fetch-site"];

/// A request whose body was read.
struct Post {
    head: Parts,
    body: Vec<u8>,
}

/// Takes what is posted to a hook.
pub(super) async fn deliver(
    State(web): State<Arc<Web>>,
    Extension(peer): Extension<Peer>,
    request: Request<Body>,
) -> Response<Body> {
    let name = request.uri().path().strip_prefix("/hooks/").unwrap_or_default().to_owned();
    let answer = match take(&web, peer, &name, request).await {
        Ok(answer) => answer,
        Err(refusal) => refusal.answer(),
    };
    web.count(&name, answer.status().as_u16());
    answer
}

async fn take(
    web: &Web,
    peer: Peer,
    name: &str,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    web.may_ask(peer)?;
    let address = request.uri().path_and_query().map_or(0, |it| it.as_str().len());
    if address > URL_BYTES_MAX {
        let error = format!("an address has at most {URL_BYTES_MAX} bytes");
        return Err(Refusal::new(StatusCode::URI_TOO_LONG, error, "put it into the body").closing());
    }
    if request.method() != Method::POST {
        let hint = "send what happened with POST, as JSON, a form or a text; docs/webhooks.md has examples";
        return Err(wrong_method("POST", hint));
    }
    let setup = web.setup();
    let hook = setup.hooks.get(name).ok_or_else(|| not_found().closing())?;
    let secret = web.secret(hook)?;
    let (head, body) = request.into_parts();
    is_near(hook, peer, &head.headers)?;
    if proof::needs_no_body(&hook.auth) {
        web.believes(hook, secret.as_ref(), peer, &head.headers, &[]).map_err(Refusal::closing)?;
    }
    web.parts.ear.open_for_deliveries().await.map_err(|error| not_taken(error).closing())?;
    let within = web.parts.bounds.body_within;
    let body = read(&head.headers, body, setup.body_bytes_max, within).await?;
    let post = Post { head, body };
    let _permit = web.work.try_acquire().map_err(|_| {
        let error = format!("{} requests are at work", web.parts.bounds.work_max);
        let hint = "try again a little later";
        Refusal::later(StatusCode::SERVICE_UNAVAILABLE, error, hint, WORK_WAIT)
    })?;
    if !proof::needs_no_body(&hook.auth) {
        web.believes(hook, secret.as_ref(), peer, &post.head.headers, &post.body)?;
    }
    web.may_deliver(hook)?;
    web.record(hook, &post).await
}

impl Web {
    /// Whether a machine asks too often.
    fn may_ask(&self, peer: Peer) -> Result<(), Refusal> {
        if self.is_stopping() {
            let (error, hint) = ("the bot is stopping", "try again when it has started anew");
            let after = Duration::from_secs(5);
            return Err(
                Refusal::later(StatusCode::SERVICE_UNAVAILABLE, error, hint, after).closing()
            );
        }
        let (now, machine) = (self.parts.kernel.clock.now(), peer.machine());
        let per_minute = self.setup().peer_per_minute;
        let asked = self.rates(|rates| {
            rates.peers.take(&machine, per_minute, now)?;
            rates.failures.look(&machine, FAILURES_PER_MINUTE_MAX, now)
        });
        asked.map_err(|wait| {
            let hint = "`[web] peer_per_minute` says how many requests one address may make";
            too_often("there are too many requests from your address", hint, wait).closing()
        })
    }

    /// Whether a hook takes one more delivery now. Only who proved who they are uses it up.
    fn may_deliver(&self, hook: &Hook) -> Result<(), Refusal> {
        let now = self.parts.kernel.clock.now();
        let taken = self.rates(|rates| rates.hooks.take(&hook.name, hook.per_minute, now));
        taken.map_err(|wait| {
            let hint = format!("`[hooks.{}] per_minute` says how many it takes", hook.name);
            too_often("there are too many deliveries to this hook", &hint, wait)
        })
    }

    /// The secret of a hook; none: it needs none.
    fn secret(&self, hook: &Hook) -> Result<Option<Secret>, Refusal> {
        let secret = hook.secret().map(|name| self.parts.secrets.get(name)).transpose();
        secret.map_err(|_| {
            // Why it cannot be used stands in the bot's own log: here anybody asks.
            let hint = "whoever runs the bot finds the reason in its log and with `beadle doctor`";
            let error = "the secret of this hook cannot be used";
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error, hint).closing()
        })
    }

    /// Whether a sender proves who they are.
    fn believes(
        &self,
        hook: &Hook,
        secret: Option<&Secret>,
        peer: Peer,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(), Refusal> {
        let now = self.parts.kernel.clock.now();
        let head = |name: &str| of(headers, name);
        let secret = secret.map_or("", Secret::expose);
        let Err(Denied { what, hint }) = proof::check(hook, secret, &head, body, now) else {
            return Ok(());
        };
        tracing::warn!(hook = hook.name, peer = %peer.0, what, "a sender is not believed");
        // What is beyond the bound is refused at the next request.
        let _ =
            self.rates(|rates| rates.failures.take(&peer.machine(), FAILURES_PER_MINUTE_MAX, now));
        let refusal = Refusal::new(StatusCode::UNAUTHORIZED, what, hint);
        Err(match hook.auth {
            Auth::Basic { .. } => {
                refusal.with(header::WWW_AUTHENTICATE, "Basic realm=\"beadle\", charset=\"UTF-8\"")
            }
            Auth::Bearer { .. } => refusal.with(header::WWW_AUTHENTICATE, "Bearer"),
            Auth::Signed(_) | Auth::None => refusal,
        })
    }

    /// Why nothing follows from what a hook brings, if it is switched off.
    fn off(&self, hook: &Hook) -> Option<String> {
        let kernel = &self.parts.kernel;
        // What the log does not say is decided when the trigger is.
        let off = kernel.switched_off(Automation::Hook, &hook.name).ok().flatten()?;
        Some(kernel.off_reason(&off))
    }

    /// Records what was posted, and says under which id.
    async fn record(&self, hook: &Hook, post: &Post) -> Result<Response<Body>, Refusal> {
        let bad =
            |what: String| Refusal::new(StatusCode::BAD_REQUEST, what, "nothing was recorded");
        let headers = &post.head.headers;
        let head = |name: &str| of(headers, name);
        let delivery = hook.delivery(&head).map_err(bad)?;
        let query = pairs(post.head.uri.query().unwrap_or_default()).map_err(bad)?;
        let fields = read_fields(hook, headers, &post.body)?;
        let event = hook.event(fields, &head, query, delivery.as_deref());
        fits(&event.fields)?;
        let mut nonce = [0; 16];
        self.parts.entropy.fill(&mut nonce);
        let nonce = data_encoding::HEXLOWER.encode(&nonce);
        let key = hook.dedupe(delivery.as_deref(), &head, &post.body, &nonce);
        let at = self.parts.kernel.clock.now();
        let trigger = Trigger { key, at, late: false, what: What::Event(event) };
        let off = self.off(hook);
        match self.parts.ear.deliver(trigger).await.map_err(not_taken)? {
            Delivered::Recorded(id) if off.is_some() => {
                tracing::debug!(hook = hook.name, trigger = %id, "a delivery came to a hook that is off");
                let told = json!({ "trigger": id.to_string(), "delivery": delivery, "off": off });
                Ok(json(StatusCode::OK, &told))
            }
            Delivered::Recorded(id) => {
                tracing::debug!(hook = hook.name, trigger = %id, "a delivery was recorded");
                let told = json!({ "trigger": id.to_string(), "delivery": delivery });
                Ok(json(StatusCode::ACCEPTED, &told))
            }
            Delivered::Known(id) => {
                tracing::debug!(hook = hook.name, trigger = %id, "a delivery came again");
                let told =
                    json!({ "trigger": id.to_string(), "delivery": delivery, "duplicate": true });
                Ok(json(StatusCode::OK, &told))
            }
        }
    }
}

/// A header's value, if it is a text.
fn of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a hook without a proof is asked from this machine itself, by no proxy and no page in a browser.
fn is_near(hook: &Hook, peer: Peer, headers: &HeaderMap) -> Result<(), Refusal> {
    if hook.auth != Auth::None || hook.open {
        return Ok(());
    }
    let says = |names: &[&str]| names.iter().any(|name| headers.contains_key(*name));
    let why = match () {
        () if !peer.is_local() => "another machine",
        () if says(&OF_PROXIES) => "a proxy",
        () if says(&OF_BROWSERS) => "a page in a browser",
        () => return Ok(()),
    };
    let error = format!("this hook takes nothing from {why}");
    let hint = "it asks for no proof; give it `auth` and a secret, or write `open = true`";
    Err(Refusal::new(StatusCode::FORBIDDEN, error, hint).closing())
}

/// Reads a body within its size and its time.
async fn read(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
    within: Duration,
) -> Result<Vec<u8>, Refusal> {
    let coded = of(headers, "content-encoding").filter(|it| !it.eq_ignore_ascii_case("identity"));
    if coded.is_some() {
        let (error, hint) = ("a compressed body is not taken", "send it as it is");
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error, hint).closing());
    }
    let too_large = || {
        let error = format!("the body has more than {bytes_max} bytes");
        let hint = "send less; `[web] body_bytes_max` says how much is taken";
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, error, hint).closing()
    };
    let told = of(headers, "content-length").and_then(|it| it.parse::<u64>().ok());
    if told.is_some_and(|told| told > bytes_max as u64) {
        return Err(too_large());
    }
    let reading = async {
        let (mut parts, mut bytes) = (body.into_data_stream(), vec![]);
        while let Some(part) = parts.next().await {
            let part = part.map_err(|_| {
                let hint = "was the connection cut, or does the length not fit?";
                Refusal::new(StatusCode::BAD_REQUEST, "the body could not be read", hint).closing()
            })?;
            if bytes.len() + part.len() > bytes_max {
                return Err(too_large());
            }
            bytes.extend_from_slice(&part);
        }
        Ok(bytes)
    };
    tokio::time::timeout(within, reading).await.unwrap_or_else(|_| {
        let error = format!("the body has not come within {} s", within.as_secs());
        Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, error, "send it faster").closing())
    })
}

fn read_fields(
    hook: &Hook,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Map<String, Value>, Refusal> {
    let kind = match headers.get(header::CONTENT_TYPE) {
        None => None,
        Some(kind) => Some(kind.to_str().map_err(|_| {
            let error = "the content type is no text";
            Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error, "send `application/json`")
        })?),
    };
    fields(kind, body, hook.payload_in_form()).map_err(|bad| match bad {
        BadBody::Malformed(what) => {
            let hint = "JSON is told by `Content-Type: application/json`, a form by `application/x-www-form-urlencoded`, text by `text/plain`";
            Refusal::new(StatusCode::BAD_REQUEST, what, hint)
        }
        BadBody::Unsupported(what) => {
            let hint = "send `application/json`, `application/x-www-form-urlencoded` or `text/plain`, in UTF-8";
            Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, what, hint)
        }
    })
}

/// Whether what is to be recorded fits.
fn fits(fields: &Map<String, Value>) -> Result<(), Refusal> {
    let bytes = serde_json::to_vec(fields).map_or(usize::MAX, |json| json.len());
    if bytes <= OUTSIDE_BYTES_MAX {
        return Ok(());
    }
    let error =
        format!("what would be recorded has {bytes} bytes; at most {OUTSIDE_BYTES_MAX} are");
    Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, error, "send less, or in several deliveries"))
}

fn too_often(error: &str, hint: &str, wait_s: u64) -> Refusal {
    Refusal::later(StatusCode::TOO_MANY_REQUESTS, error, hint, Duration::from_secs(wait_s))
}

/// What a sender is told when the log takes nothing.
fn not_taken(error: DeliverError) -> Refusal {
    let hint = "nothing was recorded: send it again later";
    match error {
        DeliverError::Full(after) | DeliverError::Behind(after) => {
            Refusal::later(StatusCode::SERVICE_UNAVAILABLE, error.to_string(), hint, after)
        }
        DeliverError::TooLarge(_) => {
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "it does not fit into the log", "send less")
        }
        DeliverError::Failed(_) => {
            tracing::error!(%error, "a delivery is not recorded");
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the log takes nothing", hint)
        }
    }
}
