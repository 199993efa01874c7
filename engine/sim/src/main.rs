//! `cargo run --release -p basalt-sim -- --seeds 0..100000`
fn main() {}
