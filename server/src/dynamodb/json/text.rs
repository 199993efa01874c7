//! One JSON document, token by token from front to back: the grammar of RFC 8259 and nothing more.
//!
//! Every step returns `BodyError::Malformed` at the first byte that breaks the grammar. Nothing here calls itself:
//! containers that nobody wants are skipped with an explicit stack, one byte an open bracket, so a document
//! nested as deep as it is long costs memory of its own size and no stack.

use std::borrow::Cow;

use super::reader::{BodyError, Kind};

/// A position in one JSON document.
#[derive(Debug)]
pub(crate) struct JsonText<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> JsonText<'a> {
    /// The start of `body`. JSON is UTF-8; anything else is not JSON.
    pub(crate) fn new(body: &'a [u8]) -> Result<Self, BodyError> {
        let text = std::str::from_utf8(body).map_err(|_| BodyError::Malformed)?;
        Ok(JsonText { text, position: 0 })
    }

    /// Whether `body` is one JSON document and nothing else.
    pub(crate) fn check_document(body: &'a [u8]) -> Result<(), BodyError> {
        let mut text = JsonText::new(body)?;
        text.skip_value()?;
        text.finish()
    }

    /// Refuses anything but white space after the document.
    pub(crate) fn finish(&mut self) -> Result<(), BodyError> {
        match self.next_significant() {
            None => Ok(()),
            Some(_) => Err(BodyError::Malformed),
        }
    }

    /// The kind of the next value, which is not consumed.
    pub(crate) fn peek(&mut self) -> Result<Kind, BodyError> {
        match self.next_significant().ok_or(BodyError::Malformed)? {
            b'n' => Ok(Kind::Null),
            b't' => Ok(Kind::True),
            b'f' => Ok(Kind::False),
            b'"' => Ok(Kind::String),
            b'[' => Ok(Kind::Array),
            b'{' => Ok(Kind::Object),
            b'-' | b'0'..=b'9' => Ok(self.peek_number_kind()),
            _ => Err(BodyError::Malformed),
        }
    }

    /// Consumes a word whose first byte `peek` has seen.
    pub(crate) fn read_word(&mut self, kind: Kind) -> Result<(), BodyError> {
        let word = match kind {
            Kind::Null => "null",
            Kind::True => "true",
            Kind::False => "false",
            _ => return Err(BodyError::Malformed),
        };
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(BodyError::Malformed);
        }
        self.position += word.len();
        Ok(())
    }

    /// Consumes a string; borrowed from the body unless it holds escapes.
    pub(crate) fn read_string(&mut self) -> Result<Cow<'a, str>, BodyError> {
        self.expect(b'"')?;
        let start = self.position;
        match self.next_string_stop()? {
            b'"' => Ok(Cow::Borrowed(self.take_plain(start)?)),
            _ => self.read_escaped_string(start).map(Cow::Owned),
        }
    }

    /// Consumes a number and returns its text.
    pub(crate) fn read_number(&mut self) -> Result<&'a str, BodyError> {
        let start = self.position;
        let length = number_length(self.rest()).ok_or(BodyError::Malformed)?;
        self.position += length;
        self.text.get(start..self.position).ok_or(BodyError::Malformed)
    }

    /// Opens an object: the name of its first member, whose value follows; None if it has none and is closed.
    pub(crate) fn open_object(&mut self) -> Result<Option<Cow<'a, str>>, BodyError> {
        self.expect(b'{')?;
        if self.consume_if(b'}') { Ok(None) } else { self.read_member_name().map(Some) }
    }

    /// After a member's value: the name of the next member; None if there is none and the object is closed.
    pub(crate) fn next_name(&mut self) -> Result<Option<Cow<'a, str>>, BodyError> {
        if self.consume_separator(b'}')? { self.read_member_name().map(Some) } else { Ok(None) }
    }

    /// Opens an array: whether it has an element, which follows; if not, it is closed.
    pub(crate) fn open_array(&mut self) -> Result<bool, BodyError> {
        self.expect(b'[')?;
        Ok(!self.consume_if(b']'))
    }

    /// After an element: whether another one follows; if not, the array is closed.
    pub(crate) fn next_element(&mut self) -> Result<bool, BodyError> {
        self.consume_separator(b']')
    }

    /// Consumes one value of any kind, checking its grammar.
    pub(crate) fn skip_value(&mut self) -> Result<(), BodyError> {
        let mut open_brackets: Vec<u8> = Vec::new();
        loop {
            let closed_container = self.skip_scalar_or_open(&mut open_brackets)?;
            if closed_container && !self.close_finished(&mut open_brackets)? {
                return Ok(());
            }
        }
    }

    /// Consumes a scalar or an empty container (true), or opens a container that has members (false).
    fn skip_scalar_or_open(&mut self, open_brackets: &mut Vec<u8>) -> Result<bool, BodyError> {
        match self.peek()? {
            kind @ (Kind::Null | Kind::True | Kind::False) => self.read_word(kind)?,
            Kind::WholeNumber | Kind::DecimalNumber => {
                self.read_number()?;
            }
            Kind::String => self.skip_string()?,
            Kind::Array => {
                self.expect(b'[')?;
                if !self.consume_if(b']') {
                    open_brackets.push(b']');
                    return Ok(false);
                }
            }
            Kind::Object => {
                self.expect(b'{')?;
                if !self.consume_if(b'}') {
                    open_brackets.push(b'}');
                    self.skip_member_name()?;
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// After a value: closes what ends here. True if another value follows, false if nothing is open any more.
    fn close_finished(&mut self, open_brackets: &mut Vec<u8>) -> Result<bool, BodyError> {
        while let Some(&bracket) = open_brackets.last() {
            if self.consume_separator(bracket)? {
                if bracket == b'}' {
                    self.skip_member_name()?;
                }
                return Ok(true);
            }
            open_brackets.pop();
        }
        Ok(false)
    }

    fn read_member_name(&mut self) -> Result<Cow<'a, str>, BodyError> {
        self.next_significant();
        let name = self.read_string()?;
        self.next_significant();
        self.expect(b':')?;
        Ok(name)
    }

    fn skip_member_name(&mut self) -> Result<(), BodyError> {
        self.next_significant();
        self.skip_string()?;
        self.next_significant();
        self.expect(b':')
    }

    fn skip_string(&mut self) -> Result<(), BodyError> {
        self.expect(b'"')?;
        loop {
            let stop = self.next_string_stop()?;
            if stop == b'"' {
                self.position += 1;
                return Ok(());
            }
            self.read_escape()?;
        }
    }

    fn read_escaped_string(&mut self, start: usize) -> Result<String, BodyError> {
        let mut owned = String::new();
        let mut run_start = start;
        loop {
            let stop = self.next_string_stop()?;
            owned.push_str(self.text.get(run_start..self.position).ok_or(BodyError::Malformed)?);
            if stop == b'"' {
                self.position += 1;
                return Ok(owned);
            }
            owned.push(self.read_escape()?);
            run_start = self.position;
        }
    }

    /// Moves to the next byte that ends a plain run of a string. A control character breaks the grammar.
    fn next_string_stop(&mut self) -> Result<u8, BodyError> {
        self.position += plain_run_length(self.rest());
        match self.rest().first() {
            Some(&stop @ (b'"' | b'\\')) => Ok(stop),
            _ => Err(BodyError::Malformed),
        }
    }

    /// Consumes a backslash and what it escapes.
    fn read_escape(&mut self) -> Result<char, BodyError> {
        let escaped = *self.rest().get(1).ok_or(BodyError::Malformed)?;
        self.position += 2;
        match escaped {
            b'"' | b'\\' | b'/' => Ok(char::from(escaped)),
            b'b' => Ok('\u{8}'),
            b'f' => Ok('\u{c}'),
            b'n' => Ok('\n'),
            b'r' => Ok('\r'),
            b't' => Ok('\t'),
            b'u' => self.read_unicode_escape(),
            _ => Err(BodyError::Malformed),
        }
    }

    /// The four digits after `\u`, and the second half of a surrogate pair. Half a pair is no character: storing a
    /// substitute would change the client's data, so it is refused.
    fn read_unicode_escape(&mut self) -> Result<char, BodyError> {
        let unit = self.read_hex_unit()?;
        if !(0xD800..0xDC00).contains(&unit) {
            return char::from_u32(unit).ok_or(BodyError::Malformed);
        }
        if !self.rest().starts_with(b"\\u") {
            return Err(BodyError::Malformed);
        }
        self.position += 2;
        let low = self.read_hex_unit()?;
        if !(0xDC00..0xE000).contains(&low) {
            return Err(BodyError::Malformed);
        }
        char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)).ok_or(BodyError::Malformed)
    }

    fn read_hex_unit(&mut self) -> Result<u32, BodyError> {
        let digits = self.rest().get(..4).ok_or(BodyError::Malformed)?;
        let mut unit = 0;
        for &digit in digits {
            unit = unit * 16 + char::from(digit).to_digit(16).ok_or(BodyError::Malformed)?;
        }
        self.position += 4;
        Ok(unit)
    }

    /// Consumes the plain text from `start` up to here, and the quote that ends it.
    fn take_plain(&mut self, start: usize) -> Result<&'a str, BodyError> {
        let plain = self.text.get(start..self.position).ok_or(BodyError::Malformed)?;
        self.position += 1;
        Ok(plain)
    }

    /// After a value in a container: true if a comma was consumed, false if the closing bracket was.
    fn consume_separator(&mut self, closing: u8) -> Result<bool, BodyError> {
        if self.consume_if(b',') {
            Ok(true)
        } else if self.consume_if(closing) {
            Ok(false)
        } else {
            Err(BodyError::Malformed)
        }
    }

    fn consume_if(&mut self, wanted: u8) -> bool {
        let found = self.next_significant() == Some(wanted);
        self.position += usize::from(found);
        found
    }

    fn expect(&mut self, wanted: u8) -> Result<(), BodyError> {
        if self.rest().first() != Some(&wanted) {
            return Err(BodyError::Malformed);
        }
        self.position += 1;
        Ok(())
    }

    /// Skips white space and returns the byte after it.
    fn next_significant(&mut self) -> Option<u8> {
        while let Some(&byte) = self.rest().first() {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.position += 1;
        }
        None
    }

    fn peek_number_kind(&self) -> Kind {
        let is_digit = |byte: &&u8| matches!(byte, b'-' | b'0'..=b'9');
        let whole_length = self.rest().iter().take_while(is_digit).count();
        match self.rest().get(whole_length) {
            Some(b'.' | b'e' | b'E') => Kind::DecimalNumber,
            _ => Kind::WholeNumber,
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.position..).unwrap_or_default()
    }
}

/// Length of the number at the start of `bytes` by JSON's grammar.
fn number_length(bytes: &[u8]) -> Option<usize> {
    let sign = usize::from(bytes.first() == Some(&b'-'));
    let whole = digit_count(bytes.get(sign..)?);
    let has_leading_zero = bytes.get(sign) == Some(&b'0') && whole > 1;
    if whole == 0 || has_leading_zero {
        return None;
    }
    let mut length = sign + whole;
    if bytes.get(length) == Some(&b'.') {
        let fraction = digit_count(bytes.get(length + 1..)?);
        if fraction == 0 {
            return None;
        }
        length += 1 + fraction;
    }
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let signed = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let exponent = digit_count(bytes.get(length + 1 + signed..)?);
        if exponent == 0 {
            return None;
        }
        length += 1 + signed + exponent;
    }
    Some(length)
}

fn digit_count(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// How many bytes at the start of `bytes` stand for themselves in a JSON string, eight at a time.
pub(super) fn plain_run_length(bytes: &[u8]) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let stops = string_stops(u64::from_le_bytes(*word));
        if stops != 0 {
            return index * 8 + stops.trailing_zeros() as usize / 8;
        }
    }
    let is_plain = |byte: &&u8| **byte >= 0x20 && **byte != b'"' && **byte != b'\\';
    words.len() * 8 + tail.iter().take_while(is_plain).count()
}

/// The top bit of each byte of `word` that is a quote, a backslash or a control character. Bytes after the first
/// such one may be marked wrongly (the subtraction borrows), so only the lowest mark counts.
fn string_stops(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word & TOPS;
    let control = word.wrapping_sub(ONES * 0x20) & !word & TOPS;
    control | zero_bytes(word ^ (ONES * b'"' as u64)) | zero_bytes(word ^ (ONES * b'\\' as u64))
}

#[cfg(test)]
mod tests;
