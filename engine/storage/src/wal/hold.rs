//! Stops the log for a moment, and keeps its segments: what a snapshot of several shards is cut with.
//!
//! While the logs of all shards are held, what is durable in them is durable at one and the same instant, so it is
//! what a crash at that instant would have left.

use std::{path::PathBuf, rc::Rc};

use super::log::{Closing, Log, Wal};
use crate::ids::Lsn;

/// Keeps a log from writing another frame until it is dropped. Appending goes on, into memory.
pub struct LogHold {
    log: Rc<Log>,
}

/// Keeps a log's segments as they are, from being used again, until it is dropped.
pub struct LogPin {
    log: Rc<Log>,
    segments: Vec<PinnedSegment>,
}

/// A segment as far as it was durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedSegment {
    /// Its file.
    pub path: PathBuf,
    /// Length of the file.
    pub size_bytes: u64,
    /// Where the last durable frame ends in it.
    pub end_offset: u64,
}

impl Wal {
    /// Waits until no frame is on its way to the disk, and lets none begin as long as the result lives.
    pub async fn hold(&self) -> LogHold {
        let log = Rc::clone(&self.log);
        log.holders.set(log.holders.get() + 1);
        log.work.notify_all();
        let hold = LogHold { log };
        let log = &hold.log;
        log.progress.wait_until(|| log.is_held.get() || log.closing.get() == Closing::Closed).await;
        hold
    }

    /// Pins the segments that there are, up to what is durable.
    pub fn pin(&self) -> LogPin {
        let log = Rc::clone(&self.log);
        log.pins.set(log.pins.get() + 1);
        let segments = log.durable_segments();
        LogPin { log, segments }
    }
}

impl LogPin {
    /// The segments, oldest first.
    pub fn segments(&self) -> &[PinnedSegment] {
        &self.segments
    }
}

impl Drop for LogHold {
    fn drop(&mut self) {
        self.log.holders.set(self.log.holders.get() - 1);
        self.log.work.notify_all();
    }
}

impl Drop for LogPin {
    fn drop(&mut self) {
        self.log.pins.set(self.log.pins.get() - 1);
        self.log.recycle();
    }
}

impl Log {
    /// Where the writer stands still for as long as somebody holds the log.
    pub(super) async fn pause_while_held(&self) {
        while self.holders.get() > 0 {
            self.is_held.set(true);
            self.announce_progress();
            self.work.notified().await;
        }
        self.is_held.set(false);
    }

    fn durable_segments(&self) -> Vec<PinnedSegment> {
        let durable = self.durable_lsn.get();
        let mut segments: Vec<PinnedSegment> = self
            .sealed
            .borrow()
            .iter()
            .filter_map(|sealed| {
                let end = sealed.end_lsn.min(durable);
                pinned(sealed.file.path.clone(), sealed.file.size_bytes, sealed.base_lsn, end)
            })
            .collect();
        if let Some(active) = &*self.active.borrow() {
            segments.extend(pinned(
                active.file.path().to_owned(),
                active.size_bytes,
                active.base_lsn,
                durable,
            ));
        }
        segments
    }
}

/// A segment, unless nothing of it is durable.
fn pinned(path: PathBuf, size_bytes: u64, base_lsn: Lsn, end: Lsn) -> Option<PinnedSegment> {
    let end_offset = end.since(base_lsn).filter(|&offset| offset > 0)?;
    Some(PinnedSegment { path, size_bytes, end_offset })
}
