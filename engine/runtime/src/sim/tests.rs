//! The simulation itself: determinism, time, ends of a run, what crashes leave, and that every fault can strike.

use super::*;
use crate::{AlignedBuffer, DirectMode, Handle, OpenOptions, ShardIndex, UnixTime};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const FIRST: ShardIndex = ShardIndex(0);

fn path(text: &str) -> &Path {
    Path::new(text)
}

fn direct() -> OpenOptions {
    OpenOptions::new().read(true).write(true).create(true).direct(DirectMode::Direct)
}

fn blocks(value: u8, count: usize) -> AlignedBuffer {
    AlignedBuffer::from_slice(&vec![value; count * 4096])
}

/// Uses every operation on files and directories once or more.
async fn exercise(handle: Handle) -> io::Result<()> {
    handle.create_directory_all(path("/a/b")).await?;
    let file = handle.open_file(path("/a/b/f"), direct()).await?;
    file.try_lock_exclusive()?;
    file.allocate(0, 1 << 16).await?;
    for round in 0..8 {
        file.write_at(blocks(round, 3), u64::from(round) * 8192).await.0?;
        file.write_and_sync_at(blocks(round, 1), 0).await.0?;
        file.read_at(blocks(0, 4), u64::from(round) * 4096).await.0?;
    }
    file.size_bytes().await?;
    file.punch_hole(4096, 4096).await?;
    file.truncate(20480).await?;
    file.sync_all().await?;
    let other = handle.open_file(path("/a/g"), direct().data_sync(true)).await?;
    other.write_at(blocks(9, 2), 0).await.0?;
    drop(other);
    handle.open_file(path("/a/g"), OpenOptions::new().read(true)).await?;
    handle.rename(path("/a/g"), path("/a/b/h")).await?;
    handle.sync_directory(path("/a/b")).await?;
    handle.sync_directory(path("/a")).await?;
    handle.read_directory(path("/a")).await?;
    handle.metadata(path("/a/b/h")).await?;
    handle.remove_file(path("/a/b/h")).await?;
    handle.create_directory_all(path("/c")).await?;
    handle.remove_directory(path("/c")).await
}

/// Several tasks on several shards that race for a file, timers and each other.
fn race(seed: u64, faults: FaultPlan) -> (u64, Vec<String>) {
    let options = SimOptions { shard_count: 3, faults, keep_trace_lines: true, ..SimOptions::new(seed) };
    let mut simulation = Simulation::new(options, Disk::new());
    for shard in (0..3).map(ShardIndex) {
        let handle = simulation.handle(shard);
        let spawner = handle.clone();
        for number in 0..4_u64 {
            let handle = handle.clone();
            spawner
                .spawn(async move {
                    let name = format!("/{}-{number}", handle.shard());
                    handle.sleep(Duration::from_micros(handle.random_u64() % 300)).await;
                    let file = handle.open_file(path(&name), direct()).await?;
                    file.write_and_sync_at(blocks(1, 1), number * 4096).await.0
                })
                .detach();
        }
    }
    simulation.run_for(Duration::from_secs(1)).expect("nothing ends this run");
    (simulation.trace_hash(), simulation.trace_lines())
}

#[test]
fn a_seed_run_twice_gives_the_same_trace() {
    let mut hashes = BTreeSet::new();
    for seed in 0..20 {
        let faults = FaultPlan::none().with(FaultKind::WriteShort, FaultRate::PerMillion(200_000));
        let (hash, lines) = race(seed, faults.clone());
        let (again, lines_again) = race(seed, faults);
        assert_eq!(lines, lines_again, "seed {seed}");
        assert_eq!(hash, again, "seed {seed}: the hash must follow from the events");
        assert!(lines.len() > 50, "the run did something");
        hashes.insert(hash);
    }
    assert_eq!(hashes.len(), 20, "different seeds are different runs");
}

#[test]
fn a_short_write_past_every_cache_is_durable_as_far_as_it_went() {
    let faults = FaultPlan::none().with(FaultKind::WriteShort, FaultRate::Once(0));
    let mut simulation = Simulation::new(SimOptions { faults, ..SimOptions::new(3) }, Disk::new());
    let handle = simulation.handle(FIRST);
    let written = simulation.run_until(FIRST, async move {
        let file = handle.open_file(path("/f"), direct().data_sync(true)).await?;
        file.write_at(blocks(7, 8), 0).await.0?;
        handle.sync_directory(path("/")).await
    });
    assert!(matches!(written, Ok(Ok(()))));
    assert_eq!(simulation.faults_fired().get(&FaultKind::WriteShort), Some(&1));
    let disk = simulation.lose_power(CrashPolicy::LoseUnsynced);
    assert_eq!(disk.read_file(path("/f")).unwrap(), vec![7; 8 * 4096]);
}

#[test]
fn time_jumps_to_the_next_timer() {
    let mut simulation = Simulation::new(SimOptions::new(1), Disk::new());
    let handle = simulation.handle(FIRST);
    let order = Rc::new(RefCell::new(Vec::new()));
    for hours in [3_u64, 1, 2] {
        let (handle, order) = (handle.clone(), Rc::clone(&order));
        simulation
            .handle(FIRST)
            .spawn(async move {
                handle.sleep(Duration::from_secs(hours * 600)).await;
                order.borrow_mut().push(hours);
            })
            .detach();
    }
    let slept = simulation.run_until(FIRST, async move {
        let began = handle.now();
        handle.sleep(Duration::from_secs(1801)).await;
        handle.now() - began
    });
    let slept = slept.expect("it only sleeps");
    assert!((1801..1802).contains(&slept.as_secs()), "slept {slept:?}");
    assert_eq!(*order.borrow(), [1, 2, 3]);
}

#[test]
fn the_calendar_may_be_set_while_the_other_clock_only_grows() {
    let mut simulation = Simulation::new(SimOptions::new(1), Disk::new());
    let handle = simulation.handle(FIRST);
    let before = handle.now();
    simulation.set_unix_time(UnixTime::from_micros(5_000_000));
    assert_eq!(handle.unix_time().as_secs(), 5);
    simulation.run_for(Duration::from_secs(2)).expect("nothing to do");
    assert_eq!(handle.unix_time().as_secs(), 7);
    assert!(handle.now() - before >= Duration::from_secs(2));
}

#[test]
fn every_end_of_a_run_is_a_value() {
    let run = |main: fn(Handle) -> std::pin::Pin<Box<dyn Future<Output = ()>>>| {
        let limits =
            SimOptions { time_max: Duration::from_secs(10), turns_max: 10_000, ..SimOptions::new(1) };
        let options = SimOptions { latencies: Latencies::STEADY, ..limits };
        let mut simulation = Simulation::new(options, Disk::new());
        let future = main(simulation.handle(FIRST));
        let ended = simulation.run_until(FIRST, future).expect_err("it cannot be done");
        let later = simulation.run_until(FIRST, async {});
        assert_eq!(
            later.err(),
            Some(ended.clone()).filter(|ended| *ended != Ended::Stalled),
            "an end is final"
        );
        ended
    };
    assert_eq!(run(|_| Box::pin(std::future::pending())), Ended::Stalled);
    assert_eq!(
        run(|_| Box::pin(async { stop_process("the log's sync failed") })),
        Ended::Stopped("the log's sync failed".to_owned())
    );
    assert_eq!(
        run(|handle| Box::pin(async move {
            loop {
                handle.sleep(Duration::from_secs(1)).await;
            }
        })),
        Ended::OutOfTime
    );
    assert_eq!(
        run(|handle| {
            Box::pin(async move {
                loop {
                    handle.yield_now().await;
                }
            })
        }),
        Ended::OutOfTurns
    );
}

#[test]
fn shards_talk_through_bounded_mailboxes_in_order() {
    for seed in 0..30 {
        let options = SimOptions { shard_count: 3, mailbox_jobs_max: 2, ..SimOptions::new(seed) };
        let mut simulation = Simulation::new(options, Disk::new());
        let received = Arc::new(AtomicU64::new(0));
        for shard in [1, 2].map(ShardIndex) {
            let (target, received) = (simulation.remotes()[0].clone(), Arc::clone(&received));
            simulation
                .handle(shard)
                .spawn(async move {
                    let own = Arc::new(AtomicU64::new(0));
                    for number in 0..20 {
                        let (received, own) = (Arc::clone(&received), Arc::clone(&own));
                        let job = move |handle: &Handle| {
                            assert_eq!(handle.shard(), FIRST);
                            assert_eq!(
                                own.fetch_add(1, Ordering::Relaxed),
                                number,
                                "jobs of one sender keep order"
                            );
                            received.fetch_add(1, Ordering::Relaxed);
                        };
                        target.send(Box::new(job)).await.expect("the shard lives");
                    }
                })
                .detach();
        }
        simulation.run_for(Duration::from_secs(1)).expect("nobody panics");
        assert_eq!(received.load(Ordering::Relaxed), 40, "seed {seed}");
    }
}

#[test]
fn a_stopped_process_stops_on_all_shards() {
    let options = SimOptions { shard_count: 2, ..SimOptions::new(3) };
    let mut simulation = Simulation::new(options, Disk::new());
    let other = simulation.handle(ShardIndex(1));
    let file_is_there = Rc::new(RefCell::new(false));
    let seen = Rc::clone(&file_is_there);
    simulation
        .handle(ShardIndex(1))
        .spawn(async move {
            let _file = other.open_file(path("/early"), direct()).await;
            *seen.borrow_mut() = true;
            other.sleep(Duration::from_secs(5)).await;
            other.open_file(path("/late"), direct()).await.map(drop)
        })
        .detach();
    let handle = simulation.handle(FIRST);
    let ended = simulation.run_until(FIRST, async move {
        handle.sleep(Duration::from_secs(1)).await;
        stop_process("enough")
    });
    assert_eq!(ended, Err::<(), _>(Ended::Stopped("enough".to_owned())));
    assert!(*file_is_there.borrow());
    assert_eq!(simulation.kill().list_files(), ["/early"]);
}

/// Appends numbered blocks with a sync each; returns how many were acknowledged.
fn append_until_crash(seed: u64, crash_at_event: Option<u64>) -> (u64, u64, Simulation) {
    let options = SimOptions { crash_at_event, ..SimOptions::new(seed) };
    let mut disk = Disk::new();
    disk.write_file(path("/log"), b"").expect("an empty disk takes a file");
    let mut simulation = Simulation::new(options, disk);
    let handle = simulation.handle(FIRST);
    let acknowledged = Rc::new(RefCell::new(0));
    let count = Rc::clone(&acknowledged);
    let ended = simulation.run_until(FIRST, async move {
        let file = handle.open_file(path("/log"), direct()).await.expect("it is there");
        for number in 0..6_u8 {
            file.write_and_sync_at(blocks(number + 1, 1), u64::from(number) * 4096)
                .await
                .0
                .expect("no faults");
            *count.borrow_mut() += 1;
        }
    });
    assert_eq!(ended.is_err(), crash_at_event.is_some());
    let count = *acknowledged.borrow();
    let events = simulation.event_count();
    (count, events, simulation)
}

#[test]
fn acknowledged_bytes_survive_a_crash_at_every_event() {
    let (all, events, _) = append_until_crash(1, None);
    assert_eq!((all, events), (6, 12), "each write and each sync is an event");
    let mut survivors = BTreeSet::new();
    for seed in 0..40 {
        for event in 1..=events {
            let (acknowledged, _, simulation) = append_until_crash(seed, Some(event));
            let disk = simulation.lose_power(CrashPolicy::Any);
            let bytes = disk.read_file(path("/log")).expect("its name was durable");
            for number in 0..acknowledged {
                let place = usize::try_from(number).expect("small") * 4096;
                let value = u8::try_from(number + 1).expect("small");
                assert!(
                    bytes[place..place + 4096].iter().all(|&byte| byte == value),
                    "seed {seed} event {event}"
                );
            }
            let unacknowledged = bytes.len() > usize::try_from(acknowledged).expect("small") * 4096;
            survivors.insert((event, unacknowledged));
        }
    }
    assert!(survivors.contains(&(2, true)) && survivors.contains(&(2, false)), "unsynced bytes stay or go");
}

#[test]
fn a_probe_sees_the_disk_that_a_crash_before_each_event_would_find() {
    let (_, _, simulation) = append_until_crash(5, None);
    let events = simulation.event_count();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let sizes = Rc::clone(&seen);
    let mut probed = Simulation::new(SimOptions::new(5), {
        let mut disk = Disk::new();
        disk.write_file(path("/log"), b"").expect("an empty disk takes a file");
        disk
    });
    probed.set_probe(move |disk| {
        let mut random = Random::new(1);
        let images: BTreeSet<usize> = disk
            .crash_images(&mut random)
            .map(|image| image.read_file(path("/log")).expect("its name was durable").len())
            .collect();
        sizes.borrow_mut().push(images);
    });
    let handle = probed.handle(FIRST);
    let done = probed.run_until(FIRST, async move {
        let file = handle.open_file(path("/log"), direct()).await.expect("it is there");
        for number in 0..6_u64 {
            file.write_and_sync_at(blocks(1, 1), number * 4096).await.0.expect("no faults");
        }
    });
    assert_eq!(done, Ok(()));
    assert_eq!(seen.borrow().len() as u64, events);
    // Before the write of block n it may be there or not, since it is on its way; the same before its sync.
    for (event, sizes) in seen.borrow().iter().enumerate() {
        let synced = event / 2 * 4096;
        assert_eq!(*sizes, BTreeSet::from([synced, synced + 4096]), "event {event}");
    }
}

#[test]
fn requests_on_their_way_may_outlive_a_killed_process_unless_its_lock_waits_for_them() {
    let run = |seed: u64, hold: bool| {
        let mut simulation = Simulation::new(SimOptions::new(seed), Disk::new());
        let handle = simulation.handle(FIRST);
        let prepared = simulation.run_until(FIRST, async move {
            let lock = handle.open_file(path("/LOCK"), direct()).await.expect("no faults");
            assert!(lock.try_lock_exclusive().expect("open"));
            if hold {
                handle.hold_for_ring(&lock).expect("open");
            }
            let file = handle.open_file(path("/f"), direct()).await.expect("no faults");
            let writer = handle.clone();
            writer
                .spawn(async move {
                    let _lock = lock;
                    let _written = file.write_at(blocks(7, 1), 0).await;
                })
                .detach();
            handle.yield_now().await;
        });
        prepared.expect("nothing ends it");
        let disk = simulation.kill();
        let before = disk.read_file(path("/f")).expect("made").len();
        let mut next = Simulation::new(SimOptions::new(seed), disk);
        next.run_for(Duration::from_secs(1)).expect("nothing to do");
        let after = next.disk().read_file(path("/f")).expect("made").len();
        (before, after)
    };
    let outcomes = |hold: bool| (0..50).map(|seed| run(seed, hold)).collect::<BTreeSet<_>>();
    assert_eq!(outcomes(true), BTreeSet::from([(0, 0), (4096, 4096)]));
    assert_eq!(outcomes(false), BTreeSet::from([(0, 4096), (4096, 4096)]));
}

#[test]
fn a_lock_belongs_to_one_opening_until_it_is_closed() {
    let mut simulation = Simulation::new(SimOptions::new(2), Disk::new());
    let handle = simulation.handle(FIRST);
    let done = simulation.run_until(FIRST, async move {
        let first = handle.open_file(path("/LOCK"), direct()).await?;
        let second = handle.open_file(path("/LOCK"), direct()).await?;
        assert!(first.try_lock_exclusive()?);
        assert!(!second.try_lock_exclusive()?);
        drop(first);
        handle.sleep(Duration::from_secs(1)).await;
        assert!(second.try_lock_exclusive()?);
        io::Result::Ok(())
    });
    assert!(matches!(done, Ok(Ok(()))), "{done:?}");
}

#[test]
fn direct_access_off_the_blocks_is_refused() {
    let mut simulation = Simulation::new(SimOptions::new(2), Disk::new());
    let handle = simulation.handle(FIRST);
    let refused = simulation.run_until(FIRST, async move {
        let file = handle.open_file(path("/f"), direct()).await.expect("no faults");
        let (odd_length, _) = file.write_at(AlignedBuffer::from_slice(b"odd"), 0).await;
        let (odd_offset, _) = file.write_at(blocks(1, 1), 512).await;
        [odd_length, odd_offset].map(|result| result.expect_err("not whole blocks").kind())
    });
    assert_eq!(refused, Ok([io::ErrorKind::InvalidInput; 2]));
}

#[test]
fn a_world_without_faults_fails_nothing() {
    for seed in 0..20 {
        let mut simulation = Simulation::new(SimOptions::new(seed), Disk::new());
        let handle = simulation.handle(FIRST);
        let done = simulation.run_until(FIRST, exercise(handle));
        assert!(matches!(done, Ok(Ok(()))), "seed {seed}: {done:?}");
        assert!(simulation.faults_fired().is_empty());
    }
}

#[test]
fn every_kind_of_fault_strikes_and_is_counted() {
    for &kind in FaultKind::ALL {
        let plan = FaultPlan::none().with(kind, FaultRate::PerMillion(300_000));
        let fired: u64 = (0..10)
            .map(|seed| {
                let options = SimOptions { faults: plan.clone(), ..SimOptions::new(seed) };
                let mut simulation = Simulation::new(options, Disk::new());
                let handle = simulation.handle(FIRST);
                let _faulty = simulation.run_until(FIRST, exercise(handle));
                simulation.faults_fired().get(&kind).copied().unwrap_or(0)
            })
            .sum();
        assert!(fired > 0, "{kind:?} never struck");
    }
}

#[test]
fn cancelled_operations_end_and_leak_nothing() {
    for seed in 0..50 {
        let mut simulation = Simulation::new(SimOptions::new(seed), Disk::new());
        let handle = simulation.handle(FIRST);
        let done = simulation.run_until(FIRST, async move {
            for number in 0..10_u32 {
                let (opener, name) = (handle.clone(), format!("/{number}"));
                let opening =
                    handle.spawn(async move { opener.open_file(path(&name), direct()).await.map(drop) });
                handle.yield_now().await;
                opening.abort();
            }
            handle.sleep(Duration::from_secs(1)).await;
            handle.live_tasks()
        });
        assert_eq!(done, Ok(1), "seed {seed}: only this task is left");
        let mut disk = simulation.disk_mut();
        for name in disk.list_files() {
            disk.remove_file(path(&name)).expect("listed");
        }
        assert_eq!(disk.used_bytes(), 0);
    }
}
