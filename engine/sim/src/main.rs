//! The campaign command. `cargo run --release -p basalt-sim -- --seeds 0..100000` runs random crashes; `--ci` runs the
//! portion of everything that every change must pass; `--hunt` proves that planted bugs are found.

#![expect(clippy::print_stdout, reason = "the report of a command")]

use basalt_runtime::sim::marks::never_hit;
use basalt_runtime::sim::planted::PlantedBug;
use basalt_sim::campaign::{Campaign, JOB_TIME_MAX, OnFailure, Totals};
use basalt_sim::ci;
use basalt_sim::hunt::{HUNTED, Hunt};
use basalt_sim::marks::MARKS;
use basalt_sim::rung::Rung;
use clap::Parser;
use std::collections::BTreeSet;
use std::ops::Range;
use std::process::ExitCode;
use std::time::Duration;

/// Crashes Basalt on a simulated disk and proves that nothing acknowledged is lost.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// What to run: small (every workload of four operations, crashed everywhere), crashes and faults of the storage,
    /// damage (directories with one thing changed), engine (tables and clients of the whole), or wire (the same behind
    /// DynamoDB's JSON).
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

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if !arguments.loud {
        // A panic of the simulated process is a result, reported like any other.
        std::panic::set_hook(Box::new(|_| {}));
    }
    let is_good = if arguments.hunt {
        hunt_all(arguments.threads)
    } else if arguments.ci {
        // Everything is run, whatever fails: one report tells all.
        [run_portions(&arguments), replay_some(), hunt_all(arguments.threads)]
            .into_iter()
            .all(|is_good| is_good)
    } else {
        let jobs = arguments.seeds.clone();
        let end = arguments.rung.job_count().map_or(jobs.end, |count| jobs.end.min(count));
        run(&arguments, arguments.rung, jobs.start..end).failures.is_empty()
    };
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the rungs' portions and asks whether they have tested what they should.
fn run_portions(arguments: &Arguments) -> bool {
    let mut all = Totals::default();
    for (rung, jobs) in ci::PORTIONS {
        all.merge(run(arguments, rung, jobs));
    }
    println!("all rungs: {all}");
    let (faults, marks) = (ci::faults_not_fired(&all), ci::marks_not_hit(&all));
    faults.iter().for_each(|kind| println!("FAILED: fault {kind:?} never fired"));
    marks.iter().for_each(|mark| println!("FAILED: the mark {mark:?} was never passed"));
    all.failures.is_empty() && faults.is_empty() && marks.is_empty()
}

/// Runs some seeds twice each.
fn replay_some() -> bool {
    let rungs = [Rung::Crashes, Rung::Faults, Rung::Engine, Rung::Wire];
    let jobs = ci::REPLAYED.flat_map(|job| rungs.map(|rung| (rung, job)));
    let differing: Vec<String> = jobs.filter_map(|(rung, job)| ci::replay(rung, job).err()).collect();
    differing.iter().for_each(|difference| println!("FAILED: {difference}"));
    println!(
        "replayed: seeds {:?} of crashes, faults, engine and wire, {} differ",
        ci::REPLAYED,
        differing.len()
    );
    differing.is_empty()
}

fn run(arguments: &Arguments, rung: Rung, jobs: Range<u64>) -> Totals {
    let campaign = Campaign {
        jobs,
        threads: arguments.threads,
        on_failure: if arguments.keep_going { OnFailure::GoOn } else { OnFailure::Stop },
        time_max: arguments.minutes.map(|minutes| Duration::from_secs(minutes * 60)),
        job_time_max: JOB_TIME_MAX,
    };
    let mut told = BTreeSet::new();
    let totals = campaign.run(
        |number| rung.run(number, arguments.plant),
        |totals| {
            println!("{rung}: {totals}");
            tell_failures(arguments, rung, totals, &mut told);
        },
        |number| abort_hanging(rung, number, arguments.plant),
    );
    report(arguments, rung, &totals);
    tell_failures(arguments, rung, &totals, &mut told);
    totals
}

/// A job that hangs inside one poll cannot be ended: its process can, and says which it was.
fn abort_hanging(rung: Rung, number: u64, planted: Option<PlantedBug>) {
    println!("FAILED: a job hangs");
    println!("  {}", replay_command(rung, number, planted));
    std::process::abort();
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
}

/// Names the failures that were not `told` before.
fn tell_failures(arguments: &Arguments, rung: Rung, totals: &Totals, told: &mut BTreeSet<u64>) {
    for (number, violation) in totals.failures.iter().filter(|(number, _)| told.insert(**number)) {
        println!("FAILED: {violation}");
        println!("  {}", replay_command(rung, *number, arguments.plant));
    }
}

fn replay_command(rung: Rung, number: u64, planted: Option<PlantedBug>) -> String {
    let planted = planted.map_or_else(String::new, |bug| format!(" --plant {bug:?}"));
    let range = format!("{number}..{}", number + 1);
    format!("cargo run --release -p basalt-sim -- --rung {rung} --seeds {range}{planted} --loud")
}

fn hunt_all(threads: usize) -> bool {
    let mut all_caught = true;
    for hunt in HUNTED {
        let Hunt { bug, rung, jobs_max } = *hunt;
        match hunt.run(threads, |number| abort_hanging(rung, number, Some(bug))) {
            Some(caught) => {
                println!(
                    "hunt: {bug:?} caught by {rung} job {} of {jobs_max}: {}",
                    caught.job, caught.violation
                )
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
