//! How a log on disk ends: when a sync fails, and when its process is killed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use beadle::domain::id::Position;
use beadle::store::disk::{Disk, RealDisk};
use beadle::store::sled::SledStore;
use beadle::store::{AppendError, EventStore, Expected, Options};

use crate::store_faults::try_open;
use crate::store_world::{everything, open, put, shown, surroundings, write};

/// A disk whose syncs fail from some time on.
struct Failing(AtomicBool);

impl Disk for Failing {
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        RealDisk.write(file, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        match self.0.load(Ordering::SeqCst) {
            true => Err(io::Error::from_raw_os_error(5)),
            false => RealDisk.sync(file),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_ends_the_log() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = Arc::new(Failing(AtomicBool::new(false)));
    let options = Options { disk: disk.clone(), ..Options::default() };
    let opened = SledStore::open(dir.path(), surroundings(1).0, options);
    let store = Arc::new(opened.expect("opens").0);
    put(&*store, "test-a", Expected::Any, &["good"]).await.expect("appends");
    disk.0.store(true, Ordering::SeqCst);
    let waiting = (0..40).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { put(&*store, "test-a", Expected::Any, &["lost"]).await })
    });
    for waiter in waiting.collect::<Vec<_>>() {
        let error = waiter.await.expect("does not panic").expect_err("it fails");
        let text = error.to_string();
        assert!(matches!(error, AppendError::Failed { .. }), "{text}");
        assert!(text.contains("cannot write the journal: Input/output error"), "{text}");
    }
    assert!(store.failure().borrow().as_ref().is_some_and(|it| it.contains("Input/output error")));
    disk.0.store(false, Ordering::SeqCst);
    let again = put(&*store, "test-a", Expected::Any, &["later"]).await;
    assert!(matches!(again, Err(AppendError::Failed { .. })), "it is never tried again: {again:?}");
    assert!(store.put_blob(b"x").is_err());
    assert_eq!(store.next_position(), Position(2), "what was not acknowledged is not readable");
    assert_eq!(everything(&*store).len(), 2);
    drop(store);
    let (store, _) = try_open(dir.path()).expect("opens");
    assert_eq!(shown(&everything(&store)[1]), "test-a/0=good");
}

/// The child of the next test: appends for ever, and says what was acknowledged.
#[test]
fn child_appends_for_ever() {
    let Ok(dir) = std::env::var("BEADLE_TEST_APPEND_IN") else { return };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let seed = std::process::id().into();
    let store = Arc::new(open(Path::new(&dir), seed));
    let appender = |n: u32| {
        let store = store.clone();
        async move {
            for nth in 0_u64.. {
                let text = format!("{}:{n}:{nth}", std::process::id());
                let names = [format!("test-{n}"), "test-shared".to_owned()];
                let batch = names.map(|name| write(&name, Expected::Any, &[&text])).into();
                let appended = store.append(batch).await.expect("appends");
                println!("\nacknowledged {text} {}", appended.next);
            }
        }
    };
    let all = (0..8).map(|n| runtime.spawn(appender(n))).collect::<Vec<_>>();
    all.into_iter().for_each(|task| runtime.block_on(task).expect("does not panic"));
}

#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 1..=6 {
        let mut child = Command::new(std::env::current_exe().expect("is known"))
            .args(["store_ends::child_appends_for_ever", "--exact", "--nocapture"])
            .env("BEADLE_TEST_APPEND_IN", dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let mut said = BufReader::new(child.stdout.take().expect("is piped")).lines();
        let mut seen = 0;
        let heard = |line: io::Result<String>| {
            let line = line.ok()?;
            let (text, _) = line.strip_prefix("acknowledged ")?.split_once(' ')?;
            Some(text.to_owned())
        };
        while seen < 150 * round {
            let line = said.next().expect("it goes on for ever");
            let text = heard(line);
            seen += usize::from(text.is_some());
            acknowledged.extend(text);
        }
        child.kill().expect("is killed");
        child.wait().expect("ends");
        acknowledged.extend(said.filter_map(heard));
        let (store, opened) = try_open(dir.path()).expect("opens");
        assert_eq!(opened.rebuilt, None);
        let all = everything(&store);
        let positions = all.iter().map(|event| event.position.0);
        assert!(positions.eq(0..all.len() as u64), "no gaps");
        let mut there: BTreeMap<String, u32> = BTreeMap::new();
        for event in &all {
            let text = shown(event).split_once('=').map_or("".into(), |(_, text)| text.to_owned());
            *there.entry(text).or_default() += 1;
        }
        let lost: Vec<_> = acknowledged.iter().filter(|it| there.get(*it) != Some(&2)).collect();
        assert!(lost.is_empty(), "round {round}: {lost:?} of {}", acknowledged.len());
        assert!(there.iter().all(|(text, n)| *n == 2 || text == "created"), "batches are whole");
        assert_eq!(store.verify().expect("checks").findings, [], "round {round}");
    }
}
