//! The milestone from its JSON form: the metric, the period, and what a refund and a missed review do.

use super::{DAYS_MAX, MONTHS_MAX};
use crate::calendar::{DayOfYear, Span};
use crate::json::{Node, Object, Problem};
use crate::program::{Counted, Holds, Metric, OnMiss, OnRefund, Period};

/// A milestone before the tiers are known.
pub(super) enum KindOfMilestone {
    /// Without its thresholds.
    Counted(Counted),
    Tags(Period),
}

impl Default for KindOfMilestone {
    fn default() -> Self {
        Self::Counted(Counted {
            metric: Metric::PointsEarned,
            period: Period::Lifetime,
            on_refund: OnRefund::Keep,
            on_miss: OnMiss::Recompute,
            grace: None,
            thresholds: Vec::new(),
            retain_thresholds: None,
        })
    }
}

pub(super) fn kind_of_milestone(o: Object<'_>, warnings: &mut Vec<Problem>) -> Option<KindOfMilestone> {
    let metrics = [
        ("points_earned", Some(Metric::PointsEarned)),
        ("amount_spent", Some(Metric::AmountSpent)),
        ("orders_placed", Some(Metric::OrdersPlaced)),
        ("customer_tags", None),
    ];
    let metric = o.or("metric", Some(Metric::PointsEarned), |node| node.word(&metrics));
    let given = o.get("period");
    let period = given.as_ref().map_or(Some(Period::Lifetime), period);
    let words = [("keep", OnRefund::Keep), ("revoke", OnRefund::Revoke)];
    let refund = o.maybe("on_refund", |node| node.word(&words));
    let words = [("recompute", OnMiss::Recompute), ("one_step", OnMiss::OneStep)];
    let (at_on_miss, at_grace) = (o.get("on_miss"), o.get("grace"));
    let on_miss = o.maybe("on_miss", |node| node.word(&words));
    let grace = o.maybe("grace", span);
    o.finish();
    let (metric, period, refund) = (metric?, period?, refund?);
    let (on_miss, grace) = (on_miss?, grace?);
    let Some(metric) = metric else {
        let told = [
            ("period", given.is_some()),
            ("on_refund", refund.is_some()),
            ("on_miss", on_miss.is_some()),
            ("grace", grace.is_some()),
        ];
        for (key, _) in told.into_iter().filter(|(_, is_told)| *is_told) {
            let path = format!("$.milestone.{key}");
            warnings.push(Problem { path, message: "does nothing: tags have no period and no refunds".to_owned() });
        }
        return Some(KindOfMilestone::Tags(period));
    };
    if let (Some(node), Some(grace)) = (at_grace, grace) {
        check_grace(&node, grace, period)?;
    }
    let on_miss = on_miss.unwrap_or_default();
    if let (Some(node), OnMiss::OneStep, Some(Holds::RestOfYear)) = (at_on_miss, on_miss, period.holds()) {
        return node.problem("`one_step` is not possible where tiers hold for the rest of the year: all end with it");
    }
    let default = if period == Period::Lifetime { OnRefund::Keep } else { OnRefund::Revoke };
    Some(KindOfMilestone::Counted(Counted {
        metric,
        period,
        on_refund: refund.unwrap_or(default),
        on_miss,
        grace,
        thresholds: Vec::new(),
        retain_thresholds: None,
    }))
}

fn period(node: &Node<'_>) -> Option<Period> {
    let holds = Holds::default();
    if node.value.is_string() {
        return node.word(&[
            ("lifetime", Period::Lifetime),
            ("calendar_year", Period::CALENDAR_YEAR),
            ("membership_year", Period::MembershipYear { holds }),
            ("since_last_upgrade", Period::SinceLastUpgrade(Span::YEAR_OF_DAYS)),
            ("rolling", Period::Rolling(Span::YEAR_OF_DAYS)),
        ]);
    }
    let o = node.object()?;
    let told = ["calendar_year", "membership_year", "since_last_upgrade", "rolling"].map(|key| o.get(key));
    let period = match told {
        [Some(year), None, None, None] => calendar_year(&year),
        [None, Some(year), None, None] => membership_year(&year),
        [None, None, Some(since), None] => span(&since).map(Period::SinceLastUpgrade),
        [None, None, None, Some(rolling)] => span(&rolling).map(Period::Rolling),
        _ => node.problem(
            "write one of \"calendar_year\", \"membership_year\", \"since_last_upgrade\" and \"rolling\", such as \
             {\"rolling\": {\"days\": 365}}",
        ),
    };
    o.finish();
    period
}

fn calendar_year(node: &Node<'_>) -> Option<Period> {
    let o = node.object()?;
    let starts_on = o.or("starts_on", DayOfYear::NEW_YEAR, starts_on);
    let holds = holds(&o);
    o.finish();
    Some(Period::CalendarYear { starts_on: starts_on?, holds: holds? })
}

fn membership_year(node: &Node<'_>) -> Option<Period> {
    let o = node.object()?;
    let holds = holds(&o);
    o.finish();
    Some(Period::MembershipYear { holds: holds? })
}

fn holds(o: &Object<'_>) -> Option<Holds> {
    let words = [("rest_and_next_year", Holds::RestAndNextYear), ("rest_of_year", Holds::RestOfYear)];
    o.or("holds", Holds::default(), |node| node.word(&words))
}

fn starts_on(node: &Node<'_>) -> Option<DayOfYear> {
    let text = node.text()?;
    match DayOfYear::parse(text) {
        Some(day) if (day.month(), day.day()) == (2, 29) => {
            node.problem("is a day that most years do not have: write \"02-28\" or \"03-01\"")
        }
        Some(day) => Some(day),
        None => node.problem(format!("`{text}` is not a day of the year such as \"02-01\" (month, then day)")),
    }
}

fn span(node: &Node<'_>) -> Option<Span> {
    let o = node.object()?;
    let days = o.maybe("days", |node| node.integer(1..=DAYS_MAX));
    let months = o.maybe("months", |node| node.integer(1..=MONTHS_MAX));
    o.finish();
    match (days?, months?) {
        (Some(days), None) => u16::try_from(days).ok().map(Span::Days),
        (None, Some(months)) => u16::try_from(months).ok().map(Span::Months),
        _ => node.problem("write either \"days\" or \"months\", such as {\"days\": 365}"),
    }
}

/// A grace follows a review of a tier's term, and ends before the next one.
fn check_grace(node: &Node<'_>, grace: Span, period: Period) -> Option<()> {
    let term = match period {
        Period::Lifetime => {
            return node.problem("is not possible with the period lifetime, which has no reviews: leave it out");
        }
        Period::Rolling(_) => {
            return node.problem(
                "is not possible with the period rolling, which has no reviews: leave it out, or write a longer window",
            );
        }
        Period::CalendarYear { holds: Holds::RestOfYear, .. } | Period::MembershipYear { holds: Holds::RestOfYear } => {
            return node.problem("is not possible where tiers hold for the rest of the year: leave it out");
        }
        Period::CalendarYear { .. } | Period::MembershipYear { .. } => Span::Months(12),
        Period::SinceLastUpgrade(span) => span,
    };
    if grace.is_always_shorter_than(term) {
        Some(())
    } else {
        node.problem("must be shorter than the period, so that it ends before the next review")
    }
}
