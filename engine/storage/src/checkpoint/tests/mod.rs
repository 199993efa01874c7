//! Checkpoints under crashes, faults and damage, on the simulated disk.

mod compaction;
mod crashes;
mod damage;
mod faults;

use basalt_format::superblock::Superblock;

/// A superblock with no particular content.
pub(in crate::checkpoint) fn superblock() -> Superblock {
    Superblock {
        features_compatible: 0,
        features_read_only: 0,
        features_incompatible: 0,
        cluster_uuid: [0; 16],
        file_uuid: [0; 16],
        salt: 0,
        hash_secret: [0; 16],
        table: 0,
        partition: 0,
        parent_partition: 0,
        parent_last_index: 0,
        hash_first: 0,
        hash_last: 0,
        generation: 1,
        root: None,
        allocation: None,
        snapshots: None,
        transactions: None,
        to_free: None,
        applied_term: 0,
        applied_index: 0,
        applied_hybrid_time: 0,
        needed_stream: 0,
        needed_lsn: 0,
        row_count: 0,
        row_bytes: 0,
        item_count: 0,
        item_bytes: 0,
        leaf_page_bytes: 16384,
        inner_page_bytes: 16384,
        file_blocks: 8,
        token_expiry_max: 0,
        layout_version: 0,
        delete_time_max: 0,
        open_epoch: 0,
        local_index_rows: Default::default(),
    }
}
