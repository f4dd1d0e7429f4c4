//! Where a sensor's lines come from: a program that runs, or a file that grows.

use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt;
use regex::Regex;
use serde_json::{Map, Value, json};

use super::super::Kernel;
use crate::adapter::process::Outcome;
use crate::adapter::process::stream::{Line, Stream};
use crate::adapter::secrets::Secrets;
use crate::adapter::tail::{LOOK_EVERY, Tail};
use crate::domain::sensor::CURSOR;
use crate::processor::action::sensor_spec;
use crate::script::sensor::{Feed, SensorDef};

/// Most lines that are recorded together.
pub const LINES_TOGETHER_MAX: usize = 32;

/// A line, as far as it can be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// JSON; an error: why it is none, with its beginning; none: only the place.
    pub line: Option<Result<String, (String, String)>>,
    /// Where it goes on behind it, for what does not say so itself.
    pub cursor: Option<String>,
}

/// What brings lines.
pub(super) enum Feeding {
    Program(Box<Stream>),
    File { tail: Option<Box<Tail>>, path: String, pattern: Option<Regex> },
}

impl Feeding {
    /// Begins where it was left.
    ///
    /// # Errors
    /// Why it cannot begin.
    pub async fn start(
        kernel: &Arc<Kernel>,
        def: &SensorDef,
        secrets: &Secrets,
        cursor: Option<&str>,
    ) -> Result<Self, String> {
        let scripts = kernel.scripts.offered().set.folder.clone();
        match &def.feed {
            Feed::Program(action) => {
                let spec = sensor_spec(action, secrets, &scripts, &def.name, cursor)?;
                let first = json!({ CURSOR: cursor }).to_string();
                let stream = Stream::start(&def.name, &spec, &first).await?;
                Ok(Self::Program(Box::new(stream)))
            }
            Feed::File { path, folder, pattern } => {
                let whole = scripts.join(folder).join(path);
                let pattern = pattern.as_ref().map(|it| Regex::new(it)).transpose();
                let pattern = pattern.map_err(|why| why.to_string())?;
                let mut tail = Tail::new(Path::new(&whole), cursor);
                // Where there is nothing yet, this is where it begins.
                let begun = if cursor.is_none() { tail.look(0) } else { Ok(vec![]) };
                begun.map_err(|why| format!("{path}: {why}"))?;
                Ok(Self::File { tail: Some(Box::new(tail)), path: path.clone(), pattern })
            }
        }
    }

    /// Where it stands before its first line.
    pub fn cursor(&self) -> Option<String> {
        match self {
            Self::Program(_) => None,
            Self::File { tail, .. } => tail.as_ref().and_then(|tail| tail.cursor()),
        }
    }

    /// The next lines: one at least.
    ///
    /// # Errors
    /// Why there are no more.
    pub async fn next(&mut self) -> Result<Vec<Seen>, String> {
        match self {
            Self::Program(stream) => {
                let first = stream.next().await.ok_or_else(String::new)?;
                let mut lines = vec![printed(first)];
                while lines.len() < LINES_TOGETHER_MAX
                    && let Some(Some(line)) = stream.next().now_or_never()
                {
                    lines.push(printed(line));
                }
                Ok(lines)
            }
            Self::File { tail, path, pattern } => loop {
                let mut looking = tail.take().ok_or("nobody looks at it any more")?;
                let looked = tokio::task::spawn_blocking(move || {
                    let lines = looking.look(LINES_TOGETHER_MAX);
                    (looking, lines)
                });
                let (looked, lines) = looked.await.map_err(|why| why.to_string())?;
                *tail = Some(looked);
                let lines = lines.map_err(|why| format!("{path}: {why}"))?;
                if !lines.is_empty() {
                    let seen = lines.into_iter().map(|line| {
                        grown(path, pattern.as_ref(), line.text.as_deref(), line.cursor)
                    });
                    return Ok(seen.collect());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            },
        }
    }

    /// Ends it.
    pub async fn stop(self) {
        if let Self::Program(stream) = self {
            stream.stop().await;
        }
    }

    /// How it ended that there are no more lines.
    pub async fn ended(self, why: String) -> String {
        let Self::Program(stream) = self else { return why };
        let (outcome, last_words) = stream.ended().await;
        let how = match outcome {
            Outcome::Exited(code) => format!("it ended with status {code}"),
            Outcome::Signalled(0) => "it closed its output".to_owned(),
            Outcome::Signalled(signal) => format!("it was killed by signal {signal}"),
            Outcome::TimedOut | Outcome::TooMuchOutput => "it was stopped".to_owned(),
            Outcome::CannotStart(why) => why,
        };
        if last_words.is_empty() { how } else { format!("{how}: {last_words}") }
    }
}

fn printed(line: Line) -> Seen {
    let line = match line {
        Line::Text(text) => Ok(text),
        Line::TooLong => Err(("it is too long".to_owned(), String::new())),
    };
    Seen { line: Some(line), cursor: None }
}

/// A line of a file, as the fields of a trigger; one that the pattern does not fit is only passed over.
fn grown(path: &str, pattern: Option<&Regex>, text: Option<&str>, cursor: String) -> Seen {
    let Some(text) = text else {
        let line = Some(Err(("it is too long".to_owned(), String::new())));
        return Seen { line, cursor: Some(cursor) };
    };
    let mut fields = Map::new();
    if let Some(pattern) = pattern {
        let Some(found) = pattern.captures(text) else {
            return Seen { line: None, cursor: Some(cursor) };
        };
        for name in pattern.capture_names().flatten() {
            let value = found.name(name).map_or(Value::Null, |it| it.as_str().into());
            fields.insert(name.to_owned(), value);
        }
    }
    fields.insert("line".to_owned(), text.into());
    fields.insert("file".to_owned(), path.into());
    let line = Value::Object(fields).to_string();
    Seen { line: Some(Ok(line)), cursor: Some(cursor) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_file_has_the_groups_of_its_pattern() {
        let pattern = Regex::new(r"^(?<level>[A-Z]+) (?<rest>.*)$").expect("a pattern");
        for (pattern, text, want) in [
            (None, Some("a b"), Some(Ok(json!({ "line": "a b", "file": "x.log" })))),
            (
                Some(&pattern),
                Some("WARN disk"),
                Some(Ok(
                    json!({ "line": "WARN disk", "file": "x.log", "level": "WARN", "rest": "disk" }),
                )),
            ),
            (Some(&pattern), Some("quiet"), None),
            (None, None, Some(Err("it is too long"))),
        ] {
            let seen = grown("x.log", pattern, text, "1:2:3".into());
            assert_eq!(seen.cursor.as_deref(), Some("1:2:3"), "{text:?}");
            let got = seen.line.map(|line| match line {
                Ok(json) => Ok(serde_json::from_str::<Value>(&json).expect("JSON")),
                Err((why, _)) => Err(why),
            });
            assert_eq!(got, want.map(|want| want.map_err(str::to_owned)), "{text:?}");
        }
    }
}
