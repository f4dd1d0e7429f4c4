//! The wall clock leaps, also between two starts: the log's time never goes back within an epoch, and every step is told.

use beadle::domain::event::Event;
use beadle::store::sled::SledStore;
use beadle::store::{EventStore, Expected, Options, Surroundings};

use super::full_read::events;
use crate::store_world::{put, surroundings};

const HOUR_MS: i64 = 3_600_000;
const BEGAN_MS: i64 = 1_700_000_000_000;

#[tokio::test]
async fn leaps_of_the_clock_are_told_and_survive_starts() {
    let dir = tempfile::tempdir().expect("a directory");
    let (around, clock) = surroundings(1);
    let around: Surroundings = around;
    // Milliseconds of the wall clock, whether the log is opened again before, and what is told.
    let steps = [
        (0, false, 0),
        (1_500, false, 0),
        (400, false, 0),             // 1.1 s back: within what is borne
        (24 * HOUR_MS, false, 0),    // a day forward
        (24 * HOUR_MS, true, 0),     // and on, after a start
        (23 * HOUR_MS, true, 1),     // an hour back while it was stopped
        (23 * HOUR_MS + 5, true, 1), // and on
        (HOUR_MS, false, 2),         // back while it runs
        (-50 * HOUR_MS, false, 3),   // and further, before it began
        (9_000 * HOUR_MS, true, 3),  // a year forward while it was stopped
        (8_999 * HOUR_MS, true, 4),
    ];
    let mut store = None;
    for (wall, again, epoch) in steps {
        clock.set(BEGAN_MS + wall);
        if again || store.is_none() {
            drop(store.take());
            let opened = SledStore::open(dir.path(), around.clone(), Options::default());
            store = Some(opened.expect("opens").0);
        }
        let store = store.as_ref().expect("it was opened");
        put(store, "test-a", Expected::Any, &["x"]).await.expect("appends");
        let all = events(store).expect("reads");
        let last = all.last().expect("one was appended");
        assert_eq!((last.wall.0, last.epoch), (BEGAN_MS + wall, epoch), "at {wall}");
        let told = all.iter().filter(|it| matches!(it.event(), Some(Event::ClockStepped(_))));
        assert_eq!(told.count(), epoch as usize, "at {wall}");
        for pair in all.windows(2) {
            let ordered = pair[0].ts <= pair[1].ts || pair[0].epoch < pair[1].epoch;
            assert!(ordered, "at {wall}: {pair:?}");
        }
        assert_eq!(store.verify().expect("checks").findings, [], "at {wall}");
        assert_eq!(store.next_position().0, all.len() as u64);
    }
}
