//! The newest events, in memory: durable in the journal, not yet in the event store behind it.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use super::index::Mark;
use super::record::Entry;
use crate::domain::id::{Position, StreamName, Tag, Version};

/// How many events may wait for the event store before `append` waits.
pub const TAIL_EVENTS_MAX: usize = 65_536;
/// How many bytes of events may wait.
pub const TAIL_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A stored event's line.
pub(crate) type Line = Arc<[u8]>;

/// Events from a position on, up to the end of the log.
#[derive(Debug)]
pub(crate) struct Tail {
    first: Position,
    events: VecDeque<Arc<Entry>>,
    groups: VecDeque<usize>,
    bytes: usize,
    streams: HashMap<StreamName, VecDeque<(Version, Position)>>,
    keys: HashMap<Tag, Position>,
}

impl Tail {
    /// Nothing, behind the last event of the event store.
    pub(crate) fn at(first: Position) -> Self {
        Self {
            first,
            events: VecDeque::new(),
            groups: VecDeque::new(),
            bytes: 0,
            streams: HashMap::new(),
            keys: HashMap::new(),
        }
    }

    /// The position of its first event: the event store has everything before it.
    pub(crate) fn first(&self) -> Position {
        self.first
    }

    /// How many events and bytes it holds.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.events.len(), self.bytes)
    }

    /// Takes a group that is on disk.
    pub(crate) fn push(&mut self, group: Vec<Entry>) {
        self.groups.push_back(group.len());
        for entry in group {
            self.bytes += entry.line.len();
            let place = (entry.version, entry.position);
            match self.streams.get_mut(&entry.stream) {
                Some(versions) => versions.push_back(place),
                None => drop(self.streams.insert(entry.stream.clone(), VecDeque::from([place]))),
            }
            self.keys.extend(entry.key.map(|key| (key, entry.position)));
            self.events.push_back(Arc::new(entry));
        }
    }

    /// The oldest groups that have at most `max` events together, and at least one of them.
    pub(crate) fn oldest(&self, max: usize) -> Vec<Arc<Entry>> {
        let mut count = 0;
        for group in &self.groups {
            if count > 0 && count + group > max {
                break;
            }
            count += group;
        }
        self.events.iter().take(count).cloned().collect()
    }

    /// Forgets the oldest events, whole groups of them: the event store has them.
    pub(crate) fn forget(&mut self, mut count: usize) {
        while count > 0 {
            let group = self.groups.pop_front().unwrap_or(count).min(count);
            count -= group;
            for entry in self.events.drain(..group.min(self.events.len())) {
                self.first = entry.position.next();
                self.bytes -= entry.line.len();
                if let Some(versions) = self.streams.get_mut(&entry.stream) {
                    versions.pop_front();
                    if versions.is_empty() {
                        self.streams.remove(&entry.stream);
                    }
                }
                entry.key.map(|key| self.keys.remove(&key));
            }
        }
    }

    /// The lines at those positions that it holds, in the order of the log.
    pub(crate) fn lines(&self, positions: Range<u64>) -> Vec<Line> {
        let index = |position: u64| position.saturating_sub(self.first.0) as usize;
        let end = index(positions.end).min(self.events.len());
        let start = index(positions.start).min(end);
        self.events.range(start..end).map(|entry| entry.line.clone()).collect()
    }

    /// The positions of the events that have a mark.
    pub(crate) fn marked(&self, mark: &Mark) -> Vec<u64> {
        let marked = self.events.iter().filter(|entry| entry.marks.has(mark));
        marked.map(|entry| entry.position.0).collect()
    }

    /// The last version of a stream.
    pub(crate) fn head(&self, stream: &StreamName) -> Option<Version> {
        self.streams.get(stream)?.back().map(|(version, _)| *version)
    }

    /// The oldest version of a stream that it holds.
    pub(crate) fn oldest_version(&self, stream: &StreamName) -> Option<Version> {
        self.streams.get(stream)?.front().map(|(version, _)| *version)
    }

    /// The lines of a stream at those versions that it holds, with their positions.
    pub(crate) fn stream(
        &self,
        stream: &StreamName,
        versions: Range<u64>,
    ) -> Vec<(Position, Line)> {
        let Some(held) = self.streams.get(stream) else { return Vec::new() };
        let oldest = held.front().map_or(0, |(version, _)| version.0);
        let index = |version: u64| version.saturating_sub(oldest) as usize;
        let end = index(versions.end).min(held.len());
        let wanted = held.range(index(versions.start).min(end)..end);
        let line = |position: Position| {
            let index = (position.0 - self.first.0) as usize;
            (position, self.events[index].line.clone())
        };
        wanted.map(|(_, position)| line(*position)).collect()
    }

    /// The first event that came with a dedupe key.
    pub(crate) fn keyed(&self, key: &Tag) -> Option<Position> {
        self.keys.get(key).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::By;
    use super::super::index::Marks;
    use super::super::lines::Spot;
    use super::super::plan::Times;
    use super::*;

    fn entry(position: u64, name: &str, version: u64) -> Entry {
        Entry {
            position: Position(position),
            stream: StreamName::parse(name).expect("is a name"),
            version: Version(version),
            key: (version == 0).then_some(Tag([position as u8; 16])),
            slot: None,
            times: Times::START,
            marks: Marks::of(
                [None; 3],
                None,
                if position.is_multiple_of(2) { "even" } else { "odd" },
            ),
            line: format!("{position}").into_bytes().into(),
            spot: Spot::of(Position(10), position, b"x"),
        }
    }

    #[test]
    fn groups_come_and_go_in_order() {
        let mut tail = Tail::at(Position(10));
        tail.push(vec![entry(10, "a-a", 3), entry(11, "a-b", 0)]);
        tail.push(vec![entry(12, "a-a", 4)]);
        tail.push(vec![entry(13, "a-a", 5), entry(14, "a-a", 6)]);
        let name = StreamName::parse("a-a").expect("is a name");
        let text = |lines: Vec<Line>| {
            lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect::<Vec<_>>()
        };
        let of_a = |tail: &Tail, from, to| {
            let lines = tail.stream(&name, from..to);
            lines.iter().map(|(position, _)| position.0).collect::<Vec<_>>()
        };
        assert_eq!(text(tail.lines(11..13)), ["11", "12"]);
        assert_eq!(text(tail.lines(0..11)), ["10"]);
        assert_eq!(of_a(&tail, 0, 9), [10, 12, 13, 14]);
        assert_eq!(of_a(&tail, 4, 6), [12, 13]);
        assert_eq!((tail.oldest(1).len(), tail.oldest(3).len(), tail.oldest(4).len()), (2, 3, 3));
        assert_eq!(tail.size(), (5, 10));
        assert_eq!(tail.marked(&Mark::from(&By::Kind("odd".into()))), [11, 13]);
        tail.forget(3);
        assert_eq!((tail.first(), tail.size()), (Position(13), (2, 4)));
        assert_eq!(
            (tail.oldest_version(&name), tail.head(&name)),
            (Some(Version(5)), Some(Version(6)))
        );
        assert_eq!((tail.keyed(&Tag([11; 16])), of_a(&tail, 0, 6)), (None, vec![13]));
        tail.forget(2);
        assert_eq!((tail.first(), tail.size(), tail.head(&name)), (Position(15), (0, 0), None));
    }
}
