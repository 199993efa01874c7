//! Giving unused space back while nobody needs the device (STORAGE §6).
//!
//! Free runs of some length are given back to the file system where they lie, which writes nothing. Only where too much is
//! free in shorter runs, or the file itself is to be short, pages and values in its last part are made dirty, so that
//! the next checkpoint writes them to lower places; the tail becomes free when no superblock reaches it, and is cut off
//! when none mentions it. Each call does a bounded part; checkpoints between the calls bring it forward.

use std::rc::Rc;

use basalt_format::superblock::SUPERBLOCK_AREA_BLOCKS;

use crate::{btree::TreeShared, error::StorageError};

/// One in this many blocks may stay free.
const FREE_ONE_IN: u64 = 20;
/// Free blocks that are no reason to compact: small files, and the next checkpoint's map.
const FREE_BLOCKS_MIN: u64 = 16;
/// Pages and values that one call moves.
const MOVES_MAX: usize = 2048;
/// Free runs from this length on are given back to the file system.
const PUNCH_BLOCKS_MIN: u64 = 16;

/// What a file is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compact {
    /// Small on the device; it may have holes.
    InSpace,
    /// Short.
    InLength,
}

/// What a call of compaction has left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compaction {
    /// Go on after two checkpoints.
    Unfinished,
    /// At most a twentieth of the file is free, and what is free has been given back.
    Done,
}

impl TreeShared {
    /// Does a part of the compaction. No checkpoint may run meanwhile.
    pub(crate) async fn compact(self: &Rc<Self>, wanted: Compact) -> Result<Compaction, StorageError> {
        if !self.file.is_placed() {
            return Ok(Compaction::Done);
        }
        let limit = {
            let allocator = &mut self.state.borrow_mut().allocator;
            let taken = allocator.taken_blocks();
            let tolerated = taken / FREE_ONE_IN + FREE_BLOCKS_MIN;
            let limit = SUPERBLOCK_AREA_BLOCKS + taken + tolerated;
            let is_short = allocator.file_blocks() <= limit || allocator.truncate() <= limit;
            let is_compact = is_short
                || wanted == Compact::InSpace && allocator.kept_blocks(PUNCH_BLOCKS_MIN) <= tolerated;
            allocator.set_limit((!is_compact).then_some(limit));
            (!is_compact).then_some(limit)
        };
        if let Some(limit) = limit {
            basalt_runtime::sometimes!("pages moved down by compaction");
            self.relocate(limit, MOVES_MAX).await?;
            return Ok(Compaction::Unfinished);
        }
        self.cut_off_tail().await?;
        self.punch_free_runs().await?;
        let is_cut = self.mentioned_blocks() <= self.state.borrow().allocator.file_blocks();
        Ok(if is_cut { Compaction::Done } else { Compaction::Unfinished })
    }

    /// Cuts the file where neither the tree nor a superblock mentions any more of it.
    async fn cut_off_tail(&self) -> Result<(), StorageError> {
        let _turn = self.growing.acquire(1).await;
        let blocks = self.mentioned_blocks().max(self.state.borrow().allocator.file_blocks());
        if self.file.blocks().await? > blocks {
            basalt_runtime::sometimes!("file cut off");
            self.file.truncate(blocks).await?;
        }
        Ok(())
    }

    /// The longest that a superblock says the file is.
    fn mentioned_blocks(&self) -> u64 {
        self.progress.borrow().file_blocks_max()
    }

    /// A run is withheld while its space is given back, or a page written to it meanwhile would be lost.
    async fn punch_free_runs(&self) -> Result<(), StorageError> {
        let runs = self.state.borrow().allocator.free_runs(PUNCH_BLOCKS_MIN);
        let already = std::mem::replace(&mut self.progress.borrow_mut().punched, runs.clone());
        for (start, length) in runs.into_iter().filter(|run| !already.contains(run)) {
            let Some(run) = self.state.borrow_mut().allocator.withhold(start, length) else { continue };
            let punched = self.file.punch(run.block, run.blocks.into()).await;
            self.state.borrow_mut().allocator.give_back(run);
            punched?;
        }
        Ok(())
    }
}
