//! Policies beside a bot that runs: the manual's examples, folders that change, attacks, the command line.

use std::path::Path;
use std::sync::Arc;

use beadle::adapter::{Incoming, Intake};
use beadle::domain::event::{Event, PolicyChanged};
use beadle::domain::id::{PersonId, Position, RoomId, StreamName, UserId, Version};
use beadle::domain::policy::{
    Inputs, PolicyAction, PolicySet, Resource, ResourceKind, RoleHeld, SHIPPED, Source, compile,
};
use beadle::domain::trigger::Trust;
use beadle::play::parse::Does;
use beadle::play::world::{Person, Room, World};
use beadle::processor::intake::Ear;
use beadle::processor::policies::PolicyFolder;
use beadle::processor::scripts::Scripts;
use beadle::processor::{Kernel, Settings};
use beadle::query::agenda::Budget;
use beadle::store::memory::MemoryStore;
use beadle::store::{Direction, EventStore, Surroundings};

use crate::store_world::surroundings;

/// The policies in the manual, in their order.
fn examples() -> Vec<String> {
    let page = include_str!("../../docs/policy.md");
    let begins = page.split("```cedar\n").skip(1);
    begins.filter_map(|rest| Some(rest.split_once("```")?.0.to_owned())).collect()
}

fn shipped_and(text: &str) -> PolicySet {
    let shipped = SHIPPED.iter().map(|(file, text)| Source::new(*file, *text));
    let compiled = compile(shipped.chain([Source::new("50-own.cedar", text)]).collect());
    compiled.set.unwrap_or_else(|| panic!("{text}\n{:#?}", compiled.problems))
}

/// Ann runs something in a room on a Wednesday morning.
fn ann(resource: Resource) -> Inputs {
    Inputs {
        person: PersonId("@ann:example.org".into()),
        account: UserId("@ann:example.org".into()),
        roles: vec![],
        unseen: vec![],
        trust: Trust::Account,
        network: "matrix".into(),
        room: RoomId("!room:example.org".into()),
        rooms: vec![],
        here: true,
        encrypted: true,
        direct: false,
        management: false,
        hour: 10,
        weekday: "wednesday".into(),
        action: PolicyAction::Run,
        resource,
        granted: None,
        set: String::new(),
    }
}

fn tagged(name: &str, tags: &[&str]) -> Resource {
    let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    Resource { tags, ..Resource::of(ResourceKind::Alias, name) }
}

fn held(role: &str) -> Vec<RoleHeld> {
    vec![RoleHeld { role: role.into(), source: "@ann:example.org".into() }]
}

#[test]
fn the_manuals_examples_decide_what_they_say() {
    let examples = examples();
    assert_eq!(examples.len(), 11);
    let production = || ann(tagged("deploy", &["production"]));
    let operation = || ann(Resource::of(ResourceKind::Operation, "vm.stop"));
    let dangerous = || ann(tagged("wipe", &["dangerous"]));
    let log = || Inputs { action: PolicyAction::ReadAudit, ..ann(Resource::log()) };
    let execution = || Inputs {
        action: PolicyAction::Manage,
        ..ann(Resource::of(ResourceKind::Execution, "4F7K2Q9A"))
    };
    let guarded = || ann(tagged("wipe", &["guarded"]));
    let in_ops = vec!["#ops:example.org".to_owned()];
    let rows: Vec<(usize, Inputs, Option<&str>)> = vec![
        (1, guarded(), None),
        (1, Inputs { roles: held("ops"), ..guarded() }, Some("ops-guarded")),
        (2, production(), Some("open")),
        (2, Inputs { weekday: "friday".into(), ..production() }, None),
        (3, production(), Some("open")),
        (3, Inputs { hour: 18, ..production() }, None),
        (4, operation(), None),
        (4, Inputs { rooms: in_ops, ..operation() }, Some("open")),
        (5, ann(tagged("deploy to", &[])), Some("open")),
        (5, Inputs { network: "irc".into(), ..ann(tagged("deploy to", &[])) }, None),
        (6, dangerous(), None),
        (6, Inputs { trust: Trust::Device, ..dangerous() }, Some("open")),
        (6, Inputs { trust: Trust::Device, encrypted: false, ..dangerous() }, None),
        (7, ann(tagged("deploy to", &[])), Some("open")),
        (8, ann(tagged("status", &[])), Some("open")),
        (
            8,
            Inputs { account: UserId("@mallory:example.org".into()), ..ann(tagged("x", &[])) },
            None,
        ),
        (9, log(), None),
        (9, Inputs { roles: held("lead"), ..log() }, Some("leads-read")),
        (10, execution(), None),
        (10, Inputs { roles: held("oncall"), ..execution() }, Some("oncall-cancels")),
        (11, Inputs { trust: Trust::Nothing, ..production() }, None),
        (11, Inputs { trust: Trust::Nick, ..production() }, None),
        (11, Inputs { trust: Trust::Identified, ..production() }, None),
        (11, Inputs { trust: Trust::Network, ..production() }, Some("open")),
        (11, Inputs { trust: Trust::Device, ..production() }, Some("open")),
    ];
    for (nth, inputs, want) in rows {
        let decided = shipped_and(&examples[nth - 1]).decide(&inputs);
        let by = decided.policies.iter().any(|policy| Some(policy.id.as_str()) == want);
        assert_eq!((decided.allowed(), by), (want.is_some(), want.is_some()), "{nth} {decided:?}");
        let needs = decided.needs.map(|needs| (needs.count, needs.from));
        assert_eq!(needs.is_some(), nth == 7 && want.is_some(), "{nth}");
        assert!(needs.is_none_or(|needs| needs == (2, Some("release".into()))));
    }
}

#[test]
fn all_examples_together_are_policies() {
    let set = shipped_and(&examples().join("\n"));
    let shipped = PolicySet::shipped().policies().len();
    assert_eq!(set.policies().len(), shipped + 11);
}

fn beadle(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let scripts = folder.join("scripts");
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_beadle"))
        .arg("--data")
        .arg(folder.join("data"))
        .arg("--scripts")
        .arg(scripts)
        .args(args)
        .current_dir(folder)
        .env_remove("BEADLE_CONFIG")
        .env("HOME", folder)
        .output()
        .expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it speaks UTF-8");
    (done.status.code().unwrap_or(-1), text(done.stdout), text(done.stderr))
}

fn written(policies: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir_all(folder.path().join("scripts")).expect("ours");
    let script = "alias(\"deploy {app}\", #{ name: \"deploy\", tags: [\"production\"] }, |args| reply(args.app));";
    std::fs::write(folder.path().join("scripts/ops.rhai"), script).expect("ours");
    for (name, text) in policies {
        let path = folder.path().join("policy").join(name);
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("ours");
        std::fs::write(path, text).expect("ours");
    }
    folder
}

#[test]
fn a_broken_policy_is_told_with_its_place_and_a_caret() {
    let folder = written(&[(
        "10-own.cedar",
        "permit (principal, action, resource)\nwhen { context.wekday == \"friday\" };\n",
    )]);
    for args in [["policy", "check"], ["script", "check"]] {
        let (status, _, told) = beadle(folder.path(), &args);
        assert_eq!(status, 3, "{args:?} {told}");
        for want in [
            "--> policy/10-own.cedar:2:8",
            "2 | when { context.wekday == \"friday\" };\n  |        ^^^^^^^",
            "hint: did you mean `weekday`?",
        ] {
            assert!(told.contains(want), "{args:?}\n{told}\n{want}");
        }
    }
    let (status, out, _) = beadle(folder.path(), &["--json", "policy", "check"]);
    let first: serde_json::Value =
        serde_json::from_str(out.lines().next().expect("a line")).expect("JSON");
    assert_eq!((status, &first["line"], &first["column"]), (3, &2.into(), &8.into()), "{out}");
    let (status, _, told) = beadle(folder.path(), &["policy", "test", "@a:hs", "run", "deploy"]);
    assert_eq!(status, 3, "{told}");
}

#[test]
fn the_command_line_says_what_would_be_decided() {
    let folder = written(&[
        ("00-open.cedar", SHIPPED[0].1),
        (
            "10-own.cedar",
            "@id(\"no-deploys\")\nforbid (principal, action, resource in Tag::\"prodction\");\n@id(\"release\")\n@approvals(\"2\")\npermit (principal, action == Action::\"run\", resource == Alias::\"deploy\");\n",
        ),
    ]);
    let (status, _, told) = beadle(folder.path(), &["policy", "check"]);
    assert_eq!(status, 0, "{told}");
    assert!(told.contains("warning: there is no tag `prodction`"), "{told}");
    assert!(told.contains("hint: did you mean `production`?"), "{told}");
    let (status, out, _) = beadle(folder.path(), &["policy", "test", "@a:hs", "run", "deploy"]);
    assert_eq!(status, 0);
    assert!(
        out.starts_with("allowed: policies `open`, `release` allow it\nit needs 2 approvals"),
        "{out}"
    );
    let json = ["--json", "policy", "test", "@a:hs", "manage", "bot"];
    let (_, out, _) = beadle(folder.path(), &json);
    let decided: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(decided["verdict"], "refused", "{out}");
    let (_, out, _) = beadle(folder.path(), &["policy", "show"]);
    assert!(out.contains("release (10-own.cedar:3) 2 approvals"), "{out}");
    let (_, out, _) = beadle(folder.path(), &["policy", "schema"]);
    assert!(out.contains("action run appliesTo"), "{out}");
    let (status, _, told) = beadle(folder.path(), &["policy", "test", "@a:hs", "rum", "deploy"]);
    assert_eq!(status, 2, "{told}");
}

#[test]
fn the_command_line_says_what_would_be_decided_of_less_and_of_more_proof() {
    let own = "@id(\"proven\")\nforbid (principal, action == Action::\"run\", resource)\nwhen { context.trust_level < 3 };\n";
    let folder = written(&[("00-open.cedar", SHIPPED[0].1), ("10-own.cedar", own)]);
    let test = |more: &[&str]| {
        let args = [&["policy", "test", "@a:hs"], more].concat();
        let (status, out, told) = beadle(folder.path(), &args);
        (status, format!("{out}{told}"))
    };
    let (deploy, manage) = (["run", "deploy"], ["manage", "bot", "--management"]);
    for (trust, runs, manages) in [
        (None, true, true),
        (Some("nothing"), false, false),
        (Some("nick"), false, false),
        (Some("identified"), false, true),
        (Some("network"), true, true),
        (Some("account"), true, true),
        (Some("device"), true, true),
    ] {
        let with = trust.map(|word| vec!["--trust", word]).unwrap_or_default();
        let (_, told) = test(&[&deploy[..], &with].concat());
        assert_eq!(told.starts_with("allowed: policy `open`"), runs, "{trust:?}\n{told}");
        assert_eq!(told.contains("policy `proven` forbids it"), !runs, "{trust:?}\n{told}");
        assert!(told.contains(&format!("\ntrust {} (", trust.unwrap_or("account"))), "{told}");
        let (_, told) = test(&[&manage[..], &with].concat());
        assert_eq!(told.starts_with("allowed: policy `management`"), manages, "{trust:?}\n{told}");
        assert_eq!(told.contains("role owner:"), manages, "who is unproven has no role\n{told}");
    }
    let (status, told) = test(&["run", "deploy", "--trust", "full"]);
    assert_eq!(status, 2, "{told}");
    assert!(told.contains("there are nothing, nick, identified, network, account, dev"), "{told}");
}

/// A bot on a log of its own, with the policies of a folder.
fn kernel(store: &Arc<dyn EventStore>, world: &Arc<World>, policy: PolicyFolder) -> Arc<Kernel> {
    let script = "alias(\"deploy {app}\", #{ name: \"deploy\" }, |args| reply(args.app));";
    let (scripts, problems) = Scripts::sources(vec![("t.rhai".to_owned(), script.to_owned())]);
    assert!(problems.is_empty(), "{problems:?}");
    let settings = Settings {
        management_room: Some(RoomId("#boss".into())),
        policy: Some(policy),
        ..Settings::simulated("!")
    };
    let clock = world.clock.clone();
    Kernel::new(store.clone(), scripts, world.clone(), world.clone(), clock, settings)
        .expect("the log can be read")
}

fn changes(store: &Arc<dyn EventStore>) -> Vec<PolicyChanged> {
    let stream = StreamName::policies();
    let all = store.read(&stream, Version::START, Direction::Forward, 100).expect("it reads");
    let changed = |event: &Event| match event {
        Event::PolicyChanged(changed) => Some(changed.clone()),
        _ => None,
    };
    all.iter().filter_map(|recorded| changed(recorded.event()?)).collect()
}

fn memory(world: &Arc<World>) -> Arc<dyn EventStore> {
    let entropy = surroundings(1).0.entropy;
    MemoryStore::new(Surroundings { clock: world.clock.clone(), entropy })
}

#[tokio::test]
async fn a_forbidding_policy_that_is_removed_does_not_open_things_in_silence() {
    let open = ("00-open.cedar", SHIPPED[0].1);
    let never = ("50-never.cedar", "forbid (principal, action == Action::\"run\", resource);");
    let folder = written(&[open, never]);
    let path = folder.path().join("policy");
    let world = World::new();
    let store = memory(&world);
    let own = |shipped| PolicyFolder { path: path.clone(), shipped };
    let running = kernel(&store, &world, own(false));
    running.note_policies().await.expect("the log works");
    let first = changes(&store);
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].files[1].text, never.1, "the sources stay in the log");
    // The whole folder goes: what was in force stays so.
    let aside = folder.path().join("aside");
    std::fs::rename(&path, &aside).expect("ours");
    running.reload_policies().await.expect("the log works");
    let now = changes(&store);
    assert_eq!((now.len(), &now[1].set), (2, &first[0].set));
    assert!(now[1].problems[0].contains("cannot be read"), "{:?}", now[1].problems);
    // Every file goes: the same.
    std::fs::create_dir(&path).expect("ours");
    running.reload_policies().await.expect("the log works");
    assert_eq!(running.policies.in_force().hash, first[0].set);
    assert_eq!(changes(&store)[2].problems, ["there is no file of policies, `*.cedar`"]);
    // A bot that starts then is in safe mode, and so is one that finds the shipped policies only.
    for shipped in [false, true] {
        let started = kernel(&store, &world, own(shipped));
        assert!(started.policies.in_force().unusable().is_some(), "{shipped}");
        std::fs::write(path.join(open.0), open.1).expect("ours");
    }
    // One file that goes is a change, which is recorded and told.
    running.reload_policies().await.expect("the log works");
    let last = changes(&store).pop().expect("there are changes");
    assert_eq!((last.files.len(), last.problems.len()), (1, 0));
    let told = store.read_all(Position::START, Direction::Forward, 1_000).expect("it reads");
    let told = told.iter().filter_map(|recorded| match recorded.event() {
        Some(Event::MessageQueued(message)) => Some(message.doc.words()),
        _ => None,
    });
    let told: Vec<String> = told.collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].contains("those that were in force before stay in force"), "{}", told[0]);
    assert!(
        told[2].contains("Other policies are in force: 50-never.cedar is gone."),
        "{}",
        told[2]
    );
}

#[tokio::test]
async fn a_policy_that_goes_wrong_refuses_and_is_told_to_the_management_room() {
    let overflow = "@id(\"sum\")\npermit (principal, action, resource) when { context.hour + 9223372036854775807 > 0 };";
    let folder = written(&[("10-sum.cedar", overflow)]);
    let world = World::new();
    let store = memory(&world);
    let path = folder.path().join("policy");
    let kernel = kernel(&store, &world, PolicyFolder { path, shipped: false });
    world.clock.advance(3_600_000);
    let ear = Ear::new(kernel.clone());
    let person = Person::named("ann");
    let room = Room::named("#dev");
    let trigger = world.act(&person, &room, &Does::Says("!deploy shop".into())).expect("she can");
    let incoming = Incoming { triggers: vec![trigger], ..Incoming::default() };
    ear.record(incoming).await.expect("the log works");
    for _ in 0..100 {
        kernel.catch_up().expect("the log works");
        let tasks = kernel.tasks(&|_| false, Budget { steps: 1, effects: 1, sends: 1 });
        let Some(task) = tasks.first() else { break };
        kernel.perform(task).await.expect("the log works");
    }
    let mut heard = vec![];
    while let Some(it) = world.next_heard() {
        heard.push(it.text);
    }
    assert_eq!(heard.len(), 2, "{heard:?}");
    let refused =
        |text: &String| text.starts_with("ann: `deploy` is not allowed here: policy `sum`");
    assert!(heard.iter().any(refused), "{heard:?}");
    let warned =
        |text: &String| text.starts_with("Somebody was refused something because policy `sum`");
    assert!(heard.iter().any(warned), "{heard:?}");
}
