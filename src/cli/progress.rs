//! A bar on standard error for what takes longer than two seconds.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is done sooner shows no bar.
const SHOWN_AFTER: Duration = Duration::from_secs(2);

/// The bar of one long piece of work; it is not there until the work turns out to be long.
pub struct Bar {
    begun: Instant,
    wanted: bool,
    bar: Option<ProgressBar>,
}

impl Bar {
    /// For work that begins now; only people at a terminal see it.
    pub fn new(quiet: bool) -> Self {
        let wanted = !quiet && std::io::stderr().is_terminal();
        Self { begun: Instant::now(), wanted, bar: None }
    }

    /// Says how far the work is: `done` of `total` things called `what`; a total of 0 is not known.
    pub fn step(&mut self, what: &str, done: u64, total: u64) {
        if !self.wanted || self.begun.elapsed() < SHOWN_AFTER {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
        });
        let template = match total {
            0 => "{spinner} {human_pos} {msg}",
            _ => "{bar:40} {human_pos}/{human_len} {msg}, {eta} left",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        if total > 0 {
            bar.set_length(total);
        }
        bar.set_message(what.to_owned());
        bar.set_position(done);
    }

    /// Writes something while the bar is out of the way.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Takes the bar away.
    pub fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
