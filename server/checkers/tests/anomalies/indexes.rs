//! Sights of an item through an index, by hand. Versions stand at their number modulo two; each third is in no index.

use std::slice::from_ref;

use basalt_checkers::{
    history::Outcome,
    index::{Fault, Sight, Update, check},
};

use crate::span;

fn place_of(_view: u32, version: u64) -> Option<u64> {
    (!version.is_multiple_of(3)).then_some(version % 2)
}

fn update(asked: u64, answered: u64, version: u64) -> Update {
    Update { span: span(asked, answered), version, tag: 100 + version, outcome: Outcome::Answered(()) }
}

fn sight(asked: u64, answered: u64, place: u64, version: Option<u64>) -> Sight {
    let shown = version.map(|version| (version, 100 + version));
    Sight { span: span(asked, answered), view: 0, place, shown }
}

fn faults(updates: &[Update], sights: &[Sight]) -> Vec<Fault> {
    check(updates, sights, place_of)
}

#[test]
fn an_index_that_follows_passes() {
    let updates = [update(0, 1, 1), update(4, 8, 2), update(10, 11, 3)];
    let sights =
        [sight(2, 3, 1, Some(1)), sight(5, 6, 1, Some(1)), sight(6, 7, 0, Some(2)), sight(12, 13, 0, None)];
    assert_eq!(faults(&updates, &sights), []);
}

#[test]
fn an_acknowledged_write_that_is_not_shown_is_reported() {
    let missing = sight(2, 3, 1, None);
    let fault = Fault::Missing { sight: missing.clone(), possible: (1, 1) };
    assert_eq!(faults(&[update(0, 1, 1)], &[missing]), [fault]);
}

#[test]
fn a_row_that_should_have_gone_is_reported() {
    let left_behind = sight(4, 5, 1, Some(1));
    let fault = Fault::Stale { sight: left_behind.clone(), oldest: 2 };
    assert_eq!(faults(&[update(0, 1, 1), update(2, 3, 2)], &[left_behind]), [fault]);
}

#[test]
fn an_index_that_goes_back_is_reported() {
    let updates = [update(0, 1, 2), update(2, 20, 4)];
    let (newer, back) = (sight(4, 5, 0, Some(4)), sight(8, 9, 0, Some(2)));
    let fault = Fault::Stale { sight: back.clone(), oldest: 4 };
    assert_eq!(faults(&updates, &[newer.clone(), back.clone()]), [fault]);
    // Two indexes do not follow at the same time, nor do two places of one.
    assert_eq!(faults(&updates, &[Sight { view: 1, ..newer }, back]), []);
    let updates = [update(0, 1, 1), update(2, 20, 2)];
    assert_eq!(faults(&updates, &[sight(4, 5, 0, Some(2)), sight(8, 9, 1, Some(1))]), []);
}

#[test]
fn what_nobody_wrote_is_reported() {
    let refused = Update { outcome: Outcome::Refused, ..update(0, 1, 1) };
    let seen = sight(2, 3, 1, Some(1));
    assert_eq!(faults(&[refused], from_ref(&seen)), [Fault::Invented { sight: seen.clone() }]);
    assert_eq!(faults(&[update(5, 6, 1)], from_ref(&seen)), [Fault::Invented { sight: seen }]);
    let unknown = Update { outcome: Outcome::Unknown, ..update(0, 9, 1) };
    assert_eq!(faults(&[unknown], &[sight(2, 3, 1, Some(1))]), []);
}

#[test]
fn an_item_in_the_wrong_place_is_reported() {
    let seen = sight(2, 3, 0, Some(1));
    assert_eq!(faults(&[update(0, 1, 1)], from_ref(&seen)), [Fault::Misplaced { sight: seen }]);
}

#[test]
fn a_version_made_twice_is_reported() {
    let other = Update { tag: 7, ..update(0, 1, 1) };
    assert_eq!(faults(&[update(0, 1, 1), other], &[]), [Fault::TwiceMade { version: 1 }]);
}
