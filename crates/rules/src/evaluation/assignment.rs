//! Assignments apply last: the newest active one rules over what is earned (section 5).

use crate::calendar::Instant;
use crate::earned::Steps;
use crate::fact::Mode;
use crate::ledger::{Act, Assignment};
use crate::program::{Program, Rank};

/// The effect of an assignment on the earned tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binding {
    AtLeast(Option<Rank>),
    Exactly(Option<Rank>),
}

/// The effect of an act under a program; none if it ends assignments, or names a tier that the program lacks.
pub(crate) fn binding(act: &Act, program: &Program) -> Option<Binding> {
    match act {
        Act::Unassign { .. } => None,
        Act::Hold { tier, .. } => program.rank(tier).map(|rank| Binding::AtLeast(Some(rank))),
        Act::Assign { tier, mode, .. } => {
            let rank = match tier {
                Some(tier) => Some(program.rank(tier)?),
                None => None,
            };
            Some(match mode {
                Mode::Floor => Binding::AtLeast(rank),
                Mode::Lock => Binding::Exactly(rank),
            })
        }
    }
}

/// The ruling assignment at an instant, of those known by `seen`. It is the newest one that has not ended and names a
/// tier of the program.
pub(crate) fn ruling<'a>(
    acts: &'a [Assignment],
    program: &Program,
    seen: Instant,
    at: Instant,
) -> Option<&'a Assignment> {
    let known = acts.iter().rev().filter(|act| act.at <= seen.min(at));
    let mut newest = known.take_while(|act| !matches!(act.act, Act::Unassign { .. }));
    newest.find(|act| act.act.until().is_none_or(|until| at < until) && binding(&act.act, program).is_some())
}

/// The resulting tier, given the earned one.
pub(crate) fn apply(ruling: Option<&Assignment>, program: &Program, earned: Option<Rank>) -> Option<Rank> {
    match ruling.and_then(|act| binding(&act.act, program)) {
        None => earned,
        Some(Binding::AtLeast(rank)) => earned.max(rank),
        Some(Binding::Exactly(rank)) => rank,
    }
}

/// The course of the resulting tier, from the assignments known by `seen`.
pub(crate) fn overlay(earned: Steps, acts: &[Assignment], program: &Program, seen: Instant) -> Steps {
    let known: Vec<&Assignment> = acts.iter().filter(|act| act.at <= seen).collect();
    if known.is_empty() {
        return earned;
    }
    let mut boundaries: Vec<Instant> = earned.iter().map(|step| step.at).collect();
    boundaries.extend(known.iter().map(|act| act.at));
    boundaries.extend(known.iter().filter_map(|act| act.act.until().filter(|until| *until > act.at)));
    boundaries.sort_unstable();
    boundaries.dedup();
    let mut steps = Steps::new();
    let (mut active, mut next) = (Vec::new(), known.iter().peekable());
    for at in boundaries {
        while let Some(act) = next.next_if(|act| act.at <= at) {
            begin(&mut active, act, program);
        }
        // What has ended never rules again: each is looked at once, however many there are.
        while active.pop_if(|last| last.act.until().is_some_and(|until| until <= at)).is_some() {}
        steps.push(at, apply(active.last().copied(), program, earned.at(at)));
    }
    steps
}

/// Adds an act to those that are active, of which the last one rules.
fn begin<'a>(active: &mut Vec<&'a Assignment>, act: &'a Assignment, program: &Program) {
    if matches!(act.act, Act::Unassign { .. }) {
        active.clear();
    } else if binding(&act.act, program).is_some() {
        active.push(act);
    }
}
