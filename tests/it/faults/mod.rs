//! What breaks below the log, each fault by itself: power, disks, bits, files, clocks.
//!
//! `make test` runs every fault a few times; `make torture` many times. Seeds are printed, `BEADLE_SEED=n` repeats a run.

mod appending;
mod clocks;
mod flips;
pub mod full_read;
mod image;
mod power;
mod reader;
mod segments;
mod shim;
mod space;
mod syncs;
mod timers;
mod upgrade;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Numbers that look random and repeat for a seed.
pub struct Rng(u64);

impl Rng {
    /// From `BEADLE_SEED`, or a new one; says which.
    pub fn seeded(what: &str) -> Self {
        let given = std::env::var("BEADLE_SEED").ok();
        let given = given.map(|seed| seed.parse().expect("BEADLE_SEED is a number"));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        let seed = given.unwrap_or(u64::from(now.subsec_nanos()));
        println!("{what}: BEADLE_SEED={seed}");
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// How often something is done: a few times in `make test`, many times in `make torture`.
pub fn times(normal: usize, torture: usize) -> usize {
    if std::env::var_os("BEADLE_TORTURE").is_some() { torture } else { normal }
}

/// Copies a directory with everything in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("makes");
    for entry in fs::read_dir(from).expect("lists") {
        let entry = entry.expect("lists");
        let to = to.join(entry.file_name());
        match entry.file_type().expect("has a type").is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).expect("copies")),
        }
    }
}

/// All files below a directory, in order.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("lists").map(|entry| entry.expect("lists").path());
    let mut files: Vec<_> =
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    files.sort();
    files
}

/// What `beadle log verify` of the program says of a directory: its exit status and its words.
pub fn log_verify(dir: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_beadle"));
    let output = command.arg("--data").arg(dir).args(["log", "verify"]).env("HOME", dir).output();
    let output = output.expect("the program can be started");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}
