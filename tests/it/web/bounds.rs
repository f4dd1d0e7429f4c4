//! Every bound: at it something works, beyond it the answer says so, and the listener goes on.

use std::io::Result as IoResult;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use beadle::domain::id::{DedupeKey, Timestamp};
use beadle::domain::named::{NamedEvent, OUTSIDE_BYTES_MAX};
use beadle::domain::trigger::{Trigger, What};
use beadle::processor::deliver::UNDECIDED_MAX;
use beadle::processor::intake::record;
use beadle::store::space::{FREE_BYTES_MIN, Room, Space};
use beadle::web::serve::{
    CONNECTION_WITHIN, CONNECTIONS_MAX, ENDS_WITHIN, HEAD_BYTES_MAX, HEAD_WITHIN, HEADERS_MAX,
    PEER_CONNECTIONS_MAX,
};
use beadle::web::{BODY_WITHIN, Bounds, FAILURES_PER_MINUTE_MAX, URL_BYTES_MAX, WORK_MAX};
use tokio::io::AsyncWriteExt;

use super::{Answer, Ask, Plan, Site, read};
use crate::store_world::open;

/// A disk whose free space a test sets.
struct Disk(AtomicU64);

impl Space for Disk {
    fn room(&self) -> IoResult<Room> {
        Ok(Room { free_bytes: self.0.load(Ordering::SeqCst), total_bytes: u64::MAX })
    }
}

fn retry_after(answer: &Answer) -> Option<u64> {
    answer.header("retry-after")?.parse().ok()
}

#[test]
fn the_bounds_are_those_of_the_manual() {
    let usual = Bounds {
        head_within: HEAD_WITHIN,
        body_within: BODY_WITHIN,
        connection_within: CONNECTION_WITHIN,
        work_max: WORK_MAX,
    };
    assert_eq!(Bounds::default(), usual);
    let seconds = [HEAD_WITHIN, BODY_WITHIN, CONNECTION_WITHIN, ENDS_WITHIN].map(|it| it.as_secs());
    assert_eq!(seconds, [10, 20, 300, 3]);
    let counts = [
        CONNECTIONS_MAX,
        PEER_CONNECTIONS_MAX,
        WORK_MAX,
        HEADERS_MAX,
        HEAD_BYTES_MAX,
        URL_BYTES_MAX,
    ];
    assert_eq!(counts, [256, 128, 64, 64, 16_384, 4_096]);
}

#[tokio::test]
async fn who_is_slow_is_cut_and_others_go_on() {
    let waits = Bounds {
        head_within: Duration::from_millis(300),
        body_within: Duration::from_millis(300),
        ..Bounds::default()
    };
    let site = Site::with(Plan { bounds: waits, ..Plan::default() }).await;
    let (mut head, mut body) = (site.connect().await, site.connect().await);
    head.write_all(b"POST /hooks/open HTTP/1.1\r\nHost:").await.expect("it listens");
    let half = b"POST /hooks/open HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n{\"a\"";
    body.write_all(half).await.expect("it listens");
    let began = Instant::now();
    assert_eq!(site.post("open", &[], "{}").await.status, 202, "others do not wait for them");
    let (head, body) = (read(&mut head).await, read(&mut body).await);
    assert!(began.elapsed() >= Duration::from_millis(250), "{:?}", began.elapsed());
    assert!(matches!(head.status, 0 | 408), "{head:?}");
    assert_eq!((body.status, body.header("connection")), (408, Some("close")), "{body:?}");
    assert_eq!(site.events().len(), 1);
    site.ended().await;
}

#[tokio::test]
async fn a_connection_ends_after_its_time() {
    let waits = Bounds { connection_within: Duration::from_millis(300), ..Bounds::default() };
    let site = Site::with(Plan { bounds: waits, ..Plan::default() }).await;
    let mut stream = site.connect().await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n").await.expect("it listens");
    let answer = read(&mut stream).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"), "and then it ended");
    site.ended().await;
}

#[tokio::test]
async fn heads_addresses_and_bodies_have_a_size() {
    let site =
        Site::with(Plan { more: "[web]\nbody_bytes_max = \"1 MiB\"", ..Plan::default() }).await;
    let path = |bytes: usize| format!("open?{}", "x".repeat(bytes - "/hooks/open?".len()));
    let fields = |bytes: usize| {
        let around = r#"{"a":"","_headers":{},"_query":{},"_delivery":null}"#.len();
        format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - around))
    };
    let long = "x".repeat(HEAD_BYTES_MAX);
    let many: Vec<(String, String)> =
        (0..HEADERS_MAX).map(|n| (format!("X-{n}"), "x".to_owned())).collect();
    let many: Vec<(&str, &str)> =
        many.iter().map(|(name, it)| (name.as_str(), it.as_str())).collect();
    // Three headers are sent with every request.
    let most = &many[..HEADERS_MAX - 3];
    for (path, headers, body, want) in [
        (path(URL_BYTES_MAX), vec![], "{}".to_owned(), 202),
        (path(URL_BYTES_MAX + 1), vec![], "{}".to_owned(), 414),
        ("open".into(), vec![("X-Long", &long[..HEAD_BYTES_MAX - 200])], "{}".into(), 202),
        ("open".into(), vec![("X-Long", long.as_str())], "{}".into(), 431),
        ("open".into(), most.to_vec(), "{}".into(), 202),
        ("open".into(), many, "{}".into(), 431),
        ("open".into(), vec![], fields(OUTSIDE_BYTES_MAX), 202),
        ("open".into(), vec![], fields(OUTSIDE_BYTES_MAX + 1), 413),
    ] {
        let answer = site.post(&path, &headers, &body).await;
        assert_eq!(answer.status, want, "{} bytes: {answer:?}", body.len());
    }
    site.ended().await;
}

#[tokio::test]
async fn a_body_without_a_length_has_the_same_bound() {
    let site =
        Site::with(Plan { more: "[web]\nbody_bytes_max = \"1 KiB\"", ..Plan::default() }).await;
    for (bytes, status) in [(1_000, 202), (1_100, 413)] {
        let mut stream = site.connect().await;
        let part = format!("{bytes:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(bytes));
        let head = "POST /hooks/open HTTP/1.1\r\nHost: t\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(format!("{head}{part}").as_bytes()).await.expect("it listens");
        assert_eq!(read(&mut stream).await.status, status, "{bytes}");
    }
    site.ended().await;
}

#[tokio::test]
async fn hooks_and_machines_have_a_rate() {
    let site = Site::with(Plan { more: "[web]\npeer_per_minute = 10", ..Plan::default() }).await;
    for _ in 0..3 {
        assert_eq!(site.post("rare", &[], "{}").await.status, 202);
    }
    let answer = site.post("rare", &[], "{}").await;
    assert_eq!((answer.status, retry_after(&answer)), (429, Some(20)), "{answer:?}");
    assert_eq!(site.post("open", &[], "{}").await.status, 202, "another hook has its own");
    site.desk.clock.advance(20_000);
    assert_eq!(site.post("rare", &[], "{}").await.status, 202);
    // Five of ten were used, a third of ten came back, and one more was used.
    for _ in 0..7 {
        assert_eq!(site.post("open", &[], "{}").await.status, 202);
    }
    let answer = site.post("open", &[], "{}").await;
    assert_eq!((answer.status, retry_after(&answer)), (429, Some(4)), "{answer:?}");
    assert!(answer.error().contains("from your address"), "{answer:?}");
    assert_eq!(
        site.ask(&Ask::get("/healthz")).await.status,
        200,
        "watching is no request to a hook"
    );
    site.ended().await;
}

#[tokio::test]
async fn who_guesses_is_held_up_and_uses_up_nothing_of_the_hook() {
    let site = Site::new().await;
    let guess = [("Authorization", "Bearer guessed")];
    for n in 0..FAILURES_PER_MINUTE_MAX {
        assert_eq!(site.post("ci", &guess, "{}").await.status, 401, "{n}");
    }
    assert_eq!(site.post("ci", &guess, "{}").await.status, 429);
    let right = format!("Bearer {}", super::SECRET);
    assert_eq!(
        site.post("ci", &[("Authorization", &right)], "{}").await.status,
        429,
        "nor is the right one heard"
    );
    site.desk.clock.advance(1_000);
    assert_eq!(site.post("ci", &[("Authorization", &right)], "{}").await.status, 202);
    site.ended().await;
}

#[tokio::test]
async fn connections_and_work_have_a_bound() {
    let site = Site::new().await;
    let mut held = vec![];
    for _ in 0..PEER_CONNECTIONS_MAX {
        let mut stream = site.connect().await;
        // Each is answered once, so all of them were accepted.
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n").await.expect("it listens");
        stream.readable().await.expect("it answers");
        held.push(stream);
    }
    let mut beyond = site.connect().await;
    let answer = read(&mut beyond).await;
    assert_eq!((answer.status, answer.error().as_str()), (503, "too many connections"));
    assert_eq!(retry_after(&answer), Some(1));
    drop(held);
    // Those that ended leave their places as soon as the listener hears of it.
    while site.post("open", &[], "{}").await.status != 202 {
        tokio::task::yield_now().await;
    }
    site.ended().await;
    let none = Bounds { work_max: 0, ..Bounds::default() };
    let site = Site::with(Plan { bounds: none, ..Plan::default() }).await;
    let answer = site.post("open", &[], "{}").await;
    assert_eq!((answer.status, retry_after(&answer)), (503, Some(1)), "{answer:?}");
    site.ended().await;
}

#[tokio::test]
async fn a_full_disk_and_a_failed_log_take_nothing_and_say_so() {
    let disk = Arc::new(Disk(AtomicU64::new(FREE_BYTES_MIN)));
    let site = Site::with(Plan { space: Some(disk.clone()), ..Plan::default() }).await;
    assert_eq!(site.post("open", &[], "{}").await.status, 202);
    disk.0.store(FREE_BYTES_MIN - 1, Ordering::SeqCst);
    let answer = site.post("open", &[], "{}").await;
    assert_eq!((answer.status, retry_after(&answer)), (503, Some(10)), "{answer:?}");
    disk.0.store(u64::MAX, Ordering::SeqCst);
    assert_eq!(site.post("open", &[], "{}").await.status, 202);
    assert_eq!(site.events().len(), 2);
    site.ended().await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Arc::new(open(dir.path(), 1));
    let site = Site::with(Plan { store: Some(store.clone()), ..Plan::default() }).await;
    assert_eq!(site.post("open", &[], "{}").await.status, 202);
    store.close();
    let answer = site.post("open", &[], "{}").await;
    assert_eq!((answer.status, answer.error().as_str()), (500, "the log takes nothing"));
    site.ended().await;
}

#[tokio::test]
async fn who_is_behind_takes_nothing_more_until_it_has_caught_up() {
    let site = Site::new().await;
    let kernel = &site.desk.kernel;
    let trigger = |n: usize| Trigger {
        key: DedupeKey::new(&["test", &n.to_string()]),
        at: Timestamp(0),
        late: false,
        what: What::Event(NamedEvent {
            name: "test.n".into(),
            fields: Default::default(),
            source: "test".into(),
        }),
    };
    for n in (0..UNDECIDED_MAX - 1).collect::<Vec<_>>().chunks(64) {
        let writes = n.iter().map(|n| record(kernel.store.as_ref(), trigger(*n))).collect();
        kernel.store.append(writes).await.expect("the log works");
    }
    kernel.catch_up().expect("it can be read");
    assert_eq!(site.post("open", &[], "{}").await.status, 202);
    kernel.catch_up().expect("it can be read");
    let answer = site.post("open", &[], "{}").await;
    assert_eq!((answer.status, retry_after(&answer)), (503, Some(2)), "{answer:?}");
    site.desk.settle().await.expect("the log works");
    assert_eq!(site.post("open", &[], "{}").await.status, 202);
    site.ended().await;
}

#[tokio::test]
async fn what_is_at_work_ends_when_the_bot_stops() {
    let site = Site::new().await;
    let mut half = site.connect().await;
    let head =
        "POST /hooks/open HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 7\r\n\r\n";
    half.write_all(head.as_bytes()).await.expect("it listens");
    // It asks for the body: so the request is at work.
    half.readable().await.expect("it answers");
    let address = site.address;
    site.stop();
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    half.write_all(b"{\"a\":1}").await.expect("it still listens");
    let answer = read(&mut half).await;
    assert!(answer.body.contains(" 202 "), "{answer:?}");
    assert_eq!(site.events().len(), 1);
    site.ended().await;
}
