//! Sizes and times as people write them: `1GiB`, `64 MiB`, `1500ms`, `10s`.

use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

/// A number of bytes: digits and a unit of `B`, `KiB`, `MiB`, `GiB` or `TiB`; without a unit, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct ByteSize(u64);

/// A span of time: digits and a unit of `ms`, `s` or `min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct TimeSpan(Duration);

/// A text that is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {wanted}")]
pub(super) struct QuantityError {
    text: String,
    wanted: &'static str,
}

impl ByteSize {
    pub(super) fn bytes(self) -> u64 {
        self.0
    }
}

impl TimeSpan {
    pub(super) fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let units =
            [("", 1), ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
        match quantity(text, &units) {
            Some(bytes) => Ok(ByteSize(bytes)),
            None => Err(QuantityError { text: text.to_owned(), wanted: "a size such as 512MiB or 1GiB" }),
        }
    }
}

impl FromStr for TimeSpan {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        match quantity(text, &[("ms", 1), ("s", 1000), ("min", 60_000)]) {
            Some(milliseconds) => Ok(TimeSpan(Duration::from_millis(milliseconds))),
            None => Err(QuantityError { text: text.to_owned(), wanted: "a time such as 500ms, 10s or 1min" }),
        }
    }
}

impl TryFrom<String> for ByteSize {
    type Error = QuantityError;

    fn try_from(text: String) -> Result<Self, QuantityError> {
        text.parse()
    }
}

impl TryFrom<String> for TimeSpan {
    type Error = QuantityError;

    fn try_from(text: String) -> Result<Self, QuantityError> {
        text.parse()
    }
}

/// Digits times the factor of the unit behind them, if both are known and the product fits.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits_end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(digits_end)?;
    let (_, factor) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim_start()))?;
    digits.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in
            [("0", 0), ("512", 512), ("1GiB", 1 << 30), ("64 mib", 64 << 20), (" 2KiB ", 2048)]
        {
            assert_eq!(text.parse::<ByteSize>().map(ByteSize::bytes), Ok(bytes), "{text}");
        }
        for text in ["", "GiB", "1GB", "-1", "1.5GiB", "99999999999TiB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_read() {
        for (text, milliseconds) in [("500ms", 500), ("10s", 10_000), ("2 min", 120_000)] {
            let span = text.parse::<TimeSpan>().map(TimeSpan::duration);
            assert_eq!(span, Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        assert!("10".parse::<TimeSpan>().is_err(), "a time without a unit is a guess");
    }
}
