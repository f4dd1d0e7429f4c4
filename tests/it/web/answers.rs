//! What is posted, what is recorded of it, and what is answered.

use beadle::domain::event::{Event, Verdict};
use beadle::domain::id::{StreamName, Version};
use beadle::store::Direction;
use serde_json::{Value, json};

use super::{Ask, Plan, Site};

#[tokio::test]
async fn what_is_posted_becomes_a_trigger() {
    let site = Site::new().await;
    let json = ("Content-Type", "application/json");
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    for (path, headers, body, want) in [
        (
            "open",
            vec![json],
            r#"{"type":"PROBLEM","state":"CRITICAL"}"#,
            json!({ "type": "PROBLEM", "state": "CRITICAL" }),
        ),
        ("open", vec![json], "[1,2]", json!({ "value": [1, 2] })),
        (
            "open",
            vec![form],
            "host=web301&state=DOWN",
            json!({ "host": "web301", "state": "DOWN" }),
        ),
        (
            "open",
            vec![("Content-Type", "text/plain")],
            "web301 is down",
            json!({ "text": "web301 is down" }),
        ),
        ("open", vec![], r#"{"sniffed":true}"#, json!({ "sniffed": true })),
        ("open", vec![], "plain words", json!({ "text": "plain words" })),
        ("open?a=1&b=2&a=3", vec![json], "{}", json!({ "_query": { "a": ["1", "3"], "b": "2" } })),
        (
            "open",
            vec![json, ("X-Event", "push"), ("X-Other", "no")],
            "{}",
            json!({ "_headers": { "x-event": "push" } }),
        ),
        ("open", vec![json], r#"{"_headers":{"x-event":"forged"}}"#, json!({})),
    ] {
        let before = site.events().len();
        let answer = site.post(path, &headers, body).await;
        assert_eq!(answer.status, 202, "{path} {body}: {answer:?}");
        let events = site.events();
        assert_eq!(events.len(), before + 1, "it is recorded when it is answered");
        let event = events.last().expect("there is one");
        assert_eq!((event.name.as_str(), event.source.as_str()), ("webhook.open", "hook open"));
        let mut fields = json!({ "_headers": {}, "_query": {}, "_delivery": null });
        for (name, value) in want.as_object().expect("a map") {
            fields[name] = value.clone();
        }
        assert_eq!(Value::Object(event.fields.clone()), fields, "{path} {body}");
        let trigger = answer.json()["trigger"].as_str().expect("an id").to_owned();
        assert!(trigger.starts_with("trigger-"), "{trigger}");
    }
    site.ended().await;
}

#[tokio::test]
async fn a_rule_says_what_a_hook_brought() {
    let script = "//! Alerts.\nrule(\"nagios to ops\", \"webhook.open\", #{ type: \"PROBLEM\" }, |e| e.state in [\"WARNING\", \"CRITICAL\"], |e| {\n\
         say(\"#ops\", `Nagios alert on ${e.host}: ${e.state}, ${e.output}`);\n});";
    let site = Site::with(Plan { script, ..Plan::default() }).await;
    let critical = "type=PROBLEM&host=web301&state=CRITICAL&output=high+CPU+over+95%25";
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    for (headers, body) in [
        (&form[..], critical),
        (&form[..], "type=PROBLEM&host=web301&state=OK&output=fine"),
        (&form[..], "type=RECOVERY&host=web301&state=CRITICAL&output=fine"),
        (&[][..], r#"{"type":"PROBLEM","host":"db1","state":"WARNING","output":"slow"}"#),
    ] {
        assert_eq!(site.post("open", headers, body).await.status, 202, "{body}");
        site.desk.settle().await.expect("the log works");
    }
    let said = site.desk.said();
    let want = [
        "#ops: Nagios alert on web301: CRITICAL, high CPU over 95%",
        "#ops: Nagios alert on db1: WARNING, slow",
    ];
    assert_eq!(said, want);
    site.ended().await;
}

#[tokio::test]
async fn what_cannot_be_taken_is_answered_with_a_reason_and_recorded_nowhere() {
    let site = Site::with(Plan { more: "[web]\nbody_bytes_max = 1024", ..Plan::default() }).await;
    let json = ("Content-Type", "application/json");
    let large = format!("\"{}\"", "x".repeat(1024));
    for (hook, headers, body, status, error) in [
        (
            "open",
            vec![json],
            "{\"a\": nope}",
            400,
            "the body is not JSON: it is no JSON at line 1, column 8",
        ),
        (
            "open",
            vec![json],
            "",
            400,
            "the body is not JSON: it ends too early at line 1, column 0",
        ),
        (
            "open",
            vec![("Content-Type", "image/png")],
            "x",
            415,
            "the content type `image/png` is not taken",
        ),
        ("open", vec![("Content-Encoding", "gzip")], "x", 415, "a compressed body is not taken"),
        ("open", vec![json], large.as_str(), 413, "the body has more than 1024 bytes"),
        ("none", vec![json], "{}", 404, "there is nothing at this address"),
        ("op%65n", vec![json], "{}", 404, "there is nothing at this address"),
        ("open/", vec![json], "{}", 404, "there is nothing at this address"),
        ("ci", vec![json], "{}", 401, "there is no header `authorization`"),
        ("lost", vec![json], "{}", 500, "the secret of this hook cannot be used"),
        (
            "open",
            vec![json, ("X-Forwarded-For", "192.0.2.1")],
            "{}",
            403,
            "this hook takes nothing from a proxy",
        ),
        (
            "open",
            vec![json, ("Origin", "https://evil.example")],
            "{}",
            403,
            "this hook takes nothing from a page in a browser",
        ),
    ] {
        let answer = site.post(hook, &headers, body).await;
        assert_eq!((answer.status, answer.error().as_str()), (status, error), "{hook} {body}");
        assert_eq!(site.events().len(), 0, "{answer:?}");
    }
    let open = site.post("public", &[json, ("X-Forwarded-For", "192.0.2.1")], "{}").await;
    assert_eq!(open.status, 202, "{open:?}");
    site.ended().await;
}

#[tokio::test]
async fn a_name_that_nobody_configured_answers_as_any_other_address() {
    let site = Site::new().await;
    let unknown = site.post("nobody", &[], "{}").await;
    for path in ["/", "/hook", "/hooks", "/hooks/", "/hooks/a/b", "/metrics/x"] {
        let mut ask = Ask::post("", &[], "{}");
        ask.path = path.into();
        let answer = site.ask(&ask).await;
        assert_eq!((answer.status, &answer.body), (404, &unknown.body), "{path}");
    }
    site.ended().await;
}

#[tokio::test]
async fn other_methods_are_told_what_to_do() {
    let site = Site::new().await;
    for (method, path, allow) in [
        ("GET", "/hooks/open", "POST"),
        ("GET", "/hooks/nobody", "POST"),
        ("PUT", "/hooks/open", "POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("DELETE", "/metrics", "GET, HEAD"),
    ] {
        let answer = site.ask(&Ask { method, ..Ask::get(path) }).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{method} {path}");
        assert!(answer.error().contains(allow), "{answer:?}");
    }
    let head = site.ask(&Ask { method: "HEAD", ..Ask::get("/hooks/open") }).await;
    assert_eq!((head.status, head.body.as_str()), (405, ""));
    site.ended().await;
}

#[tokio::test]
async fn a_reload_adds_and_takes_away_hooks() {
    let site = Site::new().await;
    assert_eq!(site.post("later", &[], "{}").await.status, 404);
    site.web.configure(super::configured("[hooks.later]\nauth = \"none\""));
    assert_eq!(site.post("later", &[], "{}").await.status, 202);
    assert_eq!(site.post("open", &[], "{}").await.status, 404);
    site.ended().await;
}

#[tokio::test]
async fn what_comes_to_a_hook_that_is_off_is_recorded_and_ignored_with_the_reason() {
    let site = Site::new().await;
    let desk = &site.desk;
    desk.hand_over(vec![desk.says("ann", "#boss", "!hook off open for 1h because it rings")], None)
        .await;
    desk.settle().await.expect("the log works");
    let answer = site.post("open", &[], "{}").await;
    let off = answer.json()["off"].as_str().expect("it says so").to_owned();
    assert!(answer.status == 200 && off.contains("it rings") && off.contains("ann"), "{answer:?}");
    desk.settle().await.expect("the log works");
    let trigger = answer.json()["trigger"].as_str().expect("an id").to_owned();
    let trigger = StreamName::parse(&trigger).expect("a stream");
    let store = &desk.kernel.store;
    let routed = store.read(&trigger, Version(1), Direction::Forward, 1).expect("it can be read");
    let Some(Event::TriggerRouted(routed)) = routed[0].event() else { panic!("{routed:?}") };
    let outcome = &routed.outcomes[0];
    assert_eq!((outcome.considered.as_str(), &outcome.verdict), ("hook open", &Verdict::Ignored));
    assert_eq!(outcome.reason, off);
    desk.clock.advance(3_600_000);
    assert_eq!(site.post("open", &[], "{}").await.status, 202, "it has come back by itself");
    site.ended().await;
}
