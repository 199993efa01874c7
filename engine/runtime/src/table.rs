//! A table whose entries are found by a number that is never given twice: backends keep open things in it.

use crate::ids::SlotId;

/// Entries by place and generation. Places are used again, last freed first.
pub(crate) struct Table<T> {
    entries: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Table<T> {
    pub(crate) fn new() -> Table<T> {
        Table { entries: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn insert(&mut self, value: T) -> SlotId {
        let index = self.free.pop().unwrap_or_else(|| {
            let index = u32::try_from(self.entries.len()).expect("open things are fewer than 2^32");
            self.entries.push((0, None));
            index
        });
        let (generation, place) = &mut self.entries[index as usize];
        *place = Some(value);
        SlotId { index, generation: *generation }
    }

    pub(crate) fn get(&self, id: SlotId) -> Option<&T> {
        let (generation, value) = self.entries.get(id.index as usize)?;
        value.as_ref().filter(|_| *generation == id.generation)
    }

    pub(crate) fn get_mut(&mut self, id: SlotId) -> Option<&mut T> {
        let (generation, value) = self.entries.get_mut(id.index as usize)?;
        value.as_mut().filter(|_| *generation == id.generation)
    }

    pub(crate) fn remove(&mut self, id: SlotId) -> Option<T> {
        let (generation, value) = self.entries.get_mut(id.index as usize)?;
        if *generation != id.generation {
            return None;
        }
        let removed = value.take()?;
        // The last generation's bit is left to those who mark a number with it (see the readiness keys).
        *generation = generation.wrapping_add(1) & (u32::MAX >> 1);
        self.free.push(id.index);
        Some(removed)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (SlotId, &mut T)> {
        (0_u32..).zip(&mut self.entries).filter_map(|(index, (generation, value))| {
            let id = SlotId { index, generation: *generation };
            value.as_mut().map(|value| (id, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_number_finds_nothing() {
        let mut table = Table::new();
        let first = table.insert("first");
        assert_eq!(table.remove(first), Some("first"));
        let second = table.insert("second");
        assert_eq!(second.index, first.index);
        assert_eq!(table.get(first), None);
        assert_eq!(table.remove(first), None);
        assert_eq!(table.get(second), Some(&"second"));
    }
}
