//! The log's streams, read through `basalt-format` alone: how far each reaches, what it holds, what is wrong with it.
//!
//! Believes what `format-spec/spec/wal.md` lets a reader believe, as a daemon's start does.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use basalt_format::{
    BLOCK_SIZE_BYTES,
    data_directory::{NODE_COPY_BYTES, NODE_COPY_OFFSETS, Node, NodeStream, StreamContent},
    wal::{FRAME_HEADER_BYTES, FrameHeader, Record, SEGMENT_HEADER_BYTES, SegmentHeader, decode_records},
};
use basalt_runtime::FileMap;
use rayon::prelude::*;

use crate::{
    directory::{HeldDirectory, map},
    failure::Failure,
};

const FIRST_FRAME_OFFSET: usize = BLOCK_SIZE_BYTES;

/// A segment as far as its frames go.
pub(crate) struct SegmentExtent {
    pub(crate) path: PathBuf,
    pub(crate) size_bytes: u64,
    /// Where its last frame ends.
    pub(crate) end_offset: u64,
    map: Arc<FileMap>,
}

/// All streams of a directory.
pub(crate) struct LogStreams {
    streams: Vec<LogStream>,
}

/// One stream.
pub(crate) struct LogStream {
    pub(crate) stream: u16,
    /// From the oldest that is needed to the newest.
    pub(crate) segments: Vec<SegmentExtent>,
    pub(crate) frames: u64,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    /// Runs of entries that it holds, first to last, by partition.
    pub(crate) entries: BTreeMap<u64, Vec<(u64, u64)>>,
    pub(crate) findings: Vec<LogFinding>,
}

/// Something wrong with a stream.
#[derive(Debug, Clone)]
pub(crate) struct LogFinding {
    pub(crate) path: PathBuf,
    pub(crate) block: u64,
    pub(crate) problem: String,
}

impl std::fmt::Display for LogFinding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}, block {}: {}", self.path.display(), self.block, self.problem)
    }
}

/// The newest whole copy of NODE.
pub(crate) fn read_node(held: &HeldDirectory) -> Result<Node, Failure> {
    let node = newest_node(&map(&held.node())?);
    node.ok_or_else(|| Failure::damaged("NODE: neither copy can be read; see basaltctl salvage"))
}

pub(crate) fn newest_node(bytes: &[u8]) -> Option<Node> {
    let copies = NODE_COPY_OFFSETS.iter().filter_map(|&offset| {
        let start = offset as usize;
        let node = Node::decode_copy(bytes.get(start..start + NODE_COPY_BYTES)?).ok()?;
        (node.copy_offset() == offset).then_some(node)
    });
    copies.max_by_key(|node| node.revision)
}

impl LogStreams {
    pub(crate) fn read(held: &HeldDirectory, node: &Node) -> Result<Self, Failure> {
        let streams = node.streams.par_iter().map(|known| LogStream::read(held, node, known));
        Ok(Self { streams: streams.collect::<Result<_, _>>()? })
    }

    /// Those of a directory whose log cannot be believed.
    pub(crate) fn none() -> Self {
        Self { streams: Vec::new() }
    }

    pub(crate) fn streams(&self) -> &[LogStream] {
        &self.streams
    }

    pub(crate) fn findings(&self) -> impl Iterator<Item = &LogFinding> {
        self.streams.iter().flat_map(|stream| &stream.findings)
    }

    /// The segments that a start from here needs.
    pub(crate) fn needed_segments(&self) -> impl Iterator<Item = &SegmentExtent> {
        self.streams.iter().flat_map(|stream| &stream.segments)
    }

    /// Visits every record of the needed segments, stream by stream, in order.
    pub(crate) fn each_record<'a>(&'a self, node: &Node, visit: &mut dyn FnMut(&FrameHeader, &Record<'a>)) {
        self.needed_segments().for_each(|segment| segment.each_record(node, visit));
    }

    /// Every partition that the logs hold entries of.
    pub(crate) fn partitions(&self) -> BTreeSet<u64> {
        self.streams.iter().flat_map(|stream| stream.entries.keys().copied()).collect()
    }

    /// The first entry that is missing of `partition` behind `applied`, if the logs hold a later one.
    pub(crate) fn gap_behind(&self, partition: u64, applied: u64) -> Option<u64> {
        let runs = self.streams.iter().filter_map(|stream| stream.entries.get(&partition)).flatten();
        let mut runs: Vec<(u64, u64)> = runs.copied().collect();
        runs.sort_unstable();
        let mut last = applied;
        for (first, end) in runs {
            if first > last + 1 {
                return Some(last + 1);
            }
            last = last.max(end);
        }
        None
    }
}

impl SegmentExtent {
    /// Visits the records; all frames up to the end were found to be whole.
    pub(crate) fn each_record<'a>(&'a self, node: &Node, visit: &mut dyn FnMut(&FrameHeader, &Record<'a>)) {
        let bytes: &'a [u8] = &self.map;
        let mut offset = FIRST_FRAME_OFFSET;
        while (offset as u64) < self.end_offset {
            let header = bytes.get(offset..).map(|bytes| FrameHeader::decode(bytes, node.log_salt));
            let Some(Ok(header)) = header else { break };
            let repeated_bytes = if header.opens_segment() { SEGMENT_HEADER_BYTES } else { 0 };
            let start = offset + FRAME_HEADER_BYTES;
            let payload =
                bytes.get(start + repeated_bytes..start + header.payload_bytes as usize).unwrap_or_default();
            decode_records(payload, header.record_count)
                .filter_map(Result::ok)
                .for_each(|record| visit(&header, &record));
            offset += header.frame_bytes() as usize;
        }
    }
}

/// A file of a stream with the header that it goes by.
struct Segment {
    path: PathBuf,
    map: Arc<FileMap>,
    header: SegmentHeader,
}

/// What the frames of a segment came to.
struct Walk {
    end_offset: usize,
    last: Option<FrameHeader>,
    stop: String,
}

/// Reads one stream.
struct StreamReader<'a> {
    node: &'a Node,
    known: &'a NodeStream,
    found: LogStream,
}

impl LogStream {
    fn read(held: &HeldDirectory, node: &Node, known: &NodeStream) -> Result<Self, Failure> {
        let found = Self {
            stream: known.stream,
            segments: Vec::new(),
            frames: 0,
            records: 0,
            bytes: 0,
            entries: BTreeMap::new(),
            findings: Vec::new(),
        };
        let mut reader = StreamReader { node, known, found };
        let mut segments = Vec::new();
        let mut headless = Vec::new();
        for path in held.log_files(known.stream)? {
            let map = Arc::new(map(&path)?);
            match reader.header_of(&map) {
                Some(header) if known.content == StreamContent::Empty && header.base_lsn < known.end_lsn => {}
                Some(header) => segments.push(Segment { path, map, header }),
                None => headless.push((path, map)),
            }
        }
        segments.sort_by_key(|segment| segment.header.sequence);
        reader.read(&segments, &headless);
        Ok(reader.found)
    }

    fn note(&mut self, record: &Record<'_>) {
        self.records += 1;
        if !record.kind.consumes_index() {
            return;
        }
        let runs = self.entries.entry(record.partition).or_default();
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == record.index => *last = record.index,
            _ => runs.push((record.index, record.index)),
        }
    }
}

impl StreamReader<'_> {
    fn read(&mut self, segments: &[Segment], headless: &[(PathBuf, Arc<FileMap>)]) {
        // A header without a whole first frame is a roll-over that a crash tore, or damage: the scan behind the end tells.
        let begun = segments.iter().rev().take_while(|segment| self.first_frame(segment).is_none()).count();
        let (whole, begun) = segments.split_at(segments.len() - begun);
        let chain = self.chain(whole);
        let mut last = None;
        for (place, segment) in chain.iter().enumerate() {
            let walk = self.walk(segment);
            self.check_length(segment);
            if let Some(next) = chain.get(place + 1) {
                self.check_joint(segment, &walk, &next.header);
            }
            self.found.segments.push(SegmentExtent {
                path: segment.path.clone(),
                size_bytes: segment.header.size_bytes,
                end_offset: walk.end_offset as u64,
                map: Arc::clone(&segment.map),
            });
            last = Some((segment, walk));
        }
        let end_lsn = last.as_ref().and_then(|(_, walk)| walk.last).map_or(0, |header| header.end_lsn());
        self.check_end(last.as_ref().map(|(segment, _)| segment.path.as_path()), end_lsn);
        if let Some((segment, walk)) = &last {
            self.check_nothing_behind(&segment.path, &segment.map, walk.end_offset, end_lsn, &walk.stop);
            let needed = walk.last.map_or(0, |header| header.needed_lsn);
            self.check_start(chain[0], needed);
            self.drop_unneeded(&chain, needed);
        }
        for segment in begun {
            self.check_length(segment);
            self.check_nothing_behind(
                &segment.path,
                &segment.map,
                FIRST_FRAME_OFFSET,
                end_lsn,
                "no first frame",
            );
        }
        for (path, map) in headless {
            self.check_nothing_behind(path, map, FIRST_FRAME_OFFSET, end_lsn, "no segment header");
        }
    }

    /// The newest of the two headers that a file may hold.
    fn header_of(&self, map: &FileMap) -> Option<SegmentHeader> {
        let block = map.get(..BLOCK_SIZE_BYTES).and_then(|block| SegmentHeader::decode_block(block).ok());
        let repeated = self.frame_at(map, FIRST_FRAME_OFFSET).and_then(|frame| {
            let start = FIRST_FRAME_OFFSET + FRAME_HEADER_BYTES;
            let header = SegmentHeader::decode(map.get(start..start + SEGMENT_HEADER_BYTES)?).ok()?;
            (frame.opens_segment() && frame.lsn == header.base_lsn + FIRST_FRAME_OFFSET as u64)
                .then_some(header)
        });
        let headers = block.into_iter().chain(repeated).filter(|header| {
            header.cluster_uuid == self.node.cluster_uuid && header.stream == self.known.stream
        });
        headers.max_by_key(|header| header.sequence)
    }

    fn frame_at(&self, map: &FileMap, offset: usize) -> Option<FrameHeader> {
        let bytes = map.get(offset..offset + FRAME_HEADER_BYTES)?;
        FrameHeader::decode(bytes, self.node.log_salt).ok().filter(|frame| frame.stream == self.known.stream)
    }

    fn first_frame(&self, segment: &Segment) -> Option<FrameHeader> {
        let frame = self.frame_at(&segment.map, FIRST_FRAME_OFFSET)?;
        let is_whole = frame.lsn == segment.header.base_lsn + FIRST_FRAME_OFFSET as u64
            && frame.sequence == segment.header.first_frame_sequence
            && self.payload(segment, FIRST_FRAME_OFFSET, &frame).is_ok();
        is_whole.then_some(frame)
    }

    /// The newest whole segment and those before it that may still be needed, oldest first.
    fn chain<'s>(&self, whole: &'s [Segment]) -> Vec<&'s Segment> {
        let Some(last) = whole.last() else { return Vec::new() };
        let surely_needed = self.first_frame(last).map_or(0, |frame| frame.needed_lsn);
        let mut chain = vec![last];
        while let Some(oldest) = chain.last()
            && oldest.header.predecessor.end_lsn > surely_needed
            && let Some(before) =
                whole.iter().find(|segment| segment.header.sequence == oldest.header.predecessor.sequence)
        {
            chain.push(before);
        }
        chain.reverse();
        chain
    }

    fn walk(&mut self, segment: &Segment) -> Walk {
        let header = &segment.header;
        let mut walk =
            Walk { end_offset: FIRST_FRAME_OFFSET, last: None, stop: "the segment is full".to_owned() };
        let mut expected = (header.first_frame_sequence, header.predecessor.last_frame_hash);
        while (walk.end_offset + BLOCK_SIZE_BYTES) as u64 <= header.size_bytes {
            let offset = walk.end_offset;
            let Some(frame) = self.frame_at(&segment.map, offset) else {
                walk.stop = "no whole frame header".to_owned();
                break;
            };
            if frame.lsn != header.base_lsn + offset as u64 {
                walk.stop = "a frame of an earlier life of the file".to_owned();
                break;
            }
            if (frame.sequence, frame.previous_hash) != expected {
                walk.stop = "a frame that does not follow the one before".to_owned();
                break;
            }
            match self.payload(segment, offset, &frame) {
                Ok(records) => self.note_records(segment, offset, &frame, records),
                Err(problem) => {
                    walk.stop = problem;
                    break;
                }
            }
            expected = (frame.sequence + 1, frame.hash(self.node.log_salt));
            walk.end_offset += frame.frame_bytes() as usize;
            walk.last = Some(frame);
        }
        walk
    }

    /// A frame's records, if all of its bytes are what was written.
    fn payload<'m>(
        &self,
        segment: &'m Segment,
        offset: usize,
        frame: &FrameHeader,
    ) -> Result<&'m [u8], String> {
        let stored = segment.map.get(offset..offset + frame.frame_bytes() as usize);
        let behind_header = stored.and_then(|stored| stored.get(FRAME_HEADER_BYTES..));
        let split = behind_header.and_then(|bytes| bytes.split_at_checked(frame.payload_bytes as usize));
        let (payload, padding) = split.ok_or("the frame ends behind its file")?;
        frame.check_payload(payload, padding, segment.header.salt).map_err(|error| error.to_string())?;
        let repeated_bytes = if frame.opens_segment() { SEGMENT_HEADER_BYTES } else { 0 };
        if frame.opens_segment() && !payload.starts_with(&segment.header.encode()) {
            return Err("the first frame does not repeat its segment's header".to_owned());
        }
        payload.get(repeated_bytes..).ok_or_else(|| "the frame is shorter than its header".to_owned())
    }

    fn note_records(&mut self, segment: &Segment, offset: usize, frame: &FrameHeader, records: &[u8]) {
        self.found.frames += 1;
        self.found.bytes += frame.frame_bytes();
        for record in decode_records(records, frame.record_count) {
            match record {
                Ok(record) => self.found.note(&record),
                Err(error) => {
                    let problem = format!("a whole frame holds a record that is none: {error}");
                    self.report(&segment.path, offset, problem);
                }
            }
        }
    }

    /// A segment in the middle ends exactly where its successor says.
    fn check_joint(&mut self, segment: &Segment, walk: &Walk, next: &SegmentHeader) {
        let end = walk.last.map_or(0, |frame| frame.end_lsn());
        let hash = walk.last.map_or(0, |frame| frame.hash(self.node.log_salt));
        if (end, hash) != (next.predecessor.end_lsn, next.predecessor.last_frame_hash) {
            let problem = format!(
                "acknowledged frames are damaged: the log went on to LSN {} here, and reads to {end} ({})",
                next.predecessor.end_lsn, walk.stop
            );
            self.report(&segment.path, walk.end_offset, problem);
        }
    }

    /// A segment has its whole length before it is used: what was cut off may have been acknowledged.
    fn check_length(&mut self, segment: &Segment) {
        let missing_bytes = segment.header.size_bytes.saturating_sub(segment.map.len() as u64);
        if missing_bytes > 0 {
            let problem =
                format!("the file of segment {} has lost {missing_bytes} bytes", segment.header.sequence);
            self.report(&segment.path, segment.map.len(), problem);
        }
    }

    fn check_start(&mut self, oldest: &Segment, needed_lsn: u64) {
        let predecessor = &oldest.header.predecessor;
        if predecessor.end_lsn > needed_lsn {
            let problem = format!("segment {} is missing, and is needed", predecessor.sequence);
            self.report(&oldest.path, 0, problem);
        }
    }

    fn check_end(&mut self, path: Option<&Path>, end_lsn: u64) {
        if self.known.content == StreamContent::Written && end_lsn < self.known.end_lsn {
            let directory = PathBuf::from(format!("log stream {}", self.known.stream));
            let problem = format!("it was durable up to LSN {} and reads to {end_lsn}", self.known.end_lsn);
            self.report(path.unwrap_or(&directory), 0, problem);
        }
    }

    /// Looks for frames that say that the log went on behind its end.
    fn check_nothing_behind(&mut self, path: &Path, map: &FileMap, from: usize, end_lsn: u64, stop: &str) {
        let evidence = (from..map.len()).step_by(BLOCK_SIZE_BYTES).find_map(|offset| {
            let frame = self.frame_at(map, offset)?;
            (frame.durable_lsn > end_lsn).then_some(frame)
        });
        if let Some(frame) = evidence {
            let problem = format!(
                "acknowledged frames are damaged: frame {} says that LSN {} was durable, and the log reads to {end_lsn} ({stop})",
                frame.sequence, frame.durable_lsn
            );
            self.report(path, from, problem);
        }
    }

    fn drop_unneeded(&mut self, chain: &[&Segment], needed_lsn: u64) {
        let unneeded = chain
            .iter()
            .zip(chain.iter().skip(1))
            .take_while(|(_, next)| next.header.predecessor.end_lsn <= needed_lsn)
            .count();
        self.found.segments.drain(..unneeded);
    }

    fn report(&mut self, path: &Path, offset: usize, problem: String) {
        let block = (offset / BLOCK_SIZE_BYTES) as u64;
        self.found.findings.push(LogFinding { path: path.to_owned(), block, problem });
    }
}
