//! Copies a parent's rows into its children: all of them once, then again what was changed meanwhile.
//!
//! Reads the newest state, and sends what it read when that is durable. Each message is one entry of a child, and is
//! waited for, so that a key's rows arrive in their order.

use std::rc::Rc;

use basalt_format::DecodeError;
use basalt_runtime::join_all;
use basalt_storage::{Direction, KeyRange, Partition, PartitionId, Stop, View};

use super::destination::{COPIED_TAGS, Destination};
use crate::{catalog::Split, error::Error, shard::LocalEngine};

/// Bytes after which a portion ends, and the rest of its last row.
const PORTION_BYTES: usize = 256 << 10;
/// Rows of one portion.
const PORTION_ROWS: usize = 1024;
/// Behind every key.
const END: [u8; 1] = [0xff];

/// A key and the row that it has now; `None`: it has none.
type CopiedRow = (Vec<u8>, Option<Vec<u8>>);

/// Rows for either child.
#[derive(Debug, Default)]
struct Portion {
    rows: [Vec<CopiedRow>; 2],
    row_count: usize,
    bytes: usize,
}

impl Portion {
    fn add(&mut self, split: &Split, key: &[u8], value: Option<&[u8]>) -> Result<(), DecodeError> {
        let row = || (key.to_vec(), value.map(<[u8]>::to_vec));
        let [lower, upper] = &mut self.rows;
        match Destination::of(key)? {
            Destination::Hash(hash) if split.child_of(hash).id == split.children[0].id => lower.push(row()),
            Destination::Hash(_) => upper.push(row()),
            Destination::First => lower.push(row()),
            Destination::Both => {
                lower.push(row());
                upper.push(row());
            }
            Destination::None => return Ok(()),
        }
        self.row_count += 1;
        self.bytes += key.len() + value.map_or(0, <[u8]>::len);
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.bytes >= PORTION_BYTES || self.row_count >= PORTION_ROWS
    }
}

impl LocalEngine {
    /// Copies every row once; how many bytes they have.
    pub(super) async fn copy_rows(&self, split: &Split, parent: &Partition) -> Result<u64, Error> {
        let (mut passed, mut bytes) = (Vec::new(), 0);
        while passed != END {
            let reading = parent.write(|view, _nothing| read_portion(split, &passed, view));
            let (read, commit) = reading.await?;
            let (portion, last_key) = read?;
            passed = last_key;
            // Before anything is awaited: whatever is changed from now on is changed behind the copy.
            parent.note_through(passed.clone());
            commit.wait().await?;
            bytes += portion.bytes as u64;
            self.send(split, portion).await?;
        }
        Ok(bytes)
    }

    /// Copies rows that were changed behind the copy again: as many as are noted now.
    pub(super) async fn copy_noted(&self, split: &Split, parent: &Partition) -> Result<(), Error> {
        let mut left = parent.noted_count();
        while left > 0 {
            let keys = parent.noted_keys(left.min(PORTION_ROWS));
            let reading = parent.write(|view, _nothing| read_keys(split, &keys, view));
            let (read, commit) = reading.await?;
            let (portion, key_count) = read?;
            // Before anything is awaited: a change from now on is noted anew.
            parent.forget_noted(&keys[..key_count]);
            left = left.saturating_sub(key_count);
            commit.wait().await?;
            self.send(split, portion).await?;
        }
        Ok(())
    }

    async fn send(&self, split: &Split, portion: Portion) -> Result<(), Error> {
        let sending = split.children.iter().zip(portion.rows).filter(|(_, rows)| !rows.is_empty());
        let sending = sending.map(|(child, rows)| {
            let id = child.id;
            self.run_admitted_on(
                self.owner(child),
                move |owner| async move { owner.take_copied(id, rows).await },
            )
        });
        join_all(sending).await.into_iter().collect()
    }

    /// Takes copied rows into a child of this shard, durably.
    async fn take_copied(&self, child: PartitionId, rows: Vec<CopiedRow>) -> Result<(), Error> {
        let child = self.store().partition(child).ok_or(Error::TableDropped)?;
        let written = child.write(|_view, batch| {
            for (key, value) in &rows {
                match value {
                    Some(value) => batch.put(key, value.as_slice()),
                    None => batch.delete(key),
                }
            }
            Ok(())
        });
        let ((), commit) = written.await?;
        Ok(commit.wait().await?)
    }
}

/// Rows behind the key `passed`, and the key up to which they are all that is copied; [`END`] if that is the end.
fn read_portion(
    split: &Split,
    passed: &[u8],
    view: &View<'_>,
) -> Result<Result<(Portion, Vec<u8>), DecodeError>, Stop> {
    let mut portion = Portion::default();
    for (first, end) in COPIED_TAGS {
        let (first, end) = ([first], [end]);
        if passed >= &end[..] {
            continue;
        }
        let from = if passed > &first[..] { passed } else { &first[..] };
        let rest = KeyRange::half_open(from, &end).after(from, Direction::Forward);
        let mut cursor = view.cursor(rest, Direction::Forward);
        while let Some((key, row)) = cursor.next()? {
            if let Err(reason) = portion.add(split, key, Some(row.value)) {
                return Ok(Err(reason));
            }
            if portion.is_full() {
                return Ok(Ok((portion, key.to_vec())));
            }
        }
    }
    Ok(Ok((portion, END.to_vec())))
}

/// The rows of the first of these keys, and how many keys that are.
fn read_keys(
    split: &Split,
    keys: &[Rc<[u8]>],
    view: &View<'_>,
) -> Result<Result<(Portion, usize), DecodeError>, Stop> {
    let mut portion = Portion::default();
    for (count, key) in keys.iter().enumerate() {
        if portion.is_full() {
            return Ok(Ok((portion, count)));
        }
        let row = view.get(key)?;
        if let Err(reason) = portion.add(split, key, row.map(|row| row.value)) {
            return Ok(Err(reason));
        }
    }
    Ok(Ok((portion, keys.len())))
}
