//! Reads a judged stream again, frame by frame, for replay.

use std::path::Path;

use basalt_runtime::Handle;

use super::{
    facts::{JudgedSegment, StreamFacts},
    survey::open_for_reading,
};
use crate::{
    error::{Refusal, StorageError},
    ids::{Lsn, StreamId},
    wal::{Frame, NextFrame, SegmentReader, StreamIdentity},
};

/// The frames of one stream in order, up to the end that was judged, a frame at a time: the caller may apply what it
/// has before it asks for more.
pub struct FrameReader {
    handle: Handle,
    identity: StreamIdentity,
    /// Segments not begun yet, the next one last.
    segments: Vec<JudgedSegment>,
    current: Option<(SegmentReader, Lsn)>,
}

impl FrameReader {
    /// Starts at the oldest frame that is there. `_directory` is where `stream` was judged.
    pub async fn open(
        handle: &Handle,
        _directory: &Path,
        stream: &StreamFacts,
    ) -> Result<FrameReader, StorageError> {
        let segments = stream.log.segments.iter().rev().cloned().collect();
        Ok(Self { handle: handle.clone(), identity: stream.log.identity, segments, current: None })
    }

    /// The next frame; `None` behind the last one.
    pub async fn next_frame(&mut self) -> Result<Option<Frame<'_>>, StorageError> {
        while self.current.as_ref().is_none_or(|(reader, end)| reader.chain().lsn >= *end) {
            let Some(segment) = self.segments.pop() else { return Ok(None) };
            self.begin(&segment).await?;
        }
        let stream = self.identity.stream;
        let Some((reader, _)) = &mut self.current else { return Ok(None) };
        let lsn = reader.chain().lsn;
        match reader.next_frame().await? {
            NextFrame::Frame(frame) => Ok(Some(frame)),
            NextFrame::Bad(bad) => Err(vanished(stream, bad.lsn, bad.reason)),
            NextFrame::Full => Err(vanished(stream, lsn, "its segment is full".into())),
        }
    }

    /// The frame that was read last.
    pub(crate) fn last_frame(&self) -> Option<Frame<'_>> {
        self.current.as_ref().and_then(|(reader, _)| reader.last_frame())
    }

    async fn begin(&mut self, segment: &JudgedSegment) -> Result<(), StorageError> {
        let file = open_for_reading(&self.handle, &segment.path).await?;
        let reader =
            SegmentReader::new(&self.handle, self.identity, segment.header, file, segment.size_bytes);
        self.current = Some((reader, segment.end_lsn));
        Ok(())
    }
}

/// What was whole when it was judged is not any more.
fn vanished(stream: StreamId, lsn: Lsn, reason: String) -> StorageError {
    let detail = format!("it was whole when it was read first, and now {reason}");
    Refusal::DamagedLog { stream, lsn, detail }.into()
}
