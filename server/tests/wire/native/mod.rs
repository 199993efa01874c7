//! The binary protocol on the wire: the same answers as HTTP, and connections that are used well and badly.

mod bare;
mod conformance;
mod connections;
mod documents;
