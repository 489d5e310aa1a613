//! Tiers from their JSON form, lowest first.

use std::collections::BTreeSet;

use super::KindOfMilestone;
use super::gifts::{perk, reward};
use super::{free_text, tags};
use crate::fact::Tag;
use crate::id::TierId;
use crate::json::{Node, Problem};
use crate::program::{Counted, Holds, Milestone, Period, Tagged, Tier};
use crate::quantity::Quantity;

/// The most tiers; a longer list is a mistake.
const TIERS_MAX: usize = 100;

/// A tier as written, before it is checked against its milestone. A part that is wrong in itself is none; the rest is
/// still checked, so that every problem is found at once.
struct Rung<'a> {
    node: Node<'a>,
    id: Option<TierId>,
    /// An absent threshold is `Some(None)`, a wrong one `None`.
    threshold: Option<Option<Quantity>>,
    retain_threshold: Option<Option<Quantity>>,
    tags: Option<Option<BTreeSet<Tag>>>,
    tier: Option<Tier>,
}

pub(super) fn read(
    node: &Node<'_>,
    milestone: Option<&KindOfMilestone>,
    warnings: &mut Vec<Problem>,
) -> Option<(Milestone, Vec<Tier>)> {
    let list = node.list()?;
    if list.is_empty() {
        return node.problem("must have at least one tier");
    }
    if list.len() > TIERS_MAX {
        return node.problem(format!("has {} tiers; {TIERS_MAX} are the most", list.len()));
    }
    let count = list.len();
    let rungs: Vec<Rung<'_>> = list.iter().filter_map(rung).collect();
    unique_ids(&rungs);
    let milestone = match milestone {
        Some(KindOfMilestone::Counted(counted)) => {
            let thresholds = thresholds(&rungs, warnings);
            let retain_thresholds = retain_thresholds(&rungs, counted.period);
            thresholds.zip(retain_thresholds).map(|(thresholds, retain_thresholds)| {
                Milestone::Counted(Counted { thresholds, retain_thresholds, ..counted.clone() })
            })
        }
        Some(KindOfMilestone::Tags(period)) => {
            tag_sets(&rungs, warnings).map(|wanted| Milestone::Tags(Tagged { period: *period, wanted }))
        }
        None => None,
    };
    let tiers: Vec<Tier> = rungs.into_iter().filter_map(|rung| rung.tier).collect();
    (tiers.len() == count).then_some(())?;
    Some((milestone?, tiers))
}

fn rung<'a>(node: &Node<'a>) -> Option<Rung<'a>> {
    let o = node.object()?;
    let id = o.need("id").and_then(|node| node.id(TierId::new));
    let name = o.get("name").map_or_else(|| id.as_ref().map(ToString::to_string), |node| free_text(&node));
    let threshold = o.maybe("threshold", |node| node.amount().map(Quantity::from));
    let retain_threshold = o.maybe("retain_threshold", |node| node.amount().map(Quantity::from));
    let tags = o.maybe("tags", some_tags);
    let entry_rewards = o.or("entry_rewards", Vec::new(), |node| each(node, reward));
    let perks = o.or("perks", Vec::new(), |node| each(node, perk));
    o.finish();
    let tier = || Some(Tier { id: id.clone()?, name: name?, entry_rewards: entry_rewards?, perks: perks? });
    Some(Rung { node: node.clone(), tier: tier(), id, threshold, retain_threshold, tags })
}

/// Reads every item of a list, even after one that is wrong.
fn each<T>(node: &Node<'_>, read: impl Fn(&Node<'_>) -> Option<T>) -> Option<Vec<T>> {
    let items = node.list()?;
    let found: Vec<T> = items.iter().filter_map(read).collect();
    (found.len() == items.len()).then_some(found)
}

fn unique_ids(rungs: &[Rung<'_>]) {
    for (index, rung) in rungs.iter().enumerate() {
        let Some(id) = &rung.id else { continue };
        if rungs.iter().take(index).any(|other| other.id.as_ref() == Some(id)) {
            rung.node.at("id").problem::<()>(format!("`{id}` is already the id of a lower tier"));
        }
    }
}

fn thresholds(rungs: &[Rung<'_>], warnings: &mut Vec<Problem>) -> Option<Vec<Quantity>> {
    let mut found: Vec<Quantity> = Vec::new();
    let mut right = true;
    for rung in rungs {
        if matches!(rung.tags, Some(Some(_))) {
            let message = "does nothing: only the metric customer_tags looks at tags".to_owned();
            warnings.push(Problem { path: rung.node.at("tags").path, message });
        }
        let node = rung.node.at("threshold");
        let Some(threshold) = rung.threshold.and_then(|threshold| threshold.or_else(|| node.problem("is missing")))
        else {
            right = false;
            continue;
        };
        if let Some(below) = found.last().filter(|below| **below >= threshold) {
            right = false;
            node.problem::<()>(format!(
                "{threshold} must be above the {below} of the tier below: tiers are listed lowest first"
            ));
        }
        found.push(threshold);
    }
    right.then_some(found)
}

fn tag_sets(rungs: &[Rung<'_>], warnings: &mut Vec<Problem>) -> Option<Vec<BTreeSet<Tag>>> {
    let mut found = Vec::new();
    for rung in rungs {
        if matches!(rung.threshold, Some(Some(_))) {
            let message = "does nothing: under the metric customer_tags only tags decide".to_owned();
            warnings.push(Problem { path: rung.node.at("threshold").path, message });
        }
        if matches!(rung.retain_threshold, Some(Some(_))) {
            rung.node
                .at("retain_threshold")
                .problem::<()>("is not possible with the metric customer_tags: leave it out");
        }
        match &rung.tags {
            Some(Some(tags)) => found.push(tags.clone()),
            Some(None) => rung.node.at("tags").problem("is missing").unwrap_or_default(),
            None => {}
        }
    }
    (found.len() == rungs.len()).then_some(found)
}

/// What keeps each tier at a review, where any tier says so; none if a problem was found.
fn retain_thresholds(rungs: &[Rung<'_>], period: Period) -> Option<Option<Vec<Quantity>>> {
    let is_told = |rung: &Rung<'_>| !matches!(rung.retain_threshold, Some(None));
    if !rungs.iter().any(is_told) {
        return Some(None);
    }
    let not_possible = match period {
        Period::Lifetime => Some("is not possible with the period lifetime, which has no reviews: leave it out"),
        Period::CalendarYear { holds: Holds::RestOfYear, .. } | Period::MembershipYear { holds: Holds::RestOfYear } => {
            Some("is not possible where tiers hold for the rest of the year: nothing is kept at its end")
        }
        Period::CalendarYear { holds: Holds::RestAndNextYear, .. }
        | Period::MembershipYear { holds: Holds::RestAndNextYear }
        | Period::SinceLastUpgrade(_)
        | Period::Rolling(_) => None,
    };
    let mut found: Vec<Quantity> = Vec::new();
    let mut right = true;
    for rung in rungs {
        let node = rung.node.at("retain_threshold");
        let mut wrong = |message: String| {
            right = false;
            node.problem::<()>(message);
        };
        let (Some(Some(threshold)), Some(told)) = (rung.threshold, rung.retain_threshold) else {
            right = false; // a problem was noted where it was read
            continue;
        };
        let retain = told.unwrap_or(threshold);
        if let Some(message) = not_possible.filter(|_| told.is_some()) {
            wrong(message.to_owned());
        }
        if retain > threshold {
            wrong(format!("{retain} must be at most the threshold, {threshold}"));
        } else if retain.is_zero() && !threshold.is_zero() {
            wrong(format!("must be above 0, because the threshold, {threshold}, is"));
        } else if let Some(below) = found.last().filter(|below| **below > retain) {
            wrong(format!("{retain} must not be below the {below} that keeps the tier below"));
        }
        found.push(retain);
    }
    right.then_some(Some(found))
}

fn some_tags(node: &Node<'_>) -> Option<BTreeSet<Tag>> {
    if node.list()?.is_empty() { node.problem("must name at least one tag") } else { tags(node) }
}
