//! Two sides of a table that must come to the same: what its items give, and what is held elsewhere.
//!
//! Rows are told one at a time, in any order, from any thread, and add up to sums that do not grow with the table.
//! Only where sums differ the rows behind them are told again and remembered.

use std::collections::BTreeMap;

use basalt_format::checksum::{xxh3_64, xxh3_128};

/// Keys fall into so many sums.
const BUCKETS: usize = 1024;
/// Differences that are told of; the rest is counted.
const TOLD_MAX: usize = 5;

/// Who says that there is a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The items: it follows from one of them.
    Given,
    /// The files: it is there.
    Held,
}

/// One row that one side has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fact<'a> {
    /// Which of the table's ledgers it belongs to.
    pub(super) ledger: usize,
    pub(super) side: Side,
    pub(super) key: &'a [u8],
    pub(super) weight: Weight<'a>,
}

/// What both sides must agree on for a key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Weight<'a> {
    /// A row's value.
    Value(&'a [u8]),
    /// A part of a sum.
    Bytes(u64),
}

impl Fact<'_> {
    fn weight(&self) -> u128 {
        let weight = match self.weight {
            // Zero would be no row at all.
            Weight::Value(value) => xxh3_128(value, xxh3_64(self.key, 0)) | 1,
            Weight::Bytes(bytes) => bytes.into(),
        };
        if self.side == Side::Given { weight } else { weight.wrapping_neg() }
    }

    fn bucket(&self) -> usize {
        xxh3_64(self.key, 1) as usize % BUCKETS
    }
}

/// The sums of a table's ledgers, each zero where both sides agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sums(Vec<[u128; BUCKETS]>);

impl Sums {
    pub(super) fn new(ledgers: usize) -> Self {
        Self(vec![[0; BUCKETS]; ledgers])
    }

    pub(super) fn note(&mut self, fact: &Fact<'_>) {
        let sum = &mut self.0[fact.ledger][fact.bucket()];
        *sum = sum.wrapping_add(fact.weight());
    }

    pub(super) fn absorb(mut self, other: &Self) -> Self {
        for (sums, others) in self.0.iter_mut().zip(&other.0) {
            sums.iter_mut().zip(others).for_each(|(sum, other)| *sum = sum.wrapping_add(*other));
        }
        self
    }

    pub(super) fn agree(&self) -> bool {
        self.0.iter().flatten().all(|sum| *sum == 0)
    }

    /// Remembers what falls into sums that are not zero.
    pub(super) fn differences(&self) -> Differences<'_> {
        Differences { sums: self, keys: vec![BTreeMap::new(); self.0.len()] }
    }
}

/// The rows behind sums that differ.
pub(super) struct Differences<'a> {
    sums: &'a Sums,
    keys: Vec<BTreeMap<Vec<u8>, Difference>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Difference {
    sum: u128,
    is_given: bool,
    is_held: bool,
}

impl Differences<'_> {
    pub(super) fn note(&mut self, fact: &Fact<'_>) {
        if self.sums.0[fact.ledger][fact.bucket()] == 0 {
            return;
        }
        let difference = self.keys[fact.ledger].entry(fact.key.to_vec()).or_default();
        difference.sum = difference.sum.wrapping_add(fact.weight());
        match fact.side {
            Side::Given => difference.is_given = true,
            Side::Held => difference.is_held = true,
        }
    }

    /// What differs in one ledger, in words; the key is told by `in_words`.
    pub(super) fn told(&self, ledger: usize, in_words: impl Fn(&[u8]) -> String) -> Vec<String> {
        let differing = self.keys[ledger].iter().filter(|(_, difference)| difference.sum != 0);
        let mut told: Vec<String> = differing
            .clone()
            .take(TOLD_MAX)
            .map(|(key, difference)| {
                let problem = match (difference.is_given, difference.is_held) {
                    (true, false) => "is missing",
                    (false, _) => "is of no item",
                    (true, true) => "is not what its item gives",
                };
                format!("{} {problem}", in_words(key))
            })
            .collect();
        if let Some(more) = differing.count().checked_sub(TOLD_MAX).filter(|more| *more > 0) {
            told.push(format!("and {more} more"));
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact<'a>(side: Side, key: &'a [u8], value: &'a [u8]) -> Fact<'a> {
        Fact { ledger: 0, side, key, weight: Weight::Value(value) }
    }

    #[test]
    fn what_one_side_lacks_or_has_otherwise_is_told_and_nothing_else() {
        let facts = [
            fact(Side::Given, b"same", b"x"),
            fact(Side::Held, b"same", b"x"),
            fact(Side::Given, b"lacking", b"x"),
            fact(Side::Held, b"extra", b"x"),
            fact(Side::Given, b"other", b"x"),
            fact(Side::Held, b"other", b"y"),
        ];
        let mut sums = Sums::new(1);
        facts.iter().for_each(|fact| sums.note(fact));
        assert!(!sums.agree());
        let mut differences = sums.differences();
        facts.iter().for_each(|fact| differences.note(fact));
        let told = differences.told(0, |key| String::from_utf8_lossy(key).into_owned());
        assert_eq!(told, ["extra is of no item", "lacking is missing", "other is not what its item gives"]);
    }

    #[test]
    fn sums_of_parts_agree_where_the_whole_does() {
        let (mut one, mut other) = (Sums::new(1), Sums::new(1));
        for number in 0_u32..5000 {
            let key = number.to_be_bytes();
            one.note(&fact(Side::Given, &key, b"value"));
            other.note(&fact(Side::Held, &key, b"value"));
        }
        assert!(!one.agree() && !other.agree());
        assert!(one.clone().absorb(&other).agree());
        other.note(&fact(Side::Held, b"one more", b""));
        assert!(!one.absorb(&other).agree());
    }
}
