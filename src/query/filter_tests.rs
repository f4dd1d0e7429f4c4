//! What is read as a filter and what is refused, with the hint.

use jiff::tz::TimeZone;

use super::*;

fn here() -> Here {
    // Friday, 20 November 2026, 14:00.
    Here { now: Timestamp(1_795_183_200_000), zone: TimeZone::UTC }
}

fn shown(text: &str) -> String {
    match Filter::parse(text, &here()) {
        Ok(filter) => filter.flags(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn filters_are_read_from_words() {
    for (text, want) in [
        ("", ""),
        ("who ann", "--who ann"),
        ("WHO Ann Miller room #ops", "--who 'Ann Miller' --room '#ops'"),
        ("who \"who\" limit 5", "--who who --limit 5"),
        ("text “disk full” reverse", "--text 'disk full' --reverse"),
        ("text disk full since yesterday", "--since 2026-11-19T00:00:00.000Z --text 'disk full'"),
        ("until yesterday", "--until 2026-11-20T00:00:00.000Z"),
        (
            "since 2h ago until 13:00",
            "--since 2026-11-20T12:00:00.000Z --until 2026-11-20T13:00:00.000Z",
        ),
        ("execution execution-4f7k", "--execution 4f7k"),
        ("type effect_* type execution_started", "--type 'effect_*' --type execution_started"),
        ("type message_sent,message_failed", "--type message_sent --type message_failed"),
        ("status in doubt trust device", "--status 'in doubt' --trust device"),
        ("status in_doubt", "--status 'in doubt'"),
        ("status sleeping", "--status waiting"),
        ("status Asking", "--status waiting"),
        ("status ready", "--status running"),
        (
            "alias create vm on action cloud.create_vm rule r network irc",
            "--network irc --alias 'create vm on' --rule r --action cloud.create_vm",
        ),
        ("text it's", r"--text 'it'\''s'"),
        ("text \"a \\\" b\"", "--text 'a \" b'"),
    ] {
        assert_eq!(shown(text), want, "{text:?}");
    }
}

#[test]
fn what_is_no_filter_is_refused_with_a_hint() {
    let long = format!("text {}", "x".repeat(VALUE_BYTES_MAX + 1));
    let types = "type *_sent ".repeat(TYPES_MAX + 1);
    let beyond = format!("limit {}", LIMIT_MAX + 1);
    for (text, want) in [
        ("whoo ann", "`whoo` is no filter; did you mean `who`?"),
        ("ann", "`ann` is no filter; there are who, room,"),
        ("who", "`who` has no value; write one behind it"),
        ("who since", "`who` has no value"),
        ("\"who\" ann", "`who` is no filter"),
        (
            "type efect_started",
            "there is no type of event `efect_started`; did you mean `effect_started`?",
        ),
        ("type x*", "there is no type of event `x*`; docs/log.md names them"),
        ("status failled", "there is no status `failled`; did you mean `failed`?"),
        (
            "trust me",
            "there is no trust `me`; there are nothing, nick, identified, network, account, device",
        ),
        ("since noon", "`noon` is no time for `since`; write `yesterday`"),
        ("limit many", "`many` is no limit; write a number up to 1000000"),
        ("execution a/b", "`a/b` is no execution; write the beginning"),
        ("text \"disk", "a quotation mark is not closed"),
        (&long, "`text` has 1025 bytes; at most 1024 fit"),
        (&types, "too many types; at most 64 fit"),
        (&beyond, "`1000001` is no limit"),
    ] {
        let got = shown(text);
        assert!(got.starts_with(want), "{text:.40?}: {got}");
    }
    assert_eq!(shown(&format!("limit {LIMIT_MAX}")), format!("--limit {LIMIT_MAX}"));
}

#[test]
fn words_read_back_as_they_were_meant() {
    for text in
        ["who \"since\" text \"a \\\\ \\\" b\"", "status in doubt limit 0 reverse", "type *"]
    {
        let filter = Filter::parse(text, &here()).expect("it parses");
        assert_eq!(Filter::parse(&filter.words(), &here()), Ok(filter), "{text}");
    }
}

#[test]
fn globs_fit() {
    for (glob, text, want) in [
        ("effect_*", "effect_started", true),
        ("effect_*", "effect_", true),
        ("effect", "effect_started", false),
        ("*_started", "effect_started", true),
        ("*_sta*d", "effect_started", true),
        ("e*t*d", "effect_started", true),
        ("*", "", true),
        ("a*a", "a", false),
        ("", "", true),
    ] {
        assert_eq!(fits(glob, text), want, "{glob} on {text}");
    }
}
