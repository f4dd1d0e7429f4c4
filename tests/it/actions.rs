//! Actions as people write them: progress while they run, secrets that no log keeps, SSH and HTTP against real servers.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use beadle::adapter::http_client::HttpClient;
use beadle::adapter::secrets::Secrets;
use beadle::domain::event::{EffectResult, Event, Verdict};
use beadle::domain::execution::{Status, Step};
use beadle::domain::id::UserId;
use beadle::domain::order::{Order, OrderKind};
use beadle::play::world::World;
use beadle::processor::action::{ActionCall, ActionDone, Actions, LINES_QUEUED_MAX, Processes};
use beadle::processor::order::{decided, put};
use beadle::query::executions;
use beadle::script::load::load_folder;
use beadle::store::sled::SledStore;
use beadle::store::{Clock, EventStore, Options, Surroundings};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::desk::Desk;
use crate::erasure_disk::stands_nowhere;
use crate::store_world::{everything, surroundings};

/// Longer than anything here takes on a busy machine.
const AMPLE: Duration = Duration::from_secs(60);

/// A desk on a log on disk whose actions are real processes.
fn desk(dir: &Path, script: &str, secrets: Secrets) -> (Desk, Arc<SledStore>) {
    let world = World::new();
    let entropy = surroundings(7).0.entropy;
    let around = Surroundings { clock: world.clock.clone(), entropy };
    let store = Arc::new(SledStore::open(dir, around, Options::default()).expect("opens").0);
    (
        Desk::over(
            &world,
            store.clone(),
            Arc::new(Processes { secrets, http: HttpClient::default() }),
            script,
        ),
        store,
    )
}

fn in_folder(script: &str, folder: &Path) -> String {
    script.replace("FOLDER", &folder.display().to_string())
}

#[tokio::test]
async fn what_a_running_action_prints_is_recorded_and_shown() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = r#"
        action("slow", #{ run: ["/bin/sh", "-c", "echo step 1; while [ ! -e go ]; do sleep 0.02; done; echo step 2"],
                          dir: "FOLDER", effect: "read" });
        alias("slow", |args, msg| { exec("slow", #{}, #{ progress: true }); reply("over"); });
    "#;
    let (desk, store) =
        desk(&dir.path().join("data"), &in_folder(script, dir.path()), Secrets::default());
    desk.hand_over(vec![desk.says("ann", "#ops", "!slow")], None).await;
    let seen = async {
        let mut head = store.watch();
        while desk.count("effect_progressed") == 0 {
            head.changed().await.expect("the log is open");
        }
        fs::write(dir.path().join("go"), "").expect("the folder is ours");
    };
    let both = async { tokio::join!(desk.settle(), seen).0 };
    tokio::time::timeout(AMPLE, both).await.expect("it ends").expect("the log works");
    let said = desk.said();
    assert!(said.iter().any(|said| said == "#ops: step 1"), "{said:?}");
    assert!(said.iter().any(|said| said == "#ops: over"), "{said:?}");
    let lines = everything(store.as_ref()).iter().find_map(|recorded| match recorded.event() {
        Some(Event::EffectProgressed(progress)) => Some(progress.lines.clone()),
        _ => None,
    });
    assert_eq!(lines, Some(vec!["step 1".to_owned()]));
}

#[tokio::test]
async fn an_action_is_ordered_at_the_command_line_and_nothing_is_said() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = r#"
        action("greet", #{ run: ["echo", "hello {name}"], params: #{ name: "string=you" }, lock: "greet", dir: "FOLDER" });
        action("greet.both", #{ params: #{ first: "string" } }, |args| exec("greet", #{ name: args.first }));
    "#;
    let (desk, store) =
        desk(&dir.path().join("data"), &in_folder(script, dir.path()), Secrets::default());
    for (nth, (action, params, want)) in [
        ("greet", json!({ "name": "ann" }), Ok("hello ann")),
        ("greet.both", json!({ "first": "ben" }), Ok("hello ben")),
        ("greet", json!({ "nmae": "ann" }), Err("did you mean `name`?")),
        ("great", json!({}), Err("no script declares the action great")),
    ]
    .into_iter()
    .enumerate()
    {
        let what = OrderKind::RunAction { action: action.into(), params };
        let order = Order::new(&UserId("cli:ann".into()), what);
        let trigger = order.trigger(desk.clock.now(), &nth.to_string());
        let stream = put(store.as_ref(), trigger).await.expect("the log works");
        desk.settle().await.expect("the log works");
        let found = decided(store.as_ref(), &stream).expect("it reads").expect("it is decided");
        match (found, want) {
            ((Verdict::Started(id), _), Ok(want)) => {
                let execution = executions::load(store.as_ref(), &id).expect("it reads");
                let execution = execution.expect("it is there");
                assert_eq!(
                    execution.status(),
                    Status::Succeeded,
                    "{action}: {:?}",
                    execution.ending
                );
                let given = |step: &Step| step.result == Some(EffectResult::Ok(json!(want)));
                assert!(execution.steps.values().any(given), "{action}: {:?}", execution.steps);
            }
            ((Verdict::Ignored, why), Err(want)) => assert!(why.contains(want), "{why}"),
            (other, _) => panic!("{action}: {other:?}"),
        }
    }
    assert!(desk.said().is_empty(), "there is no room");
}

/// A secret from a file and one from a variable.
const FILED: &str = "file-sesame-4711-open";
const VARIABLE: &str = "vari&ble \"sesame\" 0815";

fn private(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("it is ours");
    fs::write(path, text).expect("it is ours");
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("it is ours");
}

#[tokio::test]
async fn secrets_of_actions_are_kept_by_no_log_and_said_to_nobody() {
    let dir = tempfile::tempdir().expect("a directory");
    private(&dir.path().join("secrets/cloud/token"), &format!("{FILED}\n"));
    let environment = [("S_DB".to_owned(), VARIABLE.to_owned())];
    let secrets = Secrets::new(Some(dir.path().join("secrets")), "S_", environment.into_iter());
    let script = r#"
        const TELL = "printf '%s %s\n' \"$TOKEN\" \"$DB\"; printf %s \"$TOKEN\" | base64; cat \"$KEY_FILE\"; yes \"$DB\" | head -n 9000; echo \"$TOKEN\" >&2; exit $1";
        action("tell", #{
            run: ["/bin/sh", "-c", TELL, "sh", "{status}"], params: #{ status: "int" }, dir: "FOLDER", effect: "read",
            env: #{ TOKEN: secret("cloud/token") }, secrets: #{ DB: "db", KEY_FILE: "file:cloud/token" },
        });
        alias("tell {status:int}", |args, msg| {
            let told = exec("tell", #{ status: args.status });
            remember("told", told.len());
            reply(told.sub_string(0, 200));
        });
    "#;
    let data = dir.path().join("data");
    let (desk, store) = desk(&data, &in_folder(script, dir.path()), secrets);
    for status in [0, 1] {
        desk.hand_over(vec![desk.says("ann", "#ops", &format!("!tell {status}"))], None).await;
        desk.settle().await.expect("the log works");
    }
    let mut readable = desk.said().join("\n");
    assert!(readable.contains("[secret cloud/token]"), "{readable}");
    assert!(readable.contains("failed: tell ended with status 1"), "{readable}");
    let mut blobs = 0;
    for event in everything(store.as_ref()).iter().filter_map(|recorded| recorded.event()) {
        readable.push_str(&event.encode().to_string());
        if let Event::EffectCompleted(done) = event
            && let Some(blob) = &done.output
        {
            blobs += 1;
            let bytes = store.blob(blob).expect("it reads").expect("it is there");
            readable.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    assert_eq!(blobs, 2, "the whole outputs are kept");
    for needle in [FILED, VARIABLE, "sesame", &STANDARD.encode(FILED)[..20]] {
        assert!(!readable.contains(needle), "{needle}");
    }
    drop(desk);
    store.close();
    stands_nowhere(&data, &[FILED, VARIABLE]);
}

/// Runs an action of the examples, with the lines that it prints.
async fn run(name: &str, args: Value, secrets: Secrets) -> (ActionDone, Vec<String>) {
    let (set, problems) = load_folder(Path::new("scripts"));
    assert!(problems.is_empty(), "{problems:?}");
    let def = set.actions[name].clone();
    let args = def.complete(&args).map_or(args, Value::Object);
    let (lines, mut printed) = mpsc::channel(LINES_QUEUED_MAX);
    let folder = fs::canonicalize("scripts").expect("the scripts are there");
    let (effect, execution) = ("E-0".into(), "E".into());
    let call = ActionCall { effect, execution, def, args, timeout: AMPLE, folder, lines };
    let done = Processes { secrets, http: HttpClient::default() }.run(call).await;
    let mut lines = vec![];
    while let Some(line) = printed.recv().await {
        lines.push(line);
    }
    (done, lines)
}

fn failure(done: &ActionDone) -> (String, String) {
    let EffectResult::Err(error) = &done.result else { panic!("{done:?}") };
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (text("kind"), text("message"))
}

/// An OpenSSH server of our own on loopback; gone with this.
struct Sshd {
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sshd {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dir.path().join(name);
        for name in ["host", "secrets/ssh/key", "stranger"] {
            fs::create_dir_all(path(name).parent().expect("a folder")).expect("it is ours");
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(path(name))
                .status();
            assert!(made.is_ok_and(|status| status.success()), "ssh-keygen: run tools/install.sh");
        }
        fs::copy(path("secrets/ssh/key.pub"), path("authorized")).expect("it is ours");
        if nix::unistd::geteuid().is_root() {
            // Where a system starts its server, it makes this.
            fs::create_dir_all("/run/sshd").expect("root may");
        }
        let config = format!(
            "HostKey {0}/host\nAuthorizedKeysFile {0}/authorized\nListenAddress 127.0.0.1\nStrictModes no\nUsePAM no\n\
             PidFile none\nPasswordAuthentication no\nPermitRootLogin yes\n",
            dir.path().display()
        );
        fs::write(path("config"), config).expect("it is ours");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let port = free.expect("loopback has a free port").port();
        let program =
            ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"].map(PathBuf::from);
        let program = program.into_iter().find(|program| program.is_file());
        let mut child = Command::new(program.expect("sshd is there: run tools/install.sh"))
            .args(["-D", "-e", "-p", &port.to_string(), "-f"])
            .arg(path("config"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut told = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let ready = told.find_map(|line| line.ok().filter(|it| it.contains("Server listening")));
        assert!(ready.is_some(), "sshd does not listen");
        // It goes on telling; nobody reads it, and the pipe must not fill.
        std::thread::spawn(move || told.for_each(drop));
        Self { child, port, dir }
    }

    /// A file with the key of a host as clients know it.
    fn known(&self, name: &str, key: &str) -> String {
        let path = self.dir.path().join(name);
        let key = fs::read_to_string(self.dir.path().join(key)).expect("it is there");
        fs::write(&path, format!("[127.0.0.1]:{} {key}", self.port)).expect("it is ours");
        path.display().to_string()
    }
}

#[tokio::test]
async fn an_action_over_ssh_runs_on_the_other_machine() {
    let sshd = Sshd::start();
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).expect("it reads");
    let user = user.expect("we are somebody").name;
    let secrets = || Secrets::new(Some(sshd.dir.path().join("secrets")), "", std::iter::empty());
    let call = |host: &str, known: &str| json!({ "host": host, "user": user, "port": sshd.port, "command": "df -h /", "known_hosts": known });
    let known = sshd.known("known", "host.pub");
    let (done, _) = run("ssh.run", call("127.0.0.1", &known), secrets()).await;
    let EffectResult::Ok(Value::String(text)) = &done.result else { panic!("{done:?}") };
    assert!(text.starts_with("Filesystem"), "{text}");
    // A machine that is not known, or has another key, is refused.
    let other = sshd.known("other", "stranger.pub");
    let (done, _) = run("ssh.run", call("127.0.0.1", &other), secrets()).await;
    assert_eq!(failure(&done).0, "failed", "{done:?}");
    assert!(failure(&done).1.contains("verification failed"), "{done:?}");
    let planted = sshd.dir.path().join("planted");
    let option = format!("-oProxyCommand=touch {}", planted.display());
    let (done, _) = run("ssh.run", call(&option, &known), secrets()).await;
    assert_eq!(failure(&done).0, "not_started");
    assert!(failure(&done).1.contains("`host` must be a text that fits"), "{done:?}");
    assert!(!planted.exists(), "nothing ran");
    // Others may read the key.
    let key = sshd.dir.path().join("secrets/ssh/key");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).expect("it is ours");
    let (done, _) = run("ssh.run", call("127.0.0.1", &known), secrets()).await;
    assert!(failure(&done).1.contains("chmod 600"), "{done:?}");
}

/// Answers each request with the next status.
fn web(statuses: &'static [u16]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = listener.local_addr().expect("it has one").port();
    std::thread::spawn(move || {
        for (status, connection) in statuses.iter().zip(listener.incoming()) {
            let mut connection = connection.expect("somebody connects");
            let mut read = [0; 1024];
            let _ = connection.read(&mut read).expect("they ask");
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
            connection.write_all(answer.as_bytes()).expect("they wait");
        }
    });
    port
}

#[tokio::test]
async fn an_action_looks_at_a_site() {
    let port = web(&[200, 503, 404]);
    let url = format!("http://127.0.0.1:{port}/health?x=1");
    let wants: BTreeMap<&str, (Value, &str)> = BTreeMap::from([
        ("1", (json!({ "url": url }), "")),
        ("2", (json!({ "url": url }), "it answers 503 instead of 200")),
        ("3", (json!({ "url": url, "expect": 404 }), "")),
        ("4", (json!({ "url": "http://127.0.0.1:1/", "within": "2s" }), "it does not answer")),
        ("5", (json!({ "url": "file:///etc/passwd" }), "`url` must be a text that fits")),
    ]);
    for (nth, (args, want)) in wants {
        let (done, lines) = run("http.check", args, Secrets::default()).await;
        if !want.is_empty() {
            assert!(failure(&done).1.contains(want), "{nth}: {done:?}");
            continue;
        }
        let EffectResult::Ok(seen) = &done.result else { panic!("{nth}: {done:?}") };
        assert_eq!(seen["status"], if nth == "1" { 200 } else { 404 });
        assert_eq!(seen["certificate_days"], Value::Null);
        assert_eq!(lines, ["connected to 127.0.0.1"]);
    }
}
