//! Decides where a log stream ends, and whether what is missing behind the end was ever acknowledged (STORAGE §7).
//!
//! Only reads. The one question is whether the first place that does not continue the chain is a write that a crash
//! tore, which nobody was told of, or damage to something acknowledged. The log answers itself:
//! - a frame's `durable_lsn` was true when the frame was written, so a durable_lsn beyond the end is damage;
//! - a segment is opened only after its predecessor's last frame is durable, so a predecessor's end beyond is, too;
//! - at most two frames can be unsynced at once (a Seal, and the frame after it), so a later one is damage;
//! - a frame's `needed_lsn` says which segments may be missing or written over.
//!
//! Headers of frames are hashed with a secret of the directory, so that no client's bytes can fake this evidence.

use std::path::{Path, PathBuf};

use basalt_format::{
    data_directory::{Node, NodeStream, StreamContent},
    wal::{FrameHeader, SEGMENT_SIZE_BYTES_MIN, SegmentHeader},
};
use basalt_runtime::{Handle, sometimes};

use super::{
    catalog_log::CatalogLog,
    facts::{JudgedSegment, StreamFacts, StreamLog, Tail},
    survey::{FoundFrame, SurveyedFile, survey_stream},
};
use crate::{
    error::{Refusal, StorageError},
    ids::{FrameSequence, LogPosition, Lsn, StreamId},
    wal::{ChainEnd, FIRST_FRAME_OFFSET, NextFrame, StreamIdentity, UnusedFile},
};

/// Frames that can be on their way at once: a Seal that was not synced, and the frame after it.
const UNSYNCED_FRAMES_MAX: u64 = 2;
/// From this size on each segment that was read is told of.
const LARGE_SEGMENT_BYTES: u64 = 64 << 20;

/// A stream of a locked directory, to be judged on whichever shard has the time.
#[derive(Debug, Clone)]
pub struct UnjudgedStream {
    directory: PathBuf,
    identity: StreamIdentity,
    /// What NODE says of it.
    known: NodeStream,
}

/// What judging a stream found.
#[derive(Debug)]
pub struct JudgedStream {
    pub(super) facts: StreamFacts,
    pub(super) catalog: CatalogLog,
}

impl UnjudgedStream {
    pub(super) fn new(directory: &Path, node: &Node, known: NodeStream) -> Self {
        Self { directory: directory.to_owned(), identity: stream_identity(node, known.stream), known }
    }

    /// The stream.
    pub fn stream(&self) -> StreamId {
        self.identity.stream
    }

    /// Reads the stream and decides where it ends. Changes nothing.
    pub async fn judge(&self, handle: &Handle) -> Result<JudgedStream, StorageError> {
        let mut files = survey_stream(handle, &self.directory, self.identity).await?;
        let next_file = files.iter().map(|file| file.number + 1).max().unwrap_or(1);
        let leftovers = take_leftovers(&mut files, &self.known);
        let judge = Judge { handle, identity: self.identity, known: &self.known, files };
        let mut judged = judge.judge().await?;
        judged.facts.log.next_file = next_file;
        judged.facts.log.unused.extend(leftovers);
        Ok(judged)
    }
}

/// Of a stream that was given up, nothing below its end counts, even if its removal did not reach the disk.
fn take_leftovers(files: &mut Vec<SurveyedFile>, known: &NodeStream) -> Vec<UnusedFile> {
    if known.content == StreamContent::Written {
        return Vec::new();
    }
    let is_leftover = |file: &mut SurveyedFile| match (&file.header, &file.first_frame) {
        (Some(header), _) => header.base_lsn < known.end_lsn,
        (None, Some(frame)) => frame.lsn < known.end_lsn,
        (None, None) => false,
    };
    files.extract_if(.., is_leftover).map(|file| file.unused()).collect()
}

/// One stream's files, being judged.
struct Judge<'a> {
    handle: &'a Handle,
    identity: StreamIdentity,
    known: &'a NodeStream,
    files: Vec<SurveyedFile>,
}

/// A file by its place in the survey, and the header that it goes by.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    file: usize,
    header: SegmentHeader,
}

/// A segment whose chain does not reach its successor.
struct Break {
    /// Where the chain ends.
    lsn: Lsn,
    /// Where its successor says that it ended.
    until: Lsn,
    reason: String,
}

/// What was read of the chain.
struct ReadChain {
    facts: StreamFacts,
    catalog: CatalogLog,
    /// The last break, if any.
    broken: Option<Break>,
}

impl Judge<'_> {
    async fn judge(&self) -> Result<JudgedStream, StorageError> {
        let newest_first = self.candidates()?;
        let (last, begun) = self.find_last(newest_first).await?;
        let mut read = match last {
            Some(last) => self.read_chain(&self.chain_of(last)).await?,
            None => self.without_segments(),
        };
        self.refuse_if_lost(&read)?;
        self.refuse_if_contradicted(&mut read.facts.log, last, &begun).await?;
        self.list_unused(&mut read.facts.log);
        Ok(JudgedStream { facts: read.facts, catalog: read.catalog })
    }

    /// Every file with a header, the newest first.
    fn candidates(&self) -> Result<Vec<Candidate>, StorageError> {
        if let Some(stump) = self.files.iter().find(|file| file.size_bytes < SEGMENT_SIZE_BYTES_MIN) {
            let detail = format!("{} is too short to be a segment", stump.path.display());
            return Err(self.damaged(Lsn::new(self.known.end_lsn), detail));
        }
        let headed = self.files.iter().enumerate();
        let headed = headed.filter_map(|(file, surveyed)| Some(Candidate { file, header: surveyed.header? }));
        let mut candidates: Vec<Candidate> = headed.collect();
        candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.header.sequence));
        let twin = candidates.windows(2).find(|pair| pair[0].header.sequence == pair[1].header.sequence);
        match twin {
            None => Ok(candidates),
            Some(twin) => {
                let sequence = twin[0].header.sequence;
                Err(self
                    .damaged(Lsn::new(twin[0].header.base_lsn), format!("two files are segment {sequence}")))
            }
        }
    }

    /// The newest segment whose first frame is whole, and the segments after it that a crash left without one.
    async fn find_last(
        &self,
        newest_first: Vec<Candidate>,
    ) -> Result<(Option<Candidate>, Vec<Candidate>), StorageError> {
        let mut begun = Vec::new();
        for candidate in newest_first {
            let mut reader =
                self.files[candidate.file].reader(self.handle, self.identity, candidate.header).await?;
            if matches!(reader.next_frame().await?, NextFrame::Frame(_)) {
                return Ok((Some(candidate), begun));
            }
            begun.push(candidate);
        }
        Ok((None, begun))
    }

    /// The segments from the oldest that may still be needed up to `last`, as far as they are there.
    fn chain_of(&self, last: Candidate) -> Vec<Candidate> {
        let surely_needed = self.files[last.file].first_frame.map_or(0, |frame| frame.needed_lsn);
        let mut chain = vec![last];
        let mut oldest = last;
        while oldest.header.predecessor.end_lsn > surely_needed
            && let Some(file) = self.file_of_segment(oldest.header.predecessor.sequence)
        {
            oldest = file;
            chain.push(oldest);
        }
        chain.reverse();
        chain
    }

    fn file_of_segment(&self, sequence: u64) -> Option<Candidate> {
        let file = self
            .files
            .iter()
            .position(|file| file.header.is_some_and(|header| header.sequence == sequence))?;
        Some(Candidate { file, header: self.files[file].header? })
    }

    /// Reads every frame of the chain and takes note of its records.
    async fn read_chain(&self, chain: &[Candidate]) -> Result<ReadChain, StorageError> {
        let first = &chain[0].header.predecessor;
        // Whatever the first segment follows is missing, and must not be needed.
        let missing = Break {
            lsn: Lsn::default(),
            until: Lsn::new(first.end_lsn),
            reason: format!("segment {} is missing", first.sequence),
        };
        let mut read = ReadChain {
            facts: StreamFacts::new(StreamLog::empty(self.identity, Lsn::default())),
            catalog: CatalogLog::default(),
            broken: Some(missing),
        };
        for (place, candidate) in chain.iter().enumerate() {
            let stop = self.read_segment(*candidate, &mut read).await?;
            let Some(next) = chain.get(place + 1) else { break };
            let end = read.facts.log.end;
            if let Err(reason) = joins(end, &next.header) {
                read.broken = Some(Break {
                    lsn: end.lsn,
                    until: Lsn::new(next.header.predecessor.end_lsn),
                    reason: format!("{reason}: {stop}"),
                });
                read.facts.log.segments.clear();
            }
        }
        Ok(read)
    }

    /// Reads one segment up to the first place that does not go on; returns what is there.
    async fn read_segment(&self, candidate: Candidate, read: &mut ReadChain) -> Result<String, StorageError> {
        let ReadChain { facts, catalog, .. } = read;
        let file = &self.files[candidate.file];
        let mut reader = file.reader(self.handle, self.identity, candidate.header).await?;
        let stop = loop {
            match reader.next_frame().await? {
                NextFrame::Full => break "the segment is full".to_owned(),
                NextFrame::Bad(bad) => break bad.reason,
                NextFrame::Frame(frame) => {
                    facts.log.needed_lsn = frame.needed_lsn();
                    let position = LogPosition { stream: self.identity.stream, lsn: frame.lsn() };
                    for record in frame.records() {
                        let noted = record.and_then(|record| {
                            catalog.note(position, &record);
                            facts.note(&record)
                        });
                        noted.map_err(|error| {
                            self.damaged(frame.lsn(), format!("a whole frame holds {error}"))
                        })?;
                    }
                }
            }
            self.handle.yield_if_due().await;
        };
        facts.log.end = reader.chain();
        tell_progress(self.identity, facts.log.end.lsn, &candidate.header);
        facts.log.segments.push(JudgedSegment {
            path: file.path.clone(),
            size_bytes: file.size_bytes,
            header: candidate.header,
            end_lsn: facts.log.end.lsn,
        });
        Ok(stop)
    }

    fn without_segments(&self) -> ReadChain {
        let facts = StreamFacts::new(StreamLog::empty(self.identity, Lsn::new(self.known.end_lsn)));
        ReadChain { facts, catalog: CatalogLog::default(), broken: None }
    }

    /// Refuses when the chain that is there does not hold everything that is needed and was durable.
    fn refuse_if_lost(&self, read: &ReadChain) -> Result<(), StorageError> {
        let log = &read.facts.log;
        if let Some(broken) = &read.broken {
            if broken.until > log.needed_lsn {
                let detail = format!("{}, and what it held up to {} is needed", broken.reason, broken.until);
                return Err(self.damaged(broken.lsn.max(log.needed_lsn), detail));
            }
            sometimes!(broken.lsn > Lsn::default(), "wal segment that is no longer needed was written over");
        }
        let known_end = Lsn::new(self.known.end_lsn);
        if self.known.content == StreamContent::Written
            && (log.segments.is_empty() || log.end.lsn < known_end)
        {
            return Err(
                self.damaged(log.end.lsn, format!("it was durable up to {known_end} at the last start"))
            );
        }
        Ok(())
    }

    /// Looks behind the end for anything that says that the log went on; counts what was begun there.
    async fn refuse_if_contradicted(
        &self,
        log: &mut StreamLog,
        last: Option<Candidate>,
        begun: &[Candidate],
    ) -> Result<(), StorageError> {
        let mut highest = Highest::new(log, self.known);
        for file in &self.files {
            if let Some(header) = &file.header {
                highest.note_segment(header);
            }
            if let Some(header) = file.first_frame {
                self.weigh(log.end, &header)?;
                highest.note_frame(file, FoundFrame { offset: FIRST_FRAME_OFFSET, header });
            }
        }
        for candidate in last.iter().chain(begun) {
            self.refuse_if_short(log.end, candidate)?;
        }
        for candidate in begun {
            sometimes!("wal roll-over torn");
            self.weigh_begun_segment(log.end, candidate)?;
            log.tail = Tail::Torn;
        }
        for (place, file) in self.files.iter().enumerate() {
            let is_begun = begun.iter().any(|candidate| candidate.file == place);
            let from = match last {
                Some(last) if last.file == place => log.end.lsn.get() - last.header.base_lsn,
                _ if file.header.is_none() || is_begun => FIRST_FRAME_OFFSET,
                _ => continue,
            };
            for found in file.scan(self.handle, self.identity, from).await? {
                self.weigh(log.end, &found.header)?;
                if file.header.is_none() {
                    self.weigh_headless(log.end, &found.header)?;
                }
                highest.note_frame(file, found);
            }
        }
        if highest.frame > log.end.frame.get() {
            sometimes!("wal tail torn");
            log.tail = Tail::Torn;
        }
        highest.assign(log);
        Ok(())
    }

    /// A segment is whole and synced before it is used, so no crash makes its file shorter; and what was cut off with
    /// it may have been acknowledged.
    fn refuse_if_short(&self, end: ChainEnd, candidate: &Candidate) -> Result<(), StorageError> {
        let SegmentHeader { sequence, size_bytes, .. } = candidate.header;
        match size_bytes.checked_sub(self.files[candidate.file].size_bytes) {
            None | Some(0) => Ok(()),
            Some(missing) => {
                Err(self.damaged(end.lsn, format!("the file of segment {sequence} has lost {missing} bytes")))
            }
        }
    }

    /// A frame header found anywhere: what it says of the log before it was true.
    fn weigh(&self, end: ChainEnd, header: &FrameHeader) -> Result<(), StorageError> {
        let durable = Lsn::new(header.durable_lsn);
        if durable > end.lsn {
            sometimes!("wal damage before a durable frame refused");
            let detail = format!("frame {}, behind it, knew it durable up to {durable}", header.sequence);
            return Err(self.damaged(end.lsn, detail));
        }
        let is_too_far = header.sequence > end.frame.get() + UNSYNCED_FRAMES_MAX;
        if is_too_far && contradicts(end, header) {
            let detail = format!("frame {} was written after more than can be on its way", header.sequence);
            return Err(self.damaged(end.lsn, detail));
        }
        Ok(())
    }

    /// A segment behind the last one, without a whole frame: it may have been begun, but only right after the end.
    fn weigh_begun_segment(&self, end: ChainEnd, begun: &Candidate) -> Result<(), StorageError> {
        joins(end, &begun.header).map_err(|reason| {
            let sequence = begun.header.sequence;
            self.damaged(end.lsn, format!("segment {sequence} was opened behind it, but {reason}"))
        })
    }

    /// A frame in a file without a header: the torn start of a roll-over begins with the very next frame.
    fn weigh_headless(&self, end: ChainEnd, header: &FrameHeader) -> Result<(), StorageError> {
        if header.sequence > end.frame.get() && contradicts(end, header) {
            let detail = format!("frame {} stands in a file whose header is gone", header.sequence);
            return Err(self.damaged(end.lsn, detail));
        }
        Ok(())
    }

    /// Every file that is not part of the chain may be used again.
    fn list_unused(&self, log: &mut StreamLog) {
        let is_used = |file: &&SurveyedFile| log.segments.iter().any(|segment| segment.path == file.path);
        log.unused = self.files.iter().filter(|file| !is_used(file)).map(SurveyedFile::unused).collect();
    }

    fn damaged(&self, lsn: Lsn, detail: String) -> StorageError {
        Refusal::DamagedLog { stream: self.identity.stream, lsn, detail }.into()
    }
}

/// Large segments are those of a long log, whose reading takes seconds: somebody may be waiting.
fn tell_progress(identity: StreamIdentity, lsn: Lsn, header: &SegmentHeader) {
    if header.size_bytes >= LARGE_SEGMENT_BYTES {
        tracing::info!(
            stream = identity.stream.get(),
            segment = header.sequence,
            lsn = lsn.get(),
            "log segment checked"
        );
    }
}

/// Whether a frame was written behind `end` and follows something else. What lies before the end belongs to an earlier
/// life of the stream, whose files a new one uses again.
fn contradicts(end: ChainEnd, header: &FrameHeader) -> bool {
    header.lsn >= end.lsn.get() && header.previous_hash != end.hash
}

/// Whether the segment of `header` was opened right behind `end`.
fn joins(end: ChainEnd, header: &SegmentHeader) -> Result<(), String> {
    let predecessor = &header.predecessor;
    let end_lsn = Lsn::new(predecessor.end_lsn);
    if (end.segment, end.lsn) != (predecessor.sequence, end_lsn) {
        return Err(format!("it follows segment {} at {end_lsn}", predecessor.sequence));
    }
    if end.hash != predecessor.last_frame_hash || end.frame.get() >= header.first_frame_sequence {
        return Err(format!("it follows another frame at {end_lsn}"));
    }
    Ok(())
}

/// The highest numbers that were ever begun: the next incarnation goes above all of them.
struct Highest {
    segment: u64,
    frame: u64,
    file_end: u64,
}

impl Highest {
    fn new(log: &StreamLog, known: &NodeStream) -> Self {
        Self {
            segment: log.end.segment.max(log.next_segment - 1),
            frame: log.end.frame.get().max(log.next_frame.get() - 1),
            file_end: log.end.lsn.get().max(known.end_lsn),
        }
    }

    fn note_segment(&mut self, header: &SegmentHeader) {
        self.segment = self.segment.max(header.sequence);
        self.file_end = self.file_end.max(header.file_end_lsn());
    }

    fn note_frame(&mut self, file: &SurveyedFile, found: FoundFrame) {
        self.frame = self.frame.max(found.header.sequence);
        let base_lsn = found.header.lsn.saturating_sub(found.offset);
        self.file_end = self.file_end.max(base_lsn.saturating_add(file.size_bytes));
    }

    fn assign(self, log: &mut StreamLog) {
        log.next_segment = self.segment + 1;
        log.next_base_lsn = Lsn::new(self.file_end);
        // A frame that was begun and lost without a trace had one of the numbers right behind the end.
        let begun = match log.segments.is_empty() {
            true => self.frame,
            false => self.frame.max(log.end.frame.get() + UNSYNCED_FRAMES_MAX),
        };
        log.next_frame = FrameSequence::new(begun + 1);
    }
}

impl SurveyedFile {
    fn unused(&self) -> UnusedFile {
        UnusedFile { path: self.path.clone(), size_bytes: self.size_bytes }
    }
}

/// The identity of a stream of this directory.
fn stream_identity(node: &Node, stream: u16) -> StreamIdentity {
    StreamIdentity {
        cluster_uuid: node.cluster_uuid,
        node_id: node.node_id,
        log_salt: node.log_salt,
        stream: StreamId::new(stream),
    }
}
