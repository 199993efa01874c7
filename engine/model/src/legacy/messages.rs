//! Every text about legacy parameters that a client may see. Wording of spring 2026, like `crate::messages`.

use super::{ComparisonOperator, UpdateAction};
use crate::messages::INVALID_PARAMETER;
use crate::value::ValueKind;

/// An operator has too few or too many arguments.
pub fn argument_count(operator: ComparisonOperator) -> String {
    format!("{INVALID_PARAMETER}Invalid number of argument(s) for the {} ComparisonOperator", operator.name())
}

/// The arguments of one operator have different types.
pub fn argument_types_differ() -> String {
    format!("{INVALID_PARAMETER}AttributeValues inside AttributeValueList must be of same type")
}

/// An operator does not take arguments of this type.
pub fn argument_type(operator: ComparisonOperator, kind: ValueKind) -> String {
    format!(
        "{INVALID_PARAMETER}ComparisonOperator {} is not valid for {kind} AttributeValue type",
        operator.name()
    )
}

/// The bounds of `BETWEEN` are in the wrong order.
pub const BETWEEN_BOUNDS_REVERSED: &str =
    "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound";

/// Expected has both Value and AttributeValueList.
pub fn value_beside_list(attribute: &str) -> String {
    format!(
        "{INVALID_PARAMETER}Value and AttributeValueList cannot be used together for Attribute: {attribute}"
    )
}

/// Expected has both Exists and ComparisonOperator.
pub fn exists_beside_operator(attribute: &str) -> String {
    format!(
        "{INVALID_PARAMETER}Exists and ComparisonOperator cannot be used together for Attribute: {attribute}"
    )
}

/// Expected has an operator and nothing to compare with.
pub fn operator_without_values(operator: ComparisonOperator, attribute: &str) -> String {
    format!(
        "{INVALID_PARAMETER}Value or AttributeValueList must be used with ComparisonOperator: {} for Attribute: \
         {attribute}",
        operator.name()
    )
}

/// Expected has an AttributeValueList and no operator.
pub fn list_without_operator(attribute: &str) -> String {
    format!(
        "{INVALID_PARAMETER}AttributeValueList can only be used with a ComparisonOperator for Attribute: {attribute}"
    )
}

/// Expected wants an attribute to exist, but does not say with which value.
pub fn value_missing(exists: Option<bool>, attribute: &str) -> String {
    let exists = exists.map_or("null".to_owned(), |exists| exists.to_string());
    format!("{INVALID_PARAMETER}Value must be provided when Exists is {exists} for Attribute: {attribute}")
}

/// Expected wants an attribute not to exist, and says its value.
pub fn value_of_absent(attribute: &str) -> String {
    format!("{INVALID_PARAMETER}Value cannot be used when Exists is false for Attribute: {attribute}")
}

/// AttributeUpdates puts or adds nothing.
pub fn only_delete_without_value() -> String {
    format!("{INVALID_PARAMETER}Only DELETE action is allowed when no attribute value is specified")
}

/// AttributeUpdates adds or deletes what is neither a number nor members of a set.
pub fn update_action_type(action: UpdateAction, kind: ValueKind) -> String {
    let action = match action {
        UpdateAction::Delete => "DELETE action with value",
        UpdateAction::Put => "PUT action",
        UpdateAction::Add => "ADD action",
    };
    format!("{INVALID_PARAMETER}{action} is not supported for the type {kind}")
}

/// AttributesToGet names an attribute twice.
pub fn repeated_attribute(attribute: &str) -> String {
    format!("{INVALID_PARAMETER}Duplicate value in attribute name: {attribute}")
}

/// KeyConditions uses an operator that no key has. Told once the table is known.
pub const NOT_INDEXABLE: &str = "Attempted conditional constraint is not an indexable operation";

/// What AttributeUpdates says where an expression has [`UPDATE_OPERAND_TYPE`](crate::expression::messages::UPDATE_OPERAND_TYPE).
pub const UPDATE_TYPE_MISMATCH: &str = "Type mismatch for attribute to update";

/// What QueryFilter says where a FilterExpression has [`filter_on_key`](crate::expression::messages::filter_on_key).
pub fn query_filter_on_key(attribute: &str) -> String {
    format!("QueryFilter can only contain non-primary key attributes: Primary key attribute: {attribute}")
}
