//! `beadle bench match`: what it costs to say which command a message means, among few and many commands.

use std::hint::black_box;

use serde_json::json;

use super::meter::{cpu_us, rounded};
use crate::cli::style::out;
use crate::cli::{Context, Failure};
use crate::domain::alias::Format;
use crate::domain::alias_index::{AliasId, AliasIndex};

/// How many commands there are.
const ALIASES: [usize; 4] = [10, 100, 1_000, 10_000];
/// Messages of one turn; of several turns the quickest counts, for what else the machine does only adds to it.
const ROUNDS: u32 = 2_000;
const TURNS: usize = 5;
/// So much of the processor's time, in microseconds, is enough for a turn.
const TURN_US: f64 = 200_000.0;
/// What messages are measured: one for a command, one for none, and one for a command that is mistyped.
const CASES: [&str; 3] = ["hit", "miss", "suggest"];

/// The nth command: with a word of its own at the beginning, or all alike but for one word in the middle.
fn format(prefix: &str, n: usize) -> String {
    match prefix {
        "distinct" => format!("verb{} object{n} {{host}} on {{cloud=aws}}", n % 10),
        _ => format!("run {{what}} on {{target}} with plan{n} [size {{size:int=3}}]"),
    }
}

/// A message for the last command, one for none, or one for the last with two slips.
fn message(prefix: &str, case: &str, last: usize) -> String {
    match (prefix, case) {
        (_, "miss") => "run good morning on everyone with love size 5".into(),
        ("distinct", "suggest") => format!("vreb{} obejct{last} web1 on gce", last % 10),
        ("distinct", _) => format!("verb{} object{last} web1 on gce", last % 10),
        (_, "suggest") => format!("rnu job on db1 with paln{last} size 5"),
        _ => format!("run job on db1 with plan{last} size 5"),
    }
}

/// What one call costs, in microseconds of processor time.
fn cost<T>(mut call: impl FnMut() -> T) -> Result<f64, Failure> {
    let mut least = f64::INFINITY;
    for _ in 0..TURNS {
        let (began, mut rounds) = (cpu_us()?, 0);
        while rounds < ROUNDS && (!rounds.is_multiple_of(16) || cpu_us()? - began < TURN_US) {
            black_box(call());
            rounds += 1;
        }
        least = least.min((cpu_us()? - began) / f64::from(rounds.max(1)));
    }
    Ok(least)
}

/// Measures every number of commands, both kinds of them, with a message that hits and one that misses.
pub fn main(context: &Context) -> Result<u8, Failure> {
    if !context.json() {
        out!(
            "{:>8}  {:9} {:7}  {:>14}  {:>10}",
            "aliases",
            "prefix",
            "case",
            "us per message",
            "suggest us"
        );
    }
    for prefix in ["distinct", "shared"] {
        for aliases in ALIASES {
            let formats = (0..aliases)
                .filter_map(|n| Some((AliasId(n), Format::parse(&format(prefix, n)).ok()?)));
            let index = AliasIndex::new(formats.collect());
            for case in CASES {
                let text = message(prefix, case, aliases - 1);
                if index.fitting(&text).is_empty() == (case == "hit") {
                    return Err(Failure::new(1, format!("`{text}` is no {case}")));
                }
                let us = cost(|| index.fitting(black_box(&text)))?;
                // Only a message to the bot that means nothing is compared with what it may have meant.
                let suggest = (case != "hit").then(|| cost(|| index.lookup(black_box(&text))));
                show(context, (aliases, prefix, case), us, suggest.transpose()?);
            }
        }
    }
    Ok(0)
}

fn show(
    context: &Context,
    (aliases, prefix, case): (usize, &str, &str),
    us: f64,
    suggest: Option<f64>,
) {
    if !context.json() {
        let suggest = suggest.map_or("-".to_owned(), |us| format!("{us:.1}"));
        out!("{aliases:>8}  {prefix:9} {case:7}  {us:>14.3}  {suggest:>10}");
        return;
    }
    let mut row = json!({
        "bench": "match", "aliases": aliases, "prefix": prefix, "case": case,
        "us_per_message": rounded(us),
    });
    if let Some(us) = suggest {
        row["us_with_suggestions"] = json!(rounded(us));
    }
    out!("{row}");
}
