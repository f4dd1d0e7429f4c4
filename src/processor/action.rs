//! Actions as the processors see them: a call goes in, a result for the script comes out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::http::{self, HttpCall};
use crate::adapter::http_client::HttpClient;
use crate::adapter::process::scrub::Scrub;
use crate::adapter::process::{self, Finished, Outcome, Spec};
use crate::adapter::secrets::{Secret, Secrets};
use crate::domain::event::EffectResult;
use crate::script::action::{ActionDef, NOT_STARTED, OutputFormat, SecretUse};

/// Most of an action's output that a script sees, in bytes; the rest is kept beside the log.
pub const RESULT_BYTES_MAX: usize = 64 * 1024;
/// The same in bytes of JSON, where control characters take six each.
pub const RESULT_JSON_BYTES_MAX: usize = 128 * 1024;
/// Most of an error output that people see, in bytes.
const ERROR_BYTES_MAX: usize = 2_000;

/// Most lines that wait to be taken up while an action runs; what it prints beyond is in its output alone.
pub const LINES_QUEUED_MAX: usize = 256;

/// One call of an action.
#[derive(Debug, Clone)]
pub struct ActionCall {
    /// What makes it the same call when it comes again; the action sees it as `BEADLE_EFFECT_ID`.
    pub effect: String,
    /// The execution that calls; the action sees it as `BEADLE_EXECUTION`.
    pub execution: String,
    /// What to run.
    pub def: ActionDef,
    /// Its parameters.
    pub args: Value,
    /// When it is stopped.
    pub timeout: Duration,
    /// The scripts folder.
    pub folder: PathBuf,
    /// Takes the lines that it prints, as they come.
    pub lines: mpsc::Sender<String>,
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

/// Runs actions, and sends requests.
pub trait Actions: Send + Sync {
    /// Runs one, to its end or its time limit.
    fn run(&self, call: ActionCall) -> BoxFuture<'_, ActionDone>;
    /// Sends a request of a script, to its end or its time limit; who runs actions alone refuses.
    fn fetch(&self, call: HttpCall) -> BoxFuture<'_, ActionDone> {
        Box::pin(async move { http::unsent(&call.request) })
    }
}

/// Actions as child processes, and requests over the network.
pub struct Processes {
    /// What they may know.
    pub secrets: Secrets,
    /// What sends requests.
    pub http: HttpClient,
}

impl Actions for Processes {
    fn run(&self, call: ActionCall) -> BoxFuture<'_, ActionDone> {
        Box::pin(async move {
            let spec = match spec(&call, &self.secrets) {
                Ok(spec) => spec,
                Err(why) => return refused(&call, why),
            };
            let json = call.def.output == OutputFormat::Json;
            let on_line = |line: &str| {
                // What looks like the result is no progress; who takes the lines up may be behind.
                if !(line.trim().is_empty() || json && line.starts_with(['{', '['])) {
                    let _ = call.lines.try_send(line.to_owned());
                }
            };
            let output = process::run(&spec, &call.args, on_line).await;
            scrubbed(done(&call, output), &Scrub::new(&spec.secrets))
        })
    }

    fn fetch(&self, call: HttpCall) -> BoxFuture<'_, ActionDone> {
        Box::pin(self.send(call))
    }
}

/// Nothing has happened, and that is certain.
fn refused(call: &ActionCall, message: String) -> ActionDone {
    let error = json!({ "kind": NOT_STARTED, "action": call.def.name, "message": message });
    ActionDone { result: EffectResult::Err(error), whole: None, took: Duration::ZERO }
}

/// A value that the program wrote with escapes of its own may show a secret that its bytes did not.
fn scrubbed(done: ActionDone, scrub: &Scrub) -> ActionDone {
    let result = match done.result {
        EffectResult::Ok(value) => EffectResult::Ok(scrub.value(value)),
        EffectResult::Err(value) => EffectResult::Err(scrub.value(value)),
    };
    ActionDone { result, ..done }
}

/// What to run for a call.
///
/// # Errors
/// Why it cannot be run, in words.
fn spec(call: &ActionCall, secrets: &Secrets) -> Result<Spec, String> {
    let argv = call.def.command_line(&call.args)?;
    let mut spec = spec_of(&call.def, argv, &call.folder, secrets)?;
    spec.env.insert("BEADLE_EFFECT_ID".into(), call.effect.clone());
    spec.env.insert("BEADLE_EXECUTION".into(), call.execution.clone());
    Ok(Spec { timeout: call.timeout, ..spec })
}

/// What to run for a sensor.
///
/// # Errors
/// Why it cannot be run, in words.
pub fn sensor_spec(
    def: &ActionDef,
    secrets: &Secrets,
    scripts: &Path,
    name: &str,
    cursor: Option<&str>,
) -> Result<Spec, String> {
    let mut spec = spec_of(def, def.run.clone(), scripts, secrets)?;
    spec.env.insert("BEADLE_SENSOR".into(), name.to_owned());
    if let Some(cursor) = cursor {
        spec.env.insert("BEADLE_CURSOR".into(), cursor.to_owned());
    }
    Ok(spec)
}

fn spec_of(
    def: &ActionDef,
    mut argv: Vec<String>,
    scripts: &Path,
    secrets: &Secrets,
) -> Result<Spec, String> {
    let folder = scripts.join(&def.folder);
    let mut env = def.env.clone();
    let mut known = vec![];
    for (variable, used) in &def.secrets {
        let secret = secrets.get(used.name())?;
        let value = match used {
            SecretUse::Value(_) => secret.expose().to_owned(),
            SecretUse::File(name) => path_of(&secret, name)?,
        };
        env.insert(variable.clone(), value);
        known.push(secret);
    }
    let dir = match &def.dir {
        None => folder,
        Some(dir) => {
            // A program that is named by its path is still found from the folder of the script.
            if let Some(program) = argv.first_mut().filter(|it| it.contains('/')) {
                let path = std::path::absolute(folder.join(&*program));
                let path = path.map_err(|why| format!("{program}: {why}"))?;
                *program = path.to_string_lossy().into_owned();
            }
            folder.join(dir)
        }
    };
    Ok(Spec {
        argv,
        dir,
        env,
        timeout: Duration::ZERO,
        output_bytes_max: process::OUTPUT_BYTES_MAX,
        memory_bytes: def.memory_bytes,
        secrets: known,
    })
}

/// Where the file of a secret is.
fn path_of(secret: &Secret, name: &str) -> Result<String, String> {
    let path = secret.file().ok_or_else(|| {
        format!("the secret `{name}` is a variable, and the action needs it as a file: put it into the folder of [secrets]")
    })?;
    let path = std::path::absolute(path).map_err(|why| format!("the secret `{name}`: {why}"))?;
    Ok(path.to_string_lossy().into_owned())
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
        Outcome::CannotStart(why) => {
            (NOT_STARTED, format!("{name} cannot be started: {why}"), None)
        }
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
        OutputFormat::Json => json_of(&output.stdout),
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

/// The JSON that was printed: all of the output, or its last line behind lines of progress.
fn json_of(stdout: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(stdout).or_else(|why| {
        let mut lines = stdout.split(|byte| *byte == b'\n').rev();
        let last = lines.find(|line| !line.iter().all(u8::is_ascii_whitespace));
        let last = last.and_then(|line| serde_json::from_slice(line).ok());
        last.ok_or_else(|| format!("it did not print JSON: {why}"))
    })
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

    fn fetch(&self, call: HttpCall) -> BoxFuture<'_, ActionDone> {
        (**self).fetch(call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::EffectClass;
    use crate::script::action::tests::plain;

    fn call(output: OutputFormat) -> ActionCall {
        let def = ActionDef { output, effect: EffectClass::Read, ..plain("a.b") };
        let (timeout, folder) = (Duration::from_secs(60), std::env::temp_dir());
        let (effect, execution) = ("E-0".into(), "E".into());
        let (lines, _) = mpsc::channel(LINES_QUEUED_MAX);
        ActionCall { effect, execution, def, args: json!({}), timeout, folder, lines }
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

    fn secrets() -> Secrets {
        let environment = [("S_DOOR".to_owned(), "open-sesame".to_owned())];
        Secrets::new(None, "S_", environment.into_iter())
    }

    async fn run(script: &str, change: impl FnOnce(&mut ActionCall)) -> (ActionDone, Vec<String>) {
        let (lines, mut taken) = mpsc::channel(LINES_QUEUED_MAX);
        let mut call = ActionCall { lines, ..call(OutputFormat::Json) };
        call.def.run = vec!["/bin/sh".into(), "-c".into(), script.into()];
        change(&mut call);
        let done = Processes { secrets: secrets(), http: HttpClient::default() }.run(call).await;
        let mut lines = vec![];
        while let Some(line) = taken.recv().await {
            lines.push(line);
        }
        (done, lines)
    }

    #[tokio::test]
    async fn an_action_finds_what_it_needs_and_shows_no_secret() {
        let script = r#"echo "door is $DOOR"; echo; printf '{"id":"%s","of":"%s","pin":"\\u006fpen-sesame"}' $BEADLE_EFFECT_ID $BEADLE_EXECUTION"#;
        let (done, lines) = run(script, |call| {
            call.def.secrets.insert("DOOR".into(), SecretUse::Value("door".into()));
        })
        .await;
        let want = json!({ "id": "E-0", "of": "E", "pin": "[secret door]" });
        assert_eq!(done.result, EffectResult::Ok(want));
        assert_eq!(lines, ["door is [secret door]"]);
    }

    #[tokio::test]
    async fn what_is_not_there_starts_nothing() {
        for (used, want) in [
            (SecretUse::Value("none".into()), "there is no secret `none`"),
            (SecretUse::File("door".into()), "needs it as a file"),
        ] {
            let secret = used.clone();
            let (done, _) = run("echo {}", |call| {
                call.def.secrets.insert("X".into(), secret);
            })
            .await;
            let EffectResult::Err(error) = done.result else { panic!("{used:?}") };
            assert_eq!(error["kind"], NOT_STARTED, "{used:?}");
            assert!(error["message"].as_str().unwrap().contains(want), "{error}");
        }
        let (done, _) = run("", |call| call.def.run = vec!["no-such-program".into()]).await;
        let EffectResult::Err(error) = done.result else { panic!("it cannot start") };
        assert_eq!(error["kind"], NOT_STARTED);
    }

    #[tokio::test]
    async fn an_action_runs_where_it_says_and_is_found_beside_its_script() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("work")).unwrap();
        std::os::unix::fs::symlink("/bin/pwd", dir.path().join("where")).unwrap();
        let (done, _) = run("", |call| {
            call.def.run = vec!["./where".into()];
            call.def.output = OutputFormat::Text;
            call.def.dir = Some("work".into());
            call.folder = dir.path().to_owned();
        })
        .await;
        let want = dir.path().canonicalize().unwrap().join("work");
        assert_eq!(done.result, EffectResult::Ok(json!(want)));
    }

    #[test]
    fn json_is_all_of_the_output_or_its_last_line() {
        for (printed, want) in [
            ("{\n\"a\": 1}\n", Some(json!({"a": 1}))),
            ("step 1\nstep 2\n{\"a\": 1}\n\n", Some(json!({"a": 1}))),
            ("step 1\n", None),
            ("", None),
        ] {
            assert_eq!(json_of(printed.as_bytes()).ok(), want, "{printed:?}");
        }
    }
}
