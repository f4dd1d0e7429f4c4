//! Which rules a trigger runs.

use serde_json::{Map, Value, json};

use super::*;

fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().expect("a map")
}

fn rule(name: &str, on: On) -> Rule {
    Rule {
        name: name.to_owned(),
        help: String::new(),
        on,
        criteria: false,
        room: None,
        windows: Default::default(),
        tags: vec![],
        role: None,
        does: Does::default(),
        file: "t.rhai".into(),
        line: 1,
        script: ScriptHash(String::new()),
    }
}

fn listens(name: &str, trigger: &str, wanted: Value) -> Rule {
    rule(name, On::Trigger { name: trigger.to_owned(), wanted: map(wanted) })
}

/// The names of the rules that run for a trigger.
fn run(rules: &[Rule], trigger: &str, fields: Value) -> String {
    let index = RuleIndex::new(rules);
    let numbers = index.fitting(rules, trigger, &map(fields));
    numbers.iter().map(|n| rules[*n].name.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn rules_run_for_what_they_want() {
    let rules = [
        listens("all", "webhook.nagios", json!({})),
        listens("problems", "webhook.nagios", json!({ "type": "PROBLEM" })),
        listens("web1", "webhook.nagios", json!({ "type": "PROBLEM", "host": "web1" })),
        listens("deep", "webhook.nagios", json!({ "labels.severity": "page" })),
        listens("dotted", "webhook.nagios", json!({ "a.b": 1 })),
        listens("number", "webhook.nagios", json!({ "count": 3 })),
        listens("nothing", "webhook.nagios", json!({ "count": null })),
        listens("other", "webhook.github", json!({ "type": "PROBLEM" })),
    ];
    for (trigger, fields, want) in [
        ("webhook.nagios", json!({}), "all"),
        ("webhook.nagios", json!({ "type": "PROBLEM" }), "all problems"),
        ("webhook.nagios", json!({ "type": "problem" }), "all"),
        ("webhook.nagios", json!({ "type": "PROBLEM", "host": "web1" }), "all problems web1"),
        ("webhook.nagios", json!({ "host": "web1" }), "all"),
        ("webhook.nagios", json!({ "labels": { "severity": "page" } }), "all deep"),
        ("webhook.nagios", json!({ "labels": "page" }), "all"),
        ("webhook.nagios", json!({ "a": { "b": 1 } }), "all dotted"),
        ("webhook.nagios", json!({ "a.b": 1 }), "all dotted"),
        // A field of exactly this name counts, whatever there is on the path.
        ("webhook.nagios", json!({ "a.b": 2, "a": { "b": 1 } }), "all"),
        ("webhook.nagios", json!({ "count": 3 }), "all number"),
        ("webhook.nagios", json!({ "count": "3" }), "all"),
        ("webhook.nagios", json!({ "count": null }), "all nothing"),
        ("webhook.github", json!({ "type": "PROBLEM" }), "other"),
        ("webhook.none", json!({ "type": "PROBLEM" }), ""),
    ] {
        assert_eq!(run(&rules, trigger, fields.clone()), want, "{trigger} {fields}");
    }
}

#[test]
fn a_rule_stands_under_the_rarest_of_its_values() {
    let many = |n: usize| {
        listens(&format!("r{n}"), "t", json!({ "type": "PROBLEM", "host": format!("web{n}") }))
    };
    let rules: Vec<Rule> = (0..1_000).map(many).collect();
    let index = RuleIndex::new(&rules);
    let under = &index.by_trigger["t"].by_field;
    assert_eq!(under.keys().collect::<Vec<_>>(), ["host"], "nobody looks through all of one type");
    assert!(under["host"].values().all(|numbers| numbers.len() == 1));
    assert_eq!(run(&rules, "t", json!({ "type": "PROBLEM", "host": "web7" })), "r7");
}

#[test]
fn talk_is_heard_by_formats_and_expressions() {
    let hear = |pattern: &str, rooms: &[&str]| {
        let pattern = Pattern::parse(pattern).expect("a pattern");
        let rooms = rooms.iter().map(|room| (*room).to_owned()).collect();
        rule("r", On::Talk { pattern, rooms })
    };
    for (pattern, rooms, text, want) in [
        (
            "good morning [{name}]",
            &[] as &[&str],
            "Good morning beadle",
            json!({ "name": "beadle" }),
        ),
        ("good morning [{name}]", &[], "good morning", json!({ "name": null })),
        ("good morning", &[], "a good morning to you", Value::Null),
        (
            "/(?i)ops-([0-9]+)/",
            &[],
            "see OPS-17, please",
            json!({ "text": "OPS-17", "group1": "17" }),
        ),
        ("/(?<key>OPS-[0-9]+)/", &[], "OPS-1", json!({ "text": "OPS-1", "key": "OPS-1" })),
        ("/(a)|(b)/", &[], "b", json!({ "text": "b", "group1": null, "group2": "b" })),
        ("/OPS/", &["#ops"], "OPS", json!({ "text": "OPS" })),
        ("/OPS/", &["#web"], "OPS", Value::Null),
    ] {
        let rules = [hear(pattern, rooms)];
        let here = |rooms: &[String]| rooms.iter().any(|room| room == "#ops");
        let heard = RuleIndex::new(&rules).hearing(&rules, text, &here);
        let got = heard.first().map_or(Value::Null, |(_, value)| value.clone());
        assert_eq!(got, want, "{pattern:?} against {text:?}");
    }
    for (pattern, want) in [("//", "fits everything"), ("/(/", "unclosed group"), ("{x}", "word")] {
        let why = Pattern::parse(pattern).expect_err(pattern);
        assert!(why.contains(want), "{pattern}: {why}");
    }
}

#[test]
fn bounds_of_rules() {
    assert_eq!((STARTED_MAX, NAME_BYTES_MAX), (32, 200));
    for (id, is) in [("rule:nagios to ops", true), ("@rule:hs", false), ("ruler:x", false)] {
        assert_eq!(is_rule(&UserId(id.into())), is, "{id}");
    }
}
