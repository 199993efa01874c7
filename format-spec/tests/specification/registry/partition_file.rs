//! Golden samples of what partition files consist of.

use basalt_format::DecodeError;
use basalt_format::extent::{AllocationPart, BlockClass, BlockRun, Codec, ExtentKind, Pointer};
use basalt_format::page::{CELL_FLAG_OVERFLOW, OVERFLOW_FIRST_BYTES, PageBuilder, PageKey, PageView};
use basalt_format::superblock::{RowCount, Superblock};

use super::{Protection, Sample};

pub(super) fn samples() -> Vec<Sample> {
    vec![
        Sample {
            name: "pointer",
            protection: Protection::CanonicalForm,
            encode: || pointer(300, 2, ExtentKind::Inner).encode().to_vec(),
            decode: |bytes| Pointer::decode(&exactly(bytes)?).map(|pointer| format!("{pointer:?}")),
        },
        Sample {
            name: "allocation_part",
            protection: Protection::CanonicalForm,
            encode: || allocation_part().encode(),
            decode: |bytes| {
                let part = AllocationPart::decode(bytes)?;
                without_padding(bytes, part.encode().len())?;
                Ok(format!("{part:?}"))
            },
        },
        Sample {
            name: "leaf_page",
            protection: Protection::CanonicalForm,
            encode: leaf,
            decode: describe_page,
        },
        Sample {
            name: "inner_page",
            protection: Protection::CanonicalForm,
            encode: inner,
            decode: describe_page,
        },
        Sample {
            name: "superblock",
            protection: Protection::Checksum,
            encode: || superblock().encode(),
            decode: |bytes| Superblock::decode(bytes).map(|superblock| format!("{superblock:?}")),
        },
    ]
}

fn pointer(block: u64, blocks: u32, kind: ExtentKind) -> Pointer {
    Pointer { block, blocks, codec: Codec::Raw, kind, birth: 5, checksum: 0x1122_3344_5566_7788 }
}

fn allocation_part() -> AllocationPart {
    let run = |class, blocks| BlockRun { class, blocks };
    AllocationPart {
        partition: 258,
        generation: 6,
        first_block: 0,
        next: Some(pointer(40, 1, ExtentKind::Allocation)),
        runs: vec![
            run(BlockClass::Allocated, 12),
            run(BlockClass::FreedByThisGeneration, 3),
            run(BlockClass::Free, 1000),
        ],
    }
}

/// Keys from `user/a` to `user/c` between the fences `user/a` and `user/d`: the prefix is `user/`.
fn leaf() -> Vec<u8> {
    let mut page = PageBuilder::new(0, 258, 6, b"user/a", Some(b"user/d"));
    page.push_row(PageKey::whole(b"user/a"), 0, 1000, b"first");
    page.push_row(PageKey::whole(b"user/bob"), 0, 1001, b"");
    let mut payload = pointer(301, 2, ExtentKind::Overflow).encode().to_vec();
    payload.extend_from_slice(&5000u32.to_le_bytes());
    payload.extend_from_slice(&[b'x'; OVERFLOW_FIRST_BYTES]);
    page.push_row(PageKey::whole(b"user/c"), CELL_FLAG_OVERFLOW, 1002, &payload);
    page.finish()
}

/// The right edge of level 1: two leaves, the second of which owns overflow values.
fn inner() -> Vec<u8> {
    let mut page = PageBuilder::new(1, 258, 6, b"t", None);
    page.push_child(PageKey::whole(b"t"), &pointer(303, 1, ExtentKind::Leaf).encode());
    page.push_child(PageKey::whole(b"user/a"), &pointer(304, 3, ExtentKind::LeafWithOverflow).encode());
    page.finish()
}

fn superblock() -> Superblock {
    Superblock {
        features_compatible: 1,
        features_read_only: 2,
        features_incompatible: 3,
        cluster_uuid: *b"cluster, one of ",
        file_uuid: *b"file uuid, also.",
        salt: 0x0102_0304_0506_0708,
        hash_secret: *b"golden v1 secret",
        table: 257,
        partition: 258,
        parent_partition: 4,
        parent_last_index: 5,
        hash_first: 0x8000_0000_0000_0000,
        hash_last: u64::MAX,
        generation: 6,
        root: Some(pointer(300, 2, ExtentKind::Inner)),
        allocation: Some(pointer(302, 1, ExtentKind::Allocation)),
        snapshots: None,
        transactions: None,
        to_free: None,
        applied_term: 1,
        applied_index: 1000,
        applied_hybrid_time: 1_795_000_000_000_000,
        needed_stream: 1,
        needed_lsn: 0x0010_0000,
        row_count: 7,
        row_bytes: 700,
        item_count: 6,
        item_bytes: 600,
        leaf_page_bytes: 16384,
        inner_page_bytes: 8192,
        file_blocks: 1015,
        token_expiry_max: 8,
        layout_version: 9,
        delete_time_max: 10,
        open_epoch: 11,
        local_index_rows: std::array::from_fn(|tag| match tag {
            0 => RowCount { count: 1, bytes: 40 },
            _ => RowCount::default(),
        }),
    }
}

fn describe_page(bytes: &[u8]) -> Result<String, DecodeError> {
    let page = PageView::parse(bytes)?;
    without_padding(bytes, page.bytes().len())?;
    let cells: Vec<String> = (0..page.slot_count())
        .map(|slot| {
            let mut key = Vec::new();
            page.copy_key(slot, &mut key);
            if page.is_leaf() {
                format!("{key:?}: {:?}", page.leaf_cell(slot))
            } else {
                format!("{key:?}: {:?}", Pointer::decode(page.child(slot)))
            }
        })
        .collect();
    let fences = (page.lower_fence(), page.upper_fence());
    let (level, partition, birth) = (page.level(), page.partition(), page.birth());
    Ok(format!("level {level}, partition {partition}, birth {birth}, {fences:?}, {cells:?}"))
}

fn without_padding(bytes: &[u8], length: usize) -> Result<(), DecodeError> {
    match bytes.len() - length {
        0 => Ok(()),
        count => Err(DecodeError::TrailingBytes { what: "sample", count: count as u64 }),
    }
}

fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], DecodeError> {
    let (needed, available) = (N as u64, bytes.len() as u64);
    bytes.try_into().map_err(|_| DecodeError::Truncated { what: "sample", needed, available })
}
