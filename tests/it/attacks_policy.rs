//! Attacks on policies: what is forbidden is tried by another way, and what is permitted to somebody else is taken.

use std::path::Path;
use std::sync::Arc;

use beadle::domain::event::{AccountsLinked, EffectResult, Event, GrantMade, NewEvent, Verdict};
use beadle::domain::id::{StreamName, Timestamp, UserId};
use beadle::domain::order::{Order, OrderKind};
use beadle::domain::policy::SHIPPED;
use beadle::domain::role::Roles;
use beadle::play::world::Room;
use beadle::processor::Settings;
use beadle::processor::order::{decided, put};
use beadle::processor::policies::PolicyFolder;
use beadle::query::agenda::Budget;
use beadle::store::{Clock, Expected, Write};
use serde_json::json;

use crate::attacks::{account, last};
use crate::desk::Desk;

const SCRIPT: &str = r#"
action("shop.deploy", #{ run: ["true"], params: #{ app: "string" } });
alias("deploy {app}", |a| exec("shop.deploy", #{ app: a.app }));
alias("slow {app}", |a| { confirm("Go on?"); exec("shop.deploy", #{ app: a.app }); });
alias("roll {app}", |a| { approve("roll out"); exec("shop.deploy", #{ app: a.app }); });
alias("ask {app}", |a| { confirm("Go on?", #{ from: "role:release" }); reply("gone on"); });
alias("wipe {app}", #{ tags: ["guarded"] }, |a| exec("shop.deploy", #{ app: a.app }));
"#;

/// A desk with these policies beside the shipped ones, and with these roles.
async fn desk(policies: &str, roles: &[(&str, &[&str])]) -> (Desk, tempfile::TempDir) {
    let desk = Desk::new(SCRIPT);
    desk.world.fake("shop.deploy", Arc::new(|_| EffectResult::Ok(json!({}))));
    let mut held = Roles::default();
    for (role, entries) in roles {
        let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        held.add(role, &entries).expect("they are roles");
    }
    let settings = Settings { roles: Arc::new(held), ..(*desk.kernel.settings()).clone() };
    desk.kernel.behave(settings);
    let folder = tempfile::tempdir().expect("a temporary folder");
    change(&desk, folder.path(), policies).await;
    (desk, folder)
}

/// Other policies from here on.
async fn change(desk: &Desk, folder: &Path, policies: &str) {
    for (file, text) in SHIPPED {
        std::fs::write(folder.join(file), text).expect("ours");
    }
    std::fs::write(folder.join("50-own.cedar"), policies).expect("ours");
    let (path, shipped) = (folder.to_owned(), false);
    desk.kernel.policies.follow(PolicyFolder { path, shipped });
    desk.kernel.reload_policies().await.expect("the log works");
    assert_eq!(desk.kernel.policies.problems(), vec![]);
}

async fn says(desk: &Desk, who: &str, room: &str, text: &str) {
    let trigger = desk.says(who, room, text);
    desk.hand_over(vec![trigger], None).await;
    desk.settle().await.expect("the log works");
}

fn ran(desk: &Desk) -> usize {
    desk.count("effect_started")
}

async fn noted(desk: &Desk, stream: StreamName, event: impl Into<Event>) {
    let events = vec![NewEvent::bare(event)];
    let write = Write { stream, expected: Expected::Any, key: None, events };
    desk.kernel.store.append(vec![write]).await.expect("the log works");
}

/// Says in the log who is one person; the first account is the head of the group.
async fn linked(desk: &Desk, first: &str, second: &str) {
    let (first, second) = (account(first), account(second));
    noted(desk, StreamName::people(), AccountsLinked { first, second }).await;
}

#[tokio::test]
async fn a_link_does_not_evade_what_is_forbidden() {
    let forbid = "@id(\"not-mallory\")\nforbid (principal == Person::\"@mallory:local\", action, resource);\n\
                  @id(\"not-temps\")\nforbid (principal in Role::\"temps\", action, resource);";
    let (desk, _folder) = desk(forbid, &[("temps", &["@temp:local"])]).await;
    linked(&desk, "m2", "mallory").await;
    linked(&desk, "t2", "temp").await;
    for who in ["mallory", "m2", "temp", "t2"] {
        says(&desk, who, "#ops", "!deploy shop").await;
        assert_eq!(ran(&desk), 0, "{who}");
        assert!(last(&desk).contains("forbids it"), "{who}");
    }
    says(&desk, "ann", "#ops", "!deploy shop").await;
    assert_eq!(ran(&desk), 1);
}

#[tokio::test]
async fn a_link_inherits_nothing_that_is_permitted() {
    let permit = "permit (principal == Person::\"@ann:local\", action, resource);\n\
                  permit (principal in Role::\"ops\", action, resource);";
    let (desk, _folder) = desk(permit, &[("ops", &["@ops:local"])]).await;
    linked(&desk, "ann", "ann_irc").await;
    linked(&desk, "ops", "ops_irc").await;
    linked(&desk, "bob", "bob_irc").await;
    let grant = GrantMade {
        grant: "4F7K2Q9A".into(),
        account: UserId("@bob:local".into()),
        name: "bob".into(),
        alias: "wipe".into(),
        file: String::new(),
        until: Timestamp(i64::MAX),
        by: UserId("@ann:local".into()),
        reason: "ann is away".into(),
    };
    noted(&desk, StreamName::grants(), grant).await;
    for (who, runs) in [
        ("ann_irc", false),
        ("ops_irc", false),
        ("bob_irc", false),
        ("ann", true),
        ("ops", true),
        ("bob", true),
    ] {
        let before = ran(&desk);
        says(&desk, who, "#ops", "!wipe shop").await;
        assert_eq!(ran(&desk) > before, runs, "{who}: {}", last(&desk));
    }
}

/// Asks for approvals of this command.
fn needs(id: &str, count: u32, what: &str) -> String {
    format!(
        "@id(\"{id}\")\n@approvals(\"{count}\")\npermit (principal, action == Action::\"run\", resource == {what});\n"
    )
}

#[tokio::test]
async fn what_one_person_approved_does_not_cover_what_takes_two_now() {
    let (desk, folder) = desk(&needs("one", 1, "Alias::\"slow\""), &[]).await;
    says(&desk, "ann", "#ops", "!slow shop").await;
    says(&desk, "ben", "#ops", "+1").await;
    let both = [needs("two", 2, "Alias::\"slow\""), needs("too", 2, "Operation::\"shop.deploy\"")];
    let both = both.concat();
    change(&desk, folder.path(), &both).await;
    says(&desk, "ann", "#ops", "yes").await;
    assert_eq!(ran(&desk), 0);
    assert!(last(&desk).contains("`shop.deploy` needs 2 approvals"), "{}", last(&desk));
}

#[tokio::test]
async fn who_lost_the_role_since_they_asked_is_not_approved() {
    let permit = "@id(\"leads\")\n@approvals(\"1\")\npermit (principal in Role::\"lead\", action == Action::\"run\", resource in Tag::\"guarded\");\n\
                  permit (principal in Role::\"lead\", action == Action::\"approve\", resource);";
    let (desk, _folder) = desk(permit, &[("lead", &["power>=50 in #ops"])]).await;
    let room = Room::named("#ops");
    desk.world.empower("ann", &room, 50);
    desk.world.empower("ben", &room, 50);
    says(&desk, "ann", "#ops", "!wipe shop").await;
    desk.world.empower("ann", &room, 0);
    says(&desk, "eva", "#ops", "+1").await;
    assert_eq!((ran(&desk), desk.count("approval_voided")), (0, 0), "eva could not run it herself");
    says(&desk, "ben", "#ops", "+1").await;
    assert_eq!((ran(&desk), desk.count("approval_voided")), (0, 1));
    desk.world.empower("ann", &room, 50);
    says(&desk, "ann", "#ops", "!wipe shop").await;
    says(&desk, "ben", "#ops", "+1").await;
    assert_eq!(ran(&desk), 1, "{}", last(&desk));
}

#[tokio::test]
async fn who_was_forbidden_since_they_asked_is_not_approved_in_a_script_either() {
    let (desk, folder) = desk("", &[]).await;
    says(&desk, "ann", "#ops", "!roll shop").await;
    let forbid = "forbid (principal == Person::\"@ann:local\", action == Action::\"run\", resource == Alias::\"roll\");";
    change(&desk, folder.path(), forbid).await;
    says(&desk, "ben", "#ops", "+1").await;
    assert_eq!((ran(&desk), desk.count("approval_voided")), (0, 1));
}

#[tokio::test]
async fn who_cannot_vote_ends_no_approval_either() {
    let (desk, folder) = desk(&needs("one", 1, "Alias::\"slow\""), &[]).await;
    says(&desk, "ann", "#ops", "!slow shop").await;
    change(&desk, folder.path(), &needs("one", 2, "Alias::\"slow\"")).await;
    says(&desk, "ann", "#ops", "+1").await;
    assert_eq!(desk.count("approval_voided"), 0);
    says(&desk, "ben", "#ops", "+1").await;
    assert_eq!(desk.count("approval_voided"), 1);
}

#[tokio::test]
async fn nobody_is_asked_at_the_command_line() {
    let (desk, _folder) = desk(&needs("one", 1, "Operation::\"shop.deploy\""), &[]).await;
    let what = OrderKind::RunAction { action: "shop.deploy".into(), params: json!({ "app": "x" }) };
    let order = Order::new(&UserId("cli:ann".into()), what);
    let trigger = order.trigger(desk.clock.now(), "1");
    let stream = put(desk.kernel.store.as_ref(), trigger).await.expect("the log works");
    desk.settle().await.expect("the log works");
    let decided = decided(desk.kernel.store.as_ref(), &stream).expect("the log can be read");
    let (verdict, reason) = decided.expect("it is decided");
    assert_eq!(verdict, Verdict::Ignored);
    assert!(reason.starts_with("`shop.deploy` needs 1 approvals"), "{reason}");
    assert_eq!((ran(&desk), desk.count("execution_started")), (0, 0));
}

/// A desk whose action is made of a file; the file.
fn of_a_file(script: &str) -> (Desk, tempfile::NamedTempFile) {
    let program = tempfile::NamedTempFile::new().expect("a temporary file");
    let path = program.path().display().to_string();
    let action = format!("action(\"shop.deploy\", #{{ run: [\"{path}\"] }});\n");
    let desk = Desk::new(&(action + script));
    desk.world.fake("shop.deploy", Arc::new(|_| EffectResult::Ok(json!({}))));
    (desk, program)
}

#[tokio::test]
async fn a_program_that_changes_after_the_approval_does_not_run() {
    let script =
        "alias(\"slow\", || { approve(\"go\"); confirm(\"Go on?\"); exec(\"shop.deploy\"); });";
    for changes in [false, true] {
        let (desk, program) = of_a_file(script);
        says(&desk, "ann", "#ops", "!slow").await;
        says(&desk, "ben", "#ops", "+1").await;
        if changes {
            std::fs::write(program.path(), "something else").expect("ours");
        }
        says(&desk, "ann", "#ops", "yes").await;
        assert_eq!(ran(&desk), usize::from(!changes));
        assert_eq!(last(&desk).contains("the approval is void, because"), changes);
    }
}

#[tokio::test]
async fn a_program_that_changes_between_the_vote_and_the_start_does_not_run() {
    for changes in [false, true] {
        let (desk, program) = of_a_file("alias(\"slow\", || exec(\"shop.deploy\"));");
        let folder = tempfile::tempdir().expect("a temporary folder");
        change(&desk, folder.path(), &needs("one", 1, "Alias::\"slow\"")).await;
        says(&desk, "ann", "#ops", "!slow").await;
        desk.hand_over(vec![desk.says("ben", "#ops", "+1")], None).await;
        desk.kernel.catch_up().expect("the log can be read");
        let only = Budget { steps: 1, effects: 0, sends: 0 };
        let task = desk.kernel.tasks(&|_| false, only).remove(0);
        desk.kernel.perform(&task).await.expect("the log works");
        assert_eq!(desk.count("approval_voted"), 1);
        if changes {
            std::fs::write(program.path(), "something else").expect("ours");
        }
        desk.settle().await.expect("the log works");
        assert_eq!(
            (ran(&desk), desk.count("approval_voided")),
            match changes {
                true => (0, 1),
                false => (1, 0),
            }
        );
        assert_eq!(last(&desk).contains("was not run: the approval is void"), changes);
    }
}

#[tokio::test]
async fn a_member_of_a_role_is_heard_before_anybody_has_looked() {
    let (desk, _folder) = desk("", &[("release", &["member of #release"])]).await;
    desk.world.empower("cat", &Room::named("#release"), 0);
    says(&desk, "ann", "#ops", "!ask shop").await;
    says(&desk, "eve", "#ops", "yes").await;
    assert_eq!(desk.count("question_answered"), 0);
    says(&desk, "cat", "#ops", "yes").await;
    assert_eq!(desk.count("question_answered"), 1, "{}", last(&desk));
}
