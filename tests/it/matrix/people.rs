//! The lab itself: two people talk without a bot.

use crate::lab::{Chat, Event, Lab, Room, edit, in_thread, reaction, reply};

#[test]
fn two_people_talk_in_an_encrypted_room() {
    let lab = Lab::shared();
    let (mut ann, mut ben) = (lab.person("ann"), lab.person("ben"));
    let (ann_id, ben_id) = (ann.plain.id.clone(), ben.plain.id.clone());
    let room = ann.plain.create_room(&Room {
        name: "ops",
        encrypted: true,
        invite: &[&ben_id],
        ..Room::default()
    });
    ben.plain.join(&room);
    ann.knows(&room, &ben_id);
    ben.knows(&room, &ann_id);

    let hello = ann.say(&room, "hello");
    let heard = ben.hears(&room, &ann_id, "hello");
    assert!(heard.decrypted && heard.event_id == hello, "{heard:?}");

    ben.post(&room, in_thread(&hello, "hello back"));
    assert_eq!(ann.hears(&room, &ben_id, "hello back").thread(), Some(hello.as_str()));
    ben.post(&room, edit(&hello, "goodbye"));
    assert_eq!(ann.hears(&room, &ben_id, "goodbye").edits(), Some(hello.as_str()));
    ben.post(&room, reply(&hello, "what?"));
    let replied = ann.hears(&room, &ben_id, "what?");
    assert_eq!(replied.content["m.relates_to"]["m.in_reply_to"]["event_id"], hello.as_str());

    ben.send(&room, "m.reaction", reaction(&hello, "👍"));
    let reacted =
        |event: &Event| event.kind == "m.reaction" && event.content["m.relates_to"]["key"] == "👍";
    ann.until(&room, "a reaction", |events| events.iter().any(reacted).then_some(()));
}

#[test]
fn a_plain_client_misses_nothing_of_a_burst() {
    let lab = Lab::shared();
    let (mut ann, mut ben) = (lab.plain("ann"), lab.plain("ben"));
    let room = ann.create_room(&Room { name: "dev", invite: &[&ben.id], ..Room::default() });
    ben.join(&room);
    ann.sees_join(&room, &ben.id);
    let count = |events: &[Event]| events.iter().filter(|event| event.is_message()).count();
    ben.until(&room, "the room", |events| (!events.is_empty()).then_some(()));
    let sent: Vec<String> = (0..150).map(|n| ann.say(&room, &n.to_string())).collect();
    let got = ben.until(&room, "150 messages", |events| {
        (count(events) >= sent.len())
            .then(|| events.iter().filter(|e| e.is_message()).map(|e| e.event_id.clone()).collect())
    });
    let got: Vec<String> = got;
    assert_eq!(got, sent);
}
