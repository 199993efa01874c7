//! One item as a register: what calls do to it, and what each of them may answer.
//!
//! An item holds the tag of the put that made it and how often it was added to since. Tags are given once, so a state
//! tells which calls led to it.

use std::fmt::{self, Display};

use rustc_hash::FxHashMap;

use crate::{
    history::{Event, Outcome},
    linearizable::{self, Model, Violation},
};

/// What the item holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Register {
    /// Given by the put that made it; no two puts of a history have the same.
    pub tag: u64,
    /// How often it was added to since.
    pub count: u64,
}

impl Register {
    /// An item as a put leaves it.
    pub fn new(tag: u64) -> Self {
        Self { tag, count: 0 }
    }
}

/// A call on one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// A read that must be current.
    Read,
    /// A read that may be stale.
    ReadEventually,
    /// Replaces the item.
    Put(u64),
    /// Makes the item if it is not there.
    PutIfAbsent(u64),
    /// Replaces the item if it was made by the put with tag `expected`.
    Replace {
        /// The tag that must be found.
        expected: u64,
        /// The tag of the new item.
        tag: u64,
    },
    /// Adds one to the item if it is there.
    Add,
    /// Removes the item.
    Delete,
    /// Removes the item if it was made by the put with this tag.
    DeleteIf(u64),
}

/// What a call was answered. A call may be asked in a way that tells less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Done,
    /// The item; before the call where that changed it.
    Item(Option<Register>),
    /// The item after the call.
    Became(Register),
    /// The condition did not hold of this item.
    ConditionFailed(Option<Register>),
    /// The condition did not hold.
    Failed,
}

/// An item that is not there at first.
#[derive(Debug, Clone, Copy, Default)]
pub struct RegisterModel;

impl Model for RegisterModel {
    type State = Option<Register>;
    type Call = Call;
    type Answer = Answer;

    fn initial(&self) -> Self::State {
        None
    }

    fn step(state: &Self::State, call: &Call, answer: Option<&Answer>) -> Option<Self::State> {
        let before = *state;
        let after = effect(before, *call);
        let is_possible = match (answer, after) {
            (None, _) => true,
            (Some(Answer::ConditionFailed(found)), None) => *found == before,
            (Some(Answer::Failed), None) => true,
            (Some(Answer::Done), Some(_)) => true,
            (Some(Answer::Item(found)), Some(_)) => *found == before,
            (Some(Answer::Became(found)), Some(after)) => Some(*found) == after,
            (Some(_), _) => false,
        };
        is_possible.then_some(after.unwrap_or(before))
    }
}

/// The item after a call; the outer `None`: its condition fails.
pub fn effect(item: Option<Register>, call: Call) -> Option<Option<Register>> {
    let tag_found = item.map(|item| item.tag);
    match call {
        Call::Read | Call::ReadEventually => Some(item),
        Call::Put(tag) => Some(Some(Register::new(tag))),
        Call::PutIfAbsent(tag) => item.is_none().then(|| Some(Register::new(tag))),
        Call::Replace { expected, tag } => (tag_found == Some(expected)).then(|| Some(Register::new(tag))),
        Call::Add => item.map(|item| Some(Register { count: item.count + 1, ..item })),
        Call::Delete => Some(None),
        Call::DeleteIf(expected) => (tag_found == Some(expected)).then_some(None),
    }
}

/// What is wrong with the history of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// No order of the calls explains an answer.
    NotLinearizable(Violation<Option<Register>>),
    /// A read that may be stale shows an item that nobody had put by then.
    InventedRead {
        /// The event of the read.
        event: usize,
    },
}

impl Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::NotLinearizable(violation) => Display::fmt(violation, formatter),
            Fault::InventedRead { event } => write!(formatter, "event {event} reads what nobody had put"),
        }
    }
}

/// Judges the history of one item, all calls in it.
pub fn check(history: &[Event<Call, Answer>]) -> Result<(), Fault> {
    if let Some(event) = invented_read(history) {
        return Err(Fault::InventedRead { event });
    }
    // A read that may be stale tells nothing of the order.
    let mut ordered = history.to_vec();
    for event in ordered.iter_mut().filter(|event| event.call == Call::ReadEventually) {
        event.outcome = Outcome::Refused;
    }
    linearizable::check(&RegisterModel, &ordered).map_err(Fault::NotLinearizable)?;
    Ok(())
}

/// The first read, of those that may be stale, that shows an item which nobody had begun to put.
fn invented_read(history: &[Event<Call, Answer>]) -> Option<usize> {
    let begun: FxHashMap<u64, u64> = history
        .iter()
        .filter(|event| may_have_had_effect(&event.outcome))
        .filter_map(|event| match event.call {
            Call::Put(tag) | Call::PutIfAbsent(tag) | Call::Replace { tag, .. } => {
                Some((tag, event.span.asked))
            }
            _ => None,
        })
        .collect();
    history.iter().position(|event| match (event.call, &event.outcome) {
        (Call::ReadEventually, Outcome::Answered(Answer::Item(Some(shown)))) => {
            begun.get(&shown.tag).is_none_or(|asked| *asked > event.span.answered)
        }
        _ => false,
    })
}

fn may_have_had_effect(outcome: &Outcome<Answer>) -> bool {
    match outcome {
        Outcome::Answered(answer) => !matches!(answer, Answer::ConditionFailed(_) | Answer::Failed),
        Outcome::Refused => false,
        Outcome::Unknown => true,
    }
}
