//! Ways to ask a database: one session a client, one request at a time.

mod embedded;
mod http;
mod native;
mod redis;
mod signature;

use std::fmt;

use serde_json::json;

pub(crate) use self::{
    embedded::EmbeddedDatabase,
    http::{Endpoint, HttpDatabase},
    native::NativeDatabase,
    redis::RedisDatabase,
    signature::Credentials,
};
use crate::{
    record::{PARTITION_KEY, Place, Records, SORT_KEY},
    workload::{Layout, Step},
};

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The database had no room or no capacity for it.
    Throttled,
    /// A transaction met another one.
    Conflict,
    /// Anything else ends the run.
    Lost(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Throttled => formatter.write_str("throttled"),
            Failure::Conflict => formatter.write_str("in conflict with another transaction"),
            Failure::Lost(reason) => formatter.write_str(reason),
        }
    }
}

/// Records that a request read; 0 is a miss.
pub(crate) type Found = u64;

/// What a range is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) partition: String,
    /// The first sort key; `None`: from the newest back.
    pub(crate) from: Option<String>,
    pub(crate) limit: u32,
}

/// A database that can be measured.
pub(crate) trait Database: Sync {
    /// Makes the table if it is not there.
    fn create_table(&self, layout: Layout) -> Result<(), Failure>;

    /// A way to it for one client.
    fn session(&self) -> Result<Box<dyn Session>, Failure>;

    /// Ends it, if it is this process's own.
    fn close(self: Box<Self>) -> Result<(), Failure>;
}

/// One client's way to a database. Reads are strongly consistent, writes durable by the database's own rules.
pub(crate) trait Session: Send {
    fn read(&mut self, place: &Place) -> Result<Found, Failure>;
    fn put(&mut self, place: &Place, fields: &[(String, String)]) -> Result<(), Failure>;
    fn set_field(&mut self, place: &Place, field: &(String, String)) -> Result<(), Failure>;
    fn add(&mut self, place: &Place, amount: i64) -> Result<(), Failure>;
    fn range(&mut self, range: &Range) -> Result<Found, Failure>;
    fn transfer(&mut self, from: &Place, to: &Place, amount: i64) -> Result<(), Failure>;
}

/// The body of CreateTable.
fn create_table_request(table: &str, layout: Layout) -> serde_json::Value {
    let keys: &[(&str, &str)] = match layout {
        Layout::Flat => &[(PARTITION_KEY, "HASH")],
        Layout::Grouped => &[(PARTITION_KEY, "HASH"), (SORT_KEY, "RANGE")],
    };
    let schema = keys.iter().map(|(name, role)| json!({"AttributeName": name, "KeyType": role}));
    let definitions = keys.iter().map(|(name, _)| json!({"AttributeName": name, "AttributeType": "S"}));
    json!({
        "TableName": table,
        "KeySchema": schema.collect::<Vec<_>>(),
        "AttributeDefinitions": definitions.collect::<Vec<_>>(),
        "BillingMode": "PAY_PER_REQUEST",
    })
}

/// Does one operation of a workload; how many records it read, if it reads.
pub(crate) fn run(
    session: &mut dyn Session,
    step: Step,
    records: Records,
    version: u64,
) -> Result<Option<Found>, Failure> {
    let place = |number| records.place(number);
    match step {
        Step::Read(number) => return session.read(&place(number)).map(Some),
        Step::Range { first, limit } => {
            let Place { partition, sort } = place(first);
            return session.range(&Range { partition, from: sort, limit }).map(Some);
        }
        Step::Newest { of, limit } => {
            let range = Range { partition: place(of).partition, from: None, limit };
            return session.range(&range).map(Some);
        }
        Step::ReadModifyWrite(number) => {
            let found = session.read(&place(number))?;
            session.set_field(&place(number), &records.one_field(number, version))?;
            return Ok(Some(found));
        }
        Step::Update(number) => session.set_field(&place(number), &records.one_field(number, version))?,
        Step::Insert(number) => {
            session.put(&place(number), &records.fields(number, version).collect::<Vec<_>>())?;
        }
        Step::Count(number) => session.add(&place(number), 1)?,
        Step::Transfer { from, to, amount } => session.transfer(&place(from), &place(to), amount)?,
    }
    Ok(None)
}
