//! The spread of a shop's members over its tiers, their moves past and expected, and their revenue. It is as of the
//! last sweep, which counted all members, and it is kept for good.
//!
//! # Flows
//!
//! A rollover counts the tiers of members at the midnight before and at its own. It takes them from each member's
//! course as known now, each interval under the version in force then. The result is net per night: a member who enters
//! and leaves within a day did not move. A later correction restates the past, and does not count as a move of its day.
//! The moves at a change of rules are counted by the recalculation of that version. Together the flows lead from the
//! tiers at one midnight to those at another.

use rules::calendar::Instant;
use serde::{Deserialize, Serialize};
use store::records::{Kind, Moves};
use store::shop::ShopId;
use store::{Store, StoreError};

pub use store::records::insight::{InTier, Insight};

/// The moves of members in a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flows {
    /// The instant from which moves are known, at or before the requested one; none if no moves are known.
    pub since: Option<Instant>,
    /// The end of the last sweep in the period.
    pub until: Option<Instant>,
    /// The number of sweeps included.
    pub jobs: u64,
    /// The moves, net per night.
    pub moves: Moves,
}

/// The insight of the latest sweep that is done by now; none before the first.
///
/// # Errors
/// See [`StoreError`].
pub async fn latest(store: &Store, shop: &ShopId, now: Instant) -> Result<Option<Insight>, StoreError> {
    store.latest_insight(shop, now).await
}

/// The moves after one instant and up to another, inclusive, from the sweeps whose instant lies there. Ask for a period
/// from midnight to midnight. A night without a finished sweep is included in the flows of the next one.
///
/// # Errors
/// See [`StoreError`].
pub async fn flows(store: &Store, shop: &ShopId, from: Instant, to: Instant) -> Result<Flows, StoreError> {
    let mut flows = Flows { since: None, until: None, jobs: 0, moves: Moves::default() };
    // The latest first. A rollover that ended just when the next one was opened is already included in the next one's
    // flows.
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
