//! Select: which attributes Query and Scan return, given what else the request has.

use basalt_engine::Select;

use super::page_request::Reading;
use crate::dynamodb::constraint::Enumeration;
use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::messages;

/// The names of Select, as DynamoDB prints them.
pub(super) const SELECT: Enumeration<Select> = Enumeration(&[
    ("SPECIFIC_ATTRIBUTES", Select::SpecificAttributes),
    ("COUNT", Select::Count),
    ("ALL_ATTRIBUTES", Select::AllAttributes),
    ("ALL_PROJECTED_ATTRIBUTES", Select::AllProjectedAttributes),
]);

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
