//! What sweeps found of everybody: their counts add up, nobody is on a list twice or not at all, and where nothing was told
//! since, the lists say what evaluating everybody one by one says.

use std::collections::{BTreeMap, BTreeSet};

use rules::calendar::Instant;
use rules::id::MemberId;
use rules::ledger::Ledger;
use rules::version::Versions;
use service::insight::{self, Insight};
use service::lists::{Asked, Entry, List, page};
use service::store::{Held, key};
use service::sweep::{Kind, State};

use super::story::Shop;
use super::world::{Broken, World};
use crate::everybody::{expected, tier};

/// Of a shop's jobs, those that are looked at.
const LATEST: i32 = 10;
/// Nothing is told further ahead of its instant than this.
const AHEAD_MS: i64 = 5 * 60_000;
/// A page of a list: so small that whoever reads it has to go on.
const PAGE: usize = 2;

/// Compares what the sweeps of a shop found with what is stored.
pub(super) async fn check(
    world: &World,
    shop: &Shop,
    versions: &Versions,
    stored: &BTreeMap<MemberId, Held>,
) -> Result<(), Broken> {
    tallies(world, shop).await?;
    let Some(insight) = insight::latest(&world.store, &shop.id).await.map_err(|error| error.detail())? else {
        return Ok(());
    };
    let version = versions.in_force(insight.as_of);
    let is_settled = insight.as_of > world.settled_at;
    let alive = stored.iter().filter(|(_, held)| !held.erased && held.is_stored());
    let mut all: Vec<(MemberId, Ledger)> = alive.map(|(id, held)| (id.clone(), held.ledger.clone())).collect();
    all.sort_by_key(|(id, _)| (key::bucket(id), id.clone()));
    for (list, members) in counted(&insight)? {
        let Some(entries) = read(world, shop, &list).await? else { return Ok(()) };
        let at = |what: &str| format!("{list:?} of {}: {what}: {entries:?}", insight.job);
        let ids: BTreeSet<&MemberId> = entries.iter().map(|entry| &entry.member_id).collect();
        if ids.len() != entries.len() {
            return Err(at("somebody is on it twice"));
        }
        if entries.len() as u64 != members {
            return Err(at(&format!("{members} were counted")));
        }
        let wanted = expected(&list, version, &all, insight.as_of);
        if is_settled && entries != wanted {
            return Err(at(&format!("in place of {wanted:?}")));
        }
    }
    // What is told ahead of its instant happens after the sweep's, which does not know of it.
    let is_known = insight.as_of > world.settled_at.plus_millis(AHEAD_MS);
    let ahead = all.iter().map(|(_, ledger)| tier(version, ledger, insight.new_year));
    let mut on_new_year = BTreeMap::new();
    ahead.for_each(|tier| *on_new_year.entry(tier).or_insert(0) += 1);
    for in_tier in insight.tiers.iter().filter(|in_tier| is_known && in_tier.tier.is_some()) {
        let wanted = on_new_year.get(&in_tier.tier).copied().unwrap_or(0);
        if in_tier.on_new_year != wanted {
            return Err(format!("{wanted} will be in {:?} on New Year's: {insight:?}", in_tier.tier));
        }
    }
    Ok(())
}

/// Everybody whom a job looked at stayed or moved, and moved in one way.
async fn tallies(world: &World, shop: &Shop) -> Result<(), Broken> {
    let jobs = world.store.latest_jobs(&shop.id, LATEST).await.map_err(|error| error.detail())?;
    for job in jobs.iter().map(|row| &row.body).filter(|job| job.state == State::Done) {
        let tally = job.tally.as_ref().ok_or_else(|| format!("{} is done and has no counts", job.id))?;
        if tally.members != tally.kept + tally.without + tally.changed() {
            return Err(format!("{}: members are counted twice or not at all: {tally:?}", job.id));
        }
        if tally.moves.0.values().sum::<u64>() != tally.changed() {
            return Err(format!("{}: moves do not add up: {tally:?}", job.id));
        }
        let insight = world.store.insight(&shop.id, &job.id).await.map_err(|error| error.detail())?;
        let insight = insight.ok_or_else(|| format!("{} is done and found nothing", job.id))?;
        // Who asks to be forgotten just then was looked at, and is not among those who were found.
        if shop.forgotten.is_empty() && insight.members != tally.members {
            return Err(format!("{}: {} members were found, and counted {tally:?}", job.id, insight.members));
        }
        let flows_are_moves = insight.flows == tally.moves;
        if matches!(job.id.kind, Kind::Recalculation { .. }) && !flows_are_moves {
            return Err(format!("{}: {:?} flow, and {tally:?} moved", job.id, insight.flows));
        }
    }
    Ok(())
}

/// The lists of a sweep, each with as many members as it counted.
fn counted(insight: &Insight) -> Result<Vec<(List, u64)>, Broken> {
    let (mut lists, mut members, mut on_new_year) = (Vec::new(), 0, 0);
    for in_tier in &insight.tiers {
        members += in_tier.members;
        on_new_year += in_tier.on_new_year;
        lists.extend(in_tier.tier.clone().map(|tier| (List::Tier(tier), in_tier.members)));
    }
    if (members, on_new_year) != (insight.members, insight.members) {
        return Err(format!("members are in no tier or in several: {insight:?}"));
    }
    lists.push((List::NearUpgrade, insight.near_upgrade));
    lists.push((List::AtRisk, insight.at_risk));
    let ever = Instant::parse("9999-12-31T00:00:00Z").map_err(|error| error.to_string())?;
    lists.push((List::ExpiringBefore(ever), insight.expiring.values().sum()));
    Ok(lists)
}

/// A whole list, page by page; none if it is there no more.
async fn read(world: &World, shop: &Shop, list: &List) -> Result<Option<Vec<Entry>>, Broken> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let asked = Asked { list, limit: PAGE, cursor: cursor.as_ref(), now: world.network.instant() };
        let page = page(&world.store, &shop.id, &asked).await.map_err(|error| error.to_string())?;
        let Some(page) = page else { return Ok(None) };
        all.extend(page.entries);
        cursor = page.next;
        if cursor.is_none() {
            return Ok(Some(all));
        }
    }
}
