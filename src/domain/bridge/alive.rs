//! Whether a bridge runs: where it is asked, and what an answer, or none, changes.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::event::{BridgeAnswers, BridgeSilent, Event};

/// How long a bridge may take to say that it runs.
pub const ALIVE_MS_MAX: i64 = 5_000;
/// How often a bridge is asked, unless configured.
pub const ASK_EVERY: Duration = Duration::from_secs(30);
/// The shortest time between two questions, in milliseconds.
pub const ASK_EVERY_MS_MIN: i64 = 1_000;
/// The longest.
pub const ASK_EVERY_MS_MAX: i64 = 3_600_000;
/// So many questions in a row are not answered before a bridge counts as silent: one may be lost while it is restarted.
pub const FAILURES_MIN: u32 = 2;
/// Longest reason that is recorded, in characters.
const WHY_CHARS_MAX: usize = 300;

/// Where a bridge listens: `http://127.0.0.1:9898`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    tls: bool,
    host: String,
    port: u16,
}

impl Endpoint {
    /// Reads it as it is written in the configuration.
    ///
    /// # Errors
    /// What is wrong with it; nothing of what may be a password in it.
    pub fn read(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("{what}: write it as `http://127.0.0.1:9898`");
        let (tls, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return Err(wrong("it begins with neither `http://` nor `https://`")),
        };
        if rest.contains('@') {
            return Err(wrong("it names no user and no password"));
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(wrong("it is a host and a port alone; the path stands in the profile"));
        }
        let bracket = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (host, port) = match bracket {
            Some((host, port)) => (format!("[{host}]"), port),
            None => {
                let at = rest.find(':').unwrap_or(rest.len());
                (rest[..at].to_ascii_lowercase(), &rest[at..])
            }
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let named = match bracket {
            Some((host, _)) => host.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.len() <= 253 && host.chars().all(fits),
        };
        if !named {
            return Err(wrong("it names no host"));
        }
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => Some(if tls { 443 } else { 80 }),
            None => None,
            Some(port) => port.parse().ok().filter(|port| *port > 0),
        };
        let port = port.ok_or_else(|| wrong("its port is no number from 1 to 65535"))?;
        Ok(Self { tls, host, port })
    }

    /// Its host and port, as a list of hosts that may be reached has them.
    pub fn host(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// What changes when a bridge was asked; `failures`: how often in a row it has not answered, counted on here.
pub fn asked(
    bridge: &str,
    is_silent: bool,
    failures: &mut u32,
    answer: Result<(), String>,
) -> Option<Event> {
    let bridge = bridge.to_owned();
    match answer {
        Ok(()) => {
            *failures = 0;
            is_silent.then(|| BridgeAnswers { bridge }.into())
        }
        Err(why) => {
            *failures = failures.saturating_add(1);
            let why = why.chars().take(WHY_CHARS_MAX).collect();
            let changes = !is_silent && *failures >= FAILURES_MIN;
            changes.then(|| BridgeSilent { bridge, why }.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_listens_at_a_host_and_a_port() {
        for (text, want) in [
            ("http://127.0.0.1:9898", Ok("http://127.0.0.1:9898")),
            ("https://Bridge.example.org/", Ok("https://bridge.example.org:443")),
            ("http://bridge", Ok("http://bridge:80")),
            ("http://[::1]:9898", Ok("http://[::1]:9898")),
            ("127.0.0.1:9898", Err("neither `http://`")),
            ("ftp://bridge:21", Err("neither `http://`")),
            ("http://ann:sesame@bridge:9898", Err("no user and no password")),
            ("http://bridge:9898/live", Err("the path stands in the profile")),
            ("http://bridge:9898?token=sesame", Err("the path stands in the profile")),
            ("http://:9898", Err("no host")),
            ("http://[::x]:1", Err("no host")),
            ("http://a b:1", Err("no host")),
            ("http://bridge:0", Err("its port")),
            ("http://bridge:70000", Err("its port")),
            ("http://[::1]9898", Err("its port")),
        ] {
            let got = Endpoint::read(text).map(|it| it.to_string());
            match (&got, want) {
                (Ok(got), Ok(want)) => assert_eq!(got, want, "{text}"),
                (Err(got), Err(want)) => {
                    assert!(got.contains(want) && !got.contains("sesame"), "{text}: {got}");
                }
                _ => panic!("{text}: {got:?}"),
            }
        }
    }

    #[test]
    fn one_answer_or_two_failures_change_it() {
        let (mut silent, mut failures) = (false, 0);
        for (answers, want) in [
            (true, None),
            (false, None),
            (true, None),
            (false, None),
            (false, Some("bridge_silent")),
            (false, None),
            (true, Some("bridge_answers")),
            (true, None),
            (false, None),
            (false, Some("bridge_silent")),
        ] {
            let answer = if answers { Ok(()) } else { Err("no connection".to_owned()) };
            let event = asked("heisenbridge", silent, &mut failures, answer);
            assert_eq!(event.as_ref().map(Event::kind), want, "{failures}");
            match event {
                Some(Event::BridgeSilent(_)) => silent = true,
                Some(Event::BridgeAnswers(_)) => silent = false,
                _ => {}
            }
        }
        // After a restart it goes on from what the log says.
        assert!(asked("heisenbridge", true, &mut 0, Err("no".into())).is_none());
        let Some(Event::BridgeSilent(it)) =
            asked("b", false, &mut FAILURES_MIN.clone(), Err("x".repeat(WHY_CHARS_MAX + 1)))
        else {
            panic!("it is silent")
        };
        assert_eq!(it.why.len(), WHY_CHARS_MAX);
    }
}
