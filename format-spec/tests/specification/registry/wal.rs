//! Golden samples of the log: a segment with its first frames, and one effect of each kind.

use basalt_format::wal::{
    CheckpointDone, Cut, Effect, Effects, FRAME_HEADER_BYTES, FRAME_OPENS_SEGMENT, FrameHeader, PartCreate,
    Predecessor, Record, RecordKind, SEGMENT_HEADER_BYTES, SegmentHeader, SpliceRange, decode_records,
    payload_hash, put_record, record_bytes,
};
use basalt_format::{BLOCK_SIZE_BYTES, DecodeError, Reader};

use super::{Protection, Sample};

const LOG_SALT: u64 = 7;

pub(super) fn samples() -> Vec<Sample> {
    vec![
        Sample {
            name: "wal_segment",
            protection: Protection::Checksum,
            encode: segment,
            decode: describe_segment,
        },
        Sample {
            name: "wal_effects",
            protection: Protection::CanonicalForm,
            encode: effects,
            decode: |body| Ok(format!("{:?}", Effects::new(body).collect::<Result<Vec<_>, _>>()?)),
        },
    ]
}

fn header() -> SegmentHeader {
    SegmentHeader {
        cluster_uuid: *b"cluster, one of ",
        incarnation_uuid: *b"incarnation uuid",
        node_id: 1,
        stream: 2,
        sequence: 4,
        base_lsn: 0x0020_0000,
        size_bytes: 0x0010_0000,
        first_frame_sequence: 13,
        salt: 9,
        predecessor: Predecessor { sequence: 3, end_lsn: 0x0010_5000, last_frame_hash: 10 },
        created_us: 1_795_000_000_000_000,
    }
}

fn effects() -> Vec<u8> {
    let mut body = Vec::new();
    Effect::put(&mut body, b"\x10key", b"value");
    Effect::delete(&mut body, b"\x10gone");
    let ranges = [
        SpliceRange { offset: 0, removed_bytes: 2, inserted: b"" },
        SpliceRange { offset: 5, removed_bytes: 1, inserted: b"new" },
    ];
    Effect::splice(&mut body, b"\x10part", 300, &ranges);
    Effect::delete_range(&mut body, b"\x40a", b"\x40b");
    body
}

/// Block 0, a frame that opens the segment, a Seal.
fn segment() -> Vec<u8> {
    let note = |kind, body| Record { kind, flags: 0, partition: 0, term: 0, index: 0, hybrid_time: 0, body };
    let (cut, done) = (Cut { lsn: 0x0010_5000 }, CheckpointDone { generation: 6, applied_index: 41 });
    let create =
        PartCreate { table: 257, hash_low: 0, hash_high: u64::MAX, hash_secret: *b"golden v1 secret" };
    let (cut, done, create, effects) = (cut.encode(), done.encode(), create.encode(), effects());
    let entry = Record {
        kind: RecordKind::Effects,
        flags: 0,
        partition: 5,
        term: 1,
        index: 42,
        hybrid_time: 301,
        body: &effects,
    };
    let opening = [
        note(RecordKind::Cut, &cut),
        Record { partition: 5, term: 1, ..note(RecordKind::PartCreate, &create) },
        entry,
        Record { partition: 5, term: 1, ..note(RecordKind::CheckpointDone, &done) },
    ];
    let mut bytes = header().encode().to_vec();
    bytes.resize(BLOCK_SIZE_BYTES, 0);
    let mut payload = header().encode().to_vec();
    put_records(&mut payload, &opening);
    let first = FrameHeader {
        sequence: 13,
        lsn: 0x0020_1000,
        durable_lsn: 0x0010_5000,
        needed_lsn: 0x0010_0000,
        previous_hash: 10,
        payload_hash: payload_hash(&payload, header().salt),
        payload_bytes: payload.len() as u32,
        record_count: 4,
        flags: FRAME_OPENS_SEGMENT,
        stream: 2,
    };
    put_frame(&mut bytes, &first, &payload);
    let mut payload = Vec::new();
    put_records(&mut payload, &[note(RecordKind::Seal, &[])]);
    let seal = FrameHeader {
        sequence: 14,
        lsn: 0x0020_2000,
        durable_lsn: 0x0020_2000,
        previous_hash: first.hash(LOG_SALT),
        payload_hash: payload_hash(&payload, header().salt),
        payload_bytes: payload.len() as u32,
        record_count: 1,
        flags: 0,
        ..first
    };
    put_frame(&mut bytes, &seal, &payload);
    bytes
}

fn put_records(payload: &mut Vec<u8>, records: &[Record<'_>]) {
    for record in records {
        let start = payload.len();
        payload.resize(start + record_bytes(record.body.len()), 0);
        put_record(&mut payload[start..], record);
    }
}

fn put_frame(bytes: &mut Vec<u8>, header: &FrameHeader, payload: &[u8]) {
    bytes.extend_from_slice(&header.encode(LOG_SALT));
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len().next_multiple_of(BLOCK_SIZE_BYTES), 0);
}

fn describe_segment(bytes: &[u8]) -> Result<String, DecodeError> {
    let mut reader = Reader::new("log segment", bytes);
    let header = SegmentHeader::decode_block(reader.bytes(BLOCK_SIZE_BYTES)?)?;
    let first = describe_frame(reader.bytes(BLOCK_SIZE_BYTES)?, &header)?;
    let second = describe_frame(reader.bytes(BLOCK_SIZE_BYTES)?, &header)?;
    reader.finish()?;
    Ok(format!("{header:?} {first} {second}"))
}

fn describe_frame(block: &[u8], segment: &SegmentHeader) -> Result<String, DecodeError> {
    let header = FrameHeader::decode(block, LOG_SALT)?;
    let mut reader = Reader::new("log frame", block);
    reader.bytes(FRAME_HEADER_BYTES)?;
    let payload = reader.bytes(header.payload_bytes as usize)?;
    header.check_payload(payload, reader.rest(), segment.salt)?;
    let mut payload = Reader::new("log frame payload", payload);
    if header.opens_segment() {
        let repeated = SegmentHeader::decode(payload.bytes(SEGMENT_HEADER_BYTES)?)?;
        assert_eq!(repeated, *segment, "a payload with a good hash repeats the header");
    }
    let records = decode_records(payload.rest(), header.record_count).collect::<Result<Vec<_>, _>>()?;
    Ok(format!("{header:?} {records:?}"))
}
