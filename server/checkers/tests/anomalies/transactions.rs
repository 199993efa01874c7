//! Histories of transactions, by hand: one for each of Adya's anomalies, and their innocent neighbours.

use basalt_checkers::{
    history::Outcome,
    serializable::{Anomaly, Append, CycleKind, Read, Recency, Seen, Transaction, check},
};

use crate::span;

fn transaction(asked: u64, answered: u64) -> Transaction {
    Transaction {
        client: 0,
        span: span(asked, answered),
        reads: Vec::new(),
        appends: Vec::new(),
        outcome: Outcome::Answered(()),
        recency: Recency::OfAll,
    }
}

trait Builds {
    fn append(self, list: u64, element: u64) -> Self;
    fn read(self, list: u64, elements: &[u64]) -> Self;
    fn length(self, list: u64, length: usize) -> Self;
    fn ends(self, outcome: Outcome<()>) -> Self;
}

impl Builds for Transaction {
    fn append(mut self, list: u64, element: u64) -> Self {
        self.appends.push(Append { list, element });
        self
    }

    fn read(mut self, list: u64, elements: &[u64]) -> Self {
        self.reads.push(Read { list, seen: Seen::Elements(elements.to_vec()) });
        self
    }

    fn length(mut self, list: u64, length: usize) -> Self {
        self.reads.push(Read { list, seen: Seen::Length(length) });
        self
    }

    fn ends(mut self, outcome: Outcome<()>) -> Self {
        self.outcome = outcome;
        self
    }
}

/// All at once, as far as the clock knows.
fn during() -> Transaction {
    transaction(0, 100)
}

/// Reads the ends of lists when all is over.
fn last() -> Transaction {
    transaction(200, 201)
}

fn only_cycle(history: &[Transaction]) -> (CycleKind, bool) {
    match check(history).as_slice() {
        [Anomaly::Cycle { kind, is_in_real_time, .. }] => (*kind, *is_in_real_time),
        other => panic!("expected one cycle, got {other:?}"),
    }
}

#[test]
fn transactions_one_after_the_other_pass() {
    let history = [
        transaction(0, 1).append(1, 10).append(2, 20),
        transaction(2, 3).length(1, 1).append(2, 21),
        transaction(4, 5).read(1, &[10]).read(2, &[20, 21]),
        transaction(6, 7).append(1, 11).ends(Outcome::Unknown),
        last().read(1, &[10]).read(2, &[20, 21]),
    ];
    assert_eq!(check(&history), []);
}

#[test]
fn a_dirty_write_is_reported() {
    // Two transactions append to both lists, in different orders.
    let history = [
        during().append(1, 10).append(2, 20),
        during().append(1, 11).append(2, 21),
        last().read(1, &[10, 11]).read(2, &[21, 20]),
    ];
    assert_eq!(only_cycle(&history), (CycleKind::DirtyWrite, false));
}

#[test]
fn a_circular_flow_of_information_is_reported() {
    let history = [
        during().append(1, 10).read(2, &[20]),
        during().append(2, 20).read(1, &[10]),
        last().read(1, &[10]).read(2, &[20]),
    ];
    assert_eq!(only_cycle(&history), (CycleKind::CircularFlow, false));
}

#[test]
fn a_torn_read_is_reported() {
    let history = [
        during().append(1, 10).append(2, 20),
        during().read(1, &[10]).read(2, &[]),
        last().read(1, &[10]).read(2, &[20]),
    ];
    assert_eq!(only_cycle(&history), (CycleKind::SingleAntiDependency, false));
}

#[test]
fn a_lost_update_is_reported() {
    // Both saw the list empty, and both appended.
    let history =
        [during().length(1, 0).append(1, 10), during().length(1, 0).append(1, 11), last().read(1, &[10, 11])];
    assert_eq!(only_cycle(&history), (CycleKind::SingleAntiDependency, false));
}

#[test]
fn write_skew_is_reported() {
    let history = [
        during().length(1, 0).append(2, 20),
        during().length(2, 0).append(1, 10),
        last().read(1, &[10]).read(2, &[20]),
    ];
    assert_eq!(only_cycle(&history), (CycleKind::AntiDependencies, false));
}

#[test]
fn a_long_fork_is_reported() {
    // Two readers see two writes in different orders.
    let history = [
        during().append(1, 10),
        during().append(2, 20),
        during().read(1, &[10]).read(2, &[]),
        during().read(1, &[]).read(2, &[20]),
        last().read(1, &[10]).read(2, &[20]),
    ];
    assert_eq!(only_cycle(&history), (CycleKind::AntiDependencies, false));
}

#[test]
fn an_order_that_is_not_that_of_time_is_reported() {
    let history = [transaction(0, 1).append(1, 10), transaction(2, 3).read(1, &[]), last().read(1, &[10])];
    assert_eq!(only_cycle(&history), (CycleKind::SingleAntiDependency, true));
    // The same is innocent while they overlap.
    let history = [transaction(0, 5).append(1, 10), transaction(2, 3).read(1, &[]), last().read(1, &[10])];
    assert_eq!(check(&history), []);
}

#[test]
fn a_read_of_one_item_is_behind_what_was_over_and_no_more() {
    let alone = |asked, elements: &[u64]| Transaction {
        recency: Recency::OfItsLists,
        ..transaction(asked, asked + 1).read(1, elements)
    };
    let writer = transaction(0, 10).append(1, 10).append(2, 20);
    let last = last().read(1, &[10]).read(2, &[20]);
    // Another reader has seen the transaction already, which is still under way.
    let other = transaction(2, 3).read(2, &[20]);
    assert_eq!(check(&[writer.clone(), other.clone(), alone(4, &[]), last.clone()]), []);
    let strict = Transaction { recency: Recency::OfAll, ..alone(4, &[]) };
    let history = [writer.clone(), other, strict, last.clone()];
    assert_eq!(only_cycle(&history), (CycleKind::SingleAntiDependency, true));
    let stale = Anomaly::StaleRead { list: 1, element: 10, writer: 0, reader: 1 };
    assert_eq!(check(&[writer, alone(11, &[]), last]), [stale]);
}

#[test]
fn a_read_of_a_refused_transaction_is_reported() {
    let history = [during().append(1, 10).ends(Outcome::Refused), last().read(1, &[10])];
    assert_eq!(check(&history), [Anomaly::AbortedRead { list: 1, element: 10, writer: 0, reader: 1 }]);
}

#[test]
fn a_lost_append_is_reported() {
    let history = [transaction(0, 1).append(1, 10), last().read(1, &[])];
    assert_eq!(check(&history), [Anomaly::LostAppend { list: 1, element: 10, writer: 0 }]);
}

#[test]
fn a_transaction_done_twice_is_reported() {
    let history = [during().append(1, 10), last().read(1, &[10, 10])];
    assert_eq!(check(&history), [Anomaly::DuplicateElement { list: 1, element: 10 }]);
}

#[test]
fn a_transaction_that_a_crash_tore_is_reported() {
    let torn = during().append(1, 10).append(2, 20).ends(Outcome::Unknown);
    let history = [torn.clone(), last().read(1, &[10]).read(2, &[])];
    assert_eq!(check(&history), [Anomaly::TornTransaction { writer: 0, list: 2 }]);
    assert_eq!(check(&[torn.clone(), last().read(1, &[10]).read(2, &[20])]), []);
    assert_eq!(check(&[torn, last().read(1, &[]).read(2, &[])]), []);
}

#[test]
fn reads_that_do_not_continue_each_other_are_reported() {
    let history =
        [during().append(1, 10), during().append(1, 11), during().read(1, &[11]), last().read(1, &[10, 11])];
    assert_eq!(check(&history), [Anomaly::IncompatibleOrders { list: 1, longer: 3, shorter: 2 }]);
}

#[test]
fn elements_and_lengths_from_nowhere_are_reported() {
    let history = [last().read(1, &[10])];
    assert_eq!(check(&history), [Anomaly::InventedElement { list: 1, element: 10, reader: 0 }]);
    let from_later = [transaction(0, 1).read(1, &[10]), transaction(2, 3).append(1, 10)];
    assert_eq!(check(&from_later), [Anomaly::InventedElement { list: 1, element: 10, reader: 0 }]);
    let history = [during().length(1, 1), last().read(1, &[])];
    assert_eq!(check(&history), [Anomaly::InventedLength { list: 1, length: 1, reader: 0 }]);
}
