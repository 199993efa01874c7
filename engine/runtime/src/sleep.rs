//! Decides whether a shard must be woken: the sleep/wake protocol of STORAGE §12.
//!
//! The sender pushes its message, fences, then reads `sleeping`. The receiver sets `sleeping`, fences, looks at its
//! queues once more, and only then sleeps. Whichever fence comes second in the single order of all `SeqCst` fences
//! belongs to the side that sees the other's store: the receiver finds the message, or the sender finds the sleeper.
//! Without both fences each may miss the other, and the message waits for the next timer.
//!
//! Checked under loom, with the queues: `RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p
//! basalt-runtime --test loom --release`.

#![cfg_attr(not(loom), expect(unreachable_pub, reason = "loom's models are outside of the crate"))]

use crate::sync::{AtomicBool, Ordering, fence};

/// Whether a shard sleeps, or is about to.
#[derive(Debug)]
pub struct SleepFlag {
    sleeping: AtomicBool,
}

impl SleepFlag {
    /// The flag of a shard that is awake.
    pub fn new() -> SleepFlag {
        SleepFlag { sleeping: AtomicBool::new(false) }
    }

    /// The sender's half, after its push: whether it must wake the shard. Of several senders one is told to.
    pub fn must_wake(&self) -> bool {
        fence(Ordering::SeqCst);
        // The plain load keeps the line shared among the senders while the shard is awake.
        self.sleeping.load(Ordering::Relaxed) && self.sleeping.swap(false, Ordering::Relaxed)
    }

    /// The receiver's half, before its last look at the queues.
    pub fn prepare_to_sleep(&self) {
        // Swaps on both sides, so that their order is one chain and a sender's swap cannot undo a later sleep.
        self.sleeping.swap(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The receiver is awake again, or found work and does not sleep.
    pub fn awake(&self) {
        self.sleeping.swap(false, Ordering::Relaxed);
    }
}

impl Default for SleepFlag {
    fn default() -> SleepFlag {
        SleepFlag::new()
    }
}
