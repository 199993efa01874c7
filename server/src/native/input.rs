//! What a session has received: frames are cut out of it as they become whole.
//!
//! A frame that is longer than the buffer of an idle connection gets room only when the account of memory for
//! requests has some. If it has none, the frame's body is thrown away as it comes.

use std::sync::Arc;

use basalt_format::DecodeError;
use basalt_format::native::frame::{FRAME_HEADER_BYTES, FrameHead, FrameHeader};

use crate::limits::{MemoryPermit, RequestMemory};

/// The receive buffer of an idle connection: many typical requests fit.
const BUFFER_BYTES: usize = 16 << 10;

/// Received bytes.
pub(super) struct Input {
    memory: Arc<RequestMemory>,
    received: Vec<u8>,
    /// Bytes of `received` that have been dealt with.
    taken: usize,
    /// Whether the buffer that is away to be filled begins with a part of a frame.
    has_part_away: bool,
    /// Pays for a buffer that is longer than an idle connection's.
    long_frame: Option<MemoryPermit>,
    /// Bytes still to come that nobody wants.
    discarding: usize,
    /// Frames begun, to tell one from the next.
    frame_count: u64,
}

/// What the received bytes begin with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// Nothing that is whole yet.
    Nothing,
    /// A frame.
    Frame(FrameHead, Vec<u8>),
    /// A frame that there is no memory for, and whose checksum therefore nobody has seen.
    NoRoom(FrameHead),
}

impl Input {
    /// Nothing is received yet.
    pub(super) fn new(memory: Arc<RequestMemory>) -> Input {
        Input {
            memory,
            received: Vec::new(),
            taken: 0,
            has_part_away: false,
            long_frame: None,
            discarding: 0,
            frame_count: 0,
        }
    }

    /// The frame that has begun and is not whole, by its number; None between frames.
    pub(super) fn begun_frame(&self) -> Option<u64> {
        let has_begun = self.discarding > 0 || self.has_part_away || self.taken < self.received.len();
        has_begun.then_some(self.frame_count)
    }

    /// Cuts out the next frame. Bodies may have `body_bytes_max` bytes.
    pub(super) fn next(&mut self, body_bytes_max: usize) -> Result<Received, DecodeError> {
        self.discard();
        let waiting = self.received.get(self.taken..).unwrap_or_default();
        let Some(header_bytes) = waiting.first_chunk() else { return Ok(Received::Nothing) };
        let header = FrameHeader::decode(header_bytes)?;
        if header.body_bytes() > body_bytes_max {
            return Err(DecodeError::OutOfRange {
                field: "body of a frame",
                value: header.body_bytes() as u64,
                minimum: 0,
                maximum: body_bytes_max as u64,
            });
        }
        let length = FRAME_HEADER_BYTES + header.body_bytes();
        let Some(body) = waiting.get(FRAME_HEADER_BYTES..length) else { return Ok(self.wait_for(header)) };
        let (head, body) = (header.check(body)?, body.to_vec());
        self.taken += length;
        self.frame_count += 1;
        if length > BUFFER_BYTES {
            self.long_frame = None;
        }
        Ok(Received::Frame(head, body))
    }

    /// A buffer with room for what comes next: the rest of a frame, or whatever there is. What is in it cannot be cut
    /// out until it is given back, so that it is asked for when no whole frame is left.
    pub(super) fn take_buffer(&mut self) -> Vec<u8> {
        let mut buffer = std::mem::take(&mut self.received);
        buffer.drain(..self.taken);
        self.taken = 0;
        self.has_part_away = !buffer.is_empty();
        let wanted = match self.frame_bytes(&buffer).max(BUFFER_BYTES) {
            more if more > buffer.len() => more,
            // Whole frames stand there that nobody has had time for.
            _ => buffer.len() + BUFFER_BYTES,
        };
        buffer.shrink_to(wanted);
        buffer.reserve_exact(wanted - buffer.len());
        buffer
    }

    /// Takes the buffer back, with what was received.
    pub(super) fn give_back(&mut self, buffer: Vec<u8>) {
        self.received = buffer;
        self.has_part_away = false;
    }

    /// Nothing that was received is of interest any more.
    pub(super) fn forget(&mut self) {
        self.received.clear();
        self.taken = 0;
        self.discarding = 0;
    }

    /// What to do until a frame is whole: reserve room for it, or throw it away.
    fn wait_for(&mut self, header: FrameHeader) -> Received {
        let length = FRAME_HEADER_BYTES + header.body_bytes();
        if length <= BUFFER_BYTES || self.long_frame.is_some() {
            return Received::Nothing;
        }
        match self.memory.permit_for(length) {
            Ok(permit) => {
                self.long_frame = Some(permit);
                Received::Nothing
            }
            Err(_exhausted) => {
                self.discarding = length;
                self.discard();
                Received::NoRoom(header.unchecked_head())
            }
        }
    }

    fn discard(&mut self) {
        if self.discarding == 0 {
            return;
        }
        let count = self.discarding.min(self.received.len() - self.taken);
        self.taken += count;
        self.discarding -= count;
        if self.discarding == 0 {
            self.frame_count += 1;
        }
    }

    /// The length of the frame that `buffer` begins with, as far as it was seen and is paid for.
    fn frame_bytes(&self, buffer: &[u8]) -> usize {
        let header = buffer.first_chunk().and_then(|header| FrameHeader::decode(header).ok());
        match (header, &self.long_frame) {
            (Some(header), Some(_)) => FRAME_HEADER_BYTES + header.body_bytes(),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use basalt_format::native::FrameKind;
    use proptest::prelude::*;

    use super::*;

    const HEAD: FrameHead = FrameHead::new(FrameKind::Cancel, 7);

    fn input(memory_bytes: usize) -> Input {
        Input::new(RequestMemory::new(memory_bytes))
    }

    /// Receives `bytes` in steps of at most `step`, and cuts out all frames on the way.
    fn receive(input: &mut Input, mut bytes: &[u8], step: usize) -> Vec<Received> {
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            let mut buffer = input.take_buffer();
            let count = step.min(bytes.len()).min(buffer.capacity() - buffer.len());
            assert!(count > 0, "a buffer has room");
            let (now, later) = bytes.split_at(count);
            buffer.extend_from_slice(now);
            bytes = later;
            input.give_back(buffer);
            loop {
                match input.next(1 << 20).unwrap() {
                    Received::Nothing => break,
                    frame => frames.push(frame),
                }
            }
        }
        frames
    }

    #[test]
    fn a_frame_without_room_is_thrown_away_and_the_next_one_is_found() {
        let mut bytes = HEAD.encode(&vec![1; 100_000]);
        HEAD.append(b"next", &mut bytes);
        let mut input = input(50_000);
        let frames = receive(&mut input, &bytes, 9_999);
        assert_eq!(frames, [Received::NoRoom(HEAD), Received::Frame(HEAD, b"next".to_vec())]);
        assert_eq!(input.begun_frame(), None);
    }

    #[test]
    fn a_body_that_is_too_long_is_refused_when_its_header_comes() {
        let frame = HEAD.encode(&[0; 100]);
        let mut input = input(1 << 20);
        input.give_back(frame.get(..20).unwrap().to_vec());
        assert!(input.next(99).is_err());
    }

    #[test]
    fn more_can_be_received_while_whole_frames_wait() {
        let mut input = input(1 << 20);
        let frames = HEAD.encode(&[0; 84]).repeat(BUFFER_BYTES / 100 + 1);
        input.give_back(frames.clone());
        let buffer = input.take_buffer();
        assert!(buffer.capacity() > buffer.len());
        input.give_back(buffer);
        let cut_out = std::iter::from_fn(|| match input.next(100) {
            Ok(Received::Frame(..)) => Some(()),
            _ => None,
        });
        assert_eq!(cut_out.count(), frames.len() / 100);
    }

    proptest! {
        #[test]
        fn frames_come_out_however_they_came_in(
            lengths in prop::collection::vec(prop_oneof![0usize..50, 10_000usize..40_000], 1..8),
            step in prop_oneof![1usize..40, 5_000usize..50_000],
        ) {
            let mut bytes = Vec::new();
            for length in &lengths {
                HEAD.append(&vec![*length as u8; *length], &mut bytes);
            }
            let mut input = input(1 << 20);
            let expected: Vec<_> =
                lengths.iter().map(|length| Received::Frame(HEAD, vec![*length as u8; *length])).collect();
            prop_assert_eq!(receive(&mut input, &bytes, step), expected);
            prop_assert_eq!(input.begun_frame(), None);
        }
    }
}
