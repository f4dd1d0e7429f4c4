//! Connections: accepted up to a bound, cut when they are slow, ended in order when the bot stops.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::{Peer, Web, router};

/// Most connections at once.
pub const CONNECTIONS_MAX: usize = 256;
/// Most connections of one machine at once: others find a place too.
pub const PEER_CONNECTIONS_MAX: usize = 128;
/// How long the head of a request may take to come; a connection that is kept may be idle as long.
pub const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// Largest head of a request in bytes.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Most headers of a request.
pub const HEADERS_MAX: usize = 64;
/// How long a connection may be used.
pub const CONNECTION_WITHIN: Duration = Duration::from_secs(300);
/// How long what is at work may take when the connection has to end.
pub const ENDS_WITHIN: Duration = Duration::from_secs(3);
/// How often what is new in the log is counted, whether or not somebody asks.
const COUNTED_EVERY: Duration = Duration::from_secs(60);
/// How long nobody is accepted after the system refused a connection.
const REFUSED_WAIT: Duration = Duration::from_millis(100);
/// The answer to a connection beyond the bound.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n\
    Content-Type: application/json\r\nContent-Length: 73\r\n\r\n\
    {\"error\":\"too many connections\",\"hint\":\"use fewer, or try again later\"}\n\n";

/// Why nobody can be listened to.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {address}: {source}")]
pub struct ListenError {
    /// Where.
    pub address: SocketAddr,
    /// What the system said.
    pub source: std::io::Error,
}

impl ListenError {
    /// What to do.
    pub fn hint(&self) -> String {
        let elsewhere = "`[web] listen` or `--listen` names another address, `none` is nowhere";
        match self.source.kind() {
            ErrorKind::AddrInUse => format!(
                "another program listens there, perhaps another beadle (`ss -ltnp` says which); {elsewhere}"
            ),
            ErrorKind::PermissionDenied => {
                format!("ports below 1024 are for the system: put a proxy there; {elsewhere}")
            }
            ErrorKind::AddrNotAvailable => {
                format!(
                    "this machine has no such address (`ip address` lists its own); {elsewhere}"
                )
            }
            _ => elsewhere.to_owned(),
        }
    }
}

/// Takes an address.
///
/// # Errors
/// [`ListenError`] with what to do.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| ListenError { address, source })
}

/// The connections of each machine.
#[derive(Clone, Default)]
struct Places(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// The place of one connection, until it is dropped.
struct Place(Places, IpAddr);

impl Places {
    fn take(&self, machine: IpAddr) -> Option<Place> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let own = taken.get(&machine).copied().unwrap_or(0);
        if all >= CONNECTIONS_MAX || own >= PEER_CONNECTIONS_MAX {
            return None;
        }
        taken.insert(machine, own + 1);
        Some(Place(self.clone(), machine))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.1) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.1);
            }
        }
    }
}

/// Answers until it is told to stop; then nobody is accepted any more, and what is at work ends.
pub async fn serve(listener: TcpListener, web: Arc<Web>, mut stop: watch::Receiver<bool>) {
    let (places, mut open) = (Places::default(), JoinSet::new());
    let mut counting = tokio::time::interval(COUNTED_EVERY);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(ended) = open.join_next() => {
                told(ended);
                continue;
            }
            _ = counting.tick() => {
                // So that a first look after months need not go over all of them.
                let web = web.clone();
                open.spawn(async move { drop(tokio::task::spawn_blocking(move || web.tally()).await) });
                continue;
            }
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let Ok((stream, address)) = accepted else {
            // Such as too many open files: it passes.
            tokio::time::sleep(REFUSED_WAIT).await;
            continue;
        };
        let peer = Peer(address);
        let Some(place) = places.take(peer.machine()) else {
            web.refused_connections.fetch_add(1, Ordering::Relaxed);
            // Whoever cannot be told sees that the connection ends.
            let _ = stream.try_write(TOO_MANY);
            continue;
        };
        let (web, stop) = (web.clone(), stop.clone());
        open.spawn(async move {
            converse(stream, peer, web, stop).await;
            drop(place);
        });
    }
    drop(listener);
    web.stop();
    let rest = async { while open.join_next().await.is_some_and(told) {} };
    if tokio::time::timeout(ENDS_WITHIN * 2, rest).await.is_err() {
        tracing::warn!("some requests were cut off");
        open.shutdown().await;
    }
}

/// A connection that panicked is told; all others are as they should be.
fn told(ended: Result<(), tokio::task::JoinError>) -> bool {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection ended by a fault of this program");
    }
    true
}

/// One connection.
async fn converse(stream: TcpStream, peer: Peer, web: Arc<Web>, mut stop: watch::Receiver<bool>) {
    let bounds = web.parts.bounds;
    let router = router(web);
    let service = service_fn(move |request: Request<Incoming>| {
        let router = router.clone();
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            let Ok(answer) = router.oneshot(request).await;
            Ok::<_, Infallible>(answer)
        }
    });
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(bounds.head_within);
    builder.max_headers(HEADERS_MAX).max_buf_size(HEAD_BYTES_MAX).half_close(true);
    let mut conversation = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = conversation.as_mut() => Some(ended),
        _ = stop.wait_for(|stop| *stop) => None,
        () = tokio::time::sleep(bounds.connection_within) => None,
    };
    let ended = match ended {
        Some(ended) => Ok(ended),
        None => {
            conversation.as_mut().graceful_shutdown();
            tokio::time::timeout(ENDS_WITHIN, conversation).await
        }
    };
    if let Ok(Err(error)) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_bounds_and_come_back() {
        let places = Places::default();
        let machine = |n: usize| IpAddr::from([10, 0, 0, n as u8]);
        let take = |n: usize, most: usize| -> Vec<Place> {
            (0..most).filter_map(|_| places.take(machine(n))).collect()
        };
        let first = take(1, PEER_CONNECTIONS_MAX + 1);
        assert_eq!(first.len(), PEER_CONNECTIONS_MAX, "one machine has its share");
        let others: Vec<Place> = (2..9).flat_map(|n| take(n, PEER_CONNECTIONS_MAX)).collect();
        assert_eq!(first.len() + others.len(), CONNECTIONS_MAX);
        drop(others);
        assert_eq!(take(1, 1).len(), 0);
        drop(first);
        assert_eq!(take(1, 1).len(), 1);
        assert!(places.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_had_is_told_with_what_to_do() {
        let held = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let taken = held.local_addr().unwrap();
        for (address, want) in [
            (taken, "another program listens there"),
            // TEST-NET-1: no machine has it.
            ("192.0.2.1:1".parse().unwrap(), "this machine has no such address"),
        ] {
            let error = bind(address).await.unwrap_err();
            assert!(
                error.to_string().starts_with(&format!("cannot listen at {address}: ")),
                "{error}"
            );
            assert!(
                error.hint().contains(want) && error.hint().contains("`none`"),
                "{}",
                error.hint()
            );
        }
    }

    #[test]
    fn the_answer_beyond_the_bound_is_whole() {
        let text = std::str::from_utf8(TOO_MANY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{}", body.len());
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok(), "{body}");
    }
}
