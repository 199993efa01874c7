//! A table's stream records, and the splits that its streams went through.

use std::collections::BTreeMap;

use basalt_format::{
    DecodeError,
    catalog::{PartitionRow, PartitionState, TableRow},
    item_encoding,
    key_encoding::TAG_STREAM,
    stream_record::{
        HORIZON_ENTRY_INDEX, StreamKey, StreamPosition, StreamRecord, decode_horizon, part_count,
    },
};
use rayon::prelude::*;

use super::{Contradiction, rows_of};
use crate::{
    catalog::Catalog,
    failure::Failure,
    rows::{CurrentRow, DirectoryRows},
};

/// Checks the streams of one table.
pub(super) fn check(
    name: &str,
    table: &TableRow,
    catalog: &Catalog,
    rows: &DirectoryRows<'_>,
) -> Result<Vec<Contradiction>, Failure> {
    if table.streams.is_empty() {
        return Ok(Vec::new());
    }
    let mut partitions = catalog.partitions_of(table.number);
    partitions.retain(|(_, row)| row.state != PartitionState::Filling);
    let read = partitions.par_iter().map(|&(number, row)| {
        let mut reader = RecordReader::new(row);
        rows_of(rows, number)?.each(&mut |row| reader.row(&row));
        Ok((number, reader.finish()))
    });
    let read: BTreeMap<u64, Read> = read.collect::<Result<_, Failure>>()?;
    let mut found = Vec::new();
    for (number, part) in &read {
        let subject = format!("stream of table {name}, partition {number}");
        found.extend(part.problem.iter().map(|problem| Contradiction::new(subject.clone(), problem.clone())));
    }
    for (number, row) in &partitions {
        let subject = format!("stream of table {name}, partition {number}");
        let lineage = lineage(row, &partitions, &read);
        found.extend(lineage.into_iter().map(|problem| Contradiction::new(subject.clone(), problem)));
    }
    Ok(found)
}

/// What is wrong between a partition and the one whose stream shard its own goes on.
fn lineage(
    row: &PartitionRow,
    partitions: &[(u64, &PartitionRow)],
    read: &BTreeMap<u64, Read>,
) -> Option<String> {
    // A parent without records that can still be read is forgotten.
    let parent_number = row.parent?;
    let (_, parent) = partitions.iter().find(|(number, _)| *number == parent_number)?;
    if parent.state != PartitionState::Closed {
        return Some(format!("it goes on from partition {parent_number}, which is not closed"));
    }
    if row.hash_first < parent.hash_first || row.hash_last > parent.hash_last {
        return Some(format!("it has hashes that partition {parent_number}, which was split, had not"));
    }
    let last = read.get(&parent_number).map_or(0, |part| part.last_entry);
    if row.sequence_base <= parent.sequence_base.saturating_add(last) {
        return Some(format!("its sequence numbers begin below those of partition {parent_number}"));
    }
    (row.first_stream > parent.last_stream)
        .then(|| format!("it goes on with a stream that partition {parent_number} has no records of"))
}

/// What the records of one partition came to.
#[derive(Debug, Default)]
struct Read {
    last_entry: u64,
    problem: Option<String>,
}

/// Puts records together from their parts, which come in order.
struct RecordReader<'a> {
    partition: &'a PartitionRow,
    horizons: BTreeMap<u32, StreamPosition>,
    /// The record whose parts are coming: its stream, position and bytes.
    open: Option<(u32, StreamPosition, Vec<u8>, u16)>,
    read: Read,
}

impl<'a> RecordReader<'a> {
    fn new(partition: &'a PartitionRow) -> Self {
        Self { partition, horizons: BTreeMap::new(), open: None, read: Read::default() }
    }

    fn row(&mut self, row: &CurrentRow<'_>) {
        if row.key.first() != Some(&TAG_STREAM) || self.read.problem.is_some() {
            return;
        }
        if let Err(problem) = self.part(row) {
            self.read.problem = Some(problem);
        }
    }

    fn part(&mut self, row: &CurrentRow<'_>) -> Result<(), String> {
        let key = StreamKey::decode(row.key).map_err(|error| error.to_string())?;
        let stream = key.stream_number;
        if key.position.entry_index == HORIZON_ENTRY_INDEX {
            let horizon = decode_horizon(row.value).map_err(|error| error.to_string())?;
            self.horizons.insert(stream, horizon);
            return Ok(());
        }
        let is_next = self.open.as_ref().is_some_and(|(of, position, _, parts)| {
            (*of, *position, *parts) == (stream, key.position, key.part)
        });
        if !is_next {
            self.end_record()?;
            if key.part != 0 {
                return Err(format!("{}: its first part is missing", in_words(stream, key.position)));
            }
            self.check_place(stream, key.position)?;
            self.open = Some((stream, key.position, Vec::new(), 0));
        }
        if let Some((_, _, bytes, parts)) = &mut self.open {
            bytes.extend_from_slice(row.value);
            *parts += 1;
        }
        self.read.last_entry = self.read.last_entry.max(key.position.entry_index);
        Ok(())
    }

    fn check_place(&self, stream: u32, position: StreamPosition) -> Result<(), String> {
        if self.horizons.get(&stream).is_some_and(|horizon| position < *horizon) {
            return Err(format!("{}: it was trimmed, and is there", in_words(stream, position)));
        }
        let is_closed = self.partition.state == PartitionState::Closed;
        let is_after = is_closed && stream > self.partition.last_stream;
        if stream < self.partition.first_stream || is_after {
            return Err(format!("{}: the partition has no such stream", in_words(stream, position)));
        }
        Ok(())
    }

    fn end_record(&mut self) -> Result<(), String> {
        let Some((stream, position, bytes, parts)) = self.open.take() else { return Ok(()) };
        let told = |problem: String| format!("{}: {problem}", in_words(stream, position));
        let wanted = part_count(&bytes).map_err(|error| told(error.to_string()))?;
        if wanted != parts {
            return Err(told(format!("{parts} of its {wanted} parts are there")));
        }
        check_record(&bytes).map_err(|error| told(error.to_string()))
    }

    fn finish(mut self) -> Read {
        let ended = self.end_record();
        self.read.problem = self.read.problem.take().or(ended.err());
        self.read
    }
}

/// A record and the items in it.
fn check_record(bytes: &[u8]) -> Result<(), DecodeError> {
    let record = StreamRecord::decode(bytes)?;
    let images = [record.new_image, record.old_image].into_iter().flatten();
    std::iter::once(record.keys).chain(images).try_for_each(item_encoding::validate)
}

fn in_words(stream: u32, position: StreamPosition) -> String {
    format!("record of stream {stream}, entry {}, change {}", position.entry_index, position.change)
}
