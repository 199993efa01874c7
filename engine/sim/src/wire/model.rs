//! DynamoDB, written a second time: from a request to the answer that it must have.
//!
//! Of the rules and texts that AWS documents and that were measured against it; nothing of the engine or the server is
//! used, so that one misunderstanding has to be made twice to stay hidden. It knows what these clients ask, no more.

use super::requests::{
    Action, Change, Condition, EXPIRES, Faulty, INDEX, Item, Key, Request, Returns, Write, key_json,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One client's table, and its tokens.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Model {
    /// None: there is no such table.
    pub(crate) items: Option<BTreeMap<Key, Item>>,
    pub(crate) has_time_to_live: bool,
    pub(crate) index: Index,
    /// Transactions that were done, by token.
    pub(crate) tokens: BTreeMap<String, Vec<Write>>,
}

/// How far the table's global index has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Index {
    #[default]
    Absent,
    BeingMade,
    Present,
    BeingRemoved,
}

impl Index {
    pub(crate) fn is_settled(self) -> bool {
        self == self.settled()
    }

    /// What comes of it.
    pub(crate) fn settled(self) -> Self {
        match self {
            Self::Absent | Self::BeingRemoved => Self::Absent,
            Self::Present | Self::BeingMade => Self::Present,
        }
    }
}

/// What must be answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    /// The answer may have members beyond these.
    pub(crate) is_part: bool,
}

/// Why a request is refused.
struct Refusal {
    exception: String,
    body: Value,
}

/// Why a write of one item is not done.
enum Fault {
    /// The condition did not hold of this item.
    Condition(Option<Item>),
    /// The update cannot be done on what is there.
    Update(&'static str),
}

const NOT_IN_ITEM: &str = "The provided expression refers to an attribute that does not exist in the item";
const WRONG_OPERAND: &str = "An operand in the update expression has an incorrect data type";
const DYNAMODB: &str = "com.amazonaws.dynamodb.v20120810";
const CONDITION_FAILED: &str = "The conditional request failed";

impl Model {
    /// Does the request; tells its answer.
    pub(crate) fn answer(&mut self, request: &Request, table: &str) -> Answer {
        let is_part = matches!(
            request,
            Request::CreateTable | Request::DeleteTable | Request::CreateIndex | Request::DeleteIndex
        );
        match self.run(request, table) {
            Ok(body) => Answer { status: 200, body, is_part },
            Err(Refusal { exception, mut body }) => {
                // The text is documented nowhere, or depends on how far the engine has come.
                let is_part = exception.ends_with("#IdempotentParameterMismatchException")
                    || body["message"].is_null() && *request == Request::EnableTimeToLive;
                body["__type"] = json!(exception);
                Answer { status: 400, body, is_part }
            }
        }
    }

    fn run(&mut self, request: &Request, table: &str) -> Result<Value, Refusal> {
        match request {
            Request::CreateTable => self.create(table),
            Request::DeleteTable => {
                self.items.take().ok_or_else(|| no_such_table(table))?;
                self.has_time_to_live = false;
                self.index = Index::Absent;
                // Clients do not ask again under the token of a transaction whose table was deleted meanwhile.
                self.tokens.clear();
                Ok(json!({"TableDescription": {"TableName": table, "TableStatus": "DELETING"}}))
            }
            Request::EnableTimeToLive => self.enable_time_to_live(table),
            Request::CreateIndex => {
                self.index = Index::BeingMade;
                Ok(json!({"TableDescription": {"TableName": table}}))
            }
            Request::DeleteIndex => {
                self.index = Index::BeingRemoved;
                Ok(json!({"TableDescription": {"TableName": table}}))
            }
            Request::AwaitIndex => {
                self.index = self.index.settled();
                Ok(json!({"HasIndex": self.index == Index::Present}))
            }
            Request::Faulty(faulty) => Err(self.refusal(*faulty)),
            Request::TransactWrite { token, writes } => self.transact(token.as_deref(), writes),
            _ => run_on_items(self.items.as_mut().ok_or_else(not_found)?, request, table),
        }
    }

    fn create(&mut self, table: &str) -> Result<Value, Refusal> {
        if self.items.is_some() {
            return Err(modelled("ResourceInUseException", &format!("Table already exists: {table}")));
        }
        self.items = Some(BTreeMap::new());
        Ok(json!({"TableDescription": {"TableName": table, "ItemCount": 0, "TableSizeBytes": 0}}))
    }

    fn enable_time_to_live(&mut self, table: &str) -> Result<Value, Refusal> {
        if self.items.is_none() {
            return Err(no_such_table(table));
        }
        if std::mem::replace(&mut self.has_time_to_live, true) {
            // One text while the items are still being put into order, another one when that is done.
            return Err(refusal("com.amazon.coral.validate", "ValidationException", json!({})));
        }
        Ok(json!({"TimeToLiveSpecification": {"AttributeName": EXPIRES, "Enabled": true}}))
    }

    fn transact(&mut self, token: Option<&str>, writes: &[Write]) -> Result<Value, Refusal> {
        if let Some(done) = token.and_then(|token| self.tokens.get(token)) {
            return match done == writes {
                true => Ok(json!({})),
                false => Err(refusal(DYNAMODB, "IdempotentParameterMismatchException", json!({}))),
            };
        }
        let items = self.items.as_mut().ok_or_else(not_found)?;
        let outcomes: Vec<_> = writes.iter().map(|write| after(items.get(&write.key), write)).collect();
        if outcomes.iter().any(Result::is_err) {
            return Err(cancelled(&outcomes));
        }
        for (write, item) in writes.iter().zip(outcomes.into_iter().flatten()) {
            put(items, &write.key, item);
        }
        if let Some(token) = token {
            self.tokens.insert(token.to_owned(), writes.to_vec());
        }
        Ok(json!({}))
    }

    /// What is told of a faulty request: what needs no table comes before the table, the rest after it.
    fn refusal(&self, faulty: Faulty) -> Refusal {
        let prefix = "One or more parameter values";
        let early = match faulty {
            Faulty::UnknownOperation => Some(coral("UnknownOperationException", None)),
            Faulty::NotJson => Some(coral("SerializationException", None)),
            Faulty::NumberForName => {
                Some(coral("SerializationException", Some("NUMBER_VALUE cannot be converted to String")))
            }
            Faulty::BadEnumeration => Some(validation(
                "1 validation error detected: Value 'MUCH' at 'returnConsumedCapacity' failed to satisfy \
                 constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]",
            )),
            Faulty::BadNumber => {
                Some(validation("The parameter cannot be converted to a numeric value: many"))
            }
            Faulty::EmptySet => {
                Some(validation(&format!("{prefix} were invalid: An string set  may not be empty")))
            }
            Faulty::UnusedValue => Some(validation(
                "Value provided in ExpressionAttributeValues unused in expressions: keys: {:unused}",
            )),
            _ => None,
        };
        if let Some(early) = early {
            return early;
        }
        if self.items.is_none() {
            return not_found();
        }
        validation(&match faulty {
            Faulty::UpdateOfKey => {
                format!(
                    "{prefix} were invalid: Cannot update attribute pk. This attribute is part of the key"
                )
            }
            Faulty::PutWithoutSortKey => format!("{prefix} were invalid: Missing the key sk in the item"),
            Faulty::PutOfWrongKeyType => {
                format!("{prefix} were invalid: Type mismatch for key sk expected: N actual: S")
            }
            Faulty::EmptyKey => format!(
                "{prefix} are not valid. The AttributeValue for a key attribute cannot contain an empty \
                 string value. Key: pk"
            ),
            Faulty::DuplicatesInBatch => "Provided list of item keys contains duplicates".to_owned(),
            Faulty::DuplicatesInTransaction => {
                "Transaction request cannot include multiple operations on one item".to_owned()
            }
            _ => "The provided key element does not match the schema".to_owned(),
        })
    }

    /// Removes what has expired by this time, in seconds.
    pub(crate) fn expire(&mut self, now: u64) {
        if let Some(items) = self.items.as_mut().filter(|_| self.has_time_to_live) {
            items.retain(|_, item| !has_expired(item, now));
        }
    }

    /// Whether items have expired, so that nobody knows when they go once time to live is enabled.
    pub(crate) fn has_expired_items(&self, now: u64) -> bool {
        self.items.iter().flat_map(BTreeMap::values).any(|item| has_expired(item, now))
    }
}

/// A request on the items of a table that is there.
fn run_on_items(items: &mut BTreeMap<Key, Item>, request: &Request, table: &str) -> Result<Value, Refusal> {
    match request {
        Request::Write(write, returns) => single_write(items, write, *returns),
        Request::Get(key) => Ok(items.get(key).map_or_else(|| json!({}), |item| json!({"Item": item}))),
        Request::Query { partition, start, limit, is_forward } => {
            Ok(query(items, partition, *start, *limit, *is_forward))
        }
        Request::Scan { .. } => Ok(json!({"Items": items.values().collect::<Vec<_>>()})),
        Request::QueryIndex(group) => {
            let found: Vec<&Item> = items.values().filter(|item| group_of(item) == Some(group)).collect();
            Ok(json!({"Items": found, "Count": found.len(), "ScannedCount": found.len()}))
        }
        Request::BatchWrite(writes) => {
            for (key, item) in writes {
                put(items, key, item.clone());
            }
            Ok(json!({"UnprocessedItems": {}}))
        }
        Request::BatchGet(keys) => {
            let found: Vec<&Item> = keys.iter().filter_map(|key| items.get(key)).collect();
            Ok(json!({"Responses": {table: found}, "UnprocessedKeys": {}}))
        }
        Request::TransactGet(keys) => {
            let response = |key| items.get(key).map_or_else(|| json!({}), |item| json!({"Item": item}));
            Ok(json!({"Responses": keys.iter().map(response).collect::<Vec<_>>()}))
        }
        Request::Insert(key, item) => {
            if items.contains_key(key) {
                return Err(modelled("DuplicateItemException", "Duplicate primary key exists in table"));
            }
            put(items, key, Some(item.clone()));
            Ok(json!({"Items": []}))
        }
        Request::SetText(key, text) => {
            let item = items.get_mut(key).ok_or_else(condition_failed)?;
            item.insert("text".to_owned(), json!({"S": text}));
            Ok(json!({"Items": []}))
        }
        Request::Remove(key) => {
            items.remove(key);
            Ok(json!({"Items": []}))
        }
        Request::Select(key) => Ok(json!({"Items": items.get(key).into_iter().collect::<Vec<_>>()})),
        _ => unreachable!("{request:?} is no request on items"),
    }
}

fn single_write(items: &mut BTreeMap<Key, Item>, write: &Write, returns: Returns) -> Result<Value, Refusal> {
    let old = items.get(&write.key).cloned();
    match after(old.as_ref(), write) {
        Ok(new) => {
            put(items, &write.key, new.clone());
            let told = match returns {
                Returns::Old => old,
                Returns::New => new,
                Returns::Nothing | Returns::OldOnFailure => None,
            };
            Ok(told.map_or_else(|| json!({}), |item| json!({"Attributes": item})))
        }
        Err(Fault::Condition(found)) => {
            let mut refusal = condition_failed();
            if let (Some(found), Returns::OldOnFailure) = (found, returns) {
                refusal.body["Item"] = Value::Object(found);
            }
            Err(refusal)
        }
        Err(Fault::Update(text)) => Err(validation(text)),
    }
}

/// The item after a write: first the condition, then the update.
fn after(item: Option<&Item>, write: &Write) -> Result<Option<Item>, Fault> {
    if !write.condition.as_ref().is_none_or(|condition| holds(condition, item)) {
        return Err(Fault::Condition(item.cloned()));
    }
    match &write.action {
        Action::Put(item) => Ok(Some(item.clone())),
        Action::Delete => Ok(None),
        Action::Check => Ok(item.cloned()),
        Action::Update(changes) => updated(item, &write.key, changes).map(Some).map_err(Fault::Update),
    }
}

fn holds(condition: &Condition, item: Option<&Item>) -> bool {
    let count = number(item.and_then(|item| item.get("count")));
    match condition {
        Condition::IsAbsent => item.is_none(),
        Condition::IsPresent => item.is_some(),
        Condition::CountIs(expected) => count == Some(*expected),
        Condition::CountBelow(bound) => count.is_some_and(|count| count < *bound),
    }
}

fn updated(item: Option<&Item>, key: &Key, changes: &[Change]) -> Result<Item, &'static str> {
    let Value::Object(key) = key_json(key) else { unreachable!("a key is an object") };
    let mut item = item.cloned().unwrap_or(key);
    for change in changes {
        match change {
            Change::Increment(step) => {
                let count = item.get("count").ok_or(NOT_IN_ITEM)?;
                let count = number(Some(count)).ok_or(WRONG_OPERAND)?;
                item.insert("count".to_owned(), json!({"N": (count + step).to_string()}));
            }
            Change::SetText(text) => {
                item.insert("text".to_owned(), json!({"S": text}));
            }
            Change::Append(line) => {
                let log = item.entry("log").or_insert_with(|| json!({"L": []}));
                log["L"].as_array_mut().ok_or(WRONG_OPERAND)?.push(json!({"S": line}));
            }
            Change::AddTotal(amount) => {
                let total = number(item.get("total")).unwrap_or(0);
                item.insert("total".to_owned(), json!({"N": (total + amount).to_string()}));
            }
            Change::SetGroup(group) => {
                item.insert(INDEX.to_owned(), json!({"S": group}));
            }
            Change::RemoveFlag => {
                item.remove("flag");
            }
        }
    }
    Ok(item)
}

/// A page is full when it has `limit` items, and then says where to go on, also if nothing follows.
fn query(
    items: &BTreeMap<Key, Item>,
    partition: &str,
    start: Option<i64>,
    limit: usize,
    is_forward: bool,
) -> Value {
    let is_behind =
        |sort: i64| start.is_none_or(|start| if is_forward { sort > start } else { sort < start });
    let of_page = items.iter().filter(|(key, _)| key.0 == partition && is_behind(key.1));
    let mut found: Vec<(&Key, &Item)> = of_page.collect();
    if !is_forward {
        found.reverse();
    }
    found.truncate(limit);
    let page: Vec<&Item> = found.iter().map(|(_, item)| *item).collect();
    let mut body = json!({"Items": page, "Count": page.len(), "ScannedCount": page.len()});
    if let Some((key, _)) = found.last().filter(|_| found.len() == limit) {
        body["LastEvaluatedKey"] = key_json(key);
    }
    body
}

fn put(items: &mut BTreeMap<Key, Item>, key: &Key, item: Option<Item>) {
    match item {
        Some(item) => items.insert(key.clone(), item),
        None => items.remove(key),
    };
}

pub(crate) fn group_of(item: &Item) -> Option<&str> {
    item.get(INDEX)?.get("S")?.as_str()
}

fn has_expired(item: &Item, now: u64) -> bool {
    number(item.get(EXPIRES)).and_then(|at| u64::try_from(at).ok()).is_some_and(|at| at <= now)
}

fn number(value: Option<&Value>) -> Option<i64> {
    value?.get("N")?.as_str()?.parse().ok()
}

fn cancelled(outcomes: &[Result<Option<Item>, Fault>]) -> Refusal {
    let reason = |outcome: &Result<Option<Item>, Fault>| match outcome {
        Ok(_) => json!({"Code": "None"}),
        Err(Fault::Condition(_)) => json!({"Code": "ConditionalCheckFailed", "Message": CONDITION_FAILED}),
        Err(Fault::Update(text)) => json!({"Code": "ValidationError", "Message": text}),
    };
    let reasons: Vec<Value> = outcomes.iter().map(reason).collect();
    let codes: Vec<&str> = reasons.iter().filter_map(|reason| reason["Code"].as_str()).collect();
    let text = "Transaction cancelled, please refer cancellation reasons for specific reasons";
    let message = format!("{text} [{}]", codes.join(", "));
    let body = json!({"Message": message, "CancellationReasons": reasons});
    refusal(DYNAMODB, "TransactionCanceledException", body)
}

fn condition_failed() -> Refusal {
    modelled("ConditionalCheckFailedException", CONDITION_FAILED)
}

/// As operations on items tell it.
fn not_found() -> Refusal {
    modelled("ResourceNotFoundException", "Requested resource not found")
}

/// As operations on tables tell it.
fn no_such_table(table: &str) -> Refusal {
    modelled("ResourceNotFoundException", &format!("Requested resource not found: Table: {table} not found"))
}

fn validation(text: &str) -> Refusal {
    refusal("com.amazon.coral.validate", "ValidationException", json!({"message": text}))
}

fn coral(name: &str, text: Option<&str>) -> Refusal {
    let body = text.map_or_else(|| json!({}), |text| json!({"Message": text}));
    refusal("com.amazon.coral.service", name, body)
}

fn modelled(name: &str, text: &str) -> Refusal {
    refusal(DYNAMODB, name, json!({"message": text}))
}

fn refusal(namespace: &str, name: &str, body: Value) -> Refusal {
    Refusal { exception: format!("{namespace}#{name}"), body }
}
