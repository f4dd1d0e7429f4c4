//! How much memory a thread holds: the allocator of the whole program counts for each thread.
//!
//! Rhai knows the size of one value and not of all of them. A counter that belongs to the thread costs an addition an
//! allocation, needs no lock, and sees everything: values, closures, cycles of closures that nothing frees any more.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator with a counter for each thread.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// Bytes that this thread has allocated less those that it has freed; it has no destructor and needs no allocation.
    static HELD: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    HELD.with(|held| held.set(held.get().wrapping_add(bytes)));
}

/// A size as a difference: no allocation is larger than `isize::MAX`.
fn difference(bytes: usize) -> isize {
    bytes.cast_signed()
}

// SAFETY: every call is handed on to the system's allocator as it came; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(difference(layout.size()));
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-difference(layout.size()));
        // SAFETY: the caller keeps the contract of `GlobalAlloc::dealloc`; all memory comes from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(difference(layout.size()));
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(difference(size).wrapping_sub(difference(layout.size())));
        // SAFETY: the caller keeps the contract of `GlobalAlloc::realloc`; all memory comes from `System`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Bytes that this thread has allocated less those that it has freed; below zero where it frees what others made.
pub fn held() -> isize {
    HELD.with(Cell::get)
}

/// Runs a job whose memory belongs to somebody else: to the log, or to the store.
pub fn uncounted<T>(job: impl FnOnce() -> T) -> T {
    let before = held();
    let result = job();
    HELD.with(|held| held.set(before));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_knows_what_it_holds() {
        let before = held();
        let bytes = vec![0_u8; 1_000_000];
        assert_eq!(held() - before, 1_000_000);
        let more = std::thread::spawn(|| vec![0_u8; 2_000_000]).join().expect("it ends");
        assert_eq!(bytes.len() + more.len(), 3_000_000);
        assert!(held() - before < 1_100_000, "others count for themselves: {}", held() - before);
        drop(bytes);
        let kept = uncounted(|| vec![1_u8; 1_000_000]);
        assert!(held() - before < 100_000, "{} of {}", held() - before, kept.len());
    }
}
