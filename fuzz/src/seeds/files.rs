//! Seeds of the files: one small value of each structure and each of its shapes, by the real encoders.

use std::collections::BTreeMap;

use basalt_format::extent::{
    AllocationPart, BlockClass, BlockRun, Codec, ExtentKind, POINTER_BYTES, Pointer,
};
use basalt_format::page::{CELL_FLAG_OVERFLOW, OVERFLOW_FIRST_BYTES, PageBuilder, PageKey};
use basalt_format::superblock::Superblock;
use basalt_format::wal::{
    CheckpointDone, Cut, Effect, FrameHeader, PartCreate, Predecessor, Record, RecordKind, SegmentHeader,
    SpliceRange, payload_hash, put_record, record_bytes,
};
use basalt_model::key::{KeyAttribute, KeyCodec};
use basalt_model::{Item, KeySchema, Number, ScalarKind, Value};

use super::{Seed, seed};
use crate::targets::index_codecs;

const SALT: u64 = 0x5a17;

pub(super) fn seeds() -> Vec<Seed> {
    let mut seeds = log();
    seeds.extend(pages());
    seeds.extend(partition_files());
    seeds.extend(keys());
    seeds.extend(index_rows());
    seeds.extend(numbers());
    seeds
}

fn log() -> Vec<Seed> {
    let effects = effects();
    let records = records(&effects);
    let header = FrameHeader {
        sequence: 7,
        lsn: 3 << 12,
        durable_lsn: 2 << 12,
        needed_lsn: 1 << 12,
        previous_hash: 11,
        payload_hash: payload_hash(&records, SALT),
        payload_bytes: records.len() as u32,
        record_count: 5,
        flags: 0,
        stream: 1,
    };
    let frame = [&SALT.to_le_bytes()[..], &header.encode(SALT), &records].concat();
    let segment = SegmentHeader {
        cluster_uuid: [7; 16],
        incarnation_uuid: [9; 16],
        node_id: 3,
        stream: 1,
        sequence: 5,
        base_lsn: 1 << 20,
        size_bytes: 1 << 20,
        first_frame_sequence: 40,
        salt: SALT,
        predecessor: Predecessor { sequence: 4, end_lsn: 0xf_f000, last_frame_hash: 11 },
        created_us: 1_700_000_000_000_000,
    };
    vec![
        seed("log_effects", "every_kind", effects),
        seed("log_records", "every_body", records),
        seed("log_frame", "five_records", frame),
        seed("log_segment", "second", segment.encode()),
    ]
}

fn effects() -> Vec<u8> {
    let mut body = Vec::new();
    Effect::put(&mut body, b"\x10key", b"value");
    Effect::delete(&mut body, b"\x10gone");
    let ranges = [
        SpliceRange { offset: 0, removed_bytes: 3, inserted: b"" },
        SpliceRange { offset: 4, removed_bytes: 0, inserted: b"new" },
    ];
    Effect::splice(&mut body, b"\x10part", 77, &ranges);
    Effect::delete_range(&mut body, b"\x40a", b"\x40b");
    body
}

fn records(effects: &[u8]) -> Vec<u8> {
    let bodies = [
        (RecordKind::Effects, effects.to_vec()),
        (RecordKind::CheckpointDone, CheckpointDone { generation: 2, applied_index: 9 }.encode()),
        (
            RecordKind::PartCreate,
            PartCreate { table: 1, hash_low: 0, hash_high: u64::MAX, hash_secret: [3; 16] }.encode(),
        ),
        (RecordKind::Cut, Cut { lsn: 4096 }.encode()),
        (RecordKind::Seal, Vec::new()),
    ];
    let mut payload = Vec::new();
    for (kind, body) in bodies {
        let index = u64::from(kind.consumes_index());
        let record = Record { kind, flags: 0, partition: 5, term: 0, index, hybrid_time: 6, body: &body };
        let start = payload.len();
        payload.resize(start + record_bytes(body.len()), 0);
        put_record(&mut payload[start..], &record);
    }
    payload
}

fn pages() -> Vec<Seed> {
    let mut leaf = PageBuilder::new(0, 5, 9, b"key/", Some(b"key0"));
    for key in ["key/", "key/a", "key/abcdef", "key/b"] {
        leaf.push_row(PageKey::whole(key.as_bytes()), 0, 3, key.as_bytes());
    }
    let mut overflow = PageBuilder::new(0, 1, 3, b"", None);
    let place = pointer(40, 3, ExtentKind::Overflow).encode();
    let payload = [&place[..], &9000u32.to_le_bytes(), &[8; OVERFLOW_FIRST_BYTES]].concat();
    overflow.push_row(PageKey::whole(b"k"), CELL_FLAG_OVERFLOW, 6, &payload);
    vec![
        seed("page", "leaf", leaf.finish()),
        seed("page", "leaf_with_overflow", overflow.finish()),
        seed("page", "empty_leaf", PageBuilder::new(0, 5, 9, b"", None).finish()),
        seed("page", "inner", inner(1, ExtentKind::Leaf)),
        seed("page", "higher_inner", inner(2, ExtentKind::Inner)),
    ]
}

fn inner(level: u8, kind: ExtentKind) -> Vec<u8> {
    let mut page = PageBuilder::new(level, 5, 9, b"c", Some(b"t"));
    for (block, separator) in [(8, "c"), (10, "f"), (12, "m")] {
        page.push_child(PageKey::whole(separator.as_bytes()), &pointer(block, 2, kind).encode());
    }
    page.finish()
}

fn pointer(block: u64, blocks: u32, kind: ExtentKind) -> Pointer {
    Pointer { block, blocks, codec: Codec::Raw, kind, birth: 3, checksum: 77 }
}

fn partition_files() -> Vec<Seed> {
    let run = |class, blocks| BlockRun { class, blocks };
    let part = AllocationPart {
        partition: 5,
        generation: 9,
        first_block: 0,
        next: Some(pointer(30, 1, ExtentKind::Allocation)),
        runs: vec![
            run(BlockClass::Allocated, 8),
            run(BlockClass::Free, 300),
            run(BlockClass::FreedByThisGeneration, 1),
            run(BlockClass::Allocated, 1 << 20),
        ],
    };
    let lone: [u8; POINTER_BYTES] = pointer(40, 3, ExtentKind::Overflow).encode();
    let superblock = superblock().encode();
    let fields = superblock.get(..392).expect("a superblock's fields are its first bytes");
    vec![
        seed("allocation_map", "part", part.encode()),
        seed("allocation_map", "pointer", lone),
        seed("superblock", "with_tree", fields),
    ]
}

fn superblock() -> Superblock {
    Superblock {
        features_compatible: 0,
        features_read_only: 0,
        features_incompatible: 0,
        cluster_uuid: [1; 16],
        file_uuid: [2; 16],
        salt: SALT,
        hash_secret: [3; 16],
        table: 4,
        partition: 5,
        parent_partition: 0,
        parent_last_index: 0,
        hash_first: 0,
        hash_last: u64::MAX,
        generation: 9,
        root: Some(pointer(8, 2, ExtentKind::Inner)),
        allocation: Some(pointer(10, 1, ExtentKind::Allocation)),
        snapshots: None,
        transactions: None,
        to_free: None,
        applied_term: 0,
        applied_index: 30,
        applied_hybrid_time: 40,
        needed_stream: 1,
        needed_lsn: 4096,
        row_count: 20,
        row_bytes: 2000,
        item_count: 10,
        item_bytes: 1000,
        leaf_page_bytes: 16384,
        inner_page_bytes: 16384,
        file_blocks: 256,
        token_expiry_max: 0,
        layout_version: 1,
        delete_time_max: 0,
        open_epoch: 2,
        local_index_rows: Default::default(),
    }
}

fn keys() -> Vec<Seed> {
    let text = Value::S("a\0b".to_owned());
    let binary = Value::B(vec![0, 0xff, 1]);
    let number = Value::N(Number::from(-314i64));
    let values = [(ScalarKind::S, text), (ScalarKind::N, number), (ScalarKind::B, binary)];
    let mut seeds = Vec::new();
    for (partition_kind, partition) in &values {
        for (sort_kind, sort) in &values {
            let attribute = |name: &str, kind| KeyAttribute { name: name.to_owned(), kind };
            let schema = KeySchema {
                partition: attribute("pk", *partition_kind),
                sort: Some(attribute("sk", *sort_kind)),
            };
            let attributes = [("pk", partition), ("sk", sort)];
            let attributes = attributes.map(|(name, value)| (name.to_owned(), value.clone()));
            let key = Item::from(BTreeMap::from(attributes));
            let key = KeyCodec::new(schema, &[0; 16]).encode_key(&key).expect("the key fits its schema");
            seeds.push(seed("key", format!("{partition_kind}_{sort_kind}"), key.into_bytes()));
        }
    }
    seeds
}

/// An item's key in every index that the target reads by.
fn index_rows() -> Vec<Seed> {
    let text = |text: &str| Value::S(text.to_owned());
    let number = |number: i64| Value::N(Number::from(number));
    let (key, both) = ([("pk", text("a\0b")), ("sk", number(-314))], [("c", text("")), ("d", number(7))]);
    let texts = [("a", text("x")), ("b", Value::B(vec![0, 0xff]))];
    let numbers = [("a", number(120)), ("b", Value::B(vec![1])), ("c", text("y"))];
    let mut seeds = Vec::new();
    for (name, own) in [("texts", texts.to_vec()), ("numbers", numbers.to_vec())] {
        let attributes = both.iter().chain(&key).chain(&own);
        let item: Item = attributes.map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        for (place, codec) in index_codecs().enumerate() {
            let entry = codec.encode_entry(item.encode().as_item()).expect("an encoded item is whole");
            seeds.extend(entry.map(|key| seed("index_row", format!("{name}_{place}"), key.into_bytes())));
        }
    }
    seeds
}

fn numbers() -> Vec<Seed> {
    const TEXTS: [&str; 8] = [
        "0",
        "-1",
        "+007.50",
        ".5e-3",
        "1e125",
        "-9.9999999999999999999999999999999999999e+125",
        "1E-130",
        "12345678901234567890123456789012345678",
    ];
    let mut seeds = Vec::new();
    for (place, text) in TEXTS.iter().enumerate() {
        let decimal = Number::parse(text).expect("the seed is a number").decimal();
        let mut compact = Vec::new();
        basalt_format::number::encode_compact(decimal, &mut compact);
        let mut ordered = Vec::new();
        basalt_format::number::encode_ordered(decimal, &mut ordered);
        seeds.push(seed("number_encodings", format!("compact_{place}"), compact));
        seeds.push(seed("number_encodings", format!("ordered_{place}"), ordered));
        let other = TEXTS[(place + 3) % TEXTS.len()];
        seeds.push(seed("number_text", format!("{place}"), format!("{text}\n{other}")));
    }
    seeds
}
