//! Notices a job that never ends.
//!
//! A simulated process that goes round in circles runs out of turns, and that is a violation like any other. A loop
//! inside one poll never gives a turn back: only somebody outside can say which job it was.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the watchdog looks at simulations from outside: real threads, real time"
)]

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// How often the watchdog looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The jobs that are running, and since when.
#[derive(Debug, Default)]
pub(crate) struct Watchdog {
    running: Mutex<BTreeMap<u64, Instant>>,
}

impl Watchdog {
    /// Runs `job`, watched.
    pub(crate) fn watched<T>(&self, number: u64, job: impl FnOnce() -> T) -> T {
        self.running().insert(number, Instant::now());
        let result = job();
        self.running().remove(&number);
        result
    }

    /// Calls `on_hang` with each job that takes longer than `time_max`, once; returns when all senders of `done` are gone.
    pub(crate) fn watch(&self, time_max: Duration, done: &mpsc::Receiver<()>, on_hang: impl Fn(u64)) {
        while done.recv_timeout(LOOK_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
            for number in self.overdue(time_max) {
                on_hang(number);
            }
        }
    }

    /// Takes the jobs that run for longer than `time_max`.
    fn overdue(&self, time_max: Duration) -> Vec<u64> {
        self.running()
            .extract_if(.., |_, began| began.elapsed() > time_max)
            .map(|(number, _)| number)
            .collect()
    }

    fn running(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Instant>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
