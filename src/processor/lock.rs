//! Locks of actions: calls with the same lock run one at a time, and who waits is told for whom.

use super::sheet::queued;
use super::{Error, Kernel, meta_of};
use crate::domain::event::{EffectDelayed, LockRequested, MessageQueued};
use crate::domain::execution::{Execution, Step};
use crate::domain::id::ExecutionId;
use crate::domain::message::Doc;
use crate::domain::order::NETWORK;
use crate::domain::words::executions as words;
use crate::script::journal::{Entry, Noted};
use crate::store::{ReadError, Write};

impl Kernel {
    /// The lock that a new effect asks for, if its action has one.
    pub(super) fn lock_of(
        &self,
        execution: &Execution,
        entry: &Entry,
    ) -> Result<Option<LockRequested>, ReadError> {
        let waits = entry.op == "exec" && matches!(entry.state, Noted::Waits { .. });
        let def = if waits { self.declared(execution, &entry.args)? } else { None };
        let lock = def.and_then(|def| def.lock_name(&def.complete(&entry.args["params"]).ok()?));
        Ok(lock.map(|lock| {
            let tag = self.store.key().tag("lock", &[&lock]).to_string();
            LockRequested { path: entry.path.clone(), lock, tag }
        }))
    }

    /// Records that an effect waits for another execution, and tells its asker.
    pub(super) async fn delay(
        &self,
        id: &ExecutionId,
        path: &str,
        behind: &ExecutionId,
    ) -> Result<(), Error> {
        let waits = |step: &Step| step.wants_doing() && !step.under_way;
        let event =
            |_: &Step| EffectDelayed { path: path.to_owned(), behind: behind.clone() }.into();
        let told =
            |execution: &Execution, step: &Step| match execution.started.place.network == NETWORK {
                true => vec![],
                false => vec![self.tell_delay(execution, path, step, behind)],
            };
        self.record_with(id, path, waits, event, told).await.map(|_| ())
    }

    fn tell_delay(
        &self,
        execution: &Execution,
        path: &str,
        step: &Step,
        behind: &ExecutionId,
    ) -> Write {
        let started = &execution.started;
        let action = step.args["action"].as_str().unwrap_or_default();
        let lock = step.lock.as_deref().unwrap_or_default();
        let text = words::waits_for_lock(&started.requester.name, action, behind.short(), lock);
        let place = format!("{path}-delay-{}", execution.version);
        let message = MessageQueued {
            message: self.store.key().message(execution.id.as_str(), &place),
            place: started.place.clone(),
            reply_to: Some(started.post.clone()),
            edits: None,
            doc: Doc::text(&text),
            attachment: None,
            notify: vec![],
            execution: Some(execution.id.clone()),
            question: None,
        };
        queued(&meta_of(execution), message)
    }
}
