//! What HTTP requests are, before any operation: the edges of DynamoDB's endpoint.
//!
//! A GET of anything is a health check, a request from a browser gets the headers it needs, and whatever is not a
//! POST of JSON is 404 with a body that is not JSON. Facts as observed on AWS by dynalite's tests.

use bytes::Bytes;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, CONTENT_TYPE,
    HeaderValue, ORIGIN,
};
use hyper::{HeaderMap, Method, Response, StatusCode};

use super::request_id::RequestId;
use super::response::{AnswerBody, JsonType, answer, empty};

const NOT_FOUND_BODY: &[u8] = b"<UnknownOperationException/>\n";
const CORS_MAX_AGE_SECONDS: HeaderValue = HeaderValue::from_static("172800");

/// What a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edge {
    /// A call of an operation, to be answered in this type.
    Operation(JsonType),
    /// A browser asks what it may send.
    Preflight,
    /// A health check.
    Health,
    /// Nothing that DynamoDB knows.
    NotFound,
}

/// What a request is, by its head and whether it has a body.
pub(crate) fn classify(method: &Method, headers: &HeaderMap, has_body: bool) -> Edge {
    if method == Method::OPTIONS && headers.contains_key(ORIGIN) {
        return Edge::Preflight;
    }
    if method == Method::GET {
        return Edge::Health;
    }
    match (method == Method::POST, json_type(headers)) {
        (true, Some(json_type)) => Edge::Operation(json_type),
        (true, None) if !has_body => Edge::Operation(JsonType::Json),
        _ => Edge::NotFound,
    }
}

/// The JSON type that a request's Content-Type names; parameters do not matter.
fn json_type(headers: &HeaderMap) -> Option<JsonType> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    match value.split(';').next().unwrap_or_default().trim() {
        "application/json" => Some(JsonType::Json),
        "application/x-amz-json-1.0" => Some(JsonType::AmzJson10),
        _ => None,
    }
}

/// The answer to a health check; the space at its end is DynamoDB's.
pub(crate) fn health(region: &str, request_id: RequestId) -> Response<AnswerBody> {
    answer(StatusCode::OK, format!("healthy: dynamodb.{region}.amazonaws.com "), request_id)
}

/// The answer to what is no call.
pub(crate) fn not_found(request_id: RequestId) -> Response<AnswerBody> {
    answer(StatusCode::NOT_FOUND, Bytes::from_static(NOT_FOUND_BODY), request_id)
}

/// The answer to a preflight: everything it asks for is allowed.
pub(crate) fn preflight(headers: &HeaderMap, request_id: RequestId) -> Response<AnswerBody> {
    let mut response = empty(StatusCode::OK, request_id);
    let allowed = [
        (ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_ALLOW_HEADERS),
        (ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_ALLOW_METHODS),
    ];
    for (requested, allowed) in allowed {
        if let Some(value) = headers.get(requested) {
            response.headers_mut().insert(allowed, value.clone());
        }
    }
    response.headers_mut().insert(ACCESS_CONTROL_MAX_AGE, CORS_MAX_AGE_SECONDS);
    response
}

/// Lets pages of any origin read an answer.
pub(crate) fn allow_any_origin(response: &mut Response<AnswerBody>) {
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (hyper::header::HeaderName::from_static(name), HeaderValue::from_static(value))
            })
            .collect()
    }

    #[test]
    fn content_types_decide_what_a_post_is() {
        let cases = [
            ("application/json", Edge::Operation(JsonType::Json)),
            ("application/json;charset=utf-8", Edge::Operation(JsonType::Json)),
            ("  application/json  ;   asfd", Edge::Operation(JsonType::Json)),
            ("application/x-amz-json-1.0", Edge::Operation(JsonType::AmzJson10)),
            ("application/x-amz-json-1.1", Edge::NotFound),
            ("application/jsonasdf", Edge::NotFound),
            ("whatever", Edge::NotFound),
        ];
        for (content_type, edge) in cases {
            assert_eq!(
                classify(&Method::POST, &headers(&[("content-type", content_type)]), true),
                edge,
                "{content_type}"
            );
        }
        assert_eq!(classify(&Method::POST, &HeaderMap::new(), true), Edge::NotFound);
        assert_eq!(classify(&Method::POST, &HeaderMap::new(), false), Edge::Operation(JsonType::Json));
    }

    #[test]
    fn only_browsers_preflight() {
        assert_eq!(classify(&Method::OPTIONS, &headers(&[("origin", "x")]), false), Edge::Preflight);
        assert_eq!(classify(&Method::OPTIONS, &HeaderMap::new(), false), Edge::NotFound);
    }

    #[test]
    fn other_methods_are_not_found() {
        assert_eq!(classify(&Method::GET, &HeaderMap::new(), false), Edge::Health);
        for method in [Method::PUT, Method::DELETE, Method::HEAD] {
            assert_eq!(classify(&method, &HeaderMap::new(), false), Edge::NotFound, "{method}");
        }
    }
}
