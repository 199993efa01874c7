//! Workloads and the ways to measure them, shared by the criterion benches, the HTTP load driver and the comparison
//! with other engines (`compare/`).
//!
//! Everything is numbered: key, value and item of a number are the same for every engine, every run and every
//! program, so that what was written can be checked without remembering it.
#![warn(missing_docs)]

pub mod engine_under_test;
pub mod keys;
pub mod report;
pub mod server_process;
pub mod shard_thread;
pub mod store_under_test;
pub mod test_item;
pub mod workload;
