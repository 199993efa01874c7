//! The place of a record in its stream shard, as clients see it: digits whose order is the order of the changes.

use std::fmt;

use basalt_format::stream_record::StreamPosition;

/// Clients refuse sequence numbers of less than 21 digits, so that one leads.
const LEADING_DIGIT: char = '1';
const ENTRY_INDEX_DIGITS: usize = 20;
const CHANGE_DIGITS: usize = 5;

/// The place of a record in its stream shard; those of a shard's children are greater.
///
/// Reads and prints as 26 digits: greater ones, as numbers and as texts, are of later changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber(StreamPosition);

impl SequenceNumber {
    /// Reads a sequence number; `None` if the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(LEADING_DIGIT)?;
        let is_number = digits.len() == ENTRY_INDEX_DIGITS + CHANGE_DIGITS
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        let (entry_index, change) = is_number.then(|| digits.split_at(ENTRY_INDEX_DIGITS))?;
        let position =
            StreamPosition { entry_index: entry_index.parse().ok()?, change: change.parse().ok()? };
        Some(Self(position))
    }

    /// The number of a place in a partition whose sequence numbers are so much above its entries' indexes.
    pub(crate) fn of(position: StreamPosition, sequence_base: u64) -> Self {
        let entry_index = position.entry_index.saturating_add(sequence_base);
        Self(StreamPosition { entry_index, ..position })
    }

    /// The place in such a partition; `None` if the number is of one of its forebears.
    pub(crate) fn position(self, sequence_base: u64) -> Option<StreamPosition> {
        let entry_index = self.0.entry_index.checked_sub(sequence_base)?;
        Some(StreamPosition { entry_index, ..self.0 })
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StreamPosition { entry_index, change } = self.0;
        write!(formatter, "{LEADING_DIGIT}{entry_index:0ENTRY_INDEX_DIGITS$}{change:0CHANGE_DIGITS$}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number((entry_index, change): (u64, u16)) -> SequenceNumber {
        SequenceNumber::of(StreamPosition { entry_index, change }, 0)
    }

    #[test]
    fn a_child_counts_on_from_its_parent() {
        let last_of_parent = SequenceNumber::of(StreamPosition { entry_index: 70, change: 3 }, 30);
        let first = StreamPosition { entry_index: 1, change: 0 };
        let first_of_child = SequenceNumber::of(first, 100);
        assert!(first_of_child > last_of_parent);
        assert_eq!(first_of_child.position(100), Some(first));
        assert_eq!(SequenceNumber::of(first, 30).position(100), None);
    }

    proptest! {
        #[test]
        fn sequence_numbers_read_back_and_sort_as_texts(a: (u64, u16), b: (u64, u16)) {
            let text = number(a).to_string();
            prop_assert!((21..=40).contains(&text.len()), "{}", text);
            prop_assert_eq!(SequenceNumber::parse(&text), Some(number(a)));
            prop_assert_eq!(text.cmp(&number(b).to_string()), a.cmp(&b));
        }

        #[test]
        fn any_text_is_a_sequence_number_or_none(text in "1?[0-9é]{20,26}") {
            if let Some(number) = SequenceNumber::parse(&text) {
                prop_assert_eq!(number.to_string(), text);
            }
        }
    }
}
