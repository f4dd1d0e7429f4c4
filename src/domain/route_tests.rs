//! Tests of the decisions on what people say.

use super::super::alias::Format;
use super::super::alias_index::{AliasId, AliasIndex};
use super::super::event::{QuestionAsked, Wants};
use super::super::help::HELP_LINES_MAX;
use super::super::id::{ExecutionId, MessageId, PostId, RoomId, ScriptHash, UserId};
use super::super::message::{Block, Span};
use super::super::policy::PolicySet;
use super::super::policy::testing::inputs;
use super::super::trigger::{Command, Place, Trust};
use super::*;

fn alias(name: &str, usages: &[&str]) -> Alias {
    Alias {
        name: name.into(),
        usages: usages.iter().map(|usage| (*usage).into()).collect(),
        help: String::new(),
        about: String::new(),
        tags: vec![],
        example: None,
        role: None,
        rooms: vec![],
        context: Default::default(),
        file: "t.rhai".into(),
        line: 1,
        script: ScriptHash("0".into()),
    }
}

fn catalog(aliases: Vec<Alias>) -> Catalog {
    let mut formats = vec![];
    for (n, alias) in aliases.iter().enumerate() {
        let parsed = alias.usages.iter().map(|usage| Format::parse(usage).unwrap());
        formats.extend(parsed.map(|format| (AliasId(n), format)));
    }
    Catalog { aliases, index: AliasIndex::new(formats), ..Catalog::empty() }
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
        claims: vec![],
    }
}

/// What ann said: `!text` and `@text` are addressed to the bot.
fn said(text: &str) -> Message {
    let by =
        |mark, by| text.strip_prefix(mark).map(|text| Command { by, text: text.trim().to_owned() });
    Message {
        place: place(None),
        speaker: speaker("ann"),
        post: PostId("$1".into()),
        text: text.into(),
        command: by('!', Address::Prefix).or_else(|| by('@', Address::Name)),
        reply_to: None,
        edits: None,
        mentioned: false,
        hops: 0,
    }
}

fn question(post: &str, wants: Wants) -> OpenQuestion {
    let asked = QuestionAsked::plain("0", wants, "Sure?", MessageId("M".into()));
    let (execution, origin) = (ExecutionId(format!("EXEC{post}")), PostId("$command".into()));
    OpenQuestion {
        from: vec![UserId("@ann:hs".into())],
        post: Some(PostId(post.into())),
        ..OpenQuestion::of(&execution, &origin, &asked, place(None))
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

/// A value with its fields in the order of their names, whatever order a map keeps them in.
fn by_name(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: std::collections::BTreeMap<_, _> = map.iter().collect();
            let fields = sorted.iter().map(|(name, value)| format!("{name:?}:{}", by_name(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Value::Array(list) => {
            format!("[{}]", list.iter().map(by_name).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

fn shown(decision: &Decision) -> String {
    let act = match &decision.act {
        Act::Run { alias, args } => format!("run {alias} {}", by_name(args)),
        Act::BuiltIn { builtin, args } => format!("{} {}", builtin.name(), by_name(args)),
        Act::Answer { question, value } => format!("answer {question} {value}"),
        Act::Executions(command) => format!("{command:?}"),
        Act::Tell(command) => format!("{command:?}"),
        Act::People(command) => format!("{command:?}"),
        Act::Pending(command) => format!("{command:?}"),
        Act::Switch(_) => "switch".into(),
        Act::Silence(command) => command.name().into(),
        Act::AskBack { doc, question } => format!("ask back {question:?} {}", text_of(doc)),
        Act::Assume(wanting) => format!("assume {} {:?}", wanting.alias, wanting.params),
        Act::Say(doc) => format!("say {}", text_of(doc)),
        Act::Refuse(doc) => format!("refuse {}", text_of(doc)),
        Act::Unclear { doc, question } => format!("unclear {question} {}", text_of(doc)),
        Act::More(which) => format!("more {which:?}"),
        Act::Ignore => "ignore".into(),
    };
    format!("{act} | {}", decision.reason)
}

/// What the shipped policies say of somebody without roles.
fn may(action: PolicyAction, resource: Resource, who: &Speaker, place: &Place) -> Permission {
    PolicySet::shipped().decide(&inputs(action, resource, who, place))
}
static NOBODY: std::sync::OnceLock<People> = std::sync::OnceLock::new();

fn view<'a>(catalog: &'a Catalog, questions: &'a [OpenQuestion], open: usize) -> View<'a> {
    let at = Timestamp(0);
    let (prefix, open_executions) = ("!", open);
    let places = Where { management: None, audited: None };
    let (withdrawn, people) = (None, NOBODY.get_or_init(People::default));
    let may: &May = &may;
    let stale_after_ms = conversation::STALE_AFTER_MS;
    View {
        catalog,
        questions,
        prefix,
        open_executions,
        at,
        may,
        places,
        withdrawn,
        ended: None,
        people,
        roles: &[],
        stale_after_ms,
        safe: None,
        caps: &|_| Caps::WHOLE,
    }
}

#[test]
fn a_command_is_run_refused_or_answered() {
    let catalog = ops();
    for (text, want) in [
        ("!greet bea", r#"run 0 {"extra":{},"who":"bea"} | policy `open` allows it"#),
        ("!yes", r#"run 5 {"extra":{}} | policy `open` allows it"#),
        (
            "!restart web1",
            "refuse ann: `restart` is not allowed here: no policy allows it (it is for the role `ops`) | `restart` is not allowed here: no policy allows it (it is for the role `ops`)",
        ),
        (
            "!deploy app",
            "refuse ann: `deploy` can only be used in #ops. | `deploy` can only be used in #ops.",
        ),
        (
            "!show x",
            "clarify {\"ways\":[{\"alias\":\"one\",\"args\":{\"extra\":{},\"what\":\"x\"},\"help\":\"\",\"usage\":\"show {what}\"},{\"alias\":\"other\",\"args\":{\"extra\":{},\"it\":\"x\"},\"help\":\"\",\"usage\":\"show {it}\"}]} | several aliases match equally well",
        ),
        (
            "!greet",
            "clarify {\"alias\":\"greet\",\"extra\":{},\"format\":\"greet {who}\",\"missing\":[\"who\"],\"params\":{\"who\":null}} | who is not said",
        ),
        (
            "!restart",
            "refuse ann: `restart` is not allowed here: no policy allows it (it is for the role `ops`) | `restart` is not allowed here: no policy allows it (it is for the role `ops`)",
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
        (
            "!help restart",
            "say • !restart {host}\n  needs the role ops\n  you may not run it here | help was asked for",
        ),
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
    assert!(
        empty.starts_with("say No script offers a command yet.\nMy own commands:\n• !executions"),
        "{empty}"
    );
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
    let nowhere = Where { management: None, audited: None };
    let own = own_command::offered(nowhere, &RoomId("!r".into()), &|_, _| false).len();
    // Before them stand two headings, behind them one more.
    let left = own + 5 + 3;
    let more = format!("… and {left} more lines: !help more");
    for (count, page, bullets, more) in [
        (10, "", 10, None),
        (HELP_LINES_MAX + 5, "", HELP_LINES_MAX - 2, Some(more.as_str())),
        (HELP_LINES_MAX + 5, "more", 7, None),
    ] {
        let names: Vec<String> = (0..count).map(|n| format!("do{n}")).collect();
        let many = catalog(names.iter().map(|name| alias(name, &[name])).collect());
        let help = help(&view(&many, &[], 0), &speaker("ann"), &place(None), page);
        let text = text_of(&help);
        let listed = text.lines().filter(|line| line.starts_with("• !do")).count();
        assert_eq!(listed, bullets, "{count} {page}");
        assert_eq!(text.lines().find(|line| line.starts_with('…')), more, "{count} {page}");
    }
}

#[test]
fn an_answer_wins_over_an_alias_only_as_a_reply_to_the_question() {
    let catalog = ops();
    let text = || vec![question("$q", Wants::Text)];
    let sure = || vec![question("$q", Wants::YesNo)];
    let two = || vec![question("$q", Wants::YesNo), question("$p", Wants::YesNo)];
    let (answers, runs) = ("it answers this question", "policy `open` allows it");
    for (questions, said_text, reply_to, thread, want) in [
        (text(), "!greet bea", None, None, runs.to_owned()),
        (text(), "!greet bea", Some("$q"), None, answers.to_owned()),
        (text(), "!greet bea", None, Some("$q"), runs.to_owned()),
        (text(), "!web1", None, Some("$q"), answers.to_owned()),
        (text(), "web1 is old", None, Some("$q"), answers.to_owned()),
        (text(), "!greet bea", Some("$other"), None, runs.to_owned()),
        (text(), "!help", None, None, "help was asked for".to_owned()),
        (text(), "!web1", None, None, NO_ALIAS.to_owned()),
        (text(), "web1", None, None, "it is not for the bot".to_owned()),
        (sure(), "!yes", None, None, runs.to_owned()),
        (sure(), "!yes", Some("$q"), None, answers.to_owned()),
        (sure(), "yes", None, None, answers.to_owned()),
        (sure(), "no EXEC", None, None, answers.to_owned()),
        (sure(), "cancel", None, None, "it is not for the bot".to_owned()),
        (sure(), "cancel EXEC", None, None, "it is a command or an answer".to_owned()),
        (sure(), "cancel EXEC", Some("$q"), None, "the answer is not understood".to_owned()),
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
fn a_command_whatever_is_asked_is_decided_alike_without_the_questions() {
    let catalog = ops();
    let questions = [
        question("$q", Wants::Text),
        question("$p", Wants::YesNo),
        question("$a", Wants::Approval),
        OpenQuestion { choices: vec!["yes".into(), "x".into()], ..question("$c", Wants::Text) },
    ];
    for (text, reply_to, thread, want) in [
        ("!greet bea", None, None, true),
        ("!greet", None, None, true),
        ("!help", None, None, true),
        ("!yes", None, None, true),
        ("!yes", None, Some("$p"), true),
        ("!cancel EXEC", None, None, true),
        ("!show web1", None, None, true),
        ("greet bea", None, None, false),
        ("!greet bea", Some("$q"), None, false),
        ("!great bea", None, None, false),
        ("!executions", None, None, false),
        ("!web1", None, None, false),
        ("!", None, None, false),
    ] {
        let reply_to = reply_to.map(|id| PostId(id.into()));
        let message_said = Message { reply_to, place: place(thread), ..said(text) };
        assert_eq!(answers_nothing(&message_said, &catalog), want, "{text}");
        for open in [&questions[..], &questions[..1], &questions[1..2], &questions[3..]] {
            let with = message(&message_said, &view(&catalog, open, 0));
            let without = message(&message_said, &view(&catalog, &[], 0));
            assert!(!want || with == without, "{text}: {with:?} {without:?}");
        }
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
        ("bea", "👍", "$q", "refuse Thanks bea, but “Sure?” is for ann. | somebody else was asked"),
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
