//! Writes attribute values: encoded ones without decoding them first, and decoded ones. In the binary protocol encoded
//! ones travel as they are.
//!
//! Stored bytes may be damaged in spite of every checksum; then writing stops and the client gets an error, never
//! half an item.

use std::collections::BTreeMap;
use std::fmt::Display;

use basalt_engine::model::{EncodedItem, ItemRef, MapRef, SetRef, Value, ValueRef};

use super::Syntax;
use super::writer::Writer;

/// More levels than an item may have are damage, and must not decide how deep the stack grows.
const LEVELS_MAX: usize = 32;

/// The encoding of an item broke its format.
#[derive(Debug, thiserror::Error)]
#[error("a stored item is damaged: {0}")]
pub(crate) struct DamagedItem(String);

impl DamagedItem {
    fn new(cause: impl Display) -> DamagedItem {
        DamagedItem(cause.to_string())
    }
}

impl Writer {
    /// An encoded item, as a map from names to attribute values.
    pub(crate) fn item(&mut self, item: ItemRef<'_>) -> Result<(), DamagedItem> {
        match self.syntax() {
            Syntax::Json => self.encoded_map(item.as_map(), 1),
            Syntax::Native => {
                self.stored_map(item.as_bytes());
                Ok(())
            }
        }
    }

    /// Attributes, as a map from names to attribute values.
    pub(crate) fn attributes(&mut self, attributes: &BTreeMap<String, Value>) {
        match self.syntax() {
            Syntax::Json => self.json_attributes(attributes),
            Syntax::Native => self.stored_map(EncodedItem::from(attributes).as_bytes()),
        }
    }

    fn json_attributes(&mut self, attributes: &BTreeMap<String, Value>) {
        let mut members = self.object();
        for (name, value) in attributes {
            members.value_of(name).json_value(value);
        }
    }

    fn json_value(&mut self, value: &Value) {
        let mut datatype = self.object();
        let writer = datatype.value_of(value.kind().name());
        match value {
            Value::S(text) => writer.string(text),
            Value::N(number) => writer.quoted(number),
            Value::B(bytes) => writer.base64(bytes),
            Value::Ss(set) => writer.each(set.iter(), |writer, text| writer.string(text)),
            Value::Ns(set) => writer.each(set.iter(), Writer::quoted),
            Value::Bs(set) => writer.each(set.iter(), |writer, bytes| writer.base64(bytes)),
            Value::M(members) => writer.json_attributes(members),
            Value::L(elements) => writer.each(elements.iter(), Writer::json_value),
            Value::Bool(truth) => writer.display(*truth),
            Value::Null => writer.raw("true"),
        }
    }

    fn encoded_map(&mut self, map: MapRef<'_>, level: usize) -> Result<(), DamagedItem> {
        let mut members = self.object();
        for entry in map.iter() {
            let (name, value) = entry.map_err(DamagedItem::new)?;
            members.value_of(name).encoded_value(value, level)?;
        }
        Ok(())
    }

    fn encoded_value(&mut self, value: ValueRef<'_>, level: usize) -> Result<(), DamagedItem> {
        if level > LEVELS_MAX {
            return Err(DamagedItem::new("it is nested too deep"));
        }
        let mut datatype = self.object();
        let writer = datatype.value_of(value.kind().name());
        match value {
            ValueRef::S(text) => writer.string(text),
            ValueRef::N(number) => writer.quoted(number),
            ValueRef::B(bytes) => writer.base64(bytes),
            ValueRef::Ss(set) | ValueRef::Ns(set) | ValueRef::Bs(set) => writer.encoded_set(set)?,
            ValueRef::M(map) => writer.encoded_map(map, level + 1)?,
            ValueRef::L(list) => {
                let mut elements = writer.array();
                for element in list.iter() {
                    elements.element().encoded_value(element.map_err(DamagedItem::new)?, level + 1)?;
                }
            }
            ValueRef::Bool(truth) => writer.display(truth),
            ValueRef::Null => writer.raw("true"),
        }
        Ok(())
    }

    fn encoded_set(&mut self, set: SetRef<'_>) -> Result<(), DamagedItem> {
        let mut members = self.array();
        for member in set.iter() {
            let writer = members.element();
            match member.map_err(DamagedItem::new)? {
                ValueRef::S(text) => writer.string(text),
                ValueRef::N(number) => writer.quoted(number),
                ValueRef::B(bytes) => writer.base64(bytes),
                other => {
                    return Err(DamagedItem::new(format_args!(
                        "a set has a member of type {}",
                        other.kind()
                    )));
                }
            }
        }
        Ok(())
    }

    fn each<T>(&mut self, elements: impl Iterator<Item = T>, write: impl Fn(&mut Writer, T)) {
        let mut array = self.array();
        for element in elements {
            write(array.element(), element);
        }
    }

    /// A string of text that needs no escapes.
    fn quoted(&mut self, text: impl Display) {
        self.raw("\"");
        self.print(text);
        self.raw("\"");
    }
}
