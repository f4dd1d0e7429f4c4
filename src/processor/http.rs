//! Requests of scripts: their secrets are found, they are sent, and what came back is made fit for the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::action::{ActionDone, Processes, RESULT_BYTES_MAX, RESULT_JSON_BYTES_MAX};
use super::{Error, Kernel};
use crate::adapter::http_client::{Answer, Fetch, FetchError};
use crate::adapter::process::scrub::{Cut, Scrub};
use crate::adapter::secrets::Secret;
use crate::domain::event::{EffectClass, EffectResult};
use crate::domain::execution::{Execution, Step};
use crate::domain::http::{self, NOT_ALLOWED, Request, TOO_LARGE, UNREACHABLE};
use crate::domain::http_allow::Allow;
use crate::script::action::NOT_STARTED;

/// One request.
#[derive(Debug, Clone)]
pub struct HttpCall {
    /// What makes it the same request when it comes again.
    pub effect: String,
    /// Whether it may be repeated.
    pub class: EffectClass,
    /// What to send.
    pub request: Request,
    /// The hosts that may be reached.
    pub allow: Arc<Allow>,
}

impl Kernel {
    /// Sends a request, and gives what came back.
    pub(super) async fn fetch(
        &self,
        execution: &Execution,
        path: &str,
        step: &Step,
        request: Request,
    ) -> Result<ActionDone, Error> {
        let effect = format!("{}-{path}", execution.id);
        let allow = self.settings().http.clone();
        Ok(self.actions.fetch(HttpCall { effect, class: step.class, request, allow }).await)
    }
}

impl Processes {
    /// Sends a request of a script.
    pub(super) async fn send(&self, call: HttpCall) -> ActionDone {
        let started = Instant::now();
        let mut done = match self.known(&call.request) {
            Err(why) => failed(&call.request, NOT_STARTED, &why),
            Ok(secrets) => {
                let (request, effect) = (&call.request, call.effect.as_str());
                let (secrets, allow) = (secrets.as_slice(), &call.allow);
                let answer = self.http.fetch(Fetch { request, secrets, effect, allow }).await;
                taken(request, answer, &Scrub::new(secrets))
            }
        };
        done.took = started.elapsed();
        done
    }

    /// The values of its secrets.
    fn known(&self, request: &Request) -> Result<Vec<Secret>, String> {
        let mut known: Vec<Secret> = vec![];
        for used in &request.secrets {
            if !known.iter().any(|secret| secret.name == used.name) {
                known.push(self.secrets.get(&used.name)?);
            }
        }
        Ok(known)
    }
}

/// Where requests cannot be sent, none is.
pub(super) fn unsent(request: &Request) -> ActionDone {
    failed(request, NOT_ALLOWED, "no requests are sent from here")
}

fn failed(request: &Request, kind: &str, message: &str) -> ActionDone {
    let message = format!("{}: {message}", request.action);
    let error = http::error(kind, &request.action, &message);
    ActionDone { result: EffectResult::Err(error), whole: None, took: Duration::ZERO }
}

/// What the script gets of an answer: without secrets, and no more than the log takes.
fn taken(request: &Request, answer: Result<Answer, FetchError>, scrub: &Scrub) -> ActionDone {
    let done = match answer {
        Ok(answer) => good(answer, scrub),
        Err(error) => {
            let kind = match &error {
                FetchError::NotAllowed(_) => NOT_ALLOWED,
                FetchError::NotStarted(_) => NOT_STARTED,
                FetchError::Unreachable(_) => UNREACHABLE,
                FetchError::TimedOut(_) => "timed_out",
                FetchError::TooLarge => TOO_LARGE,
                FetchError::Failed(_) => "failed",
            };
            failed(request, kind, &error.to_string())
        }
    };
    let result = match done.result {
        EffectResult::Ok(value) => EffectResult::Ok(scrub.value(value)),
        EffectResult::Err(value) => EffectResult::Err(scrub.value(value)),
    };
    ActionDone { result, ..done }
}

fn good(answer: Answer, scrub: &Scrub) -> ActionDone {
    let body = scrub.bytes(&answer.body, Cut::No);
    let text = String::from_utf8_lossy(&body);
    let result = http::response(answer.status, &answer.headers, &text);
    if result.to_string().len() <= RESULT_JSON_BYTES_MAX {
        return ActionDone { result: EffectResult::Ok(result), whole: None, took: Duration::ZERO };
    }
    let mut most = RESULT_BYTES_MAX;
    let result = loop {
        let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
        let shown = &text[..end.unwrap_or(0)];
        let mut result = http::response(answer.status, &answer.headers, shown);
        result["cut"] = json!(true);
        // Control characters take six bytes each as JSON, and headers some too.
        if result.to_string().len() <= RESULT_JSON_BYTES_MAX || most == 0 {
            break result;
        }
        most /= 2;
    };
    ActionDone { result: EffectResult::Ok(result), whole: Some(body), took: Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn answered(body: &[u8]) -> ActionDone {
        let headers = BTreeMap::from([("x-token".to_owned(), "open-sesame".to_owned())]);
        let answer = Answer { status: 200, headers, body: body.to_vec() };
        let scrub = Scrub::new(&[Secret::new("door", "open-sesame".into())]);
        good(answer, &scrub)
    }

    #[test]
    fn a_script_sees_a_bounded_body_and_the_whole_is_kept() {
        let around = http::response(200, &BTreeMap::new(), "").to_string().len() + 100;
        for (letter, bytes, cut) in [
            ("x", RESULT_JSON_BYTES_MAX - around, false),
            ("x", RESULT_JSON_BYTES_MAX, true),
            ("é", RESULT_JSON_BYTES_MAX, true),
            ("\u{1}", RESULT_BYTES_MAX, true),
        ] {
            let body = letter.repeat(bytes / letter.len());
            let done = answered(body.as_bytes());
            let EffectResult::Ok(value) = &done.result else { panic!("{letter:?}") };
            assert_eq!(value["cut"] == true, cut, "{letter:?} {bytes}");
            assert_eq!(done.whole.is_some(), cut, "{letter:?} {bytes}");
            assert!(value.to_string().len() <= RESULT_JSON_BYTES_MAX);
            let shown = value["body"].as_str().expect("a text");
            assert!(body.starts_with(shown) && shown.len() >= RESULT_BYTES_MAX / 8);
        }
    }

    #[test]
    fn secrets_that_come_back_are_not_shown() {
        let request = Request::of(
            "http_get",
            &json!({
                "action": "GET https://a.example", "method": "GET", "url": "https://a.example",
                "headers": {}, "body": null, "secrets": [], "timeout_ms": 1, "retries": 0,
            }),
        );
        let request = request.expect("it is one");
        let scrub = Scrub::new(&[Secret::new("door", "open-sesame".into())]);
        let headers = BTreeMap::from([("x-token".to_owned(), "open-sesame".to_owned())]);
        let body = b"you said open-sesame, {\"pin\":\"\\u006fpen-sesame\"}".to_vec();
        let done = taken(&request, Ok(Answer { status: 401, headers, body }), &scrub);
        let shown = format!("{:?}", done.result);
        assert!(!shown.contains("open-sesame") && shown.contains("[secret door]"), "{shown}");
        let failed = FetchError::Failed("open-sesame is no host".into());
        let shown = format!("{:?}", taken(&request, Err(failed), &scrub).result);
        assert!(!shown.contains("open-sesame") && shown.contains("[secret door]"), "{shown}");
    }
}
