//! Merging sorted runs of rows: each is the leaves of a tree that is not to be published.

use std::{cmp::Reverse, vec};

use basalt_format::{
    extent::Pointer,
    page::{LeafValue, PageView},
};
use basalt_runtime::AlignedBuffer;

use super::{LoadWriter, TreeLoad, entries::row_of};
use crate::{
    error::{CorruptReason, StorageError},
    page::{PageName, Row},
};

/// Sorted runs of one load, in the order in which they were begun; of equal keys the later one's row counts.
#[derive(Default)]
pub(crate) struct LoadedRuns {
    runs: Vec<TreeLoad>,
}

/// One run, being read from its first row on.
struct RunReader {
    leaves: vec::IntoIter<Pointer>,
    leaf: AlignedBuffer,
    slot: usize,
    key: Vec<u8>,
}

impl LoadedRuns {
    /// The run that rows from `first_key` on are to be put into, in key order: the last one, if they follow its rows.
    pub(crate) fn run_for(&mut self, first_key: &[u8]) -> &mut TreeLoad {
        if self.runs.last().is_none_or(|run| run.last_key() >= first_key) {
            self.runs.push(TreeLoad::default());
        }
        self.runs.last_mut().expect("one was just pushed")
    }

    /// Whether rows from `first_key` on follow all that there are.
    pub(crate) fn are_followed_by(&self, first_key: &[u8]) -> bool {
        match &*self.runs {
            [] => true,
            [run] => run.last_key() < first_key,
            _ => false,
        }
    }

    /// One tree of all rows; the runs' pages are given back.
    pub(crate) async fn merge(mut self, writer: &mut LoadWriter) -> Result<TreeLoad, StorageError> {
        if self.runs.len() <= 1 {
            return Ok(self.runs.pop().unwrap_or_default());
        }
        for run in &mut self.runs {
            run.finish(writer).await?;
        }
        let mut merged = TreeLoad::default();
        self.merge_into(&mut merged, writer).await?;
        writer.finish().await?;
        self.runs.iter().for_each(|run| run.discard_pages(writer));
        Ok(merged)
    }

    async fn merge_into(&self, merged: &mut TreeLoad, writer: &mut LoadWriter) -> Result<(), StorageError> {
        let mut readers = Vec::new();
        for run in &self.runs {
            readers.extend(RunReader::start(run, writer).await?);
        }
        // The one with the least key last.
        let mut order: Vec<usize> = (0..readers.len()).collect();
        order.sort_by_key(|&run| Reverse(place(&readers, run)));
        while let Some(run) = order.pop() {
            let reader = &mut readers[run];
            if reader.key == merged.last_key() {
                reader.forget_row(writer);
            } else {
                let (row, value_bytes) = reader.row();
                merged.put_row(writer, &reader.key, row, value_bytes).await?;
            }
            if reader.advance(writer).await? {
                let next = place(&readers, run);
                let at = order.partition_point(|&other| place(&readers, other) > next);
                order.insert(at, run);
            }
        }
        Ok(())
    }
}

/// The order in which rows are taken: by key, of equal ones the latest run's first.
fn place(readers: &[RunReader], run: usize) -> (&[u8], Reverse<usize>) {
    (&readers[run].key, Reverse(run))
}

impl RunReader {
    /// Stands on the run's first row; `None` if there is none.
    async fn start(run: &TreeLoad, writer: &LoadWriter) -> Result<Option<Self>, StorageError> {
        let leaves = run.leaves().to_vec().into_iter();
        let mut reader = Self { leaves, leaf: AlignedBuffer::zeroed(0), slot: 0, key: Vec::new() };
        Ok(reader.next_leaf(writer).await?.then_some(reader))
    }

    /// Goes on to the next row; `false` at the end.
    async fn advance(&mut self, writer: &LoadWriter) -> Result<bool, StorageError> {
        self.slot += 1;
        if self.slot < self.view().slot_count() {
            self.stand();
            return Ok(true);
        }
        self.next_leaf(writer).await
    }

    async fn next_leaf(&mut self, writer: &LoadWriter) -> Result<bool, StorageError> {
        let Some(pointer) = self.leaves.next() else { return Ok(false) };
        let file = &writer.tree().file;
        let mut stored = file.read(&pointer).await?;
        let page = PageView::parse(&stored);
        let page = page.map_err(|error| file.corrupt(&pointer, CorruptReason::Format(error)))?;
        // Padding is no part of a page whose offsets count from its end.
        let content_bytes = page.bytes().len();
        stored.truncate(content_bytes);
        (self.leaf, self.slot) = (stored, 0);
        self.stand();
        Ok(true)
    }

    fn stand(&mut self) {
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        self.view().copy_key(self.slot, &mut key);
        self.key = key;
    }

    fn view(&self) -> PageView<'_> {
        PageView::of_built(&self.leaf)
    }

    /// The row, and the length of its value.
    fn row(&self) -> (Row<'_>, usize) {
        let view = self.view();
        let value_bytes = match view.leaf_cell(self.slot).value {
            LeafValue::Inline(value) => value.len(),
            LeafValue::Overflow { value_bytes, .. } => value_bytes as usize,
        };
        (row_of(view.cell(self.slot), view.suffix(self.slot).len()), value_bytes)
    }

    /// A later run has the row anew: its value, if that has an extent, is given back.
    fn forget_row(&self, writer: &LoadWriter) {
        if let LeafValue::Overflow { pointer, .. } = self.view().leaf_cell(self.slot).value
            && let PageName::Disk(pointer) = PageName::decode(pointer)
        {
            writer.discard(&pointer);
        }
    }
}
