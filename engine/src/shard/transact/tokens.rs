//! Tokens: asked for on the shard that they belong to, kept in a row of the ledger, read again to answer a request that
//! has run before.

use basalt_format::transaction::{TokenKey, TokenRow};
use basalt_runtime::ShardIndex;
use basalt_storage::{Partition, WriteBatch};

use super::group::ActionReport;
use crate::{
    catalog::owner_of,
    error::Error,
    shard::LocalEngine,
    transaction::{Claim, TokenHash, TokenPlace, TransactToken},
};

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

    /// The row of an ended transaction's token; `None` if its table is gone.
    pub(super) async fn read_token(
        &self,
        place: TokenPlace,
        token: &TransactToken,
    ) -> Result<Option<TokenRow>, Error> {
        let key = TokenKey { unix_us: place.unix_us, space: token.space, token: &token.token }.encode();
        self.run_on(owner_of(place.partition, self.shards().count()), move |owner| async move {
            let Some(partition) = owner.store().partition(place.partition) else { return Ok(None) };
            let row =
                partition.read(|view| Ok(view.get(&key)?.map(|row| TokenRow::decode(row.value)))).await?;
            Ok(row.transpose()?)
        })
        .await
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
