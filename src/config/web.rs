//! The web listener, as it is configured.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use toml::Value;

use super::hooks::configured;
use crate::domain::budget::parse_bytes;
use crate::domain::hook::Hook;

/// Where `beadle run` listens unless it is told otherwise.
pub const LISTEN: &str = "127.0.0.1:8480";
/// Largest body that can be configured, in bytes.
pub const BODY_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Smallest bound of bodies that can be configured, in bytes.
pub const BODY_BYTES_MIN: u64 = 1024;
/// The bound of bodies where nothing is configured, in bytes.
const BODY_BYTES: u64 = 256 * 1024;
/// How many requests one address may make in a minute where nothing is configured.
const PEER_PER_MINUTE: u32 = 6_000;

/// Where the bot listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// Nothing is said of it.
    Usual,
    /// Nowhere.
    Nowhere,
    /// At this address.
    At(SocketAddr),
}

impl Listen {
    /// Reads an address; empty: nothing is said.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Ok(Self::Usual),
            "none" => Ok(Self::Nowhere),
            text => match text.parse() {
                Ok(at) => Ok(Self::At(at)),
                Err(_) => Err(format!("`{text}` is neither an address with a port nor `none`")),
            },
        }
    }
}

/// The web listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    /// Where it listens.
    pub listen: Listen,
    /// Largest body that it reads.
    pub body_bytes_max: usize,
    /// How many requests one address may make in a minute.
    pub peer_per_minute: u32,
    /// The hooks, by name.
    pub hooks: BTreeMap<String, Hook>,
}

/// Reads a number of bytes within these bounds.
pub(super) fn bytes(value: &Value, least: u64, most: u64) -> Option<u64> {
    let bytes = match value {
        Value::Integer(number) => u64::try_from(*number).ok()?,
        Value::String(text) => parse_bytes(text)?,
        _ => return None,
    };
    (least..=most).contains(&bytes).then_some(bytes)
}

/// What the checked values come to.
pub(super) fn web(values: &BTreeMap<(&str, &str), Value>) -> Web {
    let of = |name| values.get(&("web", name));
    let listen = of("listen").and_then(Value::as_str).unwrap_or_default();
    let body = of("body_bytes_max").and_then(|it| bytes(it, BODY_BYTES_MIN, BODY_BYTES_MAX));
    let rate = of("peer_per_minute").and_then(Value::as_integer);
    Web {
        listen: Listen::read(listen).unwrap_or(Listen::Usual),
        body_bytes_max: usize::try_from(body.unwrap_or(BODY_BYTES)).unwrap_or(usize::MAX),
        peer_per_minute: rate.and_then(|it| u32::try_from(it).ok()).unwrap_or(PEER_PER_MINUTE),
        hooks: configured(values),
    }
}
