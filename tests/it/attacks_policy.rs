//! Attacks on policies: what is forbidden is tried by another way, and what is permitted to somebody else is taken.

use std::path::Path;
use std::sync::Arc;

use beadle::domain::event::{AccountsLinked, EffectResult, Event, GrantMade, NewEvent};
use beadle::domain::id::{StreamName, Timestamp, UserId};
use beadle::domain::policy::SHIPPED;
use beadle::domain::role::Roles;
use beadle::domain::trigger::{Speaker, Trust};
use beadle::processor::Settings;
use beadle::processor::policies::PolicyFolder;
use beadle::store::{Expected, Write};
use serde_json::json;

use crate::desk::Desk;

const SCRIPT: &str = r#"
action("shop.deploy", #{ run: ["true"], params: #{ app: "string" } });
alias("deploy {app}", |a| exec("shop.deploy", #{ app: a.app }));
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

/// What the bot said last.
fn last(desk: &Desk) -> String {
    desk.said().last().cloned().unwrap_or_default()
}

fn account(name: &str) -> Speaker {
    Speaker {
        id: UserId(format!("@{name}:local")),
        name: name.into(),
        network: "matrix".into(),
        account: None,
        trust: Trust::Account,
    }
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
