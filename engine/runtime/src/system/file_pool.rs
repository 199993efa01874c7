//! A few threads that wait for the file system, so that shards need not.
//!
//! One pool serves all shards of a process: the portable backend's reads and writes, and of every backend the calls
//! that may block for long (opening, renaming, listing). A job carries its buffers and a reference to its file; its
//! result goes to the shard's [`Replies`].

#![expect(clippy::disallowed_types, reason = "threads are started here")]

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crossbeam_queue::SegQueue;

use crate::backend::{Operation, Outcome};
use crate::ids::SlotId;
use crate::inbox::ShardSignal;
use crate::system::files::{self, SystemFile};

/// What a job came to. A file that was opened has no number yet: the shard gives it one.
pub(crate) enum Performed {
    Opened(io::Result<SystemFile>),
    Other(Outcome),
}

/// Where the results of one shard's jobs arrive. Never more than the shard has in flight.
pub(crate) struct Replies {
    arrived: SegQueue<(SlotId, Performed)>,
    signal: Arc<ShardSignal>,
}

impl Replies {
    pub(crate) fn new(signal: Arc<ShardSignal>) -> Arc<Replies> {
        Arc::new(Replies { arrived: SegQueue::new(), signal })
    }

    pub(crate) fn pop(&self) -> Option<(SlotId, Performed)> {
        self.arrived.pop()
    }

    fn push(&self, slot: SlotId, performed: Performed) {
        self.arrived.push((slot, performed));
        self.signal.notify();
    }
}

/// One operation on files.
pub(crate) struct FileJob {
    pub(crate) slot: SlotId,
    pub(crate) operation: Operation,
    pub(crate) file: Option<Arc<OwnedFd>>,
    pub(crate) replies: Arc<Replies>,
}

impl FileJob {
    fn run(self) {
        let FileJob { slot, operation, file, replies } = self;
        let performed = match operation {
            Operation::OpenFile { path, options } => Performed::Opened(files::open(&path, options)),
            operation => Performed::Other(files::perform(operation, file.as_deref())),
        };
        // Before the reply, so that whoever hears of a close finds the file closed.
        drop(file);
        replies.push(slot, performed);
    }
}

/// The threads' owner. They end after the jobs that were given before its drop.
pub(crate) struct FilePool {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<FileJob>,
    /// Kept open until the last thread has ended.
    held: Vec<Arc<OwnedFd>>,
    closed: bool,
}

impl FilePool {
    pub(crate) fn start(threads: usize) -> io::Result<Arc<FilePool>> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let pool = Arc::new(FilePool { shared: Arc::clone(&shared) });
        for number in 0..threads {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new()
                .name(format!("basalt-file-{number}"))
                .spawn(move || while shared.take().map(FileJob::run).is_some() {})?;
        }
        Ok(pool)
    }

    pub(crate) fn submit(&self, job: FileJob) {
        self.shared.locked().jobs.push_back(job);
        self.shared.changed.notify_one();
    }

    /// Keeps `file` open as long as any thread may still be in a system call.
    pub(crate) fn hold(&self, file: Arc<OwnedFd>) {
        self.shared.locked().held.push(file);
    }
}

impl Drop for FilePool {
    fn drop(&mut self) {
        self.shared.locked().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    /// The next job; `None` when the pool is closed and empty.
    fn take(&self) -> Option<FileJob> {
        let waiting = self.changed.wait_while(self.locked(), |state| state.jobs.is_empty() && !state.closed);
        waiting.unwrap_or_else(PoisonError::into_inner).jobs.pop_front()
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements: a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
