//! `/healthz`: whether the bot does its work, and why not. Nothing of what people said is in it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Response, StatusCode};

use super::Web;
use super::answer::{text, wrong_method};
use crate::store::space::{DiskOf, FREE_BYTES_MIN, Space};

/// Without a sign of the homeserver for so long the bot is not healthy.
pub const DISCONNECTED_MAX: Duration = Duration::from_secs(120);

/// What was looked at.
#[derive(Debug, Default)]
pub struct Look {
    /// The log takes nothing any more.
    pub log_failed: bool,
    /// How much of the disk is free, if that is known.
    pub free_bytes: Option<u64>,
    /// How long nothing came from the homeserver, if one is expected.
    pub silent: Option<Duration>,
    /// The bot is ending.
    pub stopping: bool,
}

/// What keeps the bot from its work.
pub fn problems(look: &Look) -> Vec<String> {
    let mut found = vec![];
    if look.log_failed {
        found.push("the log has failed".to_owned());
    }
    if look.free_bytes.is_some_and(|free| free < FREE_BYTES_MIN) {
        found.push("the disk is nearly full".to_owned());
    }
    if let Some(silent) = look.silent.filter(|silent| *silent > DISCONNECTED_MAX) {
        found.push(format!("nothing came from the homeserver for {} s", silent.as_secs()));
    }
    if look.stopping {
        found.push("the bot is stopping".to_owned());
    }
    found
}

impl Web {
    fn look(&self) -> Look {
        let room = self.parts.data.as_ref().and_then(|data| DiskOf(data.clone()).room().ok());
        Look {
            log_failed: self.parts.kernel.store.failure().borrow().is_some(),
            free_bytes: room.map(|room| room.free_bytes),
            silent: self.silent(),
            stopping: self.is_stopping(),
        }
    }
}

/// Answers whether all is well.
pub(super) async fn healthz(State(web): State<Arc<Web>>, method: Method) -> Response<Body> {
    if method != Method::GET && method != Method::HEAD {
        return wrong_method("GET, HEAD", "ask with GET").answer();
    }
    let problems = problems(&web.look());
    match problems.is_empty() {
        true => text(StatusCode::OK, "ok\n".to_owned()),
        false => text(StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", problems.join("\n"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_it_from_its_work_is_told() {
        let well = || Look { free_bytes: Some(FREE_BYTES_MIN), ..Look::default() };
        let late = DISCONNECTED_MAX + Duration::from_secs(1);
        for (look, want) in [
            (well(), ""),
            (Look { silent: Some(DISCONNECTED_MAX), ..well() }, ""),
            (Look { free_bytes: None, ..well() }, ""),
            (Look { silent: Some(late), ..well() }, "nothing came from the homeserver for 121 s"),
            (Look { free_bytes: Some(FREE_BYTES_MIN - 1), ..well() }, "the disk is nearly full"),
            (
                Look { log_failed: true, stopping: true, ..well() },
                "the log has failed, the bot is stopping",
            ),
        ] {
            assert_eq!(problems(&look).join(", "), want);
        }
    }
}
