//! What clients do: operations drawn from a seed, in one of several temperaments.

use crate::oracle::{Change, Key, Order, Scan, Value};
use basalt_runtime::sim::Random;
use std::ops::Bound;
use std::time::Duration;

/// One thing that a client does.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Reads some keys and changes some, as one entry; with no changes it must still wait for what it read.
    Write {
        /// Keys whose values the evaluation looks at.
        reads: Vec<Key>,
        /// What it changes.
        changes: Vec<Change>,
    },
    /// Reads some keys at one moment.
    Read(Vec<Key>),
    /// Walks a range.
    Scan(Scan),
    /// Writes everything committed to its final place.
    Checkpoint,
    /// Walks all structures.
    Check,
    /// Does nothing for a while.
    Pause(Duration),
}

/// The temperament of a workload. All chances are of 1000 operations; what they leave is plain writes.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Different keys in each partition.
    pub key_count: u64,
    /// Bytes that all keys begin with, to make them long.
    pub key_prefix_bytes: usize,
    /// Sizes of most values.
    pub value_bytes: (u64, u64),
    /// Chance of a value of up to [`LARGE_VALUE_BYTES_MAX`].
    pub large_value_permille: u32,
    /// Changes of one entry, at most.
    pub changes_max: u64,
    /// Chance that a change deletes.
    pub delete_permille: u32,
    /// Chance of a write that changes nothing.
    pub no_op_permille: u32,
    /// Chance of a read.
    pub read_permille: u32,
    /// Chance of a walk.
    pub scan_permille: u32,
    /// Chance of a checkpoint.
    pub checkpoint_permille: u32,
    /// Chance of a pause, short or long enough for idle work to begin.
    pub pause_permille: u32,
    /// Clients of each partition.
    pub client_count: u64,
}

/// The largest value: what an item may have, and a little more.
pub const LARGE_VALUE_BYTES_MAX: u64 = 410_000;

impl Profile {
    /// One of many temperaments.
    #[must_use]
    pub fn any(random: &mut Random) -> Self {
        let one_of = |random: &mut Random, choices: &[u64]| choices[random.index(choices.len())];
        let value_bytes_max = one_of(random, &[20, 200, 900, 3_000]);
        Self {
            key_count: one_of(random, &[3, 12, 60, 400]),
            key_prefix_bytes: if random.chance(100) { 900 } else { 0 },
            value_bytes: (0, value_bytes_max),
            large_value_permille: if random.chance(150) { 30 } else { 0 },
            changes_max: one_of(random, &[1, 2, 6, 25]),
            delete_permille: [50, 250, 600][random.index(3)],
            no_op_permille: 60,
            read_permille: 150,
            scan_permille: 40,
            checkpoint_permille: [0, 15, 60][random.index(3)],
            pause_permille: 20,
            client_count: one_of(random, &[1, 2, 5, 10]),
        }
    }

    /// The next operation of a client. `stamp` makes its values different from all others.
    pub fn operation(&self, random: &mut Random, stamp: u64) -> Operation {
        let mut draw = u32::try_from(random.below(1000)).expect("below 1000");
        let mut falls_on = |permille: u32| {
            let hit = draw < permille;
            draw = draw.wrapping_sub(permille);
            // What was passed over must not be hit by the next test.
            if hit {
                draw = u32::MAX
            }
            hit
        };
        if falls_on(self.no_op_permille) {
            Operation::Write { reads: self.keys(random, 3), changes: Vec::new() }
        } else if falls_on(self.read_permille) {
            Operation::Read(self.keys(random, 4))
        } else if falls_on(self.scan_permille) {
            Operation::Scan(self.scan(random))
        } else if falls_on(self.checkpoint_permille) {
            Operation::Checkpoint
        } else if falls_on(self.pause_permille) {
            let longest_us = if random.chance(200) { 3_000_000 } else { 2_000 };
            Operation::Pause(Duration::from_micros(random.below(longest_us)))
        } else {
            self.write(random, stamp)
        }
    }

    fn write(&self, random: &mut Random, stamp: u64) -> Operation {
        let count = random.between(1, self.changes_max);
        let mut changes: Vec<Change> = Vec::new();
        for number in 0..count {
            let key = self.key(random);
            // A key is changed once in an entry, as storage asks.
            if changes.iter().all(|(changed, _)| *changed != key) {
                let deletes = random.chance(self.delete_permille);
                let value = (!deletes).then(|| self.value(random, stamp, number));
                changes.push((key, value));
            }
        }
        let reads = if random.coin() { self.keys(random, 2) } else { Vec::new() };
        Operation::Write { reads, changes }
    }

    fn scan(&self, random: &mut Random) -> Scan {
        let bound = |random: &mut Random| match random.below(3) {
            0 => Bound::Unbounded,
            1 => Bound::Included(self.key(random)),
            _ => Bound::Excluded(self.key(random)),
        };
        let (from, to) = (bound(random), bound(random));
        let order = if random.coin() { Order::Ascending } else { Order::Descending };
        let limit = if random.coin() { usize::MAX } else { random.index(20) };
        Scan { from, to, order, limit }
    }

    fn keys(&self, random: &mut Random, most: u64) -> Vec<Key> {
        (0..random.between(1, most)).map(|_| self.key(random)).collect()
    }

    fn key(&self, random: &mut Random) -> Key {
        key(random.below(self.key_count), self.key_prefix_bytes)
    }

    /// Bytes that no other write uses: the stamp comes first, as far as there is room for it.
    fn value(&self, random: &mut Random, stamp: u64, number: u64) -> Value {
        let largest =
            if random.chance(self.large_value_permille) { LARGE_VALUE_BYTES_MAX } else { self.value_bytes.1 };
        let length = random.between(self.value_bytes.0, largest);
        let mut value = format!("{stamp:x}.{number:x}.").into_bytes();
        let mark = value.len();
        value.resize(mark.max(usize::try_from(length).expect("small")), 0);
        // Half of the values compress well, half not at all.
        if random.coin() {
            random.fill(&mut value[mark..]);
        }
        value
    }
}

/// The tag of item keys, whose next eight bytes are the hash of the partition key.
const ITEM_TAG: u8 = 0x10;

/// The `number`-th key: an item's, spread over the hash range, with the number at its end.
#[must_use]
pub fn key(number: u64, prefix_bytes: usize) -> Key {
    let mut key = vec![ITEM_TAG];
    key.extend((number / 3).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    key.resize(key.len() + prefix_bytes, b'p');
    key.extend(number.to_string().into_bytes());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_operation_is_drawn() {
        let mut random = Random::new(1);
        let mut seen = [0; 6];
        for stamp in 0..5000 {
            let profile = Profile { checkpoint_permille: 15, ..Profile::any(&mut random) };
            let kind = match profile.operation(&mut random, stamp) {
                Operation::Write { changes, .. } => usize::from(changes.is_empty()),
                Operation::Read(keys) => {
                    assert!(!keys.is_empty());
                    2
                }
                Operation::Scan(_) => 3,
                Operation::Checkpoint => 4,
                Operation::Pause(_) => 5,
                Operation::Check => unreachable!("only rounds ask for checks"),
            };
            seen[kind] += 1;
        }
        assert!(seen.iter().all(|&count| count > 20), "{seen:?}");
        assert!(seen[0] > 2500, "most operations write: {seen:?}");
    }

    #[test]
    fn keys_are_different_and_sorted_by_hash_first() {
        let mut keys: Vec<Key> = (0..400).map(|number| key(number, 0)).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 400);
        assert_eq!(key(3, 0)[..9], key(4, 0)[..9], "some keys share a hash");
    }
}
