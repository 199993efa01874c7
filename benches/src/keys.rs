//! Which key an operation is about: numbers of records, chosen as YCSB chooses them.
//!
//! Chances come from a client's own seed, so that a run can be repeated request for request.

use crate::workload::{Chance, mix};

/// Skew of the zipfian distributions, as in YCSB.
const ZIPFIAN_THETA: f64 = 0.99;
/// Chances are fractions with so many bits.
const FRACTION_BITS: u32 = 53;

/// How keys are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Distribution {
    /// Every record as often as any other
    Uniform,
    /// Few records very often, spread over the key space
    Zipfian,
    /// The newest records most often
    Latest,
}

/// Chooses records of a growing set.
#[derive(Debug, Clone)]
pub struct KeyChooser {
    distribution: Distribution,
    zipfian: Zipfian,
}

impl KeyChooser {
    /// For at first `count` records. Costs a pass over them, for the sum behind the zipfian distribution.
    pub fn new(distribution: Distribution, count: u64) -> Self {
        let count = if distribution == Distribution::Uniform { 1 } else { count };
        Self { distribution, zipfian: Zipfian::new(count) }
    }

    /// A record below `count`, which never shrinks and is not 0.
    pub fn choose(&mut self, count: u64, chance: &mut Chance) -> u64 {
        match self.distribution {
            Distribution::Uniform => chance.below(count),
            // Scattered, or neighbours would share their heat. Of a growing set the hot ones stay the hot ones.
            Distribution::Zipfian => mix(self.zipfian.rank(fraction(chance))) % count,
            Distribution::Latest => {
                self.zipfian.grow(count);
                count - 1 - self.zipfian.rank(fraction(chance))
            }
        }
    }
}

/// A number from 0 to just below 1.
pub fn fraction(chance: &mut Chance) -> f64 {
    chance.below(1 << FRACTION_BITS) as f64 / (1_u64 << FRACTION_BITS) as f64
}

/// Ranks from 0 on, rank `r` in proportion to 1 / (r + 1)^theta.
///
/// Gray et al., "Quickly generating billion-record synthetic databases", SIGMOD 1994; as in YCSB.
#[derive(Debug, Clone)]
struct Zipfian {
    count: u64,
    /// The sum of 1 / r^theta for all ranks from 1 on.
    zeta: f64,
}

impl Zipfian {
    fn new(count: u64) -> Self {
        let mut this = Self { count: 0, zeta: 0.0 };
        this.grow(count);
        this
    }

    /// Adds ranks, the least likely ones.
    fn grow(&mut self, count: u64) {
        for rank in self.count + 1..=count {
            self.zeta += weight(rank);
        }
        self.count = self.count.max(count);
    }

    /// The rank at a place between 0 and 1.
    fn rank(&self, place: f64) -> u64 {
        let scaled = place * self.zeta;
        if scaled < 1.0 {
            return 0;
        }
        let first_two = 1.0 + weight(2);
        if scaled < first_two {
            return 1;
        }
        let count = self.count as f64;
        let alpha = 1.0 / (1.0 - ZIPFIAN_THETA);
        let eta = (1.0 - (2.0 / count).powf(1.0 - ZIPFIAN_THETA)) / (1.0 - first_two / self.zeta);
        let rank = (count * (eta * place - eta + 1.0).powf(alpha)) as u64;
        rank.min(self.count - 1)
    }
}

fn weight(rank: u64) -> f64 {
    1.0 / (rank as f64).powf(ZIPFIAN_THETA)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: u64 = 1000;
    const DRAWS: u64 = 400_000;

    fn frequencies(mut draw: impl FnMut(&mut Chance) -> u64) -> Vec<f64> {
        let mut chance = Chance::new(7);
        let mut counts = vec![0_u64; COUNT as usize];
        (0..DRAWS).for_each(|_| counts[draw(&mut chance) as usize] += 1);
        counts.into_iter().map(|count| count as f64 / DRAWS as f64).collect()
    }

    #[test]
    fn zipfian_ranks_come_as_often_as_their_law_says() {
        let zipfian = Zipfian::new(COUNT);
        let seen = frequencies(|chance| zipfian.rank(fraction(chance)));
        // The first two ranks are exact; behind them the law is approximated, so ranges of ranks are compared.
        for ranks in [0..1, 1..2, 2..10, 10..100, 100..1000] {
            let wanted: f64 = ranks.clone().map(|rank| weight(rank + 1) / zipfian.zeta).sum();
            let seen: f64 = ranks.clone().map(|rank| seen[rank as usize]).sum();
            assert!((seen / wanted - 1.0).abs() < 0.1, "ranks {ranks:?}: {seen} instead of {wanted}");
        }
    }

    #[test]
    fn zipfian_keys_are_scattered_and_their_heat_stays() {
        let mut chooser = KeyChooser::new(Distribution::Zipfian, COUNT);
        let mut seen: Vec<_> =
            frequencies(|chance| chooser.choose(COUNT, chance)).into_iter().zip(0..).collect();
        seen.sort_by(|one, other| other.0.total_cmp(&one.0));
        let hottest: Vec<u64> = seen.iter().take(3).map(|(_, key)| *key).collect();
        assert_eq!(hottest[0], mix(0) % COUNT);
        assert!(hottest.windows(2).all(|pair| pair[0].abs_diff(pair[1]) > 1), "{hottest:?}");
    }

    #[test]
    fn latest_prefers_the_newest_of_a_growing_set() {
        let mut chooser = KeyChooser::new(Distribution::Latest, 10);
        let mut chance = Chance::new(1);
        let mut newest = 0;
        for count in 10..2010 {
            let key = chooser.choose(count, &mut chance);
            assert!(key < count);
            newest += u64::from(key == count - 1);
        }
        // One in about 8 draws of 2000 ranks.
        assert!((150..500).contains(&newest), "{newest}");
    }

    #[test]
    fn uniform_keys_are_even() {
        let mut chooser = KeyChooser::new(Distribution::Uniform, COUNT);
        let seen = frequencies(|chance| chooser.choose(COUNT, chance));
        let (least, most) =
            seen.iter().fold((1.0_f64, 0.0_f64), |(least, most), one| (least.min(*one), most.max(*one)));
        assert!(least > 0.7 / COUNT as f64 && most < 1.3 / COUNT as f64, "{least} to {most}");
    }
}
