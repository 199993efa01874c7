//! ExclusiveStartKey: where a page goes on, and what must be true of it.

use basalt_model::{
    Item, KeyAttribute, KeyBytes, KeyBytesRange, KeyError, KeyPlace, ScanSegment, StartKeyCheck,
};

use super::{page_source::PageSource, query::ScanDirection};
use crate::error::{Error, ValidationError};

/// A start key whose attributes are being judged, in turn with the conditions on them.
pub(super) struct JudgedStartKey<'a> {
    pub(super) key: &'a Item,
    check: StartKeyCheck<'a>,
}

impl<'a> JudgedStartKey<'a> {
    /// Begins to judge a start key, which must have so many attributes.
    pub(super) fn new(key: &'a Item, attribute_count: usize) -> Result<Self, Error> {
        if key.len() != attribute_count {
            return Err(ValidationError::StartKeyInvalid.into());
        }
        Ok(Self { key, check: StartKeyCheck::new(key) })
    }

    /// Judges what the key has for the next attribute of the queried key.
    pub(super) fn check(&mut self, attribute: &KeyAttribute, place: KeyPlace) -> Result<(), Error> {
        self.check.check(attribute, place).map_err(|fault| match fault {
            KeyError::Missing { .. } => ValidationError::StartKeyInvalid.into(),
            fault => fault.into(),
        })
    }
}

/// A start key that is no key of the table, for what is left to be wrong with it.
pub(super) fn not_a_key(reason: KeyError) -> Error {
    ValidationError::StartKeyNotAKey { reason }.into()
}

/// Refuses a start key that the query would not have come to, if it is of another partition key
/// (`is_of_partition`), or if its sort key alone, under whatever partition key it comes with, does not meet the
/// condition on that (`meets_sort`; `None`: there is none).
pub(super) fn check_within_query(is_of_partition: bool, meets_sort: Option<bool>) -> Result<(), Error> {
    match (meets_sort, is_of_partition) {
        (None | Some(true), true) => Ok(()),
        (None, false) => Err(ValidationError::StartKeyOutsideQuery.into()),
        (Some(false), _) => Err(ValidationError::StartKeyOutsideRange.into()),
        (Some(true), false) => Err(ValidationError::QueryCannotRestart.into()),
    }
}

/// Judges the attributes of a scan's start key that are of the scanned index's own key.
pub(super) fn check_of_scan(source: &PageSource, key: &Item) -> Result<(), Error> {
    let Some(keys) = source.index_keys() else { return Ok(()) };
    let mut start = JudgedStartKey::new(key, keys.all_attributes().count())?;
    keys.placed_attributes().try_for_each(|(attribute, place)| start.check(attribute, place))
}

/// The start key of a scan that passed [`check_of_scan`].
pub(super) fn of_scan(source: &PageSource, key: &Item) -> Result<KeyBytes, Error> {
    let key_bytes = match source.index_keys() {
        None => source.table().keys.encode_key(key),
        Some(keys) => keys.encode_start_key(key),
    };
    key_bytes.map_err(not_a_key)
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
