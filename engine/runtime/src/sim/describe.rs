//! Steps as names and numbers, for the trace.

use super::world::Step;
use crate::backend::Operation;
use std::path::Path;

/// A step's name, and the numbers that tell it from others of that name.
pub(super) fn describe(step: &Step) -> (&'static str, [u64; 3]) {
    match step {
        Step::Perform(operation) => match operation {
            Operation::OpenFile { path, .. } => ("open", [path_number(path), 0, 0]),
            Operation::CloseFile { file } => ("close", [file.0, 0, 0]),
            Operation::Read { file, buffer, filled, offset } => {
                ("read", [file.0, offset + *filled as u64, (buffer.len() - filled) as u64])
            }
            Operation::Write { file, buffer, written, offset, .. } => {
                ("write", [file.0, offset + *written as u64, bytes_number(&buffer[*written..])])
            }
            Operation::Allocate { file, offset, length } => ("allocate", [file.0, *offset, *length]),
            Operation::Truncate { file, length } => ("truncate", [file.0, *length, 0]),
            Operation::PunchHole { file, offset, length } => ("punch", [file.0, *offset, *length]),
            Operation::FileSize { file } => ("size", [file.0, 0, 0]),
            Operation::CreateDirectoryAll { path } => ("create directory", [path_number(path), 0, 0]),
            Operation::RemoveDirectory { path } => ("remove directory", [path_number(path), 0, 0]),
            Operation::Rename { from, to } => ("rename", [path_number(from), path_number(to), 0]),
            Operation::RemoveFile { path } => ("remove", [path_number(path), 0, 0]),
            Operation::ReadDirectory { path } => ("read directory", [path_number(path), 0, 0]),
            Operation::Metadata { path } => ("metadata", [path_number(path), 0, 0]),
            _ => ("other", [0; 3]),
        },
        Step::SyncFile { file, .. } => ("sync", [file.0, 0, 0]),
        Step::SyncDirectory { path, .. } => ("sync directory", [path_number(path), 0, 0]),
        Step::SyncWritten { file, .. } => ("sync written", [file.0, 0, 0]),
        Step::Deliver(_) => ("late news", [0; 3]),
        Step::Late { offset, bytes, .. } => ("late write", [*offset, bytes_number(bytes), 0]),
    }
}

fn path_number(path: &Path) -> u64 {
    bytes_number(path.as_os_str().as_encoded_bytes())
}

/// A cheap number of some bytes: content that differs between two runs of a seed must show in the trace.
pub(super) fn bytes_number(bytes: &[u8]) -> u64 {
    // Four numbers side by side: one alone would wait for its own multiplication at every step.
    let (groups, rest) = bytes.as_chunks::<32>();
    let mut numbers = [bytes.len() as u64, 1, 2, 3];
    for group in groups {
        let (words, _none) = group.as_chunks::<8>();
        for (number, word) in numbers.iter_mut().zip(words) {
            *number = mixed(*number, u64::from_le_bytes(*word));
        }
    }
    let number = numbers.into_iter().fold(0, mixed);
    rest.iter().fold(number, |number, &byte| mixed(number, u64::from(byte)))
}

fn mixed(number: u64, more: u64) -> u64 {
    (number.rotate_left(5) ^ more).wrapping_mul(0x517C_C1B7_2722_0A95)
}
