//! What can be wrong with bytes that are about to be decoded.
//!
//! Every decoder of this crate answers with this one type, so that callers which hold the place (file, block,
//! key) can wrap it with that place. Nothing here knows where the bytes came from.

use thiserror::Error;

/// Why bytes are not a valid encoding of the structure that they were taken for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The input ends before the structure does.
    #[error("{what} needs {needed} bytes, {available} are there")]
    Truncated {
        /// The structure or field that was being read.
        what: &'static str,
        /// How many bytes it needs.
        needed: u64,
        /// How many bytes are left.
        available: u64,
    },
    /// The structure ends before the input does.
    #[error("{count} bytes follow the end of {what}")]
    TrailingBytes {
        /// The structure that ended.
        what: &'static str,
        /// How many bytes follow it.
        count: u64,
    },
    /// The first bytes are not those of the structure.
    #[error("{what} starts with {found:#018x} instead of {expected:#018x}")]
    BadMagic {
        /// The structure that was expected.
        what: &'static str,
        /// Its magic number.
        expected: u64,
        /// What stands there.
        found: u64,
    },
    /// The stored checksum is not that of the bytes.
    #[error("{what} has checksum {stored:#x}, its bytes give {computed:#x}")]
    BadChecksum {
        /// The structure that the checksum covers.
        what: &'static str,
        /// The checksum as stored.
        stored: u128,
        /// The checksum of the bytes.
        computed: u128,
    },
    /// A field holds a value that no writer writes.
    #[error("{field} is {value}, outside of {minimum}..={maximum}")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// What it holds.
        value: u64,
        /// The least value that it may hold.
        minimum: u64,
        /// The greatest value that it may hold.
        maximum: u64,
    },
    /// The structure was written by a newer or foreign writer.
    #[error("{what} has version {found}, known are those up to {newest_known}")]
    UnknownVersion {
        /// The structure.
        what: &'static str,
        /// Its version byte or number.
        found: u64,
        /// The newest version that this reader knows.
        newest_known: u64,
    },
    /// The meaning is clear but no encoder writes it in this form, so the bytes were changed by something else.
    #[error("{what} is not in canonical form: {rule}")]
    NotCanonical {
        /// The structure.
        what: &'static str,
        /// The rule that is broken.
        rule: &'static str,
    },
    /// Bytes that are reserved hold something other than zero.
    #[error("reserved bytes of {what} are not zero")]
    ReservedNotZero {
        /// The structure.
        what: &'static str,
    },
    /// Text is not UTF-8.
    #[error("{what} is not UTF-8")]
    NotUtf8 {
        /// The field.
        what: &'static str,
    },
}
