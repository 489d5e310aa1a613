//! What a new version of a program does to members that its publisher should know before: warnings, never refusals. How
//! many members it concerns, a preview tells.

use std::fmt;

use chrono::NaiveDate;

use super::{Demotions, Version};
use crate::calendar::Day;
use crate::id::TierId;
use crate::program::{Counted, Metric, Milestone, OnRefund, Period, Program};
use crate::quantity::Quantity;

/// Something that a change does to members. Its `Display` is a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// The program goes off: facts are recorded, and nobody has a tier (seeds 001, 003).
    SwitchedOff,
    /// The program goes on: everybody is compared with the tier on record (section 7).
    SwitchedOn,
    /// Another thing is counted; of tags, none. Progress starts from other facts.
    Metric {
        /// What was counted.
        from: Option<Metric>,
        /// What is counted now.
        to: Option<Metric>,
    },
    /// It is counted over another time.
    Period {
        /// Over which until now.
        from: Period,
        /// Over which now.
        to: Period,
    },
    /// The effective start moves forward: what came before it no longer counts.
    StartForward {
        /// The first day that counted.
        from: Day,
        /// The first day that counts now.
        to: Day,
        /// The start date asked for, where a calendar-year program is clamped to January 1 (seed 001).
        asked: Option<NaiveDate>,
        /// All of last calendar year goes, and with it the tiers that it earned.
        wipes_last_year: bool,
    },
    /// The effective start moves back: what came since then counts again.
    StartBack {
        /// The first day that counted.
        from: Day,
        /// The first day that counts now.
        to: Day,
    },
    /// The effective start comes only after the change: until then nothing counts.
    StartAhead(Day),
    /// A tier is removed: whoever holds it moves to another or none.
    TierRemoved {
        /// Its id.
        id: TierId,
        /// Its name.
        name: String,
    },
    /// The tiers that stay rank in another order: who holds one may rise or fall without having done anything.
    Reordered,
    /// A tier takes more than before.
    ThresholdRaised {
        /// Its id.
        id: TierId,
        /// Its name.
        name: String,
        /// What it took.
        from: Quantity,
        /// What it takes now.
        to: Quantity,
    },
    /// Refunds take tiers that were kept until now.
    RefundsRevoke,
    /// Other parts of an order are spend: every order is worth something else, the old ones too.
    Spend,
    /// Days begin elsewhere: facts near a midnight count for another day, and tiers end at another instant.
    TimeZone {
        /// The zone until now.
        from: String,
        /// The zone now.
        to: String,
    },
    /// What happens to those who would drop because of all this.
    WhoDrops {
        /// They drop, or are held.
        demotions: Demotions,
        /// Whether that is the default, because the publisher did not say.
        by_default: bool,
    },
}

impl Warning {
    /// Whether it wipes progress or takes tiers, so that it should be shown as loud as can be.
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

    /// The field of the program, or of the options, that it is about.
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

/// What strikes about putting `new` in force after `old`, what wipes most first. Nothing, if nothing that members hold or
/// have counted can change.
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
        // A trailing window never keeps (section 5).
        let keeps = was.on_refund == OnRefund::Keep && !matches!(was.period, Period::Rolling(_));
        if keeps && is.on_refund == OnRefund::Revoke {
            found.push(Warning::RefundsRevoke);
        }
    }
    found
}

/// Tags are states: the start date does not touch them (section 4).
fn start(old: &Version, new: &Version) -> Vec<Warning> {
    if counted(&new.program).is_none() {
        return Vec::new();
    }
    let (from, to) = (old.effective_start, new.effective_start);
    let today = new.program.timezone.day(new.effective_at);
    let new_year = Day::new_year(today.year());
    let mut found = Vec::new();
    if to > from {
        let wipes_last_year = new.program.period() == Period::CalendarYear && from < new_year && to >= new_year;
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
                "the program is switched off: facts are recorded, and nobody has a tier until it is switched on again",
            ),
            Self::SwitchedOn => f.write_str(
                "the program is switched on: everybody is compared with the tier they had when it was switched off",
            ),
            Self::Metric { from, to } => write!(
                f,
                "what counts changes from {} to {}: everybody's progress so far is wiped, and counted anew from other facts",
                metric_words(*from),
                metric_words(*to)
            ),
            Self::Period { from, to } => write!(
                f,
                "the period changes from {} to {}: progress and the ends of tiers are counted anew",
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
                write!(f, "{name} is removed: whoever holds it moves to another tier or none")
            }
            Self::Reordered => f.write_str("tiers change places: whoever holds one may rise or fall by that alone"),
            Self::ThresholdRaised { name, from, to, .. } => write!(f, "{name} takes {to} in place of {from}"),
            Self::RefundsRevoke => {
                f.write_str("refunds take tiers that were kept until now, those of the past included")
            }
            Self::Spend => f.write_str("another part of an order is spend: old orders, too, are worth something else"),
            Self::TimeZone { from, to } => write!(
                f,
                "days begin by {to} in place of {from}: what happened near a midnight may count for another day, and \
                 tiers end at another instant"
            ),
            Self::WhoDrops { demotions, by_default } => {
                let what = match demotions {
                    Demotions::Apply => "whoever would drop by this change drops at once (`demotions: apply`",
                    Demotions::Hold => {
                        "whoever would drop by this change keeps the tier until it would have ended (`demotions: hold`"
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
        Period::CalendarYear => "the calendar year".to_owned(),
        Period::SinceLastUpgrade(span) => format!("{} from the last upgrade", words(span)),
        Period::Rolling(span) => format!("the last {}", words(span)),
    }
}

#[cfg(test)]
mod tests;
