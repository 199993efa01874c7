//! Backups: what they hold, where they lie, how they are made and turned into directories again.
//!
//! A backup is a manifest and chunks (format-spec/spec/backup.md). A chunk holds runs of one file's bytes; the manifest
//! lists the chunks of every file and is written last, so a backup without it is one that was not finished. Only what
//! the newest generation of a partition reaches is kept of its file. An incremental backup leaves out what was born at
//! or before its base's generation: pages are never written in place, so the base has it at the same blocks.
//!
//! Every extent is compared with its pointer's checksum as it is read, and every chunk with its SHA-256 whenever it is
//! read again. Read through `basalt-format` alone: what an engine's bug wrote wrongly is found here, not copied.

pub(crate) mod chunk;
pub(crate) mod daemon;
pub(crate) mod extents;
pub(crate) mod manifest;
pub(crate) mod restore;
pub(crate) mod source;
pub(crate) mod store;
pub(crate) mod write;
