//! Banks, by hand.

use std::slice::from_ref;

use basalt_checkers::bank::{Fault, Statement, Transfer, check};

use crate::span;

fn statement(balances: &[i64]) -> Statement {
    Statement { span: span(0, 1), balances: balances.to_vec() }
}

const ONE: [Transfer; 1] = [Transfer { from: 0, to: 1, amount: 30 }];

#[test]
fn a_transfer_passes_seen_before_and_after() {
    assert_eq!(check(&[50, 50], &ONE, &[statement(&[50, 50]), statement(&[20, 80])]), []);
}

#[test]
fn half_a_transfer_is_reported() {
    let torn = statement(&[20, 50]);
    let faults = check(&[50, 50], &ONE, &[torn.clone(), statement(&[20, 80])]);
    assert_eq!(faults, [Fault::TornTotal { statement: torn, expected: 100 }]);
}

#[test]
fn a_transfer_that_was_lost_or_done_twice_is_reported() {
    let wrong = |account, found, expected| Fault::WrongBalance { account, found, expected };
    assert_eq!(check(&[50, 50], &ONE, &[statement(&[50, 50])]), [wrong(0, 50, 20), wrong(1, 50, 80)]);
    let twice = check(&[80, 50], &ONE, &[statement(&[20, 110])]);
    assert_eq!(twice, [wrong(0, 20, 50), wrong(1, 110, 80)]);
}

#[test]
fn an_overdrawn_account_is_reported() {
    let overdrawn = statement(&[-10, 110]);
    let faults = check(&[50, 50], &[Transfer { from: 0, to: 1, amount: 60 }], from_ref(&overdrawn));
    assert_eq!(faults, [Fault::Overdrawn(overdrawn)]);
}
