//! Files of policies become a set that decides, or every problem with its place; what cannot be used is no set.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::LazyLock;

use cedar_policy::ffi::DetailedError;
use cedar_policy::{
    ActionConstraint, PolicyId, ResourceConstraint, Schema, ValidationMode, Validator,
};
use sha2::{Digest, Sha256};

use super::annotation::{self, Annotated};
use super::problem::PolicyProblem;
use super::set::{Policy, PolicySet, permits};
use super::{Cited, RoleNames};
use crate::domain::grant_command::GRANTS;
use crate::domain::near::nearest;
use crate::domain::words::policy as words;

/// What policies can speak of, as Cedar reads it.
pub const SCHEMA: &str = include_str!("schema.cedarschema");
/// Most policies of a set.
pub const POLICIES_MAX: usize = 1_000;
/// Most files of a set.
pub const FILES_MAX: usize = 100;
/// Most that the files of a set have together, in bytes: they stand in one event of the log.
pub const SET_BYTES_MAX: usize = 128 * 1024;
/// Most of a policy that a decision records, in characters.
pub const TEXT_CHARS_MAX: usize = 1_000;

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA).expect("our schema is a schema");
    Validator::new(schema)
});

/// A file of policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name in the policy folder.
    pub file: String,
    /// What it says.
    pub text: String,
}

impl Source {
    /// A file.
    pub fn new(file: impl Into<String>, text: impl Into<String>) -> Self {
        Self { file: file.into(), text: text.into() }
    }
}

/// What became of some files.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The set that they are; none: something is wrong with them.
    pub set: Option<PolicySet>,
    /// What is wrong with them, and what may be.
    pub problems: Vec<PolicyProblem>,
}

/// Names what files say together.
pub fn hash(sources: &[Source]) -> String {
    let mut all = Sha256::new();
    for Source { file, text } in sources {
        for part in [file.as_bytes(), text.as_bytes()] {
            all.update((part.len() as u64).to_be_bytes());
            all.update(part);
        }
    }
    data_encoding::HEXLOWER.encode(&all.finalize()[..16])
}

/// Reads files of policies and holds them against the schema; everything that is wrong is told at once.
pub fn compile(mut sources: Vec<Source>) -> Compiled {
    sources.sort_by(|a, b| a.file.cmp(&b.file));
    let mut gathered = Gathered::default();
    if sources.len() > FILES_MAX {
        let (is, file) = (sources.len(), sources[FILES_MAX].file.clone());
        let what = format!("{is} files are too many: a set has at most {FILES_MAX}");
        gathered.problems.push(PolicyProblem::file(&file, what));
    }
    for source in sources.iter().take(FILES_MAX) {
        gathered.read(source);
    }
    gathered.validate(&sources);
    let Gathered { policies, known, mut problems, .. } = gathered;
    problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    // Cedar tells the same of each action that a policy is about.
    let same = |a: &PolicyProblem| (a.file.clone(), a.line, a.column);
    problems.dedup_by(|a, b| a.line > 0 && same(a) == same(b));
    if sources.is_empty() {
        problems.push(PolicyProblem::file("", "there is no file of policies, `*.cedar`"));
    }
    let usable = !problems.iter().any(|problem| problem.error);
    let set = usable.then(|| PolicySet::of(hash(&sources), sources, policies, known));
    Compiled { set, problems }
}

/// What was read until now.
#[derive(Default)]
struct Gathered {
    policies: cedar_policy::PolicySet,
    known: BTreeMap<PolicyId, Policy>,
    ids: BTreeSet<String>,
    bytes: usize,
    problems: Vec<PolicyProblem>,
}

impl Gathered {
    fn read(&mut self, source: &Source) {
        let Source { file, text } = source;
        self.bytes += text.len();
        if self.bytes > SET_BYTES_MAX {
            let what = words::too_long(SET_BYTES_MAX);
            return self.problems.push(PolicyProblem::file(file, what));
        }
        let parsed = match cedar_policy::PolicySet::from_str(text) {
            Ok(parsed) => parsed,
            Err(errors) => {
                let told = errors.iter().map(|error| told(source, &DetailedError::from(error)));
                return self.problems.extend(told);
            }
        };
        if parsed.num_of_templates() > 0 {
            let at = text.find('?').unwrap_or_default();
            let what =
                "a policy with `?principal` or `?resource` is a template, and nothing fills it in";
            self.problems.push(PolicyProblem::at(source, at, what));
        }
        let mut from = 0;
        for nth in 0.. {
            let Some(policy) = parsed.policy(&PolicyId::new(format!("policy{nth}"))) else {
                break;
            };
            let written = policy.to_cedar().unwrap_or_default();
            let at = text[from..].find(&written).map_or(from, |found| from + found);
            from = at + written.len();
            self.take(source, at, &written, policy);
        }
    }

    fn take(&mut self, source: &Source, at: usize, text: &str, policy: &cedar_policy::Policy) {
        if self.known.len() >= POLICIES_MAX {
            if self.known.len() == POLICIES_MAX && self.ids.insert(String::new()) {
                let what = format!("a set has at most {POLICIES_MAX} policies");
                self.problems.push(PolicyProblem::at(source, at, what));
            }
            return;
        }
        let annotations: Vec<(String, String)> =
            policy.annotations().map(|(key, value)| (key.into(), value.into())).collect();
        let Annotated { id, needs, problems } =
            annotation::read(source, at, text, permits(policy), &annotations);
        self.problems.extend(problems);
        if needs.is_some() && permits(policy) && !can_wait(policy) {
            let at = at + text.find("@approvals").unwrap_or_default();
            let problem = PolicyProblem::at(source, at, words::nothing_waits());
            self.problems.push(problem.hinted(words::what_waits()));
        }
        let line = PolicyProblem::place(&source.text, at).0;
        if let Some(id) = id.clone().filter(|id| !self.ids.insert(id.clone())) {
            let what = format!("there are two policies `{id}`");
            self.problems.push(PolicyProblem::at(source, at, what));
        }
        let cited = Cited {
            id: id.unwrap_or_else(|| format!("{}:{line}", source.file)),
            text: text.chars().take(TEXT_CHARS_MAX).collect(),
            file: source.file.clone(),
            line,
        };
        let name = PolicyId::new(format!("{}", self.known.len()));
        self.known.insert(name.clone(), Policy { cited, needs, from: at });
        // The names are ours and each is new.
        if let Err(why) = self.policies.add(policy.new_id(name)) {
            self.problems.push(PolicyProblem::at(source, at, why.to_string()));
        }
    }

    fn validate(&mut self, sources: &[Source]) {
        let result = VALIDATOR.validate(&self.policies, ValidationMode::Strict);
        let errors = result
            .validation_errors()
            .map(|error| (error.policy_id().clone(), DetailedError::from(error), true));
        // What is wrong says enough about a policy; what else may be odd about it is told when it is right.
        let wrong: BTreeSet<_> =
            result.validation_errors().map(|error| error.policy_id().to_string()).collect();
        let warnings = result
            .validation_warnings()
            .filter(|warning| !wrong.contains(&warning.policy_id().to_string()))
            .map(|warning| (warning.policy_id().clone(), DetailedError::from(warning), false));
        for (id, detail, error) in errors.chain(warnings) {
            let Some(policy) = self.known.get(&id) else { continue };
            let source = sources.iter().find(|source| source.file == policy.cited.file);
            let Some(source) = source else { continue };
            let mut problem = told(source, &detail);
            if problem.line == 0 {
                problem = PolicyProblem::at(source, policy.from, problem.message);
            }
            // Cedar's own names of policies say nothing to people.
            let own = format!("for policy `{id}`, ");
            problem.message = problem.message.replace(&own, "");
            self.problems.push(PolicyProblem { error, ..problem });
        }
    }
}

/// Whether all that a policy permits can wait for approvals: to run something, or to give a grant.
fn can_wait(policy: &cedar_policy::Policy) -> bool {
    let actions = match policy.action_constraint() {
        ActionConstraint::Any => return false,
        ActionConstraint::In(actions) => actions,
        ActionConstraint::Eq(action) => vec![action],
    };
    let of_grants = matches!(policy.resource_constraint(), ResourceConstraint::Eq(what)
        if what.type_name().basename() == "Bot" && what.id().unescaped() == GRANTS);
    actions.iter().all(|action| match action.id().unescaped() {
        "run" => true,
        "manage" => of_grants,
        _ => false,
    })
}

/// What Cedar says is wrong, with its place.
fn told(source: &Source, detail: &DetailedError) -> PolicyProblem {
    let at = detail.source_locations.first();
    let problem = match at {
        Some(label) => PolicyProblem::at(source, label.loc.start, detail.message.clone()),
        None => PolicyProblem::file(&source.file, detail.message.clone()),
    };
    let label = at.and_then(|at| at.label.clone());
    PolicyProblem { hint: detail.help.clone().or(label), ..problem }
}

/// What there is that policies can name.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// The commands.
    pub aliases: BTreeSet<String>,
    /// The actions of scripts.
    pub operations: BTreeSet<String>,
    /// The labels.
    pub tags: BTreeSet<String>,
    /// The roles that somebody can hold.
    pub roles: RoleNames,
}

/// Roles that approvals have to come from and nobody can hold.
fn unknown_approvers(set: &PolicySet, roles: &RoleNames) -> Vec<PolicyProblem> {
    let mut problems = vec![];
    for policy in set.policies() {
        let from = policy.needs.as_ref().and_then(|needs| needs.from.as_ref());
        let Some(role) = from.filter(|role| !roles.contains(*role)) else { continue };
        let source = set.sources.iter().find(|source| source.file == policy.cited.file);
        let Some(source) = source else { continue };
        let at = policy.from + source.text[policy.from..].find("@from").unwrap_or_default();
        let what = format!("there is no role `{role}`: nobody could approve it");
        let problem = PolicyProblem::at(source, at, what).warning();
        let hint = nearest(role, roles.iter().map(String::as_str));
        let hint = hint.map_or_else(
            || "name it under `[roles]` in the configuration".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        problems.push(problem.hinted(hint));
    }
    problems
}

/// The names in policies that nothing has: they may be mistyped.
pub fn unknown(set: &PolicySet, names: &Names) -> Vec<PolicyProblem> {
    let mut problems = vec![];
    let kinds = [
        ("Alias", "alias", &names.aliases),
        ("Operation", "action", &names.operations),
        ("Tag", "tag", &names.tags),
        ("Role", "role", &names.roles),
    ];
    problems.extend(unknown_approvers(set, &names.roles));
    for (kind, word, known) in kinds {
        for (policy, name) in set.named(kind) {
            if known.contains(&name) || (kind == "Tag" && name == super::GUARDED) {
                continue;
            }
            let source = set.sources.iter().find(|source| source.file == policy.cited.file);
            let Some(source) = source else { continue };
            let written = format!("{kind}::\"{name}\"");
            let found = source.text[policy.from..].find(&written);
            let at = policy.from + found.unwrap_or_default();
            let longer = format!("{name} ");
            let begins = known.iter().find(|known| kind == "Alias" && known.starts_with(&longer));
            let near = || nearest(&name, known.iter().map(String::as_str));
            let hint = begins.map(String::as_str).or_else(near);
            let what = format!("there is no {word} `{name}`");
            let problem = PolicyProblem::at(source, at, what).warning();
            let hint = hint.map(|near| format!("did you mean `{near}`?"));
            problems.push(PolicyProblem { hint, ..problem });
        }
    }
    problems
}
