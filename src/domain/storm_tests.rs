//! How alerts come to a room, one by one or together.

use super::super::id::RoomId;
use super::super::wake::with_plan;
use super::*;

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

fn stream(n: usize) -> StreamName {
    StreamName::parse(&format!("alert-{n}")).expect("a name")
}

/// What becomes of alerts that come at these seconds: `a` alone, `g` in a digest; `q` before a second: in quiet hours that
/// end at 1000. `t` before a second: the digest is told then.
fn placed(story: &str) -> (String, Storm) {
    let (mut storm, terms, mut shown) = (Storm::default(), Terms::default(), String::new());
    for (n, word) in story.split(' ').enumerate() {
        let now =
            Timestamp(word.trim_start_matches(['q', 't']).parse::<i64>().expect("seconds") * 1000);
        let event: Event = if word.starts_with('t') {
            let next = storm.next_look(false, now, &terms);
            DigestTold { message: MessageId("D".into()), next }.into()
        } else {
            let quiet = word.starts_with('q').then_some(Timestamp(1_000_000));
            let (arrival, event) = storm.place(&stream(n), &place(), quiet, (now, &terms));
            shown.push(if arrival == Arrival::Alone { 'a' } else { 'g' });
            event.into()
        };
        for event in with_plan(&storm, vec![event], now) {
            storm.take(&event, now);
        }
    }
    let due = storm.planned().map_or("-".into(), |at| (at.0 / 1000).to_string());
    let many = storm.digest.as_ref().map_or(0, |digest| digest.alerts.len());
    (format!("{shown} {many} {due}"), storm)
}

#[test]
fn many_new_alerts_are_grouped() {
    for (story, want) in [
        ("0", "a 0 -"),
        ("0 1 2 3 4", "aaaaa 0 -"),
        ("0 1 2 3 4 5", "aaaaag 1 15"),
        ("0 1 2 3 4 5 6 7", "aaaaaggg 3 15"),
        ("0 1 2 3 4 11", "aaaaaa 0 -"),
        // What comes after the digest was told is in its next change, while it storms on.
        ("0 1 2 3 4 5 6 t15 16", "aaaaagga 2 315"),
        ("0 1 2 3 4 5 6 7 8 9 t10 11", "aaaaagggggg 6 310"),
        ("0 1 2 3 4 5 6 t15 200", "aaaaagga 2 315"),
        // Quiet hours hold back, and do not tell what waits with what was told before.
        ("q0", "g 1 1000"),
        ("q0 q5", "gg 2 1000"),
        ("q0 5", "ga 1 1000"),
        ("0 1 2 3 4 5 t15 q20", "aaaaagg 1 1000"),
        // A storm of what is critical does not wait for the morning.
        ("q0 1 2 3 4", "gaaaa 1 1000"),
        ("q0 1 2 3 4 5", "gaaaag 2 15"),
    ] {
        assert_eq!(placed(story).0, want, "{story}");
    }
}

#[test]
fn a_digest_follows_a_bounded_number_for_a_bounded_time() {
    let many: Vec<String> = (0..DIGEST_ALERTS_MAX + 7).map(|_| "0".to_owned()).collect();
    let (_, storm) = placed(&many.join(" "));
    let digest = storm.digest.clone().expect("it is open");
    assert_eq!((digest.alerts.len(), digest.more), (DIGEST_ALERTS_MAX, 2));
    assert_eq!(storm.recent.len(), GROUP_AT_MAX as usize);
    let terms = Terms::default();
    for (after, over, follows) in
        [(FOLLOWED_MS - 1, false, true), (FOLLOWED_MS, false, false), (0, true, false)]
    {
        let next = storm.next_look(over, Timestamp(after), &terms);
        assert_eq!(next, follows.then(|| Timestamp(after + GROUP_INTERVAL_MS)), "{after} {over}");
    }
    assert_eq!((GROUP_AT, GROUP_WAIT_MS), (5, 10_000), "the rows stand at the bounds");
    const { assert!(LOOK_BACK_EVENTS >= 2 * DIGEST_ALERTS_MAX) };
}
