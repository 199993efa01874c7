//! TransactWriteItems: up to a hundred actions on items of any tables, all of them or none.

use std::collections::BTreeMap;

use basalt_engine::model::ValueError;
use basalt_engine::model::expression::ExpressionKind;
use basalt_engine::model::size::ITEM_BYTES_MAX;
use basalt_engine::{
    ConditionCheck, DeleteItem, ItemCollection, PutItem, ReturnOld, ReturnValues, TRANSACT_ACTIONS_MAX,
    TokenSpace, TransactAction, TransactToken, TransactWrite, TransactWriteOutput, UpdateItem,
};

use super::item_request::{ItemRequest, ItemRequestShape, ResolvedItemRequest};
use super::write_request::RETURN_OLD;
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::expressions::ParameterNames;
use crate::dynamodb::json::{BodyError, Known, Place, Reader};
use crate::dynamodb::reply::{CapacityKind, ReturnConsumedCapacity, ReturnItemCollectionMetrics};
use crate::dynamodb::{Api, Operation, messages};

/// The longest token, in characters.
pub(super) const TOKEN_LENGTH_MAX: usize = 36;

/// What an action does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ActionKind {
    ConditionCheck,
    Put,
    Delete,
    Update,
}

/// The members of a TransactWriteItems request.
#[derive(Debug, Default)]
pub(crate) struct TransactWriteItemsInput {
    transact_items: Option<Vec<TransactWriteItem>>,
    client_request_token: Option<String>,
    return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
}

/// One element of the request, which must have one action.
#[derive(Debug, Default)]
struct TransactWriteItem {
    actions: Vec<(ActionKind, ActionRequest)>,
}

#[derive(Debug, Default)]
struct ActionRequest {
    request: ItemRequest,
    return_values_on_failure: Option<String>,
}

impl Operation for TransactWriteItemsInput {
    const SHAPE: &'static str = "TransactWriteItemsInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "TransactItems" => {
                self.transact_items =
                    reader.structures("TransactWriteItem", TransactWriteItem::read_member)?;
            }
            "ClientRequestToken" => self.client_request_token = reader.owned_text()?,
            "ReturnConsumedCapacity" => self.return_consumed_capacity = reader.owned_text()?,
            "ReturnItemCollectionMetrics" => self.return_item_collection_metrics = reader.owned_text()?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        let capacity =
            ReturnConsumedCapacity::check(self.return_consumed_capacity.as_deref(), &mut constraints);
        let metrics = self.return_item_collection_metrics.as_deref();
        let metrics = ReturnItemCollectionMetrics::check(metrics, &mut constraints);
        let token = self.client_request_token;
        constraints.text_length("clientRequestToken", token.as_deref(), 1..=TOKEN_LENGTH_MAX);
        constraints.required("transactItems", &self.transact_items);
        constrain(&mut constraints, self.transact_items.as_deref());
        constraints.finish()?;

        let items = self.transact_items.unwrap_or_default();
        let token = token.map(|token| TransactToken::new(TokenSpace::TransactWriteItems, token, &items));
        let actions = items.into_iter().map(|item| item.understand(api)).collect::<Result<_, _>>()?;
        let transaction = TransactWrite { actions, token };
        let output = api.engine.transact_write(transaction).await.map_err(ApiError::from_item_operation)?;
        Ok(reply(api, &output, capacity, metrics))
    }
}

fn constrain(constraints: &mut Constraints, items: Option<&[TransactWriteItem]>) {
    let Some(items) = items else { return };
    let printed = format!("[{}]", vec!["TransactWriteItem(…)"; items.len()].join(", "));
    constraints.length("transactItems", &printed, items.len(), 1..=TRANSACT_ACTIONS_MAX);
    for (number, item) in (1..).zip(items) {
        for (kind, action) in &item.actions {
            let place = format!("transactItems.{number}.member.{}.", kind.path());
            action.constrain(constraints, &place, *kind);
        }
    }
}

impl ActionKind {
    const ALL: [ActionKind; 4] =
        [ActionKind::ConditionCheck, ActionKind::Put, ActionKind::Delete, ActionKind::Update];

    fn name(self) -> &'static str {
        match self {
            ActionKind::ConditionCheck => "ConditionCheck",
            ActionKind::Put => "Put",
            ActionKind::Delete => "Delete",
            ActionKind::Update => "Update",
        }
    }

    /// The name as constraints print it.
    fn path(self) -> &'static str {
        match self {
            ActionKind::ConditionCheck => "conditionCheck",
            ActionKind::Put => "put",
            ActionKind::Delete => "delete",
            ActionKind::Update => "update",
        }
    }

    fn shape(self) -> &'static ItemRequestShape {
        match self {
            ActionKind::Put => &PUT,
            ActionKind::Update => &UPDATE,
            ActionKind::ConditionCheck | ActionKind::Delete => &KEY_AND_CONDITION,
        }
    }

    /// The expression that the action cannot be without, with its name as constraints print it.
    fn required_expression(self) -> Option<(ExpressionKind, &'static str)> {
        match self {
            ActionKind::ConditionCheck => Some((ExpressionKind::Condition, "conditionExpression")),
            ActionKind::Update => Some((ExpressionKind::Update, "updateExpression")),
            ActionKind::Put | ActionKind::Delete => None,
        }
    }
}

const PUT: ItemRequestShape = ItemRequestShape {
    operation: "TransactWriteItems",
    subject: ("Item", "item"),
    parameters: ParameterNames { expressions: &[ExpressionKind::Condition], legacy: &[] },
};

const UPDATE: ItemRequestShape = ItemRequestShape {
    operation: "TransactWriteItems",
    subject: ("Key", "key"),
    parameters: ParameterNames {
        expressions: &[ExpressionKind::Update, ExpressionKind::Condition],
        legacy: &[],
    },
};

const KEY_AND_CONDITION: ItemRequestShape = ItemRequestShape {
    operation: "TransactWriteItems",
    subject: ("Key", "key"),
    parameters: ParameterNames { expressions: &[ExpressionKind::Condition], legacy: &[] },
};

impl ActionRequest {
    fn read_member(
        &mut self,
        reader: &mut Reader<'_>,
        name: &str,
        shape: &ItemRequestShape,
    ) -> Result<Known, BodyError> {
        if name != "ReturnValuesOnConditionCheckFailure" {
            return self.request.read_member(reader, name, shape);
        }
        self.return_values_on_failure = reader.owned_text()?;
        Ok(Known::Yes)
    }

    fn constrain(&self, constraints: &mut Constraints, place: &str, kind: ActionKind) {
        self.request.constrain(constraints, place, kind.shape());
        if let Some((expression, name)) = kind.required_expression()
            && !self.request.has(expression)
        {
            constraints.add(messages::violation_of_null(&format!("{place}{name}")));
        }
        constraints.enumeration(
            &format!("{place}returnValuesOnConditionCheckFailure"),
            self.return_values_on_failure.as_deref(),
            &RETURN_OLD,
        );
    }
}

impl TransactWriteItem {
    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        let Some(kind) = ActionKind::ALL.into_iter().find(|kind| kind.name() == name) else {
            return Ok(Known::No);
        };
        let mut action = ActionRequest::default();
        let read = |reader: &mut Reader<'_>, name: &str| action.read_member(reader, name, kind.shape());
        if reader.structure(Place::Member, kind.name(), read)? {
            self.actions.push((kind, action));
        }
        Ok(Known::Yes)
    }

    /// The element's action. The faults of one element are told before those of the next.
    fn understand(self, api: &Api) -> Result<TransactAction, ApiError> {
        let Ok([(kind, action)]) = <[_; 1]>::try_from(self.actions) else {
            return Err(ApiError::validation(messages::ONE_ACTION_AN_ITEM));
        };
        let on_failure = RETURN_OLD.named(action.return_values_on_failure.as_deref()).unwrap_or_default();
        let request = action.request.check_values(kind.shape())?;
        if kind == ActionKind::Put && request.subject.size_bytes() > ITEM_BYTES_MAX {
            return Err(ValueError::ItemTooLarge.into());
        }
        Ok(kind.action(request.resolve(api)?, on_failure))
    }
}

impl ActionKind {
    fn action(self, request: ResolvedItemRequest, on_failure: ReturnOld) -> TransactAction {
        let ResolvedItemRequest { table_name, subject, expressions } = request;
        let condition = expressions.condition;
        match self {
            ActionKind::Put => TransactAction::Put(PutItem {
                table_name,
                item: subject,
                condition,
                return_values: ReturnOld::None,
                return_values_on_condition_check_failure: on_failure,
            }),
            ActionKind::Update => TransactAction::Update(UpdateItem {
                table_name,
                key: subject,
                update: expressions.update,
                condition,
                return_values: ReturnValues::None,
                return_values_on_condition_check_failure: on_failure,
            }),
            ActionKind::Delete => TransactAction::Delete(DeleteItem {
                table_name,
                key: subject,
                condition,
                return_values: ReturnOld::None,
                return_values_on_condition_check_failure: on_failure,
            }),
            ActionKind::ConditionCheck => TransactAction::ConditionCheck(ConditionCheck {
                table_name,
                key: subject,
                condition: condition.expect("a check without its condition was refused"),
                return_values_on_condition_check_failure: on_failure,
            }),
        }
    }
}

fn reply(
    api: &Api,
    output: &TransactWriteOutput,
    capacity: ReturnConsumedCapacity,
    metrics: ReturnItemCollectionMetrics,
) -> Vec<u8> {
    let mut writer = api.writer();
    let mut members = writer.object();
    let kind = if output.is_replay { CapacityKind::Read } else { CapacityKind::Write };
    let used = output.actions.iter().map(|action| (action.table_name.as_str(), &action.capacity));
    members.transaction_capacities(capacity, kind, used);
    let collections = collections(output);
    let collections = collections.iter().map(|(table_name, those)| (*table_name, those.as_slice()));
    members.item_collections_metrics(metrics, collections);
    drop(members);
    writer.into_bytes()
}

/// The item collections that were written to, each once with its last size, by table.
fn collections(output: &TransactWriteOutput) -> BTreeMap<&str, Vec<ItemCollection>> {
    let mut tables: BTreeMap<&str, Vec<ItemCollection>> = BTreeMap::new();
    for action in &output.actions {
        let Some(collection) = &action.item_collection else { continue };
        let known = tables.entry(action.table_name.as_str()).or_default();
        known.retain(|known| known.key != collection.key);
        known.push(collection.clone());
    }
    tables
}
