//! From the clock on the wall to instants: which of them a pattern means where clocks skip an hour or show one twice.

use croner::Cron;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, Unit};

/// Most wall clock times that are passed over because they came already: those of a day that comes twice.
const REPEATED_MAX: usize = 90_000;
/// Most changes of a zone's offset that are looked behind.
const CHANGES_MAX: usize = 400;

/// What fits the clock on the wall.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    /// The pattern.
    pub cron: Cron,
    /// It comes in every hour that really passes, not in every hour that the clock shows.
    pub hourly: bool,
}

impl Pattern {
    /// The first instant behind another one that it means.
    pub fn next(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        if self.hourly { self.next_real(zone, after) } else { self.next_shown(zone, after) }
    }

    /// The first wall clock time behind another one.
    pub fn next_wall(&self, after: DateTime, inclusive: bool) -> Option<DateTime> {
        self.cron.find_next_occurrence(&after, inclusive).ok()
    }

    /// Each wall clock time once.
    fn next_shown(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        let mut shown = whole_second(zone.to_datetime(after))?;
        for _ in 0..REPEATED_MAX {
            shown = self.next_wall(shown, false)?;
            match first(zone, shown) {
                Some(at) if at > after => return Some(at),
                // It came already, before clocks went back.
                Some(_) => {}
                None => return None,
            }
        }
        None
    }

    /// Each instant at which clocks show what fits.
    fn next_real(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        let (mut from, mut inclusive) = (after, false);
        for _ in 0..CHANGES_MAX {
            let offset = zone.to_offset(from);
            let shown = self.next_wall(whole_second(offset.to_datetime(from))?, inclusive)?;
            let at = offset.to_timestamp(shown).ok()?;
            match zone.following(from).next() {
                Some(change) if change.timestamp() <= at => {
                    (from, inclusive) = (change.timestamp(), true);
                }
                _ => return Some(at),
            }
        }
        None
    }
}

/// The instant of a wall clock time: the first of two, and the end of the gap for one that clocks skip.
pub(super) fn first(zone: &TimeZone, shown: DateTime) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(shown).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(shown).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(shown).ok(),
        AmbiguousOffset::Gap { before, .. } => {
            let inside = before.to_timestamp(shown).ok()?;
            let behind = inside.checked_add(SignedDuration::from_secs(1)).ok()?;
            Some(zone.preceding(behind).next()?.timestamp())
        }
    }
}

fn whole_second(at: DateTime) -> Option<DateTime> {
    at.round(jiff::civil::DateTimeRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Trunc))
        .ok()
}
