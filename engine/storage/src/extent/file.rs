//! A partition's file on the device: made under a temporary name, grown ahead of use, read and written by extent.

use std::{
    cell::Cell,
    path::{Path, PathBuf},
};

use basalt_format::{
    BLOCK_SIZE_BYTES,
    extent::{Pointer, extent_checksum},
};
use basalt_runtime::{AlignedBuffer, DirectMode, File, Handle, OpenOptions};

use super::{
    Run,
    open_files::{CachedFile, OpenFiles},
};
use crate::{
    error::{CorruptReason, DiskOperation, Place, StorageError},
    ids::PartitionId,
    reserve::{Taker, is_full},
};

/// Whose file it is and the secret of its checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileIdentity {
    pub(crate) partition: PartitionId,
    pub(crate) file_uuid: [u8; 16],
    pub(crate) salt: u64,
}

/// Whether there is a file on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileState {
    Unmade,
    Made,
    Removed,
}

/// The file, which does not exist before something must be written.
pub(crate) struct PartitionFile {
    handle: Handle,
    identity: FileIdentity,
    path: PathBuf,
    file: CachedFile,
    state: Cell<FileState>,
    /// Writes that no sync has covered.
    unsynced_writes: Cell<u64>,
    /// Whether the file has its final name, which it gets after its first superblock is durable.
    is_placed: Cell<bool>,
}

impl PartitionFile {
    /// A file that will be made when something is written.
    pub(crate) fn unmade(handle: &Handle, files: &OpenFiles, path: &Path, identity: FileIdentity) -> Self {
        Self {
            handle: handle.clone(),
            identity,
            path: path.to_owned(),
            file: files.place(),
            state: Cell::new(FileState::Unmade),
            unsynced_writes: Cell::new(0),
            is_placed: Cell::new(false),
        }
    }

    /// A file that was found open under its final name.
    pub(crate) fn placed(
        handle: &Handle,
        files: &OpenFiles,
        path: &Path,
        identity: FileIdentity,
        file: File,
    ) -> Self {
        let found = Self::unmade(handle, files, path, identity);
        found.state.set(FileState::Made);
        found.is_placed.set(true);
        found.file.allow_closing(true);
        found.file.set(file);
        found
    }

    /// Opens the file at `path`; `None` if there is none.
    pub(crate) async fn find(handle: &Handle, path: &Path) -> Result<Option<File>, StorageError> {
        let found = handle.metadata(path).await.map_err(|error| disk(DiskOperation::Open, path, error))?;
        if found.is_none() {
            return Ok(None);
        }
        let options = OpenOptions::new().read(true).write(true).direct(DirectMode::Direct);
        let file = handle.open_file(path, options).await;
        file.map(Some).map_err(|error| disk(DiskOperation::Open, path, error))
    }

    /// Whose file it is.
    pub(crate) fn identity(&self) -> FileIdentity {
        self.identity
    }

    /// Whether the file has its final name.
    pub(crate) fn is_placed(&self) -> bool {
        self.is_placed.get()
    }

    /// Makes the file longer, `from` and `to` in blocks, and the new length durable: no superblock can mention one that a
    /// crash takes back.
    ///
    /// The blocks are reserved and not filled: to fill them is to write each of them twice. A page's first write changes
    /// metadata then, which costs a journal's commit at the next sync; of these a checkpoint has two, whatever it writes.
    pub(crate) async fn grow(&self, from: u64, to: u64) -> Result<(), StorageError> {
        self.extend(from, to).await?;
        if basalt_runtime::planted!(SkipFileGrowthSync) {
            return Ok(());
        }
        let synced = self.open().await?.sync_all().await;
        self.abort_unless_synced(synced.map_err(|error| self.error(DiskOperation::Sync, error)));
        Ok(())
    }

    /// As [`PartitionFile::grow`], for what is synced before a superblock mentions the new length.
    pub(crate) async fn extend(&self, from: u64, to: u64) -> Result<(), StorageError> {
        let file = self.open_or_create().await?;
        let (from, to) = (from * BLOCK_SIZE_BYTES as u64, to * BLOCK_SIZE_BYTES as u64);
        let allocated = file.allocate(from, to - from).await;
        allocated.map_err(|error| self.error(DiskOperation::Allocate, error))
    }

    /// Makes everything written so far durable, or ends the process: after a failed sync what was written may be gone,
    /// pages written long before among it, and the next sync would succeed all the same (Rebello et al., USENIX ATC
    /// 2020). The superblocks on disk still lead to trees that are whole, and the log has the rest.
    pub(crate) async fn sync_or_abort(&self) {
        let synced = self.sync().await;
        self.abort_unless_synced(synced);
    }

    fn abort_unless_synced(&self, synced: Result<(), StorageError>) {
        if let Err(error) = synced {
            basalt_runtime::sometimes!("partition file sync failed");
            self.handle
                .abort_process(&format!("{} cannot be made durable: {error}", self.identity.partition));
        }
    }

    /// As [`PartitionFile::grow`]; on a full device the space comes from the reserve.
    pub(crate) async fn grow_by_reserve(&self, from: u64, to: u64) -> Result<(), StorageError> {
        let bytes = (to - from) * BLOCK_SIZE_BYTES as u64;
        loop {
            match self.grow(from, to).await {
                Err(StorageError::Full { .. }) if self.take_from_reserve(bytes).await => {}
                grown => return grown,
            }
        }
    }

    async fn take_from_reserve(&self, bytes: u64) -> bool {
        self.file.reserve().give_way(bytes, Taker::PartitionFile).await
    }

    /// Reads the extent that `pointer` names and compares it with the pointer's checksum.
    pub(crate) async fn read(&self, pointer: &Pointer) -> Result<AlignedBuffer, StorageError> {
        let buffer = AlignedBuffer::zeroed(pointer.stored_bytes());
        let (read, buffer) = self.open().await?.read_at(buffer, pointer.offset()).await;
        let length = read.map_err(|error| self.error(DiskOperation::Read, error))?;
        if basalt_runtime::planted!(SkipPageChecksum) {
            return Ok(buffer);
        }
        match pointer.verify(self.identity.salt, &buffer[..length]) {
            Ok(()) => Ok(buffer),
            Err(_) => Err(self.corrupt(pointer, CorruptReason::Checksum)),
        }
    }

    /// Writes an extent; returns the checksum for its pointer, and the buffer.
    pub(crate) async fn write(
        &self,
        run: Run,
        stored: AlignedBuffer,
    ) -> Result<(u64, AlignedBuffer), StorageError> {
        let checksum = self.checksum(run, &stored);
        let buffer = self.write_blocks(run.block, stored).await?;
        Ok((checksum, buffer))
    }

    /// The checksum by which a pointer names what is stored in `run`.
    pub(crate) fn checksum(&self, run: Run, stored: &[u8]) -> u64 {
        assert_eq!(stored.len(), run.blocks as usize * BLOCK_SIZE_BYTES, "an extent is written whole");
        extent_checksum(self.identity.salt, run.block, stored)
    }

    /// Writes whole blocks. Free ones may have been given back to the file system: on a full device, their space comes from
    /// the reserve.
    pub(crate) async fn write_blocks(
        &self,
        block: u64,
        mut bytes: AlignedBuffer,
    ) -> Result<AlignedBuffer, StorageError> {
        let file = self.open().await?;
        self.note_writes(self.unsynced_writes.get() + 1);
        loop {
            let (written, buffer) = file.write_at(bytes, block * BLOCK_SIZE_BYTES as u64).await;
            match written {
                Ok(_) => return Ok(buffer),
                Err(error) if is_full(&error) && self.take_from_reserve(buffer.len() as u64).await => {
                    bytes = buffer;
                }
                Err(error) => return Err(self.error(DiskOperation::Write, error)),
            }
        }
    }

    /// Makes everything written so far durable.
    pub(crate) async fn sync(&self) -> Result<(), StorageError> {
        let covered = self.unsynced_writes.get();
        let synced = self.open().await?.sync_data().await;
        synced.map_err(|error| self.error(DiskOperation::Sync, error))?;
        self.note_writes(self.unsynced_writes.get() - covered);
        Ok(())
    }

    /// Makes durable what was found at the start. After a killed process it may stand in the system's memory only,
    /// and whoever believed it would lose it with the power.
    pub(crate) async fn sync_found(&self) -> Result<(), StorageError> {
        if !self.is_placed() {
            return Ok(());
        }
        self.sync().await?;
        self.sync_directories().await
    }

    /// Gives the file its final name, durably.
    pub(crate) async fn place(&self) -> Result<(), StorageError> {
        let directory = self.directory();
        let made = self.handle.create_directory_all(directory).await;
        made.map_err(|error| disk(DiskOperation::Directory, directory, error))?;
        let renamed = self.handle.rename(&self.temporary_path(), &self.path).await;
        renamed.map_err(|error| self.error(DiskOperation::Rename, error))?;
        if !basalt_runtime::planted!(SkipDirectorySync) {
            self.sync_directories().await?;
        }
        self.is_placed.set(true);
        self.note_writes(self.unsynced_writes.get());
        Ok(())
    }

    /// Length of the file on the device.
    pub(crate) async fn blocks(&self) -> Result<u64, StorageError> {
        let size =
            self.open().await?.size_bytes().await.map_err(|error| self.error(DiskOperation::Read, error))?;
        Ok(size / BLOCK_SIZE_BYTES as u64)
    }

    /// Cuts the file to `blocks`.
    pub(crate) async fn truncate(&self, blocks: u64) -> Result<(), StorageError> {
        let cut = self.open().await?.truncate(blocks * BLOCK_SIZE_BYTES as u64).await;
        cut.map_err(|error| self.error(DiskOperation::Truncate, error))
    }

    /// Gives the space of free blocks back to the file system.
    pub(crate) async fn punch(&self, block: u64, blocks: u64) -> Result<(), StorageError> {
        let (offset, length) = (block * BLOCK_SIZE_BYTES as u64, blocks * BLOCK_SIZE_BYTES as u64);
        let punched = self.open().await?.punch_hole(offset, length).await;
        punched.map_err(|error| self.error(DiskOperation::Truncate, error))
    }

    /// Removes the file, if it was made. Blocks in flight land nowhere: operations hold the open file.
    pub(crate) async fn remove(&self) -> Result<(), StorageError> {
        if self.state.replace(FileState::Removed) != FileState::Made {
            return Ok(());
        }
        self.file.close();
        let path = if self.is_placed() { self.path.clone() } else { self.temporary_path() };
        match self.handle.remove_file(&path).await {
            // A start removes the files of partitions that were dropped before; it may have come first.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(|error| disk(DiskOperation::Remove, &path, error)),
        }
    }

    /// The error of an extent that is not what its pointer says.
    pub(crate) fn corrupt(&self, pointer: &Pointer, reason: CorruptReason) -> StorageError {
        let place = Place::Extent { block: pointer.block, blocks: pointer.blocks };
        StorageError::Corrupt { partition: self.identity.partition, place, reason }
    }

    /// The file, opened again if others had it closed.
    async fn open(&self) -> Result<File, StorageError> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        self.check_made()?;
        let options = OpenOptions::new().read(true).write(true).direct(DirectMode::Direct);
        let file = self.handle.open_file(&self.path, options).await;
        // It may have been dropped meanwhile.
        self.check_made()?;
        let file = file.map_err(|error| self.error(DiskOperation::Open, error))?;
        self.file.set(file.clone());
        Ok(file)
    }

    /// A dropped partition's file is gone; so are its readers, but for those that were already waiting.
    fn check_made(&self) -> Result<(), StorageError> {
        match self.state.get() {
            FileState::Made => Ok(()),
            FileState::Unmade | FileState::Removed => {
                Err(StorageError::UnknownPartition(self.identity.partition))
            }
        }
    }

    async fn open_or_create(&self) -> Result<File, StorageError> {
        if self.state.get() != FileState::Unmade {
            return self.open().await;
        }
        let path = self.temporary_path();
        let directory = path.parent().unwrap_or(&path);
        let made = self.handle.create_directory_all(directory).await;
        made.map_err(|error| disk(DiskOperation::Directory, directory, error))?;
        let options =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).direct(DirectMode::Direct);
        let file = self.handle.open_file(&path, options).await;
        let file = file.map_err(|error| disk(DiskOperation::Open, &path, error))?;
        self.state.set(FileState::Made);
        self.file.set(file.clone());
        Ok(file)
    }

    fn note_writes(&self, unsynced: u64) {
        self.unsynced_writes.set(unsynced);
        self.file.allow_closing(unsynced == 0 && self.is_placed());
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    /// `DATA/part/<xx>/<name>.pt` is built as `DATA/tmp/<name>.pt`.
    fn temporary_path(&self) -> PathBuf {
        let data = self.path.ancestors().nth(3).unwrap_or(Path::new(""));
        data.join("tmp").join(self.path.file_name().unwrap_or_default())
    }

    /// The file's name, and those of its directories, which may be new.
    async fn sync_directories(&self) -> Result<(), StorageError> {
        for directory in self.path.ancestors().skip(1).take(3) {
            let synced = self.handle.sync_directory(directory).await;
            synced.map_err(|error| disk(DiskOperation::Sync, directory, error))?;
        }
        Ok(())
    }

    fn error(&self, operation: DiskOperation, source: std::io::Error) -> StorageError {
        disk(operation, &self.path, source)
    }
}

fn disk(operation: DiskOperation, path: &Path, source: std::io::Error) -> StorageError {
    StorageError::disk(operation, path, source)
}
