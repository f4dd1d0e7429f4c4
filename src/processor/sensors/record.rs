//! Lines of a sensor become triggers, in one batch with where it goes on.

use super::super::intake::record;
use super::super::{ATTEMPTS_MAX, Error, Kernel, Tried, write};
use super::feed::Seen;
use crate::domain::event::{Event, NewEvent, SensorAdvanced};
use crate::domain::id::{DedupeKey, StreamName, Timestamp, Version};
use crate::domain::named::NamedEvent;
use crate::domain::sensor::{self, Sensed};
use crate::domain::trigger::Trigger;
use crate::store::{Direction, Expected, ReadError};

/// Most characters of a bad line that the owner is shown.
const BAD_SHOWN_CHARS: usize = 120;

/// What became of lines.
#[derive(Debug, Default)]
pub(super) struct Came {
    /// Why those are none that are no triggers, and how they begin.
    pub bad: Vec<(String, String)>,
}

impl Kernel {
    /// How far a sensor has come.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn sensor_stands(&self, name: &str) -> Result<SensorAdvanced, ReadError> {
        Ok(self.sensor_last(name)?.0)
    }

    fn sensor_last(&self, name: &str) -> Result<(SensorAdvanced, Option<Version>), ReadError> {
        let last =
            self.store.read(&self.sensor_stream(name), Version::END, Direction::Backward, 1)?;
        let version = last.first().map(|recorded| recorded.id.version);
        let stands = last.first().and_then(|recorded| match recorded.event() {
            Some(Event::SensorAdvanced(stands)) => Some(stands.clone()),
            _ => None,
        });
        let none = || SensorAdvanced {
            name: name.to_owned(),
            cursor: None,
            // What was erased must not be counted again: the number of a line is its name.
            lines: version.map_or(0, |version| (version.0 + 1) << 32),
            bad: 0,
        };
        Ok((stands.unwrap_or_else(none), version))
    }

    fn sensor_stream(&self, name: &str) -> StreamName {
        StreamName::sensor(&self.store.key().tag("sensor", &[name]))
    }

    /// Records what a sensor saw; durable when it returns.
    ///
    /// # Errors
    /// [`Error`] if the log fails.
    pub(super) async fn sensed(&self, name: &str, seen: Vec<Seen>) -> Result<Came, Error> {
        let mut came = Came::default();
        let mut lines: Vec<(Option<Sensed>, Option<String>)> = vec![];
        for Seen { line, cursor } in seen {
            let read = match line {
                None => None,
                Some(Err(bad)) => {
                    came.bad.push(bad);
                    None
                }
                Some(Ok(line)) => sensor::read(&line)
                    .map_err(|why| {
                        came.bad.push((why, line.chars().take(BAD_SHOWN_CHARS).collect()))
                    })
                    .ok(),
            };
            let own = read.as_ref().and_then(|read| read.cursor.clone());
            lines.push((read, own.or(cursor)));
        }
        for _ in 0..ATTEMPTS_MAX {
            let (stands, version) = self.sensor_last(name)?;
            let mut step = stands.clone();
            step.bad += came.bad.len() as u64;
            let mut triggers = vec![];
            for (sensed, cursor) in &lines {
                if let Some(sensed) = sensed {
                    let trigger = trigger(name, sensed, cursor.as_deref(), &step, self.clock.now());
                    step.lines += 1;
                    triggers.push(trigger);
                }
                step.cursor = cursor.clone().or(step.cursor);
            }
            if step == stands {
                return Ok(came);
            }
            let expected = version.map_or(Expected::NoStream, Expected::Exact);
            let events = vec![NewEvent::bare(step)];
            let mut batch = vec![write(self.sensor_stream(name), expected, events)];
            for trigger in triggers {
                let write = record(self.store.as_ref(), trigger);
                // A sensor may say the same thing twice at once.
                if batch.iter().all(|known| known.stream != write.stream) {
                    batch.push(write);
                }
            }
            match self.append(batch).await? {
                Tried::Done => return Ok(came),
                Tried::Moved => {}
                Tried::TooMuch(why) => {
                    tracing::error!(sensor = name, why, "what it saw cannot be recorded");
                    return Ok(came);
                }
            }
        }
        tracing::error!(sensor = name, "it moved on every time that it was recorded");
        Ok(came)
    }
}

/// The trigger of one line: the same place of the same sensor is the same trigger; one without a place is a new one.
fn trigger(
    name: &str,
    sensed: &Sensed,
    cursor: Option<&str>,
    step: &SensorAdvanced,
    now: Timestamp,
) -> Trigger {
    let nth = step.lines.to_string();
    let key = match cursor {
        Some(cursor) => DedupeKey::new(&["sensor", name, "at", cursor]),
        None => DedupeKey::new(&["sensor", name, "nth", &nth]),
    };
    let fields = sensed.fields.clone();
    let event = NamedEvent { name: format!("sensor.{name}"), fields, source: "sensor".into() };
    Trigger::event(key, now, event)
}
