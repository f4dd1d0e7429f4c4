//! What the top level of a script registers: `alias`, and what collects it all while a script is loaded.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rhai::{Dynamic, Engine, EvalAltResult, FnPtr, GlobalRuntimeState, Map, NativeCallContext};

use super::super::context::{HostResult, error, line};
use super::super::resolver;
use super::super::source::{
    Ack, ActionDef, AliasDef, RuleDef, Run, ScheduleDef, SensorDef, TestDef,
};
use super::options::Options;
use super::table::{HostFn, Kind, OPTIONS, form, opt, p};
use super::{nearest, texts};
use crate::domain::alias::Format;
use crate::domain::catalog::FromContext;
use crate::domain::context::ALERT;

/// Most aliases, rules, actions and tests of one script.
pub const DECLARATIONS_MAX: usize = 1_000;
/// Most declarations of one script that are told to be wrong.
pub const WRONG_MAX: usize = 100;

/// What the script that is being loaded has registered so far.
#[derive(Default)]
pub struct Loading {
    /// Commands, in their order.
    pub aliases: Vec<AliasDef>,
    /// Actions by name.
    pub actions: BTreeMap<String, ActionDef>,
    /// Schedules, in their order.
    pub schedules: Vec<ScheduleDef>,
    /// Sensors, in their order.
    pub sensors: Vec<SensorDef>,
    /// Rules, in their order.
    pub rules: Vec<RuleDef>,
    /// Tests, in their order.
    pub tests: Vec<TestDef>,
    /// The folder that the script is in.
    pub folder: String,
    /// What is wrong with declarations; the others are gone through all the same.
    pub wrong: Vec<Box<EvalAltResult>>,
    /// What the script has imported until its last declaration.
    pub global: Option<GlobalRuntimeState>,
}

/// `action("name")`: an alias runs it without a handler.
#[derive(Debug, Clone)]
struct ActionName(String);

thread_local! {
    static LOADING: RefCell<Option<Loading>> = const { RefCell::new(None) };
}

/// Collects what `body` registers.
pub fn loading<T>(start: Loading, body: impl FnOnce() -> T) -> (T, Loading) {
    LOADING.with(|slot| *slot.borrow_mut() = Some(start));
    let result = body();
    let loaded = LOADING.with(|slot| slot.borrow_mut().take());
    (result, loaded.expect("nobody else takes what is loaded"))
}

const FORMATS: Kind = Kind::Texts;
/// What `action(name)` gives.
pub(super) const ACTION: Kind = Kind::Type("Action");

/// What the top level can declare.
pub const ROWS: &[HostFn] = &[HostFn {
    name: "alias",
    forms: &[
        form(&[p("format", FORMATS), p("args, msg", Kind::Function)], Kind::Unit),
        form(&[p("format", FORMATS), OPTIONS, p("args, msg", Kind::Function)], Kind::Unit),
        form(&[p("format", FORMATS), p("action", ACTION)], Kind::Unit),
        form(&[p("format", FORMATS), OPTIONS, p("action", ACTION)], Kind::Unit),
    ],
    options: &[
        opt("help", Kind::Text, "what it is for"),
        opt("example", Kind::Text, "how it is used, for help"),
        opt(
            "name",
            Kind::Text,
            "its name, unique among all scripts; else the literal words of the first format",
        ),
        opt("role", Kind::Text, "who may run it"),
        opt("rooms", Kind::Texts, "where it may be run; everywhere without it"),
        opt("tags", Kind::Texts, "labels"),
        opt(
            "context",
            Kind::Any,
            "which `{name?}` may come from the conversation if they are left out: true, or their names",
        ),
        opt(
            "ack",
            Kind::Any,
            "what is said when it does not answer at once: a text, or false for nothing",
        ),
    ],
    help: "Offers a command.",
    example: "alias(\"hello [{name}]\", #{ help: \"Say hello\" }, |args, msg| reply(`Hello, ${args.name ?? msg.user.name}!`));",
    ..HostFn::DECLARES
}];

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<ActionName>("Action")
        .register_fn("alias", |call: NativeCallContext, formats: Dynamic, run: Dynamic| {
            told(alias(&call, &formats, &Map::new(), run))
        })
        .register_fn(
            "alias",
            |call: NativeCallContext, formats: Dynamic, options: Map, run: Dynamic| {
                told(alias(&call, &formats, &options, run))
            },
        )
        .register_fn("action", |name: &str| ActionName(name.to_owned()));
    super::action::register(engine);
}

/// Notes what is wrong with a declaration, so that the rest of the script is looked at too.
pub(super) fn told(declared: HostResult<()>) -> HostResult<()> {
    let Err(why) = declared else { return Ok(()) };
    if resolver::inside() {
        // The place is one of the library, which is told by itself.
        return Err(why);
    }
    LOADING.with(|slot| match slot.borrow_mut().as_mut() {
        Some(loading) if loading.wrong.len() < WRONG_MAX => {
            loading.wrong.push(why);
            Ok(())
        }
        _ => Err(why),
    })
}

/// Adds to the script that is being loaded.
pub(super) fn declare(
    call: &NativeCallContext,
    what: &str,
    add: impl FnOnce(&mut Loading),
) -> HostResult<()> {
    if resolver::inside() {
        return Err(error(
            call,
            format!("a library declares nothing: `{what}` stands in a script"),
        ));
    }
    let fits = LOADING.with(|slot| {
        slot.borrow_mut().as_mut().map(|loading| {
            // A script can catch the error, so what is beyond the bound must not be kept.
            let declared = loading.aliases.len()
                + loading.rules.len()
                + loading.actions.len()
                + loading.sensors.len()
                + loading.tests.len();
            let fits = declared < DECLARATIONS_MAX;
            if fits {
                loading.global = Some(call.global_runtime_state().clone());
                add(loading);
            }
            fits
        })
    });
    match fits {
        None => Err(error(call, format!("`{what}` can only be used at the top level of a script"))),
        Some(false) => Err(error(call, format!("a script may declare {DECLARATIONS_MAX} things"))),
        Some(true) => Ok(()),
    }
}

fn alias(
    call: &NativeCallContext,
    formats: &Dynamic,
    options: &Map,
    run: Dynamic,
) -> HostResult<()> {
    let options = Options::of(call, "alias", options)?;
    let formats = texts(call, formats, "the format")?;
    let parsed: Vec<Format> = formats
        .iter()
        .map(|text| {
            Format::parse(text).map_err(|why| error(call, format!("format `{text}`: {why}")))
        })
        .collect::<HostResult<_>>()?;
    let first = parsed.first().ok_or_else(|| error(call, "an alias needs a format"))?;
    let name = match options.text("name")? {
        Some(name) => name,
        None => literal_words(&first.usage()),
    };
    let place = call.call_position();
    let def = AliasDef {
        name,
        formats,
        help: options.text("help")?.unwrap_or_default(),
        example: options.text("example")?,
        role: options.text("role")?,
        rooms: options.texts("rooms")?,
        context: context(call, &options, &parsed)?,
        tags: options.texts("tags")?,
        ack: ack(call, options.get("ack"))?,
        run: handler(call, run)?,
        line: line(call),
        column: place.position().and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
    };
    declare(call, "alias", |loading| loading.aliases.push(def))
}

fn handler(call: &NativeCallContext, run: Dynamic) -> HostResult<Run> {
    if let Some(action) = run.clone().try_cast::<ActionName>() {
        return Ok(Run::Action(action.0));
    }
    let kind = run.type_name();
    let handler = run.try_cast::<FnPtr>().ok_or_else(|| {
        error(
            call,
            format!("a handler is a closure `|args, msg| ..` or action(\"name\"), not {kind}"),
        )
    })?;
    Ok(Run::Handler(handler, 0))
}

/// Which parameters may be taken from the conversation. Only what may be left out can be, and `alert` stands for all of it.
fn context(
    call: &NativeCallContext,
    options: &Options,
    formats: &[Format],
) -> HostResult<FromContext> {
    let Some(value) = options.get("context") else { return Ok(FromContext::Nothing) };
    match value.as_bool() {
        Ok(true) => return Ok(FromContext::All),
        Ok(false) => return Ok(FromContext::Nothing),
        Err(_) => {}
    }
    let names = options.texts("context")?;
    let all = formats.iter().flat_map(Format::parameters);
    for name in names.iter().filter(|name| *name != ALERT) {
        let named: Vec<_> = all.clone().filter(|parameter| parameter.name == *name).collect();
        if named.iter().any(|parameter| parameter.optional) {
            continue;
        }
        let near = nearest(name, all.clone().map(|parameter| parameter.name.as_str()));
        let why = match (named.is_empty(), near) {
            (false, _) => {
                format!("`context` names `{name}`, which cannot be left out: write `{{{name}?}}`")
            }
            (true, None) => format!("`context` names `{name}`, which no format has"),
            (true, Some(near)) => {
                format!("`context` names `{name}`, which no format has; did you mean `{near}`?")
            }
        };
        return Err(error(call, why));
    }
    Ok(FromContext::Only(names))
}

fn ack(call: &NativeCallContext, value: Option<&Dynamic>) -> HostResult<Ack> {
    let Some(value) = value else { return Ok(Ack::Usual) };
    match (value.as_bool(), value.clone().into_string()) {
        (Ok(true), _) => Ok(Ack::Usual),
        (Ok(false), _) => Ok(Ack::Silent),
        (_, Ok(text)) if text == "reactions" => Ok(Ack::Reactions),
        (_, Ok(text)) => Ok(Ack::Text(text)),
        _ => Err(error(call, "`ack` is true, false, \"reactions\" or a text")),
    }
}

/// The words of a format outside of braces and brackets: `create vm on`.
fn literal_words(usage: &str) -> String {
    let mut depth = 0_usize;
    let mut words = String::new();
    for c in usage.chars() {
        match c {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth = depth.saturating_sub(1),
            c if depth == 0 => words.push(c),
            _ => {}
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}
