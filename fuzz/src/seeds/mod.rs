//! What the fuzzer starts from: bytes of the real encoders and of the golden files, texts that DynamoDB takes.

mod files;
mod golden;
mod texts;

pub use golden::of_golden;

/// One file of a corpus that nobody had to find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// The target that it belongs to.
    pub target: &'static str,
    /// Its name among the target's seeds.
    pub name: String,
    /// The input.
    pub bytes: Vec<u8>,
}

/// The seeds that encoders write; always the same ones.
pub fn encoded() -> Vec<Seed> {
    files::seeds().into_iter().chain(texts::seeds()).collect()
}

fn seed(target: &'static str, name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Seed {
    Seed { target, name: name.into(), bytes: bytes.into() }
}
