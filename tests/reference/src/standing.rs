//! Section 6: the standing, by trying every instant at which the tier could change.

use super::earned::{earned, earned_and_grace, is_eligible, sum, term, trailing};
use super::ledger::{Assignment, Ledger};
use super::program::{Metric, Period, Program};
use super::time::{Instant, Span, day, midnight, print};
use super::years::{Year, Years};
use chrono::{Days, NaiveDate};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// "The newest active one rules (until `until`, if given, or `tier.unassigned`)". "An assignment to a tier that the
/// program does not have is passed over".
fn ruling<'a>(program: &Program, ledger: &'a Ledger, t: Instant) -> Option<&'a Assignment> {
    let seen = || ledger.assignments.iter().filter(|one| one.place.0 <= t);
    seen()
        .filter(|one| !one.ends_older)
        .filter(|one| one.until.is_none_or(|until| t < until))
        // "ends all older assignments"
        .filter(|one| !seen().any(|end| end.ends_older && end.place > one.place))
        .filter(|one| one.tier.as_ref().is_none_or(|id| program.rank(id).is_some()))
        .max_by(|a, b| a.place.cmp(&b.place))
}

/// The standing's tier at `t`: the earned one, then "Assignments apply last".
pub fn tier_at(program: &Program, ledger: &Ledger, t: Instant) -> Option<usize> {
    let earned = earned(program, ledger, t);
    match ruling(program, ledger, t) {
        None => earned,
        Some(one) => {
            let assigned = one.tier.as_ref().and_then(|id| program.rank(id));
            // "`floor` = at least this tier; `lock` = exactly this tier (or none with `tier: null`)"
            if one.lock { assigned } else { assigned.max(earned) }
        }
    }
}

/// Whether an assignment gives the standing's tier at `t`: another one than is earned.
pub fn is_assigned(program: &Program, ledger: &Ledger, t: Instant) -> bool {
    ruling(program, ledger, t).is_some_and(|one| {
        let assigned = one.tier.as_ref().and_then(|id| program.rank(id));
        // What is earned as well is not given by hand: its end moves with what is earned.
        let earned = earned(program, ledger, t);
        if one.lock { assigned != earned } else { assigned > earned }
    })
}

/// Every instant in `(from, to]` at which a tier could change, and possibly some others.
pub fn boundaries(program: &Program, ledger: &Ledger, from: Instant, to: Instant) -> BTreeSet<Instant> {
    let tz = program.timezone;
    let mut all: BTreeSet<Instant> = ledger.instants().into_iter().collect();
    let (Some(&first), Some(&last)) = (all.first(), all.last()) else {
        return all;
    };
    let mut days: BTreeSet<NaiveDate> = BTreeSet::new();
    if program.every_midnight {
        let dates = day(tz, first).iter_days();
        days.extend(dates.take_while(|&date| date <= day(tz, to)));
    } else {
        match program.period {
            Period::Lifetime => {}
            Period::CalendarYear(..) | Period::MembershipYear => {
                let (first, last) = (day(tz, first), day(tz, last).min(day(tz, to)));
                for years in Years::ever_known(program, ledger) {
                    let end = years.of_day(last) + reviews(program) as i32;
                    days.extend((years.of_day(first)..=end).map(|name| years.begin(name)));
                }
            }
            Period::SinceLastUpgrade(span) | Period::Rolling(span) => {
                let end = day(tz, to).min(day(tz, far(program, last)));
                // A window around each day, for months of different lengths, and for the midnights that take one tier each.
                let window = 8 + program.tiers.len();
                for fact_day in all.iter().map(|&at| day(tz, at)) {
                    let mut date = fact_day;
                    while date <= end + Days::new(5) {
                        days.extend((date - Days::new(3)).iter_days().take(window));
                        date = span.after(date);
                    }
                }
            }
        }
        if let Some(grace) = program.grace {
            let ends = |date: &NaiveDate| grace.after(date.pred_opt().unwrap()).succ_opt().unwrap();
            let ends: Vec<NaiveDate> = days.iter().map(ends).collect();
            days.extend(ends);
        }
    }
    all.extend(days.into_iter().map(|date| midnight(tz, date)));
    all.extend(ledger.assignments.iter().filter_map(|one| one.until));
    all.retain(|&at| at > from && at <= to && at >= first);
    all
}

/// The number of reviews, and some more, after which no tier is left that nothing keeps.
fn reviews(program: &Program) -> usize {
    program.tiers.len() + 3
}

/// An instant after which nothing ages out anymore, if nothing happens after `last`.
fn far(program: &Program, last: Instant) -> Instant {
    let mut date = day(program.timezone, last);
    match program.period {
        Period::Lifetime => {}
        Period::CalendarYear(..) | Period::MembershipYear => {
            date = Span::Months(12 * reviews(program) as u32).after(date);
        }
        Period::SinceLastUpgrade(span) | Period::Rolling(span) => {
            for _ in 0..reviews(program) {
                date = span.after(date) + Days::new(2);
            }
        }
    }
    if let Some(grace) = program.grace {
        date = grace.after(date);
    }
    midnight(program.timezone, date)
}

/// "`since` (start of the present unbroken stretch of that tier on the timeline `evaluate(·, s)`, each `s` seeing only
/// facts with instant ≤ `s`)"
pub fn since(program: &Program, ledger: &Ledger, t: Instant) -> Option<Instant> {
    let tier = tier_at(program, ledger, t);
    let mut since = None;
    for s in boundaries(program, ledger, Instant::MIN, t).into_iter().rev() {
        if tier_at(program, ledger, s) != tier {
            break;
        }
        since = Some(s);
    }
    // "(… a visible floor assignment `by: "program"`, which continues the stretch it keeps: `since` stays)"
    let hold = ledger
        .assignments
        .iter()
        .find(|one| one.held_since.is_some() && Some(one.place.0) == since && one.tier == program.id(tier));
    hold.map_or(since, |one| one.held_since)
}

/// "the first instant after `t` at which the tier would be lower if nothing more happened", with the tier from then on.
fn first_lower(
    program: &Program,
    ledger: &Ledger,
    t: Instant,
    tier_at: impl Fn(&Program, &Ledger, Instant) -> Option<usize>,
) -> Option<(Instant, Option<usize>)> {
    let ledger = ledger.before(t + 1);
    let tier = tier_at(program, &ledger, t);
    let last = ledger.instants().into_iter().max()?;
    // Every midnight until nothing ages out anymore, and every `until`, however late.
    let mut later = boundaries(program, &ledger, t, far(program, last));
    let untils = ledger.assignments.iter().filter_map(|one| one.until);
    later.extend(untils.filter(|&until| until > t));
    later.into_iter().map(|s| (s, tier_at(program, &ledger, s))).find(|(_, then)| *then < tier)
}

/// The `valid_until` and `upcoming` of the standing.
pub fn valid_until(program: &Program, ledger: &Ledger, t: Instant) -> Option<(Instant, Option<usize>)> {
    first_lower(program, ledger, t, tier_at)
}

/// The standing at `t` in the form of section 9.
pub fn print_standing(program: &Program, ledger: &Ledger, t: Instant) -> Value {
    let ledger = &ledger.before(t + 1);
    let (counted, window) = progress(program, ledger, t);
    let counted_text = counted.map(|amount| amount.normalize().to_string());
    // "Standings read while inactive have no tier and say so."
    if !program.active {
        return json!({
            "active": false, "tier": null, "since": null, "valid_until": null, "upcoming": null,
            "counted": counted_text, "window": window, "next_tier": null, "remaining": null, "requalify": null,
        });
    }
    let tier = tier_at(program, ledger, t);
    let end = valid_until(program, ledger, t);
    // "`next_tier` (lowest above the tier held) and `remaining` (threshold − counted, at least 0). Null for tags."
    let next = tier.map_or(0, |rank| rank + 1);
    // "earns no tier; what counts is still told, `next_tier`, `remaining` and `requalify` are null"
    let eligible = is_eligible(program, ledger, t);
    let next = counted.filter(|_| eligible).and(program.tiers.get(next));
    let remaining = next.map(|next| at_least_zero(next.threshold.unwrap() - counted.unwrap()));
    json!({
        "active": true,
        "tier": program.id(tier),
        "since": since(program, ledger, t).map(print),
        "valid_until": end.map(|(at, _)| print(at)),
        "upcoming": end.and_then(|(_, then)| program.id(then)),
        "counted": counted_text,
        "window": window,
        "next_tier": next.map(|next| &next.id),
        "remaining": remaining.map(|amount| amount.to_string()),
        "requalify": requalify(program, ledger, t),
    })
}

/// "`counted` (lifetime: `C(t)`; calendar year: `C_Y(t)`; since_last_upgrade: `acc`, or the trailing sum with no tier;
/// rolling: the trailing sum), the window".
fn progress(program: &Program, ledger: &Ledger, t: Instant) -> (Option<Decimal>, Value) {
    let tz = program.timezone;
    let movements = ledger.movements(program);
    let start = midnight(tz, program.effective_start);
    let window =
        |from: Instant, until: Option<Instant>| json!({"from": print(from.max(start)), "until": until.map(print)});
    let trailing_window = |span: Span| {
        let today = day(tz, t);
        let from = midnight(tz, span.window_start(today));
        window(from, Some(midnight(tz, today.succ_opt().unwrap())))
    };
    if program.metric == Metric::Tags {
        return (None, Value::Null);
    }
    match program.period {
        Period::Lifetime => (Some(sum(&movements, t, |_| true)), window(start, None)),
        Period::CalendarYear(..) | Period::MembershipYear => match Year::at(program, ledger, t) {
            Some(year) => (Some(year.counted), window(midnight(tz, year.begins), Some(midnight(tz, year.ends)))),
            // "A member without a fact of their own … counts 0", in no year of their own.
            // Whose first fact has not come has no year yet; what comes from the start on will count.
            None => (Some(Decimal::ZERO), window(start, None)),
        },
        Period::SinceLastUpgrade(span) => {
            let term = term(program, ledger, span, t);
            match term.held {
                Some(_) => (Some(term.acc), window(term.from, Some(term.deadline))),
                None => (Some(trailing(program, &movements, span, t, t)), trailing_window(span)),
            }
        }
        Period::Rolling(span) => (Some(trailing(program, &movements, span, t, t)), trailing_window(span)),
    }
}

/// "what the *earned* tier needs to be held beyond its present end … Null with no earned tier, threshold 0, lifetime, or tags."
fn requalify(program: &Program, ledger: &Ledger, t: Instant) -> Value {
    let tz = program.timezone;
    let earned_now = earned_and_grace(program, ledger, t);
    let earned_tier = earned_now.tier();
    let Some(rank) = program.above_zero(earned_tier) else {
        return Value::Null;
    };
    let tier = &program.tiers[rank];
    let told = |threshold: Decimal, counted: Decimal, safe: bool, by: Instant| {
        let remaining = if safe { Decimal::ZERO } else { at_least_zero(threshold - counted) };
        json!({
            "threshold": threshold.to_string(),
            "counted": counted.normalize().to_string(),
            "remaining": remaining.to_string(),
            "by": print(by),
        })
    };
    // "Under a grace: the `threshold` of the tier held, by its end."
    if let Some(by) = earned_now.grace_ends() {
        let (counted, _) = progress(program, ledger, t);
        return told(tier.threshold.unwrap(), counted.unwrap(), false, by);
    }
    // "The threshold is the `retain_threshold` where there is one."
    let threshold = tier.retain_threshold.unwrap();
    // "With `retain_threshold`, `remaining` is 0 once the next review is safe."
    let safe = |c: Decimal| program.review(earned_tier, c) >= earned_tier;
    match program.period {
        Period::Lifetime => Value::Null,
        // "(with `rest_of_year` null: nothing carries over)"
        Period::CalendarYear(..) | Period::MembershipYear if program.rest_of_year => Value::Null,
        // "`C_Y(t)`, by the coming New Year, with `remaining` 0 once `E_Y(t)` is at least the earned tier"
        Period::CalendarYear(..) | Period::MembershipYear => match Year::at(program, ledger, t) {
            Some(year) => {
                let done = program.q(year.c) >= earned_tier || safe(year.c);
                told(threshold, year.counted, done, midnight(tz, year.ends))
            }
            None => Value::Null,
        },
        // "`acc`, by the deadline"
        Period::SinceLastUpgrade(span) => {
            let term = term(program, ledger, span, t);
            told(threshold, term.acc, safe(term.acc), term.deadline)
        }
        // "the part of the trailing sum that will still count at `valid_until`, by then"
        Period::Rolling(span) => {
            let Some((by, _)) = first_lower(program, ledger, t, earned) else {
                return Value::Null;
            };
            let (today, still) = (day(tz, t), day(tz, by));
            let movements = ledger.movements(program);
            let counted = sum(&movements, t, |date| span.window_holds(today, date) && span.window_holds(still, date));
            told(threshold, counted, false, by)
        }
    }
}

fn at_least_zero(amount: Decimal) -> Decimal {
    amount.max(Decimal::ZERO).normalize()
}
