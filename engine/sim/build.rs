//! Collects the names of all `sometimes!` marks in the engine's sources, so that the report can name the ones that no
//! simulation has hit.

#![expect(clippy::disallowed_methods, reason = "a build script reads sources")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Where marks may stand, from this crate's folder.
const SOURCES: [&str; 3] = ["../storage/src", "../runtime/src", "../src"];
/// The definition of marks: its examples and tests are none.
const DEFINITION: &str = "sim/marks.rs";

fn main() -> io::Result<()> {
    let mut marks = BTreeSet::new();
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
        collect(Path::new(source), &mut marks)?;
    }
    let names: Vec<&String> = marks.iter().collect();
    let code = format!("/// Every mark of the engine, by name.\npub const MARKS: &[&str] = &{names:?};\n");
    let target = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("marks.rs");
    fs::write(target, code)
}

fn collect(folder: &Path, marks: &mut BTreeSet<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, marks)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with(DEFINITION) {
            marks.extend(marks_of(&fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

/// The last string literal of each `sometimes!(..)`.
fn marks_of(source: &str) -> Vec<String> {
    let calls = source.split("sometimes!(").skip(1);
    calls.filter_map(|rest| rest.split(");").next()?.rsplit('"').nth(1).map(str::to_owned)).collect()
}
