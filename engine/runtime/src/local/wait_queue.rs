//! A line of waiting tasks; the base of the other primitives.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Tasks that wait, first come, first served. Clones are the same line.
#[derive(Clone, Default)]
pub struct WaitQueue {
    line: Rc<RefCell<VecDeque<Rc<Waiter>>>>,
}

#[derive(Default)]
struct Waiter {
    state: RefCell<WaiterState>,
}

#[derive(Default)]
enum WaiterState {
    #[default]
    New,
    Waiting(Waker),
    Called,
}

impl WaitQueue {
    /// Nobody waits.
    pub fn new() -> WaitQueue {
        WaitQueue::default()
    }

    /// Joins the line at its end, at once. The future ends when the turn has come.
    pub fn join(&self) -> Turn {
        let waiter = Rc::new(Waiter::default());
        self.line.borrow_mut().push_back(Rc::clone(&waiter));
        Turn { queue: self.clone(), waiter, done: false }
    }

    /// Calls the first; whether there was one.
    pub fn call_one(&self) -> bool {
        let first = self.line.borrow_mut().pop_front();
        first.is_some_and(|waiter| {
            waiter.call();
            true
        })
    }

    /// Calls all that wait now.
    pub fn call_all(&self) {
        let line = std::mem::take(&mut *self.line.borrow_mut());
        line.iter().for_each(|waiter| waiter.call());
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.line.borrow().len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.line.borrow().is_empty()
    }
}

impl Waiter {
    fn call(&self) {
        if let WaiterState::Waiting(waker) = self.state.replace(WaiterState::Called) {
            waker.wake();
        }
    }

    fn is_called(&self) -> bool {
        matches!(*self.state.borrow(), WaiterState::Called)
    }
}

/// A place in the line. Dropped before its turn it leaves the line; dropped after it was called, but before it knew,
/// it calls the next.
#[must_use = "a place in the line is to be awaited"]
pub struct Turn {
    queue: WaitQueue,
    waiter: Rc<Waiter>,
    done: bool,
}

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.waiter.is_called() {
            self.done = true;
            return Poll::Ready(());
        }
        self.waiter.state.replace(WaiterState::Waiting(context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        if self.waiter.is_called() {
            self.queue.call_one();
        } else {
            self.queue.line.borrow_mut().retain(|waiter| !Rc::ptr_eq(waiter, &self.waiter));
        }
    }
}
