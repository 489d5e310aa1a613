//! The effects of a new version of a program on members, which its publisher should know beforehand: warnings, never
//! refusals. A preview counts the members affected.

use std::fmt;

use chrono::NaiveDate;

use super::{Demotions, Version};
use crate::calendar::{Day, DayOfYear};
use crate::id::TierId;
use crate::program::{Counted, Metric, Milestone, OnRefund, Period, Program};
use crate::quantity::Quantity;

/// An effect of a change on members. Its `Display` is a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// The program is switched off: facts are recorded, and no member has a tier (seeds 001, 003).
    SwitchedOff,
    /// The program is switched on: every member is compared with the tier on record (section 7).
    SwitchedOn,
    /// Another metric is counted, or tags decide instead (none). Progress starts from other facts.
    Metric {
        /// The metric until now.
        from: Option<Metric>,
        /// The metric from now on.
        to: Option<Metric>,
    },
    /// The metric is counted over another period.
    Period {
        /// The period until now.
        from: Period,
        /// The period from now on.
        to: Period,
    },
    /// The effective start moves forward: facts before it no longer count.
    StartForward {
        /// The first day that counted.
        from: Day,
        /// The first day that counts now.
        to: Day,
        /// The configured start date, where a calendar-year program is clamped to January 1 (seed 001).
        asked: Option<NaiveDate>,
        /// Whether all of the last calendar year is lost, and with it the tiers that it earned.
        wipes_last_year: bool,
    },
    /// The effective start moves back: facts since then count as well.
    StartBack {
        /// The first day that counted.
        from: Day,
        /// The first day that counts now.
        to: Day,
    },
    /// The effective start is after the change: until then nothing counts.
    StartAhead(Day),
    /// A tier is removed: members who hold it move to another or none.
    TierRemoved {
        /// The tier's id.
        id: TierId,
        /// The tier's name.
        name: String,
    },
    /// The remaining tiers are ranked in another order: members may rise or fall by that alone.
    Reordered,
    /// A tier has a higher threshold than before.
    ThresholdRaised {
        /// The tier's id.
        id: TierId,
        /// The tier's name.
        name: String,
        /// The threshold until now.
        from: Quantity,
        /// The threshold from now on.
        to: Quantity,
    },
    /// Refunds take away tiers that were kept until now.
    RefundsRevoke,
    /// Other parts of an order are spend: the worth of every order changes, including old ones.
    Spend,
    /// The time zone has other days: facts near a midnight count for another day, and tiers end at another instant.
    TimeZone {
        /// The zone until now.
        from: String,
        /// The zone now.
        to: String,
    },
    /// The treatment of members who would drop because of these changes.
    WhoDrops {
        /// Whether they drop at once or are held.
        demotions: Demotions,
        /// Whether that is the default, because the publisher did not choose.
        by_default: bool,
    },
}

impl Warning {
    /// Whether it wipes progress or takes tiers away, and should be shown prominently.
    pub fn is_loud(&self) -> bool {
        match self {
            Self::SwitchedOff
            | Self::Metric { .. }
            | Self::Period { .. }
            | Self::StartForward { .. }
            | Self::StartAhead(_)
            | Self::TierRemoved { .. } => true,
            Self::SwitchedOn
            | Self::StartBack { .. }
            | Self::Reordered
            | Self::ThresholdRaised { .. }
            | Self::RefundsRevoke
            | Self::Spend
            | Self::TimeZone { .. }
            | Self::WhoDrops { .. } => false,
        }
    }

    /// The path of the field, in the program or the options, that it is about.
    pub fn path(&self) -> &'static str {
        match self {
            Self::SwitchedOff | Self::SwitchedOn => "$.active",
            Self::Metric { .. } => "$.milestone.metric",
            Self::Period { .. } => "$.milestone.period",
            Self::RefundsRevoke => "$.milestone.on_refund",
            Self::StartForward { .. } | Self::StartBack { .. } | Self::StartAhead(_) => "$.start_date",
            Self::TierRemoved { .. } | Self::Reordered | Self::ThresholdRaised { .. } => "$.tiers",
            Self::Spend => "$.spend",
            Self::TimeZone { .. } => "$.timezone",
            Self::WhoDrops { .. } => "$.options.demotions",
        }
    }
}

/// The warnings about putting `new` in force after `old`, those that wipe most first. Empty if nothing that members
/// hold or have counted can change.
pub fn change_advice(old: &Version, new: &Version) -> Vec<Warning> {
    let mut found = Vec::new();
    match (old.program.active, new.program.active) {
        (true, false) => found.push(Warning::SwitchedOff),
        (false, true) => found.push(Warning::SwitchedOn),
        (true, true) | (false, false) => {}
    }
    found.extend(counting(&old.program, &new.program));
    found.extend(start(old, new));
    found.extend(tiers(&old.program, &new.program));
    if old.program.spend != new.program.spend && metric(&old.program) == Some(Metric::AmountSpent) {
        found.push(Warning::Spend);
    }
    let (from, to) = (&old.program.timezone, &new.program.timezone);
    // Two names of one zone change nothing.
    if !from.has_the_days_of(to) {
        found.push(Warning::TimeZone { from: from.name().to_owned(), to: to.name().to_owned() });
    }
    if new.program.active && !found.is_empty() {
        let demotions = if new.holds_demotions_from(&old.program) { Demotions::Hold } else { Demotions::Apply };
        found.push(Warning::WhoDrops { demotions, by_default: new.options.demotions.is_none() });
    }
    found
}

fn counted(program: &Program) -> Option<&Counted> {
    match &program.milestone {
        Milestone::Counted(counted) => Some(counted),
        Milestone::Tags(_) => None,
    }
}

fn metric(program: &Program) -> Option<Metric> {
    counted(program).map(|counted| counted.metric)
}

fn counting(old: &Program, new: &Program) -> Vec<Warning> {
    let (from, to) = (metric(old), metric(new));
    if from != to {
        return vec![Warning::Metric { from, to }];
    }
    let mut found = Vec::new();
    if let Some((was, is)) = counted(old).zip(counted(new)) {
        if was.period != is.period {
            found.push(Warning::Period { from: was.period, to: is.period });
        }
        // A trailing window never keeps a tier (section 5).
        let keeps = was.on_refund == OnRefund::Keep && !matches!(was.period, Period::Rolling(_));
        if keeps && is.on_refund == OnRefund::Revoke {
            found.push(Warning::RefundsRevoke);
        }
    }
    found
}

/// Warns of a changed start, except for tags: they are states, and the start date does not affect them (section 4).
fn start(old: &Version, new: &Version) -> Vec<Warning> {
    if counted(&new.program).is_none() {
        return Vec::new();
    }
    let (from, to) = (old.effective_start, new.effective_start);
    let today = new.program.timezone.day(new.effective_at);
    let new_year = new.program.period().calendar_year_of(today);
    let mut found = Vec::new();
    if to > from {
        let wipes_last_year = new_year.is_some_and(|new_year| from < new_year && to >= new_year);
        found.push(Warning::StartForward { from, to, asked: new.moved_from, wipes_last_year });
    } else if to < from {
        found.push(Warning::StartBack { from, to });
    }
    if to > today && to != from {
        found.push(Warning::StartAhead(to));
    }
    found
}

fn tiers(old: &Program, new: &Program) -> Vec<Warning> {
    let mut found = Vec::new();
    let mut stay = Vec::new();
    for (was, tier) in old.tiers() {
        let (id, name) = (tier.id.clone(), tier.name.clone());
        let Some(is) = new.rank(&tier.id) else {
            found.push(Warning::TierRemoved { id, name });
            continue;
        };
        stay.push(is);
        if let Some((old, new)) = counted(old).zip(counted(new)).filter(|(old, new)| old.metric == new.metric) {
            let (from, to) = (old.threshold(was), new.threshold(is));
            if to > from {
                found.push(Warning::ThresholdRaised { id, name, from, to });
            }
        }
    }
    if !stay.is_sorted() {
        found.push(Warning::Reordered);
    }
    found
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SwitchedOff => f.write_str(
                "the program is switched off: facts are recorded, and no member has a tier until it is switched on again",
            ),
            Self::SwitchedOn => f.write_str(
                "the program is switched on: every member is compared with the tier they had when it was switched off",
            ),
            Self::Metric { from, to } => write!(
                f,
                "what counts changes from {} to {}: all progress so far is wiped and counted again from other facts",
                metric_words(*from),
                metric_words(*to)
            ),
            Self::Period { from, to } => write!(
                f,
                "the period changes from {} to {}: progress and the ends of tiers are counted again",
                period_words(*from),
                period_words(*to)
            ),
            Self::StartForward { from, to, asked, wipes_last_year } => {
                write!(f, "what came from {from} through {} no longer counts", to.previous())?;
                if let Some(asked) = asked {
                    write!(
                        f,
                        ": {asked} was asked for, but a calendar-year program starts no earlier than the year in which \
                         it is set"
                    )?;
                }
                f.write_str(if *wipes_last_year { "; last year's tiers are wiped" } else { "" })
            }
            Self::StartBack { from, to } => {
                write!(f, "what came from {to} through {} counts as well", from.previous())
            }
            Self::StartAhead(start) => write!(f, "{start} is ahead: until then nothing counts"),
            Self::TierRemoved { name, .. } => {
                write!(f, "{name} is removed: members who hold it move to another tier or none")
            }
            Self::Reordered => f.write_str("tiers are reordered: members may rise or fall by that alone"),
            Self::ThresholdRaised { name, from, to, .. } => write!(f, "{name} now takes {to} instead of {from}"),
            Self::RefundsRevoke => {
                f.write_str("refunds take tiers that were kept until now, those of the past included")
            }
            Self::Spend => f.write_str("another part of an order is spend: old orders, too, are worth something else"),
            Self::TimeZone { from, to } => write!(
                f,
                "days begin by {to} instead of {from}: what happened near a midnight may count for another day, and \
                 tiers end at another instant"
            ),
            Self::WhoDrops { demotions, by_default } => {
                let what = match demotions {
                    Demotions::Apply => "members who would drop because of this change drop at once (`demotions: apply`",
                    Demotions::Hold => {
                        "members who would drop because of this change keep the tier until it would have ended (`demotions: hold`"
                    }
                };
                write!(f, "{what}{})", if *by_default { ", the default here" } else { "" })
            }
        }
    }
}

fn metric_words(metric: Option<Metric>) -> &'static str {
    match metric {
        None => "customer tags",
        Some(Metric::PointsEarned) => "points earned",
        Some(Metric::AmountSpent) => "the amount spent",
        Some(Metric::OrdersPlaced) => "orders placed",
    }
}

fn period_words(period: Period) -> String {
    use crate::calendar::Span::{Days, Months};
    let words = |span| match span {
        Days(days) => format!("{days} days"),
        Months(months) => format!("{months} months"),
    };
    match period {
        Period::Lifetime => "lifetime".to_owned(),
        Period::CalendarYear { starts_on: DayOfYear::NEW_YEAR, .. } => "the calendar year".to_owned(),
        Period::CalendarYear { starts_on, .. } => format!("the year from {starts_on}"),
        Period::MembershipYear { .. } => "the membership year".to_owned(),
        Period::SinceLastUpgrade(span) => format!("{} from the last upgrade", words(span)),
        Period::Rolling(span) => format!("the last {}", words(span)),
    }
}

#[cfg(test)]
mod tests;
