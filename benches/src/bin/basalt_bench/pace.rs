//! When operations begin: at a given rate whatever the server does (open loop), or each when the one before has ended
//! (closed loop).
//!
//! In an open loop an operation's latency counts from the time at which it was to begin. A server that stands still
//! for a second then shows a second of late operations, not one slow one (Tene's coordinated omission).

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

/// The clock that operations begin by.
pub(crate) trait Clock {
    /// Now.
    fn now(&self) -> Instant;
    /// Waits for a moment.
    fn wait_until(&self, moment: Instant);
}

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RealClock;

impl Clock for RealClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wait_until(&self, moment: Instant) {
        thread::sleep(moment.saturating_duration_since(Instant::now()));
    }
}

/// Shared by all clients of a run.
#[derive(Debug)]
pub(crate) struct Pace {
    start: Instant,
    /// `None`: it has no end of its own.
    end: Option<Instant>,
    /// Between the beginnings of two operations, over all clients; `None` in a closed loop.
    gap: Option<Duration>,
    given_out: AtomicU64,
}

impl Pace {
    /// A run from `start` on; `rate` operations a second, or as fast as clients and server are.
    pub(crate) fn new(start: Instant, duration: Duration, rate: Option<f64>) -> Self {
        let gap = rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
        Self { start, end: start.checked_add(duration), gap, given_out: AtomicU64::new(0) }
    }

    /// Waits until a client's next operation is to begin: the moment that its latency counts from. `None` at the end.
    pub(crate) fn next(&self, clock: &impl Clock) -> Option<Instant> {
        let Some(gap) = self.gap else {
            let now = clock.now();
            return self.is_within(now).then_some(now);
        };
        let number = self.given_out.fetch_add(1, Ordering::Relaxed);
        let intended = self.start + Duration::from_secs_f64(gap.as_secs_f64() * number as f64);
        if !self.is_within(intended) {
            return None;
        }
        clock.wait_until(intended);
        Some(intended)
    }

    fn is_within(&self, moment: Instant) -> bool {
        self.end.is_none_or(|end| moment < end)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A clock that goes on only when somebody waits or works.
    struct SteppedClock(Cell<Instant>);

    impl SteppedClock {
        fn work(&self, time: Duration) {
            self.0.set(self.0.get() + time);
        }
    }

    impl Clock for SteppedClock {
        fn now(&self) -> Instant {
            self.0.get()
        }

        fn wait_until(&self, moment: Instant) {
            self.0.set(self.0.get().max(moment));
        }
    }

    const SECOND: Duration = Duration::from_secs(1);
    const MILLISECOND: Duration = Duration::from_millis(1);

    /// Latencies of one client whose every operation takes a millisecond, but one, which takes a second.
    fn latencies(rate: Option<f64>) -> Vec<Duration> {
        let clock = SteppedClock(Cell::new(Instant::now()));
        let pace = Pace::new(clock.now(), 2 * SECOND, rate);
        let mut latencies = Vec::new();
        while let Some(intended) = pace.next(&clock) {
            clock.work(if latencies.len() == 50 { SECOND } else { MILLISECOND });
            latencies.push(clock.now() - intended);
        }
        latencies
    }

    #[test]
    fn an_open_loop_counts_from_the_intended_start() {
        let latencies = latencies(Some(100.0));
        assert_eq!(latencies.len(), 200, "every operation of two seconds was done, late or not");
        assert_eq!(latencies[0], MILLISECOND);
        assert_eq!(latencies[50], SECOND);
        // The next was to begin ten milliseconds after it, and had to wait for the rest of its second.
        assert_eq!(latencies[51].as_millis(), 991);
        let late = latencies.iter().filter(|latency| **latency > 10 * MILLISECOND).count();
        assert!(late > 100, "the hold-up shows in {late} latencies");
    }

    #[test]
    fn a_closed_loop_hides_what_waits() {
        let latencies = latencies(None);
        assert_eq!(latencies.iter().filter(|latency| **latency > 10 * MILLISECOND).count(), 1);
        assert_eq!(latencies.len(), 1001);
    }
}
