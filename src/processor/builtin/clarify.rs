//! Asking back at work: the person is asked, and what they meant is decided on as if they had said so.

use serde_json::{Value, json};

use super::answer;
use crate::domain::clarify::{self, ANSWER_MS_MAX, Next};
use crate::domain::event::{
    EffectClass, EffectRequested, Ending, ExecutionSuspended, Recorded, Verdict, Wants,
};
use crate::domain::execution::Execution;
use crate::domain::route;
use crate::processor::dispatch::{Origin, Routed};
use crate::processor::sheet::{Asking, Prepared, Sheet};
use crate::processor::{Error, Kernel};

impl Kernel {
    /// Asks the next question, or runs what is clear now.
    pub(super) async fn clarify_slice(&self, execution: &Execution) -> Result<Prepared, Error> {
        let mut sheet = Sheet::new(self, execution);
        match clarify::next(execution, &self.settings().prefix) {
            Next::Ask { path, text, choices } => {
                sheet.event(EffectRequested {
                    path: path.clone(),
                    op: "ask".into(),
                    args: json!({ "question": text, "choices": choices }),
                    line: 0,
                    class: EffectClass::Log,
                    due: Some(self.clock.now().plus_ms(ANSWER_MS_MAX)),
                    decision: None,
                });
                let from = vec![execution.started.requester.id.clone()];
                sheet.ask(Asking { from, choices, ..Asking::new(&path, Wants::Text, text) });
                sheet.event(ExecutionSuspended {});
            }
            Next::Wait => sheet.event(ExecutionSuspended {}),
            Next::Run { alias, args, command } => {
                let routed = self.run_clear(execution, &alias, args, &command).await?;
                let became = match &routed.verdict {
                    Verdict::Started(id) => json!({ "started": id, "decision": routed.decision }),
                    _ => json!({ "refused": routed.reason, "decision": routed.decision }),
                };
                sheet.write(routed.writes);
                sheet.finished(Ending::Succeeded(became));
            }
            Next::Leave(text) => {
                answer(&mut sheet, execution, "left", &text);
                sheet.finished(Ending::Succeeded(Value::Null));
            }
        }
        Ok(sheet.finish())
    }

    /// Starts what is clear now, for who asked and where they asked, if they may still run it.
    async fn run_clear(
        &self,
        execution: &Execution,
        alias: &str,
        args: Value,
        command: &str,
    ) -> Result<Routed, Error> {
        let started = &execution.started;
        let Some(recorded): Option<Recorded> = self.store.event(&started.trigger)? else {
            return Ok(Routed::ignored("", "what asked for it is not in the log any more"));
        };
        let origin = Origin {
            place: &started.place,
            speaker: &started.requester,
            post: Some(&started.post),
            target: None,
            text: command,
        };
        self.learn(&started.requester, &started.place).await?;
        let scene = self.scene()?;
        let decision = self.decide(&scene, self.clock.now(), |view| {
            route::chosen(alias, args, &started.requester, &started.place, view)
        });
        Box::pin(self.act(&recorded, &origin, &scene, decision)).await
    }
}
