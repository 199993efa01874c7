//! Plain numbers that shape an engine, with their defaults and bounds.

use std::time::Duration;

use basalt_runtime::IoChoice;
use basalt_storage::{OptionOutOfRange, StoreOptions};

/// Options of one engine.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Shards: executors of one core each. `None`: one for each core. It may differ from start to start.
    pub shard_count: Option<u16>,
    /// Bytes that pages, overlays, frames and requests of all shards may take.
    pub memory_budget_bytes: u64,
    /// Bytes of log to keep at most; `None`: four times the data, within 64 MiB and 1 GiB.
    pub log_budget_bytes: Option<u64>,
    /// How files and sockets are driven.
    pub io: IoChoice,
    /// Keeps everything in memory: the directory is not touched, and all is gone at the end.
    pub in_memory: bool,
    /// Pins each shard's thread to a core.
    pub pin_shards: bool,
    /// The items of one partition key, with their entries in local indexes, may take so many bytes.
    pub item_collection_bytes_max: u64,
    /// Partitions whose items, with their entries in local indexes, take more bytes than this are split.
    pub partition_bytes_max: u64,
    /// How often partitions are looked at for that, while anything is written.
    pub partition_check_interval: Duration,
    /// The account in the resource names of tables: 12 digits.
    pub account_id: String,
    /// The region in the resource names of tables.
    pub region: String,
    /// Holds tables with provisioned throughput, or with maxima of what is paid for on demand, to their figures.
    pub enforce_throughput: bool,
    /// When a write that changes global indexes is answered.
    pub index_acknowledgement: IndexAcknowledgement,
    /// How long a new table is told to be CREATING, and takes no reads and writes: for tests of code that waits for
    /// tables. A table is ready at once otherwise.
    pub table_creation_time: Duration,
    /// For tests that need a long log: no checkpoint is started by itself.
    pub hold_checkpoints: bool,
}

/// When a write that changes global indexes is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IndexAcknowledgement {
    /// When the indexes show it: who reads an index after his write finds what he wrote.
    #[default]
    Visible,
    /// When it is durable in its table; the indexes follow, as DynamoDB's do.
    Asynchronous,
}

/// An option cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// A number lies outside its bounds.
    #[error(transparent)]
    OutOfRange(#[from] OptionOutOfRange),
    /// The account id is not 12 digits, or is all zeros, which clients take for "another account".
    #[error("account_id is {0:?}, must be 12 digits, not all zero")]
    AccountId(String),
    /// The region is empty or holds other characters than `a-z0-9-`.
    #[error("region is {0:?}, must be lower-case letters, digits and dashes")]
    Region(String),
}

impl EngineOptions {
    /// More shards than any machine has cores for are a mistake.
    pub const SHARD_COUNT_MAX: u16 = 1024;
    /// Smaller partitions would cost more than they hold.
    pub const PARTITION_BYTES_MAX_LEAST: u64 = 16 << 10;

    /// Checks every option against its bounds.
    pub fn validate(&self) -> Result<(), OptionsError> {
        if let Some(count) = self.shard_count
            && !(1..=Self::SHARD_COUNT_MAX).contains(&count)
        {
            let value = count.into();
            return Err(OptionOutOfRange { option: "shard_count", value, bounds: "from 1 to 1024" }.into());
        }
        if self.partition_bytes_max < Self::PARTITION_BYTES_MAX_LEAST {
            let (option, value) = ("partition_bytes_max", self.partition_bytes_max);
            return Err(OptionOutOfRange { option, value, bounds: "at least 16 KiB" }.into());
        }
        if !is_account_id(&self.account_id) {
            return Err(OptionsError::AccountId(self.account_id.clone()));
        }
        if !is_region(&self.region) {
            return Err(OptionsError::Region(self.region.clone()));
        }
        Ok(self.store_options().validate()?)
    }

    /// The Amazon resource name of a table.
    pub(crate) fn table_arn(&self, table_name: &str) -> String {
        format!("arn:aws:dynamodb:{}:{}:table/{table_name}", self.region, self.account_id)
    }

    /// The part of the options that storage needs.
    pub(crate) fn store_options(&self) -> StoreOptions {
        StoreOptions {
            memory_budget_bytes: self.memory_budget_bytes,
            log_budget_bytes: self.log_budget_bytes,
            hold_checkpoints: self.hold_checkpoints,
            ..StoreOptions::default()
        }
    }
}

impl Default for EngineOptions {
    fn default() -> Self {
        let store = StoreOptions::default();
        Self {
            shard_count: None,
            memory_budget_bytes: store.memory_budget_bytes,
            log_budget_bytes: store.log_budget_bytes,
            io: IoChoice::Auto,
            in_memory: false,
            pin_shards: true,
            item_collection_bytes_max: 10 << 30,
            partition_bytes_max: 10 << 30,
            partition_check_interval: Duration::from_secs(1),
            account_id: "123456789012".into(),
            region: "us-east-1".into(),
            enforce_throughput: true,
            index_acknowledgement: IndexAcknowledgement::default(),
            table_creation_time: Duration::ZERO,
            hold_checkpoints: false,
        }
    }
}

fn is_account_id(text: &str) -> bool {
    text.len() == 12
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && text.bytes().any(|byte| byte != b'0')
}

fn is_region(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_within_their_bounds() {
        assert_eq!(EngineOptions::default().validate(), Ok(()));
    }

    #[test]
    fn each_option_is_held_to_its_bounds() {
        let base = EngineOptions::default;
        for broken in [
            EngineOptions { shard_count: Some(0), ..base() },
            EngineOptions { shard_count: Some(2000), ..base() },
            EngineOptions { memory_budget_bytes: 1, ..base() },
            EngineOptions { partition_bytes_max: 1000, ..base() },
            EngineOptions { account_id: "000000000000".into(), ..base() },
            EngineOptions { account_id: "12345".into(), ..base() },
            EngineOptions { region: String::new(), ..base() },
            EngineOptions { region: "EU west".into(), ..base() },
        ] {
            assert!(broken.validate().is_err(), "{broken:?} must be refused");
        }
    }
}
