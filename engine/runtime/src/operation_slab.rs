//! The operations in flight: who waits for them, and what must outlive them.
//!
//! An entry is freed at its operation's last completion, never earlier, even if nobody waits any more; until then its
//! place and number are not used again, so that a late completion cannot reach the wrong task (STORAGE §11). The
//! buffers are with the backend; the entry holds the file or socket, so that it cannot be closed under an operation.
//!
//! Knows nothing of operations' meaning. What it returns is dropped by the caller, outside of any borrow, since the
//! last reference to a file closes it, which is an operation again.

use std::any::Any;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::backend::Outcome;
use crate::ids::SlotId;

/// What an operation works on and keeps open, if anything: a file, a connection, a listener.
pub(crate) type Held = Option<Rc<dyn Any>>;

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
        self.occupy(None, Interest::Orphan)
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
        let released = if last { occupant.held.take() } else { None };
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
    pub(crate) fn take_all_held(&mut self) -> Vec<Rc<dyn Any>> {
        let occupants = self.entries.iter_mut().filter_map(|entry| entry.occupant.as_mut());
        occupants.filter_map(|occupant| occupant.held.take()).collect()
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn done() -> Outcome {
        Outcome::Done(Ok(()))
    }

    fn poll(slab: &mut OperationSlab, slot: SlotId) -> Poll<Arrival> {
        slab.poll(slot, &mut Context::from_waker(Waker::noop()))
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Insert,
        InsertOrphan,
        CompleteSome(usize),
        CompleteLast(usize),
        Poll(usize),
        Orphan(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let any_slot = 0..8_usize;
        prop_oneof![
            3 => Just(Step::Insert),
            1 => Just(Step::InsertOrphan),
            1 => any_slot.clone().prop_map(Step::CompleteSome),
            3 => any_slot.clone().prop_map(Step::CompleteLast),
            4 => any_slot.clone().prop_map(Step::Poll),
            1 => any_slot.prop_map(Step::Orphan),
        ]
    }

    /// What the slab should know of an operation.
    #[derive(Default)]
    struct Expected {
        arrived: usize,
        ended: bool,
        orphan: bool,
        held: std::rc::Weak<()>,
    }

    #[derive(Default)]
    struct Model {
        slab: OperationSlab,
        operations: BTreeMap<SlotId, Expected>,
    }

    impl Model {
        fn pick(&self, number: usize, wanted: impl Fn(&Expected) -> bool) -> Option<SlotId> {
            let fitting: Vec<SlotId> = self
                .operations
                .iter()
                .filter(|(_, expected)| wanted(expected))
                .map(|(slot, _)| *slot)
                .collect();
            fitting.get(number % fitting.len().max(1)).copied()
        }

        fn run(&mut self, step: Step) {
            match step {
                Step::Insert => {
                    let held = Rc::new(());
                    let expected = Expected { held: Rc::downgrade(&held), ..Expected::default() };
                    let slot = self.slab.insert(Some(held));
                    assert!(
                        self.operations.insert(slot, expected).is_none(),
                        "a slot in flight is not given again"
                    );
                }
                Step::InsertOrphan => {
                    let slot = self.slab.insert_orphan();
                    let expected = Expected { orphan: true, ..Expected::default() };
                    assert!(
                        self.operations.insert(slot, expected).is_none(),
                        "a slot in flight is not given again"
                    );
                }
                Step::CompleteSome(number) => self.complete(number, false),
                Step::CompleteLast(number) => self.complete(number, true),
                Step::Poll(number) => self.poll(number),
                Step::Orphan(number) => self.orphan(number),
            }
            let in_flight = self.operations.values().filter(|expected| !expected.ended).count();
            assert_eq!(self.slab.in_flight(), in_flight);
            assert_eq!(self.slab.slots_in_flight().len(), in_flight);
        }

        fn complete(&mut self, number: usize, last: bool) {
            let Some(slot) = self.pick(number, |expected| !expected.ended) else { return };
            let completed = self.slab.complete(slot, done(), last);
            let expected = self.operations.get_mut(&slot).expect("it was picked");
            assert_eq!(completed.unwanted.is_some(), expected.orphan);
            drop(completed);
            expected.arrived += 1;
            expected.ended = last;
            assert!(!last || expected.held.upgrade().is_none(), "the last completion lets go of the file");
            if last && expected.orphan {
                self.operations.remove(&slot);
            }
        }

        fn poll(&mut self, number: usize) {
            let is_pollable =
                |expected: &Expected| !(expected.orphan || expected.ended && expected.arrived == 0);
            let Some(slot) = self.pick(number, is_pollable) else { return };
            let expected = self.operations.get_mut(&slot).expect("it was picked");
            match poll(&mut self.slab, slot) {
                Poll::Pending => assert_eq!(expected.arrived, 0),
                Poll::Ready(arrival) => {
                    expected.arrived -= 1;
                    assert_eq!(arrival.last, expected.ended && expected.arrived == 0);
                    if arrival.last {
                        self.operations.remove(&slot);
                    }
                }
            }
        }

        fn orphan(&mut self, number: usize) {
            let Some(slot) = self.pick(number, |expected| !expected.orphan) else { return };
            let (arrived, in_flight) = self.slab.orphan(slot);
            let expected = self.operations.get_mut(&slot).expect("it was picked");
            assert_eq!((arrived.len(), in_flight), (expected.arrived, !expected.ended));
            assert_eq!(
                expected.held.upgrade().is_some(),
                in_flight,
                "the file stays open under its operation"
            );
            expected.orphan = true;
            expected.arrived = 0;
            if expected.ended {
                self.operations.remove(&slot);
            }
        }
    }

    proptest! {
        #[test]
        fn a_slot_lives_from_its_submission_to_its_last_completion(steps in prop::collection::vec(step(), 1..200)) {
            let mut model = Model::default();
            steps.into_iter().for_each(|step| model.run(step));
        }
    }

    #[test]
    #[should_panic(expected = "freed only at its last completion")]
    fn a_completion_after_the_last_is_not_taken_for_another() {
        let mut slab = OperationSlab::default();
        let slot = slab.insert_orphan();
        drop(slab.complete(slot, done(), true).unwanted);
        slab.insert(None);
        drop(slab.complete(slot, done(), true).unwanted);
    }
}
