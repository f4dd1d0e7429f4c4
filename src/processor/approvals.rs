//! Approvals at work: what is asked of whom, what one more vote does, and what stands in the room afterwards.
//!
//! A policy can demand an approval before anything of a command runs: that is the gate, the first step of its execution.

use std::io::Read;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::dispatch::{Origin, Routed};
use super::sheet::{Prepared, Sheet, queued};
use super::{Error, Kernel, write};
use crate::domain::approval::{
    self, Approval, ApprovalVoided, ApprovalVoted, Ballot, Basis, Content, Decided, GATE_MS, Held,
    How, Rules, Terms, Voter,
};
use crate::domain::ballot::Spoken;
use crate::domain::builtin::Builtin;
use crate::domain::conversation::OpenQuestion;
use crate::domain::event::{
    EffectClass, EffectRequested, EffectResult, Event, ExecutionSuspended, MessageQueued, Meta,
    NewEvent, Recorded, Verdict,
};
use crate::domain::execution::Execution;
use crate::domain::grant_command;
use crate::domain::id::{PostId, ScriptHash, StreamName, Timestamp, UserId};
use crate::domain::message::Doc;
use crate::domain::order::ordered_action;
use crate::domain::path::GATE;
use crate::domain::phrase;
use crate::domain::policy::{PolicyAction, Resource};
use crate::domain::trigger::What;
use crate::domain::words::approvals as words;
use crate::script::action::ActionDef;
use crate::script::source::{Run, Script};
use crate::store::{Expected, ReadError, Write};

/// Largest program of an action that counts for what is approved, in bytes; of a larger one, its length and beginning do.
pub const PROGRAM_BYTES_MAX: u64 = 4 * 1024 * 1024;

impl Kernel {
    /// What would run if this were approved now.
    pub(super) fn content(
        &self,
        execution: &Execution,
        path: &str,
        what: &str,
        terms: &Terms,
    ) -> Result<Content, ReadError> {
        let started = &execution.started;
        let terms = serde_json::to_string(terms).unwrap_or_default();
        let mut basis = Basis::default()
            .with("command", format!("{} {}", started.handler.file, started.handler.alias))
            .with("parameters", phrase::canonical(&started.args))
            .with("room", started.place.room.as_str())
            .with("requester", started.requester.id.as_str())
            .with("request", format!("{what} {terms}"));
        if path == GATE {
            let needed = serde_json::to_string(&self.needed(execution)).unwrap_or_default();
            let refused = self.forbidden(execution).unwrap_or_default();
            basis = basis.with("policy", format!("{needed} {refused}"));
        }
        if Builtin::of(&started.handler).is_some() {
            return Ok(basis.content(self.store.key()));
        }
        let offered = self.scripts.offered();
        let file = &started.handler.file;
        let now = offered.set.scripts.get(file).map_or("gone", |script| script.hash.as_str());
        let hashes = format!("{} {now}", started.handler.script);
        basis = basis.with(format!("script {file}"), hashes);
        let pinned = self.scripts.version(&started.handler.script, self.store.as_ref())?;
        let pinned = pinned.as_deref();
        for def in offered.set.actions.values().filter(|def| uses(pinned, execution, def)) {
            let programs = programs(&offered.set.folder, def);
            // What is written in Rhai is as its script is; else only what is declared counts.
            let own = ActionDef { script: ScriptHash(String::new()), line: 0, ..def.clone() };
            let declared = match &def.body {
                Some(_) => def.script.to_string(),
                None => format!("{own:?}"),
            };
            basis = basis.with(format!("action {}", def.name), format!("{declared} {programs}"));
        }
        Ok(basis.content(self.store.key()))
    }

    /// Begins an execution that a policy lets run only when others approve it.
    pub(super) async fn gate(
        &self,
        execution: &Execution,
        terms: Terms,
    ) -> Result<Prepared, Error> {
        let mut sheet = Sheet::new(self, execution);
        let handler = &execution.started.handler;
        if let Some(script) = self.scripts.version(&handler.script, self.store.as_ref())?
            && Builtin::of(handler).is_none()
        {
            self.keep_libraries(&script).await?;
            sheet.keep_script(&script)?;
        }
        let what = execution.started.command.clone();
        sheet.event(EffectRequested {
            path: GATE.into(),
            op: "approve".into(),
            args: json!({ "question": what, "terms": terms }),
            line: 0,
            class: EffectClass::Log,
            due: Some(self.clock.now().plus_ms(GATE_MS)),
        });
        sheet.request(GATE, &what, terms)?;
        sheet.event(ExecutionSuspended {});
        Ok(sheet.finish())
    }

    /// What comes of an execution whose gate is closed; none: it may run.
    pub(super) fn closed_gate(&self, execution: &Execution) -> Option<Prepared> {
        let step = execution.steps.get(GATE)?;
        let mut sheet = Sheet::new(self, execution);
        match &step.result {
            Some(EffectResult::Ok(_)) => return None,
            None => sheet.event(ExecutionSuspended {}),
            Some(EffectResult::Err(error)) => {
                let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
                sheet.not_run(text("kind"), text("message"));
            }
        }
        Some(sheet.finish())
    }

    /// Takes in a vote.
    pub(super) fn voted(
        &self,
        recorded: &Recorded,
        origin: &Origin,
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
        let requested = &approval.requested;
        let now = self.content(execution, &requested.path, &requested.what, &requested.terms)?;
        let voter = self.voter(execution, origin, &requested.terms);
        let vague = spoken.vague;
        let ballot = ballot(recorded, origin, question, spoken);
        let people = self.people()?;
        let person_of = |account: &_| people.voter_of(account);
        let decided = approval::vote(&approval, &voter, &ballot, &now, &person_of, &self.rules());
        let who = &origin.speaker.name;
        match decided {
            Decided::Refused(why) => {
                let told = words::refusal(who, &why, &question.phrase);
                Ok(self.not_counted(recorded, origin, told))
            }
            Decided::Voted(_) if vague => {
                let told = format!("{who}: {}.", words::how_to_vote(&question.phrase));
                Ok(self.not_counted(recorded, origin, told))
            }
            Decided::Voted(vote) => Ok(self.counted(recorded, origin, execution, approval, vote)),
            Decided::Void(void) => Ok(self.void(recorded, origin, execution, &approval, void)),
        }
    }

    fn voter<'a>(&self, execution: &Execution, origin: &'a Origin, terms: &Terms) -> Voter<'a> {
        let roles = self.roles(origin.speaker, origin.place);
        Voter {
            speaker: origin.speaker,
            encrypted: origin.place.encrypted,
            roles: roles.into_iter().map(Held::from).collect(),
            barred: self.barred(execution, origin, terms),
        }
    }

    /// A vote that does not count is answered, with the reason.
    fn not_counted(&self, recorded: &Recorded, origin: &Origin, told: String) -> Routed {
        let (message, writes) = self.answer(recorded, origin, Doc::text(&told));
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
    fn rules(&self) -> Rules {
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
    let at: Timestamp = trigger.map_or(recorded.wall, |trigger| trigger.at);
    Ballot { vote: spoken.vote, how, reason: spoken.reason, post, at }
}

/// Who asked, as others are told.
pub(super) fn requester(execution: &Execution) -> String {
    let id = &execution.started.requester.id;
    words::name(id, Some(id))
}

/// Whether a script may run an action: it names it, or it names actions by what it works out.
fn uses(script: Option<&Script>, execution: &Execution, def: &ActionDef) -> bool {
    if ordered_action(&execution.started) == Some(def.name.as_str()) {
        return true;
    }
    let Some(script) = script else { return true };
    let alias = script.aliases.iter().find(|alias| alias.name == execution.started.handler.alias);
    if let Some(Run::Action(name)) = alias.map(|alias| &alias.run) {
        return *name == def.name;
    }
    let mut sources =
        std::iter::once(&script.source).chain(script.imports.iter().map(|import| &import.source));
    sources.any(|source| names(source, &def.name) || works_out(source))
}

fn names(source: &str, action: &str) -> bool {
    ['"', '`'].iter().any(|quote| source.contains(&format!("{quote}{action}{quote}")))
}

/// Whether a source calls `exec` with anything else than a plain text.
fn works_out(source: &str) -> bool {
    let calls = source.match_indices("exec").map(|(at, word)| &source[at + word.len()..]);
    let argument =
        |rest: &str| rest.trim_start().strip_prefix('(').map(|it| it.trim_start().chars().next());
    calls.filter_map(argument).flatten().any(|first| first != '"')
}

/// The hashes of the files that an action's command line names.
fn programs(folder: &Path, def: &ActionDef) -> String {
    let dir = folder.join(&def.folder);
    let hash = |part: &String| {
        let path = dir.join(part);
        let length = std::fs::metadata(&path).ok().filter(|it| it.is_file())?.len();
        let mut seen = vec![];
        let file = std::fs::File::open(&path).ok()?;
        file.take(PROGRAM_BYTES_MAX).read_to_end(&mut seen).ok()?;
        let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(&seen));
        Some(format!("{length}:{hash}"))
    };
    def.run.iter().filter_map(hash).collect::<Vec<_>>().join(" ")
}

impl Kernel {
    /// The accounts of whoever has this one, this one first.
    pub(super) fn accounts_of(&self, account: &UserId) -> Result<Vec<UserId>, ReadError> {
        let people = self.people()?;
        let others = people.accounts_of(&people.person_of(account));
        let others = others.into_iter().filter(|other| other != account);
        Ok(std::iter::once(account.clone()).chain(others).collect())
    }

    /// What policies demand before an execution runs, for who asked for it; none: nothing.
    pub(super) fn needed(&self, execution: &Execution) -> Option<Terms> {
        let started = &execution.started;
        let (action, resource) = self.demanded(execution)?;
        let (who, place) = (&started.requester, &started.place);
        self.may(action, resource, who, place).needs.map(Terms::from)
    }

    /// Why policies do not let it run any more for who asked for it, if so.
    fn forbidden(&self, execution: &Execution) -> Option<String> {
        let started = &execution.started;
        let (action, resource) = self.demanded(execution)?;
        let may = self.may(action, resource, &started.requester, &started.place);
        may.refusal().map(str::to_owned)
    }

    /// What policies are asked before an execution runs: to run it, or to manage grants for one that makes a grant.
    fn demanded(&self, execution: &Execution) -> Option<(PolicyAction, Resource)> {
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
        let built_in = Builtin::of(&execution.started.handler).is_some();
        let alias = offered.catalog.aliases.iter().find(|alias| alias.name == *name);
        alias.filter(|_| !built_in).map(Resource::alias)
    }

    /// Why a policy does not let somebody approve this, if so.
    ///
    /// Where the approval names a role, holding it is enough unless a policy forbids it; else a policy must permit it.
    fn barred(&self, execution: &Execution, origin: &Origin, terms: &Terms) -> Option<String> {
        // Who approves a grant could have given it: else anybody would do as the second person.
        let (action, resource, named) = match self.demanded(execution)? {
            (PolicyAction::Run, resource) => {
                (PolicyAction::Approve, resource, terms.role.is_some())
            }
            (managed, resource) => (managed, resource, false),
        };
        let may = self.may(action, resource, origin.speaker, origin.place);
        let forbidden = !may.policies.is_empty() || may.fault.is_some();
        may.refusal().filter(|_| forbidden || !named).map(str::to_owned)
    }
}
