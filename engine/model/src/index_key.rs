//! Keys of secondary indexes: which attributes their entries are found by, and the bytes of those in the tree.
//!
//! An entry's key is the index's partition key and sort key, each of one or several attributes, then what is missing
//! to tell the item: of a global index the item's whole key, of a local one, which shares its partition key, the
//! table's sort key. An item that lacks one of the index's attributes has no entry.
//!
//! Invariant: entries of one partition key of an index sort by its sort key's attributes, then by the item's key, so
//! every condition that a query can set is one range.
//!
//! Bytes: `basalt_format::key_encoding`'s.

use std::borrow::Cow;

use basalt_format::DecodeError;
use basalt_format::key_encoding::{self, KeyHasher, KeyPart, TAG_GLOBAL_INDEX};

use crate::item::Item;
use crate::item_ref::{ItemRef, ValueRef};
use crate::key::{
    self, KEY_BYTES_USUAL, KeyAttribute, KeyBytes, KeyBytesRange, KeyCodec, KeyError, KeyPlace, KeySchema,
    KeyValue, PARTITION_KEY_BYTES_MAX, SORT_KEY_BYTES_MAX, ScalarKind, SortCondition, byte_length, part_of,
    value_of,
};

/// The partition key and the sort key of a global index may each have so many attributes.
pub const INDEX_KEY_ATTRIBUTES_MAX: usize = 4;
/// Room for the parts of most keys.
const PARTS_USUAL: usize = 4;

/// The attributes that entries of an index are found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexKeySchema {
    /// The partition key: one to four attributes.
    pub partition: Vec<KeyAttribute>,
    /// The sort key: none to four.
    pub sort: Vec<KeyAttribute>,
}

impl IndexKeySchema {
    /// Those of the partition key, then those of the sort key.
    pub fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        self.partition.iter().chain(&self.sort)
    }

    /// Whether an attribute is part of the key.
    pub fn contains(&self, name: &str) -> bool {
        self.attributes().any(|attribute| attribute.name == name)
    }
}

/// What a query asks of an index's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexKeyCondition {
    /// The values of all attributes of the partition key.
    pub partition: Vec<KeyValue>,
    /// The values of the first attributes of the sort key.
    pub sort_prefix: Vec<KeyValue>,
    /// What must hold of the sort key's next attribute.
    pub sort: Option<SortCondition>,
}

/// Turns the key attributes of one index into bytes and back.
#[derive(Debug, Clone)]
pub struct IndexKeyCodec {
    tag: u8,
    schema: IndexKeySchema,
    /// What stands behind the index's own attributes to tell the item.
    suffix: Vec<KeyAttribute>,
    table: KeySchema,
    hasher: KeyHasher,
}

impl IndexKeyCodec {
    /// The codec of a local index: its entries lie beside the items of their partition key, under a tag of theirs.
    pub fn local(tag: u8, sort: KeyAttribute, table: &KeyCodec) -> Self {
        let schema = IndexKeySchema { partition: vec![table.schema().partition.clone()], sort: vec![sort] };
        let suffix = table.schema().sort.iter().cloned().collect();
        Self { tag, schema, suffix, table: table.schema().clone(), hasher: table.hasher().clone() }
    }

    /// The codec of a global index, whose partition keys are hashed under the table's secret.
    pub fn global(schema: IndexKeySchema, table: &KeyCodec) -> Self {
        let suffix = table.schema().attributes().cloned().collect();
        let (table, hasher) = (table.schema().clone(), table.hasher().clone());
        Self { tag: TAG_GLOBAL_INDEX, schema, suffix, table, hasher }
    }

    /// The attributes that the index's entries are found by.
    pub fn schema(&self) -> &IndexKeySchema {
        &self.schema
    }

    /// The tag of the index's entries.
    pub fn tag(&self) -> u8 {
        self.tag
    }

    /// The attributes of the index's key and of the table's, each once: what a start key of this index holds.
    pub fn all_attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        let others = self.table.attributes().filter(|attribute| !self.schema.contains(&attribute.name));
        self.schema.attributes().chain(others)
    }

    /// The key of an item's entry. `None` if the item lacks an attribute of the index's key, or has it with a value
    /// that no key may have: items from before the index can.
    pub fn encode_entry(&self, item: ItemRef<'_>) -> Result<Option<KeyBytes>, DecodeError> {
        let mut lengths = Lengths::default();
        let mut parts = Vec::with_capacity(PARTS_USUAL);
        for (attribute, place) in self.placed_attributes() {
            let value = item.get(&attribute.name)?;
            let part = value.and_then(|value| part_of_ref(value, attribute.kind));
            match part.filter(|part| byte_length(part) != Some(0) && lengths.add(part, place).is_ok()) {
                Some(part) => parts.push(part),
                None => return Ok(None),
            }
        }
        for attribute in &self.suffix {
            let value = item.get(&attribute.name)?;
            let part = value.and_then(|value| part_of_ref(value, attribute.kind));
            parts.push(part.ok_or(DecodeError::NotCanonical { what: "item", rule: "an item has its key" })?);
        }
        Ok(Some(self.encode_parts(&parts)))
    }

    /// What is wrong with the values that an item to be written has for the index's key; lacking one is nothing wrong.
    pub fn check_item(
        &self,
        index_name: &str,
        item: ItemRef<'_>,
    ) -> Result<Result<(), KeyError>, DecodeError> {
        let mut lengths = Lengths::default();
        for (attribute, place) in self.placed_attributes() {
            let Some(value) = item.get(&attribute.name)? else { continue };
            let Some(part) = part_of_ref(value, attribute.kind) else {
                return Ok(Err(KeyError::IndexTypeMismatch {
                    name: attribute.name.clone(),
                    expected: attribute.kind,
                    actual: value.kind(),
                    index_name: index_name.to_owned(),
                }));
            };
            if byte_length(&part) == Some(0) {
                return Ok(Err(KeyError::IndexEmpty {
                    name: attribute.name.clone(),
                    kind: attribute.kind,
                    index_name: index_name.to_owned(),
                }));
            }
            if let Err(error) = lengths.add(&part, place) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    /// The key of the entry that a start key names, of which the attributes of the index's key were judged.
    pub fn encode_start_key(&self, key: &Item) -> Result<KeyBytes, KeyError> {
        self.table.check_key(&self.table.key_of(key))?;
        let attributes = self.schema.attributes().chain(&self.suffix);
        let part = |attribute: &KeyAttribute| {
            let value = key.get(&attribute.name).and_then(|value| part_of(value, attribute.kind));
            value.ok_or(KeyError::SchemaMismatch)
        };
        let parts: Vec<KeyPart<'_>> = attributes.map(part).collect::<Result<_, _>>()?;
        Ok(self.encode_parts(&parts))
    }

    /// The attributes of an entry's key: the index's and the table's.
    pub fn decode(&self, key: &[u8]) -> Result<Item, DecodeError> {
        let (tag, _, mut reader) = key_encoding::decode_hashed(key)?;
        if tag != self.tag {
            return Err(DecodeError::OutOfRange {
                field: "tag of an index entry's key",
                value: tag.into(),
                minimum: self.tag.into(),
                maximum: self.tag.into(),
            });
        }
        let mut item = Item::new();
        for attribute in self.schema.attributes().chain(&self.suffix) {
            let part = key_encoding::decode_part(attribute.kind.part_kind(), &mut reader)?;
            item.insert(attribute.name.clone(), value_of(part));
        }
        reader.finish()?;
        Ok(item)
    }

    /// The hash of a partition key's values.
    pub fn hash(&self, partition: &[KeyValue]) -> u64 {
        self.partition_prefix(partition).1
    }

    /// The entries that meet a condition.
    pub fn query_range(&self, condition: &IndexKeyCondition) -> KeyBytesRange {
        let (mut prefix, _) = self.partition_prefix(&condition.partition);
        for value in &condition.sort_prefix {
            key_encoding::encode_part(&value.part(), &mut prefix);
        }
        key::range_within(prefix, condition.sort.as_ref())
    }

    /// All entries of one partition key.
    pub fn partition_range(&self, partition: &[KeyValue]) -> KeyBytesRange {
        key::range_within(self.partition_prefix(partition).0, None)
    }

    /// The entries whose partition keys hash into `first_hash..=last_hash`.
    pub fn hash_range(&self, first_hash: u64, last_hash: u64) -> KeyBytesRange {
        let (start, end) = key_encoding::hash_range(self.tag, first_hash, last_hash);
        KeyBytesRange { start, end }
    }

    /// The attributes of the index's own key, each with the half of the key that it belongs to.
    pub fn placed_attributes(&self) -> impl Iterator<Item = (&KeyAttribute, KeyPlace)> {
        let partition = self.schema.partition.iter().map(|attribute| (attribute, KeyPlace::Partition));
        partition.chain(self.schema.sort.iter().map(|attribute| (attribute, KeyPlace::Sort)))
    }

    fn encode_parts(&self, parts: &[KeyPart<'_>]) -> KeyBytes {
        let (partition, others) = parts.split_at(self.schema.partition.len());
        let mut key = Vec::with_capacity(2 * KEY_BYTES_USUAL);
        key_encoding::encode_partition_prefix(self.tag, &self.hasher, partition, &mut key);
        for part in others {
            key_encoding::encode_part(part, &mut key);
        }
        KeyBytes::from_encoded(key)
    }

    fn partition_prefix(&self, partition: &[KeyValue]) -> (Vec<u8>, u64) {
        let parts: Vec<KeyPart<'_>> = partition.iter().map(KeyValue::part).collect();
        let mut prefix = Vec::with_capacity(KEY_BYTES_USUAL);
        let hash = key_encoding::encode_partition_prefix(self.tag, &self.hasher, &parts, &mut prefix);
        (prefix, hash)
    }
}

/// Bytes of text and binary in either half of a key, which all its attributes share.
#[derive(Debug, Default)]
pub(crate) struct Lengths {
    partition: usize,
    sort: usize,
}

impl Lengths {
    pub(crate) fn add(&mut self, part: &KeyPart<'_>, place: KeyPlace) -> Result<(), KeyError> {
        let length = byte_length(part).unwrap_or(0);
        match place {
            KeyPlace::Partition => self.partition += length,
            KeyPlace::Sort => self.sort += length,
        }
        if self.partition > PARTITION_KEY_BYTES_MAX {
            return Err(KeyError::PartitionKeyTooLong);
        }
        if self.sort > SORT_KEY_BYTES_MAX {
            return Err(KeyError::SortKeyTooLong);
        }
        Ok(())
    }
}

/// The value as part of a key, if it has the type.
fn part_of_ref(value: ValueRef<'_>, kind: ScalarKind) -> Option<KeyPart<'_>> {
    match (value, kind) {
        (ValueRef::S(text), ScalarKind::S) => Some(KeyPart::S(Cow::Borrowed(text))),
        (ValueRef::N(number), ScalarKind::N) => Some(KeyPart::N(number.decimal())),
        (ValueRef::B(bytes), ScalarKind::B) => Some(KeyPart::B(Cow::Borrowed(bytes))),
        _ => None,
    }
}
