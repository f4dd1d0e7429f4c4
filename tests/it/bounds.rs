//! Bounds that are seen from outside: at the bound it works, one further it does not.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use beadle::adapter::render::{Show, render};
use beadle::adapter::{Chat, Outgoing, SendError};
use beadle::config::{CONFIG_BYTES_MAX, Config};
use beadle::domain::budget::Budgets;
use beadle::domain::event::{
    self, EffectClass, EffectRequested, Event, Meta, NewEvent, QuestionAsked, Wants,
};
use beadle::domain::id::{ExecutionId, MessageId, PostId, RoomId, StreamName, UserId};
use beadle::domain::message::Doc;
use beadle::play::parse::{TRANSCRIPT_BYTES_MAX, parse};
use beadle::processor::questions::QUESTIONS_MAX;
use beadle::processor::schedule::{self, AT_ONCE};
use beadle::processor::{Kernel, Settings};
use beadle::query::executions::{self, LISTED_MAX};
use beadle::script::host::{act, declare, memory, question, talk};
use beadle::script::journal::Journal;
use beadle::script::load::{FOLDERS_MAX, SCRIPTS_MAX, load_folder, load_sources};
use beadle::script::run::End;
use beadle::script::source::SCRIPT_BYTES_MAX;
use beadle::store::{EventStore, Expected, Write};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::desk::Desk;
use crate::scripts::slice;

/// Runs a handler once; none: it did not fail.
fn failure(body: &str) -> Option<String> {
    let functions = "fn down(n) { if n > 0 { down(n - 1) } }";
    let source = format!("{functions}\nalias(\"go\", || {{ {body} }});");
    match slice(&source, 0, &Journal::new()).end {
        End::Failed(failure) => Some(failure.message),
        End::Returned(_) | End::Suspended | End::Yielded => None,
        End::Diverged(how) => panic!("{how:?}"),
    }
}

#[test]
fn a_script_fails_one_beyond_its_bounds() {
    type Body = fn(usize) -> String;
    let usual = Budgets::default();
    let count = |budget: u64| usize::try_from(budget).expect("it fits");
    let rows: [(&str, usize, Body); 9] = [
        ("waits for 366 days at most", act::SLEEP_MS_MAX as usize / 1000, |n| {
            format!("sleep({n});")
        }),
        ("string_bytes_max", count(usual.string_bytes_max), |n| {
            format!(r#"let s = "x"; s.pad({n}, "x");"#)
        }),
        ("array_items_max", count(usual.array_items_max), |n| {
            format!("let a = [1]; a.pad({n}, 1);")
        }),
        ("map_entries_max", count(usual.map_entries_max), |n| {
            format!("let m = #{{}}; for i in 0..{n} {{ m += #{{ [`k${{i}}`]: 1 }}; }}")
                .replace("#{ [`k${i}`]: 1 }", "parse_json(`{\"k${i}\": 1}`)")
        }),
        ("call_levels_max", count(usual.call_levels_max), |n| {
            let called_before = 3;
            format!("down({n} - {called_before})")
        }),
        ("may have 20 choices", question::CHOICES_MAX, |n| {
            format!(r#"let c = []; c.pad({n}, "x"); ask("?", #{{ choices: c }});"#)
        }),
        ("a key has 1 to 200 bytes", memory::KEY_BYTES_MAX, |n| {
            format!(r#"let k = "x"; k.pad({n}, "x"); remember(k, 1);"#)
        }),
        ("a value may have", memory::VALUE_BYTES_MAX, |n| {
            let quotes = 2;
            format!(r#"let v = "x"; v.pad({n} - {quotes}, "x"); remember("k", v);"#)
        }),
        ("a message may have", talk::TEXT_BYTES_MAX, |n| {
            format!(r#"let t = "x"; t.pad({n}, "x"); say(t);"#)
        }),
    ];
    for (what, most, body) in rows {
        assert_eq!(failure(&body(most)), None, "{what}: {most} fit");
        let message = failure(&body(most + 1)).unwrap_or_else(|| panic!("{what}: one more fits"));
        assert!(message.contains(what), "{what}: {message}");
    }
}

#[test]
fn a_script_declares_up_to_a_bound_and_cannot_catch_that() {
    let most = declare::DECLARATIONS_MAX;
    for (count, declare, loaded) in [
        (most, "alias(`do${i}`, || 1);", Some(most)),
        (most + 1, "alias(`do${i}`, || 1);", None),
        (most + 50, "try { alias(`do${i}`, || 1); } catch { }", None),
    ] {
        let source = format!("for i in 0..{count} {{ {declare} }}");
        let (set, problems) = load_sources(vec![("t.rhai".into(), source)]);
        let aliases = set.scripts.get("t.rhai").map(|script| script.aliases.len());
        assert_eq!(aliases, loaded, "{count} of {declare}: {problems:?}");
        if loaded.is_none() {
            assert!(problems[0].message.contains("a script may declare 1000 things"));
        }
    }
}

#[test]
fn a_folder_of_scripts_has_bounds() {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |file: &str, bytes: usize| {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("makes it");
        std::fs::write(path, "/".repeat(bytes)).expect("writes");
    };
    write("fits.rhai", SCRIPT_BYTES_MAX);
    write("long.rhai", SCRIPT_BYTES_MAX + 1);
    let deepest = "d/".repeat(FOLDERS_MAX);
    write(&format!("{deepest}deep.rhai"), 2);
    write(&format!("{deepest}d/deeper.rhai"), 2);
    let (set, problems) = load_folder(dir.path());
    let loaded: Vec<String> = set.scripts.into_keys().collect();
    assert_eq!(loaded, [format!("{deepest}deep.rhai"), "fits.rhai".to_owned()]);
    assert_eq!(problems[0].file, "long.rhai");
    let many = tempfile::tempdir().expect("a directory");
    for nth in 0..=SCRIPTS_MAX {
        std::fs::write(many.path().join(format!("s{nth}.rhai")), "").expect("writes");
    }
    let (set, problems) = load_folder(many.path());
    assert_eq!(set.scripts.len(), SCRIPTS_MAX);
    assert!(problems[0].message.contains("more than 2000 scripts"), "{problems:?}");
}

#[test]
fn files_that_people_write_have_bounds() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = |bytes: u64| {
        let path = dir.path().join("beadle.toml");
        let bytes = usize::try_from(bytes).expect("a small number");
        std::fs::write(&path, "#".repeat(bytes)).expect("writes");
        Config::load(Some(Path::new(&path)), &BTreeMap::new())
            .map(|_| ())
            .map_err(|why| why.first.what)
    };
    assert_eq!(config(CONFIG_BYTES_MAX), Ok(()));
    let most = CONFIG_BYTES_MAX + 1;
    assert_eq!(config(most), Err(format!("{most} bytes are too many")));
    let transcript = |bytes: usize| parse("t", &"#".repeat(bytes)).map(|_| ());
    assert_eq!(transcript(TRANSCRIPT_BYTES_MAX).map_err(|why| why.what), Ok(()));
    assert!(transcript(TRANSCRIPT_BYTES_MAX + 1).is_err());
}

#[test]
fn a_language_is_named_up_to_a_bound() {
    for (chars, named) in [(32, true), (33, false)] {
        let doc = Doc::default().code_block("x", Some(&"a".repeat(chars)));
        let html = render(&doc, &Show::default()).html.expect("code is more than text");
        assert_eq!(html.contains("language-"), named, "{chars}: {html}");
    }
}

/// Begins executions that each ask ann in `#ops`.
async fn ask(store: &dyn EventStore, count: usize) {
    let fixture = include_str!("../fixtures/events/execution_started.v1.json");
    let list: Vec<Value> = serde_json::from_str(fixture).expect("a fixture is JSON");
    let started = event::decode("execution_started", 1, list[0].clone()).expect("decodes");
    let meta = Meta { room: Some(RoomId("#ops".into())), ..Meta::default() };
    for nth in 0..count {
        let (path, op, class) = ("0".to_owned(), "confirm".to_owned(), EffectClass::Log);
        let args = json!({ "question": "Sure?" });
        let message = MessageId(format!("M{nth}"));
        let from = vec![UserId("@ann:local".into())];
        let asked = QuestionAsked::plain(&path, Wants::YesNo, &format!("Sure {nth}?"), message);
        let asked = QuestionAsked { from, ..asked };
        let events: [Event; 3] = [
            started.clone(),
            EffectRequested { path, op, args, line: 1, class, due: None, decision: None }.into(),
            asked.into(),
        ];
        let stream = StreamName::execution(&ExecutionId(format!("E{nth:05}")));
        let events = events.map(|event| NewEvent::with(&meta, event)).into();
        let batch = vec![Write { stream, expected: Expected::NoStream, key: None, events }];
        store.append(batch).await.expect("appends");
    }
}

#[tokio::test]
async fn the_newest_questions_and_executions_are_looked_at_up_to_a_bound() {
    let desk = Desk::new("");
    let store = desk.kernel.store.as_ref();
    ask(store, QUESTIONS_MAX).await;
    desk.clock.advance(1);
    desk.kernel.catch_up().expect("reads");
    let room = RoomId("#ops".into());
    assert_eq!(desk.kernel.questions(&room, None).expect("reads").len(), QUESTIONS_MAX);
    let list = executions::list(store, LISTED_MAX).expect("reads");
    assert_eq!(list.len(), QUESTIONS_MAX);

    let desk = Desk::new("");
    let store = desk.kernel.store.as_ref();
    ask(store, LISTED_MAX + 3).await;
    let list = executions::list(store, usize::MAX).expect("reads");
    assert_eq!((list.len(), list[0].id.as_str()), (LISTED_MAX, "E01002"));
    assert_eq!(executions::list(store, 2).expect("reads").len(), 2);
    desk.kernel.catch_up().expect("reads");
    assert_eq!(desk.kernel.questions(&room, None).expect("reads").len(), QUESTIONS_MAX);
}

/// A chat that takes nothing until the gate is open, and counts who waits.
struct Gate {
    open: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
    most: AtomicUsize,
}

impl Chat for Gate {
    fn send<'a>(&'a self, outgoing: &'a Outgoing) -> BoxFuture<'a, Result<PostId, SendError>> {
        Box::pin(async move {
            self.waiting.send_modify(|waiting| *waiting += 1);
            self.most.fetch_max(*self.waiting.borrow(), Ordering::SeqCst);
            let _ = self.open.subscribe().wait_for(|open| *open).await;
            self.waiting.send_modify(|waiting| *waiting -= 1);
            Ok(PostId(format!("${}", outgoing.message)))
        })
    }

    fn typing<'a>(&'a self, _: &'a RoomId, _: bool) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
}

#[tokio::test]
async fn so_many_things_are_done_at_once_and_no_more() {
    let desk = Desk::new("");
    for nth in 0..AT_ONCE.sends + 10 {
        desk.queue(&format!("#room{nth}"), &format!("text {nth}"), None).await;
    }
    let (open, waiting) = (watch::Sender::new(false), watch::Sender::new(0));
    let gate = Arc::new(Gate { open, waiting, most: AtomicUsize::new(0) });
    let (scripts, _) = beadle::processor::scripts::Scripts::sources(vec![]);
    let (store, clock) = (desk.kernel.store.clone(), desk.clock.clone());
    let settings = Settings::simulated("!");
    let kernel = Kernel::new(store, scripts, gate.clone(), desk.world.clone(), clock, settings)
        .expect("the log can be read");
    let (stop, stopping) = watch::channel(false);
    let work = tokio::spawn(schedule::run(kernel.clone(), stopping));
    gate.waiting
        .subscribe()
        .wait_for(|waiting| *waiting >= AT_ONCE.sends)
        .await
        .expect("it is there");
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(*gate.waiting.borrow(), AT_ONCE.sends, "the others wait");
    gate.open.send_replace(true);
    let mut head = kernel.store.watch();
    while desk.count("message_sent") < AT_ONCE.sends + 10 {
        head.changed().await.expect("the log goes on");
    }
    assert_eq!(gate.most.load(Ordering::SeqCst), AT_ONCE.sends);
    stop.send_replace(true);
    work.await.expect("it ends").expect("the log works");
}
