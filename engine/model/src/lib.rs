//! Values, numbers, keys, items and expressions of DynamoDB.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
