//! Which structures the tests of this folder prove: one place to register, the tests that follow from it.
//!
//! A structure joins in three steps:
//! 1. Its page in `spec/` has its byte table, with `<!-- table: NAME -->` on a line of its own above it. A byte table
//!    has the columns `offset`, `size` and `field`; a table of values has `value` and `name`. Other columns are
//!    free; names stand in backticks.
//! 2. [`tables`] gets a row that names the page, the table and the code's constant.
//! 3. [`samples`] gets a golden sample in the structure's own file of this folder. Its bytes are kept twice in
//!    `golden/v1`: `NAME.bin`, and `NAME.hex`, which a person has read: hexadecimal with a comment behind `#`.
//!    `BASALT_WRITE_GOLDEN=1 cargo test -p basalt-format --test specification` writes missing files, the hex without
//!    comments; it never changes one that is there.

use basalt_format::DecodeError;
use basalt_format::layout::{Constant, Field};

mod catalog;
mod global_index;
mod items;
mod keys;
mod native;
mod node;
mod partition_file;
mod streams;
mod time_to_live;
mod transactions;
mod wal;

/// What a Markdown table must say.
pub(crate) enum Rows {
    /// A byte table.
    Fields(&'static [Field]),
    /// A table of values.
    Constants(&'static [Constant]),
}

/// A table of the specification and its counterpart.
pub(crate) struct Table {
    /// File in `spec/`.
    pub(crate) page: &'static str,
    /// Name in the comment above the table.
    pub(crate) name: &'static str,
    /// The code's side.
    pub(crate) rows: Rows,
}

impl Table {
    const fn fields(page: &'static str, name: &'static str, fields: &'static [Field]) -> Self {
        Self { page, name, rows: Rows::Fields(fields) }
    }

    const fn constants(page: &'static str, name: &'static str, constants: &'static [Constant]) -> Self {
        Self { page, name, rows: Rows::Constants(constants) }
    }
}

/// How a structure notices that its bytes were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protection {
    /// A checksum covers every byte: each change is an error.
    Checksum,
    /// None of its own: each change is an error or another value, since every value has one form.
    CanonicalForm,
}

/// One value of a structure whose bytes are kept in `golden/`.
pub(crate) struct Sample {
    /// Name of the golden files.
    pub(crate) name: &'static str,
    /// How changes are noticed.
    pub(crate) protection: Protection,
    /// Writes the value.
    pub(crate) encode: fn() -> Vec<u8>,
    /// Reads any bytes as the structure, checking all of them, and tells what they say.
    pub(crate) decode: fn(&[u8]) -> Result<String, DecodeError>,
}

/// Every table that `tables_match_code.rs` compares.
pub(crate) fn tables() -> Vec<Table> {
    use basalt_format::{
        backfill, backup, catalog, collection_size, data_directory, extent, item_encoding, key_encoding,
        native, number, outbox, page, received, stream_iterator, stream_record, superblock, time_to_live,
        transaction, wal,
    };
    vec![
        Table::fields("backup.md", "chunk_header", backup::CHUNK_HEADER_LAYOUT),
        Table::fields("backup.md", "chunk_run", backup::CHUNK_RUN_LAYOUT),
        Table::constants("backup.md", "chunk_constants", backup::CHUNK_CONSTANTS),
        Table::constants("key_encoding.md", "key_tags", key_encoding::TAGS),
        Table::fields("key_encoding.md", "hashed_key", key_encoding::HASHED_KEY_LAYOUT),
        Table::constants("key_encoding.md", "key_escapes", key_encoding::ESCAPES),
        Table::constants("key_encoding.md", "ordered_number", number::ORDERED_SIGNS),
        Table::constants("key_encoding.md", "number_limits", number::LIMITS),
        Table::constants("item_encoding.md", "item_limits", item_encoding::LIMITS),
        Table::constants("item_encoding.md", "value_tags", item_encoding::TAGS),
        Table::constants("item_encoding.md", "compact_number", number::COMPACT_BITS),
        Table::fields("collection_size.md", "collection_size", collection_size::COLLECTION_SIZE_LAYOUT),
        Table::constants("catalog.md", "catalog_kinds", catalog::KINDS),
        Table::fields("catalog.md", "counters_row", catalog::COUNTERS_ROW_LAYOUT),
        Table::fields("catalog.md", "table_row", catalog::TABLE_ROW_LAYOUT),
        Table::constants("catalog.md", "table_statuses", catalog::TABLE_STATUSES),
        Table::constants("catalog.md", "billing_modes", catalog::BILLING_MODES),
        Table::constants("catalog.md", "table_classes", catalog::TABLE_CLASSES),
        Table::constants("catalog.md", "projection_kinds", catalog::PROJECTION_KINDS),
        Table::constants("catalog.md", "index_statuses", catalog::INDEX_STATUSES),
        Table::constants("catalog.md", "stream_views", catalog::STREAM_VIEWS),
        Table::constants("catalog.md", "time_to_live_states", catalog::TIME_TO_LIVE_STATES),
        Table::fields("catalog.md", "partition_row", catalog::PARTITION_ROW_LAYOUT),
        Table::constants("catalog.md", "partition_states", catalog::PARTITION_STATES),
        Table::fields("global_index.md", "outbox_key", outbox::OUTBOX_KEY_LAYOUT),
        Table::fields("global_index.md", "outbox_change", outbox::OUTBOX_CHANGE_LAYOUT),
        Table::constants("global_index.md", "outbox_change_kinds", outbox::CHANGE_KINDS),
        Table::fields("global_index.md", "received_key", received::RECEIVED_KEY_LAYOUT),
        Table::fields("global_index.md", "received_row", received::RECEIVED_ROW_LAYOUT),
        Table::fields("global_index.md", "backfill_key", backfill::BACKFILL_KEY_LAYOUT),
        Table::constants("global_index.md", "backfill_states", backfill::BACKFILL_STATES),
        Table::fields("native_frame.md", "native_frame_header", native::frame::FRAME_HEADER_LAYOUT),
        Table::constants("native_frame.md", "native_frame_limits", native::frame::FRAME_LIMITS),
        Table::constants("native_frame.md", "native_frame_kinds", native::frame::FRAME_KINDS),
        Table::constants("native_frame.md", "native_frame_flags", native::frame::FRAME_FLAGS),
        Table::fields("native_frame.md", "native_hello", native::handshake::HELLO_LAYOUT),
        Table::fields("native_frame.md", "native_welcome", native::handshake::WELCOME_LAYOUT),
        Table::fields("native_frame.md", "native_proof", native::handshake::PROOF_LAYOUT),
        Table::constants("native_frame.md", "native_features", native::handshake::FEATURES),
        Table::constants("native_frame.md", "native_handshake", native::handshake::HANDSHAKE_CONSTANTS),
        Table::constants("native_frame.md", "native_operations", native::codes::OPERATIONS),
        Table::constants("native_frame.md", "native_exceptions", native::codes::EXCEPTIONS),
        Table::constants("native_frame.md", "native_faults", native::codes::FAULTS),
        Table::constants("native_document.md", "native_document_tags", native::document::DOCUMENT_TAGS),
        Table::constants("native_document.md", "native_document_limits", native::document::DOCUMENT_LIMITS),
        Table::constants("native_document.md", "native_name_marks", native::document::NAME_MARKS),
        Table::constants("native_document.md", "native_members", native::members::MEMBERS),
        Table::fields("data_directory.md", "node", data_directory::NODE_LAYOUT),
        Table::fields("data_directory.md", "node_stream", data_directory::NODE_STREAM_LAYOUT),
        Table::fields("superblock.md", "superblock", superblock::SUPERBLOCK_LAYOUT),
        Table::constants("superblock.md", "superblock_constants", superblock::SUPERBLOCK_CONSTANTS),
        Table::fields("extent.md", "pointer", extent::POINTER_LAYOUT),
        Table::constants("extent.md", "extent_kinds", extent::EXTENT_KINDS),
        Table::fields("extent.md", "allocation_header", extent::ALLOCATION_HEADER_LAYOUT),
        Table::constants("extent.md", "block_classes", extent::BLOCK_CLASSES),
        Table::fields("page.md", "page_header", page::PAGE_HEADER_LAYOUT),
        Table::fields("page.md", "slot", page::SLOT_LAYOUT),
        Table::fields("page.md", "leaf_cell", page::LEAF_CELL_LAYOUT),
        Table::fields("page.md", "overflow_payload", page::OVERFLOW_PAYLOAD_LAYOUT),
        Table::constants("page.md", "page_constants", page::PAGE_CONSTANTS),
        Table::fields("stream_record.md", "stream_key", stream_record::STREAM_KEY_LAYOUT),
        Table::constants("stream_record.md", "stream_record_limits", stream_record::STREAM_RECORD_LIMITS),
        Table::fields("stream_record.md", "stream_record", stream_record::STREAM_RECORD_LAYOUT),
        Table::constants("stream_record.md", "stream_events", stream_record::STREAM_EVENTS),
        Table::constants("stream_record.md", "stream_causes", stream_record::STREAM_CAUSES),
        Table::constants("stream_record.md", "stream_images", stream_record::STREAM_IMAGES),
        Table::fields("stream_record.md", "stream_horizon", stream_record::STREAM_HORIZON_LAYOUT),
        Table::fields("stream_record.md", "stream_iterator", stream_iterator::STREAM_ITERATOR_LAYOUT),
        Table::fields("time_to_live.md", "time_to_live_key", time_to_live::TIME_TO_LIVE_KEY_LAYOUT),
        Table::fields("time_to_live.md", "time_to_live_progress", time_to_live::TIME_TO_LIVE_PROGRESS_LAYOUT),
        Table::constants(
            "time_to_live.md",
            "time_to_live_progress_states",
            time_to_live::TIME_TO_LIVE_PROGRESS_STATES,
        ),
        Table::fields("transaction.md", "prepared_key", transaction::PREPARED_KEY_LAYOUT),
        Table::fields("transaction.md", "prepared_row", transaction::PREPARED_ROW_LAYOUT),
        Table::constants("transaction.md", "prepared_outcomes", transaction::PREPARED_OUTCOMES),
        Table::fields("transaction.md", "decision_key", transaction::DECISION_KEY_LAYOUT),
        Table::fields("transaction.md", "token_key", transaction::TOKEN_KEY_LAYOUT),
        Table::constants("transaction.md", "token_spaces", transaction::TOKEN_SPACES),
        Table::fields("transaction.md", "token_row", transaction::TOKEN_ROW_LAYOUT),
        Table::fields("wal.md", "segment_header", wal::SEGMENT_HEADER_LAYOUT),
        Table::fields("wal.md", "frame_header", wal::FRAME_HEADER_LAYOUT),
        Table::fields("wal.md", "record_header", wal::RECORD_HEADER_LAYOUT),
        Table::constants("wal.md", "record_kinds", wal::RECORD_KINDS),
        Table::constants("wal.md", "effect_kinds", wal::EFFECT_KINDS),
    ]
}

/// Every sample that `golden.rs` and `every_byte_flipped.rs` try.
pub(crate) fn samples() -> Vec<Sample> {
    [
        keys::samples(),
        items::samples(),
        catalog::samples(),
        global_index::samples(),
        native::samples(),
        node::samples(),
        partition_file::samples(),
        streams::samples(),
        time_to_live::samples(),
        transactions::samples(),
        wal::samples(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
