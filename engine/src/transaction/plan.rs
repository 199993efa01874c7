//! Turns a transaction's request into actions on placed items, checking what can be checked without reading.
//!
//! DynamoDB's order: what is wrong with the request alone is told first, then missing tables, then keys. An empty key
//! value fails the whole request; any other fault of a key is the reason for a cancellation, and only the first one is
//! told.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use basalt_model::{Consistency, ItemRef, KeyError};

use super::{
    ConditionCheck, TRANSACT_ACTIONS_MAX, TRANSACT_REQUEST_BYTES_MAX, TransactAction, TransactGet,
    TransactToken, TransactWrite,
};
use crate::{
    catalog::Catalog,
    error::{Error, ValidationError},
    operation::{DeletePlan, GetItem, GetPlan, Guard, ItemWrite, PutPlan, UpdatePlan},
    place::ItemPlace,
};

/// A transaction whose items are placed. Cheap to clone: what meets a partition that has moved is tried again.
#[derive(Clone)]
pub(crate) struct TransactWritePlan {
    /// In the order of the request, at least one.
    pub(crate) actions: Vec<Arc<PlannedAction>>,
    pub(crate) token: Option<TransactToken>,
}

/// An action on a placed item.
pub(crate) struct PlannedAction {
    /// Its place in the request.
    pub(crate) at: usize,
    plan: ActionPlan,
}

enum ActionPlan {
    Put(PutPlan),
    Update(UpdatePlan),
    Delete(DeletePlan),
    Check { place: ItemPlace, guard: Guard },
}

/// What an action does to its item, if nothing stands against it.
pub(crate) enum ActionEffect<'a> {
    /// The item stays as it is.
    Keep,
    /// The item from now on; `None`: there is none.
    Become(Option<Cow<'a, [u8]>>),
}

/// A read of a placed item.
pub(crate) struct PlannedRead {
    /// Its place in the request.
    pub(crate) at: usize,
    pub(crate) plan: GetPlan,
}

impl TransactWrite {
    pub(crate) fn plan(self, catalog: &Catalog) -> Result<TransactWritePlan, Error> {
        check_count(self.actions.len())?;
        self.actions.iter().try_for_each(TransactAction::check)?;
        let request_bytes: usize = self.actions.iter().map(TransactAction::request_bytes).sum();
        if request_bytes > TRANSACT_REQUEST_BYTES_MAX {
            return Err(ValidationError::TransactionTooLarge.into());
        }
        self.actions.iter().try_for_each(|action| catalog.expect(action.table_name()).map(drop))?;
        let planned = self.actions.into_iter().enumerate();
        let planned = planned.map(|(at, action)| Ok(PlannedAction { at, plan: action.plan(catalog)? }));
        let actions = or_first_reason(planned.collect())?;
        check_distinct(actions.iter().map(PlannedAction::place))?;
        let actions = actions.into_iter().map(Arc::new).collect();
        Ok(TransactWritePlan { actions, token: self.token })
    }
}

impl TransactWritePlan {
    /// The place of the first action's item, whose partition is the ledger: its decision counts.
    pub(crate) fn first(&self) -> &ItemPlace {
        self.actions.first().expect("a transaction has an action").place()
    }

    /// The numbers of the tables, each once.
    pub(crate) fn tables(&self) -> Vec<u64> {
        let numbers: BTreeSet<u64> = self.actions.iter().map(|action| action.place().table.number).collect();
        numbers.into_iter().collect()
    }
}

impl TransactGet {
    pub(crate) fn plan(self, catalog: &Catalog) -> Result<Vec<Arc<PlannedRead>>, Error> {
        check_count(self.reads.len())?;
        self.reads.iter().try_for_each(|read| catalog.expect(&read.table_name).map(drop))?;
        let planned = self.reads.into_iter().enumerate().map(|(at, read)| {
            let read = GetItem { consistency: Consistency::Transactional, ..read };
            Ok(PlannedRead { at, plan: read.plan(catalog)? })
        });
        let reads = or_first_reason(planned.collect())?;
        check_distinct(reads.iter().map(|read| &read.plan.place))?;
        Ok(reads.into_iter().map(Arc::new).collect())
    }
}

impl TransactAction {
    /// What is wrong with the action whatever its table.
    fn check(&self) -> Result<(), Error> {
        match self {
            Self::Put(put) => put.check(),
            Self::Update(_) | Self::Delete(_) | Self::ConditionCheck(_) => Ok(()),
        }
    }

    /// Bytes of the item or key that the request names.
    fn request_bytes(&self) -> usize {
        match self {
            Self::Put(put) => put.item.size_bytes(),
            Self::Update(update) => update.key.size_bytes(),
            Self::Delete(delete) => delete.key.size_bytes(),
            Self::ConditionCheck(check) => check.key.size_bytes(),
        }
    }

    fn plan(self, catalog: &Catalog) -> Result<ActionPlan, Error> {
        Ok(match self {
            Self::Put(put) => ActionPlan::Put(put.plan(catalog)?),
            Self::Update(update) => ActionPlan::Update(update.plan(catalog)?),
            Self::Delete(delete) => ActionPlan::Delete(delete.plan(catalog)?),
            Self::ConditionCheck(check) => check.plan(catalog)?,
        })
    }
}

impl ConditionCheck {
    fn plan(self, catalog: &Catalog) -> Result<ActionPlan, Error> {
        let place = ItemPlace::of_key(catalog.expect(&self.table_name)?, &self.key)?;
        let on_failure = self.return_values_on_condition_check_failure;
        Ok(ActionPlan::Check { place, guard: Guard { condition: Some(self.condition), on_failure } })
    }
}

impl PlannedAction {
    /// Which item.
    pub(crate) fn place(&self) -> &ItemPlace {
        match &self.plan {
            ActionPlan::Put(put) => put.place(),
            ActionPlan::Update(update) => update.place(),
            ActionPlan::Delete(delete) => delete.place(),
            ActionPlan::Check { place, .. } => place,
        }
    }

    /// What to do, given the item as it is now.
    pub(crate) fn decide(&self, present: Option<ItemRef<'_>>) -> Result<ActionEffect<'_>, Error> {
        let decision = match &self.plan {
            ActionPlan::Put(put) => put.decide(present)?,
            ActionPlan::Update(update) => update.decide(present)?,
            ActionPlan::Delete(delete) => delete.decide(present)?,
            ActionPlan::Check { guard, .. } => {
                guard.check(present)?;
                return Ok(ActionEffect::Keep);
            }
        };
        Ok(ActionEffect::Become(decision.item))
    }
}

fn check_count(count: usize) -> Result<(), ValidationError> {
    match count {
        0 => Err(ValidationError::NoActions),
        1..=TRANSACT_ACTIONS_MAX => Ok(()),
        _ => Err(ValidationError::TooManyActions),
    }
}

/// All of it, or the first fault: as an error of the whole request, or as the reason of its cancellation.
fn or_first_reason<T>(planned: Vec<Result<T, Error>>) -> Result<Vec<T>, Error> {
    let count = planned.len();
    let mut whole = Vec::with_capacity(count);
    for (at, planned) in planned.into_iter().enumerate() {
        match planned {
            Ok(one) => whole.push(one),
            Err(fault @ Error::Validation(ValidationError::Key(KeyError::Empty { .. }))) => {
                return Err(fault);
            }
            Err(fault @ Error::Validation(_)) => return Err(Error::canceled(count, [(at, fault)])),
            Err(other) => return Err(other),
        }
    }
    Ok(whole)
}

fn check_distinct<'a>(places: impl Iterator<Item = &'a ItemPlace>) -> Result<(), ValidationError> {
    let mut seen: BTreeSet<(u64, &[u8])> = BTreeSet::new();
    for place in places {
        if !seen.insert((place.table.number, place.key.as_bytes())) {
            return Err(ValidationError::DuplicateTransactItems);
        }
    }
    Ok(())
}
