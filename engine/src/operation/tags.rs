//! Changes a table's tags.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    catalog::TableSettings,
    error::{Error, ValidationError},
};

/// A table has at most so many tags.
pub const TAGS_MAX: usize = 50;

/// Puts and removes tags of one table.
#[derive(Debug, Clone, Default)]
pub struct ChangeTags {
    /// The table.
    pub table_name: String,
    /// Tags to put, by key; they replace those of the same keys.
    pub put: BTreeMap<String, String>,
    /// Keys of tags to remove; they need not be there.
    pub remove: BTreeSet<String>,
}

impl ChangeTags {
    /// The table's settings with this request's changes.
    pub(crate) fn settings_over(self, present: &TableSettings) -> Result<TableSettings, Error> {
        let mut tags = present.tags.clone();
        tags.retain(|key, _| !self.remove.contains(key));
        tags.extend(self.put);
        check_tags(&tags)?;
        Ok(TableSettings { tags, ..present.clone() })
    }
}

/// Refuses more tags than a table may have.
pub(super) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Error> {
    if tags.len() > TAGS_MAX { Err(ValidationError::TooManyTags.into()) } else { Ok(()) }
}
