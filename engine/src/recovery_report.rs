//! What an engine found when it was opened.

use std::{fmt, time::Duration};

/// What an engine found and did when it was opened; `Display` is the line that the daemon logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoveryReport {
    /// The directory was empty.
    pub is_new: bool,
    /// Tables in the catalog.
    pub table_count: usize,
    /// Entries that were only in the log and were brought into memory.
    pub entry_count: u64,
    /// Bytes of log read, by all shards together.
    pub log_bytes: u64,
    /// From the first look to serving.
    pub duration: Duration,
}

impl fmt::Display for RecoveryReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.duration.as_millis();
        if self.is_new {
            return write!(formatter, "started with a new directory in {milliseconds} ms");
        }
        let Self { table_count, entry_count, log_bytes, .. } = self;
        write!(
            formatter,
            "recovered {table_count} tables and {entry_count} entries from {log_bytes} bytes of log in {milliseconds} ms"
        )
    }
}
