//! Changes the catalog durably: each change of a table is one entry of partition 0, nothing else.
//!
//! Owned by shard 0. A name that is being changed is claimed, so that two changes of one table never run together;
//! changes of different tables share frames. Answers nothing and tells nobody: that comes after the entry.

use std::{
    cell::RefCell,
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use basalt_format::{DecodeError, catalog::PartitionRow};
use basalt_runtime::local::Event;
use basalt_storage::{Partition, PartitionId, Stop, View, WriteBatch};

use super::{GlobalIndex, GlobalIndexDefinition, IndexStatus, NextNumber, Table, TableDraft, rows};
use crate::error::{Error, TableChange};

/// The only writer of partition 0.
pub(crate) struct CatalogWriter {
    partition: Partition,
    claims: RefCell<BTreeMap<Arc<str>, Claimant>>,
    /// A claim was given up.
    released: Event,
}

/// Who changes a table.
#[derive(Clone, Copy)]
enum Claimant {
    /// A request; others are refused meanwhile.
    Request(TableChange),
    /// The engine, which follows an earlier request. Others wait: it takes one entry's time.
    Engine,
}

/// Keeps a table's name from other changes until it is dropped.
pub(crate) struct Claim<'a> {
    writer: &'a CatalogWriter,
    name: Arc<str>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.writer.claims.borrow_mut().remove(&self.name);
        self.writer.released.notify_all();
    }
}

impl CatalogWriter {
    pub(crate) fn new(partition: Partition) -> Self {
        Self { partition, claims: RefCell::default(), released: Event::new() }
    }

    /// Takes a name for one change; refused while another has it.
    pub(crate) fn claim(&self, name: &Arc<str>, change: TableChange) -> Result<Claim<'_>, Error> {
        match self.claims.borrow_mut().entry(Arc::clone(name)) {
            Entry::Occupied(taken) => Err(refusal(name, *taken.get(), change)),
            Entry::Vacant(free) => {
                free.insert(Claimant::Request(change));
                Ok(Claim { writer: self, name: Arc::clone(name) })
            }
        }
    }

    /// Waits until the engine itself is not changing a table of this name.
    pub(crate) async fn wait_for_engine(&self, name: &str) {
        let engine_has_it = || matches!(self.claims.borrow().get(name), Some(Claimant::Engine));
        self.released.wait_until(|| !engine_has_it()).await;
    }

    /// Takes a name for the engine as soon as nobody has it.
    pub(crate) async fn claim_for_engine(&self, name: &Arc<str>) -> Claim<'_> {
        self.released.wait_until(|| !self.claims.borrow().contains_key(name)).await;
        self.claims.borrow_mut().insert(Arc::clone(name), Claimant::Engine);
        Claim { writer: self, name: Arc::clone(name) }
    }

    /// Takes a name for the engine as soon as the engine does not have it; `None` if a request has it. A request may wait
    /// for whoever asks: a deletion does for transactions, and they for the indexes that they change.
    pub(crate) async fn claim_unless_requested(&self, name: &Arc<str>) -> Option<Claim<'_>> {
        self.wait_for_engine(name).await;
        if self.claims.borrow().contains_key(name) {
            return None;
        }
        Some(self.claim_for_engine(name).await)
    }

    /// Numbers a new table and its partitions and makes them durable.
    pub(crate) async fn insert(&self, draft: &TableDraft) -> Result<Table, Error> {
        self.change(|view, batch| {
            let mut next = next_number(view)?;
            let table = draft.number(&mut next);
            put_row(batch, rows::counters_row(next));
            put_row(batch, rows::table_row(&table));
            for (number, partition) in table.serving_partitions() {
                put_row(batch, rows::new_partition_row(number, partition));
            }
            Ok(table)
        })
        .await
    }

    /// Makes a table's changed settings durable.
    pub(crate) async fn replace(&self, table: &Table) -> Result<(), Error> {
        self.change(|_view, batch| {
            put_row(batch, rows::table_row(table));
            Ok(())
        })
        .await
    }

    /// Numbers a new index of a table and its partitions, and makes the table durable with it.
    pub(crate) async fn insert_index(
        &self,
        table: &Table,
        index: &GlobalIndexDefinition,
        partition_count: u16,
    ) -> Result<Table, Error> {
        let status = IndexStatus::Creating { backfilling: true };
        self.change(|view, batch| {
            let mut next = next_number(view)?;
            let index = GlobalIndex::number(index, status, &table.keys, partition_count, &mut next);
            put_row(batch, rows::counters_row(next));
            for partition in &index.partitions {
                put_row(batch, rows::new_partition_row(index.number, partition));
            }
            let changed = table.with_global_index(index);
            put_row(batch, rows::table_row(&changed));
            Ok(changed)
        })
        .await
    }

    /// Makes a table durable without an index that it had, and forgets the index's partitions.
    pub(crate) async fn remove_index(&self, changed: &Table, index: &GlobalIndex) -> Result<(), Error> {
        self.change(|_view, batch| {
            put_row(batch, rows::table_row(changed));
            for partition in index.all_partitions() {
                batch.delete(&rows::partition_key(partition.id));
            }
            Ok(())
        })
        .await
    }

    /// Forgets a table durably, but for what is left of it for the readers of its streams.
    pub(crate) async fn depart(&self, table: &Table, departed: &Table) -> Result<(), Error> {
        self.change(|view, batch| {
            let mut closed = Vec::new();
            for partition in &departed.closed {
                let row = view.get(&rows::partition_key(partition.partition.id))?;
                let file_uuid = row.map(|row| PartitionRow::decode(row.value)).transpose()?;
                let file_uuid = file_uuid.and_then(|row| row.file_uuid);
                let row = PartitionRow { file_uuid, ..partition.to_row(table.number) };
                closed.push(rows::partition_row(partition.partition.id, row));
            }
            batch.delete(&rows::table_key(&table.name));
            table.all_partitions().for_each(|(_, gone)| batch.delete(&rows::partition_key(gone.id)));
            put_row(batch, rows::departed_row(departed));
            closed.into_iter().for_each(|row| put_row(batch, row));
            Ok(())
        })
        .await
    }

    /// Forgets the streams of a deleted table durably.
    pub(crate) async fn forget_departed(&self, departed: &Table) -> Result<(), Error> {
        self.change(|_view, batch| {
            batch.delete(&rows::departed_key(departed));
            for (_, partition) in departed.all_partitions() {
                batch.delete(&rows::partition_key(partition.id));
            }
            Ok(())
        })
        .await
    }

    /// Forgets a table and its partitions durably.
    pub(crate) async fn remove(&self, table: &Table) -> Result<(), Error> {
        self.change(|_view, batch| {
            batch.delete(&rows::table_key(&table.name));
            for (_, partition) in table.all_partitions() {
                batch.delete(&rows::partition_key(partition.id));
            }
            Ok(())
        })
        .await
    }

    /// Remembers durably which file a partition got at its first checkpoint, unless its table is gone.
    pub(crate) async fn note_file(&self, partition: PartitionId, file_uuid: [u8; 16]) -> Result<(), Error> {
        let key = rows::partition_key(partition);
        self.change(|view, batch| {
            if let Some(row) = view.get(&key)? {
                batch.put(&key, rows::with_file_uuid(row.value, file_uuid)?);
            }
            Ok(())
        })
        .await
    }

    /// Logs what `change` fills in as one entry and waits until it is durable.
    pub(super) async fn change<T>(
        &self,
        mut change: impl FnMut(&View<'_>, &mut WriteBatch) -> Result<T, Refused>,
    ) -> Result<T, Error> {
        let evaluated = self.partition.write(|view, batch| match change(view, batch) {
            Ok(value) => Ok(Ok(value)),
            Err(Refused::Stop(stop)) => Err(stop),
            Err(Refused::Damaged(reason)) => {
                assert!(batch.is_empty(), "rows are read before any is written");
                Ok(Err(Error::DamagedItem(reason)))
            }
        });
        let (outcome, commit) = evaluated.await?;
        commit.wait().await?;
        outcome
    }
}

/// Why a change was not evaluated to its end.
pub(super) enum Refused {
    /// A page is missing.
    Stop(Stop),
    /// A row breaks the format.
    Damaged(DecodeError),
}

impl From<Stop> for Refused {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<DecodeError> for Refused {
    fn from(reason: DecodeError) -> Self {
        Self::Damaged(reason)
    }
}

pub(super) fn next_number(view: &View<'_>) -> Result<NextNumber, Refused> {
    Ok(match view.get(&rows::counters_key())? {
        Some(row) => rows::decode_counters(row.value)?,
        None => NextNumber::FIRST,
    })
}

pub(super) fn put_row(batch: &mut WriteBatch, (key, value): rows::Row) {
    batch.put(&key, value);
}

/// A name is taken: by its maker it exists already, for anybody else it is in use.
fn refusal(name: &str, taken: Claimant, wanted: TableChange) -> Error {
    let table_name = name.to_owned();
    match (taken, wanted) {
        (Claimant::Request(TableChange::Created), TableChange::Created) => Error::TableExists { table_name },
        (Claimant::Request(change), _) => Error::TableInUse { table_name, change },
        (Claimant::Engine, _) => Error::TableInUse { table_name, change: TableChange::Updated },
    }
}
