//! `beadle bench rules`: what it costs to find the rules for an event, among few and many rules.

use std::hint::black_box;

use serde_json::{Map, Value, json};

use super::meter::{cpu_us, rounded};
use crate::cli::style::out;
use crate::cli::{Context, Failure};
use crate::domain::id::ScriptHash;
use crate::domain::rule::{Does, On, Rule, RuleIndex};
use crate::domain::throttle::Windows;

/// How many rules there are where nothing else is said.
const RULES: [usize; 4] = [10, 100, 1_000, 10_000];
/// Most rules that are measured.
pub const RULES_MAX: usize = 100_000;
/// Events of one turn; of several turns the quickest counts, for what else the machine does only adds to it.
const EVENTS: usize = 2_000;
const TURNS: usize = 5;
/// One event in so many has rules that are for it.
const MATCHES_EVERY: usize = 100;
/// The triggers, and what the rules of each want of its fields.
const TRIGGERS: [&str; 5] =
    ["webhook.nagios", "webhook.alertmanager", "webhook.github", "webhook.deploy", "sensor.disk"];

/// How many rules to measure with.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example: beadle bench rules --json")]
pub struct RulesArgs {
    /// How many rules, one row each.
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = RULES)]
    rules: Vec<usize>,
}

/// What the nth rule wants: the host or project that it is about, and what most others want as well.
fn wanted(nth: usize) -> Value {
    match nth % TRIGGERS.len() {
        0 => json!({ "type": "PROBLEM", "state": "CRITICAL", "host": format!("web{nth}") }),
        1 => {
            json!({ "status": "firing", "labels.severity": "page", "labels.instance": format!("db{nth}:9100") })
        }
        2 => json!({ "action": "opened", "repository.full_name": format!("example/project{nth}") }),
        3 => json!({ "stage": "production", "app": format!("app{nth}") }),
        _ => json!({ "full": true, "host": format!("store{nth}"), "mount": "/var" }),
    }
}

/// An event whose fields some rules want all the same; that of a rule, or of nobody.
fn event(nth: usize, of: Option<usize>) -> Map<String, Value> {
    let about = of.map_or_else(|| format!("-none-{nth}"), |rule| rule.to_string());
    let fields = match of.unwrap_or(nth) % TRIGGERS.len() {
        0 => json!({
            "type": "PROBLEM", "state": "CRITICAL", "host": format!("web{about}"), "service": "CPU",
            "output": "high CPU over 95%", "attempt": 3, "date": "2026-03-02 09:00:00",
        }),
        1 => json!({
            "status": "firing", "startsAt": "2026-03-02T09:00:00Z", "fingerprint": "a1b2c3d4",
            "labels": {
                "alertname": "HighLoad", "severity": "page", "instance": format!("db{about}:9100"),
                "job": "node", "zone": "eu-1",
            },
            "annotations": { "summary": "load is over 20 for ten minutes" },
        }),
        2 => json!({
            "action": "opened", "number": nth, "sender": { "login": "ann" },
            "repository": { "full_name": format!("example/project{about}"), "private": false },
            "pull_request": { "title": "Mend the build", "draft": false },
        }),
        3 => json!({
            "stage": "production", "app": format!("app{about}"), "version": "1.27.3", "by": "ben",
        }),
        _ => json!({
            "full": true, "host": format!("store{about}"), "mount": "/var", "used": 97, "inodes": 12,
        }),
    };
    fields.as_object().cloned().unwrap_or_default()
}

fn rule(nth: usize) -> Rule {
    let name = TRIGGERS[nth % TRIGGERS.len()].to_owned();
    let wanted = wanted(nth).as_object().cloned().unwrap_or_default();
    Rule {
        name: format!("rule {nth}"),
        help: String::new(),
        on: On::Trigger { name, wanted },
        criteria: false,
        room: None,
        tags: vec![],
        role: None,
        windows: Windows::default(),
        does: Does::default(),
        file: "bench.rhai".into(),
        line: 1,
        script: ScriptHash(String::new()),
    }
}

/// Which trigger an event is, and its fields.
type Event = (&'static str, Map<String, Value>);

/// The events of a turn: one in a hundred is for a rule.
fn events(rules: usize) -> Vec<Event> {
    let one = |nth: usize| {
        // Those that are for a rule are spread over all of them.
        let of = nth.is_multiple_of(MATCHES_EVERY).then(|| nth / MATCHES_EVERY * 7_919 % rules);
        (TRIGGERS[of.unwrap_or(nth) % TRIGGERS.len()], event(nth, of))
    };
    (0..EVENTS).map(one).collect()
}

/// Processor time that one event takes, in microseconds, and how many rules were found.
fn cost(index: &RuleIndex, rules: &[Rule], events: &[Event]) -> Result<(f64, usize), Failure> {
    let (mut least, mut found) = (f64::INFINITY, 0);
    for _ in 0..TURNS {
        found = 0;
        let began = cpu_us()?;
        for (trigger, fields) in events {
            found += black_box(index.fitting(rules, trigger, black_box(fields))).len();
        }
        least = least.min((cpu_us()? - began) / events.len() as f64);
    }
    Ok((least, found))
}

/// Measures every number of rules.
pub fn main(context: &Context, args: &RulesArgs) -> Result<u8, Failure> {
    if let Some(bad) = args.rules.iter().find(|count| !(1..=RULES_MAX).contains(*count)) {
        let why = format!("--rules takes 1 to {RULES_MAX} rules, not {bad}");
        return Err(Failure::new(2, why));
    }
    if !context.json() {
        out!("{:>8}  {:>12}  {:>8}", "rules", "us per event", "matches");
    }
    for count in &args.rules {
        let rules: Vec<Rule> = (0..*count).map(rule).collect();
        let (index, events) = (RuleIndex::new(&rules), events(*count));
        let (us, found) = cost(&index, &rules, &events)?;
        let want = EVENTS / MATCHES_EVERY;
        if found != want {
            let why = format!("{found} rules were found for {want} events that are for one");
            return Err(Failure::new(1, why));
        }
        match context.json() {
            true => out!(
                "{}",
                json!({
                    "bench": "rules", "rules": count, "us_per_event": rounded(us),
                    "events": events.len(), "matches": found,
                })
            ),
            false => out!("{count:>8}  {us:>12.3}  {found:>8}"),
        }
    }
    Ok(0)
}
