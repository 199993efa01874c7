use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    error::DecodeError,
    extent::{Codec, ExtentKind, Pointer},
};

fn leaf(rows: &BTreeMap<Vec<u8>, Vec<u8>>, lower: &[u8], upper: Option<&[u8]>) -> Vec<u8> {
    let mut builder = PageBuilder::new(0, 5, 9, lower, upper);
    for (key, value) in rows {
        builder.push_row(PageKey::whole(key), 0, value.len() as u64, value);
    }
    assert_eq!(builder.content_bytes(), builder_length(rows, lower, upper));
    builder.finish()
}

fn builder_length(rows: &BTreeMap<Vec<u8>, Vec<u8>>, lower: &[u8], upper: Option<&[u8]>) -> usize {
    let prefix = prefix_bytes(lower, upper);
    let cells: usize = rows
        .iter()
        .map(|(key, value)| SLOT_BYTES + LEAF_CELL_HEADER_BYTES + key.len() - prefix + value.len())
        .sum();
    PAGE_HEADER_BYTES + cells + lower.len() + upper.map_or(0, <[u8]>::len)
}

fn pointer(block: u64, kind: ExtentKind) -> Pointer {
    Pointer { block, blocks: 2, codec: Codec::Raw, kind, birth: 3, checksum: 77 }
}

fn inner(separators: &[&[u8]], lower: &[u8], upper: Option<&[u8]>) -> Vec<u8> {
    let mut builder = PageBuilder::new(1, 5, 9, lower, upper);
    for (place, separator) in separators.iter().enumerate() {
        let child = pointer(8 + 2 * place as u64, ExtentKind::Leaf).encode();
        builder.push_child(PageKey::whole(separator), &child);
    }
    builder.finish()
}

fn rows() -> impl Strategy<Value = BTreeMap<Vec<u8>, Vec<u8>>> {
    let key = proptest::collection::vec(0..4u8, 0..6).prop_map(|tail| [b"key/".to_vec(), tail].concat());
    proptest::collection::btree_map(key, proptest::collection::vec(any::<u8>(), 0..50), 0..40)
}

proptest! {
    #[test]
    fn a_leaf_gives_back_its_rows(rows in rows(), bounded: bool, padding in 0..100usize) {
        let upper: Option<&[u8]> = if bounded { Some(b"key0") } else { None };
        let mut stored = leaf(&rows, b"key/", upper);
        stored.resize(stored.len() + padding, 0);
        let view = PageView::parse(&stored).expect("a built page is valid");
        prop_assert_eq!((view.level(), view.partition(), view.birth()), (0, 5, 9));
        prop_assert_eq!((view.lower_fence(), view.upper_fence()), (b"key/".as_slice(), upper));
        let mut found = BTreeMap::new();
        for slot in 0..view.slot_count() {
            let mut key = Vec::new();
            view.copy_key(slot, &mut key);
            prop_assert_eq!(view.search(&key), Ok(slot));
            let cell = view.leaf_cell(slot);
            let LeafValue::Inline(value) = cell.value else { panic!("all values are inline") };
            prop_assert_eq!(cell.last_write, value.len() as u64);
            found.insert(key, value.to_vec());
        }
        prop_assert_eq!(found, rows);
    }

    #[test]
    fn search_finds_the_place_of_any_key(rows in rows(), key in proptest::collection::vec(0..130u8, 0..8)) {
        let stored = leaf(&rows, b"", None);
        let view = PageView::parse(&stored).expect("a built page is valid");
        let expected = rows.keys().position(|other| *other >= key).unwrap_or(rows.len());
        let expected = if rows.contains_key(&key) { Ok(expected) } else { Err(expected) };
        prop_assert_eq!(view.search(&key), expected);
    }

    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), slots in 0..4u8) {
        let _ = PageView::parse(&bytes);
        if bytes.len() >= PAGE_HEADER_BYTES {
            bytes[..4].copy_from_slice(&PAGE_MAGIC.to_le_bytes());
            bytes[4..64].fill(0);
            bytes[header::SLOT_COUNT] = slots;
            let heap = bytes.len().saturating_sub(PAGE_HEADER_BYTES + usize::from(slots) * SLOT_BYTES);
            bytes[header::HEAP_BYTES..][..2].copy_from_slice(&(heap as u16).to_le_bytes());
            if let Ok(view) = PageView::parse(&bytes) {
                read_everything(view);
            }
        }
    }

    #[test]
    fn a_changed_byte_is_refused_or_leaves_a_readable_page(rows in rows(), place: prop::sample::Index, bit in 0..8u8) {
        let mut stored = leaf(&rows, b"key/", Some(b"key0"));
        let place = place.index(stored.len());
        stored[place] ^= 1 << bit;
        if let Ok(view) = PageView::parse(&stored) {
            read_everything(view);
        }
    }
}

fn read_everything(view: PageView<'_>) {
    for slot in 0..view.slot_count() {
        let mut key = Vec::new();
        view.copy_key(slot, &mut key);
        assert_eq!(view.search(&key), Ok(slot));
        assert_eq!(view.cell(slot).len(), view.cell_bytes(slot));
        let _ = view.leaf_cell(slot);
    }
}

#[test]
fn the_child_of_a_key_is_the_last_one_not_above_it() {
    let stored = inner(&[b"", b"f", b"m"], b"c", Some(b"t"));
    let view = PageView::parse(&stored).expect("a built page is valid");
    let slots: Vec<usize> =
        ["c", "e", "f", "fa", "l", "m", "s"].iter().map(|key| view.child_slot(key.as_bytes())).collect();
    assert_eq!(slots, [0, 0, 1, 1, 1, 2, 2]);
    let mut fence = Vec::new();
    view.copy_child_lower_fence(0, &mut fence);
    view.copy_child_lower_fence(2, &mut fence);
    assert_eq!(fence, b"cm");
    assert_eq!(Pointer::decode(view.child(1)).map(|pointer| pointer.block), Ok(10));
}

#[test]
fn an_overflow_cell_tells_its_extent() {
    let extent = Pointer { blocks: 3, ..pointer(40, ExtentKind::Overflow) };
    let mut payload = extent.encode().to_vec();
    payload.extend_from_slice(&9000u32.to_le_bytes());
    payload.extend_from_slice(&[8; OVERFLOW_FIRST_BYTES]);
    let mut builder = PageBuilder::new(0, 1, 3, b"", None);
    builder.push_row(PageKey::whole(b"k"), CELL_FLAG_OVERFLOW, 6, &payload);
    let stored = builder.finish();
    let view = PageView::parse(&stored).expect("a built page is valid");
    assert!(view.owns_overflow());
    let LeafValue::Overflow { pointer, value_bytes, first } = view.leaf_cell(0).value else {
        panic!("overflow")
    };
    assert_eq!(Pointer::decode(pointer), Ok(extent));
    assert_eq!((value_bytes, first.len()), (9000, OVERFLOW_FIRST_BYTES));
}

#[test]
fn a_page_that_breaks_a_rule_is_refused() {
    type Break = fn(&mut Vec<u8>);
    let broken: [(&str, Break); 9] = [
        ("garbage", |page| page[header::GARBAGE_BYTES] = 1),
        ("prefix", |page| page[header::PREFIX_BYTES] += 1),
        ("flags", |page| page[header::FLAGS] = 0x80),
        ("level", |page| page[header::LEVEL] = LEVEL_MAX + 1),
        ("overflow flag", |page| page[header::FLAGS] = FLAG_OWNS_OVERFLOW),
        ("head", |page| page[PAGE_HEADER_BYTES] ^= 1),
        ("cell offset", |page| page[PAGE_HEADER_BYTES + 4] ^= 1),
        ("reserved", |page| page[50] = 1),
        ("padding", |page| page.push(1)),
    ];
    let rows = BTreeMap::from([(b"ka".to_vec(), b"1".to_vec()), (b"kb".to_vec(), b"2".to_vec())]);
    for (what, apply) in broken {
        let mut page = leaf(&rows, b"k", Some(b"l"));
        assert!(PageView::parse(&page).is_ok());
        apply(&mut page);
        assert!(PageView::parse(&page).is_err(), "{what}");
    }
    let outside = BTreeMap::from([(b"x".to_vec(), Vec::new())]);
    assert!(matches!(
        PageView::parse(&leaf(&outside, b"k", Some(b"l"))),
        Err(DecodeError::NotCanonical { rule: "keys are below the upper fence", .. })
    ));
    let mut swapped = PageBuilder::new(0, 1, 1, b"", None);
    swapped.push_row(PageKey::whole(b"b"), 0, 0, b"");
    swapped.push_row(PageKey::whole(b"a"), 0, 0, b"");
    assert!(PageView::parse(&swapped.finish()).is_err(), "order");
}

#[test]
fn a_leaf_pointer_in_a_high_inner_page_is_refused() {
    let mut page = inner(&[b"", b"m"], b"", None);
    assert!(PageView::parse(&page).is_ok());
    page[header::LEVEL] = 2;
    assert!(PageView::parse(&page).is_err());
    page[header::LEVEL] = 1;
    page[header::BIRTH] = 2;
    assert!(PageView::parse(&page).is_err(), "a child is not younger than its parent");
}
