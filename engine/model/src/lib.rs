//! Values, numbers, keys, items and expressions of DynamoDB.
//!
//! Pure: no I/O, no clock, no async, and nothing that depends on where data is kept. Everything that a request
//! may say wrongly is a typed error whose text is DynamoDB's own.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod messages;
pub mod number;
pub mod value;

pub use number::{Number, NumberError};
pub use value::{Set, SetError, Value, ValueKind};
