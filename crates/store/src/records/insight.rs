//! The insight of a shop, and the counts that sweeps add up for it.

use std::collections::BTreeMap;

use rules::calendar::Instant;
use rules::forecast::new_year;
use rules::id::TierId;
use rules::revenue::{Revenue, trailing_year};
use rules::version::Version;
use serde::{Deserialize, Serialize};

use crate::records::list::Month;
use crate::records::{Job, JobId, Kind, Moves, Tally};

/// The result of a sweep over all members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Insight {
    /// The sweep.
    pub job: JobId,
    /// The instant for which all members were evaluated, under the version in force then.
    pub as_of: Instant,
    /// The instant since which moves are counted: for a rollover, the one before.
    pub since: Option<Instant>,
    /// The version's number.
    pub version: u32,
    /// The currency of amounts (ISO 4217).
    pub currency: String,
    /// The coming January 1, the date of the forecast.
    pub new_year: Instant,
    /// Revenue is of orders paid from this instant until `as_of`: the 365 local days before.
    pub revenue_since: Instant,
    /// The number of members, with a tier or without.
    pub members: u64,
    /// The tiers, lowest first, and before them the entry of members without a tier.
    pub tiers: Vec<InTier>,
    /// The number of members who are near an upgrade (`engine::lists::List::NearUpgrade`).
    pub near_upgrade: u64,
    /// The number of members who lose their tier at the next review unless more happens
    /// (`engine::lists::List::AtRisk`).
    pub at_risk: u64,
    /// The number of tiers that end in each month if nothing more happens.
    pub expiring: BTreeMap<Month, u64>,
    /// The moves since then: between midnights, or at the change of rules.
    pub flows: Moves,
    /// The moves up to and including the coming January 1 if nothing more happens.
    pub forecast: Moves,
}

/// A tier and its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InTier {
    /// The tier; none for members without a tier.
    pub tier: Option<TierId>,
    /// The number of members who hold it.
    pub members: u64,
    /// The number of members who will hold it on the coming January 1 if nothing more happens.
    pub on_new_year: u64,
    /// The revenue of a year from the members who hold it, whatever tier they held then.
    pub revenue: Revenue,
}

/// Counts of members during a sweep. They can be added up in any order.
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

/// The figures of one member, as of the instant of a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberFigures {
    /// The tier held.
    pub tier: Option<TierId>,
    /// The stretches of time since the midnight before: the tier at the beginning of each, and at its end.
    pub passages: Vec<(Option<TierId>, Option<TierId>)>,
    /// The tier held on the coming January 1 if nothing more happens.
    pub on_new_year: Option<TierId>,
    /// Whether little is missing to the next tier.
    pub near_upgrade: bool,
    /// Whether the tier is lost at the next review unless more happens.
    pub at_risk: bool,
    /// The month in which the tier ends if nothing more happens.
    pub expiring: Option<Month>,
    /// The revenue of a year from the member's orders.
    pub revenue: Revenue,
}

impl Counts {
    /// Counts a member. Each member may be counted only once.
    pub fn member(&mut self, figures: &MemberFigures) {
        let MemberFigures { tier, passages, on_new_year, near_upgrade, at_risk, expiring, revenue } = figures;
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

    /// Adds counts of another part.
    pub fn add(&mut self, other: &Self) {
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
    /// The complete insight of a job.
    pub fn of(job: &Job, version: &Version, counts: Counts, tally: &Tally) -> Self {
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

/// Serializes a map whose keys are not texts as a list of pairs.
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
