//! The two encodings of a number: ordered, for keys, and compact, inside items.
//!
//! A number is `± mantissa × 10^exponent` with at most 38 significant digits and a magnitude from 1E-130 up to
//! just below 1E+126, which is what DynamoDB stores. [`Decimal`] is that triple in its only normal form; parsing,
//! printing and arithmetic are the model's.
//!
//! Bytes: `spec/key_encoding.md` (ordered) and `spec/item_encoding.md` (compact).

use std::cmp::Ordering;

use crate::layout::Constant;
use crate::{DecodeError, Put, Reader};

/// The most significant digits that a number has.
pub const DIGITS_MAX: u32 = 38;
/// The power of ten of the leading digit of the smallest magnitude, 1E-130.
pub const MAGNITUDE_MIN: i16 = -130;
/// The power of ten of the leading digit of the largest magnitude, 9.99…E+125.
pub const MAGNITUDE_MAX: i16 = 125;
/// The least exponent: the last of 38 digits whose first is at [`MAGNITUDE_MIN`].
pub const EXPONENT_MIN: i16 = MAGNITUDE_MIN - DIGITS_MAX as i16 + 1;

/// Added to a magnitude to make it the second byte of an ordered number.
pub const MAGNITUDE_BIAS: i16 = -MAGNITUDE_MIN;

/// First byte of an ordered negative number; every byte after it is complemented.
pub const ORDERED_NEGATIVE: u8 = 0x01;
/// The only byte of an ordered zero.
pub const ORDERED_ZERO: u8 = 0x02;
/// First byte of an ordered positive number.
pub const ORDERED_POSITIVE: u8 = 0x03;
/// Sign, magnitude and a byte for every two digits.
pub const ORDERED_BYTES_MAX: usize = 2 + DIGITS_MAX as usize / 2;

/// Bits 0 to 4 of a compact number's first byte: how many bytes the mantissa has.
pub const COMPACT_MANTISSA_BYTES_MASK: u8 = 0b0001_1111;
/// Bits 5 and 6: 0 for exponent zero, 1 for one exponent byte, 2 for two.
pub const COMPACT_EXPONENT_BYTES_SHIFT: u32 = 5;
/// Bit 7: set for a negative number.
pub const COMPACT_NEGATIVE: u8 = 0b1000_0000;
/// First byte, two exponent bytes, sixteen mantissa bytes.
pub const COMPACT_BYTES_MAX: usize = 19;

/// The bounds as the specification lists them.
pub const LIMITS: &[Constant] = &[
    Constant::new("DIGITS_MAX", DIGITS_MAX as u64),
    Constant::new("MAGNITUDE_BIAS", MAGNITUDE_BIAS as u64),
    Constant::new("MAGNITUDE_MAX", MAGNITUDE_MAX as u64),
    Constant::new("ORDERED_BYTES_MAX", ORDERED_BYTES_MAX as u64),
    Constant::new("COMPACT_BYTES_MAX", COMPACT_BYTES_MAX as u64),
];

/// The first bytes of ordered numbers as the specification lists them.
pub const ORDERED_SIGNS: &[Constant] = &[
    Constant::new("ORDERED_NEGATIVE", ORDERED_NEGATIVE as u64),
    Constant::new("ORDERED_ZERO", ORDERED_ZERO as u64),
    Constant::new("ORDERED_POSITIVE", ORDERED_POSITIVE as u64),
];

/// The bits of a compact number's first byte as the specification lists them.
pub const COMPACT_BITS: &[Constant] = &[
    Constant::new("COMPACT_MANTISSA_BYTES_MASK", COMPACT_MANTISSA_BYTES_MASK as u64),
    Constant::new("COMPACT_EXPONENT_BYTES_SHIFT", COMPACT_EXPONENT_BYTES_SHIFT as u64),
    Constant::new("COMPACT_NEGATIVE", COMPACT_NEGATIVE as u64),
];

const WHAT_ORDERED: &str = "ordered number";
const WHAT_COMPACT: &str = "compact number";

/// `± mantissa × 10^exponent` in normal form: no trailing zero in the mantissa, zero is `+0 × 10^0`, and within
/// the bounds above. Only normal forms exist, so equal values are equal structures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    negative: bool,
    exponent: i16,
    mantissa: u128,
}

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self { negative: false, exponent: 0, mantissa: 0 };

    /// Takes the parts of a number that already has normal form; `None` if it has not.
    pub fn new(negative: bool, mantissa: u128, exponent: i16) -> Option<Self> {
        if mantissa == 0 {
            return (!negative && exponent == 0).then_some(Self::ZERO);
        }
        let digits = digit_count(mantissa);
        if digits > DIGITS_MAX || mantissa.is_multiple_of(10) {
            return None;
        }
        let magnitude = exponent.checked_add(digits as i16 - 1)?;
        (MAGNITUDE_MIN..=MAGNITUDE_MAX).contains(&magnitude).then_some(Self { negative, exponent, mantissa })
    }

    /// Whether the number is below zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// The significant digits as an integer; zero only for zero.
    pub fn mantissa(&self) -> u128 {
        self.mantissa
    }

    /// The power of ten of the mantissa's last digit.
    pub fn exponent(&self) -> i16 {
        self.exponent
    }

    /// How many significant digits there are; none in zero.
    pub fn digit_count(&self) -> u32 {
        digit_count(self.mantissa)
    }

    /// The power of ten of the first digit; `None` for zero.
    pub fn magnitude(&self) -> Option<i16> {
        (self.mantissa != 0).then(|| self.exponent + self.digit_count() as i16 - 1)
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => compare_magnitudes(self, other),
            (true, true) => compare_magnitudes(other, self),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn compare_magnitudes(left: &Decimal, right: &Decimal) -> Ordering {
    // `None`, which is zero, comes before every magnitude. Of one magnitude, the mantissas are compared as if
    // both had the digits of the longer one.
    left.magnitude().cmp(&right.magnitude()).then_with(|| {
        let (left_digits, right_digits) = (left.digit_count(), right.digit_count());
        let digits = left_digits.max(right_digits);
        let left = left.mantissa * 10u128.pow(digits - left_digits);
        let right = right.mantissa * 10u128.pow(digits - right_digits);
        left.cmp(&right)
    })
}

/// How many decimal digits `mantissa` has; none if it is zero.
#[inline]
pub fn digit_count(mantissa: u128) -> u32 {
    mantissa.checked_ilog10().map_or(0, |log| log + 1)
}

/// Appends the encoding whose byte order is the order of numbers and which tells its own end.
pub fn encode_ordered(number: Decimal, out: &mut Vec<u8>) {
    let Some(magnitude) = number.magnitude() else {
        out.put_u8(ORDERED_ZERO);
        return;
    };
    let (sign, flip) = if number.negative { (ORDERED_NEGATIVE, 0xff) } else { (ORDERED_POSITIVE, 0) };
    out.put_u8(sign);
    out.put_u8((magnitude + MAGNITUDE_BIAS) as u8 ^ flip);
    let (pairs, count) = digit_pairs(number.mantissa);
    let (last, continued) = pairs[..count].split_last().expect("a number that is not zero has a digit");
    for pair in continued {
        out.put_u8((pair * 2 + 1) ^ flip);
    }
    out.put_u8((last * 2) ^ flip);
}

/// Reads what [`encode_ordered`] wrote and leaves `reader` behind it.
pub fn decode_ordered(reader: &mut Reader<'_>) -> Result<Decimal, DecodeError> {
    let (negative, flip) = match reader.u8()? {
        ORDERED_ZERO => return Ok(Decimal::ZERO),
        ORDERED_NEGATIVE => (true, 0xff),
        ORDERED_POSITIVE => (false, 0),
        sign => return Err(out_of_range("sign of ordered number", sign, ORDERED_NEGATIVE, ORDERED_POSITIVE)),
    };
    let magnitude = i16::from(reader.u8()? ^ flip) - MAGNITUDE_BIAS;
    let mut mantissa = 0u128;
    for pair_index in 0..DIGITS_MAX / 2 {
        let byte = reader.u8()? ^ flip;
        let pair = byte / 2;
        if pair > 99 {
            return Err(out_of_range("digit pair of ordered number", pair, 0, 99));
        }
        if pair_index == 0 && pair < 10 {
            return Err(not_canonical(WHAT_ORDERED, "the first digit is not zero"));
        }
        mantissa = mantissa * 100 + u128::from(pair);
        if byte % 2 == 0 {
            return from_pairs(negative, magnitude, mantissa, pair_index + 1);
        }
    }
    Err(not_canonical(WHAT_ORDERED, "a number has at most 38 digits"))
}

/// Appends the encoding that items use: shortest for small integers; its end is known from outside.
pub fn encode_compact(number: Decimal, out: &mut Vec<u8>) {
    let mantissa = number.mantissa.to_le_bytes();
    let mantissa_byte_count = mantissa_byte_count(number.mantissa);
    let exponent = number.exponent.to_le_bytes();
    let exponent_byte_count = exponent_byte_count(number.exponent);
    let sign = if number.negative { COMPACT_NEGATIVE } else { 0 };
    out.put_u8(
        sign | (exponent_byte_count as u8) << COMPACT_EXPONENT_BYTES_SHIFT | mantissa_byte_count as u8,
    );
    out.put_bytes(&exponent[..exponent_byte_count]);
    out.put_bytes(&mantissa[..mantissa_byte_count]);
}

/// Reads what [`encode_compact`] wrote; `bytes` must hold the number and nothing else.
#[inline]
pub fn decode_compact(bytes: &[u8]) -> Result<Decimal, DecodeError> {
    let mut reader = Reader::new(WHAT_COMPACT, bytes);
    let first = reader.u8()?;
    let mantissa_byte_count = usize::from(first & COMPACT_MANTISSA_BYTES_MASK);
    let exponent = match first >> COMPACT_EXPONENT_BYTES_SHIFT & 0b11 {
        0 => 0,
        1 => i16::from(reader.u8()? as i8),
        2 => i16::from_le_bytes(reader.array()?),
        _ => return Err(out_of_range("exponent bytes of compact number", 3, 0, 2)),
    };
    if mantissa_byte_count > 16 {
        return Err(out_of_range("mantissa bytes of compact number", mantissa_byte_count as u8, 0, 16));
    }
    let mut mantissa = [0; 16];
    mantissa[..mantissa_byte_count].copy_from_slice(reader.bytes(mantissa_byte_count)?);
    reader.finish()?;
    let negative = first & COMPACT_NEGATIVE != 0;
    let number = Decimal::new(negative, u128::from_le_bytes(mantissa), exponent)
        .ok_or(not_canonical(WHAT_COMPACT, "the parts are in normal form"))?;
    // The header decides both lengths, so equal headers mean that both were the shortest.
    let shortest = mantissa_byte_count == self::mantissa_byte_count(number.mantissa)
        && bytes.len() == 1 + exponent_byte_count(exponent) + mantissa_byte_count;
    if shortest { Ok(number) } else { Err(not_canonical(WHAT_COMPACT, "the shortest form is used")) }
}

/// The digits two by two from the first one on, the last pair filled up with a zero.
fn digit_pairs(mantissa: u128) -> ([u8; DIGITS_MAX as usize / 2], usize) {
    let digits = digit_count(mantissa);
    let count = digits.div_ceil(2) as usize;
    let mut rest = if digits.is_multiple_of(2) { mantissa } else { mantissa * 10 };
    let mut pairs = [0; DIGITS_MAX as usize / 2];
    for pair in pairs[..count].iter_mut().rev() {
        *pair = (rest % 100) as u8;
        rest /= 100;
    }
    (pairs, count)
}

fn from_pairs(negative: bool, magnitude: i16, padded: u128, pair_count: u32) -> Result<Decimal, DecodeError> {
    let mut mantissa = padded;
    let mut exponent = magnitude - (2 * pair_count as i16 - 1);
    if mantissa.is_multiple_of(10) {
        mantissa /= 10;
        exponent += 1;
    }
    Decimal::new(negative, mantissa, exponent)
        .ok_or(not_canonical(WHAT_ORDERED, "the last pair of digits is not zero"))
}

#[inline]
fn mantissa_byte_count(mantissa: u128) -> usize {
    (128 - mantissa.leading_zeros()).div_ceil(8) as usize
}

#[inline]
fn exponent_byte_count(exponent: i16) -> usize {
    match exponent {
        0 => 0,
        -128..=127 => 1,
        _ => 2,
    }
}

fn out_of_range(field: &'static str, value: u8, minimum: u8, maximum: u8) -> DecodeError {
    DecodeError::OutOfRange { field, value: value.into(), minimum: minimum.into(), maximum: maximum.into() }
}

fn not_canonical(what: &'static str, rule: &'static str) -> DecodeError {
    DecodeError::NotCanonical { what, rule }
}
