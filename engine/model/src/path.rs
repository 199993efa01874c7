//! Paths into documents: an attribute, then names of map entries and indexes of list elements.

use std::fmt;

use basalt_format::DecodeError;

use crate::item_ref::{ItemRef, ValueRef};

/// One step from a value to one inside of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathElement {
    /// The entry of a map.
    Name(String),
    /// The element of a list, from 0.
    Index(u32),
}

/// Where a value is inside of an item. Names are resolved: no placeholders are left.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentPath {
    /// The attribute.
    pub name: String,
    /// The steps below it, often none.
    pub rest: Vec<PathElement>,
}

impl DocumentPath {
    /// The path of a whole attribute.
    pub fn attribute(name: impl Into<String>) -> Self {
        Self { name: name.into(), rest: Vec::new() }
    }

    /// Finds the value in an item; a step that does not fit what is there finds nothing.
    pub fn find<'a>(&self, item: &ItemRef<'a>) -> Result<Option<ValueRef<'a>>, DecodeError> {
        let mut found = item.get(&self.name)?;
        for element in &self.rest {
            found = match (found, element) {
                (Some(ValueRef::M(map)), PathElement::Name(name)) => map.get(name)?,
                (Some(ValueRef::L(list)), PathElement::Index(index)) => list.get(*index as usize)?,
                _ => return Ok(None),
            };
        }
        Ok(found)
    }

    /// Whether this path leads to the other's value or through it.
    pub fn starts_with(&self, other: &Self) -> bool {
        self.name == other.name && self.rest.starts_with(&other.rest)
    }
}

impl fmt::Display for DocumentPath {
    /// The form that error texts use: `[a, b, [0]]`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{}", self.name)?;
        for element in &self.rest {
            match element {
                PathElement::Name(name) => write!(formatter, ", {name}")?,
                PathElement::Index(index) => write!(formatter, ", [{index}]")?,
            }
        }
        formatter.write_str("]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::Item;
    use crate::value::Value;

    fn path(name: &str, rest: &[PathElement]) -> DocumentPath {
        DocumentPath { name: name.into(), rest: rest.to_vec() }
    }

    fn name(name: &str) -> PathElement {
        PathElement::Name(name.into())
    }

    #[test]
    fn a_path_prints_as_in_error_texts() {
        assert_eq!(path("a", &[name("b"), PathElement::Index(0)]).to_string(), "[a, b, [0]]");
        assert_eq!(DocumentPath::attribute("a").to_string(), "[a]");
    }

    #[test]
    fn a_path_finds_nested_values_and_nothing_where_it_does_not_fit() {
        let list = Value::L(vec![Value::Bool(true)]);
        let map = Value::M([("b".to_owned(), list)].into());
        let item = Item::from_iter([("a".to_owned(), map)]).encode();
        let find =
            |path: &DocumentPath| path.find(&item.as_item()).unwrap().map(|value| value.to_value().unwrap());

        assert_eq!(find(&path("a", &[name("b"), PathElement::Index(0)])), Some(Value::Bool(true)));
        assert_eq!(find(&path("a", &[name("b"), PathElement::Index(1)])), None);
        assert_eq!(find(&path("a", &[PathElement::Index(0)])), None);
        assert_eq!(find(&path("a", &[name("b"), name("c")])), None);
        assert_eq!(find(&path("c", &[])), None);
    }

    #[test]
    fn a_path_starts_with_itself_and_what_leads_to_it() {
        let longer = path("a", &[name("b"), PathElement::Index(0)]);
        assert!(longer.starts_with(&longer));
        assert!(longer.starts_with(&path("a", &[name("b")])));
        assert!(!longer.starts_with(&path("a", &[name("c")])));
        assert!(!path("a", &[]).starts_with(&longer));
    }
}
