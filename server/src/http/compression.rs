//! Compressed bodies: gzip and deflate, of requests and of answers.
//!
//! Work goes in steps, between which other connections of the shard get their turn. Inflating is bounded before
//! memory is used: a small body may stand for one of any size.

use std::io::{self, Read as _, Write as _};

use basalt_engine::runtime::Handle;
use flate2::Compression;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use hyper::HeaderMap;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue};

use super::body::BodyFailure;
use crate::limits::{BODY_BYTES_MAX, MemoryPermit};

/// Bytes of plain text between two looks at the clock and the account.
const STEP_BYTES: usize = 64 << 10;
/// Answers that are shorter travel as they are: their packet would not become smaller by much.
const ANSWER_BYTES_MIN: usize = 1 << 10;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    /// The zlib format; requests may also bring the bare stream inside of it, as some clients do.
    Deflate,
}

impl Coding {
    /// The coding of a request's body, if it has one.
    pub(crate) fn of_request(headers: &HeaderMap) -> Option<Coding> {
        Coding::from_name(headers.get(CONTENT_ENCODING)?.to_str().ok()?)
    }

    /// The coding that an answer may have, gzip if both may be used.
    pub(crate) fn accepted_by(headers: &HeaderMap) -> Option<Coding> {
        let lines = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
        let accepted = lines.flat_map(|line| line.split(',')).filter_map(accepted_coding);
        accepted.min_by_key(|coding| *coding != Coding::Gzip)
    }

    /// Its name in headers.
    pub(crate) fn name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
        })
    }

    fn from_name(name: &str) -> Option<Coding> {
        match name.trim() {
            name if name.eq_ignore_ascii_case("gzip") => Some(Coding::Gzip),
            name if name.eq_ignore_ascii_case("deflate") => Some(Coding::Deflate),
            _ => None,
        }
    }
}

/// The coding of an element such as `gzip;q=0.5`, unless its weight is zero.
fn accepted_coding(element: &str) -> Option<Coding> {
    let (name, parameters) = element.split_once(';').unwrap_or((element, ""));
    let weight = parameters.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
    Coding::from_name(name).filter(|_| weight.is_ok_and(|weight| weight > 0.0))
}

/// Inflates a body: gzip of one or several members, or one stream of deflate, with nothing behind it.
pub(crate) async fn inflate(
    coding: Coding,
    compressed: &[u8],
    handle: &Handle,
    memory: &mut MemoryPermit,
) -> Result<Vec<u8>, BodyFailure> {
    let mut decoder = Decoder::new(coding, compressed);
    let mut inflated = Vec::new();
    loop {
        memory.charge(STEP_BYTES)?;
        let count = decoder.step(&mut inflated).map_err(|_| BodyFailure::BrokenCompression)?;
        if inflated.len() > BODY_BYTES_MAX {
            return Err(BodyFailure::TooLarge);
        }
        if count < STEP_BYTES {
            break;
        }
        handle.yield_if_due().await;
    }
    if decoder.has_ended() { Ok(inflated) } else { Err(BodyFailure::BrokenCompression) }
}

/// Compresses an answer; None if it is not worth it.
pub(crate) async fn deflate(coding: Coding, answer: &[u8], handle: &Handle) -> Option<Vec<u8>> {
    if answer.len() < ANSWER_BYTES_MIN {
        return None;
    }
    let mut encoder = Encoder::new(coding);
    for step in answer.chunks(STEP_BYTES) {
        encoder.write(step);
        handle.yield_if_due().await;
    }
    Some(encoder.finish())
}

enum Decoder<'a> {
    Gzip(MultiGzDecoder<&'a [u8]>),
    Zlib(ZlibDecoder<&'a [u8]>),
    Bare(DeflateDecoder<&'a [u8]>),
}

impl<'a> Decoder<'a> {
    fn new(coding: Coding, compressed: &'a [u8]) -> Decoder<'a> {
        match coding {
            Coding::Gzip => Decoder::Gzip(MultiGzDecoder::new(compressed)),
            Coding::Deflate if has_zlib_header(compressed) => Decoder::Zlib(ZlibDecoder::new(compressed)),
            Coding::Deflate => Decoder::Bare(DeflateDecoder::new(compressed)),
        }
    }

    /// Inflates at most one step more; less only at the end.
    fn step(&mut self, inflated: &mut Vec<u8>) -> io::Result<usize> {
        let limit = STEP_BYTES as u64;
        match self {
            Decoder::Gzip(decoder) => decoder.take(limit).read_to_end(inflated),
            Decoder::Zlib(decoder) => decoder.take(limit).read_to_end(inflated),
            Decoder::Bare(decoder) => decoder.take(limit).read_to_end(inflated),
        }
    }

    /// Whether nothing stands behind the end of the stream.
    fn has_ended(&self) -> bool {
        match self {
            Decoder::Gzip(decoder) => decoder.get_ref().is_empty(),
            Decoder::Zlib(decoder) => decoder.get_ref().is_empty(),
            Decoder::Bare(decoder) => decoder.get_ref().is_empty(),
        }
    }
}

/// RFC 1950: method 8 in the low half of the first byte, and a check in the second.
fn has_zlib_header(compressed: &[u8]) -> bool {
    match compressed {
        [method, flags, ..] => method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0,
        _ => false,
    }
}

enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Zlib(ZlibEncoder<Vec<u8>>),
}

impl Encoder {
    fn new(coding: Coding) -> Encoder {
        match coding {
            Coding::Gzip => Encoder::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
            Coding::Deflate => Encoder::Zlib(ZlibEncoder::new(Vec::new(), Compression::fast())),
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        let written = match self {
            Encoder::Gzip(encoder) => encoder.write_all(bytes),
            Encoder::Zlib(encoder) => encoder.write_all(bytes),
        };
        written.expect("writing to a vector cannot fail");
    }

    fn finish(self) -> Vec<u8> {
        let finished = match self {
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Zlib(encoder) => encoder.finish(),
        };
        finished.expect("writing to a vector cannot fail")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(lines: &[&'static str]) -> Option<Coding> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_static(line));
        }
        Coding::accepted_by(&headers)
    }

    #[test]
    fn clients_say_what_they_accept() {
        assert_eq!(accepted(&[]), None);
        assert_eq!(accepted(&["identity"]), None);
        assert_eq!(accepted(&["deflate, gzip"]), Some(Coding::Gzip));
        assert_eq!(accepted(&["br", "Deflate;q=0.5"]), Some(Coding::Deflate));
        assert_eq!(accepted(&["gzip;q=0, deflate"]), Some(Coding::Deflate));
        assert_eq!(accepted(&["gzip; q=0.000"]), None);
        assert_eq!(accepted(&["gzip;q=no"]), None);
    }
}
