//! `beadle action`: which actions there are, what they take, and what a call would run.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::ask::ask;
use super::style::{counted, out, plain};
use super::{Context, Failure};
use crate::domain::alias_index::damerau;
use crate::domain::event::EffectClass;
use crate::query::command::Request;
use crate::script::action::{ActionDef, SecretUse};
use crate::script::load::{ScriptSet, load_folder};
use crate::script::param::Args;

/// How many letters may differ between a name and the one that is suggested for it.
const NEAR_MAX: usize = 3;

/// Most characters of a line that is shown.
const SHOWN_CHARS: usize = 4_000;

/// What to show or to run.
#[derive(Debug, clap::Subcommand)]
pub enum ActionCommand {
    /// Lists the actions that the scripts declare.
    #[command(after_help = "Example: beadle action list")]
    List,
    /// Shows what an action takes and how it is run.
    #[command(after_help = "Example: beadle action show cloud.create_vm")]
    Show {
        /// Its name.
        name: String,
    },
    /// Runs an action: what it prints goes to standard error, its result to standard output.
    #[command(
        after_help = "While no bot runs it is done at once all the same; what it says in rooms, and what it asks \
                      people, waits for the bot.\n\n\
                      Example: beadle action run cloud.create_vm name=web001 provider=aws size=small"
    )]
    Run {
        /// Its name.
        name: String,
        /// Its parameters, `name=value`; a list is `a,b` or JSON.
        #[arg(value_name = "NAME=VALUE")]
        params: Vec<String>,
        /// Waits for nothing: the bot does it, at its next start if none runs now.
        #[arg(long, conflicts_with = "dry")]
        queue: bool,
        /// Runs nothing: shows the command line and the names of the variables.
        #[arg(long)]
        dry: bool,
    },
}

/// Shows it.
///
/// # Errors
/// [`Failure`] for an action that is not there and for parameters that do not fit.
pub fn main(context: &Context, command: &ActionCommand) -> Result<u8, Failure> {
    let (set, problems) = load_folder(&context.scripts()?);
    match command {
        ActionCommand::List => {
            set.actions.values().for_each(|def| row(context, &set, def));
            match problems.is_empty() {
                true => Ok(0),
                false => Err(Failure::new(
                    3,
                    format!("the scripts have {}", counted(problems.len() as u64, "problem")),
                )
                .hint("`beadle script check` shows them")),
            }
        }
        ActionCommand::Show { name } => {
            let def = find(&set, name)?;
            match context.json() {
                true => out!("{}", described(&set, def)),
                false => show(&set, def),
            }
            Ok(0)
        }
        ActionCommand::Run { name, params, queue, dry } => {
            let def = find(&set, name)?;
            let params = read(def, params)?;
            let shown = checked(def, &params)?;
            match dry {
                true => show_call(context, def, shown),
                false => run(context, name, params, *queue),
            }
        }
    }
}

/// The action of a name, or one that may be meant.
pub(super) fn find<'a>(set: &'a ScriptSet, name: &str) -> Result<&'a ActionDef, Failure> {
    set.actions.get(name).ok_or_else(|| {
        let near = set.actions.keys().filter(|known| damerau(known, name) <= NEAR_MAX);
        let hint = match near.min_by_key(|known| damerau(known, name)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`beadle action list` shows all".to_owned(),
        };
        Failure::new(1, format!("no script declares the action `{name}`")).hint(hint)
    })
}

/// Reads `name=value` words by the types of the parameters; every problem is told at once.
fn read(def: &ActionDef, words: &[String]) -> Result<Value, Failure> {
    let (mut given, mut wrong) = (Map::new(), vec![]);
    for word in words {
        let Some((name, text)) = word.split_once('=') else {
            wrong.push(format!("`{word}` is not `name=value`"));
            continue;
        };
        let value = match def.params.get(name) {
            Some(param) => param.read(text),
            // What is not known is told with the rest.
            None => Ok(Value::String(text.to_owned())),
        };
        match value {
            Ok(value) if given.contains_key(name) => {
                wrong.push(format!("`{name}` is given twice, the second time as {value}"));
            }
            Ok(value) => drop(given.insert(name.to_owned(), value)),
            Err(wants) => wrong.push(format!("`{name}` must be {wants}, not `{text}`")),
        }
    }
    if wrong.is_empty() {
        return Ok(Value::Object(given));
    }
    Err(Failure::new(2, wrong.join("\n")).hint(format!("`beadle action show {}`", def.name)))
}

/// The command line and the parameters of a call that fits.
fn checked(def: &ActionDef, given: &Value) -> Result<(Vec<String>, Args), Failure> {
    let checked = def.complete(given).and_then(|args| Ok((def.argv(&args)?, args)));
    checked.map_err(|why| Failure::new(2, why).hint(format!("`beadle action show {}`", def.name)))
}

/// Orders a call, and shows what comes of it.
fn run(context: &Context, name: &str, params: Value, queue: bool) -> Result<u8, Failure> {
    let mut status = 0;
    let request = Request::ActionRun { action: name.to_owned(), params, queue };
    ask(context, &request, &mut |row| {
        if row["state"] == "failed" || row["state"] == "waiting" {
            status = 1;
        }
        match row["line"].as_str() {
            Some(line) => eprintln!("{}", plain(line, SHOWN_CHARS)),
            None if context.json() => out!("{row}"),
            None => show_state(&row),
        }
        Ok(())
    })?;
    Ok(status)
}

fn show_state(row: &Value) {
    let text = |name: &str| plain(row[name].as_str().unwrap_or(""), SHOWN_CHARS);
    match (row["state"].as_str(), &row["result"], &row["text"]) {
        (Some("started"), _, _) => eprintln!("execution {}", text("execution")),
        (Some("waiting"), _, _) => {
            let id: String = text("execution").chars().take(8).collect();
            eprintln!("error: {id} waits for somebody or something, and goes on when the bot runs");
            eprintln!(
                "hint: `beadle execution show {id}` tells for what, `beadle execution cancel {id}` ends it"
            );
        }
        (Some("failed"), _, _) => {
            let why = row["error"]["message"].as_str().or(row["error"].as_str());
            eprintln!("error: {}", plain(why.unwrap_or("it failed"), SHOWN_CHARS));
        }
        (Some("succeeded"), Value::String(text), _)
        | (Some("succeeded"), Value::Null, Value::String(text)) => {
            text.lines().for_each(|line| out!("{}", plain(line, SHOWN_CHARS)));
        }
        (Some("succeeded"), value, _) => out!("{value}"),
        _ => out!("{}: recorded, and done as soon as the bot runs", text("order")),
    }
}

fn show_call(
    context: &Context,
    def: &ActionDef,
    (argv, args): (Vec<String>, Args),
) -> Result<u8, Failure> {
    let variables: Vec<&String> = def.env.keys().chain(def.secrets.keys()).collect();
    let lock = def.lock_name(&args);
    if context.json() {
        out!(
            "{}",
            json!({ "action": def.name, "argv": argv, "params": args, "env": variables, "lock": lock })
        );
        return Ok(0);
    }
    match def.body {
        Some(_) => out!("a closure in {}", place(def)),
        None => argv.iter().for_each(|word| out!("{word:?}")),
    }
    out!("standard input  {}", Value::Object(args));
    variables.iter().for_each(|name| out!("variable        {name}"));
    lock.iter().for_each(|lock| out!("lock            {lock}"));
    Ok(0)
}

fn row(context: &Context, set: &ScriptSet, def: &ActionDef) {
    match context.json() {
        true => out!("{}", described(set, def)),
        false => out!("{:<24} {:<12} {}", def.name, class(def), def.help),
    }
}

fn show(set: &ScriptSet, def: &ActionDef) {
    out!("{}  {}", def.name, def.help);
    out!("  declared in  {}", file(set, def));
    match def.body {
        Some(_) => out!("  runs         a closure in Rhai"),
        None => out!("  runs         {}", def.run.join(" ")),
    }
    for (name, param) in &def.params {
        out!("  takes        {name}: {}", param.shown());
    }
    if def.body.is_some() {
        return;
    }
    out!("  effect       {}", class(def));
    out!("  output       {}", def.output.word());
    out!("  time limit   {} s", def.timeout_ms as f64 / 1000.0);
    def.memory_bytes.iter().for_each(|bytes| out!("  memory       {} MiB", bytes >> 20));
    def.dir.iter().for_each(|dir| out!("  folder       {dir}"));
    def.lock.iter().for_each(|lock| out!("  lock         {lock}"));
    if let Some(retry) = &def.retry {
        let on = retry.on.as_ref().map_or("what does no harm".into(), |on| on.join(", "));
        let seconds = retry.wait_ms as f64 / 1000.0;
        out!("  attempts     {}, {seconds} s between them, after {on}", retry.times);
    }
    def.env.keys().for_each(|name| out!("  variable     {name}"));
    for (name, used) in &def.secrets {
        out!("  secret       {name}: {}", used_as(used));
    }
}

fn used_as(used: &SecretUse) -> String {
    match used {
        SecretUse::Value(name) => name.clone(),
        SecretUse::File(name) => format!("{name}, as a file"),
    }
}

fn class(def: &ActionDef) -> &'static str {
    match (&def.body, def.effect) {
        (Some(_), _) => "in Rhai",
        (None, EffectClass::Read) => "read",
        (None, EffectClass::Idempotent) => "idempotent",
        (None, EffectClass::Once | EffectClass::Log) => "once",
    }
}

fn file(set: &ScriptSet, def: &ActionDef) -> String {
    let script = set.scripts.values().find(|script| script.actions.contains_key(&def.name));
    script.map_or_else(|| place(def), |script| format!("{}:{}", script.file, def.line))
}

fn place(def: &ActionDef) -> String {
    format!("line {} of version {}", def.line, def.script)
}

fn described(set: &ScriptSet, def: &ActionDef) -> Value {
    let params: BTreeMap<&String, String> =
        def.params.iter().map(|(name, param)| (name, param.shown())).collect();
    json!({
        "action": def.name, "help": def.help, "file": file(set, def), "run": def.run,
        "params": params, "effect": class(def), "output": def.output.word(), "timeout_ms": def.timeout_ms,
        "memory_bytes": def.memory_bytes, "dir": def.dir, "lock": def.lock,
        "env": def.env.keys().collect::<Vec<_>>(), "secrets": def.secrets.keys().collect::<Vec<_>>(),
        "attempts": def.retry.as_ref().map_or(1, |retry| retry.times), "version": def.script,
    })
}
