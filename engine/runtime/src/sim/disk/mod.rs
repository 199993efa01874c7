//! A disk that keeps what was synced and may forget the rest.
//!
//! Every file has two contents: the platter's, which a power loss leaves, and the cache's, which reads show. A write
//! changes the cache; a sync copies to the platter what was written before the sync began. [`Disk::crash`] makes the
//! disk that a machine could find after a power loss: each unsynced 512-byte sector holds, independently of all
//! others, one of the versions written since the last sync, or the synced one. Sizes and names are as free (`names`).
//! That is more than any file system we run on does, on purpose: code that is right here needs no luck there.
//!
//! Cloning is cheap, since blocks are shared until changed: a run that may crash in a thousand ways clones a
//! thousand times. Owned by one simulated run; knows nothing of time, chance (beyond what is handed in) or tasks.
//!
//! A sector is never torn inside: devices promise whole 512-byte sectors (STORAGE §7 assumes no more).

mod content;
mod crash;
mod file_node;
mod names;
#[cfg(test)]
mod tests;

use crate::backend::{DirectoryEntry, EntryKind, Metadata, OpenOptions};
use content::{Content, FILE_SIZE_BYTES_MAX};
use file_node::FileNode;
use names::{Name, Names};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path};
use std::rc::Rc;

pub use crash::{CRASH_IMAGE_SAMPLES, CRASH_UNITS_EXHAUSTIVE_MAX, CrashImages, CrashPolicy};

use super::Random;

/// A file or directory, whatever its names are at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u64);

/// A moment between two changes of a disk: a sync covers the changes before the moment at which it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SyncPoint(u64);

/// Where a file's reads come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// The system's page cache.
    ThroughCache,
    /// The device (O_DIRECT).
    PastCache,
}

/// Who holds a lock: any number that the owner does not share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockOwner(pub u64);

const ROOT: NodeId = NodeId(0);

/// A simulated disk.
#[derive(Debug, Clone)]
pub struct Disk {
    files: BTreeMap<NodeId, Rc<FileNode>>,
    directories: BTreeSet<NodeId>,
    names: Names,
    locks: BTreeMap<NodeId, LockOwner>,
    next_node: u64,
    next_change: u64,
    capacity_bytes: Option<u64>,
    written_bytes: u64,
    /// Writes of a killed process that the kernel has not carried out yet.
    late_writes: Vec<LateWrite>,
}

/// A write that outlives the process that asked for it.
#[derive(Debug, Clone)]
pub(super) struct LateWrite {
    pub(super) node: NodeId,
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
}

impl Default for Disk {
    fn default() -> Self {
        Self::new()
    }
}

impl Disk {
    /// An empty disk with an empty root directory and room without end.
    #[must_use]
    pub fn new() -> Self {
        Self {
            files: BTreeMap::new(),
            directories: BTreeSet::from([ROOT]),
            names: Names::default(),
            locks: BTreeMap::new(),
            next_node: 1,
            next_change: 0,
            capacity_bytes: None,
            written_bytes: 0,
            late_writes: Vec::new(),
        }
    }

    /// From now on changes that need more space than this fail with ENOSPC; `None` takes the limit away.
    pub fn set_capacity_bytes(&mut self, capacity_bytes: Option<u64>) {
        self.capacity_bytes = capacity_bytes;
    }

    /// The space that files with a name or a descriptor use.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        let in_use = self.files.values().filter(|file| file.links > 0 || file.descriptors > 0);
        in_use.map(|file| file.allocated_bytes()).sum()
    }

    /// Bytes that were written into files since the disk was made.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// Descriptors that are open.
    #[must_use]
    pub fn descriptor_count(&self) -> usize {
        self.files.values().map(|file| file.descriptors as usize).sum()
    }

    // Files by path.

    /// Opens a file, making it if the options say so. Each open is undone by one [`Disk::close`].
    pub fn open(&mut self, path: &Path, options: OpenOptions) -> io::Result<NodeId> {
        let (directory, name) = self.parent(path)?;
        let node = match self.names.get(directory, &name) {
            Some(_) if options.create_new => return Err(Errno::EXIST.into()),
            Some(node) if self.directories.contains(&node) => return Err(Errno::ISDIR.into()),
            Some(node) => node,
            None if options.create || options.create_new => self.create_file((directory, name)),
            None => return Err(Errno::NOENT.into()),
        };
        self.file_mut(node).descriptors += 1;
        if options.truncate {
            self.truncate(node, 0)?;
        }
        Ok(node)
    }

    /// Gives a descriptor back. A file without names and descriptors is gone.
    pub fn close(&mut self, node: NodeId) {
        let file = self.file_mut(node);
        file.descriptors = file.descriptors.checked_sub(1).expect("closed as often as opened");
        if file.descriptors == 0 {
            self.locks.remove(&node);
            self.forget_if_gone(node);
        }
    }

    /// Takes the file's advisory lock, unless another owner has it. Closing the file gives it back.
    pub fn try_lock(&mut self, node: NodeId, owner: LockOwner) -> bool {
        *self.locks.entry(node).or_insert(owner) == owner
    }

    /// Gives a lock back.
    pub fn unlock(&mut self, node: NodeId, owner: LockOwner) {
        if self.locks.get(&node) == Some(&owner) {
            self.locks.remove(&node);
        }
    }

    /// The files that somebody has locked.
    pub(super) fn locked_files(&self) -> impl Iterator<Item = NodeId> {
        self.locks.keys().copied()
    }

    /// Makes a directory and its missing parents.
    pub fn create_directory_all(&mut self, path: &Path) -> io::Result<()> {
        let mut directory = ROOT;
        for name in components(path)? {
            directory = match self.names.get(directory, name) {
                Some(node) if self.directories.contains(&node) => node,
                Some(_file) => return Err(Errno::EXIST.into()),
                None => self.create_directory((directory, Rc::from(name))),
            };
        }
        Ok(())
    }

    /// Removes an empty directory.
    pub fn remove_directory(&mut self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        let node = self.names.get(parent, &name).ok_or(Errno::NOENT)?;
        if !self.directories.contains(&node) {
            return Err(Errno::NOTDIR.into());
        }
        if self.names.list(node).next().is_some() {
            return Err(Errno::NOTEMPTY.into());
        }
        let at = self.change();
        self.names.unlink(at, (parent, name), node);
        Ok(())
    }

    /// Gives a file or directory another name; a file of that name is replaced, in the same instant.
    pub fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let from = self.parent(from)?;
        let to = self.parent(to)?;
        let node = self.names.get(from.0, &from.1).ok_or(Errno::NOENT)?;
        if from == to {
            return Ok(());
        }
        let replaced = self.names.get(to.0, &to.1);
        if replaced.is_some_and(|target| self.directories.contains(&target)) {
            return Err(Errno::ISDIR.into());
        }
        if replaced.is_some() && self.directories.contains(&node) {
            return Err(Errno::NOTDIR.into());
        }
        let at = self.change();
        self.names.rename(at, from, to, node);
        if let Some(replaced) = replaced {
            self.drop_link(replaced);
        }
        Ok(())
    }

    /// Removes a file's name. Who has it open may go on using it.
    pub fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        let (directory, name) = self.parent(path)?;
        let node = self.names.get(directory, &name).ok_or(Errno::NOENT)?;
        if self.directories.contains(&node) {
            return Err(Errno::ISDIR.into());
        }
        let at = self.change();
        self.names.unlink(at, (directory, name), node);
        self.drop_link(node);
        Ok(())
    }

    /// The names in a directory, in order.
    pub fn read_directory(&self, path: &Path) -> io::Result<Vec<DirectoryEntry>> {
        let directory = self.directory(path)?;
        let entry = |(name, node): (&Rc<str>, NodeId)| {
            let metadata = self.node_metadata(node);
            let kind = if metadata.is_directory { EntryKind::Directory } else { EntryKind::File };
            DirectoryEntry { name: name.as_ref().into(), kind, size_bytes: metadata.size_bytes }
        };
        Ok(self.names.list(directory).map(entry).collect())
    }

    /// What a path is, if anything.
    pub fn metadata(&self, path: &Path) -> io::Result<Option<Metadata>> {
        match self.lookup(path) {
            Ok(node) => Ok(Some(self.node_metadata(node))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    // Open files.

    /// Fills `buffer` from `offset` up to the end of the file; returns how much that was.
    #[must_use]
    pub fn read(&self, node: NodeId, offset: u64, buffer: &mut [u8]) -> usize {
        self.file(node).read(offset, buffer)
    }

    /// Writes all of `bytes`, growing the file as needed.
    pub fn write(&mut self, node: NodeId, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.reserve(node, offset, bytes.len() as u64)?;
        self.written_bytes += bytes.len() as u64;
        let at = self.change();
        self.file_mut(node).write(at, offset, bytes);
        Ok(())
    }

    /// Writes all of `bytes` past every cache (O_DSYNC): they are durable, and so is the size that shows them.
    pub fn write_durably(&mut self, node: NodeId, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write(node, offset, bytes)?;
        let newest = SyncPoint(self.next_change - 1);
        self.file_mut(node).sync_only(newest);
        Ok(())
    }

    /// Reserves space for a range and grows the file to its end.
    pub fn allocate(&mut self, node: NodeId, offset: u64, length: u64) -> io::Result<()> {
        let end = self.reserve(node, offset, length)?;
        let at = self.change();
        self.file_mut(node).allocate(at, offset, end);
        Ok(())
    }

    /// Sets the file's size.
    pub fn truncate(&mut self, node: NodeId, size_bytes: u64) -> io::Result<()> {
        if size_bytes > FILE_SIZE_BYTES_MAX {
            return Err(Errno::FBIG.into());
        }
        let at = self.change();
        self.file_mut(node).set_size(at, size_bytes);
        Ok(())
    }

    /// Makes a range zero and gives its space back; the size stays.
    pub fn punch_hole(&mut self, node: NodeId, offset: u64, length: u64) -> io::Result<()> {
        let end = offset.checked_add(length).ok_or(Errno::INVAL)?;
        let at = self.change();
        self.file_mut(node).punch(at, offset, end);
        Ok(())
    }

    /// The file's size.
    #[must_use]
    pub fn size_bytes(&self, node: NodeId) -> u64 {
        self.file(node).size_bytes()
    }

    // Durability.

    /// The present moment: what a sync that begins now will cover.
    #[must_use]
    pub fn sync_point(&self) -> SyncPoint {
        SyncPoint(self.next_change)
    }

    /// Makes what was done to a file before `point` durable. Its name is its directory's business.
    pub fn sync_file(&mut self, node: NodeId, point: SyncPoint) {
        if !self.file(node).is_durable() {
            self.file_mut(node).sync(point);
        }
    }

    /// Makes the names that were made, changed or removed in a directory before `point` durable.
    pub fn sync_directory(&mut self, path: &Path, point: SyncPoint) -> io::Result<()> {
        let directory = self.directory(path)?;
        self.names.sync(directory, point);
        Ok(())
    }

    /// Makes everything durable, as a clean unmount does.
    pub fn sync_all(&mut self) {
        let point = self.sync_point();
        let directories: Vec<NodeId> = self.directories.iter().copied().collect();
        for directory in directories {
            self.names.sync(directory, point);
        }
        let files: Vec<NodeId> = self.files.keys().copied().collect();
        for node in files {
            self.sync_file(node, point);
        }
    }

    /// What a failed sync of a file leaves behind: some of what was unsynced is durable, the rest is forgotten and no
    /// later sync brings it back. Reads through the page cache show it until a power loss.
    pub fn forget_unsynced(&mut self, node: NodeId, random: &mut Random, reads: Reads) {
        self.file_mut(node).forget_unsynced(random, reads);
    }

    /// The process that used the disk was killed: its descriptors and locks are gone, what it wrote is still in the
    /// system's cache.
    pub fn kill(&mut self) {
        self.locks.clear();
        let nodes: Vec<NodeId> = self.files.keys().copied().collect();
        for node in nodes {
            if self.file(node).descriptors > 0 {
                self.file_mut(node).descriptors = 0;
            }
            self.forget_if_gone(node);
        }
    }

    /// Leaves a write of a killed process to be carried out while the next one runs.
    pub(super) fn write_later(&mut self, node: NodeId, offset: u64, bytes: Vec<u8>) {
        self.late_writes.push(LateWrite { node, offset, bytes });
    }

    pub(super) fn take_late_writes(&mut self) -> Vec<LateWrite> {
        std::mem::take(&mut self.late_writes)
    }

    /// Carries out a write of a killed process, unless its file is gone.
    pub(super) fn write_late(&mut self, node: NodeId, offset: u64, bytes: &[u8]) {
        if self.files.contains_key(&node) {
            // A full disk refuses it, and nobody is there to be told.
            let _nobody_asks = self.write(node, offset, bytes);
        }
    }

    // For tests: looking and spoiling from outside.

    /// The paths of all files, in order.
    #[must_use]
    pub fn list_files(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.walk(ROOT, "", &mut found);
        found.sort();
        found
    }

    /// The space that a file uses: less than its length where it has holes.
    pub fn file_used_bytes(&self, path: &Path) -> io::Result<u64> {
        let node = self.lookup(path)?;
        let file = self.files.get(&node).ok_or(Errno::ISDIR)?;
        Ok(file.allocated_bytes())
    }

    /// A file's whole content, as reads show it.
    pub fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let node = self.lookup(path)?;
        let file = self.files.get(&node).ok_or(Errno::ISDIR)?;
        let mut bytes = vec![0; usize::try_from(file.size_bytes()).map_err(|_| Errno::FBIG)?];
        let _all = file.read(0, &mut bytes);
        Ok(bytes)
    }

    /// Makes a file with this content, durably, with its directories.
    pub fn write_file(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if let Some(parent) = path.parent() {
            self.create_directory_all(parent)?;
        }
        let node = self.open(path, OpenOptions::new().write(true).create(true).truncate(true))?;
        let written = self.write(node, 0, bytes);
        self.close(node);
        self.sync_all();
        written
    }

    /// Changes bits of one byte of a file, in the platter and in the cache: `byte ^= mask`.
    pub fn flip_bits(&mut self, path: &Path, offset: u64, mask: u8) -> io::Result<()> {
        let node = self.lookup(path)?;
        if offset >= self.files.get(&node).ok_or(Errno::ISDIR)?.size_bytes() {
            return Err(Errno::INVAL.into());
        }
        self.file_mut(node).damage(offset, |byte| *byte ^= mask);
        Ok(())
    }

    // Inside.

    fn change(&mut self) -> SyncPoint {
        self.next_change += 1;
        SyncPoint(self.next_change - 1)
    }

    fn new_node(&mut self) -> NodeId {
        self.next_node += 1;
        NodeId(self.next_node - 1)
    }

    fn create_file(&mut self, name: Name) -> NodeId {
        let (node, at) = (self.new_node(), self.change());
        self.files.insert(node, Rc::new(FileNode::created()));
        self.names.link(at, name, node);
        node
    }

    fn create_directory(&mut self, name: Name) -> NodeId {
        let (node, at) = (self.new_node(), self.change());
        self.directories.insert(node);
        self.names.link(at, name, node);
        node
    }

    /// Checks that `length` bytes at `offset` find room, and returns their end.
    fn reserve(&self, node: NodeId, offset: u64, length: u64) -> io::Result<u64> {
        let end = offset.checked_add(length).ok_or(Errno::INVAL)?;
        if end > FILE_SIZE_BYTES_MAX {
            return Err(Errno::FBIG.into());
        }
        if let Some(capacity_bytes) = self.capacity_bytes
            && self.used_bytes() + self.file(node).missing_bytes(offset, end) > capacity_bytes
        {
            return Err(Errno::NOSPC.into());
        }
        Ok(end)
    }

    fn drop_link(&mut self, node: NodeId) {
        self.file_mut(node).links -= 1;
        self.forget_if_gone(node);
    }

    fn forget_if_gone(&mut self, node: NodeId) {
        let file = self.file(node);
        if file.links == 0 && file.descriptors == 0 && !self.names.may_return(node) {
            self.files.remove(&node);
        }
    }

    fn file(&self, node: NodeId) -> &FileNode {
        self.files.get(&node).expect("an open file is kept")
    }

    fn file_mut(&mut self, node: NodeId) -> &mut FileNode {
        Rc::make_mut(self.files.get_mut(&node).expect("an open file is kept"))
    }

    fn node_metadata(&self, node: NodeId) -> Metadata {
        match self.files.get(&node) {
            Some(file) => Metadata { size_bytes: file.size_bytes(), is_directory: false },
            None => Metadata { size_bytes: 0, is_directory: true },
        }
    }

    fn lookup(&self, path: &Path) -> Result<NodeId, Errno> {
        components(path)?.into_iter().try_fold(ROOT, |directory, name| {
            if !self.directories.contains(&directory) {
                return Err(Errno::NOTDIR);
            }
            self.names.get(directory, name).ok_or(Errno::NOENT)
        })
    }

    fn directory(&self, path: &Path) -> Result<NodeId, Errno> {
        let node = self.lookup(path)?;
        if self.directories.contains(&node) { Ok(node) } else { Err(Errno::NOTDIR) }
    }

    /// The directory and the last name of a path.
    fn parent(&self, path: &Path) -> Result<Name, Errno> {
        let name = *components(path)?.last().ok_or(Errno::INVAL)?;
        let directory = self.directory(path.parent().ok_or(Errno::INVAL)?)?;
        Ok((directory, Rc::from(name)))
    }

    fn walk(&self, directory: NodeId, prefix: &str, found: &mut Vec<String>) {
        for (name, node) in self.names.list(directory) {
            let path = format!("{prefix}/{name}");
            if self.directories.contains(&node) {
                self.walk(node, &path, found);
            } else {
                found.push(path);
            }
        }
    }

    /// Rebuilds what follows from names on a disk that nobody uses: link counts, reachable directories, files gone.
    fn clean_up(&mut self) {
        let mut reachable = BTreeSet::from([ROOT]);
        let mut waiting = vec![ROOT];
        let mut links: BTreeMap<NodeId, u32> = BTreeMap::new();
        while let Some(directory) = waiting.pop() {
            for (_, node) in self.names.list(directory) {
                if self.directories.contains(&node) {
                    if reachable.insert(node) {
                        waiting.push(node);
                    }
                } else {
                    *links.entry(node).or_insert(0) += 1;
                }
            }
        }
        self.directories = reachable;
        self.names.retain(|(directory, _), _| self.directories.contains(directory));
        self.files.retain(|node, file| match links.get(node) {
            Some(&links) => {
                // A file that changes is copied; most do not.
                if file.links != links || file.descriptors != 0 {
                    let file = Rc::make_mut(file);
                    (file.links, file.descriptors) = (links, 0);
                }
                true
            }
            None => false,
        });
    }

    /// The disk that holds `names`, and of each file the content that `of_file` chooses, all of it durable.
    fn image(&self, names: Names, mut of_file: impl FnMut(NodeId, &FileNode) -> Option<Content>) -> Self {
        let files = self.files.iter().map(|(&node, file)| match of_file(node, file) {
            Some(content) => (node, Rc::new(FileNode::durable(content))),
            None => (node, file.clone()),
        });
        let mut image =
            Self { files: files.collect(), names, locks: BTreeMap::new(), ..self.clone_without_files() };
        image.clean_up();
        image
    }

    fn clone_without_files(&self) -> Self {
        Self {
            files: BTreeMap::new(),
            directories: self.directories.clone(),
            names: Names::default(),
            locks: BTreeMap::new(),
            late_writes: Vec::new(),
            ..*self
        }
    }
}

/// The names of a path. Simulated paths are absolute or relative to the root, which is the same.
fn components(path: &Path) -> Result<Vec<&str>, Errno> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name.to_str().ok_or(Errno::ILSEQ)?),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return Err(Errno::INVAL),
        }
    }
    Ok(names)
}
