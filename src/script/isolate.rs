//! Deep copies of closures, so that runs, and branches that go on side by side, cannot leak into each other.

use std::collections::BTreeMap;

use rhai::{Array, Dynamic, FnPtr, Map};

/// A copy of a closure and of what it captured, with what is shared inside kept shared.
pub fn isolated(closure: &FnPtr) -> FnPtr {
    copy(closure, &mut BTreeMap::new())
}

fn copy(closure: &FnPtr, seen: &mut BTreeMap<usize, Dynamic>) -> FnPtr {
    let mut copy = closure.clone();
    let captured: Vec<Dynamic> = closure.curry().iter().map(|value| copied(value, seen)).collect();
    copy.set_curry(captured);
    copy
}

fn copied(value: &Dynamic, seen: &mut BTreeMap<usize, Dynamic>) -> Dynamic {
    if value.is_shared() {
        return copied_shared(value, seen);
    }
    if let Some(closure) = value.clone().try_cast::<FnPtr>() {
        return Dynamic::from(copy(&closure, seen));
    }
    if let Some(items) = value.read_lock::<Array>() {
        return items.iter().map(|item| copied(item, seen)).collect::<Array>().into();
    }
    if let Some(map) = value.read_lock::<Map>() {
        let rows = map.iter().map(|(name, value)| (name.clone(), copied(value, seen)));
        return rows.collect::<Map>().into();
    }
    value.clone()
}

fn copied_shared(value: &Dynamic, seen: &mut BTreeMap<usize, Dynamic>) -> Dynamic {
    let Some((address, inner)) = value.read_lock::<Dynamic>().map(|guard| {
        let inner: &Dynamic = &guard;
        (std::ptr::from_ref(inner) as usize, inner.clone())
    }) else {
        return value.clone();
    };
    if let Some(copy) = seen.get(&address) {
        return copy.clone();
    }
    let copy = Dynamic::UNIT.into_shared();
    seen.insert(address, copy.clone());
    let inner = copied(&inner, seen);
    if let Some(mut slot) = copy.clone().write_lock::<Dynamic>() {
        *slot = inner;
    }
    copy
}
