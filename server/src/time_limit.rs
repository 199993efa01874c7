//! How long a peer may take.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use basalt_engine::runtime::{Handle, MonotonicTime, Sleep};

/// A limit on the time of one wait after the other.
///
/// Waits are many and short, so the timer does not move with each of them: it rings for one that is long over, finds
/// the present one, and is set to its end. Only a wait that lasts costs a change of the shard's timers, or a look at
/// them.
#[derive(Debug, Default)]
pub(crate) struct TimeLimit {
    /// When the present wait is too long; `None` until it is first polled.
    deadline: Option<MonotonicTime>,
    timer: Option<Timer>,
}

/// Rings at the end of a wait, or before.
#[derive(Debug)]
struct Timer {
    sleep: Sleep,
    /// Whom it wakes.
    waker: Waker,
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
        let now = handle.poll_began();
        let deadline = *self.deadline.get_or_insert_with(|| now + time);
        if self.timer.as_ref().is_some_and(|timer| timer.will_ring(now, deadline, context.waker())) {
            return Ok(());
        }
        let sleep = self.timer.take().map(|timer| timer.sleep);
        let mut sleep = sleep.unwrap_or_else(|| handle.sleep_until(deadline));
        if deadline < sleep.deadline() {
            sleep.reset(deadline);
        }
        while Pin::new(&mut sleep).poll(context).is_ready() {
            if deadline <= sleep.deadline() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            sleep.reset(deadline);
        }
        self.timer = Some(Timer { sleep, waker: context.waker().clone() });
        Ok(())
    }
}

impl Timer {
    /// Whether it is waiting, will wake `waker`, and not later than at `deadline`.
    fn will_ring(&self, now: MonotonicTime, deadline: MonotonicTime, waker: &Waker) -> bool {
        let rings_at = self.sleep.deadline();
        now < rings_at && rings_at <= deadline && self.waker.will_wake(waker)
    }
}
