//! Approvals that policies ask for where nobody can be asked: a rule waits for nobody (pure).

use std::collections::BTreeMap;

use cedar_policy::{EntityUid, Policy as Cedar, PrincipalConstraint, ResourceConstraint};

use super::PolicyProblem;
use super::set::{Policy, PolicySet, permits};
use crate::domain::rule::{On, Rule};
use crate::domain::words::policy as words;

/// Most rules that one warning names.
pub const NAMED_MAX: usize = 3;

/// Policies that ask for approvals of what rules do, held against the rules and the labels of the actions that there are.
pub fn unaskable(
    set: &PolicySet,
    rules: &[Rule],
    actions: &BTreeMap<String, Vec<String>>,
) -> Vec<PolicyProblem> {
    let mut problems = vec![];
    for (cedar, about) in
        set.each().into_iter().filter(|(cedar, it)| it.needs.is_some() && permits(cedar))
    {
        let hear = rules.iter().filter(|rule| {
            matches!(rule.on, On::Talk { .. }) && covers(cedar, "Rule", &rule.name, &rule.tags)
        });
        let hear: Vec<&str> = hear.map(|rule| rule.name.as_str()).collect();
        if !hear.is_empty() {
            let told = words::rules_cannot_ask(&hear, NAMED_MAX);
            problems.extend(warning(set, about, told, words::ASK_IN_A_COMMAND));
        }
        // A rule that runs an action does it as itself, and has no roles.
        if !matches!(cedar.principal_constraint(), PrincipalConstraint::Any) {
            continue;
        }
        let about_it =
            |(name, tags): &(&String, &Vec<String>)| covers(cedar, "Operation", name, tags);
        for (action, _) in actions.iter().filter(about_it) {
            let run = rules.iter().filter(|rule| rule.does.actions.contains(action));
            let run: Vec<&str> = run.map(|rule| rule.name.as_str()).collect();
            if !run.is_empty() {
                let told = words::rules_are_refused(action, &run, NAMED_MAX);
                problems.extend(warning(set, about, told, words::ASK_IN_A_COMMAND));
            }
        }
    }
    problems
}

/// Whether a policy is about this by name, by label or by its kind; what its conditions say is not looked at.
fn covers(policy: &Cedar, kind: &str, name: &str, tags: &[String]) -> bool {
    let is = |uid: &EntityUid, kind: &str| uid.type_name().to_string() == kind;
    let labelled =
        |uid: &EntityUid| is(uid, "Tag") && tags.iter().any(|tag| tag == uid.id().unescaped());
    match policy.resource_constraint() {
        ResourceConstraint::Eq(uid) => is(&uid, kind) && uid.id().unescaped() == name,
        ResourceConstraint::Is(wanted) => wanted.to_string() == kind,
        ResourceConstraint::IsIn(wanted, uid) => wanted.to_string() == kind && labelled(&uid),
        ResourceConstraint::In(uid) => labelled(&uid),
        // What is about everything names what it means in its conditions.
        ResourceConstraint::Any => policy
            .entity_literals()
            .iter()
            .any(|uid| (is(uid, kind) && uid.id().unescaped() == name) || labelled(uid)),
    }
}

/// A warning at what a policy asks for.
fn warning(set: &PolicySet, about: &Policy, what: String, hint: &str) -> Option<PolicyProblem> {
    let source = set.sources.iter().find(|source| source.file == about.cited.file)?;
    let asked = source.text[about.from..].find("@approvals").unwrap_or_default();
    Some(PolicyProblem::at(source, about.from + asked, what).warning().hinted(hint))
}
