//! A long history for measuring: what 200 people ask in 40 rooms over 90 days, through the real store.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::stream::{FuturesUnordered, StreamExt};
use serde_json::{Value, json};

use crate::app::SystemEntropy;
use crate::cli::Failure;
use crate::cli::progress::Bar;
use crate::domain::event::{
    EffectClass, EffectCompleted, EffectRequested, EffectResult, EffectStarted, Ending, Event,
    ExecutionFinished, ExecutionStarted, ExecutionSuspended, Failure as Failed, Handler,
    HandlerKind, MessageQueued, MessageSent, Meta, NewEvent, Outcome, TriggerRecorded,
    TriggerRouted, Verdict, Versions,
};
use crate::domain::id::{
    DedupeKey, EventId, ExecutionId, MessageId, PostId, RoomId, ScriptHash, StreamName, Timestamp,
    UserId, Version,
};
use crate::domain::message::Doc;
use crate::domain::trigger::{Address, Command, Message, Place, Speaker, Trigger, Trust, What};
use crate::store::sled::SledStore;
use crate::store::{Clock, EventStore, Expected, Options, Surroundings, Write};

/// People who ask.
const PEOPLE: u64 = 200;
/// Rooms that they ask in.
const ROOMS: u64 = 40;
/// Days that it goes over.
const DAYS: i64 = 90;
/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;
/// When it begins: 2026-08-01.
const BEGINNING_MS: i64 = 1_785_542_400_000;
/// Events of one thing that was asked: what was said, decided, run, done and answered.
const EVENTS_EACH: u64 = 12;
/// How many are appended at the same time.
const AT_ONCE: usize = 64;
/// What stands in one result of fifty.
const RARE: &str = "No space left on device";

/// The commands, with what they answer.
const COMMANDS: &[(&str, &str, &str)] = &[
    ("host disk", "host disk web{n}", "/dev/sda1 is {n} % used, 41 GiB free of 120 GiB"),
    ("host load", "host load db{n}", "load average 0.{n}, 17 processes wait, up 42 days"),
    ("deploy to", "deploy shop-{n} to staging", "shop-{n} runs version 3.{n}, 4 of 4 are healthy"),
    ("restart", "restart worker{n}", "worker{n} is up again after 12 s"),
    (
        "ticket",
        "ticket Printer {n} on floor 3 is out of paper",
        "I opened OPS-{n}, it is in the queue",
    ),
];

/// A clock that goes over 90 days while the log is made.
struct Stretched(AtomicI64);

impl Clock for Stretched {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// Who asked the n-th thing.
pub fn asker(n: u64) -> String {
    Asked::of(n).speaker.id.0
}

/// What people call who asked the n-th thing.
pub fn name(n: u64) -> String {
    Asked::of(n).speaker.name
}

/// A text that few results have.
pub fn rare_text(round: u64) -> String {
    let texts = [RARE, "no space LEFT", "left on device"];
    texts[(round % 3) as usize].to_owned()
}

/// Makes the log.
pub fn fill(dir: &Path, events: u64, quiet: bool) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let clock = Arc::new(Stretched(AtomicI64::new(BEGINNING_MS)));
    let surroundings = Surroundings { clock: clock.clone(), entropy: Arc::new(SystemEntropy) };
    let (store, _) = SledStore::open(dir, surroundings, Options::default())?;
    let mut bar = Bar::new(quiet);
    let asked = events.div_ceil(EVENTS_EACH);
    let filled = runtime.block_on(async {
        let mut under_way = FuturesUnordered::new();
        for n in 0..asked {
            if under_way.len() >= AT_ONCE {
                under_way.next().await.transpose()?;
            }
            let passed = DAYS * DAY_MS / i64::try_from(asked).unwrap_or(i64::MAX).max(1);
            clock.0.fetch_add(passed, Ordering::SeqCst);
            under_way.push(store.append(one(&store, n, clock.now())));
            bar.step("events", n * EVENTS_EACH, events);
        }
        while let Some(done) = under_way.next().await {
            done?;
        }
        Ok::<_, crate::store::AppendError>(())
    });
    bar.end();
    filled.map_err(|why| Failure::new(1, why))?;
    store.close();
    Ok(())
}

/// Everything that comes of the n-th thing that somebody asks, in one batch.
fn one(store: &SledStore, n: u64, now: Timestamp) -> Vec<Write> {
    let asked = Asked::of(n);
    let key = DedupeKey::new(&["matrix", "bench", asked.place.room.as_str(), &format!("${n}")]);
    let stream = StreamName::trigger(&store.key().dedupe(&key));
    let id = store.key().execution(&stream, asked.alias, 0);
    let meta = Meta {
        cause: None,
        correlation: Some(stream.clone()),
        actor: Some(asked.speaker.id.clone()),
        room: Some(asked.place.room.clone()),
        network: Some("matrix".into()),
    };
    let trigger = EventId { stream: stream.clone(), version: Version::START };
    let follows = Meta { cause: Some(trigger.clone()), ..meta.clone() };
    let routed = TriggerRouted {
        outcomes: vec![Outcome {
            considered: format!("alias {}", asked.alias),
            verdict: Verdict::Started(id.clone()),
            reason: "it matches and is open to everyone".into(),
            decision: None,
        }],
    };
    let recorded =
        NewEvent::with(&meta, TriggerRecorded { trigger: asked.trigger(key.clone(), now) });
    let of_trigger = vec![recorded, NewEvent::with(&follows, routed)];
    let write = |stream, events| Write { stream, expected: Expected::NoStream, key: None, events };
    let mut writes = vec![Write { key: Some(key), ..write(stream, of_trigger) }];
    let run: Vec<NewEvent> =
        asked.run(&trigger).into_iter().map(|event| NewEvent::with(&follows, event)).collect();
    writes.push(write(StreamName::execution(&id), run));
    for (place, text) in [("ack", format!("On it: execution {id}")), ("told", asked.answer.clone())]
    {
        let message = store.key().message(id.as_str(), place);
        let post = PostId(format!("${message}"));
        let queued = NewEvent::with(&follows, asked.message(&message, &id, &text));
        let sent = NewEvent {
            event: MessageSent { post }.into(),
            meta: Meta { room: meta.room.clone(), ..Meta::default() },
        };
        writes.push(write(StreamName::message(&message), vec![queued, sent]));
    }
    writes
}

/// Something that somebody asks.
struct Asked {
    n: u64,
    alias: &'static str,
    command: String,
    answer: String,
    failed: bool,
    place: Place,
    speaker: Speaker,
}

impl Asked {
    fn of(n: u64) -> Self {
        // Some people and some rooms are busier than others.
        let mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
        let (who, room) = (mixed % PEOPLE * (mixed % 7 + 1) / 7, (mixed >> 8) % ROOMS);
        let (alias, command, answer) = COMMANDS[(mixed % COMMANDS.len() as u64) as usize];
        let failed = n % 50 == 7;
        let with = |text: &str| text.replace("{n}", &(mixed % 97).to_string());
        let answer = if failed { format!("{}: {RARE}", with(command)) } else { with(answer) };
        Self {
            n,
            alias,
            command: with(command),
            answer,
            failed,
            place: Place {
                network: "matrix".into(),
                room: RoomId(format!("!room{room}:example.org")),
                name: format!("room{room}"),
                thread: None,
                direct: false,
                encrypted: true,
            },
            speaker: Speaker {
                id: UserId(format!("@person{who}:example.org")),
                name: format!("Person {who}"),
                network: "matrix".into(),
                account: None,
                trust: Trust::Device,
                claims: vec![],
            },
        }
    }

    fn post(&self) -> PostId {
        PostId(format!("$said{}-xJ0q7QmC3oJd7rGgQ1kQf5c0u8Yw2tN4", self.n))
    }

    fn trigger(&self, key: DedupeKey, at: Timestamp) -> Trigger {
        let command = Some(Command { by: Address::Prefix, text: self.command.clone() });
        let what = What::Message(Message {
            place: self.place.clone(),
            speaker: self.speaker.clone(),
            post: self.post(),
            text: format!("!{}", self.command),
            command,
            reply_to: None,
            edits: None,
            mentioned: false,
            hops: 0,
        });
        Trigger { key, at, late: false, what }
    }

    /// What happens in the execution.
    fn run(&self, trigger: &EventId) -> Vec<Event> {
        let path = || "0".to_owned();
        let args = json!({ "action": self.alias, "params": { "host": self.command } });
        let started = ExecutionStarted {
            trigger: trigger.clone(),
            handler: Handler {
                script: ScriptHash("4bb24c68a8dd03fb8d583283a1fda3fb".into()),
                file: "ops.rhai".into(),
                alias: self.alias.into(),
                kind: HandlerKind::Alias,
            },
            args: json!({ "host": self.command, "extra": {} }),
            msg: json!({ "text": self.command, "user": { "id": self.speaker.id } }),
            command: self.command.clone(),
            place: self.place.clone(),
            requester: self.speaker.clone(),
            post: self.post(),
            versions: Versions { host: 1, rhai: "1.27.0".into() },
        };
        let (result, ending) = match self.failed {
            false => (EffectResult::Ok(json!(self.answer)), Ending::Succeeded(Value::Null)),
            true => {
                let failed = json!({ "kind": "failed", "message": self.answer });
                let (kind, file) = ("failed".into(), "ops.rhai".into());
                let message = self.answer.clone();
                let failure = Failed { kind, message, file, line: 3, column: 7 };
                (EffectResult::Err(failed), Ending::Failed(failure))
            }
        };
        let class = EffectClass::Read;
        let (op, attempt) = ("exec".to_owned(), 1);
        vec![
            started.into(),
            EffectRequested { path: path(), op, args, line: 3, class, due: None, decision: None }
                .into(),
            ExecutionSuspended {}.into(),
            EffectStarted { path: path(), attempt }.into(),
            EffectCompleted { path: path(), attempt, result, output: None, took_ms: 140 }.into(),
            ExecutionFinished { ending }.into(),
        ]
    }

    fn message(&self, message: &MessageId, id: &ExecutionId, text: &str) -> MessageQueued {
        MessageQueued {
            message: message.clone(),
            place: self.place.clone(),
            reply_to: Some(self.post()),
            edits: None,
            doc: Doc::text(text),
            attachment: None,
            notify: vec![self.speaker.id.clone()],
            execution: Some(id.clone()),
            question: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::surroundings;

    #[test]
    fn each_thing_that_is_asked_has_as_many_events() {
        let dir = tempfile::tempdir().expect("a directory");
        let opened = SledStore::open(dir.path(), surroundings(), Options::default());
        let (store, _) = opened.expect("the log opens");
        let batch = one(&store, 7, Timestamp(BEGINNING_MS));
        let events: usize = batch.iter().map(|write| write.events.len()).sum();
        assert_eq!(events as u64, EVENTS_EACH);
    }

    #[test]
    fn some_few_results_have_the_rare_text() {
        let rare = (0..10_000).filter(|n| Asked::of(*n).failed).count();
        assert_eq!(rare, 200);
    }
}
