//! What the figures were measured on.

use std::{fs, process::Command, thread};

/// Processor, kernel and commit, in one line.
pub fn describe() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let model = first_of("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} x {model}, Linux {}, commit {}", kernel.trim(), commit())
}

fn first_of(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim().to_owned())
}

/// The commit that was built, as the environment or git tells.
fn commit() -> String {
    if let Ok(commit) = std::env::var("BASALT_COMMIT") {
        return commit;
    }
    let folder = env!("CARGO_MANIFEST_DIR");
    let git = Command::new("git").args(["-C", folder, "describe", "--always", "--dirty=+changes"]).output();
    let name = git
        .ok()
        .filter(|git| git.status.success())
        .map(|git| String::from_utf8_lossy(&git.stdout).trim().to_owned());
    name.unwrap_or_else(|| "unknown".to_owned())
}
