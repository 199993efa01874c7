//! A partition's file: superblocks, allocation maps, pages.

use basalt_format::checksum::{crc32, xxh3_128};
use basalt_format::extent::{ALLOCATION_MAGIC, AllocationPart, POINTER_BYTES, Pointer, extent_checksum};
use basalt_format::page::{
    CELL_FLAG_OVERFLOW, LeafValue, PAGE_HEADER_BYTES, PAGE_MAGIC, PageBuilder, PageKey, PageView, SLOT_BYTES,
    head_of, header,
};
use basalt_format::superblock::{
    SUPERBLOCK_BYTES, SUPERBLOCK_CRC_OFFSET, SUPERBLOCK_HASH_OFFSET, SUPERBLOCK_MAGIC, SUPERBLOCK_VERSION,
    Superblock,
};

use super::{patch, u32_at};

const SUPERBLOCK_VERSION_AT: usize = 8;
const SUPERBLOCK_SALT_AT: usize = 72;
const SLOT_CELL_OFFSET_AT: usize = 4;
const SLOT_KEY_BYTES_AT: usize = 6;

/// A superblock, without its checksums and padding.
pub fn superblock(data: &[u8]) {
    check_superblock(data);
    let mut fixed = data.to_vec();
    fixed.resize(SUPERBLOCK_BYTES, 0);
    patch(&mut fixed, 0, SUPERBLOCK_MAGIC.to_le_bytes());
    patch(&mut fixed, SUPERBLOCK_VERSION_AT, SUPERBLOCK_VERSION.to_le_bytes());
    let checksum = crc32(&fixed[..SUPERBLOCK_CRC_OFFSET]);
    patch(&mut fixed, SUPERBLOCK_CRC_OFFSET, checksum.to_le_bytes());
    let salt = fixed[SUPERBLOCK_SALT_AT..].first_chunk().map_or(0, |salt| u64::from_le_bytes(*salt));
    let hash = xxh3_128(&fixed[..SUPERBLOCK_HASH_OFFSET], salt);
    patch(&mut fixed, SUPERBLOCK_HASH_OFFSET, hash.to_le_bytes());
    check_superblock(&fixed);
}

/// A part of an allocation map; its first bytes also as a pointer.
pub fn allocation_map(data: &[u8]) {
    if let Some(pointer) = data.first_chunk() {
        check_pointer(pointer, data);
    }
    let mut fixed = data.to_vec();
    patch(&mut fixed, 0, ALLOCATION_MAGIC.to_le_bytes());
    for stored in [data, &fixed] {
        let Ok(part) = AllocationPart::decode(stored) else { continue };
        let mut again = part.encode();
        again.resize(stored.len(), 0);
        assert_eq!(again, stored, "a part has one form");
        assert!(part.end_block() >= part.first_block, "runs go forward");
        let run_bytes: usize = part.runs.iter().map(|run| AllocationPart::run_bytes(*run)).sum();
        assert_eq!(u32_at(stored, 4) as usize, run_bytes, "the length of runs is known beforehand");
    }
}

/// A page: parsed, then read through every accessor, then built again.
///
/// What is right of a page is right wherever in memory it stands: a mapped file gives no better address than it has.
pub fn page(data: &[u8]) {
    check_page(data);
    let shifted = [&[0][..], data].concat();
    let is_page = |bytes| PageView::parse(bytes).is_ok();
    assert_eq!(shifted.get(1..).map(is_page), Some(is_page(data)), "a page needs no alignment");
    check_page(&with_heads(data));
}

fn check_superblock(block: &[u8]) {
    if let Ok(superblock) = Superblock::decode(block) {
        assert_eq!(superblock.encode(), block, "a superblock has one form");
    }
}

fn check_pointer(bytes: &[u8; POINTER_BYTES], stored: &[u8]) {
    let Ok(pointer) = Pointer::decode(bytes) else { return };
    assert_eq!(&pointer.encode(), bytes, "a pointer has one form");
    assert_eq!(Pointer::decode_optional(bytes), Ok(Some(pointer)));
    let _ = (pointer.offset(), pointer.verify(1, stored));
    let checksum = extent_checksum(1, pointer.block, stored);
    let verified = Pointer { checksum, ..pointer }.verify(1, stored);
    assert_eq!(
        verified.is_ok(),
        pointer.stored_bytes() == stored.len(),
        "an extent's length is its pointer's"
    );
}

fn check_page(stored: &[u8]) {
    let Ok(view) = PageView::parse(stored) else { return };
    for slot in 0..view.slot_count() {
        let mut key = Vec::new();
        view.copy_key(slot, &mut key);
        // The first child's key is left out, so it is not what a search would compare with.
        if view.is_leaf() || slot > 0 {
            assert_eq!(view.search(&key), Ok(slot), "every key is found in its slot");
            assert_eq!(view.child_slot(&key), slot);
        }
        assert_eq!(view.cell(slot).len(), view.cell_bytes(slot));
    }
    assert_eq!(rebuilt(view), view.bytes(), "a page has one form");
    let _ = format!("{view:?}");
}

/// The page, built again out of what its accessors tell.
fn rebuilt(view: PageView<'_>) -> Vec<u8> {
    let mut builder = PageBuilder::new(
        view.level(),
        view.partition(),
        view.birth(),
        view.lower_fence(),
        view.upper_fence(),
    );
    let mut key = Vec::new();
    for slot in 0..view.slot_count() {
        key.clear();
        if view.is_leaf() {
            view.copy_key(slot, &mut key);
            push_row(&mut builder, &key, view, slot);
        } else {
            view.copy_child_lower_fence(slot, &mut key);
            builder.push_child(PageKey::whole(&key), view.child(slot));
        }
    }
    assert_eq!(builder.content_bytes(), view.bytes().len());
    builder.finish()
}

fn push_row(builder: &mut PageBuilder<'_>, key: &[u8], view: PageView<'_>, slot: usize) {
    let cell = view.leaf_cell(slot);
    let key = PageKey::whole(key);
    match cell.value {
        LeafValue::Inline(value) => builder.push_row(key, 0, cell.last_write, value),
        LeafValue::Overflow { pointer, value_bytes, first } => {
            let payload = [&pointer[..], &value_bytes.to_le_bytes(), first].concat();
            builder.push_row(key, CELL_FLAG_OVERFLOW, cell.last_write, &payload);
        }
    }
}

/// The page with the magic number, the heap's length and the slots' heads that belong to its other bytes: they are
/// copies that no mutation keeps right.
fn with_heads(stored: &[u8]) -> Vec<u8> {
    let mut page = stored.to_vec();
    patch(&mut page, header::MAGIC, PAGE_MAGIC.to_le_bytes());
    let slot_count = usize::from(u16_at(&page, header::SLOT_COUNT));
    let slots_end = PAGE_HEADER_BYTES + slot_count * SLOT_BYTES;
    if let Some(heap_bytes) = page.len().checked_sub(slots_end) {
        patch(&mut page, header::HEAP_BYTES, (heap_bytes as u32).to_le_bytes());
    }
    let is_leaf = page.get(header::LEVEL) == Some(&0);
    let cell_header_bytes = if is_leaf { basalt_format::page::LEAF_CELL_HEADER_BYTES } else { POINTER_BYTES };
    for slot in 0..slot_count {
        let at = PAGE_HEADER_BYTES + slot * SLOT_BYTES;
        let offset = usize::from(u16_at(&page, at + SLOT_CELL_OFFSET_AT));
        let key_bytes = usize::from(u16_at(&page, at + SLOT_KEY_BYTES_AT));
        let suffix = page.len().checked_sub(offset).and_then(|start| {
            let start = start + cell_header_bytes;
            page.get(start..start + key_bytes)
        });
        if let Some(head) = suffix.map(head_of) {
            patch(&mut page, at, head.to_be_bytes());
        }
    }
    page
}

fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    bytes.get(offset..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u16::from_le_bytes(*chunk))
}
