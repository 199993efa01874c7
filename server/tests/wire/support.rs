//! A server in memory on a free port, and a client that sends raw bytes and reads what comes back.
//!
//! No HTTP library: what is tested is what is on the wire.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use basalt_engine::{Engine, EngineOptions};
use basalt_server::{Credentials, Limits, ResourceNames, Server, TlsIdentity};
use serde_json::{Value, json};

/// A read that takes longer than this fails its test instead of hanging it.
const READ_TIME_MAX: Duration = Duration::from_secs(20);

/// A running server; stopped when dropped.
pub(crate) struct TestServer {
    server: Option<Server>,
    engine: Engine,
    address: SocketAddr,
}

impl TestServer {
    pub(crate) fn start() -> TestServer {
        TestServer::with_limits(Limits::default())
    }

    pub(crate) fn with_limits(limits: Limits) -> TestServer {
        TestServer::with(EngineOptions::default(), limits, None)
    }

    /// A server that listens on all addresses of IPv4.
    pub(crate) fn on_all_addresses() -> TestServer {
        TestServer::listening(Ipv4Addr::UNSPECIFIED, EngineOptions::default(), Limits::default(), None)
    }

    /// A server that speaks HTTPS, with the certificate of the tests.
    pub(crate) fn with_tls(limits: Limits) -> TestServer {
        let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificate");
        let identity = TlsIdentity::read(&files.join("certificate.pem"), &files.join("key.pem"));
        let identity = identity.expect("the tests have a certificate");
        TestServer::with(EngineOptions::default(), limits, Some(identity))
    }

    /// A server whose partitions are split when they hold a few items.
    pub(crate) fn with_small_partitions() -> TestServer {
        let options = EngineOptions {
            partition_bytes_max: EngineOptions::PARTITION_BYTES_MAX_LEAST,
            partition_check_interval: Duration::from_millis(5),
            ..EngineOptions::default()
        };
        TestServer::with(options, Limits::default(), None)
    }

    /// A server whose new tables are told to be CREATING for so long.
    pub(crate) fn with_table_creation_time(table_creation_time: Duration) -> TestServer {
        let options = EngineOptions { table_creation_time, ..EngineOptions::default() };
        TestServer::with(options, Limits::default(), None)
    }

    fn with(options: EngineOptions, limits: Limits, identity: Option<TlsIdentity>) -> TestServer {
        TestServer::listening(Ipv4Addr::LOCALHOST, options, limits, identity)
    }

    fn listening(
        ip: Ipv4Addr,
        options: EngineOptions,
        limits: Limits,
        identity: Option<TlsIdentity>,
    ) -> TestServer {
        let options = EngineOptions { shard_count: Some(2), in_memory: true, pin_shards: false, ..options };
        let names = ResourceNames { account_id: options.account_id.clone(), region: options.region.clone() };
        let engine = Engine::open("unused", options).expect("an engine in memory opens");
        let any_port = SocketAddr::from((ip, 0));
        let server =
            Server::start(engine.clone(), names, (any_port, identity), limits).expect("a free port is free");
        let address = server.address();
        TestServer { server: Some(server), engine, address }
    }

    /// A server with the table `people` of the key `pk`, made with further members: at least with how it is paid.
    pub(crate) fn with_people(members: &Value) -> TestServer {
        let server = TestServer::start();
        let mut create = json!({
            "TableName": "people",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        });
        create.as_object_mut().unwrap().extend(members.as_object().expect("members").clone());
        answer(&server, "CreateTable", &create);
        server
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Also listens for the binary protocol.
    pub(crate) fn listen_native(&self, credentials: Credentials) -> SocketAddr {
        let server = self.server.as_ref().expect("the server was not stopped");
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        server.listen_native(any_port, credentials).expect("a free port is free")
    }

    pub(crate) fn connect(&self) -> Client {
        let socket = self.open_socket();
        Client::over(socket.try_clone().expect("sockets can be shared"), socket)
    }

    /// A connection on which nothing was said yet.
    pub(crate) fn open_socket(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).expect("the server listens");
        socket.set_read_timeout(Some(READ_TIME_MAX)).expect("a timeout can be set");
        socket.set_nodelay(true).expect("small packets can be sent");
        socket
    }

    /// One request on a connection of its own.
    pub(crate) fn send(&self, request: &[u8]) -> Response {
        let mut client = self.connect();
        client.write(request);
        client.read_response()
    }

    /// One call of an operation.
    pub(crate) fn call(&self, operation: &str, body: &str) -> Response {
        self.send(&call(operation, body))
    }

    /// One call of an operation of the streams service.
    pub(crate) fn call_streams(&self, operation: &str, body: &str) -> Response {
        let request = String::from_utf8(call(operation, body)).expect("calls are text");
        self.send(request.replacen("DynamoDB_20120810", "DynamoDBStreams_20120810", 1).as_bytes())
    }

    /// Stops accepting and waits for what is in flight; returns how many connections were cut off.
    pub(crate) fn stop(&mut self) -> usize {
        self.server.take().map_or(0, Server::stop)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop();
        self.engine.blocking().close().expect("an engine in memory closes");
    }
}

/// The bytes of a signed call.
pub(crate) fn call(operation: &str, body: &str) -> Vec<u8> {
    let mut request = call_head(operation, &format!("Content-Length: {}\r\n", body.len())).into_bytes();
    request.extend_from_slice(body.as_bytes());
    request
}

/// The head of a signed call, with further header lines.
pub(crate) fn call_head(operation: &str, headers: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n\
         X-Amz-Target: DynamoDB_20120810.{operation}\r\nX-Amz-Date: 20261122T000000Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=f\r\n{headers}\r\n"
    )
}

/// Bytes to and from a server.
pub(crate) trait Bytes: io::Read + io::Write {}

impl<T: io::Read + io::Write> Bytes for T {}

/// One connection.
pub(crate) struct Client {
    bytes: Box<dyn Bytes>,
    /// Below the bytes.
    socket: TcpStream,
    received: Vec<u8>,
}

impl Client {
    /// A client whose bytes go through `bytes`, and through `socket` in the end.
    pub(crate) fn over(bytes: impl Bytes + 'static, socket: TcpStream) -> Client {
        Client { bytes: Box::new(bytes), socket, received: Vec::new() }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes).expect("the server takes what is sent");
    }

    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.write_all(bytes)?;
        self.bytes.flush()
    }

    pub(crate) fn finish_writing(&mut self) {
        // The server may have closed already.
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// The next response, which must be complete.
    pub(crate) fn read_response(&mut self) -> Response {
        self.try_read_response().expect("a complete response arrives")
    }

    pub(crate) fn try_read_response(&mut self) -> io::Result<Response> {
        let head_length = loop {
            if let Some(at) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.receive()?;
        };
        let head: Vec<u8> = self.received.drain(..head_length).collect();
        let mut response = Response::from_head(&String::from_utf8(head).expect("heads are ASCII"));
        response.body = match response.header("content-length") {
            Some(length) => self.take(length.parse().expect("lengths are numbers"))?,
            None if response.header("transfer-encoding") == Some("chunked") => self.take_chunks()?,
            None => Vec::new(),
        };
        Ok(response)
    }

    /// Waits for the server to close in order; fails if the bytes are cut off or something else comes.
    pub(crate) fn read_end(&mut self) -> io::Result<()> {
        match self.bytes.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Waits for the server to close; returns what it sent before.
    pub(crate) fn read_to_close(&mut self) -> Vec<u8> {
        while let Ok(()) = self.receive() {}
        std::mem::take(&mut self.received)
    }

    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.received.len() < length {
            self.receive()?;
        }
        Ok(self.received.drain(..length).collect())
    }

    fn take_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line_length = loop {
                if let Some(at) = self.received.windows(2).position(|window| window == b"\r\n") {
                    break at;
                }
                self.receive()?;
            };
            let line = self.take(line_length + 2)?;
            let digits = String::from_utf8_lossy(&line[..line_length]).into_owned();
            let length = usize::from_str_radix(&digits, 16).expect("chunk sizes are hexadecimal");
            let chunk = self.take(length + 2)?;
            if length == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&chunk[..length]);
        }
    }

    fn receive(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 << 10];
        match self.bytes.read(&mut buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// The answer to a call that succeeds.
pub(crate) fn answer(server: &TestServer, operation: &str, body: &Value) -> Value {
    let response = server.call(operation, &body.to_string());
    assert_eq!(response.status, 200, "{operation} {body}: {}", response.text());
    response.assert_common_headers();
    response.json()
}

/// A response, taken apart.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    fn from_head(head: &str) -> Response {
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(": "));
        Response {
            status: status.expect("a status line"),
            headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect(),
            body: Vec::new(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("bodies are UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The text of an error.
    pub(crate) fn message(&self) -> String {
        let json = self.json();
        let message = json.get("message").or_else(|| json.get("Message"));
        message.and_then(|message| message.as_str()).unwrap_or_default().to_owned()
    }

    /// The name of an error, without its namespace.
    pub(crate) fn exception(&self) -> String {
        let json = self.json();
        let name = json.get("__type").and_then(|name| name.as_str()).unwrap_or_default();
        name.split('#').next_back().unwrap_or_default().to_owned()
    }

    /// Checks what every answer has: a request id and the checksum of its body.
    pub(crate) fn assert_common_headers(&self) {
        let id = self.header("x-amzn-requestid").expect("a request id");
        assert_eq!(id.len(), 52, "{id}");
        assert!(id.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()), "{id}");
        assert_eq!(self.header("x-amz-crc32"), Some(crc32fast::hash(&self.body).to_string().as_str()));
        assert_eq!(self.header("content-length"), Some(self.body.len().to_string().as_str()));
    }
}
