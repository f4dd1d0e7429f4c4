//! That `bench ping` measures, not how fast anything is.

use serde_json::Value;

use crate::lab::{Bot, Lab};

/// How often the three accounts speak: enough for every figure to be there.
const SMALL: [&str; 8] = ["--messages", "4", "--burst", "8", "--senders", "3", "--rooms", "2"];

fn bench(arguments: &[&str]) -> Value {
    let bot = Bot::new(Lab::shared(), Lab::shared().plain("bench"));
    bot.configure(&[], &[]);
    let told = bot.run_expecting(0, &[&["bench", "ping", "--json"], arguments, &SMALL].concat());
    let line = told.lines().next().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {told}"))
}

/// Every figure is there and means something.
fn is_whole(figures: &Value) {
    for place in [
        "/bot/p50_ms",
        "/plain_clients/p99_ms",
        "/of_plain_clients/p50",
        "/cpu_ms_per_message",
        "/burst/answers_per_s",
        "/burst/plain_clients_answers_per_s",
        "/burst/of_plain_clients/p90",
        "/burst/cpu_ms_per_message",
        "/resident_mib",
        "/resident_most_mib",
        "/first_start_to_ready_ms",
        "/restart_to_first_answer_ms",
    ] {
        let figure = figures.pointer(place).and_then(Value::as_f64);
        // Four messages may cost less than a tick of the processor clock.
        let least = if place.ends_with("cpu_ms_per_message") { 0.0 } else { f64::MIN_POSITIVE };
        assert!(figure.is_some_and(|figure| figure >= least), "{place}: {figures}");
    }
    assert_eq!((&figures["messages"], &figures["burst"]["messages"]), (&4.into(), &8.into()));
}

#[test]
fn ping_is_measured_with_accounts_that_are_made_for_it() {
    is_whole(&bench(&["--homeserver", &Lab::shared().homeserver]));
}

#[test]
fn ping_is_measured_with_given_accounts() {
    let lab = Lab::shared();
    let accounts = ["bot", "asker", "answerer"].map(|name| lab.plain(name));
    let rows = accounts.iter().enumerate().map(|(nth, account)| {
        let table = if nth == 0 { "[bot]" } else { "[[plain]]" };
        format!("{table}\nuser = {:?}\npassword = {:?}\n", account.localpart, account.password)
    });
    let text = format!("homeserver = {:?}\n{}", lab.homeserver, rows.collect::<String>());
    let place = Bot::new(lab, lab.plain("accounts"));
    let file = place.write("accounts.toml", text);
    is_whole(&bench(&["--accounts", &file.display().to_string()]));
    assert_eq!(accounts[1].invitations(), Vec::<String>::new());
}

#[test]
fn without_accounts_it_is_said_what_to_do() {
    let bot = Bot::new(Lab::shared(), Lab::shared().plain("bench"));
    bot.configure(&[], &[]);
    let told = bot.run_expecting(2, &["bench", "ping"]);
    assert!(told.contains("--homeserver") && told.contains("--accounts"), "{told}");
    let told = bot.run_expecting(2, &["bench", "ping", "--senders", "0"]);
    assert!(told.contains("from 1 to"), "{told}");
}
