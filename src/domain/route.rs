//! The decision on a trigger: run a handler, hand over an answer, speak, refuse, or ignore, each with its reason.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::again::Again;
use super::alias_index::{Begun, Found, Hit, damerau};
use super::ballot;
use super::bridge::Caps;
use super::builtin::Builtin;
use super::catalog::{Alias, Catalog};
use super::clarify;
use super::context::{self, Filled};
use super::conversation::{self, OpenQuestion, Reading, Said};
use super::execution_command::ExecutionCommand;
use super::help::{help, help_word};
use super::id::Timestamp;
use super::message::Doc;
use super::more_command;
use super::own_command::{self, OwnCommand, Where};
use super::pending_command::PendingCommand;
use super::people_command::PeopleCommand;
use super::person::{People, may_be_taken_for};
use super::phrase;
use super::policy::{Permission, PolicyAction, Resource};
use super::silence_command::SilenceCommand;
use super::slips::{command_said_plainly, mistyped, or_answer};
use super::switch_command::SwitchCommand;
use super::tell_command::TellCommand;
use super::trigger::{Address, Message, Place, Reaction, Speaker, Trust};
use super::why_command;
use super::words::{approvals, questions, routing as words, to};

/// Longest command in bytes.
pub const COMMAND_BYTES_MAX: usize = 8 * 1024;
/// Why a text runs nothing that fits no command.
pub const NO_ALIAS: &str = "no alias matches";
/// Why an answer counts as none.
pub const UNCLEAR: &str = "the answer is not understood";
/// Most executions that may be open at once.
pub const EXECUTIONS_OPEN_MAX: usize = 100_000;

/// What a decision is made from.
pub struct View<'a> {
    /// What the scripts offer.
    pub catalog: &'a Catalog,
    /// The questions that are open in this room.
    pub questions: &'a [OpenQuestion],
    /// The command prefix.
    pub prefix: &'a str,
    /// How many executions are open.
    pub open_executions: usize,
    /// When it was said.
    pub at: Timestamp,
    /// Who may do what where.
    pub may: &'a May<'a>,
    /// Where the bot's own commands may be said.
    pub places: Where<'a>,
    /// The question that it points at, if that is not asked any more.
    pub withdrawn: Option<&'a OpenQuestion>,
    /// What became of an approval that has just ended here, if it may be voted on too late.
    pub ended: Option<&'a str>,
    /// Which accounts belong to one person.
    pub people: &'a People,
    /// The roles that who speaks holds here.
    pub roles: &'a [String],
    /// So long after a question a bare answer is meant for it.
    pub stale_after_ms: i64,
    /// Why no policies can be used, if so: then nothing may be run.
    pub safe: Option<&'a str>,
    /// What can be shown in a place.
    pub caps: &'a Shows<'a>,
}

/// Answers what can be shown in a place.
pub type Shows<'a> = dyn Fn(&Place) -> Caps + Sync + 'a;

/// Answers whether somebody may do something with something in a place.
pub type May<'a> = dyn Fn(PolicyAction, Resource, &Speaker, &Place) -> Permission + Sync + 'a;

/// A decision with what it is about and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The alias, question or text that was considered.
    pub considered: String,
    /// What is to be done.
    pub act: Act,
    /// Why, in words.
    pub reason: String,
    /// Whether it is allowed, where that was asked.
    pub permission: Option<Permission>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Run the alias with this number.
    Run {
        /// Its place in the catalog.
        alias: usize,
        /// The handler's `args`.
        args: Value,
    },
    /// Run a built-in handler.
    BuiltIn {
        /// Which.
        builtin: Builtin,
        /// The handler's `args`.
        args: Value,
    },
    /// Run the alias with this number, once it is known what the conversation is about.
    Assume(Wanting),
    /// Hand an answer to the question with this number.
    Answer {
        /// Its place among the open questions.
        question: usize,
        /// What it means.
        value: Value,
    },
    /// Tell of what is offered and of who may use it.
    Tell(TellCommand),
    /// Look at executions, or change one.
    Executions(ExecutionCommand),
    /// Join accounts, part them, or tell who somebody is.
    People(PeopleCommand),
    /// Look at open questions.
    Pending(PendingCommand),
    /// Switch automation off or on.
    Switch(SwitchCommand),
    /// Look after what fires, or at what is silenced.
    Silence(SilenceCommand),
    /// Ask what an answer was meant for.
    AskBack {
        /// How.
        doc: Doc,
        /// The only question that it can be meant for, by its place among the open ones.
        question: Option<usize>,
    },
    /// Say why something is no answer to the question with this number.
    Unclear {
        /// How.
        doc: Doc,
        /// Its place among the open questions: a reply to this answers that one.
        question: usize,
    },
    /// Go on with a long answer.
    More(Option<more_command::Which>),
    /// Say something.
    Say(Doc),
    /// Say why it is not done.
    Refuse(Doc),
    /// Do nothing.
    Ignore,
}

/// A command that leaves out what the conversation may say.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanting {
    /// The alias: its place in the catalog.
    pub alias: usize,
    /// The format that the command fits.
    pub format: String,
    /// What it says.
    pub params: BTreeMap<String, Value>,
    /// The trailing `key=value` pairs.
    pub extra: BTreeMap<String, Value>,
}

impl Wanting {
    /// The handler's `args`, with these parameters.
    fn args(&self, params: &BTreeMap<String, Value>) -> Value {
        let mut args: Map<String, Value> = params.clone().into_iter().collect();
        args.insert("extra".into(), Value::Object(self.extra.clone().into_iter().collect()));
        Value::Object(args)
    }
}

pub(super) fn decision(
    considered: impl Into<String>,
    act: Act,
    reason: impl Into<String>,
) -> Decision {
    Decision { considered: considered.into(), act, reason: reason.into(), permission: None }
}

/// Decides on what a person said.
pub fn message(message: &Message, view: &View) -> Decision {
    if message.edits.is_some() {
        return decision("edit", Act::Ignore, "an edited message is never run again");
    }
    let text = message.command.as_ref().map_or(message.text.as_str(), |command| &command.text);
    let said = Said {
        speaker: &message.speaker,
        place: &message.place,
        text,
        addressed: message.command.is_some(),
        reaction: false,
        target: message.reply_to.as_ref(),
        at: view.at,
        people: view.people,
        roles: view.roles,
        stale_after_ms: view.stale_after_ms,
    };
    let reading = conversation::read(&said, view.questions);
    if message.speaker.trust == Trust::Nothing && (said.addressed || reading != Reading::Nothing) {
        let sorry = Doc::text(&words::unproven());
        return decision("message", Act::Refuse(sorry), "nothing proves who sent it");
    }
    if reading == Reading::Nothing
        && let Some(ended) = view.ended
    {
        let doc = Doc::text(&approvals::has_ended(&message.speaker.name, ended));
        return decision("approval", Act::Say(doc), "it has ended");
    }
    let too_late = || too_late(&reading, view, &said);
    let Some(command) = &message.command else {
        if let Some(decision) = command_said_plainly(&reading, view, text) {
            return decision;
        }
        // What is a command elsewhere is no value: who says it there did not mean the question.
        let lacks = matches!(&reading, Reading::Answers(q, _) if q.parameter.is_some());
        if lacks && (own_command::parse(text).is_some() || matches_alias(view.catalog, text)) {
            return answered(&Reading::Nothing, view, &said);
        }
        return too_late().unwrap_or_else(|| answered(&reading, view, &said));
    };
    if command.text.len() > COMMAND_BYTES_MAX {
        let sorry = Doc::text(&words::too_long(command.text.len(), COMMAND_BYTES_MAX));
        return decision("command", Act::Refuse(sorry), "the command is too long");
    }
    let to = message.reply_to.as_ref();
    let replies = to.is_some()
        && matches!(&reading, Reading::Answers(q, _)
            if to == q.post.as_ref() || to == Some(&q.origin) || to.is_some_and(|to| q.again.contains(to)));
    let chosen = matches!(&reading, Reading::Answers(q, _)
        if conversation::plain_word(q) && conversation::answer(q, text).is_some());
    let ours = own_command::parse(text);
    // Where no prefix is needed, `cancel` is how people say no.
    let own = ours.as_ref().is_some_and(OwnCommand::cancels_own) && command.by != Address::Direct;
    let cancels = own || ours.as_ref().is_some_and(OwnCommand::cancels_one);
    let command_of_ours = cancels || (ours.is_some() && !chosen);
    // Only where it may be an answer, too, is it looked up twice.
    let commands = || {
        command_of_ours
            || matches_alias(view.catalog, text)
            || !mistyped(&reading, &said, command).is_empty()
    };
    let asks_why = ours.as_ref().is_some_and(OwnCommand::asks_why);
    if reading != Reading::Nothing && !asks_why && !own && (replies || !commands()) {
        return answered(&reading, view, &said);
    }
    if view.withdrawn.is_some()
        && !commands()
        && let Some(decision) = too_late()
    {
        return decision;
    }
    if let Some(word) = help_word(text) {
        let help = help(view, &message.speaker, &message.place, word);
        return decision("help", Act::Say(help), "help was asked for");
    }
    let decision = commanded(text, command.by, message, view);
    match mistyped(&reading, &said, command).as_slice() {
        [question] => or_answer(decision, question, view, text),
        _ => decision,
    }
}

/// Whether a message is a command whatever is asked: what is decided on it has no need of the open questions.
pub fn answers_nothing(message: &Message, catalog: &Catalog) -> bool {
    let Some(command) = message.command.as_ref().filter(|_| message.reply_to.is_none()) else {
        return false;
    };
    let fits = command.text.len() <= COMMAND_BYTES_MAX;
    let cancels = || own_command::parse(&command.text).is_some_and(|ours| ours.cancels_one());
    fits && (cancels() || matches_alias(catalog, &command.text))
}

/// Decides on a reaction: it asks why, answers a question or is nothing.
pub fn reaction(reaction: &Reaction, view: &View) -> Decision {
    let said = Said {
        speaker: &reaction.speaker,
        place: &reaction.place,
        text: &reaction.key,
        addressed: false,
        reaction: true,
        target: Some(&reaction.target),
        at: view.at,
        people: view.people,
        roles: view.roles,
        stale_after_ms: view.stale_after_ms,
    };
    let proven = reaction.speaker.trust != Trust::Nothing;
    if let Some(args) = why_command::of_reaction(&reaction.key, &reaction.target).filter(|_| proven)
    {
        let act = Act::BuiltIn { builtin: Builtin::Why, args };
        return decision("command why", act, "it is a command of the bot itself");
    }
    let reading = conversation::read(&said, view.questions);
    if reaction.speaker.trust == Trust::Nothing && reading != Reading::Nothing {
        let sorry = Doc::text(&words::unproven());
        return decision("message", Act::Refuse(sorry), "nothing proves who sent it");
    }
    too_late(&reading, view, &said).unwrap_or_else(|| answered(&reading, view, &said))
}

/// What would have answered a question that is not asked any more is told so.
fn too_late(reading: &Reading, view: &View, said: &Said) -> Option<Decision> {
    let question = view.withdrawn.filter(|_| *reading == Reading::Nothing)?;
    if !conversation::asked(question, said) {
        return None;
    }
    conversation::answer(question, said.text)?;
    let (name, text) = (&said.speaker.name, &question.text);
    let doc = Doc::text(&questions::no_longer_asked(name, text));
    let considered = format!("question of {}", question.execution);
    Some(decision(considered, Act::Say(doc), "it is no longer asked"))
}

fn matches_alias(catalog: &Catalog, text: &str) -> bool {
    help_word(text).is_some()
        || match catalog.index.lookup(text) {
            Found::One(_) | Found::Tie(_) => true,
            // What begins a command is one, too: what it lacks is asked for.
            Found::None { begun, .. } => begun.is_some(),
        }
}

fn answered(reading: &Reading, view: &View, said: &Said) -> Decision {
    let name = |q: &OpenQuestion| format!("question of {}", q.execution);
    match reading {
        Reading::Answers(question, value) => {
            let place = view.questions.iter().position(|q| std::ptr::eq(q, *question));
            let act = Act::Answer { question: place.unwrap_or(0), value: value.clone() };
            decision(name(question), act, "it answers this question")
        }
        Reading::Unclear(question) => {
            let sorry = questions::unclear_answer(question, said.text);
            let place = view.questions.iter().position(|q| std::ptr::eq(q, *question));
            let act = Act::Unclear { doc: Doc::text(&sorry), question: place.unwrap_or(0) };
            decision(name(question), act, UNCLEAR)
        }
        Reading::NotAsked(question) => {
            let sorry = match may_be_taken_for(said.speaker, &question.from) {
                true => questions::taken_for(said.speaker, &question.text, &question.from),
                false => {
                    let asked = questions::people(&question.from, &question.roles, "or");
                    questions::asked_others(&said.speaker.name, &question.text, &asked)
                }
            };
            decision(name(question), Act::Refuse(Doc::text(&sorry)), "somebody else was asked")
        }
        Reading::Unproven(question) => {
            let sorry = questions::unproven(&said.speaker.name, &question.text);
            decision(name(question), Act::Refuse(Doc::text(&sorry)), "an account was asked")
        }
        Reading::Which(list) => {
            let list = conversation::votable(list, said);
            let doc = Doc::text(&questions::which(&list, said.text, said.at));
            let only = list.first().filter(|_| list.len() == 1);
            let place =
                |q: &&OpenQuestion| view.questions.iter().position(|it| std::ptr::eq(it, *q));
            let act = Act::AskBack { doc, question: only.and_then(place) };
            match only {
                Some(question) => decision(name(question), act, "it was asked long ago"),
                None => decision("questions", act, "it could answer several questions"),
            }
        }
        Reading::Nothing => decision("message", Act::Ignore, "it is not for the bot"),
    }
}

/// Decides on a command that an execution calls. What it leaves out stays left out: a script has no conversation.
pub fn call(message: &Message, view: &View) -> Decision {
    match view.catalog.index.lookup(&message.text) {
        Found::One(_) | Found::Tie(_) => {
            let decision = commanded(&message.text, Address::Direct, message, view);
            let Act::Assume(wanting) = &decision.act else { return decision };
            let args = wanting.args(&wanting.params);
            allowed(wanting.alias, args, &message.speaker, &message.place, view)
        }
        Found::None { .. } => {
            let why = Doc::text(&words::no_command(&message.text));
            decision("call", Act::Refuse(why), NO_ALIAS)
        }
    }
}

fn commanded(text: &str, by: Address, message: &Message, view: &View) -> Decision {
    match view.catalog.index.lookup(text) {
        Found::One(hit) => fitting(&hit, message, view),
        Found::Tie(mut tied) => {
            let may = |hit: &Hit| {
                let alias = &view.catalog.aliases[hit.alias.0];
                refusal(alias, &message.speaker, &message.place, view).is_none()
            };
            if tied.iter().any(may) {
                tied.retain(may);
            }
            match tied.as_slice() {
                [only] => fitting(only, message, view),
                several if !several.iter().any(may) => fitting(&several[0], message, view),
                several => {
                    let (builtin, args) = (Builtin::Clarify, clarify::which(several, view.catalog));
                    let act = Act::BuiltIn { builtin, args };
                    decision("command", act, "several aliases match equally well")
                }
            }
        }
        Found::None { mut suggestions, problem, begun } => {
            if let Some(command) = own_command::parse(text) {
                return own(&command, message, view);
            }
            if let Some(begun) = begun {
                return ask_for(&begun, message, view);
            }
            if let Some(id) = ballot::named(text) {
                let doc = Doc::text(&approvals::not_open(id));
                return decision("approval", Act::Say(doc), "no such approval is open here");
            }
            let first = text.split_whitespace().next().unwrap_or_default().to_lowercase();
            let near = own_command::WORDS.iter().filter(|word| damerau(&first, word) == 1);
            suggestions.splice(0..0, near.map(|word| (*word).to_owned()));
            if phrase::is_like_one(text) {
                let doc = Doc::text(&questions::no_such_phrase(text.trim()));
                return decision("questions", Act::Say(doc), "no open question has this phrase");
            }
            if text.trim().is_empty() {
                let doc = help(view, &message.speaker, &message.place, "");
                return decision("command", Act::Say(doc), "nothing was asked for");
            }
            if problem.is_none()
                && let Some(decision) = wrongly_used(&first, by, message, view)
            {
                return decision;
            }
            let problem = problem.map(|misfit| (misfit.problem.to_string(), misfit.format.usage()));
            let doc = Doc::text(&words::unknown(text, &suggestions, problem, by, view.prefix));
            decision("command", Act::Say(doc), NO_ALIAS)
        }
    }
}

/// One of the bot's own commands that is said wrongly: how it is used.
fn wrongly_used(word: &str, by: Address, message: &Message, view: &View) -> Option<Decision> {
    let (who, place) = (&message.speaker, &message.place);
    let may = |action, what| (view.may)(action, what, who, place).allowed();
    let usages = own_command::usages(word, view.places, &place.room, &may);
    let prefix = if by == Address::Prefix { view.prefix } else { "" };
    let used = words::used_as(prefix, &usages)?;
    let act = Act::Say(Doc::text(&to(&who.name, &used)));
    Some(decision(format!("command {word}"), act, "it is said in another way"))
}

/// Runs the command that a message fits; what it leaves out may be known from the conversation.
fn fitting(hit: &Hit, message: &Message, view: &View) -> Decision {
    let (alias, matched) = (&view.catalog.aliases[hit.alias.0], &hit.matched);
    let wanting = Wanting {
        alias: hit.alias.0,
        format: hit.format.usage(),
        params: matched.params.clone(),
        extra: matched.extra.clone(),
    };
    let open = refusal(alias, &message.speaker, &message.place, view).is_none();
    if open && context::wanting(alias, hit.format, &matched.params).next().is_some() {
        let name = format!("alias {}", alias.name);
        return decision(name, Act::Assume(wanting), "what it leaves out may be known");
    }
    let args = wanting.args(&wanting.params);
    allowed(hit.alias.0, args, &message.speaker, &message.place, view)
}

/// Decides on a command whose gaps were filled in from the conversation: it runs, or the rest is asked for.
pub fn filled(
    wanting: &Wanting,
    filled: &Filled,
    who: &Speaker,
    place: &Place,
    view: &View,
) -> Decision {
    let alias = &view.catalog.aliases[wanting.alias];
    if filled.missing.is_empty() {
        return allowed(wanting.alias, wanting.args(&filled.params), who, place, view);
    }
    let args = clarify::lacking_in_context(alias, wanting, filled);
    let reason = format!("{} is not said, and not to be assumed", filled.missing.join(", "));
    decision(
        format!("alias {}", alias.name),
        Act::BuiltIn { builtin: Builtin::Clarify, args },
        reason,
    )
}

/// Asks for what a command lacks, if it may run here at all.
fn ask_for(begun: &Begun, message: &Message, view: &View) -> Decision {
    let alias = &view.catalog.aliases[begun.alias.0];
    match refusal(alias, &message.speaker, &message.place, view) {
        Some(_) => allowed(begun.alias.0, Value::Null, &message.speaker, &message.place, view),
        None => {
            let args = clarify::lacking(alias, begun.format, &begun.partial);
            let act = Act::BuiltIn { builtin: Builtin::Clarify, args };
            let reason = format!("{} is not said", begun.partial.missing.join(", "));
            decision(format!("alias {}", alias.name), act, reason)
        }
    }
}

/// Decides on a command that somebody chose: the alias by its name, with its arguments.
pub fn chosen(name: &str, args: Value, who: &Speaker, place: &Place, view: &View) -> Decision {
    match view.catalog.aliases.iter().position(|alias| alias.name == name) {
        Some(number) => allowed(number, args, who, place, view),
        None => {
            let sorry = Doc::text(&words::no_longer_offered(name));
            decision(name, Act::Refuse(sorry), "no script offers it any more")
        }
    }
}

/// Asks which of several whole commands was meant; whoever chooses one must be allowed to run it then.
pub fn which_again(name: &str, all: &[Again]) -> Decision {
    let ways: Vec<(String, Value)> =
        all.iter().map(|again| (again.command.clone(), again.args.clone())).collect();
    let args = clarify::which_command(name, &ways);
    let act = Act::BuiltIn { builtin: Builtin::Clarify, args };
    decision(format!("alias {name}"), act, "it fits in several places")
}

/// Runs a command if it may run here, for this person.
fn allowed(number: usize, args: Value, who: &Speaker, place: &Place, view: &View) -> Decision {
    let alias = &view.catalog.aliases[number];
    let name = format!("alias {}", alias.name);
    let permission = may_run(alias, who, place, view);
    let decided = match permission.refusal().map(str::to_owned).or_else(|| too_many(alias, view)) {
        Some(why) => decision(name, Act::Refuse(Doc::text(&to(&who.name, &why))), why),
        None => decision(name, Act::Run { alias: number, args }, permission.reason.clone()),
    };
    Decision { permission: Some(permission), ..decided }
}

/// Whether somebody may run a command in a place.
fn may_run(alias: &Alias, who: &Speaker, place: &Place, view: &View) -> Permission {
    (view.may)(PolicyAction::Run, Resource::alias(alias), who, place)
}

/// Why somebody may not run a command in a place, if so. What is offered in help, asked about and run goes by this.
pub fn refusal(alias: &Alias, who: &Speaker, place: &Place, view: &View) -> Option<String> {
    let permission = may_run(alias, who, place, view);
    permission.refusal().map(str::to_owned).or_else(|| too_many(alias, view))
}

/// That no more executions can be started, if so.
fn too_many(alias: &Alias, view: &View) -> Option<String> {
    let name = &alias.name;
    (view.open_executions >= EXECUTIONS_OPEN_MAX)
        .then(|| words::too_many_open(EXECUTIONS_OPEN_MAX, name))
}

/// A command of the bot itself: refused here, or begun.
fn own(command: &OwnCommand, message: &Message, view: &View) -> Decision {
    let name = format!("command {}", command.name());
    let (who, place) = (&message.speaker, &message.place);
    let permission =
        command.asks(&place.room).map(|(action, what)| (view.may)(action, what, who, place));
    let disallowed = permission.as_ref().and_then(|it| command.disallowed(it, view.places));
    let decided = match disallowed.or_else(|| command.refusal(&place.room, view.places)) {
        Some(why) => decision(name, Act::Refuse(Doc::text(&to(&who.name, &why))), why),
        None => {
            let act = command.act(message.reply_to.as_ref());
            decision(name, act, "it is a command of the bot itself")
        }
    };
    Decision { permission, ..decided }
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
