use serde_json::json;

use super::*;
use crate::calendar::{DayOfYear, Span};
use crate::program::{Counted, Holds, Metric, Milestone, OnMiss, OnRefund, Period};
use crate::quantity::Quantity;

fn read(program: &Value) -> Program {
    Program::read(program, &Zones::built_in()).unwrap().program
}

fn paths(program: &Value) -> Vec<String> {
    Program::read(program, &Zones::built_in()).unwrap_err().iter().map(|problem| problem.path.clone()).collect()
}

#[test]
fn every_problem_of_a_program_is_reported_at_once_with_its_path() {
    let program = json!({
        "active": "yes", "timezone": "Mars/Olympus", "currency": "XAU", "start_date": "2024-02-30", "colour": 1,
        "milestone": { "metric": "amount_spent", "period": { "rolling": { "weeks": 3 } } },
        "tiers": [
            { "id": "a", "threshold": 5.5, "perks": [{ "type": "x" }, { "type": "birthday_points", "points": 0 }] },
            { "id": "b", "threshold": "9" },
            { "id": "a", "threshold": "3" },
            { "id": "c" },
        ],
    });
    let expected = [
        "$.active",
        "$.timezone",
        "$.currency",
        "$.start_date",
        "$.milestone.period.rolling.weeks",
        "$.milestone.period.rolling",
        "$.tiers[0].threshold",
        "$.tiers[0].perks[0].type",
        "$.tiers[0].perks[1].points",
        "$.tiers[2].id",
        "$.colour",
    ];
    assert_eq!(paths(&program), expected);
    let mut program = program;
    program["milestone"] = json!({ "metric": "amount_spent" });
    let more = paths(&program);
    assert!(["$.tiers[2].threshold", "$.tiers[3].threshold"].iter().all(|path| more.iter().any(|p| p == path)));
}

#[test]
fn amounts_are_read_from_texts_or_integers_only() {
    let tier = |threshold: Value| json!({ "tiers": [{ "id": "a", "threshold": threshold }] });
    for right in [json!(500), json!("500"), json!("0"), json!("12.3456")] {
        assert!(Program::read(&tier(right.clone()), &Zones::built_in()).is_ok(), "{right}");
    }
    for wrong in [json!(500.0), json!("5e2"), json!(-1), json!("0.00001"), json!("1000000000000"), json!(true)] {
        assert_eq!(paths(&tier(wrong.clone())), ["$.tiers[0].threshold"], "{wrong}");
    }
}

/// chrono reads more than it writes: signs, spaces, single digits, and years that no instant can have.
#[test]
fn a_start_date_is_written_in_one_way_and_its_midnight_is_an_instant() {
    let starting = |date: &str| json!({ "start_date": date, "tiers": [{ "id": "a", "threshold": 1 }] });
    for right in ["0001-01-01", "2024-02-29", "9999-12-31"] {
        assert!(Program::read(&starting(right), &Zones::built_in()).is_ok(), "{right}");
    }
    for wrong in ["0000-01-01", "-123-01-01", "+12345-1-1", "2024- 1- 1", "2024-1-1", "2024-02-30", "2024-02-29 "] {
        assert_eq!(paths(&starting(wrong)), ["$.start_date"], "{wrong}");
    }
}

#[test]
fn defaults_are_those_of_section_3() {
    let program = read(&json!({ "tiers": [{ "id": "a", "threshold": 1 }] }));
    assert_eq!((program.active, program.timezone.name(), program.currency.code()), (true, "UTC", "USD"));
    assert_eq!(program.skipped_tier_rewards, SkippedTierRewards::HighestOnly);
    let Milestone::Counted(counted) = &program.milestone else { panic!("{program:?}") };
    assert_eq!(
        (counted.metric, counted.period, counted.on_refund),
        (Metric::PointsEarned, Period::Lifetime, OnRefund::Keep)
    );
    let refund = |period: Value| {
        let program = json!({ "milestone": { "period": period }, "tiers": [{ "id": "a", "threshold": 1 }] });
        match read(&program).milestone {
            Milestone::Counted(counted) => (counted.period, counted.on_refund),
            Milestone::Tags(_) => panic!("no tags"),
        }
    };
    assert_eq!(refund(json!("calendar_year")), (Period::CALENDAR_YEAR, OnRefund::Revoke));
    assert_eq!(refund(json!("rolling")), (Period::Rolling(Span::Days(365)), OnRefund::Revoke));
    let months = json!({ "since_last_upgrade": { "months": 12 } });
    assert_eq!(refund(months), (Period::SinceLastUpgrade(Span::Months(12)), OnRefund::Revoke));
}

fn milestone(milestone: Value, tiers: Value) -> Counted {
    match read(&json!({ "milestone": milestone, "tiers": tiers })).milestone {
        Milestone::Counted(counted) => counted,
        Milestone::Tags(_) => panic!("no tags"),
    }
}

#[test]
fn the_milestones_of_edition_2_are_read() {
    let tiers =
        json!([{ "id": "silver", "threshold": 100 }, { "id": "gold", "threshold": 500, "retain_threshold": "300" }]);
    let year = json!({ "period": { "calendar_year": { "starts_on": "02-01" } }, "on_miss": "one_step",
                       "grace": { "days": 30 } });
    let counted = milestone(year, tiers.clone());
    let february = DayOfYear::new(2, 1).unwrap();
    assert_eq!(counted.period, Period::CalendarYear { starts_on: february, holds: Holds::RestAndNextYear });
    assert_eq!((counted.on_miss, counted.grace), (OnMiss::OneStep, Some(Span::Days(30))));
    let retained: Vec<_> = [0, 1].map(|rank| counted.retain_threshold(crate::program::Rank::new(rank))).into();
    assert_eq!(retained, [Quantity::whole(100), Quantity::whole(300)]);
    let plain = json!([{ "id": "silver", "threshold": 100 }]);
    for (written, holds) in [
        (json!("membership_year"), Holds::RestAndNextYear),
        (json!({ "membership_year": {} }), Holds::RestAndNextYear),
        (json!({ "membership_year": { "holds": "rest_of_year" } }), Holds::RestOfYear),
    ] {
        let counted = milestone(json!({ "period": written }), plain.clone());
        assert_eq!((counted.period, counted.on_refund), (Period::MembershipYear { holds }, OnRefund::Revoke));
    }
    let program = read(&json!({ "earning": { "amount": "10", "points": 1 }, "orders": { "min_total": "20" },
                                "eligibility": { "enrolled_only": true, "excluded_tags": [" Staff "] }, "tiers": plain }));
    assert_eq!(
        program.earning,
        Some(Earning { amount: Amount::parse("10").unwrap(), points: Points::new(1).unwrap() })
    );
    assert_eq!(program.order_minimum, Amount::parse("20").unwrap());
    assert!(
        program.eligibility.enrolled_only && program.eligibility.excluded_tags.contains(&Tag::new("staff").unwrap())
    );
}

/// Each rule of edition 2 is refused where it means nothing, at the place where it is written.
#[test]
fn what_does_not_go_together_is_refused_where_it_is_written() {
    let gold = |retain: Value| {
        json!([{ "id": "silver", "threshold": 100 },
                                      { "id": "gold", "threshold": 500, "retain_threshold": retain }])
    };
    let none = json!([{ "id": "silver", "threshold": 100 }]);
    let rest = json!({ "calendar_year": { "holds": "rest_of_year" } });
    for (milestone, tiers, path) in [
        (
            json!({ "period": { "calendar_year": { "starts_on": "02-29" } } }),
            &none,
            "$.milestone.period.calendar_year.starts_on",
        ),
        (
            json!({ "period": { "calendar_year": { "starts_on": "13-01" } } }),
            &none,
            "$.milestone.period.calendar_year.starts_on",
        ),
        (
            json!({ "period": { "membership_year": { "holds": "always" } } }),
            &none,
            "$.milestone.period.membership_year.holds",
        ),
        (json!({ "period": { "membership_year": {}, "rolling": { "days": 3 } } }), &none, "$.milestone.period"),
        (json!({ "period": "rolling", "grace": { "days": 3 } }), &none, "$.milestone.grace"),
        (json!({ "grace": { "days": 3 } }), &none, "$.milestone.grace"),
        (json!({ "period": rest, "grace": { "days": 3 } }), &none, "$.milestone.grace"),
        (json!({ "period": rest, "on_miss": "one_step" }), &none, "$.milestone.on_miss"),
        (json!({ "period": "calendar_year", "grace": { "months": 12 } }), &none, "$.milestone.grace"),
        (json!({ "period": "calendar_year", "grace": { "days": 365 } }), &none, "$.milestone.grace"),
        (
            json!({ "period": { "since_last_upgrade": { "days": 31 } }, "grace": { "months": 1 } }),
            &none,
            "$.milestone.grace",
        ),
        (json!({ "period": rest }), &gold(json!("300")), "$.tiers[1].retain_threshold"),
        (json!({ "period": "lifetime" }), &gold(json!("300")), "$.tiers[1].retain_threshold"),
        (json!({ "period": "calendar_year" }), &gold(json!("501")), "$.tiers[1].retain_threshold"),
        (json!({ "period": "calendar_year" }), &gold(json!("0")), "$.tiers[1].retain_threshold"),
        (json!({ "period": "calendar_year" }), &gold(json!("99")), "$.tiers[1].retain_threshold"),
    ] {
        let program = json!({ "milestone": milestone, "tiers": tiers });
        assert_eq!(paths(&program), [path], "{program}");
    }
    for right in [
        json!({ "period": "calendar_year", "grace": { "months": 11 } }),
        json!({ "period": "membership_year", "grace": { "days": 364 } }),
        json!({ "period": { "since_last_upgrade": { "days": 32 } }, "grace": { "months": 1 } }),
    ] {
        milestone(right, none.clone());
    }
    let tags = json!({ "milestone": { "metric": "customer_tags" },
                       "tiers": [{ "id": "vip", "tags": ["vip"], "retain_threshold": "1" }] });
    assert_eq!(paths(&tags), ["$.tiers[0].retain_threshold"]);
    for (key, wrong, path) in [
        ("earning", json!({ "amount": "0", "points": 1 }), "$.earning.amount"),
        ("earning", json!({ "amount": "10" }), "$.earning.points"),
        ("orders", json!({ "min_total": "-1" }), "$.orders.min_total"),
        ("eligibility", json!({ "excluded_tags": [""] }), "$.eligibility.excluded_tags[0]"),
    ] {
        let mut program = json!({ "tiers": none });
        program[key] = wrong;
        assert_eq!(paths(&program), [path], "{program}");
    }
}
