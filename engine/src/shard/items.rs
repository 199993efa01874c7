//! Runs operations on single items on the shard that owns the item.

use basalt_model::{CapacityUnits, ItemRef};
use basalt_storage::{PartitionId, Row, Stop, View, WriteBatch};

use super::LocalEngine;
use crate::{
    catalog::Table,
    derive::{Cause, EntryWriter, ItemChange, WriteReport},
    error::Error,
    operation::{
        ConsumedCapacity, DeleteItem, DeleteItemOutput, GetItem, GetItemOutput, GetPlan, ItemWrite, PutItem,
        PutItemOutput, UpdateItem, UpdateItemOutput, WriteOutput, size_bytes,
    },
    outbox::Parcel,
};

impl LocalEngine {
    /// Creates an item or replaces it whole.
    pub async fn put_item(&self, request: PutItem) -> Result<PutItemOutput, Error> {
        self.write_item(request.plan(&self.request_catalog())?).await
    }

    /// Changes an item by an update expression, or creates it.
    pub async fn update_item(&self, request: UpdateItem) -> Result<UpdateItemOutput, Error> {
        self.write_item(request.plan(&self.request_catalog())?).await
    }

    /// Removes an item; removing what is not there succeeds.
    pub async fn delete_item(&self, request: DeleteItem) -> Result<DeleteItemOutput, Error> {
        self.write_item(request.plan(&self.request_catalog())?).await
    }

    /// Reads one item.
    pub async fn get_item(&self, request: GetItem) -> Result<GetItemOutput, Error> {
        let plan = request.plan(&self.request_catalog())?;
        self.read_item(plan).await
    }

    pub(super) async fn read_item(&self, plan: GetPlan) -> Result<GetItemOutput, Error> {
        self.on_owner(
            plan,
            |plan| &plan.place,
            |owner, plan| async move { Self::routed(owner.get_here(&plan).await, plan) },
        )
        .await
    }

    pub(super) async fn write_item<W: ItemWrite>(&self, plan: W) -> Result<WriteOutput, Error> {
        self.on_owner(plan, W::place, |owner, plan| async move {
            Self::routed(owner.write_here(&plan).await, plan)
        })
        .await
    }

    /// Reads an item of this shard.
    pub(super) async fn get_here(&self, plan: &GetPlan) -> Result<GetItemOutput, Error> {
        let table = &plan.place.table;
        let partition = self.readable_partition(table, plan.place.hash).await?;
        self.admit_read(table, None)?;
        let key = plan.place.key.as_bytes();
        let read = partition.read(|view| {
            let row = view.get(key)?;
            Ok(self.check_readable(partition.id()).and_then(|()| plan.answer(item_of(row)?)))
        });
        let output = read.await.map_err(|error| self.moved_if_dropped(table, error.into()))??;
        self.charge_read(table, &output.capacity);
        Ok(output)
    }

    /// Writes an item of this shard and answers when the write, and all that it rests on, is durable.
    pub(super) async fn write_here<W: ItemWrite>(&self, plan: &W) -> Result<WriteOutput, Error> {
        let place = plan.place();
        let partition = self.writable_partition(&place.table, place.hash).await?;
        self.outbox_room(partition.id()).await?;
        let evaluated = partition.write(|view, batch| self.evaluate(plan, partition.id(), view, batch));
        let evaluated = evaluated.await.map_err(|error| self.moved_if_dropped(&place.table, error.into()));
        let (outcome, commit) = evaluated?;
        let posted =
            outcome.map(|(output, parcel)| (output, self.post(&place.table, &partition, parcel, &commit)));
        // Also a refusal waits: the item that it rests on may not be durable yet.
        commit.wait().await?;
        let (output, delivered) = posted?;
        delivered.wait().await?;
        Ok(output)
    }

    /// Decides by the item as it is, and puts what follows into the batch.
    fn evaluate<W: ItemWrite>(
        &self,
        plan: &W,
        partition: PartitionId,
        view: &View<'_>,
        batch: &mut WriteBatch,
    ) -> Result<Result<(WriteOutput, Parcel), Error>, Stop> {
        let place = plan.place();
        let row = view.get(place.key.as_bytes())?;
        let decided = item_of(row).and_then(|present| {
            if !basalt_runtime::planted!(WritePastLocks) {
                self.check_unlocked(partition, place.key.as_bytes())?;
            }
            let table = self.current(&place.table)?;
            self.admit_write(&table)?;
            let decision =
                plan.decide(present).inspect_err(|error| self.charge_refusal(&table, present, error))?;
            Ok((table, present, decision))
        });
        let (table, present, decision) = match decided {
            Ok(decided) => decided,
            Err(error) => return Ok(Err(error)),
        };
        let new = match decision.item.as_deref().map(ItemRef::new).transpose() {
            Ok(new) => new,
            Err(reason) => return Ok(Err(reason.into())),
        };
        let key = place.key.as_bytes();
        let change = ItemChange { table: &table, key, old: present, new, cause: Cause::Client };
        let mut writer = self.entry_writer(view, batch);
        let report = writer.change(&change)?;
        let work = writer.finish();
        let admitted = report.and_then(|report| {
            self.admit_index_writes(&table, &report.capacity)?;
            Ok(report)
        });
        Ok(match admitted {
            Ok(WriteReport { capacity, item_collection }) => {
                self.charge_write(&table, &capacity);
                if new.is_none() {
                    // Its stream record and what it posts put rows; a full device is emptied all the same.
                    batch.mark_freeing();
                }
                let output = WriteOutput { attributes: decision.attributes, capacity, item_collection };
                Ok((output, self.pack(partition, work.deliveries, batch)))
            }
            Err(error) => {
                batch.clear();
                Err(error)
            }
        })
    }

    /// Starts to collect the changes of one entry.
    pub(crate) fn entry_writer<'a>(&self, view: &'a View<'a>, batch: &'a mut WriteBatch) -> EntryWriter<'a> {
        EntryWriter::new(view, batch, self.shards().options.item_collection_bytes_max)
    }

    /// A condition that did not hold costs what a write of the item as it is would.
    fn charge_refusal(&self, table: &Table, present: Option<ItemRef<'_>>, error: &Error) {
        if matches!(error, Error::ConditionalCheckFailed { .. })
            && let Ok(bytes) = size_bytes(present)
        {
            self.charge_write(table, &ConsumedCapacity::of_table(CapacityUnits::for_write(bytes, 0)));
        }
    }
}

/// Reads a row as an item, in place.
pub(super) fn item_of(row: Option<Row<'_>>) -> Result<Option<ItemRef<'_>>, Error> {
    Ok(row.map(|row| ItemRef::new(row.value)).transpose()?)
}
