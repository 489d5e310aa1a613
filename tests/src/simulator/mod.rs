//! A simulator: the shipped code in one deterministic process, with virtual time and every fault that can happen.
//!
//! A seed decides what happens in some shops, and what goes wrong; it gives the same result however often it is run. The
//! functions' own handlers, the store, relay, sweeps and router run as many processes, over tables, queues and a bus in memory
//! (`network.rs`, `table.rs`, `queue.rs`). Faults are injected behind the SDK, where the network is (`fault.rs`). When everything
//! has come to rest, it is compared with the expected state, which is computed from scratch (`oracle.rs`).
//!
//! Bugs planted on purpose prove that the simulator can fail (`bug.rs`).

mod abandoned;
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

/// The outcome of a seed.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The faults that were injected, and how often.
    pub fault_counts: Hits,
    /// Messages sent.
    pub messages: u64,
    /// Requests that processes made.
    pub requests: u64,
    /// The number of comparisons.
    pub checks: u64,
    /// A digest of all requests in their order.
    pub digest: u64,
    /// The log.
    pub log: String,
    /// The invariant that does not hold, if any.
    pub broken: Option<InvariantViolation>,
}

/// The outcomes of many seeds, added up.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// The number of seeds.
    pub seeds: u64,
    /// The faults that were injected, and how often.
    pub fault_counts: Hits,
    messages: u64,
    requests: u64,
    checks: u64,
    broken: u64,
}

impl Summary {
    /// Adds the outcome of a seed.
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

/// Runs a seed, over a number of operations; with a bug planted in the code, if one is given.
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

/// Runs the operations, with a rest now and then and at the end.
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
