//! The DynamoDB HTTP API on basalt-engine.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
