//! What scripts say of one another: actions that are named and not declared, and formats that mean the same.

use std::collections::{BTreeMap, BTreeSet};

use super::super::action::ActionDef;
use super::super::load::{ScriptSet, problem};
use super::super::param::{ParamDef, ParamKind, Presence};
use super::super::problem::Problem;
use super::super::source::AliasDef;
use super::{ActionUse, meant};
use crate::domain::alias::{Format, Kind, Parameter};
use crate::domain::alias_index::{AliasId, AliasIndex, Found};
use crate::domain::help::help_word;
use crate::domain::near::nearest;
use crate::domain::own_command;

/// What a file names, whether it could be loaded or not.
pub struct Named {
    /// Its source.
    pub source: String,
    /// The actions that it uses.
    pub uses: Vec<ActionUse>,
    /// The actions that it declares by names that are written out.
    pub declares: Vec<String>,
}

/// What is wrong among scripts that were loaded together; `named` is what each file names.
pub fn look(set: &ScriptSet, named: &BTreeMap<String, Named>) -> Vec<Problem> {
    // What a file declares that cannot be loaded is not missing: the file is what is wrong.
    let broken: BTreeSet<&str> =
        named.values().flat_map(|it| &it.declares).map(String::as_str).collect();
    let mut problems = vec![];
    for (file, Named { source, uses, .. }) in named {
        for it in uses {
            let Some(def) = set.actions.get(&it.action) else {
                let missing = !broken.contains(it.action.as_str()) && it.formats.is_empty();
                problems.extend(missing.then(|| none_such(set, file, source, it)));
                continue;
            };
            match it.formats.is_empty() {
                true => problems.extend(given(def, file, source, it)),
                false => problems.extend(exposed(def, file, source, it)),
            }
        }
    }
    problems.extend(formats(set));
    problems
}

fn none_such(set: &ScriptSet, file: &str, source: &str, it: &ActionUse) -> Problem {
    let near = nearest(&it.action, set.actions.keys().map(String::as_str));
    let what = format!("there is no action `{}`", it.action);
    problem(file, source, it.place, what).hinted(meant(near)).coded("missing_action")
}

/// What is wrong with the parameters that a call writes out.
fn given(def: &ActionDef, file: &str, source: &str, it: &ActionUse) -> Option<Problem> {
    let (names, values) = it.params.as_ref()?;
    let unknown = names.iter().find(|name| !def.params.contains_key(*name));
    let (what, hint) = match (unknown, values) {
        (Some(name), _) => unknown_parameter(def, name),
        (None, Some(values)) => (def.command_line(values).err()?, None),
        (None, None) => return None,
    };
    Some(problem(file, source, it.place, what).hinted(hint).coded("bad_parameters"))
}

fn unknown_parameter(def: &ActionDef, name: &str) -> (String, Option<String>) {
    let known = def.params.keys().map(String::as_str);
    let hint = meant(nearest(name, known.clone())).unwrap_or_else(|| {
        match known.collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "it takes no parameters".to_owned(),
            names => format!("it takes {names}"),
        }
    });
    (format!("`{}` has no parameter `{name}`", def.name), Some(hint))
}

/// What is wrong with an alias that runs an action with nothing in between: what its formats give is what the action gets.
fn exposed(def: &ActionDef, file: &str, source: &str, it: &ActionUse) -> Vec<Problem> {
    let mut found: Vec<(String, Option<String>)> = vec![];
    for format in it.formats.iter().filter_map(|text| Format::parse(text).ok()) {
        let parameters = format.parameters();
        for (name, param) in &def.params {
            let has = parameters.iter().any(|parameter| parameter.name == *name);
            if !has && param.presence == Presence::Needed {
                let what = format!(
                    "`{}` needs `{name}`, and `{}` never gives it",
                    def.name,
                    format.usage()
                );
                let hint =
                    format!("put `{{{name}}}` into the format, or give it a default in the action");
                found.push((what, Some(hint)));
            }
        }
        for parameter in parameters {
            match def.params.get(&parameter.name) {
                None => found.push(unknown_parameter(def, &parameter.name)),
                Some(param) => found.extend(misfit(parameter, param)),
            }
        }
    }
    found.dedup();
    let told =
        |(what, hint)| problem(file, source, it.place, what).hinted(hint).coded("bad_parameters");
    found.into_iter().map(told).collect()
}

/// Why what a format gives never fits a parameter of an action, if so.
fn misfit(parameter: &Parameter, param: &ParamDef) -> Option<(String, Option<String>)> {
    let name = &parameter.name;
    let wants = param.wants();
    let texts_only = |kind: &ParamKind| {
        matches!(
            kind,
            ParamKind::Text | ParamKind::Any | ParamKind::Choice(_) | ParamKind::Duration
        )
    };
    let number =
        |kind: &ParamKind| matches!(kind, ParamKind::Number | ParamKind::Any | ParamKind::Duration);
    let fits = match (&parameter.kind, &param.kind) {
        (Kind::Int, kind) => number(kind) || *kind == ParamKind::Int,
        (Kind::Number, kind) => number(kind),
        (Kind::Bool, kind) => matches!(kind, ParamKind::Bool | ParamKind::Any),
        (Kind::Choices(list), ParamKind::Choice(known)) => list.iter().any(|it| known.contains(it)),
        (_, kind) => texts_only(kind),
    };
    let instead = match &param.kind {
        ParamKind::Int => ":int",
        ParamKind::Number => ":number",
        ParamKind::Bool => ":bool",
        _ => "",
    };
    let hint = format!("write `{{{name}{instead}}}` in the format");
    let hint = match &param.kind {
        ParamKind::Choice(list) => {
            format!("write `{{{name}: {}}}` in the format", list.join(" | "))
        }
        ParamKind::List | ParamKind::Map => {
            "write a handler that makes it: `|args| exec(..)`".into()
        }
        _ => hint,
    };
    let what = format!("`{name}` must be {wants}, and the format never gives that");
    (!fits).then_some((what, Some(hint)))
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
    let commands = own_command::examples();
    let mut problems = vec![];
    let mut told = BTreeSet::new();
    for (id, format) in &all {
        let looked = looked_up(&index, *id, format, &aliases);
        let own = aliases[id.0];
        problems.extend(of_the_bot(own, format, &commands));
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

/// What a format has in common with the bot's own commands: help always comes first, of the others the script does.
fn of_the_bot(own: Offered, format: &Format, commands: &[String]) -> Option<Problem> {
    let for_help = |text: &String| help_word(text).is_some();
    let examples = format.examples();
    if let Some(text) = examples.iter().find(|text| for_help(text)) {
        let what = format!("`{}` can never match", format.usage());
        let hint = format!("\"{text}\" asks for help: begin it with another word");
        let problem = placed(own, what).hinted(Some(hint)).coded("never_matches");
        return Some(if examples.iter().all(for_help) { problem } else { problem.warning() });
    }
    let text = commands.iter().find(|text| format.matches(text).is_some())?;
    let word = text.split(' ').next().unwrap_or_default();
    let what = format!("\"{text}\" is a command of the bot itself, and this alias takes it");
    let hint = format!("nobody could use the bot's own `{word}` any more: choose another word");
    let problem = placed(own, what).hinted(Some(hint)).coded("formats_collide");
    Some(if own.2.rooms.is_empty() { problem } else { problem.warning() })
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
