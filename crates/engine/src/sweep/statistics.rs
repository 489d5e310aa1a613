//! The snapshots that a sweep takes of members: their lists, and the counts of insight.

use std::collections::BTreeMap;
use std::ops::Range;

use rules::calendar::Instant;
use rules::forecast::{forecast, passage};
use rules::id::{MemberId, TierId};
use rules::ledger::Ledger;
use rules::program::Rank;
use rules::revenue::{revenue, trailing_year};
use rules::version::{Version, Versions};
use store::key::list_row;
use store::records::insight::{Counts, MemberFigures};
use store::records::list::{ENTRIES_MAX, Entry, Keep, Month, Name, Next, pack};
use store::records::{Job, JobId, ScanPosition};
use store::shop::ShopId;
use store::{NewListRow, StoreError};

/// The context of snapshots: the version in force at the job's instant, and the times it is compared with.
pub(super) struct SnapshotContext<'a> {
    version: &'a Version,
    as_of: Instant,
    /// Whether moves are counted here. For a recalculation they follow from its transitions.
    is_flow: bool,
    /// The beginning of the last interval, which is under `version`.
    earlier: Instant,
    /// The intervals before it, under the versions in force then; mostly there are none.
    stretches: Vec<VersionInterval<'a>>,
    window: Range<Instant>,
    /// The instant until which lists can be read.
    until: Instant,
}

struct VersionInterval<'a> {
    version: &'a Version,
    from: Instant,
    to: Instant,
}

/// The snapshot of a member.
pub(super) struct MemberSnapshot {
    figures: MemberFigures,
    entry: Entry,
}

/// The snapshots of a page's members.
#[derive(Default)]
pub(super) struct PageStatistics {
    pub(super) counts: Counts,
    lists: BTreeMap<Name, Vec<Entry>>,
}

impl<'a> SnapshotContext<'a> {
    /// The context for a job; none if a release opened it that took no snapshots.
    pub(super) fn of(job: &Job, versions: &'a Versions) -> Option<Self> {
        let lists = job.lists.as_ref()?;
        let as_of = job.id.until;
        let version = versions.in_force(as_of);
        let since = job.since.map_or(as_of, |since| since.min(as_of));
        let (mut stretches, mut earlier) = (Vec::new(), since);
        // The job of a version counts the moves of the change of rules itself; the interval before it ends just before
        // the change. The first version is in force from the beginning.
        let changes = versions.iter().skip(1).map(|version| version.effective_at);
        for change in changes.filter(|at| *at > since && *at <= as_of) {
            if change > earlier {
                let to = change.plus_millis(-1);
                stretches.push(VersionInterval { version: versions.in_force(earlier), from: earlier, to });
                earlier = change;
            }
        }
        let (is_flow, window) = (job.since.is_some(), trailing_year(version, as_of));
        Some(Self { version, as_of, is_flow, earlier, stretches, window, until: lists.until })
    }

    /// Takes the snapshot of a member from the ledger.
    pub(super) fn snapshot(&self, member: &MemberId, ledger: &Ledger) -> MemberSnapshot {
        let program = &self.version.program;
        let id = |rank: Option<Rank>| program.tier_id(rank).cloned();
        let found = forecast(self.version, ledger, self.as_of, self.earlier);
        let standing = &found.standing;
        let tier = id(standing.tier);
        let mut passages = Vec::new();
        if self.is_flow {
            passages.extend(self.stretches.iter().filter_map(|stretch| stretch.moved(ledger)));
            if found.before != standing.tier {
                passages.push((id(found.before), tier.clone()));
            }
        }
        let figures = MemberFigures {
            tier: tier.clone(),
            passages,
            on_new_year: id(found.on_new_year),
            near_upgrade: found.within_reach.is_some(),
            at_risk: found.at_risk,
            expiring: standing.valid_until.map(|ends| Month::seen_from(&program.timezone, self.as_of, ends)),
            revenue: revenue(program, ledger, self.window.clone()),
        };
        let next = standing.progress.and_then(|progress| progress.next);
        let entry = Entry {
            member_id: member.clone(),
            tier,
            valid_until: standing.valid_until,
            upcoming: id(standing.upcoming),
            next: next.and_then(|(rank, remaining)| Some(Next { tier: id(Some(rank))?, remaining })),
            requalify: standing.requalify.map(|keep| Keep { remaining: keep.remaining, by: keep.by }),
        };
        MemberSnapshot { figures, entry }
    }
}

impl VersionInterval<'_> {
    fn moved(&self, ledger: &Ledger) -> Option<(Option<TierId>, Option<TierId>)> {
        let (from, to) = passage(self.version, ledger, self.to, self.from);
        let id = |rank| self.version.program.tier_id(rank).cloned();
        (from != to).then(|| (id(from), id(to)))
    }
}

impl PageStatistics {
    /// Adds up a page's members, each with the place on the page. The lists are in that order.
    pub(super) fn of(mut snapshots: Vec<(usize, MemberSnapshot)>) -> Self {
        snapshots.sort_unstable_by_key(|(place, _)| *place);
        let mut statistics = Self::default();
        for (_, snapshot) in snapshots {
            statistics.add(snapshot);
        }
        statistics
    }

    fn add(&mut self, MemberSnapshot { figures, entry }: MemberSnapshot) {
        self.counts.member(&figures);
        let lists = [
            figures.near_upgrade.then_some(Name::NearUpgrade),
            figures.at_risk.then_some(Name::AtRisk),
            figures.expiring.map(Name::Expiring),
            figures.tier.map(Name::Tier),
        ];
        for name in lists.into_iter().flatten() {
            self.lists.entry(name).or_default().push(entry.clone());
        }
    }

    /// The rows of the lists for the page that began at a place. Empty lists have no rows.
    pub(super) fn rows(
        &self,
        (shop, job): (&ShopId, &JobId),
        place: &ScanPosition,
        attempt: u64,
        snapshot_context: &SnapshotContext<'_>,
    ) -> Result<Vec<NewListRow>, StoreError> {
        let mut rows = Vec::new();
        for (name, entries) in &self.lists {
            for (number, entries) in entries.chunks(ENTRIES_MAX).enumerate() {
                let key = list_row(shop, job, name, place, number);
                let packed = pack(entries).map_err(StoreError::refused)?;
                rows.push(NewListRow { key, packed, members: entries.len(), attempt, until: snapshot_context.until });
            }
        }
        Ok(rows)
    }
}
