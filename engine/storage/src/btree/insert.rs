//! Putting a row: into its leaf, and new pages into the levels above when pages split.

use basalt_format::page::{
    CELL_FLAG_OVERFLOW, INNER_CELL_HEADER_BYTES, KEY_BYTES_MAX, LeafValue, OVERFLOW_FIRST_BYTES,
    OVERFLOW_HEADER_BYTES, PageBuilder, PageKey, PageView, SLOT_BYTES, VALUE_BYTES_MAX,
    inline_value_bytes_max,
};

use super::{
    Editor,
    edit::name_in,
    entries::{Body, Entries, Entry, NewPage, Share, child_entry},
};
use crate::{
    cache::{BufferRef, BufferState},
    page::{PageFull, PageName, Row, expand},
};

/// Inner pages grow instead of being split below this many children, so that both halves keep two.
const SPLIT_CHILDREN_MIN: usize = 4;

impl Editor<'_> {
    /// Stores `value` under `key`. The key's path must be in memory; it led to `leaf` when it was last looked at.
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8], last_write: u64, leaf: Option<BufferRef>) {
        assert!(!key.is_empty() && key.len() <= KEY_BYTES_MAX, "keys are checked before they are logged");
        assert!(value.len() <= VALUE_BYTES_MAX, "values are checked before they are logged");
        if value.len() <= inline_value_bytes_max(self.tree.page_bytes as u32) {
            self.put_row(key, leaf, Row { flags: 0, last_write, payload: value });
        } else {
            let payload = overflow_payload(self.add_value(value), value);
            self.put_row(key, leaf, Row { flags: CELL_FLAG_OVERFLOW, last_write, payload: &payload });
        }
        self.tree.counts.add(key, value.len());
    }

    fn put_row(&mut self, key: &[u8], leaf: Option<BufferRef>, row: Row<'_>) {
        let leaf = self.open_leaf(key, leaf);
        match self.view(leaf).search(key) {
            Ok(slot) => {
                self.forget_row(leaf, slot, key);
                if self.page_mut(leaf).replace_row(slot, row) == Err(PageFull) {
                    self.page_mut(leaf).remove(slot);
                    self.insert_row(leaf, slot, key, row);
                }
            }
            Err(slot) => self.insert_row(leaf, slot, key, row),
        }
    }

    /// Takes a row that is about to be replaced or removed out of the counts, and frees its overflow value.
    pub(super) fn forget_row(&mut self, leaf: BufferRef, slot: usize, key: &[u8]) {
        let view = self.view(leaf);
        let value_bytes = match view.leaf_cell(slot).value {
            LeafValue::Inline(value) => value.len(),
            LeafValue::Overflow { value_bytes, .. } => value_bytes as usize,
        };
        let overflow = name_in(view, slot);
        self.tree.counts.subtract(key, value_bytes);
        if let Some(value) = overflow {
            self.release(value);
        }
    }

    /// The leaf that `key` belongs to, open for changes: the last one, or `expected`, if it is open and still the one.
    fn open_leaf(&mut self, key: &[u8], expected: Option<BufferRef>) -> BufferRef {
        let known = self.last_leaf.into_iter().chain(expected);
        let open = known.into_iter().find(|&leaf| self.is_open_for(leaf, key));
        let leaf = open.unwrap_or_else(|| self.find_leaf(key));
        self.last_leaf = Some(leaf);
        leaf
    }

    /// Whether the leaf is still there, made by the live generation, as then all pages above it are, and `key`'s.
    fn is_open_for(&self, leaf: BufferRef, key: &[u8]) -> bool {
        let Some(buffer) = self.pool.try_get(leaf) else { return false };
        if !matches!(buffer.state(), BufferState::Dirty { birth, .. } if birth == self.tree.live) {
            return false;
        }
        let view = PageView::of_built(buffer.content());
        view.lower_fence() <= key && view.upper_fence().is_none_or(|fence| key < fence)
    }

    fn find_leaf(&mut self, key: &[u8]) -> BufferRef {
        if self.tree.root.is_none() {
            let page = PageBuilder::new(0, self.tree.partition, self.tree.live, b"", None).finish();
            self.tree.root = Some(self.add_page(&page).0);
        }
        self.open_page(key, 0).expect("a tree with a root has a leaf for every key")
    }

    fn insert_row(&mut self, leaf: BufferRef, slot: usize, key: &[u8], row: Row<'_>) {
        let suffix = &key[self.view(leaf).prefix().len()..];
        if self.page_mut(leaf).insert_row(slot, suffix, row).is_ok() {
            self.pool.set_last_insert_slot(leaf, slot);
        } else if self.view(leaf).slot_count() == 0 {
            // Long fences and a long row: one row must fit into any leaf.
            self.enlarge(leaf, SLOT_BYTES + row.cell_bytes(suffix.len()));
            self.page_mut(leaf).insert_row(slot, suffix, row).expect("the room was just made");
        } else {
            self.split_leaf(leaf, slot, key, row);
        }
    }

    fn split_leaf(&mut self, leaf: BufferRef, slot: usize, key: &[u8], row: Row<'_>) {
        let buffer = self.pool.get(leaf);
        let follows_last_insert = usize::from(buffer.last_insert_slot) + 1 == slot;
        let entry = Entry { key: PageKey::whole(key), body: Body::Row(row) };
        self.split(leaf, slot, entry, follows_last_insert);
    }

    /// Adds the child `name`, whose lower fence is `key`, to the inner page at `level` that it belongs to.
    pub(super) fn insert_child(&mut self, level: u8, key: &[u8], name: PageName) {
        let Some(page) = self.open_page(key, level) else { return self.raise_root(level, key, name) };
        let view = self.view(page);
        let slot = view.search(key).expect_err("siblings have different fences");
        let suffix = &key[view.prefix().len()..];
        if self.page_mut(page).insert_child(slot, suffix, name).is_ok() {
            return;
        }
        if self.view(page).slot_count() + 1 < SPLIT_CHILDREN_MIN {
            self.enlarge(page, SLOT_BYTES + INNER_CELL_HEADER_BYTES + suffix.len());
            self.page_mut(page).insert_child(slot, suffix, name).expect("the room was just made");
        } else {
            self.split(page, slot, child_entry(key, name), false);
        }
    }

    /// Shares the page's cells and a new one among itself and a new right sibling.
    fn split(&mut self, page: BufferRef, slot: usize, entry: Entry<'_>, follows_last_insert: bool) {
        let old = self.pool.get(page).content().to_vec();
        let old = PageView::of_built(&old);
        let is_last = slot == old.slot_count();
        let appends = is_last && (old.upper_fence().is_none() || follows_last_insert);
        let mut entries = Entries::between(old, self.tree.live, old.lower_fence(), old.upper_fence());
        entries.extend(old);
        entries.entries.insert(slot, entry);
        let [left, right] = entries.build_two(if appends { Share::AppendAware } else { Share::Evenly });
        self.replace_page(page, &left);
        let (name, new_page) = self.add_page(&right.squeezed);
        if appends {
            self.pool.set_last_insert_slot(new_page, 0);
        }
        self.insert_child(old.level() + 1, &right.lower, name);
    }

    fn replace_page(&mut self, page: BufferRef, new: &NewPage) {
        let content = expand(PageView::of_built(&new.squeezed), self.tree.page_bytes, self.tree.live);
        self.pool.replace_content(page, content);
    }

    /// Moves a page to a buffer with room for `bytes` more.
    fn enlarge(&mut self, page: BufferRef, bytes: usize) {
        let view = self.view(page);
        let content_bytes = view.bytes().len() + bytes;
        let content = expand(view, content_bytes, self.tree.live);
        self.pool.replace_content(page, content);
    }

    fn raise_root(&mut self, level: u8, key: &[u8], name: PageName) {
        let old_root = self.tree.root.expect("a page that was split has a root above it");
        let mut builder = PageBuilder::new(level, self.tree.partition, self.tree.live, b"", None);
        builder.push_child(PageKey::whole(b""), &old_root.encode());
        builder.push_child(PageKey::whole(key), &name.encode());
        let (root, _) = self.add_page(&builder.finish());
        self.tree.root = Some(root);
    }
}

/// What stands in the cell of a value that has an extent of its own.
pub(super) fn overflow_payload(name: PageName, value: &[u8]) -> Vec<u8> {
    let first = &value[..value.len().min(OVERFLOW_FIRST_BYTES)];
    let mut payload = Vec::with_capacity(OVERFLOW_HEADER_BYTES + first.len());
    payload.extend_from_slice(&name.encode());
    payload.extend_from_slice(&(value.len() as u32).to_le_bytes());
    payload.extend_from_slice(first);
    payload
}
