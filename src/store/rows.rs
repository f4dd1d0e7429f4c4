//! How the event store's rows are written: where the lines of consecutive events stand, and ascending runs of numbers.
//!
//! A row holds many events, because what sled costs it costs a row.

use super::lines::Spot;
use crate::domain::id::Position;

/// Appends a number, seven bits a byte, the lowest first.
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a number from the front; none if there is no whole one.
fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// The row of consecutive events whose lines stand in one file: the file, and for each line how far behind the one before it
/// begins, its length and its checksum.
pub(crate) fn encode_spots(spots: &[Spot]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 + spots.len() * 7);
    let mut end = 0;
    put(&mut bytes, spots.first().map_or(0, |spot| spot.segment.0));
    for spot in spots {
        put(&mut bytes, spot.offset - end);
        put(&mut bytes, u64::from(spot.length));
        bytes.extend_from_slice(&spot.crc32.to_be_bytes());
        end = spot.end();
    }
    bytes
}

/// Reads what [`encode_spots`] wrote; none if it is something else.
pub(crate) fn decode_spots(mut bytes: &[u8]) -> Option<Vec<Spot>> {
    let segment = Position(take(&mut bytes)?);
    let (mut spots, mut end) = (Vec::new(), 0_u64);
    while !bytes.is_empty() {
        let offset = end.checked_add(take(&mut bytes)?)?;
        let length = u32::try_from(take(&mut bytes)?).ok()?;
        let (crc32, rest) = bytes.split_first_chunk()?;
        let spot = Spot { segment, offset, length, crc32: u32::from_be_bytes(*crc32) };
        offset.checked_add(u64::from(length))?;
        (end, bytes) = (spot.end(), rest);
        spots.push(spot);
    }
    (!spots.is_empty()).then_some(spots)
}

/// The row of ascending numbers, none of them below `base`.
pub(crate) fn encode_run(base: u64, numbers: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(numbers.len() + 4);
    let mut before = base;
    for number in numbers {
        put(&mut bytes, number - before);
        before = *number;
    }
    bytes
}

/// Reads what [`encode_run`] wrote; none if it is something else.
pub(crate) fn decode_run(base: u64, mut bytes: &[u8]) -> Option<Vec<u64>> {
    let (mut numbers, mut before) = (Vec::new(), base);
    while !bytes.is_empty() {
        before = before.checked_add(take(&mut bytes)?)?;
        numbers.push(before);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            segment: u64,
            lines in proptest::collection::vec((0_u64..1 << 40, any::<u32>(), any::<u32>()), 1..70),
            base: u64,
            steps in proptest::collection::vec(0_u64..1 << 40, 0..70),
        ) {
            let mut end = 0;
            let spots: Vec<_> = lines.into_iter().map(|(gap, length, crc32)| {
                let spot = Spot { segment: Position(segment), offset: end + gap, length, crc32 };
                end = spot.end();
                spot
            }).collect();
            prop_assert_eq!(decode_spots(&encode_spots(&spots)), Some(spots));
            let base = base >> 8;
            let run: Vec<_> = steps.iter().scan(base, |at, step| { *at += step; Some(*at) }).collect();
            prop_assert_eq!(decode_run(base, &encode_run(base, &run)), Some(run));
        }

        #[test]
        fn anything_else_does_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), base: u64) {
            if let Some(spots) = decode_spots(&bytes) {
                prop_assert!(spots.len() <= bytes.len());
            }
            if let Some(run) = decode_run(base, &bytes) {
                prop_assert!(run.is_sorted());
            }
        }
    }

    #[test]
    fn a_row_takes_little_room() {
        let spot = |nth: u64| Spot {
            segment: Position(1 << 20),
            offset: 50_000_000 + nth * 801,
            length: 800,
            crc32: u32::MAX,
        };
        let spots: Vec<_> = (0..64).map(spot).collect();
        assert_eq!(encode_spots(&spots).len(), 3 + 4 + 6 + 63 * 7);
        assert_eq!(encode_run(7, &(7..71).collect::<Vec<_>>()).len(), 64);
    }
}
