//! Basalt, the embeddable database.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
