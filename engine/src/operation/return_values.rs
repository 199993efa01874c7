//! Which image of the item a write answers with.

/// What PutItem and DeleteItem may answer with, and what a failed condition may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReturnOld {
    /// Nothing.
    #[default]
    None,
    /// The whole item as it was before, if there was one.
    AllOld,
}

/// What UpdateItem may answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReturnValues {
    /// Nothing.
    #[default]
    None,
    /// The whole item as it was before, if there was one.
    AllOld,
    /// The paths the update names, as they were before.
    UpdatedOld,
    /// The whole item as it is now.
    AllNew,
    /// The paths the update names, as they are now.
    UpdatedNew,
}
