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

use std::collections::BTreeMap;

use rules::calendar::Instant;
use rules::id::TierId;
use rules::outlook::new_year;
use rules::revenue::{Revenue, trailing_year};
use rules::version::Version;
use serde::{Deserialize, Serialize};

use crate::lists::Month;
use crate::shop::ShopId;
use crate::store::{Store, StoreError};
use crate::sweep::{Job, JobId, Kind, Moves, Tally};

/// What a sweep found of everybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Insight {
    /// The sweep.
    pub job: JobId,
    /// Everybody as of this instant, under the version in force then.
    pub as_of: Instant,
    /// Since when moves are counted: of a rollover, the one before.
    pub since: Option<Instant>,
    /// The version's number.
    pub version: u32,
    /// The currency of amounts (ISO 4217).
    pub currency: String,
    /// The coming January 1, to which the forecast goes.
    pub new_year: Instant,
    /// Revenue is of orders paid from this instant on, until `as_of`: the 365 local days before.
    pub revenue_since: Instant,
    /// How many members there are, whether they hold a tier or not.
    pub members: u64,
    /// The tiers, lowest first, and before them those without one.
    pub tiers: Vec<InTier>,
    /// To how many members' next tier little is missing ([`crate::lists::List::NearUpgrade`]).
    pub near_upgrade: u64,
    /// How many lose their tier at the next review unless more happens ([`crate::lists::List::AtRisk`]).
    pub at_risk: u64,
    /// In which months tiers end if nothing more happens.
    pub expiring: BTreeMap<Month, u64>,
    /// Who moved since: between midnights, or at the change of rules.
    pub flows: Moves,
    /// Who will have moved by the coming January 1 if nothing more happens, that instant included.
    pub forecast: Moves,
}

/// A tier and its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InTier {
    /// The tier; none for those without.
    pub tier: Option<TierId>,
    /// How many hold it.
    pub members: u64,
    /// How many will on the coming January 1 if nothing more happens.
    pub on_new_year: u64,
    /// What the orders of those who hold it brought in within a year, whatever tier they had then.
    pub revenue: Revenue,
}

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

/// What is counted of members while a sweep goes through them; it adds up in any order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    members: u64,
    near_upgrade: u64,
    at_risk: u64,
    #[serde(with = "pairs")]
    tiers: BTreeMap<Option<TierId>, Counted>,
    expiring: BTreeMap<Month, u64>,
    flows: Moves,
    forecast: Moves,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Counted {
    members: u64,
    on_new_year: u64,
    revenue: Revenue,
}

/// What is counted of one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub tier: Option<TierId>,
    /// The stretches of time since the midnight before: the tier at the beginning of each, and at its end.
    pub passages: Vec<(Option<TierId>, Option<TierId>)>,
    pub on_new_year: Option<TierId>,
    pub near_upgrade: bool,
    pub at_risk: bool,
    pub expiring: Option<Month>,
    pub revenue: Revenue,
}

impl Counts {
    /// Counts a member. Nobody may be counted twice.
    pub(crate) fn member(&mut self, seen: &Seen) {
        let Seen { tier, passages, on_new_year, near_upgrade, at_risk, expiring, revenue } = seen;
        self.members += 1;
        self.near_upgrade += u64::from(*near_upgrade);
        self.at_risk += u64::from(*at_risk);
        let held = self.tiers.entry(tier.clone()).or_default();
        held.members += 1;
        held.revenue.add(*revenue);
        self.tiers.entry(on_new_year.clone()).or_default().on_new_year += 1;
        if let Some(month) = expiring {
            *self.expiring.entry(*month).or_default() += 1;
        }
        for (from, to) in passages {
            self.flows.count(from, to);
        }
        self.forecast.count(tier, on_new_year);
    }

    /// Adds what was counted elsewhere.
    pub(crate) fn add(&mut self, other: &Self) {
        let Self { members, near_upgrade, at_risk, tiers, expiring, flows, forecast } = other;
        self.members += members;
        self.near_upgrade += near_upgrade;
        self.at_risk += at_risk;
        for (tier, counted) in tiers {
            let sum = self.tiers.entry(tier.clone()).or_default();
            sum.members += counted.members;
            sum.on_new_year += counted.on_new_year;
            sum.revenue.add(counted.revenue);
        }
        for (month, members) in expiring {
            *self.expiring.entry(*month).or_default() += members;
        }
        self.flows.add(flows);
        self.forecast.add(forecast);
    }
}

impl Insight {
    /// What a job found, all of it.
    pub(crate) fn of(job: &Job, version: &Version, counts: Counts, tally: &Tally) -> Self {
        let as_of = job.id.until;
        let Counts { members, near_upgrade, at_risk, mut tiers, expiring, flows, forecast } = counts;
        let ids = version.program.tiers().map(|(_, tier)| Some(tier.id.clone()));
        let tiers = std::iter::once(None).chain(ids).map(|tier| {
            let Counted { members, on_new_year, revenue } = tiers.remove(&tier).unwrap_or_default();
            InTier { tier, members, on_new_year, revenue }
        });
        Self {
            job: job.id,
            as_of,
            since: job.since,
            version: version.number,
            currency: version.program.currency.code().to_owned(),
            new_year: new_year(version, as_of),
            revenue_since: trailing_year(version, as_of).start,
            members,
            tiers: tiers.collect(),
            near_upgrade,
            at_risk,
            expiring,
            flows: match job.id.kind {
                Kind::Rollover => flows,
                Kind::Recalculation { .. } => tally.moves.clone(),
            },
            forecast,
        }
    }
}

/// A map whose keys are no texts, as a list of pairs.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub fn deserialize<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<K, V>, D::Error> {
        Vec::<(K, V)>::deserialize(deserializer).map(|pairs| pairs.into_iter().collect())
    }
}
