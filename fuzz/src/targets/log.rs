//! The log: segment headers, frames, records, and what records hold.

use basalt_format::BLOCK_SIZE_BYTES;
use basalt_format::checksum::{crc32, xxh3_64};
use basalt_format::wal::{
    CheckpointDone, Cut, Effect, Effects, FRAME_HEADER_BYTES, FRAME_MAGIC, FrameHeader, PartCreate,
    RECORD_HEADER_BYTES, Record, RecordKind, SEGMENT_HEADER_BYTES, SEGMENT_MAGIC, SegmentHeader,
    decode_records, payload_hash, put_record, record_bytes,
};

use super::{patch, u32_at};

const FRAME_HASH_AT: usize = 8;
const FRAME_PAYLOAD_HASH_AT: usize = 56;
const FRAME_PAYLOAD_BYTES_AT: usize = 64;
const FRAME_RECORD_COUNT_AT: usize = 68;
const FRAME_KEY_EPOCH_AT: usize = 76;
const RECORD_LENGTH_AT: usize = 4;
const SEGMENT_CHECKSUM_AT: usize = SEGMENT_HEADER_BYTES - 4;

/// Block 0 of a segment.
pub fn log_segment(data: &[u8]) {
    check_segment(data);
    let mut fixed = data.to_vec();
    fixed.resize(BLOCK_SIZE_BYTES, 0);
    patch(&mut fixed, 0, SEGMENT_MAGIC.to_le_bytes());
    let checksum = crc32(&fixed[..SEGMENT_CHECKSUM_AT]);
    patch(&mut fixed, SEGMENT_CHECKSUM_AT, checksum.to_le_bytes());
    check_segment(&fixed);
}

/// A salt of eight bytes, then a frame.
pub fn log_frame(data: &[u8]) {
    let Some((salt, frame)) = data.split_first_chunk() else { return };
    let salt = u64::from_le_bytes(*salt);
    check_frame(frame, salt);
    let mut fixed = frame.to_vec();
    if let Some((header, payload)) = fixed.split_at_mut_checked(FRAME_HEADER_BYTES) {
        let payload_bytes = u32_at(header, FRAME_PAYLOAD_BYTES_AT) as usize;
        let hash = payload.get(..payload_bytes).map_or(0, |payload| payload_hash(payload, salt));
        patch(header, 0, FRAME_MAGIC.to_le_bytes());
        patch(header, FRAME_HASH_AT, [0; 8]);
        patch(header, FRAME_PAYLOAD_HASH_AT, hash.to_le_bytes());
        patch(header, FRAME_KEY_EPOCH_AT, [0; 4]);
        let hash = xxh3_64(header, salt);
        patch(header, FRAME_HASH_AT, hash.to_le_bytes());
    }
    check_frame(&fixed, salt);
}

/// Records, one behind the other, as a frame's payload has them.
pub fn log_records(data: &[u8]) {
    check_records(data, u32::MAX);
    let (fixed, record_count) = with_record_checksums(data);
    check_records(&fixed, record_count);
}

/// The body of a record of effects.
pub fn log_effects(data: &[u8]) {
    let mut again = Vec::new();
    for effect in Effects::new(data) {
        match effect {
            Ok(effect) => put_effect(&mut again, &effect),
            Err(error) => {
                let _ = error.to_string();
                assert!(data.starts_with(&again), "the effects before the error are those that were written");
                return;
            }
        }
    }
    assert_eq!(again, data, "effects have one form");
}

fn check_segment(block: &[u8]) {
    let Ok(header) = SegmentHeader::decode_block(block) else { return };
    assert_eq!(block.get(..SEGMENT_HEADER_BYTES), Some(&header.encode()[..]), "a header has one form");
    assert!(header.file_end_lsn() > header.base_lsn, "a segment has bytes");
}

fn check_frame(frame: &[u8], salt: u64) {
    let Ok(header) = FrameHeader::decode(frame, salt) else { return };
    assert_eq!(frame.get(..FRAME_HEADER_BYTES), Some(&header.encode(salt)[..]), "a header has one form");
    assert!(header.end_lsn() > header.lsn, "a frame has bytes");
    let _ = header.opens_segment();
    let behind = frame.get(FRAME_HEADER_BYTES..).unwrap_or_default();
    let Some((payload, padding)) = behind.split_at_checked(header.payload_bytes as usize) else { return };
    if header.check_payload(payload, padding, salt).is_ok() {
        check_records(payload, header.record_count);
        let (payload, _) = with_record_checksums(payload);
        check_records(&payload, u32_at(frame, FRAME_RECORD_COUNT_AT));
    }
}

fn check_records(payload: &[u8], record_count: u32) {
    let mut records = decode_records(payload, record_count);
    loop {
        let start = records.position();
        let Some(Ok(record)) = records.next() else { break };
        let mut again = vec![0xff; record_bytes(record.body.len())];
        put_record(&mut again, &record);
        assert_eq!(payload.get(start..records.position()), Some(&again[..]), "a record has one form");
        check_body(&record);
    }
    assert!(records.next().is_none(), "records end after the first error");
}

fn check_body(record: &Record<'_>) {
    match record.kind {
        RecordKind::Effects => log_effects(record.body),
        RecordKind::CheckpointDone => {
            check_form(CheckpointDone::decode(record.body), record, |it| it.encode())
        }
        RecordKind::PartCreate => check_form(PartCreate::decode(record.body), record, |it| it.encode()),
        RecordKind::Cut => check_form(Cut::decode(record.body), record, |it| it.encode()),
        // Nothing reads the bodies of the other kinds yet.
        _ => {}
    }
}

fn check_form<T, E>(body: Result<T, E>, record: &Record<'_>, encode: fn(&T) -> Vec<u8>) {
    if let Ok(body) = body {
        assert_eq!(encode(&body), record.body, "a body has one form");
    }
}

/// The payload with the right checksum in each record, as far as lengths lead from one to the next, and how many
/// records that are.
fn with_record_checksums(payload: &[u8]) -> (Vec<u8>, u32) {
    let mut fixed = payload.to_vec();
    let (mut start, mut count) = (0, 0);
    while let Some(rest) = fixed.get_mut(start..) {
        let length = u32_at(rest, RECORD_LENGTH_AT) as usize;
        if length < RECORD_HEADER_BYTES {
            break;
        }
        let Some(checked) = rest.get(RECORD_LENGTH_AT..length) else { break };
        let checksum = crc32(checked);
        patch(rest, 0, checksum.to_le_bytes());
        start += record_bytes(length - RECORD_HEADER_BYTES);
        count += 1;
    }
    (fixed, count)
}

fn put_effect(body: &mut Vec<u8>, effect: &Effect<'_>) {
    match effect {
        Effect::Put { key, value } => Effect::put(body, key, value),
        Effect::Delete { key } => Effect::delete(body, key),
        Effect::DeleteRange { from, to } => Effect::delete_range(body, from, to),
        Effect::Splice(splice) => {
            let ranges: Vec<_> = splice.ranges.clone().collect();
            Effect::splice(body, splice.key, splice.base_hybrid_time, &ranges);
        }
    }
}
