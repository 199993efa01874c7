//! The backend for every system: readiness for sockets, threads for files. Also, over files in memory, `--in-memory`.

mod memory_files;
mod readiness;

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::{
    Backend, BackendKind, Completion, DetachedSocket, OpenedFile, Operation, Outcome, SharedFile, Wait,
    WakeShard,
};
use crate::ids::{FileId, ListenerId, SlotId, SocketId};
use crate::inbox::ShardSignal;
use crate::system::file_pool::{FileJob, FilePool, Performed, Replies};
use crate::system::{clock, files};
use crate::table::Table;
use crate::time::{MonotonicTime, UnixTime};

pub(crate) use memory_files::MemoryFiles;
use memory_files::OpenMemoryFile;
use readiness::Readiness;

/// Where a portable backend's files are.
pub(crate) enum FilePlace {
    /// On disks, by a pool of threads that all shards share.
    Disk(Arc<FilePool>),
    /// In memory that all shards share.
    Memory(Arc<MemoryFiles>),
}

/// One shard's sockets by readiness, and its files by threads or in memory.
pub(crate) struct PortableBackend {
    sockets: Readiness,
    files: Files,
    /// Ended without waiting, to be told at the next poll.
    ended: Vec<Completion>,
}

enum Files {
    Disk { pool: Arc<FilePool>, replies: Arc<Replies>, open: Table<Arc<OwnedFd>> },
    Memory { files: Arc<MemoryFiles>, open: Table<OpenMemoryFile> },
}

impl PortableBackend {
    pub(crate) fn new(place: FilePlace, signal: Arc<ShardSignal>) -> io::Result<PortableBackend> {
        let files = match place {
            FilePlace::Disk(pool) => Files::Disk { pool, replies: Replies::new(signal), open: Table::new() },
            FilePlace::Memory(files) => Files::Memory { files, open: Table::new() },
        };
        Ok(PortableBackend { sockets: Readiness::new()?, files, ended: Vec::new() })
    }
}

impl Backend for PortableBackend {
    fn kind(&self) -> BackendKind {
        match self.files {
            Files::Disk { .. } => BackendKind::Portable,
            Files::Memory { .. } => BackendKind::InMemory,
        }
    }

    fn now(&self) -> MonotonicTime {
        clock::now()
    }

    fn unix_time(&self) -> UnixTime {
        clock::unix_time()
    }

    fn fill_entropy(&mut self, bytes: &mut [u8]) {
        clock::fill_entropy(bytes);
    }

    fn submit(&mut self, slot: SlotId, operation: Operation) {
        if readiness::concerns(&operation) {
            self.sockets.submit(slot, operation, &mut self.ended);
        } else {
            self.files.submit(slot, operation, &mut self.ended);
        }
    }

    /// File operations run to their end: their threads cannot be called back, and they end soon.
    fn cancel(&mut self, slot: SlotId) {
        self.sockets.cancel(slot, &mut self.ended);
    }

    fn poll(&mut self, wait: Wait, completions: &mut Vec<Completion>) {
        completions.append(&mut self.ended);
        self.files.collect(completions);
        let timeout = if completions.is_empty() { timeout_of(wait) } else { Some(Duration::ZERO) };
        self.sockets.wait(timeout, completions);
        self.files.collect(completions);
    }

    fn wake_handle(&self) -> Arc<dyn WakeShard> {
        self.sockets.wake_handle()
    }

    fn try_lock_exclusive(&mut self, file: FileId) -> io::Result<bool> {
        match &mut self.files {
            Files::Disk { open, .. } => files::try_lock_exclusive(found(open, file)?),
            Files::Memory { open, .. } => Ok(found_mut(open, file)?.try_lock_exclusive()),
        }
    }

    /// Requests are calls of the pool's threads, which keep the process's descriptors open until they return.
    fn hold_for_requests(&mut self, file: FileId) -> io::Result<()> {
        let file = self.share_file(file)?;
        self.hold_shared(&file)
    }

    fn share_file(&mut self, file: FileId) -> io::Result<SharedFile> {
        match &self.files {
            Files::Disk { open, .. } => Ok(SharedFile::System(Arc::clone(found(open, file)?))),
            Files::Memory { .. } => Ok(SharedFile::NothingToHold),
        }
    }

    fn hold_shared(&mut self, file: &SharedFile) -> io::Result<()> {
        if let (Files::Disk { pool, .. }, SharedFile::System(file)) = (&self.files, file) {
            pool.hold(Arc::clone(file));
        }
        Ok(())
    }

    fn listen(&mut self, address: SocketAddr) -> io::Result<(ListenerId, SocketAddr)> {
        self.sockets.listen(address)
    }

    fn set_nodelay(&mut self, socket: SocketId, nodelay: bool) -> io::Result<()> {
        self.sockets.set_nodelay(socket, nodelay)
    }

    fn shutdown_send(&mut self, socket: SocketId) -> io::Result<()> {
        self.sockets.shutdown_send(socket)
    }

    fn detach_socket(&mut self, socket: SocketId) -> io::Result<DetachedSocket> {
        self.sockets.detach(socket)
    }

    fn attach_socket(&mut self, socket: DetachedSocket) -> io::Result<SocketId> {
        self.sockets.attach(socket)
    }
}

fn timeout_of(wait: Wait) -> Option<Duration> {
    match wait {
        Wait::Never => Some(Duration::ZERO),
        Wait::Until(until) => until.map(|until| until - clock::now()),
    }
}

impl Files {
    fn submit(&mut self, slot: SlotId, operation: Operation, ended: &mut Vec<Completion>) {
        match self {
            Files::Disk { pool, replies, open } => {
                let file = match &operation {
                    Operation::CloseFile { file } => open.remove(SlotId::from_u64(file.0)),
                    other => other.file().and_then(|file| found(open, file).ok().cloned()),
                };
                pool.submit(FileJob { slot, operation, file, replies: Arc::clone(replies) });
            }
            Files::Memory { files, open } => {
                let outcome = memory_files::perform(files, open, operation);
                ended.push(Completion { slot, outcome, last: true });
            }
        }
    }

    fn collect(&mut self, completions: &mut Vec<Completion>) {
        let Files::Disk { replies, open, .. } = self else { return };
        while let Some((slot, performed)) = replies.pop() {
            let outcome = match performed {
                Performed::Other(outcome) => outcome,
                Performed::Opened(opened) => Outcome::Opened(opened.map(|file| OpenedFile {
                    file: FileId(open.insert(Arc::new(file.descriptor)).to_u64()),
                    is_direct: file.is_direct,
                })),
            };
            completions.push(Completion { slot, outcome, last: true });
        }
    }
}

fn found<T>(open: &Table<T>, file: FileId) -> io::Result<&T> {
    open.get(SlotId::from_u64(file.0)).ok_or_else(not_open)
}

fn found_mut<T>(open: &mut Table<T>, file: FileId) -> io::Result<&mut T> {
    open.get_mut(SlotId::from_u64(file.0)).ok_or_else(not_open)
}

fn not_open() -> io::Error {
    io::Error::other("the file is not open")
}
