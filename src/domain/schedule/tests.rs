//! Schedules against calendars: both changes of clocks in several zones, leap days, year ends, and what is no schedule.

use jiff::tz::TimeZone;

use super::*;

fn zones(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

fn schedule(text: &str) -> Schedule {
    let read = Schedule::parse(text, &TimeZone::UTC, &zones);
    read.unwrap_or_else(|why| panic!("{text}: {why}"))
}

fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<Moment>().expect(text).as_millisecond())
}

/// The next occurrences behind a time, as the clocks of the zone show them.
fn next(text: &str, from: &str, count: usize) -> Vec<String> {
    let schedule = schedule(text);
    let (began, mut after, mut found) = (at(from), at(from), vec![]);
    for _ in 0..count {
        let Some(next) = schedule.next(began, after) else { break };
        assert!(next > after, "{text}: {next:?} does not come behind {after:?}");
        let shown = moment(next).expect("a time").to_zoned(schedule.zone.clone());
        found.push(shown.strftime("%m-%d %H:%M:%S %:z").to_string());
        after = next;
    }
    found
}

fn same(text: &str, from: &str, want: &[&str]) {
    assert_eq!(next(text, from, want.len()), want, "{text} from {from}");
}

#[test]
fn schedules_are_read_as_people_write_them() {
    // A Monday, nine in the morning.
    let now = "2026-03-02T09:00:00Z";
    for (text, want) in [
        ("every 15m", &["03-02 09:15:00 +00:00", "03-02 09:30:00 +00:00"][..]),
        ("every 90s from 08:00", &["03-02 09:01:30 +00:00", "03-02 09:03:00 +00:00"]),
        ("every 7h from 08:30", &["03-02 15:30:00 +00:00", "03-02 22:30:00 +00:00"]),
        ("every 7h from 10:00", &["03-02 14:00:00 +00:00", "03-02 21:00:00 +00:00"]),
        ("every minute", &["03-02 09:01:00 +00:00"]),
        ("every 2 hours", &["03-02 11:00:00 +00:00"]),
        ("daily 09:00", &["03-03 09:00:00 +00:00", "03-04 09:00:00 +00:00"]),
        ("every day at 9am and noon", &["03-02 12:00:00 +00:00", "03-03 09:00:00 +00:00"]),
        ("daily 08:00,9:30,17:00:05", &["03-02 09:30:00 +00:00", "03-02 17:00:05 +00:00"]),
        ("mon-fri 09:00 Europe/Berlin", &["03-03 09:00:00 +01:00"]),
        ("weekdays 17:00", &["03-02 17:00:00 +00:00", "03-03 17:00:00 +00:00"]),
        ("weekends at noon", &["03-07 12:00:00 +00:00", "03-08 12:00:00 +00:00"]),
        ("mon,thu 08:00", &["03-05 08:00:00 +00:00", "03-09 08:00:00 +00:00"]),
        ("monday and friday 08:00", &["03-06 08:00:00 +00:00", "03-09 08:00:00 +00:00"]),
        ("fri-mon 08:00", &["03-06 08:00:00 +00:00", "03-07 08:00:00 +00:00"]),
        ("every friday 5pm", &["03-06 17:00:00 +00:00", "03-13 17:00:00 +00:00"]),
        ("1st 06:30", &["04-01 06:30:00 +00:00", "05-01 06:30:00 +00:00"]),
        ("monthly 06:30", &["04-01 06:30:00 +00:00"]),
        ("1st,15th at 06:30", &["03-15 06:30:00 +00:00", "04-01 06:30:00 +00:00"]),
        ("31st 06:30", &["03-31 06:30:00 +00:00", "05-31 06:30:00 +00:00"]),
        ("last day 18:00", &["03-31 18:00:00 +00:00", "04-30 18:00:00 +00:00"]),
        ("last fri 17:00", &["03-27 17:00:00 +00:00", "04-24 17:00:00 +00:00"]),
        ("first monday 10:00", &["03-02 10:00:00 +00:00", "04-06 10:00:00 +00:00"]),
        ("2nd tue of the month 10:00", &["03-10 10:00:00 +00:00"]),
        ("hourly", &["03-02 10:00:00 +00:00", "03-02 11:00:00 +00:00"]),
        ("*/15 * * * *", &["03-02 09:15:00 +00:00"]),
        ("*/10 * * * * *", &["03-02 09:00:10 +00:00"]),
        ("0 9 * * mon-fri", &["03-03 09:00:00 +00:00"]),
        ("30 6 1 jan,jul *", &["07-01 06:30:00 +00:00", "01-01 06:30:00 +00:00"]),
        ("in 2h", &["03-02 11:00:00 +00:00"]),
        ("tomorrow 9:00", &["03-03 09:00:00 +00:00"]),
        ("once at 10:15", &["03-02 10:15:00 +00:00"]),
        ("2026-12-24 18:00 Europe/Berlin", &["12-24 18:00:00 +01:00"]),
    ] {
        same(text, now, want);
    }
}

#[test]
fn what_comes_once_is_over_then() {
    for text in ["in 2h", "tomorrow 9:00", "2026-12-24 18:00"] {
        assert_eq!(next(text, "2026-03-02T09:00:00Z", 3).len(), 1, "{text}");
        assert!(schedule(text).is_once(), "{text}");
    }
    let past = schedule("2020-01-01 12:00");
    let why = past.never(at("2026-03-02T09:00:00Z")).expect("it is over");
    assert!(why.contains("is over"), "{why}");
    assert_eq!(past.next(at("2026-03-02T09:00:00Z"), at("2026-03-02T09:00:00Z")), None);
}

#[test]
fn a_time_that_clocks_skip_comes_once_behind_the_gap() {
    for (text, from, want) in [
        // London goes from 01:00 to 02:00 on 29 March 2026.
        (
            "daily 01:30 Europe/London",
            "2026-03-28T00:00:00Z",
            &["03-28 01:30:00 +00:00", "03-29 02:00:00 +01:00", "03-30 01:30:00 +01:00"][..],
        ),
        (
            "daily 01:00 Europe/London",
            "2026-03-28T12:00:00Z",
            &["03-29 02:00:00 +01:00", "03-30 01:00:00 +01:00"],
        ),
        (
            "*/15 1 * * * Europe/London",
            "2026-03-28T02:00:00Z",
            &["03-29 02:00:00 +01:00", "03-30 01:00:00 +01:00"],
        ),
        // What is meant for the end of the gap itself comes with it.
        (
            "daily 01:30,02:00 Europe/London",
            "2026-03-28T03:00:00Z",
            &["03-29 02:00:00 +01:00", "03-30 01:30:00 +01:00"],
        ),
        // New York goes from 02:00 to 03:00 on 8 March 2026.
        (
            "daily 02:30 America/New_York",
            "2026-03-07T12:00:00Z",
            &["03-08 03:00:00 -04:00", "03-09 02:30:00 -04:00"],
        ),
        (
            "sun 02:30 America/New_York",
            "2026-03-07T12:00:00Z",
            &["03-08 03:00:00 -04:00", "03-15 02:30:00 -04:00"],
        ),
        // Lord Howe goes from 02:00 to 02:30 on 4 October 2026.
        (
            "daily 02:15 Australia/Lord_Howe",
            "2026-10-02T16:00:00Z",
            &["10-04 02:30:00 +11:00", "10-05 02:15:00 +11:00"],
        ),
        // A zone that skips midnight: Havana, 8 March 2026.
        (
            "daily 00:00 America/Havana",
            "2026-03-07T12:00:00Z",
            &["03-08 01:00:00 -04:00", "03-09 00:00:00 -04:00"],
        ),
    ] {
        same(text, from, want);
    }
}

#[test]
fn a_time_that_comes_twice_comes_once_the_first_time() {
    for (text, from, want) in [
        // London goes from 02:00 back to 01:00 on 25 October 2026.
        (
            "daily 01:30 Europe/London",
            "2026-10-24T12:00:00Z",
            &["10-25 01:30:00 +01:00", "10-26 01:30:00 +00:00"][..],
        ),
        (
            "*/30 1 * * * Europe/London",
            "2026-10-24T12:00:00Z",
            &["10-25 01:00:00 +01:00", "10-25 01:30:00 +01:00", "10-26 01:00:00 +00:00"],
        ),
        // Asked in the second of the two hours.
        ("daily 01:30 Europe/London", "2026-10-25T01:10:00Z", &["10-26 01:30:00 +00:00"]),
        ("daily 02:00 Europe/London", "2026-10-25T00:10:00Z", &["10-25 02:00:00 +00:00"]),
        // New York, 1 November 2026.
        (
            "daily 01:30 America/New_York",
            "2026-10-31T12:00:00Z",
            &["11-01 01:30:00 -04:00", "11-02 01:30:00 -05:00"],
        ),
        // Lord Howe goes from 02:00 back to 01:30 on 5 April 2026.
        (
            "daily 01:45 Australia/Lord_Howe",
            "2026-04-04T00:00:00Z",
            &["04-05 01:45:00 +11:00", "04-06 01:45:00 +10:30"],
        ),
    ] {
        same(text, from, want);
    }
}

#[test]
fn every_real_hour_comes_where_the_hour_is_a_star() {
    for (text, from, want) in [
        (
            "0 * * * * Europe/London",
            "2026-03-29T00:00:00Z",
            &["03-29 02:00:00 +01:00", "03-29 03:00:00 +01:00"][..],
        ),
        (
            "hourly Europe/London",
            "2026-10-24T23:30:00Z",
            &["10-25 01:00:00 +01:00", "10-25 01:00:00 +00:00", "10-25 02:00:00 +00:00"],
        ),
        (
            "*/30 * * * * America/New_York",
            "2026-11-01T05:15:00Z",
            &["11-01 01:30:00 -04:00", "11-01 01:00:00 -05:00", "11-01 01:30:00 -05:00"],
        ),
        (
            "45 * * * * Australia/Lord_Howe",
            "2026-04-04T14:00:00Z",
            &["04-05 01:45:00 +11:00", "04-05 01:45:00 +10:30", "04-05 02:45:00 +10:30"],
        ),
        (
            "0 * * * * Australia/Lord_Howe",
            "2026-10-03T14:45:00Z",
            &["10-04 03:00:00 +11:00", "10-04 04:00:00 +11:00"],
        ),
    ] {
        same(text, from, want);
    }
}

#[test]
fn intervals_count_real_time_over_both_changes() {
    same(
        "every 30m Europe/London",
        "2026-10-25T00:00:00Z",
        &["10-25 01:30:00 +01:00", "10-25 01:00:00 +00:00", "10-25 01:30:00 +00:00"],
    );
    same(
        "every 12h from 08:00 Europe/London",
        "2026-03-28T09:00:00Z",
        &["03-28 20:00:00 +00:00", "03-29 09:00:00 +01:00", "03-29 21:00:00 +01:00"],
    );
}

#[test]
fn calendars_have_leap_days_and_ends() {
    for (text, from, want) in [
        (
            "0 12 29 2 *",
            "2026-01-01T00:00:00Z",
            &["02-29 12:00:00 +00:00", "02-29 12:00:00 +00:00"][..],
        ),
        ("last day 23:59:59", "2028-02-01T00:00:00Z", &["02-29 23:59:59 +00:00"]),
        (
            "daily 23:59,00:00",
            "2026-12-31T12:00:00Z",
            &["12-31 23:59:00 +00:00", "01-01 00:00:00 +00:00"],
        ),
        ("30th 08:00", "2026-01-31T00:00:00Z", &["03-30 08:00:00 +00:00"]),
        // A zone without any change.
        (
            "daily 02:30 Asia/Kolkata",
            "2026-03-28T00:00:00Z",
            &["03-29 02:30:00 +05:30", "03-30 02:30:00 +05:30"],
        ),
        ("fifth monday 10:00", "2026-01-01T00:00:00Z", &["03-30 10:00:00 +00:00"]),
    ] {
        same(text, from, want);
    }
}

#[test]
fn what_is_no_schedule_says_where_and_why() {
    let long = "daily 09:00 ".repeat(20);
    let often = (0..=TIMES_MAX).map(|n| format!("09:{n:02}")).collect::<Vec<_>>().join(",");
    for (text, want) in [
        ("", "there is no time"),
        (
            "dialy 09:00",
            "`dialy` at character 1 is no day and no time of day; did you mean `daily`?",
        ),
        (
            "mon-fry 09:00",
            "`mon-fry` at character 1 is no day and no time of day; did you mean `mon-fri`?",
        ),
        ("daily 25:00", "`25:00` at character 7 is no day"),
        ("daily 09:00 Europe/Londn", "`europe/londn` at character 13 is no time zone"),
        ("daily", "there is no time of day; write `daily 09:00`"),
        ("mon-fri", "there is no time of day; write `mon-fri 09:00`"),
        ("09:00", "there is no day; write `daily 09:00` or `once at 09:00`"),
        ("every 15", "`15` at character 7 begins no interval"),
        ("every 500ms", "an interval is from one second to 366 days"),
        ("every 400d", "an interval is from one second to 366 days"),
        ("every 15m from", "`from` at character 11 needs a time of day"),
        ("every 15m from dawn", "`dawn` at character 16 is no time of day"),
        ("mon 1st 09:00", "`1st` at character 5 are other days than those before it"),
        ("6th monday 09:00", "`6th` at character 1 is no day"),
        ("hourly 09:00", "`hourly` has no time of day"),
        ("@daily", "`@daily` at character 1 is no word of schedules; write `daily 00:00`"),
        ("* * * *", "a cron pattern with 4 fields"),
        ("* * * * * * *", "a cron pattern with 7 fields"),
        ("61 * * * *", "`61` at character 1 is no minute; it takes 0 to 59"),
        ("0 24 * * *", "`24` at character 3 is no hour; it takes 0 to 23"),
        ("0 9 * * mon-frx", "`mon-frx` at character 9 is no weekday"),
        ("0 9 30 2 *", "`0 9 30 2 *` never comes"),
        ("once upon", "I do not understand"),
        (&long, "a schedule has at most 200 bytes"),
        (&format!("daily {often}"), "a schedule has at most 24 times of day"),
    ] {
        let why = Schedule::parse(text, &TimeZone::UTC, &zones).expect_err(text).to_string();
        assert!(why.contains(want), "{text}: {why}");
    }
    assert!(long.len() > SPEC_BYTES_MAX, "the bound is what refuses it");
}

fn due(text: &str, policy: Policy, upto: &str, now: &str, jitter_ms: i64) -> String {
    let standing = Standing { began: at("2026-03-01T00:00:00Z"), upto: at(upto) };
    let shown = |at: Timestamp| moment(at).expect("a time").strftime("%d %H:%M").to_string();
    match look(&schedule(text), &standing, &policy, at(now), &|_| jitter_ms) {
        None => "nothing".into(),
        Some(due) => {
            let fire = due.fire.iter().map(|(at, missed)| format!("{} ({missed})", shown(*at)));
            let fire = fire.collect::<Vec<_>>().join(", ");
            format!("[{fire}] skipped {} upto {}", due.skipped, shown(due.upto))
        }
    }
}

#[test]
fn what_is_due_goes_by_the_policy() {
    let (skip, once, all) = (Missed::Skip, Missed::Once, Missed::All(MISSED_DEFAULT));
    let before = "2026-03-02T09:00:00Z";
    for (missed, text, now, want) in [
        (once, "hourly", "2026-03-02T09:59:59Z", "nothing"),
        // In time, whatever the policy.
        (skip, "hourly", "2026-03-02T10:00:00Z", "[02 10:00 (0)] skipped 0 upto 02 10:00"),
        (once, "hourly", "2026-03-02T10:00:59Z", "[02 10:00 (0)] skipped 0 upto 02 10:00"),
        (all, "hourly", "2026-03-02T10:00:01Z", "[02 10:00 (0)] skipped 0 upto 02 10:00"),
        // Three hours of outage.
        (skip, "hourly", "2026-03-02T12:30:00Z", "[] skipped 3 upto 02 12:00"),
        (once, "hourly", "2026-03-02T12:30:00Z", "[02 12:00 (2)] skipped 2 upto 02 12:00"),
        (
            all,
            "hourly",
            "2026-03-02T12:30:00Z",
            "[02 10:00 (0), 02 11:00 (0), 02 12:00 (0)] skipped 0 upto 02 12:00",
        ),
        (
            Missed::All(2),
            "hourly",
            "2026-03-02T12:30:00Z",
            "[02 11:00 (1), 02 12:00 (0)] skipped 1 upto 02 12:00",
        ),
        // The outage ends just when it is time again.
        (skip, "hourly", "2026-03-02T12:00:30Z", "[02 12:00 (2)] skipped 2 upto 02 12:00"),
        // More than can be counted, and still the last one.
        (
            once,
            "* * * * * *",
            "2026-03-09T09:00:00Z",
            "[09 09:00 (13599)] skipped 13599 upto 09 09:00",
        ),
    ] {
        let policy = Policy { missed, jitter_ms: 0 };
        assert_eq!(due(text, policy, before, now, 0), want, "{missed:?} {text} {now}");
    }
    let all = Policy { missed: Missed::All(u32::MAX), jitter_ms: 0 };
    let standing = Standing { began: at(before), upto: at(before) };
    let now = at("2026-03-05T09:00:00Z");
    let due = look(&schedule("hourly"), &standing, &all, now, &|_| 0).expect("three days");
    assert_eq!((due.fire.len() as u32, due.skipped), (MISSED_MAX, 22), "no storm");
}

#[test]
fn a_clock_that_is_set_back_is_looked_at_anew() {
    let policy = Policy { missed: Missed::Once, jitter_ms: 0 };
    for (now, want) in [
        // A correction of seconds changes nothing.
        ("2026-03-02T11:59:30Z", "nothing"),
        ("2026-03-02T11:59:00Z", "nothing"),
        ("2026-03-02T09:30:00Z", "[] skipped 0 upto 02 09:30"),
    ] {
        assert_eq!(due("hourly", policy, "2026-03-02T12:00:00Z", now, 0), want, "{now}");
    }
}

#[test]
fn jitter_delays_and_keeps_the_order() {
    let policy = Policy { missed: Missed::Once, jitter_ms: 90_000 };
    let upto = "2026-03-02T09:00:00Z";
    for (now, want) in [
        ("2026-03-02T10:01:00Z", "nothing"),
        ("2026-03-02T10:01:30Z", "[02 10:00 (0)] skipped 0 upto 02 10:00"),
        ("2026-03-02T10:02:30Z", "[02 10:00 (0)] skipped 0 upto 02 10:00"),
        ("2026-03-02T10:02:31Z", "[02 10:00 (0)] skipped 0 upto 02 10:00"),
    ] {
        assert_eq!(due("hourly", policy, upto, now, 90_000), want, "{now}");
    }
    let skip = Policy { missed: Missed::Skip, ..policy };
    let late = due("hourly", skip, upto, "2026-03-02T10:02:31Z", 90_000);
    assert_eq!(late, "[] skipped 1 upto 02 10:00", "a minute after its delayed time it is missed");
    let standing = Standing { began: at(upto), upto: at(upto) };
    let next = next_due(&schedule("hourly"), &standing, &|_| 90_000);
    assert_eq!(next, Some(at("2026-03-02T10:01:30Z")));
}
