//! Dropping what is over from the front of the log: when somebody asks for it, and once a day.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::domain::event::Meta;
use crate::domain::id::{Position, Timestamp, UserId};
use crate::processor::{Kernel, upkeep};
use crate::query::command::{Refusal, Rows, Sink};
use crate::query::retention::{self, Decision};
use crate::store::sled::SledStore;
use crate::store::trim::TrimError;

/// What is younger than this is never dropped: what the homeserver may send once more is still known.
pub const KEEP_MIN: Duration = Duration::from_secs(24 * 60 * 60);
/// How long after its start a bot trims its log for the first time.
const FIRST_AFTER: Duration = Duration::from_secs(10 * 60);
/// And how long after that again.
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);

fn refusal(error: TrimError) -> Refusal {
    match error {
        TrimError::Refused(_) => Refusal::Invalid(error.to_string()),
        TrimError::Read(error) => error.into(),
    }
}

/// Drops what is over of everything before a time, and says what went and what holds the next file back.
///
/// # Errors
/// [`Refusal`] if the log cannot be read or written, or if it has to wait.
pub fn trim(
    store: &SledStore,
    runtime: &Handle,
    by: Option<&UserId>,
    before: Timestamp,
    sink: &mut dyn Sink,
) -> Result<(), Refusal> {
    let _alone = store.trimming();
    // One that was cut off goes first.
    store.settle_trim().map_err(refusal)?;
    let begun = store.begins();
    let (_, decision) = retention::decision(store, before, sink)?;
    let Some(cut) = decision.cut() else {
        return Ok(sink.row(row(0, 0, 0, &decision))?);
    };
    // From here on what begins anew is recorded with all that it needs. What began a moment before is seen when this is
    // decided once more.
    store.forget_keys(cut);
    let done = decide_again(store, before, cut, sink).and_then(|decision| {
        let Some(cut) = decision.cut() else { return Ok((None, decision)) };
        store.forget_keys(cut);
        let trimmed = store.trimmed(cut).map_err(refusal)?;
        let meta = Meta { actor: by.cloned(), ..Meta::default() };
        let recorded = runtime.block_on(upkeep::note(store, &meta, trimmed));
        recorded.map_err(|error| Refusal::Unreadable(error.to_string()))?;
        Ok((Some(cut), decision))
    });
    let (cut, decision) = match done {
        Ok((Some(cut), decision)) => (cut, decision),
        other => {
            store.forget_keys(Position::START);
            return other.and_then(|(_, decision)| Ok(sink.row(row(0, 0, 0, &decision))?));
        }
    };
    let dropped = store.settle_trim().map_err(refusal)?;
    Ok(sink.row(row(dropped.files, dropped.bytes, cut.0.saturating_sub(begun.0), &decision))?)
}

/// Decides once more, and on no more than was decided before.
fn decide_again(
    store: &SledStore,
    before: Timestamp,
    cut: Position,
    sink: &mut dyn Sink,
) -> Result<Decision, Refusal> {
    let (_, mut decision) = retention::decision(store, before, sink)?;
    decision.over.retain(|file| file.end <= cut);
    Ok(decision)
}

fn row(files: u64, bytes: u64, events: u64, decision: &Decision) -> Value {
    let held = decision.held.as_ref().map(retention::Hold::told);
    json!({ "dropped_files": files, "dropped_bytes": bytes, "dropped_events": events, "held": held })
}

/// Trims the log of a running bot once a day, as long as it is told to.
pub async fn run(store: Arc<SledStore>, kernel: Arc<Kernel>, stop: watch::Receiver<bool>) {
    let mut wait = FIRST_AFTER;
    loop {
        let stopped = tokio::time::timeout(wait, super::stopped(&stop)).await;
        if stopped.is_ok() {
            return;
        }
        wait = EVERY;
        let Some(keep) = kernel.settings().keep else { continue };
        let keep = i64::try_from(keep.max(KEEP_MIN).as_millis()).unwrap_or(i64::MAX);
        let before = kernel.clock.now().plus_ms(keep.saturating_neg());
        let (store, runtime) = (store.clone(), Handle::current());
        let work = move || {
            let mut rows = Rows::default();
            trim(&store, &runtime, None, before, &mut rows).map(|()| rows.0.pop())
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(row)) => {
                tracing::info!(done = %row.unwrap_or_default(), "what is over was dropped");
            }
            Ok(Err(why)) => tracing::warn!(?why, "the log was not trimmed"),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}
