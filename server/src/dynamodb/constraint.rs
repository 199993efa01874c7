//! The constraint framework: what the service model says of single members, checked for all of them together.
//!
//! DynamoDB tells up to ten violations in one answer, in terms of the member's path in lower camel case. Only when
//! there is none does it look at rules between members.

use std::ops::RangeInclusive;

use super::error_map::ApiError;
use super::messages;

/// More violations than these are not told.
const VIOLATIONS_MAX: usize = 10;
/// The characters of names, as DynamoDB prints the rule.
const NAME_PATTERN: &str = "[a-zA-Z0-9_.-]+";
/// Tokens of some lists' pages, as DynamoDB prints the rule.
const HEX_TOKEN_PATTERN: &str = "([0-9a-f]{16})+";
const HEX_TOKEN_GROUP: usize = 16;
/// Table and index names are so long.
pub(crate) const NAME_LENGTH: RangeInclusive<usize> = 3..=255;
/// Names of backups, exports, streams and the like are so long.
pub(crate) const RESOURCE_NAME_LENGTH: RangeInclusive<usize> = 37..=1024;
/// Resource names that stand for a table name may be so long.
const TABLE_ARN_LENGTH_MAX: usize = 1024;

/// The values of an enumeration, with their names in the order in which DynamoDB prints them.
#[derive(Debug)]
pub(crate) struct Enumeration<T: 'static>(pub(crate) &'static [(&'static str, T)]);

impl<T: Copy> Enumeration<T> {
    /// The value of a member that was found to be one of the names.
    pub(crate) fn named(&self, member: Option<&str>) -> Option<T> {
        member.and_then(|name| self.value(name))
    }

    fn value(&self, name: &str) -> Option<T> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    fn printed(&self) -> String {
        let names: Vec<&str> = self.0.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }
}

/// The violations of one request.
#[derive(Debug, Default)]
pub(crate) struct Constraints {
    violations: Vec<String>,
}

impl Constraints {
    /// Fails with all violations, if there are any.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        if self.violations.is_empty() {
            return Ok(());
        }
        Err(ApiError::validation(messages::validation_errors(&self.violations)))
    }

    /// The member must be there.
    pub(crate) fn required<T>(&mut self, path: &str, member: &Option<T>) {
        if member.is_none() {
            self.add(messages::violation_of_null(path));
        }
    }

    /// The member, if there, must be one of the names. An unknown name yields None, and a violation.
    pub(crate) fn enumeration<T: Copy>(
        &mut self,
        path: &str,
        member: Option<&str>,
        enumeration: &Enumeration<T>,
    ) -> Option<T> {
        let name = member?;
        let value = enumeration.value(name);
        if value.is_none() {
            self.add(messages::violation(name, path, messages::enumeration(&enumeration.printed())));
        }
        value
    }

    /// The number, if there, must lie in `range`.
    pub(crate) fn number(&mut self, path: &str, member: Option<i64>, range: RangeInclusive<i64>) {
        let Some(value) = member else { return };
        if value < *range.start() {
            self.add(messages::violation(value, path, messages::value_at_least(*range.start())));
        }
        if value > *range.end() {
            self.add(messages::violation(value, path, messages::value_at_most(*range.end())));
        }
    }

    /// The text, if there, must be so many characters long.
    pub(crate) fn text_length(&mut self, path: &str, member: Option<&str>, range: RangeInclusive<usize>) {
        let Some(text) = member else { return };
        self.length(path, text, text.chars().count(), range);
    }

    /// `printed` has `length` members or characters, which must lie in `range`.
    pub(crate) fn length(&mut self, path: &str, printed: &str, length: usize, range: RangeInclusive<usize>) {
        if length < *range.start() {
            self.add(messages::violation(printed, path, messages::length_at_least(*range.start())));
        }
        if length > *range.end() {
            self.add(messages::violation(printed, path, messages::length_at_most(*range.end())));
        }
    }

    /// The name, if there, must consist of the characters of names.
    pub(crate) fn name_pattern(&mut self, path: &str, member: Option<&str>) {
        if let Some(name) = member
            && !is_name(name)
        {
            self.add(messages::violation(name, path, messages::pattern(NAME_PATTERN)));
        }
    }

    /// An index's name, if there.
    pub(crate) fn index_name(&mut self, path: &str, member: Option<&str>) {
        self.name_pattern(path, member);
        self.text_length(path, member, NAME_LENGTH);
    }

    /// The table of a data operation: a name or a resource name. The shortest name is one character there, and an
    /// empty one breaks that rule alone.
    pub(crate) fn table(&mut self, path: &str, member: &Option<String>) {
        self.required(path, member);
        let Some(table) = member.as_deref() else { return };
        if is_resource_name(table) {
            self.text_length(path, Some(table), 1..=TABLE_ARN_LENGTH_MAX);
            return;
        }
        if !table.is_empty() {
            self.name_pattern(path, Some(table));
        }
        self.text_length(path, Some(table), 1..=*NAME_LENGTH.end());
    }

    /// The name of a table that is not there yet: no resource name.
    pub(crate) fn new_table(&mut self, path: &str, member: &Option<String>) {
        self.required(path, member);
        self.name_pattern(path, member.as_deref());
        self.text_length(path, member.as_deref(), NAME_LENGTH);
    }

    /// A table that need not be named.
    pub(crate) fn optional_table(&mut self, path: &str, member: &Option<String>) {
        if member.is_some() {
            self.table(path, member);
        }
    }

    /// A page's token, if there, must consist of groups of 16 hexadecimal digits.
    pub(crate) fn hex_token(&mut self, path: &str, member: Option<&str>) {
        let is_token = |text: &str| {
            !text.is_empty()
                && text.len().is_multiple_of(HEX_TOKEN_GROUP)
                && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        if let Some(text) = member
            && !is_token(text)
        {
            self.add(messages::violation(text, path, messages::pattern(HEX_TOKEN_PATTERN)));
        }
    }

    /// The keys of a map from tables, names or resource names. One violation, whatever the number of bad keys and
    /// however they are bad.
    pub(crate) fn table_keys<'a>(
        &mut self,
        path: &str,
        printed: &str,
        mut tables: impl Iterator<Item = &'a str>,
    ) {
        let is_table = |table: &str| {
            is_resource_name(table) || (is_name(table) && NAME_LENGTH.contains(&table.chars().count()))
        };
        if tables.all(is_table) {
            return;
        }
        let constraints = [
            messages::length_at_most(*NAME_LENGTH.end()),
            messages::length_at_least(*NAME_LENGTH.start()),
            messages::pattern(NAME_PATTERN),
        ];
        self.add(messages::violation(printed, path, messages::map_keys(&constraints)));
    }

    /// A required resource name of something that is not a table.
    pub(crate) fn resource_name(&mut self, path: &str, member: &Option<String>) {
        self.required(path, member);
        self.text_length(path, member.as_deref(), RESOURCE_NAME_LENGTH);
    }

    /// A violation in other words than the common ones.
    pub(crate) fn add(&mut self, violation: String) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(violation);
        }
    }
}

/// Whether a text stands for a table as an Amazon resource name.
pub(crate) fn is_resource_name(text: &str) -> bool {
    text.starts_with("arn:")
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLOURS: Enumeration<u8> = Enumeration(&[("RED", 1), ("BLUE", 2)]);

    fn told(check: impl FnOnce(&mut Constraints)) -> String {
        let mut constraints = Constraints::default();
        check(&mut constraints);
        constraints.finish().expect_err("something is violated").message().to_owned()
    }

    #[test]
    fn all_violations_are_told_together() {
        let text = told(|constraints| {
            constraints.required("tableName", &None::<String>);
            constraints.enumeration("colour", Some("GREEN"), &COLOURS);
        });
        assert_eq!(
            text,
            "2 validation errors detected: Value null at 'tableName' failed to satisfy constraint: Member must not be \
             null; Value 'GREEN' at 'colour' failed to satisfy constraint: Member must satisfy enum value set: [RED, \
             BLUE]"
        );
    }

    #[test]
    fn at_most_ten_violations_are_told() {
        let text = told(|constraints| (0..12).for_each(|_| constraints.required("x", &None::<u8>)));
        assert!(text.starts_with("10 validation errors detected: "), "{text}");
    }

    #[test]
    fn no_violation_is_no_error() {
        let mut constraints = Constraints::default();
        constraints.table("tableName", &Some("abc".into()));
        constraints.number("limit", Some(1), 1..=100);
        constraints.number("limit", None, 1..=100);
        assert_eq!(constraints.enumeration("colour", Some("BLUE"), &COLOURS), Some(2));
        assert_eq!(constraints.enumeration("colour", None, &COLOURS), None);
        constraints.finish().unwrap();
    }

    #[test]
    fn table_names_of_data_operations() {
        let cases = [
            (
                "",
                "Value '' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 1",
            ),
            (
                "bad table!@#",
                "Value 'bad table!@#' at 'tableName' failed to satisfy constraint: Member must satisfy regular \
                 expression pattern: [a-zA-Z0-9_.-]+",
            ),
        ];
        for (name, violation) in cases {
            let text = told(|constraints| constraints.table("tableName", &Some(name.into())));
            assert_eq!(text, format!("1 validation error detected: {violation}"));
        }
        let long = "a".repeat(256);
        let text = told(|constraints| constraints.table("tableName", &Some(long.clone())));
        assert!(text.ends_with("Member must have length less than or equal to 255"), "{text}");
    }

    #[test]
    fn index_names_break_each_rule_apart() {
        let text = told(|constraints| constraints.index_name("indexName", Some("a;")));
        assert!(text.starts_with("2 validation errors detected: "), "{text}");
    }

    #[test]
    fn numbers_are_held_to_both_bounds() {
        let low = told(|constraints| constraints.number("limit", Some(0), 1..=100));
        assert!(low.ends_with("Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"));
        let high = told(|constraints| constraints.number("limit", Some(101), 1..=100));
        assert!(high.ends_with("Member must have value less than or equal to 100"), "{high}");
    }
}
