//! What people ask the log: every command with a bot that runs and without one, over a log that a transcript made.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use beadle::app::desk::Desk;
use beadle::app::orders::Hands;
use beadle::app::{SystemClock, open_log};
use beadle::control;
use beadle::query::follow::{FOLLOWERS_MAX, Followers, Place as Follower};
use beadle::query::fuzz;
use beadle::store::Expected;
use beadle::store::sled::SledStore;
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::store_world::put;

/// Two rooms, three people, a network, a failure, a question, a refusal, over three days.
const TALK: &str = "\
(scripts SCRIPTS)
(room #ops)
> ann: !both
< bot: first
< bot (reply): second
> ann: !size
< bot: Which size? (1. small, 2. large)
> ann: large
< bot: size large
> ben: !secret thing
< bot: *
(advance 1d)
> ben: !again 8
(exec t.again {\"n\":8} fails \"the Disk is FULL\")
< bot: On it, ben: execution {d}
< bot: *
(room #dev network=irc)
> eva [network=irc account=eva_on_irc]: !once 3
(exec t.once {\"n\":3} -> 3)
< bot: On it, eva: execution {e}
< bot: eva: [{e}] once gave 3
(advance 1d)
> ann: !ask ben
< bot: ann: May I? (yes or no)
";

/// A directory with a log in `data`.
struct Place {
    dir: TempDir,
}

/// What a call came to.
struct Ran {
    status: Option<i32>,
    out: String,
    err: String,
}

impl Place {
    fn new() -> Self {
        let place = Self { dir: tempfile::tempdir().expect("a temporary directory") };
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/scripts");
        let talk = TALK.replace("SCRIPTS", &scripts.display().to_string());
        fs::write(place.path("talk.txt"), talk).expect("ours");
        let ran = place.run(&["chat", "--play", "talk.txt"]);
        assert_eq!(ran.status, Some(0), "{}{}", ran.out, ran.err);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_beadle"));
        command.args(["--data", "data"]).args(args).current_dir(self.dir.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.dir.path()).env("TMPDIR", self.dir.path()).env("TZ", "UTC");
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        let output = self.command(args).output().expect("the program can be started");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { status: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    fn rows(&self, args: &[&str]) -> Vec<Value> {
        let ran = self.run(&[&["--json"], args].concat());
        assert_eq!(ran.status, Some(0), "{args:?}: {}", ran.err);
        ran.out.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }

    /// How many rows a command gives, or the beginning of what it complains of.
    fn count(&self, args: &[&str]) -> String {
        let ran = self.run(&[&["--json"], args].concat());
        match ran.status {
            Some(0) => ran.out.lines().count().to_string(),
            status => {
                let told: Value = serde_json::from_str(ran.err.lines().last().unwrap_or_default())
                    .unwrap_or_else(|why| panic!("{args:?}: {why}: {}", ran.err));
                format!("{} {}", status.unwrap_or(-1), told["error"].as_str().unwrap_or_default())
            }
        }
    }
}

/// A bot that answers questions about a log, as a running one does.
struct Answering {
    store: Arc<SledStore>,
    stop: watch::Sender<bool>,
    runtime: tokio::runtime::Runtime,
    data: PathBuf,
    followers: Followers,
}

impl Answering {
    fn on(place: &Place) -> Self {
        let data = place.path("data");
        let store = Arc::new(open_log(&data).expect("the log opens").0);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (stop, stopping) = watch::channel(false);
        let followers = Followers::default();
        let desk = Desk {
            store: store.clone(),
            clock: Arc::new(SystemClock),
            data: data.clone(),
            matrix: None,
            audit_room: Box::new(|| None),
            runtime: runtime.handle().clone(),
            followers: followers.clone(),
            hands: Hands::Bot(crate::both_states::kernel(&store)),
            web: None,
        };
        let _inside = runtime.enter();
        control::serve(Arc::new(desk), &data, stopping).expect("the socket is made");
        drop(_inside);
        Self { store, stop, runtime, data, followers }
    }

    fn stop(self) {
        self.stop.send_replace(true);
        control::remove(&self.data);
        self.store.close();
        drop(self.runtime);
    }
}

/// Runs a check without a bot and then with one.
fn in_both_states(place: &Place, check: &dyn Fn(&str)) {
    check("no bot");
    let bot = Answering::on(place);
    check("a bot");
    bot.stop();
}

#[test]
fn filters_find_what_they_say() {
    let place = Place::new();
    in_both_states(&place, &|state| {
        let all = place.rows(&["log", "query", "--limit", "0"]).len();
        let last = place.rows(&["log", "tail", "-n", "1"])[0]["position"].as_u64();
        assert_eq!(last, Some(all as u64 - 1), "{state}: everything is found without a filter");
        for (flags, want) in [
            ("--type trigger_recorded", "7"),
            ("--type trigger_recorded --who ann", "4"),
            ("--type trigger_recorded --who @ann:local", "4"),
            ("--type trigger_recorded --who ANN --room #ops", "3"),
            ("--type trigger_recorded --room ops", "5"),
            ("--type trigger_recorded --who eva_on_irc", "1"),
            ("--type trigger_recorded --network irc", "2"),
            ("--type trigger_recorded --trust account", "7"),
            ("--type trigger_recorded --trust device", "0"),
            ("--type execution_started --alias size", "1"),
            ("--type execution_started --action t.again", "1"),
            ("--type execution_started --status failed", "1"),
            ("--type execution_started --status succeeded", "3"),
            ("--type execution_started --status waiting", "1"),
            ("--type execution_* --status waiting", "2"),
            ("--type execution_started --since 2026-03-03", "3"),
            ("--type execution_started --since 2026-03-03 --until 2026-03-03", "2"),
            ("--type execution_started --until 2026-03-02", "2"),
            ("--type execution_started --until 2026-03-01", "0"),
            ("--type execution_started --who ann --since 2026-03-03 --status waiting", "1"),
            ("--type trigger_recorded --text SIZE", "1"),
            ("--type effect_completed --text disk", "1"),
            ("--rule nothing", "0"),
            ("--limit 3", "3"),
            ("--who nobody", "1 nobody in the log is called `nobody`"),
            ("--who anne", "1 nobody in the log is called `anne`; did you mean `ann`?"),
            ("--room #opps", "1 no room in the log is called `#opps`; did you mean `#ops`?"),
            ("--network slack", "1 nothing in the log is on a network `slack`"),
            ("--execution ZZZZ", "1 no execution's id begins with `ZZZZ`"),
            ("--type efect_started", "2 there is no type of event `efect_started`"),
            ("--since noon", "2 `noon` is no time for `since`"),
            ("--status fine", "2 there is no status `fine`"),
        ] {
            let args: Vec<&str> = ["log", "query"].into_iter().chain(flags.split(' ')).collect();
            assert_eq!(place.count(&args), want, "{state}: {flags}");
        }
        let found = place.rows(&["log", "query", "--text", "disk is full"]);
        let kinds: Vec<&Value> = found.iter().map(|row| &row["type"]).collect();
        assert_eq!(kinds, ["effect_completed", "execution_finished", "message_queued"], "{state}");
    });
}

#[test]
fn rows_have_the_documented_fields_and_one_order() {
    let place = Place::new();
    let page = include_str!("../../docs/audit.md");
    let section = page.split("## The fields of a row").nth(1).expect("a section on the fields");
    let section = section.split("\n## ").next().unwrap_or(section);
    let cell = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
    let mut documented: Vec<String> = section.lines().filter_map(cell).collect();
    documented.sort();
    in_both_states(&place, &|state| {
        let rows = place.rows(&["log", "query", "--who", "eva"]);
        for row in &rows {
            let mut fields: Vec<&String> = row.as_object().expect("an object").keys().collect();
            fields.sort();
            assert_eq!(fields, documented.iter().collect::<Vec<_>>(), "{state}: docs/audit.md");
            assert_eq!((&row["who"], &row["who_name"]), (&json!("@eva:local"), &json!("eva")));
            assert_eq!(row["where"], json!("#dev"), "{row}");
        }
        let of = |row: &Value| row["position"].as_u64().expect("a number");
        let places: Vec<u64> = rows.iter().map(of).collect();
        assert!(places.is_sorted() && places.len() > 5, "{state}: {places:?}");
        let newest = place.rows(&["log", "query", "--who", "eva", "--reverse", "--limit", "2"]);
        let newest: Vec<u64> = newest.iter().map(of).collect();
        let want: Vec<u64> = places.iter().rev().take(2).copied().collect();
        assert_eq!(newest, want, "{state}");
        let last = place.rows(&["log", "query", "--who", "eva", "--limit", "2"]);
        let last: Vec<u64> = last.iter().rev().map(of).collect();
        assert_eq!(last, want, "{state}: the newest, from old to new");
        let table = place.run(&["log", "query", "--who", "eva", "--type", "trigger_recorded"]).out;
        let want = "2026-03-03 09:00:00 eva          #dev";
        assert!(table.starts_with(want) && table.contains("succeeded said “!once 3”"), "{table}");
    });
}

#[test]
fn a_story_is_told_whole_and_in_order() {
    let place = Place::new();
    in_both_states(&place, &|state| {
        let started =
            place.rows(&["log", "query", "--type", "execution_started", "--alias", "size"]);
        let id = started[0]["execution"].as_str().expect("an id").to_owned();
        let trigger = started[0]["correlation"].as_str().expect("a trigger").to_owned();
        for name in
            [id.as_str(), &id[..8], &id.to_lowercase(), &format!("execution-{id}"), &trigger]
        {
            let rows = place.rows(&["log", "show", name]);
            let kinds: Vec<&str> = rows.iter().filter_map(|row| row["type"].as_str()).collect();
            for kind in [
                "trigger_recorded",
                "trigger_routed",
                "execution_started",
                "question_asked",
                "message_queued",
                "message_sent",
                "question_answered",
                "execution_finished",
            ] {
                assert!(kinds.contains(&kind), "{state}: {name}: no {kind} in {kinds:?}");
            }
            let said = kinds.iter().filter(|kind| **kind == "trigger_recorded").count();
            assert_eq!(said, 2, "{state}: the command and the answer");
            assert_eq!(kinds.iter().filter(|kind| **kind == "message_sent").count(), 2, "{state}");
            let order: Vec<Option<u64>> = rows.iter().map(|row| row["position"].as_u64()).collect();
            assert!(order.is_sorted(), "{state}: {order:?}");
        }
        let told = place.run(&["log", "show", &id[..8]]).out;
        for line in
            ["said “!size”", "asked “Which size?”", "@ann:local answered “large”", "succeeded"]
        {
            assert!(told.contains(line), "{state}: no {line} in\n{told}");
        }
        let same = place.rows(&["log", "query", "--execution", &id[..6], "--limit", "0"]);
        assert_eq!(same.len(), place.rows(&["log", "show", &id]).len(), "{state}");
        let none = place.count(&["log", "show", "ZZZZ"]);
        assert!(none.starts_with("1 there is no event `ZZZZ`"), "{state}: {none}");
    });
}

#[test]
fn reports_and_figures_add_up() {
    let place = Place::new();
    in_both_states(&place, &|state| {
        let shown = |args: &[&str], name: &str| -> Vec<String> {
            let rows = place.rows(&[&["log", "report"], args].concat());
            let row = |row: &Value| {
                let mean = row["mean_ms"].as_u64().map_or("-".into(), |ms| ms.to_string());
                let n = |name: &str| row[name].as_u64().expect("a number");
                format!(
                    "{} {} {} {} {} {} {} {mean}",
                    row[name].as_str().expect("a name"),
                    n("runs"),
                    n("succeeded"),
                    n("failed"),
                    n("open"),
                    n("answered"),
                    n("refused"),
                )
            };
            rows.iter().map(row).collect()
        };
        let by_person = shown(&["--by", "person"], "person");
        assert_eq!(
            by_person,
            ["@ann:local 3 2 0 1 1 0 0", "@ben:local 1 0 1 0 0 1 0", "@eva:local 1 1 0 0 0 0 0"],
            "{state}"
        );
        let by_day = shown(&["--by", "day"], "day");
        assert_eq!(
            by_day,
            ["2026-03-02 2 2 0 0 1 1 0", "2026-03-03 2 1 1 0 0 0 0", "2026-03-04 1 0 0 1 0 0 -"],
            "{state}"
        );
        let days = place.rows(&["log", "report", "--by", "day"]);
        assert!(days.iter().all(|row| row["zone"].is_string()), "{state}: {days:?}");
        let by_room = shown(&["--by", "room"], "room");
        assert_eq!(by_room, ["#ops 3 2 1 0 1 1 0", "#dev 2 1 0 1 0 0 0"], "{state}");
        let aliases = shown(&["--by", "alias", "--who", "ben"], "alias");
        assert_eq!(aliases, ["again 1 0 1 0 0 0 0", "secret thing 0 0 0 0 0 1 -"], "{state}");
        assert_eq!(shown(&["--status", "failed"], "person").len(), 1, "{state}");
        let stats = place.rows(&["log", "stats"]);
        let of = |stat: &str| {
            let rows = stats.iter().filter(|row| row["stat"] == stat);
            rows.map(|row| row["events"].as_u64().expect("a number")).sum::<u64>()
        };
        let all = place.rows(&["log", "query", "--limit", "0"]).len() as u64;
        assert_eq!([of("type"), of("category"), of("day"), of("log")], [all; 4], "{state}");
        let log = stats.last().expect("a row on the log");
        for part in ["journal_bytes", "store_bytes", "keys_bytes", "disk_bytes"] {
            assert!(log[part].as_u64().is_some_and(|bytes| bytes > 0), "{state}: {part} in {log}");
        }
    });
}

#[test]
fn a_checkpoint_goes_on_where_it_was() {
    let place = Place::new();
    let query = ["log", "query", "--type", "trigger_recorded", "--checkpoint", "mark"];
    in_both_states(&place, &|state| {
        let _ = fs::remove_file(place.path("mark"));
        let few = [&query[..], &["--limit", "3"]].concat();
        assert_eq!(place.rows(&few).len(), 3, "{state}");
        assert_eq!(place.rows(&query).len(), 4, "{state}: the rest");
        assert_eq!(place.rows(&query).len(), 0, "{state}: nothing new");
        let mark = fs::read_to_string(place.path("mark")).expect("it is there");
        let other = mark.replace("{\"log\":\"", "{\"log\":\"f");
        fs::write(place.path("mark"), &other).expect("ours");
        let refused = place.count(&query);
        assert!(refused.starts_with("1 the checkpoint is of the log f"), "{state}: {refused}");
        let kept = fs::read_to_string(place.path("mark")).expect("it is there");
        assert_eq!(kept, other, "{state}: it is left as it is");
        let mut ahead: Value = serde_json::from_str(&mark).expect("it is JSON");
        ahead["next"] = json!(1_000_000);
        fs::write(place.path("mark"), ahead.to_string()).expect("ours");
        let refused = place.count(&query);
        assert!(refused.starts_with("1 the checkpoint is at 1000000"), "{state}: {refused}");
        fs::write(place.path("mark"), "nonsense").expect("ours");
        let refused = place.count(&query);
        assert!(refused.contains("is no checkpoint of a log"), "{state}: {refused}");
    });
}

#[test]
fn what_cannot_be_printed_does_not_count_as_seen() {
    let place = Place::new();
    let query = ["log", "query", "--type", "trigger_recorded"];
    in_both_states(&place, &|state| {
        let _ = fs::remove_file(place.path("mark"));
        let marked = [&query[..], &["--checkpoint", "mark"]].concat();
        for args in [&marked[..], &query[..], &["log", "report"], &["log", "stats"]] {
            for json in [&["--json"][..], &[]] {
                let full =
                    fs::File::options().write(true).open("/dev/full").expect("the system has it");
                let mut command = place.command(&[json, args].concat());
                let output = command.stdout(full).output().expect("the program can be started");
                let told = String::from_utf8_lossy(&output.stderr).into_owned();
                assert_eq!(output.status.code(), Some(1), "{state} {args:?}: {told}");
                assert!(told.contains("cannot write to standard output: No space left"), "{told}");
                assert!(!place.path("mark").exists(), "{state}: nothing was seen");
            }
        }
        assert_eq!(place.rows(&marked).len(), 7, "{state}: nothing is lost");
    });
    let bot = Answering::on(&place);
    let full = fs::File::options().write(true).open("/dev/full").expect("the system has it");
    let ended = place.command(&["log", "query", "--follow"]).stdout(full).status();
    assert_eq!(ended.expect("the program can be started").code(), Some(1), "it follows no more");
    bot.stop();
}

/// One who follows, as a process of its own.
struct Following {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Following {
    fn of(place: &Place) -> Self {
        let args = ["--json", "log", "query", "--follow", "--limit", "1"];
        let mut command = place.command(&args);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it can be started");
        let lines = BufReader::new(child.stdout.take().expect("it has an output")).lines();
        Self { child, lines }
    }

    fn next(&mut self) -> Value {
        let line = self.lines.next().expect("it goes on").expect("it can be read");
        serde_json::from_str(&line).expect("a line is JSON")
    }

    fn end(mut self) {
        self.child.kill().expect("it still runs");
        self.child.wait().expect("it ends");
    }
}

fn append(bot: &Answering, text: &str) {
    let texts = [text];
    let put = put(bot.store.as_ref(), "test-follow", Expected::Any, &texts);
    bot.runtime.block_on(put).expect("it appends");
}

#[test]
fn what_comes_is_followed_over_a_restart_of_the_bot() {
    let place = Place::new();
    let bot = Answering::on(&place);
    let mut following = Following::of(&place);
    let first = following.next()["position"].as_u64().expect("a number");
    for n in 1..=3 {
        append(&bot, &format!("text {n}"));
        let row = following.next();
        assert_eq!(row["payload"]["value"], json!(format!("text {n}")));
        assert_eq!(row["position"].as_u64(), Some(first + n));
    }
    bot.stop();
    let bot = Answering::on(&place);
    append(&bot, "after the restart");
    assert_eq!(following.next()["payload"]["value"], json!("after the restart"));
    following.end();
    bot.stop();
}

#[test]
fn without_a_bot_what_is_there_is_shown_and_the_log_is_left_free() {
    let place = Place::new();
    let mut following = Following::of(&place);
    let first = following.next()["position"].as_u64().expect("a number");
    // The log is let go of once it was read: a bot can start, and is followed from there on.
    let bot = loop {
        match open_log(&place.path("data")) {
            Ok((store, _)) => {
                store.close();
                drop(store);
                break Answering::on(&place);
            }
            Err(_) => std::thread::yield_now(),
        }
    };
    append(&bot, "live");
    let mut row = following.next();
    while row["payload"]["value"] != json!("live") {
        row = following.next();
    }
    assert!(row["position"].as_u64() > Some(first), "{row}");
    following.end();
    bot.stop();
}

#[test]
fn a_follower_that_goes_gives_its_place_back() {
    let place = Place::new();
    let bot = Answering::on(&place);
    for _ in 0..2 {
        let mut all: Vec<Following> = (0..FOLLOWERS_MAX).map(|_| Following::of(&place)).collect();
        all.iter_mut().for_each(|one| drop(one.next()));
        let one_more = place.count(&["log", "query", "--follow"]);
        assert!(one_more.starts_with("1 8 follow the log already"), "{one_more}");
        all.into_iter().for_each(Following::end);
        // The bot sees that they are gone when it looks.
        while (0..FOLLOWERS_MAX)
            .map(|_| bot.followers.join())
            .collect::<Result<Vec<Follower>, _>>()
            .is_err()
        {
            std::thread::yield_now();
        }
    }
    bot.stop();
}

#[test]
fn the_corpus_of_questions_holds() {
    let mut count = 0;
    for entry in fs::read_dir("tests/corpus/query").expect("the folder is there") {
        fuzz::query(&fs::read(entry.expect("it can be read").path()).expect("it can be read"));
        count += 1;
    }
    assert!(count >= 10, "the corpus is kept");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzz::query(&bytes);
    }

    #[test]
    fn any_words_are_read_or_refused(
        words in proptest::collection::vec(
            prop_oneof![
                proptest::sample::select(beadle::query::filter::NAMES).prop_map(str::to_owned),
                proptest::sample::select(vec![
                    "yesterday", "2h", "ago", "last", "monday", "14:00", "2026-11-01", "\"", "“", "”",
                    "\\", "effect_*", "in", "doubt", "ann", "0", "*", "'",
                ]).prop_map(str::to_owned),
                "\\PC{0,12}",
            ],
            0..12,
        )
    ) {
        fuzz::query(words.join(" ").as_bytes());
    }
}
