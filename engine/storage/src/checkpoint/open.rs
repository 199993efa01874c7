//! Opening a partition's file: judging its superblocks, reading its allocation map. Changes nothing.

use std::path::Path;

use basalt_format::{
    BLOCK_SIZE_BYTES, DecodeError,
    superblock::{SUPERBLOCK_A_BLOCK, SUPERBLOCK_B_BLOCK, SUPERBLOCK_BYTES, Superblock},
};
use basalt_runtime::{AlignedBuffer, File, Handle};

use super::{Progress, allocation_map::ReadMap, progress::SlotState, run::live_after};
use crate::{
    btree::{Counts, Tree, TreeStart},
    cache::BufferPool,
    error::{CorruptReason, DiskOperation, Place, Refusal, StorageError},
    extent::{Allocator, FileIdentity, OpenFiles, PartitionFile},
    ids::{Generation, PartitionId},
    page::PageName,
};

/// What a partition's superblocks say of whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TreeIdentity {
    pub(crate) partition: PartitionId,
    pub(crate) table: u64,
    pub(crate) hash_range: (u64, u64),
    pub(crate) hash_secret: [u8; 16],
    pub(crate) cluster_uuid: [u8; 16],
    /// Size of a page in memory; a file that exists has its own.
    pub(crate) page_bytes: u32,
    pub(crate) open_epoch: u64,
}

/// What others know of a partition's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Expectation {
    /// The uuid of the file, where somebody has recorded it.
    pub(crate) file_uuid: Option<[u8; 16]>,
    /// The highest generation that the log says was completed.
    pub(crate) generation: Generation,
}

/// A tree as its file gives it.
pub(crate) struct OpenedTree {
    pub(crate) tree: Tree,
    /// Why its allocation map cannot be read, if it cannot: then nothing may be written to the file, since nobody
    /// knows which of its blocks are free.
    pub(crate) damage: Option<StorageError>,
}

impl Tree {
    /// A tree without rows, file or page.
    pub(crate) fn empty(
        handle: &Handle,
        pool: &BufferPool,
        files: &OpenFiles,
        path: &Path,
        identity: TreeIdentity,
    ) -> Self {
        let mut file_uuid = [0; 16];
        handle.fill_entropy(&mut file_uuid);
        let salt = handle.random_u64();
        let file_identity = FileIdentity { partition: identity.partition, file_uuid, salt };
        let start = TreeStart {
            root: None,
            live: 1,
            counts: Counts::default(),
            allocator: Allocator::new(),
            progress: Progress::default(),
        };
        let file = PartitionFile::unmade(handle, files, path, file_identity);
        Self::start(handle, pool, identity, file, start)
    }

    /// Opens the file at `path` from its newest valid superblock; `None` if there is no file.
    ///
    /// Whether the log still reaches back to that superblock is for the caller to judge.
    pub(crate) async fn open(
        handle: &Handle,
        pool: &BufferPool,
        files: &OpenFiles,
        path: &Path,
        identity: TreeIdentity,
        expectation: Expectation,
    ) -> Result<Option<OpenedTree>, StorageError> {
        let Some(file) = PartitionFile::find(handle, path).await? else { return Ok(None) };
        let found = [
            read_superblock(&file, path, SUPERBLOCK_A_BLOCK).await?,
            read_superblock(&file, path, SUPERBLOCK_B_BLOCK).await?,
        ];
        let newest = judge(path, &identity, &expectation, &found)?;
        let file_identity =
            FileIdentity { partition: identity.partition, file_uuid: newest.file_uuid, salt: newest.salt };
        let file = PartitionFile::placed(handle, files, path, file_identity, file);
        let (map, damage) = match super::allocation_map::read(&file, &newest).await {
            Ok(map) => (map, None),
            Err(error @ StorageError::Corrupt { .. }) => {
                (ReadMap { allocator: Allocator::new(), extents: Vec::new() }, Some(error))
            }
            Err(error) => return Err(error),
        };
        let mut progress = Progress {
            slots: [0, 1].map(|slot| found[slot].state(&newest)),
            map: map.extents,
            named: highest_named(&found).max(expectation.generation.get()),
            replacement: None,
            newest: None,
            punched: Vec::new(),
        };
        let identity = TreeIdentity { page_bytes: newest.leaf_page_bytes, ..identity };
        let (root, counts) = (newest.root.map(PageName::Disk), counts_of(&newest));
        let must_replace =
            progress.slots.contains(&SlotState::Rejected) || progress.named > newest.generation;
        progress.newest = Some(newest);
        if must_replace {
            basalt_runtime::sometimes!("superblock rejected");
            let generation = progress.next_generation(0);
            progress.replacement = Some(generation);
            progress.named = generation;
        }
        let live = live_after(progress.named);
        let start = TreeStart { root, live, counts, allocator: map.allocator, progress };
        Ok(Some(OpenedTree { tree: Self::start(handle, pool, identity, file, start), damage }))
    }
}

/// What stands in a superblock's place.
enum Found {
    Nothing,
    Damaged(DecodeError),
    Superblock(Box<Superblock>),
}

impl Found {
    fn superblock(&self) -> Option<&Superblock> {
        match self {
            Self::Superblock(superblock) => Some(superblock),
            Self::Nothing | Self::Damaged(_) => None,
        }
    }

    /// A superblock of another file is as good as none.
    fn state(&self, newest: &Superblock) -> SlotState {
        match self {
            Self::Nothing => SlotState::Absent,
            Self::Superblock(other) if other.file_uuid == newest.file_uuid => SlotState::valid(other),
            Self::Damaged(_) | Self::Superblock(_) => SlotState::Rejected,
        }
    }
}

async fn read_superblock(file: &File, path: &Path, block: u64) -> Result<Found, StorageError> {
    let buffer = AlignedBuffer::zeroed(SUPERBLOCK_BYTES);
    let (read, buffer) = file.read_at(buffer, block * BLOCK_SIZE_BYTES as u64).await;
    let length = read.map_err(|error| StorageError::disk(DiskOperation::Read, path, error))?;
    let bytes = &buffer[..length];
    if bytes.iter().all(|&byte| byte == 0) {
        return Ok(Found::Nothing);
    }
    Ok(match Superblock::decode(bytes) {
        Ok(superblock) => Found::Superblock(Box::new(superblock)),
        Err(reason) => Found::Damaged(reason),
    })
}

/// Chooses the newest superblock and refuses what is not this partition's file.
fn judge(
    path: &Path,
    identity: &TreeIdentity,
    expectation: &Expectation,
    found: &[Found; 2],
) -> Result<Superblock, StorageError> {
    let valid = found.iter().filter_map(Found::superblock);
    let chosen = if basalt_runtime::planted!(PreferOlderSuperblock) {
        valid.min_by_key(|superblock| superblock.generation)
    } else {
        valid.max_by_key(|superblock| superblock.generation)
    };
    let Some(newest) = chosen else {
        let reasons: Vec<String> = found.iter().map(Found::describe).collect();
        let detail = format!("superblock A {}; superblock B {}", reasons[0], reasons[1]);
        return Err(Refusal::DamagedRoot { path: path.to_owned(), detail }.into());
    };
    let foreign = if newest.cluster_uuid != identity.cluster_uuid {
        Some("it belongs to another cluster".to_owned())
    } else if newest.partition != identity.partition.get() {
        Some(format!("it is the file of partition {}", newest.partition))
    } else if expectation.file_uuid.is_some_and(|uuid| uuid != newest.file_uuid) {
        Some("it is another file than the catalog names".to_owned())
    } else if newest.features_incompatible != 0 || newest.features_read_only != 0 {
        Some("it has features that this version lacks".to_owned())
    } else {
        None
    };
    match foreign {
        Some(detail) => Err(Refusal::Incompatible { path: path.to_owned(), detail }.into()),
        None => Ok(newest.clone()),
    }
}

impl Found {
    fn describe(&self) -> String {
        match self {
            Self::Nothing => "is empty".to_owned(),
            Self::Damaged(reason) => format!("is damaged ({reason})"),
            Self::Superblock(superblock) => format!("is that of generation {}", superblock.generation),
        }
    }
}

fn highest_named(found: &[Found; 2]) -> u64 {
    found.iter().filter_map(Found::superblock).map(|superblock| superblock.generation).max().unwrap_or(0)
}

fn counts_of(superblock: &Superblock) -> Counts {
    Counts {
        row_count: superblock.row_count,
        row_bytes: superblock.row_bytes,
        item_count: superblock.item_count,
        item_bytes: superblock.item_bytes,
        local_index_rows: superblock.local_index_rows,
    }
}

/// The error of a structure that a superblock names and that is not there.
pub(super) fn damaged_root(partition: PartitionId, generation: u64, rule: &'static str) -> StorageError {
    StorageError::Corrupt {
        partition,
        place: Place::Superblock { block: Superblock::block_of(generation) },
        reason: CorruptReason::Structure(rule),
    }
}
