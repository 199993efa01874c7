//! Builds squeezed pages from ascending keys.

use crate::bytes::Put;

use super::{
    CELL_FLAG_OVERFLOW, FLAG_OWNS_OVERFLOW, FLAG_UNBOUNDED, INNER_CELL_HEADER_BYTES, LEAF_CELL_HEADER_BYTES,
    PAGE_HEADER_BYTES, PAGE_MAGIC, POINTER_BYTES, SLOT_BYTES, head_of, header, prefix_bytes,
};

/// A key in two parts, as pages hold it: the prefix of its page and the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageKey<'a> {
    /// The first part.
    pub prefix: &'a [u8],
    /// The second part.
    pub suffix: &'a [u8],
}

/// Collects the cells of one page between two fences, then puts them behind each other in the stored form.
pub struct PageBuilder<'a> {
    level: u8,
    partition: u64,
    birth: u64,
    lower: &'a [u8],
    upper: Option<&'a [u8]>,
    prefix_bytes: usize,
    owns_overflow: bool,
    slots: Vec<Slot>,
    /// Cells behind each other, in slot order.
    cells: Vec<u8>,
}

struct Slot {
    head: u32,
    key_bytes: u16,
    cell_end: u32,
}

impl<'a> PageKey<'a> {
    /// A whole key.
    pub fn whole(key: &'a [u8]) -> Self {
        Self { prefix: &[], suffix: key }
    }

    /// Length of both parts.
    pub fn len(&self) -> usize {
        self.prefix.len() + self.suffix.len()
    }

    /// Whether both parts are empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The whole key.
    pub fn to_vec(&self) -> Vec<u8> {
        [self.prefix, self.suffix].concat()
    }

    /// The two parts of the key behind its first `count` bytes.
    fn behind(&self, count: usize) -> [&'a [u8]; 2] {
        match self.prefix.get(count..) {
            Some(rest) => [rest, self.suffix],
            None => [&[], self.suffix.get(count - self.prefix.len()..).unwrap_or_default()],
        }
    }
}

impl<'a> PageBuilder<'a> {
    /// A page for keys from `lower` up to, and not including, `upper`.
    pub fn new(level: u8, partition: u64, birth: u64, lower: &'a [u8], upper: Option<&'a [u8]>) -> Self {
        assert!(upper.is_none_or(|upper| lower < upper), "the lower fence is less than the upper one");
        Self {
            level,
            partition,
            birth,
            lower,
            upper,
            prefix_bytes: prefix_bytes(lower, upper),
            owns_overflow: false,
            slots: Vec::new(),
            cells: Vec::new(),
        }
    }

    /// Adds a row to a leaf. `flags` and `payload` are those of the cell.
    pub fn push_row(&mut self, key: PageKey<'_>, flags: u8, last_write: u64, payload: &[u8]) {
        assert_eq!(self.level, 0, "rows stand in leaves");
        self.owns_overflow |= flags & CELL_FLAG_OVERFLOW != 0;
        self.cells.put_u8(flags);
        self.cells.put_u16(u16::try_from(payload.len()).expect("a payload is shorter than a page"));
        self.cells.put_u64(last_write);
        let suffix = self.push_key(key);
        self.cells.put_bytes(payload);
        self.push_slot(suffix, LEAF_CELL_HEADER_BYTES);
    }

    /// Adds a child to an inner page. The key of the first one is left out: it is the lower fence.
    pub fn push_child(&mut self, key: PageKey<'_>, pointer: &[u8; POINTER_BYTES]) {
        assert!(self.level > 0, "children stand in inner pages");
        self.cells.put_bytes(pointer);
        let suffix = if self.slots.is_empty() { self.cells.len() } else { self.push_key(key) };
        self.push_slot(suffix, INNER_CELL_HEADER_BYTES);
    }

    /// Bytes that the page has so far.
    pub fn content_bytes(&self) -> usize {
        PAGE_HEADER_BYTES + self.slots.len() * SLOT_BYTES + self.cells.len() + self.fence_bytes()
    }

    /// The page in its stored form, without padding.
    pub fn finish(self) -> Vec<u8> {
        let heap_bytes = self.cells.len() + self.fence_bytes();
        assert!(heap_bytes <= u16::MAX.into(), "a heap is addressed by 16 bits");
        let mut page = Vec::with_capacity(self.content_bytes());
        self.put_header(&mut page, heap_bytes);
        for slot in &self.slots {
            page.put_bytes(&slot.head.to_be_bytes());
            page.put_u16((self.fence_bytes() + slot.cell_end as usize) as u16);
            page.put_u16(slot.key_bytes);
        }
        self.put_heap(&mut page);
        page
    }

    /// Appends the part of the key that the page's prefix does not say; returns where it starts.
    fn push_key(&mut self, key: PageKey<'_>) -> usize {
        let start = self.cells.len();
        for part in key.behind(self.prefix_bytes) {
            self.cells.put_bytes(part);
        }
        start
    }

    fn push_slot(&mut self, suffix_start: usize, cell_header_bytes: usize) {
        let cell_start = self.slots.last().map_or(0, |slot| slot.cell_end as usize);
        let key_bytes = match self.level {
            0 => self.payload_start(cell_start) - suffix_start,
            _ => self.cells.len() - suffix_start,
        };
        debug_assert_eq!(suffix_start, cell_start + cell_header_bytes, "the key follows the cell's header");
        let suffix = &self.cells[suffix_start..suffix_start + key_bytes];
        self.slots.push(Slot {
            head: head_of(suffix),
            key_bytes: u16::try_from(key_bytes).expect("a key is shorter than a page"),
            cell_end: u32::try_from(self.cells.len()).expect("a page is shorter than 4 GiB"),
        });
    }

    fn payload_start(&self, cell_start: usize) -> usize {
        let payload_bytes = u16::from_le_bytes([self.cells[cell_start + 1], self.cells[cell_start + 2]]);
        self.cells.len() - usize::from(payload_bytes)
    }

    fn fence_bytes(&self) -> usize {
        self.lower.len() + self.upper.map_or(0, <[u8]>::len)
    }

    fn put_header(&self, page: &mut Vec<u8>, heap_bytes: usize) {
        let unbounded = if self.upper.is_none() { FLAG_UNBOUNDED } else { 0 };
        let overflow = if self.owns_overflow { FLAG_OWNS_OVERFLOW } else { 0 };
        page.put_u32(PAGE_MAGIC);
        page.put_u8(self.level);
        page.put_u8(unbounded | overflow);
        page.put_u16(u16::try_from(self.slots.len()).expect("a page has at most 64 KiB"));
        page.put_u16(self.prefix_bytes as u16);
        page.put_u16(self.lower.len() as u16);
        page.put_u16(self.upper.map_or(0, <[u8]>::len) as u16);
        page.put_u16(0);
        page.put_u32(heap_bytes as u32);
        page.put_u32(0);
        debug_assert_eq!(page.len(), header::PARTITION, "the header's fields stand where the table says");
        page.put_u64(self.partition);
        page.put_u64(self.birth);
        page.put_bytes(&[0; 24]);
    }

    /// The heap grows downwards: the first slot's cell lies nearest to the fences at the end.
    fn put_heap(&self, page: &mut Vec<u8>) {
        for (index, slot) in self.slots.iter().enumerate().rev() {
            let start = index.checked_sub(1).map_or(0, |before| self.slots[before].cell_end);
            page.put_bytes(&self.cells[start as usize..slot.cell_end as usize]);
        }
        page.put_bytes(self.upper.unwrap_or_default());
        page.put_bytes(self.lower);
    }
}
