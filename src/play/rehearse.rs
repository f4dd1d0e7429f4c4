//! Runs the tests that scripts bring with them, and finds what none of them reaches.
//!
//! Each test is played as written and with a stop at every append, with scripts that wait on their threads and with
//! scripts that are always run again from their journals.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::pattern::{Words, matches};
use super::plays::{Company, one};
use super::stage::Reached;
use crate::domain::budget::Budgets;
use crate::script::engine::engine_within;
use crate::script::load::ScriptSet;
use crate::script::source::Script;

/// Most appends of one test: each is a place to stop at.
pub const APPENDS_MAX: u64 = 500;
/// How long one test may take with all its plays.
pub const TEST_TIME_MAX: Duration = Duration::from_secs(300);

/// Which tests are run, and how often.
#[derive(Debug, Clone, Default)]
pub struct Which {
    /// Only tests of this file.
    pub file: Option<String>,
    /// Only tests with such a name.
    pub name: Option<String>,
    /// Only as written, without stops.
    pub once: bool,
    /// What the scripts and the tests may take.
    pub budgets: Budgets,
}

/// What one test came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Tested {
    /// The script.
    pub file: String,
    /// The test.
    pub name: String,
    /// Where it is declared.
    pub line: u32,
    /// How it ended.
    pub ending: Ending,
}

/// How a test ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// As written in every play.
    Passed {
        /// How often it was played.
        plays: u64,
        /// How many appends there are, and so how many places to stop at.
        appends: u64,
        /// In how many plays an effect came in doubt.
        in_doubt: u64,
    },
    /// Not.
    Failed(Failed),
}

/// The first difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Failed {
    /// The line of the test that was not fulfilled.
    pub line: u32,
    /// The column.
    pub column: u32,
    /// What is different.
    pub what: String,
    /// In which play.
    pub play: String,
    /// What was said until then.
    pub conversation: Vec<String>,
}

/// An alias, or an action that is written in Rhai, that no test has run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unreached {
    /// The script.
    pub file: String,
    /// Where it is declared.
    pub line: u32,
    /// What it is: `alias` or `action`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
}

/// What all tests came to.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Each test, in the order of files and lines.
    pub tests: Vec<Tested>,
    /// What no test has run of the tested scripts.
    pub unreached: Vec<Unreached>,
}

impl Report {
    /// How many tests failed.
    pub fn failed(&self) -> usize {
        self.tests.iter().filter(|test| matches!(test.ending, Ending::Failed(_))).count()
    }
}

/// Runs tests; `tell` hears of each when it has ended.
pub fn run(set: &ScriptSet, which: &Which, mut tell: impl FnMut(&Tested)) -> Report {
    let engine = Arc::new(engine_within(&which.budgets));
    let company = Company { engine, set: set.clone(), budgets: which.budgets };
    let mut report = Report::default();
    let mut reached = BTreeSet::new();
    let scripts =
        set.scripts.values().filter(|it| which.file.as_ref().is_none_or(|f| *f == it.file));
    for script in scripts.clone() {
        for test in script.tests.iter().filter(|test| which.names(&test.name)) {
            let (tested, runs) = one(&company, script, test, which.once);
            reached.extend(runs);
            tell(&tested);
            report.tests.push(tested);
        }
    }
    if which.name.is_none() {
        report.unreached = scripts.flat_map(|script| unreached(script, &reached)).collect();
    }
    report
}

/// What no test has run of a script. A program is faked in a test, so there is nothing of it to reach.
fn unreached(script: &Script, reached: &BTreeSet<Reached>) -> Vec<Unreached> {
    let of = |kind, name: &String, line| Unreached {
        file: script.file.clone(),
        line,
        kind,
        name: name.clone(),
    };
    let aliases = script.aliases.iter().filter(|alias| {
        !reached.contains(&Reached::Alias(script.file.clone(), alias.name.clone()))
    });
    let actions = script.actions.values().filter(|action| {
        action.body.is_some() && !reached.contains(&Reached::Action(action.name.clone()))
    });
    let rules = script
        .rules
        .iter()
        .filter(|rule| !reached.contains(&Reached::Rule(script.file.clone(), rule.name.clone())));
    let aliases = aliases.map(|alias| of("alias", &alias.name, alias.line));
    let rules = rules.map(|rule| of("rule", &rule.name, rule.line));
    let actions = actions.map(|action| of("action", &action.name, action.line));
    let mut all: Vec<Unreached> = aliases.chain(rules).chain(actions).collect();
    all.sort();
    all
}

impl Which {
    /// Whether a test of this name is to be run: `*` is anything, and a part of the name is enough.
    fn names(&self, name: &str) -> bool {
        let fits = |pattern: &String| matches(&format!("*{pattern}*"), name, &mut Words::new());
        self.name.as_ref().is_none_or(fits)
    }
}
