//! Streams: the records of an item are its history, each change once and in order.

use std::{
    collections::BTreeMap,
    fmt::{self, Debug, Display},
};

use crate::{
    history::{Event, Outcome, Span},
    register::{Answer, Call, Register},
};

/// One change of an item, as its stream tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<I> {
    /// The item before it.
    pub old: Option<I>,
    /// The item after it.
    pub new: Option<I>,
}

/// What is wrong with the records of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault<I> {
    /// A record begins with another item than the one before it ended with: one is lost, repeated or out of order.
    Broken {
        /// Which record, from 0.
        record: usize,
        /// What the one before it left.
        left: Option<I>,
        /// What it says was there.
        found: Option<I>,
    },
    /// A record of a write that changed nothing.
    Unchanged {
        /// Which record, from 0.
        record: usize,
    },
    /// The last record does not leave the item as it is.
    WrongEnd {
        /// What it left.
        left: Option<I>,
        /// What the item is.
        item: Option<I>,
    },
    /// An acknowledged change is in no record.
    Lost {
        /// Which event of the history.
        event: usize,
    },
    /// A record that no call explains.
    Invented {
        /// Which record, from 0.
        record: usize,
    },
    /// A change stands before one that was over when it began.
    OutOfOrder {
        /// Which record, from 0.
        record: usize,
    },
}

impl<I: Debug> Display for Fault<I> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self:?}")
    }
}

/// Judges that each record goes on where the one before it ended, from no item at all to what the item is now.
pub fn check_chain<I: Clone + PartialEq>(records: &[Record<I>], item: Option<&I>) -> Vec<Fault<I>> {
    let mut faults = Vec::new();
    let mut left: Option<&I> = None;
    for (number, record) in records.iter().enumerate() {
        if record.old.as_ref() != left {
            faults.push(Fault::Broken { record: number, left: left.cloned(), found: record.old.clone() });
        }
        if record.old == record.new {
            faults.push(Fault::Unchanged { record: number });
        }
        left = record.new.as_ref();
    }
    if left != item {
        faults.push(Fault::WrongEnd { left: left.cloned(), item: item.cloned() });
    }
    faults
}

/// Judges the records of a register against the calls that were made: each acknowledged change is there once, nothing
/// is there that nobody asked for, and the order of the records is no other than that of time.
pub fn check_calls(records: &[Record<Register>], history: &[Event<Call, Answer>]) -> Vec<Fault<Register>> {
    let mut matching = Matching::new(records);
    for (number, event) in history.iter().enumerate() {
        matching.claim(number, event);
    }
    let mut faults = matching.faults;
    faults.extend(unexplained(&matching.claims, records, history));
    faults.extend(out_of_order(&matching.claims));
    faults
}

/// What a change left behind; no two changes of a register leave the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Became(Register),
    Removed(Register),
}

struct Matching {
    by_mark: BTreeMap<Mark, usize>,
    /// By record: when the call was under way that explains it.
    claims: Vec<Option<Span>>,
    faults: Vec<Fault<Register>>,
}

impl Matching {
    fn new(records: &[Record<Register>]) -> Self {
        let mut faults = Vec::new();
        let mut by_mark = BTreeMap::new();
        for (number, record) in records.iter().enumerate() {
            let mark = match (record.old, record.new) {
                (_, Some(new)) => Mark::Became(new),
                (Some(old), None) => Mark::Removed(old),
                (None, None) => continue,
            };
            if by_mark.insert(mark, number).is_some() {
                faults.push(Fault::Invented { record: number });
            }
        }
        Self { by_mark, claims: vec![None; records.len()], faults }
    }

    /// Finds the record of a call's effect.
    fn claim(&mut self, number: usize, event: &Event<Call, Answer>) {
        let Some((mark, is_certain)) = effect_of(event) else { return };
        match self.by_mark.get(&mark) {
            Some(record) => self.claims[*record] = Some(event.span),
            None if is_certain => self.faults.push(Fault::Lost { event: number }),
            None => {}
        }
    }
}

/// What a call must have left behind, as far as its answer tells; and whether it surely did.
fn effect_of(event: &Event<Call, Answer>) -> Option<(Mark, bool)> {
    let is_certain = match &event.outcome {
        Outcome::Refused | Outcome::Answered(Answer::ConditionFailed(_) | Answer::Failed) => return None,
        Outcome::Answered(_) => true,
        Outcome::Unknown => false,
    };
    let mark = match (&event.call, &event.outcome) {
        (Call::Put(tag) | Call::PutIfAbsent(tag) | Call::Replace { tag, .. }, _) => {
            Mark::Became(Register::new(*tag))
        }
        (Call::Add, Outcome::Answered(Answer::Became(became))) => Mark::Became(*became),
        (Call::Delete | Call::DeleteIf(_), Outcome::Answered(Answer::Item(Some(old)))) => Mark::Removed(*old),
        _ => return None,
    };
    Some((mark, is_certain))
}

/// Records that no answered call explains need one that was not answered, or that did not tell what it changed.
fn unexplained(
    claims: &[Option<Span>],
    records: &[Record<Register>],
    history: &[Event<Call, Answer>],
) -> Vec<Fault<Register>> {
    let told_nothing = |event: &&Event<Call, Answer>| {
        matches!(event.outcome, Outcome::Unknown | Outcome::Answered(Answer::Done))
    };
    let (mut adds, mut removals) = (0, 0);
    for event in history.iter().filter(told_nothing) {
        match event.call {
            Call::Add => adds += 1,
            Call::Delete | Call::DeleteIf(_) => removals += 1,
            _ => {}
        }
    }
    let mut faults = Vec::new();
    for (number, record) in records.iter().enumerate().filter(|(number, _)| claims[*number].is_none()) {
        let left: &mut u64 = match record.new {
            Some(new) if new.count > 0 => &mut adds,
            None => &mut removals,
            Some(_) => &mut 0,
        };
        match left.checked_sub(1) {
            Some(fewer) => *left = fewer,
            None => faults.push(Fault::Invented { record: number }),
        }
    }
    faults
}

fn out_of_order(claims: &[Option<Span>]) -> Vec<Fault<Register>> {
    let mut faults = Vec::new();
    let mut latest_asked = 0;
    for (number, span) in claims.iter().enumerate().filter_map(|(number, span)| Some((number, (*span)?))) {
        if span.answered < latest_asked {
            faults.push(Fault::OutOfOrder { record: number });
        }
        latest_asked = latest_asked.max(span.asked);
    }
    faults
}
