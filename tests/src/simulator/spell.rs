//! Clocks that are years ahead for a while, all together, as on one machine: facts come, and sweeps look at every member. Then
//! the clocks are right again, and what `echelon serve --trust-clock` does is done.

use std::sync::atomic::Ordering;

use engine::sweep::sweep_again;

use super::bug::Bug;
use super::dice::Dice;
use super::expression::text;
use super::fault::{Fault, Hits, Weather};
use super::network::Network;
use super::process::tables;
use super::release::Moved;
use super::world::{DAY, InvariantViolation, World};

/// The seeds in a thousand in which the clocks are wrong once.
const WRONG: u64 = 200;
/// The clocks go wrong before one of this many first operations.
const WITHIN: u64 = 40;

/// The operation of a seed before which all clocks go wrong, if they do. It is drawn separately from the seed's story. Where the
/// release of the time zone database changes, the clocks stay right.
pub(super) fn of(seed: u64) -> Option<u32> {
    let mut dice = Dice::of(seed ^ 0x5eed_c10c);
    let is_wrong = dice.chance(WRONG) && Moved::of(seed).is_none();
    is_wrong.then(|| 1 + u32::try_from(dice.below(WITHIN)).unwrap())
}

impl Network {
    /// The time in milliseconds since 1970 by all clocks, which may be ahead.
    pub fn told(&self) -> i64 {
        self.now() + self.ahead.load(Ordering::SeqCst)
    }

    fn set_ahead(&self, millis: i64) {
        self.ahead.store(millis, Ordering::SeqCst);
    }
}

impl World {
    /// Sets all clocks ahead for a while.
    ///
    /// # Errors
    /// Says what is wrong.
    pub(super) async fn spell_of_wrong_clocks(&mut self) -> Result<(), InvariantViolation> {
        self.network.state().weather = Weather::CALM;
        self.write_older()?;
        self.drain("events").await?;
        self.network.set_ahead(self.dice.between(1, 6) * 365 * DAY + self.dice.between(0, 400) * DAY / 2);
        self.fault_counts(Fault::ClockYearsAhead);
        self.tell_some();
        self.drain("events by a clock that is ahead").await?;
        if self.dice.chance(800) {
            self.sweep().await?;
            self.tell_some();
            self.drain("events by a clock that is ahead").await?;
        }
        self.network.set_ahead(0);
        self.was_ahead = true;
        self.note_members();
        if self.network.state().bug != Some(Bug::AheadNotForgotten) {
            let now = self.network.instant();
            for shop in &self.shops {
                sweep_again(&self.store, &shop.id, now).await.map_err(|error| error.detail())?;
            }
        }
        Ok(())
    }

    /// Notes the members that are stored.
    fn note_members(&self) {
        let (members, mut state) = (tables().members, self.network.state());
        let all = state.tables.items(&members).filter_map(|item| {
            let text = |name| item.get(name).and_then(text).map(str::to_owned);
            Some((text("pk")?, text("sk")?))
        });
        let all = all.collect();
        state.met_ahead = all;
    }

    /// Sends facts that are taken in whatever the time.
    fn tell_some(&mut self) {
        for _ in 0..1 + self.dice.below(6) {
            let (shop, now, mut fault_counts) = (self.dice.place(self.shops.len()), self.now(), Hits::default());
            let (_, sent) = self.shops[shop].fact(&mut self.dice, &mut fault_counts, now);
            self.network.state().fault_counts.add(&fault_counts);
            self.send(&sent);
        }
    }
}
