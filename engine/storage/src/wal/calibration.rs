//! Finds out how this device makes a write durable fastest.
//!
//! A write linked to its fdatasync is two to six times faster than an O_DSYNC write on some devices and slower on
//! others (EVIDENCE §2.1), so both are measured on a prepared segment, in the log's first idle moment. Starting never
//! waits for it; until then the linked sync is used. The measured file stays a file of zeros.

use std::{io, rc::Rc, time::Duration};

use basalt_runtime::{AlignedBuffer, DirectMode, File, OpenOptions};

use super::{
    log::{Closing, Log},
    segment::UnusedFile,
};

/// How long nothing must have been acknowledged.
const IDLE: Duration = Duration::from_secs(1);
/// Writes measured with each method, in turns: the device's moods hit both.
const ROUNDS: usize = 16;
/// Bytes of a measured write: an ordinary frame, and no more than the smallest segment.
const WRITE_BYTES: u64 = 8192;

/// How a frame is made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SyncMethod {
    /// A direct write, and an fdatasync linked to it.
    LinkedSync,
    /// A direct write to a file opened with O_DSYNC.
    DataSync,
}

impl SyncMethod {
    /// A word for logs and metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::LinkedSync => "linked fdatasync",
            Self::DataSync => "O_DSYNC",
        }
    }
}

/// Measures once, in the first idle second, and sets the method for the segments opened from then on.
pub(super) async fn calibrate_when_idle(log: Rc<Log>) {
    loop {
        log.handle.sleep(IDLE).await;
        if log.closing.get() != Closing::Open {
            return;
        }
        let is_idle = log.handle.now() - log.last_durable_at.get() >= IDLE && log.queue.borrow().is_empty();
        if !is_idle {
            continue;
        }
        let Some(spare) = log.spares.lend() else { continue };
        let measured = measure(&log, &spare).await;
        log.spares.put_back(spare);
        match measured {
            Ok(Some(method)) => {
                log.sync_method.set(method);
                return;
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "sync methods could not be measured; keeping the linked fdatasync");
                return;
            }
        }
    }
}

/// The faster method; `None` if a record came in between.
async fn measure(log: &Log, spare: &UnusedFile) -> io::Result<Option<SyncMethod>> {
    let options = OpenOptions::new().write(true).direct(DirectMode::Direct);
    let linked = log.handle.open_file(&spare.path, options).await?;
    let data_sync = log.handle.open_file(&spare.path, options.data_sync(true)).await?;
    let mut linked_times = Vec::with_capacity(ROUNDS);
    let mut data_sync_times = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        if !log.queue.borrow().is_empty() {
            return Ok(None);
        }
        // Round and round inside the file: a write must not make it longer.
        let offset = (round as u64 % (spare.size_bytes / WRITE_BYTES)) * WRITE_BYTES;
        linked_times.push(time_write(log, &linked, offset).await?);
        data_sync_times.push(time_write(log, &data_sync, offset).await?);
    }
    let (linked, data_sync) = (median(linked_times), median(data_sync_times));
    let method = if data_sync < linked { SyncMethod::DataSync } else { SyncMethod::LinkedSync };
    tracing::info!(
        stream = log.identity.stream.get(),
        linked_us = linked.as_micros() as u64,
        data_sync_us = data_sync.as_micros() as u64,
        method = method.name(),
        "log sync methods measured"
    );
    Ok(Some(method))
}

async fn time_write(log: &Log, file: &File, offset: u64) -> io::Result<Duration> {
    let started = log.handle.now();
    let (written, _) = file.write_and_sync_at(AlignedBuffer::zeroed(WRITE_BYTES as usize), offset).await;
    written.map(|()| log.handle.now() - started)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or(Duration::MAX)
}
