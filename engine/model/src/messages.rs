//! Every text that DynamoDB shows for values, numbers, items and keys, in one table.
//!
//! The wording is that of spring 2026, which the public conformance suites hold; AWS moves to another one
//! operation by operation, so no text is written anywhere else. Those of expressions: `expression::messages`.

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
