//! AttributeDefinitions and KeySchema, of tables and of their indexes.

use basalt_engine::ValidationError;
use basalt_engine::model::{INDEX_KEY_ATTRIBUTES_MAX, IndexKeySchema, KeyAttribute, KeySchema, ScalarKind};

use crate::dynamodb::constraint::{Constraints, Enumeration};
use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::json::{BodyError, Known, Reader};
use crate::dynamodb::messages;

const ATTRIBUTE_TYPES: Enumeration<ScalarKind> =
    Enumeration(&[("B", ScalarKind::B), ("N", ScalarKind::N), ("S", ScalarKind::S)]);
const KEY_TYPES: Enumeration<KeyType> = Enumeration(&[("HASH", KeyType::Hash), ("RANGE", KeyType::Range)]);
pub(super) const KEY_NAME_LENGTH: std::ops::RangeInclusive<usize> = 1..=255;
/// The key of a table or of a local index has at most so many elements.
pub(super) const KEY_ELEMENTS_MAX: usize = 2;

/// Which half of a key an attribute belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyType {
    Hash,
    Range,
}

/// A list of attribute definitions, or of elements of a key, as it stands in the request.
#[derive(Debug, Default)]
pub(super) struct PairsInput(Option<Vec<NameAndType>>);

/// A name, and a type of one or the other sort.
#[derive(Debug, Default)]
struct NameAndType {
    name: Option<String>,
    type_name: Option<String>,
}

/// The attributes that a request defines, in its order.
#[derive(Debug, Clone, Default)]
pub(super) struct Definitions(Vec<(String, ScalarKind)>);

/// The elements of one key, in the request's order.
#[derive(Debug, Clone, Default)]
pub(super) struct Elements(Vec<(String, KeyType)>);

impl PairsInput {
    /// Reads AttributeDefinitions.
    pub(super) fn read_definitions(reader: &mut Reader<'_>) -> Result<Self, BodyError> {
        read_pairs(reader, "AttributeDefinition", "AttributeType").map(Self)
    }

    /// Reads KeySchema.
    pub(super) fn read_key_schema(reader: &mut Reader<'_>) -> Result<Self, BodyError> {
        read_pairs(reader, "KeySchemaElement", "KeyType").map(Self)
    }

    /// Understands AttributeDefinitions; violations go to `constraints`.
    pub(super) fn check_definitions(self, constraints: &mut Constraints) -> Definitions {
        const PATH: &str = "attributeDefinitions";
        Definitions(check_pairs(constraints, PATH, "attributeType", self.0, &ATTRIBUTE_TYPES))
    }

    /// Understands KeySchema, which must be there; violations go to `constraints`.
    pub(super) fn check_key_schema(
        self,
        path: &str,
        elements_max: usize,
        constraints: &mut Constraints,
    ) -> Elements {
        constraints.required(path, &self.0);
        if let Some(pairs) = &self.0 {
            constraints.length(path, &printed(pairs), pairs.len(), 1..=elements_max);
        }
        Elements(check_pairs(constraints, path, "keyType", self.0, &KEY_TYPES))
    }

    /// Notes that AttributeDefinitions must be there.
    pub(super) fn require_definitions(&self, constraints: &mut Constraints) {
        constraints.required("attributeDefinitions", &self.0);
    }
}

impl Definitions {
    /// Refuses definitions that no key uses.
    pub(super) fn check_used<'a>(&self, used: impl IntoIterator<Item = &'a str>) -> Result<(), ApiError> {
        let mut distinct: Vec<&str> = Vec::new();
        for name in used {
            if !distinct.contains(&name) {
                distinct.push(name);
            }
        }
        if self.0.len() == distinct.len() {
            return Ok(());
        }
        refuse(messages::unused_definitions(&self.names(), &distinct))
    }

    fn kind_of(&self, name: &str) -> Option<ScalarKind> {
        self.0.iter().find(|(defined, _)| defined == name).map(|(_, kind)| *kind)
    }

    fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }
}

impl Elements {
    /// The names of the elements.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// A table's key, by the rules between key and definitions, in DynamoDB's order. Without indexes every
    /// definition must be of the key.
    pub(super) fn table_key(
        &self,
        definitions: &Definitions,
        has_indexes: bool,
    ) -> Result<KeySchema, ApiError> {
        if self.0.len() > definitions.0.len() {
            return refuse(messages::KEY_ATTRIBUTE_UNDEFINED);
        }
        let mut attributes = self.attributes(definitions)?;
        self.check_pair()?;
        if !has_indexes && self.0.len() != definitions.0.len() {
            return refuse(messages::UNUSED_DEFINITIONS);
        }
        let sort = if attributes.len() > 1 { attributes.pop() } else { None };
        match attributes.pop() {
            Some(partition) => Ok(KeySchema { partition, sort }),
            None => refuse(messages::FIRST_KEY_NOT_HASH),
        }
    }

    /// What a local index of a table with this key is sorted by.
    pub(super) fn local_index_sort(
        &self,
        index_name: &str,
        table: &KeySchema,
        definitions: &Definitions,
    ) -> Result<KeyAttribute, ApiError> {
        let attributes = self.attributes(definitions)?;
        self.check_pair()?;
        let mut attributes = attributes.into_iter();
        let (Some(hash), Some(range)) = (attributes.next(), attributes.next()) else {
            return refuse(messages::index_without_range_key(index_name));
        };
        if hash.name != table.partition.name {
            let text = messages::other_hash_key_of_index(index_name, &hash.name, &table.partition.name);
            return refuse(text);
        }
        Ok(range)
    }

    /// The key of a global index: up to four attributes of either type, those of the partition key first.
    pub(super) fn global_index_key(&self, definitions: &Definitions) -> Result<IndexKeySchema, ApiError> {
        let attributes = self.attributes(definitions)?;
        let hash_count = self.0.iter().take_while(|(_, key_type)| *key_type == KeyType::Hash).count();
        if hash_count == 0 {
            return refuse(messages::FIRST_KEY_NOT_HASH);
        }
        if self.0.iter().skip(hash_count).any(|(_, key_type)| *key_type == KeyType::Hash) {
            return refuse(messages::HASH_BEHIND_RANGE);
        }
        self.check_distinct()?;
        if hash_count > INDEX_KEY_ATTRIBUTES_MAX || self.0.len() - hash_count > INDEX_KEY_ATTRIBUTES_MAX {
            return refuse(messages::TOO_MANY_INDEX_KEYS);
        }
        let mut partition = attributes;
        let sort = partition.split_off(hash_count);
        Ok(IndexKeySchema { partition, sort })
    }

    fn attributes(&self, definitions: &Definitions) -> Result<Vec<KeyAttribute>, ApiError> {
        let attribute = |(name, _): &(String, KeyType)| {
            definitions.kind_of(name).map(|kind| KeyAttribute { name: name.clone(), kind })
        };
        let attributes: Option<Vec<KeyAttribute>> = self.0.iter().map(attribute).collect();
        let keys: Vec<&str> = self.names().collect();
        let undefined = || refuse(messages::undefined_key_attributes(&keys, &definitions.names()));
        attributes.map_or_else(undefined, Ok)
    }

    /// The rules of a key of a partition key and perhaps a sort key.
    fn check_pair(&self) -> Result<(), ApiError> {
        self.check_distinct()?;
        match self.0.as_slice() {
            [(_, KeyType::Range), ..] => refuse(messages::FIRST_KEY_NOT_HASH),
            [_, (_, KeyType::Hash)] => refuse(messages::SECOND_KEY_NOT_RANGE),
            _ => Ok(()),
        }
    }

    fn check_distinct(&self) -> Result<(), ApiError> {
        let is_repeated = |(position, (name, _)): (usize, &(String, KeyType))| {
            self.0.iter().take(position).any(|(before, _)| before == name)
        };
        if self.0.iter().enumerate().any(is_repeated) {
            return Err(ValidationError::KeyAttributesShareName.into());
        }
        Ok(())
    }
}

fn refuse<T>(message: impl Into<String>) -> Result<T, ApiError> {
    Err(ApiError::validation(message))
}

fn read_pairs(
    reader: &mut Reader<'_>,
    shape: &'static str,
    type_member: &str,
) -> Result<Option<Vec<NameAndType>>, BodyError> {
    reader.structures(shape, |pair: &mut NameAndType, reader, name| {
        match name {
            "AttributeName" => pair.name = reader.owned_text()?,
            _ if name == type_member => pair.type_name = reader.owned_text()?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    })
}

/// The names with their types; incomplete without a violation of its own only if there is one.
fn check_pairs<T: Copy>(
    constraints: &mut Constraints,
    list: &str,
    type_member: &str,
    pairs: Option<Vec<NameAndType>>,
    types: &Enumeration<T>,
) -> Vec<(String, T)> {
    let mut checked = Vec::new();
    for (index, pair) in pairs.into_iter().flatten().enumerate() {
        let path = |member: &str| format!("{list}.{}.member.{member}", index + 1);
        constraints.required(&path("attributeName"), &pair.name);
        constraints.text_length(&path("attributeName"), pair.name.as_deref(), KEY_NAME_LENGTH);
        constraints.required(&path(type_member), &pair.type_name);
        let found = constraints.enumeration(&path(type_member), pair.type_name.as_deref(), types);
        checked.extend(pair.name.zip(found));
    }
    checked
}

/// The key as Java prints it.
fn printed(pairs: &[NameAndType]) -> String {
    let print = |pair: &NameAndType| {
        let [name, key_type] = [&pair.name, &pair.type_name].map(|text| text.as_deref().unwrap_or("null"));
        format!("KeySchemaElement(attributeName={name}, keyType={key_type})")
    };
    let elements: Vec<String> = pairs.iter().map(print).collect();
    format!("[{}]", elements.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definitions(definitions: &[(&str, ScalarKind)]) -> Definitions {
        Definitions(definitions.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect())
    }

    fn elements(elements: &[(&str, KeyType)]) -> Elements {
        Elements(elements.iter().map(|(name, key_type)| ((*name).to_owned(), *key_type)).collect())
    }

    fn told(key: &[(&str, KeyType)], defined: &[(&str, ScalarKind)]) -> String {
        match elements(key).table_key(&definitions(defined), false) {
            Ok(schema) => format!("{} {:?}", schema.partition.name, schema.sort.map(|sort| sort.name)),
            Err(error) => error.message().to_owned(),
        }
    }

    #[test]
    fn keys_and_definitions_must_match() {
        use KeyType::{Hash, Range};
        use ScalarKind::{N, S};
        assert_eq!(told(&[("a", Hash)], &[("a", S)]), "a None");
        assert_eq!(told(&[("a", Hash), ("b", Range)], &[("b", N), ("a", S)]), "a Some(\"b\")");
        assert_eq!(told(&[("a", Hash), ("a", Range)], &[("a", S)]), messages::KEY_ATTRIBUTE_UNDEFINED);
        assert_eq!(
            told(&[("a", Hash), ("a", Range)], &[("a", S), ("b", S)]),
            ValidationError::KeyAttributesShareName.to_string()
        );
        assert_eq!(told(&[("a", Range)], &[("a", S)]), messages::FIRST_KEY_NOT_HASH);
        assert_eq!(told(&[("a", Hash), ("b", Hash)], &[("a", S), ("b", S)]), messages::SECOND_KEY_NOT_RANGE);
        assert_eq!(told(&[("a", Hash)], &[("a", S), ("b", S)]), messages::UNUSED_DEFINITIONS);
        assert_eq!(
            told(&[("a", Hash)], &[("b", S)]),
            "One or more parameter values were invalid: Some index key attributes are not defined in \
             AttributeDefinitions. Keys: [a], AttributeDefinitions: [b]"
        );
    }

    #[test]
    fn a_global_index_has_up_to_four_attributes_of_either_type() {
        use KeyType::{Hash, Range};
        let defined: Vec<(&str, ScalarKind)> =
            ["a", "b", "c", "d", "e", "f"].map(|name| (name, ScalarKind::S)).into();
        let key = |key: &[(&str, KeyType)]| elements(key).global_index_key(&definitions(&defined));
        let told = |refused: Result<IndexKeySchema, ApiError>| refused.unwrap_err().message().to_owned();

        let schema = key(&[("a", Hash), ("b", Hash), ("c", Range)]).unwrap();
        assert_eq!((schema.partition.len(), schema.sort.len()), (2, 1));
        assert_eq!(told(key(&[("a", Range)])), messages::FIRST_KEY_NOT_HASH);
        assert_eq!(told(key(&[("a", Hash), ("b", Range), ("c", Hash)])), messages::HASH_BEHIND_RANGE);
        let five = ["a", "b", "c", "d", "e"].map(|name| (name, Hash));
        assert_eq!(told(key(&five)), messages::TOO_MANY_INDEX_KEYS);
        assert_eq!(
            told(key(&[("a", Hash), ("a", Range)])),
            ValidationError::KeyAttributesShareName.to_string()
        );
    }
}
