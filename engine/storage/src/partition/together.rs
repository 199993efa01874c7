//! Several partitions of one shard at once: one evaluation, one frame.
//!
//! A frame is all or nothing, and so is what commits with it: no reader and no crash sees a part of what was written
//! together, and it costs one sync.

use std::rc::Rc;

use super::{Commit, Partition, WriteBatch};
use crate::{
    btree::{Pins, Stop},
    error::StorageError,
    ids::EntryIndex,
    store::Shard,
    view::View,
    wal::EntryEffects,
};

/// What came of an evaluation.
enum Evaluated<T> {
    /// It came through, having read entries up to these, by partition.
    Whole { value: T, read_through: Vec<EntryIndex> },
    /// It stopped; at the view of the partition in this place, if a view did it.
    Stopped { stop: Stop, place: Option<usize> },
}

/// See [`crate::ShardStore::read_together`].
pub(crate) async fn read<T>(
    shard: &Rc<Shard>,
    partitions: &[Partition],
    mut read: impl FnMut(&[View<'_>]) -> Result<T, Stop>,
) -> Result<T, StorageError> {
    assert_different(partitions);
    let mut pins = Pins::default();
    loop {
        shard.advance_committed();
        match evaluate(partitions, |partition| partition.state.committed(), &mut read) {
            Evaluated::Whole { value, .. } => return Ok(value),
            Evaluated::Stopped { stop, place } => resume(shard, partitions, stop, place, &mut pins).await?,
        }
    }
}

/// See [`crate::ShardStore::write_together`].
pub(crate) async fn write<T>(
    shard: &Rc<Shard>,
    partitions: &[Partition],
    mut write: impl FnMut(&[View<'_>], &mut [WriteBatch]) -> Result<T, Stop>,
) -> Result<(T, Commit), StorageError> {
    assert_different(partitions);
    let first = partitions.first().expect("a write is one of something");
    let mut pins = Pins::default();
    let mut batches: Vec<WriteBatch> = partitions.iter().map(|_| WriteBatch::default()).collect();
    loop {
        let admission = shard.admit_write(first.id()).await?;
        if let Some(loading) = partitions.iter().find(|partition| partition.state.is_loading()) {
            loading.state.until_loaded().await;
            continue;
        }
        partitions.iter().zip(&mut batches).for_each(|(partition, batch)| partition.begin(batch));
        let evaluated =
            evaluate(partitions, |partition| partition.state.last_index(), &mut |views: &[View<'_>]| {
                write(views, &mut batches)
            });
        match evaluated {
            Evaluated::Whole { value, read_through } => {
                shard.check_admitted(admission, &batches)?;
                return Ok((value, log(shard, partitions, batches, &read_through)?));
            }
            Evaluated::Stopped { stop, place } => resume(shard, partitions, stop, place, &mut pins).await?,
        }
    }
}

/// Runs `run` on views of all partitions, each up to its horizon.
fn evaluate<T>(
    partitions: &[Partition],
    horizon: impl Fn(&Partition) -> EntryIndex,
    run: &mut impl FnMut(&[View<'_>]) -> Result<T, Stop>,
) -> Evaluated<T> {
    let closed = partitions.iter().find_map(|partition| partition.state.check_serving().err());
    if let Some(error) = closed {
        return Evaluated::Stopped { stop: error.into(), place: None };
    }
    let overlays: Vec<_> = partitions.iter().map(|partition| partition.state.overlay()).collect();
    let readers: Vec<_> = partitions.iter().map(|partition| partition.state.tree().reader()).collect();
    let views: Vec<View<'_>> = partitions
        .iter()
        .zip(overlays.iter().zip(&readers))
        .map(|(partition, (overlay, reader))| View::new(overlay, reader, horizon(partition)))
        .collect();
    match run(&views) {
        Ok(value) => Evaluated::Whole { value, read_through: views.iter().map(View::read_through).collect() },
        Err(stop) => Evaluated::Stopped { stop, place: views.iter().position(View::has_stopped) },
    }
}

/// Appends the entries of all batches that are not empty to one frame, and to the overlays, without waiting.
fn log(
    shard: &Rc<Shard>,
    partitions: &[Partition],
    batches: Vec<WriteBatch>,
    read_through: &[EntryIndex],
) -> Result<Commit, StorageError> {
    let filled = || partitions.iter().zip(&batches).filter(|(_, batch)| !batch.is_empty());
    let entries: Vec<EntryEffects<'_>> =
        filled().map(|(partition, batch)| partition.effects(batch)).collect();
    if entries.is_empty() {
        let read = partitions.iter().zip(read_through);
        let frame = read.filter_map(|(partition, &through)| partition.frame_of_read(through)).max();
        return Ok(Commit::of(shard, frame));
    }
    let ticket = shard.append_entries(&entries)?;
    for (partition, batch) in partitions.iter().zip(batches).filter(|(_, batch)| !batch.is_empty()) {
        partition.note_logged(batch, ticket);
    }
    // Frames become durable in order: what was read is durable when this one is.
    Ok(Commit::of(shard, Some(ticket)))
}

async fn resume(
    shard: &Rc<Shard>,
    partitions: &[Partition],
    stop: Stop,
    place: Option<usize>,
    pins: &mut Pins,
) -> Result<(), StorageError> {
    match (stop, place) {
        (stop @ Stop::Missing(_), Some(place)) => partitions[place].resume(stop, pins).await,
        (Stop::Missing(_), None) => panic!("a closure makes up no missing page"),
        (Stop::Failed(error), _) => Err(match damaged_by(partitions, &error) {
            Some(damaged) => shard.fence_if_corrupt(&damaged.state, error),
            None => error,
        }),
    }
}

/// The partition whose bytes an error says are damaged.
fn damaged_by<'a>(partitions: &'a [Partition], error: &StorageError) -> Option<&'a Partition> {
    let StorageError::Corrupt { partition, .. } = error else { return None };
    partitions.iter().find(|candidate| candidate.id() == *partition)
}

fn assert_different(partitions: &[Partition]) {
    let mut ids: Vec<_> = partitions.iter().map(Partition::id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), partitions.len(), "each partition takes part once");
}
