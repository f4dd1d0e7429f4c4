//! A storm of deliveries with SIGKILL in the middle: what was accepted is in the log exactly once, the rest was told so, and
//! the bot's memory stays bounded. `BEADLE_TORTURE=1` makes it longer.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use beadle::app::open_log;
use beadle::domain::event::Event;
use beadle::store::EventStore;

use super::command::place;
use super::named;
use super::terminal::Terminal;
use crate::store_world::everything;

/// How many post at the same time.
const SENDERS: usize = 24;
/// How often a sender tries a delivery whose connection broke, as senders do.
const TRIES_MAX: usize = 3;
/// How long one answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// The most memory that the bot may ever have held, in KiB: a debug build at rest holds a third of it.
const PEAK_KIB_MAX: u64 = 300 * 1024;
/// Fewer accepted deliveries would show nothing: most of a storm is taken.
const ACCEPTED_PERCENT_MIN: usize = 50;

const CONFIG: &str = r#"
[web]
peer_per_minute = 1000000

[hooks.storm]
auth = "none"
delivery_header = "X-Delivery"
per_minute = 1000000
"#;

/// One in ten deliveries is an alert of its own.
const RULES: &str = r##"//! What the storm is about.
rule(#{ name: "storm", room: "#ops" }, "webhook.storm", |e| e.id.ends_with("0"), |e| {
    alert(`storm/${e.id}`, `${e.id} is ${e.state}`, #{ host: e.host, severity: e.state, source: "storm" });
});
"##;
/// Many alerts are told in few messages: at most one for so many.
const ALERTS_PER_MESSAGE: usize = 5;

/// Where the bot listens now; none: it does not.
type Where = Arc<RwLock<Option<SocketAddr>>>;

/// Posts one delivery; none: the connection broke.
fn post(address: SocketAddr, id: &str) -> Option<u16> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN).ok()?;
    stream.set_read_timeout(Some(ANSWER_WITHIN)).ok()?;
    let body = format!("{{\"id\":\"{id}\",\"state\":\"CRITICAL\",\"host\":\"web{}\"}}", id.len());
    let head = format!(
        "POST /hooks/storm HTTP/1.1\r\nHost: t\r\nConnection: close\r\nX-Delivery: {id}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).ok()?;
    let mut answer = String::new();
    // A cut answer may still have its first line.
    let _ = stream.read_to_string(&mut answer);
    answer.split(' ').nth(1)?.parse().ok()
}

/// Posts every delivery at its moment, and gives what was answered to each at last.
fn storm(count: usize, within: Duration, at: Where) -> BTreeMap<String, Option<u16>> {
    let (next, answers) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| {
                // Nobody ever sends: it is how one waits for a moment.
                let (_never, moments) = channel::<()>();
                loop {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    if n >= count {
                        return;
                    }
                    let moment = began + within.mul_f64(n as f64 / count as f64);
                    let wait = moment.saturating_duration_since(Instant::now());
                    assert_eq!(moments.recv_timeout(wait), Err(RecvTimeoutError::Timeout));
                    let id = format!("storm-{n}");
                    let tries = (0..TRIES_MAX).map(|_| {
                        let address = *at.read().expect("nobody panics with it");
                        address.and_then(|address| post(address, &id))
                    });
                    let answer = tries.into_iter().find(Option::is_some).flatten();
                    answers.lock().expect("nobody panics with it").insert(id, answer);
                }
            });
        }
    });
    answers.into_inner().expect("nobody panics with it")
}

/// The most memory that a process ever held, in KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("the system says it");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

#[test]
fn what_was_accepted_in_a_storm_survives_a_kill_exactly_once() {
    let (count, within) = match std::env::var_os("BEADLE_TORTURE") {
        Some(_) => (10_000, Duration::from_secs(60)),
        None => (2_000, Duration::from_secs(10)),
    };
    let place = place(CONFIG);
    place.write("scripts/storm.rhai", RULES);
    let bot = Terminal::start(&place, &[]);
    let at: Where = Arc::new(RwLock::new(Some(bot.address)));
    let (posting, began) = (at.clone(), Instant::now());
    let storming = thread::spawn(move || storm(count, within, posting));
    let (_never, moments) = channel::<()>();
    assert_eq!(moments.recv_timeout(within / 2), Err(RecvTimeoutError::Timeout));
    let first_peak = peak_kib(bot.pid());
    *at.write().expect("nobody panics with it") = None;
    bot.kill9();
    let bot = Terminal::start(&place, &[]);
    *at.write().expect("nobody panics with it") = Some(bot.address);
    let answers = storming.join().expect("the storm ends");
    let took = began.elapsed();
    // What was not answered is sent again, as senders do, under the same id.
    let address = bot.address;
    let unheard = answers.iter().filter(|(_, code)| code.is_none());
    let again: Vec<(String, Option<u16>)> =
        unheard.map(|(id, _)| (id.clone(), post(address, id))).collect();
    // What waited behind the storm is told as well.
    bot.wait_for("alerts in #ops");
    let peak = first_peak.max(peak_kib(bot.pid()));
    bot.quit();

    let (store, _) = open_log(&place.path("data")).expect("the log opens");
    let mut recorded: BTreeMap<String, usize> = BTreeMap::new();
    let delivered = named(&store as &dyn EventStore);
    for event in delivered.iter().filter(|event| event.name == "webhook.storm") {
        let id = event.fields["_delivery"].as_str().expect("it was named").to_owned();
        assert_eq!(event.fields["id"], id.as_str());
        *recorded.entry(id).or_default() += 1;
    }
    let mut codes: BTreeMap<Option<u16>, usize> = BTreeMap::new();
    for (id, code) in answers.iter().chain(again.iter().map(|(id, code)| (id, code))) {
        *codes.entry(*code).or_default() += 1;
        let accepted = matches!(code, Some(200 | 202));
        assert!(accepted || matches!(code, None | Some(429 | 503)), "{id}: {code:?}");
        assert!(!accepted || recorded.get(id) == Some(&1), "{id} was accepted and is not there");
    }
    let twice: Vec<_> = recorded.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "recorded more than once: {twice:?}");
    println!("{count} posts in {took:?}: {codes:?}, {} recorded, peak {peak} KiB", recorded.len());
    let unheard = again.iter().filter(|(_, code)| code.is_none()).count();
    assert_eq!(unheard, 0, "the bot that was started anew answers");
    let told = codes.iter().filter(|(code, _)| matches!(code, Some(429 | 503)));
    let told: usize = told.map(|(_, times)| times).sum();
    assert!(recorded.len() + told >= count, "what was not refused is there: {codes:?}");
    let accepted: usize = [Some(200), Some(202)].iter().filter_map(|code| codes.get(code)).sum();
    assert!(accepted * 100 >= count * ACCEPTED_PERCENT_MIN, "{codes:?}");
    told_in_digests(&store);
    assert!(peak <= PEAK_KIB_MAX, "the bot held {peak} KiB");
    store.close();
}

/// The room heard of many alerts in few messages.
fn told_in_digests(store: &dyn EventStore) {
    let (mut raised, mut messages, mut digests) = (0, 0, 0);
    for event in everything(store) {
        match event.event() {
            Some(Event::AlertRaised(_)) => raised += 1,
            Some(Event::MessageQueued(message)) => {
                messages += 1;
                digests += usize::from(message.doc.words().contains(" alerts in #ops"));
            }
            _ => {}
        }
    }
    println!("{raised} alerts were told in {messages} messages, {digests} of them digests");
    assert!(digests > 0, "a storm is told in digests");
    assert!(messages * ALERTS_PER_MESSAGE <= raised, "{messages} messages for {raised} alerts");
}
