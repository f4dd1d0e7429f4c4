//! The policy folder is looked at again and again while the bot runs; what has changed there comes into force at once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::processor::{self, Kernel};

/// How often the folder is looked at.
pub const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What tells one state of a folder from another: its files with their lengths and times; none: it cannot be read.
type Looks = Option<BTreeMap<OsString, (u64, Option<SystemTime>)>>;

/// Takes each change of the policy folder, for ever; ends when the log fails. `each` hears what people must know, which the
/// management room is told besides.
pub async fn follow(kernel: &Arc<Kernel>, mut each: impl FnMut(String)) -> processor::Error {
    let Some(folder) = kernel.policies.folder() else {
        return std::future::pending().await;
    };
    let mut looks = None;
    let mut every = tokio::time::interval(LOOK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let now = Some(looks_of(&folder.path));
        // What changed while the bot started is seen by the first look.
        if now == looks {
            continue;
        }
        looks = now;
        match kernel.reload_policies().await {
            Ok(told) => told.into_iter().for_each(&mut each),
            Err(error) => return error,
        }
    }
}

fn looks_of(folder: &Path) -> Looks {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).ok()? {
        let entry = entry.ok()?;
        let about = std::fs::metadata(entry.path()).ok();
        let looks = about.map_or((0, None), |about| (about.len(), about.modified().ok()));
        files.insert(entry.file_name(), looks);
    }
    Some(files)
}
