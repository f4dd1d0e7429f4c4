//! `/healthz` and `/metrics`: what machines read of the bot, and that nothing of what people said is in it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Ask, Plan, Site};
use crate::store_world::open;

/// The samples of a page, and that each stands below its help and its type.
fn samples(page: &str) -> BTreeMap<String, f64> {
    let (mut told, mut samples) = (BTreeSet::new(), BTreeMap::new());
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let name = rest.split(' ').nth(1).expect("a name");
            told.insert((rest.split(' ').next().expect("a word").to_owned(), name.to_owned()));
            continue;
        }
        let (labelled, value) = line.rsplit_once(' ').expect("a sample has a value");
        let name = labelled.split('{').next().expect("a name").to_owned();
        for word in ["HELP", "TYPE"] {
            assert!(told.contains(&(word.to_owned(), name.clone())), "{word} of {name}");
        }
        assert!(name.starts_with("beadle_"), "{line}");
        samples.insert(labelled.to_owned(), value.parse().expect("a number"));
    }
    samples
}

#[tokio::test]
async fn figures_count_what_happened_and_quote_nobody() {
    let site = Site::new().await;
    for _ in 0..3 {
        site.post("open", &[], "{\"text\":\"sesame\"}").await;
    }
    site.post("open", &[], "{sesame").await;
    site.post("sesame", &[], "{}").await;
    site.desk.hand_over(vec![site.desk.says("ann", "#ops", "!sesame")], None).await;
    site.desk.settle().await.expect("the log works");
    let answer = site.ask(&Ask::get("/metrics")).await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(!answer.body.contains("sesame") && !answer.body.contains("ann"), "{}", answer.body);
    let samples = samples(&answer.body);
    for (name, want) in [
        ("beadle_triggers_total{kind=\"webhook\"}", 3.0),
        ("beadle_triggers_total{kind=\"message\"}", 1.0),
        ("beadle_outcomes_total{verdict=\"ignored\"}", 3.0),
        ("beadle_hook_requests_total{hook=\"open\",code=\"202\"}", 3.0),
        ("beadle_hook_requests_total{hook=\"open\",code=\"400\"}", 1.0),
        ("beadle_hook_requests_total{hook=\"-\",code=\"404\"}", 1.0),
        ("beadle_triggers_undecided", 0.0),
        ("beadle_executions_open", 0.0),
        ("beadle_outbox_queued", 0.0),
        ("beadle_connections_refused_total", 0.0),
    ] {
        assert_eq!(samples.get(name), Some(&want), "{name} of\n{}", answer.body);
    }
    assert!(samples["beadle_events_total"] >= 8.0 && samples["beadle_uptime_seconds"] >= 0.0);
    site.ended().await;
}

#[tokio::test]
async fn health_is_lost_with_the_log() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = std::sync::Arc::new(open(dir.path(), 1));
    let site = Site::with(Plan { store: Some(store), ..Plan::default() }).await;
    let answer = site.ask(&Ask::get("/healthz")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    let head = site.ask(&Ask { method: "HEAD", ..Ask::get("/healthz") }).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    site.ended().await;
}
