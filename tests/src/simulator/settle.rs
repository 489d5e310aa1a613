//! The way in which a deployment comes to rest: the weather clears up, everything under way ends, and what is due is done.

use super::fault::{Fault, Weather};
use super::process::{Relaying, Sweeping};
use super::queue::Queue;
use super::world::{DAY, InvariantViolation, MINUTE, SECOND, World};
use crate::system::FOREVER;

impl World {
    /// Clears the weather up, and brings everything to rest.
    ///
    /// # Errors
    /// Says what does not come to rest.
    pub async fn rest(&mut self) -> Result<(), InvariantViolation> {
        self.network.state().weather = Weather::CALM;
        self.write_older()?;
        // A release that comes while everything rests would need the sweep of a midnight, which this does not wait for.
        let coming = self.network.releases.change_at().saturating_sub(self.network.now());
        if (0..2 * DAY).contains(&coming) {
            self.pass(coming + MINUTE).await;
        }
        self.redeploy();
        self.drain("events").await?;
        self.settled_at = self.network.instant();
        // Erasures are verified after a quarter of an hour. What is due waits for a midnight, and lists can be compared only for
        // a midnight after the last fact.
        let mut wait = 17 * MINUTE;
        let is_midnight_due = std::mem::take(&mut self.had_newer);
        if self.dice.chance(300) || is_midnight_due {
            let longest = self.shops.iter().map(|shop| {
                let (zone, now) = (self.network.zones().named(shop.zone).unwrap(), self.network.instant());
                zone.midnight(zone.day(now).next()).millis() - now.millis()
            });
            wait = wait.max(longest.max().unwrap_or_default() + 2 * MINUTE);
        }
        self.pass(wait).await;
        self.sweep_abandoning().await?;
        self.pass(16 * MINUTE).await;
        for _ in 0..20 {
            let relaying = Relaying::start(&self.network);
            // Rows recorded by a clock that was ahead are younger than anything the hourly pass looks at.
            if relaying.pass().await && (!self.was_ahead || relaying.pass_all().await) {
                return self.drain("announcements").await;
            }
            self.pass(MINUTE).await;
        }
        Err("the hourly pass does not come to an end".to_owned())
    }

    /// Ticks and sweeps until every job has ended.
    pub(super) async fn sweep(&mut self) -> Result<(), InvariantViolation> {
        let mut open = Some("no tick comes to its end".to_owned());
        for _ in 0..20 {
            self.swept_at = self.network.instant();
            if Sweeping::start(&self.network).tick().await {
                self.drain("sweeps").await?;
                open = self.open_job().await?;
                if open.is_none() {
                    break;
                }
            }
            self.pass(MINUTE).await;
        }
        open.map_or(Ok(()), |job| Err(format!("a sweep does not end: {job}")))
    }

    /// A job that has not ended.
    async fn open_job(&self) -> Result<Option<String>, InvariantViolation> {
        for shop in &self.shops {
            let jobs = self.store.latest_jobs(&shop.id, FOREVER, 10).await.map_err(|error| error.detail())?;
            if let Some(job) = jobs.iter().find(|job| job.body.state.is_open()) {
                return Ok(Some(format!("{:?}, of {} as of {}", job.body, jobs.len(), self.network.instant())));
            }
        }
        Ok(None)
    }

    /// Waits until nothing is under way.
    pub(super) async fn drain(&mut self, what: &str) -> Result<(), InvariantViolation> {
        for _ in 0..400 {
            if self.network.state().goes_on_for_ever() {
                return Err(format!("{what} go on for ever"));
            }
            for worker in self.workers.extract_if(.., |worker| worker.is_finished()) {
                worker.await.map_err(|error| format!("a process panicked: {error}"))?;
            }
            let at_rest = {
                let now = self.now();
                let mut state = self.network.state();
                let mut dead = 0;
                for queue in state.queues.values_mut() {
                    dead += queue.redrive(now);
                }
                for _ in 0..dead {
                    state.fault_counts.hit(Fault::DeadLetter);
                }
                state.queues.values().all(Queue::is_empty)
            };
            if at_rest && self.stream.is_read(&self.network) {
                return Ok(());
            }
            self.network.arrived.notify_waiters();
            self.pass(10 * SECOND).await;
            self.erase_abandoned();
        }
        let state = self.network.state();
        let left: Vec<&str> = state.queues.values().flat_map(Queue::bodies).take(3).collect();
        Err(format!("{what} do not come to rest: {left:?}"))
    }
}
