//! Items, decoded and encoded.
//!
//! An [`Item`] is what requests carry and updates build; an [`EncodedItem`] is what the tree keeps and answers are
//! written from. Encoding is unique: equal items have equal bytes.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};

use basalt_format::DecodeError;
use basalt_format::item_encoding::{self, Encoder};

use crate::item_ref::ItemRef;
use crate::number::Number;
use crate::value::Value;

/// Attributes by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Item(BTreeMap<String, Value>);

impl Item {
    /// An item without attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The stored form. The item must have passed `validate`, which bounds depth and names.
    pub fn encode(&self) -> EncodedItem {
        // Names and values take about what DynamoDB counts them for, and each entry a few bytes more.
        let mut encoder = Encoder::with_capacity(self.size_bytes() + 8 * self.len() + 16);
        encode_entries(&self.0, &mut encoder);
        EncodedItem(encoder.finish())
    }

    /// Gives up the attributes.
    pub fn into_map(self) -> BTreeMap<String, Value> {
        self.0
    }
}

impl Deref for Item {
    type Target = BTreeMap<String, Value>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Item {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl From<BTreeMap<String, Value>> for Item {
    fn from(attributes: BTreeMap<String, Value>) -> Self {
        Self(attributes)
    }
}

impl FromIterator<(String, Value)> for Item {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(attributes: I) -> Self {
        Self(attributes.into_iter().collect())
    }
}

impl IntoIterator for Item {
    type Item = (String, Value);
    type IntoIter = std::collections::btree_map::IntoIter<String, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// An item in its stored form, owned. Its header is known to be sound.
#[derive(Clone, PartialEq, Eq)]
pub struct EncodedItem(Vec<u8>);

impl EncodedItem {
    /// Takes stored bytes; checks version and header, as a view would.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, DecodeError> {
        ItemRef::new(&bytes)?;
        Ok(Self(bytes))
    }

    /// Reads in place.
    pub fn as_item(&self) -> ItemRef<'_> {
        ItemRef::new(&self.0).expect("the header was checked or written by us, and nothing changes it")
    }

    /// The stored bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Gives up the stored bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl From<ItemRef<'_>> for EncodedItem {
    fn from(item: ItemRef<'_>) -> Self {
        Self(item.as_bytes().to_vec())
    }
}

impl From<&BTreeMap<String, Value>> for EncodedItem {
    /// The stored form of attributes that keep the rules of items.
    fn from(attributes: &BTreeMap<String, Value>) -> Self {
        let mut encoder = Encoder::new();
        encode_entries(attributes, &mut encoder);
        Self(encoder.finish())
    }
}

impl fmt::Debug for EncodedItem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_item(), formatter)
    }
}

fn encode_entries(entries: &BTreeMap<String, Value>, encoder: &mut Encoder) {
    let container = encoder.open();
    for (name, value) in entries {
        encoder.put_name(name);
        encode_value(value, encoder);
        encoder.end_entry(&container);
    }
    encoder.close(container);
}

fn encode_value(value: &Value, encoder: &mut Encoder) {
    match value {
        Value::S(text) => {
            encoder.put_tag(item_encoding::TAG_STRING);
            encoder.put_bytes(text.as_bytes());
        }
        Value::N(number) => {
            encoder.put_tag(item_encoding::TAG_NUMBER);
            encoder.put_number(number.decimal());
        }
        Value::B(bytes) => {
            encoder.put_tag(item_encoding::TAG_BINARY);
            encoder.put_bytes(bytes);
        }
        Value::Ss(set) => {
            encode_each(item_encoding::TAG_STRING_SET, set, encoder, |text: &String, encoder| {
                encoder.put_bytes(text.as_bytes());
            })
        }
        Value::Ns(set) => {
            encode_each(item_encoding::TAG_NUMBER_SET, set, encoder, |number: &Number, encoder| {
                encoder.put_number(number.decimal());
            })
        }
        Value::Bs(set) => {
            encode_each(item_encoding::TAG_BINARY_SET, set, encoder, |bytes: &Vec<u8>, encoder| {
                encoder.put_bytes(bytes);
            })
        }
        Value::L(elements) => encode_each(item_encoding::TAG_LIST, elements, encoder, encode_value),
        Value::M(entries) => {
            encoder.put_tag(item_encoding::TAG_MAP);
            encode_entries(entries, encoder);
        }
        Value::Bool(false) => encoder.put_tag(item_encoding::TAG_FALSE),
        Value::Bool(true) => encoder.put_tag(item_encoding::TAG_TRUE),
        Value::Null => encoder.put_tag(item_encoding::TAG_NULL),
    }
}

fn encode_each<T>(tag: u8, entries: &[T], encoder: &mut Encoder, encode: impl Fn(&T, &mut Encoder)) {
    encoder.put_tag(tag);
    let container = encoder.open();
    for entry in entries {
        encode(entry, encoder);
        encoder.end_entry(&container);
    }
    encoder.close(container);
}
