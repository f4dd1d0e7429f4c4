//! Reads what a process has used, and makes few figures of many.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::cli::Failure;

/// Ticks of the processor clock in a second, as Linux tells them to programs.
const TICKS_PER_S: f64 = 100.0;

/// Processor time of this thread, in microseconds.
pub fn cpu_us() -> Result<f64, Failure> {
    let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map_err(|why| Failure::new(1, format!("the processor's time cannot be read: {why}")))?;
    Ok(now.tv_sec() as f64 * 1e6 + now.tv_nsec() as f64 / 1e3)
}

/// Processor time of a process so far, in milliseconds; none where `/proc` is not there.
pub fn cpu_ms(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    cpu_of(&stat).map(|ticks| ticks as f64 * 1_000.0 / TICKS_PER_S)
}

/// User and system time; the name before them may hold anything.
fn cpu_of(stat: &str) -> Option<u64> {
    let fields = stat.rsplit_once(')')?.1;
    let mut fields = fields.split_whitespace().skip(11);
    let (user, system) = (fields.next()?, fields.next()?);
    Some(user.parse::<u64>().ok()? + system.parse::<u64>().ok()?)
}

/// Memory of a process, now and at its most, in MiB; none where `/proc` is not there.
pub fn resident_mib(pid: u32) -> Option<(f64, f64)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some((kib_of(&status, "VmRSS:")? / 1024.0, kib_of(&status, "VmHWM:")? / 1024.0))
}

/// What the allocator has handed out and not got back, in bytes; its own reserves are not in it. 0 where it cannot tell.
pub fn heap_bytes() -> f64 {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: `mallinfo2` takes nothing, changes nothing, and gives a plain structure of numbers.
        let info = unsafe { nix::libc::mallinfo2() };
        (info.uordblks + info.hblkhd) as f64
    }
    #[cfg(not(target_env = "gnu"))]
    0.0
}

fn kib_of(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// How long many things took.
#[derive(Debug, Clone, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// In any order.
    pub fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// All of several.
    pub fn joined<'a>(several: impl Iterator<Item = &'a Self>) -> Self {
        Self::new(several.flat_map(|times| times.0.iter().copied()).collect())
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What this share of them took at most, in milliseconds.
    pub fn at_ms(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let index = (last as f64 * share).round() as usize;
        self.0.get(index.min(last)).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
    }

    /// The usual three.
    pub fn shown(&self) -> Value {
        let at = |share| rounded(self.at_ms(share));
        json!({"p50_ms": at(0.5), "p90_ms": at(0.9), "p99_ms": at(0.99)})
    }

    /// The usual three as shares of another's.
    pub fn of(&self, base: &Self) -> Value {
        let of = |share| rounded(self.at_ms(share) / base.at_ms(share).max(f64::MIN_POSITIVE));
        json!({"p50": of(0.5), "p90": of(0.9), "p99": of(0.99)})
    }
}

/// As much of a figure as means something.
pub fn rounded(figure: f64) -> f64 {
    (figure * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_by_their_shares() {
        let times = Times::new((1..=101).rev().map(Duration::from_millis).collect());
        assert_eq!(times.shown(), json!({"p50_ms": 51.0, "p90_ms": 91.0, "p99_ms": 100.0}));
        let half = Times::new((1..=101).map(|n| Duration::from_micros(n * 500)).collect());
        assert_eq!(times.of(&half), json!({"p50": 2.0, "p90": 2.0, "p99": 2.0}));
        assert_eq!(Times::default().at_ms(0.5), 0.0);
    }

    #[test]
    fn what_a_process_used_is_read_past_its_name() {
        let stat = "7 (a) b (c) S 1 1 1 0 -1 4194304 100 0 0 0 25 17 0 0 20 0 9 0 1 2 3";
        assert_eq!(cpu_of(stat), Some(42));
        assert_eq!(cpu_of("7 (a) S 1"), None);
        let status = "Name:\tbeadle\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n";
        assert_eq!(kib_of(status, "VmRSS:"), Some(1024.0));
        assert_eq!(kib_of(status, "VmSwap:"), None);
    }
}
