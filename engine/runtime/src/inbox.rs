//! What other threads leave for a shard: jobs, woken tasks, and the call that ends its sleep.
//!
//! One bounded queue for each pair of shards, so that a busy sender fills only its own, and one for all threads that
//! are no shard. Woken tasks need no bound of their own: a task stands in the queue at most once.
//!
//! Shared by reference between all threads of a [`crate::ShardSet`]; emptied by its shard alone.

use std::sync::{Arc, OnceLock};
use std::task::Waker;

use crossbeam_queue::{ArrayQueue, SegQueue};

use crate::backend::WakeShard;
use crate::handle::Handle;
use crate::ids::{ShardIndex, SlotId};
use crate::room::RoomWaiters;
use crate::sleep::SleepFlag;
use crate::sync::{AtomicBool, Ordering, fence};

/// Work for a shard, run on its thread between two polls of its tasks.
pub type Job = Box<dyn FnOnce(&Handle) + Send>;

/// Why a job was not taken; it comes back to its sender.
pub enum SendError {
    /// The queue is full: the receiver is behind. Try later, or wait with `send`.
    Full(Job),
    /// The shard has ended.
    Closed(Job),
}

impl std::fmt::Debug for SendError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            SendError::Full(_) => "Full",
            SendError::Closed(_) => "Closed",
        })
    }
}

/// Who sends: one of the shards of the same set, or any other thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sender {
    Shard(ShardIndex),
    Outside,
}

/// Ends the sleep of one shard, but only if it sleeps.
pub(crate) struct ShardSignal {
    flag: SleepFlag,
    /// Set once by the shard's thread, before it first sleeps.
    target: OnceLock<Arc<dyn WakeShard>>,
}

impl ShardSignal {
    pub(crate) fn new() -> ShardSignal {
        ShardSignal { flag: SleepFlag::new(), target: OnceLock::new() }
    }

    /// To be called after a push that the shard must see.
    pub(crate) fn notify(&self) {
        if self.flag.must_wake()
            && let Some(target) = self.target.get()
        {
            target.wake();
        }
    }

    pub(crate) fn set_target(&self, target: Arc<dyn WakeShard>) {
        assert!(self.target.set(target).is_ok(), "a shard has one backend for its whole life");
    }

    pub(crate) fn prepare_to_sleep(&self) {
        self.flag.prepare_to_sleep();
    }

    pub(crate) fn awake(&self) {
        self.flag.awake();
    }
}

/// The queues into one shard.
pub(crate) struct Inbox {
    shard: ShardIndex,
    /// The same in all inboxes of a set: a shard of another set is an outsider.
    set: Arc<()>,
    signal: Arc<ShardSignal>,
    from_shards: Box<[ArrayQueue<Job>]>,
    from_outside: ArrayQueue<Job>,
    woken: SegQueue<SlotId>,
    closed: AtomicBool,
    room: RoomWaiters,
}

impl Inbox {
    /// The inboxes of `shard_count` shards that know each other; each sender may leave `capacity` jobs.
    pub(crate) fn set(shard_count: u16, capacity: usize) -> Vec<Arc<Inbox>> {
        let set = Arc::new(());
        let inbox = |shard| Inbox {
            shard: ShardIndex(shard),
            set: Arc::clone(&set),
            signal: Arc::new(ShardSignal::new()),
            from_shards: (0..shard_count).map(|_| ArrayQueue::new(capacity)).collect(),
            from_outside: ArrayQueue::new(capacity),
            woken: SegQueue::new(),
            closed: AtomicBool::new(false),
            room: RoomWaiters::new(),
        };
        (0..shard_count).map(|shard| Arc::new(inbox(shard))).collect()
    }

    pub(crate) fn is_sibling(&self, other: &Inbox) -> bool {
        Arc::ptr_eq(&self.set, &other.set)
    }

    pub(crate) fn shard(&self) -> ShardIndex {
        self.shard
    }

    pub(crate) fn signal(&self) -> &Arc<ShardSignal> {
        &self.signal
    }

    /// Leaves a job, or gives it back.
    pub(crate) fn try_send(&self, sender: Sender, job: Job) -> Result<(), SendError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(SendError::Closed(job));
        }
        self.queue_of(sender).push(job).map_err(SendError::Full)?;
        self.signal.notify();
        // The shard may have ended between the check and the push: nobody else would drop the job, and somebody may
        // wait for the reply channel that it owns.
        if self.closed.load(Ordering::Acquire) {
            self.drop_jobs();
        }
        Ok(())
    }

    /// Has `waker` called when there is room again, or the shard has ended.
    pub(crate) fn wait_for_room(&self, waker: &Waker) {
        self.room.register(waker.clone());
    }

    /// Reports a woken task, once until it is polled (the task's own flag sees to that).
    pub(crate) fn push_woken(&self, task: SlotId) {
        self.woken.push(task);
        self.signal.notify();
    }

    /// The shard's next woken task.
    pub(crate) fn pop_woken(&self) -> Option<SlotId> {
        self.woken.pop()
    }

    /// Takes up to `most` jobs of each queue, in the queues' order.
    pub(crate) fn take_jobs(&self, most: usize, jobs: &mut Vec<Job>) {
        let before = jobs.len();
        for queue in self.queues() {
            jobs.extend(std::iter::from_fn(|| queue.pop()).take(most));
        }
        if jobs.len() > before {
            self.room.wake_all();
        }
    }

    /// Whether the shard would find anything here.
    pub(crate) fn has_work(&self) -> bool {
        !self.woken.is_empty() || self.queues().any(|queue| !queue.is_empty())
    }

    /// No job is taken from now on; those that wait are dropped, and with them their reply channels.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
        self.drop_jobs();
        self.room.wake_all();
    }

    fn drop_jobs(&self) {
        for queue in self.queues() {
            while queue.pop().is_some() {}
        }
    }

    fn queue_of(&self, sender: Sender) -> &ArrayQueue<Job> {
        match sender {
            Sender::Shard(shard) => &self.from_shards[shard.as_usize()],
            Sender::Outside => &self.from_outside,
        }
    }

    fn queues(&self) -> impl Iterator<Item = &ArrayQueue<Job>> {
        self.from_shards.iter().chain([&self.from_outside])
    }
}
