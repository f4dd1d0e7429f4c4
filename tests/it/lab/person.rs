//! A person with an encrypting client that shares no code with the bot: matrix-nio, run by `person.py`.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::event::{Chat, Event, give_up, text};
use super::homeserver::{Lab, PYTHON};
use super::plain::Plain;
use super::process::Running;
use super::reaper::Reaper;

/// How long one request to the client may take, its start included.
const ANSWER: Duration = Duration::from_secs(60);

/// A person whose messages are encrypted where the room is; `plain` is the same account without encryption.
pub struct Person<'lab> {
    pub plain: Plain,
    input: Option<ChildStdin>,
    asked: u64,
    heard: Arc<Heard>,
    running: Running,
    log: PathBuf,
    reaper: &'lab Reaper,
}

/// What the client has printed so far.
#[derive(Default)]
struct Heard {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    rooms: HashMap<String, Vec<Event>>,
    answers: HashMap<u64, Result<Value, String>>,
    ended: bool,
}

/// A line of the client.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Event { room: String, event: Event },
    Answer { id: u64, value: Value },
    Error { id: u64, text: String },
}

impl<'lab> Person<'lab> {
    pub fn start(lab: &'lab Lab, plain: Plain) -> Person<'lab> {
        let dir = lab.dir.join(&plain.localpart);
        fs::create_dir(&dir).expect("a person of this name is new");
        let log = dir.join("client.log");
        let mut child = Command::new(PYTHON)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/lab/person.py"))
            .args([&plain.homeserver, &plain.id, &plain.password])
            .arg(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("the lab directory is ours"))
            .process_group(0)
            .spawn()
            .expect("Python starts");
        lab.reaper.watch(child.id());
        let heard = Arc::new(Heard::default());
        let (listener, output) = (Arc::clone(&heard), child.stdout.take().expect("a pipe"));
        thread::spawn(move || listener.listen(output));
        let input = child.stdin.take();
        let mut person = Person {
            plain,
            input,
            asked: 0,
            heard,
            running: Running::new(child),
            log,
            reaper: &lab.reaper,
        };
        person.ask(json!({ "do": "start" }));
        person
    }

    /// Waits until the client has the keys of `user` in `room`: what it says from now on, `user` can read.
    pub fn knows(&mut self, room: &str, user: &str) {
        self.ask(json!({ "do": "know", "room": room, "user": user }));
    }

    /// Says something whose keys nobody else gets before [`Self::share`]; what is said after it can be read as usual.
    pub fn say_withheld(&mut self, room: &str, body: &str) -> String {
        let sent = self.ask(json!({
            "do": "send", "room": room, "type": "m.room.message", "content": text(body),
            "withhold": true,
        }));
        sent.as_str().expect("send gives an id").to_owned()
    }

    /// Sends the keys that were kept back.
    pub fn share(&mut self) {
        self.ask(json!({ "do": "share" }));
    }

    /// Waits until the client has the keys of one device of `user`.
    pub fn knows_device(&mut self, room: &str, user: &str, device: &str) {
        self.ask(json!({ "do": "know", "room": room, "user": user, "device": device }));
    }

    /// Downloads an encrypted file and decrypts it: `file` of an event's content.
    pub fn download(&mut self, file: &Value) -> String {
        let text = self.ask(json!({ "do": "download", "file": file }));
        text.as_str().expect("download gives a text").to_owned()
    }

    /// Sends `user` the notice that the keys that were kept back are not for them, with Matrix's code for the reason.
    pub fn refuse(&mut self, user: &str, code: &str) {
        self.ask(json!({ "do": "refuse", "user": user, "code": code }));
    }

    fn ask(&mut self, mut request: Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        request["id"] = json!(id);
        let input = self.input.as_mut().expect("the input is open until the drop");
        let _ = writeln!(input, "{request}");
        match self.heard.wait(ANSWER, |state| state.answers.remove(&id)) {
            Ok(Ok(value)) => value,
            Ok(Err(text)) => panic!("{}'s client: {request}: {text}", self.plain.id),
            Err(why) => {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                panic!("{}'s client: {request}: {why}\n{log}", self.plain.id)
            }
        }
    }
}

impl Chat for Person<'_> {
    fn send(&mut self, room: &str, kind: &str, content: Value) -> String {
        let sent =
            self.ask(json!({ "do": "send", "room": room, "type": kind, "content": content }));
        sent.as_str().expect("send gives an id").to_owned()
    }

    fn until_within<T>(
        &mut self,
        room: &str,
        what: &str,
        within: Duration,
        mut found: impl FnMut(&[Event]) -> Option<T>,
    ) -> T {
        let look = |state: &mut State| found(state.rooms.get(room).map_or(&[][..], Vec::as_slice));
        self.heard.wait(within, look).unwrap_or_else(|why| {
            let seen = self.heard.state.lock().unwrap().rooms.remove(room).unwrap_or_default();
            give_up(&format!("{what} ({why})"), within, &seen)
        })
    }
}

impl Heard {
    fn listen(&self, output: ChildStdout) {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let line =
                serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let mut state = self.state.lock().unwrap();
            match line {
                Line::Event { room, event } => state.rooms.entry(room).or_default().push(event),
                Line::Answer { id, value } => drop(state.answers.insert(id, Ok(value))),
                Line::Error { id, text } => drop(state.answers.insert(id, Err(text))),
            }
            self.news.notify_all();
        }
        self.state.lock().unwrap().ended = true;
        self.news.notify_all();
    }

    /// Waits until `look` finds something; the error says why it will not.
    fn wait<T>(
        &self,
        within: Duration,
        mut look: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<T, &'static str> {
        let deadline = Instant::now() + within;
        let mut state = self.state.lock().unwrap();
        loop {
            if let Some(found) = look(&mut state) {
                return Ok(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                return Err(if state.ended { "the client has ended" } else { "too slow" });
            }
            state = self.news.wait_timeout(state, left).unwrap().0;
        }
    }
}

impl Drop for Person<'_> {
    /// The client ends with its input, but need not be waited for: it has nothing to lose.
    fn drop(&mut self) {
        drop(self.input.take());
        self.running.signal(nix::sys::signal::Signal::SIGKILL);
        self.reaper.forget(self.running.pid);
    }
}
