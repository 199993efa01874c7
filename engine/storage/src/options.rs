//! Plain numbers that shape one process's storage, with their defaults and bounds.

use basalt_format::BLOCK_SIZE_BYTES;

/// Options of the storage of one data directory; shared by all its shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// Bytes the process may use for pages, frozen copies, overlays and frames of all shards.
    pub memory_budget_bytes: u64,
    /// Bytes of log all shards may keep; `None`: four times the data, within 64 MiB and 1 GiB.
    pub log_budget_bytes: Option<u64>,
    /// Size of a leaf and of an inner page in memory, in bytes; a power of two, 4–32 KiB. New files only.
    pub page_size_bytes: u32,
    /// Bytes of whole frame a group commit aims at; one larger entry still makes one frame.
    pub frame_soft_limit_bytes: u32,
    /// Bytes of a shard's smallest log segment, which is what an idle log takes on the disk; a multiple of a block.
    pub log_segment_bytes_min: u64,
    /// Partition files that all shards together keep open; further ones are closed and opened again as they are used.
    pub partition_files_max: u32,
    /// For tests that need a long log: no checkpoint is started before the log budget is used up.
    pub hold_checkpoints: bool,
}

/// An option lies outside its bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{option} is {value}, must be {bounds}")]
pub struct OptionOutOfRange {
    /// The option's name.
    pub option: &'static str,
    /// The value given.
    pub value: u64,
    /// The values allowed.
    pub bounds: &'static str,
}

impl StoreOptions {
    /// The smallest memory budget that can hold a tree's path, a frame and a checkpoint in each shard.
    pub const MEMORY_BUDGET_BYTES_MIN: u64 = 16 << 20;
    /// The smallest log budget.
    pub const LOG_BUDGET_BYTES_MIN: u64 = 8 << 20;
    /// The default log budget's floor.
    ///
    /// A checkpoint writes each leaf that changed since the one before, whole. With random keys it is the log between two
    /// checkpoints that says how many rows share the cost of a leaf, so a small table wants a log larger than itself; an
    /// idle one gives it back after a second.
    pub const LOG_BUDGET_BYTES_DEFAULT_MIN: u64 = 64 << 20;
    /// The default log budget's ceiling.
    pub const LOG_BUDGET_BYTES_MAX: u64 = 1 << 30;

    /// The default log budget by the bytes of data, between floor and ceiling. Checkpoints begin at half of it: two bytes
    /// of log for one of data, so that all leaves written add half to what the log writes anyway.
    const LOG_BYTES_PER_DATA_BYTE: u64 = 4;

    /// Checks every option against its bounds.
    pub fn validate(&self) -> Result<(), OptionOutOfRange> {
        let page_size = self.page_size_bytes;
        check(
            "memory_budget_bytes",
            self.memory_budget_bytes,
            self.memory_budget_bytes >= Self::MEMORY_BUDGET_BYTES_MIN,
            "at least 16 MiB",
        )?;
        check(
            "page_size_bytes",
            page_size.into(),
            page_size.is_power_of_two() && (4096..=32768).contains(&page_size),
            "a power of two from 4096 to 32768",
        )?;
        check(
            "log_budget_bytes",
            self.log_budget_bytes.unwrap_or(Self::LOG_BUDGET_BYTES_MIN),
            self.log_budget_bytes.is_none_or(|bytes| bytes >= Self::LOG_BUDGET_BYTES_MIN),
            "at least 8 MiB",
        )?;
        check(
            "frame_soft_limit_bytes",
            self.frame_soft_limit_bytes.into(),
            (65536..=16 << 20).contains(&self.frame_soft_limit_bytes),
            "from 64 KiB to 16 MiB",
        )?;
        check(
            "partition_files_max",
            self.partition_files_max.into(),
            self.partition_files_max >= 16,
            "at least 16",
        )?;
        check(
            "log_segment_bytes_min",
            self.log_segment_bytes_min,
            (65536..=16 << 20).contains(&self.log_segment_bytes_min)
                && self.log_segment_bytes_min.is_multiple_of(BLOCK_SIZE_BYTES as u64),
            "a multiple of 4096 from 64 KiB to 16 MiB",
        )
    }

    /// The log budget of all shards when `data_bytes` are stored, in bytes.
    pub fn log_budget_bytes_for(&self, data_bytes: u64) -> u64 {
        let following = data_bytes.saturating_mul(Self::LOG_BYTES_PER_DATA_BYTE);
        self.log_budget_bytes
            .unwrap_or(following.clamp(Self::LOG_BUDGET_BYTES_DEFAULT_MIN, Self::LOG_BUDGET_BYTES_MAX))
    }
}

fn check(
    option: &'static str,
    value: u64,
    holds: bool,
    bounds: &'static str,
) -> Result<(), OptionOutOfRange> {
    if holds { Ok(()) } else { Err(OptionOutOfRange { option, value, bounds }) }
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            memory_budget_bytes: 1 << 30,
            log_budget_bytes: None,
            page_size_bytes: 16 << 10,
            frame_soft_limit_bytes: 1 << 20,
            log_segment_bytes_min: 1 << 20,
            partition_files_max: 512,
            hold_checkpoints: false,
        }
    }
}

/// One shard's shares of the memory budget (STORAGE §6): what would exceed its share waits or is throttled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryShares {
    /// Pages of the buffer pool.
    pub pool_bytes: u64,
    /// Page copies frozen by a running checkpoint.
    pub frozen_bytes: u64,
    /// Overlay entries and open frames.
    pub overlay_bytes: u64,
}

impl MemoryShares {
    /// Splits the process's budget among `shard_count` shards: 60, 15 and 10 percent; the rest is the server's.
    pub fn of(options: &StoreOptions, shard_count: u16) -> Self {
        let shard_bytes = options.memory_budget_bytes / u64::from(shard_count.max(1));
        Self {
            pool_bytes: shard_bytes / 100 * 60,
            frozen_bytes: shard_bytes / 100 * 15,
            overlay_bytes: shard_bytes / 100 * 10,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_within_their_bounds() {
        assert_eq!(StoreOptions::default().validate(), Ok(()));
    }

    #[test]
    fn each_option_is_held_to_its_bounds() {
        let base = StoreOptions::default;
        for broken in [
            StoreOptions { memory_budget_bytes: 1, ..base() },
            StoreOptions { page_size_bytes: 5000, ..base() },
            StoreOptions { page_size_bytes: 64 << 10, ..base() },
            StoreOptions { log_budget_bytes: Some(4096), ..base() },
            StoreOptions { frame_soft_limit_bytes: 0, ..base() },
            StoreOptions { partition_files_max: 0, ..base() },
            StoreOptions { log_segment_bytes_min: 4096, ..base() },
            StoreOptions { log_segment_bytes_min: (1 << 20) + 1, ..base() },
        ] {
            assert!(broken.validate().is_err(), "{broken:?} must be refused");
        }
    }

    #[test]
    fn log_budget_follows_the_data_between_its_floor_and_ceiling() {
        let options = StoreOptions::default();
        assert_eq!(options.log_budget_bytes_for(0), 64 << 20);
        assert_eq!(options.log_budget_bytes_for(100 << 20), 400 << 20);
        assert_eq!(options.log_budget_bytes_for(1 << 40), 1 << 30);
        let fixed = StoreOptions { log_budget_bytes: Some(2 << 30), ..options };
        assert_eq!(fixed.log_budget_bytes_for(0), 2 << 30);
    }
}
