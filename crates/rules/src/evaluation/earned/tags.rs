//! Customer tags: the highest tier that shares a tag with the member's current set (seed 000).

use std::collections::BTreeSet;

use super::{Known, Steps};
use crate::calendar::Instant;
use crate::fact::Tag;
use crate::ledger::{TagFact, TagsSaid};
use crate::program::{Milestone, Rank};
use crate::version::Version;

pub(super) fn steps<C>(version: &Version, known: &Known<'_, C>) -> Steps {
    let Milestone::Tags(tagged) = &version.program.milestone else { return Steps::new() };
    let mut steps = Steps::new();
    if let Some(first_at) = known.first_at {
        steps.push(first_at, None);
    }
    each_set(known.tags, known.at, |at, tags| {
        let rank = tagged.wanted().iter().rposition(|wanted| wanted.iter().any(|tag| tags.contains(tag)));
        steps.push(at, rank.map(Rank::new));
    });
    steps
}

/// Passes on the member's set of tags after each instant at which it was told, up to an instant.
pub(crate) fn each_set<'f>(facts: &'f [TagFact], until: Instant, mut take: impl FnMut(Instant, &BTreeSet<&'f Tag>)) {
    let mut tags = BTreeSet::new();
    for facts in facts.chunk_by(|a, b| a.at == b.at) {
        let Some(at) = facts.first().map(|fact| fact.at).filter(|at| *at <= until) else { break };
        apply(&mut tags, facts);
        take(at, &tags);
    }
}

/// The member's tags at an instant.
pub(crate) fn current(facts: &[TagFact], at: Instant) -> BTreeSet<&Tag> {
    let mut tags = BTreeSet::new();
    for facts in facts.chunk_by(|a, b| a.at == b.at) {
        if facts.first().is_some_and(|fact| fact.at <= at) {
            apply(&mut tags, facts);
        }
    }
    tags
}

/// Applies the facts of one instant: the full set first, then all that is removed, then all that is added (section 4). A
/// change costs as much as it says, whatever the size of the set: a member may have thousands of changes.
fn apply<'f>(tags: &mut BTreeSet<&'f Tag>, facts: &'f [TagFact]) {
    for fact in facts {
        if let TagsSaid::All(all) = &fact.said {
            *tags = all.iter().collect();
        }
    }
    for fact in facts {
        if let TagsSaid::Change { removed, .. } = &fact.said {
            for tag in removed {
                tags.remove(tag);
            }
        }
    }
    for fact in facts {
        if let TagsSaid::Change { added, .. } = &fact.said {
            tags.extend(added);
        }
    }
}
