//! Leads a transaction from its request to its answer.
//!
//! Over several shards:
//! 1. every shard prepares its part, all at once: evaluates it, makes durable what is to become of its items, locks them;
//! 2. if all of them have, the decision is made durable in the ledger, and the token with it; else all take back;
//! 3. every shard commits, all at once; then the client is answered, so that a read straight after sees everything;
//! 4. the decision is removed: no prepared row can come back.

use std::{collections::BTreeMap, sync::Arc};

use basalt_format::transaction::{DecisionKey, DecisionRow, TokenRow, TransactionId};
use basalt_model::{CapacityUnits, Consistency};
use basalt_runtime::{ShardIndex, join_all, planted, sometimes};
use basalt_storage::Partition;

use super::{
    group::{ActionReport, Refusal},
    participant::{Evaluation, OnOneShard},
    tokens::TokenToKeep,
};
use crate::{
    error::Error,
    operation::ConsumedCapacity,
    shard::LocalEngine,
    transaction::{
        ActionOutput, Claim, PlannedAction, TokenHash, TokenPlace, TransactToken, TransactWrite,
        TransactWriteOutput, TransactWritePlan,
    },
};

type ActionsByShard = BTreeMap<ShardIndex, Vec<Arc<PlannedAction>>>;

/// What came of a transaction that was committed.
struct Committed {
    reports: Vec<ActionReport>,
    token: Option<TokenPlace>,
}

/// Why a transaction has not answered.
enum Unanswered {
    /// Nothing was done.
    NotDone(Error),
    /// It was decided, but not carried out everywhere, or an index cannot show it for now: the next start does the rest.
    Decided(Error, Option<TokenPlace>),
}

impl From<Error> for Unanswered {
    fn from(error: Error) -> Self {
        Self::NotDone(error)
    }
}

impl LocalEngine {
    /// Changes several items, all of them or none.
    pub async fn transact_write(&self, request: TransactWrite) -> Result<TransactWriteOutput, Error> {
        let plan = request.plan(&self.request_catalog())?;
        loop {
            let (home, catalog, attempt) = (self.owner_of_place(plan.first())?, self.catalog(), plan.clone());
            // Always a task of its own: a transaction that has begun is not given up in the middle.
            let coordinating = self.shards().run(home, move |local| {
                local.adopt(catalog);
                async move { local.coordinate(attempt).await }
            });
            match coordinating.await {
                // Nothing was done: its items are sought anew.
                Err(Error::PartitionMoved { catalog_version }) => {
                    self.until_catalog_version(catalog_version).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Runs a transaction whose first item is this shard's, at most once for a token.
    async fn coordinate(&self, mut plan: TransactWritePlan) -> Result<TransactWriteOutput, Error> {
        let Some(token) = plan.token.take() else {
            let committed = self.run_plan(plan, None).await.map_err(Unanswered::into_error)?;
            return Ok(answer(committed.reports));
        };
        let hash = TokenHash::of(token.space, &token.token);
        loop {
            match self.claim_token(hash, token.digest).await? {
                Claim::Granted => return self.run_claimed(plan, &token, hash).await,
                Claim::Running => return Err(Error::TransactionInProgress),
                Claim::Mismatch => return Err(Error::IdempotentParameterMismatch),
                Claim::Full => return Err(Error::Overloaded),
                Claim::Ended(place) => match self.read_token(place, &token).await? {
                    Some(row) => return Ok(self.answer_again(&plan, &row)),
                    // It has had its time since it was claimed.
                    None => self.release_token(hash).await?,
                },
            }
        }
    }

    /// The answer to a request that has run: charged as reads of the images that it was charged for.
    fn answer_again(&self, plan: &TransactWritePlan, row: &TokenRow) -> TransactWriteOutput {
        let actions = plan.actions.iter().zip(&row.image_bytes).map(|(action, &bytes)| {
            let table = &action.place().table;
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            let units = CapacityUnits::for_read(bytes, Consistency::Transactional);
            let capacity = ConsumedCapacity::of_table(units);
            self.charge_read(table, &capacity);
            ActionOutput { table_name: table.name.to_string(), capacity, item_collection: None }
        });
        TransactWriteOutput { is_replay: true, actions: actions.collect() }
    }

    async fn run_claimed(
        &self,
        plan: TransactWritePlan,
        token: &TransactToken,
        hash: TokenHash,
    ) -> Result<TransactWriteOutput, Error> {
        let outcome = self.run_plan(plan, Some(TokenToKeep(token))).await;
        let ended = match &outcome {
            Ok(Committed { token, .. }) | Err(Unanswered::Decided(_, token)) => *token,
            Err(Unanswered::NotDone(_)) => None,
        };
        match ended {
            Some(place) => {
                self.transactions().token_partitions.borrow_mut().insert(place.partition);
                self.finish_token(hash, token.digest, place).await?;
            }
            None => self.release_token(hash).await?,
        }
        outcome.map(|committed| answer(committed.reports)).map_err(Unanswered::into_error)
    }

    async fn run_plan(
        &self,
        plan: TransactWritePlan,
        token: Option<TokenToKeep<'_>>,
    ) -> Result<Committed, Unanswered> {
        let count = plan.actions.len();
        let tables = plan.tables();
        let by_shard = self.by_shard(&plan.actions)?;
        if by_shard.len() == 1 {
            // A table that is deleted looks for the tokens to be kept: none may come behind its back.
            let _running = match token {
                Some(_) => Some(self.transactions().pauses.begin(tables).await),
                None => None,
            };
            // Also if it is another shard by now, where it is to be coordinated.
            let actions = by_shard.into_values().flatten().collect();
            let OnOneShard { evaluation, token, delivered } = self.transact_here(actions, token).await?;
            let reports = all_or_error(count, [Ok(evaluation)])?;
            delivered.map_err(|error| Unanswered::Decided(error, token))?;
            return Ok(Committed { reports, token });
        }
        sometimes!("transaction over several shards");
        let _running = self.transactions().pauses.begin(tables).await;
        // Again: a split may have been what it waited for.
        let by_shard = self.by_shard(&plan.actions)?;
        self.transact_over_shards(count, by_shard, token).await
    }

    fn by_shard(&self, actions: &[Arc<PlannedAction>]) -> Result<ActionsByShard, Error> {
        let mut by_shard = ActionsByShard::new();
        for action in actions {
            by_shard.entry(self.owner_of_place(action.place())?).or_default().push(Arc::clone(action));
        }
        Ok(by_shard)
    }

    async fn transact_over_shards(
        &self,
        count: usize,
        by_shard: ActionsByShard,
        token: Option<TokenToKeep<'_>>,
    ) -> Result<Committed, Unanswered> {
        let transaction = self.new_transaction();
        let shards: Vec<ShardIndex> = by_shard.keys().copied().collect();
        let here = by_shard.get(&self.shard()).and_then(|here| here.first()).filter(|first| first.at == 0);
        let Some(first) = here else { return Err(self.moved().into()) };
        let ledger = self.partition(&first.place().table, first.place().hash)?;
        let id = ledger.id();
        let preparing = by_shard.into_iter().map(|(shard, actions)| {
            self.run_on(shard, move |shard| async move { shard.prepare(transaction, id, actions).await })
        });
        let prepared = all_or_error(count, join_all(preparing).await);
        let decided = match prepared {
            Ok(reports) => {
                self.decide(transaction, &ledger, token, &reports).await.map(|token| (reports, token))
            }
            Err(error) => Err(error),
        };
        let (reports, token) = match decided {
            Ok(decided) => decided,
            Err(error) => {
                self.abort_everywhere(transaction, &shards).await;
                return Err(error.into());
            }
        };
        let committing = shards
            .iter()
            .map(|shard| self.run_on(*shard, move |shard| async move { shard.commit(transaction).await }));
        let committed: Result<(), Error> = join_all(committing).await.into_iter().collect();
        committed.map_err(|error| Unanswered::Decided(error, token))?;
        self.forget_decision(transaction, &ledger).await;
        Ok(Committed { reports, token })
    }

    /// From here on the transaction is committed, whatever happens.
    async fn decide(
        &self,
        transaction: TransactionId,
        ledger: &Partition,
        token: Option<TokenToKeep<'_>>,
        reports: &[ActionReport],
    ) -> Result<Option<TokenPlace>, Error> {
        let written = ledger.write(|_view, batch| {
            // Everything is prepared: what the decision removes is more than it adds.
            batch.mark_freeing();
            if !planted!(SkipDecision) {
                batch.put(&DecisionKey(transaction).encode(), DecisionRow.encode());
            }
            Ok(token.map(|token| token.put(ledger, batch, reports)))
        });
        let (token, commit) = written.await?;
        commit.wait().await?;
        Ok(token)
    }

    async fn abort_everywhere(&self, transaction: TransactionId, shards: &[ShardIndex]) {
        sometimes!("transaction over several shards aborted");
        let aborting = shards
            .iter()
            .map(|shard| self.run_on(*shard, move |shard| async move { shard.abort(transaction).await }));
        for error in join_all(aborting).await.into_iter().filter_map(Result::err) {
            tracing::warn!(?transaction, %error, "rows of a cancelled transaction stay until the next start");
        }
    }

    /// Every shard's commit is durable: nobody will ask for the decision any more. Not waited for: if it is lost, the
    /// next start removes it.
    async fn forget_decision(&self, transaction: TransactionId, ledger: &Partition) {
        let written = ledger.write(|_view, batch| {
            batch.delete(&DecisionKey(transaction).encode());
            Ok(())
        });
        if let Err(error) = written.await {
            tracing::warn!(?transaction, %error, "a decision stays until the next start");
        }
    }
}

impl Unanswered {
    fn into_error(self) -> Error {
        match self {
            Self::NotDone(error) | Self::Decided(error, _) => error,
        }
    }
}

/// The reports of all shards in the order of the request, or what stands against the transaction.
fn all_or_error(
    count: usize,
    evaluations: impl IntoIterator<Item = Result<Evaluation, Error>>,
) -> Result<Vec<ActionReport>, Error> {
    let (mut reports, mut reasons, mut failure) = (Vec::with_capacity(count), Vec::new(), None);
    for evaluation in evaluations {
        match evaluation {
            Ok(Ok(some)) => reports.extend(some),
            Ok(Err(Refusal::Reasons(some))) => reasons.extend(some),
            Ok(Err(Refusal::Failed(error))) | Err(error) => failure = Some(error),
        }
    }
    if let Some(error) = failure {
        return Err(error);
    }
    if !reasons.is_empty() {
        return Err(Error::canceled(count, reasons));
    }
    reports.sort_unstable_by_key(|report| report.at);
    Ok(reports)
}

fn answer(reports: Vec<ActionReport>) -> TransactWriteOutput {
    let actions = reports.into_iter().map(|report| report.output).collect();
    TransactWriteOutput { is_replay: false, actions }
}
