//! Something that happens again and again, and that tasks wait for.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::local::wait_queue::{Turn, WaitQueue};

/// Tells tasks that something has changed. Clones are the same event.
///
/// Nothing is stored: who looks at the state first and then waits, without a wait in between, misses nothing, since
/// nobody else runs meanwhile. [`Event::notified`] takes its place in the line when it is called.
#[derive(Clone, Default)]
pub struct Event {
    waiting: WaitQueue,
    count: Rc<Cell<u64>>,
}

impl Event {
    /// Nothing has happened.
    pub fn new() -> Event {
        Event::default()
    }

    /// Wakes everybody who waits now.
    pub fn notify_all(&self) {
        self.count.set(self.count.get() + 1);
        self.waiting.call_all();
    }

    /// Wakes who has waited longest; whether there was anybody.
    pub fn notify_one(&self) -> bool {
        self.waiting.call_one()
    }

    /// Waits for the next notification.
    pub fn notified(&self) -> Notified {
        Notified { turn: self.waiting.join() }
    }

    /// How often everybody was notified.
    pub fn count(&self) -> u64 {
        self.count.get()
    }

    /// Waits until `condition` holds, looking at it now and after each notification.
    pub async fn wait_until(&self, mut condition: impl FnMut() -> bool) {
        while !condition() {
            self.notified().await;
        }
    }
}

/// Ends at the next notification. Made by [`Event::notified`].
#[must_use = "a wait does nothing unless awaited"]
pub struct Notified {
    turn: Turn,
}

impl Future for Notified {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.turn).poll(context)
    }
}
