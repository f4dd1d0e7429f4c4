//! Which question a message answers: who says what where, against what is open.

use super::*;
use crate::domain::id::{MessageId, RoomId, UserId};
use crate::domain::trigger::Trust;

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

fn question(post: &str, wants: Wants, choices: &[&str]) -> OpenQuestion {
    let asked = QuestionAsked::plain("0", wants, "?", MessageId("M".into()));
    let (execution, origin) =
        (ExecutionId(format!("EXEC{post}")), PostId(format!("{post}-command")));
    OpenQuestion {
        from: vec![UserId("@ann:hs".into())],
        choices: choices.iter().map(|c| (*c).into()).collect(),
        post: Some(PostId(post.into())),
        ..OpenQuestion::of(&execution, &origin, &asked, place(None))
    }
}

fn shown(reading: &Reading) -> String {
    match reading {
        Reading::Answers(q, value) => format!("{} {value}", q.execution),
        Reading::Unclear(q) => format!("unclear {}", q.execution),
        Reading::NotAsked(q) => format!("not asked {}", q.execution),
        Reading::Which(list) => format!("which of {}", list.len()),
        Reading::Nothing => "nothing".into(),
    }
}

#[test]
fn messages_answer_questions() {
    let confirm = || vec![question("$1", Wants::YesNo, &[])];
    let two = || vec![question("$1", Wants::YesNo, &[]), question("$2", Wants::YesNo, &[])];
    let sizes = || vec![question("$1", Wants::Text, &["small", "large", "larger"])];
    let free = || vec![question("$1", Wants::Text, &[])];
    let doubt = || vec![question("$1", Wants::Doubt, &[])];
    for (questions, who, text, addressed, target, want) in [
        (confirm(), "@ann:hs", "yes", true, None, "EXEC$1 true"),
        (confirm(), "@ann:hs", "Yes!", false, None, "EXEC$1 true"),
        (confirm(), "@ann:hs", "no", false, None, "EXEC$1 false"),
        (confirm(), "@ann:hs", "maybe", true, None, "nothing"),
        (confirm(), "@ann:hs", "maybe", false, Some("$1"), "unclear EXEC$1"),
        (confirm(), "@ann:hs", "👍", false, Some("$1"), "EXEC$1 true"),
        (confirm(), "@ann:hs", "👍", false, Some("$9"), "nothing"),
        (confirm(), "@ann:hs", "yes late", false, None, "nothing"),
        (confirm(), "@ann:hs", "yes late", true, None, "EXEC$1 true"),
        (confirm(), "@ann:hs", "ok", false, None, "nothing"),
        (confirm(), "@ann:hs", "ok", true, None, "EXEC$1 true"),
        (confirm(), "@ann:hs", "👍🏽", false, Some("$1"), "EXEC$1 true"),
        (confirm(), "@ann:hs", "yes", false, Some("$1-command"), "EXEC$1 true"),
        (confirm(), "@ann:hs", "yes", false, Some("$9"), "EXEC$1 true"),
        (confirm(), "@ann:hs", "🎉", false, Some("$1"), "nothing"),
        (confirm(), "@ben:hs", "🎉", false, Some("$1"), "nothing"),
        (two(), "@ann:hs", "yes exec$2", false, None, "EXEC$2 true"),
        (two(), "@ann:hs", "yes exec$3", false, None, "nothing"),
        (confirm(), "@ben:hs", "yes", true, None, "not asked EXEC$1"),
        (confirm(), "@ben:hs", "yes", false, None, "nothing"),
        (confirm(), "@ben:hs", "👍", false, Some("$1"), "not asked EXEC$1"),
        (two(), "@ann:hs", "yes", false, None, "which of 2"),
        (two(), "@ann:hs", "yes", false, Some("$2"), "EXEC$2 true"),
        (sizes(), "@ann:hs", "2", false, None, "EXEC$1 \"large\""),
        (sizes(), "@ann:hs", "SMALL", false, None, "EXEC$1 \"small\""),
        (sizes(), "@ann:hs", "sm", false, None, "EXEC$1 \"small\""),
        (sizes(), "@ann:hs", "lar", false, None, "nothing"),
        (sizes(), "@ann:hs", "4", false, None, "nothing"),
        (free(), "@ann:hs", "web 1", true, None, "EXEC$1 \"web 1\""),
        (free(), "@ann:hs", "web 1", false, None, "nothing"),
        (free(), "@ann:hs", "web 1", false, Some("$1"), "EXEC$1 \"web 1\""),
        (doubt(), "@ann:hs", "not done", false, None, "EXEC$1 \"repeat\""),
        (doubt(), "@ann:hs", "give up", false, None, "EXEC$1 \"give_up\""),
    ] {
        let speaker = Speaker {
            id: UserId(who.into()),
            name: who.into(),
            network: "matrix".into(),
            account: None,
            trust: Trust::Account,
        };
        let target = target.map(|id| PostId(id.into()));
        let place = place(None);
        let said = Said {
            speaker: &speaker,
            place: &place,
            text,
            addressed,
            reaction: text.starts_with(['👍', '🎉']),
            target: target.as_ref(),
            at: Timestamp(if text.ends_with("late") { PLAIN_ANSWER_MS + 1 } else { 0 }),
            people: &People::default(),
        };
        let said = Said { text: said.text.trim_end_matches(" late"), ..said };
        assert_eq!(shown(&read(&said, &questions)), want, "{who}: {text:?} {target:?}");
    }
}

#[test]
fn what_was_said_before_a_question_does_not_answer_it() {
    let asked = OpenQuestion { asked_at: Timestamp(90_000), ..question("$1", Wants::YesNo, &[]) };
    let speaker = Speaker {
        id: UserId("@ann:hs".into()),
        name: "ann".into(),
        network: "matrix".into(),
        account: None,
        trust: Trust::Account,
    };
    let (post, place) = (PostId("$1".into()), place(None));
    for (at, addressed, target, want) in [
        (79_000, false, None, "nothing"),
        (79_000, true, None, "nothing"),
        (86_000, false, None, "EXEC$1 true"),
        (106_000, true, None, "EXEC$1 true"),
        (79_000, false, Some(&post), "EXEC$1 true"),
    ] {
        let (speaker, place, at) = (&speaker, &place, Timestamp(at));
        let text = "yes";
        let people = &People::default();
        let said = Said { speaker, place, text, addressed, reaction: false, target, at, people };
        let questions = [asked.clone()];
        assert_eq!(shown(&read(&said, &questions)), want, "{at:?} {target:?}");
    }
}
