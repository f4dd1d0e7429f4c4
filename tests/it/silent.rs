//! Bridges that do not say any more that they run, asked over real connections; what the log says of it, and who is told.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use beadle::adapter::alive::alive;
use beadle::adapter::http_client::HttpClient;
use beadle::adapter::{Intake, RoomAct};
use beadle::domain::bridge::Bridges;
use beadle::domain::bridge::alive::{ALIVE_MS_MAX, ASK_EVERY, Endpoint};
use beadle::domain::id::{RoomId, UserId};
use beadle::processor::alive::{LOOKS_MAX, Rounds};
use beadle::processor::intake::Ear;
use beadle::processor::{Kernel, Settings};
use beadle::query::bridge_setups::bridge_setups;

use crate::desk::Desk;
use crate::setups::{Played, bot, nothing, wanted, wish, work};

const LIVE: &str = "/_matrix/mau/live";
/// What a listener does that takes a question and never answers it.
const HANGS: u16 = 1;
/// What one does that hangs up at once.
const HANGS_UP: u16 = 0;

/// Where a bridge listens, on loopback; it answers with the status that it has at the moment.
struct Live {
    port: u16,
    status: Arc<AtomicU16>,
}

impl Live {
    fn new(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it has one").port();
        let status = Arc::new(AtomicU16::new(status));
        let now = status.clone();
        thread::spawn(move || {
            let mut held = vec![];
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut asked = [0; 1024];
                let read = stream.read(&mut asked).unwrap_or_default();
                let asked = String::from_utf8_lossy(&asked[..read]).into_owned();
                let status = now.load(Ordering::SeqCst);
                match status {
                    HANGS => held.push(stream),
                    HANGS_UP => drop(stream),
                    _ => {
                        let known = asked.starts_with(&format!("GET {LIVE} "));
                        let status = if known { status } else { 404 };
                        // Who has hung up needs no answer.
                        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\n{{}}");
                        let _ = stream.write_all(head.as_bytes());
                    }
                }
            }
        });
        Self { port, status }
    }

    fn is(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    fn at(&self) -> Endpoint {
        Endpoint::read(&format!("http://127.0.0.1:{}", self.port)).expect("an address")
    }

    /// Settings of a bot that asks it.
    fn settings(&self) -> Settings {
        let at = [("heisenbridge".to_owned(), self.at())].into();
        let used = Bridges::default().using(&["heisenbridge".into()], &[]).expect("it ships");
        let asked = used.asked_at(at, ASK_EVERY).expect("it is in use");
        Settings {
            bridges: Arc::new(asked),
            management_room: Some(RoomId("#boss".into())),
            ..Settings::simulated("!")
        }
    }
}

/// A bot, as after a restart, that asks this bridge.
fn restarted(desk: &Desk, chat: &Arc<Played>, live: &Live) -> Arc<Kernel> {
    let kernel = bot(desk, chat);
    kernel.behave(live.settings());
    kernel
}

/// A desk on whose log `#ops` of `lab` stands.
async fn standing(chat: &Arc<Played>) -> Desk {
    let desk = Desk::new("");
    let kernel = bot(&desk, chat);
    wish(&kernel, &wanted("#ops", None)).await;
    work(&kernel, chat, nothing()).await;
    assert_eq!(desk.count("bridge_stands"), 1);
    desk
}

fn counts(desk: &Desk) -> [usize; 5] {
    ["bridge_silent", "bridge_answers", "bridge_lost", "bridge_back", "message_queued"]
        .map(|kind| desk.count(kind))
}

async fn says(kernel: &Arc<Kernel>, text: &str) {
    let (room, bridge) = (RoomId("!lab".into()), UserId("@heisenbridge:local".into()));
    Ear::new(kernel.clone()).bridge_said(&room, &bridge, text).await.expect("the log works");
}

#[tokio::test]
async fn what_a_bridge_answers_says_whether_it_runs() {
    let client = HttpClient::default();
    for (status, path, want) in [
        (200, LIVE, None),
        (204, LIVE, None),
        (503, LIVE, Some("it answers 503 at /_matrix/mau/live")),
        (200, "/live", Some("it answers 404 at /live")),
        (HANGS_UP, LIVE, Some("the exchange broke off")),
    ] {
        let got = alive(&client, &Live::new(status).at(), path).await;
        match want {
            None => assert_eq!(got, Ok(()), "{status}"),
            Some(why) => assert!(got.as_ref().is_err_and(|it| it.contains(why)), "{got:?}"),
        }
    }
    let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let free = format!("http://localhost:{}", free.expect("a free port").port());
    let nobody = alive(&client, &Endpoint::read(&free).expect("an address"), LIVE).await;
    assert!(nobody.as_ref().is_err_and(|why| why.starts_with("no connection")), "{nobody:?}");
}

#[tokio::test]
async fn a_bridge_that_hangs_is_waited_for_so_long() {
    let began = Instant::now();
    let got = alive(&HttpClient::default(), &Live::new(HANGS).at(), LIVE).await;
    assert_eq!(got, Err("it took longer than 5 s and was broken off".into()));
    let waited = began.elapsed();
    assert!(waited >= Duration::from_millis(ALIVE_MS_MAX.unsigned_abs()), "{waited:?}");
}

#[tokio::test]
async fn that_a_bridge_is_silent_is_told_once() {
    let chat = Arc::new(Played::default());
    let desk = standing(&chat).await;
    let (live, client, mut rounds) = (Live::new(200), HttpClient::default(), Rounds::default());
    for (status, want) in [
        (200, [0, 0, 0, 0, 0]),
        (503, [0, 0, 0, 0, 0]),
        (HANGS_UP, [1, 0, 0, 0, 1]),
        (503, [1, 0, 0, 0, 1]),
        (503, [1, 0, 0, 0, 1]),
    ] {
        live.is(status);
        // What is told is what the log says, whoever reads it.
        let kernel = restarted(&desk, &chat, &live);
        kernel.ask_bridges(&client, &mut rounds).await.expect("the log works");
        assert_eq!(counts(&desk), want, "{status}");
    }
    let setups = bridge_setups(desk.kernel.store.as_ref()).expect("reads");
    assert!(setups.silent()["heisenbridge"].why.contains("broke off"), "{:?}", setups.silent());
    assert!(setups.is_away("lab") && setups.networks_of("heisenbridge") == ["lab"]);
    let after = Rounds::default();
    let kernel = restarted(&desk, &chat, &live);
    rounds = after;
    for _ in 0..3 {
        kernel.ask_bridges(&client, &mut rounds).await.expect("the log works");
    }
    assert_eq!(counts(&desk), [1, 0, 0, 0, 1], "a restart tells nothing anew");
    // It is started again: it connects by itself, and says so.
    says(&kernel, "Connecting to irc.lab:6667...").await;
    assert_eq!(counts(&desk), [1, 0, 0, 0, 1], "that it was away is known");
    says(&kernel, "End of MOTD command").await;
    assert_eq!(counts(&desk), [1, 0, 0, 1, 2]);
    live.is(200);
    for _ in 0..2 {
        kernel.ask_bridges(&client, &mut rounds).await.expect("the log works");
        assert_eq!(counts(&desk), [1, 1, 0, 1, 3]);
    }
    let setups = bridge_setups(desk.kernel.store.as_ref()).expect("reads");
    assert!(!setups.is_away("lab") && setups.silent().is_empty());
    let stands: Vec<_> = chat.acts();
    let asked = stands.iter().filter(|act| is_status(act)).count();
    assert_eq!(asked, 1, "only when it was set up: the bridge said all by itself");
}

fn is_status(act: &RoomAct) -> bool {
    matches!(act, RoomAct::Tell(order) if order.text == "STATUS")
}

/// A bot whose bridge counts as silent, and what was kept of asking it.
struct Silenced {
    desk: Desk,
    live: Live,
    client: HttpClient,
    rounds: Rounds,
    kernel: Arc<Kernel>,
}

impl Silenced {
    async fn new(chat: &Arc<Played>) -> Self {
        let desk = standing(chat).await;
        let (live, client, mut rounds) = (Live::new(503), HttpClient::default(), Rounds::default());
        let kernel = restarted(&desk, chat, &live);
        for _ in 0..2 {
            kernel.ask_bridges(&client, &mut rounds).await.expect("the log works");
        }
        assert_eq!(counts(&desk), [1, 0, 0, 0, 1]);
        Self { desk, live, client, rounds, kernel }
    }
}

#[tokio::test]
async fn a_bridge_that_only_hung_is_asked_for_its_networks() {
    for connected in [true, false] {
        let chat = Arc::new(Played::default());
        let Silenced { desk, live, client, mut rounds, kernel } = Silenced::new(&chat).await;
        chat.connected.store(connected, Ordering::SeqCst);
        live.is(200);
        let before = chat.acts().iter().filter(|act| is_status(act)).count();
        for _ in 0..=LOOKS_MAX {
            kernel.ask_bridges(&client, &mut rounds).await.expect("the log works");
        }
        let asked = chat.acts().iter().filter(|act| is_status(act)).count() - before;
        if connected {
            assert_eq!((asked, counts(&desk)), (1, [1, 1, 0, 1, 3]), "the network was there");
            continue;
        }
        assert_eq!((asked, counts(&desk)), (LOOKS_MAX as usize, [1, 1, 0, 0, 2]));
        says(&kernel, "End of MOTD command").await;
        assert_eq!(counts(&desk), [1, 1, 0, 1, 3], "what it does later it says by itself");
    }
}

#[tokio::test]
async fn a_bridge_that_is_asked_no_more_keeps_no_network_away() {
    let chat = Arc::new(Played::default());
    let Silenced { desk, client, mut rounds, .. } = Silenced::new(&chat).await;
    chat.connected.store(true, Ordering::SeqCst);
    let unasked = bot(&desk, &chat);
    unasked.ask_bridges(&client, &mut rounds).await.expect("the log works");
    assert_eq!(counts(&desk)[..4], [1, 0, 0, 1]);
}
