//! What happened in a run, as one number: two runs of a seed must agree on it.

use std::fmt;

/// Folds every decision and event of a run into a hash, and keeps them as text if asked to.
#[derive(Debug, Clone)]
pub(super) struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    pub(super) fn new(keep_lines: bool) -> Self {
        Self { hash: 0x243F_6A88_85A3_08D3, lines: keep_lines.then(Vec::new) }
    }

    /// Folds numbers in; `text` is made only if lines are kept.
    pub(super) fn fold(&mut self, numbers: &[u64], text: impl FnOnce() -> String) {
        for &number in numbers {
            // Multiply and fold, as in wyhash: order matters; the addition keeps zero from absorbing what follows.
            let product = u128::from(self.hash ^ number.rotate_left(29)) * 0xA076_1D64_78BD_642F;
            let folded = (product >> 64) as u64 ^ product as u64;
            self.hash = folded.wrapping_add(0x9E37_79B9_7F4A_7C15);
        }
        if let Some(lines) = &mut self.lines {
            lines.push(text());
        }
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}

/// Prints the hash the way replay lines do.
impl fmt::Display for Trace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.hash)
    }
}
