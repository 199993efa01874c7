//! Proves what the format promises of one partition's file, on all cores.

use basalt_format::{
    DecodeError,
    extent::{AllocationPart, BlockClass, ExtentKind, Pointer},
    item_encoding,
    key_encoding::{
        LOCAL_INDEX_TAGS, TAG_COLLECTION, TAG_GLOBAL_INDEX, TAG_ITEM, TAG_LOCAL_INDEX_FIRST,
        TAG_LOCAL_INDEX_LAST, decode_hashed,
    },
    page::{LeafValue, PageView},
    superblock::{RowCount, SUPERBLOCK_AREA_BLOCKS, Superblock},
};
use rayon::prelude::*;
use serde::Serialize;

use super::{Finding, judged_superblock, stored_bytes};

/// What a sound file holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    pub(crate) pages: u64,
    pub(crate) overflow_values: u64,
    pub(crate) rows: u64,
    /// Blocks that the newest tree reaches, in bytes.
    pub(crate) reachable_bytes: u64,
}

/// Pages of one level.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Level {
    pub(crate) pages: u64,
    /// Bytes that they hold.
    pub(crate) content_bytes: u64,
    /// Pages by how full they are: below a tenth of a page, two tenths, and so on.
    pub(crate) fill_tenths: [u64; 10],
}

/// What was found in one file.
#[derive(Debug, Default)]
pub(crate) struct TreeReport {
    pub(crate) superblock: Option<Superblock>,
    pub(crate) counts: Counts,
    /// From the leaves up.
    pub(crate) levels: Vec<Level>,
    pub(crate) findings: Vec<Finding>,
}

/// Checks the bytes of one file; the findings are empty where nothing is wrong.
pub(crate) fn check(bytes: &[u8], cluster_uuid: Option<[u8; 16]>) -> TreeReport {
    let mut findings = Vec::new();
    let Some(superblock) = judged_superblock(bytes, cluster_uuid, &mut findings) else {
        return TreeReport { findings, ..TreeReport::default() };
    };
    let file = File { bytes, superblock: &superblock };
    let mut part = Part { findings, ..Part::default() };
    let expected = Expected { lower: &[], upper: None, level: None, birth_max: superblock.generation };
    if let Some(root) = &superblock.root {
        part.absorb(file.page(root, &expected));
    }
    if part.findings.is_empty() {
        file.check_counts(&mut part);
    }
    file.check_allocation(&mut part);
    part.findings.sort_by_key(|finding| finding.block);
    TreeReport {
        counts: part.counts,
        levels: part.levels,
        findings: part.findings,
        superblock: Some(superblock),
    }
}

/// A file and the root that it is read from.
struct File<'a> {
    bytes: &'a [u8],
    superblock: &'a Superblock,
}

/// What a page's parent says of it.
struct Expected<'a> {
    lower: &'a [u8],
    upper: Option<&'a [u8]>,
    level: Option<u8>,
    birth_max: u64,
}

/// What was found below some page.
#[derive(Debug, Default)]
struct Part {
    counts: Counts,
    items: RowCount,
    row_bytes: u64,
    local_index_rows: [RowCount; LOCAL_INDEX_TAGS],
    levels: Vec<Level>,
    findings: Vec<Finding>,
    /// Extents that are reached: first block and blocks.
    reached: Vec<(u64, u64)>,
}

impl Part {
    fn absorb(&mut self, mut other: Part) {
        self.counts.pages += other.counts.pages;
        self.counts.overflow_values += other.counts.overflow_values;
        self.counts.rows += other.counts.rows;
        self.counts.reachable_bytes += other.counts.reachable_bytes;
        self.row_bytes += other.row_bytes;
        add(&mut self.items, other.items.count, other.items.bytes);
        for (sum, rows) in self.local_index_rows.iter_mut().zip(other.local_index_rows) {
            add(sum, rows.count, rows.bytes);
        }
        for (place, level) in other.levels.into_iter().enumerate() {
            let sum = self.level(place);
            sum.pages += level.pages;
            sum.content_bytes += level.content_bytes;
            sum.fill_tenths.iter_mut().zip(level.fill_tenths).for_each(|(sum, count)| *sum += count);
        }
        self.findings.append(&mut other.findings);
        self.reached.append(&mut other.reached);
    }

    fn level(&mut self, place: usize) -> &mut Level {
        if self.levels.len() <= place {
            self.levels.resize_with(place + 1, Level::default);
        }
        &mut self.levels[place]
    }

    fn report(&mut self, block: u64, problem: impl Into<String>) {
        self.findings.push(Finding { block, problem: problem.into() });
    }

    fn count_row(&mut self, key: &[u8], value_bytes: u64) {
        let bytes = key.len() as u64 + value_bytes;
        self.counts.rows += 1;
        self.row_bytes += bytes;
        match key.first() {
            Some(&(TAG_ITEM | TAG_GLOBAL_INDEX)) => add(&mut self.items, 1, bytes),
            Some(&tag @ TAG_LOCAL_INDEX_FIRST..=TAG_LOCAL_INDEX_LAST) => {
                add(&mut self.local_index_rows[usize::from(tag - TAG_LOCAL_INDEX_FIRST)], 1, bytes);
            }
            _ => {}
        }
    }
}

fn add(sum: &mut RowCount, count: u64, bytes: u64) {
    sum.count += count;
    sum.bytes += bytes;
}

impl<'a> File<'a> {
    fn page(&self, pointer: &Pointer, expected: &Expected<'_>) -> Part {
        let mut part = Part::default();
        let Some(stored) = self.extent(pointer, &mut part) else { return part };
        let page = match PageView::parse(stored) {
            Ok(page) => page,
            Err(error) => {
                part.report(pointer.block, error.to_string());
                return part;
            }
        };
        part.counts.pages += 1;
        self.note_fill(page, &mut part);
        if let Err(problem) = self.place_of(page, pointer, expected) {
            part.report(pointer.block, problem);
        } else if page.is_leaf() {
            self.leaf(page, pointer, &mut part);
        } else {
            self.inner(page, pointer, &mut part);
        }
        part
    }

    fn note_fill(&self, page: PageView<'_>, part: &mut Part) {
        let page_bytes =
            if page.is_leaf() { self.superblock.leaf_page_bytes } else { self.superblock.inner_page_bytes };
        let content = page.bytes().len();
        let level = part.level(usize::from(page.level()));
        level.pages += 1;
        level.content_bytes += content as u64;
        level.fill_tenths[(content * 10 / page_bytes as usize).min(9)] += 1;
    }

    /// Whether the page is the one that its parent means.
    fn place_of(
        &self,
        page: PageView<'_>,
        pointer: &Pointer,
        expected: &Expected<'_>,
    ) -> Result<(), &'static str> {
        if page.partition() != self.superblock.partition {
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
        let kind = match (page.is_leaf(), page.owns_overflow()) {
            (false, _) => ExtentKind::Inner,
            (true, false) => ExtentKind::Leaf,
            (true, true) => ExtentKind::LeafWithOverflow,
        };
        if kind == pointer.kind { Ok(()) } else { Err("the page is of another kind than its parent says") }
    }

    fn inner(&self, page: PageView<'a>, pointer: &Pointer, part: &mut Part) {
        // Levels fall by one to zero, which bounds the depth of this recursion.
        let level = page.level().checked_sub(1);
        let below: Vec<Part> = (0..page.slot_count())
            .into_par_iter()
            .map(|slot| {
                let (mut lower, mut upper) = (Vec::new(), Vec::new());
                page.copy_child_lower_fence(slot, &mut lower);
                let upper = if slot + 1 < page.slot_count() {
                    page.copy_child_lower_fence(slot + 1, &mut upper);
                    Some(upper.as_slice())
                } else {
                    page.upper_fence()
                };
                let expected = Expected { lower: &lower, upper, level, birth_max: pointer.birth };
                match Pointer::decode(page.child(slot)) {
                    Ok(child) => self.page(&child, &expected),
                    Err(error) => {
                        let mut part = Part::default();
                        part.report(pointer.block, format!("child {slot}: {error}"));
                        part
                    }
                }
            })
            .collect();
        below.into_iter().for_each(|below| part.absorb(below));
    }

    fn leaf(&self, page: PageView<'a>, pointer: &Pointer, part: &mut Part) {
        let mut key = Vec::new();
        for slot in 0..page.slot_count() {
            key.clear();
            page.copy_key(slot, &mut key);
            let value = match page.leaf_cell(slot).value {
                LeafValue::Inline(value) => Some(value),
                LeafValue::Overflow { pointer: stored, value_bytes, first } => {
                    match Pointer::decode(stored) {
                        Ok(value) => self.overflow(&value, value_bytes, first, pointer.birth, part),
                        Err(error) => {
                            part.report(pointer.block, format!("value of row {slot}: {error}"));
                            None
                        }
                    }
                }
            };
            let Some(value) = value else { continue };
            part.count_row(&key, value.len() as u64);
            if let Err(problem) = self.row(&key, value) {
                part.report(pointer.block, format!("row {slot}: {problem}"));
            }
        }
    }

    /// Whether a row may stand in this partition, and is an item where it says so.
    fn row(&self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let tag = key.first().copied().unwrap_or_default();
        let is_hashed = matches!(tag, TAG_ITEM | TAG_COLLECTION | TAG_GLOBAL_INDEX)
            || (TAG_LOCAL_INDEX_FIRST..=TAG_LOCAL_INDEX_LAST).contains(&tag);
        if is_hashed {
            let (_, hash, _) = decode_hashed(key).map_err(|error| error.to_string())?;
            let owned = self.superblock.hash_first..=self.superblock.hash_last;
            if !owned.contains(&hash) {
                return Err("its hash is another partition's".to_owned());
            }
        }
        match tag {
            TAG_ITEM => item_encoding::validate(value).map_err(|error| error.to_string()),
            _ => Ok(()),
        }
    }

    fn overflow(
        &self,
        pointer: &Pointer,
        value_bytes: u32,
        first: &[u8],
        birth_max: u64,
        part: &mut Part,
    ) -> Option<&'a [u8]> {
        let stored = self.extent(pointer, part)?;
        part.counts.overflow_values += 1;
        let value = stored.get(..value_bytes as usize).filter(|value| {
            pointer.kind == ExtentKind::Overflow && pointer.birth <= birth_max && value.starts_with(first)
        });
        if value.is_none() {
            part.report(pointer.block, "the value is not the one that its row names");
        } else if stored[value_bytes as usize..].iter().any(|&byte| byte != 0) {
            part.report(pointer.block, "something stands behind the value");
        }
        value
    }

    /// The stored bytes of an extent, if they are there and have the checksum that their parent names.
    fn extent(&self, pointer: &Pointer, part: &mut Part) -> Option<&'a [u8]> {
        let stored = stored_bytes(self.bytes, pointer);
        let Some(stored) = stored else {
            part.report(pointer.block, "the extent lies behind the end of the file");
            return None;
        };
        part.counts.reachable_bytes += stored.len() as u64;
        part.reached.push((pointer.block, pointer.blocks.into()));
        match pointer.verify(self.superblock.salt, stored) {
            Ok(()) => Some(stored),
            Err(error) => {
                part.report(pointer.block, describe(&error));
                None
            }
        }
    }

    fn check_counts(&self, part: &mut Part) {
        let superblock = self.superblock;
        let counted = [
            ("rows", superblock.row_count, part.counts.rows),
            ("bytes of rows", superblock.row_bytes, part.row_bytes),
            ("items", superblock.item_count, part.items.count),
            ("bytes of items", superblock.item_bytes, part.items.bytes),
        ];
        let block = Superblock::block_of(superblock.generation);
        for (what, said, found) in counted.into_iter().filter(|(_, said, found)| said != found) {
            part.report(block, format!("the superblock counts {said} {what}, {found} are there"));
        }
        if superblock.local_index_rows != part.local_index_rows {
            part.report(block, "the superblock counts other rows of local indexes than are there");
        }
    }

    /// Every block that is reached is allocated and reached once, and no other block is allocated.
    fn check_allocation(&self, part: &mut Part) {
        let mut runs = Vec::new();
        let mut next = self.superblock.allocation;
        let mut end = 0;
        while let Some(pointer) = next {
            let Some(stored) = self.extent(&pointer, part) else { return };
            let map = match AllocationPart::decode(stored) {
                Ok(map) => map,
                Err(error) => return part.report(pointer.block, error.to_string()),
            };
            let is_next = map.first_block == end && !map.runs.is_empty();
            if !is_next || map.partition != self.superblock.partition || map.generation != pointer.birth {
                return part.report(pointer.block, "the allocation map is not this file's");
            }
            for run in &map.runs {
                runs.push((end, run.blocks, run.class));
                end += run.blocks;
            }
            next = map.next;
        }
        if self.superblock.allocation.is_some() && end != self.superblock.file_blocks {
            let block = Superblock::block_of(self.superblock.generation);
            return part.report(block, "the allocation map does not cover the file");
        }
        if part.findings.is_empty() {
            compare_with_map(&runs, part);
        }
    }
}

fn compare_with_map(runs: &[(u64, u64, BlockClass)], part: &mut Part) {
    part.reached.push((0, SUPERBLOCK_AREA_BLOCKS));
    part.reached.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for &(block, blocks) in &part.reached {
        match merged.last_mut() {
            Some((start, length)) if *start + *length > block => {
                part.findings.push(Finding::new(block, "two pointers lead here"));
                *length = (*length).max(block + blocks - *start);
            }
            Some((start, length)) if *start + *length == block => *length += blocks,
            _ => merged.push((block, blocks)),
        }
    }
    let allocated: Vec<(u64, u64)> = runs
        .iter()
        .filter(|(_, _, class)| *class == BlockClass::Allocated)
        .map(|&(block, blocks, _)| (block, blocks))
        .collect();
    let differing = merged.iter().zip(&allocated).find(|(reached, allocated)| reached != allocated);
    if let Some((&(block, _), _)) = differing {
        part.findings.push(Finding::new(block, "what is allocated is not what is reached"));
    } else if merged.len() != allocated.len() {
        part.findings.push(Finding::new(0, "what is allocated is not what is reached"));
    }
}

fn describe(error: &DecodeError) -> String {
    format!("{error} (rot, or a write that was torn, lost or went astray)")
}
