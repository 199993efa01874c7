//! The bytes of version 1 are what they were when they were read and agreed on.
//!
//! Goal: no change of code changes what is on disk by accident. Method: each sample encodes to its golden file,
//! decodes to the same description as the value itself, and the annotated copy holds the same bytes.
#![expect(clippy::disallowed_methods, reason = "reads golden files, which are no part of a data directory")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::registry;

#[test]
fn every_sample_has_its_golden_bytes() {
    for sample in registry::samples() {
        let bytes = (sample.encode)();
        write_missing(sample.name, &bytes);
        let binary =
            fs::read(golden(sample.name, "bin")).unwrap_or_else(|_| panic!("{}.bin is missing", sample.name));
        assert_eq!(hex(&bytes), hex(&binary), "{} encodes to other bytes than it did", sample.name);
        let annotated = fs::read_to_string(golden(sample.name, "hex")).unwrap_or_default();
        assert_eq!(hex(&parse_hex(&annotated)), hex(&binary), "{}.hex and .bin differ", sample.name);
    }
}

#[test]
fn every_sample_decodes() {
    for sample in registry::samples() {
        let decoded = (sample.decode)(&(sample.encode)());
        assert!(decoded.is_ok(), "{}: {decoded:?}", sample.name);
    }
}

#[test]
fn every_golden_file_has_a_sample() {
    let names: BTreeSet<&str> = registry::samples().iter().map(|sample| sample.name).collect();
    assert_eq!(names.len(), registry::samples().len(), "two samples have one name");
    for entry in fs::read_dir(golden_directory()).expect("golden/v1 is there") {
        let path = entry.unwrap().path();
        // Whole directories are held by the server's tests and the simulation.
        if path.is_dir() {
            continue;
        }
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("golden files have ASCII names");
        assert!(names.contains(stem), "{} belongs to no sample", path.display());
    }
}

fn golden_directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/v1")
}

fn golden(name: &str, extension: &str) -> PathBuf {
    golden_directory().join(format!("{name}.{extension}"))
}

/// Writes golden files that are not there, when asked to; one that is there is never changed.
fn write_missing(name: &str, bytes: &[u8]) {
    if std::env::var_os("BASALT_WRITE_GOLDEN").is_none() {
        return;
    }
    if !golden(name, "bin").exists() {
        fs::write(golden(name, "bin"), bytes).expect("golden/v1 can be written");
    }
    if !golden(name, "hex").exists() {
        let lines: String = bytes.chunks(16).map(|line| hex(line) + "\n").collect();
        fs::write(golden(name, "hex"), lines).expect("golden/v1 can be written");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// Reads hexadecimal pairs; what follows a `#` is for people. `00 * 40` stands for forty zero bytes.
fn parse_hex(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in text.lines() {
        let data = line.split('#').next().unwrap_or_default();
        let (pairs, count) = match data.split_once('*') {
            Some((pairs, count)) => (pairs, count.trim().parse().expect("a count follows the star")),
            None => (data, 1),
        };
        let pairs = pairs.split_whitespace();
        let run: Vec<u8> =
            pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal pair")).collect();
        bytes.extend(run.repeat(count));
    }
    bytes
}
