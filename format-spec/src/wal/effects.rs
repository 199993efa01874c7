//! The body of an Effects record: what one entry changes, as keys and values, one effect after the other.

use crate::bytes::{Put, Reader, prefixed_bytes_len};
use crate::error::DecodeError;
use crate::layout::Constant;

/// The longest key that the log carries: a tag, a hash, and the escaped keys of a base and an index item.
pub const KEY_BYTES_MAX: usize = 32 << 10;

const WHAT: &str = "log effects";
const PUT: u8 = 1;
const DELETE: u8 = 2;
const SPLICE: u8 = 3;
const DELETE_RANGE: u8 = 4;

/// The kinds of effects with their numbers; the table of `spec/wal.md`.
pub const EFFECT_KINDS: &[Constant] = &[
    Constant::new("Put", PUT as u64),
    Constant::new("Delete", DELETE as u64),
    Constant::new("Splice", SPLICE as u64),
    Constant::new("DeleteRange", DELETE_RANGE as u64),
];

/// One change to one partition's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect<'a> {
    /// The row has this value from now on.
    Put {
        /// The row's key, its tag first.
        key: &'a [u8],
        /// The new value, whole.
        value: &'a [u8],
    },
    /// The row does not exist from now on.
    Delete {
        /// The row's key, its tag first.
        key: &'a [u8],
    },
    /// Parts of the row's value are replaced.
    Splice(Splice<'a>),
    /// No row from `from` up to but not including `to` exists from now on.
    DeleteRange {
        /// The first key that goes.
        from: &'a [u8],
        /// The first key that stays; of the same tag.
        to: &'a [u8],
    },
}

/// A change of parts of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice<'a> {
    /// The row's key, its tag first.
    pub key: &'a [u8],
    /// Last-write hybrid time of the value that the ranges count in.
    pub base_hybrid_time: u64,
    /// What is replaced, from front to back.
    pub ranges: SpliceRanges<'a>,
}

/// One replaced part of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpliceRange<'a> {
    /// Where the part starts in the old value.
    pub offset: u64,
    /// Bytes of the old value that go.
    pub removed_bytes: u64,
    /// What takes their place.
    pub inserted: &'a [u8],
}

impl<'a> Effect<'a> {
    /// Appends a [`Effect::Put`] to a body.
    pub fn put(body: &mut Vec<u8>, key: &[u8], value: &[u8]) {
        body.put_u8(PUT);
        body.put_prefixed_bytes(key);
        body.put_prefixed_bytes(value);
    }

    /// Bytes that [`Effect::put`] appends.
    pub fn put_bytes(key: &[u8], value: &[u8]) -> usize {
        1 + prefixed_bytes_len(key) + prefixed_bytes_len(value)
    }

    /// Bytes that [`Effect::delete`] appends.
    pub fn delete_bytes(key: &[u8]) -> usize {
        1 + prefixed_bytes_len(key)
    }

    /// Appends a [`Effect::Delete`] to a body.
    pub fn delete(body: &mut Vec<u8>, key: &[u8]) {
        body.put_u8(DELETE);
        body.put_prefixed_bytes(key);
    }

    /// Appends a [`Effect::Splice`] to a body; `ranges` ascend and do not touch.
    pub fn splice(body: &mut Vec<u8>, key: &[u8], base_hybrid_time: u64, ranges: &[SpliceRange<'_>]) {
        body.put_u8(SPLICE);
        body.put_prefixed_bytes(key);
        body.put_u64(base_hybrid_time);
        body.put_varint(ranges.len() as u64);
        for range in ranges {
            body.put_varint(range.offset);
            body.put_varint(range.removed_bytes);
            body.put_prefixed_bytes(range.inserted);
        }
    }

    /// Appends a [`Effect::DeleteRange`] to a body.
    pub fn delete_range(body: &mut Vec<u8>, from: &[u8], to: &[u8]) {
        body.put_u8(DELETE_RANGE);
        body.put_prefixed_bytes(from);
        body.put_prefixed_bytes(to);
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        match reader.u8()? {
            PUT => Ok(Self::Put { key: decode_key(reader)?, value: reader.prefixed_bytes()? }),
            DELETE => Ok(Self::Delete { key: decode_key(reader)? }),
            SPLICE => Ok(Self::Splice(Splice {
                key: decode_key(reader)?,
                base_hybrid_time: reader.u64()?,
                ranges: SpliceRanges::decode(reader)?,
            })),
            DELETE_RANGE => decode_delete_range(reader),
            number => Err(DecodeError::OutOfRange {
                field: "log effect kind",
                value: number.into(),
                minimum: PUT.into(),
                maximum: DELETE_RANGE.into(),
            }),
        }
    }
}

/// The effects of a record's body, in order. Ends after the first error; a body without effects is one.
#[derive(Debug, Clone)]
pub struct Effects<'a> {
    reader: Reader<'a>,
    state: EffectsState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EffectsState {
    BeforeFirst,
    Between,
    Failed,
}

impl<'a> Effects<'a> {
    /// Starts at the front of a body.
    pub fn new(body: &'a [u8]) -> Self {
        Self { reader: Reader::new(WHAT, body), state: EffectsState::BeforeFirst }
    }
}

impl<'a> Iterator for Effects<'a> {
    type Item = Result<Effect<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let at_end = self.reader.remaining() == 0;
        match self.state {
            EffectsState::Failed => return None,
            EffectsState::Between if at_end => return None,
            EffectsState::Between | EffectsState::BeforeFirst => {}
        }
        let effect = Effect::decode(&mut self.reader);
        self.state = if effect.is_ok() { EffectsState::Between } else { EffectsState::Failed };
        Some(effect)
    }
}

/// The replaced parts of one value, checked to ascend without touching.
#[derive(Debug, Clone)]
pub struct SpliceRanges<'a> {
    reader: Reader<'a>,
    left: u64,
}

impl<'a> SpliceRanges<'a> {
    /// Takes the ranges off the front of `reader`, each of them checked.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let left = reader.varint()?;
        if left == 0 {
            return Err(not_canonical("a splice replaces something"));
        }
        let ranges = Self { reader: reader.clone(), left };
        let mut end_of_last = None;
        for _ in 0..left {
            let range = decode_splice_range(reader)?;
            let end = range.offset.checked_add(range.removed_bytes);
            let ascends = end_of_last.is_none_or(|last| range.offset > last);
            match end {
                Some(end) if ascends => end_of_last = Some(end),
                _ => return Err(not_canonical("splice ranges ascend and do not touch")),
            }
        }
        Ok(ranges)
    }
}

impl<'a> Iterator for SpliceRanges<'a> {
    type Item = SpliceRange<'a>;

    fn next(&mut self) -> Option<SpliceRange<'a>> {
        self.left = self.left.checked_sub(1)?;
        Some(
            decode_splice_range(&mut self.reader).expect("the ranges were decoded once when they were taken"),
        )
    }
}

impl PartialEq for SpliceRanges<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.clone().eq(other.clone())
    }
}

impl Eq for SpliceRanges<'_> {}

fn decode_splice_range<'a>(reader: &mut Reader<'a>) -> Result<SpliceRange<'a>, DecodeError> {
    let range = SpliceRange {
        offset: reader.varint()?,
        removed_bytes: reader.varint()?,
        inserted: reader.prefixed_bytes()?,
    };
    if range.removed_bytes == 0 && range.inserted.is_empty() {
        return Err(not_canonical("a splice range changes something"));
    }
    Ok(range)
}

fn decode_delete_range<'a>(reader: &mut Reader<'a>) -> Result<Effect<'a>, DecodeError> {
    let (from, to) = (decode_key(reader)?, decode_key(reader)?);
    if from.first() != to.first() || from.first() == Some(&crate::key_encoding::TAG_ITEM) {
        return Err(not_canonical("a range is deleted within one tag, never within the items'"));
    }
    if from >= to {
        return Err(not_canonical("a deleted range is not empty"));
    }
    Ok(Effect::DeleteRange { from, to })
}

fn decode_key<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let key = reader.prefixed_bytes()?;
    if (1..=KEY_BYTES_MAX).contains(&key.len()) {
        return Ok(key);
    }
    Err(DecodeError::OutOfRange {
        field: "log effect key length",
        value: key.len() as u64,
        minimum: 1,
        maximum: KEY_BYTES_MAX as u64,
    })
}

fn not_canonical(rule: &'static str) -> DecodeError {
    DecodeError::NotCanonical { what: WHAT, rule }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(body: &[u8]) -> Result<Vec<Effect<'_>>, DecodeError> {
        Effects::new(body).collect()
    }

    fn encoded_again(effects: &[Effect<'_>]) -> Vec<u8> {
        let mut body = Vec::new();
        for effect in effects {
            match effect {
                Effect::Put { key, value } => Effect::put(&mut body, key, value),
                Effect::Delete { key } => Effect::delete(&mut body, key),
                Effect::Splice(splice) => {
                    let ranges: Vec<_> = splice.ranges.clone().collect();
                    Effect::splice(&mut body, splice.key, splice.base_hybrid_time, &ranges);
                }
                Effect::DeleteRange { from, to } => Effect::delete_range(&mut body, from, to),
            }
        }
        body
    }

    fn three_ranges() -> [SpliceRange<'static>; 3] {
        [
            SpliceRange { offset: 0, removed_bytes: 3, inserted: b"" },
            SpliceRange { offset: 4, removed_bytes: 0, inserted: b"new" },
            SpliceRange { offset: 9, removed_bytes: 2, inserted: b"xy" },
        ]
    }

    #[test]
    fn each_kind_comes_back_as_it_was_put() {
        let mut body = Vec::new();
        Effect::put(&mut body, b"\x01key", b"value");
        Effect::delete(&mut body, b"\x01gone");
        Effect::splice(&mut body, b"\x01part", 77, &three_ranges());
        Effect::delete_range(&mut body, b"\x40a", b"\x40b");
        let effects = decoded(&body).unwrap();
        let Effect::Splice(splice) = &effects[2] else { panic!("a splice was put third") };
        assert_eq!((splice.key, splice.base_hybrid_time), (&b"\x01part"[..], 77));
        assert_eq!(splice.ranges.clone().collect::<Vec<_>>(), three_ranges());
        assert_eq!(effects[0], Effect::Put { key: b"\x01key", value: b"value" });
        assert_eq!(effects[1], Effect::Delete { key: b"\x01gone" });
        assert_eq!(effects[3], Effect::DeleteRange { from: b"\x40a", to: b"\x40b" });
    }

    #[test]
    fn what_no_writer_writes_is_refused() {
        let body = |encode: &dyn Fn(&mut Vec<u8>)| {
            let mut body = Vec::new();
            encode(&mut body);
            body
        };
        let item = [crate::key_encoding::TAG_ITEM];
        let overlapping = [three_ranges()[2], three_ranges()[0]];
        for (why, body) in [
            ("no effect", body(&|_| {})),
            ("an empty key", body(&|body| Effect::delete(body, b""))),
            ("too long a key", body(&|body| Effect::delete(body, &vec![1; KEY_BYTES_MAX + 1]))),
            ("a splice of nothing", body(&|body| Effect::splice(body, b"k", 1, &[]))),
            ("ranges out of order", body(&|body| Effect::splice(body, b"k", 1, &overlapping))),
            ("ranges over two tags", body(&|body| Effect::delete_range(body, b"\x40a", b"\x41b"))),
            ("an empty range", body(&|body| Effect::delete_range(body, b"\x40a", b"\x40a"))),
            ("a range of items", body(&|body| Effect::delete_range(body, &item, &[item[0], 1]))),
            ("an unknown kind", vec![5]),
        ] {
            assert!(decoded(&body).is_err(), "{why}");
        }
    }

    #[test]
    fn a_huge_count_of_ranges_is_refused_without_allocation() {
        let mut body = vec![SPLICE];
        body.put_prefixed_bytes(b"k");
        body.put_u64(1);
        body.put_varint(u64::MAX);
        assert!(matches!(decoded(&body), Err(DecodeError::Truncated { .. })));
    }

    proptest! {
        #[test]
        fn an_accepted_body_is_the_one_that_is_written(body in proptest::collection::vec(0u8..9, 0..40)) {
            if let Ok(effects) = decoded(&body) {
                prop_assert_eq!(encoded_again(&effects), body);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decoded(&body);
        }
    }
}
