//! Corrections of the end of a tier (section 7).

use super::Assessed;
use crate::calendar::Instant;
use crate::cause::Attribution;
use crate::program::Rank;
use crate::record::{Correction, Record};
use crate::standing::{Assessment, Standing};

/// What an arrival may change: the tier held, or its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compared {
    /// The tier.
    Tier(Option<Rank>),
    /// The end, which without one is the latest.
    End(Instant),
}

impl Compared {
    /// The tier of a standing.
    pub(crate) fn tier_of(standing: &Standing) -> Self {
        Self::Tier(standing.tier)
    }

    /// The end of the tier of a standing.
    pub(crate) fn end_of(standing: &Standing) -> Self {
        Self::End(standing.valid_until.unwrap_or(Instant::LAST))
    }

    /// The same of another standing.
    pub(crate) fn same_of(self, standing: &Standing) -> Self {
        match self {
            Self::Tier(_) => Self::tier_of(standing),
            Self::End(_) => Self::end_of(standing),
        }
    }
}

/// The correction of the end of a tier that an arrival left as it is, where years count (section 7). While an assignment gives
/// another tier than the one earned, there is none.
pub(super) fn correction(
    assessed: &Assessed<'_>,
    record: &mut Record,
    without: &Assessment,
    told: impl FnOnce() -> Attribution,
) -> Option<Correction> {
    let Assessed { version, at, now } = assessed;
    version.program.counted()?.period.holds()?;
    let (before, after) = (&without.standing, &now.standing);
    let is_held = after.tier.is_some() && before.tier == after.tier && after.tier == now.earned;
    if !is_held || before.valid_until == after.valid_until {
        return None;
    }
    let tier = version.program.tier_id(after.tier)?.clone();
    let told = told();
    record.corrections = record.corrections.saturating_add(1);
    Some(Correction {
        number: record.corrections,
        tier,
        at: *at,
        cause: told.cause,
        version: version.number,
        notify: told.is_announced(),
        valid_until: (before.valid_until, after.valid_until),
    })
}
