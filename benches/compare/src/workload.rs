//! How much every engine is asked to do. Keys and values are those of `basalt_benches::workload`.

use std::time::Duration;

/// One engine's round.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Items loaded before anything is measured.
    pub items: u64,
    /// How long each measurement runs.
    pub duration: Duration,
    /// Clients of the group-commit row.
    pub clients: usize,
}
