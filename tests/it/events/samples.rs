//! One event of every type, and of every shape that a type can have: what the fixtures were written from.

#[path = "samples/alerts.rs"]
mod alerts;
#[path = "samples/approvals.rs"]
mod approvals;
#[path = "samples/bridges.rs"]
mod bridges;
#[path = "samples/erasures.rs"]
mod erasures;
#[path = "samples/grants.rs"]
mod grants;
#[path = "samples/links.rs"]
mod links;
#[path = "samples/schedules.rs"]
mod schedules;
#[path = "samples/setups.rs"]
mod setups;
#[path = "samples/speakers.rs"]
mod speakers;

use beadle::domain::deletion::Deletion;
use beadle::domain::event::*;
use beadle::domain::id::{
    DedupeKey, EventId, ExecutionId, MessageId, Position, PostId, RoomId, ScriptHash, Timestamp,
    UserId,
};
use beadle::domain::message::{Block, Doc, Span};
use beadle::domain::order::{Order, OrderKind};
use beadle::domain::trigger::{
    Address, Command, Message, Place, Reaction, Timer, Trigger, Trust, Undecryptable, What,
};
use serde_json::{Value, json};

use self::speakers::{bridged, puppet, slack, speaker};
use super::policies;

const SECOND: i64 = 1000;
const NOW: Timestamp = Timestamp(1_772_442_000_000);

/// All of them.
pub fn all() -> Vec<Event> {
    let lists = [
        of_the_log(),
        erasures::all(),
        rooms(),
        setups::all(),
        alerts::all(),
        bridges::all(),
        links::all(),
        grants::all(),
        schedules::all(),
        triggers(),
        routes(),
        policies::changes(),
        executions(),
        effects(),
        people(),
        approvals::all(),
        messages(),
    ];
    lists.into_iter().flatten().collect()
}

fn of_the_log() -> Vec<Event> {
    let source = "//! Greetings.\nalias(\"ping\", || reply(\"pong\"));\n";
    vec![
        LogCreated { log: "65a64d0f371610e27d7686ca9ad896d0".into() }.into(),
        StoreRebuilt { reason: "it was missing".into(), moved_to: None }.into(),
        StoreRebuilt {
            reason: "it belongs to another log".into(),
            moved_to: Some("store.bad-1772442000000".into()),
        }
        .into(),
        ClockStepped { from: NOW, to: NOW.plus_ms(-90 * SECOND) }.into(),
        SyncAdvanced { token: "1772442000000|s72594_4483_1934".into() }.into(),
        IntakePaused { free_bytes: 200_000_000 }.into(),
        IntakeResumed { free_bytes: 400_000_000 }.into(),
        TreeHead {
            size: 1_234,
            root: "TszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=".into(),
            note: "beadle/65a64d0f371610e27d7686ca9ad896d0\n1234\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n\n— beadle/65a64d0f371610e27d7686ca9ad896d0 DpHwc0n6\n".into(),
            key: "beadle/65a64d0f371610e27d7686ca9ad896d0+0e91f073+ARpc2QcUPDhMQegwxbzhKqiB".into(),
        }
        .into(),
        BackupMade {
            dir: "/srv/backup/beadle".into(),
            keys: "/mnt/safe/beadle.keys".into(),
            next: Position(40_000),
            files: 3,
            bytes: 80_000_000,
        }
        .into(),
        LogTrimmed {
            first: Position(1_000),
            log: "65a64d0f371610e27d7686ca9ad896d0".into(),
            head: TreeHead {
                size: 1_234,
                root: "TszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=".into(),
                note: "beadle/65a64d0f371610e27d7686ca9ad896d0\n1234\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n\n— beadle/65a64d0f371610e27d7686ca9ad896d0 DpHwc0n6\n".into(),
                key: "beadle/65a64d0f371610e27d7686ca9ad896d0+0e91f073+ARpc2QcUPDhMQegwxbzhKqiB".into(),
            },
        }
        .into(),
        LogRestored { next: Position(40_000), erased: 0, moved_to: None }.into(),
        LogRestored {
            next: Position(40_000),
            erased: 2,
            moved_to: Some("/var/lib/beadle.replaced-1772442000000".into()),
        }
        .into(),
        ScriptKept {
            file: "net/hello.rhai".into(),
            hash: script(),
            source: source.into(),
            imports: vec![],
        }
        .into(),
        ScriptKept {
            file: "net/vm.rhai".into(),
            hash: script(),
            source: "import \"lib/net\" as net;\n".into(),
            imports: vec![ImportKept { file: "lib/net.rhai".into(), hash: script() }],
        }
        .into(),
        InviteDecided {
            room: room(),
            inviter: ann(),
            accepted: true,
            reason: "the inviter is on the allow-list".into(),
        }
        .into(),
        InviteDecided {
            room: room(),
            inviter: user("eve"),
            accepted: false,
            reason: "the inviter is neither on the allow-list nor in the management room".into(),
        }
        .into(),
        GapFilled { room: room(), events: 49, pages: 3 }.into(),
        GapAbandoned {
            room: room(),
            events: 4_900,
            pages: 50,
            reason: "50 pages were read".into(),
        }
        .into(),
        upgraded(true, "it names this room as the one before it"),
        upgraded(false, "not invited"),
    ]
}

fn upgraded(followed: bool, reason: &str) -> Event {
    let to = RoomId("!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM".into());
    RoomUpgraded { room: room(), to, followed, reason: reason.into() }.into()
}

fn rooms() -> Vec<Event> {
    let left = |reason, by: Option<&str>, words: Option<&str>| {
        let (name, by, words) = ("ops".into(), by.map(user), words.map(Into::into));
        RoomLeft { room: room(), name, reason, by, words }.into()
    };
    let inviters = vec![user("eve"), user("mallory")];
    vec![
        InvitesDeclined { count: 480, inviters, since: NOW }.into(),
        RoomJoined { room: room(), name: "ops".into(), by: ann() }.into(),
        RoomFollowed { room: room(), name: "ops".into(), from: room() }.into(),
        left(Departure::Alone, None, None),
        left(Departure::Asked, Some("ann"), None),
        left(Departure::Kicked, Some("eve"), Some("too loud")),
        left(Departure::Banned, Some("eve"), None),
        left(Departure::ByHand, None, None),
    ]
}

fn triggers() -> Vec<Event> {
    let command = |by, text: &str| Some(Command { by, text: text.into() });
    let in_thread = Place { thread: Some(post("$root")), ..place() };
    let direct = Place { direct: true, encrypted: false, name: "ann".into(), ..place() };
    let message = |text: &str| Message {
        place: place(),
        speaker: speaker(Trust::Device),
        post: post("$said"),
        text: text.into(),
        command: None,
        reply_to: None,
        edits: None,
        mentioned: false,
        hops: 0,
    };
    let said = [
        Message { command: command(Address::Prefix, "ping"), ..message("!ping") },
        Message {
            place: in_thread,
            command: command(Address::Name, "yes"),
            ..message("@beadle: yes")
        },
        Message {
            place: direct,
            speaker: speaker(Trust::Account),
            command: command(Address::Direct, "good morning"),
            ..message("good morning")
        },
        Message { speaker: bridged(), reply_to: Some(post("$asked")), ..message("👍 go ahead") },
        Message { edits: Some(post("$earlier")), ..message("!pong") },
        Message { speaker: slack(), ..message("disk full on web1") },
        Message { speaker: puppet(), ..message("I look at it") },
        Message { mentioned: true, hops: 2, ..message("beadle ping") },
    ];
    let reaction = What::Reaction(Reaction {
        place: place(),
        speaker: speaker(Trust::Device),
        post: post("$reacted"),
        target: post("$asked"),
        key: "👍".into(),
    });
    let undecryptable = What::Undecryptable(Undecryptable {
        place: place(),
        speaker: speaker(Trust::Account),
        post: post("$sealed"),
    });
    let timer = Timer { execution: execution(), path: "3".into(), due: NOW.plus_ms(900 * SECOND) };
    let key = DedupeKey::new(&["matrix", "@beadle:example.org", "!ops:example.org", "$said"]);
    let outside = said.into_iter().map(What::Message).chain([reaction, undecryptable]);
    let outside = outside.map(|what| Trigger { key: key.clone(), at: NOW, late: false, what });
    let late =
        Trigger { key: key.clone(), at: NOW, late: true, what: What::Message(message("!pong")) };
    let what = OrderKind::Retry { execution: execution(), in_doubt_too: true };
    let order = Order::new(&UserId("cli:ann".into()), what).trigger(NOW, "0c1a");
    let (reason, force) = ("wrong host".into(), false);
    let what = OrderKind::Cancel { execution: execution(), reason, force };
    let cancel = Order::new(&UserId("cli:ann".into()), what).trigger(NOW, "1d2b");
    let (action, params) = ("disk.free".into(), json!({ "path": "/" }));
    let what = OrderKind::RunAction { action, params };
    let run = Order::new(&UserId("cli:ann".into()), what).trigger(NOW, "2e3c");
    let deletion = Deletion {
        place: place(),
        by: speaker(Trust::Account),
        post: post("$said"),
        keys: vec![key.clone()],
        reason: "deleted in its room".into(),
    };
    let what = What::Deleted(deletion);
    let deleted = Trigger { key: key.clone(), at: NOW, late: false, what };
    let all = outside.chain([late, Trigger::timer(timer), order, cancel, run, deleted]);
    all.map(|trigger| TriggerRecorded { trigger }.into()).collect()
}

fn routes() -> Vec<Event> {
    let outcome = |considered: &str, verdict, reason: &str| Outcome {
        considered: considered.into(),
        verdict,
        reason: reason.into(),
        decision: None,
    };
    let one = |outcome| TriggerRouted { outcomes: vec![outcome] }.into();
    vec![
        one(outcome(
            "alias ping",
            Verdict::Started(execution()),
            "it matches and is open to everyone",
        )),
        one(outcome(
            "question of 8WTNV3W7KJ563SHQ",
            Verdict::Continued(execution()),
            "it answers this question",
        )),
        one(outcome("help", Verdict::Said(answer()), "help was asked for")),
        one(outcome(
            "alias deploy",
            Verdict::Refused(answer()),
            "`deploy` can only be used in #ops:example.org.",
        )),
        one(outcome("message", Verdict::Ignored, "it is not for the bot")),
        one(policies::judged(Verdict::Started(execution()), policies::allowed())),
        one(policies::judged(Verdict::Refused(answer()), policies::refused())),
        TriggerRouted { outcomes: vec![] }.into(),
        EventWithheld { code: "m.unverified".into() }.into(),
        EventDecrypted {}.into(),
        EventGivenUp { reason: "its keys have not come within 24 hours".into() }.into(),
    ]
}

fn executions() -> Vec<Event> {
    let failure = Failure {
        kind: "timed_out".into(),
        message: "cloud.create_vm took longer than 30 s and was stopped".into(),
        file: "vm.rhai".into(),
        line: 30,
        column: 16,
    };
    let ended = |ending| ExecutionFinished { ending }.into();
    vec![
        ExecutionStarted {
            trigger: EventId::parse("trigger-b2f4b38c6e0da97486c84d3e6477ed8e/0")
                .expect("an event's id"),
            handler: Handler {
                script: script(),
                file: "vm.rhai".into(),
                alias: "create vm on".into(),
                kind: HandlerKind::Alias,
            },
            args: json!({ "hostname": "web001", "provider": "aws", "size": "small", "extra": {} }),
            msg: json!({
                "user": { "id": "@ann:example.org", "name": "ann", "person": "@ann:example.org",
                    "network": "matrix", "trust": "device", "trust_level": 5 },
                "room": { "id": "!ops:example.org", "name": "#ops:example.org", "network": "matrix" },
                "text": "create vm web001 on aws", "id": "$said", "in_thread": false,
                "time": NOW.0,
            }),
            command: "create vm web001 on aws".into(),
            place: place(),
            requester: speaker(Trust::Device),
            post: post("$said"),
            versions: Versions { host: 1, rhai: "1.27.0".into() },
        }
        .into(),
        ExecutionYielded {}.into(),
        ExecutionSuspended {}.into(),
        ended(Ending::Succeeded(Value::Null)),
        ended(Ending::Succeeded(json!({ "id": "i-f99b4320", "ports": [22, 443] }))),
        ended(Ending::Failed(failure)),
        ended(Ending::Diverged("line 30 did exec, now it does sleep".into())),
        ended(Ending::Cancelled { by: user("ben"), reason: "too late".into() }),
        ExecutionCancelled {
            by: user("ben"),
            reason: "too late".into(),
            cancelled: vec!["3.1.0".into()],
            stopping: vec!["3.0.0".into()],
        }
        .into(),
        EffectCancelled { path: "3.0.0".into(), attempt: 1 }.into(),
        decided(EffectResult::Ok(json!({ "branch": null })), &[]),
        decided(EffectResult::Ok(json!({ "branch": 1 })), &["3.0.0"]),
        decided(
            EffectResult::Err(json!({ "branch": 0, "kind": "failed", "message": "no such host" })),
            &["3.1.0"],
        ),
        memory(json!(["ann: buy milk"]), Some(NOW.plus_ms(7 * 86_400 * SECOND))),
        memory(Value::Null, None),
    ]
}

fn decided(result: EffectResult, cancelled: &[&str]) -> Event {
    let cancelled = cancelled.iter().map(|path| (*path).to_owned()).collect();
    GroupDecided { path: "3".into(), result, cancelled }.into()
}

fn memory(value: Value, expires: Option<Timestamp>) -> Event {
    MemoryWritten { scope: "notes.rhai".into(), key: "notes".into(), value, expires }.into()
}

fn effects() -> Vec<Event> {
    let good = || EffectResult::Ok(json!({ "id": "i-f99b4320" }));
    let bad = || {
        EffectResult::Err(json!({
            "kind": "failed", "action": "cloud.create_vm", "code": 1, "output": "",
            "message": "cloud.create_vm ended with status 1: no quota",
        }))
    };
    let recorded = |op: &str, args, result| {
        EffectRecorded { path: "0".into(), op: op.into(), args, line: 29, result }.into()
    };
    let requested = |op: &str, class, due| {
        let args = json!({ "action": "cloud.create_vm", "params": { "name": "web001" }, "timeout_ms": null });
        let decision = (class == EffectClass::Once).then(policies::allowed);
        let (path, op) = ("1".into(), op.into());
        EffectRequested { path, op, args, line: 30, class, due, decision }.into()
    };
    let output = blob();
    let completed = |attempt, result, output| {
        EffectCompleted { path: "1".into(), attempt, result, output, took_ms: 2_150 }.into()
    };
    let resolved = |resolution| EffectResolved { path: "1".into(), resolution, by: ann() }.into();
    vec![
        recorded("reply", json!({ "text": "pong" }), EffectResult::Ok(json!(answer().0))),
        recorded("exec", json!({ "action": "cloud.craete_vm" }), bad()),
        requested("exec", EffectClass::Read, None),
        requested("exec", EffectClass::Idempotent, None),
        requested("exec", EffectClass::Once, None),
        requested("sleep", EffectClass::Log, Some(NOW.plus_ms(900 * SECOND))),
        EffectStarted { path: "1".into(), attempt: 1 }.into(),
        completed(1, good(), None),
        completed(2, bad(), Some(output)),
        EffectInDoubt { path: "1".into(), attempt: 1 }.into(),
        resolved(Resolution::Done),
        resolved(Resolution::Repeat),
        resolved(Resolution::GiveUp),
        LockRequested {
            path: "1".into(),
            lock: "vm/web001".into(),
            tag: "0f3c5a1b7d9e2f4860718293a4b5c6d7".into(),
        }
        .into(),
        EffectDelayed { path: "1".into(), behind: ExecutionId("8WTNV3W7D2M4K6Q1".into()) }.into(),
        EffectProgressed {
            path: "1".into(),
            attempt: 1,
            lines: vec!["copying the image".into(), "booting".into()],
            skipped: 3,
        }
        .into(),
        AttemptFailed {
            path: "1".into(),
            attempt: 1,
            error: json!({ "kind": "timed_out", "action": "cloud.create_vm", "message": "it took too long" }),
            again: NOW.plus_ms(15 * SECOND),
            output: None,
            took_ms: 60_000,
        }
        .into(),
        TimerFired { path: "2".into(), due: NOW, result: EffectResult::Ok(Value::Null) }.into(),
        TimerFired {
            path: "2".into(),
            due: NOW,
            result: EffectResult::Err(json!({ "kind": "timed_out" })),
        }
        .into(),
    ]
}

fn people() -> Vec<Event> {
    let asked = |wants, text: &str, choices: &[&str]| {
        let choices = choices.iter().map(|choice| (*choice).to_owned()).collect();
        let (path, text, from) = ("2".to_owned(), text.to_owned(), vec![ann()]);
        let (phrase, tag) = ("pink martini".to_owned(), "5b1d0a7c".repeat(4));
        QuestionAsked {
            path,
            wants,
            text,
            from,
            roles: vec!["release".into()],
            choices,
            message: answer(),
            phrase,
            tag,
            content: "0f1e2d3c".repeat(8),
            remind: None,
        }
    };
    let then = Whom { people: vec![UserId("@ben:example.org".into())], roles: vec!["lead".into()] };
    let remind = Remind { after_ms: 30 * 60 * SECOND, due: NOW.plus_ms(30 * 60 * SECOND), then };
    let answered = |answer| {
        QuestionAnswered { path: "2".into(), answer, by: ann(), post: post("$answer") }.into()
    };
    vec![
        QuestionAsked {
            remind: Some(remind.clone()),
            ..asked(Wants::Text, "Which size?", &["small", "large"])
        }
        .into(),
        asked(Wants::YesNo, "Delete web001 and all its data?", &[]).into(),
        asked(Wants::Doubt, "Was cloud.create_vm done?", &[]).into(),
        asked(Wants::Approval, "deploy shop 1.2 to production", &[]).into(),
        QuestionReminded {
            path: "2".into(),
            nth: 2,
            also: remind.then,
            message: answer(),
            next: Some(NOW.plus_ms(120 * 60 * SECOND)),
        }
        .into(),
        answered(json!("large")),
        answered(json!(true)),
    ]
}

fn messages() -> Vec<Event> {
    let doc = Doc {
        blocks: vec![
            Block::Line(vec![
                Span::Mention { id: ann().0, name: "ann".into() },
                Span::Text(": ".into()),
                Span::Bold("web001".into()),
                Span::Code("i-f99b4320".into()),
                Span::Link {
                    url: "https://console.example/i-f99b4320".into(),
                    text: "console".into(),
                },
            ]),
            Block::Code { text: "ssh web001".into(), lang: Some("sh".into()) },
            Block::Code { text: "plain".into(), lang: None },
            Block::List(vec![vec!["one".into()], vec!["two".into()]]),
        ],
    };
    let first = MessageQueued {
        message: answer(),
        place: place(),
        reply_to: Some(post("$said")),
        edits: None,
        doc,
        attachment: None,
        notify: vec![ann()],
        execution: Some(execution()),
        question: Some("2".into()),
    };
    let edit = MessageQueued {
        message: MessageId("T9A3XQFGPA3AY8P4HKWRC3RPMS".into()),
        reply_to: None,
        edits: Some(answer()),
        doc: Doc::text("web001 is up"),
        attachment: None,
        notify: vec![],
        execution: None,
        question: None,
        ..first.clone()
    };
    let shown = MessageQueued {
        message: MessageId("K2V7WN0A4S8X1C5DQ9E3GZ6YHM".into()),
        attachment: Some(Attachment {
            name: "load-of-web001.png".into(),
            media_type: "image/png".into(),
            title: "Load of web001".into(),
            picture: Some(Picture {
                width: 640,
                height: 320,
                sketch: "▁▃█  1 to 4, last 4".into(),
            }),
            content: blob(),
        }),
        question: None,
        ..first.clone()
    };
    vec![
        first.into(),
        edit.into(),
        shown.into(),
        MessageSent { post: post("$spoken") }.into(),
        MessageSuperseded { by: answer() }.into(),
        MessageFailed { reason: "the bot is not in this room".into() }.into(),
    ]
}

fn blob() -> BlobRef {
    BlobRef {
        id: "303132333435363738393a3b3c3d3e3f".into(),
        bytes: 700_000,
        commitment: "194654572204e84cae356a80506050efc766bf713bd25a988db66dea5960a49e".into(),
        slot: 42,
    }
}

fn user(name: &str) -> UserId {
    UserId(format!("@{name}:example.org"))
}

fn ann() -> UserId {
    user("ann")
}

fn room() -> RoomId {
    RoomId("!ops:example.org".into())
}

fn post(id: &str) -> PostId {
    PostId(id.into())
}

fn script() -> ScriptHash {
    ScriptHash("4bb24c68a8dd03fb8d583283a1fda3fb".into())
}

fn execution() -> ExecutionId {
    ExecutionId("8WTNV3W7KJ563SHQ".into())
}

fn answer() -> MessageId {
    MessageId("E61G833D9KMSEY0A9QM5S5XAMM".into())
}

fn place() -> Place {
    Place {
        network: "matrix".into(),
        room: room(),
        name: "#ops:example.org".into(),
        thread: None,
        direct: false,
        encrypted: true,
    }
}
