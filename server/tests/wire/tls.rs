//! HTTPS: requests, large answers, slow and broken handshakes, through sockets to a server of ours.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use basalt_server::Limits;
use proptest::prelude::*;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion, version};
use serde_json::{Value, json};

use crate::support::{Client, TestServer, call};

const CERTIFICATE: &[u8] = include_bytes!("../certificate/certificate.pem");
const HEALTH_CHECK: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// A TLS record of this type tells of a fault.
const ALERT: u8 = 21;

fn session(versions: &[&'static SupportedProtocolVersion]) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(CERTIFICATE).expect("PEM")).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions);
    let mut config = builder.expect("versions").with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("localhost").expect("a name");
    ClientConnection::new(Arc::new(config), name).expect("a session")
}

fn connect(server: &TestServer) -> Client {
    connect_with(server, &[&version::TLS13])
}

fn connect_with(server: &TestServer, versions: &[&'static SupportedProtocolVersion]) -> Client {
    let socket = server.open_socket();
    let below = socket.try_clone().expect("sockets can be shared");
    Client::over(StreamOwned::new(session(versions), socket), below)
}

fn answer(client: &mut Client, operation: &str, body: &Value) -> Value {
    client.write(&call(operation, &body.to_string()));
    let response = client.read_response();
    assert_eq!(response.status, 200, "{operation}: {}", response.text());
    response.assert_common_headers();
    response.json()
}

fn make_table(client: &mut Client) {
    let create = json!({
        "TableName": "secret", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    });
    answer(client, "CreateTable", &create);
}

#[test]
fn requests_are_answered_within_both_versions_of_tls() {
    let server = TestServer::with_tls(Limits::default());
    make_table(&mut connect(&server));
    for version in [&version::TLS12, &version::TLS13] {
        let mut client = connect_with(&server, &[version]);
        for number in 0..20 {
            let item = json!({"pk": {"S": "a"}, "number": {"N": number.to_string()}});
            answer(&mut client, "PutItem", &json!({"TableName": "secret", "Item": item}));
            let get = json!({"TableName": "secret", "Key": {"pk": {"S": "a"}}});
            assert_eq!(answer(&mut client, "GetItem", &get)["Item"], item);
        }
    }
}

#[test]
fn requests_and_answers_may_be_of_many_records() {
    let server = TestServer::with_tls(Limits::default());
    let mut client = connect(&server);
    make_table(&mut client);
    let keys: Vec<Value> = (0..20).map(|number| json!({"pk": {"S": format!("{number}")}})).collect();
    for key in &keys {
        let mut item = key.clone();
        item["weight"] = json!({"S": "w".repeat(380_000)});
        answer(&mut client, "PutItem", &json!({"TableName": "secret", "Item": item}));
    }
    let all = json!({"RequestItems": {"secret": {"Keys": keys}}});
    let found = answer(&mut client, "BatchGetItem", &all)["Responses"]["secret"].take();
    let found = found.as_array().expect("items");
    assert_eq!(found.len(), 20);
    assert!(found.iter().all(|item| item["weight"]["S"].as_str().is_some_and(|text| text.len() == 380_000)));
}

/// Sends a byte at a time.
struct Dribble(TcpStream);

impl Write for Dribble {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(&bytes[..bytes.len().min(1)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Read for Dribble {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

#[test]
fn handshakes_and_requests_may_arrive_byte_by_byte() {
    let server = TestServer::with_tls(Limits::default());
    let socket = server.open_socket();
    let below = socket.try_clone().unwrap();
    let mut client = Client::over(StreamOwned::new(session(&[&version::TLS13]), Dribble(socket)), below);
    client.write(HEALTH_CHECK);
    assert_eq!(client.read_response().status, 200);
}

#[test]
fn an_end_is_told_within_tls() {
    let server = TestServer::with_tls(Limits::default());
    let mut client = connect(&server);
    client.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(client.read_response().status, 200);
    // Without the word of its end, the client's session would report bytes that were cut off.
    client.read_end().expect("an end in order");
}

#[test]
fn http_without_tls_is_told_a_fault_and_closed() {
    let server = TestServer::with_tls(Limits::default());
    let mut client = server.connect();
    client.write(HEALTH_CHECK);
    let told = client.read_to_close();
    assert_eq!(told.first(), Some(&ALERT), "{told:?}");
}

#[test]
fn handshakes_that_do_not_end_are_not_waited_for() {
    let limits = Limits { head_time: Duration::from_millis(100), ..Limits::default() };
    let server = TestServer::with_tls(limits);
    let mut silent = server.connect();
    let mut slow = server.connect();
    // The head of a record that does not follow.
    slow.write(&[22, 3, 1, 2, 0]);
    assert!(silent.read_to_close().is_empty());
    assert!(slow.read_to_close().is_empty());
}

#[test]
fn a_stop_does_not_wait_for_handshakes() {
    let mut server = TestServer::with_tls(Limits::default());
    let mut waiting = server.connect();
    // An answer on a later connection: the earlier one has been accepted.
    let mut client = connect(&server);
    client.write(HEALTH_CHECK);
    client.read_response();
    assert_eq!(server.stop(), 0);
    assert!(waiting.read_to_close().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn broken_records_harm_nobody(at in 0usize..600, byte in any::<u8>()) {
        let server = TestServer::with_tls(Limits::default());
        let socket = server.open_socket();
        let broken = Breaking { socket: socket.try_clone().unwrap(), at, byte };
        let mut client = Client::over(StreamOwned::new(session(&[&version::TLS13]), broken), socket);
        // Whatever becomes of it.
        if client.try_write(HEALTH_CHECK).is_ok() {
            let _ = client.try_read_response();
        }
        let mut healthy = connect(&server);
        healthy.write(HEALTH_CHECK);
        prop_assert_eq!(healthy.read_response().status, 200);
    }
}

/// Sends one byte that the client did not mean, and no more.
struct Breaking {
    socket: TcpStream,
    at: usize,
    byte: u8,
}

impl Write for Breaking {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut sent = bytes.to_vec();
        match sent.get_mut(self.at) {
            Some(byte) => {
                *byte = self.byte;
                self.socket.write_all(&sent)?;
                // Nothing follows that the server could wait for.
                self.socket.shutdown(Shutdown::Write)?;
            }
            None => {
                self.at -= sent.len();
                self.socket.write_all(&sent)?;
            }
        }
        Ok(sent.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl Read for Breaking {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.socket.read(bytes)
    }
}
