//! What the catalog keeps of a table's time to live.

/// By what a table's items expire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeToLive {
    /// The attribute that tells when an item expires.
    pub attribute: String,
    /// How far it has come.
    pub status: TimeToLiveStatus,
    /// When it was enabled, in microseconds since 1970.
    pub enabled_unix_us: u64,
}

/// Where a table's items are on their way to expire, or to do so no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeToLiveStatus {
    /// Items that were there before are being taken into the order of expiry.
    Enabling,
    /// Items expire.
    Enabled,
    /// Items expire no more, and the order is being cleared.
    Disabling,
}

impl TimeToLive {
    /// Whether changes of items are taken into the order of expiry.
    pub(crate) fn keeps_order(&self) -> bool {
        self.status != TimeToLiveStatus::Disabling
    }
}
