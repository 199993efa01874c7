//! The log's handle, and what its tasks share.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::VecDeque,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use basalt_format::wal::{CheckpointDone, Cut, Effect, FRAME_BYTES_MAX, Record, RecordKind, record_bytes};
use basalt_runtime::{Either, Handle, MonotonicTime, local::Event, race, sometimes};

use super::{
    calibration::{self, SyncMethod},
    frame_queue::{FrameQueue, fits_a_frame},
    frame_waits::FrameWaits,
    segment::{ChainEnd, StreamIdentity, UnusedFile, log_directory, stream_directory, whole_blocks},
    spares::{self, Spares},
    writer::{self, ActiveSegment},
};
use crate::{
    error::{DiskOperation, StorageError},
    ids::{EntryIndex, FrameSequence, Generation, HybridTime, Lsn, PartitionId, StreamId},
    recovery::{NodeFacts, StreamLog},
    reserve::{Reserve, Taker},
};

/// A segment is at most this part of the budget, so that recycling frees the log in small steps.
const SEGMENTS_PER_BUDGET: u64 = 8;
/// The largest segment, but for one that a giant frame opens: what is prepared ahead takes space and time, and an idle log
/// keeps the one that it writes to.
const SEGMENT_BYTES_MAX: u64 = 8 << 20;
/// Frames that may wait for the disk, in soft limits: beyond, writers wait instead of filling memory.
const WAITING_FRAMES_MAX: u64 = 4;

/// Kept on a full device for the headers and padding of waiting frames, and for the log's own notes.
const NOTES_BYTES: u64 = 64 << 10;
/// Room for entries that a full device is emptied with, before they are known.
const FREEING_BYTES: usize = 64 << 10;

/// What a log is opened with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalOptions {
    /// Bytes of log that may be needed before writers wait.
    pub budget_bytes: u64,
    /// Bytes at which a frame takes no more records.
    pub frame_soft_limit_bytes: u32,
    /// Bytes of the smallest segment: what an idle log takes on the disk. A multiple of a block.
    pub segment_bytes_min: u64,
}

impl WalOptions {
    /// Segments from 1 MiB on.
    pub fn new(budget_bytes: u64, frame_soft_limit_bytes: u32) -> Self {
        Self { budget_bytes, frame_soft_limit_bytes, segment_bytes_min: 1 << 20 }
    }
}

/// A record's place on its way to the disk. Ordered by frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    /// The record is durable when this frame is.
    pub frame: FrameSequence,
    /// The record lies here or behind.
    pub lsn: Lsn,
}

/// A row's key, and its new value or nothing.
pub type RowChange = (Rc<[u8]>, Option<Rc<[u8]>>);

/// An entry of a partition that puts and deletes rows.
#[derive(Debug, Clone, Copy)]
pub struct EntryEffects<'a> {
    /// Whose entry.
    pub partition: PartitionId,
    /// Of this term.
    pub term: u64,
    /// Its place among the partition's entries.
    pub index: EntryIndex,
    /// Its time.
    pub hybrid_time: HybridTime,
    /// What it does, in order.
    pub changes: &'a [RowChange],
    /// Bytes of `changes` as effects.
    pub bytes: usize,
}

/// What a log has done since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WalCounters {
    /// Frames written, Seals included.
    pub frame_count: u64,
    /// Frames that were synced.
    pub sync_count: u64,
    /// Bytes written, padding included.
    pub written_bytes: u64,
    /// Segments opened.
    pub segment_count: u64,
}

/// One shard's log, open for writing. Cheap to clone; stays on its shard.
#[derive(Clone)]
pub struct Wal {
    pub(super) log: Rc<Log>,
}

/// How far the log's end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closing {
    /// It takes records.
    Open,
    /// It takes no more; what it has is being written.
    Requested,
    /// Everything is durable and sealed.
    Closed,
}

/// What handle and tasks share. No borrow of a cell lasts across an await.
pub(super) struct Log {
    pub(super) handle: Handle,
    pub(super) identity: StreamIdentity,
    /// `DATA/wal/<stream>`.
    pub(super) directory: PathBuf,
    /// `DATA/tmp`.
    pub(super) building_directory: PathBuf,
    options: Cell<WalOptions>,
    pub(super) queue: RefCell<FrameQueue>,
    /// The body that is being encoded.
    scratch: RefCell<Vec<u8>>,
    /// The end of the last frame that was handed to the disk.
    pub(super) chain: Cell<ChainEnd>,
    pub(super) durable_frame: Cell<FrameSequence>,
    pub(super) durable_lsn: Cell<Lsn>,
    /// Nothing below is needed, says the store.
    pub(super) needed_low: Cell<Lsn>,
    /// Nothing below is needed, says a durable frame.
    pub(super) durable_needed: Cell<Lsn>,
    pub(super) next_segment: Cell<u64>,
    pub(super) next_base_lsn: Cell<Lsn>,
    pub(super) active: RefCell<Option<ActiveSegment>>,
    /// Segments before the active one that may still be needed, oldest first.
    pub(super) sealed: RefCell<VecDeque<SealedSegment>>,
    pub(super) spares: Spares,
    reserve: OnceCell<Rc<Reserve>>,
    pub(super) sync_method: Cell<SyncMethod>,
    /// How long the last frame's write and sync took.
    pub(super) last_sync_took: Cell<Duration>,
    /// When a frame was last acknowledged.
    pub(super) last_durable_at: Cell<MonotonicTime>,
    device_full: Cell<bool>,
    /// Who keeps the writer from beginning another frame.
    pub(super) holders: Cell<u32>,
    /// The writer has stopped for them: nothing is on its way to the disk.
    pub(super) is_held: Cell<bool>,
    /// Who keeps segments from being used again.
    pub(super) pins: Cell<u32>,
    pub(super) closing: Cell<Closing>,
    pub(super) counters: Cell<WalCounters>,
    /// A record waits, or the log is to close, or segments can be released.
    pub(super) work: Event,
    /// Who waits for frames to become durable.
    pub(super) frame_waits: FrameWaits,
    /// The log has come further in any way.
    pub(super) progress: Event,
    /// There may be room.
    room: Event,
}

/// A segment that is full, or that a start found.
#[derive(Debug, Clone)]
pub(super) struct SealedSegment {
    pub(super) file: UnusedFile,
    /// LSN of its first byte.
    pub(super) base_lsn: Lsn,
    /// Where its last frame ends.
    pub(super) end_lsn: Lsn,
}

impl Wal {
    /// Opens a stream for writing behind the end that was judged.
    ///
    /// A stream that holds anything continues in a new segment, whose first record says where the old one was cut;
    /// it is durable when this returns, and the old segment is never written again. A stream that holds nothing
    /// needs no I/O but its directory.
    pub async fn start(
        handle: &Handle,
        directory: &Path,
        facts: &NodeFacts,
        stream: StreamId,
        options: WalOptions,
    ) -> Result<Wal, StorageError> {
        let judged = &facts.stream(stream).log;
        create_stream_directory(handle, directory, stream).await?;
        let log = Rc::new(Log::new(handle, directory, judged, options));
        let wal = Wal { log: Rc::clone(&log) };
        if basalt_runtime::planted!(ForgetCut) {
            writer::reopen_last_segment(&log, judged).await?;
        } else if judged.end.segment > 0 {
            let cut = Cut { lsn: judged.end.lsn.get() }.encode();
            log.append(&note(RecordKind::Cut, PartitionId::default(), 0, &cut));
        }
        drop(handle.spawn(writer::write_forever(Rc::clone(&log))));
        drop(handle.spawn(spares::prepare_forever(Rc::clone(&log))));
        drop(handle.spawn(calibration::calibrate_when_idle(Rc::clone(&log))));
        if !log.queue.borrow().is_empty() {
            wal.cut_is_durable(judged).await?;
            log_cut(judged);
        }
        Ok(wal)
    }

    /// Waits for the new incarnation's first frame; an error when the device has no space for its segment.
    async fn cut_is_durable(&self, judged: &StreamLog) -> Result<(), StorageError> {
        let log = &self.log;
        let durable = self.durable(Ticket { frame: judged.next_frame, lsn: Lsn::default() });
        let exhausted = log.progress.wait_until(|| log.spares.are_awaited_in_vain());
        match race(durable, exhausted).await {
            Either::Left(outcome) => outcome,
            Either::Right(()) => Err(StorageError::Full { path: log.directory.clone() }),
        }
    }

    /// From now on segments take their space from `reserve` when the device has none.
    ///
    /// # Panics
    /// The second time.
    pub(crate) fn draw_on(&self, reserve: Rc<Reserve>) {
        assert!(self.log.reserve.set(reserve).is_ok(), "a log has one reserve");
    }

    /// The stream that this log writes.
    pub fn stream(&self) -> StreamId {
        self.log.identity.stream
    }

    /// Puts a record into the open frame.
    ///
    /// # Panics
    /// After [`Wal::seal_and_close`], or if the record alone exceeds a frame.
    pub fn append(&self, record: &Record<'_>) -> Ticket {
        self.log.append(record)
    }

    /// Appends entries that put and delete rows, at least one, each of another partition, all into one frame: after
    /// a crash all of them are there, or none.
    pub fn append_entries(&self, entries: &[EntryEffects<'_>]) -> Result<Ticket, StorageError> {
        let bytes = entries.iter().map(|entry| record_bytes(entry.bytes)).sum();
        if !fits_a_frame(bytes) {
            return Err(StorageError::TooLarge { bytes, bytes_max: FRAME_BYTES_MAX });
        }
        let log = &self.log;
        log.assert_open();
        let mut body = log.scratch.take();
        let mut queue = log.queue.borrow_mut();
        queue.begin(bytes);
        let mut ticket = None;
        for entry in entries {
            entry.encode(&mut body);
            ticket = Some(queue.put(&entry.record(&body)));
        }
        // What one giant entry needed is not kept for good.
        body.shrink_to(log.options.get().frame_soft_limit_bytes as usize);
        log.scratch.replace(body);
        log.work.notify_all();
        Ok(ticket.expect("there is at least one entry"))
    }

    /// Notes that a partition's checkpoint is durable. Nobody waits for it, and a log that is being closed does without:
    /// the superblock says the same.
    pub fn append_checkpoint_done(
        &self,
        partition: PartitionId,
        term: u64,
        generation: Generation,
        applied: EntryIndex,
    ) {
        if self.is_open() {
            let body = CheckpointDone { generation: generation.get(), applied_index: applied.get() }.encode();
            self.append(&note(RecordKind::CheckpointDone, partition, term, &body));
        }
    }

    /// Whether records can be appended: until [`Wal::seal_and_close`] is called.
    pub fn is_open(&self) -> bool {
        self.log.closing.get() == Closing::Open
    }

    /// Every frame up to this one is durable.
    pub fn durable_frame(&self) -> FrameSequence {
        self.log.durable_frame.get()
    }

    /// Waits until the ticket's frame is durable. A log that fails ends the process instead.
    pub async fn durable(&self, ticket: Ticket) -> Result<(), StorageError> {
        while self.durable_frame() < ticket.frame {
            self.log.frame_waits.join(ticket.frame).await;
        }
        Ok(())
    }

    /// Everything below this position is durable.
    pub fn durable_lsn(&self) -> Lsn {
        self.log.durable_lsn.get()
    }

    /// The next record lies here or behind.
    pub fn next_lsn(&self) -> Lsn {
        self.log.queue.borrow().next_lsn()
    }

    /// Says that nothing below `lsn` is needed any more; a lower position than before is ignored.
    pub fn set_needed_low(&self, lsn: Lsn) {
        if lsn > self.log.needed_low.get() {
            self.log.needed_low.set(lsn);
            self.log.room.notify_all();
            // An idle log tells it with a frame of its own, so that the segments can go.
            self.log.work.notify_all();
        }
    }

    /// Bytes from the lowest needed position to the end of what was appended.
    pub fn used_bytes(&self) -> u64 {
        self.log.used_bytes()
    }

    /// Bytes that may be needed before writers wait.
    pub fn budget_bytes(&self) -> u64 {
        self.log.options.get().budget_bytes
    }

    /// Changes the budget, as the data grows.
    pub fn set_budget_bytes(&self, budget_bytes: u64) {
        self.log.options.set(WalOptions { budget_bytes, ..self.log.options.get() });
        self.log.room.notify_all();
    }

    /// Says whether the device has no space, so that waiting for room would be in vain.
    pub fn set_device_full(&self, full: bool) {
        self.log.device_full.set(full);
        self.log.room.notify_all();
    }

    /// Waits until `bytes` more fit into the budget, and the frames that wait for the disk into their share of memory.
    ///
    /// Nothing is reserved: the caller appends at once. [`StorageError::Full`] when only what gives space back may still
    /// be appended, as far as [`Wal::has_room_without_growth`] says. The log's own notes are appended without asking.
    pub async fn room(&self, bytes: u64) -> Result<(), StorageError> {
        let log = &self.log;
        loop {
            if log.closing.get() != Closing::Open {
                return Err(StorageError::Closed);
            }
            let used = log.used_bytes();
            let fits_budget = used == 0 || used.saturating_add(bytes) <= self.budget_bytes();
            let is_full = !fits_budget && (log.device_full.get() || log.spares.lacks_space());
            if is_full || log.spares.are_exhausted() {
                return Err(StorageError::Full { path: log.directory.clone() });
            }
            if fits_budget && log.queue.borrow().waiting_bytes() < log.waiting_bytes_max() {
                return Ok(());
            }
            sometimes!(!fits_budget, "write waits for log budget");
            sometimes!(fits_budget, "write waits for frames before it");
            log.room.notified().await;
        }
    }

    /// Waits, on a full device, for room that what gives space back can be logged in: while a segment is being prepared,
    /// and while `may_release` says that log in use can still be released.
    pub(crate) async fn room_for_what_frees(
        &self,
        may_release: impl Fn() -> bool,
    ) -> Result<(), StorageError> {
        let log = &self.log;
        loop {
            if log.closing.get() != Closing::Open {
                return Err(StorageError::Closed);
            }
            let is_hopeless = !log.spares.are_on_their_way() && !may_release();
            if self.has_room_without_growth(FREEING_BYTES) || is_hopeless {
                return Ok(());
            }
            log.room.notified().await;
        }
    }

    /// Whether an entry with effects of `bytes` fits, with everything that waits for the disk, into a segment that is
    /// there already.
    pub fn has_room_without_growth(&self, bytes: usize) -> bool {
        let log = &self.log;
        let waiting_bytes = log.queue.borrow().waiting_bytes();
        let needed_bytes = NOTES_BYTES + waiting_bytes + record_bytes(bytes) as u64;
        // Without an active segment a frame is on its way into the next one.
        let active = log.active.borrow();
        active.as_ref().is_some_and(|active| {
            needed_bytes <= active.free_bytes() || needed_bytes <= log.spares.ready_bytes_max()
        })
    }

    /// Gives prepared segments back, for which somebody else needs the space, but for a small one.
    pub(crate) fn give_spares_back(&self) {
        self.log.spares.shrink();
        self.log.spares.wake();
    }

    /// Writes what was appended, seals the log and ends its tasks. Nothing may be appended afterwards.
    pub async fn seal_and_close(&self) -> Result<(), StorageError> {
        let log = &self.log;
        if log.closing.get() == Closing::Open {
            log.closing.set(Closing::Requested);
            log.work.notify_all();
            log.room.notify_all();
        }
        log.progress.wait_until(|| log.closing.get() == Closing::Closed).await;
        log.spares.wake();
        Ok(())
    }

    /// How long the last frame took to become durable once it was handed to the disk; zero before the first.
    pub fn last_sync_took(&self) -> Duration {
        self.log.last_sync_took.get()
    }

    /// What the log has done since its start.
    pub fn counters(&self) -> WalCounters {
        self.log.counters.get()
    }

    /// How frames are made durable, once it was measured.
    pub fn sync_method_name(&self) -> &'static str {
        self.log.sync_method.get().name()
    }
}

impl EntryEffects<'_> {
    fn encode(&self, body: &mut Vec<u8>) {
        body.clear();
        body.reserve(self.bytes);
        for (key, value) in self.changes {
            match value {
                Some(value) => Effect::put(body, key, value),
                None => Effect::delete(body, key),
            }
        }
        assert_eq!(body.len(), self.bytes, "an entry's room in its frame was reckoned before");
    }

    fn record<'b>(&self, body: &'b [u8]) -> Record<'b> {
        Record {
            kind: RecordKind::Effects,
            flags: 0,
            partition: self.partition.get(),
            term: self.term,
            index: self.index.get(),
            hybrid_time: self.hybrid_time.get(),
            body,
        }
    }
}

impl Log {
    fn new(handle: &Handle, directory: &Path, judged: &StreamLog, options: WalOptions) -> Self {
        let stream = judged.identity.stream;
        let sealed = judged.segments.iter().map(|segment| SealedSegment {
            file: UnusedFile { path: segment.path.clone(), size_bytes: segment.size_bytes },
            base_lsn: Lsn::new(segment.header.base_lsn),
            end_lsn: segment.end_lsn,
        });
        let soft_limit_bytes = options.frame_soft_limit_bytes as usize;
        Self {
            handle: handle.clone(),
            identity: judged.identity,
            directory: stream_directory(directory, stream),
            building_directory: directory.join("tmp"),
            options: Cell::new(options),
            queue: RefCell::new(FrameQueue::new(soft_limit_bytes, judged.next_frame, judged.next_base_lsn)),
            scratch: RefCell::default(),
            chain: Cell::new(judged.end),
            durable_frame: Cell::new(FrameSequence::new(judged.next_frame.get() - 1)),
            durable_lsn: Cell::new(judged.end.lsn),
            needed_low: Cell::new(judged.needed_lsn),
            durable_needed: Cell::new(judged.needed_lsn),
            next_segment: Cell::new(judged.next_segment),
            next_base_lsn: Cell::new(judged.next_base_lsn),
            active: RefCell::new(None),
            sealed: RefCell::new(sealed.collect()),
            spares: Spares::new(judged.unused.clone(), judged.next_file, options.segment_bytes_min),
            reserve: OnceCell::new(),
            sync_method: Cell::new(SyncMethod::LinkedSync),
            last_sync_took: Cell::default(),
            last_durable_at: Cell::new(handle.now()),
            device_full: Cell::new(false),
            holders: Cell::new(0),
            is_held: Cell::new(false),
            pins: Cell::new(0),
            closing: Cell::new(Closing::Open),
            counters: Cell::default(),
            work: Event::new(),
            frame_waits: FrameWaits::default(),
            progress: Event::new(),
            room: Event::new(),
        }
    }

    pub(super) fn append(&self, record: &Record<'_>) -> Ticket {
        self.assert_open();
        let ticket = self.queue.borrow_mut().append(record);
        self.work.notify_all();
        ticket
    }

    fn assert_open(&self) {
        assert!(self.closing.get() == Closing::Open, "nothing is appended to a log that was closed");
    }

    /// A frame has become durable, or segments have been released.
    pub(super) fn announce_progress(&self) {
        self.progress.notify_all();
        self.room.notify_all();
    }

    /// Has the reserve give up space for a small segment; whether trying again is worth it.
    pub(super) async fn take_from_reserve(&self) -> bool {
        let bytes = self.spares.want_least();
        match self.reserve.get() {
            Some(reserve) => reserve.give_way(bytes, Taker::Log).await,
            None => false,
        }
    }

    /// The largest segment: beyond the smallest, an eighth of the budget.
    pub(super) fn segment_bytes_max(&self) -> u64 {
        let options = self.options.get();
        let part = (options.budget_bytes / SEGMENTS_PER_BUDGET).min(SEGMENT_BYTES_MAX);
        whole_blocks(part).max(options.segment_bytes_min)
    }

    fn used_bytes(&self) -> u64 {
        let queue = self.queue.borrow();
        let end = queue.next_lsn().advance(queue.open_bytes());
        end.since(self.needed_low.get()).unwrap_or(0)
    }

    fn waiting_bytes_max(&self) -> u64 {
        WAITING_FRAMES_MAX * u64::from(self.options.get().frame_soft_limit_bytes)
    }
}

/// A record that is no entry of a partition.
pub(super) fn note(kind: RecordKind, partition: PartitionId, term: u64, body: &[u8]) -> Record<'_> {
    Record { kind, flags: 0, partition: partition.get(), term, index: 0, hybrid_time: 0, body }
}

async fn create_stream_directory(
    handle: &Handle,
    directory: &Path,
    stream: StreamId,
) -> Result<(), StorageError> {
    let path = stream_directory(directory, stream);
    let failed = |error| StorageError::disk(DiskOperation::Directory, &path, error);
    if handle.metadata(&path).await.map_err(failed)?.is_none() {
        handle.create_directory_all(&path).await.map_err(failed)?;
        handle.sync_directory(&log_directory(directory)).await.map_err(failed)?;
    }
    Ok(())
}

fn log_cut(judged: &StreamLog) {
    let StreamLog { identity, end, tail, .. } = judged;
    tracing::info!(
        stream = identity.stream.get(),
        end = end.lsn.get(),
        ?tail,
        "log continues behind its end"
    );
}
