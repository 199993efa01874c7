//! What judging a data directory finds out, for the shards to start from.

use std::{collections::BTreeMap, path::PathBuf};

use basalt_format::{
    BLOCK_SIZE_BYTES, DecodeError,
    wal::{CheckpointDone, Record, RecordKind, SegmentHeader},
};

use crate::{
    ids::{EntryIndex, FrameSequence, Generation, Lsn, PartitionId, StreamId},
    wal::{ChainEnd, StreamIdentity, UnusedFile},
};

/// A stream that was given up and is written again must not use a number twice, since files of its earlier life may come
/// back; NODE remembers only its end. A segment takes at least two blocks of it and a frame one, and each start that
/// leaves numbers out takes a segment; so numbers never outrun these.
const BYTES_PER_SEGMENT_NUMBER: u64 = BLOCK_SIZE_BYTES as u64;
const BYTES_PER_FRAME_NUMBER: u64 = BLOCK_SIZE_BYTES as u64 / 8;

/// The entry indexes of one partition that a stream holds, as runs without gaps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IndexRanges {
    /// First and last index of each run, ascending, not touching.
    runs: Vec<(EntryIndex, EntryIndex)>,
}

impl IndexRanges {
    /// The highest index; zero if there is none.
    pub fn last(&self) -> EntryIndex {
        self.runs.last().map_or(EntryIndex::default(), |&(_, last)| last)
    }

    /// First and last index of each run, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (EntryIndex, EntryIndex)> + '_ {
        self.runs.iter().copied()
    }

    /// Adds an index. A stream's records of a partition ascend, so almost always the last run grows.
    fn insert(&mut self, index: EntryIndex) {
        match self.runs.last_mut() {
            Some((_, last)) if last.next() == index => *last = index,
            Some((_, last)) if *last < index => self.runs.push((index, index)),
            None => self.runs.push((index, index)),
            Some(_) => self.insert_below(index),
        }
    }

    /// Adds an index at or below the last one: merges it with the runs that it touches.
    fn insert_below(&mut self, index: EntryIndex) {
        let (mut first, mut last) = (index, index);
        self.runs.retain(|&(run_first, run_last)| {
            let touches = run_first <= last.next() && first <= run_last.next();
            if touches {
                (first, last) = (first.min(run_first), last.max(run_last));
            }
            !touches
        });
        let place = self.runs.partition_point(|&(run_first, _)| run_first < first);
        self.runs.insert(place, (first, last));
    }
}

/// What one log stream holds.
#[derive(Debug, Clone)]
pub struct StreamFacts {
    /// The stream.
    pub stream: StreamId,
    /// The entries found, by partition.
    pub entries: BTreeMap<PartitionId, IndexRanges>,
    /// The newest finished checkpoint that the log tells of, by partition: its generation and applied index.
    pub checkpoints: BTreeMap<PartitionId, (Generation, EntryIndex)>,
    pub(crate) log: StreamLog,
}

/// The files of a stream and the chain in them.
#[derive(Debug, Clone)]
pub(crate) struct StreamLog {
    pub(crate) identity: StreamIdentity,
    /// The segments that hold the chain, oldest first.
    pub(crate) segments: Vec<JudgedSegment>,
    /// The end of the chain: the next incarnation follows it.
    pub(crate) end: ChainEnd,
    /// Nothing below is needed.
    pub(crate) needed_lsn: Lsn,
    /// What stands behind the end.
    pub(crate) tail: Tail,
    /// The next segment's sequence, above all that were ever begun.
    pub(crate) next_segment: u64,
    /// The next frame's sequence, above all that were ever begun.
    pub(crate) next_frame: FrameSequence,
    /// The next segment's base, behind every file of the stream.
    pub(crate) next_base_lsn: Lsn,
    /// The number of the next file's name.
    pub(crate) next_file: u64,
    /// Files that may be used again or removed.
    pub(crate) unused: Vec<UnusedFile>,
}

/// A segment of the chain.
#[derive(Debug, Clone)]
pub(crate) struct JudgedSegment {
    pub(crate) path: PathBuf,
    pub(crate) size_bytes: u64,
    pub(crate) header: SegmentHeader,
    /// Where its last frame ends.
    pub(crate) end_lsn: Lsn,
}

/// What stands behind the end of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Nothing of this stream: it ended between two frames.
    Whole,
    /// A frame or a segment that was begun and never acknowledged.
    Torn,
}

impl StreamFacts {
    /// A stream of which nothing has been read yet.
    pub(super) fn new(log: StreamLog) -> Self {
        Self { stream: log.identity.stream, entries: BTreeMap::new(), checkpoints: BTreeMap::new(), log }
    }

    /// Bytes from the oldest segment to the end of the chain.
    pub fn log_bytes(&self) -> u64 {
        self.log.segments.iter().map(|segment| segment.end_lsn.get() - segment.header.base_lsn).sum()
    }

    /// Whether a write that was never acknowledged was found behind the end, and is cut off.
    pub fn has_torn_tail(&self) -> bool {
        self.log.tail == Tail::Torn
    }

    /// Takes note of one record of the chain.
    pub(super) fn note(&mut self, record: &Record<'_>) -> Result<(), DecodeError> {
        let partition = PartitionId::new(record.partition);
        if record.kind.consumes_index() {
            self.entries.entry(partition).or_default().insert(EntryIndex::new(record.index));
        }
        if record.kind == RecordKind::CheckpointDone {
            let note = CheckpointDone::decode(record.body)?;
            let found = (Generation::new(note.generation), EntryIndex::new(note.applied_index));
            let newest = self.checkpoints.entry(partition).or_insert(found);
            *newest = (*newest).max(found);
        }
        Ok(())
    }
}

impl StreamLog {
    /// A stream without a segment, whose first one will start at `base`.
    pub(super) fn empty(identity: StreamIdentity, base: Lsn) -> Self {
        Self {
            identity,
            segments: Vec::new(),
            end: ChainEnd { lsn: base, ..ChainEnd::default() },
            needed_lsn: base,
            tail: Tail::Whole,
            next_segment: base.get() / BYTES_PER_SEGMENT_NUMBER + 1,
            next_frame: FrameSequence::new(base.get() / BYTES_PER_FRAME_NUMBER + 1),
            next_base_lsn: base,
            next_file: 1,
            unused: Vec::new(),
        }
    }

    /// Whether the stream's directory holds anything.
    pub(super) fn has_files(&self) -> bool {
        !self.segments.is_empty() || !self.unused.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn runs_hold_exactly_what_was_inserted(indexes in proptest::collection::vec(1u64..40, 0..60)) {
            let mut ranges = IndexRanges::default();
            let mut model = BTreeSet::new();
            for index in indexes {
                ranges.insert(EntryIndex::new(index));
                model.insert(index);
            }
            let held: BTreeSet<u64> =
                ranges.iter().flat_map(|(first, last)| first.get()..=last.get()).collect();
            prop_assert_eq!(&held, &model);
            prop_assert_eq!(ranges.last().get(), model.last().copied().unwrap_or(0));
            let runs: Vec<_> = ranges.iter().collect();
            prop_assert!(runs.is_sorted_by(|left, right| left.1.next() < right.0));
        }
    }
}
