//! What one slice of a script may take: named budgets, each with bounds of its own (pure).

/// What one slice of a script may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budgets {
    /// Most operations.
    pub operations_max: u64,
    /// Longest time between two waits, in milliseconds.
    pub slice_time_ms: u64,
    /// Deepest nesting of calls.
    pub call_levels_max: u64,
    /// Longest string.
    pub string_bytes_max: u64,
    /// Most items of an array, with those of the arrays in it.
    pub array_items_max: u64,
    /// Most entries of a map, with those of the maps in it.
    pub map_entries_max: u64,
    /// Most memory that its values may hold at the same time.
    pub memory_bytes_max: u64,
    /// Most memory that one version of a script may leave behind before it is switched off.
    pub leaked_bytes_max: u64,
    /// Most text that it may print.
    pub print_bytes_max: u64,
}

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Bytes: `64 MiB`, or a plain number.
    Bytes,
    /// Milliseconds: `2s`.
    Time,
}

/// One budget: its name in the configuration, its bounds, and where it stands.
pub struct Budget {
    /// Its name.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// The least that can be configured: what the shipped scripts need.
    pub least: u64,
    /// The most that can be configured: what was tried and holds.
    pub most: u64,
    /// Its value.
    pub of: fn(&Budgets) -> u64,
    /// Its place.
    pub slot: fn(&mut Budgets) -> &mut u64,
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

impl Budgets {
    /// What a slice may take where nothing else is configured.
    pub const USUAL: Self = Self {
        operations_max: 1_000_000,
        slice_time_ms: 2_000,
        call_levels_max: 32,
        string_bytes_max: 256 * KIB,
        array_items_max: 10_000,
        map_entries_max: 2_000,
        memory_bytes_max: 64 * MIB,
        leaked_bytes_max: 64 * MIB,
        print_bytes_max: 16 * KIB,
    };
}

impl Default for Budgets {
    fn default() -> Self {
        Self::USUAL
    }
}

macro_rules! budgets {
    ($($name:ident $unit:ident $least:expr, $most:expr;)*) => {
        /// Every budget.
        pub const BUDGETS: &[Budget] = &[$(Budget {
            name: stringify!($name), unit: Unit::$unit, least: $least, most: $most,
            of: |budgets| budgets.$name, slot: |budgets| &mut budgets.$name,
        }),*];
    };
}

budgets! {
    operations_max Count 10_000, 10_000_000;
    slice_time_ms Time 100, 60_000;
    call_levels_max Count 8, 64;
    string_bytes_max Bytes 4 * KIB, 4 * MIB;
    array_items_max Count 100, 100_000;
    map_entries_max Count 100, 100_000;
    memory_bytes_max Bytes MIB, 256 * MIB;
    leaked_bytes_max Bytes 64 * KIB, 1024 * MIB;
    print_bytes_max Bytes KIB, MIB;
}

impl Budget {
    /// Its name in the configuration: a time is written with its unit there, so the name has none.
    pub fn key(&self) -> &'static str {
        self.name.strip_suffix("_ms").unwrap_or(self.name)
    }

    /// A value as it is written in the configuration.
    pub fn shown(&self, value: u64) -> String {
        match self.unit {
            Unit::Count => value.to_string(),
            Unit::Time if value.is_multiple_of(1_000) => format!("{}s", value / 1_000),
            Unit::Time => format!("{value}ms"),
            Unit::Bytes => shown_bytes(value),
        }
    }

    /// Whether a value is within its bounds.
    ///
    /// # Errors
    /// The bounds, in words.
    pub fn check(&self, value: u64) -> Result<u64, String> {
        match (self.least..=self.most).contains(&value) {
            true => Ok(value),
            false => Err(format!("{} to {}", self.shown(self.least), self.shown(self.most))),
        }
    }
}

/// Reads a number of bytes: `65536`, `64 KiB`, `1.5 MiB` is none.
pub fn parse_bytes(written: &str) -> Option<u64> {
    let text = written.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim() {
        "" | "B" => 1,
        "KiB" => KIB,
        "MiB" => MIB,
        "GiB" => 1024 * MIB,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// A number of bytes in the largest unit that it is a whole number of.
pub fn shown_bytes(bytes: u64) -> String {
    let units = [(1024 * MIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")];
    let unit = units.into_iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{bytes} B"), |(unit, name)| format!("{} {name}", bytes / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_with_a_unit_or_without() {
        for (written, want) in [
            ("65536", Some(65_536)),
            ("64 KiB", Some(65_536)),
            ("64KiB", Some(65_536)),
            ("2 GiB", Some(2_147_483_648)),
            ("7 B", Some(7)),
            ("64 kb", None),
            ("1.5 MiB", None),
            ("-1", None),
            ("", None),
            ("99999999999 GiB", None),
        ] {
            assert_eq!(parse_bytes(written), want, "{written:?}");
        }
        for (bytes, want) in
            [(0, "0 B"), (1_023, "1023 B"), (1_024, "1 KiB"), (1_536, "1536 B"), (MIB, "1 MiB")]
        {
            assert_eq!(shown_bytes(bytes), want);
        }
    }

    #[test]
    fn every_budget_has_bounds_around_its_default() {
        let standard = Budgets::default();
        for budget in BUDGETS {
            let value = (budget.of)(&standard);
            assert_eq!(budget.check(value), Ok(value), "{}", budget.name);
            let (least, most) = (budget.shown(budget.least), budget.shown(budget.most));
            for outside in [budget.least - 1, budget.most + 1] {
                assert_eq!(budget.check(outside), Err(format!("{least} to {most}")));
            }
            let mut changed = standard;
            *(budget.slot)(&mut changed) = budget.most;
            assert_eq!((budget.of)(&changed), budget.most, "{}", budget.name);
        }
    }
}
