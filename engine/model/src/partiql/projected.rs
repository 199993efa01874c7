//! What a SELECT of an index may name: some of what the index does not hold is refused.

use super::error::StatementError;
use super::keys::KeyedRead;
use super::plan::{BoundSelect, SelectPlan};

/// What an index holds of its items, as far as statements ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexView {
    /// Its name.
    pub index_name: String,
    /// Whose items it may show.
    pub scope: IndexScope,
    /// The attributes that it holds, keys included; `None`: all.
    pub projected: Option<Vec<String>>,
}

/// The two kinds of indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexScope {
    /// Beside its table: what it lacks can be fetched.
    Local,
    /// Apart from it: what it lacks is out of reach.
    Global,
}

impl IndexView {
    fn projects(&self, name: &str) -> bool {
        self.projected.as_ref().is_none_or(|names| names.iter().any(|projected| projected == name))
    }
}

impl BoundSelect {
    /// Refuses columns that a global index lacks, and conditions on what an index lacks beside conditions on its key.
    /// A scan's conditions simply find nothing.
    pub fn check_projected(&self, index: &IndexView, plan: &SelectPlan) -> Result<(), StatementError> {
        if let Some(columns) = self.columns.as_ref().filter(|_| index.scope == IndexScope::Global) {
            let missing = columns.attribute_names().into_iter().filter(|name| !index.projects(name));
            let missing: Vec<&str> = missing.collect();
            if !missing.is_empty() {
                let (index_name, attributes) = (index.index_name.clone(), missing.join(", "));
                return Err(StatementError::ColumnsNotProjected { index_name, attributes });
            }
        }
        let SelectPlan::Queries { reads, .. } = plan else { return Ok(()) };
        let mut reads: Vec<&KeyedRead> = reads.iter().collect();
        reads.sort_by(|left, right| left.order(right).0);
        let missing = reads.iter().map(|read| {
            let mut names: Vec<&str> = Vec::new();
            for name in read.filtered_names() {
                if !index.projects(name) && !names.contains(&name.as_str()) {
                    names.push(name);
                }
            }
            names
        });
        let missing: Vec<Vec<&str>> = missing.collect();
        // DynamoDB minds only if every alternative asks for something missing, and tells of the last one.
        match missing.last() {
            Some(last) if missing.iter().all(|names| !names.is_empty()) => {
                let (index_name, attributes) = (index.index_name.clone(), hash_set_order(last).join(", "));
                Err(StatementError::FilterNotProjected { index_name, attributes })
            }
            _ => Ok(()),
        }
    }
}

/// The order in which a hash set of Java holds short lists of names: DynamoDB prints one.
fn hash_set_order<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let mut capacity: u32 = 16;
    while names.len() as u64 * 4 > u64::from(capacity) * 3 {
        capacity *= 2;
    }
    let bucket = |name: &&str| {
        let hash =
            name.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
        (hash ^ (hash >> 16)) & (capacity - 1)
    };
    let mut ordered = names.to_vec();
    ordered.sort_by_key(bucket);
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_in_the_order_that_was_captured() {
        assert_eq!(hash_set_order(&["b", "a"]), ["a", "b"]);
        assert_eq!(hash_set_order(&["zz", "aa", "mm"]), ["zz", "aa", "mm"]);
    }
}
