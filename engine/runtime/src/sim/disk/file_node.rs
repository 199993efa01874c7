//! One simulated file: what the platter surely holds, what the system shows, and the changes between the two.

use super::content::{BLOCK_SIZE_BYTES, Block, Content, SECTOR_SIZE_BYTES, SECTORS_PER_BLOCK, locate};
use super::{Reads, SyncPoint};
use crate::sim::Random;

/// A file. `platter` with all of `unsynced` applied in order equals `cache`, except after a failed sync has made
/// the system forget changes that it goes on showing ([`FileNode::forget_unsynced`]).
#[derive(Debug, Clone, Default)]
pub(super) struct FileNode {
    platter: Content,
    cache: Content,
    unsynced: Vec<Change>,
    /// Whether the cache shows changes that neither the platter nor `unsynced` knows of.
    forgot: bool,
    /// Names that lead here, and open descriptors; without either the space is free.
    pub(super) links: u32,
    pub(super) descriptors: u32,
}

/// Something done to a file that a power loss may undo.
#[derive(Debug, Clone)]
struct Change {
    at: SyncPoint,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    /// Whole blocks as they were after the write, and the sectors of them that it touched.
    Blocks {
        first_block: usize,
        blocks: Vec<(Block, u8)>,
    },
    Size(u64),
}

/// One thing of a file that may stay or go by itself at a power loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileUnit {
    /// The `block`-th block of the `change`-th change.
    Block { change: usize, block: usize },
    /// The new size made by the `change`-th change.
    Size { change: usize },
}

/// What stays of a unit: bit i tells of sector i of a block. A size, which is whole, goes by bit 0.
pub(super) type KeptSectors = u8;

impl FileNode {
    pub(super) fn size_bytes(&self) -> u64 {
        self.cache.size_bytes()
    }

    pub(super) fn allocated_bytes(&self) -> u64 {
        self.cache.allocated_bytes()
    }

    pub(super) fn missing_bytes(&self, start: u64, end: u64) -> u64 {
        self.cache.missing_bytes(start, end)
    }

    /// Whether a power loss leaves exactly what reads show.
    pub(super) fn is_durable(&self) -> bool {
        self.unsynced.is_empty() && !self.forgot
    }

    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        self.cache.read(offset, buffer)
    }

    pub(super) fn write(&mut self, at: SyncPoint, offset: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.note_growth(at, offset + bytes.len() as u64);
        self.cache.write(offset, bytes);
        self.note_blocks(at, offset, offset + bytes.len() as u64);
    }

    pub(super) fn punch(&mut self, at: SyncPoint, start: u64, end: u64) {
        let end = end.min(self.cache.size_bytes());
        if start < end {
            self.cache.punch(start, end);
            self.note_blocks(at, start, end);
        }
    }

    pub(super) fn allocate(&mut self, at: SyncPoint, start: u64, end: u64) {
        self.note_growth(at, end);
        self.cache.allocate(start, end);
    }

    pub(super) fn set_size(&mut self, at: SyncPoint, size_bytes: u64) {
        let before = self.cache.size_bytes();
        if size_bytes == before {
            return;
        }
        self.cache.set_size(size_bytes);
        self.unsynced.push(Change { at, what: What::Size(size_bytes) });
        if size_bytes < before {
            // A later extension must show zeros, not what was cut: the cut is a change of these bytes too.
            self.note_blocks(at, size_bytes, before);
        }
    }

    /// Makes every change before `point` durable.
    pub(super) fn sync(&mut self, point: SyncPoint) {
        let covered = self.unsynced.partition_point(|change| change.at < point);
        for change in self.unsynced.drain(..covered) {
            change.apply(&mut self.platter, |_| u8::MAX);
        }
    }

    /// Makes the bytes of the write at `newest` durable, and the size, but no other unsynced bytes.
    pub(super) fn sync_only(&mut self, newest: SyncPoint) {
        let mut written: Vec<(usize, KeptSectors)> = Vec::new();
        for change in &self.unsynced {
            let is_size = matches!(change.what, What::Size(_));
            if is_size || change.at == newest {
                change.apply(&mut self.platter, |_| u8::MAX);
                written.extend(change.touched());
            }
        }
        self.unsynced.retain(|change| change.at != newest && !matches!(change.what, What::Size(_)));
        // An older version of these sectors can no longer come to light.
        for change in &mut self.unsynced {
            change.forget_sectors(&written);
        }
    }

    /// A failed sync as Linux does it: some dirty pages reached the device, all are marked clean, and the next sync
    /// reports success (Rebello et al., USENIX ATC 2020). Reads through the page cache go on showing what a power
    /// loss will take; reads past it show what there is.
    pub(super) fn forget_unsynced(&mut self, random: &mut Random, reads: Reads) {
        self.platter = self.crashed(|_| random_mask(random));
        self.unsynced.clear();
        match reads {
            Reads::ThroughCache => self.forgot = true,
            Reads::PastCache => self.cache = self.platter.clone(),
        }
    }

    /// Everything that may stay or go by itself. Blocks whose bytes no choice could change are left out.
    pub(super) fn units(&self) -> Vec<FileUnit> {
        let mut units = Vec::new();
        for (change, Change { what, .. }) in self.unsynced.iter().enumerate() {
            match what {
                What::Size(_) => units.push(FileUnit::Size { change }),
                What::Blocks { first_block, blocks } => {
                    let visible = (0..blocks.len()).filter(|&block| self.matters(first_block + block));
                    units.extend(visible.map(|block| FileUnit::Block { change, block }));
                }
            }
        }
        units
    }

    /// The platter's content after a power loss in which `kept` decides about every unit.
    pub(super) fn crashed(&self, mut kept: impl FnMut(FileUnit) -> KeptSectors) -> Content {
        let mut image = self.platter.clone();
        let mut size_bytes = image.size_bytes();
        for (change, entry) in self.unsynced.iter().enumerate() {
            if let What::Size(new_size_bytes) = entry.what {
                if kept(FileUnit::Size { change }) & 1 != 0 {
                    size_bytes = new_size_bytes;
                }
            } else {
                entry.apply(&mut image, |block| kept(FileUnit::Block { change, block }));
            }
        }
        image.clip(size_bytes);
        image
    }

    /// An empty file with one name.
    pub(super) fn created() -> Self {
        Self { links: 1, ..Self::default() }
    }

    /// A file that holds `content` and nothing else: all of it durable.
    pub(super) fn durable(content: Content) -> Self {
        Self { platter: content.clone(), cache: content, ..Self::default() }
    }

    /// Changes bytes behind everybody's back, in the platter and in every newer version: media rot.
    pub(super) fn damage(&mut self, offset: u64, change: impl Fn(&mut u8)) {
        let (block, within) = locate(offset);
        let spoil = |target: &Block| {
            let mut bytes = *target.bytes();
            change(&mut bytes[within]);
            Block::Data(std::rc::Rc::new(bytes))
        };
        for content in [&mut self.platter, &mut self.cache] {
            if offset < content.size_bytes() {
                content.set_block(block, spoil(content.block(block)));
            }
        }
        for entry in &mut self.unsynced {
            if let What::Blocks { first_block, blocks } = &mut entry.what
                && let Some(place) = block.checked_sub(*first_block).and_then(|index| blocks.get_mut(index))
            {
                place.0 = spoil(&place.0);
            }
        }
    }

    fn matters(&self, block: usize) -> bool {
        let mut versions = self.unsynced.iter().filter_map(|change| change.version(block));
        let durable = self.platter.block(block);
        versions.any(|version| !version.same_bytes(durable))
    }

    fn note_growth(&mut self, at: SyncPoint, end: u64) {
        if end > self.cache.size_bytes() {
            self.unsynced.push(Change { at, what: What::Size(end) });
        }
    }

    /// Records the blocks of `[start, end)` as they are now.
    fn note_blocks(&mut self, at: SyncPoint, start: u64, end: u64) {
        let (first_block, _) = locate(start);
        let (last_block, _) = locate(end - 1);
        let blocks = (first_block..=last_block)
            .map(|index| (self.cache.block(index).clone(), touched_sectors(index, start, end)))
            .collect();
        self.unsynced.push(Change { at, what: What::Blocks { first_block, blocks } });
    }
}

impl Change {
    /// Does this change to `content`, as far as `kept` lets each of its blocks through.
    fn apply(&self, content: &mut Content, mut kept: impl FnMut(usize) -> KeptSectors) {
        match &self.what {
            What::Size(size_bytes) => content.set_size(*size_bytes),
            What::Blocks { first_block, blocks } => {
                for (index, (block, touched)) in blocks.iter().enumerate() {
                    let mask = touched & kept(index);
                    if mask != 0 {
                        content.set_sectors(first_block + index, block, mask);
                    }
                }
            }
        }
    }

    /// The sectors that this change touches, by block.
    fn touched(&self) -> Vec<(usize, KeptSectors)> {
        match &self.what {
            What::Size(_) => Vec::new(),
            What::Blocks { first_block, blocks } => {
                (*first_block..).zip(blocks).map(|(index, &(_, touched))| (index, touched)).collect()
            }
        }
    }

    fn forget_sectors(&mut self, sectors: &[(usize, KeptSectors)]) {
        if let What::Blocks { first_block, blocks } = &mut self.what {
            for (index, mask) in sectors {
                if let Some(place) = index.checked_sub(*first_block).and_then(|place| blocks.get_mut(place)) {
                    place.1 &= !mask;
                }
            }
        }
    }

    fn version(&self, block: usize) -> Option<&Block> {
        match &self.what {
            What::Size(_) => None,
            What::Blocks { first_block, blocks } => {
                blocks.get(block.checked_sub(*first_block)?).map(|(version, _)| version)
            }
        }
    }
}

/// The sectors of block `index` that `[start, end)` touches, as a mask.
fn touched_sectors(index: usize, start: u64, end: u64) -> KeptSectors {
    let base = (index * BLOCK_SIZE_BYTES) as u64;
    (0..SECTORS_PER_BLOCK)
        .filter(|sector| {
            let first = base + (sector * SECTOR_SIZE_BYTES) as u64;
            first < end && start < first + SECTOR_SIZE_BYTES as u64
        })
        .fold(0, |mask, sector| mask | (1 << sector))
}

/// All, none, or any mix of a block's sectors, each a third of the time.
pub(super) fn random_mask(random: &mut Random) -> KeptSectors {
    match random.below(3) {
        0 => 0,
        1 => u8::MAX,
        _ => u8::try_from(random.below(256)).expect("below 256"),
    }
}
