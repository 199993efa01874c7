//! One request's place: the reader fills it, the caller waits for it.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::error::Error;

/// So many pages may wait for the caller before nothing more is read from the connection.
const PAGES_WAITING_MAX: usize = 2;

/// What a request came to, or a page of it: the whole body.
pub(crate) type Outcome = Result<Body, Error>;

/// A body that was put together from its parts.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    /// The exception, if the body is that of an error.
    pub(crate) exception: Option<u16>,
    /// Whether another body follows.
    pub(crate) has_next: bool,
}

/// One request's place.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    state: Mutex<SlotState>,
    /// Told when a page was taken, or the caller went.
    taken: Condvar,
}

#[derive(Debug, Default)]
struct SlotState {
    parts: Vec<u8>,
    outcomes: VecDeque<Outcome>,
    waiting: Option<Waker>,
    is_abandoned: bool,
}

impl Slot {
    /// Adds a part of a body that is not whole.
    pub(crate) fn add_part(&self, part: &[u8]) {
        self.lock().parts.extend_from_slice(part);
    }

    /// Adds a body's last part, and waits while too many bodies wait for the caller.
    pub(crate) fn finish_body(&self, last_part: &[u8], exception: Option<u16>, has_next: bool) {
        let mut state = self.lock();
        state.parts.extend_from_slice(last_part);
        let bytes = std::mem::take(&mut state.parts);
        state.outcomes.push_back(Ok(Body { bytes, exception, has_next }));
        wake(&mut state);
        while state.outcomes.len() >= PAGES_WAITING_MAX && !state.is_abandoned {
            state = self.taken.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// There will be no further body.
    pub(crate) fn fail(&self, error: Error) {
        let mut state = self.lock();
        state.outcomes.push_back(Err(error));
        wake(&mut state);
    }

    /// Nobody waits any more.
    pub(crate) fn abandon(&self) {
        self.lock().is_abandoned = true;
        self.taken.notify_all();
    }

    /// Waits for the next body.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Outcome> {
        let mut state = self.lock();
        match state.outcomes.pop_front() {
            Some(outcome) => {
                self.taken.notify_all();
                Poll::Ready(outcome)
            }
            None => {
                state.waiting = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, SlotState> {
        // Nobody panics while holding it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(state: &mut SlotState) {
    if let Some(waker) = state.waiting.take() {
        waker.wake();
    }
}

/// Waits on the calling thread for a future that other threads complete.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match Pin::as_mut(&mut future).poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Wakes a thread that waits in [`block_on`].
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
