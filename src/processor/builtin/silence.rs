//! `!shut up` at work: what is meant is found by its name, and who asks is asked back before more than one thing is silenced.

use serde_json::{Value, json};

use super::answer;
use crate::domain::event::{
    EffectClass, EffectRequested, EffectResult, Ending, ExecutionSuspended, Wants,
};
use crate::domain::execution::Execution;
use crate::domain::silence::{Meant, TARGETS_MAX, Target, meant};
use crate::domain::words::silences as words;
use crate::domain::words::switches::clock;
use crate::domain::words::to;
use crate::processor::sheet::{Asking, Prepared, Sheet};
use crate::processor::silences::Wish;
use crate::processor::{Error, Kernel, meta_of};

/// The step that asks whether all of them are meant.
const ALL: &str = "all";
/// The path of the message that tells of it.
const TOLD: &str = "told";
/// How long who asks may take to say which are meant.
const ANSWER_MS: i64 = 10 * 60 * 1000;

impl Kernel {
    /// Silences what is meant, or asks about it.
    pub(super) fn silence_slice(&self, execution: &Execution) -> Result<Prepared, Error> {
        let mut sheet = Sheet::new(self, execution);
        let args = &execution.started.args;
        let name = &execution.started.requester.name;
        let asked = execution.steps.get(ALL);
        let answered = asked.and_then(|step| step.result.as_ref());
        match (asked, answered) {
            (Some(_), None) => sheet.event(ExecutionSuspended {}),
            (Some(step), Some(EffectResult::Ok(Value::Bool(true)))) => {
                let targets: Result<Vec<Target>, _> =
                    serde_json::from_value(step.args["targets"].clone());
                self.silence_these(&mut sheet, execution, &targets.unwrap_or_default())?;
            }
            (Some(_), Some(_)) => {
                answer(&mut sheet, execution, TOLD, words::LEFT);
                sheet.finished(Ending::Succeeded(Value::Null));
            }
            (None, _) => {
                let what = args["what"].as_str().unwrap_or_default();
                match meant(what, &self.silenceable()?) {
                    Meant::One(target) => {
                        self.silence_these(&mut sheet, execution, &[target])?;
                    }
                    Meant::Several(all) if all.len() <= TARGETS_MAX => {
                        self.ask_which(&mut sheet, execution, what, &all);
                    }
                    Meant::Several(all) => {
                        let why = words::too_many_meant(what, all.len(), TARGETS_MAX);
                        answer(&mut sheet, execution, TOLD, &to(name, &why));
                        sheet.finished(Ending::Succeeded(json!(why)));
                    }
                    Meant::Nothing(near) => {
                        let why = words::unknown(what, near.as_deref());
                        answer(&mut sheet, execution, TOLD, &to(name, &why));
                        sheet.finished(Ending::Succeeded(json!(why)));
                    }
                }
            }
        }
        Ok(sheet.finish())
    }

    fn ask_which(&self, sheet: &mut Sheet, execution: &Execution, what: &str, all: &[Target]) {
        let ms = execution.started.args["ms"].as_i64().unwrap_or_default();
        let text = words::which(what, all, ms);
        sheet.event(EffectRequested {
            path: ALL.into(),
            op: "confirm".into(),
            args: json!({ "question": text, "targets": all, "or_else": false }),
            line: 0,
            class: EffectClass::Log,
            due: Some(self.clock.now().plus_ms(ANSWER_MS)),
            decision: None,
        });
        let from = vec![execution.started.requester.id.clone()];
        sheet.ask(Asking { from, ..Asking::new(ALL, Wants::YesNo, text) });
        sheet.event(ExecutionSuspended {});
    }

    fn silence_these(
        &self,
        sheet: &mut Sheet,
        execution: &Execution,
        targets: &[Target],
    ) -> Result<(), Error> {
        let started = &execution.started;
        let (who, place) = (&started.requester, &started.place);
        let refused = targets.iter().find_map(|target| self.may_silence(target, who, place));
        let (ms, why) = (&started.args["ms"], &started.args["why"]);
        let wish = Wish {
            ms: ms.as_i64().unwrap_or_default(),
            by: Some(&who.id),
            who: &who.name,
            why: why.as_str().unwrap_or_default(),
            place,
        };
        let made = match refused {
            Some(why) => Err(why),
            None => self.silence(execution.id.as_str(), targets, &wish, &meta_of(execution))?,
        };
        let words = match made {
            Ok(writes) => {
                sheet.write(writes);
                let (now, zone) = (self.clock.now(), self.settings().zone.clone());
                let names: Vec<&str> = targets.iter().map(|it| it.name.as_str()).collect();
                words::silenced(&names, wish.ms, &clock(now.plus_ms(wish.ms), now, &zone))
            }
            Err(why) => to(&who.name, &why),
        };
        answer(sheet, execution, TOLD, &words);
        sheet.finished(Ending::Succeeded(json!(words)));
        Ok(())
    }
}
