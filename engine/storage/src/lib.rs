//! Write-ahead log, B+tree, checkpoint and recovery.
#![warn(missing_docs)]
