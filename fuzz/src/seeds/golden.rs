//! Which target reads which golden file.

use basalt_format::BLOCK_SIZE_BYTES;

/// The corpus that a golden file belongs to, and its bytes as the target takes them. `None` for a file that no
/// target reads.
pub fn of_golden(name: &str, golden: Vec<u8>) -> Option<(&'static str, Vec<u8>)> {
    let chosen = |choice: u8| [&[choice][..], &golden].concat();
    Some(match name {
        _ if name.starts_with("catalog_key_") => ("catalog", chosen(0)),
        "catalog_counters_row" => ("catalog", chosen(1)),
        _ if name.starts_with("catalog_table_row") => ("catalog", chosen(2)),
        "catalog_partition_row" => ("catalog", chosen(3)),
        "key_of_local_index" => ("index_row", golden),
        _ if name.starts_with("item_") => ("item", golden),
        _ if name.starts_with("key_") => ("key", golden),
        _ if name.starts_with("node_") => ("node_copy", without_padding(golden)),
        "native_document" => ("native_document", chosen(1)),
        _ if name.starts_with("native_") => ("native_frame", golden),
        "prepared_key" => ("transaction", chosen(0)),
        _ if name.starts_with("prepared_row_") => ("transaction", chosen(1)),
        "decision_key" => ("transaction", chosen(2)),
        "decision_row" => ("transaction", chosen(3)),
        "token_key" => ("transaction", chosen(4)),
        "token_row" => ("transaction", chosen(5)),
        "stream_key" => ("stream_record", chosen(0)),
        "stream_record" => ("stream_record", chosen(1)),
        "stream_horizon" => ("stream_record", chosen(2)),
        "stream_iterator" => ("stream_record", chosen(3)),
        "outbox_key" => ("global_index", chosen(0)),
        "outbox_row" => ("global_index", chosen(1)),
        "received_key" => ("global_index", chosen(2)),
        "received_row" => ("global_index", chosen(3)),
        "backfill_key" => ("global_index", chosen(4)),
        _ if name.starts_with("backfill_row_") => ("global_index", chosen(5)),
        "collection_size" => ("collection_size", golden),
        "time_to_live_key" => ("time_to_live", chosen(0)),
        "time_to_live_progress" => ("time_to_live", chosen(1)),
        "superblock" => ("superblock", without_padding(golden)),
        "allocation_part" | "pointer" => ("allocation_map", golden),
        "leaf_page" | "inner_page" => ("page", golden),
        "wal_effects" => ("log_effects", golden),
        "wal_segment" => ("log_segment", without_padding(first_block(golden))),
        _ => return None,
    })
}

/// A whole file, of which the target reads the header.
fn first_block(mut golden: Vec<u8>) -> Vec<u8> {
    golden.truncate(BLOCK_SIZE_BYTES);
    golden
}

/// The target pads the structure itself.
fn without_padding(mut golden: Vec<u8>) -> Vec<u8> {
    let end = golden.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    golden.truncate(end);
    golden
}
