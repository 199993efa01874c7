//! One value from any thread to any other: the reply channel of jobs sent between shards.
//!
//! Works under any executor, and without one: [`Receiver::recv_blocking`], [`block_on`].

#![expect(clippy::disallowed_types, reason = "the two ends are on two threads; the lock is held for a move")]

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

/// Why a wait ended without a value: the sender is gone, with its shard or its thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sender is gone")]
pub struct Closed;

/// A channel for one value, between threads.
pub fn oneshot<T: Send>() -> (Sender<T>, Receiver<T>) {
    let channel = Arc::new(Channel { state: Mutex::new(State::Waiting(None)) });
    (Sender { channel: Arc::clone(&channel) }, Receiver { channel })
}

struct Channel<T> {
    state: Mutex<State<T>>,
}

enum State<T> {
    Waiting(Option<Waker>),
    Sent(T),
    Closed,
}

impl<T> Channel<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        // The state is replaced whole; a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the wait, unless it has ended; the end comes back if nobody will see it.
    fn finish(&self, end: State<T>) -> Option<State<T>> {
        let mut state = self.state();
        let State::Waiting(waker) = &mut *state else { return Some(end) };
        let waker = waker.take();
        *state = end;
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        None
    }
}

/// Gives the value.
pub struct Sender<T> {
    channel: Arc<Channel<T>>,
}

impl<T> Sender<T> {
    /// Gives the value, or gets it back if the receiver is gone.
    pub fn send(self, value: T) -> Result<(), T> {
        match self.channel.finish(State::Sent(value)) {
            Some(State::Sent(value)) => Err(value),
            _ => Ok(()),
        }
    }

    /// Whether the receiver is gone, so that the work may be left undone.
    pub fn is_closed(&self) -> bool {
        matches!(*self.channel.state(), State::Closed)
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // Refused if the value was sent, or nobody waits.
        drop(self.channel.finish(State::Closed));
    }
}

/// Awaits the value; [`Closed`] if the sender went without giving one.
#[must_use = "a receiver is to be awaited"]
pub struct Receiver<T> {
    channel: Arc<Channel<T>>,
}

impl<T> Receiver<T> {
    /// Waits on a thread that is no shard's.
    pub fn recv_blocking(self) -> Result<T, Closed> {
        block_on(self)
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, Closed>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T, Closed>> {
        let mut state = self.channel.state();
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

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let last = std::mem::replace(&mut *self.channel.state(), State::Closed);
        drop(last);
    }
}

/// Runs a future on the present thread, which sleeps in between. Not for a shard's thread, which would stand still.
///
/// # Panics
/// On a shard's thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    assert!(crate::current_shard().is_none(), "a shard must not block");
    let waker = Waker::from(Arc::new(ThreadWaker(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

struct ThreadWaker(Thread);

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
