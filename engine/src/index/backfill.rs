//! Brings the items that a table had before an index was made into the index, while writes go on.
//!
//! A base partition's backfill runs on its owner in steps. Each step is an ordinary entry that derives the rows of
//! the next items as they are at that entry, and notes in the same entry how far it came. So what a step brings in
//! and what later writes change reach the index in one order, through the outbox; an item that was written since the
//! index was made is put a second time, which changes nothing. A crash loses no step and repeats none.
//!
//! One order means that a write which waits for its indexes waits for the steps before it, too. Beside writers the
//! backfill therefore rests longer than it works: most of the time nothing of it is on the way.

use std::{collections::VecDeque, rc::Rc};

use basalt_format::{
    backfill::{BackfillKey, BackfillRow},
    key_encoding::{TAG_ITEM, prefix_end},
};
use basalt_model::ItemRef;
use basalt_runtime::MonotonicTime;
use basalt_storage::{
    Commit, Direction, EntryIndex, KeyRange, Partition, PartitionId, Stop, View, WriteBatch,
};

use super::IndexPlace;
use crate::{
    catalog::{GlobalIndex, Table},
    derive::{IndexChange, index_row},
    error::Error,
    outbox::{Outbox, Parcel},
    shard::LocalEngine,
};

/// Items of one step.
const STEP_ITEMS_MAX: usize = 256;
/// Bytes of items after which a step ends.
const STEP_BYTES_MAX: usize = 128 << 10;
/// Steps under way at once: more would only stand in the outbox before the writes of clients.
const STEPS_AHEAD: usize = 4;

/// Beside writers a backfill rests so much longer than it has worked.
const REST_FACTOR: u32 = 3;

/// What a step came to.
enum Step {
    /// There may be more items.
    Passed(Parcel),
    /// These were the last ones.
    Last(Parcel),
    /// There is nothing to bring in: it is done, or the index is not being filled any more.
    Nothing,
}

/// Steps that were taken and that the index does not have yet.
struct UnderWay {
    outbox: Rc<Outbox>,
    steps: VecDeque<(EntryIndex, Commit)>,
    /// The newest step's entry.
    newest: Option<EntryIndex>,
    /// Since when it was not known that anybody else writes.
    began: MonotonicTime,
    /// Whether somebody else has written since then.
    is_beside_writers: bool,
}

impl UnderWay {
    fn new(outbox: &Rc<Outbox>, now: MonotonicTime) -> Self {
        Self {
            outbox: Rc::clone(outbox),
            steps: VecDeque::new(),
            newest: None,
            began: now,
            is_beside_writers: false,
        }
    }

    fn push(&mut self, entry_index: EntryIndex, commit: Commit) {
        // The indexes of entries have no gap: what is between two steps was written by others.
        self.is_beside_writers |= self.newest.is_some_and(|newest| entry_index != newest.next());
        self.newest = Some(entry_index);
        self.steps.push_back((entry_index, commit));
    }

    async fn wait_for_oldest(&mut self) -> Result<(), Error> {
        let Some((entry_index, commit)) = self.steps.pop_front() else { return Ok(()) };
        commit.wait().await?;
        self.outbox.wait_delivered_through(entry_index).await;
        Ok(())
    }

    async fn wait_for_all(&mut self) -> Result<(), Error> {
        while !self.steps.is_empty() {
            self.wait_for_oldest().await?;
        }
        Ok(())
    }

    fn begin_again(&mut self, now: MonotonicTime) {
        self.began = now;
        self.is_beside_writers = false;
    }
}

impl LocalEngine {
    /// Brings a base partition of this shard into the index, and answers when the index has all of it durably; or at
    /// once if the index is not being filled any more.
    pub(super) async fn backfill(&self, place: &IndexPlace, partition: PartitionId) -> Result<(), Error> {
        let Some((table, _)) = self.find_creating_index(place) else { return Ok(()) };
        // A partition that was never written to is not open, and has nothing to bring in.
        let Some(partition) = self.store().partition(partition) else { return Ok(()) };
        let outbox = self.outbox(&table, &partition);
        let mut under_way = UnderWay::new(&outbox, self.handle().now());
        while let Some((entry_index, commit)) = self.backfill_step(place, &table, &partition).await? {
            under_way.push(entry_index, commit);
            if under_way.steps.len() < STEPS_AHEAD {
                continue;
            }
            if under_way.is_beside_writers {
                under_way.wait_for_all().await?;
                let worked = self.handle().now() - under_way.began;
                self.handle().sleep(worked * REST_FACTOR).await;
            } else {
                under_way.wait_for_oldest().await?;
            }
            under_way.begin_again(self.handle().now());
        }
        outbox.wait_delivered().await;
        Ok(())
    }

    /// Forgets how far a base partition of this shard was brought into the index.
    pub(super) async fn forget_backfill(
        &self,
        place: &IndexPlace,
        partition: PartitionId,
    ) -> Result<(), Error> {
        let Some(partition) = self.store().partition(partition) else { return Ok(()) };
        let cursor = BackfillKey(place.index_number).encode();
        let forgotten = partition.write(|view, batch| {
            if view.get(&cursor)?.is_some() {
                batch.delete(&cursor);
            }
            Ok(())
        });
        let ((), commit) = forgotten.await?;
        Ok(commit.wait().await?)
    }

    /// Takes one step; `None` if there is no other step to take.
    async fn backfill_step(
        &self,
        place: &IndexPlace,
        table: &Table,
        partition: &Partition,
    ) -> Result<Option<(EntryIndex, Commit)>, Error> {
        self.outbox_room(partition.id()).await?;
        let evaluated = partition.write(|view, batch| self.evaluate_step(place, partition.id(), view, batch));
        let (step, commit) = evaluated.await?;
        let (parcel, is_last) = match step? {
            Step::Passed(parcel) => (parcel, false),
            Step::Last(parcel) => (parcel, true),
            Step::Nothing => return Ok(None),
        };
        let entry_index = parcel.entry_index();
        // Its turn is in the outbox; nobody is told of a single step.
        let _in_turn = self.post(table, partition, parcel, &commit);
        Ok((!is_last).then_some((entry_index, commit)))
    }

    fn evaluate_step(
        &self,
        place: &IndexPlace,
        partition: PartitionId,
        view: &View<'_>,
        batch: &mut WriteBatch,
    ) -> Result<Result<Step, Error>, Stop> {
        // By the catalog as it is now: the index may be gone.
        let Some((_, index)) = self.find_creating_index(place) else { return Ok(Ok(Step::Nothing)) };
        let cursor = BackfillKey(index.number).encode();
        let passed = match view.get(&cursor)?.map(|row| BackfillRow::decode(row.value)) {
            None => Vec::new(),
            Some(Ok(BackfillRow::Passed(item_key))) => item_key,
            Some(Ok(BackfillRow::Done)) => return Ok(Ok(Step::Nothing)),
            Some(Err(reason)) => return Ok(Err(reason.into())),
        };
        let portion = match read_portion(view, &index, &passed)? {
            Ok(portion) => portion,
            Err(error) => return Ok(Err(error)),
        };
        let came_to = if portion.is_last { BackfillRow::Done } else { BackfillRow::Passed(portion.last_key) };
        batch.put(&cursor, came_to.encode());
        let parcel = self.pack(partition, portion.changes, batch);
        Ok(Ok(if portion.is_last { Step::Last(parcel) } else { Step::Passed(parcel) }))
    }
}

/// The items of one step, derived.
#[derive(Default)]
pub(super) struct Portion {
    pub(super) changes: Vec<IndexChange>,
    /// The key of the last item; empty if there was none.
    pub(super) last_key: Vec<u8>,
    pub(super) is_last: bool,
}

/// Derives the index's rows of the items behind the key `passed`; an empty one is before all items.
pub(super) fn read_portion(
    view: &View<'_>,
    index: &GlobalIndex,
    passed: &[u8],
) -> Result<Result<Portion, Error>, Stop> {
    let (first, end) = ([TAG_ITEM], prefix_end(vec![TAG_ITEM]));
    let items = KeyRange::half_open(&first, &end);
    let rest = if passed.is_empty() { items } else { items.after(passed, Direction::Forward) };
    let mut cursor = view.cursor(rest, Direction::Forward);
    let mut portion = Portion::default();
    let mut bytes = 0;
    for _ in 0..STEP_ITEMS_MAX {
        let Some((key, row)) = cursor.next()? else {
            portion.is_last = true;
            break;
        };
        let derived = ItemRef::new(row.value).map_err(Error::from);
        match derived.and_then(|item| Ok(index_row(index, item)?)) {
            Ok(change) => portion.changes.extend(change),
            Err(error) => return Ok(Err(error)),
        }
        portion.last_key = key.to_vec();
        bytes += row.value.len();
        if bytes >= STEP_BYTES_MAX {
            break;
        }
    }
    Ok(Ok(portion))
}
