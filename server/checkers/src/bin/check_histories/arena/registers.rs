//! Few hot items and every way to change and read one of them; judged for linearizability and by their stream.
//!
//! Items of one collection share a partition key, so that queries, of the table and of a local index, read several at
//! once. A call on several items is, for each of them, a call of its own over the same time.

use std::collections::BTreeMap;

use basalt_checkers::{
    history::{Event, Outcome, Span},
    register::{self, Answer, Call, Register},
    stream::{self, Record},
};
use serde_json::{Value, json};

use super::{Arena, Finding, View, Witness, lines, testimonies};
use crate::{
    connection::Service,
    session::{Session, Told},
    tail::Records,
    wire::{attributes, key_schema, list, number, stream as stream_specification, text, to_number, to_text},
};

const TABLE: &str = "registers";
const COLLECTIONS: u64 = 2;
const ITEMS_A_COLLECTION: u64 = 4;
const ITEMS: u64 = COLLECTIONS * ITEMS_A_COLLECTION;

/// The arena of single items.
pub(crate) struct Registers {
    pub(crate) clients: u32,
}

type ItemEvent = Event<Call, Answer>;

/// Events by item.
#[derive(Debug, Default)]
struct Seen(BTreeMap<u64, Vec<ItemEvent>>);

impl Witness for Seen {}

impl Arena for Registers {
    fn tables(&self) -> Vec<Value> {
        vec![json!({
            "TableName": TABLE,
            "AttributeDefinitions": attributes(&["pk:S", "sk:N", "tag:N"]),
            "KeySchema": key_schema(&["pk", "sk"]),
            "LocalSecondaryIndexes": [{
                "IndexName": "by_tag",
                "KeySchema": key_schema(&["pk", "tag"]),
                "Projection": {"ProjectionType": "ALL"},
            }],
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": stream_specification(),
        })]
    }

    fn streamed_table(&self) -> Option<&'static str> {
        Some(TABLE)
    }

    fn bystanders(&self, name: &str) -> Vec<(&'static str, Value)> {
        vec![(TABLE, json!({"pk": text(name), "sk": number(0), "tag": number(0)}))]
    }

    fn views(&self) -> Vec<View> {
        vec![(TABLE, None), (TABLE, Some("by_tag"))]
    }

    fn client_count(&self) -> u32 {
        self.clients
    }

    fn run_client(&self, session: &mut Session<'_>) -> Result<Box<dyn Witness>, String> {
        let mut client = Client { session, seen: Seen::default(), tags: BTreeMap::new() };
        while !client.session.course.is_over() {
            client.step()?;
        }
        Ok(Box::new(client.seen))
    }

    fn judge(
        &self,
        session: &mut Session<'_>,
        witnesses: Vec<Box<dyn Witness>>,
        records: &Records,
    ) -> Result<Finding, String> {
        let mut histories: BTreeMap<u64, Vec<ItemEvent>> = BTreeMap::new();
        for Seen(seen) in testimonies(witnesses) {
            for (item, events) in seen {
                histories.entry(item).or_default().extend(events);
            }
        }
        let mut finding = Finding::default();
        for (item, mut history) in histories {
            let key = key(session, item);
            let read = json!({"TableName": TABLE, "Key": key, "ConsistentRead": true});
            let (told, span) = session.insist(Service::Tables, "GetItem", &read)?;
            let Told::Answer(answer) = told else { return Err(format!("{read}: {told:?}")) };
            let found = register_of(answer.get("Item"))?;
            let outcome = Outcome::Answered(Answer::Item(found));
            history.push(Event { client: session.number, span, call: Call::Read, outcome });
            history.sort_by_key(|event| event.span.asked);
            judge_item(&mut finding, &key, &history, found, records)?;
        }
        Ok(finding)
    }
}

fn judge_item(
    finding: &mut Finding,
    key: &Value,
    history: &[ItemEvent],
    found: Option<Register>,
    records: &Records,
) -> Result<(), String> {
    finding.judged("single items", 1);
    finding.judged("calls on single items", history.len());
    if let Err(fault) = register::check(history) {
        finding.fault(format!("{key}: {fault}"), || lines(history));
    }
    let records: Vec<Record<Register>> = (records.of(key).iter())
        .map(|record| {
            let image = |image: &Option<Value>| register_of(image.as_ref());
            Ok(Record { old: image(&record.old)?, new: image(&record.new)? })
        })
        .collect::<Result<_, String>>()?;
    finding.judged("stream records", records.len());
    let mut faults = stream::check_chain(&records, found.as_ref());
    faults.extend(stream::check_calls(&records, history));
    for fault in faults {
        let both = || format!("records:\n{}calls:\n{}", lines(&records), lines(history));
        finding.fault(format!("{key}: stream: {fault}"), both);
    }
    Ok(())
}

/// One client at work.
struct Client<'s, 'c> {
    session: &'s mut Session<'c>,
    seen: Seen,
    /// By item, a tag that it had lately.
    tags: BTreeMap<u64, u64>,
}

impl Client<'_, '_> {
    fn step(&mut self) -> Result<(), String> {
        let item = self.session.chance.below(ITEMS);
        match self.session.chance.below(20) {
            0..=2 => self.get(item, Call::Read),
            3 => self.get(item, Call::ReadEventually),
            4..=6 => self.put(item),
            7..=8 => self.put_if_absent(item),
            9..=10 => self.replace(item),
            11..=12 => self.add(item),
            13 => self.delete(item),
            14 => self.query(item / ITEMS_A_COLLECTION),
            15 => self.select(item),
            16 => self.get_batch(),
            17 => self.write_batch(),
            18 => self.transact_write(),
            _ => self.transact_get(),
        }
    }

    fn get(&mut self, item: u64, call: Call) -> Result<(), String> {
        let key = self.key(item);
        let body = json!({"TableName": TABLE, "Key": key, "ConsistentRead": call == Call::Read});
        let (told, span) = self.session.call("GetItem", &body)?;
        self.note(item, span, call, &told, |answer| Ok(Answer::Item(register_of(answer.get("Item"))?)))
    }

    fn select(&mut self, item: u64) -> Result<(), String> {
        let body = json!({
            "Statement": format!("SELECT * FROM {TABLE} WHERE pk = ? AND sk = ?"),
            "Parameters": [self.key(item)["pk"], self.key(item)["sk"]],
            "ConsistentRead": true,
        });
        let (told, span) = self.session.call("ExecuteStatement", &body)?;
        self.note(item, span, Call::Read, &told, |answer| {
            Ok(Answer::Item(register_of(list(answer, "Items")?.first())?))
        })
    }

    fn put(&mut self, item: u64) -> Result<(), String> {
        let tag = self.session.fresh();
        let body = json!({"TableName": TABLE, "Item": self.item(item, tag)});
        self.change("PutItem", item, Call::Put(tag), body)
    }

    fn put_if_absent(&mut self, item: u64) -> Result<(), String> {
        let tag = self.session.fresh();
        let body = json!({
            "TableName": TABLE,
            "Item": self.item(item, tag),
            "ConditionExpression": "attribute_not_exists(pk)",
        });
        self.change("PutItem", item, Call::PutIfAbsent(tag), body)
    }

    fn replace(&mut self, item: u64) -> Result<(), String> {
        let tag = self.session.fresh();
        let expected = self.tags.get(&item).copied().unwrap_or(0);
        let body = json!({
            "TableName": TABLE,
            "Item": self.item(item, tag),
            "ConditionExpression": "tag = :expected",
            "ExpressionAttributeValues": {":expected": number(expected)},
        });
        self.change("PutItem", item, Call::Replace { expected, tag }, body)
    }

    fn delete(&mut self, item: u64) -> Result<(), String> {
        let body = json!({"TableName": TABLE, "Key": self.key(item)});
        if self.session.chance.one_in(2) {
            return self.change("DeleteItem", item, Call::Delete, body);
        }
        let expected = self.tags.get(&item).copied().unwrap_or(0);
        let mut body = body;
        body["ConditionExpression"] = json!("tag = :expected");
        body["ExpressionAttributeValues"] = json!({":expected": number(expected)});
        self.change("DeleteItem", item, Call::DeleteIf(expected), body)
    }

    /// A put or a delete; chance decides how much its answer tells.
    fn change(
        &mut self,
        operation: &'static str,
        item: u64,
        call: Call,
        mut body: Value,
    ) -> Result<(), String> {
        let tells_old = self.session.chance.one_in(2);
        if tells_old {
            body["ReturnValues"] = json!("ALL_OLD");
        }
        self.tell_failures(&mut body);
        let (told, span) = self.session.call(operation, &body)?;
        self.note(item, span, call, &told, |answer| match tells_old {
            true => Ok(Answer::Item(register_of(answer.get("Attributes"))?)),
            false => Ok(Answer::Done),
        })
    }

    fn add(&mut self, item: u64) -> Result<(), String> {
        let tells_new = self.session.chance.one_in(2);
        let mut body = json!({
            "TableName": TABLE,
            "Key": self.key(item),
            "UpdateExpression": "SET #count = #count + :one",
            "ConditionExpression": "attribute_exists(pk)",
            "ExpressionAttributeNames": {"#count": "count"},
            "ExpressionAttributeValues": {":one": number(1)},
            "ReturnValues": if tells_new { "ALL_NEW" } else { "NONE" },
        });
        self.tell_failures(&mut body);
        let (told, span) = self.session.call("UpdateItem", &body)?;
        self.note(item, span, Call::Add, &told, |answer| {
            if !tells_new {
                return Ok(Answer::Done);
            }
            let became = register_of(answer.get("Attributes"))?;
            became.map(Answer::Became).ok_or_else(|| format!("an update left nothing: {answer}"))
        })
    }

    /// Half of the failed conditions tell of which item.
    fn tell_failures(&mut self, body: &mut Value) {
        if body.get("ConditionExpression").is_some() && self.session.chance.one_in(2) {
            body["ReturnValuesOnConditionCheckFailure"] = json!("ALL_OLD");
        }
    }

    /// All items of a collection, by the table or by its local index.
    fn query(&mut self, collection: u64) -> Result<(), String> {
        let mut body = json!({
            "TableName": TABLE,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": self.key(collection * ITEMS_A_COLLECTION)["pk"]},
            "ConsistentRead": true,
        });
        if self.session.chance.one_in(2) {
            body["IndexName"] = json!("by_tag");
        }
        let (told, span) = self.session.call("Query", &body)?;
        let Told::Answer(answer) = told else { return Ok(()) };
        let first = collection * ITEMS_A_COLLECTION;
        self.note_reads(span, first..first + ITEMS_A_COLLECTION, list(&answer, "Items")?)
    }

    fn get_batch(&mut self) -> Result<(), String> {
        let items = self.several();
        let keys: Vec<Value> = items.iter().map(|item| self.key(*item)).collect();
        let body = json!({"RequestItems": {TABLE: {"Keys": keys, "ConsistentRead": true}}});
        let (told, span) = self.session.call("BatchGetItem", &body)?;
        let Told::Answer(answer) = told else { return Ok(()) };
        if answer["UnprocessedKeys"].as_object().is_none_or(|keys| !keys.is_empty()) {
            return Err(format!("a small batch was not read whole: {answer}"));
        }
        self.note_reads(span, items, list(&answer["Responses"], TABLE)?)
    }

    fn write_batch(&mut self) -> Result<(), String> {
        let items = self.several();
        let calls: Vec<Call> = items.iter().map(|_| self.put_or_delete()).collect();
        let writes: Vec<Value> = (items.iter().zip(&calls))
            .map(|(item, call)| match call {
                Call::Put(tag) => json!({"PutRequest": {"Item": self.item(*item, *tag)}}),
                _ => json!({"DeleteRequest": {"Key": self.key(*item)}}),
            })
            .collect();
        let (told, span) = self.session.call("BatchWriteItem", &json!({"RequestItems": {TABLE: writes}}))?;
        let is_left = |write: &Value| match &told {
            // A transaction held the item.
            Told::Answer(answer) => {
                answer["UnprocessedItems"][TABLE].as_array().is_some_and(|left| left.contains(write))
            }
            _ => false,
        };
        for ((item, call), write) in items.iter().zip(&calls).zip(&writes) {
            if is_left(write) {
                self.push(*item, span, *call, Outcome::Refused);
            } else {
                self.note(*item, span, *call, &told, |_| Ok(Answer::Done))?;
            }
        }
        Ok(())
    }

    /// Puts and deletes several items at once, on condition that one of them is not there, or without any.
    fn transact_write(&mut self) -> Result<(), String> {
        let items = self.several();
        let mut calls: Vec<Call> = items.iter().map(|_| self.put_or_delete()).collect();
        if self.session.chance.one_in(2) {
            calls[0] = Call::PutIfAbsent(self.session.fresh());
        }
        let actions: Vec<Value> = (items.iter().zip(&calls))
            .map(|(item, call)| match call {
                Call::Put(tag) => json!({"Put": {"TableName": TABLE, "Item": self.item(*item, *tag)}}),
                Call::PutIfAbsent(tag) => json!({"Put": {
                    "TableName": TABLE,
                    "Item": self.item(*item, *tag),
                    "ConditionExpression": "attribute_not_exists(pk)",
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                }}),
                _ => json!({"Delete": {"TableName": TABLE, "Key": self.key(*item)}}),
            })
            .collect();
        let (told, span) = self.session.call("TransactWriteItems", &json!({"TransactItems": actions}))?;
        if let Told::Refusal { body, .. } = &told
            && body["CancellationReasons"][0]["Code"] == "ConditionalCheckFailed"
        {
            let found = register_of(body["CancellationReasons"][0].get("Item"))?;
            self.push(items[0], span, calls[0], Outcome::Answered(Answer::ConditionFailed(found)));
            return Ok(());
        }
        self.note_each(span, &items, &calls, &told)
    }

    fn transact_get(&mut self) -> Result<(), String> {
        let items = self.several();
        let gets: Vec<Value> =
            items.iter().map(|item| json!({"Get": {"TableName": TABLE, "Key": self.key(*item)}})).collect();
        let (told, span) = self.session.call("TransactGetItems", &json!({"TransactItems": gets}))?;
        let Told::Answer(answer) = told else { return Ok(()) };
        for (item, response) in items.iter().zip(list(&answer, "Responses")?) {
            let found = register_of(response.get("Item"))?;
            self.push(*item, span, Call::Read, Outcome::Answered(Answer::Item(found)));
        }
        Ok(())
    }

    fn several(&mut self) -> Vec<u64> {
        let count = 2 + self.session.chance.below(2);
        self.session.chance.several(count, ITEMS)
    }

    fn put_or_delete(&mut self) -> Call {
        if self.session.chance.one_in(4) { Call::Delete } else { Call::Put(self.session.fresh()) }
    }

    /// Notes a call on one item.
    fn note(
        &mut self,
        item: u64,
        span: Span,
        call: Call,
        told: &Told,
        answer_of: impl FnOnce(&Value) -> Result<Answer, String>,
    ) -> Result<(), String> {
        let outcome = match told {
            Told::Answer(body) => Outcome::Answered(answer_of(body)?),
            Told::Refusal { name, body } if name == "ConditionalCheckFailedException" => {
                // Without the member, the item was not there, or was not asked for.
                let found = register_of(body.get("Item"))?;
                Outcome::Answered(found.map_or(Answer::Failed, |found| Answer::ConditionFailed(Some(found))))
            }
            Told::Refusal { .. } => Outcome::Refused,
            Told::Nothing => Outcome::Unknown,
        };
        self.push(item, span, call, outcome);
        Ok(())
    }

    /// Notes a call on several items whose answer tells nothing of them.
    fn note_each(&mut self, span: Span, items: &[u64], calls: &[Call], told: &Told) -> Result<(), String> {
        for (item, call) in items.iter().zip(calls) {
            self.note(*item, span, *call, told, |_| Ok(Answer::Done))?;
        }
        Ok(())
    }

    /// Notes what was read of each of these items; those that were not found are not there.
    fn note_reads(
        &mut self,
        span: Span,
        items: impl IntoIterator<Item = u64>,
        found: &[Value],
    ) -> Result<(), String> {
        let mut by_key = BTreeMap::new();
        for value in found {
            let key = (to_text(&value["pk"])?.to_owned(), to_number(&value["sk"])?);
            if by_key.insert(key.clone(), value).is_some() {
                return Err(format!("one read shows {key:?} twice: {found:?}"));
            }
        }
        for item in items {
            let key = self.key(item);
            let value = by_key.get(&(to_text(&key["pk"])?.to_owned(), to_number(&key["sk"])?));
            let found = register_of(value.copied())?;
            self.push(item, span, Call::Read, Outcome::Answered(Answer::Item(found)));
        }
        Ok(())
    }

    fn push(&mut self, item: u64, span: Span, call: Call, outcome: Outcome<Answer>) {
        let tag_now = match (&call, &outcome) {
            (_, Outcome::Answered(Answer::ConditionFailed(Some(found)))) => Some(found.tag),
            (Call::Read, Outcome::Answered(Answer::Item(Some(found)))) => Some(found.tag),
            (Call::Put(tag) | Call::PutIfAbsent(tag), Outcome::Answered(_)) => Some(*tag),
            _ => None,
        };
        self.tags.extend(tag_now.map(|tag| (item, tag)));
        self.seen.0.entry(item).or_default().push(Event { client: self.session.number, span, call, outcome });
    }

    fn key(&self, item: u64) -> Value {
        key(self.session, item)
    }

    fn item(&self, item: u64, tag: u64) -> Value {
        let mut whole = self.key(item);
        whole["tag"] = number(tag);
        whole["count"] = number(0);
        whole
    }
}

fn key(session: &Session<'_>, item: u64) -> Value {
    let collection = item / ITEMS_A_COLLECTION;
    json!({"pk": text(format!("{}-{collection}", session.course.round)), "sk": number(item)})
}

fn register_of(item: Option<&Value>) -> Result<Option<Register>, String> {
    let Some(item) = item else { return Ok(None) };
    Ok(Some(Register { tag: to_number(&item["tag"])?, count: to_number(&item["count"])? }))
}
