//! Attacks on approvals: each is tried, and nothing runs.

use std::sync::Arc;

use beadle::domain::event::{AccountsLinked, AccountsUnlinked, EffectResult, Event, NewEvent};
use beadle::domain::id::{StreamName, UserId};
use beadle::domain::trigger::{Speaker, Trigger, Trust};
use beadle::play::parse::Does;
use beadle::play::world::{Person, Room};
use beadle::store::{Expected, Write};
use serde_json::json;

use crate::desk::Desk;
use crate::store_world::everything;

const SCRIPT: &str = r#"
action("shop.deploy", #{ run: ["true"], params: #{ app: "string" } });
alias("deploy {app}", |a| {
    approve(`deploy ${a.app}`, #{ count: 1 });
    exec("shop.deploy", #{ app: a.app });
});
alias("release {app}", |a| {
    approve(`release ${a.app}`, #{ count: 2, reactions: true });
    exec("shop.deploy", #{ app: a.app });
});
alias("roll out {app}", |a| {
    approve(`roll out ${a.app}`, #{ role: "release" });
    exec("shop.deploy", #{ app: a.app });
});
"#;

fn desk() -> Desk {
    let desk = Desk::new(SCRIPT);
    desk.world.fake("shop.deploy", Arc::new(|_| EffectResult::Ok(json!({}))));
    desk
}

fn does(desk: &Desk, person: &Person, does: Does) -> Trigger {
    desk.world.act(person, &Room::named("#ops"), &does).expect("they can do it")
}

async fn happens(desk: &Desk, trigger: Trigger) {
    desk.hand_over(vec![trigger], None).await;
    desk.settle().await.expect("the log works");
}

async fn says(desk: &Desk, who: &str, text: &str) -> Trigger {
    let trigger = desk.says(who, "#ops", text);
    happens(desk, trigger.clone()).await;
    trigger
}

/// How many effects began and how many votes count.
fn ran_and_voted(desk: &Desk) -> (usize, usize) {
    (desk.count("effect_started"), desk.count("approval_voted"))
}

/// What the bot said last.
pub fn last(desk: &Desk) -> String {
    desk.said().last().cloned().unwrap_or_default()
}

/// Somebody of the network that the bot is on.
pub fn account(name: &str) -> Speaker {
    Speaker {
        id: UserId(format!("@{name}:local")),
        name: name.into(),
        network: "matrix".into(),
        account: None,
        trust: Trust::Account,
        claims: vec![],
    }
}

/// Says in the log who is one person, as the code of both sides does in the end.
async fn people(desk: &Desk, event: impl Into<Event>) {
    let events = vec![NewEvent::bare(event)];
    let (stream, expected) = (StreamName::people(), Expected::Any);
    let write = Write { stream, expected, key: None, events };
    desk.kernel.store.append(vec![write]).await.expect("the log works");
}

#[tokio::test]
async fn a_second_account_does_not_approve_the_request_of_the_first() {
    let desk = desk();
    let (first, second) = (account("ann"), account("ann_phone"));
    people(&desk, AccountsLinked { first: first.clone(), second: second.clone() }).await;
    says(&desk, "ann", "!deploy shop").await;
    says(&desk, "ann_phone", "+1").await;
    assert_eq!(ran_and_voted(&desk), (0, 0));
    assert!(last(&desk).contains("you asked for this one; someone else must approve"));
    // Parting from it now does not make it somebody else.
    people(&desk, AccountsUnlinked { account: second.id, by: first.id }).await;
    says(&desk, "ann_phone", "+1").await;
    assert_eq!(ran_and_voted(&desk), (0, 0));
    says(&desk, "ben", "+1").await;
    assert_eq!(ran_and_voted(&desk), (1, 1));
}

#[tokio::test]
async fn two_accounts_of_one_person_are_one_vote() {
    let desk = desk();
    let (first, second) = (account("ben"), account("ben_irc"));
    says(&desk, "ann", "!release shop").await;
    says(&desk, "ben", "+1").await;
    people(&desk, AccountsLinked { first, second }).await;
    says(&desk, "ben_irc", "+1").await;
    assert_eq!(ran_and_voted(&desk), (0, 1));
    assert!(last(&desk).contains("it takes another person"), "{}", last(&desk));
}

#[tokio::test]
async fn a_name_that_somebody_shows_proves_nothing() {
    let desk = desk();
    says(&desk, "ann", "!roll out shop").await;
    for (id, shown) in [("mallory", "ben"), ("@b\u{435}n:local", "ben"), ("@ben:evil.org", "ben")] {
        let person = Person { shown: Some(shown.into()), ..Person::named(id) };
        happens(&desk, does(&desk, &person, Does::Says("+1".into()))).await;
        assert_eq!(ran_and_voted(&desk), (0, 0), "{id}");
        assert!(last(&desk).contains("the role `release`"), "{id}: {}", last(&desk));
    }
    // Where anybody may approve, it is told which account it was.
    says(&desk, "ann", "!deploy shop").await;
    let spoof = Person { shown: Some("ben".into()), ..Person::named("@b\u{435}n:local") };
    happens(&desk, does(&desk, &spoof, Does::Replies("+1".into()))).await;
    let told = desk.said();
    let edit =
        told.iter().find(|text| text.contains("approved by")).expect("the prompt is changed");
    assert!(edit.contains(r"approved by @b\u{435}n:local"), "{edit}");
}

#[tokio::test]
async fn an_old_approval_is_not_an_approval_of_something_else() {
    let desk = desk();
    says(&desk, "ann", "!release shop").await;
    let vote = says(&desk, "ben", "+1").await;
    assert_eq!(ran_and_voted(&desk), (0, 1));
    // The same event once more, and the same text once more.
    happens(&desk, vote.clone()).await;
    says(&desk, "ben", "+1").await;
    assert_eq!(ran_and_voted(&desk), (0, 1));
    says(&desk, "ann", "-1 because of a mistake").await;
    assert_eq!(ran_and_voted(&desk), (0, 2), "who asked takes it back");
    says(&desk, "ann", "!release shop").await;
    happens(&desk, vote).await;
    says(&desk, "eva", "+1").await;
    assert_eq!(ran_and_voted(&desk), (0, 3), "the first vote was for another request");
}

#[tokio::test]
async fn the_id_of_what_is_over_approves_nothing() {
    let desk = desk();
    says(&desk, "ann", "!deploy shop").await;
    let prompt = desk.said().into_iter().find(|text| text.contains("asks to")).expect("asked");
    let (_, rest) = prompt.split_once("`+1 ").expect("it names the id");
    let id = rest.split('`').next().expect("it ends").to_owned();
    let (_, rest) = prompt.split_once('“').expect("it has a phrase");
    let phrase = rest.split('”').next().expect("it ends").to_owned();
    says(&desk, "ben", "-1").await;
    says(&desk, "ann", "!deploy other").await;
    for text in
        [format!("+1 {id}"), format!("@bot +1 {id}"), phrase.clone(), format!("+1 {phrase}")]
    {
        says(&desk, "eva", &text).await;
        assert_eq!(ran_and_voted(&desk), (0, 1), "{text}");
    }
    says(&desk, "eva", "+1").await;
    assert_eq!(ran_and_voted(&desk), (1, 2));
}

#[tokio::test]
async fn a_bridge_bot_and_a_relay_approve_nothing() {
    let desk = desk();
    says(&desk, "ann", "!release shop").await;
    let relay = Person { trust: Some(Trust::Nothing), ..Person::named("bridge") };
    for act in [
        Does::Reacts("👍".into()),
        Does::Says("<ben> +1".into()),
        Does::Says("+1".into()),
        Does::Replies("+1".into()),
        Does::Says("> <@ben:local> +1".into()),
    ] {
        happens(&desk, does(&desk, &relay, act.clone())).await;
        assert_eq!(ran_and_voted(&desk), (0, 0), "{act:?}");
    }
    // Not even an account that is known speaks for another.
    says(&desk, "eva", "<ben> +1").await;
    says(&desk, "eva", "ben says +1").await;
    assert_eq!(ran_and_voted(&desk), (0, 0));
    let recorded = everything(desk.kernel.store.as_ref());
    assert!(recorded.iter().any(|event| event.kind == "approval_requested"));
}
