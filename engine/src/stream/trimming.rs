//! Removes records that are too old, in steps of bounded size.

use std::{iter, time::Duration};

use basalt_format::{
    DecodeError,
    key_encoding::{TAG_STREAM, TAG_TOKEN},
    stream_record::{HORIZON_ENTRY_INDEX, StreamKey, encode_horizon, stream_range},
};
use basalt_runtime::UnixTime;
use basalt_storage::{Direction, HybridTime, KeyRange, Stop, View, WriteBatch};

/// Records can be read for a day.
pub(crate) const RETENTION: Duration = Duration::from_hours(24);
/// Rows that one entry removes: a shard's other work waits for no more than these.
const ROWS_PER_ENTRY_MAX: usize = 512;

/// How far a step came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trimmed {
    /// There is more to remove.
    Some,
    /// Nothing is left that is to be removed.
    All,
}

/// Removes records that are older than [`RETENTION`], from the oldest on, and notes how far it came.
pub(crate) fn trim_records(
    stream_number: u32,
    now: UnixTime,
    view: &View<'_>,
    batch: &mut WriteBatch,
) -> Result<Result<Trimmed, DecodeError>, Stop> {
    let kept_since = now.as_micros().saturating_sub(retention_us());
    let is_old = |written: HybridTime| written.get() < kept_since || planted_trim_past_the_horizon();
    let rows = match old_rows(stream_number, is_old, view)? {
        Ok(rows) => rows,
        Err(reason) => return Ok(Err(reason)),
    };
    let Some(last) = rows.last() else { return Ok(Ok(Trimmed::All)) };
    rows.iter().for_each(|key| batch.delete(&key.encode()));
    batch.put(&StreamKey::horizon(stream_number).encode(), encode_horizon(last.position.next()));
    Ok(Ok(if rows.len() < ROWS_PER_ENTRY_MAX { Trimmed::All } else { Trimmed::Some }))
}

/// Removes whatever there is of a stream that nobody can read any more, its horizon too.
pub(crate) fn remove_records(
    stream_number: u32,
    view: &View<'_>,
    batch: &mut WriteBatch,
) -> Result<Trimmed, Stop> {
    let (start, end) = stream_range(stream_number);
    let mut cursor = view.cursor(KeyRange::half_open(&start, &end), Direction::Forward);
    for _ in 0..ROWS_PER_ENTRY_MAX {
        let Some((key, _row)) = cursor.next()? else { return Ok(Trimmed::All) };
        batch.delete(key);
    }
    Ok(Trimmed::Some)
}

/// What a closed partition is kept for, by its tags in their order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept(&'static [u8]);

impl Kept {
    /// Of a partition that was split: its children have everything else.
    pub(crate) const OF_A_SPLIT: Self = Self(&[TAG_STREAM]);
    /// Of a deleted table's partition.
    pub(crate) const OF_A_DELETED_TABLE: Self = Self(&[TAG_STREAM, TAG_TOKEN]);

    /// The ranges of all other tags.
    fn gaps(self) -> impl Iterator<Item = ([u8; 1], [u8; 1])> {
        let starts = iter::once(0).chain(self.0.iter().map(|tag| tag + 1));
        let ends = self.0.iter().copied().chain([u8::MAX]);
        starts.zip(ends).map(|(first, end)| ([first], [end]))
    }
}

/// Removes all other rows from a partition that takes no writes any more.
pub(crate) fn remove_all_but(kept: Kept, view: &View<'_>, batch: &mut WriteBatch) -> Result<Trimmed, Stop> {
    let mut count = 0;
    for (first, end) in kept.gaps() {
        let mut cursor = view.cursor(KeyRange::half_open(&first, &end), Direction::Forward);
        while let Some((key, _row)) = cursor.next()? {
            batch.delete(key);
            count += 1;
            if count == ROWS_PER_ENTRY_MAX {
                return Ok(Trimmed::Some);
            }
        }
    }
    Ok(Trimmed::All)
}

/// The keys of the oldest rows that are to go: whole records, at most [`ROWS_PER_ENTRY_MAX`] rows and those that the
/// last record still has.
fn old_rows(
    stream_number: u32,
    is_old: impl Fn(HybridTime) -> bool,
    view: &View<'_>,
) -> Result<Result<Vec<StreamKey>, DecodeError>, Stop> {
    let (start, end) = stream_range(stream_number);
    let mut cursor = view.cursor(KeyRange::half_open(&start, &end), Direction::Forward);
    let mut rows: Vec<StreamKey> = Vec::new();
    while let Some((key, row)) = cursor.next()? {
        let key = match StreamKey::decode(key) {
            Ok(key) if key.position.entry_index == HORIZON_ENTRY_INDEX => continue,
            Ok(key) => key,
            Err(reason) => return Ok(Err(reason)),
        };
        let begins_a_record = rows.last().is_none_or(|last| last.position != key.position);
        if !is_old(row.last_write) || begins_a_record && rows.len() >= ROWS_PER_ENTRY_MAX {
            break;
        }
        rows.push(key);
    }
    Ok(Ok(rows))
}

fn retention_us() -> u64 {
    u64::try_from(RETENTION.as_micros()).expect("a day is short")
}

fn planted_trim_past_the_horizon() -> bool {
    basalt_runtime::planted!(TrimFreshStreamRecords)
}
