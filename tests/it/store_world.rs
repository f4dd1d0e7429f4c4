//! A store that a test can open, end and open again, with a hand-moved clock and random bytes that repeat in every run.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use beadle::domain::event::{MemoryWritten, NewEvent, Recorded};
use beadle::domain::id::{DedupeKey, Position, StreamName, Timestamp, Version};
use beadle::store::memory::MemoryStore;
use beadle::store::sled::SledStore;
use beadle::store::{
    AppendError, Appended, BLOB_BYTES_MAX, Clock, Direction, Entropy, EventStore, Expected,
    Options, Surroundings, Write, Written,
};
use serde_json::json;
use tempfile::TempDir;

/// Runs each of these tests on every store.
macro_rules! contract {
    ($($name:ident,)*) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::store_world::World::memory()).await;
            })*
        }
        mod sled {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::store_world::World::sled()).await;
            })*
        }
    };
}
pub(crate) use contract;

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct HandClock(AtomicI64);

impl HandClock {
    pub fn set(&self, ms: i64) {
        self.0.store(ms, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// Random enough for tests: never the same twice.
#[derive(Debug)]
pub struct Dice(AtomicU64);

impl Entropy for Dice {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let mut x = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            chunk.copy_from_slice(&(x ^ (x >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// Numbers that are the same in every run.
pub struct StdDice(pub u64);

impl StdDice {
    /// A number below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Surroundings for one log.
pub fn surroundings(seed: u64) -> (Surroundings, Arc<HandClock>) {
    let clock = Arc::new(HandClock(AtomicI64::new(1_700_000_000_000)));
    let entropy = Arc::new(Dice(AtomicU64::new(seed)));
    (Surroundings { clock: clock.clone(), entropy }, clock)
}

/// Opens a log on disk.
pub fn open(dir: &Path, seed: u64) -> SledStore {
    SledStore::open(dir, surroundings(seed).0, Options::default()).expect("opens").0
}

enum Kind {
    Memory(Arc<MemoryStore>),
    Sled { dir: TempDir, store: Option<Arc<SledStore>> },
}

/// A store, and how to open it again.
pub struct World {
    pub clock: Arc<HandClock>,
    surroundings: Surroundings,
    kind: Kind,
}

impl World {
    pub fn memory() -> Self {
        let (surroundings, clock) = surroundings(1);
        let kind = Kind::Memory(MemoryStore::new(surroundings.clone()));
        Self { clock, surroundings, kind }
    }

    pub fn sled() -> Self {
        let (surroundings, clock) = surroundings(1);
        let dir = tempfile::tempdir().expect("a directory");
        let opened = SledStore::open(dir.path(), surroundings.clone(), Options::default());
        let store = Some(Arc::new(opened.expect("opens").0));
        Self { clock, surroundings, kind: Kind::Sled { dir, store } }
    }

    pub fn store(&self) -> Arc<dyn EventStore> {
        match &self.kind {
            Kind::Memory(store) => store.clone(),
            Kind::Sled { store, .. } => store.clone().expect("it is open"),
        }
    }

    /// Ends the process, as it were, and begins another one. Nobody else may hold the store.
    pub fn reopen(&mut self) {
        match &mut self.kind {
            Kind::Memory(store) => *store = store.reopen(),
            Kind::Sled { dir, store } => {
                let last = store.take().and_then(Arc::into_inner);
                drop(last.expect("nobody else holds the store"));
                let options = Options::default();
                let opened = SledStore::open(dir.path(), self.surroundings.clone(), options);
                *store = Some(Arc::new(opened.expect("opens again").0));
            }
        }
    }

    /// The size of a large blob. Sealing the largest takes many seconds in a debug build.
    pub fn large_blob(&self) -> usize {
        match self.kind {
            Kind::Memory(_) => BLOB_BYTES_MAX,
            Kind::Sled { .. } => BLOB_BYTES_MAX / 64,
        }
    }

    /// Whether projections are kept when it is opened again.
    pub fn keeps_projections(&self) -> bool {
        matches!(self.kind, Kind::Sled { .. })
    }
}

/// A stream by name.
pub fn stream(name: &str) -> StreamName {
    StreamName::parse(name).expect("is a stream name")
}

/// A small sealed event.
pub fn event(text: &str) -> NewEvent {
    let (scope, key, value) = ("test".into(), "text".into(), json!(text));
    NewEvent::bare(MemoryWritten { scope, key, value, expires: None })
}

/// A write of small events.
pub fn write(name: &str, expected: Expected, texts: &[&str]) -> Write {
    let events = texts.iter().map(|text| event(text)).collect();
    Write { stream: stream(name), expected, key: None, events }
}

/// A write of one small event with a dedupe key.
pub fn keyed(name: &str, key: &str, text: &str) -> Write {
    Write { key: Some(DedupeKey(key.into())), ..write(name, Expected::Any, &[text]) }
}

/// Appends one write.
pub async fn put(
    store: &dyn EventStore,
    name: &str,
    expected: Expected,
    texts: &[&str],
) -> Result<Appended, AppendError> {
    store.append(vec![write(name, expected, texts)]).await
}

/// An event as a short text: `stream/version=text`.
pub fn shown(recorded: &Recorded) -> String {
    let event = recorded.event().map(|event| event.encode());
    let text = event.map_or("erased".into(), |event| {
        let text = event.get("value").or_else(|| event.get("log")).or_else(|| event.get("reason"));
        text.map_or(recorded.kind.clone(), |text| text.as_str().unwrap_or("?").to_owned())
    });
    format!("{}={}", recorded.id, if recorded.position.0 == 0 { "created".into() } else { text })
}

/// All of a stream, from the first on.
pub fn all_of(store: &dyn EventStore, name: &str) -> Vec<String> {
    let read = store.read(&stream(name), Version::START, Direction::Forward, usize::MAX);
    read.expect("reads").iter().map(shown).collect()
}

/// The whole log, page by page.
pub fn everything(store: &dyn EventStore) -> Vec<Recorded> {
    let mut all: Vec<Recorded> = Vec::new();
    loop {
        let from = Position(all.len() as u64);
        let page = store.read_all(from, Direction::Forward, usize::MAX).expect("reads");
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// What became of a write, as a short text.
pub fn written(written: &Written) -> String {
    match written {
        Written::Appended { position, version } => format!("{position} v{version}"),
        Written::AlreadyThere { position } => format!("already at {position}"),
    }
}
