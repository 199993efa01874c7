//! Frames: a header of 16 bytes and a body, under one checksum.

use crate::catalog::{byte_of, enumerated};
use crate::checksum::crc32_of_two;
use crate::layout::{Constant, Field};
use crate::{DecodeError, Put, Reader};

const WHAT: &str = "frame";

/// The header of every frame.
pub const FRAME_HEADER_LAYOUT: &[Field] = &[
    Field::new(0, 4, "body_bytes"),
    Field::new(4, 4, "request"),
    Field::new(8, 1, "kind"),
    Field::new(9, 1, "flags"),
    Field::new(10, 2, "code"),
    Field::new(12, 4, "checksum"),
];
/// Bytes of a header.
pub const FRAME_HEADER_BYTES: usize = 16;
/// The longest body: DynamoDB's bound on a request, and room for what stands before a JSON body.
pub const BODY_BYTES_MAX: usize = (16 << 20) + 1024;
/// Answers travel in parts of at most so many bytes, between which parts of other answers may stand.
pub const ANSWER_PART_BYTES: usize = 64 << 10;
/// Frames of a connection that is not authenticated have bodies of at most so many bytes.
pub const HANDSHAKE_BODY_BYTES_MAX: usize = 1024;

/// The bounds as the specification lists them.
pub const FRAME_LIMITS: &[Constant] = &[
    Constant::new("BODY_BYTES_MAX", BODY_BYTES_MAX as u64),
    Constant::new("ANSWER_PART_BYTES", ANSWER_PART_BYTES as u64),
    Constant::new("HANDSHAKE_BODY_BYTES_MAX", HANDSHAKE_BODY_BYTES_MAX as u64),
];

/// On an answer, an error or a page: its next part follows.
pub const FLAG_MORE: u8 = 1;
/// On a request: the server goes on with the next page by itself. On the last part of a page: another page follows.
pub const FLAG_PAGES: u8 = 2;

/// The flags as the specification lists them.
pub const FRAME_FLAGS: &[Constant] =
    &[Constant::new("FLAG_MORE", FLAG_MORE as u64), Constant::new("FLAG_PAGES", FLAG_PAGES as u64)];

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// The client's first frame: what it speaks.
    Hello,
    /// The server's first frame: what is spoken, its limits, its challenge.
    Welcome,
    /// The client's answer to the challenge.
    Proof,
    /// The server takes requests.
    Ready,
    /// A request whose body is a document; its code is the operation.
    Request,
    /// A request whose body is an operation's name and DynamoDB's JSON.
    JsonRequest,
    /// The client wants no further page of a request.
    Cancel,
    /// A part of the answer to a request.
    Answer,
    /// A part of the error that a request ended with; its code is the exception.
    Error,
    /// The server closes the connection; the code says why, the body says it to people.
    Fault,
}

const KINDS: [(FrameKind, u8); 10] = [
    (FrameKind::Hello, 1),
    (FrameKind::Welcome, 2),
    (FrameKind::Proof, 3),
    (FrameKind::Ready, 4),
    (FrameKind::Request, 5),
    (FrameKind::JsonRequest, 6),
    (FrameKind::Cancel, 7),
    (FrameKind::Answer, 8),
    (FrameKind::Error, 9),
    (FrameKind::Fault, 10),
];

/// The kinds as the specification lists them.
pub const FRAME_KINDS: &[Constant] = &[
    Constant::new("Hello", 1),
    Constant::new("Welcome", 2),
    Constant::new("Proof", 3),
    Constant::new("Ready", 4),
    Constant::new("Request", 5),
    Constant::new("JsonRequest", 6),
    Constant::new("Cancel", 7),
    Constant::new("Answer", 8),
    Constant::new("Error", 9),
    Constant::new("Fault", 10),
];

impl FrameKind {
    fn flags_allowed(self) -> u8 {
        match self {
            Self::Request => FLAG_PAGES,
            Self::Answer => FLAG_MORE | FLAG_PAGES,
            Self::Error => FLAG_MORE,
            _ => 0,
        }
    }

    fn has_code(self) -> bool {
        matches!(self, Self::Request | Self::Error | Self::Fault)
    }
}

/// What a header says beside the length of the body and the checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHead {
    /// The number that the client gave its request, in every frame that belongs to it.
    pub request: u32,
    /// What the frame is.
    pub kind: FrameKind,
    /// `FLAG_*`.
    pub flags: u8,
    /// An operation, an exception or a fault; 0 in frames of other kinds.
    pub code: u16,
}

impl FrameHead {
    /// A head without flags and code.
    pub const fn new(kind: FrameKind, request: u32) -> Self {
        Self { request, kind, flags: 0, code: 0 }
    }

    /// Appends a frame. The body must not be longer than [`BODY_BYTES_MAX`].
    pub fn append(&self, body: &[u8], buffer: &mut Vec<u8>) {
        assert!(body.len() <= BODY_BYTES_MAX, "a frame's body is bounded");
        let start = buffer.len();
        buffer.reserve(FRAME_HEADER_BYTES + body.len());
        buffer.put_u32(body.len() as u32);
        buffer.put_u32(self.request);
        buffer.put_u8(byte_of(&KINDS, self.kind));
        buffer.put_u8(self.flags);
        buffer.put_u16(self.code);
        let head = buffer.get(start..).unwrap_or_default();
        let checksum = crc32_of_two(head, body);
        buffer.put_u32(checksum);
        buffer.put_bytes(body);
    }

    /// The frame's bytes.
    pub fn encode(&self, body: &[u8]) -> Vec<u8> {
        let mut buffer = Vec::new();
        self.append(body, &mut buffer);
        buffer
    }
}

/// A header that was read and whose checksum was not: it says how many bytes to wait for, nothing else may be
/// believed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    head: FrameHead,
    body_bytes: usize,
    bytes: [u8; FRAME_HEADER_BYTES],
    checksum: u32,
}

impl FrameHeader {
    /// Reads a header.
    pub fn decode(bytes: &[u8; FRAME_HEADER_BYTES]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(WHAT, bytes);
        let body_bytes = reader.u32()? as usize;
        if body_bytes > BODY_BYTES_MAX {
            return Err(out_of_range("body of a frame", body_bytes as u64, BODY_BYTES_MAX as u64));
        }
        let request = reader.u32()?;
        let kind = enumerated("kind of a frame", &KINDS, reader.u8()?)?;
        let flags = reader.u8()?;
        if flags & !kind.flags_allowed() != 0 {
            return Err(out_of_range("flags of a frame", flags.into(), kind.flags_allowed().into()));
        }
        let code = reader.u16()?;
        if code != 0 && !kind.has_code() {
            return Err(out_of_range("code of a frame", code.into(), 0));
        }
        let checksum = reader.u32()?;
        reader.finish()?;
        let head = FrameHead { request, kind, flags, code };
        Ok(Self { head, body_bytes, bytes: *bytes, checksum })
    }

    /// How many bytes the body has, if the header is whole.
    pub fn body_bytes(&self) -> usize {
        self.body_bytes
    }

    /// The head, if the header is whole: for who throws the body away.
    pub fn unchecked_head(&self) -> FrameHead {
        self.head
    }

    /// The head, once the checksum over it and the body holds.
    pub fn check(&self, body: &[u8]) -> Result<FrameHead, DecodeError> {
        let (covered, _checksum) = self.bytes.split_at(FRAME_HEADER_LAYOUT[5].offset);
        let computed = crc32_of_two(covered, body);
        if computed == self.checksum {
            return Ok(self.head);
        }
        Err(DecodeError::BadChecksum { what: WHAT, stored: self.checksum.into(), computed: computed.into() })
    }
}

/// A frame, whole and checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What its header says.
    pub head: FrameHead,
    /// Its body.
    pub body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads the frame at the start of `bytes`: the frame and how many bytes it has, or `None` if they are not all
    /// there.
    pub fn parse(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, DecodeError> {
        let Some(header) = bytes.first_chunk() else { return Ok(None) };
        let header = FrameHeader::decode(header)?;
        let end = FRAME_HEADER_BYTES + header.body_bytes();
        let Some(body) = bytes.get(FRAME_HEADER_BYTES..end) else { return Ok(None) };
        Ok(Some((Frame { head: header.check(body)?, body }, end)))
    }

    /// Reads a frame, all of it.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        match Self::parse(bytes)? {
            None => Err(DecodeError::Truncated {
                what: WHAT,
                needed: FRAME_HEADER_BYTES as u64,
                available: bytes.len() as u64,
            }),
            Some((frame, end)) if end == bytes.len() => Ok(frame),
            Some((_, end)) => {
                Err(DecodeError::TrailingBytes { what: WHAT, count: (bytes.len() - end) as u64 })
            }
        }
    }
}

fn out_of_range(field: &'static str, value: u64, maximum: u64) -> DecodeError {
    DecodeError::OutOfRange { field, value, minimum: 0, maximum }
}
