//! Tests of codes: what two sides say, what is refused, and that neither side nor an overheard code is enough.

use super::super::id::RoomId;
use super::super::people_command::parse;
use super::super::trigger::Trust;
use super::*;

const KEY: IdKey = IdKey([7; 32]);

fn speaker(name: &str) -> Speaker {
    Speaker {
        id: UserId(format!("@{name}:hs")),
        name: name.into(),
        network: "matrix".into(),
        account: None,
        trust: Trust::Account,
        claims: vec![],
    }
}

fn place(room: &str) -> Place {
    Place {
        network: "matrix".into(),
        room: RoomId(room.into()),
        name: room.into(),
        thread: None,
        direct: false,
        encrypted: false,
    }
}

/// A conversation: `ann: link CODE yes`; `CODE` is the last code that was given, `WRONG` none, `+11m` moves the clock.
#[derive(Default)]
struct Talk {
    links: Links,
    now: i64,
    code: String,
    said: usize,
}

impl Talk {
    fn says(&mut self, line: &str) -> Option<Outcome> {
        if let Some(minutes) = line.strip_prefix('+') {
            self.now += minutes.trim_end_matches('m').parse::<i64>().unwrap() * 60_000;
            return None;
        }
        let (name, text) = line.split_once(": ").unwrap();
        let text = text.replace("CODE", &self.code).replace("WRONG", "00000000");
        let command = parse(&text).unwrap_or_else(|| panic!("{text:?} is no command"));
        self.said += 1;
        let cause = format!("trigger-{}", self.said);
        let (who, place) = (speaker(name), place("!r"));
        let now = Timestamp(self.now);
        let (key, cause) = (&KEY, cause.as_str());
        let scene = Scene { who: &who, place: &place, now, key, cause, prefix: "!" };
        let outcome = self.links.decide(&command, &scene).unwrap();
        if command == PeopleCommand::Link && outcome.refused.is_none() {
            self.code = shown(&KEY.code(cause));
        }
        for event in &outcome.events {
            self.links.apply(event, now);
        }
        Some(outcome)
    }

    fn all(&mut self, lines: &str) -> Option<Outcome> {
        lines.split(" / ").filter_map(|line| self.says(line)).last()
    }
}

fn of(outcome: &Outcome) -> String {
    let kinds: Vec<&str> = outcome.events.iter().map(Event::kind).collect();
    let refused = outcome.refused.as_deref().map_or(String::new(), |why| format!(" no: {why}"));
    let told = outcome.tell.as_ref().map_or(String::new(), |(to, _, _)| format!(" tells {to}"));
    format!("{}{told}{refused}", kinds.join(" "))
}

#[test]
fn two_sides_say_a_code() {
    for (lines, want) in [
        ("ann: link", "link_offered"),
        ("ann: link / eve: link CODE", ""),
        ("ann: link / work: link CODE @ann:hs", "link_claimed tells @ann:hs"),
        (
            "ann: link / work: link CODE @ann:hs / ann: link CODE yes",
            "accounts_linked tells @work:hs",
        ),
        ("ann: link / work: link CODE @ann:hs / ann: link CODE no", "link_declined tells @work:hs"),
        ("ann: link / work: link CODE @ann:hs / work: link CODE no", "link_declined tells @ann:hs"),
        (
            "ann: link / work: link CODE @ann:hs / work: link CODE yes",
            " no: it is ann (@ann:hs) who has to say yes to it.",
        ),
        ("ann: link / ann: link CODE yes", " no: nobody has said that code yet."),
        ("ann: link / ann: link CODE @ann:hs", " no: say it with your other account"),
        ("ann: link / work: link CODE @ben:hs", "link_missed no: that is not a code"),
        ("work: link WRONG @ann:hs", "link_missed no: that is not a code"),
        ("ann: link / eve: link CODE yes", " no: that is not a code"),
        ("ann: link / +10m / work: link CODE @ann:hs", "link_missed no: that is not a code"),
        (
            "ann: link / work: link CODE @ann:hs / +10m / ann: link CODE yes",
            " no: that is not a code",
        ),
        (
            "ann: link / eve: link CODE @ann:hs / work: link CODE @ann:hs",
            " no: another account has said that code.",
        ),
        (
            "ann: link / work: link CODE @ann:hs / ann: link CODE yes / ann: link CODE yes",
            " no: that is not a code",
        ),
        (
            "ann: link / work: link CODE @ann:hs / ann: link CODE yes / ann: link / work: link CODE @ann:hs",
            " no: you and ann (@ann:hs) are one person already.",
        ),
        ("ann: unlink", " no: no other account is linked"),
        ("ann: unlink @ben:hs", " no: @ben:hs is no account of yours."),
        (
            "ann: link / work: link CODE @ann:hs / ann: link CODE yes / ann: unlink @work:hs",
            "accounts_unlinked",
        ),
    ] {
        let got = of(&Talk::default().all(lines).unwrap());
        assert!(got.starts_with(want) && got.is_empty() == want.is_empty(), "{lines}: {got:?}");
    }
}

/// An account's own yes counts, not that of another account of the same person: it may be a weaker one.
#[test]
fn only_the_account_that_got_the_code_agrees() {
    let mut talk = Talk::default();
    talk.all("ann: link / irc: link CODE @ann:hs / ann: link CODE yes / ann: link").unwrap();
    talk.all("new: link CODE @ann:hs").unwrap();
    let got = of(&talk.all("irc: link CODE yes").unwrap());
    assert!(got.starts_with(" no: that is not a code"), "{got}");
}

#[test]
fn wrong_codes_are_counted_for_who_says_them() {
    let mut talk = Talk::default();
    talk.says("ann: link");
    for _ in 0..TRIES_MAX {
        assert!(of(&talk.says("eve: link WRONG @ann:hs").unwrap()).starts_with("link_missed"));
    }
    // Not even the right one is taken then.
    let got = of(&talk.says("eve: link CODE @ann:hs").unwrap());
    assert_eq!(got, " no: you have said too many wrong codes. Try again in 10 min.");
    assert!(of(&talk.says("work: link CODE @ann:hs").unwrap()).starts_with("link_claimed"));
    talk.all("+11m / ann: link");
    assert!(of(&talk.says("eve: link CODE").unwrap()).is_empty(), "the time is over");
}

#[test]
fn a_code_ends_when_too_many_wrong_ones_are_said() {
    for (misses, want) in [(CODE_MISSES_MAX - 1, "link_claimed"), (CODE_MISSES_MAX, "link_missed")]
    {
        let mut talk = Talk::default();
        talk.says("ann: link");
        for nth in 0..misses {
            talk.says(&format!("eve{}: link WRONG @ann:hs", nth / TRIES_MAX));
        }
        let got = of(&talk.says("work: link CODE @ann:hs").unwrap());
        assert!(got.starts_with(want), "{misses}: {got}");
    }
}

#[test]
fn so_many_codes_accounts_and_triers_are_taken() {
    let mut talk = Talk::default();
    for nth in 0..CODES_MAX {
        assert_eq!(of(&talk.says(&format!("a{nth}: link")).unwrap()), "link_offered");
    }
    assert!(of(&talk.says("ann: link").unwrap()).contains("too many codes"));
    assert_eq!(of(&talk.says("a5: link").unwrap()), "link_offered", "one for each account");
    assert_eq!(of(&talk.all("+10m / ann: link").unwrap()), "link_offered");

    let mut talk = Talk::default();
    for nth in 1..ACCOUNTS_MAX {
        let got = talk.all(&format!("a0: link / a{nth}: link CODE @a0:hs / a0: link CODE yes"));
        assert!(of(&got.unwrap()).starts_with("accounts_linked"), "{nth}");
    }
    let got = of(&talk.all("a0: link / one: link CODE @a0:hs").unwrap());
    assert_eq!(got, format!(" no: {}", words::too_many_accounts(ACCOUNTS_MAX, "!")));

    let mut talk = Talk::default();
    for nth in 0..TRIERS_MAX {
        talk.says(&format!("a{nth}: link WRONG @ann:hs"));
    }
    assert!(of(&talk.says("eve: link WRONG @ann:hs").unwrap()).contains("too many codes"));
    assert!(of(&talk.says("a1: link WRONG @ann:hs").unwrap()).starts_with("link_missed"));
}

#[test]
fn a_code_is_nowhere_in_what_is_kept() {
    let mut talk = Talk::default();
    let offered = talk.says("ann: link").unwrap();
    let kept = offered.events[0].encode().to_string();
    let code = super::super::people_command::plain(&talk.code).unwrap();
    assert!(!kept.contains(&code) && !kept.contains(&talk.code), "{kept}");
    assert!(offered.answer.words().contains(&talk.code));
}
