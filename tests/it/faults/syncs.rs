//! The n-th sync of a process fails: it ends with a message, acknowledges nothing after, and the next start is whole.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use super::appending::{self, FAILED, acknowledged, is_whole};
use super::{Rng, image, log_verify, shim, times};

/// The syncs of an opening and of the first appends: each fails once. `make torture` goes on further.
const FIRST_SYNCS: usize = 26;
const FIRST_SYNCS_TORTURE: usize = 120;

#[test]
fn a_failed_sync_ends_the_process_and_loses_nothing() {
    let mut rng = Rng::seeded("a sync fails");
    for nth in 1..=times(FIRST_SYNCS, FIRST_SYNCS_TORTURE) {
        let place = tempfile::tempdir().expect("a directory");
        let [data, promised, left] =
            ["data", "promised", "left"].map(|name| place.path().join(name));
        fs::create_dir(&data).expect("makes");
        image::settle(&data, &promised);
        let mut command = appending::child(&data, rng.next() >> 16);
        shim::watched(&mut command, &data);
        shim::promised(&mut command, &promised);
        let ended = command.env("POWER_FAIL_AT", nth.to_string()).output().expect("starts");
        let told = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(FAILED), "sync {nth}: {told}");
        assert!(told.contains("Input/output error"), "sync {nth}: {told}");
        let said = String::from_utf8_lossy(&ended.stdout);
        let said: BTreeMap<String, u64> = said.lines().filter_map(acknowledged).collect();
        // Whatever was acknowledged before or after: no sync that came later can have made up for this one.
        image::cut(&data, &promised, 0, &mut rng, &left);
        is_whole(&left, &said, &format!("sync {nth} failed, then the power"));
        is_whole(&data, &said, &format!("sync {nth} failed"));
    }
}

#[test]
fn the_program_ends_when_a_sync_fails() {
    for nth in [1, 3, 6, 9, 12, 15, 20] {
        let place = tempfile::tempdir().expect("a directory");
        let data = place.path().join("data");
        fs::create_dir(&data).expect("makes");
        let mut command = Command::new(env!("CARGO_BIN_EXE_beadle"));
        command.arg("--data").arg(&data).env("HOME", place.path());
        shim::watched(&mut command, &data);
        let ended = command.env("POWER_FAIL_AT", nth.to_string()).output().expect("starts");
        let told = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "sync {nth}: {told}");
        assert!(told.contains("Input/output error"), "sync {nth}: {told}");
        // What was under way is another test's; here the log opens again, and is whole.
        let again = Command::new(env!("CARGO_BIN_EXE_beadle"))
            .arg("--data")
            .arg(&data)
            .args(["log", "tail", "-n", "3"])
            .output();
        let again = again.expect("starts");
        let told = String::from_utf8_lossy(&again.stderr);
        // A sync may fail before there is a log at all.
        let none = told.contains("there is no log");
        assert!(again.status.success() || none, "sync {nth}, then again: {told}");
        if none {
            continue;
        }
        let (status, said) = log_verify(&data);
        assert_eq!(status, Some(0), "sync {nth}: {said}");
    }
}
