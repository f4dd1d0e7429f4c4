//! Which streams are looked at again by themselves, and when: a plan for each, of which the last one counts.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::id::{StreamName, Timestamp};

/// The plans that hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wakes {
    plans: BTreeMap<StreamName, Timestamp>,
    due: BTreeSet<(Timestamp, StreamName)>,
}

impl Wakes {
    /// A stream is looked at then, or not any more.
    pub fn plan(&mut self, stream: &StreamName, due: Option<Timestamp>) {
        if let Some(before) = self.plans.remove(stream) {
            self.due.remove(&(before, stream.clone()));
        }
        if let Some(due) = due {
            self.plans.insert(stream.clone(), due);
            self.due.insert((due, stream.clone()));
        }
    }

    /// The streams whose time has come.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = &StreamName> {
        self.due.iter().take_while(move |(due, _)| *due <= now).map(|(_, stream)| stream)
    }

    /// When the next time comes.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        self.due.iter().map(|(due, _)| *due).find(|due| *due > now)
    }

    /// When a stream is looked at again.
    pub fn planned(&self, stream: &StreamName) -> Option<Timestamp> {
        self.plans.get(stream).copied()
    }

    /// The streams that are looked at again.
    pub fn streams(&self) -> impl Iterator<Item = &StreamName> {
        self.plans.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_plan_of_a_stream_counts() {
        let stream = |name: &str| StreamName::parse(name).expect("a name");
        let (one, two) = (stream("alert-1"), stream("alert-2"));
        let mut wakes = Wakes::default();
        wakes.plan(&one, Some(Timestamp(100)));
        wakes.plan(&two, Some(Timestamp(50)));
        let due = |wakes: &Wakes, now| wakes.due(Timestamp(now)).cloned().collect::<Vec<_>>();
        assert_eq!(due(&wakes, 49), vec![]);
        assert_eq!(due(&wakes, 100), vec![two.clone(), one.clone()]);
        assert_eq!(wakes.next(Timestamp(50)), Some(Timestamp(100)));
        wakes.plan(&two, None);
        wakes.plan(&one, Some(Timestamp(200)));
        assert_eq!(due(&wakes, 199), vec![]);
        assert_eq!(due(&wakes, 200), vec![one.clone()]);
        assert_eq!(wakes.streams().collect::<Vec<_>>(), vec![&one]);
    }
}
