//! Changes a table's tags.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    catalog::TableSettings,
    error::{Error, ValidationError},
};

/// A table has at most so many tags.
pub const TAGS_MAX: usize = 50;
/// Keys that begin so, in any case, are AWS's own: nobody else can put them.
const RESERVED_PREFIX: &str = "aws:";

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

/// Refuses reserved keys, and more tags than a table may have.
pub(super) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Error> {
    if let Some(key) = tags.keys().find(|key| is_reserved(key)) {
        return Err(ValidationError::ReservedTagKey { key: key.clone() }.into());
    }
    if tags.len() > TAGS_MAX { Err(ValidationError::TooManyTags.into()) } else { Ok(()) }
}

fn is_reserved(key: &str) -> bool {
    key.get(..RESERVED_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(RESERVED_PREFIX))
}
