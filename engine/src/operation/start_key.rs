//! ExclusiveStartKey: where a page goes on, and what must be true of it.

use basalt_model::{
    IndexKeyCodec, IndexKeyCondition, Item, KeyBytes, KeyBytesRange, KeyError, KeyValue, ScanSegment,
    expression::KeyCondition,
};

use super::{page_source::PageSource, query::ScanDirection};
use crate::{
    catalog::Table,
    error::{Error, ValidationError},
};

/// The start key of a query, before the query's own conditions are known to be sound.
pub(super) fn of_query(table: &Table, key: &Item) -> Result<KeyBytes, Error> {
    let schema = table.schema();
    let is_complete = schema.attributes().all(|attribute| key.contains_key(&attribute.name));
    if key.len() != schema.attributes().count() || !is_complete {
        return Err(ValidationError::StartKeyInvalid.into());
    }
    Ok(table.keys.encode_key(key)?)
}

/// Refuses a start key that the query would not have come to.
pub(super) fn check_within_query(
    table: &Table,
    key: &Item,
    key_bytes: &KeyBytes,
    condition: &KeyCondition,
) -> Result<(), Error> {
    let same_partition_key =
        table.keys.query_range(&condition.partition, None).contains(key_bytes.as_bytes());
    let Some(sort) = &condition.sort else {
        return if same_partition_key { Ok(()) } else { Err(ValidationError::StartKeyOutsideQuery.into()) };
    };
    // The sort key alone is judged first, under whatever partition key it comes with.
    let partition_value = key.get(&table.schema().partition.name).cloned();
    let own_partition =
        partition_value.and_then(|value| KeyValue::try_from(value).ok()).expect("the key was checked");
    if !table.keys.query_range(&own_partition, Some(sort)).contains(key_bytes.as_bytes()) {
        return Err(ValidationError::StartKeyOutsideRange.into());
    }
    if same_partition_key { Ok(()) } else { Err(ValidationError::QueryCannotRestart.into()) }
}

/// The start key of a query or scan of an index: exactly the attributes of the index's key and of the table's.
pub(super) fn of_index(keys: &IndexKeyCodec, key: &Item) -> Result<KeyBytes, Error> {
    keys.encode_start_key(key).map_err(|_misfit| ValidationError::StartKeyInvalid.into())
}

/// Refuses a start key that the query of an index would not have come to.
pub(super) fn check_within_index_query(
    keys: &IndexKeyCodec,
    key_bytes: &KeyBytes,
    condition: &IndexKeyCondition,
    range: &KeyBytesRange,
) -> Result<(), Error> {
    if !keys.partition_range(&condition.partition).contains(key_bytes.as_bytes()) {
        return Err(ValidationError::StartKeyOutsideQuery.into());
    }
    if !range.contains(key_bytes.as_bytes()) {
        return Err(ValidationError::StartKeyOutsideRange.into());
    }
    Ok(())
}

/// The start key of a scan.
pub(super) fn of_scan(source: &PageSource, key: &Item) -> Result<KeyBytes, Error> {
    match source {
        PageSource::Table(table) => table
            .keys
            .encode_key(key)
            .map_err(|reason: KeyError| ValidationError::StartKeyNotAKey { reason }.into()),
        PageSource::LocalIndex(_, index) => of_index(&index.keys, key),
        PageSource::GlobalIndex(_, index) => of_index(&index.keys, key),
    }
}

/// Refuses a start key of another segment than the scan's, whose hashes are `hashes`.
pub(super) fn check_within_segment(
    key: &KeyBytes,
    segment: ScanSegment,
    hashes: (u64, u64),
) -> Result<(), Error> {
    if (hashes.0..=hashes.1).contains(&key.hash()) {
        return Ok(());
    }
    let ScanSegment { segment, total_segments } = segment;
    Err(ValidationError::StartKeyOutsideSegment { total_segments, segment }.into())
}

/// Cuts a range down to what follows `key` in `direction`.
pub(super) fn resume_behind(range: &mut KeyBytesRange, key: KeyBytes, direction: ScanDirection) {
    match direction {
        // The least key behind this one is the same with one more zero byte.
        ScanDirection::Forward => range.start = [key.as_bytes(), &[0]].concat(),
        ScanDirection::Backward => range.end = key.into_bytes(),
    }
}
