//! Actions as the processors see them: a call goes in, a result for the script comes out.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use crate::adapter::process::{self, Finished, Outcome, Spec};
use crate::domain::event::EffectResult;
use crate::script::source::{ActionDef, OutputFormat};

/// Most of an action's output that a script sees, in bytes; the rest is kept beside the log.
pub const RESULT_BYTES_MAX: usize = 64 * 1024;
/// The same in bytes of JSON, where control characters take six each.
pub const RESULT_JSON_BYTES_MAX: usize = 128 * 1024;
/// Most of an error output that people see, in bytes.
const ERROR_BYTES_MAX: usize = 2_000;

/// One call of an action.
#[derive(Debug, Clone)]
pub struct ActionCall {
    /// What makes it the same call when it comes again; the action sees it as `BEADLE_EFFECT_ID`.
    pub effect: String,
    /// What to run.
    pub def: ActionDef,
    /// Its parameters.
    pub args: Value,
    /// When it is stopped.
    pub timeout: Duration,
    /// The scripts folder.
    pub folder: PathBuf,
}

/// What a call gave.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionDone {
    /// What the script gets.
    pub result: EffectResult,
    /// The whole output, where the result holds only its beginning.
    pub whole: Option<Vec<u8>>,
    /// How long it took.
    pub took: Duration,
}

/// Runs actions.
pub trait Actions: Send + Sync {
    /// Runs one, to its end or its time limit.
    fn run(&self, call: ActionCall) -> BoxFuture<'_, ActionDone>;
}

/// Actions as child processes.
pub struct Processes;

impl Actions for Processes {
    fn run(&self, call: ActionCall) -> BoxFuture<'_, ActionDone> {
        Box::pin(async move {
            let spec = match spec(&call) {
                Ok(spec) => spec,
                Err(why) => return refused(&call, why),
            };
            let output = process::run(&spec, &call.args, |_| {}).await;
            done(&call, output)
        })
    }
}

fn refused(call: &ActionCall, message: String) -> ActionDone {
    let error = json!({ "kind": "failed", "action": call.def.name, "message": message });
    ActionDone { result: EffectResult::Err(error), whole: None, took: Duration::ZERO }
}

fn spec(call: &ActionCall) -> Result<Spec, String> {
    let argv = call.def.command_line(&call.args)?;
    let mut env = call.def.env.clone();
    env.insert("BEADLE_EFFECT_ID".into(), call.effect.clone());
    Ok(Spec {
        argv,
        dir: call.folder.join(&call.def.folder),
        env,
        timeout: call.timeout,
        output_bytes_max: process::OUTPUT_BYTES_MAX,
    })
}

/// What a process's end means to the script that called it.
fn done(call: &ActionCall, output: Finished) -> ActionDone {
    let name = &call.def.name;
    let seconds = call.timeout.as_secs_f64();
    let (kind, message, code) = match &output.outcome {
        Outcome::Exited(0) => return good(call, output),
        Outcome::Exited(code) => {
            let why = last_words(&output.stderr_tail);
            ("failed", format!("{name} ended with status {code}{why}"), Some(*code))
        }
        Outcome::Signalled(signal) => {
            ("failed", format!("{name} was killed by signal {signal}"), None)
        }
        Outcome::TimedOut => {
            ("timed_out", format!("{name} took longer than {seconds} s and was stopped"), None)
        }
        Outcome::TooMuchOutput => {
            let most = process::OUTPUT_BYTES_MAX / 1024;
            ("failed", format!("{name} printed more than {most} KiB and was stopped"), None)
        }
        Outcome::CannotStart(why) => ("failed", format!("{name} cannot be started: {why}"), None),
    };
    let shown = beginning(&output.stdout, ERROR_BYTES_MAX);
    let error = json!({
        "kind": kind, "action": name, "message": message, "code": code, "output": shown,
    });
    let whole = (output.stdout.len() > ERROR_BYTES_MAX).then_some(output.stdout);
    ActionDone { result: EffectResult::Err(error), whole, took: output.duration }
}

fn good(call: &ActionCall, output: Finished) -> ActionDone {
    let took = output.duration;
    let long = output.stdout.len() > RESULT_BYTES_MAX;
    let text = beginning(&output.stdout, RESULT_BYTES_MAX);
    let value = match call.def.output {
        OutputFormat::Text => Ok(Value::String(text.trim_end().to_owned())),
        OutputFormat::Lines => Ok(text.lines().map(|line| Value::String(line.into())).collect()),
        OutputFormat::Json if long => {
            Err(format!("its JSON is longer than {} KiB", RESULT_BYTES_MAX / 1024))
        }
        OutputFormat::Json => serde_json::from_slice(&output.stdout)
            .map_err(|why| format!("it did not print JSON: {why}")),
    };
    let fits = |value: &Value| match value.to_string().len() {
        bytes if bytes > RESULT_JSON_BYTES_MAX => {
            Err(format!("its output is {bytes} bytes as JSON, more than {RESULT_JSON_BYTES_MAX}"))
        }
        _ => Ok(()),
    };
    let result = value.and_then(|value| fits(&value).map(|()| value)).map_or_else(
        |why| {
            let message = format!("{} ended well, but {why}", call.def.name);
            EffectResult::Err(json!({
                "kind": "failed", "action": call.def.name, "message": message, "code": 0,
                "output": beginning(&output.stdout, ERROR_BYTES_MAX),
            }))
        },
        EffectResult::Ok,
    );
    ActionDone { result, whole: long.then_some(output.stdout), took }
}

fn beginning(bytes: &[u8], max: usize) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(max)]).into_owned();
    if bytes.len() > max { format!("{text}… ({} bytes more)", bytes.len() - max) } else { text }
}

/// Most of the last line of an error output that stands in a message, in characters.
const LAST_WORDS_CHARS_MAX: usize = 300;

/// The last line of an error output, for the message.
fn last_words(stderr: &str) -> String {
    let last = stderr.lines().rev().find(|line| !line.trim().is_empty());
    last.map_or(String::new(), |line| {
        format!(": {}", line.chars().take(LAST_WORDS_CHARS_MAX).collect::<String>())
    })
}

/// For those who share one runner.
impl<T: Actions + ?Sized> Actions for Arc<T> {
    fn run(&self, call: ActionCall) -> BoxFuture<'_, ActionDone> {
        (**self).run(call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::EffectClass;

    fn call(output: OutputFormat) -> ActionCall {
        let def = ActionDef {
            name: "a.b".into(),
            run: vec!["true".into()],
            params: Default::default(),
            timeout_ms: 1_000,
            output,
            effect: EffectClass::Read,
            env: Default::default(),
            help: String::new(),
            folder: String::new(),
        };
        let (timeout, folder) = (Duration::from_secs(1), PathBuf::new());
        ActionCall { effect: "E-0".into(), def, args: Value::Null, timeout, folder }
    }

    fn ended(outcome: Outcome, stdout: String, stderr: &str) -> Finished {
        let (stdout, stderr_tail) = (stdout.into_bytes(), stderr.to_owned());
        Finished { outcome, stdout, stderr_tail, duration: Duration::ZERO }
    }

    #[test]
    fn a_script_sees_a_bounded_output_and_the_whole_is_kept() {
        let whole = |bytes: usize| "x".repeat(bytes);
        let json = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
        let (most, error) = (RESULT_BYTES_MAX, ERROR_BYTES_MAX);
        let good = Outcome::Exited(0);
        for (outcome, format, stdout, shown, kept) in [
            (good.clone(), OutputFormat::Text, whole(most), most, false),
            (good.clone(), OutputFormat::Text, whole(most + 7), most, true),
            (good.clone(), OutputFormat::Lines, whole(most), most, false),
            (good.clone(), OutputFormat::Lines, whole(most + 7), most, true),
            (good.clone(), OutputFormat::Json, json(most), most - 2, false),
            (good, OutputFormat::Json, json(most + 7), error - 1, true),
            (Outcome::Exited(1), OutputFormat::Text, whole(error), error, false),
            (Outcome::Exited(1), OutputFormat::Text, whole(error + 7), error, true),
            (Outcome::TooMuchOutput, OutputFormat::Json, whole(most + 7), error, true),
        ] {
            let what = format!("{outcome:?} {format:?} {}", stdout.len());
            let done = done(&call(format), ended(outcome, stdout.clone(), ""));
            let text = match &done.result {
                EffectResult::Ok(Value::Array(lines)) => lines[0].clone(),
                EffectResult::Ok(text) => text.clone(),
                EffectResult::Err(error) => error["output"].clone(),
            };
            let text = text.as_str().expect("a text");
            assert_eq!(text.matches('x').count(), shown, "{what}");
            assert_eq!(text.contains("bytes more)"), kept, "{what}");
            assert_eq!(done.whole, kept.then(|| stdout.into_bytes()), "{what}");
        }
    }

    #[test]
    fn the_last_words_of_an_action_are_few() {
        for (stderr, want) in [
            (String::new(), 0),
            ("a\nb\n \n".into(), 1),
            ("ä".repeat(LAST_WORDS_CHARS_MAX), LAST_WORDS_CHARS_MAX),
            ("ä".repeat(LAST_WORDS_CHARS_MAX + 7), LAST_WORDS_CHARS_MAX),
        ] {
            let said = last_words(&stderr);
            let said = said.strip_prefix(": ").unwrap_or(&said);
            assert_eq!(said.chars().count(), want, "{} bytes", stderr.len());
        }
    }
}
