//! The expression parameters of a request, and the rules between them, before any table is known.
//!
//! The model parses and words everything; here is which members an operation has, in the order in which DynamoDB
//! looks at them: mixing with legacy parameters, placeholders without a user, legacy parameters, then placeholders
//! and each expression, at last KeyConditions.

use std::collections::BTreeMap;

use basalt_engine::Error as EngineError;
use basalt_engine::model::expression::placeholders::ParameterUse;
use basalt_engine::model::expression::{
    self, Condition, ExpressionError, ExpressionKind, KeyConditions, Placeholders, Projection, Update,
};

use super::constraint::Constraints;
use super::error_map::ApiError;
use super::json::writer::Members;
use super::json::{AttributeMap, BodyError, Known, Place, Reader};
use super::legacy::{self, LegacyParameters};

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
    legacy: LegacyParameters,
}

/// The parameters of one request with its legacy ones translated.
#[derive(Debug)]
pub(crate) struct TranslatedParameters {
    parameters: ExpressionParameters,
    translated: Expressions,
}

/// The expressions of one request, parsed, or what its legacy parameters stand for.
#[derive(Debug, Default)]
pub(crate) struct Expressions {
    pub(crate) update: Option<Update>,
    pub(crate) condition: Option<Condition>,
    pub(crate) key_conditions: Option<KeyConditions>,
    pub(crate) filter: Option<Condition>,
    pub(crate) projection: Option<Projection>,
    pub(crate) wording: Wording,
}

/// How faults of an update or filter are worded that show only once the table is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Wording {
    #[default]
    Expression,
    Legacy,
}

impl Wording {
    /// The error that an engine's error is to the client.
    pub(crate) fn of(self, error: EngineError) -> ApiError {
        match self {
            Wording::Expression => ApiError::from_item_operation(error),
            Wording::Legacy => legacy::reworded(error),
        }
    }
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
            self.legacy.read(reader, name)?;
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
        self.legacy.write(members);
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

    /// Whether the request has none of them, as most requests for one item.
    fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.names.is_none() && self.values.is_none() && self.legacy.is_empty()
    }

    /// Whether the request has this expression.
    pub(crate) fn has(&self, kind: ExpressionKind) -> bool {
        self.texts.iter().any(|(known, _)| *known == kind)
    }

    /// Whether the request says which key a query is about.
    pub(crate) fn has_key_conditions(&self) -> bool {
        self.has(ExpressionKind::KeyCondition) || self.legacy.has("KeyConditions")
    }

    /// Whether the request says which attributes it wants.
    pub(crate) fn has_projection(&self) -> bool {
        self.has(ExpressionKind::Projection) || self.legacy.has("AttributesToGet")
    }

    /// Holds the members to what the service model says of each. `place` is put before their paths.
    pub(crate) fn constrain(&self, constraints: &mut Constraints, place: &str) {
        self.legacy.constrain(constraints, place);
    }

    /// The rules between parameters, which come before the rules of values.
    pub(crate) fn check_use(&self, names: &ParameterNames) -> Result<(), ApiError> {
        if self.is_empty() {
            return Ok(());
        }
        let expressions: Vec<_> = names.expressions.iter().map(|kind| (*kind, self.has(*kind))).collect();
        let legacy: Vec<_> = names.legacy.iter().map(|name| (*name, self.counts_as_legacy(name))).collect();
        let parameters = ParameterUse {
            expressions: &expressions,
            legacy: &legacy,
            names: self.names.is_some(),
            values: self.values.is_some(),
        };
        parameters.check().map_err(|error| ApiError::validation(error.to_string()))?;
        self.legacy.check_conditional_operator()
    }

    /// One request of several parts may not have expressions in one and legacy parameters in another.
    pub(crate) fn check_use_together<'a>(
        parts: impl Iterator<Item = &'a ExpressionParameters> + Clone,
        names: &ParameterNames,
    ) -> Result<(), ApiError> {
        let expressions: Vec<_> =
            names.expressions.iter().map(|kind| (*kind, parts.clone().any(|part| part.has(*kind)))).collect();
        let legacy: Vec<_> = names
            .legacy
            .iter()
            .map(|name| (*name, parts.clone().any(|part| part.legacy.has(name))))
            .collect();
        let parameters =
            ParameterUse { expressions: &expressions, legacy: &legacy, names: false, values: false };
        parameters.check().map_err(|error| ApiError::validation(error.to_string()))
    }

    /// KeyConditions may stand beside a FilterExpression, in place of a KeyConditionExpression.
    fn counts_as_legacy(&self, name: &str) -> bool {
        let replaces_key_condition = name == "KeyConditions" && !self.has(ExpressionKind::KeyCondition);
        self.legacy.has(name) && !replaces_key_condition
    }

    /// Translates the legacy parameters and parses all expressions.
    pub(crate) fn understand(self) -> Result<Expressions, ApiError> {
        if self.is_empty() { Ok(Expressions::default()) } else { self.translate_legacy()?.parse() }
    }

    /// Translates the legacy parameters, all but KeyConditions, whose faults come after those of expressions.
    pub(crate) fn translate_legacy(mut self) -> Result<TranslatedParameters, ApiError> {
        // AttributesToGet comes before a ScanFilter, and after a QueryFilter.
        let is_scan = self.legacy.has("ScanFilter");
        let scan_projection = if is_scan { self.legacy.projection()? } else { None };
        let (update, filter) = (self.legacy.update()?, self.legacy.filter()?);
        let is_legacy = update.is_some() || filter.is_some();
        let translated = Expressions {
            update,
            condition: self.legacy.condition()?,
            key_conditions: None,
            filter,
            projection: if is_scan { scan_projection } else { self.legacy.projection()? },
            wording: if is_legacy { Wording::Legacy } else { Wording::Expression },
        };
        Ok(TranslatedParameters { parameters: self, translated })
    }
}

impl TranslatedParameters {
    /// The parameters as the request has them.
    pub(crate) fn parameters(&self) -> &ExpressionParameters {
        &self.parameters
    }

    /// Parses all expressions, in DynamoDB's order of faults.
    pub(crate) fn parse(self) -> Result<Expressions, ApiError> {
        let ExpressionParameters { texts, names, values, mut legacy } = self.parameters;
        Placeholders::check_keys(names.as_ref(), values.as_ref().map(AttributeMap::unchecked))
            .map_err(ExpressionError::from)?;
        let values = values.map(AttributeMap::checked_by_name).transpose().map_err(|(key, fault)| {
            ApiError::validation(expression::messages::placeholder_value_invalid(&fault.to_string(), &key))
        })?;
        let placeholders = Placeholders::new(names, values).map_err(ExpressionError::from)?;
        let parsed = parse_all(&texts, placeholders)?;
        Ok(Expressions {
            update: parsed.update.or(self.translated.update),
            condition: parsed.condition.or(self.translated.condition),
            key_conditions: match parsed.key_conditions {
                None => legacy.key_conditions()?,
                parsed => parsed,
            },
            filter: parsed.filter.or(self.translated.filter),
            projection: parsed.projection.or(self.translated.projection),
            wording: self.translated.wording,
        })
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
