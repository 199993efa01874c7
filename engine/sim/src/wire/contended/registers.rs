//! Items that several clients put, add to and remove, each judged as a register.

use super::{Contender, Contest, OPEN, Told, ask, contend, number, to_number};
use crate::wire::verify;
use basalt_checkers::history::{Event, Moment, Outcome};
use basalt_checkers::register::{self, Answer, Call, Register};
use basalt_checkers::stream::{Record, check_calls, check_chain};
use basalt_server::Dispatch;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const TABLE: &str = "registers";
const ITEMS: u64 = 6;
/// Items with the same partition key.
const ITEMS_A_COLLECTION: u64 = 2;
const CALLS_TOGETHER_MAX: u64 = 3;
/// Who reads everything in the end.
const JUDGE: u32 = u32::MAX;

/// By item, all calls on it.
#[derive(Default)]
pub(super) struct Registers(BTreeMap<u64, Vec<Event<Call, Answer>>>);

impl Registers {
    /// What was not answered has happened by now, or never.
    pub(super) fn end_open(&mut self, now: Moment) {
        let open = self.0.values_mut().flatten().filter(|event| event.span.answered == OPEN);
        open.for_each(|event| event.span.answered = now);
    }

    /// A tag that an item has or had, as far as a client was told; 0 is none.
    fn tag_of(&self, item: u64) -> u64 {
        let tag = |event: &Event<Call, Answer>| match (event.call, &event.outcome) {
            (Call::Put(tag) | Call::PutIfAbsent(tag), Outcome::Answered(Answer::Done)) => Some(tag),
            (Call::Read, Outcome::Answered(Answer::Item(found))) => found.map(|found| found.tag),
            _ => None,
        };
        self.0.get(&item).and_then(|history| history.iter().rev().find_map(tag)).unwrap_or(0)
    }
}

/// What an answer tells of the items that were asked for.
#[derive(Clone, Copy)]
enum Tells {
    /// All that are there.
    Items,
    /// Nothing, but perhaps which writes were not done.
    Nothing,
    /// The item before the change.
    Old,
    /// The item after it.
    New,
}

/// A request, and what it means for each item.
struct Question {
    operation: &'static str,
    body: Value,
    calls: Vec<(u64, Call)>,
    tells: Tells,
}

pub(super) fn table() -> Value {
    json!({"TableName": TABLE, "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"}],
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"}})
}

impl Contender {
    pub(super) async fn ask_registers(&mut self, api: &Dispatch) -> Result<(), String> {
        let question = self.question();
        put(&self.contest, self.number, api, question).await
    }

    fn question(&mut self) -> Question {
        let item = self.random.below(ITEMS);
        match self.random.below(20) {
            0..3 => get(item),
            3 => select(item),
            4..8 => self.put(item),
            8..10 => self.replace(item),
            10..13 => self.add(item),
            13 => self.delete(item),
            14 => query(item / ITEMS_A_COLLECTION),
            15 => scan(),
            16 => get_batch(&self.several(CALLS_TOGETHER_MAX, ITEMS)),
            17 => self.write_batch(),
            18 => self.transact_write(),
            _ => transact_get(&self.several(CALLS_TOGETHER_MAX, ITEMS)),
        }
    }

    fn put(&mut self, item: u64) -> Question {
        let tag = self.contest.fresh();
        let mut body = json!({"TableName": TABLE, "Item": self.item(item, tag)});
        if self.random.coin() {
            return self.change("PutItem", item, Call::Put(tag), body);
        }
        body["ConditionExpression"] = json!("attribute_not_exists(pk)");
        self.change("PutItem", item, Call::PutIfAbsent(tag), body)
    }

    fn replace(&mut self, item: u64) -> Question {
        let tag = self.contest.fresh();
        let expected = self.contest.registers.borrow().tag_of(item);
        let mut body = json!({"TableName": TABLE, "Item": self.item(item, tag)});
        add_condition(&mut body, expected);
        self.change("PutItem", item, Call::Replace { expected, tag }, body)
    }

    fn delete(&mut self, item: u64) -> Question {
        let mut body = json!({"TableName": TABLE, "Key": key(item)});
        if self.random.coin() {
            return self.change("DeleteItem", item, Call::Delete, body);
        }
        let expected = self.contest.registers.borrow().tag_of(item);
        add_condition(&mut body, expected);
        self.change("DeleteItem", item, Call::DeleteIf(expected), body)
    }

    /// A put or a delete; chance decides how much its answer tells.
    fn change(&mut self, operation: &'static str, item: u64, call: Call, mut body: Value) -> Question {
        let tells = if self.random.coin() { Tells::Old } else { Tells::Nothing };
        if matches!(tells, Tells::Old) {
            body["ReturnValues"] = json!("ALL_OLD");
        }
        self.tell_failures(&mut body);
        Question { operation, body, calls: vec![(item, call)], tells }
    }

    fn add(&mut self, item: u64) -> Question {
        let tells = if self.random.coin() { Tells::New } else { Tells::Nothing };
        let mut body = json!({"TableName": TABLE, "Key": key(item),
            "UpdateExpression": "SET #count = #count + :one",
            "ConditionExpression": "attribute_exists(pk)",
            "ExpressionAttributeNames": {"#count": "count"},
            "ExpressionAttributeValues": {":one": number(1)},
            "ReturnValues": if matches!(tells, Tells::New) { "ALL_NEW" } else { "NONE" }});
        self.tell_failures(&mut body);
        Question { operation: "UpdateItem", body, calls: vec![(item, Call::Add)], tells }
    }

    /// Half of the failed conditions tell of which item.
    fn tell_failures(&mut self, body: &mut Value) {
        if body.get("ConditionExpression").is_some() && self.random.coin() {
            body["ReturnValuesOnConditionCheckFailure"] = json!("ALL_OLD");
        }
    }

    fn write_batch(&mut self) -> Question {
        let calls = self.puts_and_deletes();
        let writes: Vec<Value> = calls.iter().map(|(item, call)| self.batched(*item, *call)).collect();
        let body = json!({"RequestItems": {TABLE: writes}});
        Question { operation: "BatchWriteItem", body, calls, tells: Tells::Nothing }
    }

    fn batched(&mut self, item: u64, call: Call) -> Value {
        match call {
            Call::Put(tag) => json!({"PutRequest": {"Item": self.item(item, tag)}}),
            _ => json!({"DeleteRequest": {"Key": key(item)}}),
        }
    }

    /// Puts and deletes several items at once, often on condition that the first is not there.
    fn transact_write(&mut self) -> Question {
        let mut calls = self.puts_and_deletes();
        if self.random.coin() {
            calls[0].1 = Call::PutIfAbsent(self.contest.fresh());
        }
        let actions: Vec<Value> = calls.iter().map(|(item, call)| self.action(*item, *call)).collect();
        let body = json!({"TransactItems": actions});
        Question { operation: "TransactWriteItems", body, calls, tells: Tells::Nothing }
    }

    fn action(&mut self, item: u64, call: Call) -> Value {
        match call {
            Call::Put(tag) => json!({"Put": {"TableName": TABLE, "Item": self.item(item, tag)}}),
            Call::PutIfAbsent(tag) => json!({"Put": {"TableName": TABLE, "Item": self.item(item, tag),
                "ConditionExpression": "attribute_not_exists(pk)"}}),
            _ => json!({"Delete": {"TableName": TABLE, "Key": key(item)}}),
        }
    }

    fn puts_and_deletes(&mut self) -> Vec<(u64, Call)> {
        let items = self.several(CALLS_TOGETHER_MAX, ITEMS);
        let call = |item| {
            let is_delete = self.random.below(4) == 0;
            (item, if is_delete { Call::Delete } else { Call::Put(self.contest.fresh()) })
        };
        items.into_iter().map(call).collect()
    }

    fn item(&mut self, item: u64, tag: u64) -> Value {
        let mut whole = key(item);
        whole["tag"] = number(tag);
        whole["count"] = number(0);
        whole["padding"] = self.padding();
        whole
    }
}

fn add_condition(body: &mut Value, expected: u64) {
    body["ConditionExpression"] = json!("tag = :expected");
    body["ExpressionAttributeValues"] = json!({":expected": number(expected)});
}

fn get(item: u64) -> Question {
    reading("GetItem", json!({"TableName": TABLE, "Key": key(item), "ConsistentRead": true}), [item])
}

fn select(item: u64) -> Question {
    let text = format!("SELECT * FROM \"{TABLE}\" WHERE pk = ? AND sk = ?");
    let parameters = [&key(item)["pk"], &key(item)["sk"]];
    let body = json!({"Statement": text, "Parameters": parameters, "ConsistentRead": true});
    reading("ExecuteStatement", body, [item])
}

fn query(collection: u64) -> Question {
    let first = collection * ITEMS_A_COLLECTION;
    let body = json!({"TableName": TABLE, "KeyConditionExpression": "pk = :pk", "ConsistentRead": true,
        "ExpressionAttributeValues": {":pk": key(first)["pk"]}});
    reading("Query", body, first..first + ITEMS_A_COLLECTION)
}

fn scan() -> Question {
    reading("Scan", json!({"TableName": TABLE, "ConsistentRead": true}), 0..ITEMS)
}

fn get_batch(items: &[u64]) -> Question {
    let keys: Vec<Value> = items.iter().copied().map(key).collect();
    let body = json!({"RequestItems": {TABLE: {"Keys": keys, "ConsistentRead": true}}});
    reading("BatchGetItem", body, items.iter().copied())
}

fn transact_get(items: &[u64]) -> Question {
    let get = |item: &u64| json!({"Get": {"TableName": TABLE, "Key": key(*item)}});
    let body = json!({"TransactItems": items.iter().map(get).collect::<Vec<_>>()});
    reading("TransactGetItems", body, items.iter().copied())
}

fn reading(operation: &'static str, body: Value, items: impl IntoIterator<Item = u64>) -> Question {
    let calls = items.into_iter().map(|item| (item, Call::Read)).collect();
    Question { operation, body, calls, tells: Tells::Items }
}

/// Puts a question, and writes down what comes of it for each item.
async fn put(contest: &Contest, client: u32, api: &Dispatch, question: Question) -> Result<(), String> {
    let span = contest.open_span();
    let places: Vec<(u64, usize)> = {
        let histories = &mut contest.registers.borrow_mut().0;
        let mut note = |&(item, call): &(u64, Call)| {
            let history = histories.entry(item).or_default();
            history.push(Event { client, span, call, outcome: Outcome::Unknown });
            (item, history.len() - 1)
        };
        question.calls.iter().map(&mut note).collect()
    };
    let told = contend(api, question.operation, &question.body).await?;
    let answered = contest.now();
    let outcomes = outcomes(&question, &told)?;
    let histories = &mut contest.registers.borrow_mut().0;
    for ((item, place), outcome) in places.into_iter().zip(outcomes) {
        let event = &mut histories.get_mut(&item).expect("it was noted")[place];
        event.span.answered = answered;
        event.outcome = outcome;
    }
    Ok(())
}

fn outcomes(question: &Question, told: &Told) -> Result<Vec<Outcome<Answer>>, String> {
    let answer = match told {
        Told::Answer(answer) => answer,
        Told::Refusal { name, body } => return refusals(question, name, body),
    };
    if let Tells::Items = question.tells {
        return reads(question, answer);
    }
    let outcome = |(index, _)| {
        Ok(Outcome::Answered(match question.tells {
            Tells::Old => Answer::Item(register_of(answer.get("Attributes"))?),
            Tells::New => {
                register_of(answer.get("Attributes"))?.map(Answer::Became).ok_or("nothing is left")?
            }
            // A transaction held the item.
            _ if is_left(question, answer, index) => return Ok(Outcome::Refused),
            _ => Answer::Done,
        }))
    };
    question.calls.iter().enumerate().map(outcome).collect()
}

/// Whether a batch gave this write back.
fn is_left(question: &Question, answer: &Value, index: usize) -> bool {
    let write = &question.body["RequestItems"][TABLE][index];
    answer["UnprocessedItems"][TABLE].as_array().is_some_and(|left| left.contains(write))
}

fn refusals(question: &Question, name: &str, body: &Value) -> Result<Vec<Outcome<Answer>>, String> {
    let outcome = |(index, _)| {
        let reason = match name {
            "ConditionalCheckFailedException" => body,
            _ if body["CancellationReasons"][index]["Code"] == "ConditionalCheckFailed" => {
                &body["CancellationReasons"][index]
            }
            _ => return Ok(Outcome::Refused),
        };
        // Without the member, the item was not there, or was not asked for.
        let found = register_of(reason.get("Item"))?;
        let answer = found.map_or(Answer::Failed, |found| Answer::ConditionFailed(Some(found)));
        Ok(Outcome::Answered(answer))
    };
    question.calls.iter().enumerate().map(outcome).collect()
}

/// What was read of each item; those that were not found are not there.
fn reads(question: &Question, answer: &Value) -> Result<Vec<Outcome<Answer>>, String> {
    if answer.get("LastEvaluatedKey").is_some() {
        return Err(format!("{}: a small table is more than a page", question.operation));
    }
    let mut by_item = BTreeMap::new();
    for found in items_in(answer) {
        let item = to_number(&found["sk"])?;
        if by_item.insert(item, register_of(Some(found))?).is_some() {
            return Err(format!("{} shows item {item} twice", question.operation));
        }
    }
    let read =
        |(item, _): &(u64, Call)| Outcome::Answered(Answer::Item(by_item.get(item).copied().flatten()));
    Ok(question.calls.iter().map(read).collect())
}

/// The items in an answer of any operation that reads.
fn items_in(answer: &Value) -> Vec<&Value> {
    let listed = answer["Items"].as_array().or(answer["Responses"][TABLE].as_array());
    let transacted = answer["Responses"].as_array();
    let one = answer.get("Item");
    listed
        .into_iter()
        .flatten()
        .chain(transacted.into_iter().flatten().filter_map(|response| response.get("Item")))
        .chain(one)
        .collect()
}

/// Reads everything, and judges each item and its stream.
pub(super) async fn judge(contest: &Contest, api: &Dispatch) -> Result<(), String> {
    put(contest, JUDGE, api, scan()).await?;
    let description = ask(api, "DynamoDB_20120810.DescribeTable", json!({"TableName": TABLE})).await?;
    let stream = description["Table"]["LatestStreamArn"].as_str().ok_or("a table without its stream")?;
    let mut records = records_by_item(&verify::records(api, stream).await?)?;
    for (item, history) in &contest.registers.borrow().0 {
        register::check(history).map_err(|fault| format!("register {item}: {fault}; {history:?}"))?;
        let found = match history.last().map(|event| &event.outcome) {
            Some(Outcome::Answered(Answer::Item(found))) => found.as_ref(),
            other => return Err(format!("register {item} was not read in the end: {other:?}")),
        };
        let records = records.remove(item).unwrap_or_default();
        let mut faults = check_chain(&records, found);
        faults.extend(check_calls(&records, history));
        if let Some(fault) = faults.first() {
            return Err(format!("register {item}, its stream: {fault}; {records:?}; {history:?}"));
        }
    }
    Ok(())
}

fn records_by_item(records: &[Value]) -> Result<BTreeMap<u64, Vec<Record<Register>>>, String> {
    let mut by_item: BTreeMap<u64, Vec<_>> = BTreeMap::new();
    for record in records {
        let change = &record["dynamodb"];
        let image = |name: &str| register_of(change.get(name));
        let told = Record { old: image("OldImage")?, new: image("NewImage")? };
        by_item.entry(to_number(&change["Keys"]["sk"])?).or_default().push(told);
    }
    Ok(by_item)
}

fn key(item: u64) -> Value {
    json!({"pk": {"S": format!("collection-{}", item / ITEMS_A_COLLECTION)}, "sk": number(item)})
}

fn register_of(item: Option<&Value>) -> Result<Option<Register>, String> {
    let Some(item) = item else { return Ok(None) };
    Ok(Some(Register { tag: to_number(&item["tag"])?, count: to_number(&item["count"])? }))
}
