//! The expression parameters of a request, and the rules between them, before any table is known.
//!
//! The model parses and words everything; here is which members an operation has, in the order in which DynamoDB
//! looks at them: mixing with legacy parameters, placeholders without a user, then placeholders and each expression.
//! Legacy parameters are refused by name until they are translated: to ignore an `Expected` would lose writes.

use std::collections::BTreeMap;

use basalt_engine::model::expression::placeholders::ParameterUse;
use basalt_engine::model::expression::{
    self, Condition, ExpressionError, ExpressionKind, KeyConditions, Placeholders, Projection, Update,
};

use super::error_map::ApiError;
use super::json::writer::Members;
use super::json::{AttributeMap, BodyError, Known, Place, Reader};
use super::messages;

/// Which expression and legacy parameters an operation has, in the order in which DynamoDB prints them.
#[derive(Debug)]
pub(crate) struct ParameterNames {
    pub(crate) expressions: &'static [ExpressionKind],
    pub(crate) legacy: &'static [&'static str],
}

/// The expression and legacy parameters of one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExpressionParameters {
    texts: Vec<(ExpressionKind, String)>,
    names: Option<BTreeMap<String, String>>,
    values: Option<AttributeMap>,
    legacy: Vec<&'static str>,
}

/// The expressions of one request, parsed.
#[derive(Debug, Default)]
pub(crate) struct Expressions {
    pub(crate) update: Option<Update>,
    pub(crate) condition: Option<Condition>,
    pub(crate) key_conditions: Option<KeyConditions>,
    pub(crate) filter: Option<Condition>,
    pub(crate) projection: Option<Projection>,
}

impl ExpressionParameters {
    /// Reads the value of a member, if it is one of `names` or a map of placeholders.
    pub(crate) fn read_member(
        &mut self,
        reader: &mut Reader<'_>,
        member: &str,
        names: &ParameterNames,
    ) -> Result<Known, BodyError> {
        if let Some(kind) = names.expressions.iter().find(|kind| kind.name() == member) {
            let text = reader.owned_text()?;
            self.texts.retain(|(known, _)| known != kind);
            self.texts.extend(text.map(|text| (*kind, text)));
        } else if let Some(name) = names.legacy.iter().find(|name| **name == member) {
            if reader.presence()? {
                self.legacy.push(name);
            }
        } else if member == "ExpressionAttributeNames" {
            self.names = reader.text_map()?;
        } else if member == "ExpressionAttributeValues"
            && names.expressions.iter().any(|kind| kind.takes_values())
        {
            self.values = reader.attribute_map(Place::Member)?;
        } else {
            return Ok(Known::No);
        }
        Ok(Known::Yes)
    }

    /// Writes the expressions and names back, for a client that has to send them again.
    pub(crate) fn write(&self, members: &mut Members<'_>) {
        for (kind, text) in &self.texts {
            members.string(kind.name(), text);
        }
        if let Some(names) = &self.names {
            let mut entries = members.value_of("ExpressionAttributeNames").object();
            for (placeholder, name) in names {
                entries.string(placeholder, name);
            }
        }
    }

    /// Whether the request has this expression.
    pub(crate) fn has(&self, kind: ExpressionKind) -> bool {
        self.texts.iter().any(|(known, _)| *known == kind)
    }

    /// Whether the request says which key a query is about.
    pub(crate) fn has_key_conditions(&self) -> bool {
        self.has(ExpressionKind::KeyCondition) || self.has_legacy("KeyConditions")
    }

    fn has_legacy(&self, name: &str) -> bool {
        self.legacy.contains(&name)
    }

    /// The rules between parameters, which come before the rules of values.
    pub(crate) fn check_use(&self, names: &ParameterNames) -> Result<(), ApiError> {
        let expressions: Vec<_> = names.expressions.iter().map(|kind| (*kind, self.has(*kind))).collect();
        let legacy: Vec<_> = names.legacy.iter().map(|name| (*name, self.counts_as_legacy(name))).collect();
        let parameters = ParameterUse {
            expressions: &expressions,
            legacy: &legacy,
            names: self.names.is_some(),
            values: self.values.is_some(),
        };
        parameters.check().map_err(|error| ApiError::validation(error.to_string()))
    }

    /// KeyConditions may stand beside a FilterExpression, in place of a KeyConditionExpression.
    fn counts_as_legacy(&self, name: &str) -> bool {
        let replaces_key_condition = name == "KeyConditions" && !self.has(ExpressionKind::KeyCondition);
        self.has_legacy(name) && !replaces_key_condition
    }

    /// Refuses legacy parameters.
    pub(crate) fn refuse_legacy(&self) -> Result<(), ApiError> {
        if self.legacy.is_empty() {
            return Ok(());
        }
        Err(ApiError::validation(messages::legacy_parameters_unsupported(&self.legacy)))
    }

    /// Parses all expressions, in DynamoDB's order of faults.
    pub(crate) fn parse(self) -> Result<Expressions, ApiError> {
        Placeholders::check_keys(self.names.as_ref(), self.values.as_ref().map(AttributeMap::unchecked))
            .map_err(ExpressionError::from)?;
        let values = self.values.map(AttributeMap::checked_by_name).transpose().map_err(|(key, fault)| {
            ApiError::validation(expression::messages::placeholder_value_invalid(&fault.to_string(), &key))
        })?;
        let parsed = Placeholders::new(self.names, values)
            .map_err(ExpressionError::from)
            .and_then(|placeholders| parse_all(&self.texts, placeholders));
        parsed.map_err(ApiError::from)
    }
}

fn parse_all(
    texts: &[(ExpressionKind, String)],
    mut placeholders: Placeholders,
) -> Result<Expressions, ExpressionError> {
    let text = |kind| texts.iter().find(|(known, _)| *known == kind).map(|(_, text)| text.as_str());
    let placeholders = &mut placeholders;
    let mut parsed = Expressions::default();
    if let Some(text) = text(ExpressionKind::Update) {
        parsed.update = Some(expression::parse_update(text, placeholders)?);
    }
    if let Some(text) = text(ExpressionKind::Condition) {
        parsed.condition = Some(expression::parse_condition(ExpressionKind::Condition, text, placeholders)?);
    }
    let key_condition = text(ExpressionKind::KeyCondition)
        .map(|text| expression::parse_key_condition(text, placeholders))
        .transpose()?;
    if let Some(text) = text(ExpressionKind::Filter) {
        parsed.filter = Some(expression::parse_condition(ExpressionKind::Filter, text, placeholders)?);
    }
    if let Some(text) = text(ExpressionKind::Projection) {
        parsed.projection = Some(expression::parse_projection(text, placeholders)?);
    }
    placeholders.check_all_used()?;
    parsed.key_conditions = key_condition.map(|condition| condition.conditions()).transpose()?;
    Ok(parsed)
}

impl From<ExpressionError> for ApiError {
    fn from(error: ExpressionError) -> Self {
        ApiError::validation(error.to_string())
    }
}
