//! Sends the requests of scripts: to allowed hosts only, within bounds of time and size, each redirect looked at anew.
//!
//! Invariant: no connection is made to an address that was not looked at: where names are resolved here, the addresses
//! that were looked at are the ones that are connected to.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue, LOCATION,
};
use reqwest::{Method, Url};
use serde_json::Value;

use crate::adapter::secrets::Secret;
use crate::domain::http::{Body, Request, Spot};
use crate::domain::http_allow::{Allow, Refusal};

mod answer;
mod dial;

pub use answer::{Answer, RESPONSE_BYTES_MAX, RESPONSE_HEADER_BYTES_MAX, RESPONSE_HEADERS_MAX};
pub use dial::{CLIENTS_MAX, CONNECT_WITHIN, Names, Proxies, SystemNames, Wiring};

/// Most redirects of one request.
pub const REDIRECTS_MAX: usize = 5;
/// The header that tells a server that it has seen this before.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The host may not be reached. Nothing was sent to it.
    #[error("{0}")]
    NotAllowed(String),
    /// The request cannot be made as it is. Nothing was sent.
    #[error("{0}")]
    NotStarted(String),
    /// There was no connection. Nothing was sent.
    #[error("{0}")]
    Unreachable(String),
    /// It took too long.
    #[error("it took longer than {0} s and was broken off")]
    TimedOut(String),
    /// What came back is too large.
    #[error("the response is larger than {} MiB", RESPONSE_BYTES_MAX / 1024 / 1024)]
    TooLarge,
    /// The connection broke, or what came back is no HTTP.
    #[error("{0}")]
    Failed(String),
}

impl From<Refusal> for FetchError {
    fn from(refusal: Refusal) -> Self {
        Self::NotAllowed(refusal.to_string())
    }
}

/// What is sent.
pub struct Fetch<'a> {
    /// The request.
    pub request: &'a Request,
    /// The values of its secrets, by name.
    pub secrets: &'a [Secret],
    /// What makes it the same request when it comes again.
    pub effect: &'a str,
    /// The hosts that may be reached.
    pub allow: &'a Arc<Allow>,
}

/// Sends requests.
#[derive(Debug, Default)]
pub struct HttpClient {
    dialler: dial::Dialler,
}

/// One request on the wire; a redirect makes the next one.
struct Hop {
    method: Method,
    url: Url,
    headers: HeaderMap,
    /// The headers that hold secrets, and no other server may have.
    secret: Vec<HeaderName>,
    body: Option<Vec<u8>>,
    /// Whether the body holds a secret.
    secret_body: bool,
}

impl HttpClient {
    /// A client that is wired like this.
    pub fn new(wiring: Wiring) -> Self {
        Self { dialler: dial::Dialler::new(wiring) }
    }

    /// Sends a request and its redirects, and reads the answer.
    ///
    /// # Errors
    /// [`FetchError`]; a status such as 404 is an answer.
    pub async fn fetch(&self, fetch: Fetch<'_>) -> Result<Answer, FetchError> {
        let ms = u64::try_from(fetch.request.timeout_ms).unwrap_or(1);
        let limit = Duration::from_millis(ms);
        tokio::time::timeout(limit, self.hops(&fetch))
            .await
            .unwrap_or_else(|_| Err(FetchError::TimedOut(limit.as_secs_f64().to_string())))
    }

    async fn hops(&self, fetch: &Fetch<'_>) -> Result<Answer, FetchError> {
        let mut hop = Hop::first(fetch)?;
        for _ in 0..=REDIRECTS_MAX {
            let response = self.send(&hop, fetch.allow).await?;
            match hop.redirected(response.status().as_u16(), response.headers())? {
                Some(next) => hop = next,
                None => return answer::read(response).await,
            }
        }
        Err(FetchError::Failed(format!("it was redirected more than {REDIRECTS_MAX} times")))
    }

    async fn send(&self, hop: &Hop, allow: &Arc<Allow>) -> Result<reqwest::Response, FetchError> {
        let (host, port) = whither(&hop.url)?;
        allow.host(host, port)?;
        if let Some(address) = dial::literal(host) {
            allow.address(host, port, address)?;
        }
        let client = self.dialler.client(&hop.url, (host, port), allow).await?;
        let mut request = client.request(hop.method.clone(), hop.url.clone());
        request = request.headers(hop.headers.clone());
        if let Some(body) = &hop.body {
            request = request.body(body.clone());
        }
        request.send().await.map_err(|why| dial::told(&why))
    }
}

/// The host and port that a URL leads to.
fn whither(url: &Url) -> Result<(&str, u16), FetchError> {
    let wrong = |what: &str| Err(FetchError::NotStarted(what.to_owned()));
    if !matches!(url.scheme(), "http" | "https") {
        return wrong("only http:// and https:// can be asked");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("a URL names no user and no password");
    }
    match (url.host_str(), url.port_or_known_default()) {
        (Some(host), Some(port)) if !host.is_empty() && port > 0 => Ok((host, port)),
        _ => wrong("the URL names no host"),
    }
}

impl Hop {
    fn first(fetch: &Fetch<'_>) -> Result<Self, FetchError> {
        let request = fetch.request;
        let not_started = |what: String| FetchError::NotStarted(what);
        let url = Url::parse(&request.url)
            .map_err(|why| not_started(format!("this is no URL: {why}")))?;
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| not_started(format!("`{}` is no method", request.method)))?;
        let mut hop = Self {
            method,
            url,
            headers: HeaderMap::new(),
            secret: vec![],
            body: None,
            secret_body: false,
        };
        for (name, value) in &request.headers {
            hop.header(name, value, false)?;
        }
        let mut body = request.body.clone();
        for used in &request.secrets {
            let secret = fetch.secrets.iter().find(|secret| secret.name == used.name);
            let secret = secret
                .ok_or_else(|| not_started(format!("the secret `{}` is not there", used.name)))?;
            hop.put(&used.at, secret, &mut body)?;
        }
        let kind = match body {
            Some(Body::Json(value)) => {
                hop.body = Some(value.to_string().into_bytes());
                Some("application/json")
            }
            Some(Body::Text(text)) => {
                hop.body = Some(text.into_bytes());
                Some("text/plain; charset=utf-8")
            }
            None => None,
        };
        if let Some(kind) = kind {
            hop.headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(kind));
        }
        let key = HeaderName::from_static(IDEMPOTENCY_KEY);
        if hop.method == Method::POST && !hop.headers.contains_key(&key) {
            hop.header(IDEMPOTENCY_KEY, fetch.effect, false)?;
        }
        Ok(hop)
    }

    /// Puts a secret where it belongs.
    fn put(
        &mut self,
        at: &Spot,
        secret: &Secret,
        body: &mut Option<Body>,
    ) -> Result<(), FetchError> {
        let value = secret.expose();
        match at {
            Spot::Header(name) => self.header(name, value, true),
            Spot::Scheme(scheme) => {
                // A scheme such as `Token token=` ends where the secret begins.
                let between = if scheme.ends_with(['=', ' ']) { "" } else { " " };
                self.header("authorization", &format!("{scheme}{between}{value}"), true)
            }
            Spot::Password(user) => {
                let both = STANDARD.encode(format!("{user}:{value}"));
                self.header("authorization", &format!("Basic {both}"), true)
            }
            Spot::Json(pointer) => {
                if let Some(Body::Json(inside)) = body
                    && let Some(place) = inside.pointer_mut(pointer)
                {
                    *place = Value::String(value.to_owned());
                    self.secret_body = true;
                }
                Ok(())
            }
        }
    }

    fn header(&mut self, name: &str, value: &str, secret: bool) -> Result<(), FetchError> {
        // What is wrong with a secret says nothing of its value.
        let wrong = |_| {
            FetchError::NotStarted(format!(
                "the header `{name}` cannot be sent: it has a character that headers do not have"
            ))
        };
        let lower = name.to_ascii_lowercase();
        let name = HeaderName::from_bytes(lower.as_bytes())
            .map_err(|_| FetchError::NotStarted(format!("`{name}` is no name of a header")))?;
        let mut value = HeaderValue::from_bytes(value.as_bytes()).map_err(wrong)?;
        value.set_sensitive(secret);
        if secret {
            self.secret.push(name.clone());
        }
        self.headers.insert(name, value);
        Ok(())
    }

    /// The request that a server sends us on to, if it does.
    fn redirected(&self, status: u16, headers: &HeaderMap) -> Result<Option<Self>, FetchError> {
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let Some(location) = headers.get(LOCATION) else { return Ok(None) };
        let failed = |what: &str| Err(FetchError::Failed(what.to_owned()));
        let Some(url) = location.to_str().ok().and_then(|to| self.url.join(to).ok()) else {
            return failed("it was redirected to what is no URL");
        };
        if self.url.scheme() == "https" && url.scheme() != "https" {
            return failed("it was redirected from https to http, which is not followed");
        }
        // By custom a post that is moved is fetched; 307 and 308 were made to mean what they say.
        let fetched = status == 303 || (status < 303 && self.method == Method::POST);
        let elsewhere = url.origin() != self.url.origin();
        let mut next = Self {
            method: if fetched && self.method != Method::HEAD {
                Method::GET
            } else {
                self.method.clone()
            },
            url,
            headers: self.headers.clone(),
            secret: self.secret.clone(),
            body: self.body.clone(),
            secret_body: self.secret_body,
        };
        if fetched {
            next.body = None;
            next.secret_body = false;
            next.headers.remove(CONTENT_TYPE);
            next.headers.remove(IDEMPOTENCY_KEY);
        }
        if elsewhere && next.secret_body {
            return failed(
                "it was redirected to another host with a secret in it, which is not followed",
            );
        }
        if elsewhere {
            for name in next.secret.drain(..).chain([AUTHORIZATION, COOKIE]) {
                next.headers.remove(name);
            }
        }
        Ok(Some(next))
    }
}

#[cfg(test)]
mod tests;
