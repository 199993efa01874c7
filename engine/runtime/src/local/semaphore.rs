//! A bounded number of permits.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Permits that tasks take and give back. Who asks for many is served before who came later and asks for few, so that
/// nobody starves. Clones are the same semaphore.
#[derive(Clone)]
pub struct Semaphore {
    shared: Rc<Shared>,
}

struct Shared {
    free: Cell<usize>,
    line: RefCell<VecDeque<Rc<Waiter>>>,
}

struct Waiter {
    wanted: usize,
    granted: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Semaphore {
    /// A semaphore of `permits`.
    pub fn new(permits: usize) -> Semaphore {
        Semaphore { shared: Rc::new(Shared { free: Cell::new(permits), line: RefCell::default() }) }
    }

    /// Permits that are free, whether or not somebody waits for more.
    pub fn available(&self) -> usize {
        self.shared.free.get()
    }

    /// How many tasks wait.
    pub fn waiting(&self) -> usize {
        self.shared.line.borrow().len()
    }

    /// Takes `permits` if they are free and nobody waits.
    pub fn try_acquire(&self, permits: usize) -> Option<Permit> {
        (self.shared.line.borrow().is_empty() && self.shared.take(permits)).then(|| self.permit(permits))
    }

    /// Takes `permits` when they are free, in turn. More than there are in all are never free.
    pub fn acquire(&self, permits: usize) -> Acquire {
        let waiter =
            Rc::new(Waiter { wanted: permits, granted: Cell::new(false), waker: RefCell::default() });
        self.shared.line.borrow_mut().push_back(Rc::clone(&waiter));
        self.shared.serve();
        Acquire { semaphore: self.clone(), waiter, done: false }
    }

    /// Adds permits, also beyond those it began with.
    pub fn add(&self, permits: usize) {
        self.shared.give_back(permits);
    }

    fn permit(&self, permits: usize) -> Permit {
        Permit { shared: Rc::clone(&self.shared), permits }
    }
}

impl Shared {
    fn take(&self, permits: usize) -> bool {
        let rest = self.free.get().checked_sub(permits);
        rest.is_some_and(|rest| {
            self.free.set(rest);
            true
        })
    }

    fn give_back(&self, permits: usize) {
        self.free.set(self.free.get() + permits);
        self.serve();
    }

    /// Grants those at the head of the line what they want, as long as there is enough.
    fn serve(&self) {
        loop {
            let mut line = self.line.borrow_mut();
            let Some(first) = line.pop_front_if(|first| self.take(first.wanted)) else { return };
            drop(line);
            first.granted.set(true);
            let waker = first.waker.take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

/// Waits for its permits. Made by [`Semaphore::acquire`].
#[must_use = "an acquisition is to be awaited"]
pub struct Acquire {
    semaphore: Semaphore,
    waiter: Rc<Waiter>,
    done: bool,
}

impl Future for Acquire {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Permit> {
        if self.waiter.granted.get() {
            self.done = true;
            return Poll::Ready(self.semaphore.permit(self.waiter.wanted));
        }
        self.waiter.waker.replace(Some(context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let shared = &self.semaphore.shared;
        if self.waiter.granted.get() {
            shared.give_back(self.waiter.wanted);
        } else {
            shared.line.borrow_mut().retain(|waiter| !Rc::ptr_eq(waiter, &self.waiter));
            // Those behind may want less.
            shared.serve();
        }
    }
}

/// Permits taken; given back when dropped.
#[must_use = "permits are given back when dropped"]
pub struct Permit {
    shared: Rc<Shared>,
    permits: usize,
}

impl Permit {
    /// How many.
    pub fn count(&self) -> usize {
        self.permits
    }

    /// Keeps them for good: they are not given back.
    pub fn forget(mut self) {
        self.permits = 0;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.permits > 0 {
            self.shared.give_back(self.permits);
        }
    }
}
