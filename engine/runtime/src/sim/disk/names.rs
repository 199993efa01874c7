//! The directories of a simulated disk: the names that are surely on the platter, those the system shows, and the
//! changes between the two.
//!
//! A change of names is atomic, as in a journaling file system, but unrelated changes reach the platter in any
//! order; a change that builds on another (a rename of a created name, say) never arrives without it.

use super::{NodeId, SyncPoint};
use std::collections::BTreeMap;
use std::rc::Rc;

/// One name: the directory's node, and the name in it.
pub(super) type Name = (NodeId, Rc<str>);

type Table = Rc<BTreeMap<Name, NodeId>>;

#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    platter: Table,
    cache: Table,
    unsynced: Vec<NameChange>,
}

#[derive(Debug, Clone)]
struct NameChange {
    at: SyncPoint,
    node: NodeId,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Link(Name),
    Unlink(Name),
    Rename { from: Name, to: Name },
}

impl Names {
    pub(super) fn get(&self, directory: NodeId, name: &str) -> Option<NodeId> {
        self.cache.get(&(directory, Rc::from(name))).copied()
    }

    /// The names of a directory, in order.
    pub(super) fn list(&self, directory: NodeId) -> impl Iterator<Item = (&Rc<str>, NodeId)> {
        let first: Name = (directory, Rc::from(""));
        let names = self.cache.range(first..).take_while(move |((of, _), _)| *of == directory);
        names.map(|((_, name), &node)| (name, node))
    }

    pub(super) fn link(&mut self, at: SyncPoint, name: Name, node: NodeId) {
        self.push(NameChange { at, node, what: What::Link(name) });
    }

    pub(super) fn unlink(&mut self, at: SyncPoint, name: Name, node: NodeId) {
        self.push(NameChange { at, node, what: What::Unlink(name) });
    }

    pub(super) fn rename(&mut self, at: SyncPoint, from: Name, to: Name, node: NodeId) {
        self.push(NameChange { at, node, what: What::Rename { from, to } });
    }

    /// Makes the changes of `directory` before `point` durable, and those they build on.
    pub(super) fn sync(&mut self, directory: NodeId, point: SyncPoint) {
        let mut needed = vec![false; self.unsynced.len()];
        for index in (0..self.unsynced.len()).rev() {
            let change = &self.unsynced[index];
            let mut later = (index + 1..self.unsynced.len()).filter(|&later| needed[later]);
            needed[index] = (change.at < point && change.touches_directory(directory))
                || later.any(|later| self.unsynced[later].builds_on(change));
        }
        let mut needed = needed.into_iter();
        let platter = Rc::make_mut(&mut self.platter);
        self.unsynced.retain(|change| {
            let synced = needed.next().expect("one answer per change");
            if synced {
                change.apply(platter);
            }
            !synced
        });
    }

    pub(super) fn unsynced_count(&self) -> usize {
        self.unsynced.len()
    }

    /// The names after a power loss in which `kept` decides about every change that may stay.
    pub(super) fn crashed(&self, mut kept: impl FnMut(usize) -> bool) -> Self {
        let mut table = self.platter.clone();
        let mut lost: Vec<&NameChange> = Vec::new();
        for (index, change) in self.unsynced.iter().enumerate() {
            let possible = !lost.iter().any(|earlier| change.builds_on(earlier));
            if possible && kept(index) {
                change.apply(Rc::make_mut(&mut table));
            } else {
                lost.push(change);
            }
        }
        Self { platter: table.clone(), cache: table, unsynced: Vec::new() }
    }

    /// Whether a power loss could bring `node` back.
    pub(super) fn may_return(&self, node: NodeId) -> bool {
        self.platter.values().any(|&named| named == node)
            || self.unsynced.iter().any(|change| change.node == node)
    }

    /// Drops the names for which `keep` is false, durably: the clean-up after a power loss.
    pub(super) fn retain(&mut self, keep: impl Fn(&Name, NodeId) -> bool) {
        assert!(self.unsynced.is_empty(), "only a disk that nobody uses is cleaned up");
        Rc::make_mut(&mut self.platter).retain(|name, node| keep(name, *node));
        self.cache = self.platter.clone();
    }

    fn push(&mut self, change: NameChange) {
        change.apply(Rc::make_mut(&mut self.cache));
        self.unsynced.push(change);
    }
}

impl NameChange {
    fn apply(&self, table: &mut BTreeMap<Name, NodeId>) {
        match &self.what {
            What::Link(name) => _ = table.insert(name.clone(), self.node),
            What::Unlink(name) => _ = table.remove(name),
            What::Rename { from, to } => {
                table.remove(from);
                table.insert(to.clone(), self.node);
            }
        }
    }

    fn names(&self) -> impl Iterator<Item = &Name> {
        let (first, second) = match &self.what {
            What::Link(name) | What::Unlink(name) => (name, None),
            What::Rename { from, to } => (from, Some(to)),
        };
        std::iter::once(first).chain(second)
    }

    fn touches_directory(&self, directory: NodeId) -> bool {
        self.names().any(|(of, _)| *of == directory)
    }

    /// Whether this change makes no sense on a disk without `earlier`.
    fn builds_on(&self, earlier: &Self) -> bool {
        self.node == earlier.node || self.names().any(|name| earlier.names().any(|other| name == other))
    }
}
