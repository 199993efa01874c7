//! What the catalog keeps of a table's streams.

/// What a stream's records hold of the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamViewType {
    /// Its key.
    KeysOnly,
    /// The item as it became.
    NewImage,
    /// The item as it was.
    OldImage,
    /// Both.
    NewAndOldImages,
}

/// A stream of a table. A disabled one can be read until its records are too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamDescription {
    /// Its number among the table's streams, from 1; never given twice.
    pub number: u32,
    /// When it was enabled, in microseconds since 1970: its label.
    pub created_unix_us: u64,
    /// What its records hold.
    pub view_type: StreamViewType,
    /// When it was disabled; `None`: it takes records.
    pub disabled_unix_us: Option<u64>,
}

impl StreamDescription {
    /// Whether it takes records.
    pub fn is_enabled(&self) -> bool {
        self.disabled_unix_us.is_none()
    }
}
