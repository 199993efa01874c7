//! Documents as values: for clients, tests and tools. The server reads and writes them without.

use super::document::{DocumentReader, PutDocument, Token};
use crate::DecodeError;

/// A document, or a part of one.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A truth.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction, finite.
    Double(f64),
    /// Text.
    Text(String),
    /// A map from names to attribute values, as it is stored.
    Item(Vec<u8>),
    /// An attribute value, as it is stored.
    Value(Vec<u8>),
    /// Values in their order.
    List(Vec<Node>),
    /// Named values in their order.
    Object(Vec<(String, Node)>),
}

impl Node {
    /// The document's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut document = Vec::new();
        self.append(&mut document);
        document
    }

    /// Appends the document's bytes.
    pub fn append(&self, document: &mut Vec<u8>) {
        match self {
            Self::Boolean(truth) => document.put_boolean(*truth),
            Self::Integer(number) => document.put_integer(*number),
            Self::Double(number) => document.put_double(*number),
            Self::Text(text) => document.put_text(text),
            Self::Item(item) => document.put_item(item),
            Self::Value(value) => document.put_value(value),
            Self::List(elements) => {
                document.open_list();
                elements.iter().for_each(|element| element.append(document));
                document.close_list();
            }
            Self::Object(members) => {
                document.open_object();
                for (name, value) in members {
                    document.put_member_name(name);
                    value.append(document);
                }
                document.close_object();
            }
        }
    }

    /// Reads a document, all of it; items and values are whatever bytes there are.
    pub fn decode(document: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = DocumentReader::new(document);
        let node = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(node)
    }

    /// The member of an object; of two with one name the later.
    pub fn member(&self, name: &str) -> Option<&Node> {
        match self {
            Self::Object(members) => {
                members.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, if it is one.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The stored form of a map from names to attribute values, if it is one.
    pub fn as_item(&self) -> Option<&[u8]> {
        match self {
            Self::Item(item) => Some(item),
            _ => None,
        }
    }

    /// The elements, if it is a list.
    pub fn as_list(&self) -> Option<&[Node]> {
        match self {
            Self::List(elements) => Some(elements),
            _ => None,
        }
    }

    /// The members, if it is an object.
    pub fn as_object(&self) -> Option<&[(String, Node)]> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The reader bounds how deep this goes.
    fn read(reader: &mut DocumentReader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.peek()? {
            Token::False | Token::True => Self::Boolean(reader.boolean()?),
            Token::Integer => Self::Integer(reader.integer()?),
            Token::Double => Self::Double(reader.double()?),
            Token::Text => Self::Text(reader.text()?.to_owned()),
            Token::Item => Self::Item(reader.item()?.to_vec()),
            Token::Value => Self::Value(reader.value()?.to_vec()),
            Token::List => {
                let mut elements = Vec::new();
                reader.open_list()?;
                while reader.next_element()? {
                    elements.push(Self::read(reader)?);
                }
                Self::List(elements)
            }
            Token::Object => {
                let mut members = Vec::new();
                reader.open_object()?;
                while let Some(name) = reader.next_name()? {
                    members.push((name.to_owned(), Self::read(reader)?));
                }
                Self::Object(members)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nodes() -> impl Strategy<Value = Node> {
        let name = prop_oneof![Just("TableName".to_owned()), Just("Item".to_owned()), ".{0,6}"];
        let leaf = prop_oneof![
            any::<bool>().prop_map(Node::Boolean),
            any::<i64>().prop_map(Node::Integer),
            (-1e300..1e300).prop_map(Node::Double),
            ".{0,20}".prop_map(Node::Text),
            any::<Vec<u8>>().prop_map(Node::Item),
            any::<Vec<u8>>().prop_map(Node::Value),
        ];
        leaf.prop_recursive(5, 60, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Node::List),
                prop::collection::vec((name.clone(), inner), 0..6).prop_map(Node::Object),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_document_comes_back_and_can_be_skipped(node in nodes()) {
            let document = node.encode();
            prop_assert_eq!(Node::decode(&document), Ok(node));
            let mut reader = DocumentReader::new(&document);
            prop_assert_eq!(reader.skip(), Ok(()));
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn what_is_read_is_what_would_be_written(bytes in prop::collection::vec(0u8..12, 0..40)) {
            if let Ok(node) = Node::decode(&bytes) {
                prop_assert_eq!(node.encode(), bytes);
            }
        }
    }
}
