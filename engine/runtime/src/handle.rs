//! The handle by which tasks use their shard: spawning, time, entropy, and the way to files and sockets.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use crate::backend::{
    BackendKind, DetachedSocket, DirectoryEntry, Metadata, OpenOptions, Operation, Outcome, SharedFile,
};
use crate::core::Core;
use crate::file::{File, mismatched};
use crate::ids::ShardIndex;
use crate::socket::{TcpListener, TcpStream};
use crate::task::Task;
use crate::time::{MonotonicTime, UnixTime};
use crate::timer::Sleep;

/// One shard's executor, as its tasks see it. Cheap to clone; stays on its thread.
#[derive(Clone)]
pub struct Handle {
    core: Rc<Core>,
}

impl Handle {
    pub(crate) fn new(core: Rc<Core>) -> Handle {
        Handle { core }
    }

    /// Which shard this is.
    pub fn shard(&self) -> ShardIndex {
        self.core.shard()
    }

    /// Which backend the shard runs on.
    pub fn backend(&self) -> BackendKind {
        self.core.kind()
    }

    /// Starts a task; it is polled after all tasks that are ready now.
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> Task<T> {
        Task::spawn(&self.core, future)
    }

    /// Tasks that have not ended.
    pub fn live_tasks(&self) -> usize {
        self.core.live_tasks()
    }

    /// The clock that only grows.
    pub fn now(&self) -> MonotonicTime {
        self.core.now()
    }

    /// When the present poll of a task began: behind [`Handle::now`] by no more than the poll has taken, and without a
    /// look at the clock. No timer of a later moment has rung.
    pub fn poll_began(&self) -> MonotonicTime {
        self.core.poll_began()
    }

    /// The calendar's clock.
    pub fn unix_time(&self) -> UnixTime {
        self.core.unix_time()
    }

    /// Waits for a time.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.now() + duration)
    }

    /// Waits for a moment.
    pub fn sleep_until(&self, deadline: MonotonicTime) -> Sleep {
        Sleep::new(&self.core, deadline)
    }

    /// Lets all other ready tasks run first.
    pub fn yield_now(&self) -> YieldNow {
        YieldNow { yielded: false }
    }

    /// Lets other tasks run if this one has used up its 500 us; to be called between the steps of long work.
    pub async fn yield_if_due(&self) {
        if self.core.budget_is_spent() {
            self.yield_now().await;
        }
    }

    /// Whether this task has used up its 500 us since it was last polled.
    pub fn budget_is_spent(&self) -> bool {
        self.core.budget_is_spent()
    }

    /// Fills `bytes` with unpredictable bytes.
    pub fn fill_entropy(&self, bytes: &mut [u8]) {
        self.core.fill_entropy(bytes);
    }

    /// An unpredictable number.
    pub fn random_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_entropy(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Opens or makes a file.
    pub async fn open_file(&self, path: &Path, options: OpenOptions) -> io::Result<File> {
        let opening = self.core.start(Operation::OpenFile { path: path.to_owned(), options }, None);
        match opening.await {
            Outcome::Opened(opened) => Ok(File::new(&self.core, path, opened?, options)),
            other => mismatched("open", &other),
        }
    }

    /// Makes a directory and its missing parents.
    pub async fn create_directory_all(&self, path: &Path) -> io::Result<()> {
        self.done(Operation::CreateDirectoryAll { path: path.to_owned() }).await
    }

    /// Removes an empty directory.
    pub async fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.done(Operation::RemoveDirectory { path: path.to_owned() }).await
    }

    /// Gives a file or directory another name; a file of that name is replaced.
    pub async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.done(Operation::Rename { from: from.to_owned(), to: to.to_owned() }).await
    }

    /// Removes a file's name.
    pub async fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.done(Operation::RemoveFile { path: path.to_owned() }).await
    }

    /// Makes created, renamed and removed names of a directory durable.
    pub async fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.done(Operation::SyncDirectory { path: path.to_owned() }).await
    }

    /// A directory's names, sorted.
    pub async fn read_directory(&self, path: &Path) -> io::Result<Vec<DirectoryEntry>> {
        match self.core.start(Operation::ReadDirectory { path: path.to_owned() }, None).await {
            Outcome::Entries(entries) => entries,
            other => mismatched("read_directory", &other),
        }
    }

    /// What a path is; `None` if it is not there.
    pub async fn metadata(&self, path: &Path) -> io::Result<Option<Metadata>> {
        match self.core.start(Operation::Metadata { path: path.to_owned() }, None).await {
            Outcome::Metadata(metadata) => metadata,
            other => mismatched("metadata", &other),
        }
    }

    /// Keeps the lock on `file` until the last request of this shard has ended, even if the process is killed
    /// (STORAGE §1). The other shards of the process do the same with [`Handle::hold_shared`].
    pub fn hold_for_ring(&self, file: &File) -> io::Result<()> {
        self.core.with_backend(|backend| backend.hold_for_requests(file.id()))
    }

    /// [`Handle::hold_for_ring`] for a file that another shard opened and gave here with [`File::share`].
    pub fn hold_shared(&self, file: &SharedFile) -> io::Result<()> {
        self.core.with_backend(|backend| backend.hold_shared(file))
    }

    /// Opens a listening socket. Port 0 takes a free one.
    pub fn listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let (listener, address) = self.core.with_backend(|backend| backend.listen(address))?;
        Ok(TcpListener::new(&self.core, listener, address))
    }

    pub(crate) fn attach_socket(&self, socket: DetachedSocket, peer: SocketAddr) -> io::Result<TcpStream> {
        let socket = self.core.with_backend(|backend| backend.attach_socket(socket))?;
        Ok(TcpStream::new(&self.core, socket, peer))
    }

    /// Ends the whole process, at once and without running anything more: the state in memory is not to be trusted, and
    /// the next start decides from the disk (STORAGE §14). In simulation the run ends with this reason.
    pub fn abort_process(&self, reason: &str) -> ! {
        if self.backend() == BackendKind::Simulation {
            crate::sim::stop_process(reason);
        }
        tracing::error!(reason, "the process ends, and its next start recovers from disk");
        std::process::abort()
    }

    async fn done(&self, operation: Operation) -> io::Result<()> {
        match self.core.start(operation, None).await {
            Outcome::Done(result) => result,
            other => mismatched("directory operation", &other),
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Handle(shard {}, {})", self.shard(), self.backend().name())
    }
}

/// Ends at its second poll. Made by [`Handle::yield_now`].
#[derive(Debug)]
#[must_use = "a yield does nothing unless awaited"]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
