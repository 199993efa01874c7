//! Reads a stream's records from a partition's view.

use basalt_format::{
    DecodeError,
    checksum::xxh3_128,
    stream_record::{
        HORIZON_ENTRY_INDEX, StreamCause, StreamEvent, StreamKey, StreamPosition, StreamRecord as Stored,
        decode_horizon, part_count, stream_range,
    },
};
use basalt_model::EncodedItem;
use basalt_storage::{Direction, EntryIndex, HybridTime, KeyRange, Row, Stop, View};

use super::SequenceNumber;
use crate::{
    catalog::{StreamDescription, Table, TablePartition},
    derive::Cause,
    error::Error,
    operation::{ItemEvent, StreamRecord},
};

/// A page ends with the record that would bring it beyond so many bytes; a larger record has a page of its own.
const PAGE_BYTES: u64 = 1 << 20;

/// Records of one stream shard, in order, as many as one answer takes.
#[derive(Debug)]
pub(crate) struct RecordPage {
    stream_number: u32,
    sequence_base: u64,
    /// What events of this shard have in common, and no other's have.
    identity: Vec<u8>,
    pub(crate) records: Vec<StreamRecord>,
    bytes: u64,
    is_full: bool,
    records_max: usize,
    /// The first position that was not read.
    pub(crate) next: StreamPosition,
}

/// The parts read of a record that is not whole yet.
#[derive(Debug, Default)]
struct Parts {
    bytes: Vec<u8>,
    count: u16,
    wanted: u16,
}

impl RecordPage {
    /// An empty page that begins at a position.
    pub(crate) fn from(
        position: StreamPosition,
        table: &Table,
        stream: &StreamDescription,
        partition: &TablePartition,
        records_max: usize,
    ) -> Self {
        let (number, id) = (stream.number.to_le_bytes(), partition.id.get().to_le_bytes());
        Self {
            stream_number: stream.number,
            sequence_base: partition.lineage.sequence_base,
            identity: [&table.id.to_bytes()[..], &number, &id].concat(),
            records: Vec::new(),
            bytes: 0,
            is_full: false,
            records_max,
            next: position,
        }
    }

    /// Reads on until the page is full or the stream ends. What was read stays when a page of the tree is missing.
    pub(crate) fn read(&mut self, view: &View<'_>) -> Result<Result<(), Error>, Stop> {
        // Asked each time: a trim may have come in between.
        match horizon(self.stream_number, view)? {
            Ok(Some(horizon)) if self.next < horizon => return Ok(Err(Error::StreamTrimmed)),
            Ok(_) => {}
            Err(reason) => return Ok(Err(reason.into())),
        }
        let start = StreamKey::first_part(self.stream_number, self.next).encode();
        let (_, end) = stream_range(self.stream_number);
        let mut cursor = view.cursor(KeyRange::half_open(&start, &end), Direction::Forward);
        let mut parts = Parts::default();
        while !self.is_full
            && let Some((key, row)) = cursor.next()?
        {
            if let Err(reason) = self.take_row(key, row, &mut parts) {
                return Ok(Err(reason.into()));
            }
        }
        Ok(Ok(()))
    }

    /// Whether there may be more behind the page.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    fn take_row(&mut self, key: &[u8], row: Row<'_>, parts: &mut Parts) -> Result<(), DecodeError> {
        let StreamKey { position, part, .. } = StreamKey::decode(key)?;
        if position.entry_index == HORIZON_ENTRY_INDEX || !parts.take(part, row.value)? {
            return Ok(());
        }
        let whole = std::mem::take(parts);
        self.take(position, row.last_write, &whole.bytes)
    }

    fn take(
        &mut self,
        position: StreamPosition,
        written: HybridTime,
        bytes: &[u8],
    ) -> Result<(), DecodeError> {
        let record = self.read_record(position, written, bytes)?;
        let is_within = self.bytes + record.size_bytes <= PAGE_BYTES;
        if !is_within && !self.records.is_empty() {
            self.is_full = true;
            return Ok(());
        }
        self.bytes += record.size_bytes;
        self.records.push(record);
        self.next = position.next();
        self.is_full = self.records.len() >= self.records_max;
        Ok(())
    }

    fn read_record(
        &self,
        position: StreamPosition,
        written: HybridTime,
        bytes: &[u8],
    ) -> Result<StreamRecord, DecodeError> {
        let stored = Stored::decode(bytes)?;
        let item = |image: &[u8]| EncodedItem::from_bytes(image.to_vec());
        let keys = item(stored.keys)?;
        let new_image = stored.new_image.map(item).transpose()?;
        let old_image = stored.old_image.map(item).transpose()?;
        let mut size_bytes = keys.as_item().size_bytes()?;
        for image in new_image.iter().chain(&old_image) {
            size_bytes += image.as_item().size_bytes()?;
        }
        Ok(StreamRecord {
            event_id: self.event_id(position),
            event: match stored.event {
                StreamEvent::Insert => ItemEvent::Insert,
                StreamEvent::Modify => ItemEvent::Modify,
                StreamEvent::Remove => ItemEvent::Remove,
            },
            cause: match stored.cause {
                StreamCause::Client => Cause::Client,
                StreamCause::TimeToLive => Cause::TimeToLive,
            },
            sequence_number: SequenceNumber::of(position, self.sequence_base),
            created_unix_us: written.get(),
            size_bytes: size_bytes as u64,
            keys,
            new_image,
            old_image,
        })
    }

    /// The same whenever the record is read, and another one for every other record.
    fn event_id(&self, position: StreamPosition) -> u128 {
        let (entry_index, change) = (position.entry_index.to_le_bytes(), position.change.to_le_bytes());
        xxh3_128(&[&self.identity[..], &entry_index, &change].concat(), 0)
    }
}

impl Parts {
    /// Adds a part; returns whether the record is whole.
    fn take(&mut self, part: u16, bytes: &[u8]) -> Result<bool, DecodeError> {
        if part != self.count {
            return Err(DecodeError::NotCanonical {
                what: "stream record",
                rule: "its parts follow each other",
            });
        }
        if part == 0 {
            self.wanted = part_count(bytes)?;
        }
        self.bytes.extend_from_slice(bytes);
        self.count += 1;
        Ok(self.count == self.wanted)
    }
}

/// The least position that has not been trimmed; `None` if nothing ever was.
pub(crate) fn horizon(
    stream_number: u32,
    view: &View<'_>,
) -> Result<Result<Option<StreamPosition>, DecodeError>, Stop> {
    let row = view.get(&StreamKey::horizon(stream_number).encode())?;
    Ok(row.map(|row| decode_horizon(row.value)).transpose())
}

/// The position of the newest record; `None` if there is none.
pub(crate) fn last_position(
    stream_number: u32,
    view: &View<'_>,
) -> Result<Result<Option<StreamPosition>, DecodeError>, Stop> {
    let (start, end) = stream_range(stream_number);
    let mut cursor = view.cursor(KeyRange::half_open(&start, &end), Direction::Backward);
    let Some((key, _row)) = cursor.next()? else { return Ok(Ok(None)) };
    let position = StreamKey::decode(key).map(|key| key.position);
    Ok(position.map(|position| Some(position).filter(|position| position.entry_index != HORIZON_ENTRY_INDEX)))
}

/// The first position of records that were written at a time or later, among those from `first` to the entry `last`;
/// the position behind that entry if there are none.
///
/// Times ascend with the entries, so that halving finds it.
pub(crate) fn first_at_or_after(
    stream_number: u32,
    time: HybridTime,
    first: StreamPosition,
    last: EntryIndex,
    view: &View<'_>,
) -> Result<Result<StreamPosition, DecodeError>, Stop> {
    let (_, end) = stream_range(stream_number);
    let (mut low, mut high) = (first.entry_index.max(1), last.get().saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        let position = StreamPosition { entry_index: middle, change: 0 };
        let start = StreamKey::first_part(stream_number, position).encode();
        let mut cursor = view.cursor(KeyRange::half_open(&start, &end), Direction::Forward);
        match cursor.next()? {
            Some((key, row)) if row.last_write < time => match StreamKey::decode(key) {
                Ok(key) => low = key.position.entry_index.saturating_add(1),
                Err(reason) => return Ok(Err(reason)),
            },
            _ => high = middle,
        }
    }
    Ok(Ok(StreamPosition { entry_index: low, change: 0 }.max(first)))
}
