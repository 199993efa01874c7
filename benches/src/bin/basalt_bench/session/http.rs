//! Any DynamoDB endpoint over HTTP/1.1: one keep-alive connection a client, every request signed.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream, ToSocketAddrs as _},
    str::FromStr,
    time::Duration,
};

use memchr::memmem;
use serde_json::{Map, Value, json};

use super::{
    Database, Failure, Found, Range, Session, create_table_request,
    signature::{Credentials, Signer},
};
use crate::{
    record::{AMOUNT, PARTITION_KEY, Place, SORT_KEY},
    workload::Layout,
};

const SERVICE: &str = "DynamoDB_20120810";
const RECEIVE_BYTES: usize = 16 << 10;
/// An endpoint that says nothing for this long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How often a table that is being made is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Where the database listens: `http://host:port`.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    host: String,
    address: SocketAddr,
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let host =
            text.strip_prefix("http://").ok_or("an endpoint starts with http://")?.trim_end_matches('/');
        let mut addresses = host.to_socket_addrs().map_err(|error| format!("{host}: {error}"))?;
        let address = addresses.next().ok_or_else(|| format!("{host} has no address"))?;
        Ok(Self { host: host.to_owned(), address })
    }
}

/// A DynamoDB endpoint.
#[derive(Debug)]
pub(crate) struct HttpDatabase {
    pub(crate) endpoint: Endpoint,
    pub(crate) credentials: Credentials,
    pub(crate) table: String,
}

impl HttpDatabase {
    fn connect(&self) -> Result<HttpSession, Failure> {
        let address = self.endpoint.address;
        let lost = |error| Failure::Lost(format!("{address}: {error}"));
        let stream = TcpStream::connect(address).map_err(lost)?;
        stream.set_nodelay(true).map_err(lost)?;
        stream.set_read_timeout(Some(SILENCE_MAX)).map_err(lost)?;
        Ok(HttpSession {
            stream,
            host: self.endpoint.host.clone(),
            signer: Signer::new(self.credentials.clone()),
            table: self.table.clone(),
            request: Vec::new(),
            answer: Vec::new(),
        })
    }
}

impl Database for HttpDatabase {
    fn create_table(&self, layout: Layout) -> Result<(), Failure> {
        let mut session = self.connect()?;
        match session.call("CreateTable", &create_table_request(&self.table, layout)) {
            Ok(_made) => {}
            Err(Failure::Lost(reason)) if reason.contains("ResourceInUseException") => {}
            Err(failure) => return Err(failure),
        }
        while !session.table_is_active()? {
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    fn session(&self) -> Result<Box<dyn Session>, Failure> {
        Ok(Box::new(self.connect()?))
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        Ok(())
    }
}

struct HttpSession {
    stream: TcpStream,
    host: String,
    signer: Signer,
    table: String,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Session for HttpSession {
    fn read(&mut self, place: &Place) -> Result<Found, Failure> {
        let body = json!({"TableName": self.table, "Key": key(place), "ConsistentRead": true});
        let answer = self.call("GetItem", &body)?;
        Ok(memmem::find(answer, b"\"Item\"").is_some().into())
    }

    fn put(&mut self, place: &Place, fields: &[(String, String)]) -> Result<(), Failure> {
        let mut item = key(place);
        item.extend(fields.iter().map(|(name, text)| (name.clone(), json!({ "S": text }))));
        self.call("PutItem", &json!({"TableName": self.table, "Item": item})).map(drop)
    }

    fn set_field(&mut self, place: &Place, (name, text): &(String, String)) -> Result<(), Failure> {
        let body = json!({
            "TableName": self.table,
            "Key": key(place),
            "UpdateExpression": "SET #f = :v",
            "ExpressionAttributeNames": {"#f": name},
            "ExpressionAttributeValues": {":v": {"S": text}},
        });
        self.call("UpdateItem", &body).map(drop)
    }

    fn add(&mut self, place: &Place, amount: i64) -> Result<(), Failure> {
        let body = addition(&self.table, place, amount);
        self.call("UpdateItem", &body).map(drop)
    }

    fn range(&mut self, range: &Range) -> Result<Found, Failure> {
        let mut values = json!({":p": {"S": range.partition}});
        let mut condition = "#p = :p".to_owned();
        let mut names = json!({"#p": PARTITION_KEY});
        if let Some(from) = &range.from {
            condition.push_str(" AND #s >= :s");
            names["#s"] = SORT_KEY.into();
            values[":s"] = json!({ "S": from });
        }
        let body = json!({
            "TableName": self.table,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            "ScanIndexForward": range.from.is_some(),
            "Limit": range.limit,
            "ConsistentRead": true,
        });
        let answer = self.call("Query", &body)?;
        count_of(answer).ok_or_else(|| Failure::Lost("an answer to Query has no Count".to_owned()))
    }

    fn transfer(&mut self, from: &Place, to: &Place, amount: i64) -> Result<(), Failure> {
        let update = |place, amount| json!({"Update": addition(&self.table, place, amount)});
        let body = json!({"TransactItems": [update(from, -amount), update(to, amount)]});
        self.call("TransactWriteItems", &body).map(drop)
    }
}

impl HttpSession {
    fn table_is_active(&mut self) -> Result<bool, Failure> {
        let body = json!({"TableName": self.table});
        let answer = self.call("DescribeTable", &body)?;
        Ok(memmem::find(answer, b"\"ACTIVE\"").is_some())
    }

    /// Sends one request; the body of its answer.
    fn call(&mut self, operation: &str, body: &Value) -> Result<&[u8], Failure> {
        let body = serde_json::to_vec(body).expect("what was built as JSON can be written");
        let target = format!("{SERVICE}.{operation}");
        let (stamp, authorization) = self.signer.sign(&self.host, &target, &body);
        self.request.clear();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Target: {target}\r\n\
             X-Amz-Date: {stamp}\r\nAuthorization: {authorization}\r\nContent-Length: {}\r\n\r\n",
            self.host,
            body.len()
        );
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(&body);
        self.stream.write_all(&self.request).map_err(|error| Failure::Lost(error.to_string()))?;
        let (status, body) = self.receive().map_err(Failure::Lost)?;
        let body = &self.answer[body..];
        if status == 200 { Ok(body) } else { Err(failure(operation, status, body)) }
    }

    /// The next answer: its status, and where its body begins.
    fn receive(&mut self) -> Result<(u16, usize), String> {
        self.answer.clear();
        let mut whole = None;
        while whole.is_none_or(|(_, _, end)| self.answer.len() < end) {
            let filled = self.answer.len();
            self.answer.resize(filled + RECEIVE_BYTES, 0);
            let count = self.stream.read(&mut self.answer[filled..]).map_err(|error| error.to_string())?;
            self.answer.truncate(filled + count);
            if count == 0 {
                return Err("the connection was closed before the answer".to_owned());
            }
            if whole.is_none() {
                whole = head_of(&self.answer)?;
            }
        }
        let (status, body, _) = whole.expect("the loop ends with an answer");
        Ok((status, body))
    }
}

/// Status, start and end of the body, once the head is there.
fn head_of(received: &[u8]) -> Result<Option<(u16, usize, usize)>, String> {
    let Some(head_end) = memmem::find(received, b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&received[..head_end]);
    let status = head.split(' ').nth(1).and_then(|text| text.parse().ok());
    let length = head
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, length)| length.trim().parse::<usize>().ok());
    match (status, length) {
        (Some(status), Some(length)) => Ok(Some((status, head_end + 4, head_end + 4 + length))),
        _ => Err(format!("an answer without a status or a length: {head}")),
    }
}

fn failure(operation: &str, status: u16, body: &[u8]) -> Failure {
    let says = |name: &str| memmem::find(body, name.as_bytes()).is_some();
    if says("ThrottlingException") || says("ProvisionedThroughputExceeded") {
        Failure::Throttled
    } else if says("TransactionConflict") || says("TransactionInProgress") {
        Failure::Conflict
    } else {
        Failure::Lost(format!("{operation}: {status} {}", String::from_utf8_lossy(body)))
    }
}

fn key(place: &Place) -> Map<String, Value> {
    let partition = (PARTITION_KEY.to_owned(), json!({ "S": place.partition }));
    let sort = place.sort.as_ref().map(|sort| (SORT_KEY.to_owned(), json!({ "S": sort })));
    [partition].into_iter().chain(sort).collect()
}

fn addition(table: &str, place: &Place, amount: i64) -> Value {
    json!({
        "TableName": table,
        "Key": key(place),
        "UpdateExpression": "ADD #a :d",
        "ExpressionAttributeNames": {"#a": AMOUNT},
        "ExpressionAttributeValues": {":d": {"N": amount.to_string()}},
    })
}

/// The member `Count` of an answer, whatever else is in it.
fn count_of(answer: &[u8]) -> Option<u64> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Counted {
        count: u64,
    }
    serde_json::from_slice::<Counted>(answer).ok().map(|counted| counted.count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_when_they_are_whole() {
        let received = b"HTTP/1.1 400 Bad Request\r\nContent-LENGTH: 2\r\n\r\n{}";
        assert_eq!(head_of(&received[..20]), Ok(None));
        assert_eq!(head_of(received), Ok(Some((400, received.len() - 2, received.len()))));
        assert!(head_of(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn refusals_are_told_apart() {
        let throttled =
            br#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}"#;
        assert_eq!(failure("PutItem", 400, throttled), Failure::Throttled);
        let conflict = br#"{"CancellationReasons":[{"Code":"None"},{"Code":"TransactionConflict"}]}"#;
        assert_eq!(failure("TransactWriteItems", 400, conflict), Failure::Conflict);
        assert!(matches!(failure("PutItem", 500, b"{}"), Failure::Lost(_)));
    }

    #[test]
    fn counts_are_found_wherever_they_stand() {
        assert_eq!(count_of(br#"{"Items":[{"Count":{"N":"7"}}],"Count":1,"ScannedCount":2}"#), Some(1));
        assert_eq!(count_of(b"{}"), None);
    }
}
