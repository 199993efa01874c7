//! `basaltctl`, the offline tools.
fn main() {}
