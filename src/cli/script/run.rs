//! `beadle script run --dry`: what a text would do, without doing it.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::style::{out, plain};
use super::super::{Context, Failure, action};
use super::tell;
use crate::app::{SystemClock, SystemEntropy, outside};
use crate::domain::http::METHODS;
use crate::play::dry::{Asked, End, Shown, Source, Step, Wanted, run};
use crate::processor::Settings;
use crate::script::load::{ScriptSet, load_folder_within};
use crate::store::Clock;

/// Most characters of a step that are shown.
const SHOWN_CHARS: usize = 8_000;

/// What to try.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// What is said to the bot.
    text: String,
    /// Who says it.
    #[arg(long = "as", value_name = "USER", default_value = "@you")]
    by: String,
    /// In which room.
    #[arg(long, value_name = "ROOM", default_value = "#ops")]
    room: String,
    /// Does nothing outside: actions that only read are run, everything else is shown.
    #[arg(long)]
    dry: bool,
    /// What an action gives, `cloud.create_vm={"ip":"10.0.0.7"}`, or the JSON that a request is answered with, `POST https://a.example/x={}`; it is not run then.
    #[arg(long, value_name = "ACTION=JSON")]
    answer: Vec<String>,
    /// What people reply to the questions, in their order.
    #[arg(long, value_name = "TEXT")]
    reply: Vec<String>,
}

/// Tries it.
pub(super) fn main(context: &Context, args: &RunArgs) -> Result<u8, Failure> {
    if !args.dry {
        return Err(Failure::new(2, "`script run` runs nothing for real: add `--dry`")
            .hint("`beadle chat` is a room in the terminal where commands are really run"));
    }
    let folder = context.scripts()?;
    let (set, problems) = load_folder_within(&folder, &context.config.budgets);
    tell(context, &problems);
    let prefix = &context.config.prefix;
    let wanted = Wanted {
        text: args.text.clone(),
        by: args.by.clone(),
        room: args.room.clone(),
        answers: answers(&set, &args.answer)?,
        set,
        folder: &folder,
        budgets: context.config.budgets,
        settings: Settings {
            zone: jiff::tz::TimeZone::system(),
            http: Arc::new(context.config.http_allow.clone()),
            ..Settings::simulated(prefix)
        },
        outside: Arc::new(outside(&context.config)),
        now: SystemClock.now(),
        entropy: Arc::new(SystemEntropy),
    };
    let mut replies: VecDeque<String> = args.reply.iter().cloned().collect();
    let mut reply = |asked: &Asked| replies.pop_front().or_else(|| from_terminal(context, asked));
    let mut show = |shown: &Shown| match context.json() {
        true => out!("{}", json!(shown)),
        false => in_words(shown),
    };
    let end = run(&wanted, &mut show, &mut reply).map_err(|why| Failure::new(1, why))?;
    for unused in &replies {
        eprintln!("nobody asked for the reply {unused:?}");
    }
    match end {
        End::NoCommand if !problems.is_empty() => {
            Err(Failure::new(3, format!("{} problems: scripts were left out", problems.len()))
                .hint("`beadle script check` shows them again"))
        }
        end => Ok(ended(context, &end)),
    }
}

/// Reads `action=JSON` words.
fn answers(
    set: &ScriptSet,
    words: &[String],
) -> Result<BTreeMap<String, VecDeque<Value>>, Failure> {
    let mut answers: BTreeMap<String, VecDeque<Value>> = BTreeMap::new();
    for word in words {
        let Some((name, text)) = word.split_once('=') else {
            return Err(Failure::new(2, format!("`--answer {word}` is not `action=JSON`"))
                .hint(r#"--answer 'cloud.create_vm={"ip": "10.0.0.7"}'"#));
        };
        // A request is named by its method and URL.
        if !METHODS.iter().any(|(_, method, _)| name.starts_with(&format!("{method} "))) {
            action::find(set, name)?;
        }
        let value = serde_json::from_str(text).map_err(|why| {
            Failure::new(2, format!("`--answer {word}` is not `action=JSON`: {why}"))
                .hint(format!(r#"a text has quotes: --answer '{name}="done"'"#))
        })?;
        answers.entry(name.to_owned()).or_default().push_back(value);
    }
    Ok(answers)
}

fn in_words(shown: &Shown) {
    let mark = if shown.guess { "? " } else { "" };
    for line in shown.step.to_string().lines() {
        out!("{mark}{}", plain(line, SHOWN_CHARS));
    }
    if let Step::Action { action, source: Source::Placeholder, .. } = &shown.step
        && !shown.guess
    {
        out!(
            "-- nobody said what {action} gives (--answer '{action}=JSON'): the rest is a guess --"
        );
    }
}

/// Asks whoever sits at the terminal, if somebody does.
fn from_terminal(context: &Context, asked: &Asked) -> Option<String> {
    let mut input = std::io::stdin().lock();
    if !input.is_terminal() {
        return None;
    }
    if context.json() {
        eprintln!("{}", plain(&asked.shown(), SHOWN_CHARS));
    }
    eprint!("reply> ");
    let _ = std::io::stderr().flush();
    let mut line = String::new();
    match input.read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line.trim_end_matches('\n').to_owned()),
    }
}

fn ended(context: &Context, end: &End) -> u8 {
    let (word, why, status) = match end {
        End::Done => ("done", None, 0),
        End::Failed => ("failed", None, 1),
        End::NoCommand => ("no_command", Some("no script runs for this".to_owned()), 1),
        End::Unanswered(question) => {
            let why = format!("it waits for the answer to: {question}; `--reply TEXT` answers");
            ("unanswered", Some(why), 0)
        }
        End::Waits(what) => {
            ("waits", Some(format!("it waits for {what}, and nothing brings that here")), 0)
        }
        End::Endless => ("endless", Some("it waits again and again; this is enough".into()), 0),
    };
    match (context.json(), why) {
        (true, why) => out!("{}", json!({ "end": word, "why": why })),
        (false, Some(why)) => out!("-- {} --", plain(&why, SHOWN_CHARS)),
        (false, None) => {}
    }
    status
}
