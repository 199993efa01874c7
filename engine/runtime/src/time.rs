//! The two clocks: one that only grows, for waiting and measuring, and the calendar's.
//!
//! Both come from the shard's backend; nothing here asks the machine.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// Nanoseconds since an origin that is fixed for the life of the process. Never decreases on one shard, and is
/// comparable between the shards of one process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct MonotonicTime(u64);

impl MonotonicTime {
    /// The moment this many nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> MonotonicTime {
        MonotonicTime(nanos)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How much later this is than `earlier`; zero if it is not later.
    pub const fn saturating_since(self, earlier: MonotonicTime) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Saturates: a deadline 600 years away never comes, which is what its author meant.
impl Add<Duration> for MonotonicTime {
    type Output = MonotonicTime;

    fn add(self, duration: Duration) -> MonotonicTime {
        MonotonicTime(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for MonotonicTime {
    type Output = Duration;

    fn sub(self, earlier: MonotonicTime) -> Duration {
        self.saturating_since(earlier)
    }
}

/// Microseconds since 1970-01-01 UTC. May jump, also backwards, when somebody sets the clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The moment this many microseconds after the epoch.
    pub const fn from_micros(micros: u64) -> UnixTime {
        UnixTime(micros)
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{:06}", self.as_secs(), self.0 % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_deadline_saturates() {
        let now = MonotonicTime::from_nanos(5);
        assert_eq!(now + Duration::MAX, MonotonicTime::from_nanos(u64::MAX));
        assert_eq!(now - MonotonicTime::from_nanos(9), Duration::ZERO);
        assert_eq!(now + Duration::from_nanos(2) - now, Duration::from_nanos(2));
    }

    #[test]
    fn unix_time_prints_as_seconds() {
        assert_eq!(UnixTime::from_micros(1_700_000_000_000_042).to_string(), "1700000000.000042");
    }
}
