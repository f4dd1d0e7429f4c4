//! `beadle rule|schedule|hook|sensor off|on` and `beadle catalog`: from the command line, on a log that no bot has open; and
//! `beadle bench rules`.

use serde_json::{Value, json};

use crate::cli::{Place, json_lines};

const SCRIPT: &str = r##"//! What happens by itself.
rule(#{ name: "twitter", room: "#ops", help: "Tells what customers write" }, "webhook.twitter", |e| say(`twitter says ${e.text}`));
schedule("standup", "mon-fri 09:30", #{ room: "#ops" }, |t| say("It is time for the standup."));
sensor("doors", #{ run: ["./doors"], help: "Says which door is open" });
poll("disk", "30s", || ());
"##;

const CONFIG: &str = "[hooks.github]\nauth = \"none\"\n";

/// A place with a log, a hook and all kinds of automation.
fn place() -> Place {
    let place = Place::new();
    place.write("scripts/own.rhai", SCRIPT);
    place.write("scripts/doors", "#!/bin/sh\n");
    place.write("beadle.toml", CONFIG);
    place.ok(&["--data", "data"]);
    place
}

fn with<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [&["--data", "data", "--scripts", "scripts", "--config", "beadle.toml"], args].concat()
}

/// The state of everything of a kind, by name.
fn states(place: &Place, kind: &str) -> Vec<(String, Value)> {
    let rows = json_lines(&place.ok(&with(&["--json", "catalog"])));
    let of_kind = rows.into_iter().filter(|row| row["kind"] == kind);
    of_kind
        .map(|row| (row["name"].as_str().unwrap_or_default().to_owned(), row["state"].clone()))
        .collect()
}

#[test]
fn everything_that_happens_by_itself_is_in_the_catalog_and_is_switched_off_and_on() {
    let place = place();
    for (kind, name, near) in [
        ("rule", "twitter", "twiter"),
        ("schedule", "standup", "standupp"),
        ("hook", "github", "gihub"),
        ("sensor", "doors", "dors"),
        ("sensor", "disk", "disc"),
    ] {
        let state = |place: &Place| {
            let found = states(place, kind).into_iter().find(|(own, _)| own == name);
            found.unwrap_or_else(|| panic!("no {kind} {name} in the catalog")).1
        };
        assert_eq!(state(&place), "on", "{kind} {name}");
        let said =
            place.ok(&with(&[kind, "off", name, "--for", "2h", "--reason", "we are moving"]));
        assert!(said.contains(&format!("The {kind} `{name}` is off until ")), "{said}");
        let off = state(&place);
        let why = off["off"].as_str().unwrap_or_default();
        assert!(why.contains("switched off until") && why.contains("we are moving"), "{off}");
        let row = json_lines(&place.ok(&with(&["--json", kind, "on", name])));
        let again = format!("The {kind} `{name}` is on again.");
        assert_eq!(row[0]["reason"], json!(again), "{row:?}");
        assert_eq!(state(&place), "on", "{kind} {name}");
        let on = format!("the {kind} `{name}` is on");
        place.run(&with(&[kind, "on", name])).expect(1).complains(&[&on]);
        let unknown = format!("I know no {kind} `{near}`. Did you mean `{name}`?");
        place.run(&with(&[kind, "off", near])).expect(1).complains(&[&unknown]);
        place.run(&with(&[kind, "off", name, "--for", "soon"])).expect(2);
        place.run(&with(&[kind, "off", name, "--for", "91d"])).expect(2).complains(&["90 days"]);
    }
}

#[test]
fn a_hook_that_was_taken_away_while_it_was_off_is_switched_on_again() {
    let place = place();
    place.ok(&with(&["hook", "off", "github"]));
    place.write("beadle.toml", "");
    assert_eq!(states(&place, "hook"), []);
    place.ok(&with(&["hook", "on", "github"]));
    let ran = place.run(&with(&["hook", "off", "github"])).expect(1);
    ran.complains(&["I know no hook `github`"]);
}

#[test]
fn rules_are_measured_by_their_number() {
    let place = Place::new();
    let rows = json_lines(&place.ok(&["--json", "bench", "rules", "--rules", "10,200"]));
    let counts: Vec<&Value> = rows.iter().map(|row| &row["rules"]).collect();
    assert_eq!(counts, [&json!(10), &json!(200)]);
    for row in &rows {
        assert!(row["us_per_event"].as_f64().is_some_and(|us| us > 0.0), "{row}");
        assert_eq!(row["events"].as_u64(), row["matches"].as_u64().map(|it| it * 100), "{row}");
    }
    let told = place.ok(&["bench", "rules", "--rules", "1"]);
    assert!(told.contains("us per event") && told.lines().count() == 2, "{told}");
    for bad in ["0", "100001"] {
        place.run(&["bench", "rules", "--rules", bad]).expect(2).complains(&["1 to 100000 rules"]);
    }
}
