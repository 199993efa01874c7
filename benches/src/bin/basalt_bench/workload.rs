//! What clients do: mixes of operations, and what of them is next.

use std::sync::atomic::{AtomicU64, Ordering};

use basalt_benches::{
    keys::{Distribution, KeyChooser},
    workload::Chance,
};
use serde::Serialize;

/// Records of one partition where a table has sort keys.
pub(crate) const GROUP_RECORDS: u64 = 100;
/// Orders that a query of the single-table workload reads.
const ORDERS_READ: u32 = 10;
/// What a transfer moves.
const TRANSFER_AMOUNT: i64 = 1;

/// A mix of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Workload {
    /// Only load the records
    Load,
    /// YCSB A: half reads, half updates, zipfian
    A,
    /// YCSB B: 95 % reads, 5 % updates, zipfian
    B,
    /// YCSB C: reads, zipfian
    C,
    /// YCSB D: 95 % reads of the latest, 5 % inserts
    D,
    /// YCSB E: 95 % short ranges, 5 % inserts
    E,
    /// YCSB F: half reads, half read-modify-writes, zipfian
    F,
    /// Counters: each operation adds one
    Counter,
    /// A single table of customers and their orders: 70 % the ten newest orders, 15 % a customer, 15 % a new order
    SingleTable,
    /// Transactions that move an amount between two accounts
    Transfer,
}

/// How a workload's table is keyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A partition key alone.
    Flat,
    /// Partition key and sort key, many records a partition.
    Grouped,
}

/// Kinds of operations that are told apart in the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Read,
    Update,
    Insert,
    Range,
    ReadModifyWrite,
    Count,
    Transfer,
}

/// All of them, in the order of their discriminants.
pub(crate) const KINDS: [Kind; 7] =
    [Kind::Read, Kind::Update, Kind::Insert, Kind::Range, Kind::ReadModifyWrite, Kind::Count, Kind::Transfer];

/// One operation, about records by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Read(u64),
    Update(u64),
    Insert(u64),
    /// Records of the first one's partition, from the first one on.
    Range {
        first: u64,
        limit: u32,
    },
    /// The newest records of a partition.
    Newest {
        of: u64,
        limit: u32,
    },
    ReadModifyWrite(u64),
    Count(u64),
    Transfer {
        from: u64,
        to: u64,
        amount: i64,
    },
}

impl Step {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Step::Read(_) => Kind::Read,
            Step::Update(_) => Kind::Update,
            Step::Insert(_) => Kind::Insert,
            Step::Range { .. } | Step::Newest { .. } => Kind::Range,
            Step::ReadModifyWrite(_) => Kind::ReadModifyWrite,
            Step::Count(_) => Kind::Count,
            Step::Transfer { .. } => Kind::Transfer,
        }
    }
}

impl Workload {
    pub(crate) fn layout(self) -> Layout {
        match self {
            Workload::E | Workload::SingleTable => Layout::Grouped,
            _ => Layout::Flat,
        }
    }

    /// How YCSB chooses keys for it.
    pub(crate) fn distribution(self) -> Distribution {
        match self {
            Workload::D => Distribution::Latest,
            Workload::Load | Workload::Transfer => Distribution::Uniform,
            _ => Distribution::Zipfian,
        }
    }

    /// Kinds in hundredths.
    fn mix(self) -> &'static [(u64, Kind)] {
        match self {
            Workload::Load => &[(100, Kind::Insert)],
            Workload::A => &[(50, Kind::Read), (50, Kind::Update)],
            Workload::B => &[(95, Kind::Read), (5, Kind::Update)],
            Workload::C => &[(100, Kind::Read)],
            Workload::D => &[(95, Kind::Read), (5, Kind::Insert)],
            Workload::E => &[(95, Kind::Range), (5, Kind::Insert)],
            Workload::F => &[(50, Kind::Read), (50, Kind::ReadModifyWrite)],
            Workload::Counter => &[(100, Kind::Count)],
            Workload::SingleTable => &[(70, Kind::Range), (15, Kind::Read), (15, Kind::Insert)],
            Workload::Transfer => &[(100, Kind::Transfer)],
        }
    }
}

/// The records that there are; shared by all clients.
#[derive(Debug)]
pub(crate) struct Population {
    count: AtomicU64,
    /// It grows no further.
    most: u64,
}

impl Population {
    /// `count` records, to which any number may be added.
    pub(crate) fn new(count: u64) -> Self {
        Self { count: AtomicU64::new(count), most: u64::MAX }
    }

    /// No records yet; `most` are to be added.
    pub(crate) fn until(most: u64) -> Self {
        Self { count: AtomicU64::new(0), most }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// The number of a record that is to be added; `None` if all are there.
    fn grow(&self) -> Option<u64> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        (number < self.most).then_some(number)
    }
}

/// One client's choices.
#[derive(Debug, Clone)]
pub(crate) struct Chooser {
    workload: Workload,
    keys: KeyChooser,
    range_records_max: u32,
    chance: Chance,
}

impl Chooser {
    pub(crate) fn new(workload: Workload, keys: KeyChooser, range_records_max: u32, client: u64) -> Self {
        Self { workload, keys, range_records_max, chance: Chance::new(client) }
    }

    /// The next operation; `None` when a load is done.
    pub(crate) fn next(&mut self, population: &Population) -> Option<Step> {
        let kind = self.kind();
        if kind == Kind::Insert {
            return population.grow().map(Step::Insert);
        }
        let count = population.count();
        let mut key = || self.keys.choose(count, &mut self.chance);
        Some(match kind {
            Kind::Read => Step::Read(key()),
            Kind::Update => Step::Update(key()),
            Kind::Insert => unreachable!("it was dealt with"),
            Kind::ReadModifyWrite => Step::ReadModifyWrite(key()),
            Kind::Count => Step::Count(key()),
            Kind::Range if self.workload == Workload::SingleTable => {
                Step::Newest { of: key(), limit: ORDERS_READ }
            }
            Kind::Range => {
                let first = key();
                let limit = 1 + self.chance.below(self.range_records_max.into()) as u32;
                Step::Range { first, limit }
            }
            Kind::Transfer => {
                let from = key();
                // Another account, or the transaction would name one item twice.
                let to = (from + 1 + self.chance.below(count - 1)) % count;
                Step::Transfer { from, to, amount: TRANSFER_AMOUNT }
            }
        })
    }

    fn kind(&mut self) -> Kind {
        let mut place = self.chance.below(100);
        for (share, kind) in self.workload.mix() {
            match place.checked_sub(*share) {
                None => return *kind,
                Some(rest) => place = rest,
            }
        }
        unreachable!("the shares of a mix are a hundred in all")
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    fn chooser(workload: Workload) -> Chooser {
        Chooser::new(workload, KeyChooser::new(workload.distribution(), 1000), 100, 3)
    }

    #[test]
    fn every_mix_adds_up() {
        for workload in Workload::value_variants() {
            let sum: u64 = workload.mix().iter().map(|(share, _)| share).sum();
            assert_eq!(sum, 100, "{workload:?}");
        }
    }

    #[test]
    fn operations_come_in_the_shares_of_their_mix() {
        let (population, mut chooser) = (Population::new(1000), chooser(Workload::B));
        let updates =
            (0..20_000).filter(|_| chooser.next(&population).unwrap().kind() == Kind::Update).count() as f64;
        assert!((updates / 20_000.0 - 0.05).abs() < 0.01, "{updates}");
    }

    #[test]
    fn inserts_are_new_and_different() {
        let (growing, mut inserts) = (Population::new(10), chooser(Workload::Load));
        let inserted: Vec<_> = (0..3).map(|_| inserts.next(&growing)).collect();
        assert_eq!(inserted, [10, 11, 12].map(Step::Insert).map(Some));
    }

    #[test]
    fn a_load_ends_with_its_last_record() {
        let (population, mut load) = (Population::until(2), chooser(Workload::Load));
        let loaded: Vec<_> = (0..4).map(|_| load.next(&population)).collect();
        assert_eq!(loaded, [Some(Step::Insert(0)), Some(Step::Insert(1)), None, None]);
    }

    #[test]
    fn transfers_are_between_two() {
        let (population, mut chooser) = (Population::new(2), chooser(Workload::Transfer));
        for _ in 0..100 {
            let Some(Step::Transfer { from, to, .. }) = chooser.next(&population) else {
                panic!("a transfer")
            };
            assert_ne!(from, to);
            assert!(from < 2 && to < 2);
        }
    }

    #[test]
    fn ranges_have_one_to_the_most_records() {
        let (population, mut chooser) = (Population::new(1000), chooser(Workload::E));
        let limits: Vec<u32> = (0..5000)
            .filter_map(|_| match chooser.next(&population) {
                Some(Step::Range { limit, .. }) => Some(limit),
                _ => None,
            })
            .collect();
        assert_eq!((limits.iter().min(), limits.iter().max()), (Some(&1), Some(&100)));
    }
}
