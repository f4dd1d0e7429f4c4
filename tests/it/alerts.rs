//! What is off, alerts and silences: each sentence has a transcript in `tests/transcripts/duplex`.

use std::path::Path;

/// The transcripts, and the sentences that they begin with.
const SENTENCES: &[(&str, &str)] = &[(
    "4-switched-off",
    "Rules, schedules and hooks are switched off and on from chat with reason and time limit, by policy.",
)];

#[test]
fn every_sentence_has_a_transcript() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts/duplex"));
    for (name, sentence) in SENTENCES {
        let path = folder.join(format!("{name}.txt"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(text.lines().next(), Some(format!("# {sentence}").as_str()), "{name}");
    }
}
