//! File and directory operations as blocking system calls, for threads that may wait.

#![expect(clippy::disallowed_methods, reason = "this is where the engine's files meet the real ones")]

use std::os::fd::OwnedFd;
use std::path::Path;
use std::{fs, io};

use rustix::fs::{FallocateFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::backend::{
    AfterWrite, DirectMode, DirectoryEntry, EntryKind, Metadata, OpenOptions, Operation, Outcome, SyncKind,
};

/// Readable and writable by the owner, readable by the group: items are nobody else's business.
const FILE_MODE: Mode = Mode::from_raw_mode(0o640);

/// A file as it was opened.
pub(crate) struct SystemFile {
    pub(crate) descriptor: OwnedFd,
    pub(crate) is_direct: bool,
}

/// Does one operation on `file`, or on paths, and waits for its end. Not for `OpenFile`, whose result is no outcome
/// yet, nor for sockets.
pub(crate) fn perform(operation: Operation, file: Option<&OwnedFd>) -> Outcome {
    let on_file = || file.expect("an operation on a file comes with the file");
    match operation {
        Operation::Read { mut buffer, filled, offset, .. } => {
            let place = offset + filled as u64;
            let result = retry(|| rustix::io::pread(on_file(), &mut buffer[filled..], place));
            Outcome::Transferred { result, buffer }
        }
        Operation::Write { buffer, written, offset, after, .. } => {
            let result = write(on_file(), &buffer[written..], offset + written as u64, after);
            Outcome::Transferred { result, buffer }
        }
        Operation::Sync { kind, .. } => Outcome::Done(sync(on_file(), kind)),
        Operation::Allocate { offset, length, .. } => Outcome::Done(allocate(on_file(), offset, length)),
        Operation::Truncate { length, .. } => {
            Outcome::Done(retry(|| rustix::fs::ftruncate(on_file(), length)))
        }
        Operation::PunchHole { offset, length, .. } => Outcome::Done(punch_hole(on_file(), offset, length)),
        Operation::FileSize { .. } => Outcome::Size(size(on_file())),
        // The caller has taken the file out of its table: the last reference goes with the job.
        Operation::CloseFile { .. } => Outcome::Done(Ok(())),
        Operation::CreateDirectoryAll { path } => Outcome::Done(fs::create_dir_all(path)),
        Operation::RemoveDirectory { path } => Outcome::Done(fs::remove_dir(path)),
        Operation::Rename { from, to } => Outcome::Done(fs::rename(from, to)),
        Operation::RemoveFile { path } => Outcome::Done(fs::remove_file(path)),
        Operation::SyncDirectory { path } => Outcome::Done(sync_directory(&path)),
        Operation::ReadDirectory { path } => Outcome::Entries(read_directory(&path)),
        Operation::Metadata { path } => Outcome::Metadata(metadata(&path)),
        Operation::OpenFile { .. }
        | Operation::Accept { .. }
        | Operation::Receive { .. }
        | Operation::Send { .. }
        | Operation::CloseSocket { .. }
        | Operation::CloseListener { .. } => unreachable!("not an operation on files that are open"),
    }
}

/// Opens a file. O_DIRECT is asked for afterwards, so that a file system's refusal leaves a file that is open and, if
/// `create_new` made it, still counts as made by us.
pub(crate) fn open(path: &Path, options: OpenOptions) -> io::Result<SystemFile> {
    let descriptor = retry(|| rustix::fs::open(path, open_flags(options), FILE_MODE))?;
    let is_direct = options.direct == DirectMode::Direct && set_direct(&descriptor, path)?;
    Ok(SystemFile { descriptor, is_direct })
}

fn open_flags(options: OpenOptions) -> OFlags {
    let access = match (options.read, options.write) {
        (_, false) => OFlags::RDONLY,
        (false, true) => OFlags::WRONLY,
        (true, true) => OFlags::RDWR,
    };
    let optional = [
        (options.create, OFlags::CREATE),
        (options.create_new, OFlags::CREATE | OFlags::EXCL),
        (options.truncate, OFlags::TRUNC),
        (options.data_sync, OFlags::DSYNC),
    ];
    let chosen = optional.into_iter().filter(|(wanted, _)| *wanted).map(|(_, flag)| flag);
    access | OFlags::CLOEXEC | chosen.collect::<OFlags>()
}

#[cfg(target_os = "linux")]
fn set_direct(descriptor: &OwnedFd, path: &Path) -> io::Result<bool> {
    let flags = rustix::fs::fcntl_getfl(descriptor)?;
    match rustix::fs::fcntl_setfl(descriptor, flags | OFlags::DIRECT) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL) => {
            tracing::info!(path = %path.display(), "the file system refuses direct I/O; the file is used buffered");
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn set_direct(_descriptor: &OwnedFd, path: &Path) -> io::Result<bool> {
    tracing::info!(path = %path.display(), "no direct I/O on this system; the file is used buffered");
    Ok(false)
}

fn write(file: &OwnedFd, bytes: &[u8], place: u64, after: AfterWrite) -> io::Result<usize> {
    let written = retry(|| rustix::io::pwrite(file, bytes, place))?;
    if written == bytes.len() && after == AfterWrite::SyncData {
        sync(file, SyncKind::Data)?;
    }
    Ok(written)
}

/// A sync is never tried again after an error: the kernel may have forgotten what it failed to write.
fn sync(file: &OwnedFd, kind: SyncKind) -> io::Result<()> {
    match kind {
        SyncKind::Data => sync_data(file),
        SyncKind::All => Ok(rustix::fs::fsync(file)?),
    }
}

#[cfg(not(target_vendor = "apple"))]
fn sync_data(file: &OwnedFd) -> io::Result<()> {
    Ok(rustix::fs::fdatasync(file)?)
}

/// On Apple's systems only this reaches the medium.
#[cfg(target_vendor = "apple")]
fn sync_data(file: &OwnedFd) -> io::Result<()> {
    Ok(rustix::fs::fcntl_fullfsync(file)?)
}

fn allocate(file: &OwnedFd, offset: u64, length: u64) -> io::Result<()> {
    match retry(|| rustix::fs::fallocate(file, FallocateFlags::empty(), offset, length)) {
        // The file system cannot reserve space: the length is what the caller can still have.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            let end = offset.saturating_add(length);
            if size(file)? < end { retry(|| rustix::fs::ftruncate(file, end)) } else { Ok(()) }
        }
        result => result,
    }
}

fn punch_hole(file: &OwnedFd, offset: u64, length: u64) -> io::Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    retry(|| rustix::fs::fallocate(file, flags, offset, length))
}

pub(crate) fn size(file: &OwnedFd) -> io::Result<u64> {
    let status = rustix::fs::fstat(file)?;
    u64::try_from(status.st_size).map_err(|_| io::Error::other("the file has a negative length"))
}

pub(crate) fn try_lock_exclusive(file: &OwnedFd) -> io::Result<bool> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = retry(|| rustix::fs::open(path, flags, Mode::empty()))?;
    sync(&directory, SyncKind::All)
}

fn metadata(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(Some(Metadata { size_bytes: 0, is_directory: true })),
        Ok(metadata) => Ok(Some(Metadata { size_bytes: metadata.len(), is_directory: false })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_directory(path: &Path) -> io::Result<Vec<DirectoryEntry>> {
    let mut entries = fs::read_dir(path)?
        .filter_map(|entry| entry.and_then(|entry| directory_entry(&entry)).transpose())
        .collect::<io::Result<Vec<_>>>()?;
    entries.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(entries)
}

/// `None` if the name was removed while the directory was being read.
fn directory_entry(entry: &fs::DirEntry) -> io::Result<Option<DirectoryEntry>> {
    let metadata = match entry.metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let (kind, size_bytes) = match metadata.file_type() {
        kind if kind.is_file() => (EntryKind::File, metadata.len()),
        kind if kind.is_dir() => (EntryKind::Directory, 0),
        _ => (EntryKind::Other, 0),
    };
    Ok(Some(DirectoryEntry { name: entry.file_name(), kind, size_bytes }))
}

/// Repeats a call that a signal interrupted.
fn retry<T>(call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    rustix::io::retry_on_intr(call).map_err(io::Error::from)
}
