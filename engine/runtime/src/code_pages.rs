//! Giving back the memory of code that has run for the last time.

#![expect(unsafe_code, reason = "advice about memory may change what it holds")]
#![expect(clippy::disallowed_methods, reason = "the kernel tells of a process in files")]

use std::io;

/// Takes the pages of the program's code out of this process's memory; returns of how many bytes of code.
///
/// They are those of a file: what still runs is mapped again at its next use, from the page cache. What only a start runs
/// stays out.
///
/// Does nothing beside a debugger, whose breakpoints are changes of these pages, and elsewhere than on Linux.
///
/// # Errors
/// When the kernel does not tell of the process or does not take the advice. Nothing has changed then.
pub fn release_code_pages() -> io::Result<usize> {
    if !cfg!(target_os = "linux") || is_traced(&std::fs::read_to_string("/proc/self/status")?) {
        return Ok(0);
    }
    let program = std::fs::read_link("/proc/self/exe")?;
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let Some((start, end)) = program.to_str().and_then(|program| code_of(program, &maps)) else {
        return Ok(0);
    };
    release(start, end - start)?;
    Ok(end - start)
}

fn is_traced(status: &str) -> bool {
    status.lines().find_map(|line| line.strip_prefix("TracerPid:")).is_some_and(|pid| pid.trim() != "0")
}

/// Where the program's file is mapped to be run: first address, and the one behind the last.
fn code_of(program: &str, maps: &str) -> Option<(usize, usize)> {
    let line = maps.lines().find(|line| line.contains(" r-xp ") && path_of(line) == program)?;
    let (start, end) = line.split_once(' ')?.0.split_once('-')?;
    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

/// What is mapped: the sixth column, which alone may have spaces.
fn path_of(line: &str) -> &str {
    let columns_end = line.match_indices(' ').nth(4).map_or(line.len(), |(offset, _)| offset);
    line[columns_end..].trim_start()
}

#[cfg(target_os = "linux")]
fn release(start: usize, length_bytes: usize) -> io::Result<()> {
    use rustix::mm::{Advice, madvise};

    let start = std::ptr::with_exposed_provenance_mut(start);
    // SAFETY: the range is one mapping of the program's file, private and without the right to write, so that each of its
    // pages holds what the file holds and is read from there again. Nobody unmaps a program's code while it runs.
    unsafe { madvise(start, length_bytes, Advice::LinuxDontNeed) }?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn release(_start: usize, _length_bytes: usize) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
55d0c8a00000-55d0c8c69000 r--p 00000000 fe:00 1234 /usr/bin/basaltd
55d0c8c69000-55d0c95b4000 r-xp 00269000 fe:00 1234 /usr/bin/basaltd
7f0000000000-7f0000155000 r-xp 00026000 fe:00 99 /usr/lib/libc.so.6
";

    #[test]
    fn the_code_is_what_is_run_of_the_programs_file() {
        assert_eq!(code_of("/usr/bin/basaltd", MAPS), Some((0x55d0_c8c6_9000, 0x55d0_c95b_4000)));
        assert_eq!(code_of("/usr/bin/other", MAPS), None);
        assert_eq!(code_of("/bin/basaltd", MAPS), None);
    }

    #[test]
    fn a_debugger_is_noticed() {
        assert!(is_traced("Name:\tbasaltd\nTracerPid:\t77\n"));
        assert!(!is_traced("Name:\tbasaltd\nTracerPid:\t0\n"));
    }

    #[test]
    fn a_program_goes_on_without_its_code_in_memory() {
        assert!(release_code_pages().unwrap() > 0);
        assert_eq!(code_of("/usr/bin/other", MAPS), None);
    }
}
