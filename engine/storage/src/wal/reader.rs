//! Reads one segment's frames in order and believes none that does not continue the chain.
//!
//! What the end of the chain means (the log's end, a torn tail, damage) is not decided here: that is recovery's.

use basalt_format::{
    DecodeError,
    wal::{
        FRAME_HEADER_BYTES, FrameHeader, FrameRecords, SEGMENT_HEADER_BYTES, SegmentHeader, decode_records,
    },
};
use basalt_runtime::{File, Handle, planted};

use super::{
    segment::{BLOCK_BYTES, ChainEnd, FIRST_FRAME_OFFSET, StreamIdentity},
    window::Window,
};
use crate::{
    error::StorageError,
    ids::{FrameSequence, Lsn},
};

/// A frame that continues the chain, its records borrowed.
#[derive(Debug, Clone)]
pub struct Frame<'a> {
    header: FrameHeader,
    records: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Its number in the stream.
    pub fn sequence(&self) -> FrameSequence {
        FrameSequence::new(self.header.sequence)
    }

    /// Where it starts.
    pub fn lsn(&self) -> Lsn {
        Lsn::new(self.header.lsn)
    }

    /// Its bytes on disk.
    pub fn size_bytes(&self) -> u64 {
        self.header.frame_bytes()
    }

    /// What was no longer needed of the log when it was written.
    pub(crate) fn needed_lsn(&self) -> Lsn {
        Lsn::new(self.header.needed_lsn)
    }

    /// Its records, in order.
    pub fn records(&self) -> FrameRecords<'a> {
        decode_records(self.records, self.header.record_count)
    }
}

/// What stands where the chain goes on.
pub(crate) enum NextFrame<'a> {
    /// The next frame, whole.
    Frame(Frame<'a>),
    /// No frame that continues the chain.
    Bad(BadFrame),
    /// The segment is full.
    Full,
}

/// Why a place does not hold the chain's next frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadFrame {
    /// Where the frame should start.
    pub(crate) lsn: Lsn,
    /// What is wrong with it.
    pub(crate) reason: String,
    /// Whether a frame was begun here: its header is whole, and of this place.
    pub(crate) has_header: bool,
}

/// Reads a segment from its first frame on.
pub(crate) struct SegmentReader {
    identity: StreamIdentity,
    header: SegmentHeader,
    window: Window,
    offset: u64,
    chain: ChainEnd,
    /// Of the frame in the window, once it has proved to be the chain's.
    last: Option<FrameHeader>,
}

impl SegmentReader {
    /// Starts behind the header's block. The header is the one that the survey found for this file.
    pub(crate) fn new(
        handle: &Handle,
        identity: StreamIdentity,
        header: SegmentHeader,
        file: File,
        file_bytes: u64,
    ) -> Self {
        let readable_bytes = file_bytes.min(header.size_bytes);
        let window = Window::new(handle, file, readable_bytes, FIRST_FRAME_OFFSET);
        Self {
            identity,
            header,
            window,
            offset: FIRST_FRAME_OFFSET,
            chain: chain_before(&header),
            last: None,
        }
    }

    /// The end of the chain so far.
    pub(crate) fn chain(&self) -> ChainEnd {
        self.chain
    }

    /// The next frame of the chain, or what is there instead.
    pub(crate) async fn next_frame(&mut self) -> Result<NextFrame<'_>, StorageError> {
        if self.offset + BLOCK_BYTES > self.header.size_bytes {
            return Ok(NextFrame::Full);
        }
        self.last = None;
        self.window.fill(self.offset, BLOCK_BYTES).await?;
        let header = match self.decode_header() {
            Ok(header) => header,
            Err(reason) => return Ok(NextFrame::Bad(self.bad(reason, false))),
        };
        if let Err(reason) = self.check_place(&header) {
            return Ok(NextFrame::Bad(self.bad(reason, true)));
        }
        self.window.fill(self.offset, header.frame_bytes()).await?;
        if let Err(error) = self.check_payload(&header) {
            return Ok(NextFrame::Bad(self.bad(error.to_string(), true)));
        }
        self.offset += header.frame_bytes();
        self.chain = ChainEnd::after(self.header.sequence, &header, self.identity.log_salt);
        self.last = Some(header);
        Ok(NextFrame::Frame(self.frame(header)))
    }

    /// The frame that was read last; `None` if something else was found.
    pub(crate) fn last_frame(&self) -> Option<Frame<'_>> {
        self.last.map(|header| self.frame(header))
    }

    fn decode_header(&self) -> Result<FrameHeader, String> {
        let header =
            FrameHeader::decode(self.window.front(FRAME_HEADER_BYTES as u64), self.identity.log_salt)
                .map_err(|error| error.to_string())?;
        let lsn = self.header.base_lsn + self.offset;
        if header.lsn == lsn && header.stream == self.identity.stream.get() || planted!(IgnoreFrameChain) {
            return Ok(header);
        }
        Err(format!(
            "the frame belongs to lsn {} of stream {}: an earlier life of the file",
            header.lsn, header.stream
        ))
    }

    /// Whether the frame is the one that the chain asks for, and ends inside the segment.
    fn check_place(&self, header: &FrameHeader) -> Result<(), String> {
        if self.offset + header.frame_bytes() > self.header.size_bytes {
            return Err("the frame ends behind its segment".into());
        }
        if planted!(IgnoreFrameChain) {
            return Ok(());
        }
        let is_first = self.offset == FIRST_FRAME_OFFSET;
        let sequence = if is_first { self.header.first_frame_sequence } else { self.chain.frame.get() + 1 };
        if header.sequence != sequence {
            return Err(format!("frame {} stands where frame {sequence} should", header.sequence));
        }
        if header.previous_hash != self.chain.hash {
            return Err(format!("frame {sequence} does not follow the frame before it"));
        }
        if header.opens_segment() != is_first {
            return Err(format!("frame {sequence} is not the first of its segment, or not marked as such"));
        }
        Ok(())
    }

    fn check_payload(&self, header: &FrameHeader) -> Result<(), DecodeError> {
        let frame = self.window.front(header.frame_bytes());
        let (payload, padding) = split_payload(frame, header)?;
        let checked = header.check_payload(payload, padding, self.header.salt);
        let believed = planted!(BelieveTornFrame) || planted!(IgnoreFrameChain);
        if checked.is_err() && !believed {
            return checked;
        }
        if header.opens_segment() && !payload.starts_with(&self.header.encode()) && !believed {
            return Err(DecodeError::NotCanonical {
                what: "log frame payload",
                rule: "the first frame repeats its segment's header",
            });
        }
        Ok(())
    }

    fn frame(&self, header: FrameHeader) -> Frame<'_> {
        let frame = self.window.front(header.frame_bytes());
        let repeated_bytes = if header.opens_segment() { SEGMENT_HEADER_BYTES } else { 0 };
        let records =
            split_payload(frame, &header).ok().and_then(|(payload, _)| payload.get(repeated_bytes..));
        Frame { header, records: records.unwrap_or_default() }
    }

    fn bad(&self, reason: String, has_header: bool) -> BadFrame {
        BadFrame { lsn: Lsn::new(self.header.base_lsn + self.offset), reason, has_header }
    }
}

/// The chain that a segment's first frame continues.
fn chain_before(header: &SegmentHeader) -> ChainEnd {
    ChainEnd {
        segment: header.predecessor.sequence,
        frame: FrameSequence::new(header.first_frame_sequence - 1),
        hash: header.predecessor.last_frame_hash,
        lsn: Lsn::new(header.predecessor.end_lsn),
    }
}

/// Splits a whole frame into payload and padding; an error if the file ended before the frame did.
fn split_payload<'a>(frame: &'a [u8], header: &FrameHeader) -> Result<(&'a [u8], &'a [u8]), DecodeError> {
    let behind_header = frame.get(FRAME_HEADER_BYTES..).unwrap_or_default();
    let is_whole = frame.len() as u64 == header.frame_bytes();
    behind_header.split_at_checked(header.payload_bytes as usize).filter(|_| is_whole).ok_or(
        DecodeError::Truncated {
            what: "log frame",
            needed: header.frame_bytes(),
            available: frame.len() as u64,
        },
    )
}
