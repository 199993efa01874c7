//! What the load costs the server's process, as the kernel counts it.
#![expect(clippy::disallowed_methods, reason = "the kernel's own files of a process")]

use std::fs;

use serde::Serialize;

/// Kernels report times of processes in hundredths of a second (USER_HZ), whatever their own tick.
const TICKS_A_SECOND: f64 = 100.0;
/// Places of user and system time in `/proc/PID/stat`, counted behind the name.
const USER_TIME_FIELD: usize = 11;

/// A process of this machine.
#[derive(Debug)]
pub struct ServerProcess {
    pid: u32,
}

/// What a run cost.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Cost {
    /// Processor time a request, user and system.
    pub server_cpu_us: f64,
    /// Memory at the end.
    pub server_rss_mib: f64,
    /// The most memory since the process began.
    pub server_rss_peak_mib: f64,
}

impl ServerProcess {
    /// The process of this number.
    pub fn new(pid: u32) -> Self {
        Self { pid }
    }

    /// Processor time of all its threads since it began.
    ///
    /// # Errors
    /// When there is no such process, or no /proc.
    pub fn cpu_seconds(&self) -> Result<f64, String> {
        let stat = self.read("stat")?;
        // The name may hold anything, spaces and brackets too.
        let fields = stat.rsplit_once(") ").map(|(_, fields)| fields).unwrap_or_default();
        let ticks = fields.split(' ').skip(USER_TIME_FIELD).take(2).map(str::parse::<f64>);
        let ticks: f64 = ticks.sum::<Result<_, _>>().map_err(|_| format!("cannot understand {stat}"))?;
        Ok(ticks / TICKS_A_SECOND)
    }

    /// What `operations` cost since the processor time was `cpu_seconds_before`.
    ///
    /// # Errors
    /// As [`ServerProcess::cpu_seconds`].
    pub fn cost_since(&self, cpu_seconds_before: f64, operations: u64) -> Result<Cost, String> {
        let cpu_seconds = self.cpu_seconds()? - cpu_seconds_before;
        let status = self.read("status")?;
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line
                .and_then(|line| line.trim().strip_suffix(" kB"))
                .and_then(|text| text.parse::<f64>().ok());
            kib.map(|kib| kib / 1024.0).ok_or_else(|| format!("process {} has no {name}", self.pid))
        };
        Ok(Cost {
            server_cpu_us: cpu_seconds * 1e6 / operations.max(1) as f64,
            server_rss_mib: mib("VmRSS:")?,
            server_rss_peak_mib: mib("VmHWM:")?,
        })
    }

    fn read(&self, file: &str) -> Result<String, String> {
        let path = format!("/proc/{}/{file}", self.pid);
        fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_process_costs_something() {
        let own = ServerProcess::new(std::process::id());
        let mut state = 1;
        while own.cpu_seconds().unwrap() == 0.0 {
            state = crate::workload::mix(state) | 1;
        }
        let cost = own.cost_since(0.0, 1000).unwrap();
        assert!(
            cost.server_cpu_us > 0.0 && cost.server_rss_peak_mib >= cost.server_rss_mib,
            "{cost:?}, {state}"
        );
    }
}
