//! Tests inside scripts: `test`, and the conversation that its body has with the bot.
//!
//! What the conversation leads to is decided behind [`Stage`], by whoever runs the test; a bot never runs one.

use std::cell::RefCell;

use rhai::{Dynamic, Engine, FnPtr, Map, NativeCallContext};
use serde_json::{Value, json};

use super::super::closure::Closure;
use super::super::context::{HostResult, error, line, to_json};
use super::super::memory::uncounted;
use super::super::source::TestDef;
use super::declare::{declare, told};
use super::milliseconds;
use super::table::{Form, HostFn, Kind, Param, Place, form, method, p, thrown};

/// The value that a test's body gets. The conversation itself is the thread's.
#[derive(Debug, Clone, Copy)]
pub struct Chat;

/// How a person says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the bot.
    Says,
    /// As a reply to the bot's last message.
    Replies,
    /// In a thread: that of the last message, or a new one on it.
    InThread,
    /// As a correction of their own last message.
    Edits,
    /// With an emoji on the bot's last message.
    Reacts,
}

/// Where a test is played.
pub trait Stage {
    /// A person does something, in this room or in the usual one; returns when the bot has come to rest.
    ///
    /// # Errors
    /// What went wrong; this and all other errors end the test.
    fn says(
        &mut self,
        room: Option<&str>,
        person: &str,
        way: Way,
        text: &str,
    ) -> Result<(), String>;
    /// A person deletes the last message of somebody in the usual room; returns when the bot has come to rest.
    ///
    /// # Errors
    /// See above.
    fn deletes(&mut self, person: &str, whose: &str) -> Result<(), String>;
    /// An action gives what this closure gives.
    ///
    /// # Errors
    /// See above.
    fn fake(&mut self, action: &str, gives: Closure) -> Result<(), String>;
    /// A request gives what this closure gives.
    ///
    /// # Errors
    /// See above.
    fn fake_http(&mut self, method: &str, url: &str, gives: Closure) -> Result<(), String>;
    /// A request must have been sent so often, by its method and URL, with this in it among others.
    ///
    /// # Errors
    /// See above.
    fn expect_http(&mut self, called: (&str, &str), part: &Value, times: u64)
    -> Result<(), String>;
    /// The bot must have said this.
    ///
    /// # Errors
    /// See above.
    fn expect(&mut self, room: Option<&str>, pattern: &str) -> Result<(), String>;
    /// The bot must have said nothing that was not expected.
    ///
    /// # Errors
    /// See above.
    fn expect_no_more(&mut self) -> Result<(), String>;
    /// An action must have run so often with these parameters among others.
    ///
    /// # Errors
    /// See above.
    fn expect_exec(&mut self, action: &str, params: &Value, times: u64) -> Result<(), String>;
    /// A named trigger comes in from outside.
    ///
    /// # Errors
    /// See above.
    fn trigger(&mut self, name: &str, fields: serde_json::Map<String, Value>)
    -> Result<(), String>;
    /// Time passes.
    ///
    /// # Errors
    /// See above.
    fn advance(&mut self, ms: i64) -> Result<(), String>;
    /// The bot is killed and started again.
    ///
    /// # Errors
    /// See above.
    fn restart(&mut self) -> Result<(), String>;
    /// The last thing that the bot said.
    fn last(&self) -> Option<String>;
}

thread_local! {
    static STAGE: RefCell<Option<Box<dyn Stage>>> = const { RefCell::new(None) };
}

/// Plays on a stage while `body` runs, and gives it back.
pub fn on_stage<T>(stage: Box<dyn Stage>, body: impl FnOnce() -> T) -> (T, Box<dyn Stage>) {
    STAGE.with(|slot| *slot.borrow_mut() = Some(stage));
    let result = body();
    let stage = STAGE.with(|slot| slot.borrow_mut().take());
    (result, stage.expect("every use of the stage puts it back"))
}

/// Uses the thread's stage. It is taken out meanwhile: an action's fake runs while a person speaks, and has no stage.
fn stage<T>(
    call: &NativeCallContext,
    act: impl FnOnce(&mut dyn Stage) -> Result<T, String>,
) -> HostResult<T> {
    let stage = STAGE.with(|slot| slot.borrow_mut().take());
    let Some(mut stage) = stage else {
        return Err(error(
            call,
            "the conversation of a test goes on in the body of the test alone",
        ));
    };
    // What the bot takes meanwhile is not the test's.
    let done = uncounted(|| act(stage.as_mut()));
    STAGE.with(|slot| *slot.borrow_mut() = Some(stage));
    done.map_err(|why| error(call, why))
}

const CHAT: Param = p("chat", Kind::Type("Chat"));
const PERSON: Param = p("person", Kind::Text);
const ACTION: Param = p("action", Kind::Text);
const TIMES: Param = p("times", Kind::Int);
const METHOD: Param = p("method", Kind::Text);
const URL: Param = p("url", Kind::Text);
const SPEAKS: &[Form] = &[method(CHAT, &[PERSON, p("text", Kind::Text)], Kind::Unit)];
const IN_TEST: HostFn = HostFn { place: Place::Test, ..HostFn::PURE };

/// What tests are made of.
pub const ROWS: &[HostFn] = &[
    HostFn {
        name: "test",
        forms: &[form(&[p("name", Kind::Text), p("chat", Kind::Function)], Kind::Unit)],
        help: "Declares a conversation as a test; `beadle script test` runs it, a bot does not.",
        example: r#"alias("marco", || reply("polo"));
test("it answers", |chat| {
    chat.says("@ann", "marco");
    chat.expect("polo");
});"#,
        ..HostFn::DECLARES
    },
    HostFn {
        name: "says",
        forms: SPEAKS,
        help: "Somebody says something to the bot, and the bot does all that it can do now.",
        example: r#"alias("morning", || reply("good morning"));
test("it is polite", |chat| { chat.says("@ann", "morning"); chat.expect("good morning"); });"#,
        ..IN_TEST
    },
    HostFn {
        name: "says_in",
        forms: &[method(CHAT, &[p("room", Kind::Text), PERSON, p("text", Kind::Text)], Kind::Unit)],
        help: "The same in another room.",
        example: r##"alias("noon", || reply("lunch"));
test("it eats everywhere", |chat| { chat.says_in("#dev", "@ann", "noon"); chat.expect_in("#dev", "lunch"); });"##,
        ..IN_TEST
    },
    HostFn {
        name: "says_in_thread",
        forms: SPEAKS,
        help: "The same in a thread: that of the last message, or a new one on it.",
        example: r#"alias("go", || if confirm("Sure?") { reply("gone") });
test("a thread will do", |chat| { chat.says("@ann", "go"); chat.says_in_thread("@ann", "yes"); chat.expect("gone"); });"#,
        ..IN_TEST
    },
    HostFn {
        name: "replies",
        forms: SPEAKS,
        help: "The same as a reply to the bot's last message.",
        example: r#"alias("size", || reply(ask("Which size?")));
test("it asks", |chat| { chat.says("@ann", "size"); chat.replies("@ann", "large"); chat.expect("large"); });"#,
        ..IN_TEST
    },
    HostFn {
        name: "edits",
        forms: SPEAKS,
        help: "Somebody corrects their own last message.",
        example: r#"alias("once", || reply("ran"));
test("an edit runs nothing", |chat| { chat.says("@ann", "once"); chat.expect("ran"); chat.edits("@ann", "once"); chat.expect_no_more(); });"#,
        ..IN_TEST
    },
    HostFn {
        name: "deletes",
        forms: &[
            method(CHAT, &[PERSON], Kind::Unit),
            method(CHAT, &[PERSON, p("whose", Kind::Text)], Kind::Unit),
        ],
        errors: &[thrown("", "who is named has said nothing")],
        help: "Somebody deletes their own last message, or another one's: what waits for it is cancelled, what runs is asked about, what is over is erased.",
        example: r#"alias("buy", || { if confirm("Buy it?") { exec("shop.buy"); } });
test("nothing is bought for a deleted message", |chat| { chat.says("@ann", "buy"); chat.expect("Buy it?"); chat.deletes("@ann"); chat.advance("1d"); chat.expect_exec("shop.buy", 0); });"#,
        ..IN_TEST
    },
    HostFn {
        name: "reacts",
        forms: &[method(CHAT, &[PERSON, p("emoji", Kind::Text)], Kind::Unit)],
        help: "Somebody reacts to the bot's last message.",
        example: r#"alias("drop it", || if confirm("Sure?") { reply("dropped") });
test("a thumb is a yes", |chat| { chat.says("@ann", "drop it"); chat.reacts("@ann", "👍"); chat.expect("dropped"); });"#,
        ..IN_TEST
    },
    HostFn {
        name: "on_exec",
        forms: &[method(CHAT, &[ACTION, p("params", Kind::Function)], Kind::Unit)],
        help: "Says what an action gives; what the closure throws is how the action fails. The real action is never run.",
        example: r#"alias("make", || { let vm = exec("cloud.create_vm", #{ name: "web1" }); reply(vm.id); });
test("it makes one", |chat| { chat.on_exec("cloud.create_vm", |x| #{ id: `i-${x.name}` }); chat.says("@ann", "make"); chat.expect("i-web1"); });"#,
        ..IN_TEST
    },
    HostFn {
        name: "on_http",
        forms: &[method(CHAT, &[METHOD, URL, p("request", Kind::Function)], Kind::Unit)],
        help: "Says how a request is answered: `#{ status, json }`, or `#{ status, body, headers }`; what the closure throws is how it fails. `*` in the URL is anything. The real one is never sent.",
        example: r#"alias("weather", || reply(http_get("https://weather.example/today?at=sea").json().sky));
test("it looks", |chat| { chat.on_http("GET", "https://weather.example/today*", |request| #{ status: 200, json: #{ sky: "blue" } }); chat.says("@ann", "weather"); chat.expect("blue"); });"#,
        ..IN_TEST
    },
    HostFn {
        name: "expect_http",
        forms: &[
            method(CHAT, &[METHOD, URL, p("request", Kind::Map), TIMES], Kind::Unit),
            method(CHAT, &[METHOD, URL, p("request", Kind::Map)], Kind::Unit),
            method(CHAT, &[METHOD, URL, TIMES], Kind::Unit),
            method(CHAT, &[METHOD, URL], Kind::Unit),
        ],
        errors: &[thrown("", "it was sent more often, or less")],
        help: "A request must have been sent so often, once without a number, with this in it among others: `#{ json, body, headers, auth }`.",
        example: r#"alias("light on", || http_put("https://lights.example/1", #{ json: #{ on: true } }));
test("it switches", |chat| { chat.on_http("PUT", "https://lights.example/1", || #{ status: 204 }); chat.says("@ann", "light on"); chat.expect_http("PUT", "https://lights.example/1", #{ json: #{ on: true } }); });"#,
        ..IN_TEST
    },
    HostFn {
        name: "expect",
        forms: &[method(CHAT, &[p("text", Kind::Text)], Kind::Unit)],
        errors: &[thrown("", "the bot has not said it")],
        help: "The bot must have said this, or something with this in it; `*` is anything, `{word}` one word, the same each time. What it said before that counts as seen.",
        example: r#"alias("count", || { say("one"); say("two"); });
test("it counts", |chat| { chat.says("@ann", "count"); chat.expect("t*o"); chat.expect_no_more(); });"#,
        ..IN_TEST
    },
    HostFn {
        name: "expect_in",
        forms: &[method(CHAT, &[p("room", Kind::Text), p("text", Kind::Text)], Kind::Unit)],
        errors: &[thrown("", "the bot has not said it there")],
        help: "The same in a room.",
        example: r##"alias("shout", || say("#all", "hear me"));
test("all hear it", |chat| { chat.says("@ann", "shout"); chat.expect_in("#all", "hear me"); });"##,
        ..IN_TEST
    },
    HostFn {
        name: "expect_no_more",
        forms: &[method(CHAT, &[], Kind::Unit)],
        errors: &[thrown("", "the bot has said more")],
        help: "The bot must have said nothing that was not expected.",
        example: r#"alias("hush", || ());
test("it is quiet", |chat| { chat.says("@ann", "hush"); chat.expect_no_more(); });"#,
        ..IN_TEST
    },
    HostFn {
        name: "expect_exec",
        forms: &[
            method(CHAT, &[ACTION, p("params", Kind::Map), TIMES], Kind::Unit),
            method(CHAT, &[ACTION, p("params", Kind::Map)], Kind::Unit),
            method(CHAT, &[ACTION, TIMES], Kind::Unit),
        ],
        errors: &[thrown("", "it ran more often, or less")],
        help: "An action must have run so often, once without a number, with these parameters among others.",
        example: r#"alias("twice", || { exec("disk.free"); exec("disk.free"); });
test("it looks twice", |chat| { chat.on_exec("disk.free", || []); chat.says("@ann", "twice"); chat.expect_exec("disk.free", 2); });"#,
        ..IN_TEST
    },
    HostFn {
        name: "trigger",
        forms: &[
            method(CHAT, &[p("name", Kind::Text)], Kind::Unit),
            method(CHAT, &[p("name", Kind::Text), p("fields", Kind::Map)], Kind::Unit),
        ],
        errors: &[thrown("", "the name cannot be that of a trigger")],
        help: "A named trigger comes in from outside: rules run, and executions that wait for it go on.",
        example: r##"rule("deploys", "deploy.finished", #{ ok: true }, |e| say("#ops", `${e.app} is out`));
test("a deploy is told", |chat| { chat.trigger("deploy.finished", #{ app: "shop", ok: true }); chat.expect("shop is out"); });"##,
        ..IN_TEST
    },
    HostFn {
        name: "advance",
        forms: &[method(CHAT, &[p("time", Kind::Duration)], Kind::Unit)],
        help: "Time passes, and what is due on the way happens at its time.",
        example: r#"alias("nap", #{ ack: false }, || { sleep("2h"); reply("awake"); });
test("it sleeps", |chat| { chat.says("@ann", "nap"); chat.expect_no_more(); chat.advance("2h"); chat.expect("awake"); });"#,
        ..IN_TEST
    },
    HostFn {
        name: "restart",
        forms: &[method(CHAT, &[], Kind::Unit)],
        help: "The bot is killed and started again.",
        example: r#"alias("leave", || if confirm("Really?") { reply("bye") });
test("a question survives", |chat| { chat.says("@ann", "leave"); chat.restart(); chat.says("@ann", "yes"); chat.expect("bye"); });"#,
        ..IN_TEST
    },
    HostFn {
        name: "last",
        forms: &[method(CHAT, &[], Kind::Text)],
        errors: &[thrown("", "the bot has said nothing")],
        help: "The last thing that the bot said.",
        example: r#"alias("short", || reply("a word"));
test("it is short", |chat| { chat.says("@ann", "short"); if chat.last().len() > 20 { throw "it talks too much"; } });"#,
        ..IN_TEST
    },
];

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<Chat>("Chat")
        .register_fn("test", |call: NativeCallContext, name: &str, body: FnPtr| {
            told(test(&call, name, body))
        })
        .register_fn("restart", |call: NativeCallContext, _: Chat| {
            stage(&call, |stage| stage.restart())
        })
        .register_fn("advance", |call: NativeCallContext, _: Chat, time: Dynamic| {
            let ms = milliseconds(&time).map_err(|why| error(&call, why))?;
            stage(&call, |stage| stage.advance(ms))
        })
        .register_fn("trigger", |call: NativeCallContext, _: Chat, name: &str| {
            stage(&call, |stage| stage.trigger(name, serde_json::Map::new()))
        })
        .register_fn("trigger", |call: NativeCallContext, _: Chat, name: &str, fields: Map| {
            let fields = to_json(&call, &fields.into())?.as_object().cloned().unwrap_or_default();
            stage(&call, |stage| stage.trigger(name, fields))
        })
        .register_fn("last", |call: NativeCallContext, _: Chat| {
            stage(&call, |stage| stage.last().ok_or_else(|| "the bot has said nothing yet".into()))
        })
        .register_fn("on_exec", |call: NativeCallContext, _: Chat, action: &str, gives: FnPtr| {
            let gives = Closure::of(&call, gives);
            stage(&call, |stage| stage.fake(action, gives))
        });
    people(engine);
    expectations(engine);
    requests(engine);
}

/// How requests are answered, and which there must have been.
fn requests(engine: &mut Engine) {
    engine
        .register_fn(
            "on_http",
            |call: NativeCallContext, _: Chat, method: &str, url: &str, gives: FnPtr| {
                let gives = Closure::of(&call, gives);
                stage(&call, |stage| stage.fake_http(method, url, gives))
            },
        )
        .register_fn(
            "expect_http",
            |call: NativeCallContext, _: Chat, method: &str, url: &str, part: Map, times: i64| {
                sent(&call, (method, url), &part, times)
            },
        )
        .register_fn(
            "expect_http",
            |call: NativeCallContext, _: Chat, method: &str, url: &str, part: Map| {
                sent(&call, (method, url), &part, 1)
            },
        )
        .register_fn(
            "expect_http",
            |call: NativeCallContext, _: Chat, method: &str, url: &str, times: i64| {
                sent(&call, (method, url), &Map::new(), times)
            },
        )
        .register_fn("expect_http", |call: NativeCallContext, _: Chat, method: &str, url: &str| {
            sent(&call, (method, url), &Map::new(), 1)
        });
}

fn sent(call: &NativeCallContext, called: (&str, &str), part: &Map, times: i64) -> HostResult<()> {
    let times = u64::try_from(times).map_err(|_| error(call, "it is sent 0 times or more"))?;
    let part = match part.is_empty() {
        true => json!({}),
        false => to_json(call, &part.clone().into())?,
    };
    stage(call, |stage| stage.expect_http(called, &part, times))
}

/// What people do in a conversation.
fn people(engine: &mut Engine) {
    engine.register_fn(
        "says_in",
        |call: NativeCallContext, _: Chat, room: &str, person: &str, text: &str| {
            stage(&call, |stage| stage.says(Some(room), person, Way::Says, text))
        },
    );
    engine
        .register_fn("deletes", |call: NativeCallContext, _: Chat, person: &str| {
            stage(&call, |stage| stage.deletes(person, person))
        })
        .register_fn("deletes", |call: NativeCallContext, _: Chat, person: &str, whose: &str| {
            stage(&call, |stage| stage.deletes(person, whose))
        });
    for (name, way) in [
        ("says", Way::Says),
        ("replies", Way::Replies),
        ("says_in_thread", Way::InThread),
        ("edits", Way::Edits),
        ("reacts", Way::Reacts),
    ] {
        let does = move |call: NativeCallContext, _: Chat, person: &str, text: &str| {
            stage(&call, |stage| stage.says(None, person, way, text))
        };
        engine.register_fn(name, does);
    }
}

/// What the bot must have done.
fn expectations(engine: &mut Engine) {
    engine
        .register_fn("expect", |call: NativeCallContext, _: Chat, text: &str| {
            stage(&call, |stage| stage.expect(None, text))
        })
        .register_fn("expect_in", |call: NativeCallContext, _: Chat, room: &str, text: &str| {
            stage(&call, |stage| stage.expect(Some(room), text))
        })
        .register_fn("expect_no_more", |call: NativeCallContext, _: Chat| {
            stage(&call, |stage| stage.expect_no_more())
        })
        .register_fn(
            "expect_exec",
            |call: NativeCallContext, _: Chat, action: &str, params: Map, times: i64| {
                ran(&call, action, &params, times)
            },
        )
        .register_fn(
            "expect_exec",
            |call: NativeCallContext, _: Chat, action: &str, params: Map| {
                ran(&call, action, &params, 1)
            },
        )
        .register_fn(
            "expect_exec",
            |call: NativeCallContext, _: Chat, action: &str, times: i64| {
                ran(&call, action, &Map::new(), times)
            },
        );
}

fn ran(call: &NativeCallContext, action: &str, params: &Map, times: i64) -> HostResult<()> {
    let times = u64::try_from(times).map_err(|_| error(call, "an action runs 0 times or more"))?;
    let params = match params.is_empty() {
        true => json!({}),
        false => to_json(call, &params.clone().into())?,
    };
    stage(call, |stage| stage.expect_exec(action, &params, times))
}

fn test(call: &NativeCallContext, name: &str, body: FnPtr) -> HostResult<()> {
    if name.trim().is_empty() {
        return Err(error(call, "a test needs a name: what it shows, in words"));
    }
    let column = call.call_position().position().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let def = TestDef { name: name.to_owned(), body, line: line(call), column };
    declare(call, "test", |loading| loading.tests.push(def))
}
