//! Golden sample of one copy of NODE.

use basalt_format::data_directory::{FeatureBits, Node, NodeStream, StreamContent};

use super::{Protection, Sample};

pub(super) fn samples() -> Vec<Sample> {
    vec![Sample {
        name: "node_copy",
        protection: Protection::Checksum,
        encode: || node().encode_copy(),
        decode: |bytes| Node::decode_copy(bytes).map(|node| format!("{node:?}")),
    }]
}

fn node() -> Node {
    Node {
        cluster_uuid: *b"cluster, one of ",
        node_id: 1,
        features: FeatureBits { compatible: 2, read_only: 3, incompatible: 4 },
        open_epoch: 5,
        revision: 6,
        log_salt: 7,
        catalog_file_uuid: Some(*b"file uuid, also."),
        streams: vec![
            NodeStream { stream: 0, end_lsn: 0x0010_0000, content: StreamContent::Written },
            NodeStream { stream: 1, end_lsn: 0, content: StreamContent::Empty },
        ],
    }
}
