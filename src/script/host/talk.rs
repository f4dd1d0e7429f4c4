//! Saying things: `say`, `reply`, `tell`, `react`, `edit`, `progress`.

use rhai::{Dynamic, Engine, Map, NativeCallContext};
use serde_json::{Value, json};

use super::super::context::{HostResult, Run, effect, error};
use super::super::journal::Noted;
use super::bot::person;
use super::doc::Formatted;
use super::options::Options;
use super::picture::attachment;
use super::secret::{CANNOT_BE_SHOWN, Secret};
use super::table::{HostFn, Kind, OPTIONS, Opt, Param, form, method, opt, p, thrown};
use crate::domain::event::EffectResult;

/// Longest text that one call may say, in bytes of JSON.
pub const TEXT_BYTES_MAX: usize = 64 * 1024 - 1024;
/// Longest emoji of a reaction, in bytes.
pub const REACTION_BYTES_MAX: usize = 64;
/// An effect and the message that it becomes.
const SAID_EVENTS: usize = 2;

/// A message that changes.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The id of the message.
    pub message: String,
}

const PROGRESS: Kind = Kind::Type("Progress");
const ON: Param = p("p", PROGRESS);
const ATTACH: Opt = opt("attach", Kind::Any, "what `plot(..)` or `file(..)` gives");
const SAID: Param = p("text", Kind::Any);
const ROOM: Param = p("room", Kind::Text);
const POST: Param = p("post", Kind::Text);
const REPLY_TO: Opt =
    opt("reply_to", Kind::Text, "the post that it answers: what `say` gave, or `msg.id`");
const NOTIFY: Opt = opt("notify", Kind::Any, "who is called by it: a person or a list of them");

/// What a script can say.
pub const ROWS: &[HostFn] = &[
    HostFn {
        name: "say",
        forms: &[
            form(&[SAID], Kind::Text),
            form(&[SAID, OPTIONS], Kind::Text),
            form(&[ROOM, SAID], Kind::Text),
            form(&[ROOM, SAID, OPTIONS], Kind::Text),
        ],
        options: &[ATTACH, REPLY_TO, NOTIFY],
        help: "Says something in the room of the command, or in another, and gives the post.",
        example: "say(\"good morning\");\nsay(\"somebody should look\", #{ notify: [\"@ben:example.org\"] });\nsay(\"the list\", #{ attach: file(\"list.txt\", \"web1\") });",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "reply",
        forms: &[form(&[SAID], Kind::Text), form(&[SAID, OPTIONS], Kind::Text)],
        options: &[ATTACH, REPLY_TO, NOTIFY],
        help: "Answers the person who asked, who is notified, and gives the post.",
        example: "reply(\"done\");\nreply(\"no hurry\", #{ notify: [] });",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "tell",
        forms: &[form(&[p("user", Kind::Any), SAID], Kind::Text)],
        help: "Says something to one person alone: in the direct room with them, which is made if there is none.",
        example: "tell(msg.user, \"this is for you alone\");\ntell(\"@ben:example.org\", `${msg.user.name} needs you`);",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "react",
        forms: &[
            form(&[p("emoji", Kind::Text)], Kind::Text),
            form(&[POST, p("emoji", Kind::Text)], Kind::Text),
        ],
        errors: &[thrown("", "the emoji is empty or too long")],
        help: "Puts an emoji on a post: what `say` gave, or that of the command.",
        example: "react(\"👀\");\nlet post = say(\"lunch?\");\nreact(post, \"🍜\");",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "edit",
        forms: &[form(&[POST, SAID], Kind::Text)],
        errors: &[thrown("", "the bot has not said it")],
        help: "Changes what the bot has said, by what `say` gave.",
        example: "let post = say(\"the build is running\");\nedit(post, \"the build is done\");",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "progress",
        forms: &[form(&[p("text", Kind::Any)], PROGRESS)],
        help: "Says something that changes: `.update(text, percent)`, `.done(text)`, `.fail(text)`.",
        example: "let p = progress(\"working\");\np.done(\"done\");",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "update",
        forms: &[
            method(ON, &[p("text", Kind::Any)], Kind::Unit),
            method(ON, &[p("text", Kind::Any), p("percent", Kind::Int)], Kind::Unit),
        ],
        help: "Changes a progress.",
        example: "let p = progress(\"working\");\np.update(\"booting\", 40);",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "done",
        forms: &[method(ON, &[p("text", Kind::Any)], Kind::Unit)],
        help: "Ends a progress well.",
        example: "let p = progress(\"working\");\np.done(\"it is up\");",
        ..HostFn::EFFECT
    },
    HostFn {
        name: "fail",
        forms: &[method(ON, &[p("text", Kind::Any)], Kind::Unit)],
        help: "Ends a progress badly.",
        example: "let p = progress(\"working\");\np.fail(\"it is down\");",
        ..HostFn::EFFECT
    },
];

pub(super) fn register(engine: &mut Engine) {
    type Call<'a> = NativeCallContext<'a>;
    engine
        .register_fn("say", |call: Call, said: Dynamic| {
            speak(&call, "say", said_args(&call, &said)?)
        })
        .register_fn("say", |call: Call, said: &str, options: Map| {
            speak_as(&call, "say", said_args(&call, &said.into())?, &options)
        })
        .register_fn("say", |call: Call, said: Formatted, options: Map| {
            speak_as(&call, "say", said_args(&call, &Dynamic::from(said))?, &options)
        })
        .register_fn("say", |call: Call, room: &str, said: Dynamic| {
            speak(&call, "say", with(said_args(&call, &said)?, "room", room))
        })
        .register_fn("say", |call: Call, room: &str, said: Dynamic, options: Map| {
            speak_as(&call, "say", with(said_args(&call, &said)?, "room", room), &options)
        })
        .register_fn("reply", |call: Call, said: Dynamic| {
            speak(&call, "reply", said_args(&call, &said)?)
        })
        .register_fn("reply", |call: Call, said: Dynamic, options: Map| {
            speak_as(&call, "reply", said_args(&call, &said)?, &options)
        })
        .register_fn("tell", |call: Call, user: Dynamic, said: Dynamic| {
            let user = person(&call, &user)?;
            speak(&call, "tell", with(said_args(&call, &said)?, "user", user))
        })
        .register_fn("react", |call: Call, emoji: &str| react(&call, None, emoji))
        .register_fn("react", |call: Call, post: &str, emoji: &str| react(&call, Some(post), emoji))
        .register_fn("edit", |call: Call, post: &str, said: Dynamic| edit(&call, post, &said))
        .register_type_with_name::<Progress>("Progress")
        .register_fn("progress", |call: NativeCallContext, said: Dynamic| -> HostResult {
            let post = speak(&call, "progress", said_args(&call, &said)?)?;
            let message = post.into_string().map_err(|_| error(&call, "progress gives a post"))?;
            Ok(Dynamic::from(Progress { message }))
        })
        .register_fn("update", |call: NativeCallContext, on: Progress, said: Dynamic| {
            change(&call, "update", &on, &said, Value::Null)
        })
        .register_fn(
            "update",
            |call: NativeCallContext, on: Progress, said: Dynamic, percent: i64| {
                change(&call, "update", &on, &said, json!(percent.clamp(0, 100)))
            },
        )
        .register_fn("done", |call: NativeCallContext, on: Progress, said: Dynamic| {
            change(&call, "done", &on, &said, Value::Null)
        })
        .register_fn("fail", |call: NativeCallContext, on: Progress, said: Dynamic| {
            change(&call, "fail", &on, &said, Value::Null)
        });
}

/// What is said, as the journal has it: a text, or a formatted one.
pub(super) fn said_args(call: &NativeCallContext, value: &Dynamic) -> HostResult<Value> {
    let is;
    let args = match value.clone().try_cast::<Formatted>() {
        Some(Formatted(doc)) if doc.is_empty() => {
            return Err(error(call, "there is nothing to say"));
        }
        Some(Formatted(doc)) => {
            let doc = json!(doc);
            is = doc.to_string().len();
            json!({ "doc": doc })
        }
        None => {
            let text = match value.clone().into_string() {
                Ok(text) => text,
                Err("()") => return Err(error(call, "there is nothing to say: the value is ()")),
                Err(_) if value.is::<Secret>() => {
                    return Err(error(call, CANNOT_BE_SHOWN));
                }
                Err(_) => value.to_string(),
            };
            is = Value::String(text.clone()).to_string().len() - "\"\"".len();
            json!({ "text": text })
        }
    };
    if is > TEXT_BYTES_MAX {
        let most = TEXT_BYTES_MAX;
        return Err(error(call, format!("a message may have {most} bytes, this one has {is}")));
    }
    Ok(args)
}

/// With one more field.
fn with(mut args: Value, name: &str, value: impl Into<Value>) -> Value {
    args[name] = value.into();
    args
}

/// Says something as its options have it.
fn speak_as(call: &NativeCallContext, op: &str, mut args: Value, options: &Map) -> HostResult {
    let options = Options::of(call, op, options)?;
    if let Some(post) = options.text("reply_to")? {
        args["reply_to"] = post.into();
    }
    if let Some(people) = options.get("notify") {
        let list = people.clone().into_array().unwrap_or_else(|_| vec![people.clone()]);
        let list: Vec<String> =
            list.iter().map(|one| person(call, one)).collect::<HostResult<_>>()?;
        args["notify"] = list.into();
    }
    let attached = options.get("attach").map(|value| attachment(call, value)).transpose()?;
    if let Some(attached) = &attached {
        args["attach"] = attached.args();
    }
    effect(call, op, args, SAID_EVENTS, |run, path| {
        if let Some(attached) = &attached {
            attached.keep(run, path);
        }
        Noted::Done(EffectResult::Ok(Value::String(message(run, path))))
    })
}

fn speak(call: &NativeCallContext, op: &str, args: Value) -> HostResult {
    effect(call, op, args, SAID_EVENTS, |run, path| {
        Noted::Done(EffectResult::Ok(Value::String(message(run, path))))
    })
}

/// The id of what is said at a place of the journal.
fn message(run: &Run, path: &str) -> String {
    run.key.message(run.execution.as_str(), path).0
}

fn react(call: &NativeCallContext, post: Option<&str>, emoji: &str) -> HostResult {
    let emoji = emoji.trim();
    if emoji.is_empty() || emoji.len() > REACTION_BYTES_MAX {
        return Err(error(call, format!("an emoji has 1 to {REACTION_BYTES_MAX} bytes")));
    }
    speak(call, "react", json!({ "post": post, "emoji": emoji }))
}

fn edit(call: &NativeCallContext, post: &str, said: &Dynamic) -> HostResult {
    if post.starts_with('$') || post.is_empty() {
        let why = "only what the bot has said can be changed: take what `say` or `reply` gave";
        return Err(error(call, why));
    }
    speak(call, "edit", with(said_args(call, said)?, "post", post))
}

fn change(
    call: &NativeCallContext,
    op: &str,
    progress: &Progress,
    said: &Dynamic,
    percent: Value,
) -> HostResult<()> {
    let args = with(said_args(call, said)?, "progress", progress.message.as_str());
    let args = with(args, "percent", percent);
    let noted = |_: &mut Run, _: &str| Noted::Done(EffectResult::Ok(Value::Null));
    effect(call, op, args, SAID_EVENTS, noted).map(|_| ())
}
