//! Damaged bytes are noticed, whichever byte it is and whatever it became.
//!
//! Goal: no decoder panics, hangs or takes damaged bytes for the sound ones. Method: give each byte of each golden
//! sample every other value (large samples: every single bit), cut the sample at every length, add a byte.

use crate::registry::{self, Protection, Sample};

/// Samples up to this size are tried with all 255 other values of every byte.
const ALL_VALUES_BYTES_MAX: usize = 1024;

#[test]
fn every_changed_byte_is_an_error_or_another_value() {
    for sample in registry::samples() {
        let sound = (sample.encode)();
        let meaning = (sample.decode)(&sound).expect("the sample is sound");
        for offset in 0..sound.len() {
            for change in changes(sound.len()) {
                let mut damaged = sound.clone();
                damaged[offset] ^= change;
                check(&sample, &damaged, &meaning, &format!("byte {offset} changed by {change:#04x}"));
            }
        }
    }
}

#[test]
fn every_cut_and_every_addition_is_noticed() {
    for sample in registry::samples() {
        let sound = (sample.encode)();
        let meaning = (sample.decode)(&sound).expect("the sample is sound");
        for length in 0..sound.len() {
            check(&sample, &sound[..length], &meaning, &format!("cut to {length} bytes"));
        }
        for added in [0x00, 0x01, 0xff] {
            let longer = [&sound[..], &[added]].concat();
            check(&sample, &longer, &meaning, &format!("{added:#04x} added"));
        }
    }
}

fn changes(length: usize) -> Vec<u8> {
    if length <= ALL_VALUES_BYTES_MAX { (1..=255).collect() } else { (0..8).map(|bit| 1 << bit).collect() }
}

fn check(sample: &Sample, damaged: &[u8], meaning: &str, what: &str) {
    if let Ok(other) = (sample.decode)(damaged) {
        assert_ne!(other, meaning, "{}: {what}, and nobody noticed", sample.name);
        assert_eq!(
            sample.protection,
            Protection::CanonicalForm,
            "{}: {what}, and the checksum still holds",
            sample.name
        );
    }
}
