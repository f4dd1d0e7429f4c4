//! The Rhai engine and its limits.

use std::time::Instant;

use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicBlobPackage, BasicFnPackage, BasicIteratorPackage,
    BasicMapPackage, BasicMathPackage, BasicStringPackage, BitFieldPackage, LanguageCorePackage,
    LogicPackage, MoreStringPackage, Package,
};
use rhai::{Dynamic, Engine, GlobalRuntimeState, OptimizationLevel};

use super::context::{self, Halt};
use super::gauge::{self, CLOCK_EVERY, Over};
use super::host;
use super::memory::uncounted;
use super::natives;
use super::resolver::Libraries;
use crate::domain::budget::Budgets;

/// The stack of a thread that runs scripts: long chains of closures are dropped recursively.
pub const STACK_BYTES: usize = 256 * 1024 * 1024;

/// Longest string in bytes, usually.
pub const STRING_BYTES_MAX: usize = Budgets::USUAL.string_bytes_max as usize;
/// Most items of an array, usually.
pub const ARRAY_ITEMS_MAX: usize = Budgets::USUAL.array_items_max as usize;
/// Most entries of a map, usually.
pub const MAP_ENTRIES_MAX: usize = Budgets::USUAL.map_entries_max as usize;

/// Makes an engine with the language, the usual budgets and the host functions.
pub fn engine() -> Engine {
    engine_within(&Budgets::default())
}

/// The same with other budgets.
pub fn engine_within(budgets: &Budgets) -> Engine {
    let mut engine = Engine::new_raw();
    packages(&mut engine);
    limits(&mut engine, budgets);
    engine
        .set_fail_on_invalid_map_property(true)
        .set_optimization_level(OptimizationLevel::Simple)
        .disable_symbol("eval");
    let print_max = count(budgets.print_bytes_max);
    engine.on_print(move |text| note_print(text, print_max));
    engine.on_debug(move |text, _, _| note_print(text, print_max));
    let own = *budgets;
    engine.on_progress(move |operations| stopped(operations, &own).then_some(Dynamic::UNIT));
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
    natives::register(&mut engine, own);
    host::register(&mut engine);
    engine
}

/// The budgets that an engine was made with.
pub fn budgets(engine: &Engine) -> Budgets {
    engine.default_tag().clone().try_cast().unwrap_or_default()
}

fn limits(engine: &mut Engine, budgets: &Budgets) {
    engine
        .set_max_operations(budgets.operations_max)
        .set_max_call_levels(count(budgets.call_levels_max))
        .set_max_expr_depths(64, 32)
        .set_max_string_size(count(budgets.string_bytes_max))
        .set_max_array_size(count(budgets.array_items_max))
        .set_max_map_size(count(budgets.map_entries_max))
        .set_max_modules(64)
        .set_max_functions(500)
        .set_max_variables(200)
        .set_default_tag(Dynamic::from(*budgets));
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Whether the script on this thread must stop: it has halted, or a budget is used up.
fn stopped(operations: u64, budgets: &Budgets) -> bool {
    let over = gauge::look(operations, budgets);
    let of_run = context::current(|run| {
        if run.halted.is_none() {
            let late = || operations.is_multiple_of(CLOCK_EVERY) && Instant::now() > run.deadline;
            let over = over.or_else(|| late().then_some(Over::Time));
            run.halted = uncounted(|| over.map(|over| Halt::Limit(over.words(budgets))));
        }
        run.halted.is_some()
    });
    of_run.unwrap_or(over.is_some())
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

fn note_print(text: &str, bytes_max: usize) {
    context::current(|run| {
        let room = bytes_max.saturating_sub(run.printed.len());
        if room == 0 {
            return;
        }
        let cut = text.floor_char_boundary(room - 1);
        uncounted(|| {
            run.printed.push_str(&text[..cut]);
            run.printed.push('\n');
        });
    });
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
            slice_time: Duration::from_secs(2),
            consts: Default::default(),
            actions: Default::default(),
            permit: std::sync::Arc::new(|_| None),
            recall: Box::new(|_, _| Ok(serde_json::Value::Null)),
            may: std::sync::Arc::new(|_, _| true),
            silenced: std::sync::Arc::new(|_| false),
            encrypted: true,
            silences: std::sync::Arc::new(|_| None),
            hushed: Default::default(),
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
        let (begun, long) = (Instant::now(), Duration::from_secs(3_600));
        let source = "let n = 0; try { while n < 1000 { n += 1; } } catch { } 7";
        for (deadline, ends) in [(begun, true), (begun + long, false)] {
            let (result, run) = context::with_run(run(deadline), || engine().eval::<i64>(source));
            assert_eq!(result.is_err(), ends, "{result:?}");
            let halted = matches!(run.halted, Some(Halt::Limit(why)) if why.contains("for 2 s"));
            assert_eq!(halted, ends);
        }
    }
}
