//! Who finds what: ways to tamper with a log, against what its verifier has.
//!
//! All of it is seen from outside, through the program.

use std::fs;
use std::path::Path;

use beadle::domain::event::TreeHead;
use tempfile::TempDir;

use crate::proof_world::{
    Growing, Made, at, close, copy, edit, export, found, path, place, room, run, segments,
};

/// What is found by a verifier; none: nothing is.
type Want = Option<String>;

/// A way to tamper, and what is found with the log, with an export, and with the log and the room.
struct Row {
    what: &'static str,
    dir: TempDir,
    heads: Vec<TreeHead>,
    want: [Want; 3],
}

impl Row {
    fn check(&self) {
        let files = tempfile::tempdir().expect("makes");
        let (exported, saved) = (files.path().join("log.jsonl"), files.path().join("room.txt"));
        fs::write(&exported, export(self.dir.path())).expect("writes");
        fs::write(&saved, room(&self.heads)).expect("writes");
        let data = ["--data", path(self.dir.path())];
        let args: [Vec<&str>; 3] = [
            data.to_vec(),
            vec!["--export", path(&exported)],
            [&data[..], &["--against", path(&saved)]].concat(),
        ];
        for ((verifier, args), want) in ["log", "export", "room"].iter().zip(args).zip(&self.want) {
            let (status, findings) = found(&args);
            let what = format!("{} with the {verifier}: {findings:#?}", self.what);
            match want {
                None => assert_eq!((status, findings.len()), (0, 0), "{what}"),
                Some(want) => {
                    assert_eq!(status, 4, "{what}");
                    assert!(findings.contains(want), "{what}, not {want}");
                }
            }
        }
    }
}

fn some(place: &str, what: &str) -> Want {
    Some(format!("{place}: {what}"))
}

/// What is said of a head that was signed over something else.
fn changed(place: &str, size: u64, from: u64) -> Want {
    let last = size - 1;
    some(
        place,
        &format!(
            "the head of {size} events was signed over another history: what was changed is among events {from} to {last}"
        ),
    )
}

#[test]
fn nothing_is_found_where_nothing_was_done() {
    let made = Made::new();
    let dir = made.copy();
    Row { what: "nothing", dir, heads: made.heads, want: [None, None, None] }.check();
}

#[test]
fn crude_tampering_is_found_in_the_log_itself() {
    let made = Made::new();
    let heads = &made.heads;
    let row = |what, change: &dyn Fn(&Path), want: &dyn Fn(&Path) -> [Want; 3]| {
        let dir = made.copy();
        let want = want(dir.path());
        change(dir.path());
        Row { what, dir, heads: heads.clone(), want }.check();
    };
    let flip = |dir: &Path| {
        edit(dir, 5, |lines, at| {
            let end = lines[at].len() - 9;
            let other = if lines[at].as_bytes()[end] == b'A' { "B" } else { "A" };
            lines[at].replace_range(end..=end, other);
        });
    };
    row("a flipped payload", &flip, &|dir| {
        let told = some(&place(dir, 5), "its key does not fit its sealed payload");
        // Without keys nobody can tell what a sealed payload should be.
        [told.clone(), None, told]
    });
    let drop_group = |dir: &Path| edit(dir, 7, |lines, at| drop(lines.drain(at..at + 2)));
    row("a dropped group", &drop_group, &|dir| {
        // The line behind the next event closes it too early.
        let (path, line) = at(dir, 7);
        let file =
            format!("log/{}:{}", path.file_name().expect("a file").to_string_lossy(), line + 2);
        let told = some(&file, "the group begins at 8, 7 should follow");
        [told.clone(), some(&format!("log.jsonl:{}", 8), "it is event 8, 7 should follow"), told]
    });
    let reorder = |dir: &Path| {
        edit(dir, 6, |lines, at| {
            lines.swap(at, at + 2);
            lines.swap(at + 1, at + 3);
        })
    };
    row("two groups in another order", &reorder, &|dir| {
        let (path, line) = at(dir, 6);
        let file =
            format!("log/{}:{}", path.file_name().expect("a file").to_string_lossy(), line + 2);
        let told = some(&file, "the group begins at 7, 6 should follow");
        [told.clone(), some("log.jsonl:7", "it is event 7, 6 should follow"), told]
    });
    let insert = |dir: &Path| {
        edit(dir, 6, |lines, at| {
            let group = lines[at..at + 2].to_vec();
            lines.splice(at..at, group);
        })
    };
    row("a group that is there twice", &insert, &|dir| {
        let (path, line) = at(dir, 6);
        let file =
            format!("log/{}:{}", path.file_name().expect("a file").to_string_lossy(), line + 4);
        let told = some(&file, "the group begins at 6, 7 should follow");
        [told.clone(), some("log.jsonl:8", "it is event 6, 7 should follow"), told]
    });
    let swap = |dir: &Path| {
        let old = segments(made.old.path()).pop().expect("there are some");
        fs::copy(&old, dir.join("log").join(old.file_name().expect("a file"))).expect("copies");
    };
    row("a file of the journal from an old copy", &swap, &|dir| {
        let (next, old) = (end_of(made.old.path()), segments(made.old.path()));
        let last = old.last().expect("there are some").file_name().expect("a file").to_owned();
        let after = segments(dir).into_iter().find(|path| path.file_name() > Some(&last));
        let after = after.expect("the journal went on").file_name().expect("a file").to_owned();
        let told = some(
            &format!("log/{}:1", after.to_string_lossy()),
            &format!("{next} should follow: a journal file is missing"),
        );
        let first: u64 = after.to_string_lossy()[..20].parse().expect("is a number");
        let exported = some(
            &format!("log.jsonl:{}", next + 1),
            &format!("it is event {first}, {next} should follow"),
        );
        [told.clone(), exported, told]
    });
}

/// How many events a closed log has.
fn end_of(dir: &Path) -> u64 {
    export(dir).lines().count() as u64
}

#[test]
fn careful_tampering_is_found_by_the_heads_in_the_log() {
    let made = Made::new();
    // The first event is open: nothing but the heads binds its time.
    let dir = made.copy();
    edit(dir.path(), 0, |lines, at| {
        lines[at] = lines[at].replace(r#""wall":1700000000000"#, r#""wall":1700000000001"#);
        close(lines, at, 0);
    });
    fs::remove_dir_all(dir.path().join("store")).expect("deletes");
    drop(Growing::open(dir.path(), 9));
    let first = &made.heads[0];
    let log =
        changed(&place(dir.path(), usize::try_from(first.size).expect("small")), first.size, 0);
    let exported = changed(&format!("log.jsonl:{}", first.size + 1), first.size, 0);
    let room = changed("room.txt", first.size, 0);
    let want = [log, exported, room];
    Row { what: "a rewritten line", dir, heads: made.heads.clone(), want }.check();
}

#[test]
fn a_history_that_was_signed_again_is_found_by_a_head_from_outside_only() {
    let made = Made::new();
    let [first, second, third] = &made.heads[..] else { panic!("three heads") };
    let (old, end) = (tempfile::tempdir().expect("makes"), end_of(made.old.path()));
    copy(made.old.path(), old.path());
    let gone = some(
        "room.txt",
        &format!(
            "it is a head of {} events, the log has {end}: events {end} to {} are gone",
            second.size,
            second.size - 1
        ),
    );
    Row { what: "rolled back", dir: old, heads: made.heads.clone(), want: [None, None, gone] }
        .check();

    let (fork, published) = made.other(3);
    drop(fork);
    let heads: Vec<_> = made.heads.iter().cloned().chain(published.iter().cloned()).collect();
    let other = changed("room.txt", published[0].size, first.size);
    Row { what: "forked, both told", dir: made.copy(), heads, want: [None, None, other] }.check();

    let (rewritten, _) = made.other(20);
    assert!(end_of(rewritten.path()) > third.size, "it is longer than what it replaces");
    let tail = changed("room.txt", second.size, first.size);
    let want = [None, None, tail];
    Row { what: "a rewritten tail", dir: rewritten, heads: made.heads.clone(), want }.check();
}

#[test]
fn a_key_from_outside_finds_another_log() {
    let made = Made::new();
    let data = ["--data", path(made.dir.path()), "--key"];
    let key = made.heads[0].key.as_str();
    assert_eq!(found(&[&data[..], &[key]].concat()).0, 0);
    let (other, dir) = (tempfile::tempdir().expect("makes"), tempfile::tempdir().expect("makes"));
    let mut log = Growing::open(other.path(), 50);
    log.grow(1, "x");
    log.head();
    let foreign = log.end();
    let output = run(&[&["log", "verify"], &data[..], &[foreign[0].key.as_str()]].concat());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{told}");
    assert!(told.contains("the log signs with another key than the given one"), "{told}");
    let (saved, exported) = (dir.path().join("room.txt"), dir.path().join("log.jsonl"));
    fs::write(&saved, room(&foreign)).expect("writes");
    fs::write(&exported, export(made.dir.path())).expect("writes");
    let (saved, exported) = (path(&saved), path(&exported));
    for (args, status, want) in [
        (vec!["--data", path(made.dir.path()), "--against", saved], 1, "no head of this log in"),
        (
            vec!["--export", exported, "--key", &foreign[0].key],
            4,
            "its head does not count: it is a head of",
        ),
        (vec!["--export", exported, "--against", saved], 1, "no head of this log in"),
        (vec!["--export", exported, "--against", "#audit:hs"], 2, "cannot be read"),
        (vec!["--export", exported, "--key", "nonsense"], 2, "is no verifier key"),
        (vec!["--export", exported, "--key", key], 0, "0 findings"),
    ] {
        let output = run(&[&["log", "verify"], &args[..]].concat());
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {told}");
        assert!(told.contains(want), "{args:?}: {told}");
    }
}
