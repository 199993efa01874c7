//! The name of a stream shard.

use std::fmt;

use super::StreamLabel;
use crate::catalog::TablePartition;

const PREFIX: &str = "shardId-";
const TIME_DIGITS: usize = 20;
const PARTITION_DIGITS: usize = 16;

/// The name of a stream shard: the partition whose changes it tells, as of one stream.
///
/// Reads and prints as `shardId-`, twenty digits of milliseconds since 1970, a dash and sixteen hexadecimal digits:
/// consumers read the time of a shard's making from its name, as from DynamoDB's. Children's names follow their
/// parents'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamShardId {
    created_unix_ms: u64,
    partition: u64,
}

impl StreamShardId {
    pub(crate) fn new(stream: StreamLabel, partition: &TablePartition) -> Self {
        let opened_unix_ms = partition.lineage.opened_unix_us / 1000;
        Self { created_unix_ms: stream.unix_ms().max(opened_unix_ms), partition: partition.id.get() }
    }

    /// Reads a name; `None` if the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (time, partition) = text.strip_prefix(PREFIX)?.split_once('-')?;
        let id =
            Self { created_unix_ms: time.parse().ok()?, partition: u64::from_str_radix(partition, 16).ok()? };
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for StreamShardId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { created_unix_ms, partition } = self;
        write!(formatter, "{PREFIX}{created_unix_ms:0TIME_DIGITS$}-{partition:0PARTITION_DIGITS$x}")
    }
}

#[cfg(test)]
mod tests {
    use basalt_storage::PartitionId;

    use super::*;

    #[test]
    fn names_are_as_long_as_clients_want_and_read_back() {
        let partition = TablePartition::new(PartitionId::new(0x2f), (0, u64::MAX));
        let id = StreamShardId::new(StreamLabel::of_time(1_700_000_000_123_456), &partition);
        assert_eq!(id.to_string(), "shardId-00000001700000000123-000000000000002f");
        assert!((28..=65).contains(&id.to_string().len()));
        assert_eq!(StreamShardId::parse(&id.to_string()), Some(id));
    }

    #[test]
    fn other_texts_are_no_names() {
        for text in [
            "",
            "shardId-00000001700000000123",
            "shardId-00000001700000000123-000000000000002F",
            "shardId-1700000000123-000000000000002f",
            "shardid-00000001700000000123-000000000000002f",
            "shardId-00000001700000000123-000000000000002f-",
        ] {
            assert_eq!(StreamShardId::parse(text), None, "{text:?}");
        }
    }
}
