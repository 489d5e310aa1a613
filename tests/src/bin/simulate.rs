//! Runs seeds of the simulator: many at once, with a progress bar, or one to look at.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use tests::simulator::{Bug, Fault, Outcome, Summary, run};

// A fifth faster: the AWS clients allocate much and often.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the shipped code in one process, with virtual time, and makes everything go wrong that can.
///
/// A seed decides what happens in some shops and what goes wrong. When everything has come to rest, it is compared with the
/// expected state. A seed gives the same result however often it is run: `--seed` finds a failure again.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  simulate --seeds 2000              as CI does
  simulate --seeds 100000            overnight
  simulate --seed 4711 --log         one seed, with what the functions logged
  simulate --plant TransactionTorn   how many seeds it takes to find a bug
  simulate --plant list              the bugs there are")]
struct Args {
    /// Number of seeds.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Runs this seed alone, and prints its digest.
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Operations in a seed; everything else goes on between them.
    #[arg(long, default_value_t = 50)]
    operations: u32,
    /// Seeds to run at the same time.
    #[arg(long, default_value_t = std::thread::available_parallelism().map_or(1, usize::from))]
    threads: usize,
    /// Plants a bug, to see which seed finds it.
    #[arg(long, value_name = "BUG")]
    plant: Option<String>,
    /// Prints the log; with `--seed`.
    #[arg(long)]
    log: bool,
    /// Goes on after a failure.
    #[arg(long)]
    keep_going: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let bug = match args.plant.as_deref().map(|name| Bug::named(name).ok_or(name)).transpose() {
        Ok(bug) => bug,
        Err(name) => {
            eprintln!("there is no bug `{name}` to plant; there are:");
            Bug::ALL.iter().for_each(|bug| eprintln!("  {bug:?}"));
            return ExitCode::from(2);
        }
    };
    match args.seed {
        Some(seed) => one(seed, &args, bug),
        None => many(&args, bug),
    }
}

fn one(seed: u64, args: &Args, bug: Option<Bug>) -> ExitCode {
    let outcome = run(seed, args.operations, bug);
    if args.log {
        print!("{}", outcome.log);
    }
    let mut summary = Summary::default();
    summary.add(&outcome);
    print!("{summary}");
    println!("digest {:016x}", outcome.digest);
    verdict(&outcome, args)
}

fn verdict(outcome: &Outcome, args: &Args) -> ExitCode {
    let Some(broken) = &outcome.broken else { return ExitCode::SUCCESS };
    let operations = if args.operations == 50 { String::new() } else { format!(" --operations {}", args.operations) };
    let plant = args.plant.as_ref().map(|bug| format!(" --plant {bug}")).unwrap_or_default();
    eprintln!("seed {}: {broken}", outcome.seed);
    eprintln!("again: cargo run --release --bin simulate -- --seed {}{operations}{plant}", outcome.seed);
    ExitCode::from(1)
}

fn many(args: &Args, bug: Option<Bug>) -> ExitCode {
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(args.seeds) } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let begun = Instant::now();
    let next = AtomicU64::new(args.from);
    let (summary, failed) = (Mutex::new(Summary::default()), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..args.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let enough = !args.keep_going && !failed.lock().unwrap().is_empty();
                    if seed >= args.from + args.seeds || enough {
                        return;
                    }
                    let outcome = run(seed, args.operations, bug);
                    bar.inc(1);
                    summary.lock().unwrap().add(&outcome);
                    if outcome.broken.is_some() {
                        failed.lock().unwrap().insert(seed, outcome);
                    }
                }
            });
        }
    });
    bar.finish_and_clear();
    let (summary, failed) = (summary.into_inner().unwrap(), failed.into_inner().unwrap());
    print!("{summary}");
    let took = begun.elapsed();
    println!("{:.1} s, {:.1} seeds/s", took.as_secs_f64(), summary.seeds as f64 / took.as_secs_f64());
    let never: Vec<_> = Fault::ALL.iter().filter(|fault| summary.fault_counts.of(**fault) == 0).collect();
    never.iter().for_each(|fault| println!("never: {fault}"));
    failed.values().map(|outcome| verdict(outcome, args)).fold(ExitCode::SUCCESS, |_, _| ExitCode::from(1))
}
