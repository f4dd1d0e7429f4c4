//! A child process that is not expected to end: its lines are taken one by one, as fast as somebody takes them.
//!
//! Its standard input stays open as long as the bot lives: a child that reads it sees the end of the bot. One that does not is
//! killed by the system with the thread that started it.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::signal::Signal;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::scrub::{Cut, Scrub};
use super::{KILL_GRACE, LINE_BYTES_MAX, Outcome, Running, Spec, outcome, why_not_started};

/// Longest line of a sensor, in bytes; a longer one counts as bad.
pub const SENSOR_LINE_BYTES_MAX: usize = 192 * 1024;
/// How many of the lines that a sensor complains with are shown in a minute.
pub const COMPLAINTS_A_MINUTE_MAX: u32 = 20;
/// How many of the last lines that a sensor complained with are kept for those who ask.
const COMPLAINTS_KEPT: usize = 3;
/// How long it may take to take in what it is told first.
const FEED_WITHIN: Duration = Duration::from_secs(5);

/// One line, as it was printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Without its end.
    Text(String),
    /// It was longer than it may be.
    TooLong,
}

/// A child that runs.
pub struct Stream {
    running: Running,
    lines: Lines<BufReader<ChildStdout>>,
    scrub: Scrub,
    complaints: Arc<Mutex<VecDeque<String>>>,
    listener: JoinHandle<()>,
    _stdin: Option<ChildStdin>,
}

impl Stream {
    /// Starts it, and writes the first line that it may read.
    ///
    /// # Errors
    /// Why it cannot be started, and what to do.
    pub async fn start(name: &str, spec: &Spec, first: &str) -> Result<Self, String> {
        let started = Running::start_with(spec, dies_with_us);
        let mut running = started.map_err(|error| why_not_started(spec, &error))?;
        let (mut stdin, stdout, stderr) =
            running.pipes.take().expect("a child has its pipes when it has just been started");
        let line = format!("{first}\n");
        // Who does not read it does not need it.
        let fed = timeout(FEED_WITHIN, stdin.write_all(line.as_bytes())).await;
        let stdin = matches!(fed, Ok(Ok(()))).then_some(stdin);
        let (scrub, complaints) = (Scrub::new(&spec.secrets), Arc::default());
        let listener = listen(name.to_owned(), stderr, scrub.clone(), Arc::clone(&complaints));
        let lines = Lines::new(BufReader::new(stdout), SENSOR_LINE_BYTES_MAX);
        Ok(Self { running, lines, scrub, complaints, listener, _stdin: stdin })
    }

    /// The next line; none: it prints no more. Nothing is lost if this is dropped while it waits.
    pub async fn next(&mut self) -> Option<Line> {
        Some(match self.lines.next().await? {
            Line::Text(text) => Line::Text(self.scrub.text(&text, Cut::No)),
            Line::TooLong => Line::TooLong,
        })
    }

    /// How it ended; what it started is ended too.
    pub async fn ended(mut self) -> (Outcome, String) {
        let status = timeout(KILL_GRACE, self.running.child.wait()).await;
        let ended = match status {
            Ok(Ok(status)) => outcome(status),
            // It has closed its output and goes on: nobody would ever hear of it again.
            Ok(Err(_)) | Err(_) => {
                self.stop_group().await;
                Outcome::Signalled(0)
            }
        };
        self.running.group.signal(Signal::SIGKILL);
        self.running.group.0 = None;
        let _ = timeout(KILL_GRACE, &mut self.listener).await;
        let complaints = self.complaints.lock().expect("nobody panics with them");
        (ended, complaints.back().cloned().unwrap_or_default())
    }

    /// Asks it to end, and kills it and all that it started when it has not ended in time.
    pub async fn stop(mut self) {
        self.stop_group().await;
    }

    async fn stop_group(&mut self) {
        self.running.group.signal(Signal::SIGTERM);
        let _ = timeout(KILL_GRACE, self.running.child.wait()).await;
        self.running.kill().await;
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// A child whose bot is killed is killed as well.
fn dies_with_us(command: &mut Command) {
    let apply = || {
        // SAFETY: it sets a property of this process, the child, and touches no memory.
        match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: what runs between fork and exec makes one system call: it takes no lock and no memory.
    unsafe {
        command.pre_exec(apply);
    }
}

/// Shows what a sensor complains about, within bounds.
fn listen(
    name: String,
    stderr: ChildStderr,
    scrub: Scrub,
    kept: Arc<Mutex<VecDeque<String>>>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut lines = Lines::new(BufReader::new(stderr), LINE_BYTES_MAX);
        let mut pace = Complaints::new(Instant::now());
        while let Some(line) = lines.next().await {
            let Line::Text(text) = line else { continue };
            let text = scrub.text(&text, Cut::No);
            if let Some(left_out) = pace.shows(Instant::now()) {
                tracing::warn!(sensor = name, left_out, "it says: {text}");
            }
            let mut kept = kept.lock().expect("nobody panics with them");
            kept.push_back(text);
            if kept.len() > COMPLAINTS_KEPT {
                kept.pop_front();
            }
        }
    })
}

/// How many lines are shown in a minute.
struct Complaints {
    since: Instant,
    shown: u32,
    left_out: u64,
}

impl Complaints {
    fn new(now: Instant) -> Self {
        Self { since: now, shown: 0, left_out: 0 }
    }

    /// Whether one more is shown, and how many before it were not.
    fn shows(&mut self, now: Instant) -> Option<u64> {
        if now.duration_since(self.since) >= Duration::from_secs(60) {
            (self.since, self.shown) = (now, 0);
        }
        if self.shown == COMPLAINTS_A_MINUTE_MAX {
            self.left_out += 1;
            return None;
        }
        self.shown += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// Lines within a bound; a waiting read that is dropped loses nothing.
pub(super) struct Lines<R> {
    reader: R,
    most: usize,
    line: Vec<u8>,
    too_long: bool,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub(super) fn new(reader: R, most: usize) -> Self {
        Self { reader, most, line: vec![], too_long: false }
    }

    /// The next line; a last one without an end is torn, and is none.
    pub(super) async fn next(&mut self) -> Option<Line> {
        loop {
            let read = self.reader.fill_buf().await.ok()?;
            if read.is_empty() {
                return None;
            }
            let end = read.iter().position(|byte| *byte == b'\n');
            let piece = &read[..end.unwrap_or(read.len())];
            let room = self.most - self.line.len();
            self.too_long |= piece.len() > room;
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            let taken = end.map_or(read.len(), |end| end + 1);
            self.reader.consume(taken);
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                return Some(match std::mem::take(&mut self.too_long) {
                    true => Line::TooLong,
                    false => {
                        let line = line.strip_suffix(b"\r").unwrap_or(&line);
                        Line::Text(String::from_utf8_lossy(line).into_owned())
                    }
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::adapter::process::OUTPUT_BYTES_MAX;

    fn shell(script: &str) -> Spec {
        Spec {
            argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
            dir: std::env::temp_dir(),
            env: BTreeMap::new(),
            timeout: Duration::ZERO,
            output_bytes_max: OUTPUT_BYTES_MAX,
            memory_bytes: None,
            secrets: vec![],
        }
    }

    #[tokio::test]
    async fn lines_come_within_a_bound() {
        let long = "x".repeat(11);
        let text = format!("one\ntwo\r\n{long}\n\n0123456789\ntorn");
        let mut lines = Lines::new(BufReader::with_capacity(4, text.as_bytes()), 10);
        let mut got = vec![];
        while let Some(line) = lines.next().await {
            got.push(match line {
                Line::Text(text) => text,
                Line::TooLong => "too long".into(),
            });
        }
        assert_eq!(got, ["one", "two", "too long", "", "0123456789"]);
        assert_eq!(SENSOR_LINE_BYTES_MAX, 192 * 1024);
    }

    #[tokio::test]
    async fn it_reads_where_it_goes_on_and_sees_the_end() {
        let spec = shell("read first; echo \"from $first\"; echo broken >&2; read more; exit 3");
        let mut stream = Stream::start("doors", &spec, "{\"cursor\":7}").await.expect("it starts");
        assert_eq!(stream.next().await, Some(Line::Text("from {\"cursor\":7}".into())));
        // The end of its input is the end of the bot.
        drop(stream._stdin.take());
        assert_eq!(stream.next().await, None);
        assert_eq!(stream.ended().await, (Outcome::Exited(3), "broken".into()));
    }

    #[tokio::test]
    async fn it_ends_when_it_is_told_to_with_all_that_it_started() {
        let spec = shell("sleep 1000 & echo $!; trap '' TERM; echo ready; wait; wait");
        let mut stream = Stream::start("doors", &spec, "{}").await.expect("it starts");
        let Some(Line::Text(child)) = stream.next().await else { panic!("it prints") };
        assert_eq!(stream.next().await, Some(Line::Text("ready".into())));
        stream.stop().await;
        let child = nix::unistd::Pid::from_raw(child.trim().parse().expect("a number"));
        // Killed at once, and reaped by the system when it gets to it.
        let gone = || match std::fs::read_to_string(format!("/proc/{child}/stat")) {
            Err(_) => true,
            Ok(stat) => stat.contains(") Z "),
        };
        while !gone() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_cannot_start_says_why() {
        let spec = Spec { argv: vec!["no-such-program".into()], ..shell("") };
        let why = Stream::start("doors", &spec, "{}").await.err().expect("it cannot start");
        assert!(why.contains("cannot start `no-such-program`"), "{why}");
    }

    #[test]
    fn complaints_are_shown_within_a_bound() {
        let start = Instant::now();
        let mut pace = Complaints::new(start);
        let shown = (0..50).filter(|_| pace.shows(start).is_some()).count();
        assert_eq!(shown, COMPLAINTS_A_MINUTE_MAX as usize);
        let later = start + Duration::from_secs(60);
        assert_eq!(pace.shows(later), Some(30), "it says how many were left out");
        assert_eq!(pace.shows(later), Some(0));
    }
}
