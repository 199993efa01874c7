//! What a base partition has not delivered yet, in the order of its entries; and which of its rows may go.
//!
//! Invariants: entries stand in ascending order; an entry leaves when every index has it; its rows are removable from
//! then on, and not before.

use std::{cell::RefCell, collections::VecDeque, sync::Arc, time::Duration};

use basalt_format::outbox::OutboxKey;
use basalt_runtime::{
    UnixTime,
    local::{Event, Sender, oneshot},
};
use basalt_storage::{Commit, EntryIndex, HybridTime, WriteBatch};

use super::{Delivered, IndexLag, Parcel, round::Round};
use crate::{derive::IndexChange, error::Error, options::IndexAcknowledgement};

/// Bytes that a partition may have undelivered before its writers wait. Each write that is already being evaluated
/// may add its entry to them.
const UNDELIVERED_BYTES_MAX: u64 = 4 << 20;
/// Bytes that one round carries; one larger entry makes a round of its own.
const ROUND_BYTES_MAX: u64 = 1 << 20;
/// Finished rows whose removal one entry takes along.
const REMOVALS_AN_ENTRY: usize = 256;

/// A base partition's outbox in memory. Shared by its writers and its sender, on one shard.
pub(crate) struct Outbox {
    queue: RefCell<Queue>,
    /// There is something to send or to remove, or the outbox was closed.
    posted: Event,
    /// Something was received or removed, or has failed, or the outbox was closed.
    progress: Event,
}

#[derive(Default)]
struct Queue {
    undelivered: VecDeque<Undelivered>,
    undelivered_bytes: u64,
    /// The newest entry that was posted, or that an earlier life may have left.
    last_posted: EntryIndex,
    /// Rows of an earlier life have all been taken up.
    stored_rows_are_read: bool,
    /// Rows of delivered entries, in order.
    removable: VecDeque<OutboxKey>,
    /// Rows up to this entry are to go at once: somebody waits for that.
    removal_wanted_through: EntryIndex,
    /// Why an index cannot receive for now.
    failure: Option<Error>,
    /// What everybody is told who posts after the end.
    closed: Option<Result<(), Error>>,
}

/// An entry whose changes are under way.
pub(super) struct Undelivered {
    pub(super) entry_index: EntryIndex,
    pub(super) changes: Vec<Arc<IndexChange>>,
    pub(super) row_count: u32,
    pub(super) written: HybridTime,
    /// `None` of an entry that a start found: it is committed.
    commit: Option<Commit>,
    told: Option<Sender<Result<(), Error>>>,
}

impl Undelivered {
    /// An entry of an earlier life, as a start found its rows.
    pub(super) fn stored(entry_index: EntryIndex, written: HybridTime) -> Self {
        Self { entry_index, changes: Vec::new(), row_count: 0, written, commit: None, told: None }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.changes.iter().map(|change| change.bytes()).sum()
    }

    fn rows(&self) -> impl Iterator<Item = OutboxKey> + use<> {
        let entry_index = self.entry_index.get();
        (0..self.row_count).map(move |part| OutboxKey { entry_index, part })
    }
}

/// What the sender is to do next.
pub(super) enum Task {
    /// Wait for this entry, then send a round.
    Send(Option<Commit>),
    /// Remove finished rows, at once.
    Remove,
    /// Remove finished rows unless an entry takes them along first.
    RemoveWhenIdle,
    /// Wait for a post.
    Rest,
    /// End.
    End,
}

impl Outbox {
    /// An outbox in which an earlier life may have left entries up to `stored_through`.
    pub(super) fn new(stored_through: EntryIndex) -> Self {
        let queue = Queue { last_posted: stored_through, ..Queue::default() };
        Self { queue: RefCell::new(queue), posted: Event::new(), progress: Event::new() }
    }

    /// Takes up what an entry was packed with.
    pub(super) fn post(
        &self,
        parcel: Parcel,
        commit: &Commit,
        acknowledgement: IndexAcknowledgement,
    ) -> Delivered {
        self.removed(parcel.removed_count);
        let mut queue = self.queue.borrow_mut();
        if parcel.changes.is_empty() {
            return Delivered::already(Ok(()));
        }
        if let Some(outcome) = &queue.closed {
            return Delivered::already(outcome.clone());
        }
        let (told, delivered) = match (acknowledgement, &queue.failure) {
            (IndexAcknowledgement::Asynchronous, _) => (None, Delivered::already(Ok(()))),
            (IndexAcknowledgement::Visible, Some(error)) => (None, Delivered::already(Err(error.clone()))),
            (IndexAcknowledgement::Visible, None) => {
                let (sender, receiver) = oneshot();
                (Some(sender), Delivered::told_by(receiver))
            }
        };
        queue.push(Undelivered {
            entry_index: parcel.entry_index,
            changes: parcel.changes.into_iter().map(Arc::new).collect(),
            row_count: parcel.row_count,
            written: parcel.written,
            commit: Some(commit.clone()),
            told,
        });
        drop(queue);
        self.posted.notify_all();
        delivered
    }

    /// Waits for room for another entry.
    pub(super) async fn room(&self) -> Result<(), Error> {
        loop {
            {
                let queue = self.queue.borrow();
                if queue.closed.is_some() || queue.undelivered_bytes < UNDELIVERED_BYTES_MAX {
                    return Ok(());
                }
                if let Some(error) = &queue.failure {
                    return Err(error.clone());
                }
            }
            self.progress.notified().await;
        }
    }

    /// Waits until every index has the entries up to this one, and what an earlier life left.
    pub(crate) async fn wait_delivered_through(&self, entry_index: EntryIndex) {
        self.progress.wait_until(|| self.queue.borrow().is_delivered(entry_index)).await;
    }

    /// As [`Outbox::wait_delivered_through`], of everything posted up to now.
    pub(crate) async fn wait_delivered(&self) {
        let last = self.queue.borrow().last_posted;
        self.wait_delivered_through(last).await;
    }

    /// As [`Outbox::wait_delivered`], but for a sender that fails: nobody knows how long it will.
    pub(super) async fn try_wait_delivered(&self) -> Result<(), Error> {
        let last = self.queue.borrow().last_posted;
        let is_decided = || {
            let queue = self.queue.borrow();
            queue.is_delivered(last) || queue.failure.is_some()
        };
        self.progress.wait_until(is_decided).await;
        let queue = self.queue.borrow();
        if queue.is_delivered(last) { Ok(()) } else { Err(queue.failure.clone().unwrap_or(Error::Closed)) }
    }

    /// Waits until everything posted up to now is received and its rows are removed.
    pub(crate) async fn wait_removed(&self) {
        self.wait_delivered().await;
        let last = {
            let mut queue = self.queue.borrow_mut();
            queue.removal_wanted_through = queue.last_posted;
            queue.last_posted
        };
        self.posted.notify_all();
        self.progress.wait_until(|| self.queue.borrow().is_removed(last)).await;
    }

    /// Adds removals of finished rows to an entry; how many. [`Outbox::post`] is to be told of them.
    pub(super) fn ride_along(&self, batch: &mut WriteBatch) -> usize {
        let queue = self.queue.borrow();
        let riding = queue.removable.iter().take(REMOVALS_AN_ENTRY);
        riding.map(|row| batch.delete(&row.encode())).count()
    }

    /// Takes note that an entry has removed so many finished rows.
    pub(super) fn removed(&self, count: usize) {
        let mut queue = self.queue.borrow_mut();
        // A closed outbox has forgotten them.
        let count = count.min(queue.removable.len());
        queue.removable.drain(..count);
        drop(queue);
        self.progress.notify_all();
    }

    /// How far the indexes are behind.
    pub(super) fn lag(&self, now: UnixTime) -> IndexLag {
        let queue = self.queue.borrow();
        let age = |entry: &Undelivered| now.as_micros().saturating_sub(entry.written.get());
        IndexLag {
            entry_count: queue.undelivered.len() as u64,
            bytes: queue.undelivered_bytes,
            oldest_age: Duration::from_micros(queue.undelivered.front().map_or(0, age)),
        }
    }

    /// Ends the outbox: whoever waits gets `outcome`, the sender ends.
    pub(super) fn close(&self, outcome: Result<(), Error>) {
        let mut queue = self.queue.borrow_mut();
        queue.tell_all(&outcome);
        queue.closed = Some(outcome);
        queue.undelivered.clear();
        queue.undelivered_bytes = 0;
        queue.removable.clear();
        drop(queue);
        self.posted.notify_all();
        self.progress.notify_all();
    }

    // The sender's side.

    pub(super) fn next_task(&self) -> Task {
        let queue = self.queue.borrow();
        match queue.undelivered.front() {
            _ if queue.closed.is_some() => Task::End,
            Some(first) => Task::Send(first.commit.clone()),
            None if queue.removable.is_empty() => Task::Rest,
            None if queue.is_removed(queue.removal_wanted_through) => Task::RemoveWhenIdle,
            None => Task::Remove,
        }
    }

    pub(super) fn posted(&self) -> &Event {
        &self.posted
    }

    pub(super) fn is_closed(&self) -> bool {
        self.queue.borrow().closed.is_some()
    }

    /// Puts entries of an earlier life, which stand in order, before those that were posted since.
    pub(super) fn restore(&self, entries: Vec<Undelivered>) {
        let mut queue = self.queue.borrow_mut();
        for entry in entries.into_iter().rev() {
            queue.undelivered_bytes += entry.bytes();
            queue.undelivered.push_front(entry);
        }
    }

    /// Every row of an earlier life has been taken up and received.
    pub(super) fn stored_rows_are_read(&self) {
        self.queue.borrow_mut().stored_rows_are_read = true;
        self.progress.notify_all();
    }

    /// The first entry that is not delivered.
    pub(super) fn first(&self) -> Option<EntryIndex> {
        self.queue.borrow().undelivered.front().map(|first| first.entry_index)
    }

    /// Whether an index could not receive when that was last tried.
    pub(super) fn is_failing(&self) -> bool {
        self.queue.borrow().failure.is_some()
    }

    /// The first entries up to `through`, as many as one round carries. They stay until they are received.
    pub(super) fn round(&self, through: EntryIndex) -> Round {
        let queue = self.queue.borrow();
        let mut round = Round::default();
        let mut bytes = 0;
        for entry in &queue.undelivered {
            bytes += entry.bytes();
            let fits = round.is_empty() || bytes <= ROUND_BYTES_MAX;
            if entry.entry_index > through || !fits {
                break;
            }
            round.add(entry);
        }
        round
    }

    /// Every index has the entries up to `through` durably: their writers are told, their rows may go.
    pub(super) fn received(&self, through: EntryIndex) {
        let mut queue = self.queue.borrow_mut();
        queue.failure = None;
        while let Some(entry) = queue.undelivered.pop_front_if(|first| first.entry_index <= through) {
            queue.undelivered_bytes -= entry.bytes();
            queue.removable.extend(entry.rows());
            if let Some(told) = entry.told {
                // Nobody may be waiting any more.
                let _unheard = told.send(Ok(()));
            }
        }
        drop(queue);
        self.progress.notify_all();
    }

    /// An index cannot receive for now: whoever waits is told so, and the sender tries again.
    pub(super) fn failed(&self, error: Error) {
        let mut queue = self.queue.borrow_mut();
        queue.tell_all(&Err(error.clone()));
        queue.failure = Some(error);
        drop(queue);
        self.progress.notify_all();
    }
}

impl Queue {
    fn push(&mut self, entry: Undelivered) {
        assert!(entry.entry_index > self.last_posted, "entries are posted in their order");
        self.last_posted = entry.entry_index;
        self.undelivered_bytes += entry.bytes();
        self.undelivered.push_back(entry);
    }

    fn is_delivered(&self, through: EntryIndex) -> bool {
        let first = self.undelivered.front().map(|first| first.entry_index);
        self.closed.is_some() || self.stored_rows_are_read && first.is_none_or(|first| first > through)
    }

    fn is_removed(&self, through: EntryIndex) -> bool {
        let first = self.removable.front().map(|row| row.entry_index);
        self.closed.is_some() || first.is_none_or(|first| first > through.get())
    }

    fn tell_all(&mut self, outcome: &Result<(), Error>) {
        for entry in &mut self.undelivered {
            if let Some(told) = entry.told.take() {
                // Nobody may be waiting any more.
                let _unheard = told.send(outcome.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future as _,
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    #[test]
    fn who_waits_for_an_index_that_cannot_receive_is_told_so() {
        let outbox = Outbox::new(EntryIndex::new(1));
        let mut waiting = pin!(outbox.try_wait_delivered());
        let context = &mut Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(context).is_pending(), "an earlier life may have left something");
        outbox.failed(Error::DiskFull);
        assert!(matches!(waiting.as_mut().poll(context), Poll::Ready(Err(Error::DiskFull))));
    }
}
