//! Events as homeservers send them, and what becomes of them.

use serde_json::{Value, json};

use super::*;
use crate::domain::id::RoomId;
use crate::domain::trust::CLAIM_CHARS_MAX;

fn place_of_test() -> Place {
    Place {
        network: NETWORK.into(),
        room: RoomId("!room".into()),
        name: "ops".into(),
        thread: None,
        direct: false,
        encrypted: true,
    }
}

fn read(kind: &str, sender: &str, content: Value, origin: Origin) -> Option<Trigger> {
    let event = json!({"type": kind, "sender": sender, "event_id": "$1", "content": content,
                       "origin_server_ts": 7});
    let place = place_of_test();
    let facts = Facts {
        account: "@bot:hs",
        place: &place,
        name: "Ana",
        now: Timestamp(9),
        bridges: &Bridges::shipped(),
    };
    trigger(&Seen { event, origin }, &facts)
}

/// A trigger in one line.
fn shown(trigger: Option<Trigger>) -> String {
    let id = |post: &Option<PostId>| post.as_ref().map_or("-".into(), ToString::to_string);
    match trigger.map(|trigger| trigger.what) {
        Some(What::Message(m)) => {
            let (thread, reply, edits) = (id(&m.place.thread), id(&m.reply_to), id(&m.edits));
            format!("{:?} thread={thread} reply={reply} edits={edits}", m.text)
        }
        Some(What::Reaction(r)) => format!("{} on {}", r.key, r.target),
        Some(What::Undecryptable(u)) => format!("unreadable thread={}", id(&u.place.thread)),
        Some(What::Timer(_) | What::Order(_) | What::Event(_)) | None => "nothing".into(),
        Some(What::Call(_) | What::Deleted(_)) => "nothing".into(),
    }
}

#[test]
fn messages_become_triggers() {
    let reply = json!({"m.in_reply_to": {"event_id": "$q"}});
    let thread = json!({"rel_type": "m.thread", "event_id": "$root", "is_falling_back": true,
                        "m.in_reply_to": {"event_id": "$last"}});
    let in_thread = json!({"rel_type": "m.thread", "event_id": "$root", "is_falling_back": false,
                           "m.in_reply_to": {"event_id": "$q"}});
    let edit = json!({"rel_type": "m.replace", "event_id": "$old"});
    let new = json!({"msgtype": "m.text", "body": "!deploy api"});
    let quoted = "> <@bot:hs> sure?\n> really\n\nyes\n> no";
    for (content, want) in [
        (json!({"msgtype": "m.text", "body": "!help"}), "\"!help\" thread=- reply=- edits=-"),
        (json!({"msgtype": "m.notice", "body": "!help"}), "nothing"),
        (json!({"msgtype": "m.emote", "body": "!help"}), "nothing"),
        (json!({"msgtype": "m.text"}), "nothing"),
        (json!({"msgtype": "m.text", "body": 12}), "nothing"),
        (json!({}), "nothing"),
        (
            json!({"msgtype": "m.text", "body": quoted, "m.relates_to": reply}),
            "\"yes\\n> no\" thread=- reply=$q edits=-",
        ),
        (
            json!({"msgtype": "m.text", "body": "> <@bot:hs> hi", "m.relates_to": reply}),
            "\"\" thread=- reply=$q edits=-",
        ),
        (
            json!({"msgtype": "m.text", "body": "> <@x:hs> quoted by hand\n\nhi"}),
            "\"> <@x:hs> quoted by hand\\n\\nhi\" thread=- reply=- edits=-",
        ),
        (
            json!({"msgtype": "m.text", "body": "> just a quote", "m.relates_to": reply}),
            "\"> just a quote\" thread=- reply=$q edits=-",
        ),
        (
            json!({"msgtype": "m.text", "body": "yes", "m.relates_to": thread}),
            "\"yes\" thread=$root reply=- edits=-",
        ),
        (
            json!({"msgtype": "m.text", "body": "yes", "m.relates_to": in_thread}),
            "\"yes\" thread=$root reply=$q edits=-",
        ),
        (
            json!({"msgtype": "m.text", "body": "* x", "m.new_content": new, "m.relates_to": edit}),
            "\"!deploy api\" thread=- reply=- edits=$old",
        ),
        (json!({"msgtype": "m.text", "body": "* x", "m.relates_to": edit}), "nothing"),
    ] {
        let got = shown(read("m.room.message", "@ana:hs", content.clone(), Origin::Plain));
        assert_eq!(got, want, "{content}");
    }
}

#[test]
fn other_events_become_triggers_or_not() {
    let on = |key: &str| {
        let about = json!({"rel_type": "m.annotation", "event_id": "$q", "key": key});
        json!({"m.relates_to": about})
    };
    let longest = "ä".repeat(REACTION_CHARS_MAX);
    let text = json!({"msgtype": "m.text", "body": "hi"});
    let cipher = json!({"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x",
                        "m.relates_to": {"rel_type": "m.thread", "event_id": "$root"}});
    let sealed_edit = json!({"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x",
                             "m.relates_to": {"rel_type": "m.replace", "event_id": "$1"}});
    for (kind, sender, content, want) in [
        ("m.reaction", "@ana:hs", on("👍"), "👍 on $q"),
        ("m.reaction", "@ana:hs", on(""), "nothing"),
        ("m.reaction", "@ana:hs", on(&longest), &format!("{longest} on $q")),
        ("m.reaction", "@ana:hs", on(&format!("{longest}x")), "nothing"),
        ("m.reaction", "@ana:hs", json!({}), "nothing"),
        ("m.reaction", "@bot:hs", on("👍"), "nothing"),
        ("m.room.message", "@bot:hs", text.clone(), "nothing"),
        ("m.room.message", "", text, "nothing"),
        ("m.room.encrypted", "@ana:hs", cipher.clone(), "unreadable thread=$root"),
        ("m.room.encrypted", "@bot:hs", cipher, "nothing"),
        ("m.room.encrypted", "@ana:hs", json!({}), "nothing"),
        ("m.room.encrypted", "@ana:hs", sealed_edit, "nothing"),
        ("m.room.topic", "@ana:hs", json!({"topic": "x"}), "nothing"),
    ] {
        let got = shown(read(kind, sender, content.clone(), Origin::Undecryptable));
        assert_eq!(got, want, "{kind} {sender} {content}");
    }
}

#[test]
fn a_trigger_says_who_when_and_how_sure() {
    for (origin, want) in [
        (Origin::Plain, Trust::Account),
        (Origin::SignedDevice, Trust::Device),
        (Origin::OtherDevice, Trust::Account),
        (Origin::Mismatched, Trust::Nothing),
    ] {
        let content = json!({"msgtype": "m.text", "body": "hi"});
        let trigger = read("m.room.message", "@ana:hs", content, origin).expect("a message");
        assert_eq!(trigger.key.as_str(), "matrix|@bot:hs|!room|$1");
        assert_eq!(trigger.at, Timestamp(7));
        let speaker = trigger.speaker().expect("a person");
        assert_eq!((speaker.name.as_str(), speaker.trust), ("Ana", want), "{origin:?}");
    }
}

#[test]
fn names_are_short_and_on_one_line() {
    let long = "ä".repeat(NAME_CHARS_MAX + 1);
    for (given, account, want) in [
        ("Ana", "@ana:hs", "Ana"),
        ("", "@ana:hs", "ana"),
        (" \n ", "@ana:hs", "ana"),
        ("A\nna", "@ana:hs", "A na"),
        ("", "nonsense", "nonsense"),
        (&long, "@ana:hs", &long[..2 * NAME_CHARS_MAX]),
    ] {
        assert_eq!(name(given, account), want, "{given:?} {account:?}");
    }
}

#[test]
fn long_texts_are_cut_between_characters() {
    for (text, max, want) in [("abc", 2, "ab"), ("aä", 2, "a"), ("ä", 2, "ä"), ("", 2, "")] {
        assert_eq!(cut(text, max), want, "{text:?}");
    }
}

#[test]
fn messages_are_cut_at_their_bound() {
    for bytes in [MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX + 1] {
        let content = json!({"msgtype": "m.text", "body": "x".repeat(bytes)});
        let trigger = read("m.room.message", "@ana:hs", content, Origin::Plain);
        let Some(What::Message(message)) = trigger.map(|trigger| trigger.what) else { panic!() };
        assert_eq!(message.text.len(), MESSAGE_BYTES_MAX, "{bytes}");
    }
}

#[test]
fn deletions_name_what_they_delete_in_rooms_of_all_versions() {
    let event = |content: serde_json::Value, more: serde_json::Value| {
        let mut event = json!({ "type": "m.room.redaction", "sender": "@a:hs", "event_id": "$r",
                                "content": content });
        more.as_object().into_iter().flatten().for_each(|(name, value)| {
            event[name] = value.clone();
        });
        event
    };
    let new = || event(json!({ "redacts": "$0", "reason": "oops" }), json!({}));
    for (what, event, origin, want) in [
        ("version 11", new(), Origin::Plain, true),
        (
            "before it",
            event(json!({ "reason": "oops" }), json!({ "redacts": "$0" })),
            Origin::Plain,
            true,
        ),
        (
            "both alike",
            event(json!({ "redacts": "$0", "reason": "oops" }), json!({ "redacts": "$0" })),
            Origin::Plain,
            true,
        ),
        (
            "two targets",
            event(json!({ "redacts": "$0" }), json!({ "redacts": "$1" })),
            Origin::Plain,
            false,
        ),
        ("encrypted", new(), Origin::SignedDevice, false),
        ("forged", new(), Origin::Mismatched, false),
        (
            "a state",
            event(json!({ "redacts": "$0" }), json!({ "state_key": "" })),
            Origin::Plain,
            false,
        ),
        ("of nothing", event(json!({}), json!({})), Origin::Plain, false),
        ("deleted itself", event(json!({ "redacts": 7 }), json!({})), Origin::Plain, false),
        (
            "a message",
            event(json!({ "redacts": "$0" }), json!({ "type": "m.room.message" })),
            Origin::Plain,
            false,
        ),
        (
            "of nobody",
            event(json!({ "redacts": "$0" }), json!({ "sender": "" })),
            Origin::Plain,
            false,
        ),
    ] {
        let found = redaction(&Seen { event, origin }, "@bot:hs", "!r:hs");
        assert_eq!(found.is_some(), want, "{what}");
        if let Some(found) = found {
            let heard = DedupeKey::new(&["matrix", "@bot:hs", "!r:hs", "$0"]);
            assert_eq!((found.by.as_str(), &found.keys[0]), ("@a:hs", &heard), "{what}");
            assert_eq!((found.keys.len(), found.reason.as_deref()), (2, Some("oops")), "{what}");
        }
    }
}

#[test]
fn messages_say_whom_they_call_and_how_often_they_were_passed_on() {
    let pill = |id: &str| format!("<a href=\"https://matrix.to/#/{id}\">bot</a>: help");
    let called = |ids: &[&str]| json!({"msgtype": "m.text", "body": "bot: help", "m.mentions": {"user_ids": ids}});
    let html = |html: &str| json!({"msgtype": "m.text", "body": "bot: help", "format": "org.matrix.custom.html", "formatted_body": html});
    let edit = json!({"msgtype": "m.text", "body": "* bot: help", "m.new_content": called(&["@bot:hs"]),
                      "m.relates_to": {"rel_type": "m.replace", "event_id": "$old"}});
    let passed_on = |hops: Value| json!({"msgtype": "m.text", "body": "help", HOPS_FIELD: hops});
    for (content, want) in [
        (called(&[]), (false, 0)),
        (called(&["@ben:hs", "@bot:hs"]), (true, 0)),
        (called(&["@bot:hs.org"]), (false, 0)),
        (html(&pill("@bot:hs")), (true, 0)),
        (html(&pill("@bot:hs.org")), (false, 0)),
        (html(&format!("I asked {}", pill("@bot:hs"))), (false, 0)),
        (edit, (true, 0)),
        (passed_on(json!(3)), (false, 3)),
        (passed_on(json!(u64::MAX)), (false, u32::MAX)),
        (passed_on(json!("many")), (false, 0)),
        (passed_on(json!(-1)), (false, 0)),
    ] {
        let read = read("m.room.message", "@ana:hs", content.clone(), Origin::Plain);
        let Some(What::Message(said)) = read.map(|trigger| trigger.what) else {
            panic!("{content} is a message")
        };
        assert_eq!((said.mentioned, said.hops), want, "{content}");
    }
}

/// What is claimed of whoever says this.
fn claims(kind: &str, sender: &str, content: &Value) -> (Trust, Vec<Claim>) {
    let trigger = read(kind, sender, content.clone(), Origin::Plain);
    let trigger = trigger.unwrap_or_else(|| panic!("{content} is a trigger"));
    let speaker = trigger.speaker().expect("somebody said it");
    (speaker.trust, speaker.claims.clone())
}

#[test]
fn claims_are_kept_and_prove_nothing() {
    let named = |name: Value| {
        json!({"msgtype": "m.text", "body": "!ping",
               "com.beeper.per_message_profile": {"id": "1", "displayname": name}})
    };
    let puppet = |source: Value| json!({"msgtype": "m.text", "body": "!ping", "fi.mau.double_puppet_source": source});
    let both = json!({"msgtype": "m.text", "body": "!ping", "fi.mau.double_puppet_source": "x",
                      "com.beeper.per_message_profile": {"displayname": "Boss"}});
    let edit = json!({"msgtype": "m.text", "body": "* !ping", "m.new_content": named(json!("Boss")),
                      "m.relates_to": {"rel_type": "m.replace", "event_id": "$0"}});
    let long = "x".repeat(2 * CLAIM_CHARS_MAX);
    let boss = || Claim::per_message_name("Boss");
    for (content, want) in [
        (json!({"msgtype": "m.text", "body": "!ping"}), vec![]),
        (named(json!("Boss")), vec![boss()]),
        (named(json!(7)), vec![]),
        (named(json!(long)), vec![Claim::PerMessageName { name: long[CLAIM_CHARS_MAX..].into() }]),
        (edit, vec![boss()]),
        (puppet(json!("mautrix-slack")), vec![Claim::double_puppet("mautrix-slack")]),
        (puppet(json!({"source": "x"})), vec![]),
        (both, vec![Claim::double_puppet("x"), boss()]),
    ] {
        let got = claims("m.room.message", "@ana:hs", &content);
        assert_eq!(got, (Trust::Account, want), "{content}");
    }
    let reaction = json!({"fi.mau.double_puppet_source": "mautrix-slack",
        "m.relates_to": {"rel_type": "m.annotation", "event_id": "$1", "key": "👍"}});
    let got = claims("m.reaction", "@ana:hs", &reaction);
    assert_eq!(got, (Trust::Account, vec![Claim::double_puppet("mautrix-slack")]));
}

/// The triggers of what an account says, each as its speaker and text.
fn heard(sender: &str, name: &str, content: Value, network: &str) -> Vec<String> {
    let event = json!({"type": "m.room.message", "sender": sender, "event_id": "$1",
                       "content": content, "origin_server_ts": 7});
    let place = Place { network: network.into(), ..place_of_test() };
    let used = ["heisenbridge", "relay", "bridgev2"].map(str::to_owned);
    let bridges = Bridges::default().using(&used, &[]).expect("they ship");
    let (now, account) = (Timestamp(9), "@bot:hs");
    let facts = Facts { account, place: &place, name, now, bridges: &bridges };
    let told = |trigger: Trigger| match trigger.what {
        What::Message(m) => {
            let Speaker { id, name, network, account, trust, .. } = m.speaker;
            let account = account.unwrap_or_default();
            format!("{id} {name} {network} {account} {trust:?} {:?} {}", m.text, trigger.key)
        }
        other => panic!("{other:?}"),
    };
    triggers(&Seen { event, origin: Origin::Plain }, &facts).into_iter().map(told).collect()
}

#[test]
fn people_behind_bridges_are_who_their_network_says() {
    let text = |body: &str| json!({"msgtype": "m.text", "body": body});
    let key = "matrix|@bot:hs|!room|$1";
    for (sender, name, said, want) in [
        (
            "@irc_net_eva:hs",
            "Eva",
            "!ping",
            vec!["@irc_net_eva:hs Eva irc eva@net Nick \"!ping\" "],
        ),
        (
            "@irc_net_eva:far",
            "Eva",
            "!ping",
            vec!["@irc_net_eva:far Eva matrix  Account \"!ping\" "],
        ),
        (
            "@slack_t1-u2:hs",
            "Eva",
            "!ping",
            vec!["@slack_t1-u2:hs Eva slack u2@t1 Network \"!ping\" "],
        ),
        ("@irc_net_nickserv:hs", "NickServ", "!ping", vec![]),
        ("@heisenbridge:hs", "bridge", "!ping", vec![]),
        (
            "@matterbridge:hs",
            "relay",
            "<eva> !ping",
            vec!["@matterbridge:hs eva relay  Nick \"!ping\" "],
        ),
        ("@matterbridge:hs", "relay", "!ping", vec![]),
        (
            "@irc_net_eva:hs",
            "Eva",
            "!one\n!two",
            vec![
                "@irc_net_eva:hs Eva irc eva@net Nick \"!one\" ",
                "@irc_net_eva:hs Eva irc eva@net Nick \"!two\" |line 1",
            ],
        ),
        ("@ann:hs", "Ann", "!one\n!two", vec!["@ann:hs Ann matrix  Account \"!one\\n!two\" "]),
    ] {
        let got = heard(sender, name, text(said), "irc");
        let got: Vec<String> = got.iter().map(|line| line.replace(key, "")).collect();
        assert_eq!(got, want, "{sender} {said:?}");
    }
    let named = |fallback: bool| {
        json!({"msgtype": "m.text", "body": "Boss: !ping",
               "com.beeper.per_message_profile": {"id": "1", "displayname": "Boss", "has_fallback": fallback}})
    };
    for (sender, fallback, want) in [
        ("@slack_t1-u2:hs", true, "@slack_t1-u2:hs Eva slack u2@t1 Nick \"!ping\" "),
        ("@slack_t1-u2:hs", false, "@slack_t1-u2:hs Eva slack u2@t1 Nick \"Boss: !ping\" "),
        ("@ann:hs", true, "@ann:hs Eva matrix  Account \"!ping\" "),
    ] {
        let got = heard(sender, "Eva", named(fallback), "slack");
        let got: Vec<String> = got.iter().map(|line| line.replace(key, "")).collect();
        assert_eq!(got, [want], "a name of one message is nobody's");
    }
    let several = heard("@irc_net_eva:hs", "Eva", text("x"), "irc+slack");
    assert!(several[0].contains(" Eva (net) irc "), "{several:?}");
}
