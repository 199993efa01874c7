//! The allocation map of a generation: written into extents of its own, read back at the start.

use basalt_format::{
    BLOCK_SIZE_BYTES,
    extent::{
        ALLOCATION_HEADER_BYTES, ALLOCATION_PART_BLOCKS_MAX, AllocationPart, BlockClass, BlockRun, Codec,
        ExtentKind, Pointer,
    },
    superblock::{SUPERBLOCK_AREA_BLOCKS, Superblock},
};
use basalt_runtime::AlignedBuffer;

use super::{freeze::Frozen, open::damaged_root};
use crate::{
    btree::TreeShared,
    error::{CorruptReason, StorageError},
    extent::{Allocator, PartitionFile, Run},
};

/// Bytes that a part's runs may take.
const PART_RUN_BYTES_MAX: usize =
    ALLOCATION_PART_BLOCKS_MAX as usize * BLOCK_SIZE_BYTES - ALLOCATION_HEADER_BYTES;
/// Bytes by which taking an extent for a part can lengthen the map: it cuts one run into three.
const RUN_BYTES_PER_PART: usize = 3 * 7;

/// An allocation map on disk that no superblock names yet.
pub(super) struct WrittenMap {
    pub(super) first: Pointer,
    pub(super) extents: Vec<Run>,
    pub(super) file_blocks: u64,
}

/// An allocation map read back.
pub(super) struct ReadMap {
    pub(super) allocator: Allocator,
    pub(super) extents: Vec<Run>,
}

/// Where the map's parts go, and what they say: fixed in one synchronous step.
struct PlannedMap {
    extents: Vec<Run>,
    parts: Vec<Vec<BlockRun>>,
    file_blocks: u64,
}

impl TreeShared {
    /// Writes the frozen generation's allocation map.
    pub(super) async fn write_map(&self, frozen: &Frozen) -> Result<WrittenMap, StorageError> {
        let planned = loop {
            match self.plan_map(frozen) {
                Ok(planned) => break planned,
                Err(blocks) => self.grow(blocks).await?,
            }
        };
        let result = self.write_parts(frozen, &planned).await;
        match result {
            Ok(first) => Ok(WrittenMap { first, extents: planned.extents, file_blocks: planned.file_blocks }),
            Err(error) => {
                self.discard_map(&planned.extents);
                Err(error)
            }
        }
    }

    /// Gives back the extents of a map that no superblock will name.
    fn discard_map(&self, extents: &[Run]) {
        let allocator = &mut self.state.borrow_mut().allocator;
        extents.iter().for_each(|&run| allocator.discard(run));
    }

    /// Takes extents for the map and lays it out; fails with the blocks that the file is short of.
    fn plan_map(&self, frozen: &Frozen) -> Result<PlannedMap, u32> {
        let state = &mut *self.state.borrow_mut();
        let progress = self.progress.borrow();
        let (generation, previous) = (frozen.generation, progress.newest_generation());
        let map = state.allocator.map_of(generation, previous, &progress.map, &[]);
        let mut bytes: usize = map.iter().map(|&run| AllocationPart::run_bytes(run)).sum();
        let part_count = 1 + bytes / (PART_RUN_BYTES_MAX / 2);
        bytes += part_count * (RUN_BYTES_PER_PART + 8);
        let part_bytes = ALLOCATION_HEADER_BYTES + bytes.div_ceil(part_count);
        let blocks = part_bytes.div_ceil(BLOCK_SIZE_BYTES) as u32;
        let mut extents = Vec::with_capacity(part_count);
        for _ in 0..part_count {
            match state.allocator.take(blocks, generation, state.live) {
                Some(run) => extents.push(run),
                None => {
                    extents.iter().for_each(|&run| state.allocator.discard(run));
                    return Err(blocks * part_count as u32);
                }
            }
        }
        let runs = state.allocator.map_of(generation, previous, &progress.map, &extents);
        let capacity = blocks as usize * BLOCK_SIZE_BYTES - ALLOCATION_HEADER_BYTES;
        let parts = share_out(&runs, part_count, capacity);
        Ok(PlannedMap { extents, parts, file_blocks: state.allocator.file_blocks() })
    }

    /// Writes the parts, last first: each names the next one.
    async fn write_parts(&self, frozen: &Frozen, planned: &PlannedMap) -> Result<Pointer, StorageError> {
        let mut first_block = planned.file_blocks;
        let mut next = None;
        for (runs, &extent) in planned.parts.iter().zip(&planned.extents).rev() {
            first_block -= runs.iter().map(|run| run.blocks).sum::<u64>();
            let part = AllocationPart {
                partition: self.partition().get(),
                generation: frozen.generation,
                first_block,
                next,
                runs: runs.clone(),
            };
            let mut stored = AlignedBuffer::from_slice(&part.encode());
            stored.resize(extent.blocks as usize * BLOCK_SIZE_BYTES);
            let (checksum, _) = self.file.write(extent, stored).await?;
            next = Some(Pointer {
                block: extent.block,
                blocks: extent.blocks,
                codec: Codec::Raw,
                kind: ExtentKind::Allocation,
                birth: frozen.generation,
                checksum,
            });
        }
        assert_eq!(first_block, 0, "the map covers the file");
        Ok(next.expect("a map has a part"))
    }
}

/// Shares the runs out among the parts, in order, each as full as it may be.
fn share_out(runs: &[BlockRun], part_count: usize, capacity: usize) -> Vec<Vec<BlockRun>> {
    let mut parts = vec![Vec::new(); part_count];
    let (mut part, mut used) = (0, 0);
    for &run in runs {
        let bytes = AllocationPart::run_bytes(run);
        if used + bytes > capacity {
            part += 1;
            used = 0;
        }
        used += bytes;
        parts.get_mut(part).expect("the parts were counted with room to spare").push(run);
    }
    parts
}

/// Reads the allocation map that a superblock names.
pub(super) async fn read(file: &PartitionFile, superblock: &Superblock) -> Result<ReadMap, StorageError> {
    let partition = file.identity().partition;
    let damaged = |rule| damaged_root(partition, superblock.generation, rule);
    let mut next = superblock.allocation;
    let mut runs: Vec<BlockRun> = Vec::new();
    let mut extents = Vec::new();
    let mut end = 0;
    while let Some(pointer) = next {
        if pointer.kind != ExtentKind::Allocation || extents.len() as u64 > superblock.file_blocks {
            return Err(damaged("the allocation map covers the file"));
        }
        let stored = file.read(&pointer).await?;
        let part = AllocationPart::decode(&stored)
            .map_err(|error| file.corrupt(&pointer, CorruptReason::Format(error)))?;
        if part.first_block != end || part.partition != partition.get() || part.generation != pointer.birth {
            return Err(file.corrupt(&pointer, CorruptReason::Birth));
        }
        end = part.end_block();
        runs.extend(part.runs);
        extents.push(Run { block: pointer.block, blocks: pointer.blocks });
        next = part.next;
    }
    let keeps_superblocks = runs
        .first()
        .is_some_and(|run| run.class == BlockClass::Allocated && run.blocks >= SUPERBLOCK_AREA_BLOCKS);
    if end != superblock.file_blocks || !keeps_superblocks {
        return Err(damaged("the allocation map covers the file"));
    }
    Ok(ReadMap { allocator: Allocator::of_map(superblock.generation, &runs), extents })
}
