//! Times in words: `when` reads one, `find_when` finds one in what somebody said.

use jiff::tz::TimeZone;
use rhai::{Dynamic, Engine, Map, NativeCallContext};
use serde_json::json;

use super::super::context::{HostResult, Run, effect};
use super::super::journal::Noted;
use super::table::{HostFn, Kind, form, p, thrown};
use crate::domain::event::EffectResult;
use crate::domain::when_words;

/// What a script can ask of times.
pub const ROWS: &[HostFn] = &[
    HostFn {
        name: "when",
        forms: &[
            form(&[p("text", Kind::Text)], Kind::Map),
            form(&[p("text", Kind::Text), p("zone", Kind::Text)], Kind::Map),
        ],
        errors: &[thrown(
            "",
            "the words are no time to come; the text says why, for the person who wrote them",
        )],
        help: "Reads a time to come: `#{ at, after, words, zone }`, with `after` in seconds for `sleep`.",
        example: "let time = when(\"tomorrow at 9:00\", \"Europe/London\");\nreply(`I will say it ${time.words}`);\nsleep(time.after);\nreply(\"now\");",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "find_when",
        forms: &[form(&[p("text", Kind::Text)], Kind::Any)],
        help: "Parts a text into `#{ when, rest }` where it begins or ends with a time, else gives ().",
        example: "let said = find_when(\"call ben tomorrow at 9\");\nreply(`${said.rest}: ${said.when}`);",
        ..HostFn::PURE
    },
];

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn("when", |call: NativeCallContext, text: &str| when(&call, text, None))
        .register_fn("when", |call: NativeCallContext, text: &str, zone: &str| {
            when(&call, text, Some(zone))
        })
        .register_fn("find_when", |text: &str| match when_words::find(text) {
            None => Dynamic::UNIT,
            Some((when, rest)) => Dynamic::from(Map::from([
                ("when".into(), when.into()),
                ("rest".into(), rest.into()),
            ])),
        });
}

/// It depends on now and on what the system knows of zones, so what came out of it is recorded.
fn when(call: &NativeCallContext, text: &str, zone: Option<&str>) -> HostResult {
    let args = json!({ "text": text, "zone": zone });
    effect(call, "when", args, 1, |run, _| Noted::Done(understood(run, text, zone)))
}

fn understood(run: &Run, text: &str, zone: Option<&str>) -> EffectResult {
    let zones = |name: &str| TimeZone::get(name).ok();
    let zone = match zone {
        None => run.zone.clone(),
        Some(name) => match zones(name) {
            Some(zone) => zone,
            None => {
                let why =
                    format!("there is no time zone `{name}`; write one such as `Europe/London`");
                return EffectResult::Err(json!(why));
            }
        },
    };
    match when_words::parse(text, run.now, &zone, &zones) {
        Err(why) => EffectResult::Err(json!(why)),
        Ok(when) => {
            let after = (when.at.0 - run.now.0).max(0) as f64 / 1_000.0;
            EffectResult::Ok(json!({
                "at": when.at.0, "after": after, "words": when.words, "zone": when.zone,
            }))
        }
    }
}
