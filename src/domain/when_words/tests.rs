//! Thirty phrases in two zones, the days on which clocks change, and what is refused.

use super::*;

/// Tuesday 3 March 2026, 10:30 in UTC and in London; 05:30 in New York.
const NOW: &str = "2026-03-03T10:30:00Z";

fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

fn said(text: &str, now: &str, name: &str) -> Result<When, String> {
    let now: Moment = now.parse().expect("a time");
    let here = zone(name).expect("a zone of the system");
    parse(text, Timestamp(now.as_millisecond()), &here, &zone)
}

/// The time that was understood, on the clocks there.
fn understood(text: &str, now: &str, name: &str) -> String {
    match said(text, now, name) {
        Err(why) => why,
        Ok(when) => {
            let at = Moment::from_millisecond(when.at.0).expect("a time");
            let there = zone(&when.zone).expect("the zone that was said");
            at.to_zoned(there).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
        }
    }
}

#[test]
fn thirty_phrases_in_two_zones() {
    for (text, london, new_york) in [
        ("in 20 minutes", "2026-03-03 10:50:00 +00:00", "2026-03-03 05:50:00 -05:00"),
        ("in an hour and a half", "2026-03-03 12:00:00 +00:00", "2026-03-03 07:00:00 -05:00"),
        ("in half an hour", "2026-03-03 11:00:00 +00:00", "2026-03-03 06:00:00 -05:00"),
        ("in 2h30m", "2026-03-03 13:00:00 +00:00", "2026-03-03 08:00:00 -05:00"),
        ("in 2 hours and 15 minutes", "2026-03-03 12:45:00 +00:00", "2026-03-03 07:45:00 -05:00"),
        ("90s from now", "2026-03-03 10:31:30 +00:00", "2026-03-03 05:31:30 -05:00"),
        ("in two weeks", "2026-03-17 10:30:00 +00:00", "2026-03-17 05:30:00 -04:00"),
        ("in 3 days", "2026-03-06 10:30:00 +00:00", "2026-03-06 05:30:00 -05:00"),
        ("in a month", "2026-04-03 10:30:00 +01:00", "2026-04-03 05:30:00 -04:00"),
        ("at 17:30", "2026-03-03 17:30:00 +00:00", "2026-03-03 17:30:00 -05:00"),
        ("at 9", "2026-03-04 09:00:00 +00:00", "2026-03-03 09:00:00 -05:00"),
        ("9pm", "2026-03-03 21:00:00 +00:00", "2026-03-03 21:00:00 -05:00"),
        ("at 8:15 am", "2026-03-04 08:15:00 +00:00", "2026-03-03 08:15:00 -05:00"),
        ("half past 6", "2026-03-04 06:30:00 +00:00", "2026-03-03 06:30:00 -05:00"),
        ("noon", "2026-03-03 12:00:00 +00:00", "2026-03-03 12:00:00 -05:00"),
        ("at midnight", "2026-03-04 00:00:00 +00:00", "2026-03-04 00:00:00 -05:00"),
        ("today at 18:00", "2026-03-03 18:00:00 +00:00", "2026-03-03 18:00:00 -05:00"),
        ("tonight at 9", "2026-03-03 21:00:00 +00:00", "2026-03-03 21:00:00 -05:00"),
        ("this evening", "2026-03-03 20:00:00 +00:00", "2026-03-03 20:00:00 -05:00"),
        ("tomorrow", "2026-03-04 09:00:00 +00:00", "2026-03-04 09:00:00 -05:00"),
        ("tomorrow 9:00", "2026-03-04 09:00:00 +00:00", "2026-03-04 09:00:00 -05:00"),
        ("9:30 tomorrow", "2026-03-04 09:30:00 +00:00", "2026-03-04 09:30:00 -05:00"),
        ("the day after tomorrow", "2026-03-05 09:00:00 +00:00", "2026-03-05 09:00:00 -05:00"),
        ("friday", "2026-03-06 09:00:00 +00:00", "2026-03-06 09:00:00 -05:00"),
        ("next friday at noon", "2026-03-13 12:00:00 +00:00", "2026-03-13 12:00:00 -04:00"),
        ("tuesday at 10:00", "2026-03-10 10:00:00 +00:00", "2026-03-03 10:00:00 -05:00"),
        ("on 3 march 2027 8am", "2027-03-03 08:00:00 +00:00", "2027-03-03 08:00:00 -05:00"),
        ("on march 21st", "2026-03-21 09:00:00 +00:00", "2026-03-21 09:00:00 -04:00"),
        ("the 1st", "2026-04-01 09:00:00 +01:00", "2026-04-01 09:00:00 -04:00"),
        ("2026-11-20 14:00", "2026-11-20 14:00:00 +00:00", "2026-11-20 14:00:00 -05:00"),
        ("2026-11-20T14:00", "2026-11-20 14:00:00 +00:00", "2026-11-20 14:00:00 -05:00"),
        ("at 17:30 Europe/Berlin", "2026-03-03 17:30:00 +01:00", "2026-03-03 17:30:00 +01:00"),
        ("monday, 9am, UTC", "2026-03-09 09:00:00 +00:00", "2026-03-09 09:00:00 +00:00"),
    ] {
        assert_eq!(understood(text, NOW, "Europe/London"), london, "{text} in London");
        assert_eq!(understood(text, NOW, "America/New_York"), new_york, "{text} in New York");
    }
}

#[test]
fn days_on_which_clocks_change() {
    // In London clocks go from 01:00 to 02:00 on 29 March 2026, and from 02:00 to 01:00 on 25 October.
    let (spring, autumn) = ("2026-03-28T18:00:00Z", "2026-10-24T18:00:00Z");
    for (text, now, want, note) in [
        ("tomorrow at 01:30", spring, "2026-03-29 02:30:00 +01:00", "skip 01:30 that day"),
        ("tomorrow at 00:59", spring, "2026-03-29 00:59:00 +00:00", ""),
        ("tomorrow at 02:00", spring, "2026-03-29 02:00:00 +01:00", ""),
        ("in 12 hours", spring, "2026-03-29 07:00:00 +01:00", ""),
        ("in 1 day", spring, "2026-03-29 18:00:00 +01:00", ""),
        ("tomorrow at 01:30", autumn, "2026-10-25 01:30:00 +01:00", "01:30 comes twice that day"),
        ("tomorrow at 02:00", autumn, "2026-10-25 02:00:00 +00:00", ""),
        ("in 12 hours", autumn, "2026-10-25 06:00:00 +00:00", ""),
        ("in 1 day", autumn, "2026-10-25 19:00:00 +00:00", ""),
    ] {
        assert_eq!(understood(text, now, "Europe/London"), want, "{text} after {now}");
        let words = said(text, now, "Europe/London").expect("it is a time").words;
        assert_eq!(words.contains(';'), !note.is_empty(), "{text}: {words}");
        assert!(words.contains(note), "{text}: {words}");
    }
    // New York changes on 8 March and 1 November, at two o'clock.
    for (text, now, want) in [
        ("tomorrow at 2:30", "2026-03-07T18:00:00Z", "2026-03-08 03:30:00 -04:00"),
        ("tomorrow at 1:30", "2026-10-31T18:00:00Z", "2026-11-01 01:30:00 -04:00"),
    ] {
        assert_eq!(understood(text, now, "America/New_York"), want, "{text} after {now}");
    }
}

#[test]
fn what_is_no_time_is_refused_with_a_hint() {
    let long = "x".repeat(WHEN_BYTES_MAX + 1);
    for (text, want) in [
        ("every monday at 9", "says how often, and I can be told one time only"),
        ("soon", "I do not understand `soon` in `soon` as a time; write for example"),
        ("at 25:00", "I do not understand `at`"),
        ("yesterday at 9", "is over; write for example"),
        ("on 31 february", "there is no such day as `on 31 february` soon"),
        ("tomorrow at 9 cet", "I do not understand `cet`"),
        ("tomorrow at 9 Europe/Lundon", "I know no time zone `europe/lundon`; write one such as"),
        ("in -5 minutes", "I do not understand `in`"),
        ("today at 9:00", "is over: it is today at 10:30 (Europe/London) now"),
        ("2025-01-01", "is over: it is today at 10:30 (Europe/London) now"),
        ("in 400 days", "is further off than 366 days"),
        ("in 9999 years", "outside of the calendar"),
        ("at 9 at 10", "there is no time"),
        ("13pm", "I do not understand `13pm`"),
        ("", "there is no time; write for example"),
        (long.as_str(), "a time has at most 1000 bytes"),
    ] {
        let why = said(text, NOW, "Europe/London").expect_err(text);
        assert!(why.contains(want), "{text}: {why}");
    }
}

#[test]
fn what_is_understood_is_said() {
    for (text, want) in [
        ("in 20 minutes", "today at 10:50 (Europe/London)"),
        ("in 90s", "today at 10:31:30 (Europe/London)"),
        ("tomorrow", "tomorrow, Wednesday 4 March, at 09:00 (Europe/London)"),
        ("friday", "Friday 6 March at 09:00 (Europe/London)"),
        ("1 january", "Friday 1 January 2027 at 09:00 (Europe/London)"),
        ("noon utc", "today at 12:00 (UTC)"),
    ] {
        assert_eq!(said(text, NOW, "Europe/London").expect(text).words, want);
    }
}

#[test]
fn times_are_found_where_people_say_them() {
    for (text, want) in [
        ("call ben tomorrow at 9", Some(("tomorrow at 9", "call ben"))),
        ("tomorrow at 9 call ben", Some(("tomorrow at 9", "call ben"))),
        ("look at the oven in 20 minutes", Some(("in 20 minutes", "look at the oven"))),
        ("pay ann on 3 march 8am", Some(("on 3 march 8am", "pay ann"))),
        ("water the plants every day at 9", Some(("every day at 9", "water the plants"))),
        ("water the plants at 9 every day", Some(("at 9 every day", "water the plants"))),
        ("every second monday call ben", Some(("every second monday", "call ben"))),
        ("stretch every 2 hours", Some(("every 2 hours", "stretch"))),
        ("stand up each weekday at 9:15", Some(("each weekday at 9:15", "stand up"))),
        ("every other friday pay ann", Some(("every other friday", "pay ann"))),
        ("water the plants daily", Some(("daily", "water the plants"))),
        ("write to every customer", None),
        ("write to every customer tomorrow", Some(("tomorrow", "write to every customer"))),
        ("thank you for always being there", None),
        ("see where he sat", None),
        ("call ben", None),
        ("tomorrow", None),
        ("", None),
    ] {
        let want = want.map(|(when, rest)| (when.to_owned(), rest.to_owned()));
        assert_eq!(find(text), want, "{text}");
    }
    let many = format!("{} tomorrow", "x ".repeat(400));
    assert!(find(&many).is_some_and(|(when, _)| when == "tomorrow"));
    assert_eq!(find(&format!("{} tomorrow", "x ".repeat(WHEN_BYTES_MAX))), None);
}
