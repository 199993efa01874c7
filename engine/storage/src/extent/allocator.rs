//! Which blocks of a partition's file are free, and which must wait until no superblock reaches them.
//!
//! Every extent carries the generation in which it was made. Freed by the generation that made it, it is free at
//! once: no superblock ever named it. Freed by a later one, it is pending until both superblocks are at least as
//! new as the one that freed it.

use std::collections::BTreeMap;

use basalt_format::{
    extent::{BlockClass, BlockRun},
    superblock::SUPERBLOCK_AREA_BLOCKS,
};

use super::runs::RunSet;

/// Blocks of one extent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Run {
    pub(crate) block: u64,
    pub(crate) blocks: u32,
}

/// The blocks of one file.
#[derive(Debug)]
pub(crate) struct Allocator {
    file_blocks: u64,
    free: RunSet,
    /// Freed, by the generation that freed them.
    pending: BTreeMap<u64, Vec<Run>>,
    /// Taken by the live generation: a crash, or the checkpoint before it, knows nothing of them.
    born_live: BTreeMap<u64, u32>,
    /// Taken, but no page names them yet: their write has not ended.
    unreferenced: BTreeMap<u64, u32>,
    /// Extents with reads in flight, and how many.
    readers: BTreeMap<u64, u32>,
    /// Free, but read or punched at the moment.
    deferred: Vec<Run>,
    /// Generations that somebody reads: what they reach stays, and how often each is pinned.
    pinned: BTreeMap<u64, u32>,
    /// While the file is compacted: where it shall end. Extents below are taken first.
    limit: Option<u64>,
}

impl Allocator {
    /// A file that holds nothing but room for its superblocks.
    pub(crate) fn new() -> Self {
        Self {
            file_blocks: SUPERBLOCK_AREA_BLOCKS,
            free: RunSet::default(),
            pending: BTreeMap::new(),
            born_live: BTreeMap::new(),
            unreferenced: BTreeMap::new(),
            readers: BTreeMap::new(),
            deferred: Vec::new(),
            pinned: BTreeMap::new(),
            limit: None,
        }
    }

    /// The file as generation `generation` has described it.
    pub(crate) fn of_map(generation: u64, runs: &[BlockRun]) -> Self {
        let mut allocator = Self { file_blocks: 0, ..Self::new() };
        for run in runs {
            let block = allocator.file_blocks;
            allocator.file_blocks += run.blocks;
            match run.class {
                BlockClass::Free => allocator.free.insert(block, run.blocks),
                BlockClass::Allocated => {}
                BlockClass::FreedByThisGeneration => allocator.add_pending(generation, block, run.blocks),
            }
        }
        allocator
    }

    /// Length of the file.
    pub(crate) fn file_blocks(&self) -> u64 {
        self.file_blocks
    }

    /// Whether an extent of this length can be taken.
    pub(crate) fn can_take(&self, blocks: u32) -> bool {
        self.free.can_take(blocks.into())
    }

    /// Takes an extent for something made in `birth`; no page names it before [`Allocator::reference`].
    pub(crate) fn take(&mut self, blocks: u32, birth: u64, live: u64) -> Option<Run> {
        let low = self.limit.and_then(|limit| self.free.take_below(blocks.into(), limit));
        let block = low.or_else(|| self.free.take(blocks.into()))?;
        assert!(block >= SUPERBLOCK_AREA_BLOCKS, "no extent lies in the superblocks' area");
        self.unreferenced.insert(block, blocks);
        if birth == live {
            self.born_live.insert(block, blocks);
        }
        Some(Run { block, blocks })
    }

    /// The extent was written and something names it now.
    pub(crate) fn reference(&mut self, run: Run) {
        let taken = self.unreferenced.remove(&run.block);
        assert_eq!(taken, Some(run.blocks), "an extent is taken before it is named");
    }

    /// Gives back an extent that nothing ever named.
    pub(crate) fn discard(&mut self, run: Run) {
        self.reference(run);
        self.free_at_once(run);
    }

    /// Frees an extent made in `birth`, as generation `live` no longer names it.
    pub(crate) fn free(&mut self, run: Run, birth: u64, live: u64) {
        assert!(birth <= live, "nothing is older than what frees it");
        if birth == live || basalt_runtime::planted!(ReuseExtentEarly) {
            self.free_at_once(run);
        } else {
            self.pending.entry(live).or_default().push(run);
        }
    }

    /// A checkpoint froze the live generation: what it made belongs to its tree from now on.
    pub(crate) fn freeze(&mut self) {
        self.born_live.clear();
    }

    /// Both superblocks are at least as new as `generation`: what it and those before it freed is free, but for what a
    /// pinned generation reaches.
    pub(crate) fn release(&mut self, generation: u64) {
        // What a pinned generation reaches was freed by a later one.
        let generation = self.pinned.keys().next().map_or(generation, |&oldest| oldest.min(generation));
        let later = self.pending.split_off(&(generation + 1));
        for run in std::mem::replace(&mut self.pending, later).into_values().flatten() {
            self.free_at_once(run);
        }
    }

    /// Keeps every extent that the durable generation `generation` reaches, until [`Allocator::unpin`].
    pub(crate) fn pin(&mut self, generation: u64) {
        *self.pinned.entry(generation).or_default() += 1;
    }

    /// Ends one [`Allocator::pin`]; the next [`Allocator::release`] frees what only it kept.
    pub(crate) fn unpin(&mut self, generation: u64) {
        let count = self.pinned.get_mut(&generation).expect("a generation is pinned before it is unpinned");
        *count -= 1;
        if *count == 0 {
            self.pinned.remove(&generation);
        }
    }

    /// Whether some generation is pinned.
    pub(crate) fn is_pinned(&self) -> bool {
        !self.pinned.is_empty()
    }

    /// The file has grown.
    pub(crate) fn grow(&mut self, file_blocks: u64) {
        assert!(file_blocks > self.file_blocks, "a file grows");
        self.free.insert(self.file_blocks, file_blocks - self.file_blocks);
        self.file_blocks = file_blocks;
    }

    /// Says where the file shall end; extents below are taken first.
    pub(crate) fn set_limit(&mut self, limit: Option<u64>) {
        self.limit = limit;
    }

    /// Cuts off the free run that ends with the file, and returns the new length. The device keeps the blocks until
    /// no superblock mentions them.
    pub(crate) fn truncate(&mut self) -> u64 {
        let tail = self.free.last_run().filter(|(start, length)| start + length == self.file_blocks);
        if let Some((start, length)) = tail {
            self.free.remove(start, length);
            self.file_blocks = start;
        }
        self.file_blocks
    }

    /// The free runs of at least `blocks_min` blocks.
    pub(crate) fn free_runs(&self, blocks_min: u64) -> Vec<(u64, u64)> {
        self.free.iter().filter(|&(_, length)| length >= blocks_min).collect()
    }

    /// Blocks that nothing uses, and that cannot be given back yet: free ones in runs shorter than `blocks_min`, and what
    /// one superblock alone still reaches.
    pub(crate) fn kept_blocks(&self, blocks_min: u64) -> u64 {
        let scattered = self.free.iter().map(|(_, length)| length).filter(|&length| length < blocks_min);
        // A pinned generation's blocks come free with the pin, and by nothing else.
        let reached = if self.is_pinned() { 0 } else { self.pending_blocks() };
        scattered.sum::<u64>() + reached
    }

    fn pending_blocks(&self) -> u64 {
        self.pending.values().flatten().map(|run| u64::from(run.blocks)).sum()
    }

    /// Withholds the start of a free run from being taken; `None` if it is free no more.
    pub(crate) fn withhold(&mut self, start: u64, length: u64) -> Option<Run> {
        let blocks = u32::try_from(length).unwrap_or(u32::MAX);
        if !self.free.contains_run(start, length) {
            return None;
        }
        self.free.remove(start, length);
        if u64::from(blocks) < length {
            self.free.insert(start + u64::from(blocks), length - u64::from(blocks));
        }
        let run = Run { block: start, blocks };
        self.deferred.push(run);
        Some(run)
    }

    /// Ends [`Allocator::withhold`].
    pub(crate) fn give_back(&mut self, run: Run) {
        let place = self.deferred.iter().position(|&other| other == run).expect("the run was withheld");
        self.deferred.swap_remove(place);
        self.free.insert(run.block, run.blocks.into());
    }

    /// A read of the extent starts: it is not handed out again before it ends.
    pub(crate) fn begin_read(&mut self, run: Run) {
        *self.readers.entry(run.block).or_default() += 1;
    }

    /// A read of the extent has ended; whether the extent is still what it was when the read began.
    pub(crate) fn end_read(&mut self, run: Run) -> bool {
        let readers = self.readers.get_mut(&run.block).expect("a read that ends has begun");
        *readers -= 1;
        let was_freed = self.deferred.contains(&run);
        if *readers == 0 {
            self.readers.remove(&run.block);
            if was_freed {
                self.deferred.retain(|&other| other != run);
                self.free.insert(run.block, run.blocks.into());
            }
        }
        !was_freed
    }

    /// The allocation map of the frozen generation `frozen`, as of its freeze, whatever the live one did since.
    ///
    /// `previous` is the newest durable generation; `also_freed` are extents that the new superblock frees by
    /// replacing what named them, and `also_named` those that it will name.
    pub(crate) fn map_of(
        &self,
        frozen: u64,
        previous: u64,
        also_freed: &[Run],
        also_named: &[Run],
    ) -> Vec<BlockRun> {
        let mut classes: BTreeMap<u64, (u64, BlockClass)> = BTreeMap::new();
        let mut set = |block: u64, blocks: u64, class: BlockClass| {
            classes.insert(block, (blocks, class));
        };
        self.free.iter().for_each(|(block, blocks)| set(block, blocks, BlockClass::Free));
        let unknown =
            self.born_live.iter().chain(&self.unreferenced).map(|(&block, &blocks)| Run { block, blocks });
        let unnamed = unknown.filter(|run| !also_named.contains(run));
        unnamed.for_each(|run| set(run.block, run.blocks.into(), BlockClass::Free));
        self.deferred.iter().for_each(|run| set(run.block, run.blocks.into(), BlockClass::Free));
        for (&generation, runs) in self.pending.range(..=frozen) {
            let class =
                if generation > previous { BlockClass::FreedByThisGeneration } else { BlockClass::Free };
            runs.iter().for_each(|run| set(run.block, run.blocks.into(), class));
        }
        also_freed
            .iter()
            .for_each(|run| set(run.block, run.blocks.into(), BlockClass::FreedByThisGeneration));
        cover(&classes, self.file_blocks)
    }

    /// Blocks that are neither free nor pending nor of the superblocks' area: what trees and maps must account for.
    pub(crate) fn taken_blocks(&self) -> u64 {
        let deferred: u64 = self.deferred.iter().map(|run| u64::from(run.blocks)).sum();
        self.file_blocks - SUPERBLOCK_AREA_BLOCKS - self.free.blocks() - self.pending_blocks() - deferred
    }

    fn free_at_once(&mut self, run: Run) {
        self.born_live.remove(&run.block);
        if self.readers.contains_key(&run.block) {
            basalt_runtime::sometimes!("extent freed while it is read");
            self.deferred.push(run);
        } else {
            self.free.insert(run.block, run.blocks.into());
        }
    }

    fn add_pending(&mut self, generation: u64, block: u64, blocks: u64) {
        let runs = self.pending.entry(generation).or_default();
        let (mut block, mut left) = (block, blocks);
        while left > 0 {
            let part = u32::try_from(left).unwrap_or(u32::MAX);
            runs.push(Run { block, blocks: part });
            block += u64::from(part);
            left -= u64::from(part);
        }
    }
}

/// Puts the classified runs behind each other, with allocated ones between them, from block 0 to the file's end.
fn cover(classes: &BTreeMap<u64, (u64, BlockClass)>, file_blocks: u64) -> Vec<BlockRun> {
    let mut runs: Vec<BlockRun> = Vec::new();
    let mut push = |class: BlockClass, blocks: u64| match runs.last_mut() {
        Some(last) if last.class == class => last.blocks += blocks,
        _ if blocks > 0 => runs.push(BlockRun { class, blocks }),
        _ => {}
    };
    let mut next = 0;
    for (&block, &(blocks, class)) in classes {
        assert!(block >= next, "free, pending and taken blocks are disjoint");
        push(BlockClass::Allocated, block - next);
        push(class, blocks);
        next = block + blocks;
    }
    assert!(next <= file_blocks, "every extent lies in the file");
    push(BlockClass::Allocated, file_blocks - next);
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allocator(blocks: u64) -> Allocator {
        let mut allocator = Allocator::new();
        allocator.grow(SUPERBLOCK_AREA_BLOCKS + blocks);
        allocator
    }

    fn take(allocator: &mut Allocator, blocks: u32, birth: u64, live: u64) -> Run {
        let run = allocator.take(blocks, birth, live).expect("there is room");
        allocator.reference(run);
        run
    }

    fn class_at(runs: &[BlockRun], block: u64) -> BlockClass {
        let mut end = 0;
        runs.iter().find(|run| (end += run.blocks, block < end).1).expect("the map covers the file").class
    }

    #[test]
    fn an_extent_of_an_older_generation_stays_reserved_until_both_superblocks_are_past_it() {
        let mut allocator = allocator(8);
        let run = take(&mut allocator, 8, 1, 1);
        allocator.freeze();
        allocator.free(run, 1, 2);
        assert_eq!(allocator.take(1, 2, 2), None, "superblock 1 reaches it");
        allocator.release(1);
        assert_eq!(allocator.take(1, 2, 2), None, "superblocks 1 and 2: 1 reaches it");
        allocator.release(2);
        assert!(allocator.take(8, 3, 3).is_some(), "superblocks 2 and 3: nobody reaches it");
    }

    #[test]
    fn an_extent_of_the_live_generation_is_free_at_once() {
        let mut allocator = allocator(4);
        let run = take(&mut allocator, 4, 7, 7);
        allocator.free(run, 7, 7);
        assert!(allocator.take(4, 7, 7).is_some());
    }

    #[test]
    fn an_extent_is_not_handed_out_while_it_is_read() {
        let mut allocator = allocator(4);
        let run = take(&mut allocator, 4, 7, 7);
        allocator.begin_read(run);
        allocator.begin_read(run);
        allocator.free(run, 7, 7);
        assert_eq!(allocator.take(1, 7, 7), None);
        assert!(!allocator.end_read(run), "the reader must not trust it");
        assert_eq!(allocator.take(1, 7, 7), None);
        assert!(!allocator.end_read(run));
        assert!(allocator.take(4, 7, 7).is_some());
    }

    #[test]
    fn the_map_shows_the_moment_of_the_freeze() {
        let mut allocator = allocator(100);
        let kept = take(&mut allocator, 4, 1, 1);
        let freed_before = take(&mut allocator, 4, 1, 1);
        let freed_after = take(&mut allocator, 4, 1, 1);
        allocator.freeze();
        allocator.free(freed_before, 1, 2);
        let written_by_checkpoint = take(&mut allocator, 4, 2, 3);
        allocator.freeze();
        allocator.free(freed_after, 1, 3);
        let live = take(&mut allocator, 4, 3, 3);
        let unfinished = allocator.take(4, 2, 3).expect("there is room");
        let map = allocator.map_of(2, 1, &[], &[]);
        assert_eq!(map.iter().map(|run| run.blocks).sum::<u64>(), allocator.file_blocks());
        assert_eq!(class_at(&map, 0), BlockClass::Allocated);
        assert_eq!(class_at(&map, kept.block), BlockClass::Allocated);
        assert_eq!(class_at(&map, freed_before.block), BlockClass::FreedByThisGeneration);
        assert_eq!(class_at(&map, freed_after.block), BlockClass::Allocated);
        assert_eq!(class_at(&map, written_by_checkpoint.block), BlockClass::Allocated);
        assert_eq!(class_at(&map, live.block), BlockClass::Free);
        assert_eq!(class_at(&map, unfinished.block), BlockClass::Free);

        let reopened = Allocator::of_map(2, &map);
        assert_eq!(reopened.file_blocks(), allocator.file_blocks());
        assert_eq!(reopened.taken_blocks(), 12);
        assert_eq!(reopened.map_of(2, 1, &[], &[]), map);
    }

    #[test]
    fn only_a_free_tail_is_cut_off() {
        let mut allocator = allocator(10);
        let first = take(&mut allocator, 4, 1, 1);
        let second = take(&mut allocator, 6, 1, 1);
        assert_eq!(allocator.truncate(), SUPERBLOCK_AREA_BLOCKS + 10);
        allocator.free(first, 1, 1);
        assert_eq!(allocator.truncate(), SUPERBLOCK_AREA_BLOCKS + 10);
        allocator.free(second, 1, 1);
        assert_eq!(allocator.truncate(), SUPERBLOCK_AREA_BLOCKS);
    }
}
