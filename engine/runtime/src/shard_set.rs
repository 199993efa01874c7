//! The shards of a process: their threads, and the way to send them work.

#![expect(clippy::disallowed_types, reason = "shards' threads are started here")]

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::Poll;
use std::thread::JoinHandle;

use crate::backend::{Backend, BackendKind};
use crate::current;
use crate::executor::{Executor, PanicPolicy, SpinPolicy};
use crate::handle::Handle;
use crate::ids::ShardIndex;
use crate::inbox::{Inbox, Job, SendError, Sender};
use crate::portable::{FilePlace, MemoryFiles, PortableBackend};
use crate::system::file_pool::FilePool;
#[cfg(target_os = "linux")]
use crate::{backend::UringRung, uring::UringBackend};

/// Threads that wait for files, for all shards together.
const FILE_THREADS: usize = 4;
/// Jobs that one sender may have waiting at one shard.
const MAILBOX_JOBS_MAX: usize = 1024;

/// How shards do their I/O.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum IoChoice {
    /// io_uring if the kernel lets us, else portable.
    #[default]
    Auto,
    /// io_uring, or an error.
    Uring,
    /// Readiness and threads.
    Portable,
}

/// How to start the shards.
#[derive(Clone, Debug)]
pub struct ShardSetOptions {
    /// How many shards, at least 1.
    pub shard_count: u16,
    /// How they do their I/O.
    pub io: IoChoice,
    /// Files are in memory, and end with the process; `io` is then not asked.
    pub in_memory: bool,
    /// Bytes that files in memory may hold together.
    pub in_memory_bytes_max: usize,
    /// Whether to tie each shard to a core. Tried, not guaranteed.
    pub pin: bool,
}

impl Default for ShardSetOptions {
    fn default() -> ShardSetOptions {
        ShardSetOptions {
            shard_count: 1,
            io: IoChoice::Auto,
            in_memory: false,
            in_memory_bytes_max: 1 << 30,
            pin: false,
        }
    }
}

/// What a shard's main future starts with.
pub struct ShardContext {
    /// The shard's executor.
    pub handle: Handle,
    /// The ways to all shards, this one included, by shard.
    pub remotes: Vec<Remote>,
}

/// The future that a shard lives as long as.
pub type ShardMain = Pin<Box<dyn Future<Output = ()>>>;

/// Running shards, one thread each.
pub struct ShardSet {
    threads: Vec<JoinHandle<()>>,
    remotes: Vec<Remote>,
    backend: BackendKind,
}

impl ShardSet {
    /// Starts the shards; each runs the future that `main` makes for it, and ends with it. Returns when all backends
    /// are up, or with the first error, when none runs.
    pub fn start(
        options: ShardSetOptions,
        main: impl Fn(ShardContext) -> ShardMain + Send + Sync + 'static,
    ) -> io::Result<ShardSet> {
        assert!(options.shard_count > 0, "there is at least one shard");
        let place = BackendPlace::choose(&options)?;
        let remotes = remotes(options.shard_count);
        let main = Arc::new(main);
        let (report, reports) = mpsc::channel();
        let mut starting = Vec::new();
        for remote in &remotes {
            let (go, may_go) = mpsc::channel();
            let shard = StartingShard {
                inbox: Arc::clone(&remote.inbox),
                remotes: remotes.clone(),
                place: place.clone(),
                options: options.clone(),
                report: report.clone(),
                may_go,
            };
            let main = Arc::clone(&main);
            let name = format!("basalt-shard-{}", remote.shard());
            let thread = std::thread::Builder::new().name(name).spawn(move || shard.run(&*main))?;
            starting.push((thread, go));
        }
        // A shard that ends without a report must not be waited for.
        drop(report);
        let backend = first_error(&reports, starting.len())?;
        // Nobody runs before everybody is up: a shard may send to any other from its first poll on.
        let threads = starting.into_iter().map(|(thread, go)| {
            go.send(()).expect("a shard that is up waits for this");
            thread
        });
        tracing::info!(shards = options.shard_count, backend = backend.name(), "shards are up");
        Ok(ShardSet { threads: threads.collect(), remotes, backend })
    }

    /// The way to one shard.
    pub fn remote(&self, shard: ShardIndex) -> Remote {
        self.remotes[shard.as_usize()].clone()
    }

    /// The ways to all shards, by shard.
    pub fn remotes(&self) -> &[Remote] {
        &self.remotes
    }

    /// Which backend the shards run on.
    pub fn backend(&self) -> BackendKind {
        self.backend
    }

    /// Waits for all shards to end.
    pub fn join(self) {
        for thread in self.threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

fn remotes(shard_count: u16) -> Vec<Remote> {
    Inbox::set(shard_count, MAILBOX_JOBS_MAX).into_iter().map(Remote::new).collect()
}

/// Waits for every shard's report; dropping the senders then lets those that are up end without having run.
fn first_error(reports: &mpsc::Receiver<io::Result<BackendKind>>, shards: usize) -> io::Result<BackendKind> {
    let reports: Vec<io::Result<BackendKind>> = reports.iter().take(shards).collect();
    let kinds = reports.into_iter().collect::<io::Result<Vec<_>>>()?;
    kinds.first().copied().ok_or_else(|| io::Error::other("a shard ended before it was up"))
}

/// What the shards' backends share, chosen before the first is made.
#[derive(Clone)]
enum BackendPlace {
    #[cfg(target_os = "linux")]
    Uring(UringRung, Arc<FilePool>),
    Portable(Arc<FilePool>),
    Memory(Arc<MemoryFiles>),
}

impl BackendPlace {
    fn choose(options: &ShardSetOptions) -> io::Result<BackendPlace> {
        if options.in_memory {
            return Ok(BackendPlace::Memory(MemoryFiles::new(options.in_memory_bytes_max)));
        }
        let pool = FilePool::start(FILE_THREADS)?;
        match options.io {
            IoChoice::Portable => Ok(BackendPlace::Portable(pool)),
            IoChoice::Uring => BackendPlace::uring(pool),
            IoChoice::Auto => BackendPlace::uring(Arc::clone(&pool)).or_else(|reason| {
                tracing::info!(%reason, "io_uring is not to be had; the portable backend serves");
                Ok(BackendPlace::Portable(pool))
            }),
        }
    }

    #[cfg(target_os = "linux")]
    fn uring(pool: Arc<FilePool>) -> io::Result<BackendPlace> {
        Ok(BackendPlace::Uring(crate::uring::probe()?, pool))
    }

    #[cfg(not(target_os = "linux"))]
    fn uring(_pool: Arc<FilePool>) -> io::Result<BackendPlace> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "io_uring is Linux's"))
    }

    fn backend(self, inbox: &Inbox) -> io::Result<Box<dyn Backend>> {
        let signal = Arc::clone(inbox.signal());
        Ok(match self {
            #[cfg(target_os = "linux")]
            BackendPlace::Uring(rung, pool) => Box::new(UringBackend::new(rung, pool, signal)?),
            BackendPlace::Portable(pool) => Box::new(PortableBackend::new(FilePlace::Disk(pool), signal)?),
            BackendPlace::Memory(files) => Box::new(PortableBackend::new(FilePlace::Memory(files), signal)?),
        })
    }
}

struct StartingShard {
    inbox: Arc<Inbox>,
    remotes: Vec<Remote>,
    place: BackendPlace,
    options: ShardSetOptions,
    report: mpsc::Sender<io::Result<BackendKind>>,
    may_go: mpsc::Receiver<()>,
}

impl StartingShard {
    /// The whole life of a shard's thread.
    fn run(self, main: &dyn Fn(ShardContext) -> ShardMain) {
        let cores = available_cores();
        if self.options.pin {
            pin(self.inbox.shard(), cores);
        }
        let backend = match self.place.backend(&self.inbox) {
            Ok(backend) => backend,
            Err(error) => return self.report.send(Err(error)).unwrap_or(()),
        };
        let kind = backend.kind();
        let spin = spin_policy(usize::from(self.options.shard_count), cores);
        let executor = Executor::new(self.inbox, backend, PanicPolicy::Abort, spin);
        // Whoever started the set may be gone; then nobody says go.
        self.report.send(Ok(kind)).unwrap_or(());
        drop(self.report);
        if self.may_go.recv().is_err() {
            return;
        }
        executor.run_until(main(ShardContext { handle: executor.handle(), remotes: self.remotes }));
        executor.shut_down();
    }
}

fn spin_policy(shards: usize, cores: usize) -> SpinPolicy {
    if shards <= cores { SpinPolicy::UnderLoad } else { SpinPolicy::Never }
}

fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(target_os = "linux")]
fn pin(shard: ShardIndex, cores: usize) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let pinned = sched_getaffinity(None).and_then(|allowed| {
        let mut allowed = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let mut chosen = CpuSet::new();
        chosen.set(allowed.nth(shard.as_usize() % cores).unwrap_or(0));
        sched_setaffinity(None, &chosen)
    });
    if let Err(error) = pinned {
        tracing::info!(shard = shard.0, %error, "the shard is not tied to a core");
    }
}

#[cfg(not(target_os = "linux"))]
fn pin(shard: ShardIndex, _cores: usize) {
    tracing::info!(shard = shard.0, "shards are not tied to cores on this system");
}

/// Sends work to one shard, from any thread.
#[derive(Clone)]
pub struct Remote {
    inbox: Arc<Inbox>,
}

impl Remote {
    pub(crate) fn new(inbox: Arc<Inbox>) -> Remote {
        Remote { inbox }
    }

    /// The shard that it leads to.
    pub fn shard(&self) -> ShardIndex {
        self.inbox.shard()
    }

    /// Leaves a job, which the shard runs soon; gives it back if there is no room.
    pub fn try_send(&self, job: Job) -> Result<(), SendError> {
        self.inbox.try_send(self.sender(), job)
    }

    /// Leaves a job as soon as there is room. Fails only if the shard has ended.
    pub async fn send(&self, job: Job) -> Result<(), SendError> {
        let mut job = Some(job);
        let mut registered = false;
        poll_fn(|context| {
            loop {
                match self.try_send(job.take().expect("it is polled until it is ready")) {
                    Err(SendError::Full(returned)) => job = Some(returned),
                    result => return Poll::Ready(result),
                }
                if registered {
                    registered = false;
                    return Poll::Pending;
                }
                // Between the refusal and the registration there may have been room: try once more.
                self.inbox.wait_for_room(context.waker());
                registered = true;
            }
        })
        .await
    }

    fn sender(&self) -> Sender {
        current::with(|core| match core {
            Some(core) if self.inbox.is_sibling(core.inbox()) => Sender::Shard(core.shard()),
            _ => Sender::Outside,
        })
    }
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Remote(shard {})", self.shard())
    }
}
