//! How deep a value nests: what is too deep can be neither kept in the log nor freed on an ordinary thread's stack.

use rhai::{Array, Dynamic, FnPtr, Map};

/// Deepest nesting of a value that is kept in the log; what reads JSON refuses twice as much.
pub const KEPT_DEPTH_MAX: usize = 48;
/// Deepest nesting of what a handler captures, and of a constant.
pub const CAPTURED_DEPTH_MAX: usize = 64;
/// Most values in what a handler captures, and in a constant.
pub const CAPTURED_VALUES_MAX: usize = 100_000;

/// Whether a value is shallow enough for the log.
pub fn can_be_kept(value: &Dynamic) -> bool {
    walk(value, KEPT_DEPTH_MAX, &mut usize::MAX.clone())
}

/// Whether a value may outlive the loading of its script: a closure that holds itself has no end and may not.
pub fn can_be_captured(value: &Dynamic) -> bool {
    walk(value, CAPTURED_DEPTH_MAX, &mut CAPTURED_VALUES_MAX.clone())
}

/// The same for what a closure captured.
pub fn captures_fit(closure: &FnPtr) -> bool {
    let mut left = CAPTURED_VALUES_MAX;
    closure.curry().iter().all(|value| walk(value, CAPTURED_DEPTH_MAX, &mut left))
}

fn walk(value: &Dynamic, depth: usize, left: &mut usize) -> bool {
    if depth == 0 || *left == 0 {
        return false;
    }
    *left -= 1;
    let mut inside = |value: &Dynamic| walk(value, depth - 1, left);
    if value.is_shared() {
        return value.read_lock::<Dynamic>().is_some_and(|value| inside(&value));
    }
    if let Some(items) = value.read_lock::<Array>() {
        return items.iter().all(inside);
    }
    if let Some(map) = value.read_lock::<Map>() {
        return map.values().all(inside);
    }
    value.read_lock::<FnPtr>().is_none_or(|closure| closure.curry().iter().all(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value in so many others.
    fn nested(depth: usize, around: impl Fn(Dynamic) -> Dynamic) -> Dynamic {
        (1..depth).fold(Dynamic::UNIT, |inner, _| around(inner))
    }

    #[test]
    fn depth_is_bounded_whatever_nests() {
        let array = |inner| Dynamic::from(vec![inner]);
        let map = |inner| Dynamic::from(Map::from([("a".into(), inner)]));
        let closure = |inner| {
            let mut closure = FnPtr::new("f").expect("a name");
            closure.add_curry(inner);
            Dynamic::from(closure)
        };
        let shared = |inner: Dynamic| Dynamic::from(vec![inner]).into_shared();
        for around in [&array as &dyn Fn(Dynamic) -> Dynamic, &map, &closure] {
            assert!(can_be_kept(&nested(KEPT_DEPTH_MAX, around)));
            assert!(!can_be_kept(&nested(KEPT_DEPTH_MAX + 1, around)));
            assert!(can_be_captured(&nested(CAPTURED_DEPTH_MAX, around)));
            assert!(!can_be_captured(&nested(CAPTURED_DEPTH_MAX + 1, around)));
        }
        assert!(!can_be_captured(&nested(CAPTURED_DEPTH_MAX, shared)), "sharing is a level too");
    }

    #[test]
    fn a_closure_that_holds_itself_has_no_end() {
        let cell = Dynamic::UNIT.into_shared();
        let mut closure = FnPtr::new("f").expect("a name");
        closure.add_curry(cell.clone());
        *cell.clone().write_lock::<Dynamic>().expect("nobody reads it") = closure.clone().into();
        assert!(!captures_fit(&closure));
        *cell.clone().write_lock::<Dynamic>().expect("nobody reads it") = Dynamic::UNIT;
        assert!(captures_fit(&closure));
    }

    #[test]
    fn the_number_of_values_is_bounded() {
        let list = |count: usize| Dynamic::from(vec![Dynamic::UNIT; count]);
        assert!(can_be_captured(&list(CAPTURED_VALUES_MAX - 1)));
        assert!(!can_be_captured(&list(CAPTURED_VALUES_MAX)));
        assert!(can_be_kept(&list(CAPTURED_VALUES_MAX)));
    }
}
