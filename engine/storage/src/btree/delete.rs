//! Deleting a row, and merging the page that has become sparse.

use super::Editor;

impl Editor<'_> {
    /// Removes `key`. Its path must be in memory, and so should its leaf's siblings if the leaf becomes sparse.
    pub(crate) fn delete(&mut self, key: &[u8]) {
        if !self.has(key) {
            return;
        }
        let leaf = self.open_page(key, 0).expect("the key was just seen");
        let slot = self.view(leaf).search(key).expect("the key was just seen");
        self.forget_row(leaf, slot, key);
        self.page_mut(leaf).remove(slot);
        if self.tree.counts.row_count == 0 {
            self.drop_without_rows();
        } else if self.walk().is_sparse(self.view(leaf)) {
            self.merge_around(key, 0);
        }
    }

    /// An absent key must not dirty a path.
    fn has(&self, key: &[u8]) -> bool {
        let leaf = self.walk().page_of(key, 0).expect("a change touches only pages that were collected");
        leaf.is_some_and(|leaf| self.view(leaf).search(key).is_ok())
    }
}
