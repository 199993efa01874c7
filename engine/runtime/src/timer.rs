//! Timers: who is to be woken when.
//!
//! Ordered by deadline, then by creation, so that timers of one moment fire in a fixed order. The future holds plain
//! numbers only and is therefore `Send` and `Sync`, as hyper wants its sleeps; the waker is in the shard's queue.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::core::Core;
use crate::current;
use crate::inbox::Inbox;
use crate::time::MonotonicTime;

/// A timer's place in the queue.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct TimerKey {
    deadline: MonotonicTime,
    sequence: u64,
}

/// The waiting timers of one shard.
#[derive(Default)]
pub(crate) struct TimerQueue {
    waiting: BTreeMap<TimerKey, Waker>,
    next_sequence: u64,
}

impl TimerQueue {
    pub(crate) fn key(&mut self, deadline: MonotonicTime) -> TimerKey {
        self.next_sequence += 1;
        TimerKey { deadline, sequence: self.next_sequence }
    }

    pub(crate) fn wait(&mut self, key: TimerKey, waker: &Waker) {
        match self.waiting.get_mut(&key) {
            Some(present) => present.clone_from(waker),
            None => {
                self.waiting.insert(key, waker.clone());
            }
        }
    }

    /// What comes back is to be dropped outside of any borrow: it may be a task's last reference.
    #[must_use]
    pub(crate) fn cancel(&mut self, key: TimerKey) -> Option<Waker> {
        self.waiting.remove(&key)
    }

    pub(crate) fn next_deadline(&self) -> Option<MonotonicTime> {
        self.waiting.first_key_value().map(|(key, _)| key.deadline)
    }

    /// The first timer that is due, taken out.
    pub(crate) fn pop_due(&mut self, now: MonotonicTime) -> Option<Waker> {
        let first = self.waiting.first_entry()?;
        (first.key().deadline <= now).then(|| first.remove())
    }

    pub(crate) fn clear(&mut self) -> BTreeMap<TimerKey, Waker> {
        std::mem::take(&mut self.waiting)
    }
}

/// Ends at its deadline. Made by [`crate::Handle::sleep`]; to be awaited on the shard that made it.
#[derive(Debug)]
#[must_use = "a sleep does nothing unless awaited"]
pub struct Sleep {
    key: TimerKey,
    home: HomeShard,
}

impl Sleep {
    pub(crate) fn new(core: &Core, deadline: MonotonicTime) -> Sleep {
        Sleep { key: core.timer_key(deadline), home: HomeShard(Arc::clone(core.inbox())) }
    }

    /// When it ends.
    pub fn deadline(&self) -> MonotonicTime {
        self.key.deadline
    }

    /// Moves its end.
    pub fn reset(&mut self, deadline: MonotonicTime) {
        self.forget_waker();
        self.key.deadline = deadline;
    }

    fn forget_waker(&self) {
        // On another thread the entry stays behind, and its end is one needless wake.
        current::with(|core| {
            core.filter(|core| core.is_home(&self.home.0)).map(|core| core.cancel_timer(self.key))
        });
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        current::with(|core| {
            let core =
                core.filter(|core| core.is_home(&self.home.0)).expect("a sleep is awaited on its own shard");
            if self.key.deadline <= core.now() {
                core.cancel_timer(self.key);
                return Poll::Ready(());
            }
            core.wait_for_timer(self.key, context.waker());
            Poll::Pending
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.forget_waker();
    }
}

struct HomeShard(Arc<Inbox>);

impl std::fmt::Debug for HomeShard {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.shard().fmt(formatter)
    }
}
