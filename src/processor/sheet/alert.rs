//! What a script says of alerts and silences, as changes of them.

use serde_json::Value;

use super::Sheet;
use super::talk::{full_id, said, whom};
use crate::domain::alert::{Report, State};
use crate::domain::alert_event::{AlertFacts, Escalation};
use crate::domain::event::{ExecutionStarted, Handler, HandlerKind};
use crate::domain::silence::Target;
use crate::domain::trigger::Place;
use crate::domain::words::called;
use crate::processor::alerts::Alerting;
use crate::processor::silences::{Silencing, Wish};
use crate::script::journal::Entry;
use crate::store::ReadError;

impl<'a> Sheet<'a> {
    /// Something is wrong, is looked after, or is over.
    pub(super) fn alert(&mut self, entry: &Entry) -> Result<(), ReadError> {
        let (started, args) = (&self.execution.started, &entry.args);
        let text = |name: &str| args[name].as_str().unwrap_or_default().to_owned();
        let key = text("key");
        let stream = self.kernel.alert_stream(&key);
        let (kernel, meta) = (self.kernel, self.meta.clone());
        let alerting = self.alerting.get_or_insert_with(|| Alerting::new(kernel, meta));
        match State::of(&text("state")) {
            Some(State::Resolved) => {
                alerting.resolve(&stream, said(args))?;
            }
            Some(State::Acknowledged) => {
                let who = &started.requester;
                alerting.acknowledge(&stream, None, &who.name)?;
            }
            Some(State::Firing) | None => {
                let place = match args["room"].as_str() {
                    Some(room) => kernel.in_room(&started.place, room)?,
                    None => started.place.clone(),
                };
                // An alert has a thread of its own.
                let place = Place { thread: None, ..place };
                let labels = args["labels"].as_object().cloned().unwrap_or_default();
                let facts = AlertFacts {
                    severity: text("severity"),
                    link: text("link"),
                    host: text("host"),
                    source: text("source"),
                    labels,
                };
                let escalation = args["escalate_ms"].as_i64().map(|after_ms| {
                    let names = args["then"].as_array().into_iter().flatten();
                    let names: Vec<String> =
                        names.filter_map(Value::as_str).map(str::to_owned).collect();
                    let then = whom(&names, &started.requester.id);
                    Escalation { after_ms, due: self.now.plus_ms(after_ms), then }
                });
                let by = raised_by(started);
                let report = Report { key, place, doc: said(args), facts, by, escalation };
                alerting.report(report)?;
            }
        }
        Ok(())
    }

    /// Something is not told for a while.
    pub(super) fn silence(&mut self, entry: &Entry) -> Result<(), ReadError> {
        let (started, args) = (&self.execution.started, &entry.args);
        let text = |name: &str| args[name].as_str().unwrap_or_default().to_owned();
        let asker = &started.requester;
        let by = args["by"].as_str().map_or(asker.id.clone(), |by| full_id(by, &asker.id));
        let who = match args["who"].as_str() {
            Some(who) => who.to_owned(),
            None if by == asker.id => asker.name.clone(),
            None => called(&by).to_owned(),
        };
        let (what, why) = (text("what"), text("why"));
        let wish = Wish {
            ms: args["ms"].as_i64().unwrap_or_default(),
            by: Some(&by),
            who: &who,
            why: &why,
            place: &started.place,
        };
        let id = format!("{}-{}", self.execution.id, entry.path);
        let silencing = Silencing::of(&mut self.silencing, self.kernel, &self.meta)?;
        silencing.start(&id, &Target::parse(&what), &wish);
        Ok(())
    }

    /// Something speaks again.
    pub(super) fn unsilence(&mut self, entry: &Entry) -> Result<(), ReadError> {
        let asker = &self.execution.started.requester;
        let what = entry.args["what"].as_str().unwrap_or_default();
        let nonce = format!("{}-{}", self.execution.id, entry.path);
        let silencing = Silencing::of(&mut self.silencing, self.kernel, &self.meta)?;
        silencing.end(what, (Some(&asker.id), &asker.name), &nonce);
        Ok(())
    }
}

/// What raised an alert, as silences know it.
fn raised_by(started: &ExecutionStarted) -> String {
    let Handler { kind, alias, .. } = &started.handler;
    let kind = if *kind == HandlerKind::Rule { "rule" } else { "alias" };
    format!("{kind} {alias}")
}
