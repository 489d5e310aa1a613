//! Entry rewards: due when a tier is entered or reached, once per member ever unless repeats are allowed (seed 003).

use crate::calendar::Instant;
use crate::id::TierId;
use crate::program::{Program, Rank, SkippedTierRewards};
use crate::record::{Record, RewardDue};
use crate::version::Version;

/// The rewards that the last transition of the record brings, which went from just above `floor` to `reached` at `at`;
/// they are put on record. `since`: since when the tier reached is held.
pub(crate) fn due(
    record: &mut Record,
    version: &Version,
    floor: Option<Rank>,
    reached: Rank,
    (at, since): (Instant, Instant),
) -> Vec<RewardDue> {
    let program = &version.program;
    let passed = |rank: Rank| match program.skipped_tier_rewards {
        SkippedTierRewards::HighestOnly => rank == reached,
        SkippedTierRewards::AllSkipped => Some(rank) > floor && rank <= reached,
    };
    let tiers = program.tiers().filter(|(rank, tier)| passed(*rank) && !tier.entry_rewards.is_empty());
    let mut found = Vec::new();
    for (_, tier) in tiers {
        if !given(record, program, &tier.id, since) {
            record.rewarded.push((tier.id.clone(), since));
            let (tier, transition, version) = (tier.id.clone(), record.seq, version.number);
            found.push(RewardDue { tier, transition, at, since, version });
        }
    }
    found
}

/// With repeats, a reward is given once per stretch of the tier reached: a late fact that restores a tier as if it had
/// never been lost pays nothing again.
fn given(record: &Record, program: &Program, tier: &TierId, stretch: Instant) -> bool {
    record.rewarded.iter().any(|(given, since)| given == tier && (!program.repeat_tier_rewards || *since == stretch))
}
