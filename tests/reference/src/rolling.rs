//! Section 5: `rolling`, also where a tier that is held stays longer than it would be earned.

use super::earned::trailing;
use super::program::Program;
use super::time::{Instant, Span, day, midnight};
use super::worth::Movement;
use chrono::{Days, NaiveDate};
use rust_decimal::Decimal;
use std::collections::BTreeSet;

/// The tier at `t`, which is known to be on the member's timeline.
pub fn tier(program: &Program, movements: &[Movement], span: Span, t: Instant) -> Option<usize> {
    let retains = program.tiers.iter().any(|tier| tier.retain_threshold != tier.threshold);
    if !retains && !program.one_step {
        // "`q` of the movements with instant ≤ `t` whose day lies in `(day(t) − 365 days, day(t)]`"
        return program.q(trailing(program, movements, span, t, t));
    }
    let tz = program.timezone;
    // A tier with threshold 0 needs no movement.
    let mut held = program.q(Decimal::ZERO);
    // "after the movements of every instant and at every midnight"
    for s in looks(program, movements, span, t) {
        let sum = trailing(program, movements, span, s, s);
        let is_midnight = midnight(tz, day(tz, s)) == s;
        let reached = program.q(sum);
        if reached > held {
            // "the tier becomes `q` of the sum where that is higher"
            held = reached;
        } else if is_midnight || !program.one_step {
            // "else `review` of the two. With `one_step` falls happen at midnights only, one tier at each."
            held = program.review(held, sum);
        }
    }
    held
}

/// The instants of all movements up to `t`, and every midnight at which the tier can change (or every midnight).
fn looks(program: &Program, movements: &[Movement], span: Span, t: Instant) -> BTreeSet<Instant> {
    let tz = program.timezone;
    let last = day(tz, t);
    let mut days: BTreeSet<NaiveDate> = BTreeSet::new();
    if program.every_midnight {
        let first = movements.first().map_or(last, |movement| day(tz, movement.at()));
        days.extend(first.iter_days().take_while(|&date| date <= last));
    } else {
        for movement in movements {
            // After the sum has fallen, each midnight may take one tier.
            for date in [day(tz, movement.at()), span.ages_out_on(movement.day)] {
                days.extend(
                    date.iter_days().take_while(|&one| one <= date + Days::new(program.tiers.len() as u64 + 1)),
                );
            }
        }
    }
    let midnights = days.into_iter().map(|date| midnight(tz, date));
    midnights.chain(movements.iter().map(Movement::at)).filter(|&at| at <= t).collect()
}
