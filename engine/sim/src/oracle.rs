//! What a partition may show, given everything that was logged, acknowledged and read.
//!
//! A partition is a sequence of entries, each a set of changes that takes effect as a whole. Its possible states are
//! the states after each entry: nothing in between, nothing else. The oracle keeps the entries between `floor`, which
//! somebody has been told of, and the newest:
//!
//! - an evaluation of a write sees the newest state;
//! - a read sees one state from the floor on, and raises the floor to it: no later read and no crash may take it back;
//! - an acknowledgement raises the floor to its entry, or to the newest entry that its evaluation read;
//! - after a crash the partition holds one of the states from the floor on, and its later entries never were.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Bound;

/// A key as storage sees it.
pub type Key = Vec<u8>;
/// A value as storage sees it.
pub type Value = Vec<u8>;
/// Everything that a partition holds.
pub type State = BTreeMap<Key, Value>;

/// One key's new value; `None` deletes it.
pub type Change = (Key, Option<Value>);

/// The place of an entry in its partition's sequence, from 1; 0 is the empty partition.
pub type Index = u64;

/// A partition did what it must never do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// A write was evaluated against something else than the newest state.
    EvaluatedAgainstWrongState {
        /// The newest entry at that time.
        newest: Index,
        /// The key, and what was seen of it.
        detail: String,
    },
    /// A read showed no state that it may show: an older one than somebody knew, a mixture, or an invention.
    ReadImpossibleState {
        /// What was known to be there.
        floor: Index,
        /// The newest entry.
        newest: Index,
        /// The first difference to the state that comes closest.
        detail: String,
    },
    /// After a crash the partition holds no state that it may hold.
    RecoveredImpossibleState {
        /// What was known to be there.
        floor: Index,
        /// The newest entry before the crash.
        newest: Index,
        /// The first difference to the state that comes closest.
        detail: String,
    },
    /// The subject found itself broken, or failed without a reason.
    Failed(String),
}

/// One partition's past and possible states.
#[derive(Debug, Clone, Default)]
pub struct Oracle {
    floor: Index,
    /// The state after entry `floor`.
    base: State,
    /// The entries after `floor`, in order.
    entries: VecDeque<Vec<Change>>,
}

impl Oracle {
    /// The newest entry.
    #[must_use]
    pub fn newest(&self) -> Index {
        self.floor + self.entries.len() as Index
    }

    /// The newest entry that somebody has been told of.
    #[must_use]
    pub fn floor(&self) -> Index {
        self.floor
    }

    /// The partition has logged an entry.
    pub fn logged(&mut self, changes: Vec<Change>) -> Index {
        self.entries.push_back(changes);
        self.newest()
    }

    /// A write was evaluated and saw `reads`. Returns the newest entry that the evaluation depends on.
    ///
    /// # Errors
    /// It saw something else than the newest state.
    pub fn evaluated(&self, reads: &[(Key, Option<Value>)]) -> Result<Index, Violation> {
        let mut depends_on = 0;
        for (key, seen) in reads {
            let (expected, index) = self.value_at(key, self.newest());
            if seen.as_ref() != expected {
                let detail = difference(key, seen.as_ref(), expected);
                return Err(Violation::EvaluatedAgainstWrongState { newest: self.newest(), detail });
            }
            depends_on = depends_on.max(index);
        }
        Ok(depends_on)
    }

    /// A client has been told of something that rests on entry `index`: it must stay.
    pub fn acknowledged(&mut self, index: Index) {
        assert!(index <= self.newest(), "an entry that was never logged cannot be acknowledged");
        while self.floor < index {
            let changes = self.entries.pop_front().expect("entries reach up to the newest");
            apply(&mut self.base, changes);
            self.floor += 1;
        }
    }

    /// A client has read these keys, all at one moment.
    ///
    /// # Errors
    /// No state from the floor on looks like that.
    pub fn read(&mut self, reads: &[(Key, Option<Value>)]) -> Result<(), Violation> {
        let fits = |index| reads.iter().all(|(key, seen)| self.value_at(key, index).0 == seen.as_ref());
        match (self.floor..=self.newest()).find(|&index| fits(index)) {
            Some(index) => {
                self.acknowledged(index);
                Ok(())
            }
            None => {
                let wrong =
                    reads.iter().find(|(key, seen)| self.value_at(key, self.newest()).0 != seen.as_ref());
                let detail = wrong.map_or_else(
                    || "each key by itself is possible, all together are not".to_owned(),
                    |(key, seen)| difference(key, seen.as_ref(), self.value_at(key, self.newest()).0),
                );
                Err(Violation::ReadImpossibleState { floor: self.floor, newest: self.newest(), detail })
            }
        }
    }

    /// A client has walked `range`, up to `limit` rows, all at one moment.
    ///
    /// # Errors
    /// No state from the floor on looks like that.
    pub fn scanned(&mut self, scan: &Scan, rows: &[(Key, Value)]) -> Result<(), Violation> {
        let mut state = self.base.clone();
        let mut closest = String::new();
        for index in self.floor..=self.newest() {
            if index > self.floor {
                apply(&mut state, self.entry(index).to_vec());
            }
            match scan.compare(&state, rows) {
                None => {
                    self.acknowledged(index);
                    return Ok(());
                }
                Some(difference) => closest = difference,
            }
        }
        Err(Violation::ReadImpossibleState { floor: self.floor, newest: self.newest(), detail: closest })
    }

    /// The partition came back after a crash and holds `found`; it says itself that `index` is its newest entry, if
    /// it can say so. Returns the newest entry. What came after it never was.
    ///
    /// # Errors
    /// It holds no state from the floor on, or another one than it says.
    pub fn recovered(&mut self, found: &State, index: Option<Index>) -> Result<Index, Violation> {
        let mut state = self.base.clone();
        let mut closest = None;
        for candidate in self.floor..=self.newest() {
            if candidate > self.floor {
                apply(&mut state, self.entry(candidate).to_vec());
            }
            if index.is_some_and(|index| index != candidate) {
                continue;
            }
            match first_difference(found, &state) {
                None => {
                    self.acknowledged(candidate);
                    self.entries.clear();
                    return Ok(candidate);
                }
                Some(difference) => {
                    closest.get_or_insert(difference);
                }
            }
        }
        let said = index.map_or_else(String::new, |index| format!("it says that it holds entry {index}; "));
        let detail = said + &closest.unwrap_or_else(|| "which is none of these".to_owned());
        Err(Violation::RecoveredImpossibleState { floor: self.floor, newest: self.newest(), detail })
    }

    fn entry(&self, index: Index) -> &[Change] {
        let place = usize::try_from(index - self.floor - 1).expect("entries fit in memory");
        &self.entries[place]
    }

    /// The value of a key after entry `index`, and the entry that wrote it (the floor stands for all before it).
    fn value_at(&self, key: &[u8], index: Index) -> (Option<&Value>, Index) {
        for candidate in (self.floor + 1..=index).rev() {
            // The last change of a key within an entry is the one that counts.
            if let Some((_, value)) = self.entry(candidate).iter().rev().find(|(changed, _)| changed == key) {
                return (value.as_ref(), candidate);
            }
        }
        (self.base.get(key), 0)
    }
}

/// A walk over a range of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The lower bound.
    pub from: Bound<Key>,
    /// The upper bound.
    pub to: Bound<Key>,
    /// Which end it starts at.
    pub order: Order,
    /// Rows it takes at most.
    pub limit: usize,
}

/// The order of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// From the lowest key on.
    Ascending,
    /// From the highest key on.
    Descending,
}

impl Scan {
    /// Everything, from the lowest key on.
    #[must_use]
    pub fn everything() -> Self {
        Self { from: Bound::Unbounded, to: Bound::Unbounded, order: Order::Ascending, limit: usize::MAX }
    }

    /// How `rows` differ from what this walk finds in `state`.
    fn compare(&self, state: &State, rows: &[(Key, Value)]) -> Option<String> {
        let is_empty = match (&self.from, &self.to) {
            (Bound::Included(from), Bound::Included(to)) => from > to,
            (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => {
                from >= to
            }
            _ => false,
        };
        let range = (!is_empty).then(|| state.range::<Key, _>((self.from.as_ref(), self.to.as_ref())));
        let range = range.into_iter().flatten();
        let expected: Vec<(&Key, &Value)> = match self.order {
            Order::Ascending => range.take(self.limit).collect(),
            Order::Descending => range.rev().take(self.limit).collect(),
        };
        let mut pairs = expected.iter().zip(rows);
        if let Some((expected, found)) =
            pairs.find(|(expected, found)| *expected.0 != found.0 || *expected.1 != found.1)
        {
            return Some(format!("row {} where {} should be", Bytes(&found.0), Bytes(expected.0)));
        }
        (expected.len() != rows.len())
            .then(|| format!("{} rows where {} should be", rows.len(), expected.len()))
    }
}

fn apply(state: &mut State, changes: Vec<Change>) {
    for (key, value) in changes {
        match value {
            Some(value) => _ = state.insert(key, value),
            None => _ = state.remove(&key),
        }
    }
}

fn first_difference(found: &State, expected: &State) -> Option<String> {
    if found == expected {
        return None;
    }
    let keys = found.keys().chain(expected.keys());
    let key = keys.filter(|&key| found.get(key) != expected.get(key)).min()?;
    Some(difference(key, found.get(key), expected.get(key)))
}

fn difference(key: &[u8], found: Option<&Value>, expected: Option<&Value>) -> String {
    let show =
        |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), |value| Bytes(value).to_string());
    format!("under key {} there is {} where {} should be", Bytes(key), show(found), show(expected))
}

/// Bytes for people: the first few, and how many there are.
struct Bytes<'a>(&'a [u8]);

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.iter().take(24) {
            write!(formatter, "{byte:02x}")?;
        }
        write!(formatter, " ({} bytes)", self.0.len())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EvaluatedAgainstWrongState { newest, detail } => {
                write!(formatter, "a write was not evaluated against entry {newest}, the newest: {detail}")
            }
            Self::ReadImpossibleState { floor, newest, detail } => {
                write!(formatter, "a read showed no state from entry {floor} to {newest}: {detail}")
            }
            Self::RecoveredImpossibleState { floor, newest, detail } => {
                write!(formatter, "a crash left no state from entry {floor} to {newest}: {detail}")
            }
            Self::Failed(reason) => formatter.write_str(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str, value: &str) -> Change {
        (key.into(), Some(value.into()))
    }

    fn seen(key: &str, value: Option<&str>) -> (Key, Option<Value>) {
        (key.into(), value.map(Into::into))
    }

    fn state(rows: &[(&str, &str)]) -> State {
        rows.iter().map(|(key, value)| (Key::from(*key), Value::from(*value))).collect()
    }

    /// Three entries: a=1; a=2 and b=2 together; a deleted.
    fn three_entries() -> Oracle {
        let mut oracle = Oracle::default();
        oracle.logged(vec![put("a", "1")]);
        oracle.logged(vec![put("a", "2"), put("b", "2")]);
        oracle.logged(vec![("a".into(), None)]);
        oracle
    }

    #[test]
    fn evaluations_see_the_newest_state_and_depend_on_what_they_read() {
        let oracle = three_entries();
        assert_eq!(oracle.evaluated(&[seen("b", Some("2"))]), Ok(2));
        assert_eq!(oracle.evaluated(&[seen("a", None), seen("b", Some("2"))]), Ok(3));
        assert_eq!(oracle.evaluated(&[seen("never", None)]), Ok(0));
        assert!(oracle.evaluated(&[seen("a", Some("2"))]).is_err());
    }

    #[test]
    fn reads_never_go_back_and_never_mix_entries() {
        let mut oracle = three_entries();
        assert!(oracle.clone().read(&[seen("a", Some("2")), seen("b", None)]).is_err(), "half of entry 2");
        assert_eq!(oracle.read(&[seen("a", Some("1"))]), Ok(()));
        assert_eq!(oracle.read(&[seen("a", Some("2"))]), Ok(()));
        assert!(oracle.read(&[seen("a", Some("1"))]).is_err(), "somebody has seen entry 2");
        assert_eq!(oracle.floor(), 2);
    }

    #[test]
    fn a_crash_keeps_what_was_acknowledged_and_any_number_of_entries_behind_it() {
        let possible = |found: &State, index| {
            let mut oracle = three_entries();
            oracle.acknowledged(1);
            oracle.recovered(found, index)
        };
        assert_eq!(possible(&state(&[("a", "1")]), None), Ok(1));
        assert_eq!(possible(&state(&[("a", "2"), ("b", "2")]), Some(2)), Ok(2));
        assert_eq!(possible(&state(&[("b", "2")]), None), Ok(3));
        assert!(possible(&state(&[]), None).is_err(), "entry 1 was acknowledged");
        assert!(possible(&state(&[("a", "2")]), None).is_err(), "entry 2 has two halves");
        assert!(possible(&state(&[("b", "2")]), Some(2)).is_err(), "it is wrong about itself");
        assert!(possible(&state(&[("a", "1"), ("c", "")]), None).is_err(), "an invention");
    }

    #[test]
    fn entries_lost_in_a_crash_never_were() {
        let mut oracle = three_entries();
        assert_eq!(oracle.recovered(&state(&[("a", "1")]), None), Ok(1));
        assert_eq!(oracle.newest(), 1);
        assert!(oracle.evaluated(&[seen("b", Some("2"))]).is_err());
        assert_eq!(oracle.logged(vec![put("b", "3")]), 2);
        assert_eq!(oracle.read(&[seen("b", Some("3"))]), Ok(()));
    }

    #[test]
    fn scans_show_one_state_in_order_up_to_their_limit() {
        let rows = |rows: &[(&str, &str)]| -> Vec<(Key, Value)> {
            rows.iter().map(|(key, value)| (Key::from(*key), Value::from(*value))).collect()
        };
        let mut oracle = three_entries();
        oracle.acknowledged(2);
        let down = Scan { order: Order::Descending, limit: 1, ..Scan::everything() };
        assert_eq!(oracle.clone().scanned(&down, &rows(&[("b", "2")])), Ok(()));
        assert!(oracle.clone().scanned(&down, &rows(&[("a", "2")])).is_err());
        assert!(oracle.clone().scanned(&Scan::everything(), &rows(&[("a", "1")])).is_err());
        assert_eq!(oracle.scanned(&Scan::everything(), &rows(&[("b", "2")])), Ok(()));
        assert_eq!(oracle.floor(), 3, "the scan has shown the deletion");
        let nothing =
            Scan { from: Bound::Excluded("b".into()), to: Bound::Included("a".into()), ..Scan::everything() };
        assert_eq!(oracle.scanned(&nothing, &[]), Ok(()));
    }
}
