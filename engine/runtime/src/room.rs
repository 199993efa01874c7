//! Senders that found a queue full and wait for room.
//!
//! They register first and then try once more; the receiver makes room first and then looks here. The same pair of
//! fences as in [`crate::sleep`] lets at least one of the two see the other.

#![cfg_attr(not(loom), expect(unreachable_pub, reason = "loom's models are outside of the crate"))]
#![cfg_attr(
    not(loom),
    expect(clippy::disallowed_types, reason = "senders that wait are on many threads, and rare")
)]

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::task::Waker;

use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering, fence};

/// The wakers of those who wait.
pub struct RoomWaiters {
    count: AtomicUsize,
    wakers: Mutex<VecDeque<Waker>>,
}

impl RoomWaiters {
    /// Nobody waits.
    pub fn new() -> RoomWaiters {
        RoomWaiters { count: AtomicUsize::new(0), wakers: Mutex::new(VecDeque::new()) }
    }

    /// Registers a sender, which must then try once more.
    pub fn register(&self, waker: Waker) {
        self.wakers().push_back(waker);
        self.count.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Wakes all senders; to be called after room was made.
    pub fn wake_all(&self) {
        fence(Ordering::SeqCst);
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let wakers = std::mem::take(&mut *self.wakers());
        self.count.fetch_sub(wakers.len(), Ordering::Relaxed);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn wakers(&self) -> MutexGuard<'_, VecDeque<Waker>> {
        // The list is whole between any two of its operations, whatever a panicking thread did.
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for RoomWaiters {
    fn default() -> RoomWaiters {
        RoomWaiters::new()
    }
}
