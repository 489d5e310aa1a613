//! Section 6: the standing, by trying every instant at which the tier could change.

use super::earned::{earned, earned_in_year, sum, term, trailing};
use super::ledger::{Assignment, Ledger};
use super::program::{Metric, Period, Program};
use super::time::{Instant, Span, day, midnight, new_year, print, year};
use chrono::{Datelike, NaiveDate};
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
            Period::CalendarYear => {
                let years = day(tz, first).year()..=day(tz, last).year().min(day(tz, to).year()) + 3;
                days.extend(years.map(|y| NaiveDate::from_ymd_opt(y, 1, 1).unwrap()));
            }
            Period::SinceLastUpgrade(span) | Period::Rolling(span) => {
                let end = day(tz, to).min(day(tz, far(program, last)));
                for fact_day in all.iter().map(|&at| day(tz, at)) {
                    let mut date = fact_day;
                    while date <= end + chrono::Days::new(5) {
                        days.extend((date - chrono::Days::new(3)).iter_days().take(8));
                        date = span.after(date);
                    }
                }
            }
        }
    }
    all.extend(days.into_iter().map(|date| midnight(tz, date)));
    all.extend(ledger.assignments.iter().filter_map(|one| one.until));
    all.retain(|&at| at > from && at <= to && at >= first);
    all
}

/// An instant after which nothing ages out anymore, if nothing happens after `last`.
fn far(program: &Program, last: Instant) -> Instant {
    let mut date = day(program.timezone, last);
    match program.period {
        Period::Lifetime => {}
        Period::CalendarYear => date = Span::Months(36).after(date),
        Period::SinceLastUpgrade(span) | Period::Rolling(span) => {
            for _ in 0..4 {
                date = span.after(date) + chrono::Days::new(2);
            }
        }
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
    let next = counted.and(program.tiers.get(next));
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
        Period::CalendarYear => {
            let y = year(tz, t);
            let counted = sum(&movements, t, |date| date.year() == y);
            (Some(counted), window(new_year(tz, y), Some(new_year(tz, y + 1))))
        }
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
    let earned_tier = earned(program, ledger, t);
    let Some(rank) = program.above_zero(earned_tier) else {
        return Value::Null;
    };
    let threshold = program.tiers[rank].threshold.unwrap();
    let movements = ledger.movements(program);
    let (counted, by, done) = match program.period {
        Period::Lifetime => return Value::Null,
        // "`C_Y(t)`, by the coming January 1, with `remaining` 0 once `E_Y(t)` is at least the earned tier"
        Period::CalendarYear => {
            let y = year(tz, t);
            let counted = sum(&movements, t, |date| date.year() == y);
            (counted, new_year(tz, y + 1), earned_in_year(program, ledger, t, y) >= earned_tier)
        }
        // "`acc`, by the deadline"
        Period::SinceLastUpgrade(span) => {
            let term = term(program, ledger, span, t);
            (term.acc, term.deadline, false)
        }
        // "the part of the trailing sum that will still count at `valid_until`, by then"
        Period::Rolling(span) => {
            let Some((by, _)) = first_lower(program, ledger, t, earned) else {
                return Value::Null;
            };
            let today = day(tz, t);
            let still = day(tz, by);
            let counted = sum(&movements, t, |date| span.window_holds(today, date) && span.window_holds(still, date));
            (counted, by, false)
        }
    };
    let remaining = if done { Decimal::ZERO } else { at_least_zero(threshold - counted) };
    json!({
        "threshold": threshold.to_string(),
        "counted": counted.normalize().to_string(),
        "remaining": remaining.to_string(),
        "by": print(by),
    })
}

fn at_least_zero(amount: Decimal) -> Decimal {
    amount.max(Decimal::ZERO).normalize()
}
