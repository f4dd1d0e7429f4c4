//! What `!save as` proposes is a script that loads, whatever was commanded: a person should find nothing to repair in it.

use beadle::domain::save_command::{RESERVED, Said, proposal};
use beadle::script::load::load_sources;
use serde_json::{Value, json};

fn said(command: &str, args: Value) -> Said {
    Said { command: command.to_owned(), args }
}

#[test]
fn every_proposal_is_a_script_without_problems() {
    let mut conversations: Vec<Vec<Said>> = vec![
        vec![said("ping", json!({}))],
        vec![said("note `back` and ${args.x} and \"quotes\" and 'more'", json!({}))],
        vec![said("note a \\ backslash \u{202e} and\ttabs\nand lines", json!({}))],
        vec![said("note {host} [maybe] (a|b) #{ x: 1 } */ // //!", json!({}))],
        vec![said(&"long ".repeat(1_500), json!({}))],
        vec![
            said("grüße 👩‍💻 an ann", json!({ "who": "ann" })),
            said("echo ann", json!({ "text": "ann" })),
        ],
        vec![
            said("show web001", json!({ "args": "web001", "extra": { "a": "b" } })),
            said("stop web001 `web001`", json!({ "host": "web001" })),
            said("note web001 ${web001}", json!({ "text": "web001 ${web001}" })),
        ],
    ];
    for word in RESERVED {
        let args = |value: &str| json!({ *word: value });
        conversations.push(vec![said("one web1", args("web1")), said("two web1", args("web1"))]);
    }
    for conversation in conversations {
        for (name, by, room) in
            [("look into", "ann", "#ops"), ("grüße", "a\nb */ \"x\"", "a `room`\nof ${mine}")]
        {
            let made = proposal(name, &conversation, by, room, "2026-03-02");
            let (set, mut problems) = load_sources(vec![(made.file.clone(), made.source.clone())]);
            problems.extend(set.wrong());
            let told: String = problems.iter().map(ToString::to_string).collect();
            assert!(told.is_empty(), "{told}\n{}", made.source);
            assert_eq!(set.scripts[&made.file].aliases.len(), 1, "{}", made.source);
        }
    }
}
