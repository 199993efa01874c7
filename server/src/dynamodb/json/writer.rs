//! Writes a reply into one buffer, in either syntax: punctuation, escaped strings and base64, or the tags of the binary
//! protocol's documents.
//!
//! [`Writer::object`] and [`Writer::array`] return guards that put the commas and close what they opened when they
//! are dropped, so every reply nests properly, whichever way its writing ends.

use basalt_format::native::PutDocument as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Syntax;
use super::text::plain_run_length;

/// Room that a reply begins with: an item of common size fits, so that the buffer seldom moves.
const REPLY_BYTES: usize = 1 << 10;

/// A document being written.
#[derive(Debug)]
pub(crate) struct Writer {
    buffer: Vec<u8>,
    syntax: Syntax,
}

/// JSON is what nearly all operations answer in.
impl Default for Writer {
    fn default() -> Self {
        Writer::new(Syntax::Json)
    }
}

impl Writer {
    /// An empty document.
    pub(crate) fn new(syntax: Syntax) -> Writer {
        Writer { buffer: Vec::with_capacity(REPLY_BYTES), syntax }
    }

    /// In which syntax it is written.
    pub(crate) fn syntax(&self) -> Syntax {
        self.syntax
    }

    /// The document written.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.buffer
    }

    /// An object; members are added to what is returned.
    pub(crate) fn object(&mut self) -> Members<'_> {
        match self.syntax {
            Syntax::Json => self.raw("{"),
            Syntax::Native => self.buffer.open_object(),
        }
        Members { writer: self, is_first: true }
    }

    /// An array; elements are added to what is returned.
    pub(crate) fn array(&mut self) -> Elements<'_> {
        match self.syntax {
            Syntax::Json => self.raw("["),
            Syntax::Native => self.buffer.open_list(),
        }
        Elements { writer: self, is_first: true }
    }

    /// A string.
    pub(crate) fn string(&mut self, text: &str) {
        match self.syntax {
            Syntax::Json => self.escaped(text),
            Syntax::Native => self.buffer.put_text(text),
        }
    }

    fn escaped(&mut self, text: &str) {
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

    /// Bytes, as a JSON string of base64.
    pub(super) fn base64(&mut self, bytes: &[u8]) {
        self.raw("\"");
        let start = self.buffer.len();
        self.buffer.resize(start + bytes.len().div_ceil(3) * 4, 0);
        let room = self.buffer.get_mut(start..).unwrap_or_default();
        let written = STANDARD.encode_slice(bytes, room).expect("base64 takes four bytes for each three");
        self.buffer.truncate(start + written);
        self.raw("\"");
    }

    /// A whole number or a truth.
    pub(crate) fn display(&mut self, value: impl Into<Scalar>) {
        match (self.syntax, value.into()) {
            (Syntax::Json, Scalar::Integer(number)) => self.print(number),
            (Syntax::Json, Scalar::Boolean(truth)) => self.raw(if truth { "true" } else { "false" }),
            (Syntax::Native, Scalar::Integer(number)) => self.buffer.put_integer(number),
            (Syntax::Native, Scalar::Boolean(truth)) => self.buffer.put_boolean(truth),
        }
    }

    /// A number of seconds or units; in JSON always with a fraction, as DynamoDB prints doubles.
    pub(crate) fn double(&mut self, value: f64) {
        match self.syntax {
            Syntax::Json => self.print(format_args!("{value:?}")),
            Syntax::Native => self.buffer.put_double(value),
        }
    }

    /// A map of attributes in its stored form, in the one syntax that has such.
    pub(super) fn stored_map(&mut self, item: &[u8]) {
        self.buffer.put_item(item);
    }

    /// Anything whose `Display` is JSON.
    pub(super) fn print(&mut self, value: impl std::fmt::Display) {
        use std::io::Write as _;
        write!(self.buffer, "{value}").expect("writing to a vector cannot fail");
    }

    /// Text that is JSON already.
    pub(super) fn raw(&mut self, json: &str) {
        self.buffer.extend_from_slice(json.as_bytes());
    }

    fn escape(&mut self, byte: u8) {
        match byte {
            b'"' => self.raw("\\\""),
            b'\\' => self.raw("\\\\"),
            b'\n' => self.raw("\\n"),
            b'\r' => self.raw("\\r"),
            b'\t' => self.raw("\\t"),
            control => self.print(format_args!("\\u{control:04x}")),
        }
    }
}

/// A value that both syntaxes have as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scalar {
    Integer(i64),
    Boolean(bool),
}

impl From<bool> for Scalar {
    fn from(truth: bool) -> Self {
        Scalar::Boolean(truth)
    }
}

impl From<u32> for Scalar {
    fn from(number: u32) -> Self {
        Scalar::Integer(number.into())
    }
}

impl From<i32> for Scalar {
    fn from(number: i32) -> Self {
        Scalar::Integer(number.into())
    }
}

impl From<i64> for Scalar {
    fn from(number: i64) -> Self {
        Scalar::Integer(number)
    }
}

/// No count or size of anything here comes near the bound.
impl From<u64> for Scalar {
    fn from(number: u64) -> Self {
        Scalar::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Scalar {
    fn from(number: usize) -> Self {
        Scalar::from(number as u64)
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
        let is_first = std::mem::replace(&mut self.is_first, false);
        match self.writer.syntax {
            Syntax::Json => {
                if !is_first {
                    self.writer.raw(",");
                }
                self.writer.escaped(name);
                self.writer.raw(":");
            }
            Syntax::Native => self.writer.buffer.put_member_name(name),
        }
        self.writer
    }

    /// A member that is a string.
    pub(crate) fn string(&mut self, name: &str, text: &str) {
        self.value_of(name).string(text);
    }
}

impl Drop for Members<'_> {
    fn drop(&mut self) {
        match self.writer.syntax {
            Syntax::Json => self.writer.raw("}"),
            Syntax::Native => self.writer.buffer.close_object(),
        }
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
        let is_first = std::mem::replace(&mut self.is_first, false);
        if self.writer.syntax == Syntax::Json && !is_first {
            self.writer.raw(",");
        }
        self.writer
    }
}

impl Drop for Elements<'_> {
    fn drop(&mut self) {
        match self.writer.syntax {
            Syntax::Json => self.writer.raw("]"),
            Syntax::Native => self.writer.buffer.close_list(),
        }
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
