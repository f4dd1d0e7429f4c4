//! The decision on a trigger: run a handler, hand over an answer, speak, refuse, or ignore, each with its reason.

use serde_json::{Map, Value};

use super::alias_index::{Found, damerau};
use super::builtin::Builtin;
use super::catalog::{Alias, Catalog};
use super::conversation::{self, OpenQuestion, Reading, Said, how_to_answer};
use super::help::{help, help_word};
use super::id::{RoomId, Timestamp};
use super::message::Doc;
use super::own_command::{self, OwnCommand, Where};
use super::permission;
use super::trigger::{Address, Message, Reaction, Speaker, Trust};

/// Longest command in bytes.
pub const COMMAND_BYTES_MAX: usize = 8 * 1024;
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
    /// Whether a list of room ids and names has this room.
    pub listed: &'a (dyn Fn(&[String], &RoomId) -> bool + Sync),
    /// Where the bot's own commands may be said.
    pub places: Where<'a>,
}

/// A decision with what it is about and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The alias, question or text that was considered.
    pub considered: String,
    /// What is to be done.
    pub act: Act,
    /// Why, in words.
    pub reason: String,
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
    /// Hand an answer to the question with this number.
    Answer {
        /// Its place among the open questions.
        question: usize,
        /// What it means.
        value: Value,
    },
    /// Say something.
    Say(Doc),
    /// Say why it is not done.
    Refuse(Doc),
    /// Do nothing.
    Ignore,
}

fn decision(considered: impl Into<String>, act: Act, reason: impl Into<String>) -> Decision {
    Decision { considered: considered.into(), act, reason: reason.into() }
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
    };
    let reading = conversation::read(&said, view.questions);
    if message.speaker.trust == Trust::Nothing && (said.addressed || reading != Reading::Nothing) {
        let sorry = "I cannot tell who sent that: it was not encrypted by the sender's own device.";
        return decision("message", Act::Refuse(Doc::text(sorry)), "nothing proves who sent it");
    }
    let Some(command) = &message.command else { return answered(&reading, view, &said) };
    if command.text.len() > COMMAND_BYTES_MAX {
        let (is, most) = (command.text.len(), COMMAND_BYTES_MAX);
        let sorry = format!("That command has {is} bytes; I read at most {most}.");
        return decision("command", Act::Refuse(Doc::text(&sorry)), "the command is too long");
    }
    let to = message.reply_to.as_ref();
    let replies = to.is_some()
        && matches!(&reading, Reading::Answers(q, _) if to == q.post.as_ref() || to == Some(&q.origin));
    let chosen = matches!(&reading, Reading::Answers(q, _) if conversation::plain_word(q));
    let command_of_ours = own_command::parse(text).is_some() && !chosen;
    let commands = command_of_ours || matches_alias(view, text);
    if reading != Reading::Nothing && (replies || !commands) {
        return answered(&reading, view, &said);
    }
    if let Some(word) = help_word(text) {
        let help = help(view, word);
        return decision("help", Act::Say(help), "help was asked for");
    }
    commanded(text, command.by, message, view)
}

/// Decides on a reaction: it answers a question or is nothing.
pub fn reaction(reaction: &Reaction, view: &View) -> Decision {
    let said = Said {
        speaker: &reaction.speaker,
        place: &reaction.place,
        text: &reaction.key,
        addressed: false,
        reaction: true,
        target: Some(&reaction.target),
        at: view.at,
    };
    answered(&conversation::read(&said, view.questions), view, &said)
}

fn matches_alias(view: &View, text: &str) -> bool {
    let found = !matches!(view.catalog.index.lookup(text), Found::None { .. });
    found || help_word(text).is_some()
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
            let how = how_to_answer(question);
            let sorry =
                format!("I could not read that as an answer to “{}”: {how}.", question.text);
            decision(name(question), Act::Refuse(Doc::text(&sorry)), "the answer is not understood")
        }
        Reading::NotAsked(question) => {
            let sorry = format!(
                "Thanks {}, but “{}” is for {}.",
                said.speaker.name,
                question.text,
                people(question)
            );
            decision(name(question), Act::Refuse(Doc::text(&sorry)), "somebody else was asked")
        }
        Reading::Which(list) => {
            let mut lines = vec![
                "Which of these do you answer? Reply to it, or put its id behind your answer:"
                    .to_owned(),
            ];
            lines.extend(list.iter().map(|q| format!("• {} ({})", q.text, q.execution.short())));
            let doc = Doc::text(&lines.join("\n"));
            decision("questions", Act::Say(doc), "it could answer several questions")
        }
        Reading::Nothing => decision("message", Act::Ignore, "it is not for the bot"),
    }
}

fn people(question: &OpenQuestion) -> String {
    let name = |id: &str| id.trim_start_matches('@').split(':').next().unwrap_or(id).to_owned();
    question.from.iter().map(|id| name(id.as_str())).collect::<Vec<_>>().join(" or ")
}

fn commanded(text: &str, by: Address, message: &Message, view: &View) -> Decision {
    match view.catalog.index.lookup(text) {
        Found::One(hit) => {
            let mut args: Map<String, Value> = hit.matched.params.into_iter().collect();
            args.insert("extra".into(), Value::Object(hit.matched.extra.into_iter().collect()));
            let number = hit.alias.0;
            allowed(&view.catalog.aliases[number], number, Value::Object(args), message, view)
        }
        Found::Tie(tied) => {
            let usages: Vec<String> = tied.iter().map(|hit| hit.format.usage()).collect();
            let doc = Doc::text(&format!(
                "That could mean any of these:\n{}",
                bullets(&usages, view.prefix)
            ));
            decision("command", Act::Say(doc), "several aliases match equally well")
        }
        Found::None { mut suggestions, problem } => {
            if let Some(command) = own_command::parse(text) {
                return own(&command, message, view);
            }
            let first = text.split_whitespace().next().unwrap_or_default().to_lowercase();
            let near = own_command::WORDS.iter().filter(|word| damerau(&first, word) == 1);
            suggestions.splice(0..0, near.map(|word| (*word).to_owned()));
            if text.trim().is_empty() {
                let doc = help(view, "");
                return decision("command", Act::Say(doc), "nothing was asked for");
            }
            let problem = problem.map(|misfit| (misfit.problem.to_string(), misfit.format.usage()));
            let doc = Doc::text(&unknown(text, &suggestions, problem, by, view.prefix));
            decision("command", Act::Say(doc), "no alias matches")
        }
    }
}

fn unknown(
    text: &str,
    near: &[String],
    problem: Option<(String, String)>,
    by: Address,
    prefix: &str,
) -> String {
    const SHOWN_CHARS: usize = 60;
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    let prefix = if by == Address::Prefix { prefix } else { "" };
    match (problem, near) {
        (Some((problem, usage)), _) => format!("{problem}. It is used as: {prefix}{usage}"),
        (None, []) => format!("I do not know “{shown}”. Try {prefix}help."),
        (None, [one]) => format!("I do not know “{shown}”. Did you mean {prefix}{one}?"),
        (None, several) => {
            format!(
                "I do not know “{shown}”. Did you mean one of these?\n{}",
                bullets(several, prefix)
            )
        }
    }
}

fn bullets(usages: &[String], prefix: &str) -> String {
    usages.iter().map(|usage| format!("• {prefix}{usage}")).collect::<Vec<_>>().join("\n")
}

/// Whether the command may run here, for this person.
fn allowed(alias: &Alias, number: usize, args: Value, message: &Message, view: &View) -> Decision {
    let name = format!("alias {}", alias.name);
    let who = &message.speaker;
    if let Some(why) = refusal(alias, who, message, view) {
        return decision(name, Act::Refuse(Doc::text(&format!("{}: {why}", who.name))), why);
    }
    decision(name, Act::Run { alias: number, args }, "it matches and is open to everyone")
}

fn refusal(alias: &Alias, who: &Speaker, message: &Message, view: &View) -> Option<String> {
    let here = |rooms: &[String]| (view.listed)(rooms, &message.place.room);
    if let Some(why) = permission::refusal(alias, &who.name, here) {
        return Some(why);
    }
    let name = &alias.name;
    (view.open_executions >= EXECUTIONS_OPEN_MAX)
        .then(|| format!("{EXECUTIONS_OPEN_MAX} executions are open, which is my limit; `{name}` was not started."))
}

/// A command of the bot itself: refused here, or begun.
fn own(command: &OwnCommand, message: &Message, view: &View) -> Decision {
    let name = format!("command {}", command.builtin().name());
    match command.refusal(&message.place.room, view.places) {
        Some(why) => {
            let told = Doc::text(&format!("{}: {why}", message.speaker.name));
            decision(name, Act::Refuse(told), why)
        }
        None => {
            let act = Act::BuiltIn { builtin: command.builtin(), args: command.args() };
            decision(name, act, "it is a command of the bot itself")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::alias::Format;
    use super::super::alias_index::{AliasId, AliasIndex};
    use super::super::event::Wants;
    use super::super::help::HELP_LINES_MAX;
    use super::super::id::{ExecutionId, PostId, ScriptHash, UserId};
    use super::super::message::{Block, Span};
    use super::super::trigger::{Command, Place, Trust};
    use super::*;

    fn alias(name: &str, usages: &[&str]) -> Alias {
        Alias {
            name: name.into(),
            usages: usages.iter().map(|usage| (*usage).into()).collect(),
            help: String::new(),
            example: None,
            role: None,
            rooms: vec![],
            file: "t.rhai".into(),
            script: ScriptHash("0".into()),
        }
    }

    fn catalog(aliases: Vec<Alias>) -> Catalog {
        let mut formats = vec![];
        for (n, alias) in aliases.iter().enumerate() {
            let parsed = alias.usages.iter().map(|usage| Format::parse(usage).unwrap());
            formats.extend(parsed.map(|format| (AliasId(n), format)));
        }
        Catalog { aliases, index: AliasIndex::new(formats) }
    }

    fn ops() -> Catalog {
        let restart = Alias { role: Some("ops".into()), ..alias("restart", &["restart {host}"]) };
        let deploy = Alias { rooms: vec!["#ops".into()], ..alias("deploy", &["deploy {app}"]) };
        let greet = Alias { help: "Say hello".into(), ..alias("greet", &["greet {who}"]) };
        let (one, other) = (alias("one", &["show {what}"]), alias("other", &["show {it}"]));
        catalog(vec![greet, restart, deploy, one, other, alias("yes", &["yes"])])
    }

    fn place(thread: Option<&str>) -> Place {
        Place {
            network: "matrix".into(),
            room: RoomId("!r".into()),
            name: "r".into(),
            thread: thread.map(|id| PostId(id.into())),
            direct: false,
            encrypted: false,
        }
    }

    fn speaker(name: &str) -> Speaker {
        Speaker {
            id: UserId(format!("@{name}:hs")),
            name: name.into(),
            network: "matrix".into(),
            account: None,
            trust: Trust::Account,
        }
    }

    /// What ann said: `!text` and `@text` are addressed to the bot.
    fn said(text: &str) -> Message {
        let by = |mark, by| {
            text.strip_prefix(mark).map(|text| Command { by, text: text.trim().to_owned() })
        };
        Message {
            place: place(None),
            speaker: speaker("ann"),
            post: PostId("$1".into()),
            text: text.into(),
            command: by('!', Address::Prefix).or_else(|| by('@', Address::Name)),
            reply_to: None,
            edits: None,
        }
    }

    fn question(post: &str, wants: Wants) -> OpenQuestion {
        OpenQuestion {
            execution: ExecutionId(format!("EXEC{post}")),
            path: "0".into(),
            wants,
            text: "Sure?".into(),
            from: vec![UserId("@ann:hs".into())],
            choices: vec![],
            place: place(None),
            post: Some(PostId(post.into())),
            origin: PostId("$command".into()),
            asked_at: Timestamp(0),
        }
    }

    fn text_of(doc: &Doc) -> String {
        let spans = |block: &Block| match block {
            Block::Line(spans) => spans
                .iter()
                .map(|span| match span {
                    Span::Text(text) => text.as_str(),
                    other => panic!("{other:?}"),
                })
                .collect::<String>(),
            other => panic!("{other:?}"),
        };
        doc.blocks.iter().map(spans).collect::<Vec<_>>().join("\n")
    }

    fn shown(decision: &Decision) -> String {
        let act = match &decision.act {
            Act::Run { alias, args } => format!("run {alias} {args}"),
            Act::BuiltIn { builtin, args } => format!("{} {args}", builtin.name()),
            Act::Answer { question, value } => format!("answer {question} {value}"),
            Act::Say(doc) => format!("say {}", text_of(doc)),
            Act::Refuse(doc) => format!("refuse {}", text_of(doc)),
            Act::Ignore => "ignore".into(),
        };
        format!("{act} | {}", decision.reason)
    }

    fn view<'a>(catalog: &'a Catalog, questions: &'a [OpenQuestion], open: usize) -> View<'a> {
        let listed = &|list: &[String], room: &RoomId| list.iter().any(|id| id == room.as_str());
        let at = Timestamp(0);
        let (prefix, open_executions) = ("!", open);
        let places = Where { management: None, audited: None };
        View { catalog, questions, prefix, open_executions, at, listed, places }
    }

    #[test]
    fn a_command_is_run_refused_or_answered() {
        let catalog = ops();
        for (text, want) in [
            (
                "!greet bea",
                r#"run 0 {"extra":{},"who":"bea"} | it matches and is open to everyone"#,
            ),
            ("!yes", r#"run 5 {"extra":{}} | it matches and is open to everyone"#),
            (
                "!restart web1",
                "refuse ann: `restart` needs the role `ops`, and nobody has been given roles: there is no policy yet. ann may not run it. | `restart` needs the role `ops`, and nobody has been given roles: there is no policy yet. ann may not run it.",
            ),
            (
                "!deploy app",
                "refuse ann: `deploy` can only be used in #ops. | `deploy` can only be used in #ops.",
            ),
            (
                "!show x",
                "say That could mean any of these:\n• !show {what}\n• !show {it} | several aliases match equally well",
            ),
            (
                "!restart",
                "say `host` is missing: it must be one word, or several in quotes. It is used as: !restart {host} | no alias matches",
            ),
            (
                "!gret bea",
                "say I do not know “gret bea”. Did you mean !greet {who}? | no alias matches",
            ),
            ("!dance", "say I do not know “dance”. Try !help. | no alias matches"),
            ("@dance", "say I do not know “dance”. Try help. | no alias matches"),
            ("!hepl", "say I do not know “hepl”. Did you mean !help? | no alias matches"),
            ("!helpful", "say I do not know “helpful”. Try !help. | no alias matches"),
            ("!help GREET", "say • !greet {who} – Say hello | help was asked for"),
            ("!help restart", "say • !restart {host}\n  needs the role ops | help was asked for"),
            (
                "!help tea",
                "say Nothing is known about “tea”. !help lists all commands. | help was asked for",
            ),
            ("greet bea", "ignore | it is not for the bot"),
        ] {
            let decided = message(&said(text), &view(&catalog, &[], 0));
            assert_eq!(shown(&decided), want, "{text:?}");
        }
        let edit = Message { edits: Some(PostId("$0".into())), ..said("!greet bea") };
        let edited = shown(&message(&edit, &view(&catalog, &[], 0)));
        assert_eq!(edited, "ignore | an edited message is never run again");
        let nothing = shown(&message(&said("@"), &view(&catalog, &[], 0)));
        assert!(nothing.starts_with("say I know these commands"), "{nothing}");
        assert!(nothing.ends_with("| nothing was asked for"), "{nothing}");
        let empty = shown(&message(&said("!help"), &view(&Catalog::empty(), &[], 0)));
        assert_eq!(empty, "say No script offers a command yet. | help was asked for");
    }

    #[test]
    fn a_room_that_is_listed_may_use_it() {
        let deploy = Alias { rooms: vec!["!r".into()], ..alias("deploy", &["deploy {app}"]) };
        let catalog = catalog(vec![deploy]);
        let decided = message(&said("!deploy app"), &view(&catalog, &[], 0));
        assert!(matches!(decided.act, Act::Run { .. }), "{decided:?}");
    }

    #[test]
    fn bounds_hold() {
        let catalog = ops();
        for (bytes, want) in [
            (COMMAND_BYTES_MAX, "no alias matches"),
            (COMMAND_BYTES_MAX + 1, "the command is too long"),
        ] {
            let text = format!("!{}", "x".repeat(bytes));
            assert_eq!(message(&said(&text), &view(&catalog, &[], 0)).reason, want, "{bytes}");
        }
        for (open, runs) in [(EXECUTIONS_OPEN_MAX - 1, true), (EXECUTIONS_OPEN_MAX, false)] {
            let decided = message(&said("!greet bea"), &view(&catalog, &[], open));
            assert_eq!(matches!(decided.act, Act::Run { .. }), runs, "{open} open: {decided:?}");
        }
    }

    #[test]
    fn a_help_listing_is_cut_and_says_so() {
        for (count, bullets, more) in [
            (HELP_LINES_MAX, HELP_LINES_MAX, None),
            (HELP_LINES_MAX + 5, HELP_LINES_MAX, Some("… and 5 more: !help WORD")),
        ] {
            let names: Vec<String> = (0..count).map(|n| format!("do{n}")).collect();
            let many = catalog(names.iter().map(|name| alias(name, &[name])).collect());
            let text = text_of(&help(&view(&many, &[], 0), ""));
            let listed = text.lines().filter(|line| line.starts_with("• !do")).count();
            assert_eq!(listed, bullets, "{count}");
            assert_eq!(text.lines().find(|line| line.starts_with('…')), more, "{count}");
        }
    }

    #[test]
    fn an_answer_wins_over_an_alias_only_as_a_reply_to_the_question() {
        let catalog = ops();
        let text = || vec![question("$q", Wants::Text)];
        let sure = || vec![question("$q", Wants::YesNo)];
        let two = || vec![question("$q", Wants::YesNo), question("$p", Wants::YesNo)];
        let (answers, runs) = ("it answers this question", "it matches and is open to everyone");
        for (questions, said_text, reply_to, thread, want) in [
            (text(), "!greet bea", None, None, runs.to_owned()),
            (text(), "!greet bea", Some("$q"), None, answers.to_owned()),
            (text(), "!greet bea", None, Some("$q"), runs.to_owned()),
            (text(), "!web1", None, Some("$q"), answers.to_owned()),
            (text(), "web1 is old", None, Some("$q"), answers.to_owned()),
            (text(), "!greet bea", Some("$other"), None, runs.to_owned()),
            (text(), "!help", None, None, "help was asked for".to_owned()),
            (text(), "!web1", None, None, answers.to_owned()),
            (text(), "web1", None, None, "it is not for the bot".to_owned()),
            (sure(), "!yes", None, None, runs.to_owned()),
            (sure(), "!yes", Some("$q"), None, answers.to_owned()),
            (sure(), "yes", None, None, answers.to_owned()),
            (sure(), "hm", Some("$q"), None, "the answer is not understood".to_owned()),
            (two(), "yes", None, None, "it could answer several questions".to_owned()),
            (two(), "yes", Some("$p"), None, answers.to_owned()),
        ] {
            let reply_to = reply_to.map(|id| PostId(id.into()));
            let message_said = Message { reply_to, place: place(thread), ..said(said_text) };
            let decided = message(&message_said, &view(&catalog, &questions, 0));
            assert_eq!(decided.reason, want, "{message_said:?}");
        }
    }

    #[test]
    fn a_reaction_answers_a_question_or_is_nothing() {
        let catalog = ops();
        let questions = [question("$p", Wants::YesNo), question("$q", Wants::YesNo)];
        for (who, key, target, want) in [
            ("ann", "👍", "$q", "answer 1 true | it answers this question"),
            ("ann", "👎", "$p", "answer 0 false | it answers this question"),
            ("ann", "🎉", "$q", "ignore | it is not for the bot"),
            ("ann", "👍", "$else", "ignore | it is not for the bot"),
            (
                "bea",
                "👍",
                "$q",
                "refuse Thanks bea, but “Sure?” is for ann. | somebody else was asked",
            ),
        ] {
            let given = Reaction {
                place: place(None),
                speaker: speaker(who),
                post: PostId("$r".into()),
                target: PostId(target.into()),
                key: key.into(),
            };
            let decided = reaction(&given, &view(&catalog, &questions, 0));
            assert_eq!(shown(&decided), want, "{who} {key} on {target}");
        }
    }
}
