//! Where a walk ends, and what it finds: tables over pages, without a homeserver.

use super::super::heads::tests::{heads, said, spoken};
use super::super::timeline::tests::{event, marks};
use super::*;

/// What a walk over pages finds and how it ends; pages and events are written newest first, the timeline oldest first.
fn walked(hole: Hole, pages: &[Vec<Seen>]) -> String {
    let mut walk = Walk::new("@bot:hs", hole);
    let mut next = Next::Complete;
    for (n, page) in pages.iter().enumerate() {
        let end = (n + 1 < pages.len()).then(|| (n + 1).to_string());
        let page = page.iter().map(|seen| (seen.clone(), 1)).collect();
        next = walk.take(page, &n.to_string(), end);
        if !matches!(next, Next::Page(_)) {
            break;
        }
    }
    let read = walk.pages;
    let found = walk.finish();
    let marks = found.iter().map(|seen| seen.text("event_id")).collect::<Vec<_>>().join(" ");
    let end = match next {
        Next::Page(_) => "unfinished",
        Next::Complete => "complete",
        Next::GivenUp(_) => "given up",
    };
    format!("{marks} | {end} after {read}")
}

fn hole(timeline: &[Seen], heads: &Heads, horizon_ms: Option<i64>) -> Hole {
    Hole::before(timeline, "t", horizon_ms, heads.clone(), true)
}

/// A walk without heads over single marks, as `timeline::tests::event` reads them.
fn without_heads(pages: &[&str], horizon_ms: Option<i64>) -> String {
    let heads = Heads::default();
    let pages: Vec<Vec<Seen>> =
        pages.iter().map(|page| page.chars().map(event).collect()).collect();
    walked(hole(&[], &heads, horizon_ms), &pages)
}

/// A walk after `timeline`, with the heads that `known` leaves.
fn with_heads(known: &str, timeline: &str, pages: &[&str], horizon_ms: i64) -> String {
    let (heads, timeline) = (heads(known), spoken(timeline));
    let pages: Vec<Vec<Seen>> = pages.iter().map(|page| spoken(page)).collect();
    walked(hole(&timeline, &heads, Some(horizon_ms)), &pages)
}

#[test]
fn without_heads_the_horizon_decides() {
    for (pages, horizon, want) in [
        (&["98", "76"][..], None, "6 7 8 9 | complete after 2"),
        (&["98", "76", "54", "32"], Some(6), "4 5 6 7 8 9 | complete after 3"),
        (&["98", "165", "54", "32"], Some(6), "4 5 5 6 1 8 9 | complete after 3"),
        (&["98", "7j6", "54"], None, "6 j 7 8 9 | complete after 2"),
        (&["98", "7n6", "54"], None, "4 5 6 n 7 8 9 | complete after 3"),
        (&["98", "7J6", "54"], None, "4 5 6 J 7 8 9 | complete after 3"),
        (&["98", "", "54"], Some(1), "4 5 8 9 | complete after 3"),
        (&[""], Some(1), " | complete after 1"),
    ] {
        assert_eq!(without_heads(pages, horizon), want, "{pages:?} {horizon:?}");
    }
}

#[test]
fn a_walk_goes_on_until_every_homeserver_is_at_its_head() {
    // `h` is our homeserver, `f` and `g` are far ones; the horizon is 50 where it should not matter.
    for (what, known, timeline, pages, horizon, want) in [
        (
            "a long pause: all between is new",
            "h1 f2 h3",
            "h9",
            &["h8 f7", "h6 h5", "h4 h3", "f2 h1", "h0"][..],
            50,
            "h4 h5 h6 f7 h8 | complete after 4",
        ),
        (
            "a netsplit: a page that was said here is not the end",
            "f1 h2 h3 h4 h5",
            "f9",
            &["h5 h4", "f8 h3", "f7 h2", "f1 h0", "h0"],
            50,
            "f7 f8 | complete after 4",
        ),
        (
            "another homeserver was behind the split as well",
            "g1 f2 h3 h4",
            "f9",
            &["h4 h3", "f2 h2", "g8 h2", "g1 f0", "h0"],
            2,
            "g8 | complete after 4",
        ),
        (
            "nothing is missing",
            "f1 h2 h3",
            "f9",
            &["h3 h2", "f1 h1", "h0"],
            50,
            " | complete after 2",
        ),
        (
            "all is known, and the time says to look a little further",
            "f1 h2 h3",
            "f9",
            &["h3 h2", "f1 h1", "h0 f0"],
            1,
            " | complete after 3",
        ),
        (
            "a far clock in the future does not lengthen the walk",
            "f1 h2",
            "f9",
            &["f900 h2 h1", "f1 h1 h1", "f800 h0 h0", "h0"],
            50,
            "f900 | complete after 2",
        ),
        (
            "a far clock in the past does not shorten it",
            "f1 h2",
            "f9",
            &["h2 f0", "f0' f0'", "f0 f0'", "f1 h1"],
            50,
            "f0' f0 f0' f0' f0 | complete after 4",
        ),
        (
            "of a homeserver that is new here, the horizon decides",
            "h1 h2",
            "k9",
            &["k8 h2", "k7 h1", "k3 h0", "k2 h0", "k1 h0"],
            4,
            "k3 k7 k8 | complete after 3",
        ),
    ] {
        assert_eq!(with_heads(known, timeline, pages, horizon), want, "{what}");
    }
}

#[test]
fn where_no_hole_is_announced_a_few_pages_are_looked_at() {
    let known = heads("f1 h2");
    let timeline = spoken("f9");
    let mut quiet = vec![spoken("h2"); LOOK_PAGES_MAX + 3];
    let look = |pages: &[Vec<Seen>]| {
        walked(Hole { announced: false, ..hole(&timeline, &known, Some(0)) }, pages)
    };
    assert_eq!(look(&quiet), format!(" | complete after {LOOK_PAGES_MAX}"));
    assert_eq!(look(&[spoken("h2"), spoken("f1"), spoken("h1")]), " | complete after 2");
    quiet[1] = spoken("f8 h2");
    quiet[4] = spoken("f7");
    *quiet.last_mut().expect("it has pages") = spoken("f1 h1");
    let all = quiet.len();
    assert_eq!(
        look(&quiet),
        format!("f7 f8 | complete after {all}"),
        "a hole is filled to its end"
    );
}

#[test]
fn a_second_walk_finds_what_came_since_the_first() {
    let known = heads("f1 h2 h3");
    let mut hole = hole(&spoken("f9"), &known, Some(50));
    let first = [spoken("f8 h3"), spoken("h2 f1"), spoken("h0")];
    assert_eq!(walked(hole.clone(), &first), "f8 | complete after 2");
    hole.found.insert("f8".into());
    let second = [spoken("f8 f7 h3"), spoken("f6 h2"), spoken("f1 h1"), spoken("h0")];
    assert_eq!(walked(hole.clone(), &second), "f6 f7 | complete after 3");
    let text = serde_json::to_string(&hole).expect("JSON");
    assert_eq!(serde_json::from_str::<Hole>(&text).expect("it reads back"), hole);
}

#[test]
fn a_short_limited_timeline_is_torn() {
    let known = heads("f1");
    let long = vec![said("f9"); SHORT_TIMELINE_EVENTS];
    for (timeline, heads, announced, want) in [
        (&long[1..], &known, true, true),
        (&long, &known, true, false),
        (&long[1..], &known, false, false),
        (&long[1..], &Heads::default(), true, false),
    ] {
        let hole = Hole::before(timeline, "t", None, heads.clone(), announced);
        assert_eq!(hole.torn, want, "{} {announced}", timeline.len());
    }
}

#[test]
fn a_walk_gives_up_after_its_last_page() {
    let pages = vec!["1"; GAP_PAGES_MAX + 1];
    let found = vec!["1"; GAP_PAGES_MAX].join(" ");
    let want = format!("{found} | given up after {GAP_PAGES_MAX}");
    assert_eq!(without_heads(&pages, None), want);
    let pages = vec!["h2"; GAP_PAGES_MAX + 1];
    let want = format!(" | given up after {GAP_PAGES_MAX}");
    assert_eq!(with_heads("f1 h2", "f9", &pages, 50), want, "a head that is not met is a hole");
    let want = format!(" | complete after {GAP_PAGES_MAX}");
    assert_eq!(with_heads("f1 h2", "h2", &pages, 1), want, "only the margin is left out");
}

#[test]
fn a_walk_gives_up_after_too_many_bytes() {
    let heads = Heads::default();
    let mut walk = Walk::new("@bot:hs", hole(&[], &heads, None));
    let half = |n: &str| vec![(said(n), GAP_BYTES_MAX / 2)];
    assert_eq!(walk.take(half("f2"), "a", Some("b".into())), Next::Page("b".into()));
    assert_eq!(walk.take(half("f1"), "b", Some("c".into())), Next::Page("c".into()));
    let next = walk.take(vec![(said("f0"), 2)], "c", Some("d".into()));
    assert!(matches!(next, Next::GivenUp(_)), "{next:?}");
    assert_eq!(marks(&walk.finish()), "f0f1f2");
}

#[test]
fn a_page_that_ends_where_it_began_is_the_last() {
    let heads = Heads::default();
    let mut walk = Walk::new("@bot:hs", hole(&[], &heads, None));
    assert_eq!(walk.take(Vec::new(), "t1", Some("t1".into())), Next::Complete);
}
