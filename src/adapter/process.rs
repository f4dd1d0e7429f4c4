//! Runs an action as a child process: JSON in, bytes out, within bounds of time and size, and nothing left behind.

mod format;
mod limits;
mod output;
pub mod scrub;
pub mod stream;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{sleep, timeout};

use super::secrets::Secret;
pub use limits::OPEN_FILES_MAX;
use output::Output;
pub use output::{LINE_BYTES_MAX, STDERR_TAIL_BYTES_MAX};
use scrub::Scrub;

/// Most bytes that an action may print, unless it is given another bound.
pub const OUTPUT_BYTES_MAX: usize = 1024 * 1024;
/// How long an action may take to end when it is told to.
pub const KILL_GRACE: Duration = Duration::from_secs(2);
/// How long after an action's end what it started may still print.
pub const PIPES_GRACE: Duration = Duration::from_millis(500);

/// What an action is given of the bot's own environment, and what it gets where the bot has none.
const ENVIRONMENT: [(&str, &str); 3] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/"),
    ("LANG", "C.UTF-8"),
];

/// What to run.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The program and its arguments; never read by a shell.
    pub argv: Vec<String>,
    /// Where it runs; a program such as `./create_vm.py` is found from here.
    pub dir: PathBuf,
    /// What it finds in its environment besides `PATH`, `HOME` and `LANG`.
    pub env: BTreeMap<String, String>,
    /// How long it may run.
    pub timeout: Duration,
    /// How much it may print; see [`OUTPUT_BYTES_MAX`].
    pub output_bytes_max: usize,
    /// Most memory that each of its processes may have.
    pub memory_bytes: Option<u64>,
    /// What it knows and nobody may see.
    pub secrets: Vec<Secret>,
}

/// What became of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// How it ended.
    pub outcome: Outcome,
    /// What it printed, up to the bound.
    pub stdout: Vec<u8>,
    /// The end of what it complained about.
    pub stderr_tail: String,
    /// How long it ran.
    pub duration: Duration,
}

/// How an action ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// By itself, with this status.
    Exited(i32),
    /// By a signal from elsewhere.
    Signalled(i32),
    /// It was stopped at its time limit.
    TimedOut,
    /// It was stopped because it printed more than it may.
    TooMuchOutput,
    /// It never ran; the sentence says why and what to do.
    CannotStart(String),
}

/// Runs an action to its end and passes on each line that it prints as it comes.
///
/// It and everything it started is killed when the future is dropped. What it left running on purpose, in the
/// background and without its pipes, is left alone when it ends by itself.
pub async fn run(spec: &Spec, stdin_json: &Value, on_line: impl FnMut(&str)) -> Finished {
    run_until(sleep(spec.timeout), spec, stdin_json, on_line).await
}

async fn run_until(
    limit: impl Future<Output = ()>,
    spec: &Spec,
    stdin_json: &Value,
    on_line: impl FnMut(&str),
) -> Finished {
    let started = Instant::now();
    let mut running = match Running::start(spec) {
        Ok(running) => running,
        Err(error) => return not_started(spec, &error, started.elapsed()),
    };
    let mut output = Output::new(spec.output_bytes_max, Scrub::new(&spec.secrets), on_line);
    let outcome = running.watch(limit, stdin_json.to_string().into_bytes(), &mut output).await;
    let (stdout, stderr_tail) = output.finish();
    Finished { outcome, stdout, stderr_tail, duration: started.elapsed() }
}

fn not_started(spec: &Spec, error: &std::io::Error, duration: Duration) -> Finished {
    let outcome = Outcome::CannotStart(why_not_started(spec, error));
    Finished { outcome, stdout: Vec::new(), stderr_tail: String::new(), duration }
}

fn why_not_started(spec: &Spec, error: &std::io::Error) -> String {
    let Some(program) = spec.argv.first() else {
        return "the action has no program to run; write it first in `run`".into();
    };
    // Rooms read why; where things are on this machine stands in the bot's own log alone.
    tracing::warn!(program, dir = %spec.dir.display(), %error, "an action cannot be started");
    let program = program.rsplit_once('/').map_or(program.as_str(), |(_, name)| name);
    let hint = match error.kind() {
        _ if !spec.dir.is_dir() => "the folder that it is to run in is not there".into(),
        ErrorKind::NotFound if spec.argv[0].contains('/') => {
            "it is not where the script says, or what its first line `#!…` names is not installed"
                .into()
        }
        ErrorKind::NotFound => {
            "install it, or write a file of the scripts folder as `./name`".into()
        }
        ErrorKind::PermissionDenied => {
            format!("make it executable: `chmod +x {program}`")
        }
        _ if error.raw_os_error() == Some(Errno::ENOEXEC as i32) => {
            "begin it with a line such as `#!/usr/bin/env python3`".into()
        }
        ErrorKind::ArgumentListTooLong => {
            "give it less on its command line; it finds its parameters on stdin too".into()
        }
        ErrorKind::InvalidInput => "its arguments and environment must not hold the byte 0".into(),
        _ => "run it by hand to see why".into(),
    };
    format!("cannot start `{program}`: {error}; {hint}")
}

/// A child in a process group of its own. The group is killed when this goes before the child has ended.
struct Running {
    group: Group,
    child: Child,
    pipes: Option<(ChildStdin, ChildStdout, ChildStderr)>,
}

/// A process group that does not outlive this.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // The group may have ended by itself: there is nothing to do then.
            let _ = killpg(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

/// What happened first.
enum First {
    Ended(std::io::Result<ExitStatus>),
    Flooded,
    OutOfTime,
}

impl Running {
    fn start(spec: &Spec) -> std::io::Result<Self> {
        Self::start_with(spec, |_| {})
    }

    /// The same, after `more` has been set.
    fn start_with(spec: &Spec, more: impl FnOnce(&mut Command)) -> std::io::Result<Self> {
        let (program, arguments) = spec.argv.split_first().ok_or(ErrorKind::InvalidInput)?;
        format::check(program, &spec.dir)?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&spec.dir).env_clear();
        for (name, otherwise) in ENVIRONMENT {
            command.env(name, std::env::var_os(name).unwrap_or_else(|| otherwise.into()));
        }
        command.envs(&spec.env).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        limits::limit(&mut command, spec.memory_bytes);
        more(&mut command);
        let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let pipes = child.stdin.take().zip(child.stdout.take()).zip(child.stderr.take());
        let pipes = pipes.map(|((stdin, stdout), stderr)| (stdin, stdout, stderr));
        Ok(Running { group: Group(group), child, pipes })
    }

    async fn watch(
        &mut self,
        limit: impl Future<Output = ()>,
        input: Vec<u8>,
        output: &mut Output<impl FnMut(&str)>,
    ) -> Outcome {
        let (stdin, stdout, stderr) =
            self.pipes.take().expect("a child is watched once, and its pipes are there");
        let mut drain = pin!(output.drain(stdout, stderr));
        let (first, drained) = self.first(limit, feed(stdin, input), drain.as_mut()).await;
        match first {
            First::Ended(status) => {
                let flooded = !drained && self.last_words(drain).await;
                // From here on the number of the group may belong to another process.
                self.group.0 = None;
                // The status is lost only if someone else waited for the child; nothing in this program does.
                let outcome = status.map_or(Outcome::Signalled(0), outcome);
                if flooded { Outcome::TooMuchOutput } else { outcome }
            }
            First::Flooded => {
                self.kill().await;
                Outcome::TooMuchOutput
            }
            First::OutOfTime => {
                self.stop(drain, drained).await;
                Outcome::TimedOut
            }
        }
    }

    /// Waits for what happens first, and says whether the pipes are closed by then.
    async fn first(
        &mut self,
        limit: impl Future<Output = ()>,
        feed: impl Future<Output = ()>,
        mut drain: Pin<&mut impl Future<Output = bool>>,
    ) -> (First, bool) {
        let (mut limit, mut feed) = (pin!(limit), pin!(feed));
        let (mut fed, mut drained) = (false, false);
        loop {
            tokio::select! {
                ended = self.child.wait() => return (First::Ended(ended), drained),
                () = &mut limit => return (First::OutOfTime, drained),
                () = &mut feed, if !fed => fed = true,
                flooded = &mut drain, if !drained => {
                    drained = true;
                    if flooded {
                        return (First::Flooded, drained);
                    }
                }
            }
        }
    }

    /// Reads what is still in the pipes of a child that has ended; kills what holds them open for too long.
    async fn last_words(&mut self, mut drain: Pin<&mut impl Future<Output = bool>>) -> bool {
        let flooded = match timeout(PIPES_GRACE, &mut drain).await {
            Ok(flooded) => flooded,
            Err(_) => {
                self.group.signal(Signal::SIGKILL);
                timeout(PIPES_GRACE, drain).await.unwrap_or(false)
            }
        };
        if flooded {
            self.group.signal(Signal::SIGKILL);
        }
        flooded
    }

    /// Asks the group to end, and kills it when it has not ended in time.
    async fn stop(&mut self, mut drain: Pin<&mut impl Future<Output = bool>>, mut drained: bool) {
        self.group.signal(Signal::SIGTERM);
        let mut grace = pin!(sleep(KILL_GRACE));
        loop {
            tokio::select! {
                _ = self.child.wait() => break,
                () = &mut grace => break,
                flooded = &mut drain, if !drained => {
                    if flooded {
                        break;
                    }
                    drained = true;
                }
            }
        }
        self.kill().await;
        if !drained {
            // What is killed prints no more; only what has left the group could hold the pipes open.
            let _ = timeout(PIPES_GRACE, drain).await;
        }
    }

    /// Kills the group and waits for the child.
    async fn kill(&mut self) {
        self.group.signal(Signal::SIGKILL);
        let _ = self.child.wait().await;
        self.group.0 = None;
    }
}

fn outcome(status: ExitStatus) -> Outcome {
    match (status.code(), status.signal()) {
        (Some(code), _) => Outcome::Exited(code),
        (None, signal) => Outcome::Signalled(signal.unwrap_or(0)),
    }
}

/// Writes the input; an action need not read it.
async fn feed(mut stdin: ChildStdin, input: Vec<u8>) {
    if stdin.write_all(&input).await.is_ok() {
        let _ = stdin.shutdown().await;
    }
}
