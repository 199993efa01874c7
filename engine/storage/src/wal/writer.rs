//! The task that writes frames, one at a time.
//!
//! While a frame is being written and synced the next one fills; that is group commit. Five milliseconds after the
//! last acknowledged frame a Seal follows, without a sync of its own: it tells recovery that the frame before it was
//! durable. A segment is left when the next frame and a Seal do not fit; the next segment's header goes to the disk
//! in one write with its first frame, after everything before is durable.

use std::{io, path::PathBuf, rc::Rc, time::Duration};

use basalt_format::wal::{FrameHeader, RecordKind, SegmentHeader};
use basalt_runtime::{
    AlignedBuffer, DirectMode, File, MonotonicTime, OpenOptions, planted, sometimes, timeout,
};

use super::{
    calibration::SyncMethod,
    frame_queue::{ClosedFrame, FramePlace, PendingFrame},
    log::{Closing, Log, SealedSegment, note},
    segment::{BLOCK_BYTES, ChainEnd, FIRST_FRAME_OFFSET, UnusedFile},
    spares::Filled,
};
use crate::{
    error::{DiskOperation, StorageError},
    ids::{Lsn, PartitionId},
    recovery::StreamLog,
};

/// How long after the last acknowledged frame the Seal is written.
const SEAL_AFTER: Duration = Duration::from_millis(5);
/// Kept free at the end of each segment for a Seal: one block.
const SEAL_BYTES: u64 = BLOCK_BYTES;

/// The segment that frames go to.
pub(super) struct ActiveSegment {
    pub(super) file: File,
    sequence: u64,
    salt: u64,
    pub(super) base_lsn: Lsn,
    pub(super) size_bytes: u64,
    /// Where the next frame starts.
    offset: u64,
    frame_count: u64,
    /// A Seal was written that no sync has covered yet.
    has_unsynced_seal: bool,
    opened_at: MonotonicTime,
}

/// Whether a frame is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Durability {
    /// It is synced, and acknowledged then.
    Synced,
    /// It is only written.
    Written,
}

/// A frame with its place, about to be written.
struct PlacedFrame {
    file: File,
    offset: u64,
    frame: ClosedFrame,
}

/// Writes frames as they come, until the log is closed.
pub(super) async fn write_forever(log: Rc<Log>) {
    let mut is_sealed = true;
    loop {
        log.pause_while_held().await;
        let next = log.queue.borrow_mut().take();
        if let Some(frame) = next {
            log.write(frame, Durability::Synced).await;
            is_sealed = false;
        } else if log.closing.get() == Closing::Requested {
            log.close().await;
            return;
        } else if log.wait_for_work(is_sealed).await == Work::SealIsDue {
            let durability = if log.can_release() { Durability::Synced } else { Durability::Written };
            log.seal(durability).await;
            is_sealed = true;
        }
    }
}

/// Why the writer woke up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// Something may have been appended, or the log is to close.
    Arrived,
    /// Nothing came for five milliseconds.
    SealIsDue,
}

impl Log {
    async fn wait_for_work(&self, is_sealed: bool) -> Work {
        let has_segment = self.active.borrow().is_some();
        if !has_segment || is_sealed && !self.can_release() {
            self.work.notified().await;
            return Work::Arrived;
        }
        match timeout(&self.handle, SEAL_AFTER, self.work.notified()).await {
            Some(()) => Work::Arrived,
            None => Work::SealIsDue,
        }
    }

    /// Whether a durable frame that says what is needed now would release a segment.
    fn can_release(&self) -> bool {
        let needed = self.needed_low.get().min(self.durable_lsn.get());
        let sealed = self.sealed.borrow();
        sealed.front().is_some_and(|oldest| oldest.end_lsn <= needed && needed > self.durable_needed.get())
    }

    async fn seal(&self, durability: Durability) {
        sometimes!(durability == Durability::Synced, "wal seal releases segments");
        let frame = {
            let mut queue = self.queue.borrow_mut();
            queue.append(&note(RecordKind::Seal, PartitionId::default(), 0, &[]));
            queue.take()
        };
        self.write(frame.expect("a record was appended just now"), durability).await;
    }

    async fn close(&self) {
        if self.active.borrow().is_some() {
            self.seal(Durability::Synced).await;
        }
        self.closing.set(Closing::Closed);
        self.announce_progress();
    }

    async fn write(&self, frame: PendingFrame, durability: Durability) {
        let reserve = if durability == Durability::Synced { SEAL_BYTES } else { 0 };
        let needed_bytes = frame.frame_bytes() + reserve;
        let fits = self.active.borrow().as_ref().is_some_and(|active| active.free_bytes() >= needed_bytes);
        let placed = if fits { self.place(frame) } else { self.roll_over(frame).await };
        let header = placed.frame.header;
        let end = ChainEnd::after(self.active_sequence(), &header, self.identity.log_salt);
        self.chain.set(end);
        self.queue.borrow_mut().placed(end.lsn);
        let bytes = placed.frame.bytes.len() as u64;
        let buffer = match durability {
            Durability::Synced => self.write_synced(placed).await,
            Durability::Written => self.write_unsynced(placed).await,
        };
        self.queue.borrow_mut().give_back(buffer);
        self.count(bytes, durability);
    }

    /// Closes a frame for the active segment.
    fn place(&self, frame: PendingFrame) -> PlacedFrame {
        let mut active = self.active.borrow_mut();
        let active = active.as_mut().expect("a frame fits only into a segment that is open");
        let place = self.frame_place(active.base_lsn.advance(active.offset), active.salt);
        let frame = frame.close(&place);
        let offset = active.offset;
        active.offset += frame.header.frame_bytes();
        active.frame_count += 1;
        PlacedFrame { file: active.file.clone(), offset, frame }
    }

    fn frame_place(&self, lsn: Lsn, segment_salt: u64) -> FramePlace {
        let durable_lsn = self.durable_lsn.get();
        FramePlace {
            stream: self.identity.stream.get(),
            lsn,
            durable_lsn,
            needed_lsn: self.needed_low.get().min(durable_lsn),
            previous_hash: self.chain.get().hash,
            segment_salt,
            log_salt: self.identity.log_salt,
        }
    }

    /// Opens the next segment with `frame`.
    async fn roll_over(&self, frame: PendingFrame) -> PlacedFrame {
        self.leave_segment().await;
        let size_min = FIRST_FRAME_OFFSET + frame.opening_frame_bytes() + SEAL_BYTES;
        let spare = self.spares.take(size_min).await;
        let file = self.open_segment_file(&spare).await;
        let header = self.segment_header(&spare, &frame);
        let base_lsn = Lsn::new(header.base_lsn);
        let place = self.frame_place(base_lsn.advance(FIRST_FRAME_OFFSET), header.salt);
        let buffer = self.queue.borrow_mut().buffer();
        let (frame, emptied) = frame.close_opening(&place, &header, buffer);
        self.queue.borrow_mut().give_back(emptied);
        self.next_segment.set(header.sequence + 1);
        self.next_base_lsn.set(Lsn::new(header.file_end_lsn()));
        self.active.replace(Some(ActiveSegment {
            file: file.clone(),
            sequence: header.sequence,
            salt: header.salt,
            base_lsn,
            size_bytes: header.size_bytes,
            offset: FIRST_FRAME_OFFSET + frame.header.frame_bytes(),
            frame_count: 1,
            has_unsynced_seal: false,
            opened_at: self.handle.now(),
        }));
        self.counters
            .update(|counters| super::WalCounters { segment_count: counters.segment_count + 1, ..counters });
        PlacedFrame { file, offset: 0, frame }
    }

    /// Puts the active segment among the sealed ones, everything in it durable.
    async fn leave_segment(&self) {
        let Some(active) = self.active.take() else { return };
        if active.has_unsynced_seal {
            // The next segment's header says that this one is durable up to its end.
            let synced = active.file.sync_data().await;
            self.abort_unless("sync", active.file.path().to_owned(), synced);
        }
        let took = self.handle.now() - active.opened_at;
        let filled = Filled { took, mean_frame_bytes: active.offset / active.frame_count.max(1) };
        self.spares.follow_load(filled, self.segment_bytes_max());
        let file = UnusedFile { path: active.file.path().to_owned(), size_bytes: active.size_bytes };
        let (base_lsn, end_lsn) = (active.base_lsn, self.chain.get().lsn);
        self.sealed.borrow_mut().push_back(SealedSegment { file, base_lsn, end_lsn });
    }

    async fn open_segment_file(&self, spare: &UnusedFile) -> File {
        let data_sync = self.sync_method.get() == SyncMethod::DataSync && !breaks_sync();
        let options = OpenOptions::new().write(true).direct(DirectMode::Direct).data_sync(data_sync);
        match self.handle.open_file(&spare.path, options).await {
            Ok(file) => file,
            Err(error) => self.abort("open", &spare.path, &error),
        }
    }

    fn segment_header(&self, spare: &UnusedFile, frame: &PendingFrame) -> SegmentHeader {
        let mut incarnation_uuid = [0; 16];
        self.handle.fill_entropy(&mut incarnation_uuid);
        SegmentHeader {
            cluster_uuid: self.identity.cluster_uuid,
            incarnation_uuid,
            node_id: self.identity.node_id,
            stream: self.identity.stream.get(),
            sequence: self.next_segment.get(),
            base_lsn: self.next_base_lsn.get().get(),
            size_bytes: spare.size_bytes,
            first_frame_sequence: frame.sequence().get(),
            salt: self.handle.random_u64(),
            predecessor: self.chain.get().as_predecessor(),
            created_us: self.handle.unix_time().as_micros(),
        }
    }

    /// Writes and syncs a frame, then acknowledges it.
    async fn write_synced(&self, placed: PlacedFrame) -> AlignedBuffer {
        let PlacedFrame { file, offset, frame: ClosedFrame { header, bytes } } = placed;
        let started = self.handle.now();
        if planted!(AcknowledgeBeforeLogSync) {
            let (written, bytes) = file.write_at(bytes, offset).await;
            self.abort_unless("write", file.path().to_owned(), written);
            self.acknowledge(&header);
            self.abort_unless("sync", file.path().to_owned(), file.sync_data().await);
            return bytes;
        }
        let (mut result, bytes) = if planted!(SkipLogSync) {
            file.write_at(bytes, offset).await
        } else {
            file.write_and_sync_at(bytes, offset).await
        };
        if result.is_err() && planted!(RetryFailedSync) {
            result = file.sync_data().await;
        }
        self.abort_unless("write and sync", file.path().to_owned(), result);
        self.last_sync_took.set(self.handle.now() - started);
        self.acknowledge(&header);
        bytes
    }

    /// Writes a frame that nobody waits for.
    async fn write_unsynced(&self, placed: PlacedFrame) -> AlignedBuffer {
        let PlacedFrame { file, offset, frame } = placed;
        let (written, bytes) = file.write_at(frame.bytes, offset).await;
        self.abort_unless("write", file.path().to_owned(), written);
        if let Some(active) = self.active.borrow_mut().as_mut() {
            active.has_unsynced_seal = true;
        }
        bytes
    }

    fn acknowledge(&self, header: &FrameHeader) {
        let end = Lsn::new(header.end_lsn());
        assert!(end > self.durable_lsn.get(), "the durable position only grows");
        self.durable_frame.set(crate::ids::FrameSequence::new(header.sequence));
        self.durable_lsn.set(end);
        self.durable_needed.set(Lsn::new(header.needed_lsn).max(self.durable_needed.get()));
        self.last_durable_at.set(self.handle.now());
        if let Some(active) = self.active.borrow_mut().as_mut() {
            active.has_unsynced_seal = false;
        }
        self.recycle();
        self.frame_waits.call_through(self.durable_frame.get());
        self.announce_progress();
    }

    /// Gives segments that a durable frame says are not needed back for use.
    pub(super) fn recycle(&self) {
        if self.pins.get() > 0 {
            return;
        }
        let needed = self.durable_needed.get();
        let mut sealed = self.sealed.borrow_mut();
        while sealed.front().is_some_and(|oldest| oldest.end_lsn <= needed || planted!(RecycleSegmentEarly)) {
            sometimes!("wal segment recycled");
            let oldest = sealed.pop_front().expect("it was looked at just now");
            self.spares.offer(oldest.file);
        }
    }

    fn active_sequence(&self) -> u64 {
        self.active.borrow().as_ref().map_or(0, |active| active.sequence)
    }

    fn count(&self, bytes: u64, durability: Durability) {
        self.counters.update(|counters| super::WalCounters {
            frame_count: counters.frame_count + 1,
            sync_count: counters.sync_count + u64::from(durability == Durability::Synced),
            written_bytes: counters.written_bytes + bytes,
            ..counters
        });
    }

    /// A failed write or sync of the log ends the process: what the device holds now, only a restart can tell.
    fn abort_unless(&self, operation: &str, path: PathBuf, result: io::Result<()>) {
        if let Err(error) = result {
            self.abort(operation, &path, &error);
        }
    }

    fn abort(&self, operation: &str, path: &std::path::Path, error: &io::Error) -> ! {
        sometimes!("wal write or sync failed");
        self.handle.abort_process(&format!("log {operation} of {} failed: {error}", path.display()))
    }
}

impl ActiveSegment {
    pub(super) fn free_bytes(&self) -> u64 {
        self.size_bytes - self.offset
    }
}

/// Whether a planted bug needs writes that are not durable by themselves.
fn breaks_sync() -> bool {
    planted!(SkipLogSync) || planted!(AcknowledgeBeforeLogSync)
}

/// The planted mistake of going on behind a torn tail, in the old segment, as if nothing stood there.
pub(super) async fn reopen_last_segment(log: &Log, judged: &StreamLog) -> Result<(), StorageError> {
    let Some(last) = judged.segments.last() else { return Ok(()) };
    let options = OpenOptions::new().write(true).direct(DirectMode::Direct);
    let opened = log.handle.open_file(&last.path, options).await;
    let file = opened.map_err(|error| StorageError::disk(DiskOperation::Open, &last.path, error))?;
    let base_lsn = Lsn::new(last.header.base_lsn);
    log.active.replace(Some(ActiveSegment {
        file,
        sequence: last.header.sequence,
        salt: last.header.salt,
        base_lsn,
        size_bytes: last.header.size_bytes,
        offset: last.end_lsn.since(base_lsn).expect("a segment ends behind its base"),
        frame_count: 0,
        has_unsynced_seal: false,
        opened_at: log.handle.now(),
    }));
    log.sealed.borrow_mut().pop_back();
    log.queue.replace(super::frame_queue::FrameQueue::new(1 << 20, judged.end.frame.next(), judged.end.lsn));
    log.durable_frame.set(judged.end.frame);
    Ok(())
}
