//! Frames on their way to the disk: the open one, which takes records, and the closed ones before it.
//!
//! Group commit needs no timer: while one frame is being written and synced, the next one fills. Pure memory: knows
//! no file and no task. In steady state nothing is allocated; a written frame's buffer is filled again.

use std::collections::VecDeque;

use basalt_format::{
    BLOCK_SIZE_BYTES,
    wal::{
        FRAME_BYTES_MAX, FRAME_HEADER_BYTES, FRAME_OPENS_SEGMENT, FrameHeader, Record, SEGMENT_HEADER_BYTES,
        SegmentHeader, frame_bytes, payload_hash, put_record, record_bytes,
    },
};
use basalt_runtime::{AlignedBuffer, planted};

use super::{Ticket, segment::BLOCK_BYTES};
use crate::ids::{FrameSequence, Lsn};

/// Buffers kept to be filled again: the open frame's, the one in flight, and one between them.
const BUFFERS_KEPT_MAX: usize = 2;

/// A frame that holds records and has no place on the disk yet.
pub(super) struct PendingFrame {
    sequence: FrameSequence,
    /// The frame starts here or later.
    lsn_floor: Lsn,
    /// Room for the frame's header, then records.
    bytes: AlignedBuffer,
    record_count: u32,
}

/// Everything a frame's header says of the log before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct FramePlace {
    pub(super) stream: u16,
    pub(super) lsn: Lsn,
    pub(super) durable_lsn: Lsn,
    pub(super) needed_lsn: Lsn,
    pub(super) previous_hash: u64,
    pub(super) segment_salt: u64,
    pub(super) log_salt: u64,
}

/// A frame as it goes to the disk.
pub(super) struct ClosedFrame {
    pub(super) header: FrameHeader,
    /// The frame, behind its segment's header block if it opens a segment.
    pub(super) bytes: AlignedBuffer,
}

impl PendingFrame {
    fn new(sequence: FrameSequence, lsn_floor: Lsn, mut bytes: AlignedBuffer) -> Self {
        bytes.clear();
        bytes.resize(FRAME_HEADER_BYTES);
        Self { sequence, lsn_floor, bytes, record_count: 0 }
    }

    fn push(&mut self, record: &Record<'_>) {
        let start = self.bytes.len();
        self.bytes.resize(start + record_bytes(record.body.len()));
        put_record(&mut self.bytes[start..], record);
        self.record_count += 1;
    }

    fn payload_bytes(&self) -> usize {
        self.bytes.len() - FRAME_HEADER_BYTES
    }

    /// Its number in the stream.
    pub(super) fn sequence(&self) -> FrameSequence {
        self.sequence
    }

    /// The frame's bytes on disk if it goes into a segment that is open.
    pub(super) fn frame_bytes(&self) -> u64 {
        frame_bytes(self.payload_bytes()) as u64
    }

    /// The frame's bytes on disk if it opens a segment, without the header's block.
    pub(super) fn opening_frame_bytes(&self) -> u64 {
        frame_bytes(SEGMENT_HEADER_BYTES + self.payload_bytes()) as u64
    }

    /// Closes the frame for a place in an open segment.
    pub(super) fn close(mut self, place: &FramePlace) -> ClosedFrame {
        let header = self.header(place, &self.bytes[FRAME_HEADER_BYTES..], 0);
        self.bytes[..FRAME_HEADER_BYTES].copy_from_slice(&header.encode(place.log_salt));
        pad_to_block(&mut self.bytes);
        ClosedFrame { header, bytes: self.bytes }
    }

    /// Closes the frame as the one that opens a segment, into `bytes`, behind the header's block.
    pub(super) fn close_opening(
        self,
        place: &FramePlace,
        segment: &SegmentHeader,
        mut bytes: AlignedBuffer,
    ) -> (ClosedFrame, AlignedBuffer) {
        let repeated = segment.encode();
        bytes.clear();
        bytes.extend_from_slice(&repeated);
        bytes.resize(BLOCK_SIZE_BYTES + FRAME_HEADER_BYTES);
        bytes.extend_from_slice(&repeated);
        bytes.extend_from_slice(&self.bytes[FRAME_HEADER_BYTES..]);
        let payload_start = BLOCK_SIZE_BYTES + FRAME_HEADER_BYTES;
        let header = self.header(place, &bytes[payload_start..], FRAME_OPENS_SEGMENT);
        bytes[BLOCK_SIZE_BYTES..payload_start].copy_from_slice(&header.encode(place.log_salt));
        pad_to_block(&mut bytes);
        (ClosedFrame { header, bytes }, self.bytes)
    }

    fn header(&self, place: &FramePlace, payload: &[u8], flags: u16) -> FrameHeader {
        assert!(place.lsn >= self.lsn_floor, "a frame never starts before the position its tickets name");
        FrameHeader {
            sequence: self.sequence.get(),
            lsn: place.lsn.get(),
            durable_lsn: place.durable_lsn.get(),
            needed_lsn: place.needed_lsn.get(),
            previous_hash: place.previous_hash,
            payload_hash: payload_hash(payload, place.segment_salt),
            payload_bytes: u32::try_from(payload.len()).expect("a frame is shorter than 64 MiB and a block"),
            record_count: self.record_count,
            flags,
            stream: place.stream,
        }
    }
}

fn pad_to_block(bytes: &mut AlignedBuffer) {
    bytes.resize(bytes.len().next_multiple_of(BLOCK_SIZE_BYTES));
}

/// Whether records of `bytes` bytes together fit into a frame, also into one that opens a segment.
pub(super) fn fits_a_frame(bytes: usize) -> bool {
    frame_bytes(SEGMENT_HEADER_BYTES + bytes) <= FRAME_BYTES_MAX
}

/// The open frame and the closed ones before it.
pub(super) struct FrameQueue {
    soft_limit_bytes: usize,
    open: PendingFrame,
    closed: VecDeque<PendingFrame>,
    /// The next frame to be opened starts here or later.
    next_floor: Lsn,
    buffers: Vec<AlignedBuffer>,
}

impl FrameQueue {
    /// An empty queue whose first frame is `first` and starts at `floor` or later.
    pub(super) fn new(soft_limit_bytes: usize, first: FrameSequence, floor: Lsn) -> Self {
        let open = PendingFrame::new(first, floor, AlignedBuffer::new());
        Self { soft_limit_bytes, open, closed: VecDeque::new(), next_floor: floor, buffers: Vec::new() }
    }

    /// Puts a record into the open frame.
    ///
    /// # Panics
    /// If the record alone exceeds a frame.
    pub(super) fn append(&mut self, record: &Record<'_>) -> Ticket {
        self.begin(record_bytes(record.body.len()));
        self.put(record)
    }

    /// Makes sure that the next records, of `bytes` bytes together, come into one frame.
    ///
    /// # Panics
    /// If they exceed a frame.
    pub(super) fn begin(&mut self, bytes: usize) {
        assert!(fits_a_frame(bytes), "records that go together are at most 64 MiB");
        if self.open.record_count == 0 {
            self.open.lsn_floor = self.next_floor;
        } else if FRAME_HEADER_BYTES + self.open.payload_bytes() + bytes > self.soft_limit_bytes {
            self.close_open();
        }
    }

    /// Puts one of the records that [`FrameQueue::begin`] made room for into the open frame.
    pub(super) fn put(&mut self, record: &Record<'_>) -> Ticket {
        if planted!(SplitGroup) {
            self.begin(record_bytes(record.body.len()));
        }
        self.open.push(record);
        Ticket { frame: self.open.sequence, lsn: self.open.lsn_floor }
    }

    /// The next frame to be written, if any holds a record.
    pub(super) fn take(&mut self) -> Option<PendingFrame> {
        if self.closed.is_empty() && self.open.record_count > 0 {
            self.close_open();
        }
        self.closed.pop_front()
    }

    /// Whether no record waits to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.closed.is_empty() && self.open.record_count == 0
    }

    /// Learns where the frame taken last ends.
    pub(super) fn placed(&mut self, end: Lsn) {
        self.next_floor = self.next_floor.max(end);
    }

    /// Takes a written frame's buffer back.
    pub(super) fn give_back(&mut self, buffer: AlignedBuffer) {
        // What one giant entry needed is not kept for good.
        let is_ordinary = buffer.capacity() <= 2 * self.soft_limit_bytes;
        if is_ordinary && self.buffers.len() < BUFFERS_KEPT_MAX {
            self.buffers.push(buffer);
        }
    }

    /// A buffer to fill.
    pub(super) fn buffer(&mut self) -> AlignedBuffer {
        self.buffers.pop().unwrap_or_default()
    }

    /// The next record starts here or later.
    pub(super) fn next_lsn(&self) -> Lsn {
        if self.open.record_count == 0 { self.next_floor } else { self.open.lsn_floor }
    }

    /// Bytes of the open frame, 0 as long as it holds no record.
    pub(super) fn open_bytes(&self) -> u64 {
        if self.open.record_count == 0 { 0 } else { self.open.frame_bytes() }
    }

    /// Bytes of frames that are not being written yet.
    pub(super) fn waiting_bytes(&self) -> u64 {
        self.closed.iter().map(PendingFrame::frame_bytes).sum::<u64>() + self.open_bytes()
    }

    fn close_open(&mut self) {
        self.next_floor = self.open.lsn_floor.advance(self.open.frame_bytes()).max(self.next_floor);
        let buffer = self.buffer();
        let next = PendingFrame::new(self.open.sequence.next(), self.next_floor, buffer);
        self.closed.push_back(std::mem::replace(&mut self.open, next));
    }
}

const _: () = assert!(BLOCK_BYTES as usize > FRAME_HEADER_BYTES + SEGMENT_HEADER_BYTES);

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_format::wal::{RecordKind, decode_records};

    fn record(body: &[u8]) -> Record<'_> {
        Record { kind: RecordKind::Effects, flags: 0, partition: 3, term: 1, index: 1, hybrid_time: 5, body }
    }

    fn place(lsn: u64) -> FramePlace {
        FramePlace {
            stream: 1,
            lsn: Lsn::new(lsn),
            durable_lsn: Lsn::new(4096),
            needed_lsn: Lsn::new(0),
            previous_hash: 9,
            segment_salt: 11,
            log_salt: 13,
        }
    }

    fn queue() -> FrameQueue {
        FrameQueue::new(64 << 10, FrameSequence::new(7), Lsn::new(8192))
    }

    #[test]
    fn records_gather_until_the_soft_limit_then_a_frame_follows() {
        let mut queue = queue();
        let body = vec![1; 40 << 10];
        let first = queue.append(&record(b"small"));
        let second = queue.append(&record(&body));
        let third = queue.append(&record(&body));
        assert_eq!(first, second);
        assert_eq!((first.frame.get(), third.frame.get()), (7, 8));
        assert_eq!(third.lsn, first.lsn.advance(queue.closed[0].frame_bytes()));
        assert_eq!(queue.take().map(|frame| frame.record_count), Some(2));
        assert_eq!(queue.take().map(|frame| frame.record_count), Some(1));
        assert!(queue.take().is_none());
        assert!(queue.is_empty());
    }

    #[test]
    fn records_that_go_together_share_a_frame_whatever_the_soft_limit_says() {
        let mut queue = queue();
        let body = vec![1; 40 << 10];
        queue.append(&record(b"before"));
        queue.begin(3 * record_bytes(body.len()));
        let tickets: Vec<Ticket> = (0..3).map(|_| queue.put(&record(&body))).collect();
        assert!(tickets.iter().all(|ticket| ticket.frame.get() == 8), "{tickets:?}");
        assert_eq!(queue.append(&record(b"after")).frame.get(), 9);
    }

    #[test]
    fn what_fits_a_frame_fits_the_one_that_opens_a_segment() {
        let largest = FRAME_BYTES_MAX - FRAME_HEADER_BYTES - SEGMENT_HEADER_BYTES;
        assert!(fits_a_frame(largest));
        assert!(!fits_a_frame(largest + 1));
    }

    #[test]
    fn one_entry_above_the_soft_limit_is_one_frame() {
        let mut queue = queue();
        let body = vec![1; 1 << 20];
        queue.append(&record(&body));
        let after = queue.append(&record(b"next"));
        assert_eq!(after.frame.get(), 8);
        assert!(queue.waiting_bytes() > 1 << 20);
    }

    #[test]
    fn a_frame_closes_to_bytes_that_decode() {
        let mut queue = queue();
        queue.append(&record(b"entry"));
        let frame = queue.take().expect("a record waits");
        let ClosedFrame { header, bytes } = frame.close(&place(8192));
        assert_eq!(FrameHeader::decode(&bytes, 13), Ok(header));
        let (payload, padding) = bytes[FRAME_HEADER_BYTES..].split_at(header.payload_bytes as usize);
        assert_eq!(header.check_payload(payload, padding, 11), Ok(()));
        let records: Result<Vec<_>, _> = decode_records(payload, 1).collect();
        assert_eq!(records, Ok(vec![record(b"entry")]));
        assert_eq!(bytes.len() as u64, header.frame_bytes());
    }

    #[test]
    fn a_frame_that_opens_a_segment_repeats_its_header() {
        let segment = SegmentHeader {
            cluster_uuid: [1; 16],
            incarnation_uuid: [2; 16],
            node_id: 1,
            stream: 1,
            sequence: 1,
            base_lsn: 8192,
            size_bytes: 1 << 20,
            first_frame_sequence: 7,
            salt: 11,
            predecessor: Default::default(),
            created_us: 0,
        };
        let mut queue = queue();
        queue.append(&record(b"entry"));
        let frame = queue.take().expect("a record waits");
        let size = frame.opening_frame_bytes();
        let (ClosedFrame { header, bytes }, _) =
            frame.close_opening(&place(12288), &segment, AlignedBuffer::new());
        assert_eq!(SegmentHeader::decode_block(&bytes[..BLOCK_SIZE_BYTES]), Ok(segment));
        assert_eq!(FrameHeader::decode(&bytes[BLOCK_SIZE_BYTES..], 13), Ok(header));
        assert!(header.opens_segment());
        let payload = &bytes[BLOCK_SIZE_BYTES + FRAME_HEADER_BYTES..][..header.payload_bytes as usize];
        assert_eq!(SegmentHeader::decode(&payload[..SEGMENT_HEADER_BYTES]), Ok(segment));
        assert_eq!(size, header.frame_bytes());
        assert_eq!(bytes.len() as u64, BLOCK_BYTES + size);
    }

    #[test]
    fn tickets_name_a_floor_that_only_rises() {
        let mut queue = queue();
        let first = queue.append(&record(b"a"));
        queue.take();
        assert_eq!(queue.next_lsn(), first.lsn.advance(BLOCK_BYTES));
        // The frame went into the next segment instead.
        queue.placed(Lsn::new(1 << 20));
        assert_eq!(queue.append(&record(b"b")).lsn, Lsn::new(1 << 20));
    }

    #[test]
    fn a_giant_buffer_is_not_kept() {
        let mut queue = queue();
        queue.give_back(AlignedBuffer::with_capacity(1 << 20));
        assert_eq!(queue.buffer().capacity(), 0);
        queue.give_back(AlignedBuffer::with_capacity(64 << 10));
        assert_eq!(queue.buffer().capacity(), 64 << 10);
    }
}
