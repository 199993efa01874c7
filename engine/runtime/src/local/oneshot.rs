//! One value from one task to another.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::local::Closed;

/// A channel for one value, within one shard.
pub fn oneshot<T>() -> (Sender<T>, Receiver<T>) {
    let state = Rc::new(RefCell::new(State::Waiting(None)));
    (Sender { state: Rc::clone(&state) }, Receiver { state })
}

enum State<T> {
    Waiting(Option<Waker>),
    Sent(T),
    Closed,
}

/// Gives the value.
pub struct Sender<T> {
    state: Rc<RefCell<State<T>>>,
}

impl<T> Sender<T> {
    /// Gives the value, or gets it back if the receiver is gone.
    pub fn send(self, value: T) -> Result<(), T> {
        if self.is_closed() {
            return Err(value);
        }
        self.finish(State::Sent(value));
        Ok(())
    }

    /// Whether the receiver is gone.
    pub fn is_closed(&self) -> bool {
        Rc::strong_count(&self.state) == 1
    }

    fn finish(&self, end: State<T>) {
        if let State::Waiting(Some(waker)) = self.state.replace(end) {
            waker.wake();
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let unsent = matches!(*self.state.borrow(), State::Waiting(_));
        if unsent {
            self.finish(State::Closed);
        }
    }
}

/// Awaits the value; [`Closed`] if the sender went without giving one.
#[must_use = "a receiver is to be awaited"]
pub struct Receiver<T> {
    state: Rc<RefCell<State<T>>>,
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, Closed>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T, Closed>> {
        let mut state = self.state.borrow_mut();
        if let State::Waiting(waker) = &mut *state {
            *waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        match std::mem::replace(&mut *state, State::Closed) {
            State::Sent(value) => Poll::Ready(Ok(value)),
            _ => Poll::Ready(Err(Closed)),
        }
    }
}
