//! What the catalog keeps of a table's streams.

use std::{collections::BTreeMap, time::Duration};

use basalt_format::catalog::STREAMS_MAX;
use basalt_runtime::UnixTime;

use super::{ClosedPartition, Table, TablePartition, TableSettings};
use crate::{
    error::{Error, ValidationError},
    operation::StreamChange,
    stream::{RETENTION, StreamLabel},
};

/// What a stream's records hold of the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamViewType {
    /// Its key.
    KeysOnly,
    /// The item as it became.
    NewImage,
    /// The item as it was.
    OldImage,
    /// Both.
    NewAndOldImages,
}

/// A stream of a table. A disabled one can be read until its records are too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamDescription {
    /// Its number among the table's streams, from 1; never given twice.
    pub number: u32,
    /// When it was enabled, in microseconds since 1970: its label.
    pub created_unix_us: u64,
    /// What its records hold.
    pub view_type: StreamViewType,
    /// When it was disabled; `None`: it takes records.
    pub disabled_unix_us: Option<u64>,
}

impl StreamDescription {
    /// Whether it takes records.
    pub fn is_enabled(&self) -> bool {
        self.disabled_unix_us.is_none()
    }

    /// Whether it has been disabled for so long that none of its records is left.
    pub(crate) fn is_past(&self, now: UnixTime) -> bool {
        let age_us = self.disabled_unix_us.map_or(0, |disabled| now.as_micros().saturating_sub(disabled));
        Duration::from_micros(age_us) > RETENTION
    }

    /// What clients know it by.
    pub fn label(&self) -> StreamLabel {
        StreamLabel::of_time(self.created_unix_us)
    }
}

impl Table {
    /// The table's streams with a change.
    pub(crate) fn streams_after(
        &self,
        change: StreamChange,
        now: UnixTime,
    ) -> Result<Vec<StreamDescription>, Error> {
        let table_name = || self.name.to_string();
        let mut streams = self.streams.clone();
        let enabled = streams.last_mut().filter(|stream| stream.is_enabled());
        match (change, enabled) {
            (StreamChange::Enable(view_type), None) => {
                if streams.len() as u64 >= STREAMS_MAX {
                    return Err(Error::TooManyStreams { table_name: table_name() });
                }
                let after = self.last_stream_number();
                streams.push(StreamDescription::after(streams.last(), after, view_type, now));
            }
            (StreamChange::Disable, Some(stream)) => {
                stream.disabled_unix_us = Some(now.as_micros().max(stream.created_unix_us));
            }
            (StreamChange::Enable(_), Some(_)) => {
                return Err(ValidationError::StreamIsEnabled { table_name: table_name() }.into());
            }
            (StreamChange::Disable, None) => {
                return Err(ValidationError::StreamIsDisabled { table_name: table_name() }.into());
            }
        }
        Ok(streams)
    }
}

impl Table {
    /// What stays of this table when it is deleted now, so that its streams can be read as long as their records are:
    /// streams that take no more records, and partitions that take no more writes. `None` if no stream is left.
    pub(crate) fn departed(&self, now: UnixTime) -> Option<Self> {
        let streams = self.streams_left(now);
        let (first, last) = (streams.first()?.number, streams.last()?.number);
        let closing = self.partitions.iter().filter(|partition| partition.lineage.first_stream <= last);
        let closing: Vec<_> = closing.map(|partition| closed_at(partition, now, last)).collect();
        let closed = self.closed.iter().copied().filter(|closed| first <= closed.last_stream);
        Some(self.without_all_but(streams, closed.chain(closing).collect()))
    }

    /// As [`Table::departed`], of a table with tokens that are still to answer for their transactions: every partition
    /// that serves stays, since each may have some.
    pub(crate) fn departed_with_tokens(&self, now: UnixTime) -> Self {
        let streams = self.streams_left(now);
        let ends = streams.first().zip(streams.last()).map(|(first, last)| (first.number, last.number));
        let last = ends.map_or(0, |(_, last)| last);
        let closing = self.partitions.iter().map(|partition| closed_at(partition, now, last));
        // What was split before has handed its tokens on, and stays for its records alone.
        let is_read = |closed: &ClosedPartition| ends.is_some_and(|(first, _)| first <= closed.last_stream);
        let closed = self.closed.iter().copied().filter(is_read);
        self.without_all_but(streams, closed.chain(closing).collect())
    }

    /// The streams whose records can be read when the table is deleted now; none of them takes more.
    fn streams_left(&self, now: UnixTime) -> Vec<StreamDescription> {
        let disabled = |stream: &StreamDescription| StreamDescription {
            disabled_unix_us: stream.disabled_unix_us.or(Some(now.as_micros().max(stream.created_unix_us))),
            ..*stream
        };
        self.streams.iter().map(disabled).filter(|stream| !stream.is_past(now)).collect()
    }

    fn without_all_but(&self, streams: Vec<StreamDescription>, closed: Vec<ClosedPartition>) -> Self {
        Self {
            settings: TableSettings { tags: BTreeMap::new(), ..self.settings.clone() },
            local_indexes: Vec::new(),
            global_indexes: Vec::new(),
            time_to_live: None,
            streams,
            partitions: Vec::new(),
            closed,
            filling: Vec::new(),
            ..self.clone()
        }
    }
}

/// A partition of a table that is deleted now. One that came to be after the last stream is said to have been there for
/// the next one, which will never be.
fn closed_at(partition: &TablePartition, now: UnixTime, last_stream: u32) -> ClosedPartition {
    let lineage = &partition.lineage;
    ClosedPartition {
        partition: *partition,
        closed_unix_us: now.as_micros().max(lineage.opened_unix_us),
        last_stream: last_stream.max(lineage.first_stream).max(1),
    }
}

/// A partition as a shard of a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamPartition<'a> {
    pub(crate) partition: &'a TablePartition,
    /// Whether it was split: it takes no more records.
    pub(crate) is_closed: bool,
}

impl Table {
    /// The partitions that have, or will have, records of a stream.
    pub(crate) fn partitions_of_stream(&self, number: u32) -> impl Iterator<Item = StreamPartition<'_>> {
        let closed = self.closed.iter().filter(move |closed| number <= closed.last_stream);
        let closed = closed.map(|closed| StreamPartition { partition: &closed.partition, is_closed: true });
        let serving = self.partitions.iter();
        let serving = serving.map(|partition| StreamPartition { partition, is_closed: false });
        closed.chain(serving).filter(move |place| number >= place.partition.lineage.first_stream)
    }

    /// The partition whose shard of a stream another one's goes on, if it can still be read.
    pub(crate) fn parent_in_stream(
        &self,
        partition: &TablePartition,
        number: u32,
    ) -> Option<&TablePartition> {
        let lineage = &partition.lineage;
        let parent = lineage.parent.filter(|_| lineage.first_stream == number)?;
        self.closed.iter().map(|closed| &closed.partition).find(|closed| closed.id == parent)
    }
}

impl StreamDescription {
    /// The stream after `last`, with a label of its own and a number above `last_number`.
    fn after(last: Option<&Self>, last_number: u32, view_type: StreamViewType, now: UnixTime) -> Self {
        // Also when the clock was set back, or stood still for a millisecond.
        let created_unix_us = last.map_or(0, |last| last.created_unix_us + 1000).max(now.as_micros());
        let number = last_number.checked_add(1).expect("fewer than 2^32 streams are made");
        Self { number, created_unix_us, view_type, disabled_unix_us: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_streams_of_a_table_have_one_number_or_label() {
        let now = UnixTime::from_micros(1_767_225_600_000_000);
        let first = StreamDescription::after(None, 0, StreamViewType::NewImage, now);
        let at_once = StreamDescription::after(Some(&first), 1, StreamViewType::NewImage, now);
        let set_back =
            StreamDescription::after(Some(&at_once), 2, StreamViewType::NewImage, UnixTime::from_micros(5));
        let streams = [first, at_once, set_back];
        assert_eq!(streams.map(|stream| stream.number), [1, 2, 3]);
        assert!(streams.is_sorted_by(|earlier, later| earlier.label() < later.label()));
    }
}
