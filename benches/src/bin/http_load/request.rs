//! Requests as bytes: what they have in common is written once.

use std::{net::SocketAddr, net::ToSocketAddrs as _, ops::Range, str::FromStr};

use basalt_benches::test_item::{TestItems, write_key_json};

/// Items that one BatchWriteItem may hold.
const BATCH_ITEMS_MAX: u64 = 25;
/// Items that one TransactWriteItems may hold.
const TRANSACTION_ITEMS_MAX: u64 = 100;

/// Where the server is: `http://host:port`.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    host: String,
    pub(crate) address: SocketAddr,
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

/// What each request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Operation {
    /// PutItem
    Put,
    /// GetItem, strongly consistent
    Get,
    /// BatchWriteItem of 25 puts
    BatchPut,
    /// TransactWriteItems of 100 puts
    TransactPut,
}

impl Operation {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Operation::Put => "PutItem",
            Operation::Get => "GetItem",
            Operation::BatchPut => "BatchWriteItem",
            Operation::TransactPut => "TransactWriteItems",
        }
    }

    /// Items of one request.
    pub(crate) fn items_max(self) -> u64 {
        match self {
            Operation::Put | Operation::Get => 1,
            Operation::BatchPut => BATCH_ITEMS_MAX,
            Operation::TransactPut => TRANSACTION_ITEMS_MAX,
        }
    }
}

/// Writes the requests of one run.
#[derive(Debug)]
pub(crate) struct RequestWriter {
    operation: Operation,
    items: TestItems,
    /// Up to the value of Content-Length.
    head: Vec<u8>,
    body_start: Vec<u8>,
    body_end: &'static [u8],
    /// What stands before each item of several.
    put_start: Vec<u8>,
    body: Vec<u8>,
    /// The next version to put. Begins differently in every run, so that each run changes what the one before left.
    version: u64,
}

impl RequestWriter {
    pub(crate) fn new(endpoint: &Endpoint, table: &str, operation: Operation, items: TestItems) -> Self {
        let (body_start, body_end): (String, &[u8]) = match operation {
            Operation::Put => (format!("{{\"TableName\":\"{table}\",\"Item\":"), b"}"),
            Operation::Get => {
                (format!("{{\"TableName\":\"{table}\",\"ConsistentRead\":true,\"Key\":{{\""), b"}}")
            }
            Operation::BatchPut => (format!("{{\"RequestItems\":{{\"{table}\":["), b"]}}"),
            Operation::TransactPut => ("{\"TransactItems\":[".to_owned(), b"]}"),
        };
        let put_start = match operation {
            Operation::TransactPut => format!("{{\"Put\":{{\"TableName\":\"{table}\",\"Item\":"),
            _ => "{\"PutRequest\":{\"Item\":".to_owned(),
        };
        Self {
            operation,
            items,
            head: head(endpoint, operation.name()),
            body_start: body_start.into_bytes(),
            body_end,
            put_start: put_start.into_bytes(),
            body: Vec::new(),
            version: std::process::id().into(),
        }
    }

    /// Replaces `request` by the request for these items.
    pub(crate) fn write(&mut self, numbers: Range<u64>, request: &mut Vec<u8>) {
        self.body.clear();
        self.body.extend_from_slice(&self.body_start);
        match self.operation {
            Operation::Put => self.write_item(numbers.start),
            Operation::Get => write_key_json(numbers.start, &mut self.body),
            Operation::BatchPut | Operation::TransactPut => self.write_puts(numbers),
        }
        self.body.extend_from_slice(self.body_end);
        request.clear();
        request.extend_from_slice(&self.head);
        request.extend_from_slice(self.body.len().to_string().as_bytes());
        request.extend_from_slice(b"\r\n\r\n");
        request.extend_from_slice(&self.body);
    }

    fn write_puts(&mut self, numbers: Range<u64>) {
        let first = numbers.start;
        for number in numbers {
            let start: &[u8] = if number == first { b"" } else { b"," };
            self.body.extend_from_slice(start);
            self.body.extend_from_slice(&self.put_start);
            self.write_item(number);
            self.body.extend_from_slice(b"}}");
        }
    }

    fn write_item(&mut self, number: u64) {
        self.items.write_json(number, self.version, &mut self.body);
        self.version += 1;
    }
}

/// A request with any body.
pub(crate) fn whole(endpoint: &Endpoint, operation: &str, body: &str) -> Vec<u8> {
    let mut request = head(endpoint, operation);
    request.extend_from_slice(format!("{}\r\n\r\n{body}", body.len()).as_bytes());
    request
}

/// Headers as an SDK sends them; the signature is a made-up one.
fn head(endpoint: &Endpoint, operation: &str) -> Vec<u8> {
    format!(
        "POST / HTTP/1.1\r\n\
         Host: {}\r\n\
         Content-Type: application/x-amz-json-1.0\r\n\
         X-Amz-Target: DynamoDB_20120810.{operation}\r\n\
         X-Amz-Date: 20260101T000000Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=load/20260101/us-east-1/dynamodb/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
         Signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n\
         Content-Length: ",
        endpoint.host
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body_of(operation: Operation, numbers: Range<u64>) -> serde_json::Value {
        let endpoint = "http://127.0.0.1:8000/".parse().unwrap();
        let items = TestItems::of_size(300).unwrap();
        let mut request = b"of a request before".to_vec();
        RequestWriter::new(&endpoint, "t", operation, items).write(numbers, &mut request);
        let text = String::from_utf8(request).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{head}");
        serde_json::from_str(body).unwrap()
    }

    #[test]
    fn bodies_are_json() {
        let put = body_of(Operation::Put, 7..8);
        assert_eq!(put["Item"]["id"]["S"], "0000000000000007");
        let get = body_of(Operation::Get, 7..8);
        assert_eq!(get["Key"], serde_json::json!({"id": {"S": "0000000000000007"}}));
        let batch = body_of(Operation::BatchPut, 0..25);
        let puts = batch["RequestItems"]["t"].as_array().unwrap();
        assert_eq!(puts.len(), 25);
        assert_eq!(puts[24]["PutRequest"]["Item"]["id"]["S"], "0000000000000024");
        let transaction = body_of(Operation::TransactPut, 0..100);
        let puts = transaction["TransactItems"].as_array().unwrap();
        assert_eq!(puts.len(), 100);
        assert_eq!(puts[99]["Put"]["Item"]["id"]["S"], "0000000000000099");
        assert_eq!(puts[99]["Put"]["TableName"], "t");
    }
}
