//! Walks one partition's file from its newest superblock and proves what the format promises.

use basalt_format::{
    BLOCK_SIZE_BYTES, DecodeError,
    extent::{ExtentKind, Pointer},
    page::{LeafValue, PageView},
    superblock::{SUPERBLOCK_A_BLOCK, SUPERBLOCK_B_BLOCK, SUPERBLOCK_BYTES, Superblock},
};
use serde::Serialize;

/// What a sound file holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    pub(crate) pages: u64,
    pub(crate) overflow_values: u64,
    pub(crate) rows: u64,
    /// Blocks that the newest tree reaches, in bytes.
    pub(crate) reachable_bytes: u64,
}

/// Something that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// The first block of the damaged extent.
    pub(crate) block: u64,
    pub(crate) problem: String,
}

/// Checks the bytes of one file; the findings are empty where nothing is wrong.
pub(crate) fn check(bytes: &[u8], cluster_uuid: Option<[u8; 16]>) -> (Counts, Vec<Finding>) {
    let mut walk = Walk { bytes, salt: 0, partition: 0, counts: Counts::default(), findings: Vec::new() };
    if let Some(newest) = walk.newest_superblock(cluster_uuid) {
        walk.salt = newest.salt;
        walk.partition = newest.partition;
        if let Some(root) = newest.root {
            walk.page(
                &root,
                &Expected { lower: &[], upper: None, level: None, birth_max: newest.generation },
            );
        }
        if walk.findings.is_empty() && walk.counts.rows != newest.row_count {
            let problem =
                format!("the superblock counts {} rows, {} are there", newest.row_count, walk.counts.rows);
            walk.report(Superblock::block_of(newest.generation), problem);
        }
    }
    (walk.counts, walk.findings)
}

struct Walk<'a> {
    bytes: &'a [u8],
    salt: u64,
    partition: u64,
    counts: Counts,
    findings: Vec<Finding>,
}

/// What a page's parent says of it.
struct Expected<'a> {
    lower: &'a [u8],
    upper: Option<&'a [u8]>,
    level: Option<u8>,
    birth_max: u64,
}

impl<'a> Walk<'a> {
    /// The superblock that a daemon would open from. The other may be damaged: that is reported, and no loss.
    fn newest_superblock(&mut self, cluster_uuid: Option<[u8; 16]>) -> Option<Superblock> {
        let mut valid = Vec::new();
        for block in [SUPERBLOCK_A_BLOCK, SUPERBLOCK_B_BLOCK] {
            let start = block as usize * BLOCK_SIZE_BYTES;
            let Some(stored) = self.bytes.get(start..start + SUPERBLOCK_BYTES) else { continue };
            // A file's second superblock is zeros until its second checkpoint.
            if stored.iter().all(|&byte| byte == 0) {
                continue;
            }
            match Superblock::decode(stored) {
                Ok(superblock) => valid.push(superblock),
                Err(error) => self.report(block, format!("superblock: {error}")),
            }
        }
        let newest = valid.into_iter().max_by_key(|superblock| superblock.generation);
        match &newest {
            None => self.report(SUPERBLOCK_A_BLOCK, "no superblock can be read".to_owned()),
            Some(found) if cluster_uuid.is_some_and(|uuid| uuid != found.cluster_uuid) => {
                self.report(
                    Superblock::block_of(found.generation),
                    "the file belongs to another cluster".to_owned(),
                );
            }
            Some(_) => {}
        }
        newest
    }

    fn page(&mut self, pointer: &Pointer, expected: &Expected<'_>) {
        let Some(stored) = self.extent(pointer) else { return };
        let page = match PageView::parse(stored) {
            Ok(page) => page,
            Err(error) => return self.report(pointer.block, error.to_string()),
        };
        self.counts.pages += 1;
        if let Err(problem) = self.place_of(page, pointer, expected) {
            return self.report(pointer.block, problem.to_owned());
        }
        if page.is_leaf() {
            self.leaf(page, pointer);
        } else {
            self.inner(page, pointer);
        }
    }

    /// Whether the page is the one that its parent means.
    fn place_of(
        &self,
        page: PageView<'_>,
        pointer: &Pointer,
        expected: &Expected<'_>,
    ) -> Result<(), &'static str> {
        if page.partition() != self.partition {
            return Err("the page belongs to another partition");
        }
        if page.birth() != pointer.birth || pointer.birth > expected.birth_max {
            return Err("the page was born in another generation than its parent says");
        }
        if expected.level.is_some_and(|level| level != page.level()) {
            return Err("the page is of another level than its parent says");
        }
        if page.lower_fence() != expected.lower || page.upper_fence() != expected.upper {
            return Err("the page's fences are not its parent's separators");
        }
        Ok(())
    }

    fn inner(&mut self, page: PageView<'a>, pointer: &Pointer) {
        let mut lower = Vec::new();
        for slot in 0..page.slot_count() {
            lower.clear();
            page.copy_child_lower_fence(slot, &mut lower);
            let mut upper = Vec::new();
            let upper = if slot + 1 < page.slot_count() {
                page.copy_child_lower_fence(slot + 1, &mut upper);
                Some(upper.as_slice())
            } else {
                page.upper_fence()
            };
            // Levels fall by one to zero, which bounds the depth of this recursion.
            let level = page.level().checked_sub(1);
            let expected = Expected { lower: &lower, upper, level, birth_max: pointer.birth };
            match Pointer::decode(page.child(slot)) {
                Ok(child) => self.page(&child, &expected),
                Err(error) => self.report(pointer.block, format!("child {slot}: {error}")),
            }
        }
    }

    fn leaf(&mut self, page: PageView<'a>, pointer: &Pointer) {
        for slot in 0..page.slot_count() {
            self.counts.rows += 1;
            let LeafValue::Overflow { pointer: stored, value_bytes, first } = page.leaf_cell(slot).value
            else {
                continue;
            };
            match Pointer::decode(stored) {
                Ok(value) => self.overflow(&value, value_bytes, first),
                Err(error) => self.report(pointer.block, format!("value of row {slot}: {error}")),
            }
        }
    }

    fn overflow(&mut self, pointer: &Pointer, value_bytes: u32, first: &[u8]) {
        let Some(stored) = self.extent(pointer) else { return };
        self.counts.overflow_values += 1;
        let is_whole = pointer.kind == ExtentKind::Overflow
            && stored.get(..value_bytes as usize).is_some_and(|value| value.starts_with(first));
        if !is_whole {
            self.report(pointer.block, "the value is not the one that its row names".to_owned());
        }
    }

    /// The stored bytes of an extent, if they are there and have the checksum that their parent names.
    fn extent(&mut self, pointer: &Pointer) -> Option<&'a [u8]> {
        let start = usize::try_from(pointer.offset()).ok();
        let end = start.and_then(|start| start.checked_add(pointer.stored_bytes()));
        let stored = start.zip(end).and_then(|(start, end)| self.bytes.get(start..end));
        let Some(stored) = stored else {
            self.report(pointer.block, "the extent lies behind the end of the file".to_owned());
            return None;
        };
        self.counts.reachable_bytes += stored.len() as u64;
        match pointer.verify(self.salt, stored) {
            Ok(()) => Some(stored),
            Err(error) => {
                self.report(pointer.block, describe(&error));
                None
            }
        }
    }

    fn report(&mut self, block: u64, problem: String) {
        self.findings.push(Finding { block, problem });
    }
}

fn describe(error: &DecodeError) -> String {
    format!("{error} (rot, or a write that was torn, lost or went astray)")
}
