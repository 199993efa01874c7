//! Walking a whole tree to prove it: for tests, simulation and tools that have an engine at hand.

use std::rc::Rc;

use basalt_format::page::{LeafValue, PageView};

use super::{Counts, Stop, TreeShared, edit::name_in, reader::Walk};
use crate::{
    cache::Pins,
    error::{CorruptReason, Place, StorageError},
    page::{PageName, squeeze},
};

/// A walk that had to write pages to make room is repeated, with ever fewer dirty pages left.
const WALKS_MAX: usize = 1000;

/// What a whole tree consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CheckReport {
    /// Leaves.
    pub leaf_count: u64,
    /// Inner pages.
    pub inner_count: u64,
    /// Values with extents of their own.
    pub value_count: u64,
    /// Rows.
    pub row_count: u64,
    /// Levels; zero for an empty tree.
    pub height: u8,
    /// Blocks of pages and values on disk.
    pub stored_blocks: u64,
}

/// One leaf looked at, and all that hangs on it; plus the inner pages that begin with it.
struct LeafCheck {
    report: CheckReport,
    counts: Counts,
    next: Option<Vec<u8>>,
}

type Broken = &'static str;

impl TreeShared {
    /// Proves order, fences, levels, counts, births, and that the tree's extents are exactly those taken from the
    /// file. The tree must not be changed, nor checkpointed, meanwhile.
    pub(crate) async fn check(self: &Rc<Self>) -> Result<CheckReport, StorageError> {
        for _ in 0..WALKS_MAX {
            let writes_before = self.write_count();
            let (report, counts) = self.walk_leaves().await?;
            if counts != self.state.borrow().counts {
                return Err(self.broken("counts are those of the rows"));
            }
            // Reading makes room, which writes dirty pages: some that were counted may have got extents since.
            if self.write_count() != writes_before {
                continue;
            }
            let reached = report.stored_blocks + self.progress.borrow().map_blocks();
            if reached != self.state.borrow().allocator.taken_blocks() {
                return Err(self.broken("taken blocks are those that the tree and the allocation map reach"));
            }
            return Ok(CheckReport { row_count: counts.row_count, ..report });
        }
        Err(self.broken("a tree that is checked does not change"))
    }

    fn write_count(&self) -> u64 {
        self.pool.counts().writes
    }

    async fn walk_leaves(self: &Rc<Self>) -> Result<(CheckReport, Counts), StorageError> {
        let mut report = CheckReport::default();
        let mut counts = Counts::default();
        let mut next = Some(Vec::new());
        while let Some(key) = next {
            let leaf = self.check_at(&key).await?;
            report.add(&leaf.report);
            counts.add_all(&leaf.counts);
            next = leaf.next;
            self.handle.yield_if_due().await;
        }
        Ok((report, counts))
    }

    async fn check_at(self: &Rc<Self>, key: &[u8]) -> Result<LeafCheck, StorageError> {
        let mut pins = Pins::default();
        loop {
            let checked = self.reader().walk().check_leaf(key);
            match checked {
                Ok(Ok(leaf)) => return Ok(leaf),
                Ok(Err(rule)) => return Err(self.broken(rule)),
                Err(Stop::Missing(request)) => pins.extend(self.fetch(&request).await?),
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
    }

    fn broken(&self, rule: Broken) -> StorageError {
        StorageError::Corrupt {
            partition: self.partition(),
            place: Place::Extent { block: 0, blocks: 0 },
            reason: CorruptReason::Structure(rule),
        }
    }
}

impl Walk<'_> {
    /// Checks the leaf whose range holds `key`, and each inner page above it of which it is the first.
    fn check_leaf(&self, key: &[u8]) -> Result<Result<LeafCheck, Broken>, Stop> {
        let mut check = LeafCheck { report: CheckReport::default(), counts: Counts::default(), next: None };
        let Some(mut page) = self.root()? else { return Ok(Ok(check)) };
        if key.is_empty() {
            check.report.height = self.view(page).level() + 1;
        }
        let mut name = self.tree.root.expect("a tree with a root page has a root");
        let mut fences: (Vec<u8>, Option<Vec<u8>>) = (Vec::new(), None);
        loop {
            let view = self.view(page);
            if let Err(rule) = self.check_page(view, name, &fences) {
                return Ok(Err(rule));
            }
            if view.is_leaf() {
                break;
            }
            if view.lower_fence() == key {
                check.report.inner_count += 1;
                check.report.stored_blocks += self.blocks(name);
            }
            let slot = view.child_slot(key);
            let child = self.child(page, slot)?;
            name = PageName::decode(view.child(slot));
            fences = self.child_fences(view, slot);
            if self.view(child).level() + 1 != view.level() {
                return Ok(Err("a child is one level below its parent"));
            }
            page = child;
        }
        let view = self.view(page);
        check.next = view.upper_fence().map(<[u8]>::to_vec);
        check.report.leaf_count = 1;
        check.report.stored_blocks += self.blocks(name);
        for slot in 0..view.slot_count() {
            let mut key = Vec::new();
            view.copy_key(slot, &mut key);
            check.counts.add(&key, self.value_bytes(page, slot));
            if let Some(value) = name_in(view, slot) {
                check.report.value_count += 1;
                check.report.stored_blocks += self.blocks(value);
                if let Err(rule) = self.check_value(view, slot, self.row(view, slot)?.value) {
                    return Ok(Err(rule));
                }
            }
        }
        Ok(Ok(check))
    }

    /// Proves the page in itself, its fences, and that it is not younger than the live generation.
    fn check_page(
        &self,
        view: PageView<'_>,
        name: PageName,
        fences: &(Vec<u8>, Option<Vec<u8>>),
    ) -> Result<(), Broken> {
        let mut stored = vec![0; view.bytes().len()];
        // Names without an extent are no valid pointers: any valid one stands in for them.
        let stand_in = |of: PageName| match self.tree.resolve(of) {
            PageName::Disk(pointer) => Some(PageName::Disk(pointer)),
            PageName::Memory(_) => None,
        };
        let has_only_extents =
            (0..view.slot_count()).filter_map(|slot| name_in(view, slot)).all(|of| stand_in(of).is_some());
        if has_only_extents {
            squeeze(view, &mut stored, |of| stand_in(of).unwrap_or(of));
            PageView::parse(&stored).map_err(|_| "a page is valid in itself")?;
        }
        if view.lower_fence() != fences.0 || view.upper_fence() != fences.1.as_deref() {
            return Err("a page has the fences that its parent says");
        }
        if view.birth() > self.tree.live || view.partition() != self.tree.partition {
            return Err("a page is of this tree, and not of the future");
        }
        match self.tree.resolve(name) {
            PageName::Disk(pointer) if pointer.birth != view.birth() => {
                Err("a page was born when its pointer says")
            }
            _ => Ok(()),
        }
    }

    fn check_value(&self, view: PageView<'_>, slot: usize, value: &[u8]) -> Result<(), Broken> {
        match view.leaf_cell(slot).value {
            LeafValue::Overflow { value_bytes, first, .. } if value.len() == value_bytes as usize => {
                if value.starts_with(first) { Ok(()) } else { Err("a cell repeats the start of its value") }
            }
            _ => Err("a value has the length that its cell says"),
        }
    }

    fn child_fences(&self, parent: PageView<'_>, slot: usize) -> (Vec<u8>, Option<Vec<u8>>) {
        let mut lower = Vec::new();
        parent.copy_child_lower_fence(slot, &mut lower);
        if slot + 1 == parent.slot_count() {
            return (lower, parent.upper_fence().map(<[u8]>::to_vec));
        }
        let mut upper = Vec::new();
        parent.copy_key(slot + 1, &mut upper);
        (lower, Some(upper))
    }

    fn blocks(&self, name: PageName) -> u64 {
        match self.tree.resolve(name) {
            PageName::Disk(pointer) => pointer.blocks.into(),
            PageName::Memory(_) => 0,
        }
    }
}

impl CheckReport {
    fn add(&mut self, other: &Self) {
        self.leaf_count += other.leaf_count;
        self.inner_count += other.inner_count;
        self.value_count += other.value_count;
        self.stored_blocks += other.stored_blocks;
        self.height = self.height.max(other.height);
    }
}

impl Counts {
    fn add_all(&mut self, other: &Self) {
        self.row_count += other.row_count;
        self.row_bytes += other.row_bytes;
        self.item_count += other.item_count;
        self.item_bytes += other.item_bytes;
        for (rows, more) in self.local_index_rows.iter_mut().zip(other.local_index_rows) {
            rows.count += more.count;
            rows.bytes += more.bytes;
        }
    }
}
