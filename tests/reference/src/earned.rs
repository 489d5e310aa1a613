//! Section 5: the earned tier at an instant, each period straight from its definition.

use super::ledger::{Ledger, Place};
use super::program::{Metric, Period, Program};
use super::rolling;
use super::time::{Instant, Span, day, midnight};
use super::worth::Movement;
use super::years::Year;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// "`C_W(s)` is the sum of the movements with instant ≤ `s` whose day lies in window `W`."
pub fn sum(movements: &[Movement], s: Instant, window: impl Fn(NaiveDate) -> bool) -> Decimal {
    movements.iter().filter(|movement| movement.at() <= s && window(movement.day)).map(|movement| movement.amount).sum()
}

/// "the highest `q(C(s))` for any `s ≤ t`"
fn highest(program: &Program, movements: &[Movement], t: Instant, window: impl Fn(NaiveDate) -> bool) -> Option<usize> {
    let instants = movements.iter().map(Movement::at).filter(|&s| s <= t);
    let tiers = instants.map(|s| program.q(sum(movements, s, &window)));
    tiers.max().flatten().max(program.q(Decimal::ZERO))
}

/// What the rules of section 5 give at an instant, before assignments.
#[derive(Debug, Clone, Default)]
pub struct Earned {
    /// "what the rules above give", "as if there were no grace"
    pub by_rules: Option<usize>,
    /// The tier before a review that lowered it, with the instant at which its grace ends; while that has not come.
    grace: Option<(Option<usize>, Instant)>,
}

impl Earned {
    /// "the tier earned is … the higher of the one before the review and of what the rules above give"
    pub fn tier(&self) -> Option<usize> {
        self.by_rules.max(self.grace.and_then(|(tier, _)| tier))
    }

    /// The end of the grace, if the tier is one that only a grace still holds.
    pub fn grace_ends(&self) -> Option<Instant> {
        self.grace.filter(|(tier, _)| *tier > self.by_rules).map(|(_, until)| until)
    }
}

/// Whether the member may earn a tier at `t`: those with "one of `excluded_tags` now (compared as tags are), and with
/// `enrolled_only`" those not enrolled earn none. What counts goes on counting.
pub fn is_eligible(program: &Program, ledger: &Ledger, t: Instant) -> bool {
    let tags = ledger.tags_at(t);
    let excluded = program.excluded_tags.iter().any(|tag| tags.contains(tag));
    let enrolled = ledger.enrolled_at().is_some_and(|at| at <= t);
    !excluded && (enrolled || !program.enrolled_only)
}

/// The earned tier at `t`, seeing only facts with instant ≤ `t`.
pub fn earned(program: &Program, ledger: &Ledger, t: Instant) -> Option<usize> {
    earned_and_grace(program, ledger, t).tier()
}

/// The earned tier at `t`, with the grace that may hold it.
pub fn earned_and_grace(program: &Program, ledger: &Ledger, t: Instant) -> Earned {
    let without_grace = |by_rules: Option<usize>| Earned { by_rules, grace: None };
    // "A member's timeline starts at its first fact; before it there is no tier, not even one with threshold 0."
    if ledger.first().is_none_or(|first| first > t) || !is_eligible(program, ledger, t) {
        return Earned::default();
    }
    if program.metric == Metric::Tags {
        // "The highest tier that shares a tag with the member's current set"
        let tags = ledger.tags_at(t);
        let shares = |rank: &usize| program.tiers[*rank].tags.iter().any(|tag| tags.contains(tag));
        return without_grace((0..program.tiers.len()).rev().find(shares));
    }
    let movements = ledger.movements(program);
    match program.period {
        // "`revoke`: `q(C(t))`. `keep`: the highest `q(C(s))` for any `s ≤ t`"
        Period::Lifetime if program.keep => without_grace(highest(program, &movements, t, |_| true)),
        Period::Lifetime => without_grace(program.q(sum(&movements, t, |_| true))),
        Period::CalendarYear(..) | Period::MembershipYear => match Year::at(program, ledger, t) {
            Some(year) => Earned { by_rules: year.tier(program), grace: year.grace(program, t) },
            None => Earned::default(),
        },
        Period::SinceLastUpgrade(span) => {
            let term = term(program, ledger, span, t);
            Earned { by_rules: term.held.or(program.q(Decimal::ZERO)), grace: term.grace_at(t) }
        }
        Period::Rolling(span) => without_grace(rolling::tier(program, &movements, span, t)),
    }
}

/// The trailing sum on the day of `on`, of the movements with instant ≤ `t`.
pub fn trailing(program: &Program, movements: &[Movement], span: Span, t: Instant, on: Instant) -> Decimal {
    let last = day(program.timezone, on);
    sum(movements, t, |date| span.window_holds(last, date))
}

/// The state of `since_last_upgrade` at an instant.
#[derive(Debug, Clone)]
pub struct Term {
    /// The tier held, if its threshold is above 0.
    pub held: Option<usize>,
    /// `acc`
    pub acc: Decimal,
    /// "the last upgrade or deadline, whichever is later"
    pub from: Instant,
    /// The next deadline, if a tier is held.
    pub deadline: Instant,
    /// The deadlines passed that kept the tier.
    pub kept: Vec<Instant>,
    /// The tiers before the deadlines that lowered them, each with the end of its grace.
    graces: Vec<(usize, Instant)>,
    anchor: Place,
    last_day: NaiveDate,
}

impl Term {
    fn upgrade(&mut self, program: &Program, span: Span, tier: usize, anchor: Place) {
        // "upgrade, the anchor moves there, `acc` restarts at 0"
        self.held = Some(tier);
        self.acc = Decimal::ZERO;
        self.from = anchor.0;
        self.anchor = anchor;
        // "its *last day*: the upgrade's local day + 365 days (or + 12 months, clamped to the month's end)"
        self.set_last_day(program, span.after(day(program.timezone, self.from)));
    }

    /// "after a review (…, deadline) that lowers the tier, the tier earned is through that day + `grace` the higher of the
    /// one before the review and of what the rules above give", where that day is "the tier's last full day". Of two graces
    /// at one time the one of the higher tier.
    fn grant_grace(&mut self, program: &Program, before: usize) {
        if let Some(grace) = program.grace {
            let until = midnight(program.timezone, grace.after(self.last_day).succ_opt().unwrap());
            self.graces.push((before, until));
        }
    }

    fn grace_at(&self, t: Instant) -> Option<(Option<usize>, Instant)> {
        let running = self.graces.iter().filter(|(_, until)| t < *until);
        running.max().map(|(tier, until)| (Some(*tier), *until))
    }

    fn set_last_day(&mut self, program: &Program, last_day: NaiveDate) {
        self.last_day = last_day;
        // "the *deadline* is the midnight that ends it"
        self.deadline = midnight(program.timezone, last_day.succ_opt().unwrap());
    }

    /// "With no tier held …: the counter is the trailing window of the same length, as in `rolling`, looked at after
    /// every movement and at every midnight."
    fn look(&mut self, program: &Program, span: Span, so_far: &[Movement], place: Place) {
        if self.held.is_none() {
            let counter = trailing(program, so_far, span, place.0, place.0);
            if let Some(tier) = program.above_zero(program.q(counter)) {
                self.upgrade(program, span, tier, place);
            }
        }
    }
}

/// Plays `since_last_upgrade` up to `t`.
pub fn term(program: &Program, ledger: &Ledger, span: Span, t: Instant) -> Term {
    let mut movements = ledger.before(t + 1).movements(program);
    if !program.keep {
        movements = net(&movements);
    }
    let midnights = midnights(program, &movements, span, t);
    let mut term = Term {
        held: None,
        acc: Decimal::ZERO,
        from: Instant::MIN,
        deadline: Instant::MAX,
        kept: Vec::new(),
        graces: Vec::new(),
        anchor: (Instant::MIN, 0, String::new()),
        last_day: NaiveDate::MIN,
    };
    let (mut next_movement, mut next_midnight) = (0, 0);
    loop {
        let deadline = term.held.map_or(Instant::MAX, |_| term.deadline);
        let midnight = midnights.get(next_midnight).copied().unwrap_or(Instant::MAX);
        let movement = movements.get(next_movement).map_or(Instant::MAX, Movement::at);
        let now = deadline.min(midnight).min(movement);
        if now > t {
            return term;
        }
        let so_far = &movements[..next_movement];
        if deadline == now {
            // "At the deadline the tier becomes `review(held, acc)`, which is never above the one held: equal is a
            // renewal, lower a downgrade; either way `acc` restarts at 0"
            let tier = program.above_zero(program.review(term.held, term.acc));
            if tier == term.held {
                term.kept.push(now);
            } else if let Some(before) = term.held {
                term.grant_grace(program, before);
            }
            term.held = tier;
            term.acc = Decimal::ZERO;
            term.from = now;
            term.anchor = (now, 0, String::new());
            if tier.is_some() {
                // "a tier that is held is valid through the old last day + 365 days (or + 12 months)"
                term.set_last_day(program, span.after(term.last_day));
            }
            term.look(program, span, so_far, (now, 0, String::new()));
        } else if midnight == now {
            next_midnight += 1;
            term.look(program, span, so_far, (now, 0, String::new()));
        } else {
            let movement = &movements[next_movement];
            next_movement += 1;
            match term.held {
                None => term.look(program, span, &movements[..next_movement], movement.place.clone()),
                Some(held) => {
                    // "credits after the *anchor* (the movement that upgraded, exclusive …) add up in `acc`", "A refund
                    // reduces `acc` only if its order came after the last upgrade or deadline, whichever is later."
                    if movement.origin > term.anchor {
                        term.acc += movement.amount;
                    }
                    // "When `q(acc)` is above the tier held: upgrade"
                    let reached = program.q(term.acc);
                    if reached > Some(held) {
                        term.upgrade(program, span, reached.unwrap(), movement.place.clone());
                    }
                }
            }
        }
    }
}

/// "evaluate at `t` as if each credit had been its net amount as known at `t` from the start"
fn net(movements: &[Movement]) -> Vec<Movement> {
    let mut credits: BTreeMap<&Place, Movement> = BTreeMap::new();
    for movement in movements {
        let credit = credits.entry(&movement.origin).or_insert_with(|| Movement {
            place: movement.origin.clone(),
            amount: Decimal::ZERO,
            ..movement.clone()
        });
        credit.amount += movement.amount;
    }
    let credits = credits.into_values();
    credits.filter(|credit| !credit.amount.is_zero()).collect()
}

/// The midnights up to `t` at which a trailing sum can have changed (or all midnights).
fn midnights(program: &Program, movements: &[Movement], span: Span, t: Instant) -> Vec<Instant> {
    let tz = program.timezone;
    let mut days: Vec<NaiveDate> = if program.every_midnight {
        let first = movements.first().map_or(day(tz, t), |movement| movement.day);
        first.iter_days().take_while(|&date| date <= day(tz, t)).collect()
    } else {
        movements.iter().map(|movement| span.ages_out_on(movement.day)).collect()
    };
    days.sort_unstable();
    days.dedup();
    days.into_iter().map(|date| midnight(tz, date)).filter(|&at| at <= t).collect()
}
