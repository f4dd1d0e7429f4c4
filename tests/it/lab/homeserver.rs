//! A real Synapse on a free port of 127.0.0.1, in a directory of its own.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use matrix_sdk::reqwest::Method;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::person::Person;
use super::plain::{Plain, request};
use super::process::{Running, finish, told};
use super::reaper::Reaper;

/// The Python with the homeserver and the test client, made by `tools/install.sh`.
pub const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/venv/bin/python");

/// What tests call a bot's account.
const BOT: &str = "beadle";

/// A start takes 3 s on a quiet machine and 9 s on a busy one.
const START: Duration = Duration::from_secs(60);

/// A homeserver and everything that runs against it.
pub struct Lab {
    pub homeserver: String,
    pub server_name: String,
    pub dir: PathBuf,
    pub reaper: Reaper,
    people: AtomicU32,
    synapse: Mutex<Option<Running>>,
    limits: bool,
}

impl Lab {
    /// The lab that all tests of this binary share.
    pub fn shared() -> &'static Lab {
        static SHARED: OnceLock<Lab> = OnceLock::new();
        // A second test must not try again what failed in the first: it would only fail later and say less.
        static FAILED: Mutex<bool> = Mutex::new(false);
        SHARED.get_or_init(|| {
            let mut failed = FAILED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            assert!(!*failed, "the lab did not start, see the first test that failed");
            *failed = true;
            let lab = Lab::start();
            *failed = false;
            lab
        })
    }

    /// A lab that is hard on bots: tokens that expire after seconds, few messages, small files.
    pub fn strict() -> &'static Lab {
        static STRICT: OnceLock<Lab> = OnceLock::new();
        STRICT.get_or_init(|| Lab::start_with(strict()))
    }

    /// Starts a homeserver and waits until it answers.
    ///
    /// # Panics
    /// If it does not start, with what it said.
    pub fn start() -> Lab {
        Lab::start_with(json!({}))
    }

    fn start_with(changes: Value) -> Lab {
        assert!(
            Path::new(PYTHON).exists(),
            "{PYTHON} is missing: run `make test`, or tools/install.sh once"
        );
        let port = free_port();
        let lab = Lab::prepare(port, port, changes);
        lab.run();
        lab
    }

    /// A homeserver that is not started yet: clients reach it at `port`, others as `localhost:name`; `changes` replaces
    /// what the configuration would say.
    pub fn prepare(port: u16, name: u16, changes: Value) -> Lab {
        let dir =
            tempfile::Builder::new().prefix("beadle-lab-").tempdir().expect("a directory").keep();
        let reaper = Reaper::of(&dir);
        let (homeserver, server_name) =
            (format!("http://127.0.0.1:{port}"), format!("localhost:{name}"));
        let (people, synapse) = (AtomicU32::new(0), Mutex::new(None));
        let limits = changes["rc_message"].is_object();
        let lab = Lab { homeserver, server_name, dir, reaper, people, synapse, limits };
        lab.write_config(port, changes);
        lab
    }

    /// Starts the homeserver, unless it runs, and waits until it answers.
    pub fn run(&self) {
        let mut synapse = self.synapse.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if synapse.as_mut().is_none_or(|running| running.ends_within(Duration::ZERO).is_some()) {
            *synapse = Some(self.run_synapse());
            let versions = format!("{}/_matrix/client/versions", self.homeserver);
            request(Method::GET, &versions, None, None);
        }
    }

    /// Kills the homeserver, as a power cut would.
    pub fn kill9(&self) {
        self.end(Signal::SIGKILL);
    }

    /// Asks the homeserver to stop, and starts it again on the same data.
    pub fn restart(&self) {
        self.end(Signal::SIGTERM);
        self.run();
    }

    fn end(&self, signal: Signal) {
        let mut synapse = self.synapse.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut running = synapse.take().expect("the homeserver runs");
        running.signal(signal);
        assert!(running.ends_within(START).is_some(), "Synapse does not end after {signal}");
        self.reaper.forget(running.pid);
    }

    /// A new person with a plain client, called `name`; their Matrix id is `@name` and a number, for this test alone.
    /// Where messages are limited, people are exempt and bots are not.
    pub fn plain(&self, name: &str) -> Plain {
        let number = self.people.fetch_add(1, Ordering::Relaxed);
        if self.limits && name != BOT {
            let id = format!("@{name}{number}:{}", self.server_name);
            self.sql("INSERT INTO ratelimit_override VALUES (?, 0, 0)", &id);
        }
        Plain::register(&self.homeserver, &format!("{name}{number}"), name)
    }

    /// A new person with an encrypting client.
    pub fn person(&self, name: &str) -> Person<'_> {
        Person::start(self, self.plain(name))
    }

    /// Changes the homeserver's database under it; one `?` stands for `value`.
    pub fn sql(&self, statement: &str, value: &str) {
        let script = "import sqlite3, sys\nbase = sqlite3.connect(sys.argv[1], timeout=30)\nwith base: base.execute(sys.argv[2], [sys.argv[3]])";
        let output = finish(
            Command::new(PYTHON)
                .args(["-c", script])
                .arg(self.dir.join("homeserver.db"))
                .args([statement, value]),
            START,
        );
        assert!(output.status.success(), "{statement}: {}", told(&output));
    }

    fn write_config(&self, port: u16, changes: Value) {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).expect("random numbers");
        let key = format!("ed25519 lab {}\n", STANDARD_NO_PAD.encode(seed));
        fs::write(self.dir.join("signing.key"), key).expect("the lab directory is ours");
        let write = |file: &str, config: Value| {
            fs::write(self.dir.join(file), config.to_string()).expect("the lab directory is ours");
        };
        let mut config = config(&self.dir, &self.server_name, port);
        for (key, value) in changes.as_object().into_iter().flatten() {
            config[key] = value.clone();
        }
        write("homeserver.yaml", config);
        write(
            "log.yaml",
            json!({
                "version": 1,
                "formatters": { "plain": { "format": "%(asctime)s %(levelname)s %(name)s %(message)s" } },
                "handlers": { "console": { "class": "logging.StreamHandler", "formatter": "plain" } },
                "root": { "level": "WARNING", "handlers": ["console"] },
            }),
        );
    }

    /// Synapse tells a service manager when it is ready; here the lab is the service manager.
    fn run_synapse(&self) -> Running {
        let notify = self.dir.join("notify");
        // A socket of an earlier start is in the way.
        let _ = fs::remove_file(&notify);
        let socket = UnixDatagram::bind(&notify).expect("a short enough path");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket of ours");
        let log_path = self.dir.join("homeserver.log");
        let log = File::options().create(true).append(true).open(&log_path);
        let log = log.expect("the lab directory is ours");
        let child = Command::new(PYTHON)
            .args(["-m", "synapse.app.homeserver", "-c", "homeserver.yaml"])
            .current_dir(&self.dir)
            .env("NOTIFY_SOCKET", &notify)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file of ours"))
            .stderr(log)
            .process_group(0)
            .spawn()
            .expect("Python starts");
        self.reaper.watch(child.id());
        let mut running = Running::new(child);
        let deadline = Instant::now() + START;
        let mut note = [0; 256];
        loop {
            if socket.recv(&mut note).is_ok_and(|length| note[..length].starts_with(b"READY=1")) {
                return running;
            }
            let ended = running.ends_within(Duration::ZERO);
            if ended.is_some() || Instant::now() > deadline {
                panic!(
                    "Synapse did not start ({ended:?}): {}",
                    fs::read_to_string(&log_path).unwrap_or_default()
                );
            }
        }
    }
}

/// A port below those that the system gives to outgoing connections, so that none of these takes it meanwhile.
pub fn free_port() -> u16 {
    let mut random = [0; 2];
    loop {
        getrandom::fill(&mut random).expect("random numbers");
        let port = 20_000 + u16::from_le_bytes(random) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// What is different in the strict lab.
fn strict() -> Value {
    json!({
        "rc_message": { "per_second": 2, "burst_count": 3 },
        "refreshable_access_token_lifetime": "5s",
        "max_upload_size": "20K",
    })
}

/// The configuration; JSON is YAML. No federation, no limits, cheap passwords.
fn config(dir: &Path, server_name: &str, port: u16) -> Value {
    let unlimited = json!({ "per_second": 100_000, "burst_count": 100_000 });
    let resources = json!([{ "names": ["client"], "compress": false }]);
    let listener = json!({ "port": port, "bind_addresses": ["127.0.0.1"], "type": "http", "tls": false, "resources": resources });
    let mut config = json!({
        "server_name": server_name,
        "public_baseurl": format!("http://127.0.0.1:{port}/"),
        "listeners": [listener],
        "database": { "name": "sqlite3", "args": { "database": dir.join("homeserver.db") } },
        "pid_file": dir.join("homeserver.pid"),
        "log_config": dir.join("log.yaml"),
        "media_store_path": dir.join("media"),
        "signing_key_path": dir.join("signing.key"),
        "macaroon_secret_key": "lab",
        "form_secret": "lab",
        "report_stats": false,
        "enable_registration": true,
        "enable_registration_without_verification": true,
        "bcrypt_rounds": 4,
        "trusted_key_servers": [],
        "suppress_key_server_warning": true,
        "federation_domain_whitelist": [],
        "url_preview_enabled": false,
        "presence": { "enabled": false },
        // Else a first sync is answered as it was two minutes ago.
        "caches": { "sync_response_cache_duration": "0s" },
    });
    for limit in [
        "rc_message",
        "rc_registration",
        "rc_admin_redaction",
        "rc_joins_per_room",
        "rc_room_creation",
    ] {
        config[limit] = unlimited.clone();
    }
    for (limit, parts) in [
        ("rc_login", &["address", "account", "failed_attempts"][..]),
        ("rc_joins", &["local", "remote"]),
        ("rc_invites", &["per_room", "per_user", "per_issuer"]),
    ] {
        config[limit] = parts.iter().map(|part| ((*part).to_owned(), unlimited.clone())).collect();
    }
    config
}
