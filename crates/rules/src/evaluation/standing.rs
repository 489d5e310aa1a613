//! `standing = evaluate(program, ledger, as_of)`: pure and total (section 1 of the semantics).

use crate::assignment::{overlay, ruling};
use crate::calendar::Instant;
use crate::credit::Credits;
use crate::earned::{self, Count, Course, Known, Requalify, Steps, Window};
use crate::eligibility::Eligible;
use crate::ledger::{Act, Assignment, Ledger, TagFact};
use crate::program::{Counted, Program, Rank};
use crate::quantity::Quantity;
use crate::version::Version;

/// The tier that a member holds at an instant, until when, and what comes next (section 6). Ranks are those of the
/// version that the caller passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whether the program is active; if not, no member has a tier.
    pub active: bool,
    /// The tier held, or none.
    pub tier: Option<Rank>,
    /// The start of the present unbroken stretch of the tier.
    pub since: Option<Instant>,
    /// The first instant at which the tier would be lower if nothing more happened, if there is one.
    pub valid_until: Option<Instant>,
    /// The tier held from `valid_until` on if nothing more happens.
    pub upcoming: Option<Rank>,
    /// The member's progress; none for tags.
    pub progress: Option<Progress>,
    /// The conditions for keeping the earned tier beyond its present end.
    pub requalify: Option<Requalify>,
}

/// A member's progress towards the next tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The amount counted.
    pub counted: Quantity,
    /// The window in which it counts.
    pub window: Window,
    /// The next tier above the one held, and the amount missing.
    pub next: Option<(Rank, Quantity)>,
}

/// The standing of a member under a version at an instant. Facts later than the instant are not seen.
///
/// ```
/// use rules::calendar::{Instant, Zones};
/// use rules::{ledger::Ledger, program::Program, standing::evaluate, version::Versions};
///
/// let file = serde_json::json!({ "start_date": "2023-01-01", "tiers": [{ "id": "gold", "threshold": 500 }] });
/// let draft = Program::read(&file, &Zones::built_in())?;
/// let versions = Versions::first(draft.program, draft.effective_at)?;
/// let standing = evaluate(versions.last(), &Ledger::default(), Instant::parse("2024-01-01T00:00:00Z")?);
/// assert_eq!(standing.tier, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn evaluate(version: &Version, ledger: &Ledger, as_of: Instant) -> Standing {
    told_as(version, assess(version, &Facts::of(ledger), as_of, as_of).standing)
}

/// The standing to report: while the program is inactive, no member has a tier.
pub(crate) fn told_as(version: &Version, standing: Standing) -> Standing {
    if version.program.active { standing } else { inactive(standing) }
}

/// The facts of a member, from the ledger or its compact form: the source of the credits, and everything else.
pub(crate) struct Facts<'a, C> {
    pub credits: &'a C,
    pub tags: &'a [TagFact],
    pub assignments: &'a [Assignment],
    /// The enrolment.
    pub enrolled_at: Option<Instant>,
    /// The start of the timeline.
    pub first_at: Option<Instant>,
}

impl<'a> Facts<'a, Ledger> {
    pub(crate) fn of(ledger: &'a Ledger) -> Self {
        let Ledger { tags, assignments, .. } = ledger;
        let enrolled_at = ledger.enrolled().map(|enrolled| enrolled.at);
        Self { credits: ledger, tags, assignments, enrolled_at, first_at: ledger.first_at() }
    }
}

/// A standing with the steps that led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assessment {
    pub standing: Standing,
    /// The tier earned, before assignments.
    pub earned: Option<Rank>,
    /// Whether the member may earn tiers at all (section 5, eligibility).
    pub earns_tiers: bool,
    /// The state of counting; none for tags.
    pub count: Option<Count>,
    /// The resulting tier over all time.
    pub steps: Steps,
}

/// Assesses a member at an instant from the facts dated up to `seen`, which is at or before it. An inactive program is
/// treated as active.
#[inline] // its result is large
pub(crate) fn assess(version: &Version, facts: &Facts<'_, impl Credits>, seen: Instant, at: Instant) -> Assessment {
    #[cfg(test)]
    tests::ASKED.with_borrow_mut(|asked| asked.push((version.number, seen, at)));
    let program = &version.program;
    let seen_tags = facts.tags.partition_point(|fact| fact.at <= seen);
    let known = Known {
        first_at: facts.first_at.filter(|first| *first <= seen),
        credits: facts.credits,
        tags: facts.tags.get(..seen_tags).unwrap_or_default(),
        enrolled_at: facts.enrolled_at.filter(|enrolled| *enrolled <= seen),
        seen,
        at,
    };
    let Course { mut steps, mut count } = earned::course(version, &known);
    let eligible = Eligible::of(&program.eligibility, &known);
    if let Some(eligible) = &eligible {
        steps = eligible.apply(&steps);
    }
    let earns_tiers = eligible.is_none_or(|eligible| eligible.at(at));
    if !earns_tiers {
        count = count.map(Count::without_tiers);
    }
    let earned = steps.at(at);
    let steps = overlay(steps, facts.assignments, program, seen);
    let mut standing = standing(program, &known, facts.assignments, &steps, count.as_ref());
    if !earns_tiers {
        standing.progress = standing.progress.map(|progress| Progress { next: None, ..progress });
    }
    Assessment { standing, earned, earns_tiers, count, steps }
}

/// The standing under an inactive program: no tier, but the amount counted is still reported (sections 3 and 6).
fn inactive(standing: Standing) -> Standing {
    let progress = standing.progress.map(|progress| Progress { next: None, ..progress });
    Standing { active: false, tier: None, since: None, valid_until: None, upcoming: None, progress, requalify: None }
}

fn standing(
    program: &Program,
    known: &Known<'_, impl Credits>,
    acts: &[Assignment],
    steps: &Steps,
    count: Option<&Count>,
) -> Standing {
    let tier = steps.at(known.at);
    let lower = steps.after(known.at).iter().find(|step| step.rank < tier);
    let next_of = |counted: &Counted, so_far: Quantity| {
        let above = |rank: &Rank| tier.is_none_or(|tier| *rank > tier);
        let next = program.tiers().map(|(rank, _)| rank).find(above);
        next.map(|rank| (rank, counted.threshold(rank).remaining_from(so_far)))
    };
    let progress = count.zip(program.counted()).map(|(count, counted)| Progress {
        counted: count.current.counted,
        window: count.current.window,
        next: next_of(counted, count.current.counted),
    });
    Standing {
        active: true,
        tier,
        since: known.first_at.and_then(|_| since(steps, acts, program, tier, known.at, known.seen)),
        valid_until: lower.map(|step| step.at),
        upcoming: lower.and_then(|step| step.rank),
        progress,
        requalify: count.and_then(|count| count.requalify),
    }
}

/// The start of the present unbroken stretch of a tier (section 6). A hold continues the stretch that it keeps (section 7).
fn since(
    steps: &Steps,
    acts: &[Assignment],
    program: &Program,
    tier: Option<Rank>,
    at: Instant,
    seen: Instant,
) -> Option<Instant> {
    let start = steps.up_to(at).last()?.at;
    let hold = ruling(acts, program, seen, start).filter(|act| act.at == start);
    Some(match hold.map(|act| &act.act) {
        Some(Act::Hold { tier: held, since, .. }) if program.rank(held) == tier => *since,
        _ => start,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::RefCell;

    use crate::calendar::Instant;

    thread_local! {
        /// The calls of [`super::assess`] on this thread: the version, the instant up to which facts were seen, and the
        /// instant assessed.
        pub(crate) static ASKED: RefCell<Vec<(u32, Instant, Instant)>> = const { RefCell::new(Vec::new()) };
    }
}
