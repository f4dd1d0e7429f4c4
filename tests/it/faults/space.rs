//! The disk is full: what was acknowledged stays, and with room again the log goes on.
//!
//! A small file system of its own is mounted where nobody else sees it: in a mount namespace, which root may have, and
//! others together with a user namespace.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::appending::{self, FAILED, acknowledged, is_whole};
use super::times;
use crate::store_faults::try_open;

/// Sizes of the disk in KiB. With the small ones the opening fails, with the others the journal, or sled.
const SIZES_KIB: [u32; 5] = [100, 700, 1_600, 3_000, 6_000];
/// Room again.
const ROOM: &str = "size=128m";

#[test]
fn a_full_disk_loses_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = nix::unistd::geteuid().is_root();
    let mut command = Command::new("unshare");
    command.args(if root { &["--mount"][..] } else { &["--map-root-user", "--mount"] });
    command.arg(std::env::current_exe().expect("is known"));
    command.args(["faults::space::child_fills_a_small_disk", "--exact", "--nocapture"]);
    let ended = command.env("BEADLE_TEST_SMALL_DISK", dir.path()).output();
    let ended = ended.expect("unshare is there: it is in util-linux");
    let told = String::from_utf8_lossy(&ended.stderr);
    let hint = "the test mounts a tmpfs in a namespace of its own: run it as root, or allow user \
                namespaces (sysctl kernel.unprivileged_userns_clone=1, and in a container --privileged)";
    assert!(ended.status.success(), "{told}\n{hint}");
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(said.contains("filled"), "{said}\n{told}\n{hint}");
    println!("{said}");
}

fn mount(options: &str, dir: &Path) {
    let done =
        Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(dir).status();
    assert!(done.expect("mount is there").success(), "cannot mount a tmpfs with {options}");
}

/// The child of the test above.
#[test]
fn child_fills_a_small_disk() {
    let Some(dir) = std::env::var_os("BEADLE_TEST_SMALL_DISK") else { return };
    let dir = Path::new(&dir);
    for (nth, size) in SIZES_KIB.into_iter().enumerate().take(times(5, 5)) {
        mount(&format!("size={size}k"), dir);
        let mut said = BTreeMap::new();
        let first = fill(dir, nth as u64, &mut said);
        // A second process on the full disk neither gets far nor does harm; nor does a third.
        let again =
            [fill(dir, 100 + nth as u64, &mut said), fill(dir, 200 + nth as u64, &mut said)];
        let aside = set_aside(dir);
        if let Err(error) = try_open(dir) {
            let told = error.to_string();
            assert!(!told.contains("damaged"), "{size} KiB: a full disk is no damage: {told}");
        }
        assert!(aside <= 1, "{size} KiB: a full disk fills with {aside} event stores");
        mount(&format!("remount,{ROOM}"), dir);
        let opened = is_whole(dir, &said, &format!("{size} KiB, then room"));
        let before = said.len();
        println!("filled {size} KiB: {before} batches, {first:?}, {again:?}, then {opened:?}");
        goes_on(dir);
        let done = Command::new("umount").arg(dir).status().expect("umount is there");
        assert!(done.success());
    }
}

/// Lets a child append until there is no room; says what it said at last.
fn fill(dir: &Path, seed: u64, said: &mut BTreeMap<String, u64>) -> String {
    let ended = appending::child(dir, seed).output().expect("starts");
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    let words = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_eq!(ended.status.code(), Some(FAILED), "{words}\n{told}");
    said.extend(words.lines().filter_map(acknowledged));
    let error = told.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
    assert!(error.contains("No space left") || error.contains("os error 28"), "{told}");
    error.to_owned()
}

fn set_aside(dir: &Path) -> usize {
    let names = std::fs::read_dir(dir).expect("lists").flatten();
    names.filter(|it| it.file_name().to_string_lossy().starts_with("store.bad-")).count()
}

/// The log takes events again.
fn goes_on(dir: &Path) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (store, _) = try_open(dir).expect("opens");
    let expected = beadle::store::Expected::Any;
    let appended = crate::store_world::put(&store, "test-on", expected, &["on"]);
    runtime.block_on(appended).expect("appends");
}
