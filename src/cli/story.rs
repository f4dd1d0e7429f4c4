//! `beadle execution show` for people: what was asked, every step with what it was called with and gave, and the end.

use serde_json::Value;

use super::style::{out, plain, time};

/// Most characters of what a step was called with, and of what it gave.
const VALUE_CHARS: usize = 160;
/// Most characters of anything else.
const TEXT_CHARS: usize = 400;

/// Shows a row of the answer; one of an erased execution has no journal of steps.
pub fn show(row: &Value) {
    lines(row).iter().for_each(|line| out!("{line}"));
}

fn lines(row: &Value) -> Vec<String> {
    let text = |name: &str| plain(row[name].as_str().unwrap_or(""), TEXT_CHARS);
    let at = |name: &str| time(row[name].as_i64().unwrap_or(0));
    let mut lines = vec![
        format!("{} {}", text("execution"), text("status")),
        format!("  {} in {}: {}", text("by"), text("room"), text("command")),
    ];
    if let Some(file) = row["script"]["file"].as_str() {
        let version: String =
            row["script"]["version"].as_str().unwrap_or("").chars().take(8).collect();
        lines.push(format!("  {} of {} {version}", text("alias"), plain(file, TEXT_CHARS)));
    }
    if let Some(before) = row["retry_of"].as_str() {
        lines.push(format!("  tried again after {before}"));
    }
    lines.push(format!("  from {} to {}", at("began_ms"), at("touched_ms")));
    for step in row["journal"].as_array().into_iter().flatten() {
        lines.extend(step_lines(step));
    }
    if let Some(by) = row["cancelled"]["by"].as_str() {
        let reason = plain(row["cancelled"]["reason"].as_str().unwrap_or(""), TEXT_CHARS);
        lines.push(format!("cancelled by {by} {reason}").trim_end().to_owned());
    }
    lines.extend(ending(&row["ending"]));
    lines
}

/// A step: where, what, with what, how long, and what it gave.
fn step_lines(step: &Value) -> Vec<String> {
    let Some(op) = step["op"].as_str() else {
        return vec![format!("  {}", plain(step["type"].as_str().unwrap_or(""), TEXT_CHARS))];
    };
    let path = step["path"].as_str().unwrap_or("");
    let took = match (
        step["began_ms"].as_i64().or(step["asked_ms"].as_i64()),
        step["ended_ms"].as_i64(),
    ) {
        (Some(began), Some(ended)) if ended > began => format!(" {}", length(ended - began)),
        _ => String::new(),
    };
    let state = step["state"].as_str().unwrap_or("");
    let line = step["line"].as_i64().filter(|line| *line > 0);
    let line = line.map_or(String::new(), |line| format!("line {line}"));
    let args = plain(&step["args"].to_string(), VALUE_CHARS);
    let gave = match state {
        "done" => format!("→ {}", plain(&step["value"].to_string(), VALUE_CHARS)),
        "failed" => {
            let message = step["value"]["message"].as_str().map(str::to_owned);
            let message = message.unwrap_or_else(|| step["value"].to_string());
            format!("✗ {}", plain(&message, VALUE_CHARS))
        }
        state => state.to_owned(),
    };
    let mut lines = vec![format!("  {path:<8} {line:<9} {op} {args}{took} {gave}")];
    if let Some(question) = step["question"]["text"].as_str() {
        let answered = match (step["question"]["by"].as_str(), &step["question"]["answer"]) {
            (Some(by), answer) => {
                format!("{by} answered {}", plain(&answer.to_string(), VALUE_CHARS))
            }
            // Votes stand in what the step gave.
            (None, _) if op == "approve" && matches!(state, "done" | "failed") => String::new(),
            (None, _) => "nobody has answered".into(),
        };
        let answered = if answered.is_empty() { answered } else { format!(": {answered}") };
        lines.push(format!("  {:<18} “{}”{answered}", "", plain(question, TEXT_CHARS)));
    }
    lines
}

fn ending(ending: &Value) -> Vec<String> {
    let all = |text: &str| -> Vec<String> {
        text.lines().map(|line| format!("  {}", plain(line, TEXT_CHARS))).collect()
    };
    match ending {
        Value::Null => vec![],
        _ if ending.get("failed").is_some() => {
            let failed = &ending["failed"];
            let place = format!("{}:{}", failed["file"].as_str().unwrap_or(""), failed["line"]);
            let message = plain(failed["message"].as_str().unwrap_or(""), TEXT_CHARS);
            vec![format!("failed: {message} ({place})")]
        }
        _ if ending.get("diverged").is_some() => {
            let how = &ending["diverged"];
            let how = how.as_str().map_or_else(|| how.to_string(), str::to_owned);
            let mut lines = vec!["the script no longer does what it did:".to_owned()];
            lines.extend(all(&how));
            lines
        }
        _ if ending.get("succeeded").is_some() => {
            vec![format!("succeeded: {}", plain(&ending["succeeded"].to_string(), TEXT_CHARS))]
        }
        _ => vec![],
    }
}

fn length(ms: i64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_story_is_told_in_lines() {
        let row = json!({
            "execution": "4F7K2Q9A", "status": "failed", "by": "@ann:hs", "room": "#ops",
            "command": "make vm web1", "alias": "make vm", "began_ms": 0, "touched_ms": 65_000,
            "script": { "file": "vm.rhai", "version": "0123456789ab" }, "retry_of": "3AAA",
            "journal": [
                { "path": "0", "op": "exec", "line": 3, "args": { "host": "web1" }, "state": "done",
                  "value": { "id": 7 }, "asked_ms": 0, "began_ms": 1_000, "ended_ms": 3_500 },
                { "path": "1", "op": "ask", "line": 4, "args": {}, "state": "done", "value": "yes",
                  "asked_ms": 4_000, "ended_ms": 64_000,
                  "question": { "text": "Sure?", "by": "@ben:hs", "answer": "yes" } },
                { "path": "1a", "op": "approve", "line": 4, "args": {}, "state": "done", "value": true,
                  "asked_ms": 64_000, "ended_ms": 64_000, "question": { "text": "ship shop" } },
                { "path": "1b", "op": "ask", "line": 4, "args": {}, "state": "waits",
                  "asked_ms": 64_000, "question": { "text": "Which?" } },
                { "path": "2", "op": "exec", "line": 5, "args": {}, "state": "failed",
                  "value": { "message": "no disk" }, "asked_ms": 65_000, "ended_ms": 65_000 },
            ],
            "cancelled": null,
            "ending": { "failed": { "message": "no disk", "file": "vm.rhai", "line": 5 } },
        });
        let want = [
            "4F7K2Q9A failed",
            "  @ann:hs in #ops: make vm web1",
            "  make vm of vm.rhai 01234567",
            "  tried again after 3AAA",
            "  from 1970-01-01T00:00:00Z to 1970-01-01T00:01:05Z",
            "  0        line 3    exec {\"host\":\"web1\"} 2.5 s → {\"id\":7}",
            "  1        line 4    ask {} 60.0 s → \"yes\"",
            "                     “Sure?”: @ben:hs answered \"yes\"",
            "  1a       line 4    approve {} → true",
            "                     “ship shop”",
            "  1b       line 4    ask {} waits",
            "                     “Which?”: nobody has answered",
            "  2        line 5    exec {} ✗ no disk",
            "failed: no disk (vm.rhai:5)",
        ];
        assert_eq!(lines(&row), want);
    }

    #[test]
    fn endings_are_told() {
        for (ending_of, want) in [
            (json!(null), vec![]),
            (json!({ "succeeded": 3 }), vec!["succeeded: 3"]),
            (
                json!({ "diverged": "one\ntwo" }),
                vec!["the script no longer does what it did:", "  one", "  two"],
            ),
            (json!({ "cancelled": { "by": "x" } }), vec![]),
        ] {
            assert_eq!(ending(&ending_of), want, "{ending_of}");
        }
    }
}
