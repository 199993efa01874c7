//! NODE: what a data directory is, in two copies of which the newest valid one counts.
//!
//! The copies are blocks 0–3 and 4–7 of the file. An update writes the copy that is not the newest and syncs, so
//! that one valid copy exists at every instant. Bytes: `spec/data_directory.md`; examples: `golden/v1/node_*`.

use crate::BLOCK_SIZE_BYTES;
use crate::bytes::{Put, Reader};
use crate::checksum::xxh3_64;
use crate::error::DecodeError;
use crate::layout::Field;

/// "BSLTNODE", read as a little-endian number.
pub const NODE_MAGIC: u64 = u64::from_le_bytes(*b"BSLTNODE");
/// The version of the data directory that this crate writes.
pub const NODE_FORMAT_VERSION: u32 = 1;
/// Bytes of one copy.
pub const NODE_COPY_BYTES: usize = 4 * BLOCK_SIZE_BYTES;
/// Where the two copies start in the file.
pub const NODE_COPY_OFFSETS: [u64; 2] = [0, NODE_COPY_BYTES as u64];
/// Bytes of the file.
pub const NODE_FILE_BYTES: usize = 2 * NODE_COPY_BYTES;
/// The most streams that a directory may list: far more than machines have cores.
pub const NODE_STREAMS_MAX: usize = 512;

/// Where the fixed fields of a copy are; the table of `spec/data_directory.md`.
pub const NODE_LAYOUT: &[Field] = &[
    Field::new(0, 8, "magic"),
    Field::new(8, 4, "version"),
    Field::new(12, 4, "length"),
    Field::new(16, 16, "cluster_uuid"),
    Field::new(32, 8, "node_id"),
    Field::new(40, 8, "features_compatible"),
    Field::new(48, 8, "features_read_only"),
    Field::new(56, 8, "features_incompatible"),
    Field::new(64, 8, "open_epoch"),
    Field::new(72, 8, "revision"),
    Field::new(80, 8, "log_salt"),
    Field::new(88, 16, "catalog_file_uuid"),
    Field::new(104, 4, "stream_count"),
    Field::new(108, 4, "reserved"),
];
/// Where a stream's fields are in its entry.
pub const NODE_STREAM_LAYOUT: &[Field] = &[
    Field::new(0, 2, "stream"),
    Field::new(2, 2, "flags"),
    Field::new(4, 4, "reserved"),
    Field::new(8, 8, "end_lsn"),
];

const WHAT: &str = "NODE";
const STREAM_BYTES: usize = NODE_STREAM_LAYOUT[NODE_STREAM_LAYOUT.len() - 1].end();
const FIXED_BYTES: usize = NODE_LAYOUT[NODE_LAYOUT.len() - 1].end();
const HASH_BYTES: usize = 8;
const FLAG_EMPTY: u16 = 1;
const LENGTH_MAX: usize = FIXED_BYTES + NODE_STREAMS_MAX * STREAM_BYTES + HASH_BYTES;

const _: () = assert!(LENGTH_MAX <= NODE_COPY_BYTES);

/// One state of a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The cluster; every file of the directory repeats it.
    pub cluster_uuid: [u8; 16],
    /// This node in the cluster.
    pub node_id: u64,
    /// What the directory's files may hold.
    pub features: FeatureBits,
    /// Grows by one with each start that changes anything.
    pub open_epoch: u64,
    /// Grows by one with each update of NODE; its lowest bit chooses the copy.
    pub revision: u64,
    /// Seeds the hashes of log frame headers. Secret: no client may learn it.
    pub log_salt: u64,
    /// The file of partition 0, the catalog, once it had its first checkpoint.
    pub catalog_file_uuid: Option<[u8; 16]>,
    /// The log streams that may still be needed, in ascending order.
    pub streams: Vec<NodeStream>,
}

/// Features that files may use, by what a version must do that does not know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeatureBits {
    /// It may go on.
    pub compatible: u64,
    /// It may read but not write.
    pub read_only: u64,
    /// It must not open the directory.
    pub incompatible: u64,
}

/// A log stream of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeStream {
    /// Its number, and its folder's name in `wal/`.
    pub stream: u16,
    /// The stream was durable up to here when NODE was written: a log that ends before has lost something.
    pub end_lsn: u64,
    /// What is known of the stream's files.
    pub content: StreamContent,
}

/// What is known of a stream's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamContent {
    /// There is a segment that reaches `end_lsn`.
    Written,
    /// Nothing below `end_lsn` is needed; there may be no segment at all. So it is for a stream that nobody has
    /// written yet, and for one that was given up when the shards became fewer.
    Empty,
}

impl Node {
    /// Where this revision's copy stands in the file.
    pub fn copy_offset(&self) -> u64 {
        NODE_COPY_OFFSETS[usize::from(self.revision % 2 == 1)]
    }

    /// Encodes one copy, padding included.
    ///
    /// # Panics
    /// If there are more streams than [`NODE_STREAMS_MAX`].
    pub fn encode_copy(&self) -> Vec<u8> {
        assert!(
            self.streams.len() <= NODE_STREAMS_MAX,
            "a directory lists at most {NODE_STREAMS_MAX} streams"
        );
        let length = FIXED_BYTES + self.streams.len() * STREAM_BYTES + HASH_BYTES;
        let mut bytes = Vec::with_capacity(NODE_COPY_BYTES);
        bytes.put_u64(NODE_MAGIC);
        bytes.put_u32(NODE_FORMAT_VERSION);
        bytes.put_u32(length as u32);
        bytes.put_bytes(&self.cluster_uuid);
        bytes.put_u64(self.node_id);
        bytes.put_u64(self.features.compatible);
        bytes.put_u64(self.features.read_only);
        bytes.put_u64(self.features.incompatible);
        bytes.put_u64(self.open_epoch);
        bytes.put_u64(self.revision);
        bytes.put_u64(self.log_salt);
        bytes.put_bytes(&self.catalog_file_uuid.unwrap_or_default());
        bytes.put_u32(self.streams.len() as u32);
        bytes.put_u32(0);
        for stream in &self.streams {
            bytes.put_u16(stream.stream);
            bytes.put_u16(match stream.content {
                StreamContent::Written => 0,
                StreamContent::Empty => FLAG_EMPTY,
            });
            bytes.put_u32(0);
            bytes.put_u64(stream.end_lsn);
        }
        bytes.put_u64(xxh3_64(&bytes, NODE_MAGIC));
        assert_eq!(bytes.len(), length, "the fields above add up to the length");
        bytes.resize(NODE_COPY_BYTES, 0);
        bytes
    }

    /// Decodes one copy.
    pub fn decode_copy(bytes: &[u8]) -> Result<Self, DecodeError> {
        let length = check_identity(bytes)?;
        let mut reader = Reader::new(WHAT, bytes);
        reader.bytes(16)?;
        let mut node = Self {
            cluster_uuid: reader.array()?,
            node_id: reader.u64()?,
            features: FeatureBits {
                compatible: reader.u64()?,
                read_only: reader.u64()?,
                incompatible: reader.u64()?,
            },
            open_epoch: reader.u64()?,
            revision: reader.u64()?,
            log_salt: reader.u64()?,
            catalog_file_uuid: Some(reader.array()?).filter(|uuid| *uuid != [0; 16]),
            streams: Vec::new(),
        };
        let stream_count = reader.u32()? as usize;
        reader.reserved(4)?;
        if FIXED_BYTES + stream_count.saturating_mul(STREAM_BYTES) + HASH_BYTES != length {
            return Err(DecodeError::NotCanonical { what: WHAT, rule: "the length is that of the streams" });
        }
        for _ in 0..stream_count {
            node.streams.push(decode_stream(&mut reader)?);
        }
        if !node.streams.is_sorted_by(|left, right| left.stream < right.stream) {
            return Err(DecodeError::NotCanonical { what: WHAT, rule: "streams ascend" });
        }
        reader.u64()?;
        reader.reserved(NODE_COPY_BYTES - length)?;
        reader.finish()?;
        Ok(node)
    }
}

/// Checks magic, length, hash and version in this order; returns the length.
fn check_identity(bytes: &[u8]) -> Result<usize, DecodeError> {
    let mut reader = Reader::new(WHAT, bytes);
    let found = reader.u64()?;
    if found != NODE_MAGIC {
        return Err(DecodeError::BadMagic { what: WHAT, expected: NODE_MAGIC, found });
    }
    let version = reader.u32()?;
    let length = reader.u32()? as usize;
    let minimum = FIXED_BYTES + HASH_BYTES;
    if !(minimum..=LENGTH_MAX).contains(&length) {
        return Err(DecodeError::OutOfRange {
            field: "NODE length",
            value: length as u64,
            minimum: minimum as u64,
            maximum: LENGTH_MAX as u64,
        });
    }
    let mut whole = Reader::new(WHAT, bytes);
    let computed = xxh3_64(whole.bytes(length - HASH_BYTES)?, NODE_MAGIC);
    let stored = whole.u64()?;
    if stored != computed {
        return Err(DecodeError::BadChecksum {
            what: WHAT,
            stored: stored.into(),
            computed: computed.into(),
        });
    }
    if version != NODE_FORMAT_VERSION {
        return Err(DecodeError::UnknownVersion {
            what: WHAT,
            found: version.into(),
            newest_known: NODE_FORMAT_VERSION.into(),
        });
    }
    Ok(length)
}

fn decode_stream(reader: &mut Reader<'_>) -> Result<NodeStream, DecodeError> {
    let stream = reader.u16()?;
    let content = match reader.u16()? {
        0 => StreamContent::Written,
        FLAG_EMPTY => StreamContent::Empty,
        _ => return Err(DecodeError::NotCanonical { what: WHAT, rule: "only known stream flags are set" }),
    };
    reader.reserved(4)?;
    Ok(NodeStream { stream, content, end_lsn: reader.u64()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node() -> Node {
        Node {
            cluster_uuid: [0xc1; 16],
            node_id: 1,
            features: FeatureBits { compatible: 1, read_only: 2, incompatible: 4 },
            open_epoch: 3,
            revision: 5,
            log_salt: 0x5a17,
            catalog_file_uuid: Some([0xca; 16]),
            streams: vec![
                NodeStream { stream: 0, end_lsn: 8192, content: StreamContent::Written },
                NodeStream { stream: 1, end_lsn: 0, content: StreamContent::Empty },
            ],
        }
    }

    #[test]
    fn a_copy_comes_back_as_it_was_written() {
        let mut node = node();
        assert_eq!(Node::decode_copy(&node.encode_copy()), Ok(node.clone()));
        node.catalog_file_uuid = None;
        let stream = |stream| NodeStream { stream, end_lsn: 1, content: StreamContent::Written };
        node.streams = (0..NODE_STREAMS_MAX as u16).map(stream).collect();
        assert_eq!(Node::decode_copy(&node.encode_copy()), Ok(node));
    }

    #[test]
    fn revisions_alternate_between_the_copies() {
        assert_eq!(Node { revision: 4, ..node() }.copy_offset(), 0);
        assert_eq!(Node { revision: 5, ..node() }.copy_offset(), 4 * BLOCK_SIZE_BYTES as u64);
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_refused() {
        let whole = node().encode_copy();
        for place in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[place] ^= 1 << (place % 8);
            assert!(Node::decode_copy(&flipped).is_err(), "byte {place} was not noticed");
        }
        for length in (0..200).chain([whole.len() - 1]) {
            assert!(Node::decode_copy(&whole[..length]).is_err(), "cut to {length} bytes");
        }
    }

    #[test]
    fn streams_out_of_order_are_refused() {
        let mut node = node();
        node.streams.reverse();
        assert!(matches!(Node::decode_copy(&node.encode_copy()), Err(DecodeError::NotCanonical { .. })));
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let mut bytes = node().encode_copy();
        bytes[8] = 2;
        let hash_at = FIXED_BYTES + 2 * STREAM_BYTES;
        let hash = xxh3_64(&bytes[..hash_at], NODE_MAGIC);
        bytes[hash_at..hash_at + HASH_BYTES].copy_from_slice(&hash.to_le_bytes());
        assert!(matches!(Node::decode_copy(&bytes), Err(DecodeError::UnknownVersion { found: 2, .. })));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Node::decode_copy(&bytes);
            let mut with_magic = NODE_MAGIC.to_le_bytes().to_vec();
            with_magic.extend_from_slice(&bytes);
            let _ = Node::decode_copy(&with_magic);
        }
    }
}
