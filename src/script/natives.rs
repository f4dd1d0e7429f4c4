//! Functions of the engine's packages that make much of little in one step: ours look before they make it.
//!
//! All others make at most a few times what they are given, and the engine looks at that after the call. `replace`
//! makes the product of two texts; `pad` copies its item, and what a closure captured is no size to the engine.

use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString, NativeCallContext};

use super::context::HostResult;
use super::gauge::memory_is_over;
use crate::domain::budget::Budgets;

/// Puts ours in front of the engine's.
pub fn register(engine: &mut Engine, budgets: Budgets) {
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
        })
        .register_fn(
            "pad",
            move |call: NativeCallContext, array: &mut Array, length: i64, item: Dynamic| {
                pad(&call, array, length, &item, &budgets)
            },
        );
}

fn too_large(call: &NativeCallContext, what: &str) -> Box<EvalAltResult> {
    EvalAltResult::ErrorDataTooLarge(what.to_owned(), call.call_position()).into()
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
    if bytes > call.engine().max_string_size() {
        return Err(too_large(call, "Length of string"));
    }
    *text = text.replace(find, with).into();
    Ok(())
}

fn pad(
    call: &NativeCallContext,
    array: &mut Array,
    length: i64,
    item: &Dynamic,
    budgets: &Budgets,
) -> HostResult<()> {
    let Ok(length) = usize::try_from(length) else { return Ok(()) };
    if length > call.engine().max_array_size() {
        return Err(too_large(call, "Size of array/BLOB"));
    }
    while array.len() < length {
        if memory_is_over(budgets) {
            return Err(too_large(call, "Size of array/BLOB"));
        }
        array.push(item.clone());
    }
    Ok(())
}
