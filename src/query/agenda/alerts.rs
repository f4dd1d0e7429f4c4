//! Which alerts are not over: their streams, up to a bound.

use std::collections::BTreeSet;

use crate::domain::id::StreamName;

/// Most alerts that are known to be open at once; what comes above them is told, and not found by its name.
pub const OPEN_ALERTS_MAX: usize = 10_000;

/// The alerts that are not over.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Alerts {
    open: BTreeSet<StreamName>,
}

impl Alerts {
    /// An alert fires.
    pub fn opened(&mut self, stream: &StreamName) {
        if self.open.len() < OPEN_ALERTS_MAX {
            self.open.insert(stream.clone());
        }
    }

    /// An alert is over.
    pub fn closed(&mut self, stream: &StreamName) {
        self.open.remove(stream);
    }

    /// Whether one is known not to be over.
    pub fn is_open(&self, stream: &StreamName) -> bool {
        self.open.contains(stream)
    }

    /// The streams of those that are not over.
    pub fn open(&self) -> impl Iterator<Item = &StreamName> {
        self.open.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_alerts_have_a_bound() {
        let mut alerts = Alerts::default();
        let stream = |n: usize| StreamName::parse(&format!("alert-{n}")).expect("a name");
        (0..=OPEN_ALERTS_MAX).for_each(|n| alerts.opened(&stream(n)));
        assert_eq!(alerts.open().count(), OPEN_ALERTS_MAX);
        alerts.closed(&stream(3));
        assert_eq!(alerts.open().count(), OPEN_ALERTS_MAX - 1);
    }
}
