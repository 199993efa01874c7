//! Golden samples of keys, from the smallest to one with everything that is escaped.

use std::borrow::Cow;

use basalt_format::key_encoding::{self, KeyHasher, KeyPart, KeyPartKind, TAG_ITEM, TAG_LOCAL_INDEX_FIRST};
use basalt_format::number::Decimal;
use basalt_format::{DecodeError, Reader, collection_size};

use super::{Protection, Sample};

const SECRET: &[u8; 16] = b"golden v1 secret";

pub(super) fn samples() -> Vec<Sample> {
    vec![
        Sample {
            name: "key_of_string_and_number",
            protection: Protection::CanonicalForm,
            encode: || key(TAG_ITEM, &text("customer#7"), &[number(true, 12_345, -2)]),
            decode: |bytes| describe(bytes, &[KeyPartKind::S, KeyPartKind::N]),
        },
        Sample {
            name: "key_of_local_index",
            protection: Protection::CanonicalForm,
            encode: || {
                let zeros = KeyPart::B(Cow::Borrowed(&[0, 1, 0xff, 0]));
                key(TAG_LOCAL_INDEX_FIRST + 2, &text("a\0b"), &[zeros, number(false, 1, 125)])
            },
            decode: |bytes| describe(bytes, &[KeyPartKind::S, KeyPartKind::B, KeyPartKind::N]),
        },
        Sample {
            name: "collection_size",
            protection: Protection::CanonicalForm,
            encode: || collection_size::encode(258),
            decode: |bytes| collection_size::decode(bytes).map(|size| size.to_string()),
        },
        Sample {
            name: "key_of_zero",
            protection: Protection::CanonicalForm,
            encode: || key(TAG_ITEM, &KeyPart::N(Decimal::ZERO), &[]),
            decode: |bytes| describe(bytes, &[KeyPartKind::N]),
        },
    ]
}

fn text(text: &str) -> KeyPart<'_> {
    KeyPart::S(Cow::Borrowed(text))
}

fn number(negative: bool, mantissa: u128, exponent: i16) -> KeyPart<'static> {
    KeyPart::N(Decimal::new(negative, mantissa, exponent).expect("the sample is in normal form"))
}

fn key(tag: u8, partition: &KeyPart<'_>, sort: &[KeyPart<'_>]) -> Vec<u8> {
    let mut key = Vec::new();
    key_encoding::encode_partition_prefix(tag, &KeyHasher::new(SECRET), [partition], &mut key);
    for part in sort {
        key_encoding::encode_part(part, &mut key);
    }
    key
}

fn describe(bytes: &[u8], kinds: &[KeyPartKind]) -> Result<String, DecodeError> {
    let (tag, hash, mut reader): (u8, u64, Reader<'_>) = key_encoding::decode_hashed(bytes)?;
    let parts = kinds.iter().map(|kind| key_encoding::decode_part(*kind, &mut reader));
    let parts: Vec<KeyPart<'_>> = parts.collect::<Result<_, _>>()?;
    reader.finish()?;
    Ok(format!("tag {tag:#04x} hash {hash:016x} {parts:?}"))
}
