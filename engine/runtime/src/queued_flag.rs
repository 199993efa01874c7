//! Keeps a task from standing in a queue twice, and from missing a wake.
//!
//! A waker first changes what the task will look at, then marks the flag. If the mark was there already, the waker
//! relies on the poll that is still to come to see its change; that poll therefore takes the mark away with a swap,
//! which reads the waker's mark and everything before it. With a plain store the poll could look too early.

#![cfg_attr(not(loom), expect(unreachable_pub, reason = "loom's models are outside of the crate"))]

use crate::sync::{AtomicBool, Ordering};

/// Whether a task stands in a queue.
#[derive(Debug)]
pub struct QueuedFlag {
    queued: AtomicBool,
}

impl QueuedFlag {
    /// The flag of a task that its maker puts in a queue.
    pub fn new_queued() -> QueuedFlag {
        QueuedFlag { queued: AtomicBool::new(true) }
    }

    /// A waker's mark: whether the waker must put the task in a queue.
    pub fn mark(&self) -> bool {
        !self.queued.swap(true, Ordering::AcqRel)
    }

    /// The shard's, just before it polls the task.
    pub fn begin_poll(&self) {
        self.queued.swap(false, Ordering::AcqRel);
    }
}
