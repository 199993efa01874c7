//! The specification, the code and the golden bytes say the same. Structures join in `registry`.

mod every_byte_flipped;
mod golden;
mod registry;
mod tables_match_code;
