//! Tokens: asked for on the shard that they belong to, kept in a row of the ledger, read again to answer a request that
//! has run before.

use std::sync::Arc;

use basalt_format::{
    key_encoding::TAG_TOKEN,
    transaction::{TokenKey, TokenRow},
};
use basalt_runtime::ShardIndex;
use basalt_storage::{Direction, KeyRange, Partition, PartitionId, WriteBatch};

use super::group::ActionReport;
use crate::{
    catalog::{Table, owner_of},
    error::{Error, ErrorKind},
    shard::LocalEngine,
    transaction::{Claim, TOKEN_LIFETIME_US, TokenHash, TokenPlace, TransactToken},
};

/// Where a token's row was looked for.
enum Found {
    /// It is here, or nowhere.
    Row(Option<TokenRow>),
    /// It is in another partition.
    With(PartitionId),
}

/// A token whose row goes into the entry that commits its transaction.
#[derive(Clone, Copy)]
pub(super) struct TokenToKeep<'a>(pub(super) &'a TransactToken);

impl TokenToKeep<'_> {
    /// Puts the row into an entry of `partition`. `reports` are those of all actions.
    pub(super) fn put(
        &self,
        partition: &Partition,
        batch: &mut WriteBatch,
        reports: &[ActionReport],
    ) -> TokenPlace {
        let TransactToken { space, token, digest } = self.0;
        let mut image_bytes = vec![0; reports.len()];
        reports.iter().for_each(|report| image_bytes[report.at] = report.image_bytes as u64);
        let unix_us = batch.hybrid_time().get();
        let key = TokenKey { unix_us, space: *space, token }.encode();
        batch.put(&key, TokenRow { digest: *digest, image_bytes }.encode());
        TokenPlace { partition: partition.id(), unix_us }
    }
}

impl LocalEngine {
    /// Asks the token's shard whether its transaction may run.
    pub(super) async fn claim_token(&self, hash: TokenHash, digest: u128) -> Result<Claim, Error> {
        self.on_shard_of_token(hash, move |shard| {
            let now_us = shard.handle().unix_time().as_micros();
            shard.transactions().tokens.borrow_mut().claim(hash, digest, now_us)
        })
        .await
    }

    /// Frees the token of a transaction that did not come to pass.
    pub(super) async fn release_token(&self, hash: TokenHash) -> Result<(), Error> {
        self.on_shard_of_token(hash, move |shard| shard.transactions().tokens.borrow_mut().release(hash))
            .await
    }

    /// Notes that the token's transaction has ended.
    pub(super) async fn finish_token(
        &self,
        hash: TokenHash,
        digest: u128,
        place: TokenPlace,
    ) -> Result<(), Error> {
        self.on_shard_of_token(hash, move |shard| {
            shard.transactions().tokens.borrow_mut().finish(hash, digest, place);
        })
        .await
    }

    /// The row of an ended transaction's token; `None` if it has had its time since it was asked for.
    pub(super) async fn read_token(
        &self,
        place: TokenPlace,
        token: &TransactToken,
    ) -> Result<Option<TokenRow>, Error> {
        let key = TokenKey { unix_us: place.unix_us, space: token.space, token: &token.token }.encode();
        let (mut partition, mut key) = (place.partition, key);
        loop {
            let owner = owner_of(partition, self.shards().count());
            let reading = self.run_on(owner, move |owner| async move {
                let outcome = owner.read_token_here(partition, &key).await;
                Ok((outcome?, key))
            });
            let (found, back) = reading.await?;
            match found {
                Found::Row(row) => return Ok(row),
                Found::With(heir) => (partition, key) = (heir, back),
            }
        }
    }

    /// Looks for a token's row in a partition of this shard, or says who has it since that was split.
    async fn read_token_here(&self, partition: PartitionId, key: &[u8]) -> Result<Found, Error> {
        // Before the partition: as long as there is no heir, it has all of its rows.
        if let Some(heir) = self.catalog().heir_of(partition) {
            return Ok(Found::With(heir));
        }
        let Some(partition) = self.store().partition(partition) else { return Ok(Found::Row(None)) };
        let read = partition.read(|view| Ok(view.get(key)?.map(|row| TokenRow::decode(row.value))));
        match read.await.map_err(Error::from) {
            // It was split while a page was fetched, or its table is gone.
            Err(Error::TableDropped) => {
                Ok(self.catalog().heir_of(partition.id()).map_or(Found::Row(None), Found::With))
            }
            row => Ok(Found::Row(row?.transpose()?)),
        }
    }

    /// Whether tokens lie in a table's partitions that still answer for their transactions.
    pub(in crate::shard) async fn has_tokens(&self, table: &Table) -> Result<bool, Error> {
        let partitions: Arc<[PartitionId]> =
            table.all_partitions().map(|(_, partition)| partition.id).collect();
        let looking = self.on_every_shard(move |shard| {
            let partitions = Arc::clone(&partitions);
            async move { shard.has_tokens_here(&partitions).await }
        });
        Ok(looking.await?.contains(&true))
    }

    async fn has_tokens_here(&self, partitions: &[PartitionId]) -> Result<bool, Error> {
        let ended_before = self.handle().unix_time().as_micros().saturating_sub(TOKEN_LIFETIME_US);
        let (first, end) = (TokenKey::from_time(ended_before + 1), [TAG_TOKEN + 1]);
        let with_tokens = self.transactions().token_partitions.borrow().clone();
        for partition in partitions.iter().filter(|id| with_tokens.contains(id)) {
            let Some(partition) = self.store().partition(*partition) else { continue };
            let found = partition.read(|view| {
                Ok(view.cursor(KeyRange::half_open(&first, &end), Direction::Forward).next()?.is_some())
            });
            match found.await.map_err(Error::from) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                // What cannot be read cannot answer either, and must not keep its table from being deleted.
                Err(error) if error.kind() == ErrorKind::Restore => {
                    tracing::warn!(partition = partition.id().get(), %error, "tokens of a table are lost");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    async fn on_shard_of_token<T: Send + 'static>(
        &self,
        hash: TokenHash,
        work: impl FnOnce(&LocalEngine) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let shard = ShardIndex(hash.shard(self.shards().count()));
        self.run_on(shard, move |shard| async move { Ok(work(&shard)) }).await
    }
}
