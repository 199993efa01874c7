//! Records by their numbers: where they lie and what they hold.

use basalt_benches::workload::mix;

use crate::workload::{GROUP_RECORDS, Layout};

/// Names of the table's key attributes.
pub(crate) const PARTITION_KEY: &str = "pk";
pub(crate) const SORT_KEY: &str = "sk";
/// The attribute that counters and transfers add to.
pub(crate) const AMOUNT: &str = "amount";

/// The key of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) partition: String,
    pub(crate) sort: Option<String>,
}

/// How all records of a run look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Records {
    pub(crate) layout: Layout,
    pub(crate) fields: u32,
    pub(crate) field_bytes: usize,
}

impl Records {
    /// Where record `number` lies.
    pub(crate) fn place(self, number: u64) -> Place {
        match self.layout {
            Layout::Flat => Place { partition: format!("user{:016x}", mix(number)), sort: None },
            Layout::Grouped => Place {
                partition: format!("group{:016x}", mix(number / GROUP_RECORDS)),
                sort: Some(format!("{:08}", number % GROUP_RECORDS)),
            },
        }
    }

    /// The fields of record `number` at `version`, by name.
    pub(crate) fn fields(self, number: u64, version: u64) -> impl Iterator<Item = (String, String)> {
        (0..self.fields).map(move |field| (field_name(field), self.text(number, version, field)))
    }

    /// One of its fields at `version`: which one depends on the version.
    pub(crate) fn one_field(self, number: u64, version: u64) -> (String, String) {
        let field = (mix(version) % u64::from(self.fields)) as u32;
        (field_name(field), self.text(number, version, field))
    }

    /// Hexadecimal digits, which compress to about half.
    fn text(self, number: u64, version: u64, field: u32) -> String {
        let mut text = String::with_capacity(self.field_bytes + 16);
        let mut state = mix(number ^ version.rotate_left(32) ^ u64::from(field).rotate_left(16));
        while text.len() < self.field_bytes {
            text.push_str(&format!("{state:016x}"));
            state = mix(state.wrapping_add(1));
        }
        text.truncate(self.field_bytes);
        text
    }
}

fn field_name(field: u32) -> String {
    format!("field{field}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_a_group_share_a_partition_and_sort_by_number() {
        let records = Records { layout: Layout::Grouped, fields: 2, field_bytes: 100 };
        let places: Vec<_> = (0..GROUP_RECORDS).map(|number| records.place(number)).collect();
        assert!(places.iter().all(|place| place.partition == places[0].partition));
        assert!(places.windows(2).all(|pair| pair[0].sort < pair[1].sort));
        assert_ne!(records.place(GROUP_RECORDS).partition, places[0].partition);
    }

    #[test]
    fn a_version_changes_every_field() {
        let records = Records { layout: Layout::Flat, fields: 3, field_bytes: 20 };
        let (old, new): (Vec<_>, Vec<_>) = (records.fields(1, 0).collect(), records.fields(1, 1).collect());
        assert!(old.iter().all(|(_, text)| text.len() == 20));
        assert!(old.iter().zip(&new).all(|(old, new)| old.0 == new.0 && old.1 != new.1));
        assert!(new.contains(&records.one_field(1, 1)));
    }
}
