//! Tests of policies: what the shipped ones say, what forbids, what asks for approvals, what is wrong.

use super::testing::inputs;
use super::*;
use crate::domain::person::ACCOUNTS_MAX;
use crate::domain::trigger::{Place, Speaker};

fn ann() -> Speaker {
    let (name, network) = ("ann".to_owned(), "matrix".to_owned());
    Speaker {
        id: UserId("@ann:hs".into()),
        name,
        network,
        account: None,
        trust: Trust::Account,
        claims: vec![],
    }
}

fn ops() -> Place {
    Place {
        network: "matrix".into(),
        room: RoomId("!ops".into()),
        name: "#ops".into(),
        thread: None,
        direct: false,
        encrypted: true,
    }
}

fn resource(tags: &[&str], role: Option<&str>) -> Resource {
    Resource {
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        role: role.map(str::to_owned),
        ..Resource::of(ResourceKind::Alias, "deploy")
    }
}

fn held(roles: &[&str]) -> Vec<RoleHeld> {
    let held = |role: &&str| RoleHeld { role: (*role).to_owned(), source: "@ann:hs".into() };
    roles.iter().map(held).collect()
}

fn set(text: &str) -> PolicySet {
    let shipped = SHIPPED.iter().map(|(file, text)| Source::new(*file, *text));
    let sources = shipped.chain([Source::new("50-own.cedar", text)]).collect();
    let compiled = compile(sources);
    compiled.set.unwrap_or_else(|| panic!("{:#?}", compiled.problems))
}

fn told(text: &str) -> Vec<String> {
    let compiled = compile(vec![Source::new("t.cedar", text)]);
    let told = |it: &PolicyProblem| {
        let word = if it.error { "error" } else { "warning" };
        let hint = it.hint.as_ref().map_or(String::new(), |hint| format!(" ({hint})"));
        format!("{word} {}:{}:{} {}{hint}", it.file, it.line, it.column, it.message)
    };
    compiled.problems.iter().map(told).collect()
}

#[test]
fn the_shipped_policies_are_without_a_problem() {
    let sources = SHIPPED.iter().map(|(file, text)| Source::new(*file, *text)).collect();
    let compiled = compile(sources);
    assert_eq!(compiled.problems, vec![]);
    assert_eq!(compiled.set.map(|set| set.hash), Some(PolicySet::shipped().hash.clone()));
}

#[test]
fn what_asks_for_nothing_is_open() {
    for (action, what, roles, management, want) in [
        (PolicyAction::Run, resource(&[], None), &[][..], false, "policy `open` allows it"),
        (
            PolicyAction::Run,
            resource(&[], Some("ops")),
            &[],
            false,
            "`deploy` is not allowed here: no policy allows it (it is for the role `ops`)",
        ),
        (PolicyAction::Run, resource(&[], Some("ops")), &["ops"], false, "policy `role` allows it"),
        (
            PolicyAction::Run,
            resource(&["guarded"], None),
            &["ops"],
            false,
            "`deploy` is not allowed here: no policy allows it (it is guarded)",
        ),
        (
            PolicyAction::Run,
            resource(&["guarded"], Some("ops")),
            &["ops"],
            false,
            "`deploy` is not allowed here: no policy allows it (it is guarded)",
        ),
        (
            PolicyAction::Manage,
            Resource::bot(),
            &["owner"],
            false,
            "`beadle` is not allowed here: no policy allows it",
        ),
        (PolicyAction::Manage, Resource::bot(), &["owner"], true, "policy `management` allows it"),
        (
            PolicyAction::ReadAudit,
            Resource::log(),
            &[],
            true,
            "`log` is not allowed here: no policy allows it",
        ),
        (
            PolicyAction::Manage,
            Resource::room(&RoomId("!ops".into())),
            &["owner"],
            false,
            "policy `send-away` allows it",
        ),
        (
            PolicyAction::Manage,
            Resource::room(&RoomId("!other".into())),
            &["owner"],
            false,
            "`!other` is not allowed here: no policy allows it",
        ),
        (
            PolicyAction::Run,
            resource(&["guarded"], None),
            &["local"],
            false,
            "policy `command-line` allows it",
        ),
    ] {
        let asked =
            Inputs { roles: held(roles), management, ..inputs(action, what, &ann(), &ops()) };
        let permission = PolicySet::shipped().decide(&asked);
        assert_eq!(permission.reason, want, "{asked:?}");
        assert_eq!(permission.allowed(), want.starts_with("policy"), "{asked:?}");
        assert_eq!(permission.inputs.set, PolicySet::shipped().hash);
        assert_eq!(permission.fault, None);
    }
}

#[test]
fn a_grant_opens_what_is_guarded_and_nothing_that_is_forbidden() {
    let asked = inputs(PolicyAction::Run, resource(&["guarded"], None), &ann(), &ops());
    let granted = Inputs { granted: Some("for 2h by @ben:hs".into()), ..asked };
    assert_eq!(PolicySet::shipped().decide(&granted).reason, "policy `granted` allows it");
    let set = set("@id(\"never\")\nforbid (principal, action, resource in Tag::\"guarded\");");
    assert!(!set.decide(&granted).allowed());
}

#[test]
fn what_is_forbidden_stays_forbidden_and_says_by_what() {
    let set = set(
        "// a comment\n@id(\"no-friday\")\nforbid (principal, action == Action::\"run\",\n  resource)\nwhen { context.weekday == \"friday\" };\n\nforbid (principal in Network::\"irc\", action, resource);",
    );
    for (day, network, want) in [
        ("thursday", "matrix", "policy `open` allows it"),
        (
            "friday",
            "matrix",
            "`deploy` is not allowed here: policy `no-friday` forbids it: forbid (principal, action == Action::\"run\", resource) when { context.weekday == \"friday\" };",
        ),
        (
            "monday",
            "irc",
            "`deploy` is not allowed here: policy `50-own.cedar:7` forbids it: forbid (principal in Network::\"irc\", action, resource);",
        ),
    ] {
        let asked = inputs(PolicyAction::Run, resource(&[], None), &ann(), &ops());
        let asked = Inputs { weekday: day.into(), network: network.into(), ..asked };
        assert_eq!(set.decide(&asked).reason, want, "{day} {network}");
    }
}

#[test]
fn rooms_are_known_by_their_names_too() {
    let set = set("forbid (principal in Room::\"#dev:hs\", action, resource);");
    assert_eq!(set.named("Room").len(), 1);
    for (rooms, allowed) in [(vec![], true), (vec!["#dev:hs".to_owned()], false)] {
        let asked = inputs(PolicyAction::Run, resource(&[], None), &ann(), &ops());
        assert_eq!(set.decide(&Inputs { rooms, ..asked }).allowed(), allowed);
    }
}

#[test]
fn what_cannot_be_evaluated_is_refused() {
    let set = set(
        "@id(\"sum\")\npermit (principal, action, resource) when { context.hour + 9223372036854775807 > 0 };",
    );
    let asked = inputs(PolicyAction::Run, resource(&[], None), &ann(), &ops());
    let permission = set.decide(&asked);
    assert!(!permission.allowed(), "{permission:?}");
    let fault = permission.fault.expect("a sum overflows");
    assert!(fault.starts_with("policy `sum` cannot be evaluated: "), "{fault}");
    assert_eq!(permission.reason, format!("`deploy` is not allowed here: {fault}"));
    assert_eq!(permission.policies[0].id, "sum");
}

#[test]
fn the_strictest_of_what_permits_is_asked_for() {
    let needs = |count, from: Option<&str>, device, reactions| {
        Some(Needs { count, from: from.map(str::to_owned), device, reactions })
    };
    for (text, want) in [
        ("permit (principal, action, resource);", None),
        (
            "@approvals(\"1\")\npermit (principal, action == Action::\"run\", resource);",
            needs(1, None, false, false),
        ),
        (
            "@approvals(\"2\") @from(\"release\") @reactions(\"yes\")\npermit (principal, action == Action::\"run\", resource);\n@approvals(\"1\") @device(\"yes\") @reactions(\"yes\")\npermit (principal, action == Action::\"run\", resource);",
            needs(2, Some("release"), true, true),
        ),
        (
            "@approvals(\"1\") @reactions(\"yes\")\npermit (principal, action == Action::\"run\", resource);\n@approvals(\"1\") @from(\"ops\")\npermit (principal, action == Action::\"run\", resource);",
            needs(1, Some("ops"), false, false),
        ),
        (
            "@approvals(\"9\")\npermit (principal in Role::\"nobody\", action == Action::\"run\", resource);",
            None,
        ),
    ] {
        let asked = inputs(PolicyAction::Run, resource(&[], None), &ann(), &ops());
        assert_eq!(set(text).decide(&asked).needs, want, "{text}");
    }
}

#[test]
fn in_safe_mode_the_management_room_manages_and_nothing_else_is_done() {
    let set = PolicySet::safe("policy/00-open.cedar cannot be read");
    for (action, roles, allowed) in [
        (PolicyAction::Manage, &["owner"][..], true),
        (PolicyAction::Manage, &["ops"], false),
        (PolicyAction::Manage, &["local"], false),
        (PolicyAction::Run, &["owner"], false),
        (PolicyAction::ReadAudit, &["owner"], false),
        (PolicyAction::Approve, &["ops"], false),
    ] {
        let asked = inputs(action, resource(&[], None), &ann(), &ops());
        let permission = set.decide(&Inputs { roles: held(roles), ..asked });
        assert_eq!(permission.allowed(), allowed, "{action:?} {roles:?}");
        assert!(permission.reason.contains("safe mode"), "{}", permission.reason);
        assert_eq!(permission.forbids(), !allowed, "{action:?} {roles:?}");
    }
}

#[test]
fn every_problem_is_told_with_its_place() {
    for (text, want) in [
        ("permit (principal, action, resource)", vec!["error t.cedar:1:37 "]),
        (
            "permit (principal, action, resource)\nwhen { context.wekday == \"friday\" };",
            vec!["error t.cedar:2:8 "],
        ),
        (
            "@aprovals(\"2\")\npermit (principal, action, resource);",
            vec![
                "error t.cedar:1:1 there is no annotation `@aprovals` (did you mean `@approvals`?)",
            ],
        ),
        (
            "@approvals(\"0\")\npermit (principal, action, resource);",
            vec!["error t.cedar:1:1 `@approvals` is a number from 1 to 10, as text"],
        ),
        (
            "@from(\"ops\")\npermit (principal, action, resource);",
            vec!["error t.cedar:1:1 `@from` says something of approvals, and none are asked for"],
        ),
        (
            "@approvals(\"2\")\nforbid (principal, action, resource);",
            vec!["error t.cedar:1:1 what is forbidden needs no approvals"],
        ),
        (
            "@approvals(\"2\") @device(\"maybe\")\npermit (principal, action == Action::\"run\", resource);",
            vec!["error t.cedar:1:17 that is \"yes\" or \"no\""],
        ),
        (
            "permit (principal, action == Action::\"rum\", resource);\n\n  permit (principal, action, resource is Aliass);",
            vec!["error t.cedar:1:30 ", "error t.cedar:3:42 "],
        ),
        (
            "@id(\"all\")\n@approvals(\"2\")\npermit (principal, action, resource);",
            vec![
                "error t.cedar:2:1 `@approvals` stands above what cannot wait for approvals (what",
            ],
        ),
        (
            "@approvals(\"2\")\npermit (principal, action == Action::\"manage\", resource == Bot::\"beadle\");",
            vec!["error t.cedar:1:1 `@approvals` stands above what cannot wait"],
        ),
        (
            "@approvals(\"2\")\npermit (principal, action in [Action::\"run\", Action::\"read_audit\"], resource);",
            vec!["error t.cedar:1:1 `@approvals` stands above what cannot wait"],
        ),
        (
            "@approvals(\"2\")\npermit (principal, action == Action::\"manage\", resource == Bot::\"grants\");\n@approvals(\"2\")\npermit (principal, action in [Action::\"run\"], resource);",
            vec![],
        ),
        (
            "permit (principal == ?principal, action, resource);",
            vec!["error t.cedar:1:22 a policy with `?principal`"],
        ),
        (
            "@id(\"a\")\npermit (principal, action, resource);\n@id(\"a\")\nforbid (principal, action, resource);",
            vec!["error t.cedar:3:1 there are two policies `a`"],
        ),
    ] {
        let got = told(text);
        assert_eq!(got.len(), want.len(), "{text}\n{got:#?}");
        for (got, want) in got.iter().zip(want) {
            assert!(got.starts_with(want), "{text}\n{got}\n{want}");
        }
    }
    assert_eq!(compile(vec![]).problems[0].message, "there is no file of policies, `*.cedar`");
}

#[test]
fn names_that_nothing_has_may_be_mistyped() {
    let set = set(
        "permit (principal in Role::\"opps\", action, resource == Alias::\"deploy\");\nforbid (principal, action, resource in Tag::\"prodution\");\nforbid (principal, action, resource == Operation::\"vm.kill\");",
    );
    let all = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let names = Names {
        aliases: all(&["deploy"]),
        operations: all(&[]),
        tags: all(&["production"]),
        roles: all(&["ops", OWNER, LOCAL]),
    };
    let told: Vec<String> = unknown(&set, &names)
        .iter()
        .map(|it| format!("{} {}:{} {:?}", it.message, it.line, it.column, it.hint))
        .collect();
    assert_eq!(
        told,
        [
            "there is no action `vm.kill` 3:40 None",
            "there is no tag `prodution` 2:40 Some(\"did you mean `production`?\")",
            "there is no role `opps` 1:22 Some(\"did you mean `ops`?\")",
        ]
    );
}

#[test]
fn roles_that_approve_must_be_there_and_commands_have_whole_names() {
    let set = set(
        "@approvals(\"1\")\n@from(\"relaese\")\npermit (principal, action == Action::\"run\", resource == Alias::\"deploy\");\n@approvals(\"1\") @from(\"ops\") permit (principal, action == Action::\"run\", resource);",
    );
    let all = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let names = Names {
        aliases: all(&["deploy to", "deplo"]),
        roles: all(&["ops", "release", OWNER, LOCAL]),
        ..Names::default()
    };
    let told: Vec<String> = unknown(&set, &names)
        .iter()
        .map(|it| format!("{} {} {}:{} {:?}", it.error, it.message, it.line, it.column, it.hint))
        .collect();
    assert_eq!(
        told,
        [
            "false there is no role `relaese`: nobody could approve it 2:1 Some(\"did you mean `release`?\")",
            "false there is no alias `deploy` 3:57 Some(\"did you mean `deploy to`?\")",
        ]
    );
}

#[test]
fn bounds_hold() {
    let one = "permit (principal, action, resource);\n";
    let run = "permit (principal, action == Action::\"run\", resource);\n";
    for (text, fits) in [
        (one.repeat(super::compile::POLICIES_MAX), true),
        (one.repeat(super::compile::POLICIES_MAX + 1), false),
        (format!("{one}//{}", " ".repeat(SET_BYTES_MAX - one.len() - 2)), true),
        (format!("{one}//{}", " ".repeat(SET_BYTES_MAX - one.len() - 1)), false),
        (format!("@approvals(\"{APPROVALS_MAX}\"){run}"), true),
        (format!("@approvals(\"{}\"){run}", APPROVALS_MAX + 1), false),
        (format!("@id(\"{}\"){one}", "x".repeat(annotation::NAME_BYTES_MAX)), true),
        (format!("@id(\"{}\"){one}", "x".repeat(annotation::NAME_BYTES_MAX + 1)), false),
    ] {
        let compiled = compile(vec![Source::new("t.cedar", &text)]);
        let first = compiled.problems.first().map(|it| it.message.clone());
        assert_eq!(compiled.set.is_some(), fits, "{} bytes: {first:?}", text.len());
    }
    for (files, fits) in [(FILES_MAX, true), (FILES_MAX + 1, false)] {
        let sources = (0..files).map(|nth| Source::new(format!("{nth}.cedar"), one)).collect();
        assert_eq!(compile(sources).set.is_some(), fits, "{files}");
    }
    let long = format!(
        "permit (principal, action, resource) when {{ context.weekday != \"{}\" }};",
        "x".repeat(super::compile::TEXT_CHARS_MAX)
    );
    let asked = inputs(PolicyAction::Manage, Resource::bot(), &ann(), &ops());
    let decided = set(&long).decide(&asked);
    assert_eq!(decided.policies[0].text.chars().count(), super::compile::TEXT_CHARS_MAX);
    let decided = set(&one.repeat(super::set::CITED_MAX + 1)).decide(&asked);
    assert_eq!(decided.policies.len(), super::set::CITED_MAX);
}

#[test]
fn what_was_approved_for_more_covers_less() {
    let needs = |count, from: Option<&str>, device, reactions| Needs {
        count,
        from: from.map(str::to_owned),
        device,
        reactions,
    };
    let two = needs(2, Some("release"), true, false);
    for (others, covered) in [
        (needs(2, Some("release"), true, false), true),
        (needs(1, None, false, true), true),
        (needs(3, None, false, true), false),
        (needs(1, Some("ops"), false, true), false),
    ] {
        assert_eq!(two.cover(&others), covered, "{others:?}");
    }
    assert!(!needs(2, None, false, false).cover(&needs(2, Some("release"), false, false)));
    assert!(!needs(2, None, false, false).cover(&needs(2, None, true, false)));
    assert!(!needs(2, None, false, true).cover(&needs(2, None, false, false)));
}

#[test]
fn what_is_forbidden_to_another_account_of_somebody_is_forbidden_and_what_is_permitted_to_it_is_not()
 {
    let set = set(
        "@id(\"not-mallory\")\nforbid (principal == Person::\"@mallory:hs\", action, resource);\n\
         @id(\"not-temps\")\nforbid (principal in Role::\"temps\", action, resource);\n\
         @id(\"ops-only\")\nforbid (principal, action, resource in Tag::\"ops\") unless { principal in Role::\"ops\" };\n\
         @id(\"bob\")\npermit (principal == Person::\"@bob:hs\", action, resource);",
    );
    for (roles, tags, other, others, want) in [
        (&[][..], &[][..], "@eve:hs", &[][..], "policy `open` allows it"),
        (&[], &[], "@mallory:hs", &[], "not-mallory"),
        (&[], &[], "@eve:hs", &["temps"], "not-temps"),
        // What only the account used now may do is not lost by an account that may not.
        (&["ops"], &["ops"], "@eve:hs", &[], "policy `open` allows it"),
        (&[], &["ops"], "@eve:hs", &["ops"], "ops-only"),
        (&[], &["guarded"], "@bob:hs", &["ops"], "no policy allows it"),
    ] {
        let asked = inputs(PolicyAction::Run, resource(tags, None), &ann(), &ops());
        let asked = Inputs { roles: held(roles), ..asked };
        let decided = set.decide_for(&asked, &[(UserId(other.into()), held(others))]);
        assert!(decided.reason.contains(want), "{other} {tags:?}: {}", decided.reason);
        assert_eq!(decided.allowed(), want.starts_with("policy"), "{other} {tags:?}");
    }
    let many: Vec<_> = (0..=ACCOUNTS_MAX).map(|nth| (format!("@a{nth}:hs"), vec![])).collect();
    let many: Vec<_> = many.into_iter().map(|(id, held)| (UserId(id), held)).collect();
    let asked = inputs(PolicyAction::Run, resource(&[], None), &ann(), &ops());
    assert!(set.decide_for(&asked, &many).allowed());
}

#[test]
fn what_is_done_at_once_is_not_done_where_policies_ask_for_approvals() {
    let asked = inputs(PolicyAction::Run, resource(&[], None), &ann(), &ops());
    let set = set(
        "@id(\"two\")\n@approvals(\"2\")\n@from(\"release\")\npermit (principal, action == Action::\"run\", resource);",
    );
    let permission = set.decide(&asked);
    assert!(permission.allowed() && permission.refusal().is_none());
    let why = permission.at_once().expect("it needs approvals");
    assert!(why.starts_with("`deploy` needs 2 approvals from the role `release` (by "), "{why}");
    assert_eq!(PolicySet::shipped().decide(&asked).at_once(), None);
}

#[test]
fn approvals_that_no_rule_could_wait_for_are_told() {
    use crate::domain::id::ScriptHash;
    use crate::domain::rule::{Does, On, Pattern, Rule};
    let rule = |name: &str, hears: bool, tags: &[&str], runs: &[&str]| {
        let all = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let heard = On::Talk { pattern: Pattern::parse("hi").expect("a pattern"), rooms: vec![] };
        let named = On::Trigger { name: "webhook.x".into(), wanted: Default::default() };
        Rule {
            name: name.to_owned(),
            help: String::new(),
            on: if hears { heard } else { named },
            criteria: false,
            room: None,
            windows: Default::default(),
            tags: all(tags),
            role: None,
            does: Does { rooms: vec![], actions: all(runs) },
            file: "t.rhai".into(),
            line: 1,
            script: ScriptHash(String::new()),
        }
    };
    let rules = [
        rule("greet", true, &[], &[]),
        rule("thank", true, &["polite"], &[]),
        rule("bye", true, &["polite"], &[]),
        rule("grow", false, &["polite"], &["disk.grow"]),
    ];
    let actions = [("disk.grow".to_owned(), vec!["disks".to_owned()])].into();
    let waits = "nothing where this permits it: a rule waits for nobody's approval";
    let refused = "would be refused the action `disk.grow`: a rule waits for nobody's approval";
    for (scope, want) in [
        (
            "principal, action == Action::\"run\", resource == Rule::\"greet\"",
            format!("the rule `greet` does {waits}"),
        ),
        ("principal, action == Action::\"run\", resource == Rule::\"grow\"", String::new()),
        ("principal, action == Action::\"run\", resource == Alias::\"greet\"", String::new()),
        (
            "principal, action == Action::\"run\", resource in Tag::\"polite\"",
            format!("the rules `thank`, `bye` do {waits}"),
        ),
        (
            "principal, action == Action::\"run\", resource is Rule in Tag::\"polite\"",
            format!("the rules `thank`, `bye` do {waits}"),
        ),
        (
            "principal, action == Action::\"run\", resource is Rule",
            format!("the rules `greet`, `thank`, `bye` do {waits}"),
        ),
        ("principal, action == Action::\"run\", resource is Alias", String::new()),
        ("principal, action == Action::\"run\", resource", String::new()),
        (
            "principal, action == Action::\"run\", resource is Operation",
            format!("the rule `grow` {refused}"),
        ),
        (
            "principal, action == Action::\"run\", resource in Tag::\"disks\"",
            format!("the rule `grow` {refused}"),
        ),
        (
            "principal in Role::\"ops\", action == Action::\"run\", resource is Operation",
            String::new(),
        ),
    ] {
        let set = set(&format!("@id(\"x\")\n@approvals(\"1\")\npermit ({scope});"));
        let told: Vec<String> = unaskable(&set, &rules, &actions)
            .iter()
            .map(|it| {
                assert_eq!((it.error, it.file.as_str(), it.line), (false, "50-own.cedar", 2));
                it.message.clone()
            })
            .collect();
        assert_eq!(told.join("; "), want, "{scope}");
        let open = self::set(&format!("permit ({scope});"));
        assert_eq!(unaskable(&open, &rules, &actions), vec![], "{scope}");
    }
    let many: Vec<Rule> =
        (0..=NAMED_MAX).map(|nth| rule(&format!("r{nth}"), true, &[], &[])).collect();
    let set =
        set("@approvals(\"1\")\npermit (principal, action == Action::\"run\", resource is Rule);");
    let told = &unaskable(&set, &many, &actions)[0].message;
    assert!(told.contains("the rules `r0`, `r1`, `r2` and 1 more do nothing"), "{told}");
}
