//! Where pages went that were written while somebody in memory still names them by their memory id.

use basalt_format::extent::Pointer;
use rustc_hash::FxHashMap;

use crate::page::{MemoryId, PageName};

/// From memory ids to extents.
///
/// Two ages: what was recorded before the last freeze goes when that freeze's checkpoint is complete, because then
/// every page that could name it has been written or was copied with its names resolved.
#[derive(Default)]
pub(crate) struct Redirects {
    before_freeze: FxHashMap<MemoryId, Pointer>,
    since_freeze: FxHashMap<MemoryId, Pointer>,
}

impl Redirects {
    /// Records where a page was written.
    pub(crate) fn record(&mut self, id: MemoryId, pointer: Pointer) {
        self.since_freeze.insert(id, pointer);
    }

    /// The newest name of what `name` names.
    pub(crate) fn resolve(&self, name: PageName) -> PageName {
        match name {
            PageName::Memory(id) => self.get(id).map_or(name, PageName::Disk),
            PageName::Disk(_) => name,
        }
    }

    /// The tree was frozen.
    pub(crate) fn freeze(&mut self) {
        // After a failed checkpoint the older ones are still needed.
        self.before_freeze.extend(std::mem::take(&mut self.since_freeze));
    }

    /// The frozen tree is on disk.
    pub(crate) fn checkpoint_complete(&mut self) {
        self.before_freeze = FxHashMap::default();
    }

    fn get(&self, id: MemoryId) -> Option<Pointer> {
        self.since_freeze.get(&id).or_else(|| self.before_freeze.get(&id)).copied()
    }
}
