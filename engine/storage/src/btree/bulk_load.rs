//! Filling an empty tree from rows in key order.

use super::{Change, Tree};
use crate::{error::StorageError, ids::HybridTime};

/// Rows that are put in between two looks at the pool.
const BATCH_ROWS: usize = 256;

/// A row to load: key, value, and when it was last written.
pub(crate) type LoadedRow = (Vec<u8>, Vec<u8>, HybridTime);

impl Tree {
    /// Puts `rows`, in ascending key order, into an empty tree.
    ///
    /// Each row goes to the right edge, whose pages are in memory; pages that split there stay full. What the pool
    /// cannot hold is written on the way.
    ///
    /// # Panics
    /// If the tree has rows, or the keys do not ascend.
    #[cfg_attr(not(test), expect(dead_code, reason = "splits and offline compaction load trees in bulk"))]
    pub(crate) async fn bulk_load(
        &self,
        rows: impl IntoIterator<Item = LoadedRow>,
    ) -> Result<(), StorageError> {
        assert_eq!(self.row_count(), 0, "a tree is loaded when it is empty");
        let mut last_key: Vec<u8> = Vec::new();
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let batch: Vec<LoadedRow> = rows.by_ref().take(BATCH_ROWS).collect();
            for (key, _, _) in &batch {
                assert!(*key > last_key, "rows are loaded in key order");
                last_key.clone_from(key);
            }
            let changes: Vec<(&[u8], Change<'_>)> = batch
                .iter()
                .map(|(key, value, last_write)| {
                    (key.as_slice(), Change::Put { value, last_write: *last_write })
                })
                .collect();
            let brought_in = self.bring_in(&changes).await?;
            self.apply(&changes, brought_in);
            self.shared.handle.yield_if_due().await;
        }
        Ok(())
    }
}
