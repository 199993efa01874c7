//! Writes the seeds of all corpora again: `cargo run -p basalt-fuzz --example seed`.
//!
//! An example, since libFuzzer's build compiles all binaries and this is none of its drivers.
#![expect(clippy::disallowed_methods, reason = "a tool that writes its own repository's files")]

use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    for seed in basalt_fuzz::seeds::encoded() {
        write(folder, seed.target, &seed.name, &seed.bytes)?;
    }
    for file in fs::read_dir(folder.join("../format-spec/golden/v1"))? {
        let path = file?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_some_and(|extension| extension == "bin") {
            let golden = fs::read(&path)?;
            let (target, bytes) = basalt_fuzz::seeds::of_golden(&name, golden).ok_or_else(|| {
                let explanation = format!("no target reads {name}: name it in fuzz/src/seeds/golden.rs");
                io::Error::new(io::ErrorKind::InvalidData, explanation)
            })?;
            write(folder, target, &format!("golden_{name}"), &bytes)?;
        }
    }
    Ok(())
}

fn write(folder: &Path, target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let corpus = folder.join("corpus").join(target);
    fs::create_dir_all(&corpus)?;
    fs::write(corpus.join(format!("seed_{name}")), bytes)
}
