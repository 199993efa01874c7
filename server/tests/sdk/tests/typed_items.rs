//! Programs' own types as items, through serde_dynamo: what they write is what they read, by key, index and page.

mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::{
    Client,
    error::ProvideErrorMetadata,
    types::{
        AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
        KeysAndAttributes, Projection, ProjectionType, Put, PutRequest, ScalarAttributeType, TransactWriteItem,
        WriteRequest,
    },
};
use serde::{Deserialize, Serialize};
use serde_dynamo::{from_item, from_items, to_attribute_value, to_item};
use support::{Daemon, wait_until_it_answers};

const TABLE: &str = "orders";
const INDEX: &str = "by_status";
const CUSTOMERS: u32 = 7;
const ORDERS: u32 = 300;
const BATCH_ITEMS_MAX: usize = 25;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    customer: String,
    number: u32,
    status: Status,
    lines: Vec<Line>,
    /// A map.
    notes: BTreeMap<String, Option<String>>,
    #[serde(with = "serde_dynamo::string_set")]
    labels: BTreeSet<String>,
    #[serde(with = "serde_dynamo::number_set")]
    weights: BTreeSet<i64>,
    /// A binary: without this a vector of bytes is a list of numbers.
    #[serde(with = "serde_bytes")]
    signature: Vec<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gift_for: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Status {
    Open,
    Shipped,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Line {
    product: String,
    count: u64,
    price: f64,
    discount: Discount,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Discount {
    None,
    Percent { percent: u8 },
}

fn order(number: u32) -> Order {
    let line = |line: u32| Line {
        product: format!("product {line}"),
        count: u64::MAX - u64::from(line),
        price: f64::from(number) / 8.0 - 3.5,
        discount: if line % 2 == 0 { Discount::None } else { Discount::Percent { percent: 15 } },
    };
    Order {
        customer: format!("customer {}", number % CUSTOMERS),
        number,
        status: if number % 3 == 0 { Status::Shipped } else { Status::Open },
        lines: (0..number % 4).map(line).collect(),
        notes: BTreeMap::from([("door".into(), Some("ring twice".into())), ("floor".into(), None)]),
        labels: BTreeSet::from([format!("label {number}"), "all".into()]),
        weights: BTreeSet::from([-1, i64::from(number), i64::MAX]),
        signature: vec![number as u8; 5],
        gift_for: (number % 5 == 0).then(|| "somebody".into()),
    }
}

fn key(customer: &str, number: u32) -> HashMap<String, AttributeValue> {
    HashMap::from([
        ("customer".to_owned(), to_attribute_value(customer).unwrap()),
        ("number".to_owned(), to_attribute_value(number).unwrap()),
    ])
}

async fn create_table(client: &Client) {
    let element = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let attribute =
        |name: &str, kind| AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap();
    let index = GlobalSecondaryIndex::builder()
        .index_name(INDEX)
        .key_schema(element("status", KeyType::Hash))
        .key_schema(element("number", KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::All).build())
        .build()
        .unwrap();
    client
        .create_table()
        .table_name(TABLE)
        .key_schema(element("customer", KeyType::Hash))
        .key_schema(element("number", KeyType::Range))
        .attribute_definitions(attribute("customer", ScalarAttributeType::S))
        .attribute_definitions(attribute("number", ScalarAttributeType::N))
        .attribute_definitions(attribute("status", ScalarAttributeType::S))
        .global_secondary_indexes(index)
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .expect("the table is created");
}

async fn put_all(client: &Client, orders: &[Order]) {
    for batch in orders.chunks(BATCH_ITEMS_MAX) {
        let puts = batch.iter().map(|order| {
            let put = PutRequest::builder().set_item(Some(to_item(order).unwrap())).build().unwrap();
            WriteRequest::builder().put_request(put).build()
        });
        let written = client.batch_write_item().request_items(TABLE, puts.collect()).send().await.unwrap();
        assert!(written.unprocessed_items().is_none_or(HashMap::is_empty));
    }
}

/// Every order of a status, by pages of the index.
async fn of_status(client: &Client, status: Status) -> Vec<Order> {
    let mut pages = client
        .query()
        .table_name(TABLE)
        .index_name(INDEX)
        .key_condition_expression("#status = :status")
        .expression_attribute_names("#status", "status")
        .expression_attribute_values(":status", to_attribute_value(status).unwrap())
        .limit(17)
        .into_paginator()
        .items()
        .send();
    let mut items = Vec::new();
    while let Some(item) = pages.next().await {
        items.push(item.expect("a page can be read"));
    }
    from_items(items).expect("items are orders")
}

#[tokio::test(flavor = "current_thread")]
async fn typed_items_come_back_as_they_went() {
    let daemon = Daemon::start();
    let client = daemon.client();
    wait_until_it_answers(&client).await;
    create_table(&client).await;
    let orders: Vec<Order> = (0..ORDERS).map(order).collect();
    put_all(&client, &orders).await;

    for expected in orders.iter().step_by(29) {
        let read = client.get_item().table_name(TABLE).set_key(Some(key(&expected.customer, expected.number)));
        let item = read.consistent_read(true).send().await.unwrap().item.expect("the order is there");
        assert_eq!(&from_item::<_, Order>(item).unwrap(), expected);
    }
    for status in [Status::Open, Status::Shipped] {
        let expected: Vec<Order> = orders.iter().filter(|order| order.status == status).cloned().collect();
        assert_eq!(of_status(&client, status).await, expected);
    }
    let keys = orders.iter().take(100).map(|order| key(&order.customer, order.number));
    let wanted = KeysAndAttributes::builder().set_keys(Some(keys.collect())).build().unwrap();
    let mut responses =
        client.batch_get_item().request_items(TABLE, wanted).send().await.unwrap().responses.expect("responses");
    let mut read: Vec<Order> = from_items(responses.remove(TABLE).expect("orders")).unwrap();
    read.sort_by_key(|order| order.number);
    assert_eq!(read, orders[..100]);
}

#[tokio::test(flavor = "current_thread")]
async fn typed_values_change_items_and_hold_conditions() {
    let daemon = Daemon::start();
    let client = daemon.client();
    wait_until_it_answers(&client).await;
    create_table(&client).await;
    let mut expected = order(1);
    put_all(&client, std::slice::from_ref(&expected)).await;

    let line = Line { product: "late".into(), count: 1, price: 0.25, discount: Discount::Percent { percent: 99 } };
    let change = || {
        client
            .update_item()
            .table_name(TABLE)
            .set_key(Some(key(&expected.customer, expected.number)))
            .update_expression("SET #lines = list_append(#lines, :lines), #status = :shipped ADD labels :labels")
            .condition_expression("#status = :open")
            .expression_attribute_names("#lines", "lines")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":lines", to_attribute_value(vec![&line]).unwrap())
            .expression_attribute_values(":labels", AttributeValue::Ss(vec!["late".into()]))
            .expression_attribute_values(":open", to_attribute_value(Status::Open).unwrap())
            .expression_attribute_values(":shipped", to_attribute_value(Status::Shipped).unwrap())
            .return_values(aws_sdk_dynamodb::types::ReturnValue::AllNew)
    };
    let changed: Order = from_item(change().send().await.unwrap().attributes.expect("the item")).unwrap();
    let again = change().send().await.unwrap_err();
    assert_eq!(again.code(), Some("ConditionalCheckFailedException"));
    expected.lines.push(line.clone());
    expected.status = Status::Shipped;
    expected.labels.insert("late".into());
    assert_eq!(changed, expected);

    let put = |order: &Order| {
        let put = Put::builder()
            .table_name(TABLE)
            .set_item(Some(to_item(order).unwrap()))
            .condition_expression("attribute_not_exists(customer)")
            .build()
            .unwrap();
        TransactWriteItem::builder().put(put).build()
    };
    let refused = client.transact_write_items().transact_items(put(&order(2))).transact_items(put(&expected));
    assert_eq!(refused.send().await.unwrap_err().code(), Some("TransactionCanceledException"));
    assert_eq!(of_status(&client, Status::Open).await, []);
    let done = client.transact_write_items().transact_items(put(&order(2))).transact_items(put(&order(4)));
    done.send().await.unwrap();
    assert_eq!(of_status(&client, Status::Open).await, [order(2), order(4)]);
}
