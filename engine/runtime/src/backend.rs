//! What a shard asks of the world: one trait, three worlds.
//!
//! `uring` asks the kernel through a ring, `portable` through readiness and file threads,
//! [`crate::sim`] a simulated disk, network and clock. Everything above a backend is deterministic: time and
//! entropy come from it alone, and so does the order in which requests end.
//!
//! Rules that all three keep:
//! - An operation owns its buffers from `submit` until its last completion gives them back. Nothing is borrowed.
//! - Each submitted slot gets exactly one completion with `last` set; only [`Operation::Accept`] may get others
//!   before it. A cancel is a request: the completion comes all the same, with the result that was reached.
//! - Reads, writes and sends may be short. The core resumes them (`filled`, `written`, `sent` say from where), so
//!   that a short one injected by the simulation exercises the code that runs in production.
//! - A completion that opens something (a file, a connection) for nobody is closed by the core.
//!
//! Which tasks wait, and for what, is unknown here: that is the operation slab's.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::aligned_buffer::AlignedBuffer;
use crate::ids::{FileId, ListenerId, SlotId, SocketId};
use crate::time::{MonotonicTime, UnixTime};

/// One shard's door to disk, network, clock and entropy. Lives on the shard's thread.
pub trait Backend {
    /// Which world this is, for the log, the metrics and the curious.
    fn kind(&self) -> BackendKind;

    /// The clock that only grows.
    fn now(&self) -> MonotonicTime;

    /// The calendar's clock.
    fn unix_time(&self) -> UnixTime;

    /// Fills `bytes` with unpredictable bytes (in simulation: with the seed's).
    fn fill_entropy(&mut self, bytes: &mut [u8]);

    /// Starts an operation. Never waits and never fails: errors come as completions.
    fn submit(&mut self, slot: SlotId, operation: Operation);

    /// Asks for an early end of what was submitted under `slot`; nothing if it has ended.
    fn cancel(&mut self, slot: SlotId);

    /// Appends what has ended. With [`Wait::Until`] it sleeps until something has, or [`WakeShard::wake`] was called
    /// since the last poll, or the time has come; spurious returns are allowed.
    fn poll(&mut self, wait: Wait, completions: &mut Vec<Completion>);

    /// What other threads end this backend's sleep with.
    fn wake_handle(&self) -> Arc<dyn WakeShard>;

    /// Takes the advisory lock of an open file: `Ok(false)` if another process has it.
    fn try_lock_exclusive(&mut self, file: FileId) -> io::Result<bool>;

    /// Ties the life of this file's descriptor to the last request of this backend: as long as a request of a
    /// killed process may still touch the disk, the lock on the file is not free (STORAGE §1).
    fn hold_for_requests(&mut self, file: FileId) -> io::Result<()>;

    /// The opening of a file, for [`Backend::hold_shared`] of another shard. A lock belongs to the opening: another
    /// opening of the same file would not keep it. Backends whose requests end with the process share nothing.
    fn share_file(&mut self, _file: FileId) -> io::Result<SharedFile> {
        Ok(SharedFile::NothingToHold)
    }

    /// [`Backend::hold_for_requests`] for a file that another shard opened.
    fn hold_shared(&mut self, _file: &SharedFile) -> io::Result<()> {
        Ok(())
    }

    /// Opens a listening socket; returns the address it got.
    fn listen(&mut self, address: SocketAddr) -> io::Result<(ListenerId, SocketAddr)>;

    /// Gives the kernel what it takes of `bytes` at once, without an operation; 0 if it takes nothing now, or if this
    /// backend sends by operations only. An error will be told again by the operation that sends the rest.
    fn send_now(&mut self, socket: SocketId, bytes: &[u8]) -> usize {
        let (_socket, _bytes) = (socket, bytes);
        0
    }

    /// Sends small segments at once instead of gathering them.
    fn set_nodelay(&mut self, socket: SocketId, nodelay: bool) -> io::Result<()>;

    /// Tells the peer that nothing more will be sent.
    fn shutdown_send(&mut self, socket: SocketId) -> io::Result<()>;

    /// Gives a socket away, to be attached to another shard's backend of the same kind. No operation is in flight on
    /// it.
    fn detach_socket(&mut self, socket: SocketId) -> io::Result<DetachedSocket>;

    /// Takes a socket that another shard gave away.
    fn attach_socket(&mut self, socket: DetachedSocket) -> io::Result<SocketId>;
}

/// Ends a shard's sleep from any thread.
pub trait WakeShard: Send + Sync {
    /// Makes the shard's present or next waiting poll return.
    fn wake(&self);
}

/// How long a poll may sleep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// Not at all.
    Never,
    /// Until this moment, or without limit.
    Until(Option<MonotonicTime>),
}

/// Which world a shard runs in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BackendKind {
    /// io_uring, with the setup that the kernel accepted.
    Uring(UringRung),
    /// Readiness for sockets, threads for files.
    Portable,
    /// Readiness for sockets, files in memory.
    InMemory,
    /// Simulated disk, network and clock.
    Simulation,
}

impl BackendKind {
    /// A word for logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            BackendKind::Uring(UringRung::DeferTaskrun) => "uring (defer_taskrun)",
            BackendKind::Uring(UringRung::CoopTaskrun) => "uring (coop_taskrun)",
            BackendKind::Uring(UringRung::Plain) => "uring (plain)",
            BackendKind::Portable => "portable",
            BackendKind::InMemory => "in-memory",
            BackendKind::Simulation => "simulation",
        }
    }
}

/// The setups of a ring, best first; the first that passes a real request is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UringRung {
    /// One issuer, completions delivered only when the shard asks (kernel 6.1).
    DeferTaskrun,
    /// Completions delivered at the next system call instead of by interrupt (kernel 5.19).
    CoopTaskrun,
    /// No setup flags.
    Plain,
}

/// A request. Offsets and lengths are in bytes.
#[derive(Debug)]
pub enum Operation {
    /// Opens a file: [`Outcome::Opened`].
    OpenFile {
        /// Where the file is.
        path: PathBuf,
        /// How to open it.
        options: OpenOptions,
    },
    /// Closes a file on which nothing is in flight: [`Outcome::Done`].
    CloseFile {
        /// The file; its number is dead from now on.
        file: FileId,
    },
    /// Reads into `buffer[filled..]` from `offset + filled`: [`Outcome::Transferred`], 0 at the end of the file.
    Read {
        /// The file.
        file: FileId,
        /// What to fill, up to its length.
        buffer: AlignedBuffer,
        /// Bytes that earlier, short reads have filled.
        filled: usize,
        /// The place in the file of the buffer's first byte.
        offset: u64,
    },
    /// Writes `buffer[written..]` at `offset + written`: [`Outcome::Transferred`].
    Write {
        /// The file.
        file: FileId,
        /// What to write, up to its length.
        buffer: AlignedBuffer,
        /// Bytes that earlier, short writes have written.
        written: usize,
        /// The place in the file of the buffer's first byte.
        offset: u64,
        /// Whether the data must be durable when the whole rest was written. After a short write nothing is synced.
        /// On a file opened with `data_sync` each completed write is durable anyway.
        after: AfterWrite,
    },
    /// Makes what completed writes have written durable: [`Outcome::Done`].
    Sync {
        /// The file.
        file: FileId,
        /// How much of the file's metadata, too.
        kind: SyncKind,
    },
    /// Reserves disk space for a range and extends the file to its end if it is shorter: [`Outcome::Done`].
    Allocate {
        /// The file.
        file: FileId,
        /// Start of the range.
        offset: u64,
        /// Length of the range, at least 1.
        length: u64,
    },
    /// Sets the file's length: [`Outcome::Done`].
    Truncate {
        /// The file.
        file: FileId,
        /// The new length.
        length: u64,
    },
    /// Makes a range read as zeros and gives its space back; the file's length stays: [`Outcome::Done`].
    PunchHole {
        /// The file.
        file: FileId,
        /// Start of the range.
        offset: u64,
        /// Length of the range, at least 1.
        length: u64,
    },
    /// Asks for the file's length: [`Outcome::Size`].
    FileSize {
        /// The file.
        file: FileId,
    },
    /// Creates a directory and its missing parents: [`Outcome::Done`].
    CreateDirectoryAll {
        /// The directory.
        path: PathBuf,
    },
    /// Removes an empty directory: [`Outcome::Done`].
    RemoveDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// Gives a file or directory another name, replacing a file of that name: [`Outcome::Done`].
    Rename {
        /// The old name.
        from: PathBuf,
        /// The new name.
        to: PathBuf,
    },
    /// Removes a file's name: [`Outcome::Done`].
    RemoveFile {
        /// The file.
        path: PathBuf,
    },
    /// Makes created, renamed and removed names of a directory durable: [`Outcome::Done`].
    SyncDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// Lists a directory: [`Outcome::Entries`], sorted by name.
    ReadDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// Asks what a path is: [`Outcome::Metadata`].
    Metadata {
        /// The path.
        path: PathBuf,
    },
    /// Accepts connections, one or, when the backend can, many: [`Outcome::Accepted`].
    Accept {
        /// Where they arrive.
        listener: ListenerId,
    },
    /// Appends what has arrived to `buffer`, within its capacity: [`Outcome::Streamed`], 0 at the end of the stream.
    Receive {
        /// The connection.
        socket: SocketId,
        /// Has room for at least one byte.
        buffer: Vec<u8>,
    },
    /// Sends `buffer[sent..]`: [`Outcome::Streamed`].
    Send {
        /// The connection.
        socket: SocketId,
        /// What to send, up to its length.
        buffer: Vec<u8>,
        /// Bytes that earlier, short sends have sent.
        sent: usize,
    },
    /// Closes a connection on which nothing is in flight: [`Outcome::Done`].
    CloseSocket {
        /// The connection; its number is dead from now on.
        socket: SocketId,
    },
    /// Stops listening: [`Outcome::Done`].
    CloseListener {
        /// The listener; its number is dead from now on.
        listener: ListenerId,
    },
}

/// What must have happened when a write completes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AfterWrite {
    /// Only the write.
    Nothing,
    /// The write, then the sync of its data, in one submission.
    SyncData,
}

/// What a sync covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyncKind {
    /// The data, and of the metadata what is needed to read it back (fdatasync).
    Data,
    /// The data and all metadata (fsync).
    All,
}

/// The news of one operation.
#[derive(Debug)]
pub struct Completion {
    /// What `submit` was called with.
    pub slot: SlotId,
    /// What came of it.
    pub outcome: Outcome,
    /// Whether this is the operation's last completion, after which the backend has forgotten it.
    pub last: bool,
}

/// What came of an operation, and the buffer it was given.
#[derive(Debug)]
pub enum Outcome {
    /// Of operations that return nothing.
    Done(io::Result<()>),
    /// Of `OpenFile`.
    Opened(io::Result<OpenedFile>),
    /// Of `Read` and `Write`: how many bytes this request moved.
    Transferred {
        /// Bytes moved; 0 for a read at the end of the file.
        result: io::Result<usize>,
        /// The operation's buffer.
        buffer: AlignedBuffer,
    },
    /// Of `FileSize`.
    Size(io::Result<u64>),
    /// Of `Metadata`: `None` if the path does not exist.
    Metadata(io::Result<Option<Metadata>>),
    /// Of `ReadDirectory`, sorted by name.
    Entries(io::Result<Vec<DirectoryEntry>>),
    /// Of `Accept`.
    Accepted(io::Result<AcceptedSocket>),
    /// Of `Receive` and `Send`: how many bytes this request moved.
    Streamed {
        /// Bytes moved; 0 for a receive at the end of the stream.
        result: io::Result<usize>,
        /// The operation's buffer.
        buffer: Vec<u8>,
    },
}

/// A file that was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenedFile {
    /// The file.
    pub file: FileId,
    /// Whether its reads and writes go past the kernel's page cache.
    pub is_direct: bool,
}

/// A connection that was accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AcceptedSocket {
    /// The connection.
    pub socket: SocketId,
    /// Who connected.
    pub peer: SocketAddr,
}

/// What a path is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Metadata {
    /// The file's length; 0 for directories.
    pub size_bytes: u64,
    /// Whether it is a directory.
    pub is_directory: bool,
}

/// One name of a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DirectoryEntry {
    /// The name, without its directory.
    pub name: OsString,
    /// What it names.
    pub kind: EntryKind,
    /// The file's length; 0 for what is no file.
    pub size_bytes: u64,
}

/// What a name in a directory stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EntryKind {
    /// An ordinary file.
    File,
    /// A directory.
    Directory,
    /// A link, socket, device: nothing that Basalt makes.
    Other,
}

/// A socket between two shards.
#[derive(Debug)]
pub enum DetachedSocket {
    /// The operating system's socket.
    #[cfg(unix)]
    System(std::os::fd::OwnedFd),
    /// The simulated network's socket.
    Simulated(u64),
}

/// A file's opening, on its way to other shards, which are to keep it open.
#[derive(Clone, Debug)]
pub enum SharedFile {
    /// The operating system's.
    #[cfg(unix)]
    System(Arc<std::os::fd::OwnedFd>),
    /// Requests end with the process, and need not be outlived.
    NothingToHold,
}

/// How to open a file. Starts with everything off; each method returns the changed options.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OpenOptions {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) create: bool,
    pub(crate) create_new: bool,
    pub(crate) truncate: bool,
    pub(crate) direct: DirectMode,
    pub(crate) data_sync: bool,
}

/// Whether a file's reads and writes go past the kernel's page cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DirectMode {
    /// Past it (O_DIRECT): offsets and lengths are whole blocks. A file system that refuses is used buffered, which
    /// is logged and told by `File::is_direct`.
    Direct,
    /// Through it.
    #[default]
    Buffered,
}

impl OpenOptions {
    /// Neither reading nor writing.
    pub fn new() -> OpenOptions {
        OpenOptions::default()
    }

    /// Allows reads.
    pub fn read(self, read: bool) -> OpenOptions {
        OpenOptions { read, ..self }
    }

    /// Allows writes.
    pub fn write(self, write: bool) -> OpenOptions {
        OpenOptions { write, ..self }
    }

    /// Makes the file if it is not there. Needs `write`.
    pub fn create(self, create: bool) -> OpenOptions {
        OpenOptions { create, ..self }
    }

    /// Makes the file, and fails if it is there. Needs `write`.
    pub fn create_new(self, create_new: bool) -> OpenOptions {
        OpenOptions { create_new, ..self }
    }

    /// Empties the file. Needs `write`.
    pub fn truncate(self, truncate: bool) -> OpenOptions {
        OpenOptions { truncate, ..self }
    }

    /// Past the kernel's page cache or through it.
    pub fn direct(self, direct: DirectMode) -> OpenOptions {
        OpenOptions { direct, ..self }
    }

    /// Whether each write is durable, as if followed by `sync_data`, when it completes (O_DSYNC).
    pub fn data_sync(self, data_sync: bool) -> OpenOptions {
        OpenOptions { data_sync, ..self }
    }
}

impl Operation {
    /// The open file that it is about.
    pub fn file(&self) -> Option<FileId> {
        match self {
            Operation::CloseFile { file }
            | Operation::Read { file, .. }
            | Operation::Write { file, .. }
            | Operation::Sync { file, .. }
            | Operation::Allocate { file, .. }
            | Operation::Truncate { file, .. }
            | Operation::PunchHole { file, .. }
            | Operation::FileSize { file } => Some(*file),
            _ => None,
        }
    }
}
