//! A file system in memory, for `--in-memory`: the same names, lengths and errors as on disk, and nothing survives.
//!
//! Shared by all shards of a process under one lock, held for one operation. A file keeps only the blocks that were
//! written; all files together are bounded, and beyond the bound a write fails as on a full disk.

#![expect(clippy::disallowed_types, reason = "the shards share these files as they share a disk")]

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::aligned_buffer::AlignedBuffer;
use crate::backend::{DirectoryEntry, EntryKind, Metadata, OpenOptions, OpenedFile, Operation, Outcome};
use crate::ids::{FileId, SlotId};
use crate::table::Table;

const BLOCK_BYTES: usize = 4096;

/// All files and directories.
pub(crate) struct MemoryFiles {
    state: Mutex<State>,
}

struct State {
    names: BTreeMap<PathBuf, Node>,
    budget: Arc<Budget>,
}

/// The blocks that may still be taken.
struct Budget {
    free_blocks: AtomicUsize,
}

#[derive(Clone)]
enum Node {
    Directory,
    File(Arc<Mutex<Contents>>),
}

/// Locked after [`State`], if both are.
struct Contents {
    budget: Arc<Budget>,
    length: u64,
    blocks: BTreeMap<u64, Box<[u8; BLOCK_BYTES]>>,
    locked: bool,
}

/// An opening of a file; it lives on while open, even without a name.
pub(crate) struct OpenMemoryFile {
    contents: Arc<Mutex<Contents>>,
    options: OpenOptions,
    holds_lock: bool,
}

impl MemoryFiles {
    /// No files; the root directory exists. Together they may hold `bytes_max`.
    pub(crate) fn new(bytes_max: usize) -> Arc<MemoryFiles> {
        let names =
            BTreeMap::from([(PathBuf::from("/"), Node::Directory), (PathBuf::new(), Node::Directory)]);
        let budget = Arc::new(Budget { free_blocks: AtomicUsize::new(bytes_max / BLOCK_BYTES) });
        Arc::new(MemoryFiles { state: Mutex::new(State { names, budget }) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic in here ends the process; in tests the state is looked at no more.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does one operation, at once.
pub(super) fn perform(
    files: &Arc<MemoryFiles>,
    open: &mut Table<OpenMemoryFile>,
    operation: Operation,
) -> Outcome {
    match operation {
        Operation::OpenFile { path, options } => Outcome::Opened(open_file(files, open, &path, options)),
        Operation::CloseFile { file } => {
            Outcome::Done(open.remove(SlotId::from_u64(file.0)).map(drop).ok_or_else(super::not_open))
        }
        Operation::Read { file, mut buffer, filled, offset } => {
            let result = super::found(open, file)
                .and_then(|file| file.read(&mut buffer[filled..], offset + filled as u64));
            Outcome::Transferred { result, buffer }
        }
        Operation::Write { file, buffer, written, offset, .. } => write(open, file, buffer, written, offset),
        // What memory holds needs no sync.
        Operation::Sync { file, .. } => Outcome::Done(super::found(open, file).map(|_| ())),
        Operation::Allocate { file, offset, length } => {
            Outcome::Done(super::found(open, file).and_then(|file| file.allocate(offset, length)))
        }
        Operation::Truncate { file, length } => {
            Outcome::Done(super::found(open, file).and_then(|file| file.truncate(length)))
        }
        Operation::PunchHole { file, offset, length } => {
            Outcome::Done(super::found(open, file).and_then(|file| file.punch_hole(offset, length)))
        }
        Operation::FileSize { file } => {
            Outcome::Size(super::found(open, file).map(|file| locked(&file.contents).length))
        }
        Operation::CreateDirectoryAll { path } => Outcome::Done(files.state().create_directory_all(&path)),
        Operation::RemoveDirectory { path } => Outcome::Done(files.state().remove_directory(&path)),
        Operation::Rename { from, to } => Outcome::Done(files.state().rename(&from, &to)),
        Operation::RemoveFile { path } => Outcome::Done(files.state().remove_file(&path)),
        Operation::SyncDirectory { path } => Outcome::Done(files.state().directory(&path)),
        Operation::ReadDirectory { path } => Outcome::Entries(files.state().read_directory(&path)),
        Operation::Metadata { path } => Outcome::Metadata(Ok(files.state().metadata(&path))),
        Operation::Accept { .. }
        | Operation::Receive { .. }
        | Operation::Send { .. }
        | Operation::CloseSocket { .. }
        | Operation::CloseListener { .. } => unreachable!("sockets are not in memory"),
    }
}

fn open_file(
    files: &Arc<MemoryFiles>,
    open: &mut Table<OpenMemoryFile>,
    path: &Path,
    options: OpenOptions,
) -> io::Result<OpenedFile> {
    let contents = files.state().open(path, options)?;
    let file = OpenMemoryFile { contents, options, holds_lock: false };
    if options.truncate {
        file.truncate(0)?;
    }
    // No page cache lies between: a direct file keeps its promise.
    let is_direct = options.direct == crate::backend::DirectMode::Direct;
    Ok(OpenedFile { file: FileId(open.insert(file).to_u64()), is_direct })
}

fn write(
    open: &Table<OpenMemoryFile>,
    file: FileId,
    buffer: AlignedBuffer,
    written: usize,
    offset: u64,
) -> Outcome {
    let place = offset + written as u64;
    let result = super::found(open, file).and_then(|file| file.write(&buffer[written..], place));
    Outcome::Transferred { result, buffer }
}

impl State {
    fn open(&mut self, path: &Path, options: OpenOptions) -> io::Result<Arc<Mutex<Contents>>> {
        match self.names.get(path) {
            Some(_) if options.create_new => Err(io::ErrorKind::AlreadyExists.into()),
            Some(Node::Directory) => Err(io::ErrorKind::IsADirectory.into()),
            Some(Node::File(contents)) => Ok(Arc::clone(contents)),
            None if options.create || options.create_new => {
                self.directory(parent(path))?;
                let contents = Arc::new(Mutex::new(Contents::new(Arc::clone(&self.budget))));
                self.names.insert(path.to_owned(), Node::File(Arc::clone(&contents)));
                Ok(contents)
            }
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn directory(&self, path: &Path) -> io::Result<()> {
        match self.names.get(path) {
            Some(Node::Directory) => Ok(()),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn create_directory_all(&mut self, path: &Path) -> io::Result<()> {
        let ancestors: Vec<&Path> = path.ancestors().collect();
        for ancestor in ancestors.into_iter().rev() {
            match self.names.get(ancestor) {
                Some(Node::Directory) => {}
                Some(Node::File(_)) if ancestor == path => return Err(io::ErrorKind::AlreadyExists.into()),
                Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => {
                    self.names.insert(ancestor.to_owned(), Node::Directory);
                }
            }
        }
        Ok(())
    }

    fn remove_directory(&mut self, path: &Path) -> io::Result<()> {
        self.directory(path)?;
        if self.children(path).next().is_some() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        self.names.remove(path);
        Ok(())
    }

    fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        match self.names.get(path) {
            Some(Node::File(_)) => {
                self.names.remove(path);
                Ok(())
            }
            Some(Node::Directory) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.names.get(from).cloned().ok_or(io::ErrorKind::NotFound)?;
        self.directory(parent(to))?;
        if from == to {
            return Ok(());
        }
        match (&node, self.names.get(to)) {
            (Node::File(_), Some(Node::Directory)) => return Err(io::ErrorKind::IsADirectory.into()),
            (Node::Directory, Some(Node::File(_))) => return Err(io::ErrorKind::NotADirectory.into()),
            (Node::Directory, _) if to.starts_with(from) => return Err(io::ErrorKind::InvalidInput.into()),
            (Node::Directory, Some(Node::Directory)) => self.remove_directory(to)?,
            _ => {}
        }
        let moved: Vec<PathBuf> = self.names.keys().filter(|name| name.starts_with(from)).cloned().collect();
        for name in moved {
            let node = self.names.remove(&name).expect("it was just listed");
            let rest = name.strip_prefix(from).expect("it starts so");
            // Joining nothing would append a separator.
            let target = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
            self.names.insert(target, node);
        }
        Ok(())
    }

    fn read_directory(&self, path: &Path) -> io::Result<Vec<DirectoryEntry>> {
        self.directory(path)?;
        let mut entries: Vec<DirectoryEntry> = self.children(path).map(entry).collect();
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(entries)
    }

    fn metadata(&self, path: &Path) -> Option<Metadata> {
        self.names.get(path).map(|node| match node {
            Node::Directory => Metadata { size_bytes: 0, is_directory: true },
            Node::File(contents) => Metadata { size_bytes: locked(contents).length, is_directory: false },
        })
    }

    fn children<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = (&'a PathBuf, &'a Node)> {
        self.names.iter().filter(move |(name, _)| name.parent() == Some(path))
    }
}

impl Budget {
    fn take_block(&self) -> io::Result<Box<[u8; BLOCK_BYTES]>> {
        let taken =
            self.free_blocks.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(1));
        taken.map_err(|_| io::ErrorKind::StorageFull)?;
        Ok(Box::new([0; BLOCK_BYTES]))
    }

    fn give_back(&self, blocks: usize) {
        self.free_blocks.fetch_add(blocks, Ordering::Relaxed);
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn entry((path, node): (&PathBuf, &Node)) -> DirectoryEntry {
    let name = path.file_name().expect("a child has a name").to_owned();
    match node {
        Node::Directory => DirectoryEntry { name, kind: EntryKind::Directory, size_bytes: 0 },
        Node::File(contents) => {
            DirectoryEntry { name, kind: EntryKind::File, size_bytes: locked(contents).length }
        }
    }
}

impl OpenMemoryFile {
    pub(super) fn try_lock_exclusive(&mut self) -> bool {
        let mut contents = locked(&self.contents);
        if !self.holds_lock && contents.locked {
            return false;
        }
        contents.locked = true;
        self.holds_lock = true;
        true
    }

    fn read(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        if !self.options.read {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let contents = locked(&self.contents);
        let available = contents.length.saturating_sub(offset);
        let length = bytes.len().min(usize::try_from(available).unwrap_or(usize::MAX));
        for (block, within, part) in parts(offset, length) {
            match contents.blocks.get(&block) {
                Some(present) => bytes[part.clone()].copy_from_slice(&present[within..within + part.len()]),
                None => bytes[part].fill(0),
            }
        }
        Ok(length)
    }

    /// All or, when memory is used up, as much as fits; then the next write fails.
    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.check_writable()?;
        let mut contents = locked(&self.contents);
        let mut written = 0;
        for (block, within, part) in parts(offset, bytes.len()) {
            let place = match contents.block_mut(block) {
                Ok(place) => place,
                Err(_) if written > 0 => break,
                Err(error) => return Err(error),
            };
            place[within..within + part.len()].copy_from_slice(&bytes[part.clone()]);
            written = part.end;
        }
        contents.length = contents.length.max(offset + written as u64);
        Ok(written)
    }

    fn allocate(&self, offset: u64, length: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut contents = locked(&self.contents);
        contents.length = contents.length.max(offset.saturating_add(length));
        Ok(())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut contents = locked(&self.contents);
        if length < contents.length {
            let removed = contents.length - length;
            contents.punch(length, removed);
        }
        contents.length = length;
        Ok(())
    }

    fn punch_hole(&self, offset: u64, length: u64) -> io::Result<()> {
        self.check_writable()?;
        locked(&self.contents).punch(offset, length);
        Ok(())
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.options.write { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }
}

impl Drop for OpenMemoryFile {
    fn drop(&mut self) {
        let mut contents = locked(&self.contents);
        if self.holds_lock {
            contents.locked = false;
        }
    }
}

impl Contents {
    fn new(budget: Arc<Budget>) -> Contents {
        Contents { budget, length: 0, blocks: BTreeMap::new(), locked: false }
    }

    fn block_mut(&mut self, block: u64) -> io::Result<&mut [u8; BLOCK_BYTES]> {
        match self.blocks.entry(block) {
            Entry::Occupied(present) => Ok(present.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(self.budget.take_block()?)),
        }
    }

    /// Whole blocks go; of the others the range becomes zeros.
    fn punch(&mut self, offset: u64, length: u64) {
        let end = offset.saturating_add(length);
        let touched: Vec<u64> = self
            .blocks
            .range(offset / BLOCK_BYTES as u64..=end / BLOCK_BYTES as u64)
            .map(|(block, _)| *block)
            .collect();
        for block in touched {
            let start = block * BLOCK_BYTES as u64;
            let from = offset.saturating_sub(start).min(BLOCK_BYTES as u64) as usize;
            let to = end.saturating_sub(start).min(BLOCK_BYTES as u64) as usize;
            if from == 0 && to == BLOCK_BYTES {
                self.blocks.remove(&block);
                self.budget.give_back(1);
            } else if let Some(place) = self.blocks.get_mut(&block) {
                place[from..to].fill(0);
            }
        }
    }
}

impl Drop for Contents {
    fn drop(&mut self) {
        self.budget.give_back(self.blocks.len());
    }
}

/// The blocks that a range touches: block, offset within it, place in the caller's buffer.
fn parts(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let position = offset + done as u64;
        let within = (position % BLOCK_BYTES as u64) as usize;
        let part = done..length.min(done + BLOCK_BYTES - within);
        done = part.end;
        (!part.is_empty()).then_some((position / BLOCK_BYTES as u64, within, part))
    })
}
