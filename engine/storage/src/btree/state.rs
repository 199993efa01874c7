//! What a tree knows besides its pages.

use basalt_format::{
    extent::Pointer,
    key_encoding::{LOCAL_INDEX_TAGS, TAG_GLOBAL_INDEX, TAG_ITEM, TAG_LOCAL_INDEX_FIRST},
    superblock::RowCount,
};

use super::redirects::Redirects;
use crate::{
    cache::TreeSlot,
    extent::Allocator,
    page::{MemoryId, PageName},
};

/// A tree's root, counts, generation and blocks. Changed only between awaits.
pub(crate) struct TreeState {
    /// The tree's number in the buffer pool.
    pub(crate) slot: TreeSlot,
    pub(crate) partition: u64,
    /// Size of a page with a gap, in bytes.
    pub(crate) page_bytes: usize,
    /// `None` for an empty tree.
    pub(crate) root: Option<PageName>,
    /// The generation whose pages may be changed.
    pub(crate) live: u64,
    /// The generation of the running checkpoint.
    pub(crate) frozen: Option<u64>,
    pub(crate) counts: Counts,
    pub(crate) redirects: Redirects,
    pub(crate) allocator: Allocator,
}

/// Rows of a tree and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) row_count: u64,
    pub(crate) row_bytes: u64,
    /// Rows that are items of a table or of a global index.
    pub(crate) item_count: u64,
    pub(crate) item_bytes: u64,
    /// Rows of each local index, by tag.
    pub(crate) local_index_rows: [RowCount; LOCAL_INDEX_TAGS],
}

impl Counts {
    /// Counts a row.
    pub(crate) fn add(&mut self, key: &[u8], value_bytes: usize) {
        let bytes = (key.len() + value_bytes) as u64;
        self.row_count += 1;
        self.row_bytes += bytes;
        if is_item(key) {
            self.item_count += 1;
            self.item_bytes += bytes;
        }
        if let Some(rows) = self.local_index_rows_of(key) {
            rows.count += 1;
            rows.bytes += bytes;
        }
    }

    /// Counts a row no longer.
    pub(crate) fn subtract(&mut self, key: &[u8], value_bytes: usize) {
        let bytes = (key.len() + value_bytes) as u64;
        self.row_count -= 1;
        self.row_bytes -= bytes;
        if is_item(key) {
            self.item_count -= 1;
            self.item_bytes -= bytes;
        }
        if let Some(rows) = self.local_index_rows_of(key) {
            rows.count -= 1;
            rows.bytes -= bytes;
        }
    }

    fn local_index_rows_of(&mut self, key: &[u8]) -> Option<&mut RowCount> {
        let position = key.first()?.checked_sub(TAG_LOCAL_INDEX_FIRST)?;
        self.local_index_rows.get_mut(usize::from(position))
    }
}

fn is_item(key: &[u8]) -> bool {
    key.first().is_some_and(|&tag| tag == TAG_ITEM || tag == TAG_GLOBAL_INDEX)
}

impl TreeState {
    /// The newest name of a page or value.
    pub(crate) fn resolve(&self, name: PageName) -> PageName {
        self.redirects.resolve(name)
    }

    /// Whether the running checkpoint's tree may name what was made in `birth`.
    pub(crate) fn is_frozen(&self, birth: u64) -> bool {
        self.frozen.is_some_and(|frozen| birth <= frozen)
    }

    /// Records that the page or value `id` was written to `pointer`.
    pub(crate) fn redirect(&mut self, id: MemoryId, pointer: Pointer) {
        self.redirects.record(id, pointer);
    }
}
