//! Bringing the event store up with the journal at the start, or making it anew when it cannot be used.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::journal::{End, replay};
use super::keys::KeyFile;
use super::lines::Spot;
use super::open::{Opened, Options, suspect};
use super::plan::Times;
use super::record::Entry;
use super::segment::{GROUP_EVENTS_MAX, Group, file_name, list};
use super::shared::DAMAGED_FILE;
use super::space::{DiskOf, Space};
use super::trees::{APPLY_EVENTS_MAX, Applied, FORMAT, Trees};
use super::{OpenError, Surroundings, trim};
use crate::domain::id::{Position, Timestamp};

/// Room that an event store takes beside what the journal takes.
const ROOM_BYTES_MIN: u64 = 2 * 1024 * 1024;
/// Says why the event store is being made anew, until that is recorded.
pub(crate) const REBUILDING_FILE: &str = "store.rebuilding";
/// How often an event store may be moved aside within one millisecond.
const MOVED_ASIDE_MAX: u32 = 1_000;

/// The event store, how far it is, and where an unusable one was moved to.
pub(crate) type Recovered = (Trees, Applied, Option<String>);

/// Opens the event store and brings it up with the journal. Some damage shows only then: it is made anew all the same.
pub(crate) fn recover(
    dir: &Path,
    surroundings: &Surroundings,
    options: &Options,
    keys: &KeyFile,
    end: &End,
    opened: &mut Opened,
) -> Result<Recovered, OpenError> {
    let (trees, mut applied, moved_to) = open_trees(dir, surroundings, options, keys, end, opened)?;
    let log = dir.join("log");
    match catch_up(&log, &trees, &mut applied, keys, end, (options, opened)) {
        Ok(()) => Ok((trees, applied, moved_to)),
        Err(OpenError::Store(reason)) if opened.rebuilt.is_none() => {
            trees.discard();
            opened.replayed = 0;
            let (trees, mut applied, moved_to) =
                make_anew(dir, surroundings, options, keys, reason, opened)?;
            catch_up(&log, &trees, &mut applied, keys, end, (options, opened))?;
            Ok((trees, applied, moved_to))
        }
        Err(error) => Err(error),
    }
}

/// Opens the event store; one that cannot be used is moved aside.
fn open_trees(
    dir: &Path,
    surroundings: &Surroundings,
    options: &Options,
    keys: &KeyFile,
    end: &End,
    opened: &mut Opened,
) -> Result<Recovered, OpenError> {
    let path = dir.join("store");
    let marker = dir.join(DAMAGED_FILE);
    let refused = match fs::read_to_string(&marker) {
        Ok(reason) => reason,
        Err(_) if !path.exists() && end.next > Position::START => {
            let reason = "it was missing";
            note_rebuilding(dir, reason)?;
            opened.rebuilt = Some(reason.into());
            let fresh = nothing(dir, keys)?;
            return Ok((Trees::open(&path, options.disk.clone())?, fresh, None));
        }
        Err(_) => match usable(&path, dir, options, keys, end)? {
            Ok((trees, applied)) => return Ok((trees, applied, None)),
            Err(reason) => reason,
        },
    };
    make_anew(dir, surroundings, options, keys, refused, opened)
}

/// An event store that holds nothing yet of a journal.
fn nothing(dir: &Path, keys: &KeyFile) -> Result<Applied, OpenError> {
    let Times { ts, epoch } = Times::START;
    let (format, log, next) = (FORMAT, keys.log(), trim::journal_begins(&dir.join("log"))?);
    Ok(Applied { format, log, next, next_slot: 1, ts, epoch })
}

/// Moves the event store aside and begins an empty one.
fn make_anew(
    dir: &Path,
    surroundings: &Surroundings,
    options: &Options,
    keys: &KeyFile,
    reason: String,
    opened: &mut Opened,
) -> Result<Recovered, OpenError> {
    has_room(dir, &reason)?;
    note_rebuilding(dir, &reason)?;
    tracing::warn!(%reason, "the event store is made anew from the journal");
    let moved_to = move_aside(dir, surroundings.clock.now())?;
    let trees = Trees::open(&dir.join("store"), options.disk.clone())?;
    opened.rebuilt = Some(reason);
    Ok((trees, nothing(dir, keys)?, Some(moved_to)))
}

/// Keeps the reason until it is recorded: a start that is cut off must not make it be forgotten.
fn note_rebuilding(dir: &Path, reason: &str) -> Result<(), OpenError> {
    let path = dir.join(REBUILDING_FILE);
    fs::write(&path, reason).map_err(|source| OpenError::Io { path, source })
}

/// Why the event store is being made anew, if an earlier start began with that and did not come to record it.
pub(crate) fn unrecorded(dir: &Path) -> Option<String> {
    fs::read_to_string(dir.join(REBUILDING_FILE)).ok()
}

/// On a full disk nothing can be made anew, and the event store may be sound: it only could not write. Moving it aside at
/// each start would fill the disk with more of them.
fn has_room(dir: &Path, reason: &str) -> Result<(), OpenError> {
    let path = dir.join("store");
    let io = |source| OpenError::Io { path: path.clone(), source };
    let journal: u64 = list(&dir.join("log"))?
        .iter()
        .map(|segment| segment.path.metadata().map(|it| it.len()))
        .sum::<io::Result<u64>>()
        .map_err(io)?;
    let (needed, room) = (journal + ROOM_BYTES_MIN, DiskOf(dir.to_owned()).room().map_err(io)?);
    if room.free_bytes >= needed {
        return Ok(());
    }
    let free = room.free_bytes;
    let full = format!(
        "No space left on device: {free} bytes are free, to make it anew from the journal needs {needed} ({reason})"
    );
    Err(io(io::Error::new(io::ErrorKind::StorageFull, full)))
}

/// Moves the event store to `store.bad-<ms>`; says under which name it is now.
fn move_aside(dir: &Path, now: Timestamp) -> Result<String, OpenError> {
    let path = dir.join("store");
    let io = |source| OpenError::Io { path: path.clone(), source };
    let first = format!("store.bad-{}", now.0);
    let others = (1..MOVED_ASIDE_MAX).map(|nth| format!("{first}-{nth}"));
    let name = std::iter::once(first.clone()).chain(others).find(|name| !dir.join(name).exists());
    let name = name.ok_or_else(|| io(io::ErrorKind::AlreadyExists.into()))?;
    if path.exists() {
        fs::rename(&path, dir.join(&name)).map_err(io)?;
    }
    Ok(name)
}

/// The event store, if it belongs to the journal; otherwise why not.
fn usable(
    path: &Path,
    dir: &Path,
    options: &Options,
    keys: &KeyFile,
    end: &End,
) -> Result<Result<(Trees, Applied), String>, OpenError> {
    let first = !path.exists();
    let opened = Trees::open(path, options.disk.clone()).and_then(|trees| {
        let applied = trees.applied()?;
        Ok((trees, applied))
    });
    let (trees, applied) = match opened {
        Ok((trees, Some(applied))) => (trees, applied),
        Ok((trees, None)) => return Ok(Ok((trees, nothing(dir, keys)?))),
        // There was none to be damaged: the disk refuses.
        Err(error) if first => return Err(OpenError::Store(error.0)),
        Err(error) => return Ok(Err(error.0)),
    };
    if applied.log != keys.log() {
        return Ok(Err("it belongs to another log".into()));
    }
    if applied.next > end.next {
        let (held, next) = (applied.next, end.next);
        let ahead = format!("it holds events up to {held}, the journal ends at {next}");
        let lost = end.torn_at.clone();
        let lost = lost.or_else(|| (next == Position::START).then(|| "log/".to_owned()));
        return lost.map_or(Ok(Err(ahead)), |place| {
            let what = format!("the journal's end was acknowledged and is lost: the event store holds events up to {held}");
            Err(OpenError::Damaged { place, what })
        });
    }
    if applied.format != FORMAT {
        let version = if applied.format < FORMAT { "an earlier" } else { "a later" };
        return Ok(Err(format!("it has the format of {version} version")));
    }
    let same = same_history(&trees, &applied, &dir.join("log"), end)?;
    Ok(same.map(|()| (trees, applied)))
}

/// Whether the last event of the event store is the one that the journal has there.
fn same_history(
    trees: &Trees,
    applied: &Applied,
    log: &Path,
    end: &End,
) -> Result<Result<(), String>, OpenError> {
    let Some(last) = applied.next.0.checked_sub(1).map(Position) else { return Ok(Ok(())) };
    let stored = match trees.spot(last) {
        Ok(spot) => spot,
        Err(error) => return Ok(Err(error.0)),
    };
    let mut same = false;
    let trusting = |_: Position, _: &[u8]| Ok(());
    replay(log, last, end, &trusting, |group| {
        let mut places = group.places();
        same |= places.any(|(position, _, offset, line)| {
            position == last && stored == Some(Spot::of(group.segment, offset, line))
        });
        Ok(())
    })?;
    Ok(same.then_some(()).ok_or_else(|| format!("its event {last} is not the journal's")))
}

/// Takes what the journal has and the event store has not.
fn catch_up(
    log: &Path,
    trees: &Trees,
    applied: &mut Applied,
    keys: &KeyFile,
    end: &End,
    (options, opened): (&Options, &mut Opened),
) -> Result<(), OpenError> {
    let from = applied.next;
    if from >= end.next {
        return Ok(());
    }
    let mut waiting: Vec<Arc<Entry>> = Vec::new();
    let mut take_in = |waiting: &mut Vec<Arc<Entry>>, applied: &mut Applied| {
        opened.replayed += waiting.len() as u64;
        waiting.iter().for_each(|entry| applied.over(entry));
        trees.apply(waiting, applied)?;
        (options.opening)(opened.replayed, end.next.0.saturating_sub(from.0));
        waiting.clear();
        Ok::<_, OpenError>(())
    };
    replay(log, from, end, &suspect(keys), |group| {
        if waiting.len() + GROUP_EVENTS_MAX > APPLY_EVENTS_MAX {
            take_in(&mut waiting, applied)?;
        }
        waiting.extend(entries(&group, from)?);
        Ok(())
    })?;
    if !waiting.is_empty() {
        take_in(&mut waiting, applied)?;
    }
    if applied.next != end.next {
        let what = format!("the journal ends at {}, not at {}", applied.next, end.next);
        return Err(OpenError::Damaged { place: "log/".into(), what });
    }
    // A sync that fails is the disk's doing: it is not tried again with another event store.
    trees.sync().map_err(|error| OpenError::Io {
        path: log.with_file_name("store"),
        source: io::Error::other(error.0),
    })
}

/// The events of a group from a position on.
fn entries(group: &Group, from: Position) -> Result<Vec<Arc<Entry>>, OpenError> {
    let wanted = group.places().filter(|(position, ..)| *position >= from);
    let entry = |(position, number, offset, line): (Position, u64, u64, &[u8])| {
        let place = || format!("log/{}:{number}", file_name(group.segment));
        let damaged = |what| OpenError::Damaged { place: place(), what };
        let spot = Spot::of(group.segment, offset, line);
        Entry::parse(position, line, spot).map(Arc::new).map_err(damaged)
    };
    wanted.map(entry).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::sled::SledStore;
    use super::super::testing::surroundings;
    use super::super::{EventStore, Expected, Write, locked};
    use super::*;
    use crate::domain::event::{NewEvent, SyncAdvanced};
    use crate::domain::id::StreamName;

    #[tokio::test]
    async fn whoever_watches_is_told_how_far_it_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let (store, _) =
            SledStore::open(dir.path(), surroundings(), Options::default()).expect("opens");
        for _ in 0..2 * APPLY_EVENTS_MAX / 64 {
            let event = || NewEvent::bare(SyncAdvanced { token: "t".into() });
            let (stream, events) = (StreamName::sync(), (0..64).map(|_| event()).collect());
            let write = Write { stream, expected: Expected::Any, key: None, events };
            store.append(vec![write]).await.expect("appends");
        }
        drop(store);
        fs::remove_dir_all(dir.path().join("store")).expect("deletes");
        let told = Arc::new(Mutex::new(Vec::new()));
        let (tell, all) = (told.clone(), 2 * APPLY_EVENTS_MAX as u64 + 1);
        let opening = move |done, total| locked(&tell).push((done, total));
        let options = Options { opening: Arc::new(opening), ..Options::default() };
        let (_, opened) =
            SledStore::open(dir.path(), surroundings(), options).expect("opens again");
        assert_eq!(opened.replayed, all);
        let told = locked(&told);
        let steps: Vec<u64> = told.iter().map(|(done, _)| *done).collect();
        assert!(told.iter().all(|(_, total)| *total == all), "{told:?}");
        assert!(steps.len() > 2 && steps.is_sorted() && steps.last() == Some(&all), "{steps:?}");
        let largest = steps.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(largest.is_some_and(|it| it <= APPLY_EVENTS_MAX as u64), "{steps:?}");
    }

    #[test]
    fn stores_are_moved_aside_up_to_a_bound() {
        let dir = tempfile::tempdir().expect("a directory");
        let aside = || {
            fs::create_dir(dir.path().join("store")).expect("makes it");
            move_aside(dir.path(), Timestamp(7))
        };
        assert_eq!(aside().expect("moves"), "store.bad-7");
        for nth in 1..MOVED_ASIDE_MAX {
            assert_eq!(aside().expect("moves"), format!("store.bad-7-{nth}"));
        }
        assert!(matches!(aside(), Err(OpenError::Io { .. })), "no more names are tried");
        assert!(dir.path().join("store").exists(), "what has no other name stays");
    }
}
