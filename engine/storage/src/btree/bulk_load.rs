//! Building a tree from rows in key order, from the leaves up: each page is filled and written once.
//!
//! A page is closed when the next cell does not fit, and then named in the level above. Nobody sees the pages before a
//! checkpoint makes them the tree's ([`TreeShared::publish`]); until then they are extents of a [`LoadWriter`].
//!
//! Trees that are not to be published serve as sorted runs: their leaves are read again, one after the other.

use basalt_format::{
    extent::{ExtentKind, POINTER_BYTES, Pointer},
    page::{
        CELL_FLAG_OVERFLOW, INNER_CELL_HEADER_BYTES, KEY_BYTES_MAX, LEAF_CELL_HEADER_BYTES,
        PAGE_HEADER_BYTES, PageBuilder, PageKey, SLOT_BYTES, VALUE_BYTES_MAX, inline_value_bytes_max,
        prefix_bytes,
    },
};

use super::{Counts, LoadWriter, Tree, entries::separator, insert::overflow_payload};
use crate::{
    error::StorageError,
    page::{PageName, Row},
};

/// Rows that become a tree.
#[derive(Default)]
pub(crate) struct TreeLoad {
    /// From the leaves up.
    levels: Vec<Level>,
    counts: Counts,
    last_key: Vec<u8>,
    /// The leaves, in key order.
    leaves: Vec<Pointer>,
    inner_pages: Vec<Pointer>,
}

/// A tree whose pages are all written, and which nobody sees yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LoadedTree {
    pub(crate) root: PageName,
    pub(crate) counts: Counts,
}

/// The cells of one level that have no page yet, in key order.
#[derive(Default)]
struct Level {
    /// The lower fence of the page that the first of them will be in.
    lower: Vec<u8>,
    cells: Vec<Cell>,
    /// Keys and payloads of the cells, behind each other.
    bytes: Vec<u8>,
    /// Bytes that the cells take in a page that shortens no key.
    cell_bytes: usize,
}

#[derive(Clone, Copy)]
struct Cell {
    flags: u8,
    last_write: u64,
    key_start: usize,
    payload_start: usize,
    end: usize,
}

/// A page that is full, for the level above.
struct ClosedPage {
    lower: Vec<u8>,
    pointer: Pointer,
}

impl Tree {
    /// Begins to write what a load brings.
    pub(crate) async fn begin_load(&self) -> Result<LoadWriter, StorageError> {
        LoadWriter::start(&self.shared).await
    }
}

impl TreeLoad {
    /// Adds a row behind all others.
    ///
    /// # Panics
    /// If its key is not above theirs.
    pub(crate) async fn put(
        &mut self,
        writer: &mut LoadWriter,
        key: &[u8],
        value: &[u8],
        last_write: u64,
    ) -> Result<(), StorageError> {
        assert!(value.len() <= VALUE_BYTES_MAX, "values are checked before they are loaded");
        if value.len() <= inline_value_bytes_max(writer.tree().identity.page_bytes) {
            return self
                .put_row(writer, key, Row { flags: 0, last_write, payload: value }, value.len())
                .await;
        }
        let pointer = writer.store(ExtentKind::Overflow, value).await?;
        let payload = overflow_payload(PageName::Disk(pointer), value);
        let row = Row { flags: CELL_FLAG_OVERFLOW, last_write, payload: &payload };
        self.put_row(writer, key, row, value.len()).await
    }

    /// As [`TreeLoad::put`], of a row whose value stands where `row` says.
    pub(crate) async fn put_row(
        &mut self,
        writer: &mut LoadWriter,
        key: &[u8],
        row: Row<'_>,
        value_bytes: usize,
    ) -> Result<(), StorageError> {
        assert!(*key > *self.last_key && key.len() <= KEY_BYTES_MAX, "rows are loaded in key order");
        self.add_cell(writer, 0, key, row).await?;
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        self.counts.add(key, value_bytes);
        Ok(())
    }

    /// The key of the last row; empty if there is none.
    pub(crate) fn last_key(&self) -> &[u8] {
        &self.last_key
    }

    /// The leaves in key order, once the load is finished.
    pub(crate) fn leaves(&self) -> &[Pointer] {
        &self.leaves
    }

    /// Closes every page and waits for the writes; `None` if there are no rows.
    pub(crate) async fn finish(
        &mut self,
        writer: &mut LoadWriter,
    ) -> Result<Option<LoadedTree>, StorageError> {
        let mut root = None;
        let mut level = 0;
        while level < self.levels.len() {
            let page_bytes = writer.tree().identity.page_bytes as usize;
            while self.levels[level].is_too_full_for_the_last(level, page_bytes) {
                let closed = self.close(writer, level, None).await?;
                self.add_child(writer, level + 1, closed).await?;
            }
            let closed = self.close_last(writer, level).await?;
            if level + 1 == self.levels.len() {
                root = Some(PageName::Disk(closed.pointer));
            } else {
                self.add_child(writer, level + 1, closed).await?;
            }
            level += 1;
        }
        writer.finish().await?;
        Ok(root.map(|root| LoadedTree { root, counts: self.counts }))
    }

    /// Gives the pages back, but not the values that rows name. Everything must have been written.
    pub(crate) fn discard_pages(&self, writer: &LoadWriter) {
        self.leaves.iter().chain(&self.inner_pages).for_each(|page| writer.discard(page));
    }

    async fn add_child(
        &mut self,
        writer: &mut LoadWriter,
        level: usize,
        page: ClosedPage,
    ) -> Result<(), StorageError> {
        let payload = page.pointer.encode();
        self.add_cell(writer, level, &page.lower, Row { flags: 0, last_write: 0, payload: &payload }).await
    }

    /// Adds a cell to a level. Pages that are full go to the levels above, before it.
    async fn add_cell(
        &mut self,
        writer: &mut LoadWriter,
        level: usize,
        key: &[u8],
        row: Row<'_>,
    ) -> Result<(), StorageError> {
        let page_bytes = writer.tree().identity.page_bytes as usize;
        let (mut level, mut full) = (level, None);
        self.open_level(level);
        if self.levels[level].is_full_before(level, key, row.payload.len(), page_bytes) {
            full = Some(self.close(writer, level, Some(key)).await?);
        }
        self.levels[level].push(level, key, row);
        while let Some(ClosedPage { lower, pointer }) = full.take() {
            level += 1;
            self.open_level(level);
            if self.levels[level].is_full_before(level, &lower, POINTER_BYTES, page_bytes) {
                full = Some(self.close(writer, level, Some(&lower)).await?);
            }
            let payload = pointer.encode();
            self.levels[level].push(level, &lower, Row { flags: 0, last_write: 0, payload: &payload });
        }
        Ok(())
    }

    fn open_level(&mut self, level: usize) {
        if level == self.levels.len() {
            self.levels.push(Level::default());
        }
    }

    /// Writes a page of as many cells as fit; the others wait for the next one, and there is at least one of them or the
    /// cell of `next_key`.
    async fn close(
        &mut self,
        writer: &mut LoadWriter,
        level: usize,
        next_key: Option<&[u8]>,
    ) -> Result<ClosedPage, StorageError> {
        let page_bytes = writer.tree().identity.page_bytes as usize;
        let (count, upper) = self.levels[level].first_page(level, next_key, page_bytes);
        let page = self.levels[level].build(level, count, Some(&upper), writer);
        let pointer = self.store(writer, level, page).await?;
        let lower = self.levels[level].take_away(level, count, upper);
        Ok(ClosedPage { lower, pointer })
    }

    /// Writes the page that ends its level.
    async fn close_last(
        &mut self,
        writer: &mut LoadWriter,
        level: usize,
    ) -> Result<ClosedPage, StorageError> {
        let count = self.levels[level].cells.len();
        let page = self.levels[level].build(level, count, None, writer);
        let pointer = self.store(writer, level, page).await?;
        Ok(ClosedPage { lower: std::mem::take(&mut self.levels[level].lower), pointer })
    }

    async fn store(
        &mut self,
        writer: &mut LoadWriter,
        level: usize,
        page: BuiltPage,
    ) -> Result<Pointer, StorageError> {
        let pointer = writer.store(page.kind, &page.content).await?;
        match level {
            0 => self.leaves.push(pointer),
            _ => self.inner_pages.push(pointer),
        }
        Ok(pointer)
    }
}

/// A page in its stored form.
struct BuiltPage {
    kind: ExtentKind,
    content: Vec<u8>,
}

impl Level {
    fn key(&self, cell: usize) -> &[u8] {
        let Cell { key_start, payload_start, .. } = self.cells[cell];
        &self.bytes[key_start..payload_start]
    }

    fn payload(&self, cell: usize) -> &[u8] {
        let Cell { payload_start, end, .. } = self.cells[cell];
        &self.bytes[payload_start..end]
    }

    fn push(&mut self, level: usize, key: &[u8], row: Row<'_>) {
        let key_start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let payload_start = self.bytes.len();
        self.bytes.extend_from_slice(row.payload);
        let end = self.bytes.len();
        self.cells.push(Cell { flags: row.flags, last_write: row.last_write, key_start, payload_start, end });
        self.cell_bytes += cell_bytes(level, end - key_start);
    }

    /// Whether another cell might make the page too large, and there are cells enough for one without it.
    fn is_full_before(&self, level: usize, key: &[u8], payload_bytes: usize, page_bytes: usize) -> bool {
        let count = self.cells.len() + 1;
        let prefix = prefix_bytes(&self.lower, Some(key));
        let cells = self.cell_bytes + cell_bytes(level, key.len() + payload_bytes) - count * prefix;
        self.cells.len() >= 2 * least_cells(level) - 1
            && PAGE_HEADER_BYTES + self.lower.len() + key.len() + cells > page_bytes
    }

    /// Whether the cells are too many for the last page of the level, which shortens no key.
    fn is_too_full_for_the_last(&self, level: usize, page_bytes: usize) -> bool {
        self.cells.len() >= 2 * least_cells(level)
            && PAGE_HEADER_BYTES + self.lower.len() + self.cell_bytes > page_bytes
    }

    /// How many cells the next page takes, and its upper fence. What is left is enough for another page, together with
    /// the cell of `next_key`.
    fn first_page(&self, level: usize, next_key: Option<&[u8]>, page_bytes: usize) -> (usize, Vec<u8>) {
        let least = least_cells(level);
        let mut count = self.cells.len() + usize::from(next_key.is_some()) - least;
        let mut cells: usize = (0..count).map(|cell| self.bytes_of(level, cell)).sum();
        loop {
            let next =
                if count < self.cells.len() { self.key(count) } else { next_key.expect("cells are left") };
            let upper = if level == 0 { separator(self.key(count - 1), next) } else { next.to_vec() };
            let prefix = prefix_bytes(&self.lower, Some(&upper));
            let content = PAGE_HEADER_BYTES + self.lower.len() + upper.len() + cells - count * prefix;
            if content <= page_bytes || count == least {
                return (count, upper);
            }
            count -= 1;
            cells -= self.bytes_of(level, count);
        }
    }

    fn bytes_of(&self, level: usize, cell: usize) -> usize {
        let Cell { key_start, end, .. } = self.cells[cell];
        cell_bytes(level, end - key_start)
    }

    fn build(&self, level: usize, count: usize, upper: Option<&[u8]>, writer: &LoadWriter) -> BuiltPage {
        let partition = writer.tree().partition().get();
        let number = u8::try_from(level).expect("a tree has fewer than 256 levels");
        let mut page = PageBuilder::new(number, partition, writer.birth(), &self.lower, upper);
        let mut owns_overflow = false;
        for cell in 0..count {
            let (key, payload) = (PageKey::whole(self.key(cell)), self.payload(cell));
            let Cell { flags, last_write, .. } = self.cells[cell];
            if level == 0 {
                page.push_row(key, flags, last_write, payload);
                owns_overflow |= flags & CELL_FLAG_OVERFLOW != 0;
            } else {
                page.push_child(key, payload.try_into().expect("an inner cell's payload is a pointer"));
            }
        }
        let kind = match (level, owns_overflow) {
            (0, false) => ExtentKind::Leaf,
            (0, true) => ExtentKind::LeafWithOverflow,
            _ => ExtentKind::Inner,
        };
        BuiltPage { kind, content: page.finish() }
    }

    /// Takes the first `count` cells away, behind which the next page begins at `lower`; returns where they began.
    fn take_away(&mut self, level: usize, count: usize, lower: Vec<u8>) -> Vec<u8> {
        let start = self.cells.get(count).map_or(self.bytes.len(), |cell| cell.key_start);
        self.bytes.drain(..start);
        self.cells.drain(..count);
        for cell in &mut self.cells {
            cell.key_start -= start;
            cell.payload_start -= start;
            cell.end -= start;
        }
        self.cell_bytes = (0..self.cells.len()).map(|cell| self.bytes_of(level, cell)).sum();
        std::mem::replace(&mut self.lower, lower)
    }
}

/// Inner pages have two children, so that every level is narrower than the one below it.
fn least_cells(level: usize) -> usize {
    if level == 0 { 1 } else { 2 }
}

/// Bytes of a cell and its slot, with so many of key and payload.
fn cell_bytes(level: usize, key_and_payload_bytes: usize) -> usize {
    // A child's pointer is both its header and its payload.
    let header = if level == 0 { LEAF_CELL_HEADER_BYTES } else { INNER_CELL_HEADER_BYTES - POINTER_BYTES };
    SLOT_BYTES + header + key_and_payload_bytes
}
