//! Keys of a partition's tree: byte strings whose order is the order that queries promise.
//!
//! The first byte, the tag, tells the ranges of one tree apart. Rows of tables and indexes go on with the hash of
//! the encoded partition key, then its parts, then the parts that sort within it; each part is order-preserving
//! and tells its own end, so that parts can be strung together.
//!
//! Invariants:
//! - For parts of one kind, `a < b` exactly if the encoding of `a` is less than that of `b`, whatever follows.
//! - No encoded part is a prefix of another's.
//! - A key decodes to the parts that it was made of, and no other bytes decode to them.
//!
//! Knows nothing of schemas: the caller says which kinds follow each other. Bytes: `spec/key_encoding.md`.

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_64_with_secret;

use crate::checksum::xxh3_128;
use crate::layout::{Constant, Field};
use crate::number::{self, Decimal};
use crate::{DecodeError, Put, Reader};

/// Items of a table.
pub const TAG_ITEM: u8 = 0x10;
/// Sizes of item collections, in tables with local secondary indexes.
pub const TAG_COLLECTION: u8 = 0x18;
/// Entries of the first local secondary index; the n-th has the n-th tag from here.
pub const TAG_LOCAL_INDEX_FIRST: u8 = 0x20;
/// The last tag that a local secondary index can have.
pub const TAG_LOCAL_INDEX_LAST: u8 = 0x2f;
/// How many tags local secondary indexes have.
pub const LOCAL_INDEX_TAGS: usize = (TAG_LOCAL_INDEX_LAST - TAG_LOCAL_INDEX_FIRST + 1) as usize;
/// Changes that a global index has not received yet.
pub const TAG_OUTBOX: u8 = 0x30;
/// Stream records.
pub const TAG_STREAM: u8 = 0x40;
/// Items in the order of their expiry.
pub const TAG_TIME_TO_LIVE: u8 = 0x50;
/// Tokens of idempotent transactions.
pub const TAG_TOKEN: u8 = 0x60;
/// Items that a transaction over several shards has prepared.
pub const TAG_PREPARED: u8 = 0x62;
/// Decisions of transactions, in ledger partitions.
pub const TAG_DECISION: u8 = 0x64;
/// In a global index: what has been received from each base partition.
pub const TAG_RECEIVED: u8 = 0x70;
/// Entries of a global secondary index.
pub const TAG_GLOBAL_INDEX: u8 = 0x80;
/// How far rows that are derived from items were made.
pub const TAG_LAYOUT: u8 = 0xa0;
/// The catalog, in partition 0.
pub const TAG_CATALOG: u8 = 0xb0;

/// The tags as the specification lists them.
pub const TAGS: &[Constant] = &[
    Constant::new("TAG_ITEM", TAG_ITEM as u64),
    Constant::new("TAG_COLLECTION", TAG_COLLECTION as u64),
    Constant::new("TAG_LOCAL_INDEX_FIRST", TAG_LOCAL_INDEX_FIRST as u64),
    Constant::new("TAG_LOCAL_INDEX_LAST", TAG_LOCAL_INDEX_LAST as u64),
    Constant::new("TAG_OUTBOX", TAG_OUTBOX as u64),
    Constant::new("TAG_STREAM", TAG_STREAM as u64),
    Constant::new("TAG_TIME_TO_LIVE", TAG_TIME_TO_LIVE as u64),
    Constant::new("TAG_TOKEN", TAG_TOKEN as u64),
    Constant::new("TAG_PREPARED", TAG_PREPARED as u64),
    Constant::new("TAG_DECISION", TAG_DECISION as u64),
    Constant::new("TAG_RECEIVED", TAG_RECEIVED as u64),
    Constant::new("TAG_GLOBAL_INDEX", TAG_GLOBAL_INDEX as u64),
    Constant::new("TAG_LAYOUT", TAG_LAYOUT as u64),
    Constant::new("TAG_CATALOG", TAG_CATALOG as u64),
];

/// The beginning of every key that has a hash; the parts follow.
pub const HASHED_KEY_LAYOUT: &[Field] = &[Field::new(0, 1, "tag"), Field::new(1, 8, "hash")];
/// Where the parts of a hashed key begin.
pub const HASHED_KEY_PARTS_OFFSET: usize = HASHED_KEY_LAYOUT[1].end();

/// Written before a zero byte's stand-in and before the end mark.
pub const ESCAPE: u8 = 0x00;
/// After [`ESCAPE`]: the part ends.
pub const ESCAPED_END: u8 = 0x01;
/// After [`ESCAPE`]: the part has a zero byte.
pub const ESCAPED_ZERO: u8 = 0xff;

/// The bytes of strings and binary parts that are not themselves, as the specification lists them.
pub const ESCAPES: &[Constant] = &[
    Constant::new("ESCAPE", ESCAPE as u64),
    Constant::new("ESCAPED_END", ESCAPED_END as u64),
    Constant::new("ESCAPED_ZERO", ESCAPED_ZERO as u64),
];

/// Bytes of the secret that a table keeps.
pub const SECRET_BYTES: usize = 16;
/// Bytes of the secret that XXH3 works with: the size of the algorithm's own.
const EXPANDED_SECRET_BYTES: usize = 192;

const WHAT: &str = "key";

/// One attribute of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPart<'a> {
    /// Text; sorts by its UTF-8 bytes.
    S(Cow<'a, str>),
    /// Number; sorts by value.
    N(Decimal),
    /// Bytes; sort unsigned.
    B(Cow<'a, [u8]>),
}

/// Which [`KeyPart`] stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyPartKind {
    /// Text.
    S,
    /// Number.
    N,
    /// Bytes.
    B,
}

impl KeyPart<'_> {
    /// The kind that reads this part back.
    pub fn kind(&self) -> KeyPartKind {
        match self {
            Self::S(_) => KeyPartKind::S,
            Self::N(_) => KeyPartKind::N,
            Self::B(_) => KeyPartKind::B,
        }
    }
}

/// Hashes encoded partition keys under a table's secret.
///
/// XXH3-64 with a secret of 192 bytes, made once of the table's 16: sixteen bytes at a time, the i-th of them the
/// little-endian XXH3-128 of the 16 with seed i. Who does not know the secret cannot choose partition keys that
/// fall together; XXH3 is no cipher, so the secret never leaves the node.
#[derive(Clone)]
pub struct KeyHasher {
    expanded_secret: [u8; EXPANDED_SECRET_BYTES],
}

impl KeyHasher {
    /// Expands a table's secret; keep the result, it costs as much as a dozen hashes.
    pub fn new(secret: &[u8; SECRET_BYTES]) -> Self {
        let mut expanded_secret = [0; EXPANDED_SECRET_BYTES];
        for (seed, chunk) in (0u64..).zip(expanded_secret.chunks_exact_mut(16)) {
            chunk.copy_from_slice(&xxh3_128(secret, seed).to_le_bytes());
        }
        Self { expanded_secret }
    }

    /// The hash of a partition key's encoded parts.
    pub fn hash(&self, encoded_partition_key: &[u8]) -> u64 {
        xxh3_64_with_secret(encoded_partition_key, &self.expanded_secret)
    }
}

impl std::fmt::Debug for KeyHasher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret stays out of logs.
        formatter.debug_struct("KeyHasher").finish_non_exhaustive()
    }
}

/// Appends `tag ‖ hash ‖ partition key` and returns the hash; sorting parts may follow by [`encode_part`].
pub fn encode_partition_prefix<'a>(
    tag: u8,
    hasher: &KeyHasher,
    partition_key: impl IntoIterator<Item = &'a KeyPart<'a>>,
    out: &mut Vec<u8>,
) -> u64 {
    out.put_u8(tag);
    let hash_start = out.len();
    out.put_bytes(&[0; 8]);
    let parts_start = out.len();
    for part in partition_key {
        encode_part(part, out);
    }
    let hash = hasher.hash(&out[parts_start..]);
    out[hash_start..parts_start].copy_from_slice(&hash.to_be_bytes());
    hash
}

/// Takes `tag ‖ hash ‖ parts` apart; the reader stands at the first part.
pub fn decode_hashed(key: &[u8]) -> Result<(u8, u64, Reader<'_>), DecodeError> {
    let mut reader = Reader::new(WHAT, key);
    let tag = reader.u8()?;
    let hash = u64::from_be_bytes(reader.array()?);
    Ok((tag, hash, reader))
}

/// Appends one part.
pub fn encode_part(part: &KeyPart<'_>, out: &mut Vec<u8>) {
    match part {
        KeyPart::S(text) => encode_delimited(text.as_bytes(), out),
        KeyPart::B(bytes) => encode_delimited(bytes, out),
        KeyPart::N(number) => number::encode_ordered(*number, out),
    }
}

/// Appends the common beginning of all parts that begin with `prefix`: the part without its end mark.
pub fn encode_part_prefix(prefix: &[u8], out: &mut Vec<u8>) {
    for piece in prefix.split_inclusive(|&byte| byte == ESCAPE) {
        out.put_bytes(piece);
        if piece.last() == Some(&ESCAPE) {
            out.put_u8(ESCAPED_ZERO);
        }
    }
}

/// Reads one part and leaves `reader` behind it.
pub fn decode_part<'a>(kind: KeyPartKind, reader: &mut Reader<'a>) -> Result<KeyPart<'a>, DecodeError> {
    match kind {
        KeyPartKind::N => number::decode_ordered(reader).map(KeyPart::N),
        KeyPartKind::B => decode_delimited(reader).map(KeyPart::B),
        KeyPartKind::S => match decode_delimited(reader)? {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| not_utf8()),
            Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| not_utf8()),
        }
        .map(KeyPart::S),
    }
}

/// Turns bytes into the least byte string that is greater than all that begin with them: the exclusive end of a
/// prefix's range. Keys begin with a tag below 0xff, so there always is one.
pub fn prefix_end(mut prefix: Vec<u8>) -> Vec<u8> {
    while prefix.last() == Some(&0xff) {
        prefix.pop();
    }
    let last = prefix.last_mut().expect("a key's tag is less than 0xff");
    *last += 1;
    prefix
}

/// The least key and the exclusive end of all keys of a tag whose hash is in `first_hash..=last_hash`.
pub fn hash_range(tag: u8, first_hash: u64, last_hash: u64) -> (Vec<u8>, Vec<u8>) {
    let at = |hash: u64| [&[tag][..], &hash.to_be_bytes()].concat();
    (at(first_hash), prefix_end(at(last_hash)))
}

fn encode_delimited(bytes: &[u8], out: &mut Vec<u8>) {
    encode_part_prefix(bytes, out);
    out.put_bytes(&[ESCAPE, ESCAPED_END]);
}

fn decode_delimited<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, [u8]>, DecodeError> {
    let mut decoded = Cow::Borrowed(decode_piece(reader)?);
    loop {
        match reader.u8()? {
            ESCAPED_END => return Ok(decoded),
            ESCAPED_ZERO => {
                let owned = decoded.to_mut();
                owned.push(0);
                owned.extend_from_slice(decode_piece(reader)?);
            }
            other => {
                return Err(DecodeError::OutOfRange {
                    field: "byte after a zero in a key",
                    value: other.into(),
                    minimum: ESCAPED_END.into(),
                    maximum: ESCAPED_ZERO.into(),
                });
            }
        }
    }
}

/// Reads up to the next [`ESCAPE`] and over it.
fn decode_piece<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let rest = reader.rest();
    let length = rest.iter().position(|&byte| byte == ESCAPE).unwrap_or(rest.len());
    let piece = reader.bytes(length)?;
    reader.u8()?;
    Ok(piece)
}

fn not_utf8() -> DecodeError {
    DecodeError::NotUtf8 { what: WHAT }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECRET: [u8; SECRET_BYTES] = *b"0123456789abcdef";

    fn encoded(part: &KeyPart<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        encode_part(part, &mut out);
        out
    }

    /// Byte strings in which the special bytes are common.
    fn awkward_bytes() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(0), Just(1), Just(0xfe), Just(0xff), any::<u8>()];
        proptest::collection::vec(byte, 0..12)
    }

    fn binary(bytes: &[u8]) -> KeyPart<'_> {
        KeyPart::B(Cow::Borrowed(bytes))
    }

    proptest! {
        #[test]
        fn strung_parts_sort_as_tuples_and_come_back(
            a in (awkward_bytes(), "[a-c\0]{0,4}", any::<u8>()),
            b in (awkward_bytes(), "[a-c\0]{0,4}", any::<u8>()),
        ) {
            let key = |(bytes, text, number): &(Vec<u8>, String, u8)| {
                let mut out = encoded(&binary(bytes));
                encode_part(&KeyPart::S(Cow::Borrowed(text)), &mut out);
                let (mantissa, exponent) = if number % 10 == 0 { (number / 10 % 10, 1) } else { (*number, 0) };
                let decimal = Decimal::new(false, mantissa.into(), exponent).unwrap_or(Decimal::ZERO);
                encode_part(&KeyPart::N(decimal), &mut out);
                (out, decimal)
            };
            let (key_a, number_a) = key(&a);
            let (key_b, number_b) = key(&b);
            let order = (&a.0, &a.1, number_a).cmp(&(&b.0, &b.1, number_b));
            prop_assert_eq!(key_a.cmp(&key_b), order);

            let mut reader = Reader::new("test", &key_a);
            prop_assert_eq!(decode_part(KeyPartKind::B, &mut reader), Ok(binary(&a.0)));
            prop_assert_eq!(decode_part(KeyPartKind::S, &mut reader), Ok(KeyPart::S(Cow::Borrowed(&a.1))));
            prop_assert_eq!(decode_part(KeyPartKind::N, &mut reader), Ok(KeyPart::N(number_a)));
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn a_prefix_range_holds_exactly_what_begins_with_it(prefix in awkward_bytes(), other in awkward_bytes()) {
            let mut start = vec![TAG_ITEM];
            encode_part_prefix(&prefix, &mut start);
            let end = prefix_end(start.clone());
            let mut key = vec![TAG_ITEM];
            encode_part(&binary(&other), &mut key);
            prop_assert_eq!(start <= key && key < end, other.starts_with(&prefix));
        }

        #[test]
        fn what_decodes_encodes_to_the_same_bytes(bytes in awkward_bytes(), kind in 0..3) {
            let kind = [KeyPartKind::S, KeyPartKind::N, KeyPartKind::B][kind as usize];
            let mut reader = Reader::new("test", &bytes);
            if let Ok(part) = decode_part(kind, &mut reader) {
                prop_assert_eq!(encoded(&part), &bytes[..reader.position()]);
            }
        }
    }

    #[test]
    fn the_hash_depends_on_the_whole_secret() {
        let hash = KeyHasher::new(&SECRET).hash(b"key");
        for byte in 0..SECRET_BYTES {
            let mut other = SECRET;
            other[byte] ^= 1;
            assert_ne!(KeyHasher::new(&other).hash(b"key"), hash, "byte {byte} of the secret");
        }
    }

    #[test]
    fn a_partition_prefix_holds_tag_hash_and_parts() {
        let hasher = KeyHasher::new(&SECRET);
        let mut key = Vec::new();
        let hash = encode_partition_prefix(TAG_ITEM, &hasher, [&binary(b"k")], &mut key);
        let (tag, stored_hash, mut reader) = decode_hashed(&key).unwrap();
        assert_eq!((tag, stored_hash), (TAG_ITEM, hash));
        assert_eq!(hash, hasher.hash(reader.rest()));
        assert_eq!(decode_part(KeyPartKind::B, &mut reader), Ok(binary(b"k")));
    }

    #[test]
    fn the_last_hash_range_of_a_tag_ends_where_the_next_tag_begins() {
        let (start, end) = hash_range(TAG_ITEM, u64::MAX, u64::MAX);
        assert_eq!(start, [TAG_ITEM, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(end, [TAG_ITEM + 1]);
    }
}
