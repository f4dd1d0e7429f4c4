//! Late commands: held back and gathered, asked about once, and run when they are wanted.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{answer, noted};
use crate::domain::builtin::Builtin;
use crate::domain::catch_up::{
    self, ANSWER_MS_MAX, ASK, GATHER, GATHER_MS, HOLD, Held, Next, RUN, hold_path,
};
use crate::domain::event::{
    EffectClass, EffectRequested, Ending, Event, ExecutionStarted, ExecutionSuspended,
    ExecutionYielded, Meta, NewEvent, Recorded, Verdict, Versions, Wants,
};
use crate::domain::execution::Execution;
use crate::domain::id::{PostId, StreamName, Timestamp, Version};
use crate::processor::dispatch::{Late, Origin, RHAI_VERSION, Routed, msg};
use crate::processor::sheet::{Asking, Prepared, Sheet};
use crate::processor::{Error, Kernel, write};
use crate::script::host::HOST_VERSION;
use crate::store::{Direction, Expected, ReadError, Subject};

impl Kernel {
    /// Holds a late command back: with others of the same person here, or as the first of them.
    pub(in crate::processor) fn hold(
        &self,
        recorded: &Recorded,
        at: Timestamp,
        origin: &Origin,
    ) -> Result<Routed, Error> {
        let trigger = recorded.id.stream.clone();
        let held = Held { trigger, at, command: origin.text.to_owned() };
        let meta = origin.meta(recorded);
        let (id, expected, events) = match self.gathering(origin)? {
            Some(open) => {
                let path = hold_path(catch_up::held(&open).len());
                let step = noted(path, HOLD, held.args(), Value::Null);
                (open.id.clone(), Expected::Exact(open.version), vec![NewEvent::with(&meta, step)])
            }
            None => {
                let stream = &recorded.id.stream;
                let id = self.execution_id(stream, &Builtin::CatchUp.handler());
                (id, Expected::NoStream, self.begin_gathering(recorded, origin, &held, &meta)?)
            }
        };
        let verdict = match expected {
            Expected::NoStream => Verdict::Started(id.clone()),
            _ => Verdict::Continued(id.clone()),
        };
        let reason = "it came late, so its sender is asked whether they still want it";
        let writes = vec![write(StreamName::execution(&id), expected, events)];
        Ok(Routed::new(verdict, reason, writes))
    }

    /// The execution that still gathers late commands of this person in this room.
    fn gathering(&self, origin: &Origin) -> Result<Option<Arc<Execution>>, ReadError> {
        let room = self.pseudonym_of(&origin.place.room);
        let actor = self.store.pseudonym(&Subject::Person(origin.speaker.id.0.clone()));
        let id = self.agenda(|agenda| {
            agenda.gathers(Builtin::CatchUp, room.as_ref(), actor.as_ref()).cloned()
        });
        let Some(id) = id else { return Ok(None) };
        Ok(self.execution(&id)?.filter(|execution| catch_up::takes_more(execution)))
    }

    fn begin_gathering(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        held: &Held,
        meta: &Meta,
    ) -> Result<Vec<NewEvent>, ReadError> {
        let started = ExecutionStarted {
            trigger: recorded.id.clone(),
            handler: Builtin::CatchUp.handler(),
            args: json!({}),
            msg: msg(recorded, origin, &*self.people()?),
            command: origin.text.to_owned(),
            place: origin.place.clone(),
            requester: origin.speaker.clone(),
            post: origin.post.cloned().unwrap_or_else(|| PostId(String::new())),
            versions: Versions { host: HOST_VERSION, rhai: RHAI_VERSION.into() },
        };
        let gather = EffectRequested {
            path: GATHER.into(),
            op: "sleep".into(),
            args: json!({ "ms": GATHER_MS }),
            line: 0,
            class: EffectClass::Log,
            due: Some(self.clock.now().plus_ms(GATHER_MS)),
            decision: None,
        };
        let step = noted(hold_path(0), HOLD, held.args(), Value::Null);
        let events: [Event; 4] =
            [started.into(), gather.into(), step.into(), ExecutionSuspended {}.into()];
        Ok(events.into_iter().map(|event| NewEvent::with(meta, event)).collect())
    }

    /// Asks, or decides on the next command that is wanted.
    pub(super) async fn catch_up_slice(&self, execution: &Execution) -> Result<Prepared, Error> {
        let now = self.clock.now();
        let mut sheet = Sheet::new(self, execution);
        match catch_up::next(execution, now) {
            Next::Gather | Next::Wait => sheet.event(ExecutionSuspended {}),
            Next::Ask(text) => {
                sheet.event(EffectRequested {
                    path: ASK.into(),
                    op: "confirm".into(),
                    args: json!({ "question": text }),
                    line: 0,
                    class: EffectClass::Log,
                    due: Some(now.plus_ms(ANSWER_MS_MAX)),
                    decision: None,
                });
                let from = vec![execution.started.requester.id.clone()];
                sheet.ask(Asking { from, ..Asking::new(ASK, Wants::YesNo, text) });
                sheet.event(ExecutionSuspended {});
            }
            Next::Run(path, held) => {
                let (became, routed) = self.run_held(&held).await?;
                sheet.event(noted(path, RUN, held.args(), became));
                sheet.write(routed.map(|routed| routed.writes).unwrap_or_default());
                sheet.event(ExecutionYielded {});
            }
            Next::Done => sheet.finished(Ending::Succeeded(json!(true))),
            Next::Leave(text) => {
                answer(&mut sheet, execution, "left", &text);
                sheet.finished(Ending::Succeeded(json!(false)));
            }
        }
        Ok(sheet.finish())
    }

    /// Leaves out the wanted command whose first step does not fit into the log, and says so; the others go on.
    pub(in crate::processor) async fn skip_held(
        &self,
        execution: &Execution,
        why: &str,
    ) -> Result<(), Error> {
        let Next::Run(path, held) = catch_up::next(execution, self.clock.now()) else {
            return self.give_up(execution, why.to_owned()).await;
        };
        let mut sheet = Sheet::new(self, execution);
        let text =
            format!("“{}”: that leads to more than I can record ({why}).", held.shown_command());
        answer(&mut sheet, execution, &path, &text);
        sheet.event(noted(path, RUN, held.args(), json!({ "refused": why })));
        sheet.event(ExecutionYielded {});
        let prepared = sheet.finish();
        let expected = Expected::Exact(execution.version);
        let mut batch =
            vec![write(StreamName::execution(&execution.id), expected, prepared.events)];
        batch.extend(prepared.others);
        self.append(batch).await?;
        Ok(())
    }

    /// Decides anew on a command that is wanted, and what became of it in words.
    async fn run_held(&self, held: &Held) -> Result<(Value, Option<Routed>), Error> {
        let found = self.store.read(&held.trigger, Version::START, Direction::Forward, 1)?;
        let recorded = found.first();
        let trigger = recorded.and_then(|recorded| match recorded.event() {
            Some(Event::TriggerRecorded(e)) => Some(&e.trigger),
            _ => None,
        });
        let (Some(recorded), Some(trigger)) = (recorded, trigger) else {
            return Ok((json!({ "gone": "it is erased" }), None));
        };
        let routed = Box::pin(self.route(recorded, trigger, Late::Run)).await?;
        let became = json!({ "considered": routed.considered, "verdict": routed.verdict, "reason": routed.reason });
        Ok((became, Some(routed)))
    }
}
