//! Child processes with deadlines.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A child whose end can be waited for with a deadline.
pub struct Running {
    pub pid: u32,
    ended: Receiver<ExitStatus>,
    status: Option<ExitStatus>,
}

impl Running {
    pub fn new(mut child: Child) -> Running {
        let (tell, ended) = channel();
        let pid = child.id();
        thread::spawn(move || tell.send(child.wait().expect("a child of ours")));
        Running { pid, ended, status: None }
    }

    /// Waits for the end of the child; `None` if it still runs after `within`.
    pub fn ends_within(&mut self, within: Duration) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.ended.recv_timeout(within).ok();
        }
        self.status
    }

    /// Sends a signal, unless the child has ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.ends_within(Duration::ZERO).is_none() {
            let _ = kill(Pid::from_raw(self.pid.cast_signed()), signal);
        }
    }
}

/// The lines of a pipe as they come.
pub struct Lines(Receiver<String>);

impl Lines {
    pub fn of(pipe: impl Read + Send + 'static) -> Lines {
        let (tell, lines) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(pipe).lines().map_while(Result::ok);
            lines.for_each(|line| drop(tell.send(line)));
        });
        Lines(lines)
    }

    /// Waits for a line that starts with `start`; the error says what came instead.
    pub fn wait_for(&self, start: &str, within: Duration) -> Result<String, String> {
        let deadline = Instant::now() + within;
        loop {
            match self.0.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line.starts_with(start) => return Ok(line),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("no line `{start}` within {within:?}"));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(format!("ended without a line `{start}`"));
                }
            }
        }
    }
}

/// Runs a command to its end.
///
/// # Panics
/// If it has not ended within `within`; it is killed then.
pub fn finish(command: &mut Command, within: Duration) -> Output {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let pid = Pid::from_raw(child.id().cast_signed());
    let (tell, ended) = channel();
    thread::spawn(move || tell.send(child.wait_with_output()));
    match ended.recv_timeout(within) {
        Ok(output) => output.expect("a child of ours"),
        Err(_) => {
            let _ = kill(pid, Signal::SIGKILL);
            panic!("{command:?} has not ended within {within:?}");
        }
    }
}

/// What a child did, for a failure message.
pub fn told(output: &Output) -> String {
    let how = output.status.code().map_or_else(
        || format!("signal {:?}", output.status.signal()),
        |code| format!("exit status {code}"),
    );
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{how}\n--- stdout\n{out}\n--- stderr\n{err}")
}
