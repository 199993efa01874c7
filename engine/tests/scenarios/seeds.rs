//! Runs of one test from many seeds. A failure prints its seed; `BASALT_SEED=<seed>` runs that one alone.

use std::ops::Range;

/// Runs `test` from each seed, or from the one that the environment names.
pub(crate) fn for_each_seed(seeds: Range<u64>, test: impl Fn(u64)) {
    let chosen =
        std::env::var("BASALT_SEED").ok().map(|seed| seed.parse::<u64>().expect("BASALT_SEED is a number"));
    for seed in chosen.map_or(seeds, |seed| seed..seed + 1) {
        let _told = ToldIfPanicking { seed };
        test(seed);
    }
}

/// Tells the seed of a run that fails.
struct ToldIfPanicking {
    seed: u64,
}

impl Drop for ToldIfPanicking {
    #[expect(clippy::print_stderr, reason = "whoever reads the failure needs the seed")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with BASALT_SEED={}", self.seed);
        }
    }
}
