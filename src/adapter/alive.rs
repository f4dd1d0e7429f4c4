//! Asks a program of the homeserver, such as a bridge, whether it runs: over HTTP, at the address where it listens.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::http_client::{Fetch, HttpClient};
use crate::domain::bridge::alive::{ALIVE_MS_MAX, Endpoint};
use crate::domain::http::Request;
use crate::domain::http_allow::Allow;

/// Asks it once; any answer that is a success counts.
///
/// # Errors
/// Why it does not count as running, in words.
pub async fn alive(client: &HttpClient, at: &Endpoint, path: &str) -> Result<(), String> {
    let url = format!("{at}{path}");
    let request = Request {
        action: format!("GET {url}"),
        method: "GET".into(),
        url,
        headers: BTreeMap::new(),
        body: None,
        secrets: vec![],
        timeout_ms: ALIVE_MS_MAX,
        retries: 0,
    };
    // It is whoever runs the bot who names the address: it may be in their own network, and nothing else is reached.
    let allow = Arc::new(Allow::read(&[], &[at.host()])?);
    let fetch = Fetch { request: &request, secrets: &[], effect: "", allow: &allow };
    let answer = client.fetch(fetch).await.map_err(|why| why.to_string())?;
    match answer.status {
        200..=299 => Ok(()),
        status => Err(format!("it answers {status} at {path}")),
    }
}
