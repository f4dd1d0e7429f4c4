//! Rules: which of them run for a trigger, and what becomes of each that was considered.

use serde_json::Value;

use super::dispatch::{Origin, Routed};
use super::windows::Gate;
use super::{Error, Kernel};
use crate::domain::event::{ExecutionStarted, Handler, HandlerKind, Outcome, Recorded, Verdict};
use crate::domain::id::{RoomId, StreamName, UserId};
use crate::domain::named::NamedEvent;
use crate::domain::policy::{PolicyAction, Resource};
use crate::domain::route::EXECUTIONS_OPEN_MAX;
use crate::domain::rule::{self, NETWORK, On, Rule, STARTED_MAX};
use crate::domain::switch::Automation;
use crate::domain::trigger::{Message, Place, Speaker, Trust};
use crate::domain::words::rules as words;
use crate::processor::scripts::Offered;
use crate::script::criteria;
use crate::store::{ReadError, Write};

/// A rule that runs for a trigger, unless something keeps it from it.
struct Fired<'a> {
    rule: &'a Rule,
    /// What its handler gets.
    args: Value,
}

/// What rules came to: an outcome for each that was considered, and what follows.
#[derive(Default)]
pub(super) struct Ruled {
    pub outcomes: Vec<Outcome>,
    pub writes: Vec<Write>,
}

impl Kernel {
    /// Runs the rules that listen to a named trigger; so many executions go on by it already.
    pub(super) async fn rules_on(
        &self,
        recorded: &Recorded,
        event: &NamedEvent,
        already: usize,
    ) -> Result<Ruled, Error> {
        let offered = self.scripts.offered();
        let catalog = &offered.catalog;
        let fitting = catalog.rule_index.fitting(&catalog.rules, &event.name, &event.fields);
        let mut ruled = Ruled::default();
        let fields = Value::Object(event.fields.clone());
        let mut rules: Vec<&Rule> = vec![];
        for rule in fitting.iter().map(|number| &catalog.rules[*number]) {
            match self.kept_from(rule)? {
                Some(why) => ruled.outcomes.push(ignored(rule, why)),
                None => rules.push(rule),
            }
        }
        let mut fired = vec![];
        for (rule, held) in rules.iter().zip(self.criteria(&offered, &rules, &fields).await) {
            match held {
                Ok(true) => fired.push(Fired { rule, args: fields.clone() }),
                Ok(false) => {}
                Err(why) => self.criteria_failed(recorded, rule, &why, &mut ruled)?,
            }
        }
        for Fired { rule, args } in fired.iter().take(STARTED_MAX.saturating_sub(already)) {
            let place = self.place_of_rule(rule).await?;
            let speaker = speaker(rule);
            let origin = Origin {
                place: &place,
                speaker: &speaker,
                post: None,
                target: None,
                text: &event.name,
            };
            let alone = fired.len() == 1 && already == 0;
            self.fire(recorded, &origin, rule, args, alone, &mut ruled).await?;
        }
        for Fired { rule, .. } in fired.iter().skip(STARTED_MAX.saturating_sub(already)) {
            ruled.outcomes.push(ignored(rule, words::too_many(STARTED_MAX)));
        }
        Ok(ruled)
    }

    /// Runs the rules that listen to what people say to one another.
    pub(super) async fn rules_on_talk(
        &self,
        recorded: &Recorded,
        message: &Message,
    ) -> Result<Ruled, Error> {
        let offered = self.scripts.offered();
        let mut ruled = Ruled::default();
        let (place, speaker) = (&message.place, &message.speaker);
        let fired = self.overheard(&offered, message);
        let alone = fired.len() == 1;
        for (nth, (number, args)) in fired.into_iter().enumerate() {
            let rule = &offered.catalog.rules[number];
            if nth >= STARTED_MAX {
                ruled.outcomes.push(ignored(rule, words::too_many(STARTED_MAX)));
                continue;
            }
            if let Some(why) = self.kept_from(rule)? {
                ruled.outcomes.push(ignored(rule, why));
                continue;
            }
            let permission = self.may(PolicyAction::Run, Resource::rule(rule), speaker, place);
            // A rule waits for nobody's approval.
            if let Some(why) = permission.at_once() {
                let refused = ignored(rule, why);
                ruled.outcomes.push(Outcome { decision: Some(permission), ..refused });
                continue;
            }
            let origin = Origin {
                place,
                speaker,
                post: Some(&message.post),
                target: message.reply_to.as_ref(),
                text: &message.text,
            };
            self.fire(recorded, &origin, rule, &args, alone, &mut ruled).await?;
            if let Some(outcome) = ruled.outcomes.last_mut() {
                outcome.decision = Some(permission);
            }
        }
        Ok(ruled)
    }

    /// The rules that listen to what somebody says here to others, with what their handlers get.
    pub(super) fn overheard(&self, offered: &Offered, message: &Message) -> Vec<(usize, Value)> {
        let catalog = &offered.catalog;
        // What bots say to one another is no talk of people.
        if !catalog.rule_index.overhears() || message.hops > 0 || message.edits.is_some() {
            return vec![];
        }
        let room = &message.place.room;
        let here =
            |rooms: &[String]| self.listed(rooms, room) || rooms.contains(&message.place.name);
        catalog.rule_index.hearing(&catalog.rules, &message.text, &here)
    }

    /// Why a rule that would run does not, if so.
    pub(super) fn kept_from(&self, rule: &Rule) -> Result<Option<String>, ReadError> {
        let off = self.switched_off(Automation::Rule, &rule.name)?;
        Ok(off.map(|switch| self.off_reason(&switch)))
    }

    /// Whether any rule listens to a trigger of this name.
    pub fn listens(&self, trigger: &str) -> bool {
        self.scripts.offered().catalog.rule_index.listens(trigger)
    }

    /// Starts the execution of one rule; with others beside it, its first slice waits for the next step.
    async fn fire(
        &self,
        recorded: &Recorded,
        origin: &Origin<'_>,
        rule: &Rule,
        args: &Value,
        alone: bool,
        ruled: &mut Ruled,
    ) -> Result<(), Error> {
        if self.agenda(|agenda| agenda.open_executions()) >= EXECUTIONS_OPEN_MAX {
            ruled.outcomes.push(ignored(rule, words::too_many_open(EXECUTIONS_OPEN_MAX)));
            return Ok(());
        }
        let meta = origin.meta(recorded);
        let used = match self.gate_of_rule(rule, args, &meta)? {
            Gate::Open(used) => used,
            Gate::Closed(outcome, writes) => {
                ruled.outcomes.push(*outcome);
                ruled.writes.extend(writes);
                return Ok(());
            }
        };
        let handler = Handler {
            script: rule.script.clone(),
            file: rule.file.clone(),
            alias: rule.name.clone(),
            kind: HandlerKind::Rule,
        };
        let id = self.execution_id(&recorded.id.stream, &handler);
        let writes = match alone {
            true => self.start(recorded, origin, handler, args.clone(), None).await?,
            false => self.only_start(recorded, origin, handler, args.clone())?,
        };
        ruled.writes.extend(writes);
        ruled.writes.extend(used);
        ruled.outcomes.push(Outcome {
            considered: considered(rule),
            verdict: Verdict::Started(id),
            reason: words::fits(rule),
            decision: None,
        });
        Ok(())
    }

    /// Runs a rule once more with the same trigger, as it is today.
    pub(super) async fn repeat_rule(
        &self,
        recorded: &Recorded,
        origin: &Origin<'_>,
        started: &ExecutionStarted,
    ) -> Result<Routed, Error> {
        let offered = self.scripts.offered();
        let name = &started.handler.alias;
        let Some(rule) = offered.catalog.rules.iter().find(|rule| rule.name == *name) else {
            return Ok(Routed::ignored(&format!("rule {name}"), &words::gone(name)));
        };
        let mut ruled = Ruled::default();
        self.fire(recorded, origin, rule, &started.args, true, &mut ruled).await?;
        let outcome = ruled.outcomes.pop().expect("each rule has an outcome");
        let Outcome { considered, verdict, reason, decision } = outcome;
        Ok(Routed { considered, verdict, reason, writes: ruled.writes, decision })
    }

    /// Whether the criteria of rules hold, all asked on one thread.
    async fn criteria(
        &self,
        offered: &Offered,
        rules: &[&Rule],
        fields: &Value,
    ) -> Vec<Result<bool, String>> {
        if rules.iter().all(|rule| !rule.criteria) {
            return rules.iter().map(|_| Ok(true)).collect();
        }
        let asked: Vec<_> = rules
            .iter()
            .map(|rule| (offered.set.scripts.get(&rule.file).cloned(), rule.name.clone()))
            .collect();
        let (engine, fields, count) = (self.scripts.engine(), fields.clone(), rules.len());
        let (done, answer) = tokio::sync::oneshot::channel();
        let job = move || {
            let hold = asked.into_iter().map(|(script, name)| {
                let script = script.ok_or_else(|| words::gone(&name))?;
                let def = script.rules.iter().find(|def| def.name == name);
                criteria::holds(&engine, &script, def.ok_or_else(|| words::gone(&name))?, &fields)
            });
            drop(done.send(hold.collect()));
        };
        let failed = |why: String| (0..count).map(|_| Err(why.clone())).collect();
        match self.scripts.threads.run(job) {
            Err(why) => failed(why.to_string()),
            Ok(()) => answer.await.unwrap_or_else(|_| failed(words::broke_off())),
        }
    }

    /// The owner is told, once a day, of criteria that go wrong.
    fn criteria_failed(
        &self,
        recorded: &Recorded,
        rule: &Rule,
        why: &str,
        ruled: &mut Ruled,
    ) -> Result<(), ReadError> {
        ruled.outcomes.push(ignored(rule, words::criteria_failed(why)));
        let text = words::tell_criteria_failed(rule, why);
        let day = (self.clock.now().0 / super::DAY_MS).to_string();
        let message = self.store.key().message("notice", &format!("{day} {text}"));
        let stream = StreamName::message(&message);
        let told = self.store.version(&stream)?.is_some();
        if !told && ruled.writes.iter().all(|write| write.stream != stream) {
            let meta = super::dispatch::trigger_meta(recorded);
            ruled.writes.extend(self.notice(message, &meta, &text)?);
        }
        Ok(())
    }

    /// Where a rule speaks: in its room, else in the management room, else nowhere.
    async fn place_of_rule(&self, rule: &Rule) -> Result<Place, ReadError> {
        if let Some(name) = &rule.room {
            self.know_room(name).await;
        }
        let (room, name) = match (&rule.room, self.management_room()?) {
            (Some(name), _) => (self.room_called(name)?, name.clone()),
            (None, Some(room)) => (room, "management".to_owned()),
            (None, None) => (RoomId(String::new()), String::new()),
        };
        Ok(Place { encrypted: false, ..Self::alone(&room, &name) })
    }

    /// The room that a name stands for today; a name that nobody has resolved stands for itself.
    fn room_called(&self, name: &str) -> Result<RoomId, ReadError> {
        self.current_room(&self.room_of(name).unwrap_or_else(|| RoomId(name.to_owned())))
    }
}

/// Who a rule's execution runs for: nobody asked, and the rule stands for itself.
fn speaker(rule: &Rule) -> Speaker {
    Speaker {
        id: UserId(format!("{NETWORK}:{}", rule.name)),
        name: rule.name.clone(),
        network: NETWORK.into(),
        account: None,
        trust: Trust::Account,
        claims: vec![],
    }
}

fn considered(rule: &Rule) -> String {
    format!("rule {}", rule.name)
}

pub(super) fn ignored(rule: &Rule, reason: String) -> Outcome {
    let considered = considered(rule);
    Outcome { considered, verdict: Verdict::Ignored, reason, decision: None }
}

impl Kernel {
    /// Why a rule is not for a trigger, criterion by criterion; the last of them decides.
    ///
    /// # Errors
    /// [`Error`] if the log fails.
    pub async fn rule_why(&self, rule: &Rule, event: &NamedEvent) -> Vec<words::Criterion> {
        let On::Trigger { name, wanted } = &rule.on else { return vec![words::listens_to_talk()] };
        let mut found = vec![words::trigger(name, &event.name)];
        for (field, value) in wanted {
            found.push(words::wanted(field, value, rule::field(&event.fields, field)));
        }
        if rule.criteria && found.iter().all(|criterion| criterion.holds) {
            let fields = Value::Object(event.fields.clone());
            let offered = self.scripts.offered();
            let held = self.criteria(&offered, &[rule], &fields).await.pop();
            found.push(words::criteria(held.unwrap_or(Ok(false))));
        }
        found
    }
}
