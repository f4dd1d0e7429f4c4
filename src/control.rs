//! The socket through which the command line reaches a running bot: one JSON request a line, JSON lines back.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::unistd::{Uid, User};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use crate::domain::id::UserId;
use crate::query::command::{Gone, Refusal, Request, Sink};

/// Longest request in bytes.
pub const REQUEST_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// How long a request may take to arrive.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);
/// How long nobody is accepted after the system refused a connection.
const REFUSED_WAIT: Duration = Duration::from_millis(100);
/// Most connections at once.
pub const CONNECTIONS_MAX: usize = 16;
/// Most lines of an answer that wait for a slow reader.
const LINES_WAITING_MAX: usize = 64;

/// Shortest time between two lines that say how far a long answer is.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Who answers requests, on a thread that may block.
pub trait Answers: Send + Sync + 'static {
    /// Answers one request of a user of this machine.
    ///
    /// # Errors
    /// [`Refusal`] if there is no answer.
    fn answer(&self, by: &UserId, request: &Request, sink: &mut dyn Sink) -> Result<(), Refusal>;
}

/// One line of an answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Row(Value),
    Progress { what: String, done: u64, total: u64 },
    End,
    Refused(Refusal),
}

/// Sends an answer through a connection.
struct Wire {
    rows: mpsc::Sender<Line>,
    told: Option<Instant>,
}

impl Sink for Wire {
    fn row(&mut self, row: Value) -> Result<(), Gone> {
        self.rows.blocking_send(Line::Row(row)).map_err(|_| Gone)
    }

    fn progress(&mut self, what: &str, done: u64, total: u64) -> Result<(), Gone> {
        if self.told.is_some_and(|told| told.elapsed() < PROGRESS_EVERY) {
            return Ok(());
        }
        self.told = Some(Instant::now());
        let line = Line::Progress { what: what.into(), done, total };
        self.rows.blocking_send(line).map_err(|_| Gone)
    }
}

/// How a user of this machine stands in the log: `cli:ann`.
pub fn unix_user(uid: Uid) -> UserId {
    let known = User::from_uid(uid).ok().flatten();
    UserId(format!("cli:{}", known.map_or_else(|| uid.to_string(), |user| user.name)))
}

/// Where the socket of a data directory is.
pub fn path(data: &Path) -> PathBuf {
    data.join("control.sock")
}

/// Removes the socket; it may be gone already.
pub fn remove(data: &Path) {
    let _ = std::fs::remove_file(path(data));
}

/// Answers until it is told to stop.
///
/// # Errors
/// What the system says if the socket cannot be made.
pub fn serve(
    answers: Arc<dyn Answers>,
    data: &Path,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<JoinHandle<()>> {
    let socket = path(data);
    remove(data);
    let listener = UnixListener::bind(&socket)?;
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600))?;
    let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    Ok(tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            let Ok((stream, _)) = accepted else {
                // Such as too many open files: it passes, or the operator sees that nobody answers.
                tokio::time::sleep(REFUSED_WAIT).await;
                continue;
            };
            let Ok(permit) = free.clone().acquire_owned().await else { return };
            let answers = answers.clone();
            tokio::spawn(async move {
                if let Err(error) = serve_one(stream, answers).await {
                    tracing::debug!(%error, "a control connection broke off");
                }
                drop(permit);
            });
        }
    }))
}

async fn serve_one(mut stream: UnixStream, answers: Arc<dyn Answers>) -> std::io::Result<()> {
    let mine = nix::unistd::geteuid().as_raw();
    let peer = stream.peer_cred()?.uid();
    if peer != mine && peer != 0 {
        tracing::warn!(uid = peer, "a control connection of another user was refused");
        return Ok(());
    }
    let by = unix_user(Uid::from_raw(peer));
    let (read, mut write) = stream.split();
    let mut line = String::new();
    let mut reader = BufReader::new(read.take(REQUEST_BYTES_MAX));
    tokio::time::timeout(REQUEST_WITHIN, reader.read_line(&mut line)).await??;
    let (rows, mut waiting) = mpsc::channel::<Line>(LINES_WAITING_MAX);
    let work = tokio::task::spawn_blocking(move || {
        let end = match serde_json::from_str::<Request>(&line) {
            Err(why) => Line::Refused(Refusal::NotFound(format!("no such request: {why}"))),
            Ok(request) => {
                let mut wire = Wire { rows: rows.clone(), told: None };
                let done = answers.answer(&by, &request, &mut wire);
                done.map_or_else(Line::Refused, |()| Line::End)
            }
        };
        let _ = rows.blocking_send(end);
    });
    while let Some(line) = waiting.recv().await {
        let mut bytes = serde_json::to_vec(&line)?;
        bytes.push(b'\n');
        write.write_all(&bytes).await?;
    }
    work.await.map_err(std::io::Error::other)
}

/// Asks a running bot; none: no bot is listening.
///
/// # Errors
/// What the connection says when it breaks off.
pub fn ask(
    data: &Path,
    request: &Request,
    sink: &mut dyn Sink,
) -> std::io::Result<Option<Result<(), Refusal>>> {
    use std::io::{BufRead, BufReader, Write};
    let Ok(mut stream) = std::os::unix::net::UnixStream::connect(path(data)) else {
        return Ok(None);
    };
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    for line in BufReader::new(stream).lines() {
        match serde_json::from_str(&line?)? {
            Line::Row(row) => {
                if sink.row(row).is_err() {
                    return Ok(Some(Err(Refusal::Gone)));
                }
            }
            Line::Progress { what, done, total } => {
                if sink.progress(&what, done, total).is_err() {
                    return Ok(Some(Err(Refusal::Gone)));
                }
            }
            Line::End => return Ok(Some(Ok(()))),
            Line::Refused(why) => return Ok(Some(Err(why))),
        }
    }
    Err(std::io::Error::other("the bot broke off its answer"))
}
