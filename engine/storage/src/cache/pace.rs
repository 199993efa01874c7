//! How fast dirty pages may be written beside the log.
//!
//! Log and pages share a device, and a client waits for the log alone: 500 MB/s of background writes were seen to cut
//! syncs from 10,000 to 3,800 a second. So the log's syncs are timed, apart for moments with and without such writes; when
//! they take twice as long with them, pages are written half as fast.

use std::{cell::Cell, time::Duration};

use basalt_runtime::Handle;

/// Weight of a new time in the running means.
const WEIGHT: f64 = 1.0 / 16.0;
/// Pages are never written slower than at this part of the device's speed: a checkpoint must come to its end.
const SLOWDOWN_MAX: f64 = 8.0;

/// One shard's pace. Owned by its buffer pool.
#[derive(Default)]
pub(crate) struct WritePace {
    /// Page writes in flight.
    writes: Cell<u32>,
    /// Mean time of a sync without and with page writes, in seconds; zero before the first.
    quiet: Cell<f64>,
    disturbed: Cell<f64>,
    /// Somebody waits for the writes themselves: they are not held back.
    urgent: Cell<bool>,
}

/// A page write that is under way.
pub(crate) struct PacedWrite<'a> {
    pace: &'a WritePace,
}

impl WritePace {
    /// Takes note of how long a sync of the log took.
    pub(crate) fn note_sync(&self, took: Duration) {
        let mean = if self.writes.get() == 0 { &self.quiet } else { &self.disturbed };
        let took = took.as_secs_f64();
        mean.update(|mean| if mean == 0.0 { took } else { mean + (took - mean) * WEIGHT });
    }

    /// Says whether writers wait for what page writes release: memory, or log.
    pub(crate) fn set_urgent(&self, urgent: bool) {
        self.urgent.set(urgent);
    }

    /// A page write starts.
    pub(crate) fn begin(&self) -> PacedWrite<'_> {
        self.writes.update(|writes| writes + 1);
        PacedWrite { pace: self }
    }

    /// How many times slower than the device could pages are to be written.
    fn slowdown(&self) -> f64 {
        let (quiet, disturbed) = (self.quiet.get(), self.disturbed.get());
        if self.urgent.get() || quiet == 0.0 || disturbed == 0.0 {
            return 1.0;
        }
        (disturbed / quiet).clamp(1.0, SLOWDOWN_MAX)
    }
}

impl PacedWrite<'_> {
    /// Ends a write that took so long, and waits as long as the next one must.
    pub(crate) async fn end(self, took: Duration, handle: &Handle) {
        let pause = took.mul_f64(self.pace.slowdown() - 1.0);
        drop(self);
        if !pause.is_zero() {
            basalt_runtime::sometimes!("page writes held back for the log");
            handle.sleep(pause).await;
        }
    }
}

impl Drop for PacedWrite<'_> {
    fn drop(&mut self) {
        self.pace.writes.update(|writes| writes - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Duration = Duration::from_micros(100);

    /// A pace that has seen many syncs of 100 us, and many of `disturbed` beside page writes.
    fn pace(disturbed: Duration) -> WritePace {
        let pace = WritePace::default();
        (0..200).for_each(|_| pace.note_sync(QUIET));
        let write = pace.begin();
        (0..200).for_each(|_| pace.note_sync(disturbed));
        drop(write);
        pace
    }

    #[test]
    fn pages_are_written_half_as_fast_when_syncs_take_twice_as_long() {
        assert!((pace(2 * QUIET).slowdown() - 2.0).abs() < 0.01);
        assert_eq!(pace(QUIET / 2).slowdown(), 1.0);
        assert_eq!(pace(100 * QUIET).slowdown(), SLOWDOWN_MAX);
    }

    #[test]
    fn nothing_is_held_back_unmeasured_or_when_writers_wait_for_it() {
        assert_eq!(WritePace::default().slowdown(), 1.0);
        let pace = pace(4 * QUIET);
        pace.set_urgent(true);
        assert_eq!(pace.slowdown(), 1.0);
        pace.set_urgent(false);
        assert!(pace.slowdown() > 3.9);
    }
}
