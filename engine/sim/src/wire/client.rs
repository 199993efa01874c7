//! Clients: each has a table of its own, and knows the answer to everything it asks.

use super::generator::{Generator, PADDING};
use super::model::{Answer, Index, Model};
use super::requests::{Key, Request};
use super::{Outcome, api, verify};
use crate::oracle::Violation;
use basalt_engine::Engine;
use basalt_runtime::Handle;
use basalt_runtime::sim::Random;
use basalt_server::Dispatch;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// Chance of a pause, of 1000, and how long: longer than the engine waits before it checkpoints.
const PAUSE_PERMILLE: u32 = 5;
const PAUSE: Duration = Duration::from_secs(3);
/// Paddings are told without what exceeds a multiple of this.
pub(crate) const PADDING_TOLD_BYTES: usize = 20;

/// What one client knows, over all lives of the process.
#[derive(Debug, Default)]
pub(crate) struct Knowledge {
    /// What is certain.
    pub(crate) model: Model,
    /// What was asked and not answered, and what it makes of the model.
    pub(crate) pending: Option<(Request, Model)>,
}

impl Knowledge {
    /// Takes note of what a start has found of the client's table; `Err` if that cannot be.
    pub(crate) fn found(&mut self, found: Model) -> Result<(), String> {
        let index = found.index;
        let after = self.pending.as_ref().map_or(&self.model, |(_, after)| after);
        if ![&self.model, after].iter().any(|model| model.index.settled() == index) {
            return Err(format!("its index is {index:?}, not {:?}", self.model.index.settled()));
        }
        self.found_items(found)?;
        self.model.index = index;
        Ok(())
    }

    fn found_items(&mut self, found: Model) -> Result<(), String> {
        let Some((request, after)) = self.pending.clone() else {
            return match found.items == self.model.items {
                true => Ok(()),
                false => Err(difference(&self.model, &found)),
            };
        };
        let before = &self.model;
        if found.items == after.items && found.has_time_to_live == after.has_time_to_live {
            // The transaction's token may be known or not; asking again tells nothing else than it would have told.
            let is_unsure = matches!(request, Request::TransactWrite { .. }) && before.items == after.items;
            self.model = if is_unsure { before.clone() } else { after };
        } else if let Request::BatchWrite(_) = request {
            self.model = mixed(before, &after, &found)?;
        } else if found.items != before.items {
            return Err(format!("{}, nor after {request:?}", difference(before, &found)));
        }
        self.pending = None;
        Ok(())
    }
}

/// Each write of a batch was done or not.
fn mixed(before: &Model, after: &Model, found: &Model) -> Result<Model, String> {
    let of = |model: &Model, key: &Key| model.items.as_ref().and_then(|items| items.get(key).cloned());
    let models = [before, after, found];
    let keys = models.iter().filter_map(|model| model.items.as_ref()).flat_map(BTreeMap::keys);
    for key in keys {
        let item = of(found, key);
        if item != of(before, key) && item != of(after, key) {
            return Err(format!("{key:?} is {item:?} after a batch that was cut off"));
        }
    }
    Ok(Model { items: found.items.clone(), ..before.clone() })
}

fn difference(model: &Model, found: &Model) -> String {
    let none = BTreeMap::new();
    let [expected, items] = [model, found].map(|model| model.items.as_ref().unwrap_or(&none));
    let key = expected.keys().chain(items.keys()).find(|key| expected.get(*key) != items.get(*key));
    match key {
        Some(key) => format!("{key:?} is {:?}, not {:?}", items.get(key), expected.get(key)),
        None => format!("the table is there: {}, not {}", found.items.is_some(), model.items.is_some()),
    }
}

/// Asks and compares.
pub(crate) struct Client {
    pub(crate) number: u64,
    pub(crate) table: String,
    pub(crate) engine: Engine,
    pub(crate) handle: Handle,
    pub(crate) knowledge: Rc<RefCell<Knowledge>>,
    generator: Generator,
}

impl Client {
    pub(crate) fn new(
        number: u64,
        engine: &Engine,
        handle: Handle,
        knowledge: &Rc<RefCell<Knowledge>>,
        random: Random,
    ) -> Self {
        Self {
            number,
            table: super::table_of(number),
            engine: engine.clone(),
            handle,
            knowledge: Rc::clone(knowledge),
            generator: Generator::new(random),
        }
    }

    pub(crate) async fn run(mut self, operations: u64, outcome: Rc<Outcome>) -> Result<(), Violation> {
        let api = api(&self.engine);
        for _ in 0..operations {
            if self.generator.random.chance(PAUSE_PERMILLE) {
                self.handle.sleep(PAUSE).await;
            }
            self.ask(&api).await?;
            outcome.finished();
        }
        Ok(())
    }

    async fn ask(&mut self, api: &Dispatch) -> Result<(), Violation> {
        let now = self.handle.unix_time().as_secs();
        let (request, expected, after) = {
            let mut knowledge = self.knowledge.borrow_mut();
            let request = self.generator.request(&knowledge.model, now);
            let mut after = knowledge.model.clone();
            let expected = after.answer(&request, &self.table);
            knowledge.pending = Some((request.clone(), after.clone()));
            (request, expected, after)
        };
        let (status, answer) = self
            .send(api, &request)
            .await
            .map_err(|reason| Violation::Failed(format!("client {}, {request:?}: {reason}", self.number)))?;
        judge(&expected, status, &answer).map_err(|difference| {
            let text = format!("client {}, {request:?}: {difference}", self.number);
            Violation::Failed(text.replace(&PADDING.repeat(PADDING_TOLD_BYTES), ""))
        })?;
        let mut knowledge = self.knowledge.borrow_mut();
        knowledge.model = after;
        knowledge.pending = None;
        Ok(())
    }

    /// Sends a request, and brings its answer into the model's shape where it is made of several.
    async fn send(&self, api: &Dispatch, request: &Request) -> Result<(u16, Vec<u8>), String> {
        let whole = |body: Value| (200, body.to_string().into_bytes());
        match request {
            Request::Scan { limit } => {
                let items = verify::scan(api, &self.table, None, *limit).await?;
                Ok(whole(json!({"Items": items.into_values().collect::<Vec<_>>()})))
            }
            Request::AwaitIndex => {
                let index = verify::await_index(api, &self.handle, &self.table).await?;
                Ok(whole(json!({"HasIndex": index == Index::Present})))
            }
            _ => {
                let (operation, body) = request.on_wire(&self.table);
                let (status, answer) = api.answer(&format!("DynamoDB_20120810.{operation}"), body).await;
                let is_unordered = matches!(request, Request::QueryIndex(_));
                Ok((status, if is_unordered { by_key(&answer)? } else { answer }))
            }
        }
    }
}

/// Brings the items that an index gave into the order of their keys: within a group they have none.
fn by_key(answer: &[u8]) -> Result<Vec<u8>, String> {
    let mut answer: Value = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
    if let Some(items) = answer["Items"].as_array_mut() {
        items.sort_by_key(|item| item.as_object().and_then(verify::key_of));
    }
    Ok(answer.to_string().into_bytes())
}

/// Compares an answer with what it must be.
fn judge(expected: &Answer, status: u16, answer: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(answer);
    let found: Value = serde_json::from_slice(answer).map_err(|error| format!("{error}: {text}"))?;
    let found = in_order(found);
    let wanted = in_order(expected.body.clone());
    let is_right = if expected.is_part { has(&found, &wanted) } else { found == wanted };
    match is_right && status == expected.status {
        true => Ok(()),
        false => Err(format!("{status} {found}, and not {} {wanted}", expected.status)),
    }
}

/// Whether `found` has all that is `wanted`.
fn has(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(name, wanted)| found.get(name).is_some_and(|found| has(found, wanted)))
        }
        _ => found == wanted,
    }
}

/// Brings what has no order into one: sets, and the items of a BatchGetItem.
pub(crate) fn in_order(value: Value) -> Value {
    let Value::Object(members) = value else {
        return match value {
            Value::Array(elements) => Value::Array(elements.into_iter().map(in_order).collect()),
            other => other,
        };
    };
    let ordered = members.into_iter().map(|(name, value)| {
        let mut value = in_order(value);
        match &mut value {
            Value::Array(members) if name == "SS" => members.sort_by_key(Value::to_string),
            Value::Object(tables) if name == "Responses" => {
                for items in tables.values_mut().filter_map(Value::as_array_mut) {
                    items.sort_by_key(Value::to_string);
                }
            }
            _ => {}
        }
        (name, value)
    });
    Value::Object(ordered.collect())
}
