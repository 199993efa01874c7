//! TransactGetItems: up to a hundred reads of any tables, as of one moment.

use basalt_engine::model::expression::ExpressionKind;
use basalt_engine::{Consistency, GetItem, GetItemOutput, TRANSACT_ACTIONS_MAX, TransactGet};

use super::item_request::{ItemRequest, ItemRequestShape};
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::expressions::ParameterNames;
use crate::dynamodb::json::{BodyError, Known, Members, Place, Reader};
use crate::dynamodb::reply::{CapacityKind, ReturnConsumedCapacity};
use crate::dynamodb::{Api, Operation};

const GET: ItemRequestShape = ItemRequestShape {
    operation: "TransactGetItems",
    subject: ("Key", "key"),
    parameters: ParameterNames { expressions: &[ExpressionKind::Projection], legacy: &[] },
};

/// The members of a TransactGetItems request.
#[derive(Debug, Default)]
pub(crate) struct TransactGetItemsInput {
    transact_items: Option<Vec<TransactGetItem>>,
    return_consumed_capacity: Option<String>,
}

#[derive(Debug, Default)]
struct TransactGetItem {
    get: Option<ItemRequest>,
}

impl Operation for TransactGetItemsInput {
    const SHAPE: &'static str = "TransactGetItemsInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "TransactItems" => {
                self.transact_items = reader.structures("TransactGetItem", TransactGetItem::read_member)?;
            }
            "ReturnConsumedCapacity" => self.return_consumed_capacity = reader.owned_text()?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        let capacity =
            ReturnConsumedCapacity::check(self.return_consumed_capacity.as_deref(), &mut constraints);
        constraints.required("transactItems", &self.transact_items);
        constrain(&mut constraints, self.transact_items.as_deref());
        constraints.finish()?;

        let items = self.transact_items.unwrap_or_default();
        let gets = items.into_iter().filter_map(|item| item.get);
        let reads: Vec<GetItem> = gets.map(|get| understand(api, get)).collect::<Result<_, _>>()?;
        let table_names: Vec<String> = reads.iter().map(|read| read.table_name.clone()).collect();
        let transaction = TransactGet { reads };
        let output = api.engine.transact_get(transaction).await.map_err(ApiError::from_item_operation)?;
        let mut writer = api.writer();
        let mut members = writer.object();
        write_responses(&mut members, &output.reads)?;
        let used = table_names.iter().zip(&output.reads);
        let used = used.map(|(table_name, read)| (table_name.as_str(), &read.capacity));
        members.transaction_capacities(capacity, CapacityKind::Read, used);
        drop(members);
        Ok(writer.into_bytes())
    }
}

impl TransactGetItem {
    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        if name != "Get" {
            return Ok(Known::No);
        }
        let mut get = ItemRequest::default();
        let read = |reader: &mut Reader<'_>, name: &str| get.read_member(reader, name, &GET);
        self.get = reader.structure(Place::Member, "Get", read)?.then_some(get);
        Ok(Known::Yes)
    }
}

fn constrain(constraints: &mut Constraints, items: Option<&[TransactGetItem]>) {
    let Some(items) = items else { return };
    let printed = format!("[{}]", vec!["TransactGetItem(…)"; items.len()].join(", "));
    constraints.length("transactItems", &printed, items.len(), 1..=TRANSACT_ACTIONS_MAX);
    for (number, item) in (1..).zip(items) {
        let path = format!("transactItems.{number}.member.get");
        constraints.required(&path, &item.get);
        if let Some(get) = &item.get {
            get.constrain(constraints, &format!("{path}."), &GET);
        }
    }
}

fn understand(api: &Api, get: ItemRequest) -> Result<GetItem, ApiError> {
    let request = get.check_values(&GET)?.resolve(api)?;
    Ok(GetItem {
        table_name: request.table_name,
        key: request.subject,
        projection: request.expressions.projection,
        consistency: Consistency::Transactional,
    })
}

/// An item of which the projection leaves nothing is not told.
fn write_responses(members: &mut Members<'_>, reads: &[GetItemOutput]) -> Result<(), ApiError> {
    let mut responses = members.value_of("Responses").array();
    for read in reads {
        let item = read.item.as_ref().filter(|item| !item.as_item().is_empty());
        responses.element().object().item("Item", item)?;
    }
    Ok(())
}
