//! Decisions of policies as they are recorded.

use beadle::domain::event::{Event, Outcome, PolicyChanged, PolicyDecision, PolicyFile, Verdict};
use beadle::domain::id::{PersonId, RoomId, UserId};
use beadle::domain::policy::{
    self, Cited, Inputs, Needs, PolicyAction, Resource, ResourceKind, RoleHeld,
};
use beadle::domain::trigger::Trust;

/// What came of a command that policies were asked about.
pub fn judged(verdict: Verdict, decision: PolicyDecision) -> Outcome {
    let (considered, reason) = ("alias deploy".into(), decision.reason.clone());
    Outcome { considered, verdict, reason, decision: Some(decision) }
}

/// What a policy allows that asks for approvals.
pub fn allowed() -> PolicyDecision {
    let resource =
        Resource { tags: vec!["production".into()], ..Resource::of(ResourceKind::Alias, "deploy") };
    let held = RoleHeld { role: "release".into(), source: "@*:example.org".into() };
    let inputs = Inputs {
        person: PersonId("@ann:example.org".into()),
        account: UserId("@ann:example.org".into()),
        roles: vec![held],
        unseen: vec![],
        trust: Trust::Device,
        network: "matrix".into(),
        room: RoomId("!ops:example.org".into()),
        rooms: vec!["#ops:example.org".into()],
        here: true,
        encrypted: true,
        direct: false,
        management: false,
        hour: 16,
        weekday: "friday".into(),
        action: PolicyAction::Run,
        resource,
        granted: None,
        set: "5d1c2c0f3a6e7b88".into(),
    };
    let cited = Cited {
        id: "release-deploys".into(),
        text: r#"permit (principal in Role::"release", action, resource);"#.into(),
        file: "10-release.cedar".into(),
        line: 3,
    };
    let from = Some("release".into());
    PolicyDecision {
        verdict: policy::Verdict::Allowed,
        policies: vec![cited],
        needs: Some(Needs { count: 2, from, device: true, reactions: false }),
        reason: "policy `release-deploys` allows it".into(),
        fault: None,
        inputs,
    }
}

/// What is refused because a policy cannot be evaluated.
pub fn refused() -> PolicyDecision {
    let before = allowed();
    let source = "member of #release:example.org: I am not in that room";
    let held = RoleHeld { role: "release".into(), source: source.into() };
    let granted = Some("for 2h by @ben:example.org".into());
    PolicyDecision {
        verdict: policy::Verdict::Refused,
        policies: vec![],
        needs: None,
        reason: "`deploy` is not allowed here: no policy allows it".into(),
        fault: Some("policy `release-deploys` cannot be evaluated: integer overflow".into()),
        inputs: Inputs { roles: vec![], unseen: vec![held], granted, ..before.inputs },
    }
}

/// What is recorded of the policies themselves.
pub fn changes() -> Vec<Event> {
    let file = PolicyFile {
        file: "10-release.cedar".into(),
        text: r#"permit (principal in Role::"release", action, resource);"#.into(),
    };
    let good = PolicyChanged {
        set: "5d1c2c0f3a6e7b88".into(),
        safe: None,
        shipped: false,
        files: vec![file],
        problems: vec![],
    };
    let problems = vec!["10-release.cedar:1:1: unexpected token `premit`".to_owned()];
    let kept = PolicyChanged { problems: problems.clone(), ..good.clone() };
    let safe = PolicyChanged {
        set: "safe".into(),
        safe: Some(format!("the policies cannot be used: {}", problems[0])),
        shipped: false,
        files: vec![],
        problems,
    };
    [good, kept, safe].map(Event::from).into()
}
