//! IRC for real: Debian's ngircd on a free port, and people with small clients of their own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::homeserver::{Lab, free_port};
use super::process::Running;

/// Where `tools/install.sh` unpacks what is not installed.
pub(super) const UNPACKED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/irc/usr");
/// How long one thing may take on IRC; the bridge sends a line every second and a half.
pub(super) const WITHIN: Duration = Duration::from_secs(60);

/// An IRC server.
pub struct Ircd {
    pub port: u16,
    running: Running,
}

impl Ircd {
    /// Starts one whose files are in the lab's directory.
    ///
    /// # Panics
    /// If it takes no connections.
    pub fn start(lab: &Lab) -> Ircd {
        let port = free_port();
        let config = format!(
            "[Global]\n Name = irc.lab.test\n Info = lab\n Listen = 127.0.0.1\n Ports = {port}\n MotdPhrase = hello\n\
             [Limits]\n MaxConnectionsIP = 0\n MaxNickLength = 30\n MaxJoins = 50\n\
             [Options]\n DNS = no\n Ident = no\n PAM = no\n"
        );
        fs::write(lab.dir.join("ngircd.conf"), config).expect("the lab directory is ours");
        Ircd { port, running: run(lab, port) }
    }

    /// Kills the server and starts it again; everybody on it is cut off.
    pub fn restart(&mut self, lab: &Lab) {
        self.running.signal(Signal::SIGKILL);
        assert!(self.running.ends_within(WITHIN).is_some(), "ngircd is killed");
        lab.reaper.forget(self.running.pid);
        self.running = run(lab, self.port);
    }

    /// Somebody comes with a nick.
    pub fn person(&self, nick: &str) -> Irc {
        Irc::connect(self.port, nick)
    }
}

fn run(lab: &Lab, port: u16) -> Running {
    unpacked(lab, &lab.dir, "sbin/ngircd", &["-n", "-f", "ngircd.conf"], port)
}

/// Starts one of the unpacked programs in a folder, and waits until the server on `port` takes connections.
pub(super) fn unpacked(
    lab: &Lab,
    dir: &Path,
    program: &str,
    arguments: &[&str],
    port: u16,
) -> Running {
    let log_path = dir.join("irc.log");
    let log = File::options().create(true).append(true).open(&log_path);
    let log = log.expect("the lab directory is ours");
    let child = Command::new(format!("{UNPACKED}/{program}"))
        .args(arguments)
        .current_dir(dir)
        .env("LD_LIBRARY_PATH", libraries())
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file of ours"))
        .stderr(log)
        .process_group(0)
        .spawn()
        .expect("it is unpacked: run tools/install.sh once");
    lab.reaper.watch(child.id());
    let mut running = Running::new(child);
    let deadline = Instant::now() + WITHIN;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = running.ends_within(Duration::from_millis(50));
        let told = || fs::read_to_string(&log_path).unwrap_or_default();
        assert!(ended.is_none() && Instant::now() < deadline, "{program}: {ended:?}: {}", told());
    }
    running
}

/// The folders of libraries that came with the packages.
fn libraries() -> String {
    let folders = fs::read_dir(format!("{UNPACKED}/lib")).expect("tools/install.sh unpacks them");
    let paths = folders.map(|folder| folder.expect("a folder can be read").path());
    paths.map(|path| path.display().to_string()).collect::<Vec<_>>().join(":")
}

/// A person on IRC.
pub struct Irc {
    pub nick: String,
    stream: TcpStream,
    lines: Receiver<String>,
    /// What came and was not asked for yet.
    kept: Vec<String>,
}

impl Irc {
    /// Comes to the server with a nick.
    pub(super) fn connect(port: u16, nick: &str) -> Irc {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server runs");
        let (tell, lines) = channel();
        let (reader, mut writer) = (stream.try_clone(), stream.try_clone());
        let reader = BufReader::new(reader.expect("a socket of ours"));
        thread::spawn(move || {
            for line in reader.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                match (line.strip_prefix("PING"), &mut writer) {
                    (Some(rest), Ok(writer)) => drop(writeln!(writer, "PONG{rest}\r")),
                    _ => drop(tell.send(line)),
                }
            }
        });
        let mut person = Irc { nick: nick.to_owned(), stream, lines, kept: vec![] };
        person.raw(&format!("NICK {nick}"));
        person.raw(&format!("USER {nick} 0 * :{nick}"));
        person.wait(" 001 ");
        person
    }

    /// Sends a line as it is.
    pub fn raw(&mut self, line: &str) {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).expect("the server takes it");
    }

    pub fn join(&mut self, channel: &str) {
        self.raw(&format!("JOIN {channel}"));
        self.wait(" 366 ");
    }

    pub fn say(&mut self, to: &str, text: &str) {
        self.raw(&format!("PRIVMSG {to} :{text}"));
    }

    pub fn quit(mut self) {
        self.raw("QUIT :bye");
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Waits for a line of the server that contains `part`.
    pub fn wait(&mut self, part: &str) -> String {
        self.until(&format!("a line with `{part}`"), |line| {
            line.contains(part).then(|| line.to_owned())
        })
    }

    /// Waits for something that somebody says in a channel or alone and that contains `part`; what was said before it is
    /// forgotten.
    pub fn hears(&mut self, part: &str) -> Said {
        self.until(&format!("`{part}`"), |line| said(line).filter(|it| it.text.contains(part)))
    }

    /// Everything that is said until something with `part`, that among it.
    pub fn hears_all(&mut self, part: &str) -> Vec<Said> {
        let mut all = vec![];
        loop {
            let next = self.until(&format!("`{part}` behind {all:#?}"), said);
            let last = next.text.contains(part);
            all.push(next);
            if last {
                return all;
            }
        }
    }

    /// What is said until the server is gone.
    pub fn rest(self) -> Vec<Said> {
        let lines = self.kept.iter().cloned().chain(self.lines.iter());
        lines.filter_map(|line| said(&line)).collect()
    }

    /// Waits for a line of the server in which `found` finds something.
    pub(super) fn until<T>(&mut self, what: &str, mut found: impl FnMut(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + WITHIN;
        let mut seen = vec![];
        loop {
            let line = match self.kept.is_empty() {
                false => Ok(self.kept.remove(0)),
                true => self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())),
            };
            match line {
                Ok(line) => match found(&line) {
                    Some(found) => return found,
                    None => seen.push(line),
                },
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("{} waited in vain for {what}; seen:\n{}", self.nick, seen.join("\n"));
                }
            }
        }
    }
}

/// Something that was said on IRC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Who.
    pub nick: String,
    /// To which channel or nick.
    pub to: String,
    /// `PRIVMSG` or `NOTICE`.
    pub kind: String,
    pub text: String,
    /// How long the line was on its way here, in bytes.
    pub bytes: usize,
}

fn said(line: &str) -> Option<Said> {
    let (who, rest) = line.strip_prefix(':')?.split_once(' ')?;
    let (kind, rest) = rest.split_once(' ')?;
    let (to, text) = rest.split_once(" :")?;
    let nick = who.split_once('!')?.0;
    let heard = kind == "PRIVMSG" || kind == "NOTICE";
    heard.then(|| Said {
        nick: nick.to_owned(),
        to: to.to_owned(),
        kind: kind.to_owned(),
        text: text.to_owned(),
        bytes: line.len() + 2,
    })
}
