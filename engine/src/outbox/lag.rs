//! How far global indexes are behind their tables, as a number.

use std::{iter::Sum, time::Duration};

/// Changes that are committed, or about to be, and not yet received by every index that they touch. What a start finds
/// is counted from when it is taken up, which is within its first moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IndexLag {
    /// Entries with such changes.
    pub entry_count: u64,
    /// Bytes of memory that they take.
    pub bytes: u64,
    /// How long ago the oldest of them was written; zero if there is none.
    pub oldest_age: Duration,
}

impl Sum for IndexLag {
    fn sum<I: Iterator<Item = Self>>(lags: I) -> Self {
        lags.fold(Self::default(), |sum, lag| Self {
            entry_count: sum.entry_count + lag.entry_count,
            bytes: sum.bytes + lag.bytes,
            oldest_age: sum.oldest_age.max(lag.oldest_age),
        })
    }
}
