//! The index: the positions of the events that have something in common.
//!
//! A row holds those of one batch that the event store took in: its key is what they have in common and the first of
//! them, its value how far the others are behind.

use std::collections::BTreeMap;
use std::ops::Range;

use ::sled::IVec;
use sha2::{Digest, Sha256};

use super::rows::{decode_run, encode_run};
use super::trees::{Trees, TreesError, guarded, number};
use super::{By, Direction};
use crate::domain::id::{Pseudonym, StreamName, Tag};

/// How many kinds of [`Mark`] there are.
pub(crate) const MARK_KINDS: usize = 5;
/// Bytes of a mark in a key.
const MARK_BYTES: usize = 17;

/// Something that events can have in common: its kind, in the order of [`By`], and 16 bytes of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark(u8, Tag);

/// What one event has, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks([Option<Tag>; MARK_KINDS]);

/// A text in 16 bytes: itself if it is short, else a hash that is as good.
fn short(text: &str) -> Tag {
    let mut short = [0; 16];
    match short.get_mut(..text.len()) {
        Some(room) => room.copy_from_slice(text.as_bytes()),
        None => short.copy_from_slice(&Sha256::digest(text.as_bytes())[..16]),
    }
    Tag(short)
}

/// 16 bytes that a text spells in hexadecimal digits, as pseudonyms do; else the text in 16 bytes.
fn spelt(text: &str) -> Tag {
    let mut bytes = [0; 16];
    let digits = text.as_bytes();
    let decoded = (digits.len() == 32)
        .then(|| data_encoding::HEXLOWER.decode_mut(digits, &mut bytes).ok())
        .flatten();
    decoded.map_or_else(|| short(text), |_| Tag(bytes))
}

/// The streams of triggers are named by 16 bytes, too; nothing else correlates.
fn trigger(stream: &StreamName) -> Tag {
    match stream.category() {
        "trigger" => spelt(stream.id()),
        _ => short(stream.as_str()),
    }
}

impl From<&By> for Mark {
    fn from(by: &By) -> Self {
        match by {
            By::Actor(actor) => Self(0, spelt(&actor.0)),
            By::Room(room) => Self(1, spelt(&room.0)),
            By::Network(network) => Self(2, spelt(&network.0)),
            By::Correlation(stream) => Self(3, trigger(stream)),
            By::Kind(kind) => Self(4, short(kind)),
        }
    }
}

impl Mark {
    fn bytes(&self) -> [u8; MARK_BYTES] {
        let mut bytes = [self.0; MARK_BYTES];
        bytes[1..].copy_from_slice(&self.1.0);
        bytes
    }

    fn key(&self, position: u64) -> [u8; MARK_BYTES + 8] {
        let mut key = [0; MARK_BYTES + 8];
        key[..MARK_BYTES].copy_from_slice(&self.bytes());
        key[MARK_BYTES..].copy_from_slice(&position.to_be_bytes());
        key
    }
}

impl Marks {
    /// The marks of an event.
    pub(crate) fn of(
        who: [Option<&Pseudonym>; 3],
        correlation: Option<&StreamName>,
        kind: &str,
    ) -> Self {
        let [actor, room, network] = who.map(|name| name.map(|name| spelt(&name.0)));
        let correlation = correlation.map(trigger);
        Self([actor, room, network, correlation, Some(short(kind))])
    }

    /// Each of them.
    pub(crate) fn each(&self) -> impl Iterator<Item = Mark> {
        (0..).zip(self.0).filter_map(|(kind, value)| Some(Mark(kind, value?)))
    }

    /// Whether one of them is this.
    pub(crate) fn has(&self, mark: &Mark) -> bool {
        self.0[usize::from(mark.0)] == Some(mark.1)
    }
}

/// The rows for a batch of events.
pub(crate) fn rows<'a>(
    events: impl Iterator<Item = (u64, &'a Marks)>,
) -> Vec<([u8; MARK_BYTES + 8], Vec<u8>)> {
    let mut runs: BTreeMap<Mark, Vec<u64>> = BTreeMap::new();
    for (position, marks) in events {
        for mark in marks.each() {
            runs.entry(mark).or_default().push(position);
        }
    }
    let row = |(mark, run): (Mark, Vec<u64>)| (mark.key(run[0]), encode_run(run[0], &run[1..]));
    runs.into_iter().map(row).collect()
}

/// A sum over marks and their positions that does not depend on their order: what the index should hold, and what it
/// does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    /// How many were added.
    pub(crate) count: u64,
    sum: u128,
}

impl Sum {
    /// Adds one.
    pub(crate) fn add(&mut self, mark: &Mark, position: u64) {
        let hash = Sha256::digest(mark.key(position));
        let (half, _) = hash.split_first_chunk().expect("the hash has 32 bytes");
        self.count += 1;
        self.sum = self.sum.wrapping_add(u128::from_be_bytes(*half));
    }
}

/// The mark and the positions of a row.
fn run(row: Result<(IVec, IVec), ::sled::Error>) -> Result<(Mark, Vec<u64>), TreesError> {
    let (key, value) = row?;
    let wrong = || TreesError("a row of the index is no run of positions".into());
    let (mark, first) = key.split_first_chunk::<MARK_BYTES>().ok_or_else(wrong)?;
    let (kind, hash) = (mark[0], &mark[1..]);
    let hash = hash.try_into().map_err(|_| wrong())?;
    let first = number(first)?;
    let others = decode_run(first, &value).ok_or_else(wrong)?;
    Ok((Mark(kind, Tag(hash)), [vec![first], others].concat()))
}

/// What is left of a row without the positions before one; `None`: all of it.
#[expect(clippy::type_complexity, reason = "it is the change of one row")]
pub(crate) fn kept(
    key: &[u8],
    value: &[u8],
    first: u64,
) -> Result<Option<Option<(Vec<u8>, Vec<u8>)>>, TreesError> {
    let (mark, positions) = run(Ok((key.into(), value.into())))?;
    let gone = positions.iter().take_while(|position| **position < first).count();
    match &positions[gone..] {
        _ if gone == 0 => Ok(None),
        [] => Ok(Some(None)),
        [next, others @ ..] => {
            Ok(Some(Some((mark.key(*next).to_vec(), encode_run(*next, others)))))
        }
    }
}

impl Trees {
    /// The positions in a range of the events that have a mark, at most `max`.
    pub(crate) fn marked(
        &self,
        mark: &Mark,
        range: Range<u64>,
        direction: Direction,
        max: usize,
    ) -> Result<Vec<u64>, TreesError> {
        if range.is_empty() || max == 0 {
            return Ok(Vec::new());
        }
        guarded(|| {
            let (low, high) = (mark.key(0), mark.key(range.end - 1));
            // The row that begins before the range may reach into it.
            let straddling =
                self.index.range(low..=mark.key(range.start)).next_back().transpose()?;
            let low = straddling.map_or(mark.key(range.start).to_vec(), |(key, _)| key.to_vec());
            let rows = self.index.range(low..=high.to_vec());
            match direction {
                Direction::Forward => collect(rows, &range, direction, max),
                Direction::Backward => collect(rows.rev(), &range, direction, max),
            }
        })
    }

    /// What the index holds of the events of a stretch.
    pub(crate) fn index_sum(&self, stretch: Range<u64>) -> Result<Sum, TreesError> {
        guarded(|| {
            let mut sum = Sum::default();
            for row in self.index.iter() {
                let (mark, positions) = run(row)?;
                for position in positions.into_iter().filter(|it| stretch.contains(it)) {
                    sum.add(&mark, position);
                }
            }
            Ok(sum)
        })
    }
}

fn collect(
    rows: impl Iterator<Item = Result<(IVec, IVec), ::sled::Error>>,
    range: &Range<u64>,
    direction: Direction,
    max: usize,
) -> Result<Vec<u64>, TreesError> {
    let mut found = Vec::new();
    for row in rows {
        let (_, mut positions) = run(row)?;
        positions.retain(|position| range.contains(position));
        if direction == Direction::Backward {
            positions.reverse();
        }
        found.extend(positions.into_iter().take(max - found.len()));
        if found.len() == max {
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_takes_a_row_for_each_thing_in_common() {
        let name = Pseudonym("00".repeat(16));
        let marks = |kind| Marks::of([Some(&name), None, None], None, kind);
        let (asked, said) = (marks("asked"), marks("said"));
        let rows = rows([(7, &asked), (8, &said), (300, &asked)].into_iter());
        let actor = Mark::from(&By::Actor(name.clone()));
        let values: Vec<_> = rows.iter().map(|(_, value)| value.clone()).collect();
        assert_eq!(rows[0].0, actor.key(7));
        assert_eq!(actor.bytes(), [0; 17], "a pseudonym stands for itself");
        assert_eq!(rows.len(), 3);
        assert!(values.contains(&vec![1, 164, 2]) && values.contains(&vec![165, 2]), "{values:?}");
        assert!(said.has(&actor) && said.has(&Mark::from(&By::Kind("said".into()))));
        assert!(!said.has(&Mark::from(&By::Kind("asked".into()))));
        assert!(!said.has(&Mark::from(&By::Room(name))), "a room is no person");
    }

    #[test]
    fn a_value_takes_16_bytes() {
        let digits = "0f".repeat(16);
        let name = |text: &str| StreamName::parse(text).expect("is a name");
        let long = "a-name-of-more-than-16-bytes";
        let hash = Tag(Sha256::digest(long)[..16].try_into().expect("16 bytes"));
        for (what, value, want) in [
            ("short", short("memory_written"), Tag(*b"memory_written\0\0")),
            ("as long as it may be", short("0123456789abcdef"), Tag(*b"0123456789abcdef")),
            ("longer", short(long), hash),
            ("digits", spelt(&digits), Tag([15; 16])),
            ("no digits", spelt(long), hash),
            ("a trigger", trigger(&name(&format!("trigger-{digits}"))), Tag([15; 16])),
            ("a trigger of a test", trigger(&name("trigger-7")), short("7")),
            ("something else", trigger(&name(long)), hash),
        ] {
            assert_eq!(value, want, "{what}");
        }
    }

    #[test]
    fn a_sum_tells_what_was_added_in_any_order() {
        let (one, two) = (Mark(1, Tag([1; 16])), Mark(2, Tag([1; 16])));
        let sum = |added: &[(Mark, u64)]| {
            let mut sum = Sum::default();
            added.iter().for_each(|(mark, position)| sum.add(mark, *position));
            sum
        };
        assert_eq!(sum(&[(one, 3), (two, 4)]), sum(&[(two, 4), (one, 3)]));
        for other in [&[(one, 4), (two, 3)][..], &[(one, 3)], &[(one, 3), (one, 4)]] {
            assert_ne!(sum(&[(one, 3), (two, 4)]), sum(other), "{other:?}");
        }
    }
}
