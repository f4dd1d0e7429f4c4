//! What a child process prints, kept within bounds and passed on line by line.

use std::collections::VecDeque;

use tokio::io::AsyncReadExt;
use tokio::process::{ChildStderr, ChildStdout};

use super::scrub::{Cut, Scrub};

/// Most bytes that are kept of what an action complains about: the last ones.
pub const STDERR_TAIL_BYTES_MAX: usize = 4 * 1024;
/// Longest line that is passed on while an action runs, in bytes; the rest of a longer one is left out.
pub const LINE_BYTES_MAX: usize = 4 * 1024;

/// How much is read at once.
const READ_BYTES: usize = 16 * 1024;

/// What a child prints, within bounds.
pub(super) struct Output<F> {
    stdout: Vec<u8>,
    stdout_bytes_max: usize,
    stderr: VecDeque<u8>,
    stderr_cut: bool,
    line: Vec<u8>,
    line_cut: bool,
    scrub: Scrub,
    on_line: F,
}

impl<F: FnMut(&str)> Output<F> {
    pub(super) fn new(stdout_bytes_max: usize, scrub: Scrub, on_line: F) -> Self {
        Output {
            stdout: Vec::new(),
            stdout_bytes_max,
            stderr: VecDeque::new(),
            stderr_cut: false,
            line: Vec::new(),
            line_cut: false,
            scrub,
            on_line,
        }
    }

    /// Reads both pipes until nobody can write to them; true, and at once, if stdout brings too much.
    pub(super) async fn drain(&mut self, mut stdout: ChildStdout, mut stderr: ChildStderr) -> bool {
        let (mut printed, mut complained) = (vec![0; READ_BYTES], vec![0; READ_BYTES]);
        let (mut printing, mut complaining) = (true, true);
        while printing || complaining {
            tokio::select! {
                read = stdout.read(&mut printed), if printing => match read {
                    Ok(count) if count > 0 => {
                        if !self.print(&printed[..count]) {
                            return true;
                        }
                    }
                    _ => printing = false,
                },
                read = stderr.read(&mut complained), if complaining => match read {
                    Ok(count) if count > 0 => self.complain(&complained[..count]),
                    _ => complaining = false,
                },
            }
        }
        false
    }

    /// Takes what was printed; false if it is more than there is room for.
    fn print(&mut self, bytes: &[u8]) -> bool {
        let kept = bytes.len().min(self.stdout_bytes_max - self.stdout.len());
        self.stdout.extend_from_slice(&bytes[..kept]);
        for piece in bytes[..kept].split_inclusive(|byte| *byte == b'\n') {
            let whole = piece.ends_with(b"\n");
            let piece = piece.strip_suffix(b"\n").unwrap_or(piece);
            let room = LINE_BYTES_MAX - self.line.len();
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            self.line_cut |= piece.len() > room;
            if whole {
                self.end_line();
            }
        }
        kept == bytes.len()
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        let cut = if std::mem::take(&mut self.line_cut) { Cut::Back } else { Cut::No };
        (self.on_line)(&String::from_utf8_lossy(&self.scrub.bytes(line, cut)));
    }

    fn complain(&mut self, bytes: &[u8]) {
        self.stderr.extend(bytes);
        let over = self.stderr.len().saturating_sub(STDERR_TAIL_BYTES_MAX);
        self.stderr_cut |= over > 0;
        self.stderr.drain(..over);
    }

    pub(super) fn finish(mut self) -> (Vec<u8>, String) {
        if !self.line.is_empty() {
            // Whatever ended the program may have torn its last line.
            self.line_cut = true;
            self.end_line();
        }
        let half_a_character = |byte: &&u8| (**byte & 0b1100_0000) == 0b1000_0000;
        let torn = if self.stderr_cut {
            self.stderr.iter().take_while(half_a_character).count()
        } else {
            0
        };
        let tail: Vec<u8> = self.stderr.into_iter().skip(torn).collect();
        let tail = self.scrub.bytes(&tail, if self.stderr_cut { Cut::Front } else { Cut::No });
        let full = self.stdout.len() == self.stdout_bytes_max;
        let stdout = self.scrub.bytes(&self.stdout, if full { Cut::Back } else { Cut::No });
        (stdout, String::from_utf8_lossy(&tail).into_owned())
    }
}
