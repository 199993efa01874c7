//! Fuzz targets: everything in Basalt that reads bytes it did not write, as functions of bytes.
//!
//! A target must neither panic nor take more memory than its input pays for, whatever the bytes; most also check what
//! they read: encoded again it gives the same bytes, and two ways to the same answer agree. Where a checksum would
//! stop the fuzzer the target writes the right one first, so that what lies behind it is reached.
//!
//! The same functions run in two ways: under libFuzzer (`fuzz_targets/`, feature `libfuzzer`), and in ordinary tests
//! over the committed corpora (`tests/replay_corpus.rs`). How to run them and what they found: `README.md`.
#![warn(missing_docs)]

mod allocation;
pub mod seeds;
mod source;
pub mod targets;

/// Bytes that a target may hold at once for each byte of its input: a list of NULLs is two bytes an element encoded
/// and 32 decoded, in a vector that doubles.
pub const PEAK_BYTES_PER_INPUT_BYTE: usize = 64;
/// Bytes that a target may hold at once whatever its input: the largest structure of fixed size (NODE, 16 KiB) and its
/// copies.
pub const PEAK_BYTES_BASE: usize = 128 << 10;

/// A fuzz target and the name of its corpus.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name of its function, its folder in `corpus/` and its file in `fuzz_targets/`.
    pub name: &'static str,
    /// Tries one input.
    pub run: fn(&[u8]),
}

/// Runs a target, and panics if it held more memory at once than the input pays for. Returns what it held.
pub fn run_measured(target: fn(&[u8]), data: &[u8]) -> usize {
    let peak_bytes = allocation::peak_bytes_of(|| target(data));
    let limit_bytes = PEAK_BYTES_BASE + PEAK_BYTES_PER_INPUT_BYTE * data.len();
    assert!(
        peak_bytes <= limit_bytes,
        "{} bytes of input took {peak_bytes} bytes of memory at once, more than {limit_bytes}",
        data.len()
    );
    peak_bytes
}

/// [`run_measured`] for libFuzzer.
pub fn run_bounded(target: fn(&[u8]), data: &[u8]) {
    run_measured(target, data);
}
