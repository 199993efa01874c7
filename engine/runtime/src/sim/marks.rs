//! Branches that a simulation must reach: `sometimes!("wal tail torn")`.
//!
//! A test that never tears a log's tail proves nothing about torn tails. A mark counts how often its line ran;
//! the simulation reports the marks it never hit. Counters belong to the thread, since a simulated run lives on
//! one. Without debug assertions and without the feature `simulation` a mark compiles to nothing.

use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Counts that this line ran, in debug builds and simulations; nothing in a release build.
///
/// With a condition before the name it counts only when the condition holds: `sometimes!(torn, "wal tail torn")`.
/// The name is a string literal, unique in the workspace, so that the report can name every mark in the sources.
#[macro_export]
macro_rules! sometimes {
    ($name:literal) => {
        $crate::sim::marks::hit($name)
    };
    ($condition:expr, $name:literal) => {
        if $condition {
            $crate::sim::marks::hit($name)
        }
    };
}

/// Whether marks are counted in this build.
pub const MARKS_ARE_COUNTED: bool = cfg!(any(debug_assertions, feature = "simulation"));

thread_local! {
    // Never iterated except into a BTreeMap.
    static HITS: RefCell<FxHashMap<&'static str, u64>> = RefCell::new(FxHashMap::default());
}

/// Counts one pass of the mark `name`. Called by [`sometimes!`](crate::sometimes).
#[inline]
pub fn hit(name: &'static str) {
    if MARKS_ARE_COUNTED {
        HITS.with_borrow_mut(|hits| *hits.entry(name).or_insert(0) += 1);
    }
}

/// What this thread's marks have counted since the last [`take`], by name.
#[must_use]
pub fn take() -> BTreeMap<&'static str, u64> {
    HITS.take().into_iter().collect()
}

/// The names of `expected` that `counted` never saw, in order.
#[must_use]
pub fn never_hit<'a>(
    expected: impl IntoIterator<Item = &'a str>,
    counted: &BTreeMap<&'static str, u64>,
) -> Vec<&'a str> {
    let mut missing: Vec<&str> = expected.into_iter().filter(|name| !counted.contains_key(name)).collect();
    missing.sort_unstable();
    missing.dedup();
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_count_their_passes_and_report_the_missing() {
        let _before = take();
        for torn in [true, false, true] {
            sometimes!("loop body");
            sometimes!(torn, "torn");
        }
        let counted = take();
        assert_eq!(counted, BTreeMap::from([("loop body", 3), ("torn", 2)]));
        assert_eq!(never_hit(["torn", "never", "loop body", "never"], &counted), ["never"]);
        assert!(take().is_empty(), "taking resets the counters");
    }
}
