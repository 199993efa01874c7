//! Tasks: futures that a shard runs, and the table that keeps them.
//!
//! A future never leaves its shard and need not be `Send`; its waker is `Send` and may be called from anywhere. The
//! two meet in [`TaskHeader`], which knows where the task lives and whether it stands in a queue already.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::core::Core;
use crate::current;
use crate::ids::SlotId;
use crate::inbox::Inbox;
use crate::queued_flag::QueuedFlag;

/// What a task's wakers share.
pub(crate) struct TaskHeader {
    slot: SlotId,
    queued: QueuedFlag,
    home: Arc<Inbox>,
}

impl Wake for TaskHeader {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.mark() {
            return;
        }
        current::with(|core| match core {
            Some(core) if core.is_home(&self.home) => core.push_ready(self.slot),
            _ => self.home.push_woken(self.slot),
        });
    }
}

/// A future and what wakes it.
pub(crate) struct RunningTask {
    future: Pin<Box<dyn Future<Output = ()>>>,
    header: Arc<TaskHeader>,
    waker: Waker,
}

impl RunningTask {
    pub(crate) fn poll(&mut self) -> Poll<()> {
        self.header.queued.begin_poll();
        self.future.as_mut().poll(&mut Context::from_waker(&self.waker))
    }
}

enum TaskState {
    Vacant,
    /// Between two polls.
    Resting(RunningTask),
    /// Taken out for its poll.
    Polled,
    /// Taken out for its poll, in which it was aborted.
    Aborted,
}

struct TaskEntry {
    generation: u32,
    state: TaskState,
}

/// All tasks of a shard. Places are used again, last freed first.
#[derive(Default)]
pub(crate) struct TaskTable {
    entries: Vec<TaskEntry>,
    free: Vec<u32>,
}

impl TaskTable {
    /// Stores a task that counts as queued; the caller queues it.
    pub(crate) fn insert(&mut self, future: Pin<Box<dyn Future<Output = ()>>>, home: &Arc<Inbox>) -> SlotId {
        let slot = self.reserve();
        let header = Arc::new(TaskHeader { slot, queued: QueuedFlag::new_queued(), home: Arc::clone(home) });
        let waker = Waker::from(Arc::clone(&header));
        self.entries[slot.index as usize].state = TaskState::Resting(RunningTask { future, header, waker });
        slot
    }

    fn reserve(&mut self) -> SlotId {
        if let Some(index) = self.free.pop() {
            return SlotId { index, generation: self.entries[index as usize].generation };
        }
        let index = u32::try_from(self.entries.len()).expect("tasks are fewer than 2^32");
        self.entries.push(TaskEntry { generation: 0, state: TaskState::Vacant });
        SlotId { index, generation: 0 }
    }

    /// Takes a task out for its poll; nothing if it has ended.
    pub(crate) fn take(&mut self, slot: SlotId) -> Option<RunningTask> {
        let entry = self.entry(slot)?;
        match std::mem::replace(&mut entry.state, TaskState::Polled) {
            TaskState::Resting(task) => Some(task),
            other => {
                entry.state = other;
                None
            }
        }
    }

    /// Puts a polled task back, or frees its place. What comes back is to be dropped, outside of any borrow.
    #[must_use]
    pub(crate) fn put_back(
        &mut self,
        slot: SlotId,
        task: RunningTask,
        poll: Poll<()>,
    ) -> Option<RunningTask> {
        let entry = self.entry(slot).expect("a polled task keeps its place");
        if poll.is_pending() && matches!(entry.state, TaskState::Polled) {
            entry.state = TaskState::Resting(task);
            return None;
        }
        self.release(slot);
        Some(task)
    }

    /// Ends a task. What comes back is to be dropped, outside of any borrow.
    #[must_use]
    pub(crate) fn abort(&mut self, slot: SlotId) -> Option<RunningTask> {
        let entry = self.entry(slot)?;
        match std::mem::replace(&mut entry.state, TaskState::Aborted) {
            TaskState::Resting(task) => {
                self.release(slot);
                Some(task)
            }
            TaskState::Polled | TaskState::Aborted => None,
            TaskState::Vacant => unreachable!("a vacant place has another generation"),
        }
    }

    /// Takes out every resting task, for shutdown.
    pub(crate) fn take_all(&mut self) -> Vec<RunningTask> {
        let slots: Vec<SlotId> = (0_u32..)
            .zip(&self.entries)
            .filter(|(_, entry)| matches!(entry.state, TaskState::Resting(_)))
            .map(|(index, entry)| SlotId { index, generation: entry.generation })
            .collect();
        slots.into_iter().filter_map(|slot| self.abort(slot)).collect()
    }

    /// Tasks that have not ended.
    pub(crate) fn live(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    fn entry(&mut self, slot: SlotId) -> Option<&mut TaskEntry> {
        self.entries.get_mut(slot.index as usize).filter(|entry| entry.generation == slot.generation)
    }

    fn release(&mut self, slot: SlotId) {
        let entry = &mut self.entries[slot.index as usize];
        entry.state = TaskState::Vacant;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(slot.index);
    }
}

/// A spawned task's result, to be awaited. Dropping it lets the task run on alone.
#[must_use = "await it, abort it, or drop it to let the task run on alone"]
pub struct Task<T> {
    core: Weak<Core>,
    slot: SlotId,
    result: Rc<RefCell<TaskResult<T>>>,
}

enum TaskResult<T> {
    Running(Option<Waker>),
    Finished(T),
    Taken,
}

impl<T: 'static> Task<T> {
    /// Puts `future` on `core`'s queue.
    pub(crate) fn spawn(core: &Rc<Core>, future: impl Future<Output = T> + 'static) -> Task<T> {
        let result = Rc::new(RefCell::new(TaskResult::Running(None)));
        let slot = core.insert_task(Box::pin(deliver(future, Rc::clone(&result))));
        Task { core: Rc::downgrade(core), slot, result }
    }
}

async fn deliver<T>(future: impl Future<Output = T>, result: Rc<RefCell<TaskResult<T>>>) {
    let value = future.await;
    let before = result.replace(TaskResult::Finished(value));
    if let TaskResult::Running(Some(waiting)) = before {
        waiting.wake();
    }
}

impl<T> Task<T> {
    /// Ends the task: its future is dropped, at once or, if it is being polled, when that poll returns.
    pub fn abort(self) {
        if let Some(core) = self.core.upgrade() {
            core.abort_task(self.slot);
        }
    }

    /// Lets the task run on alone; the same as dropping this, said aloud.
    pub fn detach(self) {}

    /// Whether the result is there.
    pub fn is_finished(&self) -> bool {
        matches!(*self.result.borrow(), TaskResult::Finished(_))
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut result = self.result.borrow_mut();
        match std::mem::replace(&mut *result, TaskResult::Taken) {
            TaskResult::Finished(value) => Poll::Ready(value),
            TaskResult::Running(_) => {
                *result = TaskResult::Running(Some(context.waker().clone()));
                Poll::Pending
            }
            TaskResult::Taken => panic!("a task was polled after it had given its result"),
        }
    }
}
