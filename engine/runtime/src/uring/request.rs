//! One operation as ring entries: how it is asked, and what its completions mean.
//!
//! A request owns its operation, and with it the buffer, until its last completion. The entries point into the
//! buffer's heap memory, which stays where it is when the request moves.

#![expect(unsafe_code, reason = "the kernel writes into buffers")]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use io_uring::squeue::{Entry, Flags};
use io_uring::types::{Fd, FsyncFlags};
use io_uring::{cqueue, opcode};
use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketFlags};

use crate::backend::{AfterWrite, Operation, Outcome, SyncKind, UringRung};
use crate::ids::SlotId;

/// The kernel moves less than 2^31 bytes at once; more than this is resumed like any short transfer.
const TRANSFER_BYTES_MAX: usize = 1 << 30;
/// The kernel's IORING_RECVSEND_POLL_FIRST.
const RECEIVE_POLL_FIRST: u16 = 1;

/// An operation in the kernel's hands.
pub(super) struct Request {
    pub(super) slot: SlotId,
    operation: Operation,
    descriptor: RawFd,
    /// Entries whose completion has not arrived.
    awaited: u8,
    /// Results of the operation's own entry and of the sync that is linked to it.
    result: Option<i32>,
    sync_result: Option<i32>,
}

/// Which of a request's entries has completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    Main,
    LinkedSync,
}

/// A request's name in the ring: its place, which of its entries, and for the check the slot's generation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tag {
    pub(super) index: u32,
    generation: u32,
    pub(super) part: Part,
}

const GENERATION_BITS: u32 = 28;
const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;
const LINKED_SYNC_BIT: u64 = 1 << 60;

impl Tag {
    pub(super) fn new(slot: SlotId, part: Part) -> Tag {
        Tag { index: slot.index, generation: slot.generation & GENERATION_MASK, part }
    }

    pub(super) fn to_u64(self) -> u64 {
        let part = if self.part == Part::LinkedSync { LINKED_SYNC_BIT } else { 0 };
        part | u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub(super) fn from_u64(bits: u64) -> Tag {
        let part = if bits & LINKED_SYNC_BIT == 0 { Part::Main } else { Part::LinkedSync };
        Tag { index: bits as u32, generation: (bits >> 32) as u32 & GENERATION_MASK, part }
    }

    pub(super) fn names(self, slot: SlotId) -> bool {
        self.index == slot.index && self.generation == slot.generation & GENERATION_MASK
    }
}

/// One or two entries, side by side.
pub(super) struct Entries {
    entries: [Entry; 2],
    count: usize,
}

impl Entries {
    pub(super) fn as_slice(&self) -> &[Entry] {
        &self.entries[..self.count]
    }
}

/// How connections are accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AcceptMode {
    /// One request for all.
    Multishot,
    /// One request each: kernels before 5.19.
    Single,
}

impl Request {
    pub(super) fn new(slot: SlotId, operation: Operation, descriptor: RawFd) -> Request {
        Request { slot, operation, descriptor, awaited: 0, result: None, sync_result: None }
    }

    pub(super) fn is_accept(&self) -> bool {
        matches!(self.operation, Operation::Accept { .. })
    }

    pub(super) fn is_of_socket(&self) -> bool {
        matches!(
            self.operation,
            Operation::Accept { .. } | Operation::Receive { .. } | Operation::Send { .. }
        )
    }

    /// The entries to push, once; from then on the request waits for their completions.
    pub(super) fn entries(&mut self, accept: AcceptMode, rung: UringRung) -> Entries {
        let main = self.main_entry(accept, rung).user_data(Tag::new(self.slot, Part::Main).to_u64());
        let entries = match &self.operation {
            Operation::Write { after: AfterWrite::SyncData, .. } => {
                let sync = opcode::Fsync::new(Fd(self.descriptor)).flags(FsyncFlags::DATASYNC).build();
                let sync = sync.user_data(Tag::new(self.slot, Part::LinkedSync).to_u64());
                Entries { entries: [main.flags(Flags::IO_LINK), sync], count: 2 }
            }
            _ => Entries { entries: [main.clone(), main], count: 1 },
        };
        self.awaited = entries.count as u8;
        entries
    }

    fn main_entry(&mut self, accept: AcceptMode, rung: UringRung) -> Entry {
        let descriptor = Fd(self.descriptor);
        match &mut self.operation {
            Operation::Read { buffer, filled, offset, .. } => {
                let place = *offset + *filled as u64;
                let rest = &mut buffer[*filled..];
                opcode::Read::new(descriptor, rest.as_mut_ptr(), bounded(rest.len())).offset(place).build()
            }
            Operation::Write { buffer, written, offset, .. } => {
                let place = *offset + *written as u64;
                let rest = &buffer[*written..];
                opcode::Write::new(descriptor, rest.as_ptr(), bounded(rest.len())).offset(place).build()
            }
            Operation::Sync { kind: SyncKind::Data, .. } => {
                opcode::Fsync::new(descriptor).flags(FsyncFlags::DATASYNC).build()
            }
            Operation::Sync { kind: SyncKind::All, .. } => opcode::Fsync::new(descriptor).build(),
            Operation::Allocate { offset, length, .. } => {
                opcode::Fallocate::new(descriptor, *length).offset(*offset).build()
            }
            Operation::PunchHole { offset, length, .. } => {
                let mode = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                opcode::Fallocate::new(descriptor, *length).offset(*offset).mode(mode.bits() as i32).build()
            }
            Operation::Accept { .. } => {
                let flags = SocketFlags::CLOEXEC.bits() as i32;
                match accept {
                    AcceptMode::Multishot => opcode::AcceptMulti::new(descriptor).flags(flags).build(),
                    AcceptMode::Single => {
                        let nobody = std::ptr::null_mut();
                        opcode::Accept::new(descriptor, nobody, std::ptr::null_mut()).flags(flags).build()
                    }
                }
            }
            Operation::Receive { buffer, .. } => {
                let room = buffer.spare_capacity_mut();
                let receive = opcode::Recv::new(descriptor, room.as_mut_ptr().cast(), bounded(room.len()));
                receive.ioprio(poll_first(rung)).build()
            }
            Operation::Send { buffer, sent, .. } => {
                let rest = &buffer[*sent..];
                let flags = SendFlags::NOSIGNAL.bits() as i32;
                opcode::Send::new(descriptor, rest.as_ptr(), bounded(rest.len())).flags(flags).build()
            }
            other => unreachable!("the ring is not asked for {other:?}"),
        }
    }

    /// Takes in a completion; whether it was the last.
    pub(super) fn complete(&mut self, part: Part, completion: &cqueue::Entry) -> bool {
        match part {
            Part::Main => self.result = Some(completion.result()),
            Part::LinkedSync => self.sync_result = Some(completion.result()),
        }
        if !cqueue::more(completion.flags()) {
            self.awaited -= 1;
        }
        self.awaited == 0
    }

    /// The connection that an accept's completion has brought.
    pub(super) fn accepted(&mut self) -> io::Result<OwnedFd> {
        let descriptor = checked(self.result.take().expect("a completion was taken in"))? as RawFd;
        // SAFETY: the kernel has just made this descriptor for us, and told nobody else.
        Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
    }

    /// What came of it, after its last completion.
    pub(super) fn outcome(self) -> Outcome {
        let Request { operation, result, sync_result, .. } = self;
        let result = checked(result.expect("the last completion was taken in"));
        match operation {
            Operation::Read { buffer, .. } => Outcome::Transferred { result, buffer },
            Operation::Write { buffer, written, .. } => {
                let rest = buffer.len() - written;
                let result = result.and_then(|bytes| match sync_result {
                    // After a short write the kernel cancels the sync; whoever resumes asks for it again.
                    Some(sync) if bytes == rest => checked(sync).map(|_| bytes),
                    _ => Ok(bytes),
                });
                Outcome::Transferred { result, buffer }
            }
            Operation::Receive { mut buffer, .. } => {
                if let Ok(bytes) = result {
                    let length = buffer.len() + bytes;
                    assert!(length <= buffer.capacity(), "the kernel keeps within the room it was given");
                    // SAFETY: the kernel has written `bytes` bytes behind the buffer's length.
                    unsafe { buffer.set_len(length) };
                }
                Outcome::Streamed { result, buffer }
            }
            Operation::Send { buffer, .. } => Outcome::Streamed { result, buffer },
            Operation::Sync { .. } | Operation::Allocate { .. } | Operation::PunchHole { .. } => {
                Outcome::Done(result.map(|_| ()))
            }
            other => unreachable!("the ring was not asked for {other:?}"),
        }
    }

    /// The outcome of an operation that the ring never got.
    pub(super) fn refused(mut self, error: Errno) -> Outcome {
        self.result = Some(-error.raw_os_error());
        if self.is_accept() {
            return Outcome::Accepted(self.accepted().map(|_| unreachable!("it was refused")));
        }
        self.outcome()
    }

    /// Has it tried again, with other entries.
    pub(super) fn into_operation(self) -> Operation {
        self.operation
    }
}

/// Whether a receive waits until there is something before it first looks: a client's next request has seldom come
/// when its answer goes out. Kernels that know the best rung know this, too (5.19).
fn poll_first(rung: UringRung) -> u16 {
    if rung == UringRung::DeferTaskrun { RECEIVE_POLL_FIRST } else { 0 }
}

fn bounded(length: usize) -> u32 {
    length.min(TRANSFER_BYTES_MAX) as u32
}

/// The kernel's results are counts, or negated error numbers.
fn checked(result: i32) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_survives_the_kernel() {
        for part in [Part::Main, Part::LinkedSync] {
            let slot = SlotId { index: u32::MAX, generation: u32::MAX };
            let tag = Tag::from_u64(Tag::new(slot, part).to_u64());
            assert_eq!(tag.part, part);
            assert!(tag.names(slot));
            assert!(!tag.names(SlotId { generation: 0, ..slot }));
        }
    }
}
