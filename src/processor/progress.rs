//! While an action runs: what it prints is recorded from time to time, and shown where the script wants it.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::action::{ActionCall, ActionDone, LINES_QUEUED_MAX};
use super::sheet::queued;
use super::{Error, Kernel, meta_of};
use crate::domain::event::{EffectProgressed, MessageQueued};
use crate::domain::execution::{Execution, Step};
use crate::domain::id::{ExecutionId, MessageId};
use crate::domain::message::Doc;
use crate::domain::order::NETWORK;
use crate::script::action::ActionDef;
use crate::script::run::shortened;
use crate::store::Write;

/// How long an action must have run, and how long it must be since the last time, before what it prints is recorded.
pub const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// Most times that this is recorded for one effect.
pub const PROGRESS_EVENTS_MAX: u32 = 500;
/// Most lines that are recorded at once: the last ones.
pub const PROGRESS_LINES_MAX: usize = 20;
/// Most of a line that is recorded, in characters.
pub const PROGRESS_LINE_CHARS_MAX: usize = 400;

/// The last lines that nobody has recorded yet.
#[derive(Default)]
struct Lines {
    kept: VecDeque<String>,
    skipped: u64,
}

impl Lines {
    fn push(&mut self, line: &str) {
        self.kept.push_back(shortened(line.trim_end(), PROGRESS_LINE_CHARS_MAX));
        if self.kept.len() > PROGRESS_LINES_MAX {
            self.kept.pop_front();
            self.skipped += 1;
        }
    }

    fn take(&mut self) -> (Vec<String>, u64) {
        let taken = std::mem::take(self);
        (taken.kept.into(), taken.skipped)
    }
}

impl Kernel {
    /// Runs an action to its end.
    pub(super) async fn run_action(
        &self,
        execution: &Execution,
        path: &str,
        step: &Step,
        def: ActionDef,
    ) -> Result<ActionDone, Error> {
        let every = self.settings().progress_every;
        let (sender, mut printed) = mpsc::channel(LINES_QUEUED_MAX);
        let mut run = self.actions.run(self.call(execution, path, step, def, sender));
        let (mut lines, mut due, mut open) = (Lines::default(), Instant::now() + every, true);
        let done = loop {
            tokio::select! {
                done = &mut run => break done,
                line = printed.recv(), if open => match line {
                    Some(line) => lines.push(&line),
                    None => open = false,
                },
                () = sleep_until(due), if !lines.kept.is_empty() => {
                    self.progressed(&execution.id, path, step.attempt, lines.take()).await?;
                    due = Instant::now() + every;
                }
            }
        };
        while let Ok(line) = printed.try_recv() {
            lines.push(&line);
        }
        // What was printed shortly before the end is in the result.
        if !lines.kept.is_empty() && Instant::now() >= due {
            self.progressed(&execution.id, path, step.attempt, lines.take()).await?;
        }
        Ok(done)
    }

    fn call(
        &self,
        execution: &Execution,
        path: &str,
        step: &Step,
        def: ActionDef,
        lines: mpsc::Sender<String>,
    ) -> ActionCall {
        let asked = step.args["timeout_ms"].as_i64();
        let ms = asked.map_or(def.timeout_ms, |ms| ms.min(def.timeout_ms).max(1));
        let given = &step.args["params"];
        ActionCall {
            effect: format!("{}-{path}", execution.id),
            execution: execution.id.to_string(),
            // What no longer fits the declaration is refused by who runs it, with the reason.
            args: def.complete(given).map_or_else(|_| given.clone(), Value::Object),
            timeout: Duration::from_millis(u64::try_from(ms).unwrap_or(1)),
            folder: self.scripts.offered().set.folder.clone(),
            def,
            lines,
        }
    }

    /// Records lines of a running action, and shows the last one.
    async fn progressed(
        &self,
        id: &ExecutionId,
        path: &str,
        attempt: u32,
        (lines, skipped): (Vec<String>, u64),
    ) -> Result<(), Error> {
        let runs = |step: &Step| {
            let bounded = step.progressed < PROGRESS_EVENTS_MAX;
            step.wants_doing() && step.under_way && step.attempt == attempt && bounded
        };
        let event = |_: &Step| {
            let (path, lines) = (path.to_owned(), lines.clone());
            EffectProgressed { path, attempt, lines, skipped }.into()
        };
        let last = lines.last().cloned().unwrap_or_default();
        let shown = |execution: &Execution, step: &Step| self.shown(execution, path, step, &last);
        self.record_with(id, path, runs, event, shown).await.map(|_| ())
    }

    /// The message that shows a line, if the script wants one.
    fn shown(&self, execution: &Execution, path: &str, step: &Step, line: &str) -> Vec<Write> {
        let own = |nth: u32| {
            let place = format!("{path}-progress-{nth}");
            self.store.key().message(execution.id.as_str(), &place)
        };
        let edits = match &step.args["progress"] {
            _ if execution.started.place.network == NETWORK => return vec![],
            // Where nothing can be changed each line would be one more; the end is told anyway.
            _ if !self.caps(&execution.started.place).edits => return vec![],
            Value::String(message) => Some(MessageId(message.clone())),
            Value::Bool(true) => (step.progressed > 0).then(|| own(0)),
            _ => return vec![],
        };
        let started = &execution.started;
        let message = MessageQueued {
            message: own(step.progressed),
            place: started.place.clone(),
            reply_to: edits.is_none().then(|| started.post.clone()),
            edits,
            doc: Doc::text(line),
            attachment: None,
            notify: vec![],
            execution: Some(execution.id.clone()),
            question: None,
        };
        vec![queued(&meta_of(execution), message)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut lines = Lines::default();
        for n in 0..PROGRESS_LINES_MAX + 5 {
            lines.push(&format!("line {n}"));
        }
        lines.push(&"ä".repeat(PROGRESS_LINE_CHARS_MAX + 5));
        let (kept, skipped) = lines.take();
        assert_eq!((kept.len(), skipped), (PROGRESS_LINES_MAX, 6));
        assert_eq!(kept[0], "line 6");
        assert_eq!(kept[19].chars().count(), PROGRESS_LINE_CHARS_MAX + 1, "with an ellipsis");
        assert_eq!(lines.take(), (vec![], 0));
    }
}
