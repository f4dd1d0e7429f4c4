//! Which answers are read past the SDK.

use matrix_sdk::ruma::api::IncomingResponse;
use matrix_sdk::ruma::owned_room_id;
use serde_json::{Value, json};

use super::*;

/// An answer with one room, as it comes over the wire.
fn answer(room: Value, more: Value) -> Response {
    let mut body = json!({"next_batch": "t2", "rooms": {"join": {"!r:hs": room}}});
    for (key, value) in more.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    let http =
        matrix_sdk::ruma::exports::http::Response::builder().body(body.to_string().into_bytes());
    Response::try_from_http_response(http.expect("a response")).expect("an answer to a sync")
}

fn timeline(events: &[Value]) -> Value {
    json!({"timeline": {"events": events, "limited": false, "prev_batch": "t1"}})
}

fn event(kind: &str, content: Value) -> Value {
    json!({"type": kind, "event_id": "$1", "sender": "@a:hs", "origin_server_ts": 1,
           "content": content})
}

fn text() -> Value {
    event("m.room.message", json!({"msgtype": "m.text", "body": "!ping"}))
}

fn state(kind: &str) -> Value {
    let mut state = event(kind, json!({"membership": "join"}));
    state["state_key"] = json!("@a:hs");
    state
}

fn with(mut room: Value, key: &str, value: Value) -> Value {
    room[key] = value;
    room
}

#[test]
fn only_talk_is_read_past_the_sdk() {
    let talk = timeline(&[text()]);
    let key_request = json!({"msgtype": "m.key.verification.request", "body": "verify"});
    let mut edited = talk.clone();
    edited["timeline"]["limited"] = json!(true);
    for (what, room, plain) in [
        ("a text", talk.clone(), true),
        ("nothing", timeline(&[]), true),
        (
            "counts",
            with(talk.clone(), "unread_notifications", json!({"notification_count": 3})),
            true,
        ),
        ("a reaction", timeline(&[text(), event("m.reaction", json!({}))]), true),
        (
            "a member that is told again",
            with(talk.clone(), "state", json!({"events": [state("m.room.member")]})),
            true,
        ),
        (
            "another state",
            with(talk.clone(), "state", json!({"events": [state("m.room.name")]})),
            false,
        ),
        ("a member event", timeline(&[text(), state("m.room.member")]), false),
        ("a message as a state", timeline(&[state("m.room.message")]), false),
        ("a redaction", timeline(&[event("m.room.redaction", json!({"redacts": "$0"}))]), false),
        ("an encrypted message", timeline(&[event("m.room.encrypted", json!({}))]), false),
        ("a verification", timeline(&[event("m.key.verification.start", json!({}))]), false),
        ("a request for one", timeline(&[event("m.room.message", key_request)]), false),
        ("no event", timeline(&[json!({"type": "m.room.message"})]), false),
        ("a gap", edited, false),
        ("a summary", with(talk.clone(), "summary", json!({"m.joined_member_count": 3})), false),
        (
            "account data",
            with(
                talk.clone(),
                "account_data",
                json!({"events": [{"type": "m.tag", "content": {"tags": {}}}]}),
            ),
            false,
        ),
        (
            "typing",
            with(
                talk.clone(),
                "ephemeral",
                json!({"events": [{"type": "m.typing", "content": {"user_ids": []}}]}),
            ),
            false,
        ),
    ] {
        let found = Plain::of(answer(room, json!({})));
        assert_eq!(found.is_some(), plain, "{what}");
    }
}

#[test]
fn whatever_else_comes_with_talk_is_for_the_sdk() {
    let push_rules = json!({"type": "m.push_rules", "content": {"global": {}}});
    let rooms = |kind: &str, room: Value| json!({"rooms": {kind: {"!o:hs": room}}});
    for (what, more) in [
        ("an invitation", rooms("invite", json!({"invite_state": {"events": []}}))),
        ("a room that was left", rooms("leave", timeline(&[]))),
        ("a knock", rooms("knock", json!({"knock_state": {"events": []}}))),
        (
            "a key",
            json!({"to_device": {"events": [{"type": "m.room.encrypted", "sender": "@a:hs", "content": {}}]}}),
        ),
        ("a changed device", json!({"device_lists": {"changed": ["@a:hs"]}})),
        ("somebody out of sight", json!({"device_lists": {"left": ["@a:hs"]}})),
        ("account data", json!({"account_data": {"events": [push_rules]}})),
        (
            "presence",
            json!({"presence": {"events": [{"type": "m.presence", "sender": "@a:hs", "content": {"presence": "online"}}]}}),
        ),
        ("no position", json!({"next_batch": ""})),
    ] {
        assert!(Plain::of(answer(timeline(&[text()]), more)).is_none(), "{what}");
    }
}

#[test]
fn everybody_in_it_must_be_known() {
    let mut bob = text();
    bob["sender"] = json!("@b:hs");
    let mut room = timeline(&[text(), bob, text()]);
    room["state"] = json!({"events": [state("m.room.member")]});
    let plain = Plain::of(answer(room, json!({}))).expect("it is only talk");
    let talk = &plain.rooms[&owned_room_id!("!r:hs")];
    let members: Vec<_> =
        talk.members.iter().map(|(user, told)| (user.as_str(), told.as_deref())).collect();
    assert_eq!(members, [("@a:hs", Some("$1")), ("@b:hs", None)]);
}

#[test]
fn what_is_read_past_the_sdk_is_whole() {
    let plain = Plain::of(answer(timeline(&[text(), text()]), json!({}))).expect("it is only talk");
    let response = plain.into_response();
    assert_eq!(response.next_batch, "t2");
    let timeline = &response.rooms.joined[&owned_room_id!("!r:hs")].timeline;
    assert_eq!((timeline.events.len(), timeline.limited), (2, false));
    assert_eq!(timeline.prev_batch.as_deref(), Some("t1"));
    assert!(is_needless(&response));
}

#[test]
fn the_sdk_reads_first_and_after_it_was_needed_and_now_and_then() {
    let start = Instant::now();
    let mut quick = Quick::new();
    assert!(!quick.may(start));
    for (needed, may) in [
        (true, false),
        (false, false),
        (false, true),
        (false, true),
        (true, false),
        (false, false),
        (false, true),
    ] {
        quick.whole(needed, None, start);
        assert_eq!(quick.may(start), may, "{quick:?}");
    }
    assert!(!quick.may(start + WHOLE_EVERY));
}

#[test]
fn the_sdk_is_told_of_new_counts_of_keys() {
    let keys = |count: u32, fallback: Option<&[OneTimeKeyAlgorithm]>| Keys {
        counts: [(OneTimeKeyAlgorithm::SignedCurve25519, count.into())].into(),
        fallback: fallback.map(<[_]>::to_vec),
    };
    let mut quick = Quick::new();
    for (seen, known) in [
        (keys(50, None), false),
        (keys(50, None), true),
        (keys(49, None), false),
        (keys(49, Some(&[])), false),
        (keys(49, Some(&[])), true),
        (keys(49, Some(&[OneTimeKeyAlgorithm::SignedCurve25519])), false),
    ] {
        assert_eq!(quick.keys.as_ref() == Some(&seen), known, "{seen:?}");
        quick.whole(false, Some(seen), Instant::now());
        quick.whole(false, None, Instant::now());
    }
}
