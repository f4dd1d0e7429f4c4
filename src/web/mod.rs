//! The web listener: webhooks in, health, metrics. Everything that may be asked of it has a bound, and is told when it is met.
//!
//! A hook's sender hears that it was accepted when its trigger is on disk, and not before.

mod answer;
mod health;
mod hooks;
pub mod metrics;
pub mod serve;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::any;
use tokio::sync::{Semaphore, watch};

pub use self::health::{DISCONNECTED_MAX, problems};
pub use self::hooks::{BODY_WITHIN, FAILURES_PER_MINUTE_MAX, URL_BYTES_MAX, WORK_MAX};
use self::serve::{CONNECTION_WITHIN, HEAD_WITHIN};
use crate::adapter::secrets::Secrets;
use crate::config;
use crate::domain::hook::rate::Buckets;
use crate::processor::Kernel;
use crate::processor::intake::Ear;
use crate::query::tally::Tally;
use crate::store::Entropy;

/// What answers.
pub struct Web {
    parts: Parts,
    setup: RwLock<Arc<config::Web>>,
    rates: Mutex<Rates>,
    work: Semaphore,
    counts: Mutex<BTreeMap<(String, u16), u64>>,
    refused_connections: AtomicU64,
    tally: Mutex<Tally>,
    synced: OnceLock<watch::Receiver<Instant>>,
    started: Instant,
    stopping: AtomicBool,
}

/// What it works with.
pub struct Parts {
    /// Takes in what is posted.
    pub ear: Arc<Ear>,
    /// The processors.
    pub kernel: Arc<Kernel>,
    /// Where the secrets of hooks are.
    pub secrets: Secrets,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The data directory, if there is one.
    pub data: Option<PathBuf>,
    /// A homeserver is expected to be connected.
    pub connects: bool,
    /// How long and how much.
    pub bounds: Bounds,
}

/// How long things may take and how many may be at work; tests that wait for an end set less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The head of a request.
    pub head_within: Duration,
    /// A body.
    pub body_within: Duration,
    /// A connection.
    pub connection_within: Duration,
    /// Requests at work at once, once their bodies are read.
    pub work_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            head_within: HEAD_WITHIN,
            body_within: BODY_WITHIN,
            connection_within: CONNECTION_WITHIN,
            work_max: WORK_MAX,
        }
    }
}

/// What each may still do.
#[derive(Default)]
struct Rates {
    peers: Buckets<IpAddr>,
    failures: Buckets<IpAddr>,
    hooks: Buckets<String>,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
struct Peer(SocketAddr);

impl Peer {
    /// By what it is told apart from others: one machine has a whole network of IPv6 addresses.
    fn machine(self) -> IpAddr {
        match self.0.ip().to_canonical() {
            IpAddr::V6(ip) => {
                let bits = u128::from(ip) & (u128::MAX << 64);
                IpAddr::V6(if ip.is_loopback() { ip } else { Ipv6Addr::from(bits) })
            }
            ip => ip,
        }
    }

    fn is_local(self) -> bool {
        self.0.ip().to_canonical().is_loopback()
    }
}

impl Web {
    /// For one kernel.
    pub fn new(parts: Parts, setup: config::Web) -> Arc<Self> {
        let tally = Tally::from_here(parts.kernel.store.as_ref());
        Arc::new(Self {
            setup: RwLock::new(Arc::new(setup)),
            rates: Mutex::default(),
            work: Semaphore::new(parts.bounds.work_max),
            counts: Mutex::default(),
            refused_connections: AtomicU64::new(0),
            tally: Mutex::new(tally),
            synced: OnceLock::new(),
            started: Instant::now(),
            stopping: AtomicBool::new(false),
            parts,
        })
    }

    /// Works by another configuration from the next request on.
    pub fn configure(&self, setup: config::Web) {
        *self.setup.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(setup);
    }

    /// Hears from now on when the connection last brought something.
    pub fn connected(&self, synced: watch::Receiver<Instant>) {
        // There is one connection in the life of a process.
        let _ = self.synced.set(synced);
    }

    fn setup(&self) -> Arc<config::Web> {
        self.setup.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn rates<T>(&self, look: impl FnOnce(&mut Rates) -> T) -> T {
        look(&mut self.rates.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A request to a hook was answered; names that nobody configured are all one.
    fn count(&self, hook: &str, code: u16) {
        let known = self.setup().hooks.contains_key(hook);
        let hook = if known { hook } else { "-" };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((hook.to_owned(), code)).or_default() += 1;
    }

    /// How long nothing came from the homeserver; none: none is expected.
    fn silent(&self) -> Option<Duration> {
        let since = self.synced.get().map_or(self.started, |synced| *synced.borrow());
        self.parts.connects.then(|| since.elapsed())
    }

    fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

/// What is answered where.
fn router(web: Arc<Web>) -> Router {
    Router::new()
        .route("/hooks/{name}", any(hooks::deliver))
        .route("/healthz", any(health::healthz))
        .route("/metrics", any(metrics::metrics))
        .fallback(answer::nowhere)
        .with_state(web)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_told_apart() {
        for (address, want, local) in [
            ("127.0.0.1:9", "127.0.0.1", true),
            ("[::ffff:127.0.0.1]:9", "127.0.0.1", true),
            ("[::1]:9", "::1", true),
            ("192.0.2.7:1", "192.0.2.7", false),
            ("[2001:db8:1:2:3:4:5:6]:1", "2001:db8:1:2::", false),
            ("[2001:db8:1:2:ffff::1]:1", "2001:db8:1:2::", false),
        ] {
            let peer = Peer(address.parse().unwrap());
            assert_eq!(peer.machine(), want.parse::<IpAddr>().unwrap(), "{address}");
            assert_eq!(peer.is_local(), local, "{address}");
        }
    }
}
