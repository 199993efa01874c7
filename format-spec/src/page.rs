//! Tree pages: header, slots, heap. What a reader may believe of one, and how to read it.
//!
//! Offsets into the heap count from the page's end, so the same bytes are valid with and without a gap between
//! slots and heap: a page is stored without one (*squeezed*) and changed with one. [`PageView::parse`] is the only
//! way from stored bytes to a view; it proves every length, offset, order and fence, so that the accessors can
//! index freely. [`PageView::of_built`] is for pages that this process has built itself.
//!
//! Byte tables: `spec/page.md`. How pages change: basalt-storage.

use std::cmp::Ordering;

use crate::{
    extent::POINTER_BYTES,
    layout::{Constant, Field},
};

mod builder;
mod parse;

pub use builder::{PageBuilder, PageKey};

/// First four bytes of a page ("BPGE").
pub const PAGE_MAGIC: u32 = 0x4547_5042;
/// Size of the page header, in bytes.
pub const PAGE_HEADER_BYTES: usize = 64;
/// Size of a slot, in bytes.
pub const SLOT_BYTES: usize = 8;
/// Bytes of a leaf cell before its key.
pub const LEAF_CELL_HEADER_BYTES: usize = 11;
/// Bytes of an inner cell before its key: the pointer.
pub const INNER_CELL_HEADER_BYTES: usize = POINTER_BYTES;
/// Bytes of an overflow value's payload before the copy of its first bytes.
pub const OVERFLOW_HEADER_BYTES: usize = POINTER_BYTES + 4;
/// How many of an overflow value's first bytes are repeated in its cell.
pub const OVERFLOW_FIRST_BYTES: usize = 64;
/// The longest value: one overflow extent.
pub const VALUE_BYTES_MAX: usize = 512 << 10;
/// The highest level of an inner page; leaves have level 0.
pub const LEVEL_MAX: u8 = 39;

/// Header flag: no upper fence, the page is the rightmost of its level.
pub const FLAG_UNBOUNDED: u8 = 1;
/// Header flag of leaves: at least one cell names an overflow extent.
pub const FLAG_OWNS_OVERFLOW: u8 = 2;
/// Cell flag: the payload names an overflow extent.
pub const CELL_FLAG_OVERFLOW: u8 = 1;

/// Where the header's fields are; the table of `spec/page.md`.
pub const PAGE_HEADER_LAYOUT: &[Field] = &[
    Field::new(header::MAGIC, 4, "magic"),
    Field::new(header::LEVEL, 1, "level"),
    Field::new(header::FLAGS, 1, "flags"),
    Field::new(header::SLOT_COUNT, 2, "slot_count"),
    Field::new(header::PREFIX_BYTES, 2, "prefix_bytes"),
    Field::new(header::LOWER_FENCE_BYTES, 2, "lower_fence_bytes"),
    Field::new(header::UPPER_FENCE_BYTES, 2, "upper_fence_bytes"),
    Field::new(header::GARBAGE_BYTES, 2, "garbage_bytes"),
    Field::new(header::HEAP_BYTES, 4, "heap_bytes"),
    Field::new(20, 4, "reserved_a"),
    Field::new(header::PARTITION, 8, "partition"),
    Field::new(header::BIRTH, 8, "birth_generation"),
    Field::new(40, 24, "reserved_b"),
];
/// Where a slot's fields are.
pub const SLOT_LAYOUT: &[Field] =
    &[Field::new(0, 4, "head"), Field::new(4, 2, "cell_offset"), Field::new(6, 2, "key_bytes")];
/// Where a leaf cell's fixed fields are; key and payload follow.
pub const LEAF_CELL_LAYOUT: &[Field] =
    &[Field::new(0, 1, "flags"), Field::new(1, 2, "payload_bytes"), Field::new(3, 8, "last_write")];
/// Where the fixed fields of an overflow value's payload are; its first bytes follow.
pub const OVERFLOW_PAYLOAD_LAYOUT: &[Field] =
    &[Field::new(0, POINTER_BYTES, "pointer"), Field::new(POINTER_BYTES, 4, "value_bytes")];
/// The flags and bounds of pages, as in `spec/page.md`.
pub const PAGE_CONSTANTS: &[Constant] = &[
    Constant::new("PAGE_MAGIC", PAGE_MAGIC as u64),
    Constant::new("FLAG_UNBOUNDED", FLAG_UNBOUNDED as u64),
    Constant::new("FLAG_OWNS_OVERFLOW", FLAG_OWNS_OVERFLOW as u64),
    Constant::new("CELL_FLAG_OVERFLOW", CELL_FLAG_OVERFLOW as u64),
    Constant::new("OVERFLOW_FIRST_BYTES", OVERFLOW_FIRST_BYTES as u64),
    Constant::new("VALUE_BYTES_MAX", VALUE_BYTES_MAX as u64),
    Constant::new("KEY_BYTES_MAX", KEY_BYTES_MAX as u64),
    Constant::new("LEVEL_MAX", LEVEL_MAX as u64),
];

/// Offsets of the header's fields, for those who change pages in place.
pub mod header {
    /// `magic`, u32.
    pub const MAGIC: usize = 0;
    /// `level`, u8.
    pub const LEVEL: usize = 4;
    /// `flags`, u8.
    pub const FLAGS: usize = 5;
    /// `slot_count`, u16.
    pub const SLOT_COUNT: usize = 6;
    /// `prefix_bytes`, u16.
    pub const PREFIX_BYTES: usize = 8;
    /// `lower_fence_bytes`, u16.
    pub const LOWER_FENCE_BYTES: usize = 10;
    /// `upper_fence_bytes`, u16.
    pub const UPPER_FENCE_BYTES: usize = 12;
    /// `garbage_bytes`, u16; zero in stored pages.
    pub const GARBAGE_BYTES: usize = 14;
    /// `heap_bytes`, u32.
    pub const HEAP_BYTES: usize = 16;
    /// `partition`, u64.
    pub const PARTITION: usize = 24;
    /// `birth_generation`, u64.
    pub const BIRTH: usize = 32;
}

/// The longest key. A page made larger than usual holds three of them beside two fences of the same length, so
/// that every page can be split.
pub const KEY_BYTES_MAX: usize = 13 << 10;
/// The largest page: its heap is addressed by 16 bits. Pages above the tree's page size hold a few very long keys.
pub const PAGE_CONTENT_BYTES_MAX: usize = PAGE_HEADER_BYTES + u16::MAX as usize;

/// The longest value that stands in a leaf of this size; longer ones go to an overflow extent.
pub const fn inline_value_bytes_max(page_bytes: u32) -> usize {
    page_bytes as usize / 4
}

/// The first four bytes of a key's suffix as a number that orders like them; missing bytes count as zero.
pub fn head_of(suffix: &[u8]) -> u32 {
    match suffix.first_chunk::<4>() {
        Some(chunk) => u32::from_be_bytes(*chunk),
        None => {
            let mut bytes = [0; 4];
            bytes[..suffix.len()].copy_from_slice(suffix);
            u32::from_be_bytes(bytes)
        }
    }
}

/// The number of bytes that all keys from `lower` up to, and not including, `upper` share.
pub fn prefix_bytes(lower: &[u8], upper: Option<&[u8]>) -> usize {
    upper.map_or(0, |upper| lower.iter().zip(upper).take_while(|(left, right)| left == right).count())
}

/// A page whose every part has been proved or was built by this process.
#[derive(Clone, Copy)]
pub struct PageView<'a> {
    bytes: &'a [u8],
}

/// What a leaf cell holds beside its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeafCell<'a> {
    /// Hybrid time of the entry that wrote the row.
    pub last_write: u64,
    /// The value or its place.
    pub value: LeafValue<'a>,
}

/// A row's value as it stands in a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeafValue<'a> {
    /// All of it.
    Inline(&'a [u8]),
    /// It has an extent of its own.
    Overflow {
        /// The extent's pointer, still encoded: in memory it may name a value that has no extent yet.
        pointer: &'a [u8; POINTER_BYTES],
        /// Length of the value, in bytes.
        value_bytes: u32,
        /// The value's first bytes.
        first: &'a [u8],
    },
}

impl<'a> PageView<'a> {
    /// A view of a page that this process has built; stored bytes go through [`PageView::parse`].
    #[inline]
    pub fn of_built(bytes: &'a [u8]) -> Self {
        debug_assert!(bytes.len() >= PAGE_HEADER_BYTES, "a page has a header");
        Self { bytes }
    }

    /// The page's bytes without padding.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// 0 for leaves, the height above them for inner pages.
    #[inline]
    pub fn level(&self) -> u8 {
        self.bytes[header::LEVEL]
    }

    /// Whether this is a leaf.
    #[inline]
    pub fn is_leaf(&self) -> bool {
        self.level() == 0
    }

    /// Whether a cell of this leaf names an overflow extent.
    pub fn owns_overflow(&self) -> bool {
        self.bytes[header::FLAGS] & FLAG_OWNS_OVERFLOW != 0
    }

    /// Number of slots.
    #[inline]
    pub fn slot_count(&self) -> usize {
        self.u16(header::SLOT_COUNT).into()
    }

    /// Bytes of fences and cells, including those that are garbage.
    pub fn heap_bytes(&self) -> usize {
        u32::from_le_bytes(self.chunk(header::HEAP_BYTES)) as usize
    }

    /// Bytes of the heap that belong to no cell.
    pub fn garbage_bytes(&self) -> usize {
        self.u16(header::GARBAGE_BYTES).into()
    }

    /// The partition whose page this is.
    pub fn partition(&self) -> u64 {
        u64::from_le_bytes(self.chunk(header::PARTITION))
    }

    /// The generation in which the page was made.
    pub fn birth(&self) -> u64 {
        u64::from_le_bytes(self.chunk(header::BIRTH))
    }

    /// The bytes that all keys of the page start with.
    #[inline]
    pub fn prefix(&self) -> &'a [u8] {
        &self.lower_fence()[..self.u16(header::PREFIX_BYTES).into()]
    }

    /// The least key that belongs here.
    #[inline]
    pub fn lower_fence(&self) -> &'a [u8] {
        let length: usize = self.u16(header::LOWER_FENCE_BYTES).into();
        self.counted_from_end(length, length)
    }

    /// The least key that belongs to the right neighbour; `None` if there is no such neighbour.
    pub fn upper_fence(&self) -> Option<&'a [u8]> {
        if self.bytes[header::FLAGS] & FLAG_UNBOUNDED != 0 {
            return None;
        }
        let lower: usize = self.u16(header::LOWER_FENCE_BYTES).into();
        let length: usize = self.u16(header::UPPER_FENCE_BYTES).into();
        Some(self.counted_from_end(lower + length, length))
    }

    /// The slot's key without the page's prefix.
    #[inline]
    pub fn suffix(&self, slot: usize) -> &'a [u8] {
        let (offset, key_bytes) = self.slot(slot);
        self.counted_from_end(offset - self.cell_header_bytes(), key_bytes)
    }

    /// Appends the slot's whole key to `key`.
    pub fn copy_key(&self, slot: usize, key: &mut Vec<u8>) {
        key.extend_from_slice(self.prefix());
        key.extend_from_slice(self.suffix(slot));
    }

    /// The cell of a leaf's slot.
    #[inline]
    pub fn leaf_cell(&self, slot: usize) -> LeafCell<'a> {
        let (offset, key_bytes) = self.slot(slot);
        let (header, behind) = self.bytes[self.bytes.len() - offset..]
            .split_first_chunk::<LEAF_CELL_HEADER_BYTES>()
            .expect("a cell has a header");
        let payload_bytes: usize = u16::from_le_bytes([header[1], header[2]]).into();
        let payload = &behind[key_bytes..key_bytes + payload_bytes];
        let last_write =
            u64::from_le_bytes(*header.last_chunk().expect("eight bytes of the header are left"));
        let value = if header[0] & CELL_FLAG_OVERFLOW == 0 {
            LeafValue::Inline(payload)
        } else {
            overflow_value(payload)
        };
        LeafCell { last_write, value }
    }

    /// The child pointer of an inner page's slot, still encoded.
    pub fn child(&self, slot: usize) -> &'a [u8; POINTER_BYTES] {
        let (offset, _) = self.slot(slot);
        self.counted_from_end(offset, POINTER_BYTES).try_into().expect("a slice of a pointer's length")
    }

    /// Bytes that the slot's cell takes in the heap.
    pub fn cell_bytes(&self, slot: usize) -> usize {
        let (offset, key_bytes) = self.slot(slot);
        if self.is_leaf() {
            let header = self.counted_from_end(offset, LEAF_CELL_HEADER_BYTES);
            LEAF_CELL_HEADER_BYTES + key_bytes + usize::from(u16::from_le_bytes([header[1], header[2]]))
        } else {
            INNER_CELL_HEADER_BYTES + key_bytes
        }
    }

    /// All bytes of the slot's cell.
    pub fn cell(&self, slot: usize) -> &'a [u8] {
        let (offset, _) = self.slot(slot);
        self.counted_from_end(offset, self.cell_bytes(slot))
    }

    /// Where `key` stands (`Ok`) or would have to be inserted (`Err`).
    pub fn search(&self, key: &[u8]) -> Result<usize, usize> {
        let suffix = match key.strip_prefix(self.prefix()) {
            Some(suffix) => suffix,
            // Not a key of this page: its place is before or behind all of them.
            None if key < self.prefix() => return Err(0),
            None => return Err(self.slot_count()),
        };
        self.search_suffix(suffix)
    }

    /// As [`PageView::search`], for a key that is known to lie between the fences, since a descent from the root led here:
    /// it starts with the page's prefix, which stands far from the slots and is not looked at.
    #[inline]
    pub fn search_within(&self, key: &[u8]) -> Result<usize, usize> {
        debug_assert!(key.starts_with(self.prefix()), "a key between the fences starts as they do");
        self.search_suffix(&key[self.u16(header::PREFIX_BYTES).into()..])
    }

    fn search_suffix(&self, suffix: &[u8]) -> Result<usize, usize> {
        let head = head_of(suffix);
        let (mut low, mut high) = (0, self.slot_count());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.compare(middle, head, suffix) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    /// The slot of the child whose range holds `key`. The first child's key counts as lower than all.
    pub fn child_slot(&self, key: &[u8]) -> usize {
        self.search(key).unwrap_or_else(|slot| slot.saturating_sub(1))
    }

    /// As [`PageView::child_slot`], for a key that is known to lie between the fences.
    #[inline]
    pub fn child_slot_within(&self, key: &[u8]) -> usize {
        self.search_within(key).unwrap_or_else(|slot| slot.saturating_sub(1))
    }

    /// The lower fence of an inner page's child, appended to `key`.
    pub fn copy_child_lower_fence(&self, slot: usize, key: &mut Vec<u8>) {
        if slot == 0 {
            key.extend_from_slice(self.lower_fence());
        } else {
            self.copy_key(slot, key);
        }
    }

    fn compare(&self, slot: usize, head: u32, suffix: &[u8]) -> Ordering {
        self.head(slot).cmp(&head).then_with(|| self.suffix(slot).cmp(suffix))
    }

    fn head(&self, slot: usize) -> u32 {
        u32::from_be_bytes(self.chunk(PAGE_HEADER_BYTES + slot * SLOT_BYTES))
    }

    /// The slot's cell offset from the end, and the length of its key.
    #[inline]
    fn slot(&self, slot: usize) -> (usize, usize) {
        let at = PAGE_HEADER_BYTES + slot * SLOT_BYTES;
        (self.u16(at + 4).into(), self.u16(at + 6).into())
    }

    fn cell_header_bytes(&self) -> usize {
        if self.is_leaf() { LEAF_CELL_HEADER_BYTES } else { INNER_CELL_HEADER_BYTES }
    }

    /// `length` bytes, the first of which lies `offset` before the end.
    #[inline]
    fn counted_from_end(&self, offset: usize, length: usize) -> &'a [u8] {
        let start = self.bytes.len() - offset;
        &self.bytes[start..start + length]
    }

    #[inline]
    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.chunk(at))
    }

    #[inline]
    fn chunk<const N: usize>(&self, at: usize) -> [u8; N] {
        *self.bytes[at..].first_chunk().expect("a page's header and slots lie within it")
    }
}

impl std::fmt::Debug for PageView<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("PageView")
            .field("level", &self.level())
            .field("slots", &self.slot_count())
            .field("heap_bytes", &self.heap_bytes())
            .finish_non_exhaustive()
    }
}

fn overflow_value(payload: &[u8]) -> LeafValue<'_> {
    let (pointer, rest) =
        payload.split_first_chunk::<POINTER_BYTES>().expect("an overflow payload has a pointer");
    let (length, first) = rest.split_first_chunk::<4>().expect("an overflow payload has a length");
    LeafValue::Overflow { pointer, value_bytes: u32::from_le_bytes(*length), first }
}

const _: () = assert!(
    PAGE_HEADER_LAYOUT[PAGE_HEADER_LAYOUT.len() - 1].end() == PAGE_HEADER_BYTES,
    "the table is the header"
);
const _: () = assert!(LEAF_CELL_LAYOUT[2].end() == LEAF_CELL_HEADER_BYTES, "the table is the cell's header");
const _: () = assert!(
    VALUE_BYTES_MAX / crate::BLOCK_SIZE_BYTES <= crate::extent::EXTENT_BLOCKS_MAX as usize,
    "a pointer can name the longest value"
);

#[cfg(test)]
mod tests;
