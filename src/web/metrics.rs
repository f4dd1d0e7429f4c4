//! `/metrics` in the text format of Prometheus. Labels are words of this program and names of configured hooks.

use std::fmt::Write;
use std::sync::{Arc, PoisonError};

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Method, Response, StatusCode, header};

use super::Web;
use super::answer::{text, wrong_method};
use crate::query::tally::Tally;
use crate::store::growth::parts;
use crate::store::space::{DiskOf, Space};

/// The content type of the text format.
const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The text of an answer.
#[derive(Default)]
struct Page(String);

impl Page {
    /// One metric, with a value for each set of labels.
    fn metric<L: AsRef<str>>(
        &mut self,
        (name, kind, help): (&str, &str, &str),
        rows: impl IntoIterator<Item = (L, f64)>,
    ) {
        // What is written into a text cannot fail.
        let _ = writeln!(self.0, "# HELP beadle_{name} {help}\n# TYPE beadle_{name} {kind}");
        for (labels, value) in rows {
            let _ = writeln!(self.0, "beadle_{name}{} {value}", labels.as_ref());
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.metric((name, "gauge", help), [("", value)]);
    }

    /// A count for each kind.
    fn kinds<'a>(
        &mut self,
        (name, help, label): (&str, &str, &str),
        counts: impl IntoIterator<Item = (&'a &'static str, &'a u64)>,
    ) {
        let rows =
            counts.into_iter().map(|(kind, count)| (labels(&[(label, kind)]), *count as f64));
        self.metric((name, "counter", help), rows);
    }
}

/// Labels as they are written.
fn labels(pairs: &[(&str, &str)]) -> String {
    let escaped =
        |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs = pairs.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
}

impl Web {
    /// Counts what is new in the log, page by page.
    pub(super) fn tally(&self) -> Tally {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match tally.step(self.parts.kernel.store.as_ref()) {
                Ok(true) => {}
                Ok(false) => return tally.clone(),
                Err(error) => {
                    tracing::warn!(%error, "the log cannot be counted");
                    return tally.clone();
                }
            }
        }
    }

    fn page(&self) -> String {
        let mut page = Page::default();
        let seconds = self.started.elapsed().as_secs_f64();
        page.gauge("uptime_seconds", "Since the process began.", seconds);
        let version = labels(&[("version", env!("CARGO_PKG_VERSION"))]);
        page.metric(("build_info", "gauge", "The version of the program."), [(version, 1.0)]);
        self.counted(&mut page);
        self.open_work(&mut page);
        self.requests(&mut page);
        self.disk(&mut page);
        if let Some(silent) = self.silent() {
            let help = "Since the homeserver last answered.";
            page.gauge("sync_age_seconds", help, silent.as_secs_f64());
        }
        page.0
    }

    fn counted(&self, page: &mut Page) {
        let tally = self.tally();
        let help = "Events that were recorded since the process began.";
        page.metric(("events_total", "counter", help), [("", tally.events as f64)]);
        let next = self.parts.kernel.store.next_position().0;
        page.gauge("log_events", "Events in the log.", next as f64);
        page.kinds(("triggers_total", "Triggers, by what brought them.", "kind"), &tally.triggers);
        page.kinds(("outcomes_total", "What was decided on triggers.", "verdict"), &tally.verdicts);
        let help = "Executions that started and ended.";
        page.kinds(("executions_total", help, "state"), &tally.executions);
        page.kinds(("messages_total", "Messages of the bot.", "state"), &tally.messages);
    }

    fn open_work(&self, page: &mut Page) {
        let (undecided, open, waiting, unsent) = self.parts.kernel.agenda(|agenda| {
            let waiting = agenda.waiting_executions();
            (agenda.undecided(), agenda.open_executions(), waiting, agenda.unsent())
        });
        page.gauge("triggers_undecided", "Triggers that are not decided on.", undecided as f64);
        page.gauge("executions_open", "Executions that have not ended.", open as f64);
        let help = "Open executions that wait for people or for a time.";
        page.gauge("executions_waiting", help, waiting as f64);
        page.gauge("outbox_queued", "Messages that wait to be sent.", unsent as f64);
    }

    fn requests(&self, page: &mut Page) {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let rows = counts.iter().map(|((hook, code), count)| {
            (labels(&[("hook", hook), ("code", &code.to_string())]), *count as f64)
        });
        let help = "Answers to requests to hooks; `-` is no hook.";
        page.metric(("hook_requests_total", "counter", help), rows);
        let refused = self.refused_connections.load(std::sync::atomic::Ordering::Relaxed);
        let help = "Connections beyond the bound.";
        page.metric(("connections_refused_total", "counter", help), [("", refused as f64)]);
    }

    fn disk(&self, page: &mut Page) {
        let Some(data) = &self.parts.data else { return };
        let parts = parts(data);
        let rows = parts.iter().map(|part| (labels(&[("part", part.name)]), part.bytes as f64));
        page.metric(("data_bytes", "gauge", "What the data directory takes."), rows);
        if let Ok(room) = DiskOf(data.clone()).room() {
            page.gauge("disk_free_bytes", "Free space on its disk.", room.free_bytes as f64);
        }
    }
}

/// Answers with all figures.
pub(super) async fn metrics(State(web): State<Arc<Web>>, method: Method) -> Response<Body> {
    if method != Method::GET && method != Method::HEAD {
        return wrong_method("GET, HEAD", "ask with GET").answer();
    }
    let made = tokio::task::spawn_blocking(move || web.page()).await;
    let page = made.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    let mut answer = text(StatusCode::OK, page);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(KIND));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_has_its_help_its_type_and_a_line_for_each_set_of_labels() {
        let mut page = Page::default();
        page.kinds(("things_total", "Things.", "kind"), [(&"a\"b\\c", &3), (&"d", &4)]);
        page.gauge("size_bytes", "Size.", 1.5);
        let want = "# HELP beadle_things_total Things.\n# TYPE beadle_things_total counter\n\
             beadle_things_total{kind=\"a\\\"b\\\\c\"} 3\nbeadle_things_total{kind=\"d\"} 4\n\
             # HELP beadle_size_bytes Size.\n# TYPE beadle_size_bytes gauge\nbeadle_size_bytes 1.5\n";
        assert_eq!(page.0, want);
    }
}
