//! A link between two machines that can be cut and mended: a TCP port that passes on to another.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Listens on a port of 127.0.0.1 for as long as this process lives.
pub struct Relay(Arc<Mutex<Link>>);

/// The state of a link.
#[derive(Default)]
struct Link {
    cut: bool,
    /// Both ends of every connection.
    live: Vec<TcpStream>,
}

impl Relay {
    /// Passes on what comes to `port` to the port `to`.
    pub fn start(port: u16, to: u16) -> Relay {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
        let link = Arc::new(Mutex::new(Link::default()));
        let relay = Relay(Arc::clone(&link));
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                // While the link is cut, whoever calls is hung up on.
                let Ok(far) = TcpStream::connect(("127.0.0.1", to)) else { continue };
                let mut link = link.lock().unwrap();
                if !link.cut {
                    link.live.retain(|stream| stream.peer_addr().is_ok());
                    link.live.extend([near.try_clone(), far.try_clone()].into_iter().flatten());
                    pass(&near, &far);
                    pass(&far, &near);
                }
            }
        });
        relay
    }

    /// Cuts the link, in the middle of a word if need be.
    pub fn cut(&self) {
        let mut link = self.0.lock().unwrap();
        link.cut = true;
        for stream in link.live.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets new connections through again.
    pub fn mend(&self) {
        self.0.lock().unwrap().cut = false;
    }
}

/// Copies one direction until either end is gone.
fn pass(from: &TcpStream, to: &TcpStream) {
    let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else { return };
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    });
}
