//! Replay: brings the log's entries that the trees lack into memory (STORAGE §7, step 5).
//!
//! Entries are collected in a backlog. When that and the overlays fill their share of memory, it goes to the trees,
//! sorted; what is left at the end goes to the overlays, and the shard can serve. Partitions' entries may lie in several
//! streams, after a change of the shard count: a stream whose next entry follows others waits for them.
//!
//! No checkpoint runs yet, so rows may go to a tree in the order of keys, not of entries.

use std::{path::Path, rc::Rc};

use basalt_format::wal::{Record, RecordKind};
use basalt_runtime::Handle;

use super::{
    Shard, ShardStore,
    apply::{BATCH_BYTES_MAX, BATCH_KEYS_MAX, apply_committed, keep_entries},
    backlog::{Backlog, EntryPlace, SortedRows},
};
use crate::{
    btree::Change,
    error::{Refusal, StorageError},
    ids::{CATALOG_PARTITION, EntryIndex, HybridTime, LogPosition, PartitionId, StreamId},
    partition::PartitionState,
    recovery::{CatalogLog, FrameReader, StreamFacts},
    wal::Frame,
};

/// What recovery did on one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplayReport {
    /// Entries that were newer than their partition's file.
    pub entry_count: u64,
    /// Bytes of log read.
    pub log_bytes: u64,
}

impl ShardStore {
    /// Brings the logged entries of the partitions opened so far into memory.
    ///
    /// Partitions that were complete before are passed over, so it may be called after each `open_partitions`.
    /// When the overlays fill their share of memory, entries are applied and pages written before reading on.
    pub async fn replay(&self, mut progress: impl FnMut(u64)) -> Result<ReplayReport, StorageError> {
        let shard = &self.shard;
        // The first step that may write.
        shard.facts.hold_lock(&shard.handle)?;
        let mut streams = Vec::new();
        for stream in shard.facts.streams().iter().filter(|stream| shard.lacks_entries_of(stream)) {
            streams.push(StreamReplay::open(&shard.handle, &shard.directory, stream).await?);
        }
        let mut replay = Replay::new(shard);
        while !streams.is_empty() {
            streams = replay.read_round(streams, &mut progress).await?;
        }
        Ok(replay.finish().await)
    }

    /// Brings the catalog's entries into memory, as judging kept them: the log is not read again for them.
    pub async fn replay_catalog(&self, log: CatalogLog) -> Result<ReplayReport, StorageError> {
        let Some(entries) = log.into_entries() else {
            basalt_runtime::sometimes!("catalog log read again");
            return self.replay(|_log_bytes| ()).await;
        };
        let mut replay = Replay::new(&self.shard);
        for entry in entries {
            let place = EntryPlace {
                partition: CATALOG_PARTITION,
                index: entry.index,
                hybrid_time: entry.hybrid_time,
                position: entry.position,
            };
            if let Taken::Gap(gap) = replay.take(place, &entry.body)? {
                return Err(gap.into());
            }
            replay.make_room().await;
        }
        Ok(replay.finish().await)
    }
}

/// One replay on one shard.
struct Replay<'a> {
    shard: &'a Rc<Shard>,
    backlog: Backlog,
    report: ReplayReport,
}

/// A stream that is being replayed.
struct StreamReplay {
    stream: StreamId,
    reader: FrameReader,
    /// The reader's last frame was not taken whole: an entry in it follows one that lies in another stream.
    frame_is_held: bool,
}

/// What became of an entry.
#[must_use]
enum Taken {
    /// It is in the backlog, or was known before, or means nothing any more.
    Whole,
    /// Entries before it are missing.
    Gap(Refusal),
}

impl StreamReplay {
    async fn open(handle: &Handle, directory: &Path, stream: &StreamFacts) -> Result<Self, StorageError> {
        let reader = FrameReader::open(handle, directory, stream).await?;
        Ok(Self { stream: stream.stream, reader, frame_is_held: false })
    }

    /// The held frame, or the next one.
    async fn frame(&mut self) -> Result<Option<Frame<'_>>, StorageError> {
        if self.frame_is_held { Ok(self.reader.last_frame()) } else { self.reader.next_frame().await }
    }
}

impl<'a> Replay<'a> {
    fn new(shard: &'a Rc<Shard>) -> Self {
        Self { shard, backlog: Backlog::default(), report: ReplayReport::default() }
    }

    /// Reads each stream to its end, or to an entry that must wait; returns those that wait.
    ///
    /// The oldest entry that is missing never waits: streams are in the order in which their entries were made, and
    /// the entries before it lie in streams of earlier starts. So a round without progress has found a gap.
    async fn read_round(
        &mut self,
        streams: Vec<StreamReplay>,
        progress: &mut impl FnMut(u64),
    ) -> Result<Vec<StreamReplay>, StorageError> {
        let entries_before = self.report.entry_count;
        let mut waiting = Vec::new();
        let mut first_gap = None;
        for mut stream in streams {
            if let Some(gap) = self.read_stream(&mut stream, progress).await? {
                basalt_runtime::sometimes!("replay waits for another stream");
                first_gap.get_or_insert(gap);
                waiting.push(stream);
            }
        }
        match first_gap {
            Some(gap) if self.report.entry_count == entries_before => Err(gap.into()),
            _ => Ok(waiting),
        }
    }

    /// Takes a stream's frames until its end, or until an entry that follows others that are not there yet.
    async fn read_stream(
        &mut self,
        stream: &mut StreamReplay,
        progress: &mut impl FnMut(u64),
    ) -> Result<Option<Refusal>, StorageError> {
        let id = stream.stream;
        while let Some(frame) = stream.frame().await? {
            let taken = self.take_frame(id, &frame)?;
            let frame_bytes = frame.size_bytes();
            stream.frame_is_held = matches!(taken, Taken::Gap(_));
            if let Taken::Gap(gap) = taken {
                return Ok(Some(gap));
            }
            self.report.log_bytes += frame_bytes;
            progress(self.report.log_bytes);
            self.make_room().await;
            self.shard.handle.yield_if_due().await;
        }
        Ok(None)
    }

    fn take_frame(&mut self, stream: StreamId, frame: &Frame<'_>) -> Result<Taken, StorageError> {
        let position = LogPosition { stream, lsn: frame.lsn() };
        for record in frame.records() {
            let record = record.map_err(|reason| damaged_log(position, reason))?;
            if let Taken::Gap(gap) = self.take_record(position, &record)? {
                return Ok(Taken::Gap(gap));
            }
        }
        Ok(Taken::Whole)
    }

    fn take_record(&mut self, position: LogPosition, record: &Record<'_>) -> Result<Taken, StorageError> {
        if record.kind != RecordKind::Effects {
            return Ok(Taken::Whole);
        }
        let place = EntryPlace {
            partition: PartitionId::new(record.partition),
            index: EntryIndex::new(record.index),
            hybrid_time: HybridTime::new(record.hybrid_time),
            position,
        };
        self.take(place, record.body)
    }

    fn take(&mut self, place: EntryPlace, body: &[u8]) -> Result<Taken, StorageError> {
        let EntryPlace { partition, index, hybrid_time, position } = place;
        // A partition that the catalog does not know was dropped: its records mean nothing any more.
        let Some(state) = self.shard.state_of(partition) else { return Ok(Taken::Whole) };
        let expected = state.committed().next();
        if index < expected && !basalt_runtime::planted!(ReplayAppliedEntry) {
            return Ok(Taken::Whole);
        }
        if index > expected {
            return Ok(Taken::Gap(Refusal::IndexGap { partition, expected, found: index }));
        }
        state.replay(index, hybrid_time, position);
        if state.is_serving() {
            self.backlog.push(place, body).map_err(|reason| damaged_log(position, reason))?;
        } else {
            // A closed partition's entries wait in the log.
            state.advance_applied(index);
        }
        self.report.entry_count += 1;
        Ok(Taken::Whole)
    }

    /// Brings the entries into the trees when they fill the overlays' share of memory.
    async fn make_room(&mut self) {
        let shard = self.shard;
        if shard.overlay_bytes.get() + self.backlog.overlay_bytes() <= shard.shares.overlay_bytes {
            return;
        }
        basalt_runtime::sometimes!("replay applies before it reads on");
        for rows in self.backlog.sorted(&shard.handle).await {
            let Some(state) = shard.state_of(rows.partition) else { continue };
            shard.apply_replayed(&state, &rows, &self.backlog).await;
        }
        self.backlog.clear();
    }

    /// What is left goes to the overlays, and from there to the trees while the shard serves.
    async fn finish(self) -> ReplayReport {
        self.shard.keep_in_overlays(&self.backlog, |_any| true).await;
        self.report
    }
}

impl Shard {
    fn lacks_entries_of(&self, stream: &StreamFacts) -> bool {
        self.partitions.borrow().values().any(|state| {
            stream.entries.get(&state.spec().id).is_some_and(|ranges| ranges.last() > state.committed())
        })
    }

    fn state_of(&self, partition: PartitionId) -> Option<Rc<PartitionState>> {
        self.partitions.borrow().get(&partition).cloned()
    }

    /// Brings a partition's rows into its tree. Where that fails, its entries go to the overlay.
    async fn apply_replayed(&self, state: &PartitionState, rows: &SortedRows<'_>, backlog: &Backlog) {
        // Entries that could not be applied before come first.
        apply_committed(self, state).await;
        if state.applied() == state.last_index() {
            match self.apply_sorted(state, &rows.changes).await {
                Ok(()) => return state.advance_applied(rows.through),
                Err(error) => keep_entries(self, state, error),
            }
        }
        self.keep_in_overlays(backlog, |partition| partition == rows.partition).await;
    }

    async fn apply_sorted(
        &self,
        state: &PartitionState,
        mut changes: &[(&[u8], Change<'_>)],
    ) -> Result<(), StorageError> {
        while !changes.is_empty() {
            let (batch, rest) = changes.split_at(batch_length(changes));
            let brought_in = state.tree().bring_in(batch).await?;
            state.tree().apply(batch, brought_in);
            changes = rest;
            self.handle.yield_if_due().await;
        }
        Ok(())
    }

    async fn keep_in_overlays(&self, backlog: &Backlog, is_wanted: impl Fn(PartitionId) -> bool) {
        for (partition, entry) in backlog.entries(is_wanted) {
            let Some(state) = self.state_of(partition) else { continue };
            if state.is_serving() {
                self.overlay_bytes.update(|bytes| bytes + state.keep(entry));
            } else {
                // A closed partition's entries wait in the log.
                state.advance_applied(entry.index);
            }
            self.handle.yield_if_due().await;
        }
    }
}

/// How many of `changes` one synchronous step may make: at least one.
fn batch_length(changes: &[(&[u8], Change<'_>)]) -> usize {
    let mut bytes = 0;
    let fits = |(key, change): &&(&[u8], Change<'_>)| {
        bytes += key.len() as u64 + change.value_bytes();
        bytes <= BATCH_BYTES_MAX
    };
    changes.iter().take(BATCH_KEYS_MAX).take_while(fits).count().max(1)
}

/// The frame's checksum passed, and yet its bytes are wrong: nothing behind it can be trusted to be complete.
fn damaged_log(position: LogPosition, detail: impl ToString) -> StorageError {
    let LogPosition { stream, lsn } = position;
    Refusal::DamagedLog { stream, lsn, detail: detail.to_string() }.into()
}
