//! Writes a reply into one buffer: punctuation, escaped strings, base64.
//!
//! [`Writer::object`] and [`Writer::array`] return guards that put the commas and close what they opened when they
//! are dropped, so every reply nests properly, whichever way its writing ends.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::reader::plain_run_length;

/// Room that a reply begins with: an item of common size fits, so that the buffer seldom moves.
const REPLY_BYTES: usize = 1 << 10;

/// JSON text being written.
#[derive(Debug)]
pub(crate) struct Writer {
    buffer: Vec<u8>,
}

impl Default for Writer {
    fn default() -> Self {
        Self { buffer: Vec::with_capacity(REPLY_BYTES) }
    }
}

impl Writer {
    /// The text written.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.buffer
    }

    /// An object; members are added to what is returned.
    pub(crate) fn object(&mut self) -> Members<'_> {
        self.raw("{");
        Members { writer: self, is_first: true }
    }

    /// An array; elements are added to what is returned.
    pub(crate) fn array(&mut self) -> Elements<'_> {
        self.raw("[");
        Elements { writer: self, is_first: true }
    }

    /// A string, escaped.
    pub(crate) fn string(&mut self, text: &str) {
        self.raw("\"");
        let mut rest = text;
        loop {
            let (plain, special) = rest.split_at(plain_run_length(rest.as_bytes()));
            self.raw(plain);
            let Some(&byte) = special.as_bytes().first() else { break };
            self.escape(byte);
            // What stops a plain run is ASCII, one byte long.
            rest = special.get(1..).unwrap_or_default();
        }
        self.raw("\"");
    }

    /// Bytes, as a string of base64.
    pub(crate) fn base64(&mut self, bytes: &[u8]) {
        self.raw("\"");
        let start = self.buffer.len();
        self.buffer.resize(start + bytes.len().div_ceil(3) * 4, 0);
        let room = self.buffer.get_mut(start..).unwrap_or_default();
        let written = STANDARD.encode_slice(bytes, room).expect("base64 takes four bytes for each three");
        self.buffer.truncate(start + written);
        self.raw("\"");
    }

    /// Anything whose `Display` is JSON: numbers and booleans.
    pub(crate) fn display(&mut self, value: impl std::fmt::Display) {
        use std::io::Write as _;
        write!(self.buffer, "{value}").expect("writing to a vector cannot fail");
    }

    /// A number of seconds or units, always with a fraction, as DynamoDB prints doubles.
    pub(crate) fn double(&mut self, value: f64) {
        use std::io::Write as _;
        write!(self.buffer, "{value:?}").expect("writing to a vector cannot fail");
    }

    /// Text that is JSON already.
    pub(crate) fn raw(&mut self, json: &str) {
        self.buffer.extend_from_slice(json.as_bytes());
    }

    fn escape(&mut self, byte: u8) {
        match byte {
            b'"' => self.raw("\\\""),
            b'\\' => self.raw("\\\\"),
            b'\n' => self.raw("\\n"),
            b'\r' => self.raw("\\r"),
            b'\t' => self.raw("\\t"),
            control => self.display(format_args!("\\u{control:04x}")),
        }
    }
}

/// The members of an object being written.
#[derive(Debug)]
pub(crate) struct Members<'a> {
    writer: &'a mut Writer,
    is_first: bool,
}

impl Members<'_> {
    /// Starts a member and returns the writer for its value.
    pub(crate) fn value_of(&mut self, name: &str) -> &mut Writer {
        if !self.is_first {
            self.writer.raw(",");
        }
        self.is_first = false;
        self.writer.string(name);
        self.writer.raw(":");
        self.writer
    }

    /// A member that is a string.
    pub(crate) fn string(&mut self, name: &str, text: &str) {
        self.value_of(name).string(text);
    }
}

impl Drop for Members<'_> {
    fn drop(&mut self) {
        self.writer.raw("}");
    }
}

/// The elements of an array being written.
#[derive(Debug)]
pub(crate) struct Elements<'a> {
    writer: &'a mut Writer,
    is_first: bool,
}

impl Elements<'_> {
    /// Starts an element and returns the writer for it.
    pub(crate) fn element(&mut self) -> &mut Writer {
        if !self.is_first {
            self.writer.raw(",");
        }
        self.is_first = false;
        self.writer
    }
}

impl Drop for Elements<'_> {
    fn drop(&mut self) {
        self.writer.raw("]");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Writer)) -> String {
        let mut writer = Writer::default();
        write(&mut writer);
        String::from_utf8(writer.into_bytes()).unwrap()
    }

    #[test]
    fn objects_and_arrays_are_punctuated() {
        let text = written(|writer| {
            let mut members = writer.object();
            members.string("a", "x");
            let mut numbers = members.value_of("b").array();
            numbers.element().display(1);
            numbers.element().display(2);
            drop(numbers);
            members.value_of("c").object();
        });
        assert_eq!(text, r#"{"a":"x","b":[1,2],"c":{}}"#);
    }

    #[test]
    fn doubles_keep_a_fraction() {
        assert_eq!(written(|writer| writer.double(1.0)), "1.0");
        assert_eq!(written(|writer| writer.double(0.5)), "0.5");
    }

    proptest! {
        #[test]
        fn any_string_comes_back_from_another_json_reader(text in any::<String>()) {
            let json = written(|writer| writer.string(&text));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }

        #[test]
        fn control_characters_come_back(bytes in prop::collection::vec(0u8..0x80, 0..40)) {
            let text = String::from_utf8(bytes).unwrap();
            let json = written(|writer| writer.string(&text));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }

        #[test]
        fn any_bytes_come_back_from_base64(bytes in any::<Vec<u8>>()) {
            let json = written(|writer| writer.base64(&bytes));
            prop_assert_eq!(STANDARD.decode(json.trim_matches('"')).unwrap(), bytes);
        }
    }
}
