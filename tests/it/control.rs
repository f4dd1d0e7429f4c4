//! The socket of a running bot, asked by the command line and by those who do not know how to ask.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use beadle::control::{Answers, CONNECTIONS_MAX, REQUEST_BYTES_MAX, ask, path, remove, serve};
use beadle::domain::event::{self, NewEvent};
use beadle::domain::id::UserId;
use beadle::query::command::{Refusal, Request, Rows, Sink, answer};
use beadle::store::sled::SledStore;
use beadle::store::{EventStore, Expected, Write as Batch};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::store_world::{open, put, stream};

/// Answers from a log alone.
struct Of(Arc<SledStore>);

impl Answers for Of {
    fn answer(&self, _: &UserId, request: &Request, sink: &mut dyn Sink) -> Result<(), Refusal> {
        answer(&self.0, request, sink)
    }
}

/// A log with a few events and one execution, and the socket on it.
struct Served {
    dir: TempDir,
    stop: watch::Sender<bool>,
    work: tokio::task::JoinHandle<()>,
}

impl Served {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Arc::new(open(dir.path(), 1));
        fill(&store).await;
        let (stop, stopping) = watch::channel(false);
        let work = serve(Arc::new(Of(store)), dir.path(), stopping).expect("the socket is made");
        Self { dir, stop, work }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// Stops, and waits until the socket is no longer listened on.
    async fn stop(self) {
        self.stop.send_replace(true);
        self.work.await.expect("it ends well");
        let left = self.dir.path();
        let none = ask(left, &Request::LogVerify, &mut Rows::default()).expect("nobody breaks off");
        assert_eq!(none, None, "no bot is listening");
        remove(left);
        remove(left);
        assert!(!path(left).exists());
    }
}

async fn fill(store: &SledStore) {
    put(store, "a-1", Expected::Any, &["x", "y"]).await.expect("appends");
    let fixture = include_str!("../fixtures/events/execution_started.v1.json");
    let list: Vec<Value> = serde_json::from_str(fixture).expect("a fixture is JSON");
    let started = event::decode("execution_started", 1, list[0].clone()).expect("decodes");
    for id in ["execution-ABC1", "execution-ABD2"] {
        let events = vec![NewEvent::bare(started.clone())];
        let batch = Batch { stream: stream(id), expected: Expected::NoStream, key: None, events };
        store.append(vec![batch]).await.expect("appends");
    }
}

/// Asks on a thread of its own, as another process would.
async fn asked(data: &Path, request: Request) -> (Vec<Value>, Result<(), Refusal>) {
    let data = data.to_owned();
    let asking = tokio::task::spawn_blocking(move || {
        let mut rows = Rows::default();
        let answer = ask(&data, &request, &mut rows).expect("an answer");
        (rows.0, answer.expect("the bot listens"))
    });
    asking.await.expect("the thread ends well")
}

/// Sends bytes as they are, and gives what comes back until the end.
async fn sent(data: &Path, bytes: Vec<u8>) -> Vec<String> {
    let socket = path(data);
    let sending = tokio::task::spawn_blocking(move || {
        let mut stream = UnixStream::connect(socket).expect("the bot listens");
        // The bot may have hung up before it has read everything.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        BufReader::new(stream).lines().map_while(Result::ok).collect()
    });
    sending.await.expect("the thread ends well")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_answered() {
    let served = Served::new().await;
    let data = served.data();
    let mode = std::fs::metadata(path(&data)).expect("there is a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "only its own user may ask");
    let missing = |why: &str| Err(Refusal::NotFound(why.to_owned()));
    for (request, field, want, end) in [
        (Request::LogTail(2), "id", vec!["execution-ABC1/0", "execution-ABD2/0"], Ok(())),
        (Request::LogTail(0), "id", vec!["execution-ABD2/0"], Ok(())),
        (Request::LogShow("a-1/1".into()), "type", vec!["memory_written"], Ok(())),
        (Request::LogShow("1".into()), "id", vec!["a-1/0"], Ok(())),
        (
            Request::LogShow("99".into()),
            "id",
            vec![],
            missing("there is no event `99`: write a position or `stream/version`"),
        ),
        (
            Request::LogShow("nonsense".into()),
            "id",
            vec![],
            missing(
                "there is no event `nonsense`: write a position or `stream/version`, an execution or a trigger",
            ),
        ),
        (Request::ExecutionList(1), "execution", vec!["ABD2"], Ok(())),
        (Request::ExecutionList(9), "execution", vec!["ABD2", "ABC1"], Ok(())),
        (Request::ExecutionShow("ABC".into()), "execution", vec!["ABC1"], Ok(())),
        (
            Request::ExecutionShow("AB".into()),
            "execution",
            vec![],
            missing("2 executions' ids begin with `AB`: write more of it"),
        ),
        (
            Request::ExecutionShow("Z".into()),
            "execution",
            vec![],
            missing("no execution's id begins with `Z`"),
        ),
    ] {
        let shown = format!("{request:?}");
        let (rows, answer) = asked(&data, request).await;
        let got: Vec<&str> = rows.iter().map(|row| row[field].as_str().unwrap_or("?")).collect();
        assert_eq!((got, answer), (want, end), "{shown}");
    }
    let (rows, answer) = asked(&data, Request::LogVerify).await;
    assert_eq!((rows[0]["events"].as_u64(), answer), (Some(5), Ok(())));
    assert_eq!(rows[0]["findings"], serde_json::json!([]));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_breaks_nothing() {
    let served = Served::new().await;
    let data = served.data();
    let most = usize::try_from(REQUEST_BYTES_MAX).expect("a small number");
    let request = |bytes: usize| {
        let around = r#"{"execution_show":""}"#.len();
        format!("{{\"execution_show\":\"{}\"}}\n", "x".repeat(bytes - around - 1))
    };
    for (bytes, want) in [
        (request(most), "no execution's id begins with"),
        (request(most + 2), "no such request"),
        ("{".repeat(3 * most), "no such request"),
        ("nonsense\n".into(), "no such request"),
        ("\n".into(), "no such request"),
        ("{\"log_tail\":-1}\n".into(), "no such request"),
        (String::new(), "no such request"),
    ] {
        let shown: String = bytes.chars().take(20).collect();
        let lines = sent(&data, bytes.into_bytes()).await;
        let [line] = lines.as_slice() else { panic!("{shown}: {} lines", lines.len()) };
        assert!(line.contains(want), "{shown}: {}", line.chars().take(80).collect::<String>());
    }
    let lines = sent(&data, vec![0xFF; 10]).await;
    assert!(lines.is_empty(), "what is no text has no answer: {lines:?}");
    asked(&data, Request::LogTail(1)).await.1.expect("it still answers");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_goes_away_breaks_nothing() {
    let served = Served::new().await;
    let data = served.data();
    for _ in 0..2 * CONNECTIONS_MAX {
        let mut gone = UnixStream::connect(path(&data)).expect("the bot listens");
        gone.write_all(b"{\"log_tail\":4096}\n").expect("it is sent");
        drop(gone);
    }
    asked(&data, Request::LogTail(1)).await.1.expect("it still answers");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_connections_than_fit_wait_for_their_turn() {
    let served = Served::new().await;
    let data = served.data();
    let connect = || UnixStream::connect(path(&data)).expect("the bot listens");
    let mut early: Vec<UnixStream> = (0..CONNECTIONS_MAX).map(|_| connect()).collect();
    let mut late: Vec<UnixStream> = (0..CONNECTIONS_MAX).map(|_| connect()).collect();
    for stream in &mut late {
        stream.write_all(b"{\"log_tail\":1}\n").expect("it is sent");
    }
    // The early ones have said nothing yet, so each still has its place, and a late one has none.
    for _ in 0..100 {
        tokio::task::spawn_blocking(|| {}).await.expect("the bot's threads have had their turn");
    }
    late[0].set_nonblocking(true).expect("the system can");
    let none = late[0].read(&mut [0; 1]).map_err(|why| why.kind());
    assert_eq!(none, Err(std::io::ErrorKind::WouldBlock), "nobody is answered out of turn");
    late[0].set_nonblocking(false).expect("the system can");
    for stream in &mut early {
        stream.write_all(b"{\"log_tail\":1}\n").expect("it is sent");
    }
    let reading = tokio::task::spawn_blocking(move || {
        let answer =
            |stream: UnixStream| BufReader::new(stream).lines().map_while(Result::ok).count();
        early.into_iter().chain(late).map(answer).collect::<Vec<usize>>()
    });
    let lines = reading.await.expect("the thread ends well");
    assert_eq!(lines, vec![2; 2 * CONNECTIONS_MAX], "a row and the end, for each");
    served.stop().await;
}
