//! ExclusiveStartKey: where a page of a query or scan starts.

use basalt_engine::model::{Item, ValueError};

use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::json::AttributeMap;
use crate::dynamodb::messages;

/// The start key, if there is one and its values keep the rules.
pub(super) fn start_key(key: Option<AttributeMap>) -> Result<Option<Item>, ApiError> {
    key.map(AttributeMap::checked_item).transpose().map_err(|fault| ApiError::validation(text(&fault)))
}

/// Most faults get a prefix here; those of numbers, duplicates and number sets do not.
fn text(fault: &ValueError) -> String {
    match fault {
        ValueError::Number(_)
        | ValueError::EmptyNumberSet
        | ValueError::DuplicateNumbers
        | ValueError::DuplicateStrings { .. }
        | ValueError::DuplicateBinaries { .. } => fault.to_string(),
        _ => messages::invalid_start_key(fault),
    }
}
