//! Records of an item, by hand.

use basalt_checkers::{
    history::{Event, Outcome},
    register::{Answer, Call, Register},
    stream::{Fault, Record, check_calls, check_chain},
};

use crate::span;

const ONE: Register = Register { tag: 1, count: 0 };
const ONE_MORE: Register = Register { tag: 1, count: 1 };
const TWO: Register = Register { tag: 2, count: 0 };

fn record(old: Option<Register>, new: Option<Register>) -> Record<Register> {
    Record { old, new }
}

fn event(asked: u64, answered: u64, call: Call, answer: Option<Answer>) -> Event<Call, Answer> {
    let outcome = answer.map_or(Outcome::Unknown, Outcome::Answered);
    Event { client: 0, span: span(asked, answered), call, outcome }
}

fn life() -> (Vec<Record<Register>>, Vec<Event<Call, Answer>>) {
    let records = vec![
        record(None, Some(ONE)),
        record(Some(ONE), Some(ONE_MORE)),
        record(Some(ONE_MORE), None),
        record(None, Some(TWO)),
    ];
    let calls = vec![
        event(0, 1, Call::Put(1), Some(Answer::Done)),
        event(2, 3, Call::Add, Some(Answer::Became(ONE_MORE))),
        event(4, 5, Call::Delete, Some(Answer::Item(Some(ONE_MORE)))),
        event(6, 7, Call::Add, Some(Answer::ConditionFailed(None))),
        event(8, 9, Call::Put(2), None),
    ];
    (records, calls)
}

#[test]
fn the_records_of_a_life_pass() {
    let (records, calls) = life();
    assert_eq!(check_chain(&records, Some(&TWO)), []);
    assert_eq!(check_calls(&records, &calls), []);
    // The last call had no answer: it need not have happened.
    assert_eq!(check_chain(&records[..3], None), []);
    assert_eq!(check_calls(&records[..3], &calls), []);
}

#[test]
fn a_lost_record_is_reported() {
    let (mut records, calls) = life();
    records.remove(1);
    let broken = Fault::Broken { record: 1, left: Some(ONE), found: Some(ONE_MORE) };
    assert_eq!(check_chain(&records, Some(&TWO)), [broken]);
    assert_eq!(check_calls(&records, &calls), [Fault::Lost { event: 1 }]);
}

#[test]
fn a_repeated_record_is_reported() {
    let (mut records, calls) = life();
    records.insert(1, records[0].clone());
    assert!(check_chain(&records, Some(&TWO)).contains(&Fault::Broken {
        record: 1,
        left: Some(ONE),
        found: None
    }));
    assert!(check_calls(&records, &calls).contains(&Fault::Invented { record: 1 }));
}

#[test]
fn a_record_of_nothing_is_reported() {
    let records = [record(None, Some(ONE)), record(Some(ONE), Some(ONE))];
    assert_eq!(check_chain(&records, Some(&ONE)), [Fault::Unchanged { record: 1 }]);
}

#[test]
fn a_stream_that_stops_early_is_reported() {
    let (records, _) = life();
    let fault = Fault::WrongEnd { left: None, item: Some(TWO) };
    assert_eq!(check_chain(&records[..3], Some(&TWO)), [fault]);
}

#[test]
fn records_that_nobody_asked_for_are_reported() {
    let (records, mut calls) = life();
    calls.pop();
    assert_eq!(check_calls(&records, &calls), [Fault::Invented { record: 3 }]);
    let (mut records, calls) = life();
    records.push(record(Some(TWO), None));
    assert_eq!(check_calls(&records, &calls), [Fault::Invented { record: 4 }]);
}

#[test]
fn records_out_of_order_are_reported() {
    let records = [record(None, Some(TWO)), record(Some(TWO), Some(ONE))];
    let calls =
        [event(0, 1, Call::Put(1), Some(Answer::Done)), event(2, 3, Call::Put(2), Some(Answer::Done))];
    assert_eq!(check_calls(&records, &calls), [Fault::OutOfOrder { record: 1 }]);
}
