//! A bucket of capacity units that fills at a steady rate and holds five minutes of it.
//!
//! It is one number: the moment at which the bucket would be full again. Taking units moves it on by the time that
//! they take to come back; what is in the bucket is how far it lies short of five minutes from now. So there is
//! nothing to refill, and threads share it by one atomic operation.
//!
//! What an operation costs is known only when it is done: one that finds anything in the bucket is let in, and may
//! leave the bucket in debt.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use basalt_model::CapacityUnits;
use basalt_runtime::MonotonicTime;

/// Capacity of so much time can be saved up: DynamoDB's burst.
const BURST: Duration = Duration::from_secs(300);
const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// Capacity that comes at a steady rate.
#[derive(Debug)]
pub(super) struct TokenBucket {
    units_per_second: u64,
    full_at_ns: AtomicU64,
}

impl TokenBucket {
    /// A full bucket.
    pub(super) fn full(units_per_second: u64) -> Self {
        Self { units_per_second, full_at_ns: AtomicU64::new(0) }
    }

    /// A bucket of another rate, filled for as long as this one.
    pub(super) fn at_rate(&self, units_per_second: u64) -> Self {
        Self { units_per_second, full_at_ns: AtomicU64::new(self.full_at_ns.load(Ordering::Relaxed)) }
    }

    pub(super) fn units_per_second(&self) -> u64 {
        self.units_per_second
    }

    /// Whether there is anything in the bucket.
    pub(super) fn has_any(&self, now: MonotonicTime) -> bool {
        let full_at = MonotonicTime::from_nanos(self.full_at_ns.load(Ordering::Relaxed));
        full_at.saturating_since(now) < BURST
    }

    /// Takes units, whether or not they are there.
    pub(super) fn take(&self, units: CapacityUnits, now: MonotonicTime) {
        let time_ns = self.nanos_of(units);
        let moved = |full_at_ns: u64| Some(full_at_ns.max(now.as_nanos()).saturating_add(time_ns));
        self.full_at_ns
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, moved)
            .expect("the update is never refused");
    }

    /// The time in which so many units come.
    fn nanos_of(&self, units: CapacityUnits) -> u64 {
        let time_ns =
            u128::from(units.halves()) * NANOS_PER_SECOND / (2 * u128::from(self.units_per_second.max(1)));
        u64::try_from(time_ns).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> MonotonicTime {
        MonotonicTime::from_nanos(seconds * 1_000_000_000)
    }

    fn writes(units: usize) -> CapacityUnits {
        CapacityUnits::for_write(0, units * 1024)
    }

    #[test]
    fn five_minutes_of_capacity_can_be_taken_at_once() {
        let bucket = TokenBucket::full(2);
        let taken = (0..1000).take_while(|_| {
            let has_any = bucket.has_any(at(1000));
            bucket.take(writes(1), at(1000));
            has_any
        });
        assert_eq!(taken.count(), 600);
    }

    #[test]
    fn an_empty_bucket_fills_at_its_rate() {
        let bucket = TokenBucket::full(10);
        bucket.take(writes(3000), at(0));
        assert!(!bucket.has_any(at(0)));
        assert!(bucket.has_any(at(1)));
        bucket.take(writes(10), at(1));
        assert!(!bucket.has_any(at(1)), "one second brings ten units, no more");
    }

    #[test]
    fn a_debt_is_paid_before_anything_is_let_in() {
        let bucket = TokenBucket::full(1);
        bucket.take(writes(300 + 50), at(0));
        assert!(!bucket.has_any(at(50)));
        assert!(bucket.has_any(at(51)));
    }

    #[test]
    fn nobody_saves_more_than_five_minutes() {
        let bucket = TokenBucket::full(1);
        bucket.take(writes(1), at(0));
        bucket.take(writes(300), at(1_000_000));
        assert!(!bucket.has_any(at(1_000_000)));
    }

    #[test]
    fn another_rate_keeps_how_full_the_bucket_is() {
        let bucket = TokenBucket::full(1);
        bucket.take(writes(150), at(0));
        let faster = bucket.at_rate(10);
        faster.take(writes(1499), at(0));
        assert!(faster.has_any(at(0)), "half of five minutes is left, now of ten units a second");
        faster.take(writes(1), at(0));
        assert!(!faster.has_any(at(0)));
    }

    proptest! {
        #[test]
        fn over_any_time_no_more_is_let_in_than_burst_and_rate_allow(
            rate in 1u64..100, gaps in prop::collection::vec(0u64..30, 1..200), size in 1usize..20,
        ) {
            let bucket = TokenBucket::full(rate);
            let (mut now, mut let_in) = (0, 0);
            for gap in gaps {
                now += gap;
                if bucket.has_any(at(now)) {
                    bucket.take(writes(size), at(now));
                    let_in += size as u64;
                }
            }
            prop_assert!(let_in <= rate * (300 + now) + size as u64);
        }
    }
}
