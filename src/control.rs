//! The socket through which the command line reaches a running bot: one JSON request a line, JSON lines back.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use crate::query::command::{Refusal, Request, answer};
use crate::store::sled::SledStore;

/// Longest request in bytes.
pub const REQUEST_BYTES_MAX: u64 = 64 * 1024;
/// How long a request may take to arrive.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);
/// How long nobody is accepted after the system refused a connection.
const REFUSED_WAIT: Duration = Duration::from_millis(100);
/// Most connections at once.
pub const CONNECTIONS_MAX: usize = 16;
/// Most lines of an answer that wait for a slow reader.
const LINES_WAITING_MAX: usize = 64;

/// One line of an answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Row(Value),
    End,
    Refused(Refusal),
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
    store: Arc<SledStore>,
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
            let store = store.clone();
            tokio::spawn(async move {
                if let Err(error) = serve_one(stream, store).await {
                    tracing::debug!(%error, "a control connection broke off");
                }
                drop(permit);
            });
        }
    }))
}

async fn serve_one(mut stream: UnixStream, store: Arc<SledStore>) -> std::io::Result<()> {
    let mine = nix::unistd::geteuid().as_raw();
    let peer = stream.peer_cred()?.uid();
    if peer != mine && peer != 0 {
        tracing::warn!(uid = peer, "a control connection of another user was refused");
        return Ok(());
    }
    let (read, mut write) = stream.split();
    let mut line = String::new();
    let mut reader = BufReader::new(read.take(REQUEST_BYTES_MAX));
    tokio::time::timeout(REQUEST_WITHIN, reader.read_line(&mut line)).await??;
    let (rows, mut waiting) = mpsc::channel::<Line>(LINES_WAITING_MAX);
    let work = tokio::task::spawn_blocking(move || {
        let end = match serde_json::from_str::<Request>(&line) {
            Err(why) => Line::Refused(Refusal::NotFound(format!("no such request: {why}"))),
            Ok(request) => {
                // A reader that has gone away wants no more rows.
                let mut emit = |row| drop(rows.blocking_send(Line::Row(row)));
                let done = answer(&store, &request, &mut emit);
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
    emit: &mut dyn FnMut(Value),
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
            Line::Row(row) => emit(row),
            Line::End => return Ok(Some(Ok(()))),
            Line::Refused(why) => return Ok(Some(Err(why))),
        }
    }
    Err(std::io::Error::other("the bot broke off its answer"))
}
