//! Ranges of keys and the direction in which they are walked.

use std::ops::Bound;

/// Keys between two bounds, in byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRange<'a> {
    /// The lower bound.
    pub from: Bound<&'a [u8]>,
    /// The upper bound.
    pub to: Bound<&'a [u8]>,
}

/// The order in which a cursor yields keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Ascending.
    Forward,
    /// Descending.
    Backward,
}

impl<'a> KeyRange<'a> {
    /// Every key.
    pub const ALL: KeyRange<'static> = KeyRange { from: Bound::Unbounded, to: Bound::Unbounded };

    /// `from <= key < to`.
    pub fn half_open(from: &'a [u8], to: &'a [u8]) -> Self {
        Self { from: Bound::Included(from), to: Bound::Excluded(to) }
    }

    /// What is left of this range when a walk in `direction` has passed `key`.
    #[must_use]
    pub fn after(self, key: &'a [u8], direction: Direction) -> Self {
        match direction {
            Direction::Forward => Self { from: Bound::Excluded(key), ..self },
            Direction::Backward => Self { to: Bound::Excluded(key), ..self },
        }
    }

    /// Whether `key` lies within both bounds.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.admits_from(key) && self.admits_to(key)
    }

    /// Whether every key from `first` on and below `end` lies within both bounds; `None`: there is no end.
    pub(crate) fn holds_between(&self, first: &[u8], end: Option<&[u8]>) -> bool {
        let holds_end = match (self.to, end) {
            (Bound::Unbounded, _) => true,
            (Bound::Included(to) | Bound::Excluded(to), Some(end)) => end <= to,
            (_, None) => false,
        };
        self.admits_from(first) && holds_end
    }

    /// Whether no key can lie within both bounds.
    pub fn is_empty(&self) -> bool {
        match (self.from, self.to) {
            (Bound::Included(from), Bound::Included(to)) => from > to,
            (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => {
                from >= to
            }
            (Bound::Unbounded, Bound::Excluded(to)) => to.is_empty(),
            _ => false,
        }
    }

    fn admits_from(&self, key: &[u8]) -> bool {
        match self.from {
            Bound::Included(from) => key >= from,
            Bound::Excluded(from) => key > from,
            Bound::Unbounded => true,
        }
    }

    fn admits_to(&self, key: &[u8]) -> bool {
        match self.to {
            Bound::Included(to) => key <= to,
            Bound::Excluded(to) => key < to,
            Bound::Unbounded => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_honoured_on_both_sides() {
        let range = KeyRange::half_open(b"b", b"d");
        let inside: Vec<&str> =
            ["a", "b", "c", "d"].into_iter().filter(|key| range.contains(key.as_bytes())).collect();
        assert_eq!(inside, ["b", "c"]);
        assert!(!range.after(b"b", Direction::Forward).contains(b"b"));
        assert!(!range.after(b"c", Direction::Backward).contains(b"c"));
    }

    #[test]
    fn a_range_holds_what_ends_with_it() {
        let range = KeyRange::half_open(b"b", b"d");
        for (first, end, holds) in [
            (b"b", Some(&b"d"[..]), true),
            (b"c", Some(b"cc"), true),
            (b"a", Some(b"c"), false),
            (b"c", Some(b"dd"), false),
            (b"c", None, false),
        ] {
            assert_eq!(range.holds_between(first, end), holds, "from {first:?} to {end:?}");
        }
        assert!(!range.after(b"b", Direction::Forward).holds_between(b"b", Some(b"d")));
        assert!(KeyRange::ALL.holds_between(b"", None));
    }

    #[test]
    fn reversed_and_touching_bounds_are_empty() {
        assert!(KeyRange::half_open(b"d", b"b").is_empty());
        assert!(KeyRange::half_open(b"b", b"b").is_empty());
        assert!(KeyRange::half_open(b"b", b"b").after(b"b", Direction::Forward).is_empty());
        assert!(!KeyRange { from: Bound::Included(b"b"), to: Bound::Included(b"b") }.is_empty());
        assert!(!KeyRange::ALL.is_empty());
    }
}
