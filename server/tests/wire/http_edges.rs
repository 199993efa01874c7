//! The edges of HTTP, over a real socket, byte by byte: what DynamoDB's endpoint answers before any operation, and
//! how the server holds out against clients that are slow, large or broken.
use std::io::{Read as _, Write as _};
use std::time::Duration;

use basalt_server::Limits;
use flate2::Compression;
use flate2::read::{GzDecoder, ZlibDecoder};
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;

use crate::support::{TestServer, call, call_head};

const BODY_BYTES_MAX: usize = 16 << 20;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bare_deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gzip_call(compressed: &[u8]) -> Vec<u8> {
    compressed_call("gzip", compressed)
}

fn compressed_call(coding: &str, compressed: &[u8]) -> Vec<u8> {
    let headers = format!("Content-Encoding: {coding}\r\nContent-Length: {}\r\n", compressed.len());
    let mut request = call_head("ListTables", &headers).into_bytes();
    request.extend_from_slice(compressed);
    request
}

#[test]
fn get_is_a_health_check() {
    let server = TestServer::start();
    let response = server.send(b"GET /anything HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(
        (response.status, response.text().as_str()),
        (200, "healthy: dynamodb.us-east-1.amazonaws.com ")
    );
    assert_eq!(response.header("x-amz-crc32"), Some("3128867991"), "as AWS sends it");
    response.assert_common_headers();
}

#[test]
fn what_is_no_call_is_not_found() {
    let server = TestServer::start();
    let requests = [
        "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "DELETE / HTTP/1.1\r\nHost: x\r\n\r\n",
        "OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: 2\r\n\r\n{}",
    ];
    for request in requests {
        let response = server.send(request.as_bytes());
        assert_eq!(
            (response.status, response.text().as_str()),
            (404, "<UnknownOperationException/>\n"),
            "{request}"
        );
        assert_eq!(response.header("x-amz-crc32"), Some("3552371480"), "as AWS sends it");
        response.assert_common_headers();
    }
}

#[test]
fn content_types_are_echoed() {
    let server = TestServer::start();
    for (sent, answered) in [
        ("application/json", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        ("application/x-amz-json-1.0", "application/x-amz-json-1.0"),
        ("application/x-amz-json-1.0;x", "application/x-amz-json-1.0"),
    ] {
        let request =
            format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Type: {sent}\r\nContent-Length: 2\r\n\r\nhi");
        let response = server.send(request.as_bytes());
        assert_eq!(response.text(), r#"{"__type":"com.amazon.coral.service#SerializationException"}"#);
        assert_eq!((response.status, response.header("content-type")), (400, Some(answered)));
        response.assert_common_headers();
    }
}

#[test]
fn a_call_without_body_or_target_is_unknown() {
    let server = TestServer::start();
    let response = server.send(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(response.text(), r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#);
    assert_eq!(response.header("content-type"), Some("application/json"));
}

#[test]
fn browsers_may_call_from_anywhere() {
    let server = TestServer::start();
    let preflight = server.send(
        b"OPTIONS / HTTP/1.1\r\nHost: x\r\nOrigin: http://a\r\nAccess-Control-Request-Headers: a, b, c\r\n\
          Access-Control-Request-Method: d\r\n\r\n",
    );
    assert_eq!((preflight.status, preflight.body.len()), (200, 0));
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
    assert_eq!(preflight.header("access-control-allow-headers"), Some("a, b, c"));
    assert_eq!(preflight.header("access-control-allow-methods"), Some("d"));
    assert_eq!(preflight.header("access-control-max-age"), Some("172800"));
    assert_eq!(preflight.header("content-length"), Some("0"));

    let answer = server.send(b"POST / HTTP/1.1\r\nHost: x\r\nOrigin: http://a\r\n\r\n");
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

#[test]
fn faults_are_told_in_dynamodbs_order() {
    let server = TestServer::start();
    let unsigned = |target: &str, body: &str| {
        server.send(
            format!(
                "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Amz-Target: {target}\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .as_bytes(),
        )
    };
    let known = "DynamoDB_20120810.ListTables";
    assert_eq!(unsigned("nonsense", "{").exception(), "SerializationException");
    assert_eq!(unsigned("nonsense", "{}").exception(), "UnknownOperationException");
    assert_eq!(unsigned(known, "{").exception(), "SerializationException");
    assert_eq!(unsigned(known, "{}").exception(), "MissingAuthenticationTokenException");
    assert_eq!(unsigned(known, "").exception(), "MissingAuthenticationTokenException");
    assert_eq!(unsigned(known, r#"{"Limit":"x"}"#).exception(), "MissingAuthenticationTokenException");
    assert_eq!(
        server.call("ListTables", "").text(),
        r#"{"__type":"com.amazon.coral.service#SerializationException"}"#
    );
    assert_eq!(
        server.call("ListTables", r#"{"Limit":"x"}"#).message(),
        "STRING_VALUE cannot be converted to Integer"
    );
    let garbage_after_type_error = server.call("ListTables", r#"{"Limit":"x"} x"#);
    assert_eq!(
        garbage_after_type_error.text(),
        r#"{"__type":"com.amazon.coral.service#SerializationException"}"#
    );
    assert_eq!(server.call("ListTables", r#"{"Limit":0}"#).exception(), "ValidationException");
}

#[test]
fn many_requests_use_one_connection() {
    let server = TestServer::start();
    let mut client = server.connect();
    let mut ids = Vec::new();
    for _ in 0..50 {
        client.write(&call("ListTables", "{}"));
        let response = client.read_response();
        assert_eq!(response.status, 200, "{}", response.text());
        response.assert_common_headers();
        ids.push(response.header("x-amzn-requestid").unwrap().to_owned());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 50, "each request has its own id");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = TestServer::start();
    let mut client = server.connect();
    let requests = [call("ListTables", "{}"), call("DescribeLimits", "{}"), call("Nonsense", "{}")].concat();
    client.write(&requests);
    assert!(client.read_response().text().contains("TableNames"));
    assert!(client.read_response().text().contains("AccountMaxReadCapacityUnits"));
    assert_eq!(client.read_response().exception(), "UnknownOperationException");
}

#[test]
fn requests_may_arrive_byte_by_byte() {
    let server = TestServer::start();
    let mut client = server.connect();
    for byte in call("ListTables", "{\"Limit\": 5}") {
        client.write(&[byte]);
    }
    assert_eq!(client.read_response().status, 200);
}

#[test]
fn clients_that_expect_100_are_told_to_continue() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.write(call_head("ListTables", "Expect: 100-continue\r\nContent-Length: 2\r\n").as_bytes());
    assert_eq!(client.read_response().status, 100);
    client.write(b"{}");
    assert_eq!(client.read_response().status, 200);
}

#[test]
fn bodies_may_be_chunked() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.write(call_head("ListTables", "Transfer-Encoding: chunked\r\n").as_bytes());
    client.write(b"1\r\n{\r\n9\r\n\"Limit\":5\r\n1\r\n}\r\n0\r\n\r\n");
    assert_eq!(client.read_response().status, 200);
}

#[test]
fn bodies_may_be_compressed_in_one_or_several_members() {
    let server = TestServer::start();
    assert_eq!(server.send(&gzip_call(&gzip(b"{}"))).status, 200);
    let members = [gzip(b"{\"Lim"), gzip(b"it\":5}")].concat();
    assert_eq!(server.send(&gzip_call(&members)).status, 200);
}

#[test]
fn deflated_bodies_may_have_the_header_of_zlib_or_none() {
    let server = TestServer::start();
    for deflated in [zlib(b"{}"), bare_deflate(b"{}")] {
        assert_eq!(server.send(&compressed_call("deflate", &deflated)).status, 200);
        assert_eq!(server.send(&compressed_call("Deflate", &deflated)).status, 200);
    }
    let bomb = zlib(&vec![b' '; BODY_BYTES_MAX + 1]);
    assert_eq!(server.send(&compressed_call("deflate", &bomb)).status, 413);
    let trailing = [zlib(b"{}"), b"x".to_vec()].concat();
    for broken in [trailing.as_slice(), &zlib(b"{}")[..4], b"hello", b""] {
        assert_eq!(server.send(&compressed_call("deflate", broken)).status, 500);
    }
}

#[test]
fn large_answers_are_compressed_for_those_who_accept_it() {
    let server = TestServer::start();
    for number in 0..100 {
        let create = format!(
            r#"{{"TableName":"table-of-a-long-name-{number}","BillingMode":"PAY_PER_REQUEST","KeySchema":[{{"AttributeName":"pk","KeyType":"HASH"}}],"AttributeDefinitions":[{{"AttributeName":"pk","AttributeType":"S"}}]}}"#
        );
        assert_eq!(server.call("CreateTable", &create).status, 200);
    }
    let plain = server.call("ListTables", "{}");
    assert_eq!(plain.header("content-encoding"), None);
    let accepting = |codings: &str, body: &str| {
        let headers = format!("Accept-Encoding: {codings}\r\nContent-Length: {}\r\n", body.len());
        let response = server.send((call_head("ListTables", &headers) + body).as_bytes());
        response.assert_common_headers();
        response
    };
    let zipped = accepting("gzip, deflate", "{}");
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    assert!(zipped.body.len() < plain.body.len() / 2);
    let mut inflated = Vec::new();
    GzDecoder::new(zipped.body.as_slice()).read_to_end(&mut inflated).unwrap();
    assert_eq!(inflated, plain.body);

    let deflated = accepting("deflate", "{}");
    assert_eq!(deflated.header("content-encoding"), Some("deflate"));
    let mut inflated = Vec::new();
    ZlibDecoder::new(deflated.body.as_slice()).read_to_end(&mut inflated).unwrap();
    assert_eq!(inflated, plain.body);

    assert_eq!(accepting("identity", "{}").body, plain.body);
    assert_eq!(accepting("gzip", r#"{"Limit":1}"#).header("content-encoding"), None, "too small to gain");
}

#[test]
fn broken_compression_is_an_internal_error() {
    let server = TestServer::start();
    let mut broken = gzip(b"{}");
    broken[12] ^= 0xff;
    let truncated = &gzip(b"{}")[..10];
    for compressed in [broken.as_slice(), truncated, b"hello", b""] {
        let response = server.send(&gzip_call(compressed));
        assert_eq!((response.status, response.exception().as_str()), (500, "InternalServerError"));
        response.assert_common_headers();
    }
}

#[test]
fn bodies_that_inflate_beyond_the_limit_are_refused() {
    let server = TestServer::start();
    let bomb = gzip(&vec![b' '; BODY_BYTES_MAX + 1]);
    assert!(bomb.len() < 1 << 20, "it is small as sent");
    assert_eq!(server.send(&gzip_call(&bomb)).status, 413);
    assert_eq!(server.call("ListTables", "{}").status, 200);
}

#[test]
fn bodies_of_16_mib_are_read_and_larger_ones_refused() {
    let server = TestServer::start();
    let padded = |length: usize| format!("{{}}{}", " ".repeat(length - 2));
    assert_eq!(server.call("ListTables", &padded(BODY_BYTES_MAX)).status, 200);

    let response = server.call("ListTables", &padded(BODY_BYTES_MAX + 1));
    assert_eq!((response.status, response.body.len()), (413, 0));
    assert_eq!(response.header("transfer-encoding"), Some("chunked"));
    assert_eq!(response.header("x-amzn-requestid"), None);

    let mut client = server.connect();
    client.write(call_head("ListTables", "Transfer-Encoding: chunked\r\n").as_bytes());
    let chunk = [b"100000\r\n".as_slice(), &vec![b' '; 1 << 20], b"\r\n"].concat();
    for _ in 0..17 {
        client.write(&chunk);
    }
    client.write(b"0\r\n\r\n");
    assert_eq!(client.read_response().status, 413);
}

#[test]
fn requests_beyond_the_memory_for_requests_are_throttled() {
    let server = TestServer::with_limits(Limits { request_memory_bytes: 1 << 20, ..Limits::default() });
    let response = server.call("ListTables", &format!("{{}}{}", " ".repeat(2 << 20)));
    assert_eq!((response.status, response.exception().as_str()), (400, "ThrottlingException"));
    assert_eq!(server.call("ListTables", "{}").status, 200, "the memory is given back");
}

#[test]
fn heads_beyond_16_kib_are_bad_requests() {
    let server = TestServer::start();
    for length in [17_000, 40_000] {
        let mut client = server.connect();
        let head =
            call_head("ListTables", &format!("X-Long: {}\r\nContent-Length: 2\r\n", "x".repeat(length)));
        client.write((head + "{}").as_bytes());
        let response = client.read_response();
        assert_eq!((response.status, response.header("connection")), (400, Some("close")), "{length}");
        assert_eq!(client.read_to_close(), b"", "the connection ends");
    }
    let mut client = server.connect();
    let request = call_head("ListTables", &format!("X-Long: {}\r\n", "x".repeat(200_000)));
    // The server may close before it has read everything.
    let _ = client.try_write(request.as_bytes());
    let answer = client.read_to_close();
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(server.call("ListTables", "{}").status, 200);
}

#[test]
fn json_nested_200_000_deep_is_answered() {
    let server = TestServer::start();
    let depth = 200_000;
    let unknown = format!(r#"{{"Unknown":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert_eq!(server.call("ListTables", &unknown).status, 200, "unknown members are dropped");
    let unfinished = format!(r#"{{"Unknown":{}"#, "{\"a\":".repeat(depth));
    assert_eq!(server.call("ListTables", &unfinished).exception(), "SerializationException");
    let value = format!("{}{{\"S\":\"x\"}}{}", "{\"L\":[".repeat(depth), "]}".repeat(depth));
    let item = format!(r#"{{"TableName":"abc","Item":{{"a":{value}}}}}"#);
    assert!(
        server.call("PutItem", &item).message().starts_with("Nesting Levels have exceeded supported limits")
    );
}

#[test]
fn idle_connections_are_closed() {
    let server =
        TestServer::with_limits(Limits { idle_time: Duration::from_millis(50), ..Limits::default() });
    assert!(server.connect().read_to_close().is_empty(), "before the first request");
    let mut client = server.connect();
    client.write(&call("ListTables", "{}"));
    assert_eq!(client.read_response().status, 200);
    assert!(client.read_to_close().is_empty(), "after an answer");
}

#[test]
fn heads_that_do_not_end_are_not_waited_for() {
    let server =
        TestServer::with_limits(Limits { head_time: Duration::from_millis(50), ..Limits::default() });
    let mut client = server.connect();
    client.write(b"POST / HTTP/1.1\r\nHost: x\r\nX-Slow");
    client.read_to_close();
    assert_eq!(server.call("ListTables", "{}").status, 200);
}

#[test]
fn a_quick_head_is_no_reason_to_close_an_idle_connection_early() {
    let limits = Limits {
        head_time: Duration::from_millis(50),
        idle_time: Duration::from_secs(60),
        ..Limits::default()
    };
    let server = TestServer::with_limits(limits);
    let mut client = server.connect();
    for _ in 0..2 {
        client.write(&call("ListTables", "{}"));
        assert_eq!(client.read_response().status, 200);
        // Longer than a head may take: this test is about time that passes.
        std::thread::sleep(Duration::from_millis(150));
    }
}

#[test]
fn bodies_that_do_not_end_are_not_waited_for() {
    let server =
        TestServer::with_limits(Limits { body_time: Duration::from_millis(50), ..Limits::default() });
    let mut client = server.connect();
    client.write(call_head("ListTables", "Content-Length: 100\r\n").as_bytes());
    client.write(b"{");
    assert!(client.read_to_close().is_empty());
}

#[test]
fn half_sent_requests_end_with_their_connection() {
    let server = TestServer::start();
    for request in
        [b"POST / HTTP/1.1\r\nHos".as_slice(), call_head("ListTables", "Content-Length: 9\r\n").as_bytes()]
    {
        let mut client = server.connect();
        client.write(request);
        client.finish_writing();
        client.read_to_close();
    }
    assert_eq!(server.call("ListTables", "{}").status, 200);
}

#[test]
fn connections_beyond_the_cap_are_closed() {
    let server = TestServer::with_limits(Limits { connections_max: 2, ..Limits::default() });
    let mut open: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for client in &mut open {
        client.write(&call("ListTables", "{}"));
        assert_eq!(client.read_response().status, 200);
    }
    assert!(server.connect().read_to_close().is_empty());
    // Its place is free once the server has seen it go.
    open.pop().unwrap().finish_writing();
    let answered = (0..1000).any(|_| {
        let mut client = server.connect();
        client.try_write(&call("ListTables", "{}")).is_ok() && client.try_read_response().is_ok()
    });
    assert!(answered, "a place that was given up is taken again");
}

#[test]
fn a_stop_lets_requests_in_flight_finish() {
    let mut server = TestServer::start();
    let mut idle = server.connect();
    idle.write(&call("ListTables", "{}"));
    assert_eq!(idle.read_response().status, 200);

    let mut client = server.connect();
    client.write(call_head("ListTables", "Expect: 100-continue\r\nContent-Length: 2\r\n").as_bytes());
    assert_eq!(client.read_response().status, 100, "the request is in flight");
    let (cut_off, response) = std::thread::scope(|scope| {
        let stopping = scope.spawn(|| server.stop());
        assert!(idle.read_to_close().is_empty(), "idle connections are closed at once");
        client.write(b"{}");
        (stopping.join().unwrap(), client.read_response())
    });
    assert_eq!((cut_off, response.status), (0, 200));
    assert!(client.read_to_close().is_empty());
}

#[test]
fn a_stop_does_not_wait_for_ever() {
    let mut server =
        TestServer::with_limits(Limits { shutdown_time: Duration::from_millis(50), ..Limits::default() });
    let mut client = server.connect();
    client.write(call_head("ListTables", "Expect: 100-continue\r\nContent-Length: 2\r\n").as_bytes());
    assert_eq!(client.read_response().status, 100);
    assert_eq!(server.stop(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn garbage_on_the_socket_harms_nobody(garbage in prop::collection::vec(any::<u8>(), 1..400)) {
        thread_local!(static SERVER: TestServer = TestServer::start());
        SERVER.with(|server| {
            let mut client = server.connect();
            let _ = client.try_write(&garbage);
            client.finish_writing();
            client.read_to_close();
            prop_assert_eq!(server.call("ListTables", "{}").status, 200);
            Ok(())
        })?;
    }

    #[test]
    fn damaged_requests_harm_nobody(position in 0usize..400, byte in any::<u8>(), length in 1usize..400) {
        thread_local!(static SERVER: TestServer = TestServer::start());
        SERVER.with(|server| {
            let mut request = call("PutItem", r#"{"TableName":"abc","Item":{"a":{"S":"x"}}}"#);
            let position = position % request.len();
            request[position] = byte;
            request.truncate(length);
            let mut client = server.connect();
            let _ = client.try_write(&request);
            client.finish_writing();
            client.read_to_close();
            prop_assert_eq!(server.call("ListTables", "{}").status, 200);
            Ok(())
        })?;
    }
}
