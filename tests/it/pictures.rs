//! Pictures and files beside the log: kept once, gone with an erasure, left out when nothing came of them; and their bounds.

use beadle::domain::attachment::FILE_BYTES_MAX;
use beadle::domain::event::{BlobRef, Event};
use beadle::domain::id::Timestamp;
use beadle::domain::save_command::{SAVED_COMMANDS_MAX, SAVED_WITHIN_MS};
use beadle::domain::when_words::{self, WHEN_DAYS_MAX};
use beadle::query::erasure::Target;
use beadle::script::journal::Journal;
use beadle::script::run::End;

use crate::desk::Desk;
use crate::erasure::erased;
use crate::scripts::slice;
use crate::store_world::everything;

const SCRIPT: &str = r#"//! Shows pictures.
alias("load", || {
    reply("the load", #{ attach: plot(#{ title: "Load", lines: [[1, 4, 2]] }) });
    if confirm("Again?") { reply("once more", #{ attach: file("more.txt", "more") }); }
});
alias("echo {text:text}", |a| reply(a.text));
"#;

fn blobs(desk: &Desk) -> Vec<BlobRef> {
    let events = everything(desk.kernel.store.as_ref());
    events.iter().filter_map(|it| it.event().and_then(Event::blob).cloned()).collect()
}

#[tokio::test]
async fn a_picture_is_kept_once_and_goes_with_an_erasure() {
    let desk = Desk::new(SCRIPT);
    for text in ["!load", "yes"] {
        let said = desk.says("ann", "#ops", text);
        desk.hand_over(vec![said], None).await;
        desk.settle().await.expect("the log works");
    }
    let kept = blobs(&desk);
    assert_eq!(kept.len(), 2, "the replay behind the answer keeps nothing anew");
    let store = &desk.kernel.store;
    let read = |blob: &BlobRef| store.blob(blob).expect("it can be read");
    assert!(read(&kept[0]).is_some_and(|bytes| bytes.starts_with(b"\x89PNG")));
    assert_eq!(read(&kept[1]).as_deref(), Some(&b"more"[..]));
    let tally = erased(&desk, Target::Person("@ann:local".into())).await;
    assert_eq!(tally.blobs, 2, "{tally:?}");
    assert_eq!((read(&kept[0]), read(&kept[1])), (None, None));
}

#[test]
fn a_file_has_a_bound() {
    let end = |bytes: usize| {
        let body = format!(
            r#"let s = "x"; s.pad({bytes}, "x"); reply("x", #{{ attach: file("a.txt", s) }});"#
        );
        slice(&format!("alias(\"go\", || {{ {body} }});"), 0, &Journal::new())
    };
    let fits = end(FILE_BYTES_MAX);
    assert!(matches!(fits.end, End::Returned(_)), "{:?}", fits.end);
    assert_eq!(fits.files.values().map(|bytes| bytes.len()).sum::<usize>(), FILE_BYTES_MAX);
    let args = fits.entries[0].args.to_string().len();
    assert!(args < 300, "the journal holds its hash: {args} bytes");
    let End::Failed(failure) = end(FILE_BYTES_MAX + 1).end else { panic!("it is too large") };
    assert!(failure.message.contains("a file may have"), "{}", failure.message);
}

#[test]
fn times_are_at_most_a_year_away() {
    let read = |days: i64| {
        let zone = jiff::tz::TimeZone::UTC;
        when_words::parse(&format!("in {days} days"), Timestamp(0), &zone, &|_| None)
    };
    assert!(read(WHEN_DAYS_MAX).is_ok());
    assert!(read(WHEN_DAYS_MAX + 1).is_err());
}

/// What the last proposal calls.
async fn saved(desk: &Desk) -> usize {
    let said = desk.says("ann", "#ops", "!save as it all");
    desk.hand_over(vec![said], None).await;
    desk.settle().await.expect("the log works");
    desk.said().iter().map(|said| said.matches("    run(").count()).sum()
}

#[tokio::test]
async fn the_last_commands_of_an_hour_are_saved() {
    let desk = Desk::new(SCRIPT);
    for n in 0..SAVED_COMMANDS_MAX + 3 {
        let said = desk.says("ann", "#ops", &format!("!echo {n}"));
        desk.hand_over(vec![said], None).await;
        desk.settle().await.expect("the log works");
    }
    assert_eq!(saved(&desk).await, SAVED_COMMANDS_MAX);
    desk.clock.advance(SAVED_WITHIN_MS);
    assert_eq!(saved(&desk).await, SAVED_COMMANDS_MAX);
    desk.clock.advance(1);
    assert_eq!(saved(&desk).await, 0);
}
