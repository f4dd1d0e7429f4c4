//! What reports, acknowledgements and times change in an alert.

use super::super::id::RoomId;
use super::super::question_event::Whom;
use super::super::wake::with_plan;
use super::*;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn place() -> Place {
    Place {
        network: "matrix".into(),
        room: RoomId("#ops".into()),
        name: "#ops".into(),
        thread: None,
        direct: false,
        encrypted: false,
    }
}

fn a_report(severity: &str, escalate: Option<i64>) -> Report {
    let facts = AlertFacts { severity: severity.into(), ..AlertFacts::default() };
    let then = Whom { people: vec![UserId("@lead:hs".into())], roles: vec![] };
    Report {
        key: "nagios/web301".into(),
        place: place(),
        doc: Doc::text("web301 is down"),
        facts,
        by: "rule nagios".into(),
        escalation: escalate.map(|minutes| Escalation {
            after_ms: minutes * MINUTE,
            due: Timestamp(minutes * MINUTE),
            then,
        }),
    }
}

/// What people hear of an alert to which this happens: `0 fire`, `5 ack`, `9 over`, `10 look`; with `silent` before it
/// under a silence, with `group` in a digest.
fn heard(story: &str) -> String {
    let (mut folded, mut heard) = (Folded::default(), vec![]);
    for (n, line) in story.split(", ").enumerate() {
        let words: Vec<&str> = line.split(' ').collect();
        let now = Timestamp(words[0].parse::<i64>().expect("minutes") * MINUTE);
        let has = |word: &str| words.contains(&word);
        let silence = has("silent").then_some("S1");
        let alert = folded.alert.as_ref();
        let change = if has("fire") {
            let arrival = if has("group") { Arrival::Grouped } else { Arrival::Alone };
            let severity = words.last().filter(|word| word.starts_with("sev")).unwrap_or(&"");
            let escalate = has("escalate").then_some(10);
            let root = MessageId(format!("R{n}"));
            let given = a_report(severity, escalate);
            report(alert, given, silence, (arrival, root), (now, HOUR))
        } else if has("ack") {
            acknowledge(alert.expect("an alert"), None, "ann").unwrap_or_default()
        } else if has("over") {
            let over = Doc::text("OK");
            resolve(alert.expect("an alert"), over, silence.is_some()).unwrap_or_default()
        } else {
            escalate(alert.expect("an alert"), now, silence.is_some()).unwrap_or_default()
        };
        assert!(change.says.len() <= SAYS_MAX, "{story}");
        let says = change.says.iter().map(|say| match say {
            Say::Root => "root",
            Say::Edit => "edit",
            Say::Again => "again",
            Say::Severity => "severity",
            Say::Acknowledged => "acknowledged",
            Say::Resolved(_) => "resolved",
            Say::Escalated(_) => "escalated",
        });
        let says: Vec<&str> = says.collect();
        for event in with_plan(&folded, change.events, now) {
            folded.take(&event, now);
        }
        heard.push(if says.is_empty() { "-".into() } else { says.join("+") });
    }
    let alert = folded.alert.expect("an alert");
    let root = alert.root().map_or("-", MessageId::as_str);
    let plan = folded.planned.map_or("-".into(), |at| (at.0 / MINUTE).to_string());
    let (state, count) = (alert.state.word(), alert.raised.count);
    format!("{} | {state} {count} {root} {plan}", heard.join(" "))
}

#[test]
fn a_key_is_one_alert_that_changes() {
    for (story, want) in [
        ("0 fire", "root | firing 1 R0 -"),
        ("0 fire, 1 fire, 2 fire", "root edit edit | firing 3 R0 -"),
        ("0 fire, 1 fire sev2", "root edit+severity | firing 2 R0 -"),
        ("0 fire, 1 ack, 2 fire", "root edit+acknowledged edit | acknowledged 2 R0 -"),
        ("0 fire, 1 ack, 2 ack", "root edit+acknowledged - | acknowledged 1 R0 -"),
        ("0 fire, 5 over", "root edit+resolved | resolved 1 R0 -"),
        ("0 fire, 5 over, 6 over", "root edit+resolved - | resolved 1 R0 -"),
        ("0 fire, 5 over, 6 ack", "root edit+resolved - | resolved 1 R0 -"),
        // Within the window it joins its thread, later it is a new one.
        ("0 fire, 5 over, 64 fire", "root edit+resolved edit+again | firing 2 R0 -"),
        ("0 fire, 5 over, 65 fire", "root edit+resolved root | firing 1 R2 -"),
        (
            "0 fire, 1 ack, 5 over, 6 fire",
            "root edit+acknowledged edit+resolved edit+again | firing 2 R0 -",
        ),
        // What is silenced is counted and not said; its end is shown.
        ("0 fire silent, 1 fire silent", "- - | firing 2 - -"),
        ("0 fire silent, 20 fire", "- root | firing 2 R1 -"),
        ("0 fire, 1 fire silent, 2 fire", "root - edit | firing 3 R0 -"),
        ("0 fire, 1 over silent", "root edit | resolved 1 R0 -"),
        // In a digest it has no message of its own.
        ("0 fire group, 1 fire group, 2 over", "- - - | resolved 2 - -"),
        ("0 fire group, 2 over, 3 fire", "- - root | firing 2 R2 -"),
        // Nobody looks after it.
        ("0 fire escalate", "root | firing 1 R0 10"),
        ("0 fire escalate, 10 look", "root escalated | firing 1 R0 -"),
        ("0 fire escalate, 9 look", "root - | firing 1 R0 10"),
        (
            "0 fire escalate, 5 fire escalate, 10 look, 11 fire escalate",
            "root edit escalated edit | firing 3 R0 -",
        ),
        ("0 fire escalate, 5 ack, 10 look", "root edit+acknowledged - | acknowledged 1 R0 -"),
        ("0 fire escalate, 5 over", "root edit+resolved | resolved 1 R0 -"),
        ("0 fire escalate, 10 look silent", "root - | firing 1 R0 -"),
    ] {
        assert_eq!(heard(story), want, "{story}");
    }
}

#[test]
fn bounds_are_what_they_are() {
    assert_eq!((KEY_BYTES_MAX, FACT_BYTES_MAX, LINK_BYTES_MAX), (200, 200, 2_000));
    // An alert is far smaller than an event may be.
    const { assert!(LABELS_BYTES_MAX + ALERT_BYTES_MAX < 32 * 1024) };
    assert_eq!(ESCALATE_MS_MAX, 7 * 24 * HOUR);
    // A report is followed by at most a plan, so the last report is among so many.
    const { assert!(LOOK_BACK_EVENTS >= 2 * 8) };
}
