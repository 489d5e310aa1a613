//! How a shop's members are spread over its tiers, how they move and will move, and what they bring in: as of the last
//! sweep, counted while it went through everybody, and kept for good.
//!
//! # Flows
//!
//! A rollover counts who was in which tier at the midnight before and at its own, from each member's course as it is known
//! now, each stretch of time under the version then in force: so it is net per night (who enters and leaves within a day
//! went nowhere), and a correction that comes later restates the past without being counted as a move of that day. What a
//! change of rules moves at its instant is told by its own recalculation. Together they lead from the tiers of one midnight
//! to those of another.

use rules::calendar::Instant;
use serde::{Deserialize, Serialize};
use store::records::{Kind, Moves};
use store::shop::ShopId;
use store::{Store, StoreError};

pub use store::records::insight::{InTier, Insight};

/// How members moved in some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flows {
    /// From when on it is known, at or before what was asked; none if nothing is.
    pub since: Option<Instant>,
    /// Until when: the last sweep in that time.
    pub until: Option<Instant>,
    /// Of how many sweeps it is.
    pub jobs: u64,
    /// Who moved, net of each night.
    pub moves: Moves,
}

/// The insight of the latest sweep that is done by now; none before the first.
///
/// # Errors
/// See [`StoreError`].
pub async fn latest(store: &Store, shop: &ShopId, now: Instant) -> Result<Option<Insight>, StoreError> {
    store.latest_insight(shop, now).await
}

/// How members moved after an instant and up to another, that one included: of the sweeps whose instant lies there. Ask
/// from a midnight to a midnight; a night on which no sweep was done is in the flows of the next one.
///
/// # Errors
/// See [`StoreError`].
pub async fn flows(store: &Store, shop: &ShopId, from: Instant, to: Instant) -> Result<Flows, StoreError> {
    let mut flows = Flows { since: None, until: None, jobs: 0, moves: Moves::default() };
    // The latest first. A rollover that ended just as the next one was opened is in that one's flows already.
    let mut known_from = None;
    for insight in store.insights(shop, from, to).await?.into_iter().rev() {
        match insight.job.kind {
            Kind::Rollover if known_from.is_some_and(|known| insight.as_of > known) => continue,
            Kind::Rollover => known_from = insight.since.or(known_from),
            Kind::Recalculation { .. } => {}
        }
        flows.until = flows.until.max(Some(insight.as_of));
        flows.jobs += 1;
        flows.moves.add(&insight.flows);
        let begins = insight.since.unwrap_or(insight.as_of);
        flows.since = Some(flows.since.map_or(begins, |since| since.min(begins)));
    }
    Ok(flows)
}
