//! `beadle alias`: which commands there are, and what a text would run.

use serde_json::{Map, Value, json};

use super::style::{counted, out};
use super::{Context, Failure};
use crate::domain::alias::{Format, Match};
use crate::domain::alias_index::Found;
use crate::domain::help::ranked;
use crate::processor::scripts::catalog;
use crate::script::load::load_folder_within;

/// What to show.
#[derive(Debug, clap::Subcommand)]
pub enum AliasCommand {
    /// Lists the commands that the scripts offer.
    #[command(after_help = "Example: beadle alias list create vm")]
    List {
        /// Only those that these words are about, the best first, as `!help WORDS` finds them.
        words: Vec<String>,
    },
    /// Says what a text would run, with which parameters.
    #[command(after_help = "Example: beadle alias match -- create vm web001 on aws")]
    Match {
        /// Match against this format alone.
        #[arg(long, value_name = "FORMAT")]
        format: Option<String>,
        /// The text, without the prefix.
        #[arg(required = true, allow_hyphen_values = true)]
        text: Vec<String>,
    },
}

/// Shows it; a text that matches nothing is an answer too.
pub fn main(context: &Context, command: &AliasCommand) -> Result<u8, Failure> {
    match command {
        AliasCommand::List { words } => list(context, &words.join(" ")),
        AliasCommand::Match { format: Some(format), text } => {
            let parsed = Format::parse(format).map_err(|error| {
                Failure::new(2, format!("format, column {}: {error}", error.column + 1))
                    .hint(error.hint())
            })?;
            let matched = parsed.matches(&text.join(" "));
            print(context, matched.map(|matched| (format.clone(), matched)), &[]);
            Ok(0)
        }
        AliasCommand::Match { format: None, text } => {
            let (set, _) = load_folder_within(&context.scripts()?, &context.config.budgets);
            let catalog = catalog(&set);
            let text = text.join(" ");
            match catalog.index.lookup(&text) {
                Found::One(hit) => {
                    let name = catalog.aliases[hit.alias.0].name.clone();
                    print(context, Some((name, hit.matched)), &[]);
                }
                Found::Tie(hits) => {
                    let several: Vec<String> = hits.iter().map(|hit| hit.format.usage()).collect();
                    print(context, None, &several);
                }
                Found::None { suggestions, .. } => print(context, None, &suggestions),
            }
            Ok(0)
        }
    }
}

fn list(context: &Context, words: &str) -> Result<u8, Failure> {
    let (set, problems) = load_folder_within(&context.scripts()?, &context.config.budgets);
    let all = catalog(&set).aliases;
    for alias in ranked(&all, words).into_iter().map(|at| &all[at]) {
        if context.json() {
            out!(
                "{}",
                json!({
                    "alias": alias.name, "formats": alias.usages, "help": alias.help,
                    "tags": alias.tags, "example": alias.example, "role": alias.role, "file": alias.file, "version": alias.script,
                })
            );
            continue;
        }
        out!("{:<50} {}", alias.usages.first().map_or("", String::as_str), alias.help);
        alias.usages.iter().skip(1).for_each(|usage| out!("  or {usage}"));
    }
    match problems.is_empty() {
        true => Ok(0),
        false => Err(Failure::new(
            3,
            format!("the scripts have {}", counted(problems.len() as u64, "problem")),
        )
        .hint("`beadle script check` shows them")),
    }
}

fn print(context: &Context, found: Option<(String, Match)>, near: &[String]) {
    let Some((name, matched)) = found else {
        match context.json() {
            true => out!(
                "{}",
                json!({ "matched": false, "params": { "extra": {} }, "suggestions": near })
            ),
            false => {
                out!("no match");
                near.iter().for_each(|usage| out!("  near: {usage}"));
            }
        }
        return;
    };
    let mut params: Map<String, Value> = matched.params.into_iter().collect();
    let extra: Map<String, Value> = matched.extra.into_iter().collect();
    params.insert("extra".into(), Value::Object(extra));
    match context.json() {
        true => out!("{}", json!({ "matched": true, "alias": name, "params": params })),
        false => {
            out!("{name}");
            params.iter().for_each(|(name, value)| out!("  {name} = {value}"));
        }
    }
}
