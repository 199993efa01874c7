//! The table of buffers: finding, adding, changing and dropping them, and the counts over them.

use std::{hash::BuildHasher as _, rc::Weak};

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use super::{
    Buffer, BufferKey, BufferKind, BufferPlace, BufferRef, BufferState, DirtyPages, PoolCounts, TreeSlot,
};
use crate::page::{BufferBytes, MemoryId, PageName};
use basalt_format::extent::Pointer;

/// All buffers of a shard.
pub(crate) struct Pool {
    pub(super) buffers: Vec<Option<Buffer>>,
    vacant: Vec<u32>,
    /// Where the buffers are, by their keys. The keys themselves stand in the buffers: who asks looks there anyway, and a
    /// table without them stays in the processor's caches.
    by_key: HashTable<u32>,
    trees: Vec<Option<TreeEntry>>,
    pub(super) budget_bytes: u64,
    used_bytes: u64,
    dirty_bytes: u64,
    next_serial: u64,
    next_memory_id: u64,
    pub(super) hand: usize,
    pub(crate) counts: PoolCounts,
}

struct TreeEntry {
    owner: Weak<dyn DirtyPages>,
    dirty_bytes: u64,
}

impl Pool {
    pub(super) fn new(budget_bytes: u64) -> Self {
        Self {
            buffers: Vec::new(),
            vacant: Vec::new(),
            by_key: HashTable::new(),
            trees: Vec::new(),
            budget_bytes,
            used_bytes: 0,
            dirty_bytes: 0,
            next_serial: 0,
            next_memory_id: 0,
            hand: 0,
            counts: PoolCounts::default(),
        }
    }

    pub(super) fn register(&mut self, owner: Weak<dyn DirtyPages>) -> TreeSlot {
        let entry = Some(TreeEntry { owner, dirty_bytes: 0 });
        let place = self.trees.iter().position(Option::is_none).unwrap_or(self.trees.len());
        if place == self.trees.len() {
            self.trees.push(entry);
        } else {
            self.trees[place] = entry;
        }
        TreeSlot(u32::try_from(place).expect("a shard has fewer than 2^32 trees"))
    }

    pub(super) fn unregister(&mut self, tree: TreeSlot) {
        self.drop_buffers_of(tree);
        self.trees[tree.0 as usize] = None;
    }

    pub(super) fn drop_buffers_of(&mut self, tree: TreeSlot) {
        for index in 0..self.buffers.len() {
            if self.buffers[index].as_ref().is_some_and(|buffer| buffer.key.tree == tree) {
                self.drop_index(index as u32);
            }
        }
    }

    pub(super) fn owner(&self, tree: TreeSlot) -> Option<std::rc::Rc<dyn DirtyPages>> {
        self.trees[tree.0 as usize].as_ref().and_then(|entry| entry.owner.upgrade())
    }

    /// Bytes of all buffers.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    /// Bytes of buffers that are not on disk.
    pub(crate) fn dirty_bytes(&self) -> u64 {
        self.dirty_bytes
    }

    /// Bytes of the tree's buffers that are not on disk.
    pub(crate) fn dirty_bytes_of(&self, tree: TreeSlot) -> u64 {
        self.trees[tree.0 as usize].as_ref().map_or(0, |entry| entry.dirty_bytes)
    }

    /// The buffer of what `name` names in `tree`, if it is in memory. A buffer of another life of the same block
    /// is not it.
    pub(crate) fn find(&self, tree: TreeSlot, name: PageName) -> Option<BufferRef> {
        let place = match name {
            PageName::Disk(pointer) => BufferPlace::Block(pointer.block),
            PageName::Memory(id) => BufferPlace::Memory(id),
        };
        let index = self.index_of(BufferKey { tree, place })?;
        let buffer = self.at(index);
        if let PageName::Disk(pointer) = name
            && buffer.state != (BufferState::Clean { birth: pointer.birth, checksum: pointer.checksum })
        {
            return None;
        }
        buffer.referenced.set(true);
        Some(BufferRef { index, serial: buffer.serial })
    }

    /// The buffer, which must be there.
    pub(crate) fn get(&self, reference: BufferRef) -> &Buffer {
        self.try_get(reference).expect("the buffer is held by its caller")
    }

    /// The buffer, unless it was dropped.
    pub(crate) fn try_get(&self, reference: BufferRef) -> Option<&Buffer> {
        let buffer = self.buffers.get(reference.index as usize)?.as_ref()?;
        (buffer.serial == reference.serial).then_some(buffer)
    }

    fn get_mut(&mut self, reference: BufferRef) -> &mut Buffer {
        let buffer =
            self.buffers[reference.index as usize].as_mut().expect("the buffer is held by its caller");
        assert_eq!(buffer.serial, reference.serial, "the buffer is held by its caller");
        buffer
    }

    /// Adds what was read from an extent.
    pub(crate) fn insert_clean(
        &mut self,
        tree: TreeSlot,
        pointer: &Pointer,
        kind: BufferKind,
        content: BufferBytes,
    ) -> BufferRef {
        let key = BufferKey { tree, place: BufferPlace::Block(pointer.block) };
        if let Some(stale) = self.index_of(key) {
            self.drop_index(stale);
        }
        let state = BufferState::Clean { birth: pointer.birth, checksum: pointer.checksum };
        self.insert(key, kind, content, state)
    }

    /// Adds a new page or value of generation `birth`, under a new memory id.
    pub(crate) fn insert_dirty(
        &mut self,
        tree: TreeSlot,
        kind: BufferKind,
        content: BufferBytes,
        birth: u64,
    ) -> (MemoryId, BufferRef) {
        let id = MemoryId(self.next_memory_id);
        self.next_memory_id += 1;
        let key = BufferKey { tree, place: BufferPlace::Memory(id) };
        (id, self.insert(key, kind, content, BufferState::Dirty { birth, superseded: false }))
    }

    /// The bytes of a dirty buffer, to change them.
    pub(crate) fn content_mut(&mut self, reference: BufferRef) -> &mut [u8] {
        let buffer = self.get_mut(reference);
        assert!(buffer.is_dirty(), "stored bytes do not change");
        buffer.change_count = buffer.change_count.wrapping_add(1);
        &mut buffer.content
    }

    /// Replaces the bytes of a dirty buffer.
    pub(crate) fn replace_content(&mut self, reference: BufferRef, content: BufferBytes) {
        self.uncount(reference.index);
        let buffer = self.get_mut(reference);
        assert!(buffer.is_dirty(), "stored bytes do not change");
        buffer.change_count = buffer.change_count.wrapping_add(1);
        buffer.content = content;
        self.count(reference.index);
    }

    /// Notes where a row was inserted.
    pub(crate) fn set_last_insert_slot(&mut self, reference: BufferRef, slot: usize) {
        self.get_mut(reference).last_insert_slot = u16::try_from(slot).unwrap_or(u16::MAX);
    }

    /// Marks a dirty buffer as named only by the frozen tree.
    pub(crate) fn set_superseded(&mut self, reference: BufferRef) {
        match &mut self.get_mut(reference).state {
            BufferState::Dirty { superseded, .. } => *superseded = true,
            BufferState::Clean { .. } => panic!("a stored page is freed, not superseded"),
        }
    }

    /// Marks that a write of the buffer starts or has ended.
    pub(crate) fn set_writing(&mut self, reference: BufferRef, writing: bool) {
        let buffer = self.get_mut(reference);
        assert_ne!(buffer.writing, writing, "one write of a buffer at a time");
        buffer.writing = writing;
    }

    /// Makes a dirty buffer the clean one of the extent that it was written to; `content` is what was stored.
    pub(crate) fn set_clean(&mut self, reference: BufferRef, pointer: &Pointer, content: BufferBytes) {
        self.uncount(reference.index);
        let buffer = self.get_mut(reference);
        assert!(buffer.is_dirty(), "a page is written once");
        let old_key = buffer.key;
        let key = BufferKey { tree: old_key.tree, place: BufferPlace::Block(pointer.block) };
        buffer.key = key;
        buffer.content = content;
        buffer.state = BufferState::Clean { birth: pointer.birth, checksum: pointer.checksum };
        self.unlist(old_key, reference.index);
        if let Some(stale) = self.index_of(key) {
            self.drop_index(stale);
        }
        self.list(key, reference.index);
        self.count(reference.index);
    }

    /// Drops a buffer.
    pub(crate) fn remove(&mut self, reference: BufferRef) {
        if self.try_get(reference).is_some() {
            self.drop_index(reference.index);
        }
    }

    pub(super) fn pin(&mut self, reference: BufferRef) {
        self.get_mut(reference).pins += 1;
    }

    /// Takes a pin back; the buffer may have been dropped meanwhile, for pins only keep the pool from evicting.
    pub(super) fn unpin(&mut self, reference: BufferRef) {
        if self.try_get(reference).is_some() {
            self.get_mut(reference).pins -= 1;
        }
    }

    fn insert(
        &mut self,
        key: BufferKey,
        kind: BufferKind,
        content: BufferBytes,
        state: BufferState,
    ) -> BufferRef {
        let serial = self.next_serial;
        self.next_serial += 1;
        let buffer = Some(Buffer {
            key,
            serial,
            content,
            kind,
            state,
            pins: 0,
            referenced: std::cell::Cell::new(true),
            writing: false,
            change_count: 0,
            last_insert_slot: u16::MAX,
        });
        let index = match self.vacant.pop() {
            Some(index) => {
                self.buffers[index as usize] = buffer;
                index
            }
            None => {
                self.buffers.push(buffer);
                u32::try_from(self.buffers.len() - 1).expect("a pool has fewer than 2^32 buffers")
            }
        };
        self.list(key, index);
        self.count(index);
        BufferRef { index, serial }
    }

    fn drop_index(&mut self, index: u32) {
        self.unlist(self.at(index).key, index);
        self.uncount(index);
        self.buffers[index as usize] = None;
        self.vacant.push(index);
    }

    fn index_of(&self, key: BufferKey) -> Option<u32> {
        self.by_key.find(hash_of(key), |&index| self.at(index).key == key).copied()
    }

    /// Has the buffer found by `key`, which no other has.
    fn list(&mut self, key: BufferKey, index: u32) {
        assert_eq!(self.index_of(key), None, "a place has one buffer");
        let buffers = &self.buffers;
        self.by_key.insert_unique(hash_of(key), index, |&index| hash_of(at(buffers, index).key));
    }

    fn unlist(&mut self, key: BufferKey, index: u32) {
        let listed = self.by_key.find_entry(hash_of(key), |&other| other == index);
        listed.expect("each buffer is found by its key").remove();
    }

    fn at(&self, index: u32) -> &Buffer {
        at(&self.buffers, index)
    }

    fn count(&mut self, index: u32) {
        let (bytes, dirty, tree) = self.measure(index);
        self.used_bytes += bytes;
        if dirty {
            self.dirty_bytes += bytes;
            if let Some(entry) = &mut self.trees[tree.0 as usize] {
                entry.dirty_bytes += bytes;
            }
        }
    }

    fn uncount(&mut self, index: u32) {
        let (bytes, dirty, tree) = self.measure(index);
        self.used_bytes -= bytes;
        if dirty {
            self.dirty_bytes -= bytes;
            if let Some(entry) = &mut self.trees[tree.0 as usize] {
                entry.dirty_bytes -= bytes;
            }
        }
    }

    fn measure(&self, index: u32) -> (u64, bool, TreeSlot) {
        let buffer = self.at(index);
        (buffer.bytes(), buffer.is_dirty(), buffer.key.tree)
    }
}

fn at(buffers: &[Option<Buffer>], index: u32) -> &Buffer {
    buffers[index as usize].as_ref().expect("the table names buffers that are there")
}

fn hash_of(key: BufferKey) -> u64 {
    FxBuildHasher.hash_one(key)
}
