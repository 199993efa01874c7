//! Tests of the daemon through the official Rust SDK; see `tests/`.
