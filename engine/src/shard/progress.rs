//! Tells how far a long replay has come.

use std::time::Duration;

use basalt_runtime::{Handle, MonotonicTime};

/// A replay that takes longer than this tells how far it is, and again after as long.
const TIME_BETWEEN_LINES: Duration = Duration::from_secs(1);

/// One shard's progress lines.
pub(super) struct Progress {
    last_line: MonotonicTime,
}

impl Progress {
    pub(super) fn new(handle: &Handle) -> Self {
        Self { last_line: handle.now() }
    }

    /// Writes a line if it is time for one.
    pub(super) fn tell(&mut self, handle: &Handle, log_bytes: u64) {
        let now = handle.now();
        if now - self.last_line >= TIME_BETWEEN_LINES {
            self.last_line = now;
            tracing::info!(shard = handle.shard().0, log_bytes, "replaying the log");
        }
    }
}
