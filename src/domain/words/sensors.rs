//! What the owner reads of sensors.

/// One ends again and again.
pub fn ends_again(name: &str, ends: u32, why: &str) -> String {
    format!(
        "The sensor {name} has ended {ends} times one after the other: {why}. I go on starting it, less and less often; \
         `beadle sensor list` says how it does."
    )
}

/// Some of its lines are no triggers.
pub fn bad_lines(name: &str, count: u64, why: &str, line: &str) -> String {
    let lines = if count == 1 { "1 line".to_owned() } else { format!("{count} lines") };
    let shown = if line.is_empty() { String::new() } else { format!(" It begins with: {line}") };
    format!("The sensor {name} printed {lines} that I cannot use; of the first one, {why}.{shown}")
}
