//! What is said of alerts: their own messages, what their threads hear, and digests of many.

use super::silences::span;
use crate::domain::alert::{Alert, State};
use crate::domain::id::Timestamp;
use crate::domain::message::{Block, Doc, Span};
use crate::domain::question_event::Whom;

/// Most characters of an alert that a line of a list shows.
const LINE_CHARS: usize = 160;

/// That an alert is over because no report of it is left.
pub fn report_erased() -> Doc {
    Doc::text("what was reported is erased")
}

/// The message of an alert: what is wrong, and how it stands.
pub fn root(alert: &Alert, now: Timestamp) -> Doc {
    let mut line: Vec<Span> = vec![standing(alert, now).into()];
    if !alert.raised.facts.link.is_empty() {
        line.push(" · ".into());
        line.push(Span::Link { url: alert.raised.facts.link.clone(), text: "more".into() });
    }
    alert.raised.doc.clone().line(line)
}

/// `firing for 10 min, CRITICAL, 3 times`.
pub fn standing(alert: &Alert, now: Timestamp) -> String {
    let raised = &alert.raised;
    let lasted = |until: Timestamp| until.0.saturating_sub(raised.since.0);
    let (state, so_far) = (alert.state.word(), lasted(now));
    let mut parts = vec![match (alert.state, &raised.acknowledged) {
        (State::Resolved, _) => format!("{state} after {}", span(lasted(alert.changed))),
        (State::Acknowledged, Some(who)) if so_far < 60_000 => format!("{state} by {who}"),
        (State::Acknowledged, Some(who)) => format!("{state} by {who}, for {}", span(so_far)),
        _ if so_far < 60_000 => state.to_owned(),
        _ => format!("{state} for {}", span(so_far)),
    }];
    if !raised.facts.severity.is_empty() {
        parts.push(raised.facts.severity.clone());
    }
    if raised.count > 1 {
        parts.push(format!("{} times", raised.count));
    }
    if let (State::Resolved, Some(who)) = (alert.state, &raised.acknowledged) {
        parts.push(format!("acknowledged by {who}"));
    }
    parts.join(", ")
}

/// In its thread: it fires again.
pub fn again(alert: &Alert) -> Doc {
    Doc::text("firing again: ").joined(alert.raised.doc.clone())
}

/// In its thread: it is worse or better.
pub fn severity(alert: &Alert) -> Doc {
    let said = format!("now {}: ", alert.raised.facts.severity);
    Doc::text(&said).joined(alert.raised.doc.clone())
}

/// In its thread: who looks after it.
pub fn acknowledged(alert: &Alert) -> Doc {
    Doc::text(&format!("acknowledged by {}", alert.raised.acknowledged.as_deref().unwrap_or("?")))
}

/// In its thread: it is over.
pub fn resolved(alert: &Alert, said: &Doc) -> Doc {
    let after = span(alert.changed.0.saturating_sub(alert.raised.since.0));
    match said.is_empty() {
        true => Doc::text(&format!("resolved after {after}")),
        false => Doc::text(&format!("resolved after {after}: ")).joined(said.clone()),
    }
}

/// In its thread: nobody looks after it.
pub fn escalated(alert: &Alert, after_ms: i64, then: &Whom) -> Doc {
    let people = then.people.iter().map(|id| super::called(id).to_owned());
    let all: Vec<String> = people.chain(then.roles.iter().cloned()).collect();
    let said = format!("{}: nobody has acknowledged this for {}: ", all.join(", "), span(after_ms));
    Doc::text(&said).joined(alert.raised.doc.clone())
}

/// Where a message cannot be changed: what it is about stands in front.
pub fn keyed(key: &str, doc: Doc) -> Doc {
    Doc::text(&format!("{key}: ")).joined(doc)
}

/// A digest: those that are not over, with a head that says how many there are. `lines` bounds what is listed.
pub fn digest(
    alerts: &[Alert],
    more: usize,
    (room, at): (&str, &str),
    quiet: bool,
    lines: usize,
) -> Doc {
    let (open, over): (Vec<&Alert>, Vec<&Alert>) =
        alerts.iter().partition(|alert| alert.state != State::Resolved);
    let total = alerts.len() + more;
    let noun = if total == 1 { "alert" } else { "alerts" };
    let when = if quiet { " in the quiet hours" } else { "" };
    let resolved = match over.len() {
        0 => String::new(),
        all if all == total => ", all resolved".into(),
        some => format!(", {some} resolved"),
    };
    let end = if open.is_empty() { "" } else { ":" };
    let head = Doc::text(&format!("{total} {noun} in {room}{when}{resolved}{end}"));
    let mut points: Vec<Vec<Span>> =
        open.iter().take(lines).map(|alert| vec![in_line(alert).into()]).collect();
    let left = open.len().saturating_sub(lines) + more;
    if left > 0 {
        points.push(vec![format!("… and {left} more; `{at}alerts` lists them").into()]);
    }
    if points.is_empty() { head } else { head.block(Block::List(points)) }
}

/// An alert in a line of a list.
fn in_line(alert: &Alert) -> String {
    let words = alert.raised.doc.words();
    let text: String = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: String = text.chars().take(LINE_CHARS).collect();
    let cut = if shown.len() < text.len() { "…" } else { "" };
    let count = if alert.raised.count > 1 {
        format!(", {} times", alert.raised.count)
    } else {
        String::new()
    };
    let severity = &alert.raised.facts.severity;
    let severity = if severity.is_empty() { String::new() } else { format!(" [{severity}]") };
    let by = alert.raised.acknowledged.as_ref().map(|who| format!(", {who} looks after it"));
    format!("{}{severity}: {shown}{cut}{count}{}", alert.raised.key, by.unwrap_or_default())
}

/// The alerts that are not over.
pub fn listing(alerts: &[(Alert, Option<String>)], more: usize, now: Timestamp) -> Doc {
    if alerts.is_empty() {
        return Doc::text("No alert is open.");
    }
    let line = |(alert, silence): &(Alert, Option<String>)| {
        let silence = silence.as_ref().map(|it| format!("; {it}")).unwrap_or_default();
        let room = &alert.raised.place.name;
        let text = format!("{} – {} in {room}{silence}", in_line(alert), standing(alert, now));
        vec![Span::from(text)]
    };
    let mut points: Vec<Vec<Span>> = alerts.iter().map(line).collect();
    if more > 0 {
        points.push(vec![format!("… and {more} more").into()]);
    }
    Doc::default().block(Block::List(points))
}

/// Somebody looks after it from now on.
pub fn acknowledged_by(key: &str, who: &str) -> String {
    format!("{key} acknowledged by {who}")
}

/// It is not to be acknowledged.
pub fn not_firing(alert: &Alert) -> String {
    match (&alert.state, &alert.raised.acknowledged) {
        (State::Acknowledged, Some(who)) => {
            format!("{} is acknowledged by {who}.", alert.raised.key)
        }
        _ => format!("{} is {}.", alert.raised.key, alert.state.word()),
    }
}

/// There is no such alert.
pub fn unknown(key: &str, near: Option<&str>, at: &str) -> String {
    match near {
        Some(near) => format!("I know no open alert “{key}”. Did you mean `{near}`?"),
        None => format!("I know no open alert “{key}”; `{at}alerts` lists them."),
    }
}

/// Which alert is meant is not said.
pub fn which(at: &str) -> String {
    format!("say it in the thread of an alert, or name the alert: `{at}ack nagios/web301`.")
}
