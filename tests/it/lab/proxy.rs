//! A proxy before the homeserver that can lose its answers: what was sent is there, and the sender does not know.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

/// One thread for each connection; it ends with the test process.
pub struct Proxy {
    pub address: String,
    state: Arc<State>,
}

struct State {
    /// Host and port of the homeserver.
    upstream: String,
    losing: AtomicBool,
    lost: AtomicU32,
}

impl Proxy {
    /// A proxy before `homeserver`, an address without TLS.
    pub fn before(homeserver: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("a port"));
        let upstream = homeserver.strip_prefix("http://").expect("an address without TLS");
        let state = Arc::new(State {
            upstream: upstream.to_owned(),
            losing: AtomicBool::new(false),
            lost: AtomicU32::new(0),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                thread::spawn(move || drop(state.serve(client)));
            }
        });
        Proxy { address, state }
    }

    /// From now on the homeserver takes messages and nobody hears of it, or all is well again.
    pub fn lose_answers_to_messages(&self, losing: bool) {
        self.state.losing.store(losing, Ordering::SeqCst);
    }

    /// How many answers were lost.
    pub fn lost(&self) -> u32 {
        self.state.lost.load(Ordering::SeqCst)
    }
}

impl State {
    /// Passes one request on, and the answer back.
    fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(client.try_clone()?);
        let mut head = String::new();
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            match line.as_str() {
                "\r\n" => break,
                _ if lower.starts_with("connection:") => {}
                _ => head.push_str(&line),
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut server = TcpStream::connect(&self.upstream)?;
        server.write_all(format!("{head}connection: close\r\n\r\n").as_bytes())?;
        server.write_all(&body)?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer)?;
        let is_message = head.starts_with("PUT ") && head.contains("/send/m.room.");
        if is_message && self.losing.load(Ordering::SeqCst) {
            self.lost.fetch_add(1, Ordering::SeqCst);
            return Ok(());
        }
        client.write_all(&answer)
    }
}
