//! The calendar's clock, distrusted: somebody may set it.

use std::cell::Cell;

use basalt_runtime::UnixTime;
use basalt_storage::HybridTime;

/// A partition's time may be ahead of the clock by so much without anybody having set that.
const AHEAD_US_MAX: u64 = 1_000_000;

/// What one shard has seen of the calendar's clock.
#[derive(Debug, Default)]
pub(crate) struct Calendar {
    latest: Cell<UnixTime>,
}

impl Calendar {
    /// The time, unless the clock has shown a later one before.
    pub(crate) fn reading(&self, now: UnixTime) -> Option<UnixTime> {
        let latest = self.latest.get().max(now);
        self.latest.set(latest);
        (now == latest).then_some(now)
    }

    /// Whether a partition that has come to `partition_time` may believe that it is `now`. Its time is that of its
    /// entries, which outlive a start.
    pub(crate) fn agrees(now: UnixTime, partition_time: HybridTime) -> bool {
        partition_time.get() <= now.as_micros().saturating_add(AHEAD_US_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_is_not_read_until_it_has_caught_up() {
        let calendar = Calendar::default();
        let at = UnixTime::from_micros;
        assert_eq!(calendar.reading(at(10)), Some(at(10)));
        assert_eq!(calendar.reading(at(9)), None);
        assert_eq!(calendar.reading(at(10)), Some(at(10)));
        assert_eq!(calendar.reading(at(11)), Some(at(11)));
    }

    #[test]
    fn a_partition_far_ahead_of_the_clock_was_there_before_it_was_set_back() {
        let now = UnixTime::from_micros(5_000_000);
        assert!(Calendar::agrees(now, HybridTime::new(5_000_001)));
        assert!(!Calendar::agrees(now, HybridTime::new(6_000_001)));
    }
}
