//! Workloads and measured results.
#![warn(missing_docs)]
