//! The wall clock leaps under timers that wait: each fires once, none comes back, and none is skipped.

use beadle::store::Clock;

use crate::desk::Desk;

const SCRIPT: &str = r#"
    alias("nap {time:duration}", #{ ack: false }, |a| { sleep(a.time); say(`woke after ${a.time}`); });
    alias("every {time:duration}", #{ ack: false }, |a| { for n in 0..3 { sleep(a.time); say(`round ${n}`); } });
    alias("ask", || say(ask("Well?", #{ timeout: "1h", or_else: "nobody" })));
"#;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

#[tokio::test]
async fn timers_fire_once_however_the_clock_leaps() {
    let desk = Desk::new(SCRIPT);
    let began = desk.clock.now();
    for text in ["!nap 10m", "!nap 2h", "!nap 3 days", "!every 30m", "!ask"] {
        desk.hand_over(vec![desk.says("ann", "#ops", text)], None).await;
        desk.settle().await.expect("the log works");
    }
    assert_eq!(desk.said(), ["#ops: Well?"]);
    for (at_ms, want) in [
        (-DAY_MS, &[][..]),
        (9 * MINUTE_MS, &[]),
        (-5 * MINUTE_MS, &[]),
        (10 * MINUTE_MS, &["woke after 10m"]),
        // What has fired does not fire again when its time comes once more.
        (-DAY_MS, &[]),
        (11 * MINUTE_MS, &[]),
        // The next round begins when the last has ended, by the clock of that time.
        (DAY_MS, &["nobody", "round 0", "woke after 2h"]),
        (MINUTE_MS, &[]),
        (DAY_MS + 29 * MINUTE_MS, &[]),
        // A leap over two rounds is one round: they are told from one another by when they are.
        (2 * DAY_MS, &["round 1"]),
        (2 * DAY_MS - 1, &[]),
        (366 * DAY_MS, &["round 2", "woke after 3 days"]),
        (DAY_MS, &[]),
        (800 * DAY_MS, &[]),
    ] {
        desk.clock.set(began.plus_ms(at_ms));
        desk.settle().await.expect("the log works");
        let mut said = desk.said();
        said.sort();
        let want: Vec<String> = want.iter().map(|text| format!("#ops: {text}")).collect();
        assert_eq!(said, want, "at {at_ms}");
    }
    let finished = desk.count("execution_finished");
    assert_eq!(finished, 5, "each has ended once");
}
