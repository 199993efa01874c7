//! What a start does about transactions: settles those that a crash cut short, and remembers tokens.
//!
//! Runs before anything is served, on the leader: all shards tell what they find; what was decided is committed, the
//! rest is taken back; then no decision is needed any more. A start that crashes meanwhile is followed by another one
//! that does the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use basalt_format::{
    DecodeError,
    key_encoding::{TAG_DECISION, TAG_PREPARED, TAG_TOKEN},
    transaction::{self, DecisionKey, PreparedKey, PreparedRow, TokenKey, TokenRow, TransactionId},
};
use basalt_runtime::{ShardIndex, planted, sometimes};
use basalt_storage::{Direction, KeyRange, Partition, PartitionId};

use crate::{
    error::{Error, ErrorKind},
    shard::LocalEngine,
    transaction::{TOKEN_LIFETIME_US, TokenHash, TokenPlace},
};

/// What partitions hold of transactions.
#[derive(Default)]
struct Found {
    /// The ledgers of the transactions that have prepared something.
    prepared: BTreeMap<TransactionId, PartitionId>,
    decided: BTreeSet<TransactionId>,
    tokens: Vec<FoundToken>,
    /// Partitions whose rows cannot all be read; they are closed.
    damaged: BTreeSet<PartitionId>,
}

/// What a start makes of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Commit,
    Abort,
    /// Its ledger is damaged, and the decision may be there or not: what was prepared stays locked.
    InDoubt,
}

#[derive(Clone, Copy)]
struct FoundToken {
    hash: TokenHash,
    digest: u128,
    place: TokenPlace,
}

/// A row of a transaction, as far as a start needs it.
enum FoundRow {
    Token(FoundToken),
    Prepared { transaction: TransactionId, ledger: PartitionId },
    Decision(TransactionId),
}

impl LocalEngine {
    /// Ends the transactions that a crash cut short, and gives every shard its tokens.
    ///
    /// Damaged partitions stand in nobody's way: they are closed, and what they have to do with others waits for a start
    /// that can read them. Their part of a decided transaction keeps its decision; what only they can have decided
    /// stays locked.
    pub(in crate::shard) async fn settle_transactions(&self) -> Result<(), Error> {
        if planted!(ForgetPrepared) {
            return Ok(());
        }
        let mut found = Found::default();
        for here in self.on_every_shard(|shard| async move { shard.find_transactions().await }).await? {
            found.add(here);
        }
        let mut is_all_settled = found.damaged.is_empty();
        for (&transaction, ledger) in &found.prepared {
            let verdict = found.verdict(transaction, *ledger);
            let settling =
                self.on_every_shard(move |shard| async move { shard.settle_one(transaction, verdict).await });
            is_all_settled &= unless_damaged(settling.await)?.is_some();
        }
        if is_all_settled && !found.decided.is_empty() {
            let forgetting = self.on_every_shard(|shard| async move { shard.forget_decisions().await });
            unless_damaged(forgetting.await)?;
        }
        if planted!(ForgetTokens) {
            return Ok(());
        }
        self.hand_out_tokens(found.tokens).await
    }

    /// Walks the rows of transactions in all partitions of this shard; takes the locks of what was prepared.
    async fn find_transactions(&self) -> Result<Found, Error> {
        let mut found = Found::default();
        for partition in self.open_partitions_here() {
            let mut locked = Vec::new();
            let walked = walk(&partition, |key, row| {
                match found_row(partition.id(), key, row)? {
                    FoundRow::Token(token) => found.tokens.push(token),
                    FoundRow::Decision(transaction) => drop(found.decided.insert(transaction)),
                    FoundRow::Prepared { transaction, ledger } => {
                        found.prepared.insert(transaction, ledger);
                        locked.push(key.to_vec());
                    }
                }
                Ok(ControlFlow::Continue(()))
            });
            if unless_damaged(walked.await)?.is_some() {
                locked.iter().for_each(|key| self.lock_prepared(partition.id(), key));
            } else {
                sometimes!("start finds rows of transactions damaged");
                found.damaged.insert(partition.id());
            }
        }
        for partition in self.departed_partitions_here() {
            let walked = walk(&partition, |key, row| {
                // Nothing else that was left of a deleted table means anything.
                if let FoundRow::Token(token) = found_row(partition.id(), key, row)? {
                    found.tokens.push(token);
                }
                Ok(ControlFlow::Continue(()))
            });
            // If it is damaged its tokens are lost, and nothing else of it is asked for.
            unless_damaged(walked.await)?;
        }
        let partitions = found.tokens.iter().map(|token| token.place.partition);
        self.transactions().token_partitions.borrow_mut().extend(partitions);
        Ok(found)
    }

    async fn settle_one(&self, transaction: TransactionId, verdict: Verdict) -> Result<(), Error> {
        match verdict {
            Verdict::Commit => {
                sometimes!("start commits a decided transaction");
                self.commit(transaction).await
            }
            Verdict::Abort => {
                sometimes!("start takes back a prepared transaction");
                self.abort(transaction).await
            }
            Verdict::InDoubt => {
                sometimes!("start leaves a transaction in doubt");
                Ok(())
            }
        }
    }

    /// Every shard's commits are durable: no decision is asked for any more.
    async fn forget_decisions(&self) -> Result<(), Error> {
        for partition in self.open_partitions_here() {
            let mut decisions = Vec::new();
            walk(&partition, |key, _row| {
                if key.first() == Some(&TAG_DECISION) {
                    decisions.push(key.to_vec());
                }
                Ok(ControlFlow::Continue(()))
            })
            .await?;
            if decisions.is_empty() {
                continue;
            }
            let written = partition.write(|_view, batch| {
                decisions.iter().for_each(|key| batch.delete(key));
                Ok(())
            });
            drop(written.await?);
        }
        Ok(())
    }

    /// Tells every token to the shard that it belongs to, in the order of their ends.
    async fn hand_out_tokens(&self, mut tokens: Vec<FoundToken>) -> Result<(), Error> {
        let now_us = self.handle().unix_time().as_micros();
        tokens.retain(|token| token.place.unix_us.saturating_add(TOKEN_LIFETIME_US) > now_us);
        tokens.sort_unstable_by_key(|token| token.place.unix_us);
        let mut by_shard: BTreeMap<ShardIndex, Vec<FoundToken>> = BTreeMap::new();
        for token in tokens {
            let shard = ShardIndex(token.hash.shard(self.shards().count()));
            by_shard.entry(shard).or_default().push(token);
        }
        for (shard, tokens) in by_shard {
            let telling = self.run_on(shard, move |shard| async move {
                let mut known = shard.transactions().tokens.borrow_mut();
                tokens.iter().for_each(|token| known.finish(token.hash, token.digest, token.place));
                Ok(())
            });
            telling.await?;
        }
        Ok(())
    }

    /// The partitions of tables that are open on this shard.
    fn open_partitions_here(&self) -> Vec<Partition> {
        let catalog = self.catalog();
        let partitions = catalog.tables().flat_map(|table| &table.partitions);
        partitions.filter_map(|partition| self.store().partition(partition.id)).collect()
    }

    /// What deleted tables have left on this shard.
    fn departed_partitions_here(&self) -> Vec<Partition> {
        let catalog = self.catalog();
        let closed = catalog.departed().flat_map(|table| &table.closed);
        closed.filter_map(|closed| self.store().partition(closed.partition.id)).collect()
    }
}

impl Found {
    fn add(&mut self, other: Self) {
        self.prepared.extend(other.prepared);
        self.decided.extend(other.decided);
        self.tokens.extend(other.tokens);
        self.damaged.extend(other.damaged);
    }

    fn verdict(&self, transaction: TransactionId, ledger: PartitionId) -> Verdict {
        if self.decided.contains(&transaction) {
            return Verdict::Commit;
        }
        if !self.damaged.contains(&ledger) {
            return Verdict::Abort;
        }
        let ledger = ledger.get();
        tracing::error!(
            ?transaction,
            ledger,
            "items of a transaction stay locked: whether it was committed, only its damaged ledger knows"
        );
        Verdict::InDoubt
    }
}

/// `None`: damaged bytes stood against it. The partition that they are in is closed.
pub(super) fn unless_damaged<T>(outcome: Result<T, Error>) -> Result<Option<T>, Error> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::Restore => Ok(None),
        Err(error) => Err(error),
    }
}

/// Shows every row of transactions in a partition to `visit`, in the order of their keys, until it breaks. A row that
/// cannot be read closes the partition.
pub(super) async fn walk(
    partition: &Partition,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, DecodeError>,
) -> Result<(), Error> {
    let (from, to) = transaction::all_rows();
    let mut last_key: Option<Vec<u8>> = None;
    let visited = partition.read(|view| {
        // A run that stops for a missing page has visited the rows before it.
        let resume = last_key.clone();
        let whole = KeyRange::half_open(&from, &to);
        let rest = resume.as_deref().map_or(whole, |key| whole.after(key, Direction::Forward));
        let mut cursor = view.cursor(rest, Direction::Forward);
        while let Some((key, row)) = cursor.next()? {
            match visit(key, row.value) {
                Ok(ControlFlow::Continue(())) => last_key = Some(key.to_vec()),
                Ok(ControlFlow::Break(())) => break,
                Err(reason) => return Err(partition.damaged_row(reason)),
            }
        }
        Ok(())
    });
    Ok(visited.await?)
}

fn found_row(partition: PartitionId, key: &[u8], row: &[u8]) -> Result<FoundRow, DecodeError> {
    match key.first() {
        Some(&TAG_TOKEN) => {
            let TokenKey { unix_us, space, token } = TokenKey::decode(key)?;
            let TokenRow { digest, .. } = TokenRow::decode(row)?;
            let (hash, place) = (TokenHash::of(space, token), TokenPlace { partition, unix_us });
            Ok(FoundRow::Token(FoundToken { hash, digest, place }))
        }
        Some(&TAG_PREPARED) => {
            let ledger = PartitionId::new(PreparedRow::decode(row)?.ledger);
            Ok(FoundRow::Prepared { transaction: PreparedKey::decode(key)?.transaction, ledger })
        }
        _ => Ok(FoundRow::Decision(DecisionKey::decode(key)?.0)),
    }
}
