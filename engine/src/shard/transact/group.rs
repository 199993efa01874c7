//! Evaluates the actions of a transaction on one shard, all against one state.

use std::sync::Arc;

use basalt_format::transaction::PreparedOutcome;
use basalt_model::{CapacityUnits, ItemRef};
use basalt_storage::{Partition, Stop, StorageError, View, WriteBatch};

use crate::{
    derive::{Cause, EntryWork, EntryWriter, ItemChange, WriteReport},
    error::Error,
    operation::{ConsumedCapacity, size_bytes},
    shard::{LocalEngine, items::item_of},
    transaction::{ActionEffect, ActionOutput, PlannedAction},
};

/// The actions of a transaction on one shard, in the order of the request, and their partitions.
pub(super) struct ActionGroup {
    /// Each once; the first is that of the first action.
    pub(super) partitions: Vec<Partition>,
    actions: Vec<GroupedAction>,
}

struct GroupedAction {
    action: Arc<PlannedAction>,
    /// The partition's place in the group.
    partition: usize,
}

/// What an action comes to, by its place in the request.
pub(super) struct ActionReport {
    pub(super) at: usize,
    pub(super) output: ActionOutput,
    /// Bytes of the larger image of the item.
    pub(super) image_bytes: usize,
}

/// What stands against a transaction on one shard.
pub(super) enum Refusal {
    /// Reasons for a cancellation, by the places of their actions in the request.
    Reasons(Vec<(usize, Error)>),
    /// The transaction could not be tried.
    Failed(Error),
}

/// A group that nothing stands against.
pub(super) struct GroupWork {
    pub(super) reports: Vec<ActionReport>,
    /// By partition.
    pub(super) works: Vec<EntryWork>,
}

/// An action that nothing stands against.
struct Evaluated {
    image_bytes: usize,
    report: WriteReport,
}

impl ActionGroup {
    /// The group of these actions, when all of their partitions can be written to.
    pub(super) async fn new(local: &LocalEngine, actions: Vec<Arc<PlannedAction>>) -> Result<Self, Error> {
        let mut group = Self { partitions: Vec::new(), actions: Vec::with_capacity(actions.len()) };
        for action in actions {
            let place = action.place();
            let partition = local.writable_partition(&place.table, place.hash).await?;
            let partition = group.place_of(partition);
            group.actions.push(GroupedAction { action, partition });
        }
        Ok(group)
    }

    /// An error of the group's evaluation: a partition that is gone while its table is not was split.
    pub(super) fn error_of(&self, local: &LocalEngine, error: StorageError) -> Error {
        let tables_stand =
            self.actions.iter().all(|grouped| local.current(&grouped.action.place().table).is_ok());
        match Error::from(error) {
            Error::TableDropped if tables_stand => local.moved(),
            other => other,
        }
    }

    fn place_of(&mut self, partition: Partition) -> usize {
        let known = self.partitions.iter().position(|known| known.id() == partition.id());
        known.unwrap_or_else(|| {
            self.partitions.push(partition);
            self.partitions.len() - 1
        })
    }
}

impl LocalEngine {
    /// Decides every action by its item as it is and puts what follows into the batches; `note` learns what becomes of
    /// each item, with the place of its partition. Every reason against the transaction is found. A refusal leaves the
    /// batches empty.
    pub(super) fn evaluate_group(
        &self,
        group: &ActionGroup,
        views: &[View<'_>],
        batches: &mut [WriteBatch],
        mut note: impl FnMut(usize, &[u8], PreparedOutcome<'_>),
    ) -> Result<Result<GroupWork, Refusal>, Stop> {
        let pairs = views.iter().zip(batches.iter_mut());
        let mut writers: Vec<EntryWriter<'_>> =
            pairs.map(|(view, batch)| self.entry_writer(view, batch)).collect();
        let (mut reports, mut reasons, mut failure) = (Vec::new(), Vec::new(), None);
        for GroupedAction { action, partition } in &group.actions {
            let place = *partition;
            let is_free = self.check_unlocked(group.partitions[place].id(), action.place().key.as_bytes());
            let evaluated = match is_free {
                Ok(()) => {
                    self.evaluate_action(action, &views[place], &mut writers[place], |key, outcome| {
                        note(place, key, outcome);
                    })?
                }
                Err(conflict) => Err(conflict),
            };
            match evaluated {
                Ok(evaluated) => reports.push(evaluated.into_report(action)),
                Err(error) if error.is_cancellation_reason() => reasons.push((action.at, error)),
                Err(error) => failure = Some(error),
            }
        }
        let works = writers.into_iter().map(EntryWriter::finish).collect();
        let refusal = match failure {
            Some(error) => Refusal::Failed(error),
            None if !reasons.is_empty() => Refusal::Reasons(reasons),
            None => {
                self.charge_actions(group, &reports);
                return Ok(Ok(GroupWork { reports, works }));
            }
        };
        batches.iter_mut().for_each(WriteBatch::clear);
        Ok(Err(refusal))
    }

    /// Charges what the actions use; there is a report for each.
    fn charge_actions(&self, group: &ActionGroup, reports: &[ActionReport]) {
        for (GroupedAction { action, .. }, report) in group.actions.iter().zip(reports) {
            self.charge_write(&action.place().table, &report.output.capacity);
        }
    }

    fn evaluate_action(
        &self,
        action: &PlannedAction,
        view: &View<'_>,
        writer: &mut EntryWriter<'_>,
        note: impl FnOnce(&[u8], PreparedOutcome<'_>),
    ) -> Result<Result<Evaluated, Error>, Stop> {
        let place = action.place();
        let key = place.key.as_bytes();
        let row = view.get(key)?;
        let decided = item_of(row).and_then(|present| {
            let table = self.current(&place.table)?;
            self.admit_write(&table)?;
            Ok((table, present, action.decide(present)?, size_bytes(present)?))
        });
        let (table, present, effect, present_bytes) = match decided {
            Ok(decided) => decided,
            Err(error) => return Ok(Err(error)),
        };
        let ActionEffect::Become(item) = effect else {
            note(key, PreparedOutcome::Keep);
            return Ok(Ok(Evaluated::check(present_bytes)));
        };
        let new = match item.as_deref().map(ItemRef::new).transpose() {
            Ok(new) => new,
            Err(reason) => return Ok(Err(reason.into())),
        };
        let change = ItemChange { table: &table, key, old: present, new, cause: Cause::Client };
        let changed = writer.change(&change)?;
        let admitted = changed.and_then(|report| {
            self.admit_index_writes(&table, &report.capacity)?;
            Ok(report)
        });
        let report = match admitted {
            Ok(report) => report,
            Err(error) => return Ok(Err(error)),
        };
        note(key, new.map_or(PreparedOutcome::Delete, |item| PreparedOutcome::Put(item.as_bytes())));
        Ok(size_bytes(new).map(|bytes| Evaluated { image_bytes: bytes.max(present_bytes), report }))
    }
}

impl Evaluated {
    /// A condition that was checked: it is charged like a write that changes nothing.
    fn check(image_bytes: usize) -> Self {
        let capacity = ConsumedCapacity::of_table(CapacityUnits::for_write(image_bytes, image_bytes));
        Self { image_bytes, report: WriteReport { capacity, item_collection: None } }
    }

    fn into_report(self, action: &PlannedAction) -> ActionReport {
        let WriteReport { mut capacity, item_collection } = self.report;
        capacity.table = capacity.table.doubled();
        let table_name = action.place().table.name.to_string();
        let output = ActionOutput { table_name, capacity, item_collection };
        ActionReport { at: action.at, output, image_bytes: self.image_bytes }
    }
}
