//! A Basalt server through its binary protocol: one connection a client.

use std::net::SocketAddr;

use basalt_client::{
    BlockingClient, Credentials, Error, Operation, Request,
    model::{Item, Number, Value},
};

use super::{Database, Failure, Found, Range, Session, create_table_request};
use crate::{
    record::{AMOUNT, PARTITION_KEY, Place, SORT_KEY},
    workload::Layout,
};

/// A server's binary port.
#[derive(Debug)]
pub(crate) struct NativeDatabase {
    pub(crate) address: SocketAddr,
    pub(crate) credentials: Credentials,
    pub(crate) table: String,
}

impl NativeDatabase {
    fn connect(&self) -> Result<NativeSession, Failure> {
        let client = BlockingClient::connect(self.address, self.credentials.clone())?;
        Ok(NativeSession { client, table: self.table.clone() })
    }
}

impl Database for NativeDatabase {
    fn create_table(&self, layout: Layout) -> Result<(), Failure> {
        let body = create_table_request(&self.table, layout).to_string();
        // A table of this server takes reads and writes when its creation is answered.
        match self.connect()?.client.call_json("DynamoDB_20120810.CreateTable", &body) {
            Err(error) if error.exception() != Some("ResourceInUseException") => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn session(&self) -> Result<Box<dyn Session>, Failure> {
        Ok(Box::new(self.connect()?))
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        Ok(())
    }
}

struct NativeSession {
    client: BlockingClient,
    table: String,
}

impl Session for NativeSession {
    fn read(&mut self, place: &Place) -> Result<Found, Failure> {
        let answer = self.client.call(Request::get_item(&self.table, &key(place)).consistent())?;
        Ok(answer.member("Item").is_some().into())
    }

    fn put(&mut self, place: &Place, fields: &[(String, String)]) -> Result<(), Failure> {
        let mut item = key(place);
        for (name, text) in fields {
            item.insert(name.clone(), Value::S(text.clone()));
        }
        self.client.call(Request::put_item(&self.table, &item))?;
        Ok(())
    }

    fn set_field(&mut self, place: &Place, (name, text): &(String, String)) -> Result<(), Failure> {
        let update = Request::update_item(&self.table, &key(place), "SET #f = :v")
            .names(&[("#f", name)])
            .values([(":v", Value::S(text.clone()))]);
        self.client.call(update)?;
        Ok(())
    }

    fn add(&mut self, place: &Place, amount: i64) -> Result<(), Failure> {
        self.client.call(addition(&self.table, place, amount))?;
        Ok(())
    }

    fn range(&mut self, range: &Range) -> Result<Found, Failure> {
        let mut names = vec![("#p", PARTITION_KEY)];
        let mut values = vec![(":p", Value::S(range.partition.clone()))];
        let mut condition = "#p = :p".to_owned();
        if let Some(from) = &range.from {
            condition.push_str(" AND #s >= :s");
            names.push(("#s", SORT_KEY));
            values.push((":s", Value::S(from.clone())));
        }
        let query = Request::query(&self.table, &condition).names(&names).values(values).consistent();
        let forward = basalt_client::Node::Boolean(range.from.is_some());
        let answer = self.client.call(query.limit(range.limit).member("ScanIndexForward", forward))?;
        let count = answer.integer("Count").and_then(|count| u64::try_from(count).ok());
        count.ok_or_else(|| Failure::Lost("an answer to Query has no Count".to_owned()))
    }

    fn transfer(&mut self, from: &Place, to: &Place, amount: i64) -> Result<(), Failure> {
        let update = |place: &Place, amount: i64| {
            let addition = addition(&self.table, place, amount);
            basalt_client::Node::Object(vec![("Update".to_owned(), addition.into_node())])
        };
        let actions = vec![update(from, -amount), update(to, amount)];
        let request = Request::new(Operation::TransactWriteItems);
        self.client.call(request.member("TransactItems", basalt_client::Node::List(actions)))?;
        Ok(())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.exception() {
            Some("ThrottlingException" | "ProvisionedThroughputExceededException") => Failure::Throttled,
            Some(
                "TransactionCanceledException"
                | "TransactionConflictException"
                | "TransactionInProgressException",
            ) => Failure::Conflict,
            _ => Failure::Lost(error.to_string()),
        }
    }
}

fn addition(table: &str, place: &Place, amount: i64) -> Request {
    Request::update_item(table, &key(place), "ADD #a :d")
        .names(&[("#a", AMOUNT)])
        .values([(":d", Value::N(Number::from(amount)))])
}

fn key(place: &Place) -> Item {
    let partition = (PARTITION_KEY.to_owned(), Value::S(place.partition.clone()));
    let sort = place.sort.as_ref().map(|sort| (SORT_KEY.to_owned(), Value::S(sort.clone())));
    [partition].into_iter().chain(sort).collect()
}
