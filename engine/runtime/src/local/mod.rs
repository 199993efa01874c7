//! Ways for the tasks of one shard to wait for each other. No atomics: none of this leaves its thread.
//!
//! Waiters are served in the order in which they came. A future that is dropped while it waits gives its turn on.

mod event;
mod oneshot;
mod semaphore;
mod wait_queue;

pub use event::{Event, Notified};
pub use oneshot::{Receiver, Sender, oneshot};
pub use semaphore::{Acquire, Permit, Semaphore};
pub use wait_queue::{Turn, WaitQueue};

/// Why a wait for a value ended without one: the other side is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sender is gone")]
pub struct Closed;
