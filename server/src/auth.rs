//! The shape of a request's signature.
//!
//! Signatures are accepted unverified for now (the start-up log says so), but a request must look signed, because
//! clients and their tests rely on the errors for those that do not.

use std::borrow::Cow;

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, DATE, HeaderValue};

use crate::dynamodb::error_map::{ApiError, Exception};
use crate::dynamodb::messages;

const HEADER_PARAMETERS: [&str; 3] = ["Credential", "Signature", "SignedHeaders"];
const QUERY_PARAMETERS: [&str; 5] =
    ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"];

/// Checks that a request carries one complete signature, in its headers or in its query.
pub(crate) fn check_shape<'a>(headers: &'a HeaderMap, query: Option<&str>) -> Result<(), ApiError> {
    let text = |value: &'a HeaderValue| match value.to_str() {
        Ok(text) => Cow::Borrowed(text),
        Err(_not_ascii) => String::from_utf8_lossy(value.as_bytes()),
    };
    let header = headers.get(AUTHORIZATION).map(text);
    let header = header.filter(|header| !header.is_empty());
    let query = query.unwrap_or_default();
    match (header, query_parameter(query, "X-Amz-Algorithm")) {
        (Some(_), Some(_)) => Err(ApiError::new(Exception::InvalidSignature, messages::BOTH_SIGNATURES)),
        (Some(header), None) if header.trim().starts_with("AWS4-") => check_header(&header, headers),
        (None, Some(_)) => check_query(query),
        _ => Err(ApiError::new(Exception::MissingAuthenticationToken, messages::MISSING_TOKEN)),
    }
}

fn check_header(header: &str, headers: &HeaderMap) -> Result<(), ApiError> {
    let mut has_parameter = [false; HEADER_PARAMETERS.len()];
    // As bytes: this is read for every request.
    for part in header.as_bytes().split(|byte| matches!(byte, b',' | b' ')).skip(1).map(<[u8]>::trim_ascii) {
        for (name, has) in HEADER_PARAMETERS.iter().zip(&mut has_parameter) {
            let value = part.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
            *has |= value.is_some_and(|value| !value.is_empty());
        }
    }
    let mut text = String::new();
    for (name, _) in HEADER_PARAMETERS.iter().zip(has_parameter).filter(|(_, has)| !has) {
        text.push_str(&messages::missing_header_parameter(name));
    }
    if !headers.contains_key("x-amz-date") && !headers.contains_key(DATE) {
        text.push_str(messages::MISSING_DATE_HEADER);
    }
    incomplete_if_told(text, || messages::authorization_echo(header))
}

fn check_query(query: &str) -> Result<(), ApiError> {
    let mut text = String::new();
    for name in QUERY_PARAMETERS {
        if query_parameter(query, name).is_none_or(str::is_empty) {
            text.push_str(&messages::missing_query_parameter(name));
        }
    }
    incomplete_if_told(text, || messages::REEXAMINE_QUERY.to_owned())
}

fn incomplete_if_told(mut text: String, end: impl FnOnce() -> String) -> Result<(), ApiError> {
    if text.is_empty() {
        return Ok(());
    }
    text.push_str(&end());
    Err(ApiError::new(Exception::IncompleteSignature, text))
}

/// A parameter's value in a query; empty if it has none.
fn query_parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let mut parameters = query.split('&').map(|part| part.split_once('=').unwrap_or((part, "")));
    parameters.find(|(key, _)| *key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderName;

    use super::*;

    fn told(headers: &[(&'static str, &'static str)], query: &str) -> Vec<u8> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        match check_shape(&headers, Some(query)) {
            Ok(()) => Vec::new(),
            Err(error) => error.into_body().unwrap(),
        }
    }

    fn assert_told(checksum: u32, authorization: Option<&'static str>, query: &str) {
        let header: Vec<_> = authorization.map(|header| ("authorization", header)).into_iter().collect();
        let body = told(&header, query);
        assert_eq!(
            crc32fast::hash(&body),
            checksum,
            "{authorization:?} {query:?}: {}",
            String::from_utf8_lossy(&body)
        );
    }

    /// The checksums are those that AWS sent with its answers, as dynalite's tests record them.
    #[test]
    fn incomplete_signatures_are_answered_as_aws_does() {
        let unsigned = 2_088_342_776;
        let others = "X-Amz-Credential=a&X-Amz-Signature=b&X-Amz-SignedHeaders=c&X-Amz-Date=d";
        assert_told(unsigned, None, "");
        assert_told(unsigned, Some("AWS4"), "");
        assert_told(unsigned, Some("X"), "X-Amz-Algorith");
        assert_told(unsigned, None, others);
        assert_told(2_139_606_068, Some("X"), "X-Amz-Algorithm");
        assert_told(2_900_502_663, None, "X-Amz-Algorithm");
        assert_told(
            3_712_057_481,
            None,
            "X-Amz-Algorithm=a&X-Amz-Credential=b&X-Amz-Signature=c&X-Amz-Date=d",
        );
        assert_told(1_828_866_742, Some("AWS4-"), "");
    }

    #[test]
    fn a_date_header_will_do_for_a_date() {
        let date = ("date", "a");
        for (header, checksum) in [
            ("AWS4- Signature=b Credential=a", 15_336_762),
            ("AWS4- Signature=b,Credential=a", 1_159_703_774),
            ("AWS4- Signature=b, Credential=a", 164_353_342),
        ] {
            assert_eq!(crc32fast::hash(&told(&[("authorization", header), date], "")), checksum, "{header}");
        }
    }

    #[test]
    fn complete_signatures_pass_unverified() {
        let header = "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=c";
        assert!(told(&[("authorization", header), ("x-amz-date", "now")], "").is_empty());
    }
}
