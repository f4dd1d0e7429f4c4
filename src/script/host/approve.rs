//! Asking others to approve: `approve`. The execution waits until enough persons have, or until one says no.

use rhai::{Engine, Map, NativeCallContext};
use serde_json::json;

use super::super::context::{HostResult, effect};
use super::super::journal::Noted;
use super::options::Options;
use super::table::{HostFn, Kind, OPTIONS, Opt, form, opt, p, thrown};
use crate::domain::approval::{APPROVERS_MAX, BARRED_MAX, Terms, never_here};
use crate::domain::event::{EffectClass, EffectResult};
use crate::domain::id::UserId;
use crate::domain::trigger::Trust;

/// The wait, the question, the approval, the message that asks and the two emojis below it.
const ASKED_EVENTS: usize = 6;
/// Longest text of what is to be approved, in bytes.
pub const WHAT_BYTES_MAX: usize = 2_000;

const COUNT: Opt =
    opt("count", Kind::Int, "how many different persons must approve, from 1 to 10; 1 without it");
const ROLE: Opt = opt("role", Kind::Text, "the role that each of them must hold");
const NOT: Opt = opt("not", Kind::Texts, "whose vote does not count");
const TIMEOUT: Opt = opt("timeout", Kind::Duration, "how long to wait; for ever without it");
const ALLOW: Opt =
    opt("allow_requester", Kind::Bool, "whether the person who asked may be one of them");
const DEVICE: Opt = opt(
    "device",
    Kind::Bool,
    "whether it takes the typed phrase, from a verified device in an encrypted room",
);
const TRUST: Opt = opt(
    "trust",
    Kind::Text,
    "how strongly it must be proven who approves: `identified`, `network`, `account` or `device`; see docs/bridges.md",
);
const REACTIONS: Opt =
    opt("reactions", Kind::Bool, "whether a 👍 is enough; a reaction is never encrypted");

/// How a script can ask for approval.
pub const ROWS: &[HostFn] = &[HostFn {
    name: "approve",
    forms: &[
        form(&[p("what", Kind::Text)], Kind::Map),
        form(&[p("what", Kind::Text), OPTIONS], Kind::Map),
    ],
    options: &[COUNT, ROLE, NOT, TIMEOUT, ALLOW, DEVICE, REACTIONS, TRUST],
    errors: &[
        thrown("denied", "somebody who may approve it said no; `by` and `reason` say who and why"),
        thrown("timed_out", "not enough persons approved in time"),
        thrown(
            "never_here",
            "`device`, or `trust: \"device\"`, is asked for where the room is not encrypted",
        ),
        thrown(
            "void",
            "the script, an action, or what else would run was changed meanwhile; `changed` says what",
        ),
    ],
    help: "Waits until others approve: persons are counted, never the one who asked. Gives `by`, their accounts, and `names`.",
    example: "let given = approve(`deploy ${args.name}`, #{ count: 2, role: \"release\", timeout: \"4h\" });\nreply(`approved by ${given.names}`);",
    ..HostFn::WAITS
}];

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn("approve", |call: NativeCallContext, what: &str| put(&call, what, &Map::new()))
        .register_fn("approve", |call: NativeCallContext, what: &str, options: Map| {
            put(&call, what, &options)
        });
}

fn put(call: &NativeCallContext, what: &str, options: &Map) -> HostResult {
    let options = Options::of(call, "approve", options)?;
    let timeout = options.duration("timeout")?;
    if what.trim().is_empty() || what.len() > WHAT_BYTES_MAX {
        let why = format!("what is to be approved is a text of at most {WHAT_BYTES_MAX} bytes");
        return Err(options.error(why));
    }
    let count = options.int("count")?.unwrap_or(1);
    let count = u32::try_from(count).ok().filter(|count| (1..=APPROVERS_MAX).contains(count));
    let Some(count) = count else {
        return Err(options.error(format!("`count` is a number from 1 to {APPROVERS_MAX}")));
    };
    let not = options.texts("not")?;
    if not.len() > BARRED_MAX {
        return Err(options.error(format!("`not` names at most {BARRED_MAX} persons")));
    }
    let terms = Terms {
        count,
        role: options.text("role")?,
        not: not.into_iter().map(UserId).collect(),
        allow_requester: options.bool("allow_requester")?.unwrap_or(false),
        device: options.bool("device")?.unwrap_or(false),
        reactions: options.bool("reactions")?.unwrap_or(false),
        trust: trust(&options)?,
    };
    let args = json!({ "question": what, "terms": terms, "timeout_ms": timeout });
    effect(call, "approve", args, ASKED_EVENTS, |run, _| {
        match terms.takes_encryption() && !run.encrypted {
            // Nobody is asked what nobody can answer.
            true => Noted::Done(EffectResult::Err(never_here())),
            false => {
                Noted::Waits { class: EffectClass::Log, due: timeout.map(|ms| run.now.plus_ms(ms)) }
            }
        }
    })
}

/// How strongly it must be proven who approves. Less than an account has no vote at all.
fn trust(options: &Options) -> HostResult<Option<Trust>> {
    let Some(word) = options.text("trust")? else { return Ok(None) };
    let known = Trust::of_word(&word).filter(|trust| trust.proves_account());
    let words = || Trust::ALL.into_iter().filter(|it| it.proves_account()).map(Trust::word);
    let wrong = || {
        let words: Vec<&str> = words().collect();
        options.error(format!("`trust` is one of {}, not `{word}`", words.join(", ")))
    };
    known.map(Some).ok_or_else(wrong)
}
