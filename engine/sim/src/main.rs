//! The campaign command. `cargo run --release -p basalt-sim -- --seeds 0..100000` runs random crashes; `--ci` runs the
//! portion of everything that every change must pass; `--hunt` proves that planted bugs are found.

#![expect(clippy::print_stdout, reason = "the report of a command")]

use basalt_runtime::sim::marks::never_hit;
use basalt_runtime::sim::planted::PlantedBug;
use basalt_sim::campaign::{Campaign, OnFailure, Totals};
use basalt_sim::hunt::{HUNTED, Hunt};
use basalt_sim::marks::MARKS;
use basalt_sim::rung::Rung;
use clap::Parser;
use std::ops::Range;
use std::process::ExitCode;
use std::time::Duration;

/// Crashes Basalt's storage on a simulated disk and proves that nothing acknowledged is lost.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// What to run: small (every workload of four operations, crashed everywhere), crashes, or faults.
    #[arg(long, default_value_t = Rung::Crashes)]
    rung: Rung,
    /// The numbers of the jobs, first..end.
    #[arg(long, default_value = "0..2000", value_parser = parse_range)]
    seeds: Range<u64>,
    /// Threads to run them on.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Begin no job after this many minutes.
    #[arg(long)]
    minutes: Option<u64>,
    /// Run all jobs, also after one has failed.
    #[arg(long)]
    keep_going: bool,
    /// Plant this bug, by the name of its variant.
    #[arg(long, value_parser = parse_bug)]
    plant: Option<PlantedBug>,
    /// Plant each bug in turn and fail if one is not caught.
    #[arg(long, conflicts_with_all = ["ci", "plant"])]
    hunt: bool,
    /// Run the portion of all rungs and the hunt that every change must pass.
    #[arg(long)]
    ci: bool,
    /// Name the marks that no run has hit.
    #[arg(long)]
    marks: bool,
    /// Let panics inside the simulation print their message and backtrace.
    #[arg(long)]
    loud: bool,
}

/// Jobs of each rung for every change: about two minutes on two cores.
const CI: [(Rung, Range<u64>); 3] =
    [(Rung::Small, 0..400), (Rung::Crashes, 0..3000), (Rung::Faults, 0..1000)];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if !arguments.loud {
        // A panic of the simulated process is a result, reported like any other.
        std::panic::set_hook(Box::new(|_| {}));
    }
    let is_good = if arguments.hunt {
        hunt_all()
    } else if arguments.ci {
        let rungs_hold =
            CI.iter().fold(true, |holds, (rung, jobs)| run(&arguments, *rung, jobs.clone()) && holds);
        rungs_hold && hunt_all()
    } else {
        let jobs = arguments.seeds.clone();
        let end = arguments.rung.job_count().map_or(jobs.end, |count| jobs.end.min(count));
        run(&arguments, arguments.rung, jobs.start..end)
    };
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(arguments: &Arguments, rung: Rung, jobs: Range<u64>) -> bool {
    let campaign = Campaign {
        jobs,
        threads: arguments.threads,
        on_failure: if arguments.keep_going { OnFailure::GoOn } else { OnFailure::Stop },
        time_max: arguments.minutes.map(|minutes| Duration::from_secs(minutes * 60)),
    };
    let totals =
        campaign.run(|number| rung.run(number, arguments.plant), |totals| println!("{rung}: {totals}"));
    report(arguments, rung, &totals);
    totals.failures.is_empty()
}

fn report(arguments: &Arguments, rung: Rung, totals: &Totals) {
    println!("{rung}: {totals}");
    for (kind, count) in &totals.faults_fired {
        println!("  fault {kind:?}: {count}");
    }
    if arguments.marks {
        for mark in never_hit(MARKS.iter().copied(), &totals.marks) {
            println!("  never hit: {mark}");
        }
    }
    tell_failures(arguments, rung, totals);
}

fn tell_failures(arguments: &Arguments, rung: Rung, totals: &Totals) {
    let planted = arguments.plant.map_or_else(String::new, |bug| format!(" --plant {bug:?}"));
    for (number, violation) in &totals.failures {
        println!("FAILED: {violation}");
        let range = format!("{number}..{}", number + 1);
        println!("  cargo run --release -p basalt-sim -- --rung {rung} --seeds {range}{planted} --loud");
    }
}

fn hunt_all() -> bool {
    let mut all_caught = true;
    for hunt in HUNTED {
        let Hunt { bug, rung, jobs_max } = hunt;
        match hunt.run() {
            Some(caught) => {
                println!("hunt: {bug:?} caught by {rung} job {}: {}", caught.job, caught.violation)
            }
            None => {
                all_caught = false;
                println!("FAILED: {bug:?} was not caught by {jobs_max} jobs of {rung}");
            }
        }
    }
    all_caught
}

fn parse_range(text: &str) -> Result<Range<u64>, String> {
    let parts = text.split_once("..").ok_or("a range is first..end")?;
    let number = |part: &str| part.parse::<u64>().map_err(|error| format!("{part}: {error}"));
    Ok(number(parts.0)?..number(parts.1)?)
}

fn parse_bug(text: &str) -> Result<PlantedBug, String> {
    let found = PlantedBug::ALL.iter().find(|bug| format!("{bug:?}") == text);
    found.copied().ok_or_else(|| format!("there is no bug {text}; there are {:?}", PlantedBug::ALL))
}
