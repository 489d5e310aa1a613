//! Section 7: the direction of a change, and the entry rewards due.

use super::program::Program;

/// The kind of a change of tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A move from no tier into one.
    Entered,
    /// A move to a higher tier.
    Upgraded,
    /// A move to a lower tier.
    Downgraded,
    /// A move to no tier.
    Left,
}

impl Kind {
    /// The name as printed.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Entered => "entered",
            Kind::Upgraded => "upgraded",
            Kind::Downgraded => "downgraded",
            Kind::Left => "left",
        }
    }
}

/// The height of a tier among the newest version's tiers, doubled to leave room between two tiers. "Against a tier that
/// a new version removed, up and down are judged as if it ranked just above the remaining tiers that were below it."
fn height(versions: &[Program], id: &str) -> usize {
    let (newest, earlier) = versions.split_last().unwrap();
    if let Some(rank) = newest.rank(id) {
        return 2 * rank + 1;
    }
    let had_it = earlier.iter().rev().find(|version| version.rank(id).is_some()).unwrap();
    let below = &had_it.tiers[..had_it.rank(id).unwrap()];
    let remaining = below.iter().filter_map(|tier| newest.rank(&tier.id));
    remaining.map(|rank| 2 * rank + 2).max().unwrap_or(0)
}

/// "`entered` (from none), `upgraded`, `downgraded`, `left` (to none)".
pub fn kind(versions: &[Program], from: Option<&str>, to: Option<&str>) -> Kind {
    match (from, to) {
        (_, None) => Kind::Left,
        (None, Some(_)) => Kind::Entered,
        (Some(from), Some(to)) if height(versions, to) > height(versions, from) => Kind::Upgraded,
        (Some(_), Some(_)) => Kind::Downgraded,
    }
}

/// "From tier a to b: `highest_only` → b's; `all_skipped` → those of every tier above a up to b; tiers without entry
/// rewards give none." Lowest first.
pub fn due(versions: &[Program], from: Option<&str>, to: &str) -> Vec<String> {
    let newest = versions.last().unwrap();
    let top = newest.rank(to).unwrap();
    let tiers = newest.tiers.iter().enumerate();
    tiers
        .filter(|(rank, _)| *rank == top || (newest.all_skipped && *rank < top))
        .filter(|(rank, _)| from.is_none_or(|from| 2 * rank + 1 > height(versions, from)))
        .filter(|(_, tier)| tier.rewarding)
        .map(|(_, tier)| tier.id.clone())
        .collect()
}
