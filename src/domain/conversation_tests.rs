//! Which question a message answers: who says what where, against what is open.

use super::*;
use crate::domain::event::{AccountsLinked, QuestionAsked};
use crate::domain::id::{MessageId, RoomId, UserId};
use crate::domain::trigger::Trust;

const MINUTE: i64 = 60_000;

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

/// A question to ann that was asked at 0 with the post `$1`, by the execution `EXEC1…`, on the command `$c1`.
fn question(nth: &str, wants: Wants, choices: &[&str]) -> OpenQuestion {
    let asked = QuestionAsked::plain("0", wants, "?", MessageId("M".into()));
    let execution = ExecutionId(format!("EXEC{nth}0000"));
    OpenQuestion {
        from: vec![UserId("@ann:hs".into())],
        choices: choices.iter().map(|c| (*c).into()).collect(),
        post: Some(PostId(format!("${nth}"))),
        phrase: match nth {
            "1" => "pink martini".into(),
            "2" => "lazy otter".into(),
            _ => String::new(),
        },
        ..OpenQuestion::of(&execution, &PostId(format!("$c{nth}")), &asked, place(None))
    }
}

fn speaker(who: &str) -> Speaker {
    Speaker {
        id: UserId(format!("@{who}:hs")),
        name: who.into(),
        network: "matrix".into(),
        account: None,
        trust: Trust::Account,
        claims: vec![],
    }
}

fn shown(reading: &Reading) -> String {
    let name = |q: &OpenQuestion| format!("{}/{}", &q.execution.as_str()[4..5], q.path);
    match reading {
        Reading::Answers(q, value) => format!("{} {value}", name(q)),
        Reading::Unclear(q) => format!("unclear {}", name(q)),
        Reading::NotAsked(q) => format!("not asked {}", name(q)),
        Reading::Unproven(q) => format!("unproven {}", name(q)),
        Reading::Which(list) => {
            format!("which of {}", list.iter().map(|q| name(q)).collect::<Vec<_>>().join(" "))
        }
        Reading::Nothing => "nothing".into(),
    }
}

/// `how`: `plain`, `bot`, and behind that `to $post`, `in $thread`, `on $post` for a reaction.
fn heard(who: &str, text: &str, how: &str, at: i64, questions: &[OpenQuestion]) -> String {
    let words: Vec<&str> = how.split(' ').collect();
    let roles: Vec<String> = if who == "lea" { vec!["lead".into()] } else { vec![] };
    let post = |word: &str| {
        let at = words.iter().position(|it| *it == word)?;
        Some(PostId(words[at + 1].into()))
    };
    let (speaker, place, target) =
        (speaker(who), place(post("in").map(|it| it.0).as_deref()), post("to").or(post("on")));
    let said = Said {
        speaker: &speaker,
        place: &place,
        text,
        addressed: words[0] == "bot",
        reaction: words.contains(&"on"),
        target: target.as_ref(),
        at: Timestamp(at),
        people: &People::default(),
        roles: &roles,
        stale_after_ms: STALE_AFTER_MS,
    };
    shown(&read(&said, questions))
}

/// What is open, by a letter each: y yes or no, s a size, f a free text, d a doubt, n numbers; `b`: what follows is ben's.
fn open(kinds: &str) -> Vec<OpenQuestion> {
    let mut questions = vec![];
    let mut from = "@ann:hs";
    for kind in kinds.chars() {
        let nth = (questions.len() + 1).to_string();
        let question = match kind {
            'y' => question(&nth, Wants::YesNo, &[]),
            's' => question(&nth, Wants::Text, &["small", "large", "larger"]),
            'n' => question(&nth, Wants::Text, &["4", "2", "8"]),
            'f' => question(&nth, Wants::Text, &[]),
            'd' => question(&nth, Wants::Doubt, &[]),
            _ => {
                from = "@ben:hs";
                continue;
            }
        };
        questions.push(OpenQuestion { from: vec![UserId(from.into())], ..question });
    }
    questions
}

#[test]
fn a_reply_or_thread_comes_first_then_the_only_question_then_it_is_asked_back() {
    for (kinds, who, text, how, want) in [
        // The only one.
        ("y", "ann", "yes", "bot", "1/0 true"),
        ("y", "ann", "Yes!", "plain", "1/0 true"),
        ("y", "ann", "no", "plain", "1/0 false"),
        ("y", "ann", "maybe", "bot", "nothing"),
        ("y", "ann", "maybe", "plain", "nothing"),
        ("y", "ann", "ok", "plain", "nothing"),
        ("y", "ann", "ok", "bot", "1/0 true"),
        ("y", "ann", "yes", "plain in $9", "nothing"),
        ("y", "ann", "yes", "bot in $9", "1/0 true"),
        ("yby", "ann", "yes", "plain", "1/0 true"),
        // A reply, a thread, a reaction.
        ("y", "ann", "maybe", "plain to $1", "unclear 1/0"),
        ("y", "ann", "yes", "plain to $c1", "1/0 true"),
        ("y", "ann", "yes", "plain to $9", "nothing"),
        ("yy", "ann", "yes", "plain to $2", "2/0 true"),
        ("yy", "ann", "yes", "plain in $2", "2/0 true"),
        ("yy", "ann", "we talk", "plain in $2", "nothing"),
        ("yy", "ann", "maybe", "bot in $2", "unclear 2/0"),
        ("y", "ann", "👍", "plain on $1", "1/0 true"),
        ("y", "ann", "👍🏽", "plain on $1", "1/0 true"),
        ("y", "ann", "👍", "plain on $9", "nothing"),
        ("y", "ann", "🎉", "plain on $1", "nothing"),
        ("y", "ben", "🎉", "plain on $1", "nothing"),
        // Several.
        ("yy", "ann", "yes", "plain", "which of 1/0 2/0"),
        ("yy", "ann", "yes", "bot", "which of 1/0 2/0"),
        ("yf", "ann", "yes", "bot", "which of 1/0 2/0"),
        ("yf", "ann", "yes", "plain", "1/0 true"),
        ("ys", "ann", "yes", "bot", "1/0 true"),
        ("ys", "ann", "2", "plain", "2/0 \"large\""),
        // Somebody else.
        ("y", "ben", "yes", "bot", "not asked 1/0"),
        ("y", "ben", "yes", "plain", "nothing"),
        ("y", "ben", "yes", "plain to $1", "not asked 1/0"),
        ("y", "ben", "hm", "plain to $1", "not asked 1/0"),
        ("y", "ben", "👍", "plain on $1", "not asked 1/0"),
        ("yy", "ben", "yes", "bot", "not asked 1/0"),
        ("f", "ben", "web 1", "bot", "nothing"),
        // Texts and choices.
        ("s", "ann", "2", "plain", "1/0 \"large\""),
        ("s", "ann", "2️⃣", "plain on $1", "1/0 \"large\""),
        ("s", "ann", "SMALL", "plain", "1/0 \"small\""),
        ("s", "ann", "sm", "plain", "1/0 \"small\""),
        ("s", "ann", "lar", "plain", "nothing"),
        ("s", "ann", "4", "plain", "nothing"),
        ("n", "ann", "2", "plain", "1/0 \"2\""),
        ("n", "ann", "2️⃣", "plain on $1", "1/0 \"2\""),
        ("n", "ann", "1", "plain", "nothing"),
        ("f", "ann", "web 1", "bot", "1/0 \"web 1\""),
        ("f", "ann", "web 1", "plain", "nothing"),
        ("f", "ann", "web 1", "plain to $1", "1/0 \"web 1\""),
        ("d", "ann", "not done", "plain", "1/0 \"repeat\""),
        ("d", "ann", "give up", "plain", "1/0 \"give_up\""),
    ] {
        assert_eq!(heard(who, text, how, 0, &open(kinds)), want, "{kinds} {who}: {text:?} {how}");
    }
}

#[test]
fn a_phrase_or_an_id_says_which() {
    for (kinds, who, text, how, want) in [
        ("yy", "ann", "pink martini", "plain", "1/0 true"),
        ("yy", "ann", "Lazy Otter!", "bot", "2/0 true"),
        ("yy", "ann", "lazy otter no", "plain", "2/0 false"),
        ("yy", "ann", "no, lazy otter", "plain", "2/0 false"),
        ("yy", "ben", "pink martini", "plain", "not asked 1/0"),
        ("yy", "ann", "pink martin", "plain", "nothing"),
        ("yy", "ann", "pink martini is my favourite", "plain", "nothing"),
        ("yy", "ann", "pink martini what", "bot", "unclear 1/0"),
        ("yy", "ann", "pink martini", "plain to $1", "1/0 true"),
        ("yy", "ann", "pink martini", "plain to $2", "unclear 2/0"),
        ("ss", "ann", "lazy otter large", "plain", "2/0 \"large\""),
        ("ss", "ann", "small lazy otter", "plain", "2/0 \"small\""),
        ("ss", "ann", "lazy otter", "plain", "unclear 2/0"),
        ("ff", "ann", "lazy otter web 1", "plain", "2/0 \"web 1\""),
        ("d", "ann", "pink martini", "plain", "unclear 1/0"),
        ("d", "ann", "pink martini done", "plain", "1/0 \"done\""),
        ("yy", "ann", "yes exec2", "plain", "2/0 true"),
        ("yy", "ann", "yes exec2/0", "plain", "2/0 true"),
        ("yy", "ann", "yes exec2/1", "plain", "nothing"),
        ("yy", "ann", "yes exec3", "plain", "nothing"),
        ("yy", "ann", "yes exe", "plain", "nothing"),
        ("yy", "ann", "yes exec", "plain", "which of 1/0 2/0"),
        ("yy", "ben", "yes exec2", "plain", "not asked 2/0"),
    ] {
        assert_eq!(heard(who, text, how, 0, &open(kinds)), want, "{kinds} {who}: {text:?} {how}");
    }
}

#[test]
fn two_questions_of_one_execution_are_told_apart() {
    let first = question("1", Wants::YesNo, &[]);
    let second = OpenQuestion {
        path: "3.1.0".into(),
        post: Some(PostId("$2".into())),
        phrase: "lazy otter".into(),
        ..first.clone()
    };
    let bens = OpenQuestion { from: vec![UserId("@ben:hs".into())], ..second.clone() };
    let both = [first.clone(), second];
    for (text, how, want) in [
        ("yes", "plain", "which of 1/0 1/3.1.0"),
        ("yes exec1", "plain", "which of 1/0 1/3.1.0"),
        ("yes exec1/3.1.0", "plain", "1/3.1.0 true"),
        ("yes exec1/0", "plain", "1/0 true"),
        ("yes", "plain to $2", "1/3.1.0 true"),
        ("yes", "plain to $c1", "which of 1/0 1/3.1.0"),
        ("lazy otter", "plain", "1/3.1.0 true"),
    ] {
        assert_eq!(heard("ann", text, how, 0, &both), want, "{text:?} {how}");
    }
    assert_eq!(heard("ann", "yes", "plain to $c1", 0, &[first.clone(), bens.clone()]), "1/0 true");
    assert_eq!(heard("ben", "yes exec1", "plain", 0, &[first, bens]), "1/3.1.0 true");
}

#[test]
fn after_a_while_a_bare_answer_is_asked_back_even_when_it_can_mean_one_thing_only() {
    let late = STALE_AFTER_MS + 1;
    for (at, kinds, text, how, want) in [
        (STALE_AFTER_MS, "y", "yes", "plain", "1/0 true"),
        (late, "y", "yes", "plain", "nothing"),
        (STALE_AFTER_MS, "y", "yes", "bot", "1/0 true"),
        (late, "y", "yes", "bot", "which of 1/0"),
        (late, "y", "no", "bot", "which of 1/0"),
        (late, "f", "web 1", "bot", "which of 1/0"),
        (late, "y", "yes", "plain to $1", "1/0 true"),
        (late, "y", "👍", "plain on $1", "1/0 true"),
        (late, "y", "yes", "plain in $1", "1/0 true"),
        (late, "y", "pink martini", "plain", "1/0 true"),
        (late, "y", "pink martini", "bot", "1/0 true"),
        (late, "y", "no pink martini", "bot", "1/0 false"),
        (late, "yy", "yes", "bot", "which of 1/0 2/0"),
        (late, "yy", "yes", "plain", "nothing"),
    ] {
        assert_eq!(heard("ann", text, how, at, &open(kinds)), want, "{at} {kinds} {text:?} {how}");
    }
    let mixed = open("yy");
    let newer = OpenQuestion { asked_at: Timestamp(late - MINUTE), ..mixed[1].clone() };
    let mixed = [mixed[0].clone(), newer];
    let two = "which of 1/0 2/0";
    assert_eq!(heard("ann", "yes", "plain", late, &mixed), two, "one is fresh, one is not");
    let reminded = OpenQuestion { reminded_at: Some(Timestamp(late)), ..open("y")[0].clone() };
    let again = [OpenQuestion { again: vec![PostId("$r".into())], ..reminded }];
    assert_eq!(heard("ann", "yes", "plain", late + MINUTE, &again), "1/0 true", "reminded of");
    assert_eq!(heard("ann", "yes", "plain to $r", 9 * late, &again), "1/0 true", "a reminder");
}

#[test]
fn who_holds_a_role_that_is_asked_may_answer() {
    let asked = OpenQuestion { from: vec![], roles: vec!["lead".into()], ..open("y")[0].clone() };
    assert_eq!(heard("lea", "yes", "plain", 0, std::slice::from_ref(&asked)), "1/0 true");
    assert_eq!(heard("ann", "yes", "bot", 0, std::slice::from_ref(&asked)), "not asked 1/0");
    let other = OpenQuestion { roles: vec!["release".into()], ..asked };
    assert_eq!(heard("lea", "yes", "bot", 0, &[other]), "not asked 1/0");
}

#[test]
fn what_was_said_before_a_question_does_not_answer_it() {
    let asked = OpenQuestion { asked_at: Timestamp(90_000), ..question("1", Wants::YesNo, &[]) };
    for (at, how, want) in [
        (79_000, "plain", "nothing"),
        (79_000, "bot", "nothing"),
        (86_000, "plain", "1/0 true"),
        (106_000, "bot", "1/0 true"),
        (79_000, "plain to $1", "1/0 true"),
    ] {
        assert_eq!(
            heard("ann", "yes", how, at, std::slice::from_ref(&asked)),
            want,
            "{at:?} {how}"
        );
    }
}

#[test]
fn an_id_needs_so_many_characters() {
    let id = "EXEC1000";
    for chars in 1..=id.len() {
        let text = format!("yes {}", &id[..chars]);
        let want = if chars < NAMED_CHARS_MIN { "nothing" } else { "1/0 true" };
        assert_eq!(heard("ann", &text, "plain", 0, &open("y")), want, "{text}");
    }
}

#[test]
fn votes_find_their_approval() {
    let approval = |nth: &str| question(nth, Wants::Approval, &[]);
    let one = || vec![approval("1")];
    let two = || vec![approval("1"), approval("2")];
    let mixed = || vec![approval("1"), question("3", Wants::YesNo, &[])];
    for (questions, who, text, how, at, want) in [
        (one(), "ben", "+1", "plain", 0, "1/0 for"),
        (one(), "ben", "+1", "bot", 0, "1/0 for"),
        (one(), "ben", "👍", "on $1", 0, "1/0 for"),
        (one(), "ben", "👍", "on $9", 0, "nothing"),
        (one(), "ben", "🎉", "on $1", 0, "nothing"),
        (one(), "ben", "+1", "plain", 16 * MINUTE, "nothing"),
        (one(), "ben", "+1", "bot", 16 * MINUTE, "which of 1/0"),
        (one(), "ben", "+1 EXEC1", "plain", 16 * MINUTE, "1/0 for"),
        (one(), "ben", "+1", "to $1", 16 * MINUTE, "1/0 for"),
        (one(), "ben", "yes", "to $1", 0, "1/0 for"),
        (one(), "ben", "yes", "in $1", 0, "1/0 for"),
        (one(), "ben", "well", "in $1", 0, "nothing"),
        (one(), "ben", "well", "to $1", 0, "unclear 1/0"),
        (one(), "ben", "yes", "plain", 0, "nothing"),
        (one(), "ben", "yes", "bot", 0, "1/0 vague"),
        (one(), "ben", "<eva> +1", "plain", 0, "nothing"),
        (one(), "ben", "> pink martini", "plain", 0, "nothing"),
        (one(), "ben", "Pink Martini!", "plain", 16 * MINUTE, "1/0 for"),
        (one(), "ben", "+1 “pink martini”", "plain", 0, "1/0 for"),
        (one(), "ben", "-1 pink martini", "plain", 0, "1/0 against"),
        (one(), "ben", "pink martinis", "plain", 0, "nothing"),
        (one(), "ben", "deny EXEC1 too late", "plain", 0, "1/0 against"),
        (one(), "ben", "+1 EXEC9", "plain", 0, "nothing"),
        (two(), "ben", "+1", "plain", 0, "which of 1/0 2/0"),
        (two(), "ben", "+1", "bot", 0, "which of 1/0 2/0"),
        (two(), "ben", "+1 EXEC2", "plain", 0, "2/0 for"),
        (two(), "ben", "lazy otter", "plain", 0, "2/0 for"),
        (two(), "ben", "+1", "to $2", 0, "2/0 for"),
        (mixed(), "ann", "yes", "plain", 0, "3/0 true"),
        (mixed(), "ann", "yes", "bot", 0, "3/0 true"),
        (mixed(), "ann", "+1", "bot", 0, "which of 1/0 3/0"),
        (mixed(), "ben", "+1", "plain", 0, "1/0 for"),
        (mixed(), "ben", "+1", "bot", 0, "1/0 for"),
        (mixed(), "ann", "no", "plain", 0, "3/0 false"),
    ] {
        let got = heard(who, text, how, at, &questions);
        let got = match got.split_once(" {") {
            None => got,
            Some((name, value)) => {
                let vote = if value.contains("\"vague\":true") { "vague" } else { "for" };
                let against = value.contains("\"vote\":\"against\"");
                format!("{name} {}", if against { "against" } else { vote })
            }
        };
        assert_eq!(got, want, "{who}: {text:?} {how} at {at}");
    }
}

#[test]
fn who_is_not_proven_answers_for_that_name_alone() {
    let mut people = People::default();
    let linked = AccountsLinked { first: speaker("ann"), second: speaker("ann_") };
    people.apply(&linked.into());
    // Who asked for it, how they were proven, who answers, and how they are.
    for (by, then, who, now, want) in [
        ("ann", Trust::Account, "ann_", Trust::Account, "1/0 true"),
        ("ann", Trust::Account, "ann_", Trust::Nick, "unproven 1/0"),
        ("ann_", Trust::Account, "ann_", Trust::Nick, "unproven 1/0"),
        ("ann_", Trust::Nick, "ann", Trust::Nick, "unproven 1/0"),
        ("ann_", Trust::Nick, "ann_", Trust::Nick, "1/0 true"),
        ("ann_", Trust::Nick, "ann", Trust::Device, "1/0 true"),
        ("ben", Trust::Account, "ann", Trust::Nick, "not asked 1/0"),
    ] {
        let commander = Speaker { trust: then, ..speaker(by) };
        let from = vec![commander.id.clone()];
        let asked = question("1", Wants::YesNo, &[]);
        let asked = [OpenQuestion { from, of_account: then.proves_account(), ..asked }];
        let (speaker, place) = (Speaker { trust: now, ..speaker(who) }, place(None));
        let said = Said {
            speaker: &speaker,
            place: &place,
            text: "yes",
            addressed: true,
            reaction: false,
            target: None,
            at: Timestamp(0),
            people: &people,
            roles: &[],
            stale_after_ms: STALE_AFTER_MS,
        };
        let case = format!("{by} {then:?}, then {who} {now:?}");
        assert_eq!(shown(&read(&said, &asked)), want, "{case}");
    }
}
