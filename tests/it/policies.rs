//! Policies beside a bot that runs: the manual's examples, folders that change, attacks, the command line.

use std::path::Path;

use beadle::domain::id::{PersonId, RoomId, UserId};
use beadle::domain::policy::{
    Inputs, PolicyAction, PolicySet, Resource, ResourceKind, RoleHeld, SHIPPED, Source, compile,
};
use beadle::domain::trigger::Trust;

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
    assert_eq!(examples.len(), 10);
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
        (5, ann(tagged("deploy", &[])), Some("open")),
        (5, Inputs { network: "irc".into(), ..ann(tagged("deploy", &[])) }, None),
        (6, dangerous(), None),
        (6, Inputs { trust: Trust::Device, ..dangerous() }, Some("open")),
        (6, Inputs { trust: Trust::Device, encrypted: false, ..dangerous() }, None),
        (7, ann(tagged("deploy", &[])), Some("open")),
        (8, ann(tagged("status", &[])), Some("open")),
        (
            8,
            Inputs { person: PersonId("@mallory:example.org".into()), ..ann(tagged("x", &[])) },
            None,
        ),
        (9, log(), None),
        (9, Inputs { roles: held("lead"), ..log() }, Some("leads-read")),
        (10, execution(), None),
        (10, Inputs { roles: held("oncall"), ..execution() }, Some("oncall-cancels")),
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
    assert_eq!(set.policies().len(), shipped + 10);
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
