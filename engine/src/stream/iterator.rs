//! Iterators: where a reader is, given to it to keep.

use std::time::Duration;

use basalt_format::{DecodeError, stream_iterator::StreamIterator, stream_record::StreamPosition};
use basalt_runtime::UnixTime;
use basalt_storage::PartitionId;

use crate::catalog::{StreamDescription, Table};

/// An iterator is good for so long.
const ITERATOR_LIFETIME: Duration = Duration::from_mins(15);

/// A reader's place in a stream shard. Good for a quarter of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardIterator(StreamIterator);

/// Bytes that are no iterator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a shard iterator: {0}")]
pub struct IteratorError(DecodeError);

impl ShardIterator {
    /// An iterator that was given out then, at the first position that is still to be read.
    pub(crate) fn new(
        table: &Table,
        stream: &StreamDescription,
        partition: PartitionId,
        position: StreamPosition,
        issued: UnixTime,
    ) -> Self {
        Self(StreamIterator {
            table_id: table.id.to_bytes(),
            stream_number: stream.number,
            partition: partition.get(),
            position,
            issued_unix_us: issued.as_micros(),
        })
    }

    /// The iterator's bytes, for the reader to keep.
    pub fn encode(&self) -> Vec<u8> {
        self.0.encode()
    }

    /// An iterator from its bytes.
    ///
    /// # Errors
    /// When the bytes are none of an iterator.
    pub fn decode(bytes: &[u8]) -> Result<Self, IteratorError> {
        StreamIterator::decode(bytes).map(Self).map_err(IteratorError)
    }

    pub(crate) fn is_of(&self, table: &Table, stream: &StreamDescription) -> bool {
        self.0.table_id == table.id.to_bytes() && self.0.stream_number == stream.number
    }

    pub(crate) fn partition(&self) -> PartitionId {
        PartitionId::new(self.0.partition)
    }

    pub(crate) fn position(&self) -> StreamPosition {
        self.0.position
    }

    /// Whether it was given out too long ago. A clock that was set back since makes no iterator old.
    pub(crate) fn is_expired(&self, now: UnixTime) -> bool {
        let age = now.as_micros().saturating_sub(self.0.issued_unix_us);
        u128::from(age) > ITERATOR_LIFETIME.as_micros()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued_at(issued_unix_us: u64) -> ShardIterator {
        ShardIterator(StreamIterator {
            table_id: [1; 16],
            stream_number: 1,
            partition: 2,
            position: StreamPosition::START,
            issued_unix_us,
        })
    }

    #[test]
    fn an_iterator_is_good_for_a_quarter_of_an_hour() {
        let iterator = issued_at(1_000_000_000);
        let after = |seconds: u64| UnixTime::from_micros(1_000_000_000 + seconds * 1_000_000);
        assert!(!iterator.is_expired(after(900)));
        assert!(iterator.is_expired(after(901)));
        assert!(!iterator.is_expired(UnixTime::from_micros(5)), "the clock was set back");
    }

    #[test]
    fn other_bytes_are_no_iterator() {
        let sound = issued_at(7).encode();
        assert_eq!(ShardIterator::decode(&sound), Ok(issued_at(7)));
        for broken in [&[][..], b"garbage", &sound[1..], &[&sound[..], &[0]].concat()] {
            assert!(ShardIterator::decode(broken).is_err(), "{broken:?}");
        }
    }
}
