//! Reads and writes NODE.
//!
//! Two copies; the newest valid one counts. An update writes the other copy and syncs it, so a crash in the middle
//! leaves the state before.

use std::path::{Path, PathBuf};

use basalt_format::{
    DecodeError,
    data_directory::{NODE_COPY_BYTES, NODE_COPY_OFFSETS, NODE_FILE_BYTES, Node},
};
use basalt_runtime::{AlignedBuffer, DirectMode, File, Handle, OpenOptions, sometimes};

use crate::error::{DiskOperation, Refusal, StorageError};

/// Features that this version knows, of each kind: none beyond the format's first version.
const KNOWN_FEATURES: u64 = 0;

/// `DATA/NODE`.
pub(super) fn node_path(directory: &Path) -> PathBuf {
    directory.join("NODE")
}

/// The newest valid copy; `None` if there is no NODE.
pub(super) async fn read_node(handle: &Handle, directory: &Path) -> Result<Option<Node>, StorageError> {
    let path = node_path(directory);
    let metadata = handle.metadata(&path).await;
    if metadata.map_err(|error| StorageError::disk(DiskOperation::Open, &path, error))?.is_none() {
        return Ok(None);
    }
    let file = open(handle, &path, OpenOptions::new().read(true)).await?;
    let (read, bytes) = file.read_at(AlignedBuffer::zeroed(NODE_FILE_BYTES), 0).await;
    let read = read.map_err(|error| StorageError::disk(DiskOperation::Read, &path, error))?;
    newest_copy(&path, bytes.get(..read).unwrap_or_default()).map(Some)
}

/// Writes `node` over the copy that is not the newest, and syncs.
///
/// The newest copy is synced first: a killed process may have left it in a cache, and until it is durable the copy that
/// is written over here is the only one.
pub(super) async fn update_node(handle: &Handle, directory: &Path, node: &Node) -> Result<(), StorageError> {
    let path = node_path(directory);
    let file = open(handle, &path, OpenOptions::new().write(true)).await?;
    file.sync_data().await.map_err(|error| StorageError::disk(DiskOperation::Sync, &path, error))?;
    let (written, _) =
        file.write_and_sync_at(AlignedBuffer::from_slice(&node.encode_copy()), node.copy_offset()).await;
    written.map_err(|error| StorageError::disk(DiskOperation::Write, &path, error))
}

/// Makes NODE: built in `tmp`, synced, renamed, the directory synced.
pub(super) async fn create_node(handle: &Handle, directory: &Path, node: &Node) -> Result<(), StorageError> {
    let path = node_path(directory);
    let built = directory.join("tmp").join("NODE");
    let options = OpenOptions::new().write(true).create(true).truncate(true);
    let file = open(handle, &built, options).await?;
    let mut bytes = AlignedBuffer::zeroed(NODE_FILE_BYTES);
    let start = node.copy_offset() as usize;
    bytes[start..start + NODE_COPY_BYTES].copy_from_slice(&node.encode_copy());
    let (written, _) = file.write_at(bytes, 0).await;
    written.map_err(|error| StorageError::disk(DiskOperation::Write, &built, error))?;
    file.sync_all().await.map_err(|error| StorageError::disk(DiskOperation::Sync, &built, error))?;
    handle
        .rename(&built, &path)
        .await
        .map_err(|error| StorageError::disk(DiskOperation::Rename, &built, error))?;
    let synced = handle.sync_directory(directory).await;
    synced.map_err(|error| StorageError::disk(DiskOperation::Sync, directory, error))
}

async fn open(handle: &Handle, path: &Path, options: OpenOptions) -> Result<File, StorageError> {
    let opened = handle.open_file(path, options.direct(DirectMode::Direct)).await;
    opened.map_err(|error| StorageError::disk(DiskOperation::Open, path, error))
}

/// The newest valid copy of the file's bytes. One damaged copy is a torn update; two are a damaged directory.
fn newest_copy(path: &Path, bytes: &[u8]) -> Result<Node, StorageError> {
    let copies = NODE_COPY_OFFSETS.map(|offset| {
        let start = offset as usize;
        let copy = bytes.get(start..start + NODE_COPY_BYTES).unwrap_or_default();
        Node::decode_copy(copy).and_then(|node| node_in_its_place(node, offset))
    });
    for copy in &copies {
        match copy {
            Ok(node) => refuse_unknown_features(path, node)?,
            // A newer version's copy is whole: the older copy beside it must not be taken instead.
            Err(error @ DecodeError::UnknownVersion { .. }) => {
                return Err(incompatible(path, error.to_string()));
            }
            Err(_) => {}
        }
    }
    match copies {
        [Ok(first), Ok(second)] => Ok(if first.revision > second.revision { first } else { second }),
        [Ok(node), Err(_)] | [Err(_), Ok(node)] => {
            sometimes!(node.revision > 1, "NODE's other copy rejected");
            Ok(node)
        }
        [Err(first), Err(second)] => {
            let detail = format!("neither copy is whole: {first}; {second}");
            Err(Refusal::DamagedRoot { path: path.to_owned(), detail }.into())
        }
    }
}

/// A copy counts only where its revision belongs, so that a misdirected write is not believed.
fn node_in_its_place(node: Node, offset: u64) -> Result<Node, DecodeError> {
    if node.copy_offset() == offset {
        return Ok(node);
    }
    Err(DecodeError::NotCanonical {
        what: "NODE",
        rule: "odd revisions stand in the second copy, even in the first",
    })
}

fn refuse_unknown_features(path: &Path, node: &Node) -> Result<(), StorageError> {
    // Storage always writes, so what only forbids writing forbids opening, too.
    let forbidding = (node.features.read_only | node.features.incompatible) & !KNOWN_FEATURES;
    if forbidding == 0 {
        return Ok(());
    }
    Err(incompatible(path, format!("it uses features {forbidding:#x}, which this version does not know")))
}

fn incompatible(path: &Path, detail: String) -> StorageError {
    Refusal::Incompatible { path: path.to_owned(), detail }.into()
}

#[cfg(test)]
mod tests {
    use basalt_format::checksum::xxh3_64;
    use basalt_format::data_directory::{FeatureBits, NODE_MAGIC};

    use super::*;

    /// Where a copy's hash stands when it lists no streams.
    const HASH_OFFSET: usize = 112;

    /// NODE as a file: an older copy without features, and a newer one with these.
    fn file(features: FeatureBits) -> Vec<u8> {
        let copy = |revision, features| {
            let node = Node {
                cluster_uuid: [1; 16],
                node_id: 1,
                features,
                open_epoch: 1,
                revision,
                log_salt: 1,
                catalog_file_uuid: None,
                streams: Vec::new(),
            };
            node.encode_copy()
        };
        [copy(4, FeatureBits::default()), copy(5, features)].concat()
    }

    fn opened(bytes: &[u8]) -> Result<u64, StorageError> {
        newest_copy(Path::new("NODE"), bytes).map(|node| node.revision)
    }

    #[test]
    fn a_feature_that_any_version_may_ignore_is_ignored() {
        assert!(matches!(opened(&file(FeatureBits { compatible: 8, ..FeatureBits::default() })), Ok(5)));
    }

    #[test]
    fn a_feature_that_forbids_is_refused_by_its_bits_even_beside_an_older_copy_without_it() {
        for features in [
            FeatureBits { read_only: 8, ..FeatureBits::default() },
            FeatureBits { incompatible: 8, ..FeatureBits::default() },
        ] {
            let refused = opened(&file(features)).unwrap_err();
            assert!(matches!(&refused, StorageError::Refused(Refusal::Incompatible { .. })), "{refused}");
            assert!(refused.to_string().contains("0x8"), "{refused}");
        }
    }

    #[test]
    fn a_whole_copy_of_a_newer_version_is_refused_even_beside_an_older_one() {
        let mut bytes = file(FeatureBits::default());
        let newer = &mut bytes[NODE_COPY_BYTES..];
        newer[8] += 1;
        let hash = xxh3_64(&newer[..HASH_OFFSET], NODE_MAGIC);
        newer[HASH_OFFSET..HASH_OFFSET + 8].copy_from_slice(&hash.to_le_bytes());
        let refused = opened(&bytes).unwrap_err();
        assert!(matches!(&refused, StorageError::Refused(Refusal::Incompatible { .. })), "{refused}");
    }

    #[test]
    fn a_torn_copy_leaves_the_other_to_count() {
        let mut bytes = file(FeatureBits::default());
        bytes[NODE_COPY_BYTES + 8] += 1;
        assert!(matches!(opened(&bytes), Ok(4)));
    }
}
