//! What operations use of the capacity of a table and of its indexes.

use std::{
    collections::BTreeMap,
    ops::{Add, AddAssign},
};

use basalt_model::CapacityUnits;

/// Capacity that was used, exact. An index that was not touched is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConsumedCapacity {
    /// Of the table itself.
    pub table: CapacityUnits,
    /// Of its local indexes, by name.
    pub local_indexes: BTreeMap<String, CapacityUnits>,
    /// Of its global indexes, by name.
    pub global_indexes: BTreeMap<String, CapacityUnits>,
}

impl ConsumedCapacity {
    /// Capacity of the table alone.
    pub fn of_table(table: CapacityUnits) -> Self {
        Self { table, ..Self::default() }
    }

    /// All of it.
    pub fn total(&self) -> CapacityUnits {
        let indexes = self.local_indexes.values().chain(self.global_indexes.values());
        self.table + indexes.copied().sum()
    }
}

impl AddAssign for ConsumedCapacity {
    fn add_assign(&mut self, other: Self) {
        self.table += other.table;
        add_each(&mut self.local_indexes, other.local_indexes);
        add_each(&mut self.global_indexes, other.global_indexes);
    }
}

impl Add for ConsumedCapacity {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

fn add_each(sums: &mut BTreeMap<String, CapacityUnits>, more: BTreeMap<String, CapacityUnits>) {
    for (name, units) in more {
        *sums.entry(name).or_default() += units;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(bytes: usize) -> CapacityUnits {
        CapacityUnits::for_write(0, bytes)
    }

    #[test]
    fn sums_go_index_by_index() {
        let mut used = ConsumedCapacity::of_table(write(1));
        used.local_indexes.insert("a".to_owned(), write(1));
        let mut more = ConsumedCapacity::of_table(write(2000));
        more.local_indexes.insert("a".to_owned(), write(3000));
        more.global_indexes.insert("b".to_owned(), write(1));
        used += more;
        assert_eq!(used.table, write(3000));
        assert_eq!(used.local_indexes["a"], write(4000));
        assert_eq!(used.global_indexes["b"], write(1));
        assert_eq!(used.total(), write(8000));
    }
}
