//! Answers, and what is in them.

use basalt_format::item_encoding;
use basalt_format::native::Node;
use basalt_model::{Item, ItemRef};

use crate::error::Error;

/// The answer to a request: the members that DynamoDB's JSON would have.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer(pub(crate) Node);

impl Answer {
    /// The whole document.
    pub fn node(&self) -> &Node {
        &self.0
    }

    /// Gives up the document.
    pub fn into_node(self) -> Node {
        self.0
    }

    /// A member.
    pub fn member(&self, name: &str) -> Option<&Node> {
        self.0.member(name)
    }

    /// A member that is an item, if it is there.
    ///
    /// # Errors
    /// When it is something else.
    pub fn item(&self, name: &str) -> Result<Option<Item>, Error> {
        self.member(name).map(|node| item_of(name, node)).transpose()
    }

    /// A member that is a list of items; none if it is not there.
    ///
    /// # Errors
    /// When it is something else.
    pub fn items(&self, name: &str) -> Result<Vec<Item>, Error> {
        let Some(node) = self.member(name) else { return Ok(Vec::new()) };
        let elements = node.as_list().ok_or_else(|| unexpected(name, "a list"))?;
        elements.iter().map(|element| item_of(name, element)).collect()
    }

    /// A member that is a whole number, if it is there.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.member(name).and_then(Node::as_integer)
    }

    /// A member that is text, if it is there.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.member(name).and_then(Node::as_text)
    }
}

fn item_of(name: &str, node: &Node) -> Result<Item, Error> {
    let stored = node.as_item().ok_or_else(|| unexpected(name, "an item"))?;
    item_encoding::validate(stored)?;
    Ok(ItemRef::new(stored)?.to_item()?)
}

fn unexpected(name: &str, wanted: &'static str) -> Error {
    Error::Unexpected { member: name.to_owned(), wanted }
}
