//! Phrases: their words, how they are chosen, how they are said.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::alias_index::damerau;
use super::super::event::{Event, decode};
use super::super::id::{RoomId, ScriptHash, UserId};
use super::*;

fn lists() -> [Vec<&'static str>; 2] {
    [FIRST, SECOND].map(|list| list.split_ascii_whitespace().collect())
}

#[test]
fn no_word_is_a_slip_away_from_another() {
    let lists = lists();
    assert!(lists[0].contains(&"pink") && lists[1].contains(&"martini"));
    for list in &lists {
        assert_eq!(list.len(), WORDS);
        for (n, word) in list.iter().enumerate() {
            assert!((3..=9).contains(&word.len()), "{word}");
            assert!(word.chars().all(|c| c.is_ascii_lowercase()), "{word}");
            for other in &list[n + 1..] {
                assert!(damerau(word, other) >= 2, "{word} and {other}");
            }
        }
    }
}

#[test]
fn no_word_is_an_answer_by_itself() {
    let answers =
        ["yes", "yep", "yeah", "sure", "okay", "stop", "cancel", "done", "repeat", "nope"];
    for word in lists().concat() {
        assert!(!answers.contains(&word), "{word}");
    }
}

#[test]
fn the_same_content_has_the_same_phrase_and_a_taken_one_is_passed_over() {
    let key = IdKey([7; 32]);
    let first = choose(&key, "c", |_| false);
    assert_eq!(choose(&key, "c", |_| false), first);
    assert_ne!(choose(&IdKey([8; 32]), "c", |_| false), first, "the key decides");
    let second = choose(&key, "c", |phrase| phrase == first);
    assert_ne!(second, first);
    assert!(is_like_one(&first), "{first}");
}

#[test]
fn so_many_phrases_are_tried_and_none_of_them_twice() {
    for content in ["a", "b", "c", "d"] {
        let tried = RefCell::new(vec![]);
        let refuse = |phrase: &str| {
            tried.borrow_mut().push(phrase.to_owned());
            true
        };
        assert_eq!(choose(&IdKey([7; 32]), content, refuse), "", "with all taken there is none");
        let tried = tried.into_inner();
        assert_eq!(tried.len(), PHRASES_TRIED_MAX);
        let last = tried.last().expect("some were tried");
        assert_eq!(choose(&IdKey([7; 32]), content, |phrase| phrase != last), *last);
        assert_eq!(tried.iter().collect::<BTreeSet<_>>().len(), PHRASES_TRIED_MAX);
    }
}

#[test]
fn a_phrase_is_found_soon_while_most_are_taken() {
    let (key, mut taken) = (IdKey([7; 32]), BTreeSet::new());
    let (mut tries, mut without) = (0, 0);
    let many = PHRASES_MAX / 10 * 9;
    for n in 0..many {
        let tried = Cell::new(0);
        let phrase = choose(&key, &n.to_string(), |phrase| {
            tried.set(tried.get() + 1);
            taken.contains(phrase)
        });
        tries += tried.get();
        without += usize::from(phrase.is_empty());
        taken.insert(phrase);
    }
    assert!(tries < 3 * many, "{tries} tries for {many} phrases");
    assert!(without < many / 1_000, "{without} have none");
}

#[test]
fn everything_that_will_run_is_in_the_content() {
    let fixture = include_str!("../../tests/fixtures/events/execution_started.v1.json");
    let list: Vec<Value> = serde_json::from_str(fixture).unwrap();
    let Ok(Event::ExecutionStarted(started)) = decode("execution_started", 1, list[0].clone())
    else {
        panic!("the fixture is a start");
    };
    let key = IdKey([7; 32]);
    let base = content(&key, &started, "2", "Sure?");
    assert_eq!(base, content(&key, &started.clone(), "2", "Sure?"));
    type Change = fn(&mut ExecutionStarted);
    let changes: [(&str, Change); 6] = [
        ("the script", |it| it.handler.script = ScriptHash("other".into())),
        ("the file", |it| it.handler.file = "other.rhai".into()),
        ("the alias", |it| it.handler.alias = "other".into()),
        ("the parameters", |it| it.args = json!({ "host": "other" })),
        ("the room", |it| it.place.room = RoomId("!other".into())),
        ("the requester", |it| it.requester.id = UserId("@other:hs".into())),
    ];
    let mut seen = BTreeSet::from([base]);
    for (what, change) in changes {
        let mut other = started.clone();
        change(&mut other);
        assert!(seen.insert(content(&key, &other, "2", "Sure?")), "{what}");
    }
    assert!(seen.insert(content(&key, &started, "3", "Sure?")), "the place");
    assert!(seen.insert(content(&key, &started, "2", "Really?")), "the question");
    assert!(seen.insert(content(&IdKey([8; 32]), &started, "2", "Sure?")), "the key");
}

#[test]
fn values_have_one_text() {
    let one: Value = serde_json::from_str(r#"{"b":[1,{"d":"x","c":null}],"a":true}"#).unwrap();
    let other: Value = serde_json::from_str(r#"{"a":true,"b":[1,{"c":null,"d":"x"}]}"#).unwrap();
    assert_eq!(canonical(&one), r#"{"a":true,"b":[1,{"c":null,"d":"x"}]}"#);
    assert_eq!(canonical(&one), canonical(&other));
    assert_ne!(canonical(&json!({ "a": "1" })), canonical(&json!({ "a": 1 })));
}

#[test]
fn phrases_are_said() {
    for (text, want) in [
        ("pink martini", Some("")),
        ("Pink  Martini!", Some("")),
        ("“pink martini”", Some("")),
        ("\"pink martini\".", Some("")),
        ("pink martini large", Some("large")),
        ("pink martini: web 1", Some("web 1")),
        ("large pink martini", Some("large")),
        ("no, pink martini", Some("no")),
        ("pink martini no", Some("no")),
        ("pink martin", None),
        ("pinkmartini", None),
        ("pink", None),
        ("a pink martini please", None),
        ("martini pink", None),
        ("", None),
    ] {
        assert_eq!(said("pink martini", text), want, "{text:?}");
    }
    assert_eq!(said("", "yes"), None, "a question of before has no phrase");
    for (text, want) in [
        ("pink martini", true),
        ("Pink Walrus.", true),
        ("martini pink", false),
        ("restart web1", false),
        ("", false),
    ] {
        assert_eq!(is_like_one(text), want, "{text:?}");
    }
}
