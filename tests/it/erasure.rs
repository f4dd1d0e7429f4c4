//! What is erased is gone, what worked with it is ended, and everything else goes on.

use std::sync::Arc;
use std::time::Duration;

use beadle::adapter::{INCOMING_TRIGGERS_MAX, Incoming, Intake, Redaction};
use beadle::domain::erasure::STRETCHES_MAX;
use beadle::domain::event::{EffectResult, Payload, Recorded};
use beadle::domain::id::{DedupeKey, Timestamp, UserId};
use beadle::domain::trigger::{Trigger, What};
use beadle::play::parse::Does;
use beadle::play::world::{Person, Room, World};
use beadle::processor::action::{ActionCall, ActionDone, Actions};
use beadle::processor::erasure::{ENDINGS_MAX, Order, Tally, erase, look};
use beadle::query::agenda::{Agenda, Budget};
use beadle::query::command::explained;
use beadle::query::edits::LOOKED_AT_MAX;
use beadle::query::erased::Erased;
use beadle::query::erasure::{Planner, Target};
use beadle::query::executions;
use beadle::store::memory::MemoryStore;
use beadle::store::stop::StopStore;
use beadle::store::{Clock, Surroundings};
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::desk::Desk;
use crate::store_world::{everything, surroundings};

const SCRIPT: &str = r#"//! Keeps what people say.
action("slow", #{ run: ["true"], output: "text", effect: "once" });
alias("keep {text:text}", |a, msg| { remember("last", a.text); reply(`kept ${a.text}`); });
alias("last", |a, msg| { let last = recall("last") ?? "nothing"; reply(`last is ${last}`); });
alias("sure {text:text}", |a, msg| { if confirm(`Sure about ${a.text}?`) { reply(`did ${a.text}`); } });
alias("nap {text:text}", |a, msg| { sleep("5m"); reply(`waited for ${a.text}`); });
alias("learn", |a, msg| { let what = ask("What?"); remember("fact", what); sleep("5m"); reply(what); });
alias("slow {text:text}", |a, msg| { exec("slow", #{}); reply(`slow ${a.text}`); });
"#;

/// What is planted.
const SECRET: &str = "plum-marmalade";

fn order(target: Target) -> Order {
    Order { target, by: UserId("cli:ann".into()), reason: "a test".into() }
}

pub async fn erased(desk: &Desk, target: Target) -> Tally {
    let tally = erase(desk.kernel.store.as_ref(), &order(target), |_, _| true).await;
    tally.expect("it can be erased")
}

fn log(desk: &Desk) -> Vec<Recorded> {
    everything(desk.kernel.store.as_ref())
}

/// What can be read anywhere in the log.
fn readable(desk: &Desk) -> String {
    let events = log(desk);
    let events = events.iter().filter_map(Recorded::event);
    events.map(|event| event.encode().to_string()).collect::<Vec<_>>().join("\n")
}

pub fn key_of(trigger: &Trigger) -> Target {
    Target::Heard(vec![trigger.key.clone()])
}

/// Nothing waits any more, also for somebody who folds the log from its beginning.
fn is_at_rest(desk: &Desk, what: &str) {
    let mut agenda = Agenda::default();
    agenda.catch_up(desk.kernel.store.as_ref()).expect("the log can be folded");
    assert_eq!((agenda.open_executions(), agenda.unsent()), (0, 0), "{what}");
    let far = desk.clock.now().plus_ms(86_400_000);
    let budget = Budget { steps: 9, effects: 9, sends: 9 };
    assert_eq!(agenda.tasks(far, &|_| false, budget), vec![], "{what}");
    assert_eq!(desk.kernel.agenda(Agenda::open_executions), 0, "{what}");
    let undecided = desk.kernel.tasks(&|_| false, budget);
    assert_eq!(undecided, vec![], "{what}");
}

#[tokio::test]
async fn all_that_a_message_led_to_goes_however_it_is_named() {
    for how in ["event", "position", "execution", "person", "heard"] {
        let desk = Desk::new(SCRIPT);
        let said = desk.says("ann", "#ops", &format!("!keep {SECRET}"));
        desk.hand_over(vec![said.clone()], None).await;
        desk.settle().await.expect("the log works");
        let other = desk.says("ben", "#ops", "!keep bread");
        desk.hand_over(vec![other], None).await;
        desk.settle().await.expect("the log works");
        assert!(readable(&desk).matches(SECRET).count() > 5, "it is planted");
        let events = log(&desk);
        let trigger = events.iter().find(|it| it.kind == "trigger_recorded").expect("one");
        let execution = events.iter().find(|it| it.kind == "execution_started").expect("one");
        let target = match how {
            "event" => Target::Event(trigger.id.to_string()),
            "position" => Target::Event(trigger.position.to_string()),
            "execution" => Target::Execution(execution.id.stream.id()[..8].to_owned()),
            "person" => Target::Person("@ann:local".into()),
            _ => key_of(&said),
        };
        let would = look(desk.kernel.store.as_ref(), target.clone(), &mut |_, _| true);
        let would = would.expect("it can be looked at");
        assert_eq!(log(&desk), events, "{how}: looking changes nothing");
        let did = erased(&desk, target.clone()).await;
        assert_eq!(did.kinds, would.kinds, "{how}");
        assert_eq!((did.kinds["trigger_recorded"], did.ended.len()), (1, 0), "{how}: {did:?}");
        let text = readable(&desk);
        assert!(!text.contains(SECRET) && !text.contains("@ann:local"), "{how}");
        assert!(text.contains("bread"), "{how}: what others said stays");
        let again = erased(&desk, target).await;
        assert_eq!((again.events(), desk.count("events_erased")), (0, 1), "{how}: once");
        is_at_rest(&desk, how);
    }
}

#[tokio::test]
async fn readers_are_told_who_erased_what_and_why() {
    let desk = Desk::new(SCRIPT);
    let said = desk.says("ann", "#ops", &format!("!keep {SECRET}"));
    desk.hand_over(vec![said.clone()], None).await;
    desk.settle().await.expect("the log works");
    erased(&desk, key_of(&said)).await;
    let (store, mut how) = (desk.kernel.store.as_ref(), Erased::default());
    let mut told = 0;
    for event in log(&desk) {
        let row = explained(store, &mut how, &event).expect("the log can be read");
        if event.payload == Payload::Erased {
            told += 1;
            let text = row["erased"]["text"].as_str().expect("a text").to_owned();
            let (day, rest) = text.strip_prefix("erased ").expect(&text).split_at(10);
            assert_eq!((day.matches('-').count(), rest), (2, " by ann: a test"), "{text}");
        } else {
            assert_eq!(row.get("erased"), None, "{row}");
        }
    }
    assert!(told >= 6, "{told}");
    let rows = executions::rows(store, 9, &mut how).expect("the log can be read");
    assert_eq!((rows.len(), &rows[0]["status"]), (1, &json!("erased")), "{rows:?}");
    let prefix = rows[0]["execution"].as_str().expect("an id")[..5].to_owned();
    let left = executions::remains_of(store, &prefix, &mut how).expect("the log can be read");
    let left = left.expect("something is left of it");
    assert!(left["command"].as_str().expect("a text").ends_with("by ann: a test"), "{left}");
    let journal = left["journal"].as_array().expect("a list");
    assert_eq!(journal.last().expect("it ended")["type"], "execution_finished");
    assert!(left["began_ms"].is_i64() && left["touched_ms"].is_i64());
}

#[tokio::test]
async fn what_is_not_over_is_ended_first() {
    for (command, steps, ends) in [
        ("!keep plum-marmalade", 0, "trigger_routed"),
        ("!sure plum-marmalade", 99, "execution_finished"),
        ("!nap plum-marmalade", 99, "execution_finished"),
        ("!slow plum-marmalade", 1, "execution_finished"),
        ("!keep plum-marmalade", 1, "message_failed"),
    ] {
        let desk = Desk::new(SCRIPT);
        let said = desk.says("ann", "#ops", command);
        desk.hand_over(vec![said.clone()], None).await;
        for _ in 0..steps {
            desk.kernel.catch_up().expect("the log can be read");
            let budget = Budget { steps: 1, effects: 0, sends: 1 };
            let Some(task) = desk.kernel.tasks(&|_| false, budget).first().cloned() else { break };
            desk.kernel.perform(&task).await.expect("the log works");
        }
        desk.said();
        let did = erased(&desk, key_of(&said)).await;
        assert!(!did.ended.is_empty(), "{command}: {did:?}");
        assert!(desk.count(ends) > 0, "{command}: {:?}", desk.kinds(None));
        desk.kernel.catch_up().expect("the log can be read");
        desk.clock.advance(Duration::from_secs(86_400).as_millis() as i64);
        desk.settle().await.expect("nothing breaks");
        assert_eq!(desk.said(), Vec::<String>::new(), "{command}: nothing is said of it");
        assert!(!readable(&desk).contains(SECRET), "{command}");
        is_at_rest(&desk, command);
        let other = desk.says("ben", "#ops", "!last");
        desk.hand_over(vec![other], None).await;
        desk.settle().await.expect("the log works");
        assert_eq!(desk.said(), ["#ops: last is nothing"], "{command}: it goes on");
    }
}

#[tokio::test]
async fn an_erased_memory_is_none() {
    let desk = Desk::new(SCRIPT);
    let said = desk.says("ann", "#ops", &format!("!keep {SECRET}"));
    desk.hand_over(vec![said.clone()], None).await;
    desk.settle().await.expect("the log works");
    erased(&desk, key_of(&said)).await;
    let asked = desk.says("ben", "#ops", "!last");
    desk.hand_over(vec![asked], None).await;
    desk.settle().await.expect("the log works");
    assert_eq!(desk.said().last().map(String::as_str), Some("#ops: last is nothing"));
}

#[tokio::test]
async fn an_erased_answer_stops_what_worked_with_it_and_says_so() {
    let desk = Desk::new(SCRIPT);
    let asked = desk.says("ann", "#ops", "!learn");
    desk.hand_over(vec![asked], None).await;
    desk.settle().await.expect("the log works");
    let answer = desk.says("ann", "#ops", &format!("beadle: {SECRET}"));
    desk.hand_over(vec![answer.clone()], None).await;
    desk.settle().await.expect("the log works");
    desk.said();
    let did = erased(&desk, key_of(&answer)).await;
    assert_eq!((did.ended.len(), did.kinds["memory_written"]), (1, 1), "{did:?}");
    desk.clock.advance(Duration::from_secs(3_600).as_millis() as i64);
    desk.settle().await.expect("the log works");
    let said = desk.said();
    let [told] = said.as_slice() else { panic!("{said:?}") };
    assert!(told.contains("was stopped, because something that it worked with was erased"));
    assert!(!readable(&desk).contains(SECRET), "copies of it are gone too");
    assert!(readable(&desk).contains("!learn"), "what was asked for stays");
    is_at_rest(&desk, "an answer");
}

#[tokio::test]
async fn a_person_is_erased_from_what_others_did() {
    let desk = Desk::new(SCRIPT);
    let named = |mut trigger: Trigger| {
        if let What::Message(message) = &mut trigger.what {
            message.speaker.name = "Annabel Lee".into();
        }
        trigger
    };
    let lines = [
        ("ann", "!keep bread"),
        ("ben", "!keep call Annabel Lee today"),
        ("ben", "!keep call @ann:local today"),
        ("ben", "!sure ask annabel lee"),
        ("ben", "!keep Annabel Leeds"),
    ];
    for (who, text) in lines {
        let said = desk.says(who, "#ops", text);
        let said = if who == "ann" { named(said) } else { said };
        desk.hand_over(vec![said], None).await;
        desk.settle().await.expect("the log works");
    }
    let did = erased(&desk, Target::Person("@ann:local".into())).await;
    assert_eq!(did.subjects, 1);
    let text = readable(&desk);
    for gone in ["@ann:local", "Annabel Lee\"", "Annabel Lee ", "annabel lee"] {
        assert!(!text.contains(gone), "{gone}");
    }
    assert!(text.contains("Annabel Leeds"), "another name");
    let person = beadle::store::Subject::Person("@ann:local".into());
    assert_eq!(desk.kernel.store.pseudonym(&person), None, "nobody can compute it again");
    desk.settle().await.expect("the log works");
    is_at_rest(&desk, "a person");
    let back = desk.says("ann", "#ops", "!last");
    desk.hand_over(vec![back], None).await;
    desk.settle().await.expect("the log works");
    assert!(desk.kernel.store.pseudonym(&person).is_some(), "who speaks again is known anew");
}

/// An erased account is nobody's any more, and the other accounts of the person are named, for nothing of theirs goes.
#[tokio::test]
async fn an_erased_account_is_parted_and_the_others_are_named() {
    let desk = Desk::new(SCRIPT);
    let says = async |who: &str, text: &str| {
        let said = desk.says(who, "#ops", text);
        desk.hand_over(vec![said], None).await;
        desk.settle().await.expect("the log works");
    };
    says("ann", "!link").await;
    let given = desk.said().into_iter().find(|text| text.contains("your code is"));
    let given = given.expect("a code is given");
    let code = given.split("your code is ").nth(1).and_then(|rest| rest.split(',').next());
    let code = code.expect("it is in it").to_owned();
    says("work", &format!("!link {code} @ann:local")).await;
    says("ann", &format!("!link {code} yes")).await;
    let (ann, work) = (UserId("@ann:local".into()), UserId("@work:local".into()));
    assert!(desk.kernel.people().expect("the log can be read").same(&ann, &work));
    let did = erased(&desk, Target::Person("@ann:local".into())).await;
    assert_eq!(did.linked, std::slice::from_ref(&work));
    assert!(!desk.kernel.people().expect("the log can be read").same(&ann, &work));
    assert!(!readable(&desk).contains("@ann:local"));
    is_at_rest(&desk, "a person with two accounts");
}

#[tokio::test]
async fn an_erasure_of_an_erasure_says_what_the_first_one_said() {
    let desk = Desk::new(SCRIPT);
    let said = desk.says("ann", "#ops", "!keep bread");
    desk.hand_over(vec![said.clone()], None).await;
    desk.settle().await.expect("the log works");
    let by_ann =
        Order { target: key_of(&said), by: UserId("@ann:local".into()), reason: "mine".into() };
    let store = desk.kernel.store.as_ref();
    let first = erase(store, &by_ann, |_, _| true).await.expect("it can be erased");
    erased(&desk, Target::Person("@ann:local".into())).await;
    assert!(!readable(&desk).contains("@ann:local"));
    let mut how = Erased::default();
    let gone: Vec<Recorded> =
        log(&desk).into_iter().filter(|it| it.payload == Payload::Erased).collect();
    assert!(gone.len() as u64 > first.events());
    for event in &gone {
        let told = how.of(store, event).expect("the log can be read").expect("it is erased");
        assert!(told["text"].as_str().expect("a text").ends_with("by ann: a test"), "{told}");
    }
}

#[tokio::test]
async fn what_is_old_and_over_goes_and_what_is_needed_stays() {
    let desk = Desk::new(SCRIPT);
    for text in ["!keep bread", "!keep butter", "!sure about it"] {
        let said = desk.says("ann", "#ops", text);
        desk.hand_over(vec![said], None).await;
        desk.settle().await.expect("the log works");
    }
    desk.clock.advance(Duration::from_secs(86_400).as_millis() as i64);
    let now = desk.clock.now();
    let fresh = desk.says("ann", "#ops", "!last");
    desk.hand_over(vec![fresh], None).await;
    desk.settle().await.expect("the log works");
    assert_eq!(erased(&desk, Target::OlderThan(Timestamp(0))).await.events(), 0);
    let did = erased(&desk, Target::OlderThan(now)).await;
    assert_eq!((did.kinds["trigger_recorded"], did.ended.len()), (2, 0), "{did:?}");
    assert_eq!(did.kinds["memory_written"], 1, "the current value stays");
    let text = readable(&desk);
    assert!(!text.contains("bread") && text.contains("Sure about about it?"), "{text}");
    assert!(text.contains("last is butter"), "what is young stays");
    desk.said();
    desk.hand_over(vec![desk.says("ann", "#ops", "!yes")], None).await;
    desk.settle().await.expect("the log works");
    let back = desk.said().join(" ").replace('"', " ");
    let yes = format!("!{}", back.rsplit("say ").next().unwrap_or_default().trim());
    let said = [yes.as_str(), "!last"].map(|text| desk.says("ann", "#ops", text));
    desk.hand_over(said.to_vec(), None).await;
    desk.settle().await.expect("the log works");
    let mut said = desk.said();
    said.sort();
    assert_eq!(said, ["#ops: did about it", "#ops: last is butter"]);
}

/// Takes its time until it is let go.
struct Slow {
    begun: Semaphore,
    go: Semaphore,
}

impl Actions for Slow {
    fn run(&self, _: ActionCall) -> BoxFuture<'_, ActionDone> {
        Box::pin(async move {
            self.begun.add_permits(1);
            let _go = self.go.acquire().await.expect("it is let go");
            let (result, whole) = (EffectResult::Ok(json!(SECRET)), Some(SECRET.into()));
            ActionDone { result, whole, took: Duration::ZERO }
        })
    }
}

#[tokio::test]
async fn an_action_under_way_is_let_go_and_what_it_gives_is_dropped() {
    let world = World::new();
    let entropy = surroundings(1).0.entropy;
    let store = MemoryStore::new(Surroundings { clock: world.clock.clone(), entropy });
    let slow = Arc::new(Slow { begun: Semaphore::new(0), go: Semaphore::new(0) });
    let desk = Arc::new(Desk::over(&world, store, slow.clone(), SCRIPT));
    let said = desk.says("ann", "#ops", "!slow it");
    desk.hand_over(vec![said.clone()], None).await;
    let working = desk.clone();
    let work = tokio::spawn(async move { working.settle().await });
    drop(slow.begun.acquire().await.expect("it begins"));
    let did = erased(&desk, key_of(&said)).await;
    assert_eq!(did.kinds["effect_started"], 1, "{did:?}");
    slow.go.add_permits(1);
    work.await.expect("no panic").expect("the log works");
    assert_eq!((desk.count("effect_completed"), desk.count("execution_finished")), (0, 1));
    assert!(!readable(&desk).contains(SECRET));
    is_at_rest(&desk, "an action");
}

fn redaction(trigger: &Trigger, reason: Option<&str>) -> Redaction {
    let (keys, by) = (vec![trigger.key.clone()], UserId("@mod:local".into()));
    let (room, post) = match &trigger.what {
        What::Message(message) => (message.place.room.clone(), message.post.clone()),
        What::Reaction(reaction) => (reaction.place.room.clone(), reaction.post.clone()),
        other => panic!("no post: {other:?}"),
    };
    Redaction { keys, room, post, by, reason: reason.map(str::to_owned) }
}

async fn hear(desk: &Desk, redactions: Vec<Redaction>, sync: &str) {
    let sync = Some(sync.to_owned());
    let incoming = Incoming { redactions, sync, ..Incoming::default() };
    desk.ear.record(incoming).await.expect("the log works");
}

#[tokio::test]
async fn a_deleted_message_is_erased_before_the_position_moves() {
    let desk = Desk::new(SCRIPT);
    let said = desk.says("ann", "#ops", &format!("!sure {SECRET}"));
    desk.hand_over(vec![said.clone()], Some("t1")).await;
    desk.settle().await.expect("the log works");
    let never_heard = desk.says("ann", "#ops", "!keep bread");
    hear(&desk, vec![redaction(&never_heard, None)], "t2").await;
    assert_eq!(desk.count("events_erased"), 0, "the log does not know it");
    hear(&desk, vec![redaction(&said, Some("oops"))], "t3").await;
    let kinds = desk.kinds(None);
    // Its question is still open: that it was deleted is recorded, and it is erased when its script has ended.
    assert_eq!(kinds[kinds.len() - 2..], ["trigger_recorded", "sync_advanced"]);
    desk.settle().await.expect("the log works");
    assert_eq!(desk.count("events_erased"), 1);
    let text = readable(&desk);
    assert!(!text.contains(SECRET) && text.contains("deleted in its room: oops"), "{text}");
    assert!(text.contains("@mod:local"), "who deleted it");
    hear(&desk, vec![redaction(&said, Some("oops"))], "t4").await;
    assert_eq!(desk.count("events_erased"), 1, "once");
    desk.settle().await.expect("the log works");
    is_at_rest(&desk, "a deleted message");
}

#[tokio::test]
async fn a_message_that_is_deleted_in_the_same_sync_is_erased() {
    let desk = Desk::new(SCRIPT);
    let said = desk.says("ann", "#ops", &format!("!keep {SECRET}"));
    let (triggers, redactions) = (vec![said.clone()], vec![redaction(&said, None)]);
    let incoming = Incoming { triggers, redactions, sync: Some("t".into()) };
    desk.ear.record(incoming).await.expect("the log works");
    desk.settle().await.expect("the log works");
    assert!(!readable(&desk).contains(SECRET));
    assert_eq!((desk.said(), desk.count("execution_started")), (vec![], 0));
    is_at_rest(&desk, "at once");
}

#[tokio::test]
async fn a_reaction_that_is_taken_back_erases_nothing() {
    let desk = Desk::new(SCRIPT);
    let said = desk.says("ann", "#ops", "!sure it");
    desk.hand_over(vec![said], None).await;
    desk.settle().await.expect("the log works");
    let person = Person::named("ann");
    let room = Room::named("#ops");
    let yes = desk.world.act(&person, &room, &Does::Reacts("👍".into())).expect("there is a post");
    desk.hand_over(vec![yes.clone()], None).await;
    desk.settle().await.expect("the log works");
    hear(&desk, vec![redaction(&yes, None)], "t").await;
    assert_eq!(desk.count("events_erased"), 0);
    assert_eq!(desk.said().last().map(String::as_str), Some("#ops: did it"));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let desk = Desk::new(SCRIPT);
    let said = desk.says("ann", "#ops", "!keep bread");
    desk.hand_over(vec![said], Some("t")).await;
    desk.settle().await.expect("the log works");
    for (target, want) in [
        (Target::Event("999".into()), "there is no event `999`"),
        (Target::Event("nonsense".into()), "there is no event `nonsense`"),
        (Target::Event("0".into()), "`log_created` is open"),
        (Target::Execution("ZZZ".into()), "no execution's id begins with `ZZZ`"),
    ] {
        let refused = erase(desk.kernel.store.as_ref(), &order(target), |_, _| true).await;
        let why = refused.expect_err("it is refused").to_string();
        assert!(why.contains(want), "{why}");
    }
    let nobody = erased(&desk, Target::Person("@nobody:local".into())).await;
    assert_eq!((nobody.events(), desk.count("events_erased")), (0, 0));
}

fn edit_of(original: &Trigger, mut edit: Trigger) -> Trigger {
    let (What::Message(first), What::Message(message)) = (&original.what, &mut edit.what) else {
        panic!("no messages")
    };
    message.edits = Some(first.post.clone());
    edit
}

#[tokio::test]
async fn a_deleted_message_goes_with_its_edits() {
    for original_known in [true, false] {
        let desk = Desk::new(SCRIPT);
        let first = desk.says("ann", "#ops", &format!("!keep first {SECRET}"));
        let edit = edit_of(&first, desk.says("ann", "#ops", &format!("!keep {SECRET}")));
        let others = edit_of(&first, desk.says("ben", "#ops", "!keep bread"));
        let elsewhere = edit_of(&first, desk.says("ann", "#else", "!keep butter"));
        let mut heard = vec![edit, elsewhere];
        if original_known {
            heard.insert(0, first.clone());
            heard.push(others);
        }
        desk.hand_over(heard, None).await;
        desk.settle().await.expect("the log works");
        assert!(readable(&desk).contains(SECRET), "it is planted");
        hear(&desk, vec![redaction(&first, None)], "t").await;
        let text = readable(&desk);
        assert!(!text.contains(SECRET), "{original_known}");
        assert!(text.contains("butter"), "another room");
        assert_eq!(text.contains("bread"), original_known, "somebody else's stays");
        is_at_rest(&desk, "edits");
    }
}

#[tokio::test]
async fn edits_of_an_unknown_post_are_looked_for_only_so_far_back() {
    for (between, gone) in [(LOOKED_AT_MAX - 1, true), (LOOKED_AT_MAX, false)] {
        let desk = Desk::new(SCRIPT);
        let first = desk.says("ann", "#ops", "first");
        let edit = edit_of(&first, desk.says("ann", "#ops", &format!("!keep {SECRET}")));
        desk.hand_over(vec![edit.clone()], None).await;
        let mut later = Vec::new();
        for n in 0..between {
            let mut trigger = edit_of(&edit, edit.clone());
            trigger.key = DedupeKey::new(&["later", &n.to_string()]);
            let What::Message(message) = &mut trigger.what else { panic!("no message") };
            message.text = "!later".into();
            later.push(trigger);
        }
        for some in later.chunks(INCOMING_TRIGGERS_MAX) {
            desk.hand_over(some.to_vec(), None).await;
        }
        hear(&desk, vec![redaction(&first, None)], "t").await;
        assert_eq!(!readable(&desk).contains(SECRET), gone, "{between}");
    }
}

#[tokio::test]
async fn a_name_that_stands_everywhere_erases_only_its_own() {
    for name in ["matrix", "text", "name", "org", "alias", "local"] {
        let desk = Desk::new(SCRIPT);
        let mut said = desk.says("eve", "#ops", &format!("!keep {SECRET}"));
        let What::Message(message) = &mut said.what else { panic!("no message") };
        message.speaker.name = name.into();
        desk.hand_over(vec![said], None).await;
        desk.settle().await.expect("the log works");
        let others = desk.says("ben", "#ops", "!keep bread");
        desk.hand_over(vec![others], None).await;
        desk.settle().await.expect("the log works");
        let before = readable(&desk).matches("bread").count();
        erased(&desk, Target::Person("@eve:local".into())).await;
        let text = readable(&desk);
        assert!(!text.contains(SECRET), "{name}");
        assert_eq!(text.matches("bread").count(), before, "{name}: what others did stays");
        assert!(text.contains("@ben:local"), "{name}");
    }
}

#[tokio::test]
async fn what_a_person_says_meanwhile_goes_before_their_key() {
    let desk = Desk::new(SCRIPT);
    let said = desk.says("ann", "#ops", "!keep bread");
    desk.hand_over(vec![said], None).await;
    let store = desk.kernel.store.as_ref();
    let person = Target::Person("@ann:local".into());
    let planner = Planner::new(store, person.clone()).expect("it can be planned");
    let more = desk.says("ann", "#ops", &format!("!keep {SECRET}"));
    desk.hand_over(vec![more.clone()], None).await;
    let round = planner.round(store).expect("it can be planned");
    let last = store.find(&more.key).expect("the log works").expect("it is there");
    assert!(round.places.holds(last), "it is in the round that the key goes with");
    assert_eq!(round.subjects.len(), 1);
    erased(&desk, person.clone()).await;
    // Said with the pseudonym of before, and recorded after it: only the account tells.
    let late = desk.says("ann", "#ops", &format!("!keep {SECRET}"));
    desk.hand_over(vec![late], None).await;
    desk.settle().await.expect("the log works");
    erased(&desk, person).await;
    assert!(!readable(&desk).contains(SECRET));
    is_at_rest(&desk, "meanwhile");
}

#[tokio::test]
async fn an_erasure_that_is_killed_between_two_statements_finds_the_rest() {
    let desk = Desk::new(SCRIPT);
    // Every second event is theirs, so that each stands alone: one more than a statement can name.
    let ann = desk.says("ann", "#ops", &format!("!keep {SECRET}"));
    let ben = desk.says("ben", "#ops", "!keep bread");
    let mut heard = Vec::new();
    for n in 0..=STRETCHES_MAX {
        for trigger in [&ann, &ben] {
            let who = trigger.speaker().expect("somebody said it").id.as_str();
            let key = DedupeKey::new(&[&n.to_string(), who]);
            heard.push(Trigger { key, ..trigger.clone() });
        }
    }
    for some in heard.chunks(INCOMING_TRIGGERS_MAX) {
        desk.hand_over(some.to_vec(), None).await;
    }
    let person = order(Target::Person("@ann:local".into()));
    let subject = beadle::store::Subject::Person("@ann:local".into());
    let store = desk.kernel.store.clone();
    // The first statement comes with the last of the ends, the second alone.
    let second = (STRETCHES_MAX + 1).div_ceil(ENDINGS_MAX) as u64 + 1;
    let stopping = StopStore::new(store.clone(), second, false);
    let killed = erase(stopping.as_ref(), &person, |_, _| true).await;
    killed.expect_err("it is killed");
    assert_eq!(desk.count("events_erased"), 1, "between the two");
    store.settle_erasures().expect("the log works");
    assert!(store.pseudonym(&subject).is_some(), "their key goes last");
    assert!(readable(&desk).contains(SECRET), "there is a rest");
    let did = erase(store.as_ref(), &person, |_, _| true).await.expect("it can be erased");
    assert_eq!((did.events(), did.subjects), (1, 1), "the rest is found");
    assert_eq!(store.pseudonym(&subject), None);
    let text = readable(&desk);
    assert!(!text.contains(SECRET) && text.contains("bread"));
}
