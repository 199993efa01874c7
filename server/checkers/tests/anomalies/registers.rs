//! Histories of one item, by hand.

use basalt_checkers::{
    history::{Event, Outcome},
    register::{Answer, Call, Fault, Register, check},
};

use crate::span;

type Told = Event<Call, Answer>;

fn event(asked: u64, answered: u64, call: Call, answer: Answer) -> Told {
    Event { client: 0, span: span(asked, answered), call, outcome: Outcome::Answered(answer) }
}

fn unanswered(asked: u64, answered: u64, call: Call) -> Told {
    Event { client: 0, span: span(asked, answered), call, outcome: Outcome::Unknown }
}

fn put(asked: u64, answered: u64, tag: u64) -> Told {
    event(asked, answered, Call::Put(tag), Answer::Done)
}

fn read(asked: u64, answered: u64, tag: Option<u64>) -> Told {
    event(asked, answered, Call::Read, Answer::Item(tag.map(Register::new)))
}

/// The event that has no explanation.
fn unexplained(history: &[Told]) -> usize {
    match check(history) {
        Err(Fault::NotLinearizable(violation)) => violation.event,
        other => panic!("expected a violation of {history:?}, got {other:?}"),
    }
}

#[test]
fn calls_one_after_the_other_pass() {
    let two = Register { tag: 1, count: 1 };
    check(&[
        read(0, 1, None),
        put(2, 3, 1),
        event(4, 5, Call::Add, Answer::Became(two)),
        event(6, 7, Call::PutIfAbsent(2), Answer::ConditionFailed(Some(two))),
        event(8, 9, Call::Replace { expected: 1, tag: 3 }, Answer::Item(Some(two))),
        event(10, 11, Call::Delete, Answer::Item(Some(Register::new(3)))),
        event(12, 13, Call::Add, Answer::ConditionFailed(None)),
        read(14, 15, None),
    ])
    .unwrap();
}

#[test]
fn reads_beside_a_write_may_see_it_or_not() {
    check(&[put(0, 10, 1), read(1, 3, None), read(4, 6, Some(1)), read(7, 9, Some(1))]).unwrap();
}

#[test]
fn a_stale_read_is_reported() {
    assert_eq!(unexplained(&[put(0, 1, 1), put(2, 3, 2), read(4, 5, Some(1))]), 2);
}

#[test]
fn a_read_that_goes_back_is_reported() {
    // Both reads overlap the write, but the second began when the first was over.
    assert_eq!(unexplained(&[put(0, 10, 1), read(1, 3, Some(1)), read(4, 6, None)]), 2);
}

#[test]
fn a_lost_update_is_reported() {
    let became =
        |asked, count| event(asked, asked + 1, Call::Add, Answer::Became(Register { tag: 1, count }));
    assert_eq!(unexplained(&[put(0, 1, 1), became(2, 1), became(4, 1)]), 2);
}

#[test]
fn two_winners_of_one_condition_are_reported() {
    let replace = |tag| event(2, 5, Call::Replace { expected: 1, tag }, Answer::Done);
    unexplained(&[put(0, 1, 1), replace(2), replace(3)]);
    let absent = |tag| event(0, 5, Call::PutIfAbsent(tag), Answer::Done);
    unexplained(&[absent(1), absent(2)]);
}

#[test]
fn a_condition_that_failed_of_another_item_is_reported() {
    let failed = event(2, 3, Call::Replace { expected: 7, tag: 8 }, Answer::ConditionFailed(None));
    assert_eq!(unexplained(&[put(0, 1, 1), failed]), 1);
    let held = event(2, 3, Call::PutIfAbsent(8), Answer::Failed);
    assert_eq!(unexplained(&[held]), 0);
}

#[test]
fn a_write_that_a_crash_took_back_is_reported() {
    let lost = [put(0, 1, 1), unanswered(2, 10, Call::Put(2)), read(11, 12, None)];
    assert_eq!(unexplained(&lost), 2);
    // It had been seen before the crash.
    let taken_back = [unanswered(2, 10, Call::Put(2)), read(3, 4, Some(2)), read(11, 12, None)];
    assert_eq!(unexplained(&taken_back), 2);
}

#[test]
fn a_call_without_an_answer_happens_once_or_never_and_in_its_time() {
    let add = unanswered(2, 10, Call::Add);
    let found =
        |asked, count| event(asked, asked + 1, Call::Read, Answer::Item(Some(Register { tag: 1, count })));
    check(&[put(0, 1, 1), add.clone(), found(11, 0)]).unwrap();
    check(&[put(0, 1, 1), add.clone(), found(11, 1), found(13, 1)]).unwrap();
    assert_eq!(unexplained(&[put(0, 1, 1), add.clone(), found(11, 2)]), 2);
    assert_eq!(unexplained(&[put(0, 1, 1), add, found(11, 0), found(13, 1)]), 3);
}

#[test]
fn a_deleted_item_that_comes_back_is_reported() {
    let delete = event(2, 3, Call::Delete, Answer::Item(Some(Register::new(1))));
    assert_eq!(unexplained(&[put(0, 1, 1), delete, read(4, 5, Some(1))]), 2);
}

#[test]
fn refused_calls_tell_nothing() {
    let refused = Event { outcome: Outcome::Refused, ..put(2, 3, 2) };
    check(&[put(0, 1, 1), refused.clone(), read(4, 5, Some(1))]).unwrap();
    assert_eq!(unexplained(&[put(0, 1, 1), refused, read(4, 5, Some(2))]), 2);
}

#[test]
fn eventual_reads_may_be_stale_but_not_invented() {
    let eventually =
        |asked, tag| event(asked, asked + 1, Call::ReadEventually, Answer::Item(Some(Register::new(tag))));
    check(&[put(0, 1, 1), put(2, 3, 2), eventually(4, 1)]).unwrap();
    assert_eq!(check(&[put(0, 1, 1), eventually(4, 9)]), Err(Fault::InventedRead { event: 1 }));
    let from_later = [put(0, 1, 1), eventually(2, 2), put(5, 6, 2)];
    assert_eq!(check(&from_later), Err(Fault::InventedRead { event: 1 }));
    let failed = event(0, 1, Call::Replace { expected: 9, tag: 5 }, Answer::Failed);
    assert_eq!(check(&[failed, eventually(4, 5)]), Err(Fault::InventedRead { event: 1 }));
}
