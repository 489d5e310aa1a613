//! Days, amounts, facts and reasons in words.

use crate::calendar::{Day, DayOfYear, Instant, Span, Zone};
use crate::explain::{FactRef, Reason};
use crate::program::{Counted, Holds, Metric, Milestone, OnMiss, OnRefund, Period, Program};
use crate::quantity::Quantity;

/// Such as `November 5, 2023`.
pub(super) fn day(day: Day) -> String {
    day.date().format("%B %-d, %Y").to_string()
}

/// Such as `November 5, 2023 at 10:00`; a midnight is written as the day alone.
pub(super) fn instant(zone: &Zone, at: Instant) -> String {
    let on = zone.day(at);
    if zone.midnight(on) == at {
        return day(on);
    }
    let local = zone.local(at);
    let format = if at.millis() % 60_000 == 0 { "%H:%M" } else { "%H:%M:%S" };
    format!("{} at {}", day(on), local.format(format))
}

/// `through` the last full day before an exclusive end, or `until` the end if that is within a day.
pub(super) fn through(zone: &Zone, until: Instant) -> String {
    match zone.last_day_before(until) {
        Some(last) => format!("through {}", day(last)),
        None => format!("until {}", instant(zone, until)),
    }
}

/// `by` the last day on which an activity still helps.
pub(super) fn by(zone: &Zone, until: Instant) -> String {
    format!("by {}", beyond(zone, until))
}

/// The end beyond which a tier is to be held.
pub(super) fn beyond(zone: &Zone, until: Instant) -> String {
    zone.last_day_before(until).map_or_else(|| instant(zone, until), day)
}

/// A quantity in the program's unit: `500.00 USD`, `1 point`, `3 orders`.
pub(super) fn amount(program: &Program, quantity: Quantity) -> String {
    let number = quantity.with_decimals(program.decimals());
    let unit = |one: &'static str, many: &'static str| if quantity == Quantity::ONE { one } else { many };
    let unit = match &program.milestone {
        Milestone::Tags(_) => return number,
        Milestone::Counted(counted) => match counted.metric {
            Metric::PointsEarned => unit("point", "points"),
            Metric::OrdersPlaced => unit("order", "orders"),
            Metric::AmountSpent => program.currency.code(),
        },
    };
    format!("{number} {unit}")
}

/// The amount with its verb, such as `1 point is` or `380.00 USD are`.
pub(super) fn counts_words(amount: &str) -> String {
    format!("{amount} {}", if amount.starts_with("1 ") { "is" } else { "are" })
}

/// The metric of a milestone, its period, and the effect of a refund.
pub(super) fn how_earned(counted: &Counted) -> String {
    let Counted { metric, period, on_refund, on_miss, grace, .. } = counted;
    let what = match metric {
        Metric::PointsEarned => "points earned",
        Metric::AmountSpent => "the amount spent",
        Metric::OrdersPlaced => "the number of orders placed",
    };
    let time = match period {
        Period::Lifetime => "since the program's start".to_owned(),
        Period::CalendarYear { starts_on: DayOfYear::NEW_YEAR, holds } => {
            format!("in a calendar year, and hold for {}", holds_words(*holds))
        }
        Period::CalendarYear { starts_on, holds } => {
            format!("in a year that begins on {}, and hold for {}", day_of_year(*starts_on), holds_words(*holds))
        }
        Period::MembershipYear { holds } => {
            format!("in a year that begins on the day of enrolment, and hold for {}", holds_words(*holds))
        }
        Period::SinceLastUpgrade(span) => {
            let span = span_words(*span);
            format!(
                "since the last upgrade, which restarts the counter; a tier holds for {span} and is then decided again"
            )
        }
        Period::Rolling(span) => format!("in the last {}, evaluated again every day", span_words(*span)),
    };
    let refunds = match (period, on_refund) {
        (Period::Rolling(_), _) => "what is refunded or cancelled no longer counts",
        (Period::SinceLastUpgrade(_), OnRefund::Keep) => {
            "a refund never undoes an upgrade; only refunds of later orders count against renewal"
        }
        (Period::Lifetime, OnRefund::Keep) => "a tier once achieved is kept, whatever is refunded or cancelled",
        (Period::CalendarYear { .. } | Period::MembershipYear { .. }, OnRefund::Keep) => {
            "a tier once achieved is kept until its end, whatever is refunded or cancelled"
        }
        (_, OnRefund::Revoke) => "a tier goes when what earned it is refunded or cancelled",
    };
    let missed = match (on_miss, grace) {
        (OnMiss::Recompute, None) => String::new(),
        (OnMiss::OneStep, None) => "; a review that is missed takes one tier at most".to_owned(),
        (OnMiss::Recompute, Some(grace)) => {
            format!("; a tier that is missed is held for another {}", span_words(*grace))
        }
        (OnMiss::OneStep, Some(grace)) => format!(
            "; a review that is missed takes one tier at most, and the tier is held for another {}",
            span_words(*grace)
        ),
    };
    format!("tiers are earned by {what} {time}; {refunds}{missed}")
}

fn holds_words(holds: Holds) -> &'static str {
    match holds {
        Holds::RestAndNextYear => "the rest of that year and all of the next",
        Holds::RestOfYear => "the rest of that year",
    }
}

/// Such as `February 1`.
fn day_of_year(day: DayOfYear) -> String {
    // 2024 has all days.
    day.in_year(2024).map_or_else(|| day.to_string(), |date| date.format("%B %-d").to_string())
}

pub(super) fn span_words(span: Span) -> String {
    match span {
        Span::Days(1) => "day".to_owned(),
        Span::Months(1) => "month".to_owned(),
        Span::Days(days) => format!("{days} days"),
        Span::Months(months) => format!("{months} months"),
    }
}

pub(super) fn capital(line: &str) -> String {
    let mut letters = line.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

pub(super) fn fact_words(zone: &Zone, fact: &FactRef) -> String {
    match fact {
        FactRef::Order(order) => format!("order `{order}`"),
        FactRef::Refund(order, refund) => format!("refund `{refund}` of order `{order}`"),
        FactRef::OrderCancelled(order) => format!("cancellation of order `{order}`"),
        FactRef::OrderRestored(order) => format!("restoration of order `{order}`"),
        FactRef::Entry(entry) => format!("points entry `{entry}`"),
        FactRef::PointsCanceled(cancel) => format!("points cancellation `{cancel}`"),
        FactRef::Tags(at, _) => format!("tags of {}", instant(zone, *at)),
        FactRef::Enrolled => "enrolment".to_owned(),
        FactRef::Birthday => "birthday".to_owned(),
        FactRef::Assigned(assignment) => format!("assignment `{assignment}`"),
        FactRef::Unassigned(assignment) => format!("end of assignments `{assignment}`"),
        FactRef::Held(version) => format!("tier held over the change to version {version}"),
    }
}

pub(super) fn reason_words(reason: Reason) -> &'static str {
    match reason {
        Reason::BeforeStart => "dated before the program's start",
        Reason::OutsideWindow => "dated outside the time that counts now",
        Reason::TestOrder => "only a test",
        Reason::Cancelled => "cancelled, so nothing is left",
        Reason::RefundedInFull => "refunded in full, so nothing is left",
        Reason::Superseded => "replaced by a later fact",
        Reason::NotThisMetric => "not what this program looks at",
        Reason::BeforeAnchor => "before the last upgrade or deadline, which restarted the counter",
        Reason::WaitingForOrder => "waiting for the order or entry it refers to, which is not known yet",
        Reason::NoExchangeRate => "in another currency, without an `exchange_rate`",
        Reason::BelowMinimum => "below the minimum total of an order",
        Reason::BeforeEnrolment => "before the customer enrolled, and only enrolled customers take part",
        Reason::WorthNothing => "worth nothing as the program counts, or nothing was left to take back",
        Reason::GaveBackNothingCounted => "gave back only what does not count, such as shipping",
        Reason::PartialRefundOfCountedOrder => "a partial refund does not make an order uncounted",
        Reason::NoCredit => "worth nothing by itself",
        Reason::AssignmentEnded => "an assignment that has ended",
        Reason::AssignmentOverruled => "overruled by a newer assignment",
        Reason::AssignmentTierUnknown => "names a tier that the program does not have",
    }
}
