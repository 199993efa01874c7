//! Connections of the binary protocol: handshakes, many requests at a time, pages, limits, and clients that go wrong.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use basalt_client::model::{Item, Number, Value};
use basalt_client::{BlockingClient, Client, Credentials, Error, Node, Request};
use basalt_format::native::frame::{FLAG_MORE, FLAG_PAGES, FrameHead, FrameKind};
use basalt_format::native::handshake::Hello;
use basalt_server::{Credentials as Accepted, Limits};

use super::bare::{Bare, hello, request};
use crate::support::TestServer;

const TABLE: &str = r#"{"TableName":"rocks","BillingMode":"PAY_PER_REQUEST",
    "AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"sk","AttributeType":"N"}],
    "KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}]}"#;

fn served(limits: Limits) -> (TestServer, std::net::SocketAddr) {
    let server = TestServer::with_limits(limits);
    assert_eq!(server.call("CreateTable", TABLE).status, 200);
    let address = server.listen_native(Accepted::Unverified);
    (server, address)
}

fn connected(address: std::net::SocketAddr) -> BlockingClient {
    BlockingClient::connect(address, Credentials::new("id", "secret")).expect("everybody is taken")
}

fn key(sk: i64) -> Item {
    let number = Number::parse(&sk.to_string()).expect("a number");
    [("pk".to_owned(), Value::S("p".to_owned())), ("sk".to_owned(), Value::N(number))].into_iter().collect()
}

fn item(sk: i64, text_bytes: usize) -> Item {
    let mut item = key(sk);
    item.insert("text".to_owned(), Value::S("x".repeat(text_bytes)));
    item
}

fn fill(client: &BlockingClient, count: i64, text_bytes: usize) {
    for sk in 0..count {
        client.call(Request::put_item("rocks", &item(sk, text_bytes))).expect("the item is put");
    }
}

/// Members of a request for one item.
fn get(sk: i64) -> [(&'static str, Node); 2] {
    let key = Node::Item(key(sk).encode().into_bytes());
    [("TableName", Node::Text("rocks".to_owned())), ("Key", key)]
}

fn scan() -> [(&'static str, Node); 1] {
    [("TableName", Node::Text("rocks".to_owned()))]
}

#[test]
fn many_threads_share_a_connection_and_each_gets_its_own_answers() {
    let (_server, address) = served(Limits::default());
    let client = connected(address);
    thread::scope(|scope| {
        for thread in 0..8 {
            let client = client.clone();
            scope.spawn(move || {
                for step in 0..100 {
                    let item = item(thread * 1000 + step, 10 + step as usize);
                    client.call(Request::put_item("rocks", &item)).expect("the item is put");
                    let read = Request::get_item("rocks", &key(thread * 1000 + step)).consistent();
                    assert_eq!(client.call(read).unwrap().item("Item").unwrap(), Some(item));
                }
            });
        }
    });
}

#[test]
fn futures_of_one_connection_are_answered_whatever_the_executor() {
    let (_server, address) = served(Limits::default());
    block_on(async {
        let client = Client::connect(address, Credentials::new("id", "secret")).await.unwrap();
        // More than may be in flight: some wait for room.
        let mut calls: Vec<_> = (0..600)
            .map(|sk| {
                let client = client.clone();
                let call = async move { client.call(Request::put_item("rocks", &item(sk, 5))).await };
                Some(Box::pin(call))
            })
            .collect();
        let mut done = 0;
        std::future::poll_fn(|context| {
            for call in &mut calls {
                if let Some(running) = call
                    && let Poll::Ready(answer) = running.as_mut().poll(context)
                {
                    answer.expect("the item is put");
                    *call = None;
                    done += 1;
                }
            }
            if done == calls.len() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let count = client
            .call(
                Request::query("rocks", "pk = :p")
                    .text("Select", "COUNT")
                    .values([(":p", Value::S("p".to_owned()))]),
            )
            .await
            .unwrap();
        assert_eq!(count.integer("Count"), Some(600));
    });
}

#[test]
fn a_short_answer_overtakes_long_ones() {
    let (server, address) = served(Limits::default());
    fill(&connected(address), 9, 100_000);
    let mut bare = Bare::ready(address);
    // 18 MB of answers: more than the sockets between take.
    let scan_count = 20;
    let scans: Vec<u8> = (1..=scan_count).flat_map(|number| request(number, "Scan", &scan())).collect();
    let put = [
        ("TableName", Node::Text("rocks".to_owned())),
        ("Item", Node::Item(item(999, 10).encode().into_bytes())),
    ];
    bare.send(&[scans, request(0, "PutItem", &put)].concat());
    let read = r#"{"TableName":"rocks","ConsistentRead":true,"Key":{"pk":{"S":"p"},"sk":{"N":"999"}}}"#;
    while !server.call("GetItem", read).text().contains("Item") {}
    // The write is done, and nobody has taken any answer yet.
    let mut scans_answered = 0;
    loop {
        let (head, _) = bare.frame();
        match (head.request, head.flags & FLAG_MORE) {
            (0, _) => break,
            (_, 0) => scans_answered += 1,
            _ => {}
        }
    }
    assert!(scans_answered < scan_count, "the write was answered last");
}

#[test]
fn the_secret_must_be_that_of_the_key() {
    let server = TestServer::start();
    let known = BTreeMap::from([("id".to_owned(), "secret".to_owned())]);
    let address = server.listen_native(Accepted::Known(known));
    assert!(BlockingClient::connect(address, Credentials::new("id", "secret")).is_ok());
    for wrong in [Credentials::new("id", "other"), Credentials::new("nobody", "secret")] {
        let refused = BlockingClient::connect(address, wrong);
        assert!(matches!(refused, Err(Error::Fault { code: 3, .. })), "{refused:?}");
    }
}

#[test]
fn a_version_that_nobody_speaks_is_refused_and_a_range_with_it_is_not() {
    let (_server, address) = served(Limits::default());
    let first_frame = |hello: Hello| {
        let mut bare = Bare::connect(address);
        bare.send(&FrameHead::new(FrameKind::Hello, 0).encode(&hello.encode()));
        bare
    };
    assert_eq!(
        first_frame(Hello { version_min: 2, version_max: 9, ..hello() }).fault(),
        "UnsupportedVersion"
    );
    let (welcome, _) = first_frame(Hello { version_max: 9, ..hello() }).frame();
    assert_eq!(welcome.kind, FrameKind::Welcome);
}

#[test]
fn what_is_not_of_the_protocol_closes_the_connection_with_a_fault() {
    let (_server, address) = served(Limits::default());
    let faults = |bytes: &[u8]| {
        let mut bare = Bare::connect(address);
        bare.send(bytes);
        bare.fault()
    };
    assert_eq!(faults(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), "BadFrame");
    let mut flipped = FrameHead::new(FrameKind::Hello, 0).encode(&hello().encode());
    flipped[20] ^= 1;
    assert_eq!(faults(&flipped), "BadFrame");
    let long = FrameHead::new(FrameKind::Hello, 0).encode(&[0; 1025]);
    assert_eq!(faults(&long), "BadFrame");
    let no_magic = FrameHead::new(FrameKind::Hello, 0).encode(&[0; 36]);
    assert_eq!(faults(&no_magic), "BadFrame");
    assert_eq!(faults(&request(1, "Scan", &scan())), "UnexpectedFrame");
}

#[test]
fn what_a_ready_connection_may_not_send_closes_it() {
    let (_server, address) = served(Limits::default());
    fill(&connected(address), 5, 100_000);
    let faults = |bytes: &[u8]| {
        let mut bare = Bare::ready(address);
        bare.send(bytes);
        loop {
            // Answers to what was right come before.
            match bare.frame() {
                (head, _) if head.kind == FrameKind::Fault => return head.code,
                _ => {}
            }
        }
    };
    let twice = [request(1, "Scan", &scan()), request(1, "Scan", &scan())].concat();
    assert_eq!(faults(&twice), 4, "a number in flight");
    assert_eq!(faults(&FrameHead::new(FrameKind::Hello, 0).encode(&hello().encode())), 4);
    assert_eq!(faults(&FrameHead::new(FrameKind::Answer, 1).encode(&[])), 4);
    let paged = FrameHead { flags: FLAG_PAGES, code: 1, ..FrameHead::new(FrameKind::Request, 1) };
    assert_eq!(faults(&paged.encode(&Node::Object(Vec::new()).encode())), 4, "GetItem has no pages");
}

#[test]
fn documents_that_are_none_are_answered_and_the_connection_goes_on() {
    let (_server, address) = served(Limits::default());
    let mut bare = Bare::ready(address);
    let head = |number, code| FrameHead { code, ..FrameHead::new(FrameKind::Request, number) };
    bare.send(&head(1, 1).encode(b"garbage"));
    bare.send(&head(2, 1).encode(b""));
    bare.send(&head(3, 999).encode(&Node::Object(Vec::new()).encode()));
    let broken_item = [("TableName", Node::Text("rocks".to_owned())), ("Key", Node::Item(vec![1, 2, 3]))];
    bare.send(&request(4, "GetItem", &broken_item));
    let mut codes: BTreeMap<u32, u16> = BTreeMap::new();
    for _ in 0..4 {
        let (head, _) = bare.answer();
        assert_eq!(head.kind, FrameKind::Error);
        codes.insert(head.request, head.code);
    }
    assert_eq!(codes, BTreeMap::from([(1, 21), (2, 21), (3, 29), (4, 21)]));
    bare.send(&request(5, "GetItem", &get(1)));
    assert_eq!(bare.answer().0.kind, FrameKind::Answer);
}

#[test]
fn slow_and_idle_clients_are_told_and_closed() {
    let short = Duration::from_millis(60);
    let (_server, address) = served(Limits { head_time: short, ..Limits::default() });
    assert_eq!(Bare::connect(address).fault(), "TooSlow");
    let (_server, address) = served(Limits { body_time: short, ..Limits::default() });
    let mut half = Bare::ready(address);
    half.send(request(1, "GetItem", &get(1)).get(..30).unwrap());
    assert_eq!(half.fault(), "TooSlow");
    let (_server, address) = served(Limits { idle_time: short, ..Limits::default() });
    assert_eq!(Bare::ready(address).fault(), "Idle");
}

#[test]
fn a_client_that_takes_nothing_is_held_back_and_gets_everything_later() {
    let (_server, address) = served(Limits::default());
    fill(&connected(address), 4, 100_000);
    let mut bare = Bare::ready(address);
    let mut sender = bare.another_handle();
    let count = 300u32;
    // 120 MB of answers to 300 small requests: far more than sockets and server hold at a time.
    let sending = thread::spawn(move || {
        for number in 0..count {
            sender.send(&request(number, "Scan", &scan()));
        }
    });
    let mut answered = 0;
    while answered < count {
        let frame = bare.try_frame();
        let (head, _) = frame.unwrap_or_else(|error| panic!("{answered} of {count} answers came: {error}"));
        answered += u32::from(head.flags & FLAG_MORE == 0);
    }
    sending.join().unwrap();
}

#[test]
fn a_client_that_never_takes_anything_is_cut_off() {
    let limits = Limits { write_time: Duration::from_millis(100), ..Limits::default() };
    let (mut server, address) = served(limits);
    fill(&connected(address), 8, 100_000);
    let mut bare = Bare::ready(address);
    while (0..50u32).all(|number| bare.try_send(&request(number, "Scan", &scan())).is_ok()) {}
    assert_eq!(server.stop(), 0, "no connection is left to be cut off");
}

#[test]
fn a_lost_connection_harms_nobody() {
    let (mut server, address) = served(Limits::default());
    let client = connected(address);
    for length in [1, 20, 100] {
        let mut bare = Bare::ready(address);
        let put = [
            ("TableName", Node::Text("rocks".to_owned())),
            ("Item", Node::Item(item(7, 200).encode().into_bytes())),
        ];
        bare.send(request(1, "PutItem", &put).get(..length).unwrap());
    }
    let mut bare = Bare::ready(address);
    bare.send(&(0..100).flat_map(|number| request(number, "GetItem", &get(1))).collect::<Vec<u8>>());
    drop(bare);
    let read = client.call(Request::get_item("rocks", &key(7)).consistent()).unwrap();
    assert_eq!(read.item("Item").unwrap(), None, "half a request is none");
    drop(client);
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_stop_answers_what_is_in_flight_and_says_so() {
    let (mut server, address) = served(Limits::default());
    let client = connected(address);
    fill(&client, 9, 100_000);
    let mut bare = Bare::ready(address);
    bare.send(&request(1, "Scan", &scan()));
    let (first, _) = bare.frame();
    assert_eq!((first.request, first.kind), (1, FrameKind::Answer));
    let stopping = thread::spawn(move || server.stop());
    let mut is_answered = first.flags & FLAG_MORE == 0;
    let fault = loop {
        let (head, _) = bare.frame();
        match head.kind {
            FrameKind::Fault => break head.code,
            _ => is_answered |= head.flags & FLAG_MORE == 0,
        }
    };
    assert_eq!((is_answered, fault), (true, 7));
    drop(bare);
    assert_eq!(stopping.join().unwrap(), 0);
    assert!(matches!(
        client.call(Request::scan("rocks")),
        Err(Error::Fault { code: 7, .. } | Error::Broken(_))
    ));
}

#[test]
fn pages_follow_each_other_to_the_end() {
    let (_server, address) = served(Limits::default());
    let client = connected(address);
    fill(&client, 25, 10);
    let pages = client.pages(Request::scan("rocks").limit(10)).unwrap();
    let counts: Vec<_> = pages.map(|page| page.unwrap().integer("Count")).collect();
    assert_eq!(counts, [Some(10), Some(10), Some(5)]);
    let refused: Vec<_> = client.pages(Request::scan("nowhere")).unwrap().collect();
    assert!(
        matches!(&refused[..], [Err(Error::Service(error))] if error.exception() == "ResourceNotFoundException")
    );
}

#[test]
fn cancelled_pages_end_early() {
    let (_server, address) = served(Limits::default());
    fill(&connected(address), 60, 20_000);
    let mut bare = Bare::ready(address);
    let mut scan_by_three = scan().to_vec();
    scan_by_three.push(("Limit", Node::Integer(3)));
    let head = FrameHead { flags: FLAG_PAGES, code: 6, ..FrameHead::new(FrameKind::Request, 9) };
    let members = scan_by_three.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    bare.send(&head.encode(&Node::Object(members).encode()));
    bare.send(&FrameHead::new(FrameKind::Cancel, 9).encode(&[]));
    let mut page_count = 0;
    loop {
        let (head, page) = bare.answer();
        page_count += 1;
        if head.flags & FLAG_PAGES == 0 {
            assert!(page.member("LastEvaluatedKey").is_some(), "there would have been more");
            break;
        }
    }
    assert!(page_count < 20, "{page_count} pages came");
    bare.send(&request(9, "GetItem", &get(1)));
    assert_eq!(bare.answer().0.kind, FrameKind::Answer, "the number can be used again");
}

#[test]
fn a_request_that_finds_no_memory_is_refused_and_the_next_one_is_not() {
    let (_server, address) = served(Limits { request_memory_bytes: 300_000, ..Limits::default() });
    let client = connected(address);
    let refused = client.call(Request::put_item("rocks", &item(1, 350_000)));
    assert!(
        matches!(&refused, Err(error) if error.exception() == Some("ThrottlingException")),
        "{refused:?}"
    );
    client.call(Request::put_item("rocks", &item(1, 100))).expect("a small one finds room");
}

#[test]
fn tables_are_made_without_http() {
    let server = TestServer::start();
    let client = connected(server.listen_native(Accepted::Unverified));
    let made = client.call_json("DynamoDB_20120810.CreateTable", TABLE).unwrap();
    assert!(made.contains("\"TableStatus\""), "{made}");
    let again = client.call_json("DynamoDB_20120810.CreateTable", TABLE);
    assert!(matches!(again, Err(Error::Service(error)) if error.exception() == "ResourceInUseException"));
    let unknown = client.call_json("DynamoDB_20120810.NoSuchThing", "{}");
    assert!(
        matches!(unknown, Err(Error::Service(error)) if error.exception() == "UnknownOperationException")
    );
}

/// Waits for a future on this thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match Pin::as_mut(&mut future).poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
