//! What an item gives its table's indexes and its order of expiry, by the specification alone.
//!
//! `format-spec/spec/global_index.md`, `key_encoding.md`, `time_to_live.md`. The engine derives the same rows with code
//! of its own, which is what these are held against.

use std::{borrow::Cow, collections::BTreeSet};

use basalt_format::{
    DecodeError,
    catalog::{Projection, TableRow},
    item_encoding::{self, Container, Encoder, RawValue},
    key_encoding::{
        KeyHasher, KeyPart, KeyPartKind, TAG_GLOBAL_INDEX, TAG_ITEM, TAG_LOCAL_INDEX_FIRST, encode_part,
        encode_partition_prefix,
    },
    number::{Decimal, decode_compact},
    time_to_live::TimeToLiveKey,
};

/// Text and binary of an index's partition key, all its attributes together.
const PARTITION_KEY_BYTES_MAX: usize = 2048;
/// The same of its sort key.
const SORT_KEY_BYTES_MAX: usize = 1024;
/// The power of ten of the first digit of the largest u64.
const EXPIRY_MAGNITUDE_MAX: i16 = 19;

/// A row by key and value.
pub(crate) type Derived = (Vec<u8>, Vec<u8>);

/// How the keys of a table's items are made.
pub(crate) struct ItemKeys {
    hasher: KeyHasher,
    partition: KeyAttribute,
    sort: Option<KeyAttribute>,
}

/// How an index's entries are made of items.
pub(crate) struct IndexShape {
    tag: u8,
    hasher: KeyHasher,
    partition: Vec<KeyAttribute>,
    sort: Vec<KeyAttribute>,
    /// Attributes of the table's key that follow.
    suffix: Vec<KeyAttribute>,
    /// What entries hold; `None`: all of the item.
    held: Option<BTreeSet<String>>,
}

#[derive(Debug, Clone)]
struct KeyAttribute {
    name: String,
    kind: KeyPartKind,
}

impl ItemKeys {
    pub(crate) fn of(table: &TableRow) -> Self {
        let (partition, sort) = table_key(table);
        Self { hasher: KeyHasher::new(&table.hash_secret), partition, sort }
    }

    /// The key of the row in which an item must stand; `None`: the item lacks its key.
    pub(crate) fn key_of(&self, item: &[u8]) -> Result<Option<Vec<u8>>, DecodeError> {
        let Some(mut key) = self.partition_prefix_of(item)? else { return Ok(None) };
        if let Some(sort) = &self.sort {
            let Some(sort) = part_of(item_encoding::attributes(item)?, sort)? else { return Ok(None) };
            encode_part(&sort, &mut key);
        }
        Ok(Some(key))
    }

    /// What the keys of all items begin with that have an item's partition key.
    pub(crate) fn partition_prefix_of(&self, item: &[u8]) -> Result<Option<Vec<u8>>, DecodeError> {
        let Some(partition) = part_of(item_encoding::attributes(item)?, &self.partition)? else {
            return Ok(None);
        };
        let mut key = Vec::new();
        encode_partition_prefix(TAG_ITEM, &self.hasher, [&partition], &mut key);
        Ok(Some(key))
    }
}

impl IndexShape {
    /// The shapes of a table's local indexes, in the order of their tags.
    pub(crate) fn of_local_indexes(table: &TableRow) -> Vec<Self> {
        let (partition, sort) = table_key(table);
        let shapes = table.local_indexes.iter().zip(TAG_LOCAL_INDEX_FIRST..).map(|(index, tag)| {
            let own = vec![attribute(table, &index.sort_key)];
            let suffix = sort.clone().into_iter().collect();
            Self::new(table, tag, vec![partition.clone()], own, suffix, &index.projection)
        });
        shapes.collect()
    }

    /// The shapes of its global indexes, in the order of the table's row.
    pub(crate) fn of_global_indexes(table: &TableRow) -> Vec<Self> {
        let (partition, sort) = table_key(table);
        let shapes = table.global_indexes.iter().map(|index| {
            let attributes =
                |names: &[String]| names.iter().map(|name| attribute(table, name)).collect::<Vec<_>>();
            let suffix = std::iter::once(partition.clone()).chain(sort.clone()).collect();
            let (partition, sort) = (attributes(&index.partition_keys), attributes(&index.sort_keys));
            Self::new(table, TAG_GLOBAL_INDEX, partition, sort, suffix, &index.projection)
        });
        shapes.collect()
    }

    fn new(
        table: &TableRow,
        tag: u8,
        partition: Vec<KeyAttribute>,
        sort: Vec<KeyAttribute>,
        suffix: Vec<KeyAttribute>,
        projection: &Projection,
    ) -> Self {
        let included: &[String] = match projection {
            Projection::Include(names) => names,
            Projection::All | Projection::KeysOnly => &[],
        };
        let (table_partition, table_sort) = table_key(table);
        let keys = partition.iter().chain(&sort).chain([&table_partition]).chain(&table_sort);
        let names = keys.map(|key| key.name.clone()).chain(included.iter().cloned());
        let held = (*projection != Projection::All).then(|| names.collect());
        Self { tag, hasher: KeyHasher::new(&table.hash_secret), partition, sort, suffix, held }
    }

    /// The entry that an item has; `None`: it has none.
    pub(crate) fn entry_of(&self, item: &[u8]) -> Result<Option<Derived>, DecodeError> {
        let attributes = item_encoding::attributes(item)?;
        let Some(partition) = own_parts(attributes, &self.partition, PARTITION_KEY_BYTES_MAX)? else {
            return Ok(None);
        };
        let Some(sort) = own_parts(attributes, &self.sort, SORT_KEY_BYTES_MAX)? else { return Ok(None) };
        let mut key = Vec::new();
        encode_partition_prefix(self.tag, &self.hasher, &partition, &mut key);
        sort.iter().for_each(|part| encode_part(part, &mut key));
        for attribute in &self.suffix {
            let Some(part) = part_of(attributes, attribute)? else { return Ok(None) };
            encode_part(&part, &mut key);
        }
        Ok(Some((key, self.projected(item, attributes)?)))
    }

    fn projected(&self, item: &[u8], attributes: Container<'_>) -> Result<Vec<u8>, DecodeError> {
        let Some(held) = &self.held else { return Ok(item.to_vec()) };
        let mut encoder = Encoder::with_capacity(item.len());
        let container = encoder.open();
        for entry in attributes.entries() {
            let entry = entry?;
            if held.contains(item_encoding::split_name(entry)?.0) {
                encoder.put_bytes(entry);
                encoder.end_entry(&container);
            }
        }
        encoder.close(container);
        Ok(encoder.finish())
    }
}

/// The key of the row that orders an item by its expiry; `None`: it does not expire.
pub(crate) fn expiry_key(
    item_key: &[u8],
    item: &[u8],
    attribute: &str,
) -> Result<Option<Vec<u8>>, DecodeError> {
    let Some(value) = item_encoding::attributes(item)?.find(attribute)? else { return Ok(None) };
    let RawValue::Number(number) = RawValue::parse(value)? else { return Ok(None) };
    let seconds = whole_seconds(decode_compact(number)?);
    Ok(seconds.map(|seconds| TimeToLiveKey::of_item(item_key, seconds).encode()))
}

/// A number from 1 on, rounded down to whole seconds.
fn whole_seconds(number: Decimal) -> Option<u64> {
    if number.is_negative() || number.magnitude()? > EXPIRY_MAGNITUDE_MAX {
        return None;
    }
    let power = 10_u128.checked_pow(number.exponent().unsigned_abs().into());
    let seconds = match (number.exponent() < 0, power) {
        (true, Some(power)) => number.mantissa() / power,
        (true, None) => 0,
        (false, Some(power)) => number.mantissa().checked_mul(power)?,
        (false, None) => return None,
    };
    u64::try_from(seconds).ok().filter(|&seconds| seconds > 0)
}

fn table_key(table: &TableRow) -> (KeyAttribute, Option<KeyAttribute>) {
    let sort = table.sort_key.as_ref().map(|name| attribute(table, name));
    (attribute(table, &table.partition_key), sort)
}

fn attribute(table: &TableRow, name: &str) -> KeyAttribute {
    let definition = table.attribute_definitions.iter().find(|definition| definition.name == name);
    let kind = definition.expect("a decoded row's keys are among its definitions").kind;
    KeyAttribute { name: name.to_owned(), kind }
}

/// The parts of an index's own key; `None` where the item has not all of them as keys may be.
fn own_parts<'a>(
    attributes: Container<'a>,
    own: &[KeyAttribute],
    bytes_max: usize,
) -> Result<Option<Vec<KeyPart<'a>>>, DecodeError> {
    let mut parts = Vec::with_capacity(own.len());
    let mut bytes = 0;
    for attribute in own {
        let Some(part) = part_of(attributes, attribute)? else { return Ok(None) };
        bytes += match &part {
            KeyPart::S(text) if text.is_empty() => return Ok(None),
            KeyPart::B(binary) if binary.is_empty() => return Ok(None),
            KeyPart::S(text) => text.len(),
            KeyPart::B(binary) => binary.len(),
            KeyPart::N(_) => 0,
        };
        parts.push(part);
    }
    Ok((bytes <= bytes_max).then_some(parts))
}

fn part_of<'a>(attributes: Container<'a>, wanted: &KeyAttribute) -> Result<Option<KeyPart<'a>>, DecodeError> {
    let Some(value) = attributes.find(&wanted.name)? else { return Ok(None) };
    Ok(match (RawValue::parse(value)?, wanted.kind) {
        (RawValue::String(bytes), KeyPartKind::S) => {
            Some(KeyPart::S(Cow::Borrowed(item_encoding::text(bytes)?)))
        }
        (RawValue::Binary(bytes), KeyPartKind::B) => Some(KeyPart::B(Cow::Borrowed(bytes))),
        (RawValue::Number(bytes), KeyPartKind::N) => Some(KeyPart::N(decode_compact(bytes)?)),
        _ => None,
    })
}
