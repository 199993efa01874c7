//! Ranges of one sort key: what several conditions on it leave, and whether two of them share a value.

use std::cmp::Ordering;

use crate::expression::{Constant, KeyTest};
use crate::number::Number;
use crate::value::Value;

/// What conditions on one sort key leave of its values, and the one condition that a read can ask for.
#[derive(Debug, Clone)]
pub(super) struct SortRange {
    lower: Option<Bound>,
    upper: Option<Bound>,
    tests: Vec<KeyTest>,
}

#[derive(Debug, Clone)]
struct Bound {
    point: Point,
    is_included: bool,
}

/// A place in the order of a sort key's values, which are all of one type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Point {
    Number(Number),
    /// Texts and bytes are ordered by their bytes.
    Bytes(Vec<u8>),
}

impl SortRange {
    /// Every value.
    pub(super) fn whole() -> Self {
        Self { lower: None, upper: None, tests: Vec::new() }
    }

    /// Leaves what meets `test` as well. Its constants have the sort key's type.
    pub(super) fn narrow(&mut self, test: &KeyTest) {
        let (lower, upper) = bounds(test);
        self.lower = tighter(self.lower.take(), lower, Ordering::Greater);
        self.upper = tighter(self.upper.take(), upper, Ordering::Less);
        self.tests.push(test.clone());
    }

    /// Whether no value is left.
    pub(super) fn is_empty(&self) -> bool {
        match (&self.lower, &self.upper) {
            (Some(lower), Some(upper)) => match lower.point.cmp(&upper.point) {
                Ordering::Less => false,
                Ordering::Equal => !(lower.is_included && upper.is_included),
                Ordering::Greater => true,
            },
            _ => false,
        }
    }

    /// Whether a value is in both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let mut both = self.clone();
        both.lower = tighter(both.lower, other.lower.clone(), Ordering::Greater);
        both.upper = tighter(both.upper, other.upper.clone(), Ordering::Less);
        !both.is_empty()
    }

    /// The order of ranges that do not overlap.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        match (&self.lower, &other.lower) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(left), Some(right)) => {
                left.point.cmp(&right.point).then(right.is_included.cmp(&left.is_included))
            }
        }
    }

    /// The condition of a read that covers the range, which may be a little wider; `None` if it covers every value.
    pub(super) fn test(&self) -> Option<KeyTest> {
        let find = |wanted: fn(&KeyTest) -> bool| self.tests.iter().find(|test| wanted(test)).cloned();
        match self.tests.as_slice() {
            [] => None,
            [only] => Some(only.clone()),
            _ => find(|test| matches!(test, KeyTest::Equal(_)))
                .or_else(|| find(|test| matches!(test, KeyTest::BeginsWith(_))))
                .or_else(|| self.between())
                .or_else(|| self.tests.first().cloned()),
        }
    }

    /// One condition on both sides, if the conditions bound both.
    fn between(&self) -> Option<KeyTest> {
        let constant_at = |bound: &Bound| {
            let constants = self.tests.iter().flat_map(constants);
            constants.into_iter().find(|constant| point(constant).as_ref() == Some(&bound.point)).cloned()
        };
        Some(KeyTest::Between(constant_at(self.lower.as_ref()?)?, constant_at(self.upper.as_ref()?)?))
    }
}

fn bounds(test: &KeyTest) -> (Option<Bound>, Option<Bound>) {
    let bound = |constant, is_included| point(constant).map(|point| Bound { point, is_included });
    match test {
        KeyTest::Equal(constant) => (bound(constant, true), bound(constant, true)),
        KeyTest::Less(constant) => (None, bound(constant, false)),
        KeyTest::LessOrEqual(constant) => (None, bound(constant, true)),
        KeyTest::Greater(constant) => (bound(constant, false), None),
        KeyTest::GreaterOrEqual(constant) => (bound(constant, true), None),
        KeyTest::Between(lower, upper) => (bound(lower, true), bound(upper, true)),
        KeyTest::BeginsWith(prefix) => (bound(prefix, true), behind_prefix(prefix)),
        KeyTest::NotIndexable => (None, None),
    }
}

/// The first place behind everything that begins with a prefix; none if there is no such place.
fn behind_prefix(prefix: &Constant) -> Option<Bound> {
    let Some(Point::Bytes(mut bytes)) = point(prefix) else { return None };
    while let Some(last) = bytes.pop() {
        if let Some(next) = last.checked_add(1) {
            bytes.push(next);
            return Some(Bound { point: Point::Bytes(bytes), is_included: false });
        }
    }
    None
}

/// The tighter of two bounds: `tight` is how its point compares with the other's.
fn tighter(left: Option<Bound>, right: Option<Bound>, tight: Ordering) -> Option<Bound> {
    let (Some(left), Some(right)) = (left.clone(), right.clone()) else { return left.or(right) };
    let left_is_tighter = match left.point.cmp(&right.point) {
        Ordering::Equal => !left.is_included,
        order => order == tight,
    };
    Some(if left_is_tighter { left } else { right })
}

/// The constants of a test, in the order of its text.
pub(super) fn constants(test: &KeyTest) -> Vec<&Constant> {
    match test {
        KeyTest::Between(lower, upper) => vec![lower, upper],
        KeyTest::Equal(constant)
        | KeyTest::Less(constant)
        | KeyTest::LessOrEqual(constant)
        | KeyTest::Greater(constant)
        | KeyTest::GreaterOrEqual(constant)
        | KeyTest::BeginsWith(constant) => vec![constant],
        // Legacy parameters alone make it.
        KeyTest::NotIndexable => Vec::new(),
    }
}

fn point(constant: &Constant) -> Option<Point> {
    match constant.value() {
        Value::S(text) => Some(Point::Bytes(text.clone().into_bytes())),
        Value::B(bytes) => Some(Point::Bytes(bytes.clone())),
        Value::N(number) => Some(Point::Number(*number)),
        _ => None,
    }
}
