//! How long a peer may take.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use basalt_engine::runtime::{Handle, MonotonicTime, Sleep};

/// A limit on the time of one wait after the other.
///
/// Waits are many and short, so the timer does not move with each of them: it rings for one that is long over, finds
/// the present one, and is set to its end. Only a wait that lasts costs a change of the shard's timers.
#[derive(Debug, Default)]
pub(crate) struct TimeLimit {
    /// When the present wait is too long; `None` until it is first polled.
    deadline: Option<MonotonicTime>,
    /// Rings then, or before.
    timer: Option<Sleep>,
}

impl TimeLimit {
    /// The wait is over.
    pub(crate) fn stop(&mut self) {
        self.deadline = None;
    }

    /// Fails once the present wait has taken longer than `time`.
    pub(crate) fn poll(
        &mut self,
        time: Duration,
        handle: &Handle,
        context: &mut Context<'_>,
    ) -> io::Result<()> {
        let deadline = *self.deadline.get_or_insert_with(|| handle.now() + time);
        let timer = self.timer.get_or_insert_with(|| handle.sleep_until(deadline));
        if deadline < timer.deadline() {
            timer.reset(deadline);
        }
        while Pin::new(&mut *timer).poll(context).is_ready() {
            if deadline <= timer.deadline() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            timer.reset(deadline);
        }
        Ok(())
    }
}
