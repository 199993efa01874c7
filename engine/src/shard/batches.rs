//! Runs batches: the parts of each shard travel together, and all of them are in flight at once.

use std::{cell::RefCell, collections::BTreeMap};

use basalt_runtime::{ShardIndex, join_all};

use super::LocalEngine;
use crate::{
    error::Error,
    operation::{
        BatchGetItem, BatchGetItemOutput, BatchRead, BatchReadResult, BatchWriteItem, BatchWriteItemOutput,
        ItemWrite, PlannedWrite, ReplyBudget, WriteOutput, WritePlan,
    },
    place::ItemPlace,
};

/// A member of a batch, by its place in the request, and what came of it.
type Outcome<T> = ((usize, usize), T);

impl LocalEngine {
    /// Reads items of several tables; each read stands alone.
    pub async fn batch_get_item(&self, request: BatchGetItem) -> Result<BatchGetItemOutput, Error> {
        let mut plan = request.plan(&self.request_catalog())?;
        let reads = self.by_owner(std::mem::take(&mut plan.reads), |read| &read.plan.place)?;
        let parts = reads.into_iter().map(|(shard, reads)| {
            self.run_on(shard, move |owner| async move { owner.read_batch_part(reads).await })
        });
        plan.finish(flatten(join_all(parts).await)?)
    }

    /// Writes items of several tables; each write is atomic by itself.
    pub async fn batch_write_item(&self, request: BatchWriteItem) -> Result<BatchWriteItemOutput, Error> {
        let mut plan = request.plan(&self.request_catalog())?;
        let writes = self.by_owner(std::mem::take(&mut plan.writes), |write| write.plan.place())?;
        let parts = writes.into_iter().map(|(shard, writes)| {
            self.run_on(shard, move |owner| async move { Ok(owner.write_batch_part(writes).await) })
        });
        plan.finish(flatten(join_all(parts).await)?)
    }

    fn by_owner<T>(
        &self,
        members: Vec<T>,
        place_of: impl Fn(&T) -> &ItemPlace,
    ) -> Result<BTreeMap<ShardIndex, Vec<T>>, Error> {
        let mut by_owner: BTreeMap<_, Vec<T>> = BTreeMap::new();
        for member in members {
            by_owner.entry(self.owner_of_place(place_of(&member))?).or_default().push(member);
        }
        Ok(by_owner)
    }

    /// Reads this shard's part, and follows what has moved. What does not fit into a reply is given up at once, so that
    /// a batch of large items never holds more than a reply's worth of them.
    async fn read_batch_part(&self, reads: Vec<BatchRead>) -> Result<Vec<Outcome<BatchReadResult>>, Error> {
        let budget = RefCell::new(ReplyBudget::default());
        let budget = &budget;
        let running = reads.into_iter().map(|read| async move {
            let output = match self.get_here(&read.plan).await {
                Err(Error::PartitionMoved { .. }) => self.read_item(read.plan).await,
                output => output,
            };
            let result = match output {
                Ok(output) if budget.borrow_mut().admits(output.item.as_ref()) => {
                    BatchReadResult::Read(output)
                }
                Ok(_does_not_fit) => BatchReadResult::NoRoom,
                Err(Error::Throttled(throttled)) => BatchReadResult::Throttled(throttled),
                Err(other) => return Err(other),
            };
            Ok((read.at, result))
        });
        join_all(running).await.into_iter().collect()
    }

    /// Writes this shard's part, and follows what has moved: evaluated one after the other without waiting, then made durable by shared frames.
    async fn write_batch_part(&self, writes: Vec<PlannedWrite>) -> Vec<Outcome<Result<WriteOutput, Error>>> {
        let running = writes.into_iter().map(|write| async move {
            let result = match write.plan {
                WritePlan::Put(plan) => self.write_member(plan).await,
                WritePlan::Delete(plan) => self.write_member(plan).await,
            };
            (write.at, result)
        });
        join_all(running).await
    }

    async fn write_member<W: ItemWrite>(&self, plan: W) -> Result<WriteOutput, Error> {
        match self.write_here(&plan).await {
            Err(Error::PartitionMoved { .. }) => self.write_item(plan).await,
            outcome => outcome,
        }
    }
}

fn flatten<T>(parts: Vec<Result<Vec<T>, Error>>) -> Result<Vec<T>, Error> {
    let mut all = Vec::new();
    for part in parts {
        all.extend(part?);
    }
    Ok(all)
}
