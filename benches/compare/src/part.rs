//! The parts of a round: what is done in one directory, one thing after the other.

use std::{path::Path, thread, time::Instant};

use basalt_benches::keys::Distribution;

use crate::{
    BASALT_BLOCKING, BASALT_ON_SHARDS, DEVICE, RAW_SYNC, basalt, disk,
    peers::{self, Order, Peer},
    plan::{CACHE_BYTES, ITEM_BYTES, Plan},
    reopen,
    row::{Figure, Figures, Part, Row},
    threads,
};

/// Of Basalt, and of what it is compared with beside the peers.
pub fn of_basalt(part: Part, directory: &Path, plan: &Plan) -> Vec<(String, Figures)> {
    let named = |name: &str, figures| (name.to_owned(), figures);
    match part {
        Part::Ordered => {
            let engine = basalt::create(directory);
            let mut figures = basalt::load_ordered(&engine, plan);
            figures.extend(basalt::measure_ordered(&engine, plan));
            let blocking = threads::measure_ordered(engine.blocking(), plan);
            engine.close();
            vec![named(BASALT_ON_SHARDS, figures), named(BASALT_BLOCKING, blocking)]
        }
        Part::Random => {
            let sync_file = disk::SyncFile::write(directory);
            let directory = directory.join("engine");
            std::fs::create_dir(&directory).expect("a directory can be made");
            let mut engine = basalt::create(&directory);
            let mut figures = basalt::load(&mut engine, plan);
            // Before and after: the device has moods that last for seconds.
            let mut raw = vec![(Row::DurablePuts, sync_file.measure(plan))];
            figures.extend(basalt::measure(&engine, plan));
            raw.push((Row::DurablePuts, sync_file.measure(plan)));
            let blocking = threads::measure(engine.blocking(), plan);
            engine.close();
            vec![named(BASALT_ON_SHARDS, figures), named(BASALT_BLOCKING, blocking), named(RAW_SYNC, raw)]
        }
        Part::Disk => {
            let mut engine = basalt::create(directory);
            basalt::load(&mut engine, plan);
            let overwrite = |distribution| basalt::overwrite(&engine, plan.items, distribution);
            let figures = disk_figures(directory, plan, &overwrite);
            engine.close();
            vec![named(BASALT_ON_SHARDS, figures)]
        }
        Part::Reopen => reopen::measure(directory, plan),
        Part::Large => {
            let large = Plan { items: plan.large_items(), ..*plan };
            let mut engine = basalt::create_small(directory, plan.small_memory_bytes());
            basalt::load(&mut engine, &large);
            let figures = basalt::measure_large(&engine, plan);
            engine.close();
            let device = vec![(Row::LargeReads, disk::random_reads(directory, plan))];
            vec![named(BASALT_ON_SHARDS, figures), named(DEVICE, device)]
        }
    }
}

/// Of another engine. Of data larger than memory only RocksDB's is asked for: the others' caches are the system's.
pub fn of_peer(engine: &str, part: Part, directory: &Path, plan: &Plan) -> Vec<(String, Figures)> {
    let open = || peers::open(engine, directory, CACHE_BYTES);
    let figures = match part {
        Part::Ordered => {
            let peer = open();
            let mut figures = load(&*peer, Order::Ascending, Row::LoadOrdered, plan);
            figures.extend(threads::measure_ordered(&peer, plan));
            figures
        }
        Part::Random => {
            let peer = open();
            let mut figures = load(&*peer, Order::Random, Row::LoadRandom, plan);
            figures.extend(threads::measure(&peer, plan));
            figures
        }
        Part::Disk => {
            let peer = open();
            load(&*peer, Order::Random, Row::LoadRandom, plan);
            disk_figures(directory, plan, &|distribution| threads::overwrite(&peer, plan.items, distribution))
        }
        Part::Large if engine == "rocksdb" => {
            let peer = peers::open_rocksdb_past_the_page_cache(directory, plan.small_memory_bytes());
            peers::load(&*peer, Order::Random, plan.large_items());
            threads::measure_large(&peer, plan)
        }
        Part::Large | Part::Reopen => return Vec::new(),
    };
    vec![(engine.to_owned(), figures)]
}

fn load(peer: &dyn Peer, order: Order, row: Row, plan: &Plan) -> Figures {
    let started = Instant::now();
    peers::load(peer, order, plan.items);
    vec![(row, Figure::plain(plan.items as f64 / started.elapsed().as_secs_f64()))]
}

/// What loaded data take and what overwriting them writes, each a while after the last write.
fn disk_figures(directory: &Path, plan: &Plan, overwrite: &dyn Fn(Distribution)) -> Figures {
    let logical = (plan.items * ITEM_BYTES) as f64;
    let taken = || {
        thread::sleep(plan.pause);
        Figure::plain(disk::allocated_bytes(directory) as f64 / logical)
    };
    let written = |distribution| {
        let before = disk::written_bytes();
        overwrite(distribution);
        let taken = taken();
        (taken, Figure::plain((disk::written_bytes() - before) as f64 / logical))
    };
    let loaded = taken();
    let (overwritten, uniform) = written(Distribution::Uniform);
    let (_, zipfian) = written(Distribution::Zipfian);
    vec![
        (Row::DiskLoaded, loaded),
        (Row::DiskOverwritten, overwritten),
        (Row::WrittenUniform, uniform),
        (Row::WrittenZipfian, zipfian),
    ]
}
