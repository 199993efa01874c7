//! What clients ask, and how it is written on the wire.

use serde_json::{Map, Value, json};

/// An item, as DynamoDB's JSON has it.
pub(crate) type Item = Map<String, Value>;
/// A partition key and a sort key.
pub(crate) type Key = (String, i64);

/// A request of one client on its table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Request {
    CreateTable,
    DeleteTable,
    EnableTimeToLive,
    /// With what is to be told of the item.
    Write(Write, Returns),
    Get(Key),
    /// One page, behind the item with this sort key if there is a start.
    Query {
        partition: String,
        start: Option<i64>,
        limit: usize,
        is_forward: bool,
    },
    /// All pages, one after the other.
    Scan {
        limit: usize,
    },
    /// Makes the global index of groups; writes go on while it is filled.
    CreateIndex,
    DeleteIndex,
    /// Looks at the table until its index is whole, or gone.
    AwaitIndex,
    /// The items of a group.
    QueryIndex(String),
    BatchWrite(Vec<(Key, Option<Item>)>),
    BatchGet(Vec<Key>),
    TransactWrite {
        token: Option<String>,
        writes: Vec<Write>,
    },
    TransactGet(Vec<Key>),
    /// PartiQL: makes an item that must not be there.
    Insert(Key, Item),
    /// PartiQL: changes an item that must be there.
    SetText(Key, String),
    /// PartiQL: removes an item.
    Remove(Key),
    /// PartiQL: reads an item.
    Select(Key),
    /// Something is wrong with it, or several things at once.
    Faulty(Faulty),
}

/// A change of one item, or nothing but a condition on it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Write {
    pub(crate) key: Key,
    pub(crate) action: Action,
    pub(crate) condition: Option<Condition>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    Put(Item),
    Delete,
    Update(Vec<Change>),
    /// In transactions alone.
    Check,
}

/// A part of an update: each on another attribute than the others of the same update.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    /// `SET count = count + n`: count must be there, and a number.
    Increment(i64),
    /// `SET text = s`
    SetText(String),
    /// `SET log = list_append(if_not_exists(log, []), [s])`
    Append(String),
    /// `ADD total n`: from nothing, too.
    AddTotal(i64),
    /// `SET group = s`
    SetGroup(String),
    /// `REMOVE flag`
    RemoveFlag,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    IsAbsent,
    IsPresent,
    CountIs(i64),
    CountBelow(i64),
}

/// What an answer tells of the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Returns {
    Nothing,
    Old,
    /// Of updates alone.
    New,
    /// The item that a condition failed of.
    OldOnFailure,
}

/// Requests that are refused, whatever the items are. Where several things are wrong, only the first in DynamoDB's
/// order is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Faulty {
    UnknownOperation,
    NotJson,
    /// A JSON number as a table's name, and a bad enumeration value.
    NumberForName,
    /// A bad enumeration value, a number that is none, and a key that lacks its sort key.
    BadEnumeration,
    /// A number that is none, and no sort key.
    BadNumber,
    /// An empty set.
    EmptySet,
    /// An update with a value that it does not use, of a key that lacks its sort key.
    UnusedValue,
    /// An update of a key attribute.
    UpdateOfKey,
    /// A put without its sort key.
    PutWithoutSortKey,
    /// A put whose sort key is a string.
    PutOfWrongKeyType,
    /// A get without its sort key.
    GetWithoutSortKey,
    /// A put with an empty partition key.
    EmptyKey,
    /// A batch that names one item twice.
    DuplicatesInBatch,
    /// A transaction that names one item twice.
    DuplicatesInTransaction,
}

impl Faulty {
    pub(crate) const ALL: [Self; 14] = [
        Self::UnknownOperation,
        Self::NotJson,
        Self::NumberForName,
        Self::BadEnumeration,
        Self::BadNumber,
        Self::EmptySet,
        Self::UnusedValue,
        Self::UpdateOfKey,
        Self::PutWithoutSortKey,
        Self::PutOfWrongKeyType,
        Self::GetWithoutSortKey,
        Self::EmptyKey,
        Self::DuplicatesInBatch,
        Self::DuplicatesInTransaction,
    ];
}

/// A key as a request has it.
pub(crate) fn key_json(key: &Key) -> Value {
    json!({"pk": {"S": key.0}, "sk": {"N": key.1.to_string()}})
}

/// The global index, of the attribute of the same name.
pub(crate) const INDEX: &str = "group";

/// The attribute that says when an item expires.
pub(crate) const EXPIRES: &str = "expires";

impl Request {
    /// The operation, and the body.
    pub(crate) fn on_wire(&self, table: &str) -> (&'static str, Vec<u8>) {
        match self {
            Self::Faulty(Faulty::NotJson) => ("PutItem", b"{\"TableName\": ".to_vec()),
            Self::Faulty(faulty) => faulty_on_wire(*faulty, table),
            _ => {
                let (operation, body) = self.operation(table);
                (operation, body.to_string().into_bytes())
            }
        }
    }

    fn operation(&self, table: &str) -> (&'static str, Value) {
        match self {
            Self::CreateTable => ("CreateTable", create_table(table)),
            Self::DeleteTable => ("DeleteTable", json!({"TableName": table})),
            Self::EnableTimeToLive => (
                "UpdateTimeToLive",
                json!({"TableName": table,
                    "TimeToLiveSpecification": {"AttributeName": EXPIRES, "Enabled": true}}),
            ),
            Self::Write(write, returns) => single_write(table, write, *returns),
            Self::Get(key) => {
                ("GetItem", json!({"TableName": table, "Key": key_json(key), "ConsistentRead": true}))
            }
            Self::Query { partition, start, limit, is_forward } => {
                let mut body = json!({"TableName": table, "KeyConditionExpression": "pk = :pk", "Limit": limit,
                    "ExpressionAttributeValues": {":pk": {"S": partition}},
                    "ScanIndexForward": is_forward, "ConsistentRead": true});
                if let Some(sort) = start {
                    body["ExclusiveStartKey"] = key_json(&(partition.clone(), *sort));
                }
                ("Query", body)
            }
            Self::CreateIndex => ("UpdateTable", create_index(table)),
            Self::DeleteIndex => (
                "UpdateTable",
                json!({"TableName": table, "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": INDEX}}]}),
            ),
            Self::QueryIndex(group) => (
                "Query",
                json!({"TableName": table, "IndexName": INDEX, "KeyConditionExpression": "#g = :group",
                    "ExpressionAttributeNames": {"#g": INDEX},
                    "ExpressionAttributeValues": {":group": {"S": group}}}),
            ),
            Self::BatchWrite(writes) => {
                let requests: Vec<Value> = writes.iter().map(batched).collect();
                ("BatchWriteItem", json!({"RequestItems": {table: requests}}))
            }
            Self::BatchGet(keys) => {
                let keys: Vec<Value> = keys.iter().map(key_json).collect();
                ("BatchGetItem", json!({"RequestItems": {table: {"Keys": keys, "ConsistentRead": true}}}))
            }
            Self::TransactWrite { token, writes } => {
                let actions: Vec<Value> = writes.iter().map(|write| action(table, write)).collect();
                let mut body = json!({"TransactItems": actions});
                if let Some(token) = token {
                    body["ClientRequestToken"] = json!(token);
                }
                ("TransactWriteItems", body)
            }
            Self::TransactGet(keys) => {
                let get = |key: &Key| json!({"Get": {"TableName": table, "Key": key_json(key)}});
                ("TransactGetItems", json!({"TransactItems": keys.iter().map(get).collect::<Vec<_>>()}))
            }
            Self::Insert(_, item) => {
                let members: Vec<String> = item.keys().map(|name| format!("'{name}': ?")).collect();
                let text = format!("INSERT INTO \"{table}\" VALUE {{{}}}", members.join(", "));
                statement(&text, item.values().cloned().collect())
            }
            Self::SetText(key, text) => {
                let mut parameters = vec![json!({"S": text})];
                parameters.extend(key_parameters(key));
                statement(&format!("UPDATE \"{table}\" SET text = ? WHERE pk = ? AND sk = ?"), parameters)
            }
            Self::Remove(key) => {
                statement(&format!("DELETE FROM \"{table}\" WHERE pk = ? AND sk = ?"), key_parameters(key))
            }
            Self::Select(key) => {
                statement(&format!("SELECT * FROM \"{table}\" WHERE pk = ? AND sk = ?"), key_parameters(key))
            }
            Self::Faulty(_) | Self::Scan { .. } | Self::AwaitIndex => unreachable!("written apart"),
        }
    }
}

fn create_index(table: &str) -> Value {
    let index = json!({"IndexName": INDEX, "KeySchema": [{"AttributeName": INDEX, "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"}});
    json!({"TableName": table, "AttributeDefinitions": [{"AttributeName": INDEX, "AttributeType": "S"}],
        "GlobalSecondaryIndexUpdates": [{"Create": index}]})
}

fn create_table(table: &str) -> Value {
    json!({"TableName": table, "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"}],
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"}})
}

fn statement(text: &str, parameters: Vec<Value>) -> (&'static str, Value) {
    let mut body = json!({"Statement": text, "Parameters": parameters});
    if text.starts_with("SELECT") {
        body["ConsistentRead"] = json!(true);
    }
    ("ExecuteStatement", body)
}

fn key_parameters(key: &Key) -> Vec<Value> {
    vec![json!({"S": key.0}), json!({"N": key.1.to_string()})]
}

fn batched((key, item): &(Key, Option<Item>)) -> Value {
    match item {
        Some(item) => json!({"PutRequest": {"Item": item}}),
        None => json!({"DeleteRequest": {"Key": key_json(key)}}),
    }
}

fn single_write(table: &str, write: &Write, returns: Returns) -> (&'static str, Value) {
    let (operation, mut body) = write_members(table, write);
    match returns {
        Returns::Nothing => {}
        Returns::Old => body["ReturnValues"] = json!("ALL_OLD"),
        Returns::New => body["ReturnValues"] = json!("ALL_NEW"),
        Returns::OldOnFailure => body["ReturnValuesOnConditionCheckFailure"] = json!("ALL_OLD"),
    }
    let operation = match operation {
        "Put" => "PutItem",
        "Delete" => "DeleteItem",
        _ => "UpdateItem",
    };
    (operation, body)
}

fn action(table: &str, write: &Write) -> Value {
    let (name, body) = write_members(table, write);
    json!({name: body})
}

fn write_members(table: &str, write: &Write) -> (&'static str, Value) {
    let mut body = json!({"TableName": table});
    let (mut names, mut values) = (Map::new(), Map::new());
    let name = match &write.action {
        Action::Put(item) => {
            body["Item"] = Value::Object(item.clone());
            "Put"
        }
        other => {
            body["Key"] = key_json(&write.key);
            match other {
                Action::Update(changes) => {
                    body["UpdateExpression"] = json!(update(changes, &mut names, &mut values));
                    "Update"
                }
                Action::Delete => "Delete",
                _ => "ConditionCheck",
            }
        }
    };
    if let Some(condition) = &write.condition {
        body["ConditionExpression"] = json!(condition_text(condition, &mut names, &mut values));
    }
    if !names.is_empty() {
        body["ExpressionAttributeNames"] = Value::Object(names);
    }
    if !values.is_empty() {
        body["ExpressionAttributeValues"] = Value::Object(values);
    }
    (name, body)
}

fn update(changes: &[Change], names: &mut Item, values: &mut Item) -> String {
    let mut sections = [("SET", Vec::new()), ("ADD", Vec::new()), ("REMOVE", Vec::new())];
    for change in changes {
        match change {
            Change::Increment(step) => {
                names.insert("#c".to_owned(), json!("count"));
                values.insert(":step".to_owned(), json!({"N": step.to_string()}));
                sections[0].1.push("#c = #c + :step");
            }
            Change::SetText(text) => {
                names.insert("#t".to_owned(), json!("text"));
                values.insert(":text".to_owned(), json!({"S": text}));
                sections[0].1.push("#t = :text");
            }
            Change::Append(text) => {
                names.insert("#l".to_owned(), json!("log"));
                values.insert(":none".to_owned(), json!({"L": []}));
                values.insert(":line".to_owned(), json!({"L": [{"S": text}]}));
                sections[0].1.push("#l = list_append(if_not_exists(#l, :none), :line)");
            }
            Change::AddTotal(amount) => {
                names.insert("#s".to_owned(), json!("total"));
                values.insert(":amount".to_owned(), json!({"N": amount.to_string()}));
                sections[1].1.push("#s :amount");
            }
            Change::SetGroup(group) => {
                names.insert("#g".to_owned(), json!(INDEX));
                values.insert(":group".to_owned(), json!({"S": group}));
                sections[0].1.push("#g = :group");
            }
            Change::RemoveFlag => {
                names.insert("#f".to_owned(), json!("flag"));
                sections[2].1.push("#f");
            }
        }
    }
    let written = sections.iter().filter(|(_, parts)| !parts.is_empty());
    let written: Vec<String> = written.map(|(name, parts)| format!("{name} {}", parts.join(", "))).collect();
    written.join(" ")
}

fn condition_text(condition: &Condition, names: &mut Item, values: &mut Item) -> String {
    let (operator, count) = match condition {
        Condition::IsAbsent => return "attribute_not_exists(pk)".to_owned(),
        Condition::IsPresent => return "attribute_exists(pk)".to_owned(),
        Condition::CountIs(count) => ("=", count),
        Condition::CountBelow(count) => ("<", count),
    };
    names.insert("#c".to_owned(), json!("count"));
    values.insert(":count".to_owned(), json!({"N": count.to_string()}));
    format!("#c {operator} :count")
}

fn faulty_on_wire(faulty: Faulty, table: &str) -> (&'static str, Vec<u8>) {
    let partition = json!({"pk": {"S": "k0"}});
    let whole = key_json(&("k0".to_owned(), 1));
    let delete = json!({"Delete": {"TableName": table, "Key": whole}});
    let (operation, body) = match faulty {
        Faulty::UnknownOperation => ("PutItems", json!({})),
        Faulty::NotJson => unreachable!("written apart"),
        Faulty::NumberForName => {
            ("GetItem", json!({"TableName": 23, "Key": whole, "ReturnConsumedCapacity": "MUCH"}))
        }
        Faulty::BadEnumeration => (
            "PutItem",
            json!({"TableName": table, "Item": {"pk": {"S": "k0"}, "n": {"N": "many"}},
                "ReturnConsumedCapacity": "MUCH"}),
        ),
        Faulty::BadNumber => {
            ("PutItem", json!({"TableName": table, "Item": {"pk": {"S": "k0"}, "n": {"N": "many"}}}))
        }
        Faulty::EmptySet => (
            "PutItem",
            json!({"TableName": table, "Item": {"pk": {"S": "k0"}, "sk": {"N": "1"}, "s": {"SS": []}}}),
        ),
        Faulty::UnusedValue => (
            "UpdateItem",
            json!({"TableName": table, "Key": partition, "UpdateExpression": "REMOVE flag",
                "ExpressionAttributeValues": {":unused": {"S": "x"}}}),
        ),
        Faulty::UpdateOfKey => (
            "UpdateItem",
            json!({"TableName": table, "Key": whole, "UpdateExpression": "SET pk = :v",
                "ExpressionAttributeValues": {":v": {"S": "x"}}}),
        ),
        Faulty::PutWithoutSortKey => ("PutItem", json!({"TableName": table, "Item": partition})),
        Faulty::PutOfWrongKeyType => {
            ("PutItem", json!({"TableName": table, "Item": {"pk": {"S": "k0"}, "sk": {"S": "1"}}}))
        }
        Faulty::GetWithoutSortKey => ("GetItem", json!({"TableName": table, "Key": partition})),
        Faulty::EmptyKey => {
            ("PutItem", json!({"TableName": table, "Item": {"pk": {"S": ""}, "sk": {"N": "1"}}}))
        }
        Faulty::DuplicatesInBatch => (
            "BatchWriteItem",
            json!({"RequestItems": {table: [{"DeleteRequest": {"Key": whole}},
                {"DeleteRequest": {"Key": whole}}]}}),
        ),
        Faulty::DuplicatesInTransaction => ("TransactWriteItems", json!({"TransactItems": [delete, delete]})),
    };
    (operation, body.to_string().into_bytes())
}
