//! Replays every committed corpus on stable Rust: each input is one that a fuzzer or an encoder once made, and none may
//! panic or take more memory than its size pays for.
#![expect(clippy::disallowed_methods, reason = "a test that reads its own repository's files")]
#![expect(clippy::print_stdout, reason = "the harness shows which input failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use basalt_fuzz::{for_each_target, run_measured, targets};

/// A committed input is small: a corpus is read by every test run and kept for ever.
const INPUT_BYTES_MAX: usize = 4096;
/// How many inputs a corpus may have.
const INPUTS_MAX: usize = 250;

macro_rules! replay {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                replay_corpus(stringify!($name), targets::$name);
            }
        )*
    };
}

for_each_target!(replay);

fn replay_corpus(name: &str, target: fn(&[u8])) {
    let files = files_of(&folder("corpus").join(name));
    assert!(!files.is_empty(), "{name} has no corpus");
    assert!(files.len() <= INPUTS_MAX, "{name} has {} inputs: minimise them", files.len());
    for file in files {
        let data = fs::read(&file).unwrap();
        assert!(data.len() <= INPUT_BYTES_MAX, "{} is large", file.display());
        // Printed by the harness only when the input fails.
        println!("{}", file.display());
        run_measured(target, &data);
    }
}

#[test]
fn every_target_has_a_corpus_and_a_driver_and_every_corpus_and_driver_a_target() {
    let targets: BTreeSet<_> = targets::ALL.iter().map(|target| target.name.to_owned()).collect();
    let stems = |files: Vec<PathBuf>| -> BTreeSet<String> {
        files.iter().map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(stems(files_of(&folder("corpus"))), targets, "folders of corpus/");
    assert_eq!(stems(files_of(&folder("fuzz_targets"))), targets, "files of fuzz_targets/");
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    let is_driver = |line: &&str| line.starts_with("path = \"fuzz_targets/");
    let drivers = manifest.lines().filter(is_driver).filter_map(|line| line.split(['/', '.']).nth(1));
    assert_eq!(drivers.map(str::to_owned).collect::<BTreeSet<_>>(), targets, "drivers in Cargo.toml");
}

#[test]
fn an_input_that_takes_too_much_memory_fails() {
    let hungry = |data: &[u8]| drop(std::hint::black_box(vec![1u8; 1 << (10 + data.len())]));
    assert!(run_measured(hungry, &[0; 1]) >= 2048);
    assert!(std::panic::catch_unwind(|| run_measured(hungry, &[0; 12])).is_err());
}

/// What is in a folder, sorted by name.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
