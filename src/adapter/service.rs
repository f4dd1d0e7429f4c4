//! The service manager that started the bot: it hears when the bot is ready, reloads, stops, and that it is alive.
//!
//! The protocol is that of systemd's `sd_notify`: datagrams of `NAME=value` lines to the socket in `$NOTIFY_SOCKET`.
//! Where there is no service manager nothing is sent, and a message that cannot be sent stops nobody.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// How long a message to the service manager may take.
const SEND_WITHIN: Duration = Duration::from_secs(1);
/// The longest that one step of the bot's reading may take: a long poll, a request that hangs, a back-off.
pub const STEP_MAX: Duration = Duration::from_secs(6 * 60);

/// The service manager, if there is one.
#[derive(Debug, Default)]
pub struct ServiceManager {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The one that the environment names; says what is wrong with it.
    pub fn of_environment() -> Self {
        let socket = match std::env::var_os("NOTIFY_SOCKET") {
            Some(name) if !name.is_empty() => match connect(&name) {
                Ok(socket) => Some(socket),
                Err(error) => {
                    tracing::warn!(%error, "the service manager's socket cannot be used");
                    None
                }
            },
            _ => None,
        };
        let variable = |name| std::env::var(name).ok();
        let (usec, pid) = (variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"));
        let watchdog = watchdog(usec.as_deref(), pid.as_deref(), std::process::id());
        Self { watchdog: watchdog.filter(|_| socket.is_some()), socket }
    }

    /// How long it waits for a sign of life before it starts the bot anew.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// The bot does its work.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}", line(status)));
    }

    /// The bot reads its configuration and scripts again; [`Self::ready`] ends it.
    pub fn reloading(&self) {
        let time = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
        let usec = time.unwrap_or_default().as_micros();
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={usec}\nSTATUS=Reloading"));
    }

    /// The start goes on, and may take so much longer.
    pub fn starting(&self, status: &str, longer: Duration) {
        let usec = longer.as_micros();
        self.send(&format!("EXTEND_TIMEOUT_USEC={usec}\nSTATUS={}", line(status)));
    }

    /// The bot ends.
    pub fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=Stopping");
    }

    /// The bot makes progress.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// What the bot does, in a line for people.
    pub fn status(&self, status: &str) {
        self.send(&format!("STATUS={}", line(status)));
    }

    fn send(&self, message: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(message.as_bytes()) {
            tracing::debug!(%error, "the service manager was not told");
        }
    }
}

/// Whether the bot's last step is young enough to say that it is alive.
///
/// A shorter watchdog than a step may take does not end a bot that only waits for its homeserver.
pub fn is_alive(last_step: Instant, now: Instant, watchdog: Duration) -> bool {
    now.saturating_duration_since(last_step) <= STEP_MAX.max(watchdog / 2)
}

/// A status is one line: another one would be another field.
fn line(status: &str) -> String {
    status.replace(['\n', '\r'], " ")
}

/// Connects to a path, or to an abstract name that begins with `@`.
fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_write_timeout(Some(SEND_WITHIN))?;
    Ok(socket)
}

/// The watchdog's time, if it is meant for this process.
fn watchdog(usec: Option<&str>, pid: Option<&str>, me: u32) -> Option<Duration> {
    if pid.is_some_and(|pid| pid.parse() != Ok(me)) {
        return None;
    }
    let usec: u64 = usec?.parse().ok()?;
    (usec > 0).then(|| Duration::from_micros(usec))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_for_one_process() {
        for (usec, pid, want) in [
            (Some("60000000"), None, Some(60)),
            (Some("60000000"), Some("7"), Some(60)),
            (Some("60000000"), Some("8"), None),
            (Some("60000000"), Some("x"), None),
            (Some("0"), None, None),
            (Some("soon"), None, None),
            (None, Some("7"), None),
        ] {
            let got = watchdog(usec, pid, 7);
            assert_eq!(got, want.map(Duration::from_secs), "{usec:?} {pid:?}");
        }
    }

    #[test]
    fn a_step_has_its_time() {
        let start = Instant::now();
        for (watchdog_s, age_s, want) in
            [(30, 359, true), (30, 361, false), (900, 361, true), (900, 451, false)]
        {
            let now = start + Duration::from_secs(age_s);
            let got = is_alive(start, now, Duration::from_secs(watchdog_s));
            assert_eq!(got, want, "{watchdog_s} {age_s}");
        }
    }

    #[test]
    fn messages_reach_a_path_and_an_abstract_name() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("notify");
        let name = format!("beadle-test-{}", std::process::id());
        let hidden = SocketAddr::from_abstract_name(&name).expect("a short name");
        for (server, name) in [
            (UnixDatagram::bind(&path), path.display().to_string()),
            (UnixDatagram::bind_addr(&hidden), format!("@{name}")),
        ] {
            let server = server.expect("a socket");
            let socket = connect(OsStr::new(&name)).expect("it listens");
            let manager = ServiceManager { socket: Some(socket), watchdog: None };
            let heard = || {
                let mut bytes = [0; 512];
                let length = server.recv(&mut bytes).expect("a message");
                String::from_utf8_lossy(&bytes[..length]).into_owned()
            };
            manager.ready("Listening\nWATCHDOG=1");
            assert_eq!(heard(), "READY=1\nSTATUS=Listening WATCHDOG=1", "{name}");
            manager.reloading();
            let told = heard();
            assert!(told.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{told}");
            drop(server);
            // Nobody listens any more: that is no matter.
            ServiceManager { socket: manager.socket, watchdog: None }.alive();
        }
    }
}
