//! A stream's label: when it was enabled, as text that clients take for an identity.

use std::fmt;

const MS_PER_SECOND: u64 = 1000;
const SECONDS_PER_DAY: u64 = 86_400;
/// Labels have four digits of year.
const UNIX_MS_END: u64 = 253_402_300_800_000;

/// When a stream was enabled, to the millisecond; no two streams of a table have one.
///
/// Reads and prints as `2026-01-31T23:59:59.999`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamLabel {
    unix_ms: u64,
}

impl StreamLabel {
    /// The label of a stream that was enabled then.
    pub(crate) fn of_time(unix_us: u64) -> Self {
        Self { unix_ms: (unix_us / 1000).min(UNIX_MS_END - 1) }
    }

    /// Milliseconds since 1970.
    pub(crate) fn unix_ms(self) -> u64 {
        self.unix_ms
    }

    /// Reads a label; `None` if the text is none, or not in the form in which labels are printed.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = |from: usize, to: usize| -> Option<u64> {
            let digits = text.get(from..to)?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
        };
        let date = Date { year: digits(0, 4)?, month: digits(5, 7)?, day: digits(8, 10)? };
        let (hour, minute, second, ms) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?, digits(20, 23)?);
        let seconds = date.days_since_1970()? * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
        let label = Self { unix_ms: seconds * MS_PER_SECOND + ms };
        // Punctuation, and days and hours that there are not, show in the text that it would have been.
        (label.to_string() == text).then_some(label)
    }
}

impl fmt::Display for StreamLabel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, ms) = (self.unix_ms / MS_PER_SECOND, self.unix_ms % MS_PER_SECOND);
        let (days, second_of_day) = (seconds / SECONDS_PER_DAY, seconds % SECONDS_PER_DAY);
        let Date { year, month, day } = Date::of_days_since_1970(days);
        let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
        write!(formatter, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}")
    }
}

/// A day of the Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Date {
    year: u64,
    month: u64,
    day: u64,
}

/// Days from the beginning of March of the year 0 to 1970, by which the leap day ends a year.
const DAYS_TO_1970: u64 = 719_468;
const DAYS_OF_400_YEARS: u64 = 146_097;

impl Date {
    /// After Howard Hinnant's `civil_from_days`.
    fn of_days_since_1970(days: u64) -> Self {
        let days = days + DAYS_TO_1970;
        let (era, day_of_era) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Self {
            year: 400 * era + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
        }
    }

    /// After `days_from_civil`; `None` before 1970 and for months that there are not.
    fn days_since_1970(self) -> Option<u64> {
        if !(1..=12).contains(&self.month) || self.day == 0 {
            return None;
        }
        let year = self.year.checked_sub(u64::from(self.month <= 2))?;
        let (era, year_of_era) = (year / 400, year % 400);
        let month_from_march = (self.month + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        (era * DAYS_OF_400_YEARS + day_of_era).checked_sub(DAYS_TO_1970)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn labels_are_iso_times_with_milliseconds() {
        for (unix_ms, text) in [
            (0, "1970-01-01T00:00:00.000"),
            (951_782_399_999, "2000-02-28T23:59:59.999"),
            (951_782_400_000, "2000-02-29T00:00:00.000"),
            (1_438_560_000_001, "2015-08-03T00:00:00.001"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000"),
            (UNIX_MS_END - 1, "9999-12-31T23:59:59.999"),
        ] {
            assert_eq!(StreamLabel { unix_ms }.to_string(), text);
            assert_eq!(StreamLabel::parse(text), Some(StreamLabel { unix_ms }));
        }
    }

    #[test]
    fn what_no_label_looks_like_is_none() {
        for text in [
            "",
            "2015-08-03",
            "2015-08-03T00:00:00.0011",
            "2015-08-03 00:00:00.001",
            "2015-02-30T00:00:00.000",
            "2015-13-01T00:00:00.000",
            "1969-12-31T23:59:59.999",
            "2015-08-03T24:00:00.000",
            "2015-08-03T00:00:00.0é",
            "+015-08-03T00:00:00.001",
        ] {
            assert_eq!(StreamLabel::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_label_reads_back(unix_ms in 0..UNIX_MS_END) {
            let label = StreamLabel { unix_ms };
            prop_assert_eq!(StreamLabel::parse(&label.to_string()), Some(label));
        }

        #[test]
        fn any_text_is_a_label_or_none(text in ".{0,30}") {
            if let Some(label) = StreamLabel::parse(&text) {
                prop_assert_eq!(label.to_string(), text);
            }
        }
    }
}
