//! The Rhai engine and its limits.

use std::time::{Duration, Instant};

use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicBlobPackage, BasicFnPackage, BasicIteratorPackage,
    BasicMapPackage, BasicMathPackage, BasicStringPackage, BitFieldPackage, LanguageCorePackage,
    LogicPackage, MoreStringPackage, Package,
};
use rhai::{
    Dynamic, Engine, EvalAltResult, GlobalRuntimeState, ImmutableString, NativeCallContext,
    OptimizationLevel,
};

use super::context::{self, Halt, HostResult, PRINT_BYTES_MAX};
use super::host;
use super::resolver::Libraries;

/// Most operations of one slice.
pub const OPERATIONS_MAX: u64 = 1_000_000;
/// Deepest nesting of calls.
pub const CALL_LEVELS_MAX: usize = 32;
/// Longest string in bytes.
pub const STRING_BYTES_MAX: usize = 256 * 1024;
/// Most items of an array.
pub const ARRAY_ITEMS_MAX: usize = 10_000;
/// Most entries of a map.
pub const MAP_ENTRIES_MAX: usize = 2_000;
/// Longest time that a slice may run.
pub const SLICE_TIME_MAX: Duration = Duration::from_secs(2);
/// The stack of a thread that runs scripts: long chains of closures are dropped recursively.
pub const STACK_BYTES: usize = 256 * 1024 * 1024;
/// How many operations pass between two looks at the clock.
const CLOCK_EVERY: u64 = 32;

/// Makes an engine with the language, the limits and the host functions.
pub fn engine() -> Engine {
    let mut engine = Engine::new_raw();
    packages(&mut engine);
    engine
        .set_max_operations(OPERATIONS_MAX)
        .set_max_call_levels(CALL_LEVELS_MAX)
        .set_max_expr_depths(64, 32)
        .set_max_string_size(STRING_BYTES_MAX)
        .set_max_array_size(ARRAY_ITEMS_MAX)
        .set_max_map_size(MAP_ENTRIES_MAX)
        .set_max_modules(64)
        .set_max_functions(500)
        .set_max_variables(200)
        .set_fail_on_invalid_map_property(true)
        .set_optimization_level(OptimizationLevel::Simple)
        .disable_symbol("eval");
    engine.on_print(note_print);
    engine.on_debug(|text, _, _| note_print(text));
    engine.on_progress(|operations| {
        let over = operations % CLOCK_EVERY == 0;
        context::current(|run| {
            if over && run.halted.is_none() && Instant::now() > run.deadline {
                let seconds = SLICE_TIME_MAX.as_secs();
                run.halted =
                    Some(Halt::Limit(format!("the script ran for {seconds} s without waiting")));
            }
            run.halted.is_some().then_some(Dynamic::UNIT)
        })
        .flatten()
    });
    #[expect(deprecated, reason = "the engine marks it as likely to change, not as wrong")]
    engine.on_var(|name, _, context| {
        // What a script calls so itself comes first.
        if context.scope().contains(name) {
            return Ok(None);
        }
        let constant = constant(context.global_runtime_state(), name);
        Ok(constant.or_else(|| host::variable(name)))
    });
    engine.set_module_resolver(Libraries);
    checked_replace(&mut engine);
    host::register(&mut engine);
    engine
}

/// A top-level constant by its plain name: of the library whose function runs, else of the script.
fn constant(global: &GlobalRuntimeState, name: &str) -> Option<Dynamic> {
    let own =
        global.constants.as_ref().and_then(|all| rhai::Locked::read(all).ok()?.get(name).cloned());
    own.or_else(|| context::current(|run| run.consts.get(name).cloned()).flatten())
}

fn packages(engine: &mut Engine) {
    for module in [
        LanguageCorePackage::new().as_shared_module(),
        ArithmeticPackage::new().as_shared_module(),
        LogicPackage::new().as_shared_module(),
        BasicStringPackage::new().as_shared_module(),
        BasicIteratorPackage::new().as_shared_module(),
        BasicFnPackage::new().as_shared_module(),
        BasicMathPackage::new().as_shared_module(),
        BasicArrayPackage::new().as_shared_module(),
        BasicBlobPackage::new().as_shared_module(),
        BasicMapPackage::new().as_shared_module(),
        BitFieldPackage::new().as_shared_module(),
        MoreStringPackage::new().as_shared_module(),
    ] {
        engine.register_global_module(module);
    }
}

fn note_print(text: &str) {
    context::current(|run| {
        let room = PRINT_BYTES_MAX.saturating_sub(run.printed.len() + 1);
        let cut = (0..=room.min(text.len())).rev().find(|n| text.is_char_boundary(*n)).unwrap_or(0);
        run.printed.push_str(&text[..cut]);
        run.printed.push('\n');
    });
}

/// The engine's own `replace` makes its result before it looks at its size; ours looks first.
fn checked_replace(engine: &mut Engine) {
    type Text<'a> = &'a mut ImmutableString;
    engine
        .register_fn("replace", |call: NativeCallContext, text: Text, find: &str, with: &str| {
            replace(&call, text, find, with)
        })
        .register_fn("replace", |call: NativeCallContext, text: Text, find: char, with: &str| {
            replace(&call, text, find.encode_utf8(&mut [0; 4]), with)
        })
        .register_fn("replace", |call: NativeCallContext, text: Text, find: &str, with: char| {
            replace(&call, text, find, with.encode_utf8(&mut [0; 4]))
        })
        .register_fn("replace", |call: NativeCallContext, text: Text, find: char, with: char| {
            let (mut a, mut b) = ([0; 4], [0; 4]);
            replace(&call, text, find.encode_utf8(&mut a), with.encode_utf8(&mut b))
        });
}

fn replace(
    call: &NativeCallContext,
    text: &mut ImmutableString,
    find: &str,
    with: &str,
) -> HostResult<()> {
    if find.is_empty() {
        return Ok(());
    }
    let found = text.matches(find).count();
    let bytes = text.len().saturating_sub(found * find.len()) + found.saturating_mul(with.len());
    if bytes > STRING_BYTES_MAX {
        let what = "Length of string".to_owned();
        return Err(EvalAltResult::ErrorDataTooLarge(what, call.call_position()).into());
    }
    *text = text.replace(find, with).into();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{ExecutionId, IdKey, Timestamp};
    use crate::script::journal::{Journal, Tape};

    #[test]
    fn a_slice_ends_at_its_deadline_and_cannot_catch_that() {
        let run = |deadline| context::Run {
            execution: ExecutionId("E".into()),
            key: IdKey([1; 32]),
            now: Timestamp(0),
            zone: jiff::tz::TimeZone::UTC,
            tape: Tape::new(Journal::new()),
            halted: None,
            deadline,
            consts: Default::default(),
            actions: Default::default(),
            exec_refused: None,
            recall: Box::new(|_, _| Ok(serde_json::Value::Null)),
            may: std::sync::Arc::new(|_, _| true),
            memory: Default::default(),
            printed: String::new(),
            files: Default::default(),
            levels: 0,
            cancel: None,
            sagas: vec![],
            abandoned: vec![],
            undoing: 0,
            undone: vec![],
            parking: None,
        };
        let begun = Instant::now();
        let source = "let n = 0; try { while n < 1000 { n += 1; } } catch { } 7";
        for (deadline, ends) in [(begun, true), (begun + SLICE_TIME_MAX * 1_000, false)] {
            let (result, run) = context::with_run(run(deadline), || engine().eval::<i64>(source));
            assert_eq!(result.is_err(), ends, "{result:?}");
            let halted = matches!(run.halted, Some(Halt::Limit(why)) if why.contains("for 2 s"));
            assert_eq!(halted, ends);
        }
    }
}
