//! The legacy parameters of a request: read from its body, held to the constraints, and handed to the model, which
//! translates them into the trees that expressions become (`model::legacy`).

use std::collections::BTreeMap;

use basalt_engine::model::expression::{
    Condition, ExpressionError, KeyConditions, Projection, SchemaError, Update, UpdateError,
};
use basalt_engine::model::legacy::{
    self, Argument, AttributeUpdate, Comparison, ComparisonOperator, ConditionalOperator, Expected,
    LegacyFault, UpdateAction,
};
use basalt_engine::{Error as EngineError, ValidationError};

use super::constraint::{Constraints, Enumeration};
use super::error_map::ApiError;
use super::json::writer::Members;
use super::json::{BodyError, Known, Place, Reader};
use super::messages;

const CONDITIONAL_OPERATOR: Enumeration<ConditionalOperator> =
    Enumeration(&[("OR", ConditionalOperator::Or), ("AND", ConditionalOperator::And)]);
const UPDATE_ACTION: Enumeration<UpdateAction> =
    Enumeration(&[("ADD", UpdateAction::Add), ("PUT", UpdateAction::Put), ("DELETE", UpdateAction::Delete)]);
const COMPARISON_OPERATOR: Enumeration<ComparisonOperator> = {
    const NAMED: [(&str, ComparisonOperator); ComparisonOperator::ALL.len()] = {
        let mut named = [("", ComparisonOperator::In); ComparisonOperator::ALL.len()];
        let mut position = 0;
        while position < named.len() {
            let operator = ComparisonOperator::ALL[position];
            named[position] = (operator.name(), operator);
            position += 1;
        }
        named
    };
    Enumeration(&NAMED)
};
/// AttributesToGet has at most so many members.
const ATTRIBUTES_TO_GET_MAX: usize = 255;

/// The legacy parameters of one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct LegacyParameters {
    present: Vec<&'static str>,
    expected: BTreeMap<String, ExpectedInput>,
    attribute_updates: BTreeMap<String, UpdateInput>,
    /// QueryFilter or ScanFilter.
    filter: BTreeMap<String, ConditionInput>,
    key_conditions: BTreeMap<String, ConditionInput>,
    attributes_to_get: Vec<String>,
    conditional_operator: Option<String>,
}

/// What is expected of an attribute.
#[derive(Debug, Clone, Default)]
struct ExpectedInput {
    exists: Option<bool>,
    value: Option<Argument>,
    operator: Option<String>,
    arguments: Option<Vec<Argument>>,
}

/// What is done to an attribute.
#[derive(Debug, Clone, Default)]
struct UpdateInput {
    action: Option<String>,
    value: Option<Argument>,
}

/// What an attribute is compared with.
#[derive(Debug, Clone, Default)]
struct ConditionInput {
    operator: Option<String>,
    arguments: Option<Vec<Argument>>,
}

impl LegacyParameters {
    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.present.is_empty()
    }

    /// Reads the value of the parameter `name`.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>, name: &'static str) -> Result<(), BodyError> {
        let is_present = match name {
            "Expected" => read_map(reader, "ExpectedAttributeValue", &mut self.expected)?,
            "AttributeUpdates" => read_map(reader, "AttributeValueUpdate", &mut self.attribute_updates)?,
            "QueryFilter" | "ScanFilter" => read_map(reader, "Condition", &mut self.filter)?,
            "KeyConditions" => read_map(reader, "Condition", &mut self.key_conditions)?,
            "AttributesToGet" => read_names(reader, &mut self.attributes_to_get)?,
            "ConditionalOperator" => {
                self.conditional_operator = reader.owned_text()?;
                self.conditional_operator.is_some()
            }
            _ => unreachable!("operations name only legacy parameters that there are"),
        };
        self.present.retain(|present| *present != name);
        self.present.extend(is_present.then_some(name));
        Ok(())
    }

    /// Whether the request has this parameter.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.present.contains(&name)
    }

    /// Holds the members to what the service model says of each. `place` is put before their paths.
    pub(crate) fn constrain(&self, constraints: &mut Constraints, place: &str) {
        for (attribute, expected) in &self.expected {
            let path = format!("expected.{attribute}.member.comparisonOperator");
            constraints.enumeration(&path, expected.operator.as_deref(), &COMPARISON_OPERATOR);
        }
        for (attribute, update) in &self.attribute_updates {
            let path = format!("attributeUpdates.{attribute}.member.action");
            constraints.enumeration(&path, update.action.as_deref(), &UPDATE_ACTION);
        }
        let filter = if self.has("QueryFilter") { "queryFilter" } else { "scanFilter" };
        constrain_conditions(constraints, filter, &self.filter);
        constrain_conditions(constraints, "keyConditions", &self.key_conditions);
        constraints.enumeration(
            "conditionalOperator",
            self.conditional_operator.as_deref(),
            &CONDITIONAL_OPERATOR,
        );
        if self.has("AttributesToGet") {
            let printed = format!("[{}]", self.attributes_to_get.join(", "));
            let count = self.attributes_to_get.len();
            constraints.length(
                &format!("{place}attributesToGet"),
                &printed,
                count,
                1..=ATTRIBUTES_TO_GET_MAX,
            );
        }
    }

    /// A ConditionalOperator stands between conditions: it needs two.
    pub(crate) fn check_conditional_operator(&self) -> Result<(), ApiError> {
        let condition_count = self.expected.len() + self.filter.len();
        match (self.has("ConditionalOperator"), condition_count) {
            (true, 0) => Err(ApiError::validation(messages::CONDITIONAL_OPERATOR_ALONE)),
            (true, 1) => Err(ApiError::validation(messages::CONDITIONAL_OPERATOR_OF_ONE)),
            _ => Ok(()),
        }
    }

    /// The update that AttributeUpdates stands for.
    pub(crate) fn update(&mut self) -> Result<Option<Update>, ApiError> {
        if !self.has("AttributeUpdates") {
            return Ok(None);
        }
        let updates = std::mem::take(&mut self.attribute_updates).into_iter();
        let updates = updates.map(|(attribute, input)| {
            let action = UPDATE_ACTION.named(input.action.as_deref());
            AttributeUpdate::new(attribute, action.unwrap_or_default(), input.value)
        });
        Ok(Some(legacy::update(updates.collect::<Result<_, _>>()?)?))
    }

    /// The condition that Expected stands for, if it expects anything.
    pub(crate) fn condition(&mut self) -> Result<Option<Condition>, ApiError> {
        let expected = std::mem::take(&mut self.expected).into_iter();
        let conditions = expected.map(|(attribute, input)| {
            let expected = Expected {
                exists: input.exists,
                value: input.value,
                operator: COMPARISON_OPERATOR.named(input.operator.as_deref()),
                arguments: input.arguments,
            };
            expected.into_condition(attribute)
        });
        Ok(self.conditional_operator().join(conditions.collect::<Result<_, _>>()?))
    }

    /// The condition that QueryFilter or ScanFilter stands for, if it filters anything.
    pub(crate) fn filter(&mut self) -> Result<Option<Condition>, ApiError> {
        let comparisons = comparisons(std::mem::take(&mut self.filter))?;
        Ok(legacy::filter(comparisons, self.conditional_operator()))
    }

    /// The projection that AttributesToGet stands for.
    pub(crate) fn projection(&mut self) -> Result<Option<Projection>, ApiError> {
        if !self.has("AttributesToGet") {
            return Ok(None);
        }
        Ok(Some(legacy::projection(std::mem::take(&mut self.attributes_to_get))?))
    }

    /// What KeyConditions stands for.
    pub(crate) fn key_conditions(&mut self) -> Result<Option<KeyConditions>, ApiError> {
        if !self.has("KeyConditions") {
            return Ok(None);
        }
        let comparisons = comparisons(std::mem::take(&mut self.key_conditions))?.into_iter();
        let conditions = comparisons.map(Comparison::into_key_condition).collect();
        let conditions = KeyConditions::new(conditions);
        conditions.map(Some).map_err(|fault| ApiError::validation(fault.to_string()))
    }

    /// Writes AttributesToGet back, for a client that has to send it again.
    pub(crate) fn write(&self, members: &mut Members<'_>) {
        if self.has("AttributesToGet") {
            let mut names = members.value_of("AttributesToGet").array();
            for name in &self.attributes_to_get {
                names.element().string(name);
            }
        }
    }

    fn conditional_operator(&self) -> ConditionalOperator {
        CONDITIONAL_OPERATOR.named(self.conditional_operator.as_deref()).unwrap_or_default()
    }
}

/// A structure that stands for an attribute in one of the maps.
trait MapEntry: Default {
    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError>;
}

impl MapEntry for ExpectedInput {
    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "AttributeValueList" => self.arguments = read_arguments(reader)?,
            "ComparisonOperator" => self.operator = reader.owned_text()?,
            "Exists" => self.exists = reader.boolean()?,
            "Value" => self.value = reader.argument(Place::Member)?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }
}

impl MapEntry for UpdateInput {
    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "Action" => self.action = reader.owned_text()?,
            "Value" => self.value = reader.argument(Place::Member)?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }
}

impl MapEntry for ConditionInput {
    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "AttributeValueList" => self.arguments = read_arguments(reader)?,
            "ComparisonOperator" => self.operator = reader.owned_text()?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }
}

/// Reads a map from attributes to structures named `shape`. False if it was null.
fn read_map<T: MapEntry>(
    reader: &mut Reader<'_>,
    shape: &'static str,
    entries: &mut BTreeMap<String, T>,
) -> Result<bool, BodyError> {
    entries.clear();
    reader.map(Place::Member, shape, |reader, attribute| {
        reader.charge(ENTRY_BYTES + attribute.len())?;
        let mut entry = T::default();
        if reader.structure(Place::Element, shape, |reader, name| entry.read_member(reader, name))? {
            entries.insert(attribute.into_owned(), entry);
        }
        Ok(())
    })
}

/// Reads a list of names. False if it was null.
fn read_names(reader: &mut Reader<'_>, names: &mut Vec<String>) -> Result<bool, BodyError> {
    names.clear();
    reader.list(Place::Member, |reader| {
        reader.charge(ARGUMENT_BYTES)?;
        names.extend(reader.owned_text()?);
        Ok(())
    })
}

fn read_arguments(reader: &mut Reader<'_>) -> Result<Option<Vec<Argument>>, BodyError> {
    let mut arguments = Vec::new();
    let is_present = reader.list(Place::Member, |reader| {
        reader.charge(ARGUMENT_BYTES)?;
        arguments.extend(reader.argument(Place::Element)?);
        Ok(())
    })?;
    Ok(is_present.then_some(arguments))
}

fn constrain_conditions(
    constraints: &mut Constraints,
    member: &str,
    conditions: &BTreeMap<String, ConditionInput>,
) {
    for (attribute, condition) in conditions {
        let path = format!("{member}.{attribute}.member.comparisonOperator");
        constraints.required(&path, &condition.operator);
        constraints.enumeration(&path, condition.operator.as_deref(), &COMPARISON_OPERATOR);
    }
}

fn comparisons(conditions: BTreeMap<String, ConditionInput>) -> Result<Vec<Comparison>, LegacyFault> {
    let comparison = |(attribute, input): (String, ConditionInput)| {
        let operator = COMPARISON_OPERATOR.named(input.operator.as_deref())?;
        Some(Comparison::new(attribute, operator, input.arguments.unwrap_or_default()))
    };
    // Constraints saw to it that each has an operator.
    conditions.into_iter().filter_map(comparison).collect()
}

/// What an entry of a map, and a member of a list, cost in memory beside their texts.
const ENTRY_BYTES: usize = 256;
const ARGUMENT_BYTES: usize = 128;

/// The error that an engine's error is to a client whose update or filter is legacy: three texts are different.
pub(crate) fn reworded(error: EngineError) -> ApiError {
    match error {
        EngineError::Validation(ValidationError::Update(UpdateError::OperandType)) => {
            ApiError::validation(legacy::messages::UPDATE_TYPE_MISMATCH)
        }
        EngineError::Validation(ValidationError::Expression(ExpressionError::Schema(
            SchemaError::FilterOnKey { attribute },
        ))) => ApiError::validation(legacy::messages::query_filter_on_key(&attribute)),
        EngineError::Validation(ValidationError::UpdatedIndexKeyType { mismatch }) => {
            ApiError::validation(mismatch.to_string())
        }
        other => ApiError::from_item_operation(other),
    }
}

impl From<LegacyFault> for ApiError {
    fn from(fault: LegacyFault) -> Self {
        ApiError::validation(fault.to_string())
    }
}
