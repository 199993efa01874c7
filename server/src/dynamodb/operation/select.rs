//! What Query and Scan share: which attributes they return, how fresh, and how a page is written.

use basalt_engine::{Consistency, ResultPage, Select};

use crate::dynamodb::constraint::{Constraints, Enumeration};
use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::json::Writer;
use crate::dynamodb::messages;
use crate::dynamodb::reply::ReturnConsumedCapacity;

/// The names of Select, as DynamoDB prints them.
pub(super) const SELECT: Enumeration<Select> = Enumeration(&[
    ("SPECIFIC_ATTRIBUTES", Select::SpecificAttributes),
    ("COUNT", Select::Count),
    ("ALL_ATTRIBUTES", Select::AllAttributes),
    ("ALL_PROJECTED_ATTRIBUTES", Select::AllProjectedAttributes),
]);

/// Which of the two operations words a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    Query,
    Scan,
}

/// The freshness that ConsistentRead asks for.
pub(super) fn consistency(consistent_read: Option<bool>) -> Consistency {
    match consistent_read {
        Some(true) => Consistency::Strong,
        Some(false) | None => Consistency::Eventual,
    }
}

/// A page's limit, which must be at least 1. Query tells it in the newer form, without the value.
pub(super) fn check_limit(constraints: &mut Constraints, reading: Reading, limit: Option<i64>) {
    match reading {
        Reading::Scan => constraints.number("limit", limit, 1..=i64::MAX),
        Reading::Query => {
            if limit.is_some_and(|limit| limit < 1) {
                constraints.add(messages::violation_without_value("Limit", messages::value_at_least(1)));
            }
        }
    }
}

/// What to select, given what else the request has.
pub(super) fn select(
    asked: Option<Select>,
    reading: Reading,
    has_projection: bool,
    has_index: bool,
) -> Result<Select, ApiError> {
    let refuse = |message: &str| Err(ApiError::validation(message));
    match (asked, has_projection) {
        (None, true) => Ok(Select::SpecificAttributes),
        (None, false) if has_index => Ok(Select::AllProjectedAttributes),
        (None, false) => Ok(Select::AllAttributes),
        (Some(Select::AllAttributes), true) => refuse(messages::PROJECTION_WITH_ALL_ATTRIBUTES),
        (Some(Select::Count), true) => refuse(messages::PROJECTION_WITH_COUNT),
        (Some(Select::AllProjectedAttributes), _) if !has_index => {
            refuse(messages::ALL_PROJECTED_WITHOUT_INDEX)
        }
        (Some(Select::AllProjectedAttributes), true) => refuse(messages::PROJECTION_WITH_ALL_PROJECTED),
        (Some(Select::SpecificAttributes), false) => {
            let bare = messages::SPECIFIC_WITHOUT_PROJECTION;
            match reading {
                Reading::Query => refuse(&messages::invalid_parameter(bare)),
                Reading::Scan => refuse(bare),
            }
        }
        (Some(select), _) => Ok(select),
    }
}

/// The limit as the engine takes it; more than it can count is no limit.
pub(super) fn limit(limit: Option<i64>) -> Option<u32> {
    limit.and_then(|limit| u32::try_from(limit).ok())
}

/// Writes the reply of a query or scan.
pub(super) fn write_page(
    page: &ResultPage,
    select: Select,
    capacity: ReturnConsumedCapacity,
    table_name: &str,
) -> Result<Vec<u8>, ApiError> {
    let mut writer = Writer::default();
    let mut members = writer.object();
    if select != Select::Count {
        members.items("Items", &page.items)?;
    }
    members.value_of("Count").display(page.count);
    members.value_of("ScannedCount").display(page.scanned_count);
    if let Some(key) = &page.last_evaluated_key {
        members.value_of("LastEvaluatedKey").attributes(key);
    }
    members.consumed_capacity(capacity, table_name, page.capacity);
    drop(members);
    Ok(writer.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_select_the_rest_of_the_request_decides() {
        assert_eq!(select(None, Reading::Query, true, false).unwrap(), Select::SpecificAttributes);
        assert_eq!(select(None, Reading::Query, false, true).unwrap(), Select::AllProjectedAttributes);
        assert_eq!(select(None, Reading::Scan, false, false).unwrap(), Select::AllAttributes);
    }

    #[test]
    fn contradictions_are_refused() {
        let refused = |asked, reading, has_projection, has_index| {
            select(Some(asked), reading, has_projection, has_index).unwrap_err().message().to_owned()
        };
        assert_eq!(
            refused(Select::AllAttributes, Reading::Query, true, false),
            "Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES"
        );
        assert_eq!(
            refused(Select::SpecificAttributes, Reading::Scan, false, false),
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"
        );
        assert!(refused(Select::SpecificAttributes, Reading::Query, false, false).starts_with("One or more"));
        assert!(refused(Select::AllProjectedAttributes, Reading::Query, false, false).contains("IndexName"));
    }
}
