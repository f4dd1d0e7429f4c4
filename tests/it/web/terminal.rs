//! `beadle chat --listen` in a terminal of its own: the whole program, with a log on disk and a listener.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::openpty;

use crate::cli::Place;

/// The longest that a start or an end may take; a debug build on a busy machine needs a part of it.
const WITHIN: Duration = Duration::from_secs(120);

/// The program at work.
pub struct Terminal {
    child: Child,
    keys: File,
    lines: Receiver<String>,
    pub address: SocketAddr,
    errors: PathBuf,
}

impl Terminal {
    /// Starts it with the log in `data` and the configuration in `beadle.toml`, and waits until it listens.
    pub fn start(place: &Place, args: &[&str]) -> Self {
        let pair = openpty(None, None).expect("a terminal");
        let errors = place.path("stderr.log");
        let log = File::options().create(true).append(true).open(&errors).expect("ours");
        let common =
            ["--data", "data", "--config", "beadle.toml", "chat", "--listen", "127.0.0.1:0"];
        let mut command = place.command(&[&common[..], args].concat());
        let slave = || Stdio::from(pair.slave.try_clone().expect("a descriptor"));
        command.env("TERM", "xterm").stdin(slave()).stdout(slave()).stderr(log);
        let child = command.spawn().expect("the program is built");
        drop((pair.slave, command));
        let keys = File::from(pair.master.try_clone().expect("a descriptor"));
        let (tell, lines) = channel();
        let screen = BufReader::new(File::from(pair.master));
        // It ends with an error when the program has closed its side.
        thread::spawn(move || {
            for line in screen.split(b'\n').map_while(Result::ok) {
                if tell.send(String::from_utf8_lossy(&line).trim().to_owned()).is_err() {
                    return;
                }
            }
        });
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut started = Self { child, keys, lines, address, errors };
        let line = started.wait_for("webhooks: http://");
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
        started.address = address.and_then(|it| it.parse().ok()).expect("an address");
        started
    }

    /// Waits for a line with these words.
    pub fn wait_for(&self, words: &str) -> String {
        let until = Instant::now() + WITHIN;
        let mut seen = vec![];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => seen.push(line),
                Err(why) => {
                    let errors = std::fs::read_to_string(&self.errors).unwrap_or_default();
                    panic!("{why} before `{words}`:\n{}\n{errors}", seen.join("\n"));
                }
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as a power cut would.
    pub fn kill9(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it is ours");
    }

    /// Ends it as whoever sits at it would.
    pub fn quit(mut self) {
        // The end of the input: one key, because what is typed faster than a person types is read too late.
        self.keys.write_all(b"\x04").expect("it reads");
        let until = Instant::now() + WITHIN;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                assert!(status.success(), "{status}");
                return;
            }
            assert!(Instant::now() < until, "it does not end");
            // What it prints at its end is read, so that it can end.
            let _ = self.lines.recv_timeout(Duration::from_millis(20));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended already, or a test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
