//! Numbers behave as decimal arithmetic by hand does.
//!
//! Goal: parsing, printing, order, sums and both encodings are exact over the whole range. Method: the model keeps
//! every digit from 10^159 down to 10^-200 in an array and adds as on paper; numbers are made as texts, near each
//! other often enough that digits cancel and carry.

use std::cmp::Ordering;

use basalt_format::Reader;
use basalt_format::number::{decode_compact, decode_ordered, encode_compact, encode_ordered};
use basalt_model::{Number, NumberError};
use proptest::prelude::*;

const INTEGER_DIGITS: usize = 160;
const FRACTION_DIGITS: usize = 200;
const DIGITS: usize = INTEGER_DIGITS + FRACTION_DIGITS;

/// A number in longhand: a sign and all digits, the largest power of ten first.
#[derive(Clone, PartialEq)]
struct Longhand {
    negative: bool,
    digits: [u8; DIGITS],
}

impl std::fmt::Debug for Longhand {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.text())
    }
}

impl Longhand {
    /// `digits` × 10^`exponent`; the caller stays inside of the array.
    fn new(negative: bool, digits: &str, exponent: i32) -> Self {
        let mut longhand = Self { negative, digits: [0; DIGITS] };
        for (place, digit) in digits.bytes().rev().enumerate() {
            let position = INTEGER_DIGITS as i32 - 1 - (place as i32 + exponent);
            longhand.digits[position as usize] = digit - b'0';
        }
        longhand.without_negative_zero()
    }

    fn plus(&self, other: &Self) -> Self {
        let (larger, smaller) = if self.digits >= other.digits { (self, other) } else { (other, self) };
        let mut sum = Self { negative: larger.negative, digits: [0; DIGITS] };
        let mut carry = 0;
        for place in (0..DIGITS).rev() {
            let addend = smaller.digits[place] as i8;
            let addend = if larger.negative == smaller.negative { addend } else { -addend };
            let digit = larger.digits[place] as i8 + addend + carry;
            sum.digits[place] = digit.rem_euclid(10) as u8;
            carry = digit.div_euclid(10);
        }
        assert_eq!(carry, 0, "the array is wide enough");
        sum.without_negative_zero()
    }

    fn without_negative_zero(mut self) -> Self {
        self.negative &= self.significant().is_some();
        self
    }

    /// Positions of the first and the last digit that is not zero.
    fn significant(&self) -> Option<(usize, usize)> {
        let first = self.digits.iter().position(|&digit| digit != 0)?;
        let last = self.digits.iter().rposition(|&digit| digit != 0)?;
        Some((first, last))
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.digits.cmp(&other.digits),
            (true, true) => other.digits.cmp(&self.digits),
        }
    }

    fn text(&self) -> String {
        let Some((first, last)) = self.significant() else { return "0".to_owned() };
        let digit = |position: usize| char::from(b'0' + self.digits[position]);
        let integer: String = (first.min(INTEGER_DIGITS - 1)..INTEGER_DIGITS).map(digit).collect();
        let fraction: String = (INTEGER_DIGITS..=last.max(INTEGER_DIGITS - 1)).map(digit).collect();
        let sign = if self.negative { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{integer}{point}{fraction}")
    }

    /// What DynamoDB would say to this number as the result of a sum.
    fn storable(&self) -> Result<(), NumberError> {
        let Some((first, last)) = self.significant() else { return Ok(()) };
        let magnitude = INTEGER_DIGITS as i32 - 1 - first as i32;
        if magnitude > 125 || (magnitude >= -130 && last - first + 1 > 38) {
            return Err(NumberError::Overflow);
        }
        if magnitude < -130 { Err(NumberError::Underflow) } else { Ok(()) }
    }
}

/// A storable number as text with an exponent, and in longhand.
fn storable() -> impl Strategy<Value = (String, Longhand)> {
    let digits = prop_oneof!["[1-9][0-9]{0,37}", "[1-9]0{0,30}[0-9]", "9{1,38}", "[0-9]"];
    let magnitude = prop_oneof![-130..=125i32, -3..=3i32, Just(125), Just(-130), 90..=126i32];
    (any::<bool>(), digits, magnitude).prop_map(|(negative, digits, magnitude)| {
        let magnitude = if digits == "0" { 0 } else { magnitude.min(125) };
        let exponent = magnitude - (digits.len() as i32 - 1);
        let sign = if negative { "-" } else { "" };
        (format!("{sign}{digits}e{exponent}"), Longhand::new(negative, &digits, exponent))
    })
}

/// Two numbers whose digits overlap more often than chance has it.
fn pair() -> impl Strategy<Value = ((String, Longhand), (String, Longhand))> {
    let near = ("[1-9][0-9]{0,37}", "[1-9][0-9]{0,37}", -40..=40i32, -20..=20i32, any::<(bool, bool)>());
    let near = near.prop_map(|(a, b, exponent, distance, (negative_a, negative_b))| {
        let number = |negative: bool, digits: String, exponent: i32| {
            let sign = if negative { "-" } else { "" };
            (format!("{sign}{digits}e{exponent}"), Longhand::new(negative, &digits, exponent))
        };
        (number(negative_a, a, exponent), number(negative_b, b, exponent + distance))
    });
    prop_oneof![(storable(), storable()), near]
}

fn ordered(number: Number) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_ordered(number.decimal(), &mut bytes);
    bytes
}

fn compact(number: Number) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_compact(number.decimal(), &mut bytes);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_number_prints_in_full_and_reads_back((text, longhand) in storable()) {
        let number = Number::parse(&text).unwrap();
        prop_assert_eq!(number.to_string(), longhand.text());
        prop_assert_eq!(Number::parse(&longhand.text()), Ok(number));
    }

    #[test]
    fn sums_and_differences_are_exact_or_refused(((text_a, a), (text_b, b)) in pair()) {
        let (left, right) = (Number::parse(&text_a).unwrap(), Number::parse(&text_b).unwrap());
        let mut minus_b = b.clone();
        minus_b.negative = !b.negative;
        for (result, exact) in [
            (left.checked_add(right), a.plus(&b)),
            (right.checked_add(left), a.plus(&b)),
            (left.checked_sub(right), a.plus(&minus_b.without_negative_zero())),
        ] {
            match exact.storable() {
                Ok(()) => prop_assert_eq!(result.map(|number| number.to_string()), Ok(exact.text())),
                Err(error) => prop_assert_eq!(result, Err(error)),
            }
        }
    }

    #[test]
    fn order_is_that_of_values_and_of_ordered_bytes(((text_a, a), (text_b, b)) in pair()) {
        let (left, right) = (Number::parse(&text_a).unwrap(), Number::parse(&text_b).unwrap());
        prop_assert_eq!(left.cmp(&right), a.compare(&b));
        prop_assert_eq!(ordered(left).cmp(&ordered(right)), a.compare(&b));
    }

    #[test]
    fn both_encodings_read_back((text, _) in storable()) {
        let number = Number::parse(&text).unwrap();
        let bytes = ordered(number);
        let mut reader = Reader::new("test", &bytes);
        prop_assert_eq!(decode_ordered(&mut reader), Ok(number.decimal()));
        prop_assert_eq!(reader.finish(), Ok(()));
        prop_assert_eq!(decode_compact(&compact(number)), Ok(number.decimal()));
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_the_one_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..24)) {
        if let Ok(decimal) = decode_compact(&bytes) {
            prop_assert_eq!(compact(decimal.into()), bytes.clone());
        }
        let mut reader = Reader::new("test", &bytes);
        if let Ok(decimal) = decode_ordered(&mut reader) {
            prop_assert_eq!(&ordered(decimal.into())[..], &bytes[..reader.position()]);
        }
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "[-+.0-9eE]{0,50}|\\PC{0,10}") {
        if let Ok(number) = Number::parse(&text) {
            prop_assert_eq!(Number::parse(&number.to_string()), Ok(number));
        }
    }

    #[test]
    fn integers_keep_their_value(value: i64) {
        prop_assert_eq!(Number::from(value).to_i64(), Some(value));
        prop_assert_eq!(Number::from(value).to_string(), value.to_string());
    }
}

#[test]
fn accepted_forms_are_those_of_dynamodb() {
    for (text, canonical) in [
        ("0", "0"),
        ("-0", "0"),
        ("+5", "5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1.e5", "100000"),
        ("1e3", "1000"),
        ("1000.0", "1000"),
        ("+1000", "1000"),
        ("0001.1000", "1.1"),
        ("-1E-2", "-0.01"),
        ("1e+2", "100"),
        ("0.0e126", "0"),
        ("0e-131", "0"),
        ("0.0000001", "0.0000001"),
    ] {
        assert_eq!(Number::parse(text).map(|number| number.to_string()), Ok(canonical.to_owned()), "{text}");
    }
}

#[test]
fn other_forms_are_refused_with_their_text() {
    for text in [
        "1+2", "1.2.3", "+e2", "1e", "1e+", " 1", "1 ", "1 2", "NaN", "Infinity", "0x10", ".", "-", "e5",
        "1_0", "１",
    ] {
        let error = Number::parse(text).unwrap_err();
        let expected = format!("The parameter cannot be converted to a numeric value: {text}");
        assert_eq!(error.to_string(), expected);
    }
    let error = Number::parse("").unwrap_err();
    assert_eq!(error.to_string(), "The parameter cannot be converted to a numeric value");
}

#[test]
fn limits_are_refused_with_their_text() {
    let nines = "9".repeat(38);
    let cases = [
        (format!("{nines}e89"), Err(NumberError::Overflow)),
        (format!("{nines}e88"), Ok(format!("{nines}{}", "0".repeat(88)))),
        ("1e126".to_owned(), Err(NumberError::Overflow)),
        ("-1e126".to_owned(), Err(NumberError::Overflow)),
        ("1e-131".to_owned(), Err(NumberError::Underflow)),
        ("1e-130".to_owned(), Ok(format!("0.{}1", "0".repeat(129)))),
        ("0e126".to_owned(), Err(NumberError::Overflow)),
        ("1e999999999999999999999".to_owned(), Err(NumberError::Overflow)),
        ("1e-999999999999999999999".to_owned(), Err(NumberError::Underflow)),
        (format!("{nines}9"), Err(NumberError::TooPrecise)),
        (format!("{nines}0"), Ok(format!("{nines}0"))),
        (format!("1{}1", "0".repeat(37)), Err(NumberError::TooPrecise)),
    ];
    for (text, expected) in cases {
        assert_eq!(Number::parse(&text).map(|number| number.to_string()), expected, "{text}");
    }
    assert_eq!(
        NumberError::TooPrecise.to_string(),
        "Attempting to store more than 38 significant digits in a Number"
    );
    assert_eq!(
        NumberError::Overflow.to_string(),
        "Number overflow. Attempting to store a number with magnitude larger than supported range"
    );
    assert_eq!(
        NumberError::Underflow.to_string(),
        "Number underflow. Attempting to store a number with magnitude smaller than supported range"
    );
}

#[test]
fn a_sum_that_needs_more_than_38_digits_overflows() {
    let sum = |a: &str, b: &str| Number::parse(a).unwrap().checked_add(Number::parse(b).unwrap());
    assert_eq!(sum("1e50", "1"), Err(NumberError::Overflow));
    assert_eq!(sum("1e37", "1").map(|n| n.to_string()), Ok(format!("1{}1", "0".repeat(36))));
    assert_eq!(sum("1e38", "1"), Err(NumberError::Overflow));
    assert_eq!(sum("1e125", "0").map(|n| n.to_string()), Ok(format!("1{}", "0".repeat(125))));
    assert_eq!(sum("9e125", "1e125"), Err(NumberError::Overflow));
    assert_eq!(sum("1.1e-130", "-1e-130"), Err(NumberError::Underflow));
    assert_eq!(sum("5", "-5"), Ok(Number::ZERO));
}

#[test]
fn byte_costs_are_those_measured_at_the_item_limit() {
    for (text, bytes) in [
        ("0", 1),
        ("1", 2),
        ("-1", 3),
        ("12", 2),
        ("123", 3),
        ("1000", 2),
        ("1e125", 2),
        ("0.0000001", 2),
        ("0.01", 2),
        ("1.5", 3),
        ("100.01", 4),
        ("-123.456", 6),
    ] {
        assert_eq!(Number::parse(text).unwrap().size_bytes(), bytes, "{text}");
    }
    let longest = Number::parse(&"7".repeat(38)).unwrap();
    assert_eq!(longest.size_bytes(), 20);
}

#[test]
fn floors_are_whole_numbers_of_64_bits() {
    let floor = |text: &str| Number::parse(text).unwrap().floor_to_u64();
    for (text, whole) in [
        ("0", 0),
        ("0.999", 0),
        ("1E-130", 0),
        ("12.999", 12),
        ("1767225600.5", 1_767_225_600),
        ("17E8", 1_700_000_000),
        ("18446744073709551615", u64::MAX),
        ("18446744073709551615.5", u64::MAX),
    ] {
        assert_eq!(floor(text), Some(whole), "{text}");
    }
    for text in ["-1", "-0.1", "18446744073709551616", "1E125", "99999999999999999999999999999999999999E80"] {
        assert_eq!(floor(text), None, "{text}");
    }
}
