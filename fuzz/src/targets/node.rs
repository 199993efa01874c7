//! The data directory's own file.

use basalt_format::checksum::xxh3_64;
use basalt_format::data_directory::{
    NODE_COPY_BYTES, NODE_FORMAT_VERSION, NODE_MAGIC, NODE_STREAMS_MAX, Node,
};

use super::patch;

const VERSION_AT: usize = 8;
const LENGTH_AT: usize = 12;
const STREAM_COUNT_AT: usize = 104;
const STREAMS_AT: usize = 112;
const STREAM_BYTES: usize = 16;
const HASH_BYTES: usize = 8;

/// One copy of NODE, without its hash and padding.
pub fn node_copy(data: &[u8]) {
    check(data);
    let streams = data.len().saturating_sub(STREAMS_AT) / STREAM_BYTES;
    let streams = streams.min(NODE_STREAMS_MAX);
    let hash_at = STREAMS_AT + streams * STREAM_BYTES;
    let mut fixed = data.to_vec();
    fixed.resize(hash_at, 0);
    patch(&mut fixed, 0, NODE_MAGIC.to_le_bytes());
    patch(&mut fixed, VERSION_AT, NODE_FORMAT_VERSION.to_le_bytes());
    patch(&mut fixed, LENGTH_AT, ((hash_at + HASH_BYTES) as u32).to_le_bytes());
    patch(&mut fixed, STREAM_COUNT_AT, (streams as u32).to_le_bytes());
    let hash = xxh3_64(&fixed, NODE_MAGIC);
    fixed.extend_from_slice(&hash.to_le_bytes());
    fixed.resize(NODE_COPY_BYTES, 0);
    check(&fixed);
}

fn check(copy: &[u8]) {
    let Ok(node) = Node::decode_copy(copy) else { return };
    assert_eq!(node.encode_copy(), copy, "a copy has one form");
    let _ = node.copy_offset();
}
