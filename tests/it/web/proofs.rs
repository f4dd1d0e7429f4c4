//! Who is believed: each way to prove it, deliveries that come again, and requests that are played again.

use beadle::domain::hook::proof::prove;
use beadle::store::Clock;

use super::{Ask, SECRET, Site, configured};

/// The example of GitHub's documentation, "Validating webhook deliveries": the secret is [`SECRET`].
const BODY: &str = "Hello, World!";
const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

#[tokio::test]
async fn the_documented_signature_is_accepted_and_one_byte_changed_is_refused() {
    let site = Site::new().await;
    let text = ("Content-Type", "text/plain");
    let (id, event) = (("X-GitHub-Delivery", "d-1"), ("X-GitHub-Event", "ping"));
    let changed = SIGNATURE.replace("e17", "e16");
    for (signature, body, status) in [
        (SIGNATURE, "Hello, World?", 401),
        (changed.as_str(), BODY, 401),
        ("sha256=", BODY, 401),
        (SIGNATURE, BODY, 202),
    ] {
        let headers = [text, id, event, ("X-Hub-Signature-256", signature)];
        let answer = site.post("gh", &headers, body).await;
        assert_eq!(answer.status, status, "{signature} {body}: {answer:?}");
    }
    assert_eq!(site.post("gh", &[text, id], BODY).await.status, 401, "no signature at all");
    let events = site.events();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].fields["text"], BODY);
    assert_eq!(events[0].fields["_headers"]["x-github-event"], "ping");
    assert_eq!(events[0].fields["_delivery"], "d-1");
    site.ended().await;
}

#[tokio::test]
async fn a_delivery_that_comes_again_is_taken_once() {
    let site = Site::new().await;
    let again = |id: &'static str, body: &'static str| {
        let headers = [("X-Delivery", id)];
        Ask::post("open", &headers, body)
    };
    let first = site.ask(&again("d-1", "{\"n\":1}")).await;
    assert_eq!((first.status, first.json()["duplicate"].is_null()), (202, true));
    let second = site.ask(&again("d-1", "{\"n\":2}")).await;
    assert_eq!((second.status, second.json()["duplicate"].as_bool()), (200, Some(true)));
    assert_eq!(first.json()["trigger"], second.json()["trigger"]);
    assert_eq!(site.ask(&again("d-2", "{\"n\":3}")).await.status, 202);
    assert_eq!(site.post("open", &[], "{\"n\":4}").await.status, 202);
    assert_eq!(site.post("open", &[], "{\"n\":4}").await.status, 202, "two equal alerts are two");
    let numbers: Vec<_> = site.events().iter().map(|event| event.fields["n"].clone()).collect();
    assert_eq!(numbers, [1, 3, 4, 4], "the first content wins");
    let long = "x".repeat(201);
    let answer = site.post("open", &[("X-Delivery", &long)], "{}").await;
    assert_eq!(answer.status, 400, "{answer:?}");
    site.ended().await;
}

#[tokio::test]
async fn each_way_to_prove_it_is_believed_with_the_secret_alone() {
    let site = Site::new().await;
    let hooks = configured(super::HOOKS).hooks;
    let now = site.desk.clock.now();
    for name in ["ci", "am", "gh", "signed"] {
        for (secret, status) in [(SECRET, 202), ("It's a secret to nobody", 401)] {
            let body = format!("{{\"of\":\"{name}\"}}");
            let headers = prove(&hooks[name], secret, "d-1", body.as_bytes(), now);
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let answer = site.post(name, &headers, &body).await;
            assert_eq!(answer.status, status, "{name} {answer:?}");
            let asks = answer.header("www-authenticate").is_some();
            assert_eq!(asks, status == 401 && ["ci", "am"].contains(&name), "{answer:?}");
        }
    }
    assert_eq!(site.events().len(), 4);
    site.ended().await;
}

#[tokio::test]
async fn a_recorded_request_can_neither_be_played_again_nor_later() {
    let site = Site::new().await;
    let hook = &configured(super::HOOKS).hooks["signed"];
    let headers = prove(hook, SECRET, "", b"{}", site.desk.clock.now());
    let mut headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(site.post("signed", &headers, "{}").await.status, 202);
    let again = site.post("signed", &headers, "{}").await;
    assert_eq!((again.status, again.json()["duplicate"].as_bool()), (200, Some(true)));
    // Written in another way it is the same one.
    let other: Vec<String> =
        headers.iter().map(|(_, value)| format!("00, {value}").to_uppercase()).collect();
    for (header, other) in headers.iter_mut().zip(&other) {
        if header.0 == "x-signature" {
            header.1 = other;
        }
    }
    let again = site.post("signed", &headers, "{}").await;
    assert_eq!((again.status, again.json()["duplicate"].as_bool()), (200, Some(true)));
    site.desk.clock.advance(300_000);
    assert_eq!(site.post("signed", &headers, "{}").await.status, 200, "it is known and in time");
    site.desk.clock.advance(1_000);
    let late = site.post("signed", &headers, "{}").await;
    assert_eq!(
        (late.status, late.error().as_str()),
        (401, "the time in `x-time` is 301 s from now")
    );
    assert_eq!(site.events().len(), 1);
    site.ended().await;
}
