//! The web listener on loopback: who is believed, what is recorded, what every bound does.

mod answers;
mod bounds;
mod command;
mod examples;
mod figures;
mod proofs;
mod storm;
mod terminal;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use beadle::adapter::secrets::Secrets;
use beadle::config::{self, Config};
use beadle::domain::event::Event;
use beadle::domain::named::NamedEvent;
use beadle::domain::trigger::What;
use beadle::processor::Settings;
use beadle::processor::intake::Ear;
use beadle::processor::pause::Guard;
use beadle::store::EventStore;
use beadle::store::space::Space;
use beadle::web::serve::serve;
use beadle::web::{Bounds, Parts, Web};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::desk::Desk;
use crate::store_world::{everything, surroundings};

/// How long a test waits for an answer before it fails.
const WITHIN: Duration = Duration::from_secs(60);
/// The secret of the tests' hooks: that of GitHub's documentation.
pub const SECRET: &str = "It's a Secret to Everybody";

/// Hooks of every kind.
const HOOKS: &str = r#"
[hooks.open]
auth = "none"
headers = ["X-Event"]
delivery_header = "X-Delivery"

[hooks.public]
auth = "none"
open = true

[hooks.ci]
auth = "bearer"
secret = "hook"

[hooks.am]
auth = "basic"
secret = "hook"
user = "alertmanager"

[hooks.gh]
auth = "github"
secret = "hook"

[hooks.signed]
auth = "hmac"
secret = "hook"
timestamp_header = "X-Time"
window = "5m"

[hooks.lost]
auth = "bearer"
secret = "nobody-has-it"

[hooks.rare]
auth = "none"
per_minute = 3
"#;

/// A listener on a kernel of its own.
pub struct Site {
    pub desk: Desk,
    pub web: Arc<Web>,
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    work: JoinHandle<()>,
    _secrets: tempfile::TempDir,
}

/// What a test changes of a site.
#[derive(Default)]
pub struct Plan {
    pub bounds: Bounds,
    pub space: Option<Arc<dyn Space>>,
    pub store: Option<Arc<dyn EventStore>>,
    pub more: &'static str,
    pub script: &'static str,
}

/// Reads a configuration as the program does.
pub fn configured(text: &str) -> config::Web {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("beadle.toml");
    std::fs::write(&path, text).expect("the directory is ours");
    Config::load(Some(&path), &BTreeMap::new()).expect("it is right").web
}

/// A folder with the one secret.
pub fn secrets_in(folder: &Path) {
    let path = folder.join("hook");
    std::fs::write(&path, SECRET).expect("the directory is ours");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("ours");
}

impl Site {
    pub async fn new() -> Self {
        Self::with(Plan::default()).await
    }

    pub async fn with(plan: Plan) -> Self {
        let desk = match plan.store {
            None => Desk::new(plan.script),
            Some(store) => Desk::on(plan.script, |_| store),
        };
        let secrets = tempfile::tempdir().expect("a temporary directory");
        secrets_in(secrets.path());
        let ear = Ear::new(desk.kernel.clone());
        let ear = match plan.space {
            Some(space) => ear.guarded(Guard::new(space, None)),
            None => ear,
        };
        let parts = Parts {
            ear: Arc::new(ear),
            kernel: desk.kernel.clone(),
            secrets: Secrets::new(Some(secrets.path().to_owned()), "", std::iter::empty()),
            entropy: surroundings(7).0.entropy,
            data: None,
            connects: false,
            bounds: plan.bounds,
        };
        let config = configured(&format!("{}\n{HOOKS}", plan.more));
        let hooks = Arc::new(config.hooks.clone());
        desk.kernel.behave(Settings { hooks, ..(*desk.kernel.settings()).clone() });
        let web = Web::new(parts, config);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let (stop, stopping) = watch::channel(false);
        let work = tokio::spawn(serve(listener, web.clone(), stopping));
        Self { desk, web, address, stop, work, _secrets: secrets }
    }

    /// Asks the listener to stop; the work ends by itself.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub async fn ended(self) {
        self.stop();
        tokio::time::timeout(WITHIN, self.work).await.expect("it ends").expect("no panic");
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("somebody listens")
    }

    /// Sends a whole request, and reads the answer to its end.
    pub async fn ask(&self, request: &Ask) -> Answer {
        let mut stream = self.connect().await;
        // Who refuses early reads no further.
        let _ = stream.write_all(&request.bytes()).await;
        read(&mut stream).await
    }

    /// Posts to a hook.
    pub async fn post(&self, hook: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.ask(&Ask::post(hook, headers, body)).await
    }

    /// The named triggers of the log.
    pub fn events(&self) -> Vec<NamedEvent> {
        named(self.desk.kernel.store.as_ref())
    }
}

/// The named triggers of a log.
pub fn named(store: &dyn EventStore) -> Vec<NamedEvent> {
    let all = everything(store).into_iter();
    all.filter_map(|recorded| match recorded.event() {
        Some(Event::TriggerRecorded(e)) => match &e.trigger.what {
            What::Event(event) => Some(event.clone()),
            _ => None,
        },
        _ => None,
    })
    .collect()
}

/// A request.
pub struct Ask {
    pub method: &'static str,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Ask {
    pub fn post(hook: &str, headers: &[(&str, &str)], body: &str) -> Self {
        let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        let (path, body) = (format!("/hooks/{hook}"), body.as_bytes().to_vec());
        Self { method: "POST", path, headers: headers.collect(), body }
    }

    pub fn get(path: &str) -> Self {
        Self { method: "GET", path: path.into(), headers: vec![], body: vec![] }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let Self { method, path, headers, body } = self;
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        [text.as_bytes(), body].concat()
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// 0: the connection ended without one.
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let fits =
            |line: &&str| line.split_once(':').is_some_and(|(it, _)| it.eq_ignore_ascii_case(name));
        Some(self.head.lines().find(fits)?.split_once(':')?.1.trim())
    }

    /// What is wrong, in words.
    pub fn error(&self) -> String {
        let told = self.json();
        assert!(told["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{self:?}");
        told["error"].as_str().expect("it says what is wrong").to_owned()
    }
}

/// Reads an answer until the connection ends.
pub async fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = vec![];
    let reading = stream.read_to_end(&mut bytes);
    // A connection that is cut may cut the answer short; what came of it counts.
    let _ = tokio::time::timeout(WITHIN, reading).await.expect("an answer or an end");
    let text = String::from_utf8_lossy(&bytes);
    assert!(!text.contains(SECRET), "the secret is in {text}");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}
