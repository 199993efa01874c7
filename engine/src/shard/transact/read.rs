//! TransactGetItems: several items as of one moment.
//!
//! One shard reads all of its items at once. Several shards are asked twice: if between two looks no item has changed
//! and none was locked, all of them were so at the moment between the looks. A lock is held until what became of the
//! item is durable, so that no shard shows a transaction that another one does not show yet.

use std::{collections::BTreeMap, sync::Arc};

use basalt_format::key_encoding::TAG_ITEM;
use basalt_runtime::{ShardIndex, join_all, planted, sometimes};
use basalt_storage::{HybridTime, Partition, PartitionId, View};

use crate::{
    catalog::Table,
    error::{Error, ValidationError},
    operation::{GetItemOutput, size_bytes},
    shard::{LocalEngine, items::item_of},
    transaction::{PlannedRead, TRANSACT_REQUEST_BYTES_MAX, TransactGet, TransactGetOutput},
};

/// Pairs of looks before a transaction gives way to the writers of its items.
const LOOKS_MAX: u32 = 10;

/// The reads of one shard.
type Part = Arc<[Arc<PlannedRead>]>;

/// One item at one moment, by its place in the request.
struct Look {
    at: usize,
    seen: Result<Seen, Error>,
}

/// An item that no transaction holds.
struct Seen {
    version: Version,
    output: GetItemOutput,
    bytes: usize,
}

/// Tells whether an item may have changed between two looks. Times of different partitions are not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    partition: PartitionId,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// There, as it was written then.
    Present(HybridTime),
    /// Not there; an item of its partition was last deleted then.
    Absent(HybridTime),
}

impl LocalEngine {
    /// Reads several items as of one moment.
    pub async fn transact_get(&self, request: TransactGet) -> Result<TransactGetOutput, Error> {
        let reads = request.plan(&self.request_catalog())?;
        let tables: Vec<Arc<Table>> = reads.iter().map(|read| Arc::clone(&read.plan.place.table)).collect();
        self.admit_reads(&tables)?;
        let output = self.read_together(&reads).await?;
        for (table, read) in tables.iter().zip(&output.reads) {
            self.charge_read(table, &read.capacity);
        }
        Ok(output)
    }

    /// Whether reads of these tables, in the order of the request, may begin.
    fn admit_reads(&self, tables: &[Arc<Table>]) -> Result<(), Error> {
        let held_back = tables.iter().enumerate();
        let held_back = held_back.filter_map(|(at, table)| Some((at, self.admit_read(table, None).err()?)));
        let reasons: Vec<(usize, Error)> = held_back.collect();
        if reasons.is_empty() { Ok(()) } else { Err(Error::canceled(tables.len(), reasons)) }
    }

    async fn read_together(&self, reads: &[Arc<PlannedRead>]) -> Result<TransactGetOutput, Error> {
        loop {
            match self.read_as_of_one_moment(reads).await {
                Err(Error::PartitionMoved { catalog_version }) => {
                    self.until_catalog_version(catalog_version).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn read_as_of_one_moment(&self, reads: &[Arc<PlannedRead>]) -> Result<TransactGetOutput, Error> {
        let count = reads.len();
        let mut parts: BTreeMap<ShardIndex, Vec<Arc<PlannedRead>>> = BTreeMap::new();
        for read in reads {
            parts.entry(self.owner_of_place(&read.plan.place)?).or_default().push(Arc::clone(read));
        }
        let parts: Vec<(ShardIndex, Part)> =
            parts.into_iter().map(|(shard, reads)| (shard, reads.into())).collect();
        let mut changed = Vec::new();
        for _attempt in 0..LOOKS_MAX {
            let seen = or_reasons(count, self.look_everywhere(&parts).await?)?;
            if parts.len() == 1 {
                return output(seen);
            }
            let again = or_reasons(count, self.look_everywhere(&parts).await?)?;
            changed = changes(&seen, &again);
            if changed.is_empty() {
                return output(again);
            }
            sometimes!("transactional read looks again");
        }
        Err(Error::canceled(count, changed.into_iter().map(|at| (at, Error::TransactionConflict))))
    }

    async fn look_everywhere(&self, parts: &[(ShardIndex, Part)]) -> Result<Vec<Look>, Error> {
        let looking = parts.iter().map(|(shard, part)| {
            let part = Arc::clone(part);
            self.run_on(*shard, move |shard| async move { shard.look(&part).await })
        });
        let mut looks = Vec::new();
        for part in join_all(looking).await {
            looks.extend(part?);
        }
        looks.sort_unstable_by_key(|look| look.at);
        Ok(looks)
    }

    /// Looks at this shard's items, all at one moment.
    async fn look(&self, reads: &[Arc<PlannedRead>]) -> Result<Vec<Look>, Error> {
        let mut partitions: Vec<Partition> = Vec::new();
        let mut places = Vec::with_capacity(reads.len());
        for read in reads {
            let place = &read.plan.place;
            let partition = self.readable_partition(&place.table, place.hash).await?;
            let known = partitions.iter().position(|known| known.id() == partition.id());
            places.push(known.unwrap_or(partitions.len()));
            if known.is_none() {
                partitions.push(partition);
            }
        }
        let looking = self.store().read_together(&partitions, |views| {
            let looks = reads.iter().zip(&places).map(|(read, &place)| {
                let seen = self.look_at(read, &partitions[place], &views[place])?;
                Ok(Look { at: read.at, seen })
            });
            looks.collect()
        });
        let tables_stand = || reads.iter().all(|read| self.current(&read.plan.place.table).is_ok());
        looking.await.map_err(|error| match Error::from(error) {
            Error::TableDropped if tables_stand() => self.moved(),
            other => other,
        })
    }

    fn look_at(
        &self,
        read: &PlannedRead,
        partition: &Partition,
        view: &View<'_>,
    ) -> Result<Result<Seen, Error>, basalt_storage::Stop> {
        let key = read.plan.place.key.as_bytes();
        let is_free =
            self.check_readable(partition.id()).and_then(|()| self.check_no_lock(partition.id(), key));
        if let Err(conflict) = is_free
            && !planted!(ReadPastLocks)
        {
            return Ok(Err(conflict));
        }
        let row = view.get(key)?;
        let state = match &row {
            Some(row) => State::Present(row.last_write),
            None => State::Absent(partition.last_delete(TAG_ITEM)),
        };
        let version = Version { partition: partition.id(), state };
        Ok(item_of(row)
            .and_then(|item| Ok(Seen { version, output: read.plan.answer(item)?, bytes: size_bytes(item)? })))
    }
}

/// What was seen, or why the reads cannot be answered.
fn or_reasons(count: usize, looks: Vec<Look>) -> Result<Vec<Seen>, Error> {
    let (mut seen, mut reasons) = (Vec::with_capacity(looks.len()), Vec::new());
    for look in looks {
        match look.seen {
            Ok(one) => seen.push(one),
            Err(reason) if reason.is_cancellation_reason() => reasons.push((look.at, reason)),
            Err(failure) => return Err(failure),
        }
    }
    if reasons.is_empty() { Ok(seen) } else { Err(Error::canceled(count, reasons)) }
}

/// The places of the items that may have changed between two looks.
fn changes(seen: &[Seen], again: &[Seen]) -> Vec<usize> {
    let pairs = seen.iter().zip(again).enumerate();
    pairs.filter(|(_, (seen, again))| seen.version != again.version).map(|(at, _)| at).collect()
}

fn output(seen: Vec<Seen>) -> Result<TransactGetOutput, Error> {
    if seen.iter().map(|seen| seen.bytes).sum::<usize>() > TRANSACT_REQUEST_BYTES_MAX {
        return Err(ValidationError::TransactionTooLarge.into());
    }
    Ok(TransactGetOutput { reads: seen.into_iter().map(|seen| seen.output).collect() })
}
