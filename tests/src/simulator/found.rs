//! Checks of what sweeps found: a list has as many members as were counted, none of them twice. If nothing was told since, lists
//! and insight say what evaluating every member one by one says.

use std::collections::{BTreeMap, BTreeSet};

use engine::insight;
use engine::lists::List;
use rules::id::MemberId;
use rules::version::Versions;
use store::StoredMember;
use store::records::State;
use store::records::insight::Insight;

use super::workload::Shop;
use super::world::{InvariantViolation, World};
use crate::list_oracle::{by_place, expected, in_tiers, told, whole};
use crate::system::FOREVER;
use crate::system::instant;

/// The number of a shop's latest jobs to look at.
const LATEST: i32 = 10;
/// A page of a list: so small that a reader has to go on.
const PAGE: usize = 2;
/// The longest time by which a fact is told ahead of its instant.
const AHEAD_MS: i64 = 5 * 60_000;

/// Compares what the sweeps of a shop found with what is stored.
pub(super) async fn check(
    world: &World,
    shop: &Shop,
    versions: &Versions,
    stored: &BTreeMap<MemberId, StoredMember>,
) -> Result<(), InvariantViolation> {
    counted_alike(world, shop).await?;
    let latest =
        insight::latest(&world.store, &shop.id, world.network.instant()).await.map_err(|error| error.detail())?;
    let Some(insight) = latest else { return Ok(()) };
    let (version, at) = (versions.in_force(insight.as_of), insight.as_of);
    let all = by_place(world.store.tables().spread, stored.clone());
    let is_settled = at > world.settled_at;
    for (list, members) in counted(&insight) {
        let now = world.network.instant();
        let Some(entries) = whole((&world.store, &shop.id), now, &list, PAGE).await? else { return Ok(()) };
        let wrong = |what: &str| Err(format!("{list:?} of {}: {what}: {entries:?}", insight.job));
        let ids: BTreeSet<&MemberId> = entries.iter().map(|entry| &entry.member_id).collect();
        if ids.len() != entries.len() {
            return wrong("a member is on it twice");
        }
        if entries.len() as u64 != members {
            return wrong(&format!("{members} were counted"));
        }
        let wanted = expected(&list, version, &all, at);
        if is_settled && entries != wanted {
            return wrong(&format!("in place of {wanted:?}"));
        }
    }
    if is_settled && insight.members != all.len() as u64 {
        return Err(format!("{} members are stored: {insight:?}", all.len()));
    }
    // A fact told ahead of its instant happens after the instant of the sweep, which knows nothing of it.
    if at > world.settled_at.plus_millis(AHEAD_MS) && told(&insight) != in_tiers(version, &all, at) {
        return Err(format!("{insight:?} in place of {:?}", in_tiers(version, &all, at)));
    }
    Ok(())
}

/// Checks that each member who was looked at was found, and once: the two are counted separately.
async fn counted_alike(world: &World, shop: &Shop) -> Result<(), InvariantViolation> {
    let jobs = world.store.latest_jobs(&shop.id, FOREVER, LATEST).await.map_err(|error| error.detail())?;
    let soon = world.network.instant().plus_millis(24 * 60 * 60 * 1_000);
    if let Some(job) = jobs.iter().map(|row| &row.body).find(|job| job.id.until > soon) {
        return Err(format!("{} is of a future time: when it comes, no member is swept", job.id));
    }
    for job in jobs.iter().map(|row| &row.body).filter(|job| job.state == State::Done) {
        let insight = world.store.insight(&shop.id, &job.id).await.map_err(|error| error.detail())?;
        let (Some(tally), Some(insight)) = (&job.tally, insight) else {
            return Err(format!("{} is done and has found nothing", job.id));
        };
        // A member who asks to be forgotten just then was looked at, and is not among those found.
        if shop.forgotten.is_empty() && insight.members != tally.members {
            return Err(format!("{}: {} members were found, and counted {tally:?}", job.id, insight.members));
        }
    }
    Ok(())
}

/// The lists of a sweep, each with as many members as it counted.
fn counted(insight: &Insight) -> Vec<(List, u64)> {
    let tiers = insight.tiers.iter().filter_map(|of| Some((List::Tier(of.tier.clone()?), of.members)));
    let mut lists: Vec<(List, u64)> = tiers.collect();
    lists.push((List::NearUpgrade, insight.near_upgrade));
    lists.push((List::AtRisk, insight.at_risk));
    lists.push((List::ExpiringBefore(instant("9999-12-31T00:00:00Z")), insight.expiring.values().sum()));
    lists
}
