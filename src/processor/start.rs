//! Starts executions: as was decided, behind a gate where policies ask for approvals.

use serde_json::Value;

use super::dispatch::{Origin, RHAI_VERSION};
use super::{Error, Kernel, write};
use crate::domain::approval::Terms;
use crate::domain::builtin::Builtin;
use crate::domain::event::{ExecutionStarted, Handler, NewEvent, Recorded, Versions};
use crate::domain::execution::Execution;
use crate::domain::id::{ExecutionId, PostId, StreamName};
use crate::domain::policy::Permission;
use crate::script::host::HOST_VERSION;
use crate::store::{Expected, ReadError, Write};

impl Kernel {
    /// The id of the execution that a trigger starts.
    pub(super) fn execution_id(&self, trigger: &StreamName, handler: &Handler) -> ExecutionId {
        self.store.key().execution(trigger, &Builtin::cause(handler), 0)
    }

    /// Starts an execution and runs its first slice, as was decided: policies that change meanwhile change nothing of it.
    pub(super) async fn start(
        &self,
        recorded: &Recorded,
        origin: &Origin<'_>,
        handler: Handler,
        args: Value,
        decided: Option<&Permission>,
    ) -> Result<Vec<Write>, Error> {
        let id = self.execution_id(&recorded.id.stream, &handler);
        let started = self.started(recorded, origin, handler, args)?;
        let execution = Execution::begin(id.clone(), started.clone(), self.clock.now());
        let needs = decided.and_then(|permission| permission.needs.clone());
        let gated = self.demanded(&execution).is_some();
        let prepared = match needs.filter(|_| gated) {
            Some(needs) => {
                let checks = self.as_decided()?;
                let mut prepared = self.gate(&execution, Terms::from(needs)).await?;
                prepared.others.extend(checks);
                prepared
            }
            None => self.prepare(&execution, true).await?,
        };
        let mut events = vec![NewEvent::with(&origin.meta(recorded), started)];
        events.extend(prepared.events);
        let mut writes = vec![write(StreamName::execution(&id), Expected::NoStream, events)];
        writes.extend(prepared.others);
        Ok(writes)
    }

    /// Starts an execution whose first slice is a step of its own.
    pub(super) fn only_start(
        &self,
        recorded: &Recorded,
        origin: &Origin<'_>,
        handler: Handler,
        args: Value,
    ) -> Result<Vec<Write>, Error> {
        let id = self.execution_id(&recorded.id.stream, &handler);
        let started = self.started(recorded, origin, handler, args)?;
        let events = vec![NewEvent::with(&origin.meta(recorded), started)];
        Ok(vec![write(StreamName::execution(&id), Expected::NoStream, events)])
    }

    fn started(
        &self,
        recorded: &Recorded,
        origin: &Origin<'_>,
        handler: Handler,
        args: Value,
    ) -> Result<ExecutionStarted, ReadError> {
        Ok(ExecutionStarted {
            trigger: recorded.id.clone(),
            handler,
            args,
            msg: self.msg_with_alert(recorded, origin)?,
            command: origin.text.to_owned(),
            place: origin.place.clone(),
            requester: origin.speaker.clone(),
            post: origin.post.or(origin.target).cloned().unwrap_or_else(|| PostId(String::new())),
            versions: Versions { host: HOST_VERSION, rhai: RHAI_VERSION.into() },
        })
    }
}
