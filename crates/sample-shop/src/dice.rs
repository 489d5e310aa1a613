//! Randomness that is the same on every machine: ChaCha8 is a fixed algorithm, and every decision has a stream of its own.

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};

/// Tables of quantiles and chances are in millionths.
pub(super) const MILLION: u64 = 1_000_000;

/// A stream of random numbers.
#[derive(Debug)]
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream for one decision about one subject.
    pub(super) fn of(seed: u64, subject: u32, question: u32) -> Self {
        let mut key = [0; 32];
        for (place, byte) in key.iter_mut().zip(seed.to_le_bytes()) {
            *place = byte;
        }
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(u64::from(subject) << 32 | u64::from(question));
        Self(rng)
    }

    /// A whole number below `bound`, all equally likely (to within 2^-44 of it, for bounds below 2^20).
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.0.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or_default()
    }

    /// A whole number from `low` to `high`, inclusive.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True in `chance` of a thousand cases.
    pub(super) fn permille(&mut self, chance: u64) -> bool {
        self.below(1_000) < chance
    }

    /// One of several choices, by weight; the first if all weights are 0.
    pub(super) fn weighted<'a, T>(&mut self, choices: &'a [(u64, T)]) -> Option<&'a T> {
        let mut left = self.below(choices.iter().map(|(weight, _)| weight).sum());
        for (weight, choice) in choices {
            if left < *weight {
                return Some(choice);
            }
            left -= weight;
        }
        choices.first().map(|(_, choice)| choice)
    }

    /// A value distributed by a table of quantiles.
    pub(super) fn quantile(&mut self, table: &[(u64, u64)]) -> u64 {
        let at = self.below(MILLION);
        interpolate(table, at)
    }
}

/// The value at a place in a rising table of (place, value), interpolated linearly.
pub(super) fn interpolate(table: &[(u64, u64)], at: u64) -> u64 {
    let mut found = table.first().map_or(0, |(_, value)| *value);
    for pair in table.windows(2) {
        let [(from, low), (until, high)] = pair else { continue };
        if at >= *from {
            let along = at.min(*until) - from;
            found = low + (high - low) * along / (until - from).max(1);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_streams_of_chance_never_change() {
        let drawn = |mut dice: Dice| [dice.below(1_000), dice.below(1_000), dice.below(1_000)];
        assert_eq!(drawn(Dice::of(7, 0, 0)), [764, 465, 5]);
        assert_eq!(drawn(Dice::of(7, 1, 0)), [124, 143, 139]);
        assert_eq!(drawn(Dice::of(8, 0, 1)), [250, 258, 678]);
    }

    #[test]
    fn a_table_of_quantiles_is_followed_in_straight_lines() {
        let table = [(0, 10), (500_000, 20), (1_000_000, 120)];
        let found = [0, 250_000, 500_000, 750_000, 999_999, 2_000_000].map(|at| interpolate(&table, at));
        assert_eq!(found, [10, 15, 20, 70, 119, 120]);
    }
}
