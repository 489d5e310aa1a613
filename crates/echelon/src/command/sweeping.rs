//! Jobs that this process works on, with a progress bar.

use std::time::Duration;

use engine::lists;
use engine::sweep::{Listed, Progress, Sweep, latest};
use indicatif::{ProgressBar, ProgressStyle};
use local::sweeper::{Here, drain};
use rules::id::TierId;
use store::key::Spread;
use store::records::{JobId, State, Tally};
use store::shop::ShopId;
use store::{Store, StoreError};

use crate::output::table;

/// The interval at which the bar is drawn.
const LOOK: Duration = Duration::from_millis(200);

/// Works on waiting segments until there are none, and shows the progress; returns the latest jobs of the shops.
///
/// # Errors
/// See [`StoreError`]; the same call continues where it stopped.
pub async fn work(store: &Store, sweep: &Sweep<Here>, shops: &[ShopId]) -> Result<Vec<Listed>, StoreError> {
    // Drawn only on a terminal, like all bars of indicatif.
    let bar = bar();
    let mut done = std::pin::pin!(drain(sweep, Duration::MAX));
    let mut look = tokio::time::interval(LOOK);
    let drained = loop {
        tokio::select! {
            drained = &mut done => break drained,
            _ = look.tick() => if !bar.is_hidden() {
                show(&bar, &all(store, shops).await?);
            }
        }
    };
    bar.finish_and_clear();
    for shop in shops {
        lists::tidy(store, shop, local::now()).await?;
    }
    let (_, drained) = drained;
    drained?;
    all(store, shops).await
}

/// The number of equal parts of a job.
fn parts() -> u64 {
    u64::from(Spread::DEPLOYED.buckets())
}

/// A bar over the parts of a shop.
pub fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {percent}% {msg}, {eta} left");
    ProgressBar::new(parts()).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn show(bar: &ProgressBar, jobs: &[Listed]) {
    let running: Vec<&Progress> =
        jobs.iter().map(|listed| &listed.progress).filter(|progress| progress.job.state == State::Running).collect();
    bar.set_length(parts() * running.len() as u64);
    bar.set_position(running.iter().map(|progress| u64::from(progress.parts_done)).sum());
    let members: u64 = running.iter().map(|progress| progress.so_far.members).sum();
    bar.set_message(format!("{members} members"));
}

async fn all(store: &Store, shops: &[ShopId]) -> Result<Vec<Listed>, StoreError> {
    let mut jobs = Vec::new();
    for shop in shops {
        jobs.extend(latest(store, shop, local::now()).await?);
    }
    Ok(jobs)
}

/// The job of a shop with this id.
pub fn of<'a>(jobs: &'a [Listed], shop: &ShopId, id: JobId) -> Option<&'a Listed> {
    jobs.iter().find(|listed| listed.shop == *shop && listed.progress.job.id == id)
}

/// The moves from tier to tier, one line for each.
pub fn moves(tally: &Tally) -> Vec<String> {
    let name = |tier: &Option<TierId>| tier.as_ref().map_or_else(|| "no tier".to_owned(), ToString::to_string);
    let row = |((from, to), members): (&(Option<TierId>, Option<TierId>), &u64)| {
        vec![format!("  {}", name(from)), "->".to_owned(), name(to), members.to_string()]
    };
    table(&tally.moves.0.iter().map(row).collect::<Vec<_>>())
}
