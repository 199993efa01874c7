//! Counts the bytes that a thread holds, so that an input which makes a decoder allocate without bound is a failure
//! and not a slow run.
//!
//! Each thread counts for itself: tests run side by side. What one thread allocates and another frees is counted
//! wrongly in both; no target does that.
#![expect(unsafe_code, reason = "a global allocator is unsafe to implement")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static HELD_BYTES: Cell<isize> = const { Cell::new(0) };
    static PEAK_BYTES: Cell<isize> = const { Cell::new(0) };
}

/// The most bytes that `work` held at once on this thread, beyond what was held before.
pub(crate) fn peak_bytes_of(work: impl FnOnce()) -> usize {
    let before = HELD_BYTES.get();
    PEAK_BYTES.set(before);
    work();
    (PEAK_BYTES.get() - before).unsigned_abs()
}

struct CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn count(bytes: isize) {
    let held = HELD_BYTES.get() + bytes;
    HELD_BYTES.set(held);
    PEAK_BYTES.set(PEAK_BYTES.get().max(held));
}

fn signed(bytes: usize) -> isize {
    isize::try_from(bytes).unwrap_or(isize::MAX)
}

// SAFETY: every call is passed on to the system's allocator unchanged; counting neither allocates (the cells are
// constants without a destructor) nor panics.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(signed(layout.size()));
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(signed(layout.size()));
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-signed(layout.size()));
        // SAFETY: as in `alloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // Old and new exist side by side while the bytes are copied.
        count(signed(new_size));
        count(-signed(layout.size()));
        // SAFETY: as in `alloc`.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_the_most_that_was_held_at_once() {
        let peak = peak_bytes_of(|| {
            drop(std::hint::black_box(vec![1u8; 1000]));
            drop(std::hint::black_box(vec![1u8; 3000]));
        });
        assert_eq!(peak, 3000);
    }

    #[test]
    fn memory_that_was_held_before_does_not_count() {
        let before = std::hint::black_box(vec![1u8; 5000]);
        assert_eq!(peak_bytes_of(move || drop(before)), 0);
    }
}
