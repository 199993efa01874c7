//! What lies in a stream's directory: every file's identity, from its first two blocks.
//!
//! A file is known by its header, not by its name. The header stands in block 0 and is repeated in the segment's
//! first frame, in block 1; a crash can leave either of them from an earlier life of the file, or lose it.

use std::path::{Path, PathBuf};

use basalt_format::{
    BLOCK_SIZE_BYTES, DecodeError,
    wal::{FRAME_HEADER_BYTES, FrameHeader, SEGMENT_HEADER_BYTES, SegmentHeader},
};
use basalt_runtime::{AlignedBuffer, DirectMode, EntryKind, File, Handle, OpenOptions};

use crate::{
    error::{DiskOperation, Refusal, StorageError},
    wal::{
        BLOCK_BYTES, FIRST_FRAME_OFFSET, SegmentReader, StreamIdentity, Window, file_number,
        stream_directory, whole_blocks,
    },
};

/// The first two blocks: the header's and the first frame's.
const SURVEYED_BYTES: usize = 2 * BLOCK_SIZE_BYTES;

/// One file of a stream's directory.
#[derive(Debug, Clone)]
pub(super) struct SurveyedFile {
    pub(super) path: PathBuf,
    /// Its length in whole blocks.
    pub(super) size_bytes: u64,
    /// The number in its name.
    pub(super) number: u64,
    /// The newest header that its first two blocks hold.
    pub(super) header: Option<SegmentHeader>,
    /// The header of the frame in block 1, whatever life of the file it belongs to.
    pub(super) first_frame: Option<FrameHeader>,
}

/// A frame header found by a scan for evidence.
#[derive(Debug, Clone, Copy)]
pub(super) struct FoundFrame {
    /// Where in the file.
    pub(super) offset: u64,
    pub(super) header: FrameHeader,
}

/// Looks at every log file of a stream, in the order of names. A stream without a directory has none.
pub(super) async fn survey_stream(
    handle: &Handle,
    directory: &Path,
    identity: StreamIdentity,
) -> Result<Vec<SurveyedFile>, StorageError> {
    let stream_directory = stream_directory(directory, identity.stream);
    let in_directory = |error| StorageError::disk(DiskOperation::Directory, &stream_directory, error);
    if handle.metadata(&stream_directory).await.map_err(in_directory)?.is_none() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in handle.read_directory(&stream_directory).await.map_err(in_directory)? {
        let name = Path::new(&entry.name);
        let (EntryKind::File, Some(number)) = (entry.kind, file_number(name)) else { continue };
        let path = stream_directory.join(name);
        files.push(survey_file(handle, path, number, entry.size_bytes, identity).await?);
    }
    Ok(files)
}

/// Opens a log file for reading, past the page cache: what a failed sync left there must not be believed.
pub(super) async fn open_for_reading(handle: &Handle, path: &Path) -> Result<File, StorageError> {
    let options = OpenOptions::new().read(true).direct(DirectMode::Direct);
    handle
        .open_file(path, options)
        .await
        .map_err(|error| StorageError::disk(DiskOperation::Open, path, error))
}

impl SurveyedFile {
    /// A reader of the file's frames, by its header.
    pub(super) async fn reader(
        &self,
        handle: &Handle,
        identity: StreamIdentity,
        header: SegmentHeader,
    ) -> Result<SegmentReader, StorageError> {
        let file = open_for_reading(handle, &self.path).await?;
        Ok(SegmentReader::new(handle, identity, header, file, self.size_bytes))
    }

    /// Every frame header of this directory that starts a block at `from` or behind it.
    ///
    /// The hash of a header is seeded with a secret, so a client's bytes in a torn frame are never taken for one.
    pub(super) async fn scan(
        &self,
        handle: &Handle,
        identity: StreamIdentity,
        from: u64,
    ) -> Result<Vec<FoundFrame>, StorageError> {
        let file = open_for_reading(handle, &self.path).await?;
        let mut window = Window::new(handle, file, self.size_bytes, from);
        let mut found = Vec::new();
        for offset in (from..self.size_bytes).step_by(BLOCK_SIZE_BYTES) {
            window.fill(offset, BLOCK_BYTES).await?;
            let bytes = window.front(FRAME_HEADER_BYTES as u64);
            if let Ok(header) = FrameHeader::decode(bytes, identity.log_salt)
                && header.stream == identity.stream.get()
            {
                found.push(FoundFrame { offset, header });
            }
            handle.yield_if_due().await;
        }
        Ok(found)
    }
}

async fn survey_file(
    handle: &Handle,
    path: PathBuf,
    number: u64,
    size_bytes: u64,
    identity: StreamIdentity,
) -> Result<SurveyedFile, StorageError> {
    let file = open_for_reading(handle, &path).await?;
    let (read, blocks) = file.read_at(AlignedBuffer::zeroed(SURVEYED_BYTES), 0).await;
    let read = read.map_err(|error| StorageError::disk(DiskOperation::Read, &path, error))?;
    let blocks = blocks.get(..read).unwrap_or_default();
    let (block_0, block_1) = blocks.split_at_checked(BLOCK_SIZE_BYTES).unwrap_or((blocks, &[]));
    let header = read_header(&path, block_0, identity)?;
    let first_frame =
        FrameHeader::decode(block_1.get(..FRAME_HEADER_BYTES).unwrap_or_default(), identity.log_salt);
    let first_frame = first_frame.ok().filter(|frame| frame.stream == identity.stream.get());
    let repeated = first_frame.and_then(|frame| read_repeated_header(&frame, block_1, identity));
    let header = header.into_iter().chain(repeated).max_by_key(|header| header.sequence);
    Ok(SurveyedFile { path, size_bytes: whole_blocks(size_bytes), number, header, first_frame })
}

/// The header in block 0, if there is one; a whole header that is not this stream's refuses the directory.
fn read_header(
    path: &Path,
    block: &[u8],
    identity: StreamIdentity,
) -> Result<Option<SegmentHeader>, StorageError> {
    let foreign = |detail: String| Err(Refusal::Incompatible { path: path.to_owned(), detail }.into());
    match SegmentHeader::decode_block(block) {
        Ok(header) if belongs(&header, identity) => Ok(Some(header)),
        Ok(header) => foreign(format!(
            "the segment belongs to cluster {:032x}, node {}, stream {}",
            u128::from_be_bytes(header.cluster_uuid),
            header.node_id,
            header.stream
        )),
        Err(error @ DecodeError::UnknownVersion { .. }) => foreign(error.to_string()),
        Err(_) => Ok(None),
    }
}

/// The header that the frame in block 1 repeats, if that frame opened this very place.
fn read_repeated_header(
    frame: &FrameHeader,
    block: &[u8],
    identity: StreamIdentity,
) -> Option<SegmentHeader> {
    let repeated = block.get(FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + SEGMENT_HEADER_BYTES)?;
    let header = SegmentHeader::decode(repeated).ok()?;
    let opens_here =
        frame.opens_segment() && header.base_lsn.checked_add(FIRST_FRAME_OFFSET) == Some(frame.lsn);
    (opens_here && belongs(&header, identity)).then_some(header)
}

fn belongs(header: &SegmentHeader, identity: StreamIdentity) -> bool {
    header.cluster_uuid == identity.cluster_uuid
        && header.node_id == identity.node_id
        && header.stream == identity.stream.get()
}
