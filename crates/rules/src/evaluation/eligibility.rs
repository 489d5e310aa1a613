//! Who earns tiers (section 5): members without an excluded tag and, where the program asks for it, who have enrolled.

use crate::calendar::Instant;
use crate::earned::{self, Known, Steps};
use crate::program::Eligibility;

/// Whether a member earns tiers, over time.
pub(crate) struct Eligible {
    at_first: bool,
    /// The instants of changes, in order, and whether the member earns tiers from there on.
    changes: Vec<(Instant, bool)>,
}

impl Eligible {
    /// As known about a member; none where everybody earns tiers.
    pub(crate) fn of<C>(rules: &Eligibility, known: &Known<'_, C>) -> Option<Self> {
        if rules.is_everybody() {
            return None;
        }
        let enrolled_at = known.enrolled_at.filter(|_| rules.enrolled_only);
        let mut tagged = Vec::new();
        if !rules.excluded_tags.is_empty() {
            earned::each_set(known.tags, known.at, |at, tags| {
                tagged.push((at, !rules.excluded_tags.iter().any(|tag| tags.contains(tag))));
            });
        }
        let is_in = |at: Instant| !rules.enrolled_only || enrolled_at.is_some_and(|enrolled| enrolled <= at);
        let mut instants: Vec<Instant> = tagged.iter().map(|(at, _)| *at).chain(enrolled_at).collect();
        instants.sort_unstable();
        instants.dedup();
        let changes = instants.into_iter().map(|at| (at, is_in(at) && last_said(&tagged, at).unwrap_or(true)));
        Some(Self { at_first: !rules.enrolled_only, changes: changes.collect() })
    }

    /// Whether the member earns tiers at an instant.
    pub(crate) fn at(&self, at: Instant) -> bool {
        last_said(&self.changes, at).unwrap_or(self.at_first)
    }

    /// The course of the tier earned: none while the member earns none.
    pub(crate) fn apply(&self, earned: &Steps) -> Steps {
        let mut boundaries: Vec<Instant> = earned.iter().map(|step| step.at).collect();
        boundaries.extend(self.changes.iter().map(|(at, _)| *at));
        boundaries.sort_unstable();
        boundaries.dedup();
        let mut steps = Steps::new();
        for at in boundaries {
            steps.push(at, earned.at(at).filter(|_| self.at(at)));
        }
        steps
    }
}

/// What was said last by an instant, of what is said in order of time.
fn last_said(said: &[(Instant, bool)], at: Instant) -> Option<bool> {
    let by_then = said.partition_point(|(since, _)| *since <= at);
    said.get(..by_then)?.last().map(|(_, said)| *said)
}
