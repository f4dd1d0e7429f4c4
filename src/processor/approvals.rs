//! Approvals at work: what is asked of whom, what one more vote does, and what stands in the room afterwards.
//!
//! A policy can demand an approval before anything of a command runs: that is the gate, the first step of its execution.

use serde_json::{Value, json};

use super::dispatch::{Origin, Routed};
use super::sheet::{Prepared, Sheet, queued};
use super::{Error, Kernel, write};
use crate::domain::approval::{
    self, Approval, ApprovalVoided, ApprovalVoted, Ballot, Decided, GATE_MS, Held, How, Rules,
    Terms, Voter,
};
use crate::domain::ballot::Spoken;
use crate::domain::bridge::Account;
use crate::domain::builtin::Builtin;
use crate::domain::conversation::OpenQuestion;
use crate::domain::event::{
    EffectClass, EffectRequested, EffectResult, Event, ExecutionSuspended, HandlerKind,
    MessageQueued, Meta, NewEvent, Recorded, Verdict,
};
use crate::domain::execution::{Execution, Step};
use crate::domain::grant_command;
use crate::domain::id::{PostId, StreamName, UserId};
use crate::domain::message::Doc;
use crate::domain::order::ordered_action;
use crate::domain::path::GATE;
use crate::domain::phrase;
use crate::domain::policy::{Permission, PolicyAction, Resource};
use crate::domain::trigger::What;
use crate::domain::words::{approvals as words, grants};
use crate::store::{Expected, ReadError, Write};

impl Kernel {
    /// Begins an execution that a policy lets run only when others approve it.
    pub(super) async fn gate(
        &self,
        execution: &Execution,
        mut terms: Terms,
    ) -> Result<Prepared, Error> {
        let mut sheet = Sheet::new(self, execution);
        if terms.takes_encryption() && !execution.started.place.encrypted {
            // Nobody is asked what nobody can answer.
            let why = words::NEVER_HERE.to_owned();
            sheet.not_run(approval::NEVER_HERE.to_owned(), why, true);
            return Ok(sheet.finish());
        }
        let handler = &execution.started.handler;
        if let Some(script) = self.scripts.version(&handler.script, self.store.as_ref())?
            && Builtin::of(handler).is_none()
        {
            self.keep_libraries(&script).await?;
            sheet.keep_script(&script)?;
        }
        let args = &execution.started.args;
        let what = match (Builtin::of(handler), args["account"].as_str()) {
            (Some(Builtin::Grant), Some(account)) => {
                // Nobody approves that they may do something.
                terms.not.push(UserId(account.to_owned()));
                grants::asked(args)
            }
            _ => execution.started.command.clone(),
        };
        sheet.event(EffectRequested {
            path: GATE.into(),
            op: "approve".into(),
            args: json!({ "question": what, "terms": terms }),
            line: 0,
            class: EffectClass::Log,
            due: Some(self.clock.now().plus_ms(GATE_MS)),
            decision: None,
        });
        sheet.request(GATE, &what, terms)?;
        sheet.event(ExecutionSuspended {});
        Ok(sheet.finish())
    }

    /// What comes of an execution whose gate is closed; none: it may run.
    ///
    /// An open one is looked at once more before anything of the execution runs: what was approved is what runs.
    pub(super) async fn closed_gate(
        &self,
        execution: &Execution,
    ) -> Result<Option<Prepared>, Error> {
        let Some(step) = execution.steps.get(GATE) else { return Ok(None) };
        let mut sheet = Sheet::new(self, execution);
        match (&step.result, &step.approval) {
            (Some(EffectResult::Ok(_)), Some(approval)) => {
                if execution.steps.len() > 1 || self.rules().ignore_content() {
                    return Ok(None);
                }
                let started = &execution.started;
                self.learn(&started.requester, &started.place).await?;
                let now = self.content_now(execution, &approval.requested).await?;
                let Some(void) = approval::differs(&approval.requested, &now) else {
                    return Ok(None);
                };
                let error = approval::voided(&void);
                sheet.event(void);
                let message = error["message"].as_str().unwrap_or_default().to_owned();
                sheet.not_run(approval::VOID.to_owned(), message, true);
            }
            (Some(EffectResult::Ok(_)), None) => return Ok(None),
            (None, _) => sheet.event(ExecutionSuspended {}),
            (Some(EffectResult::Err(error)), _) => {
                let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
                let tell = !self.told_called_off(execution);
                sheet.not_run(text("kind"), text("message"), tell);
            }
        }
        Ok(Some(sheet.finish()))
    }

    /// Takes in a vote. Whether it counts is looked at first: what would run is worked out for those only whose vote does.
    pub(super) async fn voted(
        &self,
        recorded: &Recorded,
        origin: &Origin<'_>,
        question: &OpenQuestion,
        answer: &Value,
    ) -> Result<Routed, Error> {
        let execution = self.execution(&question.execution)?;
        let step = execution.as_ref().and_then(|it| it.steps.get(&question.path));
        let approval = step.filter(|step| step.asks()).and_then(|step| step.approval.clone());
        let (Some(execution), Some(approval)) = (&execution, approval) else {
            return Ok(Routed::ignored("approval", "it is decided already"));
        };
        let Some(spoken) = Spoken::of(answer) else {
            return Ok(Routed::ignored("approval", "it is no vote"));
        };
        // What is looked at from here on must still be so when the vote is recorded.
        let checks = self.as_decided()?;
        let (voter, decision) = self.voter(execution, origin, &approval.requested.terms);
        let vague = spoken.vague;
        let ballot = ballot(recorded, origin, question, spoken);
        let people = self.people()?;
        let who = &origin.speaker.name;
        let refused = {
            let person_of = |account: &UserId| people.voter_of(account);
            approval::refused(&approval, &voter, &ballot, &person_of, &self.rules())
        };
        let told = match &refused {
            Some(why) => Some(words::refusal(who, why, &question.phrase)),
            None => vague.then(|| {
                let how = words::how_to_vote(&question.phrase);
                format!("{who}: on “{}” {how}.", approval.requested.what)
            }),
        };
        if let Some(told) = told {
            return Ok(Routed { decision, ..self.not_counted(recorded, origin, question, told) });
        }
        let started = &execution.started;
        self.learn(&started.requester, &started.place).await?;
        let now = self.content_now(execution, &approval.requested).await?;
        let person_of = |account: &UserId| people.voter_of(account);
        let decided = approval::vote(&approval, &voter, &ballot, &now, &person_of, &self.rules());
        let routed = match decided {
            Decided::Refused(why) => {
                let told = words::refusal(who, &why, &question.phrase);
                self.not_counted(recorded, origin, question, told)
            }
            Decided::Voted(vote) => self.counted(recorded, origin, execution, approval, vote),
            Decided::Void(void) => self.void(recorded, origin, execution, &approval, void),
        };
        let writes = routed.writes.into_iter().chain(checks).collect();
        Ok(Routed { decision, writes, ..routed })
    }

    /// That who is one person and which policies hold has not moved on when something is recorded.
    pub(super) fn as_decided(&self) -> Result<Vec<Write>, ReadError> {
        let people = self.people_at()?.map_or(Expected::NoStream, Expected::Exact);
        let mut checks = vec![write(StreamName::people(), people, vec![])];
        if let Some(at) = self.policies.recorded_at() {
            checks.push(write(StreamName::policies(), Expected::Exact(at), vec![]));
        }
        Ok(checks)
    }

    /// Who votes, with what policies say of that.
    fn voter<'a>(
        &self,
        execution: &Execution,
        origin: &Origin<'a>,
        terms: &Terms,
    ) -> (Voter<'a>, Option<Permission>) {
        let roles = self.roles(origin.speaker, origin.place);
        let (barred, decision) = self.barred(execution, origin, terms);
        let voter = Voter {
            speaker: origin.speaker,
            encrypted: origin.place.encrypted,
            roles: roles.into_iter().map(Held::from).collect(),
            barred,
        };
        (voter, decision)
    }

    /// A vote that does not count is answered, with the reason.
    fn not_counted(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        question: &OpenQuestion,
        told: String,
    ) -> Routed {
        // A reply to that votes as well.
        let (message, writes) = self.ask_back(recorded, origin, Doc::text(&told), Some(question));
        Routed::new(Verdict::Refused(message), told, writes)
    }

    fn counted(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        execution: &Execution,
        mut approval: Approval,
        vote: ApprovalVoted,
    ) -> Routed {
        approval.votes.push(vote.clone());
        let told = words::progress(&requester(execution), &approval);
        let reason = format!("it votes on this, {:?}", vote.outcome).to_lowercase();
        let path = vote.path.clone();
        self.goes_on(recorded, origin, execution, &path, vote.into(), told, reason)
    }

    fn void(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        execution: &Execution,
        approval: &Approval,
        void: ApprovalVoided,
    ) -> Routed {
        let short = words::void_short(&void.changed);
        let told = words::closed(&requester(execution), &approval.requested.what, &short);
        let path = void.path.clone();
        self.goes_on(recorded, origin, execution, &path, void.into(), told, short)
    }

    #[expect(clippy::too_many_arguments, reason = "it is one batch, and these are its parts")]
    fn goes_on(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        execution: &Execution,
        path: &str,
        event: Event,
        told: String,
        reason: String,
    ) -> Routed {
        let meta = origin.meta(recorded);
        let stream = StreamName::execution(&execution.id);
        let expected = Expected::Exact(execution.version);
        let mut writes = vec![write(stream, expected, vec![NewEvent::with(&meta, event)])];
        writes.extend(self.prompt_edit(execution, path, &told, &meta));
        Routed::new(Verdict::Continued(execution.id.clone()), reason, writes)
    }

    /// What stands at the place of approvals that nobody waits for any more.
    pub(super) fn closed_prompts<'a>(
        &self,
        execution: &Execution,
        paths: impl Iterator<Item = &'a String>,
        how: &str,
        meta: &Meta,
    ) -> Vec<Write> {
        let edit = |path: &String| {
            let step = execution.steps.get(path).filter(|step| step.asks())?;
            let what = &step.approval.as_ref()?.requested.what;
            let told = words::closed(&requester(execution), what, how);
            self.prompt_edit(execution, path, &told, meta)
        };
        paths.filter_map(edit).collect()
    }

    /// Whether it was told in a line of its own, where an approval was asked for, that the execution is cancelled: so it is
    /// where nothing that was said can be changed.
    pub(super) fn told_called_off(&self, execution: &Execution) -> bool {
        let called_off = execution.steps.values().any(Step::is_called_off);
        called_off && !self.caps(&execution.started.place).edits
    }

    /// The prompt of an approval is changed to what has become of it.
    fn prompt_edit(
        &self,
        execution: &Execution,
        path: &str,
        told: &str,
        meta: &Meta,
    ) -> Option<Write> {
        let asked = execution.steps.get(path)?.question.as_ref()?;
        let prompt = self.queued(&asked.message).ok().flatten()?;
        let place = format!("{path}-outcome-{}", execution.version);
        let message = self.store.key().message(execution.id.as_str(), &place);
        Some(queued(
            meta,
            MessageQueued {
                message,
                reply_to: None,
                edits: Some(asked.message.clone()),
                doc: Doc::text(told),
                notify: vec![],
                question: None,
                ..prompt
            },
        ))
    }

    /// By what votes are judged.
    pub(super) fn rules(&self) -> Rules {
        *self.rules.read().expect("nobody panics with them")
    }

    /// Judges votes in another way, to show that this would be noticed.
    #[cfg(test)]
    pub fn judge_by(&self, rules: Rules) {
        *self.rules.write().expect("nobody panics with them") = rules;
    }

    /// An execution as it stands.
    #[cfg(test)]
    pub fn fold(
        &self,
        id: &crate::domain::id::ExecutionId,
    ) -> Result<Option<std::sync::Arc<Execution>>, ReadError> {
        self.execution(id)
    }
}

fn ballot(recorded: &Recorded, origin: &Origin, question: &OpenQuestion, spoken: Spoken) -> Ballot {
    let trigger = match recorded.event() {
        Some(Event::TriggerRecorded(e)) => Some(&e.trigger),
        _ => None,
    };
    let (post, reaction) = match trigger.map(|trigger| &trigger.what) {
        Some(What::Message(message)) => (message.post.clone(), false),
        Some(What::Reaction(reaction)) => (reaction.post.clone(), true),
        _ => (origin.post.cloned().unwrap_or_else(|| PostId(String::new())), false),
    };
    let replies = origin.target.is_some() && origin.target == question.post.as_ref();
    let how = match () {
        () if reaction => How::Reaction,
        () if phrase::said(&question.phrase, origin.text).is_some() => How::Phrase,
        () if replies => How::Reply,
        () => How::Typed,
    };
    // The clocks of those who vote say nothing: it counts when it was recorded.
    Ballot { vote: spoken.vote, how, reason: spoken.reason, post, at: recorded.wall }
}

/// Who asked, as others are told.
pub(super) fn requester(execution: &Execution) -> String {
    let who = &execution.started.requester;
    words::person(who, Some(&who.id))
}

impl Kernel {
    /// Somebody who ends what another one asked for, as others are told.
    pub(super) fn who_ends(&self, by: &UserId, execution: &Execution) -> String {
        let who = &execution.started.requester;
        if *by == who.id {
            return requester(execution);
        }
        let own = self.own_id();
        let server = own.as_str().split_once(':').map_or("", |(_, server)| server);
        let settings = self.settings();
        let called = match settings.bridges.account(by.as_str(), server) {
            Some(Account::Ghost(_, native)) => words::native(&native),
            _ => None,
        };
        called.unwrap_or_else(|| words::name(by, Some(&who.id)))
    }

    /// The accounts of whoever has this one, this one first.
    pub(super) fn accounts_of(&self, account: &UserId) -> Result<Vec<UserId>, ReadError> {
        let people = self.people()?;
        let others = people.accounts_of(&people.person_of(account));
        let others = others.into_iter().filter(|other| other != account);
        Ok(std::iter::once(account.clone()).chain(others).collect())
    }

    /// What policies say of an execution now, for who asked for it; none: they are not asked about it.
    pub(super) fn permission(&self, execution: &Execution) -> Option<Permission> {
        let started = &execution.started;
        let (action, resource) = self.demanded(execution)?;
        Some(self.may(action, resource, &started.requester, &started.place))
    }

    /// What policies are asked before an execution runs: to run it, or to manage grants for one that makes a grant.
    pub(super) fn demanded(&self, execution: &Execution) -> Option<(PolicyAction, Resource)> {
        match Builtin::of(&execution.started.handler) {
            Some(Builtin::Grant) => Some((PolicyAction::Manage, grant_command::resource())),
            _ => self.resource(execution).map(|resource| (PolicyAction::Run, resource)),
        }
    }

    /// What policies decide on when an execution is to run; none: what is built in is decided on where it is commanded.
    fn resource(&self, execution: &Execution) -> Option<Resource> {
        let offered = self.scripts.offered();
        if let Some(action) = ordered_action(&execution.started) {
            let def = offered.set.actions.get(action)?;
            return Some(Resource::operation(&def.name, &def.tags, def.role.as_deref()));
        }
        let name = &execution.started.handler.alias;
        if execution.started.handler.kind == HandlerKind::Rule {
            let mut rules = offered.catalog.rules.iter();
            return rules.find(|rule| rule.name == *name).map(Resource::rule);
        }
        let built_in = Builtin::of(&execution.started.handler).is_some();
        let alias = offered.catalog.aliases.iter().find(|alias| alias.name == *name);
        alias.filter(|_| !built_in).map(Resource::alias)
    }

    /// Why a policy does not let somebody approve this, if so, and what was decided.
    ///
    /// Where the approval names a role, holding it is enough unless a policy forbids it; else a policy must permit it. An
    /// approval that needs approvals itself is none.
    fn barred(
        &self,
        execution: &Execution,
        origin: &Origin,
        terms: &Terms,
    ) -> (Option<String>, Option<Permission>) {
        let Some(demanded) = self.demanded(execution) else { return (None, None) };
        // Who approves a grant could have given it: else anybody would do as the second person.
        let (action, resource, named) = match demanded {
            (PolicyAction::Run, resource) => {
                (PolicyAction::Approve, resource, terms.role.is_some())
            }
            (managed, resource) => (managed, resource, false),
        };
        let may = self.may(action, resource, origin.speaker, origin.place);
        let why = match action {
            PolicyAction::Approve => may.at_once(),
            _ => may.refusal().map(str::to_owned),
        };
        (why.filter(|_| may.allowed() || may.forbids() || !named), Some(may))
    }
}
