//! One round: fresh items, clients at work while the daemon is killed, then quiet and judgement.

use std::{
    thread::{self, ScopedJoinHandle},
    time::{Duration, Instant},
};

use crate::{
    arena::{Arena, Finding, Witness},
    chance::Chance,
    daemon::{Daemon, Lives},
    session::{Course, Session, Tallies},
    tail::{Records, Tail},
};

/// How a round is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoundOptions {
    pub(crate) seed: u64,
    pub(crate) number: u64,
    pub(crate) duration: Duration,
    /// The longest time from a start to the next kill; `None`: no kills.
    pub(crate) life_max: Option<Duration>,
}

/// What came of a round.
#[derive(Debug, Default)]
pub(crate) struct RoundResult {
    pub(crate) tallies: Tallies,
    pub(crate) kills: u64,
    pub(crate) finding: Finding,
}

/// The shortest life: some calls are answered in it.
const LIFE_MIN: Duration = Duration::from_millis(50);

/// Runs one round. The tails go on where they were.
pub(crate) fn run(
    daemon: &mut Daemon,
    lives: &Lives,
    arenas: &[&dyn Arena],
    tails: &mut [Tail],
    options: RoundOptions,
) -> Result<RoundResult, String> {
    let course = Course::new(lives, daemon.address(), options.seed, options.number);
    let mut result = RoundResult::default();
    let mut judge = Session::new(&course, 0);
    for arena in arenas {
        arena.begin_round(&mut judge)?;
    }
    let mut worked = Vec::new();
    thread::scope(|scope| {
        let mut number = 0;
        let mut clients = Vec::new();
        for (place, arena) in arenas.iter().enumerate() {
            for _ in 0..arena.client_count() {
                number += 1;
                let mut session = Session::new(&course, number);
                clients.push(scope.spawn(move || {
                    let witness = arena.run_client(&mut session);
                    Worked { place, witness, tallies: session.tallies }
                }));
            }
        }
        let readers: Vec<_> = (tails.iter_mut())
            .map(|tail| {
                number += 1;
                let mut session = Session::new(&course, number);
                scope.spawn(move || tail.run(&mut session))
            })
            .collect();
        let killed = kill_at_random(daemon, lives, options);
        course.end();
        worked = clients.into_iter().map(joined).collect();
        course.fall_quiet();
        let read: Vec<_> = readers.into_iter().map(joined).collect();
        result.kills = killed?;
        read.into_iter().collect::<Result<(), String>>()
    })?;
    let mut witnesses: Vec<Vec<Box<dyn Witness>>> = arenas.iter().map(|_| Vec::new()).collect();
    for Worked { place, witness, tallies } in worked {
        witnesses[place].push(witness?);
        add(&mut result.tallies, tallies);
    }
    for (arena, witnesses) in arenas.iter().zip(witnesses) {
        let tail = tails.iter_mut().find(|tail| Some(tail.table()) == arena.streamed_table());
        let records = tail.map_or_else(Records::default, Tail::take_records);
        result.finding.absorb(arena.judge(&mut judge, witnesses, &records)?);
    }
    Ok(result)
}

/// A client at its end.
struct Worked {
    /// Which arena it worked in.
    place: usize,
    witness: Result<Box<dyn Witness>, String>,
    tallies: Tallies,
}

fn joined<T>(handle: ScopedJoinHandle<'_, T>) -> T {
    handle.join().expect("clients report what goes wrong")
}

/// Kills and restarts the daemon until the round's time is up; returns how often.
fn kill_at_random(daemon: &mut Daemon, lives: &Lives, options: RoundOptions) -> Result<u64, String> {
    let started = Instant::now();
    let mut chance = Chance::new(options.seed, &[options.number, u64::MAX]);
    let mut kills = 0;
    loop {
        let left = options.duration.saturating_sub(started.elapsed());
        let life = options
            .life_max
            .map(|longest| LIFE_MIN + Duration::from_millis(chance.below(longest.as_millis().max(1) as u64)));
        match life.filter(|life| *life < left) {
            Some(life) => thread::sleep(life),
            None => {
                thread::sleep(left);
                return Ok(kills);
            }
        }
        daemon.kill_and_restart(lives)?;
        kills += 1;
    }
}

pub(crate) fn add(sum: &mut Tallies, more: Tallies) {
    for (operation, tally) in more {
        let sum = sum.entry(operation).or_default();
        sum.answered += tally.answered;
        sum.refused += tally.refused;
        sum.unknown += tally.unknown;
    }
}
