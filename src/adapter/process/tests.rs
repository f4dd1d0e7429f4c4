//! What is promised of child processes, each with a real one.

use nix::sys::signal::kill;
use serde_json::json;

use super::*;

/// Long enough that only a hang comes near.
const AMPLE: Duration = Duration::from_secs(60);

fn spec(argv: &[&str]) -> Spec {
    Spec {
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        dir: std::env::temp_dir(),
        env: BTreeMap::new(),
        timeout: AMPLE,
        output_bytes_max: OUTPUT_BYTES_MAX,
        memory_bytes: None,
        secrets: vec![],
    }
}

fn sh(script: &str) -> Spec {
    spec(&["/bin/sh", "-c", script])
}

async fn finished(spec: &Spec) -> Finished {
    run(spec, &json!(null), |_| {}).await
}

fn pid(text: &str) -> Pid {
    Pid::from_raw(text.trim().parse().expect(text))
}

/// Waits until a process has ended. It may stay a zombie where nobody collects orphans.
async fn ended(pid: Pid) {
    let zombie = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X']))
    };
    let wait = async {
        while kill(pid, None).is_ok() && !zombie() {
            tokio::task::yield_now().await;
        }
    };
    timeout(AMPLE, wait).await.expect("the process ends");
}

#[tokio::test]
async fn processes_end_in_every_way() {
    for (script, outcome, stdout, stderr) in [
        ("exit 0", Outcome::Exited(0), "", ""),
        ("echo out; echo err >&2; exit 3", Outcome::Exited(3), "out\n", "err\n"),
        ("kill -9 $$", Outcome::Signalled(9), "", ""),
        ("exec 0<&-; echo closed", Outcome::Exited(0), "closed\n", ""),
        ("exec 1>&- 2>&-; exit 4", Outcome::Exited(4), "", ""),
        ("cat >/dev/null; printf 'no end'", Outcome::Exited(0), "no end", ""),
    ] {
        let got = finished(&sh(script)).await;
        assert_eq!(got.outcome, outcome, "{script}");
        assert_eq!(String::from_utf8_lossy(&got.stdout), stdout, "{script}");
        assert_eq!(got.stderr_tail, stderr, "{script}");
    }
}

#[tokio::test]
async fn json_goes_in_and_comes_out() {
    let big = json!({ "text": "ü\n\"".repeat(100_000) });
    let got = run(&spec(&["cat"]), &big, |_| {}).await;
    assert_eq!(got.outcome, Outcome::Exited(0));
    assert_eq!(serde_json::from_slice::<Value>(&got.stdout).unwrap(), big);
    let unread = run(&sh("echo done"), &big, |_| {}).await;
    assert_eq!((unread.outcome, unread.stdout), (Outcome::Exited(0), b"done\n".to_vec()));
}

#[tokio::test]
async fn arguments_are_not_read_by_a_shell() {
    let got = finished(&spec(&["printf", "%s|", "$HOME; ls", "a b", "*"])).await;
    assert_eq!(String::from_utf8_lossy(&got.stdout), "$HOME; ls|a b|*|");
}

#[tokio::test]
async fn lines_are_passed_on() {
    let long = "x".repeat(3 * LINE_BYTES_MAX);
    for (input, want) in [
        ("", vec![]),
        ("a\nb", vec!["a", "b"]),
        ("a\r\n\nb\n", vec!["a", "", "b"]),
        (&format!("{long}\nb\n"), vec![&long[..LINE_BYTES_MAX], "b"]),
    ] {
        let mut lines = Vec::new();
        let mut spec = sh("printf %s \"$TEXT\"");
        spec.env.insert("TEXT".into(), input.into());
        run(&spec, &json!(null), |line| lines.push(line.to_owned())).await;
        assert_eq!(lines, want, "{:?}", &input[..input.len().min(20)]);
    }
}

#[tokio::test]
async fn broken_utf8_is_kept_and_shown() {
    let mut lines = Vec::new();
    let script = "printf 'a\\377b\\n'; printf 'c\\377d' >&2";
    let got = run(&sh(script), &json!(null), |line| lines.push(line.to_owned())).await;
    assert_eq!(got.stdout, b"a\xffb\n");
    assert_eq!(lines, ["a\u{FFFD}b"]);
    assert_eq!(got.stderr_tail, "c\u{FFFD}d");
}

#[tokio::test]
async fn the_environment_is_clean() {
    let mut spec = spec(&["/usr/bin/env"]);
    spec.env.insert("TOKEN".into(), "t".into());
    let got = finished(&spec).await;
    let text = String::from_utf8(got.stdout).unwrap();
    let mut names: Vec<_> =
        text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, ["HOME", "LANG", "PATH", "TOKEN"]);
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some(), "the parent has more");
}

#[tokio::test]
async fn too_much_output_is_stopped() {
    for script in ["yes", "yes & wait", "trap '' TERM; yes"] {
        let got = finished(&sh(script)).await;
        assert_eq!(got.outcome, Outcome::TooMuchOutput, "{script}");
        assert_eq!(got.stdout.len(), OUTPUT_BYTES_MAX, "{script}");
    }
    for (bytes, outcome) in [(10, Outcome::Exited(0)), (11, Outcome::TooMuchOutput)] {
        let mut spec = sh(&format!("head -c {bytes} /dev/zero"));
        spec.output_bytes_max = 10;
        let got = finished(&spec).await;
        assert_eq!((got.outcome, got.stdout.len()), (outcome, 10), "{bytes}");
    }
}

#[tokio::test]
async fn the_end_of_complaints_is_kept() {
    let got =
        finished(&sh("i=0; while [ $i -lt 3000 ]; do echo \"ü$i\" >&2; i=$((i+1)); done")).await;
    assert!(got.stderr_tail.ends_with("ü2998\nü2999\n"));
    assert!(got.stderr_tail.len() <= STDERR_TAIL_BYTES_MAX);
    assert!(!got.stderr_tail.contains('\u{FFFD}'));
}

/// Runs a script whose time is up when it has printed its first line.
async fn out_of_time(script: &str) -> Finished {
    let (printed, first_line) = tokio::sync::oneshot::channel();
    let mut printed = Some(printed);
    let limit = async { first_line.await.expect("the script prints a line") };
    let on_line = |_: &str| {
        if let Some(printed) = printed.take() {
            printed.send(()).expect("the limit waits for it");
        }
    };
    run_until(limit, &sh(script), &json!(null), on_line).await
}

#[tokio::test]
async fn the_time_limit_ends_the_whole_group() {
    for script in [
        "sleep 1000 & echo $!; wait",
        "sleep 1000 & echo $!; exec sleep 1000",
        "trap '' TERM; sleep 1000 & echo $!; wait",
        "sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1000; done' & wait",
    ] {
        let got = out_of_time(script).await;
        assert_eq!(got.outcome, Outcome::TimedOut, "{script}");
        assert!(got.duration < AMPLE / 2, "{script} took {:?}", got.duration);
        ended(pid(&String::from_utf8_lossy(&got.stdout))).await;
    }
}

#[tokio::test]
async fn a_program_may_clean_up_when_it_is_stopped() {
    let got = out_of_time("trap 'echo bye; exit 0' TERM; sleep 1000 & echo up; wait").await;
    assert_eq!((got.outcome, got.stdout), (Outcome::TimedOut, b"up\nbye\n".to_vec()));
}

#[tokio::test]
async fn the_time_limit_is_kept() {
    let mut spec = sh("sleep 1000");
    spec.timeout = Duration::from_millis(1);
    assert_eq!(finished(&spec).await.outcome, Outcome::TimedOut);
}

#[tokio::test]
async fn what_holds_the_pipes_open_is_killed() {
    let got = finished(&sh("sleep 1000 & echo $!; exit 5")).await;
    assert_eq!(got.outcome, Outcome::Exited(5));
    assert!(got.duration < AMPLE / 2, "took {:?}", got.duration);
    ended(pid(&String::from_utf8_lossy(&got.stdout))).await;
}

#[tokio::test]
async fn dropping_kills_the_group() {
    let (seen, mut pids) = tokio::sync::mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        let spec = sh("echo $$; sleep 1000 & echo $!; wait");
        run(&spec, &json!(null), |line| seen.send(pid(line)).unwrap()).await
    });
    let both = [pids.recv().await.unwrap(), pids.recv().await.unwrap()];
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    for pid in both {
        ended(pid).await;
    }
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let dir = tempfile::tempdir().unwrap();
    // Written by a child: a program that this process holds open for writing cannot be started.
    let files = "printf '#!/bin/sh' >plain; printf '\\177no program' >headless; printf '#!/no/such' >orphan; \
                 chmod +x headless orphan";
    let written = finished(&Spec { dir: dir.path().to_owned(), ..sh(files) }).await;
    assert_eq!(written.outcome, Outcome::Exited(0));
    let huge = "x".repeat(8 << 20);
    for (argv, at, want) in [
        (&["no-such-program"][..], dir.path(), "install it"),
        (&["./no-such-file"], dir.path(), "it is not where the script says"),
        (&["./orphan"], dir.path(), "first line"),
        (&["./plain"], dir.path(), "chmod +x plain"),
        (&["./headless"], dir.path(), "#!/usr/bin/env"),
        (
            &["true"],
            std::path::Path::new("/no/such"),
            "the folder that it is to run in is not there",
        ),
        (&["true", &huge], dir.path(), "less on its command line"),
        (&["true", "a\0b"], dir.path(), "the byte 0"),
        (&[], dir.path(), "no program to run"),
    ] {
        let got = finished(&Spec { dir: at.to_owned(), ..spec(argv) }).await;
        let Outcome::CannotStart(said) = got.outcome else { panic!("{want}: {:?}", got.outcome) };
        assert!(said.contains(want), "{said}");
        let dir = dir.path().display().to_string();
        assert!(!said.contains(&dir) && !said.contains("/no/such`"), "it tells where: {said}");
    }
}

#[tokio::test]
async fn a_child_has_its_limits_and_nothing_of_ours() {
    let dir = tempfile::tempdir().unwrap();
    let open = std::fs::File::create(dir.path().join("open")).unwrap();
    // As if a library had forgotten to mark it: a child would inherit it.
    nix::fcntl::fcntl(&open, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
    let script = "umask; ulimit -c; ulimit -n; ulimit -v; ls /proc/self/fd | wc -l";
    let mut spec = sh(script);
    spec.memory_bytes = Some(512 << 20);
    let got = finished(&spec).await;
    let text = String::from_utf8(got.stdout).unwrap();
    let lines: Vec<&str> = text.split_whitespace().collect();
    // `ls` has its three pipes and the folder that it lists.
    assert_eq!(lines, ["0077", "0", "4096", "524288", "4"], "{text} {}", got.stderr_tail);
    assert_eq!(OPEN_FILES_MAX, 4096);
}

#[tokio::test]
async fn a_child_gets_no_more_memory_than_it_may_have() {
    let eat = "dd if=/dev/zero of=/dev/null bs=128M count=1 && echo done";
    for (memory_bytes, done) in [(Some(64 << 20), false), (Some(512 << 20), true), (None, true)] {
        let got = finished(&Spec { memory_bytes, ..sh(eat) }).await;
        assert_eq!(
            got.outcome == Outcome::Exited(0),
            done,
            "{memory_bytes:?}: {}",
            got.stderr_tail
        );
    }
}

#[tokio::test]
async fn secrets_are_in_no_output() {
    let secret = Secret::new("door", "open-sesame-42".to_owned());
    let mut lines = Vec::new();
    let mut spec = sh(
        "echo \"it is $DOOR\"; printf %s \"$DOOR\" | base64; echo \"bad $DOOR\" >&2; printf 'open-sesa'",
    );
    spec.env.insert("DOOR".into(), secret.expose().to_owned());
    spec.output_bytes_max = 57;
    spec.secrets = vec![secret];
    let got = run(&spec, &json!(null), |line| lines.push(line.to_owned())).await;
    let all = format!("{lines:?} {:?} {}", String::from_utf8_lossy(&got.stdout), got.stderr_tail);
    assert!(all.contains("it is [secret door]") && all.contains("bad [secret door]"), "{all}");
    for piece in ["sesame", "b3Blbi1z"] {
        assert!(!all.contains(piece), "{piece}: {all}");
    }
}
