//! Keeps a durable generation readable while newer ones are written.
//!
//! Nothing is copied and nothing goes to the disk: extents that newer generations free wait in the allocator until the
//! pin is dropped. A crash forgets the pin; maps on disk call those extents free, which they are then.

use std::rc::Rc;

use basalt_format::superblock::Superblock;

use crate::btree::{Tree, TreeShared};

/// A generation whose extents keep their bytes for as long as this lives.
pub(crate) struct TreePin {
    tree: Rc<TreeShared>,
    superblock: Superblock,
}

impl Tree {
    /// Pins the newest durable generation; `None` for a tree that has no file yet.
    pub(crate) fn pin(&self) -> Option<TreePin> {
        let tree = Rc::clone(&self.shared);
        let superblock = tree.progress.borrow().newest.clone()?;
        tree.state.borrow_mut().allocator.pin(superblock.generation);
        Some(TreePin { tree, superblock })
    }
}

impl TreePin {
    /// The root of everything that the pin keeps.
    pub(crate) fn superblock(&self) -> &Superblock {
        &self.superblock
    }
}

impl Drop for TreePin {
    fn drop(&mut self) {
        self.tree.state.borrow_mut().allocator.unpin(self.superblock.generation);
        self.tree.release_extents();
        if self.tree.removal_is_due.get() && !self.tree.state.borrow().allocator.is_pinned() {
            let tree = Rc::clone(&self.tree);
            let removing = self.tree.handle.spawn(async move {
                if let Err(error) = tree.file.remove().await {
                    tracing::warn!(%error, "a dropped partition's file stays until the next start");
                }
            });
            removing.detach();
        }
    }
}
