//! A set of policies that decides, and the set that decides where there are none that can be used.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use cedar_policy::{Authorizer, Decision, Effect, PolicyId};

use super::compile::{Source, compile};
use super::entities;
use super::{Cited, Needs, OWNER, Permission, PolicyAction, Request, RoleHeld, SAFE, Verdict};
use crate::domain::id::UserId;
use crate::domain::person::ACCOUNTS_MAX;
use crate::domain::words::policy as words;

/// Most policies that a decision names.
pub const CITED_MAX: usize = 8;

/// The policies that come with the program.
pub const SHIPPED: &[(&str, &str)] =
    &[("00-open.cedar", include_str!("../../../policy/00-open.cedar"))];

/// The policies that are in force together.
#[derive(Debug, Clone)]
pub struct PolicySet {
    /// Names them: the hash of their files.
    pub hash: String,
    /// The files that they were read from.
    pub sources: Vec<Source>,
    rooms: Vec<String>,
    rule: Rule,
}

/// How a set decides.
#[derive(Debug, Clone)]
enum Rule {
    /// By its policies.
    Policies { policies: Box<cedar_policy::PolicySet>, known: BTreeMap<PolicyId, Policy> },
    /// There are none that can be used: who manages the bot may mend that, and nobody may do anything else.
    Safe { why: String },
}

/// What is known of a policy besides what it says.
#[derive(Debug, Clone)]
pub struct Policy {
    /// How it is cited.
    pub cited: Cited,
    /// What it asks for when it permits.
    pub needs: Option<Needs>,
    /// Where its text begins in its file, in bytes.
    pub from: usize,
}

impl PolicySet {
    /// The policies that come with the program.
    pub fn shipped() -> Arc<Self> {
        static OURS: LazyLock<Arc<PolicySet>> = LazyLock::new(|| {
            let source = |(file, text): &(&str, &str)| Source::new(*file, *text);
            let compiled = compile(SHIPPED.iter().map(source).collect());
            Arc::new(compiled.set.expect("the shipped policies are tested"))
        });
        OURS.clone()
    }

    /// Policies that were read and checked.
    pub(super) fn of(
        hash: String,
        sources: Vec<Source>,
        policies: cedar_policy::PolicySet,
        known: BTreeMap<PolicyId, Policy>,
    ) -> Self {
        let rule = Rule::Policies { policies: Box::new(policies), known };
        let mut set = Self { hash, sources, rooms: vec![], rule };
        set.rooms = set.named("Room").into_iter().map(|(_, name)| name).collect();
        set.rooms.sort();
        set.rooms.dedup();
        set
    }

    /// The rooms that policies name.
    pub fn rooms(&self) -> &[String] {
        &self.rooms
    }

    /// What is in force where no policies can be used, and why they cannot.
    pub fn safe(why: impl Into<String>) -> Self {
        let rule = Rule::Safe { why: why.into() };
        Self { hash: SAFE.into(), sources: vec![], rooms: vec![], rule }
    }

    /// Why no policies can be used, if so.
    pub fn unusable(&self) -> Option<&str> {
        match &self.rule {
            Rule::Policies { .. } => None,
            Rule::Safe { why } => Some(why),
        }
    }

    /// The policies in the order of their files.
    pub fn policies(&self) -> Vec<&Policy> {
        let Rule::Policies { known, .. } = &self.rule else { return vec![] };
        let mut all: Vec<&Policy> = known.values().collect();
        all.sort_by_key(|policy| (&policy.cited.file, policy.from));
        all
    }

    /// The names of one kind of thing that policies write, each with the policy that does.
    pub fn named(&self, kind: &str) -> Vec<(&Policy, String)> {
        let Rule::Policies { policies, known } = &self.rule else { return vec![] };
        let mut named: Vec<(&Policy, String)> = vec![];
        for policy in policies.policies() {
            let Some(about) = known.get(policy.id()) else { continue };
            for literal in policy.entity_literals() {
                if literal.type_name().to_string() == kind {
                    named.push((about, literal.id().unescaped().to_owned()));
                }
            }
        }
        named.sort_by(|a, b| {
            (&a.0.cited.file, a.0.from, &a.1).cmp(&(&b.0.cited.file, b.0.from, &b.1))
        });
        named.dedup_by(|a, b| a.0.cited == b.0.cited && a.1 == b.1);
        named
    }

    /// Each policy as Cedar has it, with what is known of it besides.
    pub(super) fn each(&self) -> Vec<(&cedar_policy::Policy, &Policy)> {
        let Rule::Policies { policies, known } = &self.rule else { return vec![] };
        let with = |policy: &'_ cedar_policy::Policy| known.get(policy.id());
        let mut all: Vec<_> =
            policies.policies().filter_map(|policy| Some((policy, with(policy)?))).collect();
        all.sort_by_key(|(_, about)| (&about.cited.file, about.from));
        all
    }

    /// Decides whether somebody may do something.
    pub fn decide(&self, request: &Request) -> Permission {
        let inputs = Request { set: self.hash.clone(), ..request.clone() };
        if !inputs.here {
            let reason = words::not_here(&inputs.resource.name, &inputs.resource.rooms);
            return permission(Verdict::Refused, vec![], reason, inputs);
        }
        match &self.rule {
            Rule::Safe { why } => in_safe_mode(why, inputs),
            Rule::Policies { policies, known } => decided(policies, known, inputs),
        }
    }
}

impl PolicySet {
    /// Decides for somebody who has other accounts: what is forbidden to one of those is forbidden here, too, and what is
    /// permitted to one of those counts for nothing.
    ///
    /// Each comes with the roles that its id gives it; where they are and what proves it is that of the account used now.
    pub fn decide_for(&self, request: &Request, others: &[(UserId, Vec<RoleHeld>)]) -> Permission {
        let own = self.decide(request);
        if own.forbids() {
            return own;
        }
        let as_other = |(account, held): &(UserId, Vec<RoleHeld>)| {
            let more =
                held.iter().filter(|held| request.roles.iter().all(|it| it.role != held.role));
            let roles = request.roles.iter().chain(more).cloned().collect();
            self.decide(&Request { account: account.clone(), roles, ..request.clone() })
        };
        others.iter().take(ACCOUNTS_MAX).map(as_other).find(Permission::forbids).unwrap_or(own)
    }
}

fn permission(verdict: Verdict, by: Vec<Cited>, reason: String, inputs: Request) -> Permission {
    Permission { verdict, policies: by, needs: None, reason, fault: None, inputs }
}

/// Only who is in the management room may do anything, and that is to manage.
fn in_safe_mode(why: &str, inputs: Request) -> Permission {
    let owner = inputs.roles.iter().any(|held| held.role == OWNER);
    match owner && inputs.action == PolicyAction::Manage {
        true => permission(Verdict::Allowed, vec![], words::managed_in_safe_mode(), inputs),
        false => {
            let reason = words::safe_mode(&inputs.resource.name, why);
            permission(Verdict::Refused, vec![], reason, inputs)
        }
    }
}

fn decided(
    policies: &cedar_policy::PolicySet,
    known: &BTreeMap<PolicyId, Policy>,
    inputs: Request,
) -> Permission {
    let asked = match entities::of(&inputs) {
        Ok(asked) => asked,
        Err(why) => return faulty(why, vec![], inputs),
    };
    let response = Authorizer::new().is_authorized(&asked.request, policies, &asked.entities);
    let diagnostics = response.diagnostics();
    let mut by: Vec<&Policy> = diagnostics.reason().filter_map(|id| known.get(id)).collect();
    by.sort_by_key(|policy| (&policy.cited.file, policy.from));
    if let Some(error) = diagnostics.errors().next() {
        let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
        let policy = known.get(error.policy_id());
        let id = policy.map_or("", |policy| policy.cited.id.as_str());
        let why = words::cannot_evaluate(id, &error.inner().to_string());
        let cited = policy.map(|policy| policy.cited.clone()).into_iter().collect();
        return faulty(why, cited, inputs);
    }
    let cited: Vec<Cited> = by.iter().take(CITED_MAX).map(|it| it.cited.clone()).collect();
    match response.decision() {
        Decision::Allow => {
            let needs = strictest(by.iter().filter_map(|policy| policy.needs.as_ref()));
            let reason = words::allowed(&cited);
            Permission { needs, ..permission(Verdict::Allowed, cited, reason, inputs) }
        }
        Decision::Deny => {
            let reason = words::refused(&inputs.resource, &cited, &inputs.unseen);
            permission(Verdict::Refused, cited, reason, inputs)
        }
    }
}

/// What cannot be decided is refused.
fn faulty(why: String, cited: Vec<Cited>, inputs: Request) -> Permission {
    let reason = words::undecided(&inputs.resource.name, &why);
    Permission { fault: Some(why), ..permission(Verdict::Refused, cited, reason, inputs) }
}

/// What all of several policies ask for, as far as one can: the most approvals, with the role of who asks for those; the device
/// if one of them asks for it, reactions if all of them let them.
fn strictest<'a>(all: impl Iterator<Item = &'a Needs>) -> Option<Needs> {
    all.cloned().reduce(|one, other| {
        let more = (other.count, other.from.is_some()) > (one.count, one.from.is_some());
        let (device, reactions) = (one.device || other.device, one.reactions && other.reactions);
        let most = if more { other } else { one };
        Needs { device, reactions, ..most }
    })
}

/// Whether a policy permits.
pub(super) fn permits(policy: &cedar_policy::Policy) -> bool {
    policy.effect() == Effect::Permit
}
