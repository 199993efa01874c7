//! DynamoDB's numbers: 38 significant decimal digits, magnitudes from 1E-130 to just below 1E+126, never rounded.
//!
//! Invariant: a [`Number`] is in normal form (no trailing zeros in its mantissa, one zero), so equality of
//! structures is equality of values, and printing needs no decision.
//!
//! Knows nothing of bytes: both encodings are in `basalt_format::number`.

use std::fmt;

use basalt_format::number::{DIGITS_MAX, Decimal, MAGNITUDE_MAX, MAGNITUDE_MIN, digit_count};
use thiserror::Error;

use crate::messages;

/// One number; 32 bytes, copied freely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(Decimal);

/// Why a text or a sum is not a number that can be stored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NumberError {
    /// The text is none of the accepted forms.
    #[error("{}", messages::not_a_number(.text))]
    NotNumeric {
        /// The text.
        text: String,
    },
    /// More than 38 significant digits were given.
    #[error("{}", messages::NUMBER_TOO_PRECISE)]
    TooPrecise,
    /// The magnitude is 1E+126 or more, or a sum needs more than 38 digits.
    #[error("{}", messages::NUMBER_OVERFLOW)]
    Overflow,
    /// The magnitude is below 1E-130 but not zero.
    #[error("{}", messages::NUMBER_UNDERFLOW)]
    Underflow,
}

impl Number {
    /// Zero.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// Reads decimal text: an optional sign, digits with an optional point anywhere among or beside them, an
    /// optional exponent. `+5`, `.5`, `5.` and `1.e5` are such texts; spaces, `NaN` and hexadecimal are not.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        let parts =
            NumberText::split(text).ok_or_else(|| NumberError::NotNumeric { text: text.to_owned() })?;
        parts.number()
    }

    /// The exact sum. It fails where DynamoDB's would: out of range, or more than 38 digits needed.
    pub fn checked_add(self, other: Self) -> Result<Self, NumberError> {
        let (high, low) = if self.0.exponent() >= other.0.exponent() { (self, other) } else { (other, self) };
        if high.is_zero() || low.is_zero() {
            return Ok(if high.is_zero() { low } else { high });
        }
        // The last digit of `low` is not zero and survives in the sum, so the sum is storable only if it stays
        // below 10^38 units of that digit; then `high` in those units is below 2 × 10^38, which a u128 holds.
        let shift = (high.0.exponent() - low.0.exponent()) as u32;
        let scaled = 10u128.checked_pow(shift).and_then(|power| power.checked_mul(high.0.mantissa()));
        let scaled = scaled.filter(|&scaled| shift == 0 || scaled < 2 * TEN_TO_DIGITS_MAX);
        let scaled = scaled.ok_or(NumberError::Overflow)?;
        let (negative, mantissa) = if high.is_negative() == low.is_negative() {
            (high.is_negative(), scaled + low.0.mantissa())
        } else if scaled >= low.0.mantissa() {
            (high.is_negative(), scaled - low.0.mantissa())
        } else {
            (low.is_negative(), low.0.mantissa() - scaled)
        };
        Self::normalise(negative, mantissa, low.0.exponent().into()).map_err(|error| match error {
            NumberError::TooPrecise => NumberError::Overflow,
            other => other,
        })
    }

    /// The exact difference; fails like [`Number::checked_add`].
    pub fn checked_sub(self, other: Self) -> Result<Self, NumberError> {
        self.checked_add(other.negated())
    }

    /// The number with the other sign.
    pub fn negated(self) -> Self {
        let (mantissa, exponent) = (self.0.mantissa(), self.0.exponent());
        let negative = !self.is_negative() && !self.is_zero();
        Self(Decimal::new(negative, mantissa, exponent).expect("the sign does not change the normal form"))
    }

    /// Whether this is zero.
    pub fn is_zero(self) -> bool {
        self.0.mantissa() == 0
    }

    /// Whether this is below zero.
    pub fn is_negative(self) -> bool {
        self.0.is_negative()
    }

    /// The value as an integer, if it is one and fits; for TTL and for tools.
    pub fn to_i64(self) -> Option<i64> {
        let power = 10i128.checked_pow(u32::try_from(self.0.exponent()).ok()?)?;
        let magnitude = i128::try_from(self.0.mantissa()).ok()?.checked_mul(power)?;
        i64::try_from(if self.is_negative() { -magnitude } else { magnitude }).ok()
    }

    /// The greatest whole number that is not above this one; `None` below zero and beyond 64 bits.
    pub fn floor_to_u64(self) -> Option<u64> {
        if self.is_negative() {
            return None;
        }
        let power = 10u128.checked_pow(self.0.exponent().unsigned_abs().into());
        let whole = if self.0.exponent() < 0 {
            power.map_or(0, |power| self.0.mantissa() / power)
        } else {
            self.0.mantissa().checked_mul(power?)?
        };
        u64::try_from(whole).ok()
    }

    /// The parts, for the encodings.
    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// Brings parts into normal form and checks both bounds; magnitude first, as DynamoDB does.
    fn normalise(negative: bool, mantissa: u128, exponent: i64) -> Result<Self, NumberError> {
        if mantissa == 0 {
            return Ok(Self::ZERO);
        }
        let (mut mantissa, mut exponent) = (mantissa, exponent);
        while mantissa.is_multiple_of(10) {
            mantissa /= 10;
            exponent += 1;
        }
        check_magnitude(exponent + i64::from(digit_count(mantissa)) - 1)?;
        if mantissa >= TEN_TO_DIGITS_MAX {
            return Err(NumberError::TooPrecise);
        }
        let decimal = Decimal::new(negative, mantissa, exponent as i16);
        Ok(Self(decimal.expect("trailing zeros are gone and both bounds were checked")))
    }
}

const TEN_TO_DIGITS_MAX: u128 = 10u128.pow(DIGITS_MAX);

fn check_magnitude(magnitude: i64) -> Result<(), NumberError> {
    if magnitude > MAGNITUDE_MAX.into() {
        Err(NumberError::Overflow)
    } else if magnitude < MAGNITUDE_MIN.into() {
        Err(NumberError::Underflow)
    } else {
        Ok(())
    }
}

/// A text of an accepted form, taken apart.
struct NumberText<'a> {
    negative: bool,
    integer: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> NumberText<'a> {
    fn split(text: &'a str) -> Option<Self> {
        let (negative, unsigned) = split_sign(text.as_bytes());
        let (integer, rest) = split_digits(unsigned);
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => split_digits(rest),
            _ => (&[][..], rest),
        };
        if integer.is_empty() && fraction.is_empty() {
            return None;
        }
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', rest @ ..] => parse_exponent(rest)?,
            _ => return None,
        };
        Some(Self { negative, integer, fraction, exponent })
    }

    fn number(&self) -> Result<Number, NumberError> {
        let mut digits = SignificantDigits::default();
        for &digit in self.integer.iter().chain(self.fraction) {
            digits.push(digit - b'0');
        }
        let last_exponent = self.exponent - self.fraction.len() as i64;
        if digits.count == 0 {
            // Observed on DynamoDB: `0e126` is refused while `0.0e126` passes, so a zero has the magnitude that its
            // last digit was written at. No refusal of a zero that is written too small was seen.
            return check_magnitude(last_exponent.max(0)).map(|()| Number::ZERO);
        }
        let exponent = last_exponent + digits.trailing_zeros as i64;
        check_magnitude(exponent + digits.count as i64 - 1)?;
        let mantissa = digits.mantissa.ok_or(NumberError::TooPrecise)?;
        Number::normalise(self.negative, mantissa, exponent)
    }
}

/// Gathers the digits between the first and the last that are not zero.
#[derive(Default)]
struct SignificantDigits {
    /// `None` once the digits exceed what a mantissa holds.
    mantissa: Option<u128>,
    count: usize,
    trailing_zeros: usize,
}

impl SignificantDigits {
    fn push(&mut self, digit: u8) {
        match (digit, self.count) {
            (0, 0) => {}
            (0, _) => self.trailing_zeros += 1,
            (_, 0) => *self = Self { mantissa: Some(digit.into()), count: 1, trailing_zeros: 0 },
            _ => {
                let shift = self.trailing_zeros + 1;
                self.count += shift;
                self.trailing_zeros = 0;
                self.mantissa = self.mantissa.filter(|_| self.count <= DIGITS_MAX as usize);
                self.mantissa =
                    self.mantissa.map(|mantissa| mantissa * 10u128.pow(shift as u32) + u128::from(digit));
            }
        }
    }
}

fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// Reads the digits behind the `e`. Beyond a trillion every number is out of range whatever its digits, since a
/// request is far shorter; so the value stops growing there.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, unsigned) = split_sign(text);
    let (digits, rest) = split_digits(unsigned);
    if digits.is_empty() || !rest.is_empty() {
        return None;
    }
    let limit = 1_000_000_000_000;
    let value = digits.iter().fold(0i64, |value, digit| (value * 10 + i64::from(digit - b'0')).min(limit));
    Some(if negative { -value } else { value })
}

impl From<Decimal> for Number {
    fn from(decimal: Decimal) -> Self {
        Self(decimal)
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::normalise(value < 0, value.unsigned_abs().into(), 0).expect("19 digits are within all bounds")
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::normalise(false, value.into(), 0).expect("20 digits are within all bounds")
    }
}

impl fmt::Display for Number {
    /// Plain decimal: no exponent, no zero that could be left out.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; DIGITS_MAX as usize];
        let digits = write_digits(self.0.mantissa(), &mut digits);
        if self.is_negative() {
            formatter.write_str("-")?;
        }
        let exponent = self.0.exponent();
        if exponent >= 0 {
            formatter.write_str(digits)?;
            return write_zeros(formatter, exponent.into());
        }
        let fraction_digits = usize::from(exponent.unsigned_abs());
        match digits.len().checked_sub(fraction_digits) {
            None | Some(0) => {
                formatter.write_str("0.")?;
                write_zeros(formatter, (fraction_digits - digits.len()) as i64)?;
                formatter.write_str(digits)
            }
            Some(integer_digits) => {
                let (integer, fraction) = digits.split_at(integer_digits);
                write!(formatter, "{integer}.{fraction}")
            }
        }
    }
}

/// Writes the digits into the end of `buffer`; zero has one digit here.
fn write_digits(mantissa: u128, buffer: &mut [u8; DIGITS_MAX as usize]) -> &str {
    // Division of 128 bits is slow, so all digits but the highest 19 are split off first; 38 is twice 19.
    const CHUNK_DIGITS: usize = 19;
    const CHUNK: u128 = 10u128.pow(CHUNK_DIGITS as u32);
    let mut end = buffer.len();
    let mut high = mantissa;
    if mantissa >= CHUNK {
        end -= CHUNK_DIGITS;
        write_chunk((mantissa % CHUNK) as u64, &mut buffer[end..]);
        high = mantissa / CHUNK;
    }
    let high_digits = digit_count(high).max(1) as usize;
    let start = end - high_digits;
    write_chunk(high as u64, &mut buffer[start..end]);
    std::str::from_utf8(&buffer[start..]).expect("digits are ASCII")
}

/// Fills `digits` with the last digits of `value`, zeros in front.
fn write_chunk(value: u64, digits: &mut [u8]) {
    let mut rest = value;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

fn write_zeros(formatter: &mut fmt::Formatter<'_>, count: i64) -> fmt::Result {
    const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
    let mut left = count as usize;
    while left > 0 {
        let run = left.min(ZEROS.len());
        formatter.write_str(&ZEROS[..run])?;
        left -= run;
    }
    Ok(())
}
