//! Every text that DynamoDB shows for values, numbers, items and keys, in one table.
//!
//! The wording is that of spring 2026, which the public conformance suites hold; AWS moves to another one
//! operation by operation, so no text is written anywhere else. Those of expressions: `expression::messages`.

use crate::value::ValueKind;

/// Put before most faults of parameter values.
pub const INVALID_PARAMETER: &str = "One or more parameter values were invalid: ";

/// A number's text is none of the accepted forms.
pub fn not_a_number(text: &str) -> String {
    if text.is_empty() {
        "The parameter cannot be converted to a numeric value".to_owned()
    } else {
        format!("The parameter cannot be converted to a numeric value: {text}")
    }
}

/// A number has more significant digits than are kept.
pub const NUMBER_TOO_PRECISE: &str = "Attempting to store more than 38 significant digits in a Number";
/// A number, or the result of an addition, is too large or needs too many digits.
pub const NUMBER_OVERFLOW: &str =
    "Number overflow. Attempting to store a number with magnitude larger than supported range";
/// A number is too close to zero.
pub const NUMBER_UNDERFLOW: &str =
    "Number underflow. Attempting to store a number with magnitude smaller than supported range";

/// An item lacks a key attribute.
pub fn missing_key(name: &str) -> String {
    format!("{INVALID_PARAMETER}Missing the key {name} in the item")
}

/// A key attribute of an item has another type.
pub fn key_type_mismatch(name: &str, expected: ValueKind, actual: ValueKind) -> String {
    format!("{INVALID_PARAMETER}Type mismatch for key {name} expected: {expected} actual: {actual}")
}

/// An attribute of an item has another type than an index's key.
pub fn index_key_type_mismatch(
    name: &str,
    expected: ValueKind,
    actual: ValueKind,
    index_name: &str,
) -> String {
    format!(
        "{INVALID_PARAMETER}Type mismatch for Index Key {name} Expected: {expected} Actual: {actual} IndexName: \
         {index_name}"
    )
}

/// A key argument does not hold exactly the key attributes with their types.
pub const KEY_SCHEMA_MISMATCH: &str = "The provided key element does not match the schema";

/// A key attribute is an empty text or byte string.
pub fn empty_key_value(name: &str, kind: ValueKind) -> String {
    let kind = if kind == ValueKind::B { "binary" } else { "string" };
    format!(
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
         empty {kind} value. Key: {name}"
    )
}

/// An attribute of an item to be written is an empty text or byte string and would be part of an index's key.
pub fn empty_index_key_value(name: &str, kind: ValueKind, index_name: &str) -> String {
    let kind = if kind == ValueKind::B { "binary" } else { "string" };
    format!(
        "One or more parameter values are not valid. A value specified for a secondary index key is not supported. \
         The AttributeValue for a key attribute cannot contain an empty {kind} value. IndexName: {index_name}, \
         IndexKey: {name}"
    )
}

/// A partition key is too long; the missing space is DynamoDB's.
pub const PARTITION_KEY_TOO_LONG: &str = "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes";
/// A sort key is too long.
pub const SORT_KEY_TOO_LONG: &str = "One or more parameter values were invalid: Aggregated size of all range keys has \
     exceeded the size limit of 1024 bytes";

/// An attribute value has no type.
pub const NO_DATATYPE: &str =
    "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes";
/// An attribute value has more than one type.
pub const SEVERAL_DATATYPES: &str = "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes";
/// A `NULL` is not true.
pub const NULL_NOT_TRUE: &str =
    "One or more parameter values were invalid: Null attribute value types must have the value of true";
/// A set of texts has no members; the two spaces are DynamoDB's.
pub const EMPTY_STRING_SET: &str =
    "One or more parameter values were invalid: An string set  may not be empty";
/// A set of numbers has no members; the two spaces are DynamoDB's.
pub const EMPTY_NUMBER_SET: &str =
    "One or more parameter values were invalid: An number set  may not be empty";
/// A set of byte strings has no members.
pub const EMPTY_BINARY_SET: &str =
    "One or more parameter values were invalid: Binary sets should not be empty";
/// A set of numbers has a member twice.
pub const DUPLICATE_NUMBERS: &str = "Input collection contains duplicates";

/// A set of texts has a member twice.
pub fn duplicate_strings(members: &[String]) -> String {
    format!("{INVALID_PARAMETER}Input collection [{}] contains duplicates.", members.join(", "))
}

/// A set of byte strings, here in base64, has a member twice; the missing space is DynamoDB's.
pub fn duplicate_binaries(members: &[String]) -> String {
    format!("{INVALID_PARAMETER}Input collection [{}]of type BS contains duplicates.", members.join(", "))
}

/// Values are nested too deep.
pub const NESTED_TOO_DEEP: &str = "Nesting Levels have exceeded supported limits: Attributes in the item have nested \
     levels beyond supported limit";
/// An item to be put is too large.
pub const ITEM_TOO_LARGE: &str = "Item size has exceeded the maximum allowed size";
/// An item would become too large by an update.
pub const UPDATED_ITEM_TOO_LARGE: &str = "Item size to update has exceeded the maximum allowed size";
/// A name is empty. The wording is ours: DynamoDB's was not observed.
pub const EMPTY_NAME: &str = "One or more parameter values were invalid: Attribute names must not be empty";
/// A name is too long. The wording is ours: DynamoDB's was not observed.
pub const NAME_TOO_LONG: &str =
    "One or more parameter values were invalid: Attribute names must not be longer than 65535 bytes";
