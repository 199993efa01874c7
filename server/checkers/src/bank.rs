//! Transfers between accounts: reads of all accounts at once find the same total, and each transfer is done once.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
};

use crate::history::Span;

/// All accounts, read in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// When they were read.
    pub span: Span,
    /// What each holds.
    pub balances: Vec<i64>,
}

/// A transfer that was answered as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// The account that pays.
    pub from: usize,
    /// The account that is paid.
    pub to: usize,
    /// How much.
    pub amount: i64,
}

/// What is wrong with a bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A read of all accounts shows part of a transfer.
    TornTotal {
        /// What was read.
        statement: Statement,
        /// What should have been its sum.
        expected: i64,
    },
    /// An account was paid from that did not hold enough.
    Overdrawn(Statement),
    /// In the end an account does not hold what the transfers made of it.
    WrongBalance {
        /// Which.
        account: usize,
        /// What it holds.
        found: i64,
        /// What it should hold.
        expected: i64,
    },
}

impl Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::TornTotal { statement, expected } => {
                let sum: i64 = statement.balances.iter().sum();
                write!(formatter, "torn total {sum} instead of {expected}: {statement:?}")
            }
            Fault::Overdrawn(statement) => write!(formatter, "an account is overdrawn: {statement:?}"),
            Fault::WrongBalance { account, found, expected } => {
                write!(formatter, "account {account} ends with {found} instead of {expected}")
            }
        }
    }
}

/// Judges every statement; the last one, read when all was quiet, is held against the transfers too.
///
/// Each transfer must be known to be done or not: one without an answer is asked again under its token.
pub fn check(initial: &[i64], transfers: &[Transfer], statements: &[Statement]) -> Vec<Fault> {
    let expected: i64 = initial.iter().sum();
    let mut faults = Vec::new();
    for statement in statements {
        if statement.balances.iter().sum::<i64>() != expected {
            faults.push(Fault::TornTotal { statement: statement.clone(), expected });
        }
        if statement.balances.iter().any(|balance| *balance < 0) {
            faults.push(Fault::Overdrawn(statement.clone()));
        }
    }
    if let Some(last) = statements.last() {
        faults.extend(wrong_balances(initial, transfers, &last.balances));
    }
    faults
}

fn wrong_balances<'a>(
    initial: &'a [i64],
    transfers: &[Transfer],
    found: &'a [i64],
) -> impl Iterator<Item = Fault> + use<'a> {
    let mut changes: BTreeMap<usize, i64> = BTreeMap::new();
    for transfer in transfers {
        *changes.entry(transfer.from).or_default() -= transfer.amount;
        *changes.entry(transfer.to).or_default() += transfer.amount;
    }
    (0..initial.len()).filter_map(move |account| {
        let expected = initial[account] + changes.get(&account).copied().unwrap_or(0);
        (found[account] != expected).then_some(Fault::WrongBalance {
            account,
            found: found[account],
            expected,
        })
    })
}
