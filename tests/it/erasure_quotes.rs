//! What `!audit` and `!find` quoted of what is erased goes with it; their other answers stay.

use beadle::domain::event::{Event, Recorded};
use beadle::domain::id::Position;
use beadle::play::world::World;
use beadle::processor::erasure::look;
use beadle::query::agenda::Budget;
use beadle::query::erasure::Target;
use beadle::query::quotes::{QUOTING_MAX, asked_after};
use beadle::store::EventStore;

use crate::desk::Desk;
use crate::erasure::{erased, key_of};
use crate::erasure_disk::{readable, stands_nowhere, store};
use crate::store_world::everything;

const SCRIPT: &str =
    "//! For the test.\nalias(\"keep {text:text}\", |a, msg| reply(`kept ${a.text}`));\n";
/// What is planted.
const TEXT: &str = "plum marmalade \"for\" the neighbours";

async fn says(desk: &Desk, who: &str, room: &str, text: &str) -> String {
    desk.hand_over(vec![desk.says(who, room, text)], None).await;
    desk.settle().await.expect("the log works");
    desk.said().join("\n")
}

/// The answers that can be read and have a text.
fn answers(store: &dyn EventStore, text: &str) -> usize {
    let is = |event: &&Recorded| match event.event() {
        Some(event @ Event::MessageQueued(_)) => event.encode().to_string().contains(text),
        _ => false,
    };
    everything(store).iter().filter(is).count()
}

#[tokio::test]
async fn answers_that_quote_what_is_erased_go_with_it() {
    for how in ["event", "execution", "person", "heard"] {
        let (dir, world) = (tempfile::tempdir().expect("a directory"), World::new());
        let store = store(dir.path(), &world, 1);
        let desk = Desk::over(&world, store.clone(), world.clone(), SCRIPT);
        let said = desk.says("ann", "#ops", &format!("!keep {TEXT}"));
        desk.hand_over(vec![said.clone()], None).await;
        desk.settle().await.expect("the log works");
        says(&desk, "ben", "#ops", "!keep bread").await;
        let found = says(&desk, "eva", "#boss", "!find kept").await;
        assert!(found.contains("plum marmalade") && found.contains("bread"), "{found}");
        let found = says(&desk, "eva", "#boss", "!audit type message_queued").await;
        assert!(found.matches("plum marmalade").count() > 1, "one quotes the other: {found}");
        let other = says(&desk, "eva", "#boss", "!find bread").await;
        assert!(!other.contains("plum"), "{other}");
        let (before, bread) = (answers(&*store, "plum marmalade"), answers(&*store, "bread"));
        assert!(before == 3 && bread == 4, "{before} {bread}");
        let events = everything(&*store);
        let of = |kind: &str| &events.iter().find(|it| it.kind == kind).expect("is there").id;
        let target = match how {
            "event" => Target::Event(of("trigger_recorded").to_string()),
            "execution" => Target::Execution(of("execution_started").stream.id()[..8].to_owned()),
            "person" => Target::Person("@ann:local".into()),
            _ => key_of(&said),
        };
        let would = look(&*store, target.clone(), &mut |_, _| true).expect("it can be looked at");
        let did = erased(&desk, target.clone()).await;
        assert_eq!((&did.kinds, did.kinds["message_queued"]), (&would.kinds, 3), "{how}");
        assert!(did.ended.is_empty(), "{how}: {did:?}");
        let text = readable(&store);
        assert!(!text.contains("marmalade") && text.contains("!audit type"), "{how}: {text}");
        assert_eq!(answers(&*store, "bread"), 2, "{how}: what quotes nothing of it stays");
        assert_eq!(erased(&desk, target).await.events(), 0, "{how}: once");
        stands_nowhere(dir.path(), &[TEXT, "plum marmalade"]);
        drop(desk);
        store.close();
    }
}

#[tokio::test]
async fn one_event_that_is_erased_takes_only_the_answers_that_quote_it() {
    let desk = Desk::new(SCRIPT);
    says(&desk, "ann", "#ops", &format!("!keep {TEXT}")).await;
    says(&desk, "eva", "#boss", "!find kept").await;
    says(&desk, "eva", "#boss", "!audit who ann").await;
    let store = desk.kernel.store.as_ref();
    assert_eq!(answers(store, "marmalade"), 3);
    let events = everything(store);
    let message = events.iter().find(|it| it.kind == "message_queued").expect("an answer");
    let did = erased(&desk, Target::Event(message.id.to_string())).await;
    assert_eq!(did.kinds["message_queued"], 2, "{did:?}");
    assert_eq!(answers(store, "marmalade"), 1, "what quotes the command stays, and so does it");
}

#[tokio::test]
async fn a_question_to_the_log_that_is_under_way_does_not_quote_what_was_erased() {
    let desk = Desk::new(SCRIPT);
    let said = desk.says("ann", "#ops", &format!("!keep {TEXT}"));
    desk.hand_over(vec![said.clone()], None).await;
    desk.settle().await.expect("the log works");
    desk.said();
    desk.hand_over(vec![desk.says("eva", "#boss", "!find kept")], None).await;
    while desk.count("effect_completed") == 0 {
        desk.kernel.catch_up().expect("the log can be read");
        let tasks = desk.kernel.tasks(&|_| false, Budget { steps: 1, effects: 1, sends: 1 });
        desk.kernel.perform(tasks.first().expect("it goes on")).await.expect("the log works");
    }
    let did = erased(&desk, key_of(&said)).await;
    assert_eq!(did.ended.len(), 1, "{did:?}");
    desk.settle().await.expect("the log works");
    let told = desk.said().join("\n");
    assert!(told.contains("#boss: eva: execution") && told.contains("was erased"), "{told}");
    assert_eq!(answers(desk.kernel.store.as_ref(), "marmalade"), 0);
}

#[tokio::test]
async fn so_many_executions_are_looked_at_for_quotes() {
    let desk = Desk::new(SCRIPT);
    for text in ["one", "two", "three"] {
        says(&desk, "ann", "#ops", &format!("!keep {text}")).await;
    }
    let store = desk.kernel.store.as_ref();
    let all: Vec<Position> = everything(store)
        .iter()
        .filter(|it| it.kind == "execution_started")
        .map(|it| it.position)
        .collect();
    for (first, most, want) in [
        (Position::START, QUOTING_MAX, &all[..]),
        (Position::START, 2, &all[1..]),
        (all[0], QUOTING_MAX, &all[1..]),
        (all[2], QUOTING_MAX, &[]),
        (Position::START, 0, &[]),
    ] {
        let found = asked_after(store, first, most).expect("the log can be read");
        assert_eq!(found, want, "after {first}, at most {most}");
    }
}
