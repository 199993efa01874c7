//! Attribute values and items in their stored form, out of the binary protocol's documents.
//!
//! They come from outside, so every byte is checked before anything is built. A stored form that is not sound says
//! nothing that could be worded: it is answered like a body that is no document.

use basalt_engine::model::{ItemRef, MapRef, Value, ValueRef};
use basalt_format::{DecodeError, item_encoding};

use super::attribute_value::{AttributeMap, MAP_NODE_BYTES, MEMBER_BYTES};
use super::reader::{BodyError, Reader};
use super::shape::{Place, Wanted};

impl Reader<'_> {
    /// A map from names to attribute values.
    pub(super) fn stored_attribute_map(&mut self, place: Place) -> Result<Option<AttributeMap>, BodyError> {
        self.value_of(Wanted::Map(place, "AttributeValue"))?;
        let stored = self.read_stored_map()?;
        item_encoding::validate(stored)?;
        let item = ItemRef::new(stored)?;
        self.charge(stored.len() + memory_of_map(item.as_map())?)?;
        Ok(Some(AttributeMap { attributes: item.to_item()?.into_map(), first_fault: None }))
    }

    /// One attribute value.
    pub(super) fn stored_attribute_value(&mut self, place: Place) -> Result<Option<Value>, BodyError> {
        self.value_of(Wanted::Structure(place, "AttributeValue"))?;
        let stored = self.read_stored_value()?;
        item_encoding::validate_attribute(stored)?;
        let value = ValueRef::decode(stored)?;
        self.charge(stored.len() + memory_of(value)?)?;
        Ok(Some(value.to_value()?))
    }
}

/// What a value costs in memory beside its texts. Validation has bounded how deep it nests.
fn memory_of(value: ValueRef<'_>) -> Result<usize, DecodeError> {
    match value {
        ValueRef::M(map) => memory_of_map(map),
        ValueRef::L(list) => list.iter().map(|element| Ok(MEMBER_BYTES + memory_of(element?)?)).sum(),
        ValueRef::Ss(set) | ValueRef::Ns(set) | ValueRef::Bs(set) => Ok(set.len() * MEMBER_BYTES),
        _ => Ok(0),
    }
}

fn memory_of_map(map: MapRef<'_>) -> Result<usize, DecodeError> {
    let members = map.iter().map(|entry| Ok(MEMBER_BYTES + memory_of(entry?.1)?));
    Ok(MAP_NODE_BYTES + members.sum::<Result<usize, DecodeError>>()?)
}

#[cfg(test)]
mod tests {
    use basalt_format::native::PutDocument as _;
    use proptest::prelude::*;

    use super::*;
    use crate::dynamodb::json::Syntax;
    use crate::limits::RequestMemory;

    fn read(document: &[u8]) -> Result<AttributeMap, BodyError> {
        let mut memory = RequestMemory::new(1 << 20).permit();
        let mut reader = Reader::new(Syntax::Native, document, &mut memory)?;
        let map = reader.attribute_map(Place::Member)?;
        reader.finish()?;
        Ok(map.expect("documents have no null"))
    }

    #[test]
    fn an_item_comes_out_as_it_was_stored() {
        let item: basalt_engine::model::Item =
            [("a".to_owned(), Value::S("x".to_owned())), ("b".to_owned(), Value::L(vec![Value::Null]))]
                .into_iter()
                .collect();
        let mut document = Vec::new();
        document.put_item(item.encode().as_bytes());
        assert_eq!(read(&document).unwrap().checked_item().unwrap(), item);
    }

    #[test]
    fn an_item_that_is_not_in_its_one_form_is_refused() {
        // Two names in the wrong order.
        let item = b"\x01\x08\x03\x06\x01b\x01\x01a\x01";
        let mut document = Vec::new();
        document.put_item(item);
        assert_eq!(read(&document).unwrap_err(), BodyError::Malformed);
    }

    #[test]
    fn a_value_of_another_kind_is_told_as_in_json() {
        let mut document = Vec::new();
        document.put_text("x");
        assert!(matches!(read(&document), Err(BodyError::Type(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in any::<Vec<u8>>()) {
            let mut document = Vec::new();
            document.put_item(&bytes);
            let _any_answer = read(&document);
        }
    }
}
