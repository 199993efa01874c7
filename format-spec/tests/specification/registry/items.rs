//! Golden samples of items: none of the attributes, all ten types, and tables of ends two bytes wide.

use basalt_format::DecodeError;
use basalt_format::item_encoding::{self as item, Encoder, RawValue};
use basalt_format::number::{self, Decimal};

use super::{Protection, Sample};

pub(super) fn samples() -> Vec<Sample> {
    let sample = |name, encode| Sample {
        name,
        protection: Protection::CanonicalForm,
        encode,
        decode: |bytes| {
            item::validate(bytes)?;
            describe_map(item::attributes(bytes)?)
        },
    };
    vec![
        sample("item_without_attributes", || item_of(|_| ())),
        sample("item_of_every_type", every_type),
        sample("item_with_wide_table", || {
            item_of(|entries| {
                entries.named("long", |encoder| {
                    encoder.put_tag(item::TAG_BINARY);
                    encoder.put_bytes(&[0xa5; 260]);
                });
                entries.named("short", |encoder| encoder.put_tag(item::TAG_NULL));
            })
        }),
    ]
}

fn every_type() -> Vec<u8> {
    item_of(|entries| {
        entries.named("b", |encoder| {
            encoder.put_tag(item::TAG_BINARY);
            encoder.put_bytes(&[0xde, 0xad]);
        });
        entries.named("bs", |encoder| {
            encoder.put_tag(item::TAG_BINARY_SET);
            each(encoder, &[&b""[..], &[1]], |encoder, member| encoder.put_bytes(member));
        });
        entries.named("false", |encoder| encoder.put_tag(item::TAG_FALSE));
        entries.named("l", |encoder| {
            encoder.put_tag(item::TAG_LIST);
            each(encoder, &[item::TAG_NULL, item::TAG_TRUE], |encoder, tag| encoder.put_tag(*tag));
        });
        entries.named("m", |encoder| {
            encoder.put_tag(item::TAG_MAP);
            let mut entries = Entries::open(encoder);
            entries.named("deeper", |encoder| {
                encoder.put_tag(item::TAG_STRING);
                encoder.put_bytes("größer".as_bytes());
            });
            entries.close();
        });
        entries.named("n", |encoder| {
            encoder.put_tag(item::TAG_NUMBER);
            encoder.put_number(decimal(true, 314, -2));
        });
        entries.named("ns", |encoder| {
            encoder.put_tag(item::TAG_NUMBER_SET);
            let members = [decimal(true, 1, -130), Decimal::ZERO, decimal(false, 7, 0)];
            each(encoder, &members, |encoder, member| encoder.put_number(*member));
        });
        entries.named("null", |encoder| encoder.put_tag(item::TAG_NULL));
        entries.named("s", |encoder| encoder.put_tag(item::TAG_STRING));
        entries.named("ss", |encoder| {
            encoder.put_tag(item::TAG_STRING_SET);
            each(encoder, &["a", "b"], |encoder, member| encoder.put_bytes(member.as_bytes()));
        });
        entries.named("true", |encoder| encoder.put_tag(item::TAG_TRUE));
    })
}

/// A map's entries while they are written.
struct Entries<'a> {
    encoder: &'a mut Encoder,
    container: item::OpenContainer,
}

impl<'a> Entries<'a> {
    fn open(encoder: &'a mut Encoder) -> Self {
        let container = encoder.open();
        Self { encoder, container }
    }

    fn named(&mut self, name: &str, write_value: impl FnOnce(&mut Encoder)) {
        self.encoder.put_name(name);
        write_value(self.encoder);
        self.encoder.end_entry(&self.container);
    }

    fn close(self) {
        self.encoder.close(self.container);
    }
}

fn item_of(write: impl FnOnce(&mut Entries<'_>)) -> Vec<u8> {
    let mut encoder = Encoder::new();
    let mut entries = Entries::open(&mut encoder);
    write(&mut entries);
    entries.close();
    encoder.finish()
}

fn each<T>(encoder: &mut Encoder, entries: &[T], write: impl Fn(&mut Encoder, &T)) {
    let container = encoder.open();
    for entry in entries {
        write(encoder, entry);
        encoder.end_entry(&container);
    }
    encoder.close(container);
}

fn decimal(negative: bool, mantissa: u128, exponent: i16) -> Decimal {
    Decimal::new(negative, mantissa, exponent).expect("the sample is in normal form")
}

fn describe_map(map: item::Container<'_>) -> Result<String, DecodeError> {
    let entries = map.entries().map(|entry| {
        let (name, value) = item::split_name(entry?)?;
        Ok(format!("{name:?}: {}", describe(value)?))
    });
    Ok(format!("{{{}}}", entries.collect::<Result<Vec<_>, DecodeError>>()?.join(", ")))
}

fn describe(value: &[u8]) -> Result<String, DecodeError> {
    let members = |container: item::Container<'_>, member: fn(&[u8]) -> Result<String, DecodeError>| {
        let members = container.entries().map(|entry| member(entry?));
        Ok(members.collect::<Result<Vec<_>, DecodeError>>()?.join(", "))
    };
    Ok(match RawValue::parse(value)? {
        RawValue::Null => "NULL".to_owned(),
        RawValue::Bool(truth) => truth.to_string(),
        RawValue::Number(bytes) => describe_number(bytes)?,
        RawValue::String(bytes) => format!("{:?}", item::text(bytes)?),
        RawValue::Binary(bytes) => format!("{bytes:x?}"),
        RawValue::List(list) => format!("L[{}]", members(list, describe)?),
        RawValue::Map(map) => describe_map(map)?,
        RawValue::StringSet(set) => format!("SS[{}]", members(set, |m| Ok(format!("{:?}", item::text(m)?)))?),
        RawValue::NumberSet(set) => format!("NS[{}]", members(set, describe_number)?),
        RawValue::BinarySet(set) => format!("BS[{}]", members(set, |m| Ok(format!("{m:x?}")))?),
    })
}

fn describe_number(bytes: &[u8]) -> Result<String, DecodeError> {
    let number = number::decode_compact(bytes)?;
    let sign = if number.is_negative() { "-" } else { "" };
    Ok(format!("{sign}{}e{}", number.mantissa(), number.exponent()))
}
