//! What scripts say of one another: actions that are named and not declared, and formats that mean the same.

use std::collections::{BTreeMap, BTreeSet};

use super::super::load::{ScriptSet, problem};
use super::super::problem::Problem;
use super::super::source::AliasDef;
use super::{ActionUse, meant};
use crate::domain::alias::Format;
use crate::domain::alias_index::{AliasId, AliasIndex, Found};
use crate::domain::near::nearest;

/// What is wrong among scripts that were loaded together; `uses` are the actions that each file names.
pub fn look(set: &ScriptSet, uses: &BTreeMap<String, Vec<ActionUse>>) -> Vec<Problem> {
    let mut problems = vec![];
    for (file, uses) in uses {
        let Some(script) = set.scripts.get(file) else { continue };
        for it in uses {
            problems.extend(action(set, file, &script.source, it));
        }
    }
    problems.extend(formats(set));
    problems
}

fn action(set: &ScriptSet, file: &str, source: &str, it: &ActionUse) -> Option<Problem> {
    let problem = |what: String| problem(file, source, it.place, what);
    let Some(def) = set.actions.get(&it.action) else {
        let near = nearest(&it.action, set.actions.keys().map(String::as_str));
        let what = format!("there is no action `{}`", it.action);
        return Some(problem(what).hinted(meant(near)).coded("missing_action"));
    };
    let (names, values) = it.params.as_ref()?;
    let unknown = names.iter().find(|name| !def.params.contains_key(*name));
    let (what, hint) = match (unknown, values) {
        (Some(name), _) => {
            let known = def.params.keys().map(String::as_str);
            let all = known.clone().collect::<Vec<_>>().join(", ");
            let hint = meant(nearest(name, known)).unwrap_or_else(|| format!("it takes {all}"));
            (format!("`{}` has no parameter `{name}`", it.action), Some(hint))
        }
        (None, Some(values)) => (def.command_line(values).err()?, None),
        (None, None) => return None,
    };
    Some(problem(what).hinted(hint).coded("bad_parameters"))
}

/// An alias and the script that it is in.
type Offered<'a> = (&'a str, &'a str, &'a AliasDef);

/// Formats that mean the same, or that another one always takes.
fn formats(set: &ScriptSet) -> Vec<Problem> {
    let of_script = set.scripts.values().flat_map(|script| {
        script.aliases.iter().map(move |it| (script.file.as_str(), script.source.as_str(), it))
    });
    let aliases: Vec<Offered> = of_script.collect();
    let mut all = vec![];
    for (nth, (.., alias)) in aliases.iter().enumerate() {
        let parsed = alias.formats.iter().filter_map(|text| Format::parse(text).ok());
        all.extend(parsed.map(|format| (AliasId(nth), format)));
    }
    let index = AliasIndex::new(all.clone());
    let mut problems = vec![];
    let mut told = BTreeSet::new();
    for (id, format) in &all {
        let looked = looked_up(&index, *id, format, &aliases);
        let own = aliases[id.0];
        if let (true, Some((winner, text))) =
            (looked.won == 0 && looked.tied.is_empty(), &looked.lost)
        {
            let (file, _, other) = aliases[*winner];
            let what = format!("`{}` can never match", format.usage());
            let hint = format!("\"{text}\" runs `{}` ({file}:{})", other.name, other.line);
            problems.push(placed(own, what).hinted(Some(hint)).coded("never_matches"));
        }
        for (other, text) in looked.tied {
            if told.insert((id.0.min(other), id.0.max(other))) {
                let (file, _, def) = aliases[other];
                let what = format!(
                    "\"{text}\" fits this alias and `{}` ({file}:{}) equally well",
                    def.name, def.line
                );
                let hint = "people are asked which one they mean: give one of them another word"
                    .to_owned();
                let problem = placed(own, what).hinted(Some(hint)).coded("formats_collide");
                problems.push(if looked.won == 0 { problem } else { problem.warning() });
            }
        }
    }
    problems
}

/// What a format's own examples find.
#[derive(Default)]
struct Looked {
    won: usize,
    tied: BTreeMap<usize, String>,
    lost: Option<(usize, String)>,
}

fn looked_up(index: &AliasIndex, id: AliasId, format: &Format, aliases: &[Offered]) -> Looked {
    let mut looked = Looked::default();
    for text in format.examples() {
        match index.lookup(&text) {
            Found::One(hit) if hit.alias == id => looked.won += 1,
            Found::One(hit) => looked.lost = Some((hit.alias.0, text)),
            Found::Tie(hits) => {
                let others = hits.iter().map(|hit| hit.alias.0).filter(|other| *other != id.0);
                for other in others {
                    if same_rooms(aliases[id.0].2, aliases[other].2) {
                        looked.tied.entry(other).or_insert_with(|| text.clone());
                    }
                }
            }
            Found::None { .. } => {}
        }
    }
    looked
}

/// Whether two aliases can be said in the same room.
fn same_rooms(a: &AliasDef, b: &AliasDef) -> bool {
    a.rooms.is_empty() || b.rooms.is_empty() || a.rooms.iter().any(|room| b.rooms.contains(room))
}

fn placed((file, source, alias): Offered, what: String) -> Problem {
    Problem::at(file, source, alias.line, alias.column, what)
}
