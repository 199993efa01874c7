//! Rows that stand beside the items: of transactions, streams, global indexes, item collections, time to live.

use basalt_format::backfill::{BackfillKey, BackfillRow};
use basalt_format::checksum::xxh3_64;
use basalt_format::collection_size;
use basalt_format::outbox::{self, OutboxKey, ROW_SOFT_BYTES_MAX};
use basalt_format::received::{ReceivedKey, ReceivedRow};
use basalt_format::stream_iterator::{CHECKSUM_SEED, STREAM_ITERATOR_LAYOUT, StreamIterator};
use basalt_format::stream_record::{
    StreamKey, StreamRecord, decode_horizon, encode_horizon, part_count, record_parts,
};
use basalt_format::time_to_live::{TimeToLiveKey, TimeToLiveProgress, expiry_range};
use basalt_format::transaction::{DecisionKey, DecisionRow, PreparedKey, PreparedRow, TokenKey, TokenRow};

use super::{check_form, patch};

/// A byte that chooses the key or row of a transaction, then its bytes.
pub fn transaction(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    match choice % 6 {
        0 => check_form(bytes, PreparedKey::decode, PreparedKey::encode),
        1 => check_form(bytes, PreparedRow::decode, PreparedRow::encode),
        2 => check_form(bytes, DecisionKey::decode, DecisionKey::encode),
        3 => check_form(bytes, DecisionRow::decode, DecisionRow::encode),
        4 => check_form(bytes, TokenKey::decode, TokenKey::encode),
        _ => check_form(bytes, TokenRow::decode, TokenRow::encode),
    }
}

/// A byte that chooses the key, the record, the horizon or the iterator, then its bytes.
pub fn stream_record(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    match choice % 4 {
        0 => check_form(bytes, StreamKey::decode, |key| key.encode().to_vec()),
        1 => check_record(bytes),
        2 => check_form(bytes, decode_horizon, |horizon| encode_horizon(*horizon)),
        _ => check_iterator(bytes),
    }
}

fn check_record(bytes: &[u8]) {
    check_form(bytes, StreamRecord::decode, StreamRecord::encode);
    let parts = record_parts(bytes).count();
    if StreamRecord::decode(bytes).is_ok() {
        assert_eq!(part_count(bytes).map(usize::from), Ok(parts), "the first part tells how many there are");
    }
}

fn check_iterator(bytes: &[u8]) {
    check_form(bytes, StreamIterator::decode, StreamIterator::encode);
    let checksum_at = STREAM_ITERATOR_LAYOUT.last().map_or(0, |checksum| checksum.offset);
    let mut fixed = bytes.to_vec();
    if let Some(checked) = bytes.get(..checksum_at) {
        patch(&mut fixed, checksum_at, xxh3_64(checked, CHECKSUM_SEED).to_le_bytes());
        check_form(&fixed, StreamIterator::decode, StreamIterator::encode);
    }
}

/// A byte that chooses the key or row by which global indexes are kept true, then its bytes.
pub fn global_index(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    match choice % 6 {
        0 => check_form(bytes, OutboxKey::decode, OutboxKey::encode),
        1 => check_outbox_row(bytes),
        2 => check_form(bytes, ReceivedKey::decode, ReceivedKey::encode),
        3 => check_form(bytes, ReceivedRow::decode, ReceivedRow::encode),
        4 => check_form(bytes, BackfillKey::decode, BackfillKey::encode),
        _ => check_form(bytes, BackfillRow::decode, BackfillRow::encode),
    }
}

/// Where the changes of a longer row belong depends on what an entry had before them.
fn check_outbox_row(bytes: &[u8]) {
    let Some(row) = bytes.get(..bytes.len().min(ROW_SOFT_BYTES_MAX)) else { return };
    check_form(row, outbox::decode_row, |changes| {
        let rows = outbox::encode_rows(changes.iter().copied());
        assert_eq!(rows.len(), 1, "what fits into one row is not spread over several");
        rows.concat()
    });
}

/// The row of an item collection.
pub fn collection_size(data: &[u8]) {
    check_form(data, collection_size::decode, |size_bytes| collection_size::encode(*size_bytes));
}

/// A byte that chooses an expiry's key or the progress, then its bytes.
pub fn time_to_live(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    if choice % 2 == 1 {
        return check_form(bytes, TimeToLiveProgress::decode, TimeToLiveProgress::encode);
    }
    check_form(bytes, TimeToLiveKey::decode, TimeToLiveKey::encode);
    let Ok(key) = TimeToLiveKey::decode(bytes) else { return };
    let item_key = key.item_key();
    assert_eq!(TimeToLiveKey::of_item(&item_key, key.expiry_unix_seconds), key);
    let (first, end) = expiry_range(key.expiry_unix_seconds, key.expiry_unix_seconds.saturating_add(1));
    let is_last = key.expiry_unix_seconds == u64::MAX;
    assert!(first.as_slice() <= bytes && (bytes < end.as_slice() || is_last), "an expiry is in its range");
}
