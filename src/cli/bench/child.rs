//! The bot that is measured: this program as a process of its own, on a directory of its own.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::adapter::matrix::PlainClient;
use crate::cli::Failure;

/// A client that measures is faster than a person and answers at once; another bot of the machine may listen for webhooks.
const CONFIG: &str =
    "[limits]\ncommands_per_minute = 6000\nstop_rings = false\n[web]\nlisten = \"none\"\n";

/// Longest time from its start until it listens.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Longest time from the signal until it has ended.
const STOPPED_WITHIN: Duration = Duration::from_secs(15);
/// How much of what it said is shown when it fails, in characters.
const SAID_CHARS_MAX: usize = 1_000;

/// The script that answers.
const SCRIPT: &str =
    "//! Answers.\n\nalias(\"ping\", #{ help: \"Answers\" }, || reply(\"pong\"));\n";

/// Writes all that a bot needs: its session, a configuration with nothing in it, one script.
pub async fn prepare(dir: &Path, account: &PlainClient) -> Result<(), Failure> {
    std::fs::create_dir_all(dir.join("scripts"))?;
    std::fs::write(dir.join("scripts").join("ping.rhai"), SCRIPT)?;
    std::fs::write(dir.join("beadle.toml"), CONFIG)?;
    let given = account.give_to_bot(&dir.join("data")).await;
    given.map_err(|why| Failure::new(1, why))
}

/// A running bot.
pub struct Bot {
    child: Child,
    /// When it was started.
    pub started: Instant,
    /// Its process.
    pub pid: u32,
    errors: std::path::PathBuf,
}

impl Bot {
    /// Starts it.
    pub fn start(dir: &Path) -> Result<Self, Failure> {
        let errors = dir.join("stderr");
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--config").arg(dir.join("beadle.toml"));
        command.arg("--data").arg(dir.join("data")).arg("--scripts").arg(dir.join("scripts"));
        command.arg("--quiet").arg("run");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("BEADLE_") {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(std::fs::File::create(&errors)?).kill_on_drop(true);
        let started = Instant::now();
        let child = command.spawn()?;
        let pid = child.id().unwrap_or_default();
        Ok(Self { child, started, pid, errors })
    }

    /// Waits until it listens; how long that took since its start.
    pub async fn ready(&mut self) -> Result<Duration, Failure> {
        let Some(stdout) = self.child.stdout.take() else {
            return Err(Failure::new(1, "the bot is listened to already"));
        };
        let mut lines = BufReader::new(stdout).lines();
        let said = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if line.starts_with("ready") {
                    return true;
                }
            }
            false
        };
        let ready = tokio::time::timeout(READY_WITHIN, said).await;
        match ready {
            Ok(true) => Ok(self.started.elapsed()),
            Ok(false) => Err(self.failed("the bot ended")),
            Err(_) => Err(self.failed("the bot does not get ready")),
        }
    }

    /// Stops it in order.
    pub async fn stop(mut self) -> Result<(), Failure> {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            let told = kill(Pid::from_raw(pid), Signal::SIGTERM);
            told.map_err(|why| Failure::new(1, format!("cannot stop the bot: {why}")))?;
        }
        match tokio::time::timeout(STOPPED_WITHIN, self.child.wait()).await {
            Ok(ended) => ended.map(drop).map_err(Failure::from),
            Err(_) => Err(self.failed("the bot does not stop")),
        }
    }

    fn failed(&self, what: &str) -> Failure {
        let said = std::fs::read_to_string(&self.errors).unwrap_or_default();
        let said = said.trim();
        let from = said.char_indices().rev().nth(SAID_CHARS_MAX).map_or(0, |(at, _)| at);
        Failure::new(1, format!("{what}: {}", &said[from..]))
    }
}
