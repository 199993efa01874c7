//! Lets operations in at the rates that a table and its global indexes are set to.
//!
//! Where a table is provisioned, its figures are the rates; where it is paid for on demand, the maxima are, if there
//! are any. A table without rates has no buckets, and asking costs nothing. All snapshots of the catalog share a
//! table's buckets, so that a change of something else does not fill them; shards share them as well: they are plain
//! counters, and nobody waits for another.
//!
//! The clock is the runtime's. Buckets are not durable: after a start they are full.
//!
//! Deliberately unknown here: what an operation costs. It is asked for before the operation looks at its condition,
//! and charged when it is done.

mod bucket;
mod throttled;

use std::{collections::BTreeMap, sync::Arc};

use basalt_model::CapacityUnits;
use basalt_runtime::MonotonicTime;

use self::bucket::TokenBucket;
pub(crate) use self::throttled::Exceeded;
pub use self::throttled::{Throttled, ThrottledAccess, ThrottlingLimit};
use crate::{
    catalog::{BillingMode, OnDemandMaximum, Table},
    operation::ConsumedCapacity,
};

/// The buckets of a table and of its global indexes.
#[derive(Debug, Default)]
pub(crate) struct Throughput {
    table: Buckets,
    /// By the index's name; an index without rates is absent.
    indexes: BTreeMap<Arc<str>, Buckets>,
}

/// The buckets of a table or of an index.
#[derive(Debug, Clone, Default)]
struct Buckets {
    read: Option<Arc<TokenBucket>>,
    write: Option<Arc<TokenBucket>>,
}

/// Units a second; `None`: as many as there are.
#[derive(Debug, Clone, Copy, Default)]
struct Rates {
    read: Option<u64>,
    write: Option<u64>,
}

impl Throughput {
    /// The buckets of `table`, those of `before` where they are still to be had.
    pub(crate) fn following(before: &Self, table: &Table) -> Self {
        let is_on_demand = table.settings.billing_mode == BillingMode::PayPerRequest;
        let indexes = table.global_indexes.iter().map(|index| {
            let rates = match index.throughput.provisioned {
                Some(units) if !is_on_demand => {
                    Rates { read: Some(units.read_capacity_units), write: Some(units.write_capacity_units) }
                }
                _ if is_on_demand => Rates::from(index.throughput.on_demand_maximum),
                _ => Rates::default(),
            };
            let present = before.indexes.get(&index.name).cloned().unwrap_or_default();
            (Arc::clone(&index.name), present.at(rates))
        });
        Self {
            table: before.table.at(table_rates(table)),
            indexes: indexes
                .filter(|(_, buckets)| buckets.read.is_some() || buckets.write.is_some())
                .collect(),
        }
    }

    /// Whether a read of the table, or of one of its global indexes, may begin.
    pub(crate) fn admit_read(&self, index: Option<&str>, now: MonotonicTime) -> Result<(), Exceeded> {
        let buckets = match index {
            None => Some(&self.table),
            Some(name) => self.indexes.get(name),
        };
        let is_empty = buckets.is_some_and(|buckets| is_empty(buckets.read.as_ref(), now));
        let index_names = index.into_iter().map(str::to_owned).collect();
        if is_empty { Err(Exceeded { index_names, access: ThrottledAccess::Read }) } else { Ok(()) }
    }

    /// Whether a write of the table may begin.
    pub(crate) fn admit_write(&self, now: MonotonicTime) -> Result<(), Exceeded> {
        match is_empty(self.table.write.as_ref(), now) {
            true => Err(Exceeded { index_names: Vec::new(), access: ThrottledAccess::Write }),
            false => Ok(()),
        }
    }

    /// Whether every global index that a write changes takes it: one that does not holds the whole write back.
    pub(crate) fn admit_index_writes(
        &self,
        used: &ConsumedCapacity,
        now: MonotonicTime,
    ) -> Result<(), Exceeded> {
        let holds_back = |name: &String| {
            self.indexes.get(name.as_str()).is_some_and(|buckets| is_empty(buckets.write.as_ref(), now))
        };
        let changed = used.global_indexes.iter().filter(|(_, units)| **units != CapacityUnits::ZERO);
        let index_names: Vec<String> =
            changed.map(|(name, _)| name).filter(|name| holds_back(name)).cloned().collect();
        if index_names.is_empty() {
            Ok(())
        } else {
            Err(Exceeded { index_names, access: ThrottledAccess::Write })
        }
    }

    /// Charges what a read used.
    pub(crate) fn charge_read(&self, used: &ConsumedCapacity, now: MonotonicTime) {
        self.charge(used, now, |buckets| buckets.read.as_deref());
    }

    /// Charges what a write used, or would have used if its condition had held.
    pub(crate) fn charge_write(&self, used: &ConsumedCapacity, now: MonotonicTime) {
        self.charge(used, now, |buckets| buckets.write.as_deref());
    }

    /// Local indexes live on their table's capacity.
    fn charge(
        &self,
        used: &ConsumedCapacity,
        now: MonotonicTime,
        bucket_of: impl Fn(&Buckets) -> Option<&TokenBucket>,
    ) {
        if let Some(bucket) = bucket_of(&self.table) {
            bucket.take(used.table + used.local_indexes.values().copied().sum(), now);
        }
        for (name, units) in &used.global_indexes {
            if let Some(bucket) = self.indexes.get(name.as_str()).and_then(&bucket_of) {
                bucket.take(*units, now);
            }
        }
    }
}

impl Buckets {
    fn at(&self, rates: Rates) -> Self {
        Self {
            read: bucket_at(self.read.as_ref(), rates.read),
            write: bucket_at(self.write.as_ref(), rates.write),
        }
    }
}

impl From<OnDemandMaximum> for Rates {
    fn from(maximum: OnDemandMaximum) -> Self {
        Self { read: maximum.read_units, write: maximum.write_units }
    }
}

fn is_empty(bucket: Option<&Arc<TokenBucket>>, now: MonotonicTime) -> bool {
    bucket.is_some_and(|bucket| !bucket.has_any(now))
}

fn table_rates(table: &Table) -> Rates {
    match table.settings.billing_mode {
        BillingMode::PayPerRequest => table.settings.on_demand_maximum.into(),
        BillingMode::Provisioned { read_capacity_units, write_capacity_units } => {
            Rates { read: Some(read_capacity_units), write: Some(write_capacity_units) }
        }
    }
}

fn bucket_at(before: Option<&Arc<TokenBucket>>, rate: Option<u64>) -> Option<Arc<TokenBucket>> {
    let rate = rate?;
    Some(match before {
        Some(bucket) if bucket.units_per_second() == rate => Arc::clone(bucket),
        Some(bucket) => Arc::new(bucket.at_rate(rate)),
        None => Arc::new(TokenBucket::full(rate)),
    })
}
