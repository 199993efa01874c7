//! The daemon's allocator: mimalloc, which gives freed memory back soon.
#![expect(unsafe_code, reason = "mimalloc's options are set through its C interface")]

use std::ffi::c_long;

use libmimalloc_sys::{mi_option_set_default, mi_option_t};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc.h, for which the bindings have no name.
const PURGE_DELAY: mi_option_t = 15;

/// For how long a freed page of memory waits to be used again before the kernel gets it back.
///
/// mimalloc's own second is a fifth of a small memory budget while pages of the pool come and go at the device's rate
/// (197 MiB under `--memory 128MiB`, 156 with this; benches/results/memory.md); giving back at once costs requests
/// some percent of their processor time.
const PURGE_DELAY_MS: c_long = 20;

/// Has freed memory given back after [`PURGE_DELAY_MS`], unless the environment's `MIMALLOC_PURGE_DELAY` says
/// otherwise. To be called before there is a second thread.
pub(crate) fn give_back_soon() {
    // SAFETY: it stores a number in a table of the process, which no other thread reads yet.
    unsafe { mi_option_set_default(PURGE_DELAY, PURGE_DELAY_MS) }
}

#[cfg(test)]
mod tests {
    use libmimalloc_sys::mi_option_get;

    use super::*;

    /// The number of the option is mimalloc's to change; its default tells which one it is.
    #[test]
    fn the_option_is_the_purge_delay() {
        // SAFETY: nothing else in this test's process sets an option.
        let purge_delay_ms = || unsafe { mi_option_get(PURGE_DELAY) };
        assert_eq!(purge_delay_ms(), 1000, "mimalloc's default");
        give_back_soon();
        assert_eq!(purge_delay_ms(), PURGE_DELAY_MS);
    }
}
