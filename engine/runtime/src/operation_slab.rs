//! The operations in flight: who waits for them, and what must outlive them.
//!
//! An entry is freed at its operation's last completion, never earlier, even if nobody waits any more; until then its
//! place and number are not used again, so that a late completion cannot reach the wrong task (STORAGE §11). The
//! buffers are with the backend; the entry holds the file or socket, so that it cannot be closed under an operation.
//!
//! Knows nothing of operations' meaning. What it returns is dropped by the caller, outside of any borrow, since the
//! last reference to a file closes it, which is an operation again.

use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::backend::Outcome;
use crate::file::OpenFile;
use crate::ids::SlotId;
use crate::socket::{OpenListener, OpenSocket};

/// What an operation works on and keeps open.
pub(crate) enum Held {
    Nothing,
    File(Rc<OpenFile>),
    Socket(Rc<OpenSocket>),
    Listener(Rc<OpenListener>),
}

/// An outcome, and whether it is the operation's last.
pub(crate) struct Arrival {
    pub(crate) outcome: Outcome,
    pub(crate) last: bool,
}

/// What a completion left to do, outside of the slab.
#[must_use]
pub(crate) struct Completed {
    pub(crate) waker: Option<Waker>,
    /// An outcome that nobody waits for.
    pub(crate) unwanted: Option<Outcome>,
    /// Kept alive by the operation until now; dropped here.
    pub(crate) released: Held,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Interest {
    Live,
    Orphan,
}

struct Entry {
    generation: u32,
    occupant: Option<Occupant>,
}

struct Occupant {
    interest: Interest,
    waker: Option<Waker>,
    held: Held,
    /// Outcomes that have arrived and were not taken; more than one only of operations that complete repeatedly.
    first: Option<Outcome>,
    others: VecDeque<Outcome>,
    /// The last completion has arrived: the backend has forgotten the operation.
    ended: bool,
}

/// All operations of one shard.
#[derive(Default)]
pub(crate) struct OperationSlab {
    entries: Vec<Entry>,
    free: Vec<u32>,
    in_flight: usize,
}

impl OperationSlab {
    /// A place for an operation that is about to be submitted for a waiter.
    pub(crate) fn insert(&mut self, held: Held) -> SlotId {
        self.occupy(held, Interest::Live)
    }

    /// A place for an operation whose end nobody waits for.
    pub(crate) fn insert_orphan(&mut self) -> SlotId {
        self.occupy(Held::Nothing, Interest::Orphan)
    }

    fn occupy(&mut self, held: Held, interest: Interest) -> SlotId {
        let index = self.free.pop().unwrap_or_else(|| {
            let index = u32::try_from(self.entries.len()).expect("operations are fewer than 2^32");
            self.entries.push(Entry { generation: 0, occupant: None });
            index
        });
        let entry = &mut self.entries[index as usize];
        assert!(entry.occupant.is_none(), "a free place is empty");
        entry.occupant = Some(Occupant {
            interest,
            waker: None,
            held,
            first: None,
            others: VecDeque::new(),
            ended: false,
        });
        self.in_flight += 1;
        SlotId { index, generation: entry.generation }
    }

    /// Takes in the backend's news.
    pub(crate) fn complete(&mut self, slot: SlotId, outcome: Outcome, last: bool) -> Completed {
        let occupant = self.occupant(slot);
        assert!(!occupant.ended, "nothing completes after its last completion");
        occupant.ended = last;
        let released =
            if last { std::mem::replace(&mut occupant.held, Held::Nothing) } else { Held::Nothing };
        let completed = match occupant.interest {
            Interest::Orphan => Completed { waker: None, unwanted: Some(outcome), released },
            Interest::Live => {
                match occupant.first {
                    None => occupant.first = Some(outcome),
                    Some(_) => occupant.others.push_back(outcome),
                }
                Completed { waker: occupant.waker.take(), unwanted: None, released }
            }
        };
        let orphaned = occupant.interest == Interest::Orphan;
        if last {
            self.in_flight -= 1;
            if orphaned {
                self.release(slot);
            }
        }
        completed
    }

    /// The waiter's look. After the arrival marked `last` the slot is dead.
    pub(crate) fn poll(&mut self, slot: SlotId, context: &mut Context<'_>) -> Poll<Arrival> {
        let occupant = self.occupant(slot);
        let Some(outcome) = occupant.first.take() else {
            assert!(!occupant.ended, "a slot is dead after its last arrival");
            match &mut occupant.waker {
                Some(waker) => waker.clone_from(context.waker()),
                none => *none = Some(context.waker().clone()),
            }
            return Poll::Pending;
        };
        occupant.first = occupant.others.pop_front();
        let last = occupant.ended && occupant.first.is_none();
        if last {
            self.release(slot);
        }
        Poll::Ready(Arrival { outcome, last })
    }

    /// The waiter is gone. Returns what had arrived, and whether the operation is still in flight.
    pub(crate) fn orphan(&mut self, slot: SlotId) -> (Vec<Outcome>, bool) {
        let occupant = self.occupant(slot);
        let arrived = occupant.first.take().into_iter().chain(occupant.others.drain(..)).collect();
        occupant.waker = None;
        occupant.interest = Interest::Orphan;
        let ended = occupant.ended;
        if ended {
            self.release(slot);
        }
        (arrived, !ended)
    }

    /// Operations that the backend has not forgotten.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The slots of those operations.
    pub(crate) fn slots_in_flight(&self) -> Vec<SlotId> {
        (0_u32..)
            .zip(&self.entries)
            .filter(|(_, entry)| entry.occupant.as_ref().is_some_and(|occupant| !occupant.ended))
            .map(|(index, entry)| SlotId { index, generation: entry.generation })
            .collect()
    }

    /// Lets go of everything, when the backend is gone and nothing completes any more.
    pub(crate) fn take_all_held(&mut self) -> Vec<Held> {
        let occupants = self.entries.iter_mut().filter_map(|entry| entry.occupant.as_mut());
        occupants.map(|occupant| std::mem::replace(&mut occupant.held, Held::Nothing)).collect()
    }

    fn occupant(&mut self, slot: SlotId) -> &mut Occupant {
        self.entries
            .get_mut(slot.index as usize)
            .filter(|entry| entry.generation == slot.generation)
            .and_then(|entry| entry.occupant.as_mut())
            .expect("an operation's slot is freed only at its last completion")
    }

    fn release(&mut self, slot: SlotId) {
        let entry = &mut self.entries[slot.index as usize];
        entry.occupant = None;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(slot.index);
    }
}
