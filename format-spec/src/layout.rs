//! What the tables of `spec/*.md` are compared with.
//!
//! A module with a fixed layout lists its fields as a `LAYOUT`; a module with tags, kinds or bounds lists those as
//! [`Constant`]s. `tests/specification/tables_match_code.rs` reads the Markdown and fails where the two differ; its registration
//! list says which table belongs to which constant.

/// One row of a byte table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Bytes from the start of the structure.
    pub offset: usize,
    /// How many bytes the field has.
    pub size: usize,
    /// The name, as in the table.
    pub name: &'static str,
}

impl Field {
    /// A field at a place.
    pub const fn new(offset: usize, size: usize, name: &'static str) -> Self {
        Self { offset, size, name }
    }

    /// The offset behind the field.
    pub const fn end(&self) -> usize {
        self.offset + self.size
    }
}

/// One row of a table of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Constant {
    /// The name, as in the table and in the code.
    pub name: &'static str,
    /// The value.
    pub value: u64,
}

impl Constant {
    /// A named value.
    pub const fn new(name: &'static str, value: u64) -> Self {
        Self { name, value }
    }
}
