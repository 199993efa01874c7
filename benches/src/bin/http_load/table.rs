//! The table that the load is put on.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use basalt_benches::test_item::KEY_NAME;
use memchr::memmem;

use crate::{
    answer::Answer,
    request::{self, Endpoint},
};

/// Makes the table if it is not there.
pub(crate) fn create(endpoint: &Endpoint, table: &str) -> Result<(), String> {
    let body = serde_json::json!({
        "TableName": table,
        "AttributeDefinitions": [{ "AttributeName": KEY_NAME, "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": KEY_NAME, "KeyType": "HASH" }],
        "BillingMode": "PAY_PER_REQUEST",
    });
    let request = request::whole(endpoint, "CreateTable", &body.to_string());
    let (status, body) = ask(endpoint, &request)?;
    let is_there = status == 200 || memmem::find(&body, b"ResourceInUseException").is_some();
    if is_there { Ok(()) } else { Err(format!("CreateTable: {}", String::from_utf8_lossy(&body))) }
}

/// One request on a connection of its own.
fn ask(endpoint: &Endpoint, request: &[u8]) -> Result<(u16, Vec<u8>), String> {
    let lost = |error: std::io::Error| format!("{}: {error}", endpoint.address);
    let mut stream = TcpStream::connect(endpoint.address).map_err(lost)?;
    stream.write_all(request).map_err(lost)?;
    let (mut received, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(answer) = Answer::find(&received)? {
            return Ok((answer.status, received[answer.body].to_vec()));
        }
        match stream.read(&mut chunk).map_err(lost)? {
            0 => return Err("the connection was closed before the answer".to_owned()),
            count => received.extend_from_slice(&chunk[..count]),
        }
    }
}
