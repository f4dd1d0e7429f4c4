//! What must hold of every text that somebody asks the log with, however strange: the body of the fuzz target.

use jiff::tz::TimeZone;

use super::filter::Filter;
use super::when::{self, Here};
use crate::domain::id::Timestamp;

/// Reads bytes as filters and as a time: nothing panics, and what is understood is understood again as it was.
///
/// # Panics
/// If that is not so.
pub fn query(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let here = Here { now: Timestamp(1_795_183_200_000), zone: TimeZone::UTC };
    if let Ok(stretch) = when::parse(&text, &here) {
        assert!(stretch.start <= stretch.end, "{text:?} ends before it begins");
        let again = when::parse(&when::exact(stretch.start), &here).map(|again| again.start);
        assert_eq!(again, Ok(stretch.start), "{text:?}");
    }
    if let Ok(filter) = Filter::parse(&text, &here) {
        assert_eq!(Filter::parse(&filter.words(), &here).as_ref(), Ok(&filter), "{text:?}");
        let flags = filter.flags();
        assert!(flags.is_empty() || flags.starts_with("--"), "{flags}");
    }
}
