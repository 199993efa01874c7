//! ExclusiveStartKey: where a page goes on, and what must be true of it.

use basalt_model::{Item, KeyBytes, KeyError, KeyValue, ScanSegment, expression::KeyCondition};

use super::query::ScanDirection;
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

/// The start key of a scan of one segment.
pub(super) fn of_scan(
    table: &Table,
    key: &Item,
    segment: ScanSegment,
    hashes: (u64, u64),
) -> Result<KeyBytes, Error> {
    let key =
        table.keys.encode_key(key).map_err(|reason: KeyError| ValidationError::StartKeyNotAKey { reason })?;
    if !(hashes.0..=hashes.1).contains(&key.hash()) {
        let ScanSegment { segment, total_segments } = segment;
        return Err(ValidationError::StartKeyOutsideSegment { total_segments, segment }.into());
    }
    Ok(key)
}

/// Cuts a range down to what follows `key` in `direction`.
pub(super) fn resume_behind(
    range: &mut basalt_model::KeyBytesRange,
    key: KeyBytes,
    direction: ScanDirection,
) {
    match direction {
        // The least key behind this one is the same with one more zero byte.
        ScanDirection::Forward => range.start = [key.as_bytes(), &[0]].concat(),
        ScanDirection::Backward => range.end = key.into_bytes(),
    }
}
