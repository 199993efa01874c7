//! Key conditions of queries, in three steps as DynamoDB takes them.
//!
//! 1. [`parse_key_condition`], in turn with the request's other expressions: syntax, operands, types that no key
//!    has.
//! 2. [`KeyConditionExpression::conditions`], after placeholders were found to be used: the shape.
//! 3. [`KeyConditions::bind`], after the table was found: the schema.

use super::ast::{Comparator, Condition, Constant, Operand};
use super::condition_parser::parse_condition;
use super::error::{ExpressionError, ExpressionKind, Fault, SchemaError};
use super::placeholders::Placeholders;
use crate::index_key::{INDEX_KEY_ATTRIBUTES_MAX, IndexKeyCondition, IndexKeySchema};
use crate::key::{KeyAttribute, KeyPlace, KeySchema, KeyValue, SortCondition};

/// Conditions that a query of a table may have: on the partition key and on the sort key.
pub const TABLE_CONDITIONS_MAX: usize = 2;
/// Conditions that any query may have: one for each attribute of the largest key of an index.
pub const KEY_CONDITIONS_MAX: usize = 2 * INDEX_KEY_ATTRIBUTES_MAX;

/// A KeyConditionExpression whose operands are sound, but which may still be of any shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyConditionExpression(Condition);

/// Parses a KeyConditionExpression.
pub fn parse_key_condition(
    text: &str,
    placeholders: &mut Placeholders,
) -> Result<KeyConditionExpression, ExpressionError> {
    parse_condition(ExpressionKind::KeyCondition, text, placeholders).map(KeyConditionExpression)
}

/// What is asked of one key attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeCondition {
    /// The attribute, which is on the left side whatever the text said.
    pub attribute: String,
    /// What must hold of it.
    pub test: KeyTest,
}

/// The operators that a key condition may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyTest {
    /// `=`
    Equal(Constant),
    /// `<`
    Less(Constant),
    /// `<=`
    LessOrEqual(Constant),
    /// `>`
    Greater(Constant),
    /// `>=`
    GreaterOrEqual(Constant),
    /// `BETWEEN`
    Between(Constant, Constant),
    /// `begins_with`
    BeginsWith(Constant),
    /// An operator of legacy conditions that no key has.
    NotIndexable,
}

/// At most one condition an attribute, all of which must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyConditions(Vec<AttributeCondition>);

/// A key condition that fits a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyCondition {
    /// What the partition key is.
    pub partition: KeyValue,
    /// What must hold of the sort key.
    pub sort: Option<SortCondition>,
}

impl KeyConditionExpression {
    /// The conditions on single attributes that the expression is made of; refuses any other shape.
    pub fn conditions(&self) -> Result<KeyConditions, ExpressionError> {
        let mut conditions = Vec::new();
        collect(&self.0, &mut conditions)
            .map_err(|fault| ExpressionError::invalid(ExpressionKind::KeyCondition, fault))?;
        Ok(KeyConditions::new(conditions)?)
    }
}

impl KeyConditions {
    /// Takes conditions on different attributes; how many any query may have is checked.
    pub fn new(conditions: Vec<AttributeCondition>) -> Result<Self, SchemaError> {
        if (1..=KEY_CONDITIONS_MAX).contains(&conditions.len()) {
            Ok(Self(conditions))
        } else {
            Err(SchemaError::KeyConditionCount)
        }
    }

    /// The conditions in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = &AttributeCondition> {
        self.0.iter()
    }

    /// Refuses more conditions than any table has key attributes; known before the table is.
    pub fn check_count_of_table(&self) -> Result<(), SchemaError> {
        if self.0.len() > TABLE_CONDITIONS_MAX { Err(SchemaError::KeyConditionCount) } else { Ok(()) }
    }

    /// Fits the conditions to the key of an index: all attributes of the partition key are compared by `=`, those of
    /// the sort key from the first on without a gap, and all of them but the last by `=` too.
    ///
    /// `before` is asked about each attribute of the key, just before the condition on it is looked at.
    pub fn bind_index<E: From<SchemaError>>(
        &self,
        schema: &IndexKeySchema,
        mut before: impl FnMut(&KeyAttribute, KeyPlace) -> Result<(), E>,
    ) -> Result<IndexKeyCondition, E> {
        if schema.attributes().count() <= TABLE_CONDITIONS_MAX {
            self.check_count_of_table()?;
        }
        let mut partition = Vec::with_capacity(schema.partition.len());
        for attribute in &schema.partition {
            before(attribute, KeyPlace::Partition)?;
            if schema.sort.is_empty() && self.0.len() > schema.partition.len() {
                return Err(SchemaError::KeyConditionUnsupported.into());
            }
            partition.push(self.equal_value(attribute)?);
        }
        let sort_count = self.0.len() - partition.len();
        if sort_count > schema.sort.len() {
            return Err(SchemaError::KeyConditionUnsupported.into());
        }
        let (mut sort_prefix, mut sort) = (Vec::new(), None);
        for (attribute, position) in schema.sort.iter().zip(1..) {
            before(attribute, KeyPlace::Sort)?;
            if position < sort_count {
                sort_prefix.push(self.equal_value(attribute)?);
            } else if position == sort_count {
                let test = self.test_of(attribute).ok_or_else(|| missing(attribute))?;
                sort = Some(sort_condition(test, attribute)?);
            }
        }
        Ok(IndexKeyCondition { partition, sort_prefix, sort })
    }

    /// Fits the conditions to the key of a table.
    ///
    /// `before` is asked about each attribute of the key, just before the condition on it is looked at.
    pub fn bind<E: From<SchemaError>>(
        &self,
        schema: &KeySchema,
        mut before: impl FnMut(&KeyAttribute, KeyPlace) -> Result<(), E>,
    ) -> Result<KeyCondition, E> {
        self.check_count_of_table()?;
        before(&schema.partition, KeyPlace::Partition)?;
        if schema.sort.is_none() && self.0.len() > 1 {
            return Err(SchemaError::KeyConditionUnsupported.into());
        }
        let partition = self.equal_value(&schema.partition)?;
        let mut sort = None;
        if let Some(attribute) = &schema.sort {
            before(attribute, KeyPlace::Sort)?;
            sort = self.bind_sort(attribute)?;
        }
        Ok(KeyCondition { partition, sort })
    }

    /// The value that an attribute is compared with by `=`.
    fn equal_value(&self, attribute: &KeyAttribute) -> Result<KeyValue, SchemaError> {
        let test = self.test_of(attribute).ok_or_else(|| missing(attribute))?;
        match sort_condition(test, attribute)? {
            SortCondition::Equal(value) => Ok(value),
            _ => Err(SchemaError::KeyConditionUnsupported),
        }
    }

    fn bind_sort(&self, attribute: &KeyAttribute) -> Result<Option<SortCondition>, SchemaError> {
        match self.test_of(attribute) {
            Some(test) => sort_condition(test, attribute).map(Some),
            None if self.0.len() > 1 => Err(missing(attribute)),
            None => Ok(None),
        }
    }

    fn test_of(&self, attribute: &KeyAttribute) -> Option<&KeyTest> {
        let condition = self.0.iter().find(|condition| condition.attribute == attribute.name);
        condition.map(|condition| &condition.test)
    }
}

/// Gathers the conditions below `AND`. Faults in the order in which dynalite, tested against AWS, meets them.
fn collect(condition: &Condition, conditions: &mut Vec<AttributeCondition>) -> Result<(), Fault> {
    match condition {
        Condition::And(terms) => terms.iter().try_for_each(|term| collect(term, conditions)),
        Condition::Or(_) => Err(Fault::KeyOperator { operator: "OR" }),
        Condition::Not(_) => Err(Fault::KeyOperator { operator: "NOT" }),
        Condition::In { .. } => Err(Fault::KeyOperator { operator: "IN" }),
        Condition::Exists(_) => Err(Fault::KeyOperator { operator: "attribute_exists" }),
        Condition::NotExists(_) => Err(Fault::KeyOperator { operator: "attribute_not_exists" }),
        Condition::HasType { .. } => Err(Fault::KeyOperator { operator: "attribute_type" }),
        Condition::Contains { .. } => Err(Fault::KeyOperator { operator: "contains" }),
        Condition::Compare { comparator: Comparator::NotEqual, .. } => {
            Err(Fault::KeyOperator { operator: "<>" })
        }
        Condition::Compare { comparator, left, right } => {
            let attribute = key_attribute(&[left, right])?;
            let (comparator, constant) = match left {
                Operand::Path(_) => (*comparator, constant(right)?),
                _ => (comparator.flipped(), constant(left)?),
            };
            push(attribute, compare_test(comparator, constant)?, conditions)
        }
        Condition::Between { value, lower, upper } => {
            check_first(value, "BETWEEN")?;
            let attribute = key_attribute(&[value, lower, upper])?;
            push(attribute, KeyTest::Between(constant(lower)?, constant(upper)?), conditions)
        }
        Condition::BeginsWith { operand, prefix } => {
            check_first(operand, "begins_with")?;
            let attribute = key_attribute(&[operand, prefix])?;
            push(attribute, KeyTest::BeginsWith(constant(prefix)?), conditions)
        }
    }
}

fn push(attribute: &str, test: KeyTest, conditions: &mut Vec<AttributeCondition>) -> Result<(), Fault> {
    if conditions.iter().any(|condition| condition.attribute == attribute) {
        return Err(Fault::KeyRepeated);
    }
    conditions.push(AttributeCondition { attribute: attribute.to_owned(), test });
    Ok(())
}

fn check_first(first: &Operand, operator: &'static str) -> Result<(), Fault> {
    match first {
        Operand::Path(_) => Ok(()),
        _ => Err(Fault::KeyNotFirst { operator }),
    }
}

/// The one attribute among the operands of a comparison.
fn key_attribute<'a>(operands: &[&'a Operand]) -> Result<&'a str, Fault> {
    let mut attribute = None;
    for operand in operands {
        match operand {
            Operand::Constant(_) => {}
            Operand::Size(_) => return Err(Fault::KeyNestedOperation),
            Operand::Path(_) if attribute.is_some() => return Err(Fault::KeyAmbiguous),
            Operand::Path(path) if !path.rest.is_empty() => return Err(Fault::KeyNestedAttribute),
            Operand::Path(path) => attribute = Some(path.name.as_str()),
        }
    }
    attribute.ok_or(Fault::KeyMissing)
}

fn constant(operand: &Operand) -> Result<Constant, Fault> {
    match operand {
        Operand::Constant(constant) => Ok(constant.clone()),
        Operand::Size(_) => Err(Fault::KeyNestedOperation),
        Operand::Path(_) => Err(Fault::KeyAmbiguous),
    }
}

fn compare_test(comparator: Comparator, constant: Constant) -> Result<KeyTest, Fault> {
    Ok(match comparator {
        Comparator::Equal => KeyTest::Equal(constant),
        Comparator::NotEqual => return Err(Fault::KeyOperator { operator: "<>" }),
        Comparator::Less => KeyTest::Less(constant),
        Comparator::LessOrEqual => KeyTest::LessOrEqual(constant),
        Comparator::Greater => KeyTest::Greater(constant),
        Comparator::GreaterOrEqual => KeyTest::GreaterOrEqual(constant),
    })
}

/// The condition with values of the attribute's type.
fn sort_condition(test: &KeyTest, attribute: &KeyAttribute) -> Result<SortCondition, SchemaError> {
    let value = |constant: &Constant| {
        let value = KeyValue::try_from(constant.value().clone()).ok();
        value.filter(|value| value.kind() == attribute.kind).ok_or(SchemaError::KeyTypeMismatch)
    };
    Ok(match test {
        KeyTest::NotIndexable => return Err(SchemaError::KeyConditionNotIndexable),
        KeyTest::Equal(constant) => SortCondition::Equal(value(constant)?),
        KeyTest::Less(constant) => SortCondition::Less(value(constant)?),
        KeyTest::LessOrEqual(constant) => SortCondition::LessOrEqual(value(constant)?),
        KeyTest::Greater(constant) => SortCondition::Greater(value(constant)?),
        KeyTest::GreaterOrEqual(constant) => SortCondition::GreaterOrEqual(value(constant)?),
        KeyTest::Between(lower, upper) => SortCondition::Between(value(lower)?, value(upper)?),
        KeyTest::BeginsWith(prefix) => match value(prefix)? {
            KeyValue::S(text) => SortCondition::BeginsWith(text.into_bytes()),
            KeyValue::B(bytes) => SortCondition::BeginsWith(bytes),
            KeyValue::N(_) => return Err(SchemaError::KeyTypeMismatch),
        },
    })
}

fn missing(attribute: &KeyAttribute) -> SchemaError {
    SchemaError::KeyConditionMissing { attribute: attribute.name.clone() }
}
