//! Answers, with the headers that every answer has: request id, checksum, length, type.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::compression::Coding;
use super::request_id::RequestId;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const CRC32: HeaderName = HeaderName::from_static("x-amz-crc32");

/// The body of an answer: all of it, at once.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    bytes: Option<Bytes>,
    length: Length,
}

/// Whether the length is told before the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Told,
    /// The body is sent in chunks. DynamoDB does so for one answer, an empty one.
    Chunked,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let rest = self.bytes.take().filter(|bytes| !bytes.is_empty());
        Poll::Ready(rest.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.length == Length::Told && self.bytes.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        match self.length {
            Length::Told => SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Length::Chunked => SizeHint::default(),
        }
    }
}

/// The type of an answer: 1.0 if the request had it, else plain JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonType {
    Json,
    AmzJson10,
}

impl JsonType {
    fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            JsonType::Json => "application/json",
            JsonType::AmzJson10 => "application/x-amz-json-1.0",
        })
    }
}

/// An answer with a checksum and a request id.
pub(crate) fn answer(
    status: StatusCode,
    body: impl Into<Bytes>,
    request_id: RequestId,
) -> Response<AnswerBody> {
    let bytes = body.into();
    let checksum = HeaderValue::from(crc32fast::hash(&bytes));
    let mut response = with_request_id(status, bytes, request_id);
    response.headers_mut().insert(CRC32, checksum);
    response
}

/// A JSON answer.
pub(crate) fn json(
    status: StatusCode,
    json_type: JsonType,
    body: impl Into<Bytes>,
    request_id: RequestId,
) -> Response<AnswerBody> {
    let mut response = answer(status, body, request_id);
    response.headers_mut().insert(CONTENT_TYPE, json_type.header());
    response
}

/// A JSON answer that was compressed; the checksum is that of what travels.
pub(crate) fn compressed_json(
    status: StatusCode,
    json_type: JsonType,
    coding: Coding,
    compressed: Vec<u8>,
    request_id: RequestId,
) -> Response<AnswerBody> {
    let mut response = json(status, json_type, compressed, request_id);
    response.headers_mut().insert(CONTENT_ENCODING, coding.name());
    response
}

/// The answer to a head that is too large, the last on its connection.
pub(crate) fn head_too_large(request_id: RequestId) -> Response<AnswerBody> {
    let mut response = empty(StatusCode::BAD_REQUEST, request_id);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// An answer without a body or checksum.
pub(crate) fn empty(status: StatusCode, request_id: RequestId) -> Response<AnswerBody> {
    with_request_id(status, Bytes::new(), request_id)
}

/// The answer to a body that is too large: chunked, empty, without a request id, and the last on its connection.
pub(crate) fn too_large() -> Response<AnswerBody> {
    let body = AnswerBody { bytes: None, length: Length::Chunked };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn with_request_id(status: StatusCode, bytes: Bytes, request_id: RequestId) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody { bytes: Some(bytes), length: Length::Told });
    *response.status_mut() = status;
    response.headers_mut().insert(REQUEST_ID, request_id.into());
    response
}
