//! What requests do to the simulated disk, and what faults make of them.

use super::FaultKind;
use super::disk::{Disk, LockOwner, NodeId, Reads, SyncPoint};
use super::world::{OpenFile, Step, World, failed};
use crate::aligned_buffer::{AlignedBuffer, BUFFER_ALIGNMENT_BYTES};
use crate::backend::{AfterWrite, DirectMode, OpenOptions, OpenedFile, Operation, Outcome};
use crate::ids::FileId;
use rustix::io::Errno;
use std::io;
use std::path::Path;

const SECTOR_SIZE_BYTES: usize = 512;

/// What a write leaves to do.
pub(super) enum Written {
    Done(Outcome),
    SyncNext(Step),
}

impl World {
    pub(super) fn perform(&mut self, operation: Operation) -> Outcome {
        use FaultKind as Fault;
        match operation {
            Operation::OpenFile { path, options } => Outcome::Opened(self.open(&path, options)),
            Operation::CloseFile { file } => Outcome::Done(self.close(file)),
            Operation::Read { file, mut buffer, filled, offset } => {
                let result = self.read(file, &mut buffer[filled..], offset + filled as u64);
                Outcome::Transferred { result, buffer }
            }
            Operation::Allocate { file, offset, length } => Outcome::Done(self.on_file(
                file,
                &[(Fault::AllocateError, Errno::IO), (Fault::AllocateNoSpace, Errno::NOSPC)],
                |disk, node| disk.allocate(node, offset, length),
            )),
            Operation::Truncate { file, length } => {
                Outcome::Done(self.on_file(file, &[(Fault::TruncateError, Errno::IO)], |disk, node| {
                    disk.truncate(node, length)
                }))
            }
            Operation::PunchHole { file, offset, length } => {
                Outcome::Done(self.on_file(file, &[(Fault::PunchError, Errno::IO)], |disk, node| {
                    disk.punch_hole(node, offset, length)
                }))
            }
            Operation::FileSize { file } => Outcome::Size(self.on_file(
                file,
                &[(Fault::SizeError, Errno::IO)],
                |disk, node| Ok(disk.size_bytes(node)),
            )),
            Operation::CreateDirectoryAll { path } => Outcome::Done(self.on_path(
                &path,
                &[(Fault::CreateDirectoryError, Errno::IO), (Fault::CreateDirectoryNoSpace, Errno::NOSPC)],
                |disk| disk.create_directory_all(&path),
            )),
            Operation::RemoveDirectory { path } => {
                Outcome::Done(self.on_path(&path, &[(Fault::RemoveDirectoryError, Errno::IO)], |disk| {
                    disk.remove_directory(&path)
                }))
            }
            Operation::Rename { from, to } => Outcome::Done(self.on_path(
                &from,
                &[(Fault::RenameError, Errno::IO), (Fault::RenameNoSpace, Errno::NOSPC)],
                |disk| disk.rename(&from, &to),
            )),
            Operation::RemoveFile { path } => {
                Outcome::Done(
                    self.on_path(&path, &[(Fault::RemoveError, Errno::IO)], |disk| disk.remove_file(&path)),
                )
            }
            Operation::ReadDirectory { path } => {
                Outcome::Entries(self.on_path(&path, &[(Fault::ReadDirectoryError, Errno::IO)], |disk| {
                    disk.read_directory(&path)
                }))
            }
            Operation::Metadata { path } => {
                Outcome::Metadata(
                    self.on_path(&path, &[(Fault::MetadataError, Errno::IO)], |disk| disk.metadata(&path)),
                )
            }
            other => failed(Step::Perform(other), Errno::OPNOTSUPP),
        }
    }

    fn open(&mut self, path: &Path, options: OpenOptions) -> io::Result<OpenedFile> {
        let may_make = options.create || options.create_new;
        if (may_make || options.truncate) && !options.write {
            return Err(Errno::INVAL.into());
        }
        if self.faults.strikes(FaultKind::OpenNoDescriptor, path) {
            return Err(Errno::MFILE.into());
        }
        let is_there = self.disk.metadata(path)?.is_some();
        let fault = if is_there { FaultKind::OpenError } else { FaultKind::CreateNoSpace };
        if (is_there || may_make) && self.faults.strikes(fault, path) {
            return Err(if is_there { Errno::IO } else { Errno::NOSPC }.into());
        }
        let node = self.disk.open(path, options)?;
        let wants_direct = options.direct == DirectMode::Direct;
        let is_direct = wants_direct && !self.faults.strikes(FaultKind::DirectRefused, path);
        let file = FileId(self.next_file);
        self.next_file += 1;
        self.files.insert(file, OpenFile { node, path: path.to_owned(), options, is_direct });
        Ok(OpenedFile { file, is_direct })
    }

    fn close(&mut self, file: FileId) -> io::Result<()> {
        let open = self.files.remove(&file).ok_or(Errno::BADF)?;
        self.disk.unlock(open.node, LockOwner(file.0));
        self.disk.close(open.node);
        if self.faults.strikes(FaultKind::CloseError, &open.path) { Err(Errno::IO.into()) } else { Ok(()) }
    }

    fn read(&mut self, file: FileId, target: &mut [u8], offset: u64) -> io::Result<usize> {
        const KINDS: &[FaultKind] =
            &[FaultKind::ReadError, FaultKind::ReadShort, FaultKind::ReadFlipped, FaultKind::ReadMisdirected];
        let open = self.files.get(&file).ok_or(Errno::BADF)?;
        check_access(open, open.options.read, offset, target.len())?;
        let (node, unit) = (open.node, if open.is_direct { BUFFER_ALIGNMENT_BYTES } else { 1 });
        let fault = self.faults.first_of(KINDS, &open.path);
        let offset = match fault {
            Some(FaultKind::ReadError) => return Err(Errno::IO.into()),
            Some(FaultKind::ReadMisdirected) => self.other_offset(node, offset),
            _ => offset,
        };
        let count = match fault {
            Some(FaultKind::ReadShort) => self.shortened(target.len(), unit),
            _ => target.len(),
        };
        let count = self.disk.read(node, offset, &mut target[..count]);
        if fault == Some(FaultKind::ReadFlipped) && count > 0 {
            self.flip_one_bit(&mut target[..count]);
        }
        Ok(count)
    }

    pub(super) fn write(
        &mut self,
        file: FileId,
        buffer: AlignedBuffer,
        written: usize,
        offset: u64,
        after: AfterWrite,
    ) -> Written {
        let start = offset + written as u64;
        let result = self.write_bytes(file, start, &buffer[written..]);
        let is_whole = result.as_ref().is_ok_and(|&count| written + count == buffer.len());
        if is_whole && after == AfterWrite::SyncData {
            let began = self.disk.sync_point();
            return Written::SyncNext(Step::SyncWritten { file, began, buffer, written });
        }
        Written::Done(Outcome::Transferred { result, buffer })
    }

    /// Writes `bytes`, or what a fault makes of them; returns what the process is told.
    fn write_bytes(&mut self, file: FileId, start: u64, bytes: &[u8]) -> io::Result<usize> {
        use FaultKind as Fault;
        const KINDS: &[FaultKind] = &[
            Fault::WriteError,
            Fault::WriteErrorPartial,
            Fault::WriteNoSpace,
            Fault::WriteShort,
            Fault::WriteFlipped,
            Fault::WriteMisdirected,
            Fault::WriteToOtherFile,
            Fault::WriteLost,
            Fault::WriteTorn,
        ];
        let open = self.files.get(&file).ok_or(Errno::BADF)?;
        check_access(open, open.options.write, start, bytes.len())?;
        let (node, is_durable) = (open.node, open.options.data_sync);
        let unit = if open.is_direct { BUFFER_ALIGNMENT_BYTES } else { 1 };
        match self.faults.first_of(KINDS, &open.path) {
            Some(Fault::WriteError) => return Err(Errno::IO.into()),
            Some(Fault::WriteNoSpace) => return Err(Errno::NOSPC.into()),
            Some(Fault::WriteErrorPartial) => {
                self.write_some_sectors(node, start, bytes)?;
                return Err(Errno::IO.into());
            }
            Some(Fault::WriteShort) => {
                let count = self.shortened(bytes.len(), unit);
                // With O_DSYNC what a write says it has written is durable, all of it or not.
                self.put(node, start, &bytes[..count], is_durable)?;
                return Ok(count);
            }
            Some(Fault::WriteFlipped) => {
                let mut wrong = bytes.to_vec();
                self.flip_one_bit(&mut wrong);
                self.disk.write(node, start, &wrong)?;
            }
            Some(Fault::WriteMisdirected) => {
                let elsewhere = self.other_offset(node, start);
                self.disk.write(node, elsewhere, bytes)?;
            }
            Some(Fault::WriteToOtherFile) => {
                let other = self.other_file(node);
                self.disk.write(other, start, bytes)?;
            }
            Some(Fault::WriteLost) => {}
            Some(Fault::WriteTorn) => self.write_some_sectors(node, start, bytes)?,
            _ => self.put(node, start, bytes, is_durable)?,
        }
        Ok(bytes.len())
    }

    fn put(&mut self, node: NodeId, start: u64, bytes: &[u8], is_durable: bool) -> io::Result<()> {
        if is_durable {
            self.disk.write_durably(node, start, bytes)
        } else {
            self.disk.write(node, start, bytes)
        }
    }

    pub(super) fn sync_file(&mut self, file: FileId, began: SyncPoint) -> io::Result<()> {
        use FaultKind as Fault;
        const KINDS: &[FaultKind] =
            &[Fault::SyncErrorForgets, Fault::SyncErrorKeeps, Fault::SyncErrorAfterwards, Fault::SyncLost];
        let open = self.files.get(&file).ok_or(Errno::BADF)?;
        let node = open.node;
        let reads = if open.is_direct { Reads::PastCache } else { Reads::ThroughCache };
        match self.faults.first_of(KINDS, &open.path) {
            Some(Fault::SyncErrorForgets) => {
                self.disk.forget_unsynced(node, self.faults.random(), reads);
                Err(Errno::IO.into())
            }
            Some(Fault::SyncErrorKeeps) => Err(Errno::IO.into()),
            Some(Fault::SyncLost) => Ok(()),
            Some(_afterwards) => {
                self.disk.sync_file(node, began);
                Err(Errno::IO.into())
            }
            None => {
                self.disk.sync_file(node, began);
                Ok(())
            }
        }
    }

    pub(super) fn sync_directory(&mut self, path: &Path, began: SyncPoint) -> io::Result<()> {
        match self.faults.first_of(&[FaultKind::SyncDirectoryError, FaultKind::SyncDirectoryLost], path) {
            Some(FaultKind::SyncDirectoryError) => Err(Errno::IO.into()),
            Some(_lost) => Ok(()),
            None => self.disk.sync_directory(path, began),
        }
    }

    fn on_file<T>(
        &mut self,
        file: FileId,
        faults: &[(FaultKind, Errno)],
        effect: impl FnOnce(&mut Disk, NodeId) -> io::Result<T>,
    ) -> io::Result<T> {
        let open = self.files.get(&file).ok_or(Errno::BADF)?;
        let (node, path) = (open.node, open.path.clone());
        self.on_path(&path, faults, |disk| effect(disk, node))
    }

    fn on_path<T>(
        &mut self,
        path: &Path,
        faults: &[(FaultKind, Errno)],
        effect: impl FnOnce(&mut Disk) -> io::Result<T>,
    ) -> io::Result<T> {
        for &(kind, errno) in faults {
            if self.faults.strikes(kind, path) {
                return Err(errno.into());
            }
        }
        effect(&mut self.disk)
    }

    // What faults do to bytes and places.

    fn flip_one_bit(&mut self, bytes: &mut [u8]) {
        let random = self.faults.random();
        let place = random.index(bytes.len());
        bytes[place] ^= 1 << random.below(8);
    }

    /// A part of `length` in whole units, but at least one; all of it if it is no more than one.
    fn shortened(&mut self, length: usize, unit: usize) -> usize {
        let units = length / unit;
        if units < 2 { length } else { (1 + self.faults.random().index(units - 1)) * unit }
    }

    fn other_offset(&mut self, node: NodeId, offset: u64) -> u64 {
        let block = BUFFER_ALIGNMENT_BYTES as u64;
        let blocks = self.disk.size_bytes(node).div_ceil(block).max(2);
        let random = self.faults.random();
        let elsewhere = random.below(blocks) * block + offset % block;
        if elsewhere == offset { elsewhere + block } else { elsewhere }
    }

    /// Another open file, or the same one if there is no other.
    fn other_file(&mut self, node: NodeId) -> NodeId {
        let others: Vec<NodeId> =
            self.files.values().map(|open| open.node).filter(|&other| other != node).collect();
        if others.is_empty() { node } else { others[self.faults.random().index(others.len())] }
    }

    fn write_some_sectors(&mut self, node: NodeId, start: u64, bytes: &[u8]) -> io::Result<()> {
        for (index, sector) in bytes.chunks(SECTOR_SIZE_BYTES).enumerate() {
            if self.faults.random().coin() {
                self.disk.write(node, start + (index * SECTOR_SIZE_BYTES) as u64, sector)?;
            }
        }
        Ok(())
    }
}

/// Refuses what an operating system refuses: the wrong mode, and direct access off the blocks.
fn check_access(open: &OpenFile, is_allowed: bool, offset: u64, length: usize) -> io::Result<()> {
    if !is_allowed {
        return Err(Errno::BADF.into());
    }
    let is_aligned =
        offset.is_multiple_of(BUFFER_ALIGNMENT_BYTES as u64) && length.is_multiple_of(BUFFER_ALIGNMENT_BYTES);
    if open.is_direct && !is_aligned {
        return Err(Errno::INVAL.into());
    }
    Ok(())
}
