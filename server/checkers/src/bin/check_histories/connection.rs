//! One keep-alive connection that speaks DynamoDB's JSON over a plain socket.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// A server that says nothing for so long has failed its client.
const SILENCE_MAX: Duration = Duration::from_secs(30);
const CHUNK_BYTES: usize = 64 << 10;

/// Which of the two services is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// Tables and items.
    Tables,
    /// Records of changes.
    Streams,
}

impl Service {
    fn prefix(self) -> &'static str {
        match self {
            Service::Tables => "DynamoDB_20120810",
            Service::Streams => "DynamoDBStreams_20120810",
        }
    }
}

/// A connection without a request under way.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        Ok(Self { stream, received: Vec::new() })
    }

    /// Sends one request and waits for its answer: status and body.
    pub(crate) fn exchange(
        &mut self,
        service: Service,
        operation: &str,
        body: &Value,
    ) -> io::Result<(u16, Value)> {
        let body = body.to_string();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n\
             X-Amz-Target: {}.{operation}\r\nX-Amz-Date: 20260101T000000Z\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=check/20260101/us-east-1/dynamodb/aws4_request, \
             SignedHeaders=host;x-amz-date;x-amz-target, Signature={:064}\r\nContent-Length: {}\r\n\r\n",
            service.prefix(),
            0,
            body.len(),
        );
        self.stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
        self.receive()
    }

    fn receive(&mut self) -> io::Result<(u16, Value)> {
        loop {
            if let Some((status, length)) = whole_answer(&self.received)? {
                let start = self.received.len() - length;
                let body = serde_json::from_slice(&self.received[start..]).map_err(io::Error::other)?;
                self.received.clear();
                return Ok((status, body));
            }
            let filled = self.received.len();
            self.received.resize(filled + CHUNK_BYTES, 0);
            let count = self.stream.read(&mut self.received[filled..])?;
            self.received.truncate(filled + count);
            if count == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Status and length of the body, once all of an answer is there.
fn whole_answer(received: &[u8]) -> io::Result<Option<(u16, usize)>> {
    let Some(head_end) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&received[..head_end]);
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|text| text.parse().ok());
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, length)| length.trim().parse::<usize>().ok());
    let (Some(status), Some(length)) = (status, length) else {
        return Err(io::Error::other(format!("an answer without status or length: {head}")));
    };
    Ok((received.len() == head_end + 4 + length).then_some((status, length)))
}
