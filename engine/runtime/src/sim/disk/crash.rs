//! Power losses: the disks that a machine could find when it comes up again.

use super::file_node::{FileUnit, KeptSectors, random_mask};
use super::{Disk, NodeId};
use crate::sim::Random;

/// Up to this many things that may stay or go, [`Disk::crash_images`] takes every subset.
pub const CRASH_UNITS_EXHAUSTIVE_MAX: usize = 6;
/// Beyond that it takes this many samples.
pub const CRASH_IMAGE_SAMPLES: usize = 64;
/// Ways in which each block is torn, besides staying and going.
const TEARS_PER_BLOCK: usize = 4;

/// What a power loss does to unsynced sectors, sizes and names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPolicy {
    /// All of it is lost.
    LoseUnsynced,
    /// Nothing is lost, as when the device's cache was written just in time.
    KeepUnsynced,
    /// Each sector, size and name stays with this chance.
    Independent {
        /// Chance to stay, of 1000.
        keep_permille: u32,
    },
    /// One of the above, or a mix of them file by file, chosen anew for each crash.
    Any,
}

/// How one file or the names fare in one crash.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Lose,
    Keep,
    Units { keep_permille: u32 },
    Sectors { keep_permille: u32 },
}

/// One thing that may stay or go by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Name(usize),
    File(NodeId, FileUnit),
}

impl Disk {
    /// A disk that a machine could find after losing power now. Nothing on it is unsynced, open or locked.
    #[must_use]
    pub fn crash(&self, random: &mut Random, policy: CrashPolicy) -> Self {
        // In half of the crashes all files share one fate, in the others each has its own.
        let shared = random.coin().then(|| any_fate(random));
        let fate_of_next = |random: &mut Random| match policy {
            CrashPolicy::LoseUnsynced => Fate::Lose,
            CrashPolicy::KeepUnsynced => Fate::Keep,
            CrashPolicy::Independent { keep_permille } => Fate::Sectors { keep_permille },
            CrashPolicy::Any => shared.unwrap_or_else(|| any_fate(random)),
        };
        let fate_of_names = fate_of_next(random);
        let names = self.names.crashed(|_| fate_of_names.mask(random) & 1 != 0);
        self.image(names, |_, file| {
            let fate = fate_of_next(random);
            (!file.is_durable()).then(|| file.crashed(|_| fate.mask(random)))
        })
    }

    /// How many things may stay or go by themselves if power is lost now.
    #[must_use]
    pub fn crash_unit_count(&self) -> usize {
        self.units().len()
    }

    /// The disks that a machine could find after losing power now: all of them for at most
    /// [`CRASH_UNITS_EXHAUSTIVE_MAX`] blocks, sizes and names at stake (with a few tears of each block), else
    /// [`CRASH_IMAGE_SAMPLES`] of them, the ones that keep all and nothing included.
    #[must_use]
    pub fn crash_images<'a>(&'a self, random: &'a mut Random) -> CrashImages<'a> {
        let units = self.units();
        let plan = if units.len() <= CRASH_UNITS_EXHAUSTIVE_MAX {
            let blocks = units.iter().filter(|unit| matches!(unit, Unit::File(_, FileUnit::Block { .. })));
            Plan::Subsets { tears: blocks.count() * TEARS_PER_BLOCK }
        } else {
            Plan::Samples
        };
        CrashImages { disk: self, random, units, plan, next: 0 }
    }

    fn units(&self) -> Vec<Unit> {
        let names = (0..self.names.unsynced_count()).map(Unit::Name);
        let files = self
            .files
            .iter()
            .flat_map(|(&node, file)| file.units().into_iter().map(move |unit| Unit::File(node, unit)));
        names.chain(files).collect()
    }

    /// The disk on which of each unit what `kept` says has stayed. Blocks that are no unit hold what is durable.
    fn image_of_choice(&self, kept: impl Fn(Unit) -> KeptSectors) -> Self {
        let names = self.names.crashed(|index| kept(Unit::Name(index)) & 1 != 0);
        self.image(names, |node, file| {
            (!file.is_durable()).then(|| file.crashed(|unit| kept(Unit::File(node, unit))))
        })
    }
}

impl Fate {
    fn mask(self, random: &mut Random) -> KeptSectors {
        match self {
            Self::Lose => 0,
            Self::Keep => KeptSectors::MAX,
            Self::Units { keep_permille } => {
                if random.chance(keep_permille) {
                    KeptSectors::MAX
                } else {
                    0
                }
            }
            Self::Sectors { keep_permille } => (0..KeptSectors::BITS)
                .filter(|_| random.chance(keep_permille))
                .fold(0, |mask, sector| mask | 1 << sector),
        }
    }
}

fn any_fate(random: &mut Random) -> Fate {
    let keep_permille = [20, 200, 500, 800, 980][random.index(5)];
    match random.below(6) {
        0 => Fate::Lose,
        1 => Fate::Keep,
        2 | 3 => Fate::Units { keep_permille },
        _ => Fate::Sectors { keep_permille },
    }
}

enum Plan {
    Subsets { tears: usize },
    Samples,
}

/// The disks of [`Disk::crash_images`].
pub struct CrashImages<'a> {
    disk: &'a Disk,
    random: &'a mut Random,
    units: Vec<Unit>,
    plan: Plan,
    next: usize,
}

impl Iterator for CrashImages<'_> {
    type Item = Disk;

    fn next(&mut self) -> Option<Disk> {
        let index = self.next;
        self.next += 1;
        match self.plan {
            Plan::Samples => self.sample(index),
            Plan::Subsets { tears } => {
                let subsets = 1 << self.units.len();
                if index < subsets {
                    Some(self.subset(index))
                } else {
                    (index < subsets + tears).then(|| self.torn((index - subsets) / TEARS_PER_BLOCK))
                }
            }
        }
    }
}

impl CrashImages<'_> {
    fn sample(&mut self, index: usize) -> Option<Disk> {
        let policy = match index {
            0 => CrashPolicy::LoseUnsynced,
            1 => CrashPolicy::KeepUnsynced,
            _ => CrashPolicy::Any,
        };
        (index < CRASH_IMAGE_SAMPLES).then(|| self.disk.crash(self.random, policy))
    }

    fn subset(&self, members: usize) -> Disk {
        let masks: Vec<KeptSectors> = (0..self.units.len())
            .map(|place| if members & (1 << place) != 0 { KeptSectors::MAX } else { 0 })
            .collect();
        self.disk.image_of_choice(|unit| self.mask_of(unit, &masks))
    }

    /// The `target`-th block torn, everything else kept or lost by chance.
    fn torn(&mut self, target: usize) -> Disk {
        let mut blocks = 0;
        let masks: Vec<KeptSectors> = self
            .units
            .iter()
            .map(|unit| {
                let is_block = matches!(unit, Unit::File(_, FileUnit::Block { .. }));
                let is_target = is_block && blocks == target;
                blocks += usize::from(is_block);
                match (is_target, self.random.below(3)) {
                    (true, 0) => 1,
                    (true, 1) => KeptSectors::MAX >> 1,
                    (true, _) => random_mask(self.random),
                    (false, _) => {
                        if self.random.coin() {
                            KeptSectors::MAX
                        } else {
                            0
                        }
                    }
                }
            })
            .collect();
        self.disk.image_of_choice(|unit| self.mask_of(unit, &masks))
    }

    fn mask_of(&self, unit: Unit, masks: &[KeptSectors]) -> KeptSectors {
        self.units.iter().position(|&candidate| candidate == unit).map_or(0, |place| masks[place])
    }
}
