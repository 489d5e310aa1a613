//! Entry rewards: due when a tier is entered or reached, once per member unless repeats are allowed (seed 003).

use crate::calendar::Instant;
use crate::id::TierId;
use crate::program::{Program, Rank, SkippedTierRewards};
use crate::record::{Record, RewardDue};
use crate::version::Version;

/// The rewards of the record's last transition, which went from just above `floor` to `reached` at `at`. They are put
/// on record. `since` is the start of the stretch of the tier reached.
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

/// Whether a reward was already given. With repeats, it is given once per stretch of the tier reached. A late fact that
/// restores a tier as if it had never been lost pays nothing again.
fn given(record: &Record, program: &Program, tier: &TierId, stretch: Instant) -> bool {
    record.all_rewarded().any(|(given, since)| given == tier && (!program.repeat_tier_rewards || *since == stretch))
}
