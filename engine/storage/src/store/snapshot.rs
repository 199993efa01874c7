//! One shard's part of a snapshot: its partitions' newest durable generations, and its log up to what is durable.
//!
//! A snapshot is what a crash at one instant would have left. The engine holds the logs of all shards, takes each
//! shard's part, and lets the logs go on (`wal::hold`). From then on the parts are read at leisure: pins keep the
//! extents and the segments as they are, and the files of partitions that are dropped meanwhile.
//!
//! Costs while it lives: space that newer generations and frames would have used again.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
};

use basalt_format::{BLOCK_SIZE_BYTES, data_directory::NODE_FILE_BYTES, superblock::Superblock};
use basalt_runtime::{AlignedBuffer, DirectMode, Handle, OpenOptions};

use super::ShardStore;
use crate::{
    checkpoint::TreePin,
    error::{DiskOperation, StorageError},
    wal::{LogHold, LogPin, PinnedSegment},
};

/// Files of one shard, as of one instant. Stays on its shard.
pub struct ShardSnapshot {
    handle: Handle,
    directory: PathBuf,
    partitions: Vec<(PathBuf, TreePin)>,
    /// `None` once nobody reads the log any more.
    log: RefCell<Option<LogPin>>,
}

/// A file of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Within the data directory.
    pub path: PathBuf,
    /// What of it counts.
    pub content: SnapshotContent,
}

/// Which bytes of a file belong to a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotContent {
    /// What this superblock reaches. The file's own superblocks may be newer by now.
    Partition(Box<Superblock>),
    /// The first `end_offset` bytes of a log segment; zeros from there on.
    Segment {
        /// Length of the file.
        size_bytes: u64,
        /// Where the last frame ends.
        end_offset: u64,
    },
}

impl ShardStore {
    /// Lets this shard's log write nothing as long as the result lives; waits for what is on its way to the disk.
    ///
    /// # Errors
    /// [`StorageError::Closed`] while the log of an earlier start is still being settled, and after the end.
    pub async fn hold_log(&self) -> Result<LogHold, StorageError> {
        if !self.shard.recycling.get() {
            return Err(StorageError::Closed);
        }
        Ok(self.shard.open_log()?.hold().await)
    }

    /// The bytes of NODE as they are now.
    pub async fn read_node(&self) -> Result<Vec<u8>, StorageError> {
        let path = self.shard.directory.join("NODE");
        let bytes = read_blocks(&self.shard.handle, &path, 0, NODE_FILE_BYTES / BLOCK_SIZE_BYTES).await?;
        Ok(bytes.to_vec())
    }

    /// This shard's part of a snapshot. The logs of all shards must be held.
    ///
    /// # Errors
    /// The reason why a partition is closed: a snapshot without it would not be whole.
    pub fn snapshot(&self) -> Result<ShardSnapshot, StorageError> {
        let shard = &self.shard;
        let mut partitions = Vec::new();
        for state in shard.partitions_snapshot() {
            state.check_serving()?;
            if let Some(pin) = state.tree().pin() {
                partitions.push((shard.partition_path(state.spec().id), pin));
            }
        }
        Ok(ShardSnapshot {
            handle: shard.handle.clone(),
            directory: shard.directory.clone(),
            partitions,
            log: RefCell::new(Some(shard.wal()?.pin())),
        })
    }
}

impl ShardSnapshot {
    /// The files and what of them counts; segments oldest first.
    pub fn files(&self) -> Vec<SnapshotFile> {
        let partitions = self.partitions.iter().map(|(path, pin)| SnapshotFile {
            path: self.relative(path),
            content: SnapshotContent::Partition(Box::new(pin.superblock().clone())),
        });
        let log = self.log.borrow();
        let segments = log.iter().flat_map(|log| log.segments()).map(|segment| SnapshotFile {
            path: self.relative(&segment.path),
            content: SnapshotContent::Segment {
                size_bytes: segment.size_bytes,
                end_offset: segment.end_offset,
            },
        });
        partitions.chain(segments).collect()
    }

    /// Nobody reads the segments any more: they may be used again.
    pub fn release_log(&self) {
        self.log.replace(None);
    }

    /// Reads whole blocks of one of [`ShardSnapshot::files`]; fewer where the file ends.
    pub async fn read(&self, path: &Path, block: u64, blocks: u32) -> Result<AlignedBuffer, StorageError> {
        let path = self.directory.join(path);
        if !self.holds(&path) {
            let missing = std::io::Error::new(std::io::ErrorKind::NotFound, "no file of this snapshot");
            return Err(StorageError::disk(DiskOperation::Open, path, missing));
        }
        read_blocks(&self.handle, &path, block, blocks as usize).await
    }

    fn holds(&self, path: &Path) -> bool {
        let is_segment = |segment: &PinnedSegment| segment.path == path;
        self.partitions.iter().any(|(partition, _)| partition == path)
            || self.log.borrow().iter().flat_map(|log| log.segments()).any(is_segment)
    }

    fn relative(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.directory).unwrap_or(path).to_owned()
    }
}

/// Past the page cache, which may show what a failed sync left there.
async fn read_blocks(
    handle: &Handle,
    path: &Path,
    block: u64,
    blocks: usize,
) -> Result<AlignedBuffer, StorageError> {
    let options = OpenOptions::new().read(true).direct(DirectMode::Direct);
    let opened = handle.open_file(path, options).await;
    let file = opened.map_err(|error| StorageError::disk(DiskOperation::Open, path, error))?;
    let buffer = AlignedBuffer::zeroed(blocks * BLOCK_SIZE_BYTES);
    let (read, mut buffer) = file.read_at(buffer, block * BLOCK_SIZE_BYTES as u64).await;
    buffer.truncate(read.map_err(|error| StorageError::disk(DiskOperation::Read, path, error))?);
    Ok(buffer)
}
