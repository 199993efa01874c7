//! The first frames of a connection: which version and features are spoken, and who the client is.

use crate::layout::{Constant, Field};
use crate::{DecodeError, Put, Reader};

/// First bytes of a hello: whoever speaks something else is noticed before a length is believed.
pub const MAGIC: [u8; 8] = *b"BASALT\x00\x01";
/// The only version so far.
pub const VERSION: u16 = 1;
/// The server can go from page to page by itself.
pub const FEATURE_PAGES: u64 = 1;
/// The longest access key id.
pub const ACCESS_KEY_ID_BYTES_MAX: usize = 128;

/// Constants as the specification lists them.
pub const HANDSHAKE_CONSTANTS: &[Constant] = &[
    Constant::new("VERSION", VERSION as u64),
    Constant::new("ACCESS_KEY_ID_BYTES_MAX", ACCESS_KEY_ID_BYTES_MAX as u64),
];
/// The features as the specification lists them.
pub const FEATURES: &[Constant] = &[Constant::new("FEATURE_PAGES", FEATURE_PAGES)];

/// The body of a hello.
pub const HELLO_LAYOUT: &[Field] = &[
    Field::new(0, 8, "magic"),
    Field::new(8, 2, "version_min"),
    Field::new(10, 2, "version_max"),
    Field::new(12, 8, "features"),
    Field::new(20, 16, "nonce"),
];
/// The body of a welcome.
pub const WELCOME_LAYOUT: &[Field] = &[
    Field::new(0, 2, "version"),
    Field::new(2, 8, "features"),
    Field::new(10, 16, "nonce"),
    Field::new(26, 4, "requests_max"),
    Field::new(30, 4, "request_bytes_max"),
];
/// The beginning of the body of a proof.
pub const PROOF_LAYOUT: &[Field] = &[Field::new(0, 32, "proof")];

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello {
    /// The oldest version it speaks.
    pub version_min: u16,
    /// The newest version it speaks.
    pub version_max: u16,
    /// `FEATURE_*` that it would use; bits that the server does not know are not answered.
    pub features: u64,
    /// Random bytes.
    pub nonce: [u8; 16],
}

impl Hello {
    /// The body's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = MAGIC.to_vec();
        body.put_u16(self.version_min);
        body.put_u16(self.version_max);
        body.put_u64(self.features);
        body.put_bytes(&self.nonce);
        body
    }

    /// Reads a body, all of it.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "hello";
        let mut reader = Reader::new(WHAT, body);
        let magic: [u8; 8] = reader.array()?;
        if magic != MAGIC {
            let (expected, found) = (u64::from_le_bytes(MAGIC), u64::from_le_bytes(magic));
            return Err(DecodeError::BadMagic { what: WHAT, expected, found });
        }
        let (version_min, version_max) = (reader.u16()?, reader.u16()?);
        if version_min == 0 || version_min > version_max {
            return Err(DecodeError::OutOfRange {
                field: "oldest version of a hello",
                value: version_min.into(),
                minimum: 1,
                maximum: version_max.into(),
            });
        }
        let hello = Self { version_min, version_max, features: reader.u64()?, nonce: reader.array()? };
        reader.finish()?;
        Ok(hello)
    }

    /// Whether the client speaks the version that this code does.
    pub fn speaks_version(&self) -> bool {
        (self.version_min..=self.version_max).contains(&VERSION)
    }
}

/// What is spoken, and within which limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Welcome {
    /// The version that both speak.
    pub version: u16,
    /// The features that both have.
    pub features: u64,
    /// Random bytes: the challenge.
    pub nonce: [u8; 16],
    /// So many requests may be in flight; the server reads no further request while they are.
    pub requests_max: u32,
    /// A request's body may have so many bytes.
    pub request_bytes_max: u32,
}

impl Welcome {
    /// The body's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.put_u16(self.version);
        body.put_u64(self.features);
        body.put_bytes(&self.nonce);
        body.put_u32(self.requests_max);
        body.put_u32(self.request_bytes_max);
        body
    }

    /// Reads a body, all of it.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "welcome";
        let mut reader = Reader::new(WHAT, body);
        let version = reader.u16()?;
        if version != VERSION {
            return Err(DecodeError::UnknownVersion {
                what: WHAT,
                found: version.into(),
                newest_known: VERSION.into(),
            });
        }
        let (features, nonce) = (reader.u64()?, reader.array()?);
        let requests_max = reader.u32()?;
        if requests_max == 0 {
            return Err(DecodeError::OutOfRange {
                field: "requests of a welcome",
                value: 0,
                minimum: 1,
                maximum: u32::MAX.into(),
            });
        }
        let welcome = Self { version, features, nonce, requests_max, request_bytes_max: reader.u32()? };
        reader.finish()?;
        Ok(welcome)
    }
}

/// Who the client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof<'a> {
    /// HMAC-SHA256 of [`proof_message`] under the secret access key.
    pub proof: [u8; 32],
    /// Whose secret: at least one byte.
    pub access_key_id: &'a str,
}

impl<'a> Proof<'a> {
    /// The body's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = self.proof.to_vec();
        body.put_prefixed_bytes(self.access_key_id.as_bytes());
        body
    }

    /// Reads a body, all of it.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("proof", body);
        let proof = reader.array()?;
        let access_key_id = reader.prefixed_str()?;
        reader.finish()?;
        if access_key_id.is_empty() || access_key_id.len() > ACCESS_KEY_ID_BYTES_MAX {
            return Err(DecodeError::OutOfRange {
                field: "bytes of an access key id",
                value: access_key_id.len() as u64,
                minimum: 1,
                maximum: ACCESS_KEY_ID_BYTES_MAX as u64,
            });
        }
        Ok(Self { proof, access_key_id })
    }
}

/// What a proof authenticates: both nonces, so that neither side can make the other repeat an old one, then the key id.
pub fn proof_message(client_nonce: &[u8; 16], server_nonce: &[u8; 16], access_key_id: &str) -> Vec<u8> {
    [b"basalt native 1\0", &client_nonce[..], &server_nonce[..], access_key_id.as_bytes()].concat()
}
