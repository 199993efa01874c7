//! The state of one shard's executor: tasks, timers, operations and the backend they run on.
//!
//! Shared by reference between the executor, which drives it, and the handles, files and sockets that tasks hold. One
//! thread owns all of it. No borrow is held while foreign code runs (a poll, a waker, a destructor), so that each of
//! them may come back here.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::backend::{Backend, BackendKind, Completion, Operation, Outcome, Wait};
use crate::ids::{ShardIndex, SlotId};
use crate::inbox::Inbox;
use crate::operation_slab::{Arrival, Completed, Held, OperationSlab};
use crate::task::{RunningTask, TaskTable};
use crate::time::{MonotonicTime, UnixTime};
use crate::timer::{TimerKey, TimerQueue};

/// How long a task may run before it should let others (STORAGE §11).
pub(crate) const TASK_BUDGET: Duration = Duration::from_micros(500);

pub(crate) struct Core {
    inbox: Arc<Inbox>,
    tasks: RefCell<TaskTable>,
    ready: RefCell<VecDeque<SlotId>>,
    timers: RefCell<TimerQueue>,
    operations: RefCell<OperationSlab>,
    /// `None` once the shard has ended.
    backend: RefCell<Option<Box<dyn Backend>>>,
    kind: BackendKind,
    /// When the present poll began.
    poll_began: Cell<MonotonicTime>,
}

impl Core {
    pub(crate) fn new(inbox: Arc<Inbox>, backend: Box<dyn Backend>) -> Core {
        Core {
            inbox,
            tasks: RefCell::default(),
            ready: RefCell::default(),
            timers: RefCell::default(),
            operations: RefCell::default(),
            kind: backend.kind(),
            poll_began: Cell::new(backend.now()),
            backend: RefCell::new(Some(backend)),
        }
    }

    pub(crate) fn shard(&self) -> ShardIndex {
        self.inbox.shard()
    }

    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    pub(crate) fn is_home(&self, inbox: &Arc<Inbox>) -> bool {
        Arc::ptr_eq(&self.inbox, inbox)
    }

    pub(crate) fn kind(&self) -> BackendKind {
        self.kind
    }

    // Clock and entropy.

    pub(crate) fn now(&self) -> MonotonicTime {
        self.with_backend_shared(|backend| backend.now())
    }

    pub(crate) fn unix_time(&self) -> UnixTime {
        self.with_backend_shared(|backend| backend.unix_time())
    }

    pub(crate) fn fill_entropy(&self, bytes: &mut [u8]) {
        self.with_backend(|backend| backend.fill_entropy(bytes));
    }

    // Tasks.

    pub(crate) fn insert_task(&self, future: Pin<Box<dyn Future<Output = ()>>>) -> SlotId {
        let slot = self.tasks.borrow_mut().insert(future, &self.inbox);
        self.push_ready(slot);
        slot
    }

    pub(crate) fn abort_task(&self, slot: SlotId) {
        let aborted = self.tasks.borrow_mut().abort(slot);
        drop(aborted);
    }

    pub(crate) fn push_ready(&self, slot: SlotId) {
        self.ready.borrow_mut().push_back(slot);
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.borrow().is_empty()
    }

    pub(crate) fn live_tasks(&self) -> usize {
        self.tasks.borrow().live()
    }

    /// The next task of the queue that has not ended, taken out for its poll.
    pub(crate) fn take_next_task(&self) -> Option<(SlotId, RunningTask)> {
        loop {
            let slot = self.ready.borrow_mut().pop_front()?;
            let task = self.tasks.borrow_mut().take(slot);
            if let Some(task) = task {
                return Some((slot, task));
            }
        }
    }

    pub(crate) fn put_back_task(&self, slot: SlotId, task: RunningTask, poll: Poll<()>) {
        let ended = self.tasks.borrow_mut().put_back(slot, task, poll);
        drop(ended);
    }

    pub(crate) fn begin_poll(&self, now: MonotonicTime) {
        self.poll_began.set(now);
    }

    /// When the present poll, or the turn's jobs, began.
    pub(crate) fn poll_began(&self) -> MonotonicTime {
        self.poll_began.get()
    }

    /// Whether the present poll has used up its time.
    pub(crate) fn budget_is_spent(&self) -> bool {
        self.now() - self.poll_began.get() >= TASK_BUDGET
    }

    // Timers.

    pub(crate) fn timer_key(&self, deadline: MonotonicTime) -> TimerKey {
        self.timers.borrow_mut().key(deadline)
    }

    pub(crate) fn wait_for_timer(&self, key: TimerKey, waker: &Waker) {
        self.timers.borrow_mut().wait(key, waker);
    }

    pub(crate) fn cancel_timer(&self, key: TimerKey) {
        let waker = self.timers.borrow_mut().cancel(key);
        drop(waker);
    }

    pub(crate) fn next_deadline(&self) -> Option<MonotonicTime> {
        self.timers.borrow().next_deadline()
    }

    /// Wakes whom the clock has reached; whether there was anybody.
    pub(crate) fn fire_timers(&self, now: MonotonicTime) -> bool {
        let mut fired = false;
        loop {
            let due = self.timers.borrow_mut().pop_due(now);
            let Some(waker) = due else { return fired };
            waker.wake();
            fired = true;
        }
    }

    // Operations.

    /// Submits an operation that keeps `held` open until its last completion.
    pub(crate) fn start(self: &Rc<Self>, operation: Operation, held: Held) -> InFlight {
        let slot = self.operations.borrow_mut().insert(held);
        self.with_backend(|backend| backend.submit(slot, operation));
        InFlight { core: Rc::clone(self), slot, ended: false }
    }

    /// Submits an operation whose end nobody waits for; nothing once the backend is gone.
    pub(crate) fn start_orphan(&self, operation: Operation) {
        if let Some(backend) = self.backend.borrow_mut().as_mut() {
            let slot = self.operations.borrow_mut().insert_orphan();
            backend.submit(slot, operation);
        }
    }

    /// Calls the backend for what is no operation.
    pub(crate) fn with_backend<R>(&self, f: impl FnOnce(&mut dyn Backend) -> R) -> R {
        let mut backend = self.backend.borrow_mut();
        f(backend.as_mut().expect("the shard has not ended").as_mut())
    }

    fn with_backend_shared<R>(&self, f: impl FnOnce(&dyn Backend) -> R) -> R {
        let backend = self.backend.borrow();
        f(backend.as_ref().expect("the shard has not ended").as_ref())
    }

    /// Collects completions; whether there was any.
    pub(crate) fn poll_backend(&self, wait: Wait, completions: &mut Vec<Completion>) -> bool {
        self.with_backend(|backend| backend.poll(wait, completions));
        let any = !completions.is_empty();
        for Completion { slot, outcome, last } in completions.drain(..) {
            let completed = self.operations.borrow_mut().complete(slot, outcome, last);
            self.settle(completed);
        }
        any
    }

    fn settle(&self, completed: Completed) {
        let Completed { waker, unwanted, released } = completed;
        if let Some(waker) = waker {
            waker.wake();
        }
        if let Some(outcome) = unwanted {
            self.close_unwanted(outcome);
        }
        drop(released);
    }

    /// Closes what an operation opened for somebody who is gone.
    fn close_unwanted(&self, outcome: Outcome) {
        match outcome {
            Outcome::Opened(Ok(opened)) => self.start_orphan(Operation::CloseFile { file: opened.file }),
            Outcome::Accepted(Ok(accepted)) => {
                self.start_orphan(Operation::CloseSocket { socket: accepted.socket })
            }
            _ => {}
        }
    }

    fn orphan(&self, slot: SlotId) {
        let (arrived, in_flight) = self.operations.borrow_mut().orphan(slot);
        if in_flight && let Some(backend) = self.backend.borrow_mut().as_mut() {
            backend.cancel(slot);
        }
        arrived.into_iter().for_each(|outcome| self.close_unwanted(outcome));
    }

    pub(crate) fn operations_in_flight(&self) -> usize {
        self.operations.borrow().in_flight()
    }

    // The end.

    pub(crate) fn drop_tasks(&self) {
        // A destructor may spawn: until nothing is left.
        loop {
            let tasks = self.tasks.borrow_mut().take_all();
            if tasks.is_empty() {
                break;
            }
            drop(tasks);
        }
        let timers = self.timers.borrow_mut().clear();
        drop(timers);
    }

    pub(crate) fn cancel_all(&self) {
        let slots = self.operations.borrow().slots_in_flight();
        self.with_backend(|backend| slots.into_iter().for_each(|slot| backend.cancel(slot)));
    }

    /// Drops the backend and lets go of what its operations held open.
    pub(crate) fn drop_backend(&self) {
        let backend = self.backend.borrow_mut().take();
        drop(backend);
        let held = self.operations.borrow_mut().take_all_held();
        drop(held);
    }
}

/// An operation that somebody waits for. Dropping it cancels the operation; what it still opens is closed.
pub(crate) struct InFlight {
    core: Rc<Core>,
    slot: SlotId,
    ended: bool,
}

impl InFlight {
    /// The next outcome of an operation that completes repeatedly, and whether it was the last.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Arrival> {
        let arrival = self.core.operations.borrow_mut().poll(self.slot, context);
        if let Poll::Ready(arrival) = &arrival {
            self.ended = arrival.last;
        }
        arrival
    }
}

impl Future for InFlight {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        self.poll_next(context).map(|arrival| {
            assert!(arrival.last, "an awaited operation completes once");
            arrival.outcome
        })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.ended {
            self.core.orphan(self.slot);
        }
    }
}
