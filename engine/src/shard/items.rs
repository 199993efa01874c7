//! Runs operations on single items on the shard that owns the item.

use basalt_model::ItemRef;
use basalt_storage::{Row, WriteBatch};

use super::LocalEngine;
use crate::{
    error::Error,
    operation::{
        Decision, DeleteItem, DeleteItemOutput, GetItem, GetItemOutput, GetPlan, ItemEffect, ItemWrite,
        PutItem, PutItemOutput, UpdateItem, UpdateItemOutput,
    },
    place::ItemPlace,
};

impl LocalEngine {
    /// Creates an item or replaces it whole.
    pub async fn put_item(&self, request: PutItem) -> Result<PutItemOutput, Error> {
        self.write_item(request.plan(&self.catalog())?).await
    }

    /// Changes an item by an update expression, or creates it.
    pub async fn update_item(&self, request: UpdateItem) -> Result<UpdateItemOutput, Error> {
        self.write_item(request.plan(&self.catalog())?).await
    }

    /// Removes an item; removing what is not there succeeds.
    pub async fn delete_item(&self, request: DeleteItem) -> Result<DeleteItemOutput, Error> {
        self.write_item(request.plan(&self.catalog())?).await
    }

    /// Reads one item.
    pub async fn get_item(&self, request: GetItem) -> Result<GetItemOutput, Error> {
        let plan = request.plan(&self.catalog())?;
        self.run_on(self.owner(plan.place.partition()), |owner| async move { owner.get_here(&plan).await })
            .await
    }

    async fn write_item<W: ItemWrite>(&self, plan: W) -> Result<W::Output, Error> {
        self.run_on(
            self.owner(plan.place().partition()),
            |owner| async move { owner.write_here(&plan).await },
        )
        .await
    }

    /// Reads an item of this shard.
    pub(super) async fn get_here(&self, plan: &GetPlan) -> Result<GetItemOutput, Error> {
        let partition = self.partition(&plan.place.table, plan.place.hash)?;
        let key = plan.place.key.as_bytes();
        partition.read(|view| Ok(item_of(view.get(key)?).and_then(|item| plan.answer(item)))).await?
    }

    /// Writes an item of this shard and answers when the write, and all that it rests on, is durable.
    pub(super) async fn write_here<W: ItemWrite>(&self, plan: &W) -> Result<W::Output, Error> {
        let place = plan.place();
        let partition = self.partition(&place.table, place.hash)?;
        let evaluated = partition.write(|view, batch| {
            let present = item_of(view.get(place.key.as_bytes())?);
            Ok(present
                .and_then(|present| plan.decide(present))
                .map(|decision| carry_out(decision, place, batch)))
        });
        let (outcome, commit) = evaluated.await?;
        // Also a refusal waits: the item that it rests on may not be durable yet.
        commit.wait().await?;
        outcome
    }
}

/// Puts a decision's effect into the batch and hands back its answer.
fn carry_out<T>(decision: Decision<'_, T>, place: &ItemPlace, batch: &mut WriteBatch) -> T {
    let key = place.key.as_bytes();
    match decision.effect {
        ItemEffect::Keep => {}
        ItemEffect::Put(item) => batch.put(key, item.as_ref()),
        ItemEffect::Delete => batch.delete(key),
    }
    decision.output
}

/// Reads a row as an item, in place.
pub(super) fn item_of(row: Option<Row<'_>>) -> Result<Option<ItemRef<'_>>, Error> {
    Ok(row.map(|row| ItemRef::new(row.value)).transpose()?)
}
