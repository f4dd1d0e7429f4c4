//! What is off, alerts and silences: each sentence has a transcript in `tests/transcripts/duplex`.

use std::path::Path;

/// The transcripts, and the sentences that they begin with.
const SENTENCES: &[(&str, &str)] = &[
    (
        "4-switched-off",
        "Rules, schedules and hooks are switched off and on from chat with reason and time limit, by policy.",
    ),
    ("5-acknowledge", "An alert is acknowledged, and when nobody does, somebody is called."),
    ("5-firing-again", "Re-firing within a window joins the alert; later it begins a new one."),
    ("5-no-edits", "Where nothing can be edited an alert's changes are lines of their own."),
    (
        "5-notice",
        "A notice comes ten minutes before a silence ends if it still fires, and at its end what fired meanwhile.",
    ),
    (
        "5-quiet-hours",
        "In quiet hours a room hears what is critical at once, and everything else in one digest at their end.",
    ),
    (
        "5-same-key-same-thread",
        "The same key is the same thread, and its root is edited as the state changes.",
    ),
    (
        "5-shut-up",
        "Shut up finds a rule, an alert, a host or a source by its name, says until when, and asks before it silences more than one thing.",
    ),
    (
        "5-silence-triggers",
        "That a silence begins and ends is a trigger, so that it is silent at the source, too.",
    ),
    ("5-silences", "Silences are listed with who and why, and are extended and ended."),
    ("5-storm", "Storms are grouped: one digest, which is changed as its alerts change."),
    (
        "5-storm-more",
        "A digest that is long is gone on with by more, and the alerts in it are found by their names.",
    ),
    ("5-thread", "Commands said in the thread of an alert know it."),
    (
        "5-throttle",
        "A rule fires at most once in a time, for each value of a field, and once for the same fields.",
    ),
    ("s10-nagios-ack", "Nagios ack acknowledges the alert at its source."),
    ("s11-graph-me", "Graph me answers with the picture itself."),
    (
        "s12-autoscale",
        "Autoscale launches a workflow of several steps, whose progress is watched in the message that names its execution.",
    ),
    (
        "s13-where-is-all-my-automation",
        "Where is all my automation, and how do I turn it off? One library of rules has the answer.",
    ),
    (
        "s16-a-member-of-the-team",
        "The bot behaves like a member of the team: it speaks first when something happens, and can crack a joke.",
    ),
    ("s8-duplex", "Duplex: infrastructure events come to chat by rules."),
    ("s9-shut-up-twitter", "Shut up twitter silences a rule for a while and says so."),
];

#[test]
fn every_sentence_has_a_transcript() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts/duplex"));
    for (name, sentence) in SENTENCES {
        let path = folder.join(format!("{name}.txt"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(text.lines().next(), Some(format!("# {sentence}").as_str()), "{name}");
    }
}
