//! Making pages and values dirty that lie too high in the file, so that the next checkpoint writes them lower.

use std::rc::Rc;

use basalt_format::extent::{ExtentKind, Pointer};

use super::{
    Editor, Stop, TreeShared,
    edit::name_in,
    reader::Walk,
    request::{Expected, Wanted},
};
use crate::{
    cache::{BufferRef, Pins},
    error::StorageError,
    page::PageName,
};

/// What lies too high.
enum High {
    /// The page at this level that holds the key.
    Page { key: Vec<u8>, level: u8 },
    /// The value of the row with this key.
    Value { key: Vec<u8> },
    /// Nothing before this key.
    NothingBefore(Vec<u8>),
    /// Nothing any more.
    Nothing,
}

impl TreeShared {
    /// Moves up to `count_max` pages and values that do not end below `limit` into the live generation; returns how
    /// many it were.
    pub(crate) async fn relocate(
        self: &Rc<Self>,
        limit: u64,
        count_max: usize,
    ) -> Result<usize, StorageError> {
        let mut from = Vec::new();
        let mut pins = Pins::default();
        let mut count = 0;
        while count < count_max {
            let high = self.reader().walk().next_high(&from, limit);
            match high {
                Err(Stop::Missing(request)) => {
                    pins.extend(self.fetch(&request).await?);
                    continue;
                }
                Err(Stop::Failed(error)) => return Err(error),
                Ok(High::Nothing) => break,
                Ok(High::NothingBefore(key)) => from = key,
                Ok(High::Page { key, level }) => {
                    self.edit(|editor| editor.open_page(&key, level));
                    count += 1;
                }
                Ok(High::Value { key }) => {
                    self.edit(|editor| editor.move_value(&key));
                    count += 1;
                }
            }
            pins = Pins::default();
            self.pool.make_room(self.identity.page_bytes.into()).await?;
        }
        Ok(count)
    }

    fn edit<T>(&self, change: impl FnOnce(&mut Editor<'_>) -> T) -> T {
        let pool = &mut *self.pool.borrow_mut();
        let tree = &mut *self.state.borrow_mut();
        change(&mut Editor::new(pool, tree))
    }
}

impl Editor<'_> {
    /// Copies the value of a row, which is in memory, into the live generation.
    fn move_value(&mut self, key: &[u8]) {
        let leaf = self.open_page(key, 0).expect("the row was just seen");
        let slot = self.view(leaf).search(key).expect("the row was just seen");
        let old = name_in(self.view(leaf), slot).expect("the row was seen to have a value of its own");
        let value: Box<[u8]> = self.pool.get(self.resident(old)).content().into();
        let new = self.add_value(&value);
        self.page_mut(leaf).set_overflow(slot, new);
        self.release(old);
    }
}

impl Walk<'_> {
    /// The first page or value, of those that lead to keys from `from` on, that does not end below `limit`. What it
    /// takes to move it is in memory.
    fn next_high(&self, from: &[u8], limit: u64) -> Result<High, Stop> {
        let Some(mut page) = self.root()? else { return Ok(High::Nothing) };
        let root = self.tree.root.expect("a tree with a root page has a root");
        if self.is_high(root, limit) {
            return Ok(High::Page { key: from.to_vec(), level: self.view(page).level() });
        }
        while self.view(page).level() > 1 {
            let slot = self.view(page).child_slot(from);
            let name = PageName::decode(self.view(page).child(slot));
            page = self.child(page, slot)?;
            if self.is_high(name, limit) {
                return Ok(High::Page { key: from.to_vec(), level: self.view(page).level() });
            }
        }
        let high = match self.view(page).level() {
            0 => self.high_value(page, limit)?,
            _ => self.high_child(page, from, limit)?,
        };
        let next = self.view(page).upper_fence().map(<[u8]>::to_vec);
        Ok(high.unwrap_or_else(|| next.map_or(High::Nothing, High::NothingBefore)))
    }

    /// The first leaf below `parent`, or value of one, that lies too high.
    fn high_child(&self, parent: BufferRef, from: &[u8], limit: u64) -> Result<Option<High>, Stop> {
        let view = self.view(parent);
        for slot in view.child_slot(from)..view.slot_count() {
            let name = self.tree.resolve(PageName::decode(view.child(slot)));
            if self.is_high(name, limit) {
                self.child(parent, slot)?;
                let mut key = Vec::new();
                view.copy_child_lower_fence(slot, &mut key);
                return Ok(Some(High::Page { key, level: 0 }));
            }
            // A leaf without values of its own need not be looked into.
            if !matches!(name, PageName::Disk(Pointer { kind: ExtentKind::Leaf, .. })) {
                let leaf = self.child(parent, slot)?;
                if let Some(high) = self.high_value(leaf, limit)? {
                    return Ok(Some(high));
                }
            }
        }
        Ok(None)
    }

    /// The first of a leaf's values that lies too high.
    fn high_value(&self, leaf: BufferRef, limit: u64) -> Result<Option<High>, Stop> {
        let view = self.view(leaf);
        for slot in 0..view.slot_count() {
            let Some(name) = name_in(view, slot).filter(|&name| self.is_high(name, limit)) else { continue };
            let mut key = Vec::new();
            view.copy_key(slot, &mut key);
            if let Err(pointer) = self.find(name) {
                let value_bytes = self.value_bytes(leaf, slot) as u32;
                return Err(Wanted { pointer, expected: Expected::Value { key, value_bytes } }.into());
            }
            return Ok(Some(High::Value { key }));
        }
        Ok(None)
    }

    fn is_high(&self, name: PageName, limit: u64) -> bool {
        match self.tree.resolve(name) {
            PageName::Disk(pointer) => pointer.block + u64::from(pointer.blocks) > limit,
            PageName::Memory(_) => false,
        }
    }
}
