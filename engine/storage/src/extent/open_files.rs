//! The descriptors of a shard's partition files, of which there may be more than the system lets a process open.
//!
//! A file that was not used for longest is closed when there are too many, and opened again when it is used. Files that
//! hold writes which no sync has covered stay open: an error of the device that is found meanwhile must reach their sync.
//! So does a file that has not got its final name yet.
//!
//! With the descriptors the files share the reserve of space that they may take from when the device is full.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use basalt_runtime::File;

use crate::reserve::Reserve;

/// The open files of one shard. Cheap to clone.
#[derive(Clone)]
pub(crate) struct OpenFiles {
    shared: Rc<Shared>,
}

struct Shared {
    count_max: usize,
    reserve: Rc<Reserve>,
    /// By when they were last used.
    by_use: RefCell<BTreeMap<u64, Rc<Slot>>>,
    uses: Cell<u64>,
}

/// One file's place among the open ones.
#[derive(Default)]
struct Slot {
    file: RefCell<Option<File>>,
    last_use: Cell<u64>,
    may_close: Cell<bool>,
}

/// A file that may be closed while nobody uses it.
pub(crate) struct CachedFile {
    files: OpenFiles,
    slot: Rc<Slot>,
}

impl OpenFiles {
    /// At most `count_max` open files, but for those that cannot be closed.
    pub(crate) fn new(count_max: usize, reserve: Rc<Reserve>) -> Self {
        let (by_use, uses) = (RefCell::default(), Cell::default());
        Self { shared: Rc::new(Shared { count_max, reserve, by_use, uses }) }
    }

    /// A place for a file that is not open.
    pub(crate) fn place(&self) -> CachedFile {
        CachedFile { files: self.clone(), slot: Rc::default() }
    }

    fn note_use(&self, slot: &Rc<Slot>) {
        let now = self.shared.uses.get() + 1;
        self.shared.uses.set(now);
        let mut by_use = self.shared.by_use.borrow_mut();
        by_use.remove(&slot.last_use.replace(now));
        by_use.insert(now, Rc::clone(slot));
    }

    /// Closes what was not used for longest. Operations in flight hold their file themselves.
    fn close_excess(&self) {
        let mut by_use = self.shared.by_use.borrow_mut();
        while by_use.len() > self.shared.count_max {
            let Some(oldest) = by_use.iter().find(|(_, slot)| slot.may_close.get()).map(|(&use_, _)| use_)
            else {
                return;
            };
            basalt_runtime::sometimes!("partition file closed for another");
            let slot = by_use.remove(&oldest).expect("it was found just now");
            slot.file.take();
        }
    }
}

impl CachedFile {
    /// The file, if it is open.
    pub(crate) fn get(&self) -> Option<File> {
        let file = self.slot.file.borrow().clone();
        if file.is_some() {
            self.files.note_use(&self.slot);
        }
        file
    }

    /// Where space comes from when the device has none.
    pub(crate) fn reserve(&self) -> &Reserve {
        &self.files.shared.reserve
    }

    /// Keeps the file that was opened; others may be closed for it.
    pub(crate) fn set(&self, file: File) {
        self.slot.file.replace(Some(file));
        self.files.note_use(&self.slot);
        self.files.close_excess();
    }

    /// Says whether the file may be closed while nobody uses it: not at first.
    pub(crate) fn allow_closing(&self, allowed: bool) {
        if self.slot.may_close.replace(allowed) != allowed && allowed {
            self.files.close_excess();
        }
    }

    /// Closes the file.
    pub(crate) fn close(&self) {
        self.files.shared.by_use.borrow_mut().remove(&self.slot.last_use.get());
        self.slot.file.take();
    }
}

impl Drop for CachedFile {
    fn drop(&mut self) {
        self.close();
    }
}
