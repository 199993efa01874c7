//! Ranges of seeds on several threads, with progress and replay lines.
