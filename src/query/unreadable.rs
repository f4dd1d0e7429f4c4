//! The triggers that could not be read and are still worth a try: a part of the agenda.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::event::{Event, Recorded};
use crate::domain::id::{StreamName, Timestamp};
use crate::domain::trigger::What;
use crate::domain::unreadable::{UNREADABLE_MAX, UNREADABLE_MS_MAX};

/// Their streams, and when they were recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Unreadable(BTreeMap<StreamName, Timestamp>);

impl Unreadable {
    /// What one more event changes.
    pub fn apply(&mut self, recorded: &Recorded) {
        let stream = &recorded.id.stream;
        match recorded.event() {
            Some(Event::TriggerRecorded(e)) => {
                if let What::Undecryptable(_) = &e.trigger.what {
                    self.note(stream, recorded.wall);
                }
            }
            // An erased event still ends what its type ends.
            _ if matches!(recorded.kind.as_str(), "event_decrypted" | "event_given_up") => {
                self.over(stream);
            }
            _ => {}
        }
    }

    /// Keeps one more in mind; what is too old or too much is forgotten.
    fn note(&mut self, stream: &StreamName, at: Timestamp) {
        self.0.retain(|_, since| young(*since, at));
        if self.0.len() >= UNREADABLE_MAX
            && let Some((oldest, _)) = self.0.iter().min_by_key(|(_, since)| **since)
        {
            let oldest = oldest.clone();
            self.0.remove(&oldest);
        }
        self.0.insert(stream.clone(), at);
    }

    /// One was read, or given up.
    fn over(&mut self, stream: &StreamName) {
        self.0.remove(stream);
    }

    /// All of them.
    pub fn streams(&self) -> impl Iterator<Item = &StreamName> {
        self.0.keys()
    }

    /// Those that are worth a try, the oldest first.
    pub fn waiting(&self, now: Timestamp) -> Vec<(StreamName, Timestamp)> {
        let mut found: Vec<_> = self.0.iter().filter(|(_, since)| young(**since, now)).collect();
        found.sort_by_key(|(_, since)| **since);
        found.into_iter().map(|(stream, since)| (stream.clone(), *since)).collect()
    }
}

fn young(since: Timestamp, now: Timestamp) -> bool {
    since.plus_ms(UNREADABLE_MS_MAX) > now
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(n: usize) -> StreamName {
        StreamName::parse(&format!("trigger-{n}")).expect("a stream's name")
    }

    /// The numbers of those that are worth a try.
    fn waiting(unreadable: &Unreadable, now: i64) -> String {
        let found = unreadable.waiting(Timestamp(now)).into_iter();
        found.map(|(stream, _)| stream.id().to_owned()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn posts_wait_until_they_are_over_or_old() {
        let mut unreadable = Unreadable::default();
        for (n, at) in [(2, 10), (1, 20), (3, 30)] {
            unreadable.note(&stream(n), Timestamp(at));
        }
        for (now, want) in [
            (30, "2 1 3"),
            (UNREADABLE_MS_MAX + 9, "2 1 3"),
            (UNREADABLE_MS_MAX + 10, "1 3"),
            (UNREADABLE_MS_MAX + 30, ""),
        ] {
            assert_eq!(waiting(&unreadable, now), want, "{now}");
        }
        unreadable.over(&stream(1));
        assert_eq!(waiting(&unreadable, 30), "2 3");
        unreadable.note(&stream(4), Timestamp(UNREADABLE_MS_MAX + 10));
        assert_eq!(waiting(&unreadable, 30), "3 4", "what is old is forgotten on the way");
    }

    #[test]
    fn the_oldest_gives_way() {
        let mut unreadable = Unreadable::default();
        for n in 0..=UNREADABLE_MAX {
            unreadable.note(&stream(n), Timestamp(n as i64));
        }
        let left = unreadable.waiting(Timestamp(0));
        assert_eq!((left.len(), &left[0].0), (UNREADABLE_MAX, &stream(1)));
    }
}
