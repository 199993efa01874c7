//! Checked little-endian reading and writing of byte strings.
//!
//! [`Reader`] is the only way in which decoders of this crate touch untrusted bytes: every step is bounds-checked
//! and names what it was reading. [`Put`] is its counterpart for writers. Order-preserving keys, which are
//! big-endian, have their own codec in `key_encoding`.

use crate::error::DecodeError;

/// Bytes that [`Put::put_prefixed_bytes`] appends.
pub(crate) fn prefixed_bytes_len(bytes: &[u8]) -> usize {
    let bits = usize::BITS - (bytes.len() | 1).leading_zeros();
    bits.div_ceil(7) as usize + bytes.len()
}

/// The longest varint: ten groups of seven bits hold 64.
pub const VARINT_BYTES_MAX: usize = 10;

/// Walks over borrowed bytes from front to back.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    what: &'static str,
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first of `bytes`, which are those of a structure called `what` in errors.
    pub fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, bytes, position: 0 }
    }

    /// Reads one byte.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array().map(u8::from_le_bytes)
    }

    /// Reads a little-endian `u16`.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_le_bytes)
    }

    /// Reads a little-endian `u32`.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    /// Reads a little-endian `u64`.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Reads a little-endian `u128`.
    pub fn u128(&mut self) -> Result<u128, DecodeError> {
        self.array().map(u128::from_le_bytes)
    }

    /// Reads a fixed number of bytes, for example a uuid.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.rest().first_chunk::<N>() {
            Some(chunk) => {
                self.position += N;
                Ok(*chunk)
            }
            None => Err(self.truncated(N)),
        }
    }

    /// Reads `count` bytes without copying them.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        match self.rest().get(..count) {
            Some(taken) => {
                self.position += count;
                Ok(taken)
            }
            None => Err(self.truncated(count)),
        }
    }

    /// Reads an unsigned LEB128 number in its shortest form.
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for group in 0..VARINT_BYTES_MAX {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if group == VARINT_BYTES_MAX - 1 && bits > 1 {
                return Err(self.not_canonical("a varint holds at most 64 bits"));
            }
            value |= bits << (7 * group);
            if byte & 0x80 == 0 {
                if byte == 0 && group > 0 {
                    return Err(self.not_canonical("a varint has no leading zero group"));
                }
                return Ok(value);
            }
        }
        Err(self.not_canonical("a varint holds at most 64 bits"))
    }

    /// Reads a varint count of bytes, then those bytes.
    pub fn prefixed_bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let count = self.varint()?;
        match usize::try_from(count) {
            Ok(count) => self.bytes(count),
            Err(_) => Err(DecodeError::Truncated {
                what: self.what,
                needed: count,
                available: self.remaining() as u64,
            }),
        }
    }

    /// Reads a varint count of bytes, then that much UTF-8 text.
    pub fn prefixed_str(&mut self) -> Result<&'a str, DecodeError> {
        let bytes = self.prefixed_bytes()?;
        std::str::from_utf8(bytes).map_err(|_| DecodeError::NotUtf8 { what: self.what })
    }

    /// Passes over `count` bytes that must be zero.
    pub fn reserved(&mut self, count: usize) -> Result<(), DecodeError> {
        if self.bytes(count)?.iter().all(|&byte| byte == 0) {
            Ok(())
        } else {
            Err(DecodeError::ReservedNotZero { what: self.what })
        }
    }

    /// How many bytes have been read.
    pub fn position(&self) -> usize {
        self.position
    }

    /// How many bytes have not been read yet.
    pub fn remaining(&self) -> usize {
        self.rest().len()
    }

    /// All bytes that have not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    /// The name given to [`Reader::new`].
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// Ends the reading: bytes that are left are an error.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            count => Err(DecodeError::TrailingBytes { what: self.what, count: count as u64 }),
        }
    }

    fn truncated(&self, needed: usize) -> DecodeError {
        DecodeError::Truncated { what: self.what, needed: needed as u64, available: self.remaining() as u64 }
    }

    fn not_canonical(&self, rule: &'static str) -> DecodeError {
        DecodeError::NotCanonical { what: self.what, rule }
    }
}

/// Appends little-endian fields to a byte string.
pub trait Put {
    /// Appends one byte.
    fn put_u8(&mut self, value: u8);
    /// Appends a little-endian `u16`.
    fn put_u16(&mut self, value: u16);
    /// Appends a little-endian `u32`.
    fn put_u32(&mut self, value: u32);
    /// Appends a little-endian `u64`.
    fn put_u64(&mut self, value: u64);
    /// Appends a little-endian `u128`.
    fn put_u128(&mut self, value: u128);
    /// Appends an unsigned LEB128 number in its shortest form.
    fn put_varint(&mut self, value: u64);
    /// Appends bytes as they are.
    fn put_bytes(&mut self, bytes: &[u8]);
    /// Appends a varint count of bytes, then the bytes.
    fn put_prefixed_bytes(&mut self, bytes: &[u8]);
}

impl Put for Vec<u8> {
    fn put_u8(&mut self, value: u8) {
        self.push(value);
    }

    fn put_u16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_u128(&mut self, value: u128) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_varint(&mut self, value: u64) {
        let mut left = value;
        while left >= 0x80 {
            self.push((left & 0x7f) as u8 | 0x80);
            left >>= 7;
        }
        self.push(left as u8);
    }

    fn put_bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn put_prefixed_bytes(&mut self, bytes: &[u8]) {
        self.put_varint(bytes.len() as u64);
        self.put_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fields_come_back_as_they_were_put(a: u8, b: u16, c: u32, d: u64, e: u128, f: u64, g: Vec<u8>, h: String) {
            let mut bytes = Vec::new();
            bytes.put_u8(a);
            bytes.put_u16(b);
            bytes.put_u32(c);
            bytes.put_u64(d);
            bytes.put_u128(e);
            bytes.put_varint(f);
            bytes.put_prefixed_bytes(&g);
            bytes.put_prefixed_bytes(h.as_bytes());
            let mut reader = Reader::new("test", &bytes);
            prop_assert_eq!(reader.u8(), Ok(a));
            prop_assert_eq!(reader.u16(), Ok(b));
            prop_assert_eq!(reader.u32(), Ok(c));
            prop_assert_eq!(reader.u64(), Ok(d));
            prop_assert_eq!(reader.u128(), Ok(e));
            prop_assert_eq!(reader.varint(), Ok(f));
            prop_assert_eq!(reader.prefixed_bytes(), Ok(g.as_slice()));
            prop_assert_eq!(reader.prefixed_str(), Ok(h.as_str()));
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn an_accepted_varint_is_the_one_that_is_written(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut reader = Reader::new("test", &bytes);
            if let Ok(value) = reader.varint() {
                let mut again = Vec::new();
                again.put_varint(value);
                prop_assert_eq!(&again[..], &bytes[..reader.position()]);
            }
        }
    }

    #[test]
    fn reading_past_the_end_takes_nothing() {
        let mut reader = Reader::new("test", &[1, 2, 3]);
        assert_eq!(reader.u32(), Err(DecodeError::Truncated { what: "test", needed: 4, available: 3 }));
        assert_eq!(reader.u16(), Ok(0x0201));
        assert_eq!(reader.clone().finish(), Err(DecodeError::TrailingBytes { what: "test", count: 1 }));
    }

    #[test]
    fn a_length_beyond_the_input_is_truncated_not_allocated() {
        let mut bytes = Vec::new();
        bytes.put_varint(u64::MAX);
        assert!(matches!(
            Reader::new("test", &bytes).prefixed_bytes(),
            Err(DecodeError::Truncated { needed: u64::MAX, .. })
        ));
    }

    #[test]
    fn reserved_bytes_must_be_zero() {
        assert_eq!(Reader::new("test", &[0, 0]).reserved(2), Ok(()));
        assert_eq!(
            Reader::new("test", &[0, 1]).reserved(2),
            Err(DecodeError::ReservedNotZero { what: "test" })
        );
    }
}
