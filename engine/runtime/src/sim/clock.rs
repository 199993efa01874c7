//! The simulated clocks: one that only grows, when the run says so, and a calendar that may be set at any time.

use super::Random;
use crate::time::{MonotonicTime, UnixTime};
use std::time::Duration;

/// When simulated runs begin: 2026-01-01 00:00:00 UTC.
const CALENDAR_START_US: u64 = 1_767_225_600_000_000;

/// Both clocks of a simulated machine.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    now: MonotonicTime,
    /// What the calendar shows when the monotonic clock shows zero; jumps change it.
    calendar_origin_us: u64,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { now: MonotonicTime::from_nanos(0), calendar_origin_us: CALENDAR_START_US }
    }

    pub(super) fn now(&self) -> MonotonicTime {
        self.now
    }

    pub(super) fn unix_time(&self) -> UnixTime {
        UnixTime::from_micros(self.calendar_origin_us.saturating_add(self.now.as_nanos() / 1000))
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    /// Lets time pass until `moment`, if that is ahead.
    pub(super) fn advance_to(&mut self, moment: MonotonicTime) {
        self.now = self.now.max(moment);
    }

    /// Sets the calendar, as an operator or a time server does.
    pub(super) fn set_unix_time(&mut self, time: UnixTime) {
        self.calendar_origin_us = time.as_micros().saturating_sub(self.now.as_nanos() / 1000);
    }

    /// Moves the calendar by up to a day.
    pub(super) fn jump(&mut self, random: &mut Random, direction: Jump) {
        let distance = random.between(1_000, 86_400_000_000);
        self.calendar_origin_us = match direction {
            Jump::Forward => self.calendar_origin_us.saturating_add(distance),
            Jump::Back => self.calendar_origin_us.saturating_sub(distance),
        };
    }
}

/// Which way the calendar jumps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Jump {
    Forward,
    Back,
}

/// How long the simulated device takes, in nanoseconds, from the first to the second number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latencies {
    /// Reads.
    pub read_ns: (u64, u64),
    /// Writes, and everything that changes a file but is no sync.
    pub write_ns: (u64, u64),
    /// Syncs of files and directories.
    pub sync_ns: (u64, u64),
    /// What an executor's turn costs.
    pub turn_ns: (u64, u64),
}

impl Latencies {
    /// A good local disk.
    pub const STEADY: Self = Self {
        read_ns: (60_000, 100_000),
        write_ns: (15_000, 30_000),
        sync_ns: (80_000, 120_000),
        turn_ns: (500, 2_000),
    };

    /// One of several temperaments of device, so that different races are lost and won.
    #[must_use]
    pub fn any(random: &mut Random) -> Self {
        match random.below(4) {
            0 => Self::STEADY,
            // Everything overtakes everything.
            1 => Self {
                read_ns: (1_000, 1_000_000),
                write_ns: (1_000, 1_000_000),
                sync_ns: (1_000, 1_000_000),
                ..Self::STEADY
            },
            // Writes are cached, syncs are slow.
            2 => Self { write_ns: (1_000, 5_000), sync_ns: (2_000_000, 9_000_000), ..Self::STEADY },
            // The processor is the bottleneck.
            _ => Self {
                turn_ns: (20_000, 200_000),
                read_ns: (1_000, 20_000),
                sync_ns: (1_000, 40_000),
                ..Self::STEADY
            },
        }
    }
}
