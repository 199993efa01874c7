//! Counts the allocations of a request, from its bytes to its answer's: a regression hides in noise when only time is
//! measured, and not here.
//!
//! One shard, in memory, so that the counts depend on nothing but the code. The client of the same process sends
//! bytes that were written before and reads into a buffer that it keeps: what is counted is the server's.

#![expect(unsafe_code, reason = "an allocator that counts")]
#![expect(clippy::disallowed_types, reason = "a client on a real socket")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};

use basalt_engine::{Engine, EngineOptions};
use basalt_server::{Limits, ResourceNames, Server};

/// Requests that are counted together: what happens now and then weighs little in their mean.
const REQUESTS: u64 = 2000;
/// Allocations of a GetItem of five attributes: 18 when this was written, in every run.
const GET_ALLOCATIONS_MAX: f64 = 20.0;
/// Allocations of a PutItem of five attributes, its log entry and its way into the tree included: 46 when this was
/// written, and fewer where several entries go into the tree at a time.
const PUT_ALLOCATIONS_MAX: f64 = 52.0;

struct CountingAllocator;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn requests_for_one_item_allocate_little() {
    let options = EngineOptions {
        shard_count: Some(1),
        in_memory: true,
        pin_shards: false,
        ..EngineOptions::default()
    };
    let names = ResourceNames { account_id: options.account_id.clone(), region: options.region.clone() };
    let engine = Engine::open("unused", options).expect("an engine in memory opens");
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let server =
        Server::start(engine.clone(), names, (any_port, None), Limits::default()).expect("a port is free");
    let mut client = Client::connect(server.address());

    client.call(&call(
        "CreateTable",
        r#"{"TableName":"t-t","KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST",
            "AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}]}"#,
    ));
    let puts = ["1", "2"].map(|version| call("PutItem", &put_body(version)));
    let get =
        call("GetItem", r#"{"TableName":"t-t","ConsistentRead":true,"Key":{"id":{"S":"0000000000000001"}}}"#);
    // The first ones make what later ones find made.
    (0..100).for_each(|number| client.call(&puts[number % 2]));
    (0..100).for_each(|_| client.call(&get));

    // Reads first: a write's way into the tree goes on after its answer.
    let get_allocations = allocations_each(|| client.call(&get));
    let mut turn = 0;
    let put_allocations = allocations_each(|| {
        // A put that changes nothing would write nothing.
        client.call(&puts[turn % 2]);
        turn += 1;
    });
    drop(client);
    server.stop();
    engine.blocking().close().expect("an engine in memory closes");
    assert!(get_allocations <= GET_ALLOCATIONS_MAX, "a GetItem makes {get_allocations} allocations");
    assert!(put_allocations <= PUT_ALLOCATIONS_MAX, "a PutItem makes {put_allocations} allocations");
}

fn allocations_each(mut request: impl FnMut()) -> f64 {
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    (0..REQUESTS).for_each(|_| request());
    (ALLOCATIONS.load(Ordering::Relaxed) - before) as f64 / REQUESTS as f64
}

fn put_body(version: &str) -> String {
    let payload = "0123456789abcdef".repeat(15);
    format!(
        r#"{{"TableName":"t-t","Item":{{"id":{{"S":"0000000000000001"}},"active":{{"BOOL":true}},"created":{{"N":"1000000000007"}},"payload":{{"S":"{payload}"}},"version":{{"N":"{version}"}}}}}}"#
    )
}

/// The bytes of a signed call.
fn call(operation: &str, body: &str) -> Vec<u8> {
    format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n\
         X-Amz-Target: DynamoDB_20120810.{operation}\r\nX-Amz-Date: 20261122T000000Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=f\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A keep-alive connection that allocates nothing once it is open.
struct Client {
    stream: TcpStream,
    answer: Box<[u8; 4096]>,
}

impl Client {
    fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("small packets can be sent");
        Client { stream, answer: Box::new([0; 4096]) }
    }

    /// Sends a request and reads its answer, which must tell success.
    fn call(&mut self, request: &[u8]) {
        self.stream.write_all(request).expect("the server takes what is sent");
        let mut filled = 0;
        while !is_whole(&self.answer[..filled]) {
            let count = self.stream.read(&mut self.answer[filled..]).expect("the server answers");
            assert!(count > 0, "the server hung up");
            filled += count;
        }
        let answer = &self.answer[..filled];
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(answer));
    }
}

/// Whether an answer is there up to the length that its head tells.
fn is_whole(answer: &[u8]) -> bool {
    let find = |wanted: &[u8]| answer.windows(wanted.len()).position(|window| window == wanted);
    let (Some(head_end), Some(length_at)) = (find(b"\r\n\r\n"), find(b"content-length: ")) else {
        return false;
    };
    let digits = answer[length_at + 16..].iter().take_while(|byte| byte.is_ascii_digit());
    let length = digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
    answer.len() == head_end + 4 + length
}
