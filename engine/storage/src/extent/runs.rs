//! A set of blocks as disjoint runs, found by place and by length.

use std::collections::{BTreeMap, BTreeSet};

/// Blocks, kept as the fewest possible runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RunSet {
    /// Start to length.
    by_start: BTreeMap<u64, u64>,
    /// (length, start).
    by_length: BTreeSet<(u64, u64)>,
    blocks: u64,
}

impl RunSet {
    /// Number of blocks in the set.
    pub(crate) fn blocks(&self) -> u64 {
        self.blocks
    }

    /// The runs, ascending: (start, length).
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.by_start.iter().map(|(&start, &length)| (start, length))
    }

    /// Adds blocks that are not in the set, joining them with their neighbours.
    pub(crate) fn insert(&mut self, start: u64, length: u64) {
        assert!(length > 0, "a run has a block");
        let (mut first, mut end) = (start, start + length);
        if let Some((&left, &left_length)) = self.by_start.range(..start).next_back() {
            assert!(left + left_length <= start, "blocks are freed once");
            if left + left_length == start {
                first = left;
                self.remove_run(left, left_length);
            }
        }
        if let Some((&right, &right_length)) = self.by_start.range(start..).next() {
            assert!(end <= right, "blocks are freed once");
            if right == end {
                end = right + right_length;
                self.remove_run(right, right_length);
            }
        }
        self.insert_run(first, end - first);
        self.blocks += length;
    }

    /// Takes `length` blocks in one run: from the shortest run that has them, the first of those.
    pub(crate) fn take(&mut self, length: u64) -> Option<u64> {
        let &(run_length, start) = self.by_length.range((length, 0)..).next()?;
        self.remove_run(start, run_length);
        if run_length > length {
            self.insert_run(start + length, run_length - length);
        }
        self.blocks -= length;
        Some(start)
    }

    /// Whether `length` blocks lie in one run.
    pub(crate) fn can_take(&self, length: u64) -> bool {
        self.by_length.range((length, 0)..).next().is_some()
    }

    /// As [`RunSet::take`], from blocks below `limit`.
    pub(crate) fn take_below(&mut self, length: u64, limit: u64) -> Option<u64> {
        let fits = |&&(_, start): &&(u64, u64)| start + length <= limit;
        let &(run_length, start) = self.by_length.range((length, 0)..).find(fits)?;
        self.remove(start, run_length);
        if run_length > length {
            self.insert(start + length, run_length - length);
        }
        Some(start)
    }

    /// The run with the highest blocks: (start, length).
    pub(crate) fn last_run(&self) -> Option<(u64, u64)> {
        self.by_start.iter().next_back().map(|(&start, &length)| (start, length))
    }

    /// Whether this is a whole run of the set.
    pub(crate) fn contains_run(&self, start: u64, length: u64) -> bool {
        self.by_start.get(&start) == Some(&length)
    }

    /// Takes out a whole run.
    pub(crate) fn remove(&mut self, start: u64, length: u64) {
        assert_eq!(self.by_start.get(&start), Some(&length), "only whole runs are taken out");
        self.remove_run(start, length);
        self.blocks -= length;
    }

    fn insert_run(&mut self, start: u64, length: u64) {
        self.by_start.insert(start, length);
        self.by_length.insert((length, start));
    }

    fn remove_run(&mut self, start: u64, length: u64) {
        self.by_start.remove(&start);
        self.by_length.remove(&(length, start));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_are_the_set_of_their_blocks(steps in proptest::collection::vec((any::<bool>(), 1..9u64), 1..200)) {
            let mut runs = RunSet::default();
            runs.insert(0, 100);
            let mut free: BTreeSet<u64> = (0..100).collect();
            let mut taken: Vec<(u64, u64)> = Vec::new();
            for (give_back, length) in steps {
                if give_back && !taken.is_empty() {
                    let (start, length) = taken.swap_remove(length as usize % taken.len());
                    runs.insert(start, length);
                    free.extend(start..start + length);
                } else if let Some(start) = runs.take(length) {
                    for block in start..start + length {
                        prop_assert!(free.remove(&block));
                    }
                    taken.push((start, length));
                }
                prop_assert_eq!(runs.blocks(), free.len() as u64);
                let listed: BTreeSet<u64> = runs.iter().flat_map(|(start, length)| start..start + length).collect();
                prop_assert_eq!(&listed, &free);
                let ends: Vec<_> = runs.iter().collect();
                prop_assert!(ends.windows(2).all(|pair| pair[0].0 + pair[0].1 < pair[1].0), "neighbours are joined");
            }
        }
    }

    #[test]
    #[should_panic(expected = "freed once")]
    fn freeing_twice_is_a_broken_invariant() {
        let mut runs = RunSet::default();
        runs.insert(5, 3);
        runs.insert(6, 1);
    }
}
