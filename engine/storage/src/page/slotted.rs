//! Changing a page in place: cells come and go, the gap between slots and heap shrinks and grows.

use basalt_format::page::{
    CELL_FLAG_OVERFLOW, FLAG_OWNS_OVERFLOW, INNER_CELL_HEADER_BYTES, LEAF_CELL_HEADER_BYTES, LeafValue,
    PAGE_CONTENT_BYTES_MAX, PAGE_HEADER_BYTES, PageView, SLOT_BYTES, head_of, header,
};

use super::{BufferBytes, PageName};

/// A page of the live generation, open for changes.
pub(crate) struct PageMut<'a> {
    bytes: &'a mut [u8],
}

/// The page lacks the room for a cell: split it, or move it to a larger buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PageFull;

/// A row's cell without its key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) flags: u8,
    pub(crate) last_write: u64,
    pub(crate) payload: &'a [u8],
}

impl Row<'_> {
    /// Bytes of a cell with this row under a key of `key_bytes`.
    pub(crate) fn cell_bytes(&self, key_bytes: usize) -> usize {
        LEAF_CELL_HEADER_BYTES + key_bytes + self.payload.len()
    }
}

/// Copies a page into a buffer of `page_bytes`, or as many more as it takes, with a gap to change it in.
pub(crate) fn expand(page: PageView<'_>, page_bytes: usize, birth: u64) -> BufferBytes {
    let slots_end = PAGE_HEADER_BYTES + page.slot_count() * SLOT_BYTES;
    let length = page_bytes.max(slots_end + page.heap_bytes());
    let mut bytes = BufferBytes::zeroed(length);
    bytes[..slots_end].copy_from_slice(&page.bytes()[..slots_end]);
    let heap = &page.bytes()[page.bytes().len() - page.heap_bytes()..];
    bytes[length - heap.len()..].copy_from_slice(heap);
    bytes[header::BIRTH..header::BIRTH + 8].copy_from_slice(&birth.to_le_bytes());
    bytes
}

/// Writes the page's stored form to the start of `stored`: no gap, no garbage, cells in slot order, and each name
/// of a child or overflow value as `resolve` says. Returns its length.
pub(crate) fn squeeze(
    page: PageView<'_>,
    stored: &mut [u8],
    resolve: impl Fn(PageName) -> PageName,
) -> usize {
    let length = squeezed_bytes(page);
    let content = &mut stored[..length];
    content[..PAGE_HEADER_BYTES].copy_from_slice(&page.bytes()[..PAGE_HEADER_BYTES]);
    let fences = fence_bytes(page);
    content[length - fences..].copy_from_slice(&page.bytes()[page.bytes().len() - fences..]);
    let mut packed = PageMut { bytes: content };
    packed.set_u16(header::GARBAGE_BYTES, 0);
    packed.set_heap_bytes(fences);
    let mut owns_overflow = false;
    for slot in 0..page.slot_count() {
        let offset = packed.push_cell(page.cell(slot));
        let key_bytes = page.suffix(slot).len();
        packed.write_slot(slot, head_of(page.suffix(slot)), offset, key_bytes);
        if !page.is_leaf() {
            packed.set_child(slot, resolve(PageName::decode(page.child(slot))));
        } else if let LeafValue::Overflow { pointer, .. } = page.leaf_cell(slot).value {
            owns_overflow = true;
            packed.set_overflow(slot, resolve(PageName::decode(pointer)));
        }
    }
    packed.set_flag(FLAG_OWNS_OVERFLOW, owns_overflow);
    length
}

/// Length of the page's stored form.
pub(crate) fn squeezed_bytes(page: PageView<'_>) -> usize {
    PAGE_HEADER_BYTES + page.slot_count() * SLOT_BYTES + page.heap_bytes() - page.garbage_bytes()
}

fn fence_bytes(page: PageView<'_>) -> usize {
    page.lower_fence().len() + page.upper_fence().map_or(0, <[u8]>::len)
}

impl<'a> PageMut<'a> {
    /// Opens a buffer made by [`expand`].
    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes }
    }

    /// The page as it stands.
    pub(crate) fn view(&self) -> PageView<'_> {
        PageView::of_built(self.bytes)
    }

    /// Inserts a row at `slot`, whose key without the page's prefix is `suffix`.
    pub(crate) fn insert_row(&mut self, slot: usize, suffix: &[u8], row: Row<'_>) -> Result<(), PageFull> {
        self.make_room(SLOT_BYTES + row.cell_bytes(suffix.len()))?;
        let offset = self.push_cell_parts(&[&row_header(row), suffix, row.payload]);
        self.open_slot(slot, suffix, offset);
        self.note_overflow(row);
        Ok(())
    }

    /// Replaces the row at `slot`, keeping its key.
    pub(crate) fn replace_row(&mut self, slot: usize, row: Row<'_>) -> Result<(), PageFull> {
        let old_bytes = self.view().cell_bytes(slot);
        let key_bytes = self.view().suffix(slot).len();
        let new_bytes = row.cell_bytes(key_bytes);
        if new_bytes <= old_bytes {
            self.overwrite_row(slot, key_bytes, row);
            self.add_garbage(old_bytes - new_bytes);
        } else {
            if self.free_bytes() + old_bytes < new_bytes {
                return Err(PageFull);
            }
            let suffix = self.view().suffix(slot).to_vec();
            self.remove(slot);
            self.insert_row(slot, &suffix, row).expect("the room was just counted");
        }
        self.note_overflow(row);
        Ok(())
    }

    /// Inserts a child at `slot`, whose separator without the page's prefix is `suffix`.
    pub(crate) fn insert_child(
        &mut self,
        slot: usize,
        suffix: &[u8],
        child: PageName,
    ) -> Result<(), PageFull> {
        assert!(slot > 0, "the first child stays first: its range only shrinks from above");
        self.make_room(SLOT_BYTES + INNER_CELL_HEADER_BYTES + suffix.len())?;
        let offset = self.push_cell_parts(&[&child.encode(), suffix]);
        self.open_slot(slot, suffix, offset);
        Ok(())
    }

    /// Renames the child at `slot`.
    pub(crate) fn set_child(&mut self, slot: usize, child: PageName) {
        assert!(!self.view().is_leaf(), "leaves have no children");
        let start = self.cell_start(slot);
        self.write(start, &child.encode());
    }

    /// Renames the overflow value at `slot`.
    pub(crate) fn set_overflow(&mut self, slot: usize, value: PageName) {
        assert!(self.view().is_leaf(), "values stand in leaves");
        let start = self.cell_start(slot) + LEAF_CELL_HEADER_BYTES + self.view().suffix(slot).len();
        self.write(start, &value.encode());
    }

    /// Removes the cell at `slot`.
    pub(crate) fn remove(&mut self, slot: usize) {
        let cell_bytes = self.view().cell_bytes(slot);
        self.add_garbage(cell_bytes);
        let slot_count = self.view().slot_count();
        let at = |slot: usize| PAGE_HEADER_BYTES + slot * SLOT_BYTES;
        self.bytes.copy_within(at(slot + 1)..at(slot_count), at(slot));
        self.set_u16(header::SLOT_COUNT, (slot_count - 1) as u16);
    }

    /// Bytes that cells and slots can still take.
    pub(crate) fn free_bytes(&self) -> usize {
        self.gap_bytes() + self.view().garbage_bytes()
    }

    fn gap_bytes(&self) -> usize {
        let view = self.view();
        self.bytes.len() - PAGE_HEADER_BYTES - view.slot_count() * SLOT_BYTES - view.heap_bytes()
    }

    fn make_room(&mut self, needed: usize) -> Result<(), PageFull> {
        if needed > self.free_bytes() {
            return Err(PageFull);
        }
        if needed > self.gap_bytes() {
            self.collect_garbage();
        }
        Ok(())
    }

    fn collect_garbage(&mut self) {
        let old = self.bytes.to_vec();
        let old = PageView::of_built(&old);
        self.set_heap_bytes(fence_bytes(old));
        self.set_u16(header::GARBAGE_BYTES, 0);
        for slot in 0..old.slot_count() {
            let offset = self.push_cell(old.cell(slot));
            self.write_slot(slot, head_of(old.suffix(slot)), offset, old.suffix(slot).len());
        }
    }

    /// Writes over the row's cell, which must not be shorter.
    fn overwrite_row(&mut self, slot: usize, key_bytes: usize, row: Row<'_>) {
        let start = self.cell_start(slot);
        self.write(start, &row_header(row));
        self.write(start + LEAF_CELL_HEADER_BYTES + key_bytes, row.payload);
    }

    fn note_overflow(&mut self, row: Row<'_>) {
        if row.flags & CELL_FLAG_OVERFLOW != 0 {
            self.set_flag(FLAG_OWNS_OVERFLOW, true);
        }
    }

    fn push_cell(&mut self, cell: &[u8]) -> usize {
        self.push_cell_parts(&[cell])
    }

    /// Puts a cell on top of the heap; returns its offset from the page's end.
    fn push_cell_parts(&mut self, parts: &[&[u8]]) -> usize {
        let cell_bytes: usize = parts.iter().map(|part| part.len()).sum();
        let offset = self.view().heap_bytes() + cell_bytes;
        assert!(offset <= PAGE_CONTENT_BYTES_MAX - PAGE_HEADER_BYTES, "a heap is addressed by 16 bits");
        let mut start = self.bytes.len() - offset;
        for part in parts {
            self.write(start, part);
            start += part.len();
        }
        self.set_heap_bytes(offset);
        offset
    }

    fn open_slot(&mut self, slot: usize, suffix: &[u8], offset: usize) {
        let slot_count = self.view().slot_count();
        assert!(slot <= slot_count, "slots have no gaps");
        let at = |slot: usize| PAGE_HEADER_BYTES + slot * SLOT_BYTES;
        self.bytes.copy_within(at(slot)..at(slot_count), at(slot + 1));
        self.set_u16(header::SLOT_COUNT, (slot_count + 1) as u16);
        self.write_slot(slot, head_of(suffix), offset, suffix.len());
    }

    fn write_slot(&mut self, slot: usize, head: u32, offset: usize, key_bytes: usize) {
        let at = PAGE_HEADER_BYTES + slot * SLOT_BYTES;
        self.write(at, &head.to_be_bytes());
        self.set_u16(at + 4, offset as u16);
        self.set_u16(at + 6, key_bytes as u16);
    }

    fn cell_start(&self, slot: usize) -> usize {
        let at = PAGE_HEADER_BYTES + slot * SLOT_BYTES + 4;
        self.bytes.len() - usize::from(u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]]))
    }

    fn add_garbage(&mut self, bytes: usize) {
        let garbage = self.view().garbage_bytes() + bytes;
        self.set_u16(header::GARBAGE_BYTES, u16::try_from(garbage).expect("garbage lies in the heap"));
    }

    fn set_flag(&mut self, flag: u8, on: bool) {
        let flags = &mut self.bytes[header::FLAGS];
        *flags = if on { *flags | flag } else { *flags & !flag };
    }

    fn set_heap_bytes(&mut self, heap_bytes: usize) {
        self.write(header::HEAP_BYTES, &(heap_bytes as u32).to_le_bytes());
    }

    fn set_u16(&mut self, at: usize, value: u16) {
        self.write(at, &value.to_le_bytes());
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

fn row_header(row: Row<'_>) -> [u8; LEAF_CELL_HEADER_BYTES] {
    let mut bytes = [0; LEAF_CELL_HEADER_BYTES];
    bytes[0] = row.flags;
    bytes[1..3].copy_from_slice(&(row.payload.len() as u16).to_le_bytes());
    bytes[3..].copy_from_slice(&row.last_write.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use basalt_format::page::{LeafValue, PageBuilder};
    use proptest::prelude::*;

    use super::*;

    const PAGE_BYTES: usize = 4096;

    #[derive(Debug, Clone)]
    enum Step {
        Put(Vec<u8>, Vec<u8>),
        Remove(prop::sample::Index),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let key = proptest::collection::vec(0..5u8, 0..5);
        let value = proptest::collection::vec(any::<u8>(), 0..300);
        let step = prop_oneof![
            3 => (key, value).prop_map(|(key, value)| Step::Put([b"k".to_vec(), key].concat(), value)),
            1 => any::<prop::sample::Index>().prop_map(Step::Remove),
        ];
        proptest::collection::vec(step, 0..120)
    }

    fn put(page: &mut PageMut<'_>, key: &[u8], value: &[u8]) -> Result<(), PageFull> {
        let row = Row { flags: 0, last_write: value.len() as u64, payload: value };
        match page.view().search(key) {
            Ok(slot) => page.replace_row(slot, row),
            Err(slot) => page.insert_row(slot, &key[1..], row),
        }
    }

    fn contents(page: PageView<'_>) -> BTreeMap<Vec<u8>, Vec<u8>> {
        (0..page.slot_count())
            .map(|slot| {
                let mut key = Vec::new();
                page.copy_key(slot, &mut key);
                let LeafValue::Inline(value) = page.leaf_cell(slot).value else {
                    panic!("all values are inline")
                };
                (key, value.to_vec())
            })
            .collect()
    }

    proptest! {
        #[test]
        fn a_page_behaves_like_a_map_until_it_is_full(steps in steps()) {
            let built = PageBuilder::new(0, 1, 1, b"k", Some(b"kz")).finish();
            let mut bytes = expand(PageView::of_built(&built), PAGE_BYTES, 2);
            let mut page = PageMut::new(&mut bytes);
            let mut model = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Put(key, value) => {
                        let before = contents(page.view());
                        match put(&mut page, &key, &value) {
                            Ok(()) => {
                                model.insert(key, value);
                            }
                            Err(PageFull) => prop_assert_eq!(contents(page.view()), before),
                        }
                    }
                    Step::Remove(which) if !model.is_empty() => {
                        let key = model.keys().nth(which.index(model.len())).cloned().expect("within the map");
                        model.remove(&key);
                        let slot = page.view().search(&key).expect("the model has the key");
                        page.remove(slot);
                    }
                    Step::Remove(_) => {}
                }
                prop_assert_eq!(&contents(page.view()), &model);
            }
            let mut stored = vec![0; PAGE_BYTES];
            let length = squeeze(page.view(), &mut stored, |name| name);
            let view = PageView::parse(&stored).expect("a squeezed page is valid");
            prop_assert_eq!(view.bytes().len(), length);
            prop_assert_eq!(view.birth(), 2);
            prop_assert_eq!(contents(view), model);
            let again = expand(view, PAGE_BYTES, 3);
            prop_assert_eq!(contents(PageView::of_built(&again)), contents(page.view()));
        }
    }
}
