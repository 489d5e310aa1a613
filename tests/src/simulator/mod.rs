//! A simulator: the shipped code in one deterministic process, with virtual time, and everything going wrong that can.
//!
//! A seed decides what happens in some shops, and what goes wrong: it comes out the same however often it is run. The
//! functions' own handlers, the store, relay, sweeps and router run as many processes, over tables, queues and a bus in
//! memory (`network.rs`, `table.rs`, `queue.rs`); faults come in behind the SDK, where the network is (`fault.rs`). When
//! everything has come to rest, all is compared with what it should be, worked out from scratch (`oracle.rs`).
//!
//! That it can fail is proven with bugs planted on purpose (`bug.rs`).

mod api;
mod bug;
mod dice;
mod expression;
mod fault;
mod found;
mod log;
mod network;
mod oracle;
mod process;
mod queue;
mod release;
mod settle;
mod spell;
mod table;
mod workers;
mod workload;
mod world;

use std::fmt;

use tokio::runtime::Builder;

pub use bug::Bug;
pub use fault::{Fault, Hits};
pub(crate) use table::{At, Tables};

use log::Log;
use world::{InvariantViolation, World};

/// What came of a seed.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What went wrong, and how often.
    pub fault_counts: Hits,
    /// Messages sent.
    pub messages: u64,
    /// Requests that processes made.
    pub requests: u64,
    /// How often everything was compared.
    pub checks: u64,
    /// All requests in their order, in one number.
    pub digest: u64,
    /// What was logged.
    pub log: String,
    /// What is not as it should be.
    pub broken: Option<InvariantViolation>,
}

/// What came of many.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// How many.
    pub seeds: u64,
    /// What went wrong, and how often.
    pub fault_counts: Hits,
    messages: u64,
    requests: u64,
    checks: u64,
    broken: u64,
}

impl Summary {
    /// Adds one.
    pub fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.fault_counts.add(&outcome.fault_counts);
        self.messages += outcome.messages;
        self.requests += outcome.requests;
        self.checks += outcome.checks;
        self.broken += u64::from(outcome.broken.is_some());
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in Fault::ALL {
            writeln!(f, "{:>10}  {fault}", self.fault_counts.of(*fault))?;
        }
        let Self { seeds, messages, requests, checks, broken, .. } = self;
        writeln!(
            f,
            "{seeds} seeds, {messages} messages, {requests} requests, compared {checks} times: {broken} not as it should be"
        )
    }
}

/// Runs a seed, over so many operations; with a bug planted in the code, if one is given.
pub fn run(seed: u64, operations: u32, bug: Option<Bug>) -> Outcome {
    let executor = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let log = Log::default();
    let _logged = log.begin();
    executor.block_on(async {
        let mut outcome = Outcome { seed, ..Outcome::default() };
        match World::open(seed, bug, log.clone()).await {
            Err(broken) => outcome.broken = Some(broken),
            Ok(mut world) => {
                outcome.broken = live(&mut world, operations, &mut outcome.checks).await.err();
                world.close();
                let state = world.network.state();
                outcome.fault_counts = state.fault_counts.clone();
                (outcome.requests, outcome.digest) = (state.requests, state.digest);
                outcome.messages = world.shops.iter().map(|shop| shop.sent.len() as u64).sum();
            }
        }
        outcome.log = log.text();
        outcome
    })
}

/// Operations, with a rest now and then and at the end.
async fn live(world: &mut World, operations: u32, checks: &mut u64) -> Result<(), InvariantViolation> {
    for number in 1..=operations {
        if world.spell == Some(number) {
            world.spell_of_wrong_clocks().await?;
        }
        world.operate().await?;
        if number == operations || world.dice.chance(6) {
            world.rest().await?;
            world.check().await?;
            *checks += 1;
        }
    }
    Ok(())
}
