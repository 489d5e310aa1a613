use serde_json::{Value, json};

use super::*;
use crate::calendar::Zones;
use crate::id::MemberId;
use crate::replay::Replay;
use crate::standing::evaluate;

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn program(period: Value, notices: Value) -> Value {
    json!({ "timezone": "America/New_York", "start_date": "2023-01-01", "notices": notices,
            "milestone": { "metric": "amount_spent", "period": period },
            "tiers": [{ "id": "silver", "threshold": 100 }, { "id": "gold", "threshold": 500 }] })
}

fn spent(id: &str, total: u32, on: &str) -> Value {
    json!({ "type": "order.paid", "member_id": "anna", "order_id": id, "total": total.to_string(), "occurred_at": on })
}

fn assigned(tier: &str, mode: &str, until: Option<&str>) -> Value {
    json!({ "type": "tier.assigned", "member_id": "anna", "assignment_id": "a", "tier": tier, "mode": mode,
            "occurred_at": "2025-01-10T00:00:00Z", "until": until })
}

fn look(program: &Value, facts: &[Value], as_of: &str, earlier: &str) -> (Forecast, Vec<Option<String>>) {
    let mut replay = Replay::start(program, &Zones::built_in()).unwrap();
    for fact in facts {
        replay.line(fact, at("2030-01-01T00:00:00Z")).unwrap();
    }
    let version = replay.version_at(at(as_of));
    let ledger = replay.index().ledger(&MemberId::new("anna").unwrap()).unwrap();
    let found = forecast(version, ledger, at(as_of), at(earlier));
    assert_eq!(found.standing, evaluate(version, ledger, at(as_of)));
    assert_eq!(passage(version, ledger, at(as_of), at(earlier)), (found.before, found.standing.tier));
    let id = |rank| version.program.tier_id(rank).map(ToString::to_string);
    let tiers = vec![id(found.before), id(found.standing.tier), id(found.on_new_year)];
    (found, tiers)
}

#[track_caller]
fn check(program: &Value, facts: &[Value], (as_of, earlier): (&str, &str), expected: [&str; 3]) {
    let (_, tiers) = look(program, facts, as_of, earlier);
    let tiers: Vec<_> = tiers.into_iter().map(|tier| tier.unwrap_or_else(|| "-".to_owned())).collect();
    assert_eq!(tiers, expected, "at {as_of}");
}

#[test]
fn one_course_tells_the_tier_before_the_tier_now_and_the_tier_on_new_year() {
    let facts = [spent("1", 600, "2024-05-01T12:00:00Z"), spent("2", 120, "2025-03-01T12:00:00Z")];
    let program = program(json!("calendar_year"), json!({}));
    check(&program, &facts, ("2024-06-01T00:00:00Z", "2024-04-01T00:00:00Z"), ["-", "gold", "gold"]);
    check(&program, &facts, ("2025-06-01T00:00:00Z", "2025-01-01T05:00:00Z"), ["gold", "gold", "silver"]);
    // January 1 is passed at local midnight; from then on the coming one is the next.
    check(&program, &facts, ("2026-01-01T04:59:59Z", "2025-06-01T00:00:00Z"), ["gold", "gold", "silver"]);
    check(&program, &facts, ("2026-01-01T05:00:00Z", "2026-01-01T04:59:59Z"), ["gold", "silver", "-"]);
    // Facts after the instant are not seen.
    check(&program, &facts, ("2025-02-01T00:00:00Z", "2025-01-01T05:00:00Z"), ["gold", "gold", "-"]);
}

#[test]
fn assignments_end_in_the_forecast_too() {
    let program = program(json!("lifetime"), json!({}));
    let facts = [spent("1", 120, "2025-01-05T12:00:00Z"), assigned("gold", "floor", Some("2025-08-01T00:00:00Z"))];
    check(&program, &facts, ("2025-06-01T00:00:00Z", "2025-01-06T00:00:00Z"), ["silver", "gold", "silver"]);
}

#[test]
fn while_the_program_is_inactive_no_member_had_or_will_have_a_tier() {
    let mut program = program(json!("lifetime"), json!({}));
    program["active"] = json!(false);
    let facts = [spent("1", 600, "2025-01-05T12:00:00Z")];
    check(&program, &facts, ("2025-06-01T00:00:00Z", "2025-02-01T00:00:00Z"), ["-", "-", "-"]);
    assert!(!look(&program, &facts, "2025-06-01T00:00:00Z", "2025-02-01T00:00:00Z").0.at_risk);
}

#[test]
fn a_member_is_at_risk_whose_earned_tier_ends_at_the_next_review_unless_more_happens() {
    let gold = || spent("1", 600, "2024-05-01T12:00:00Z");
    let again = || spent("2", 500, "2025-03-01T12:00:00Z");
    let year = json!("calendar_year");
    let since = json!({ "since_last_upgrade": { "days": 365 } });
    let rolling = json!({ "rolling": { "days": 365 } });
    let usual = json!({});
    let never = json!({ "expiring_days": [] });
    let late = json!({ "expiring_days": [7, 60] });
    for (period, notices, facts, as_of, expected, why) in [
        (&year, &usual, vec![gold()], "2024-06-01T00:00:00Z", false, "this year has earned it"),
        (&year, &usual, vec![gold()], "2025-01-01T05:00:00Z", true, "the coming January 1 takes it"),
        (&year, &usual, vec![gold(), again()], "2025-06-01T00:00:00Z", false, "made again"),
        (&year, &usual, vec![gold()], "2026-01-01T05:00:00Z", false, "nothing is held any more"),
        (&since, &usual, vec![gold()], "2024-06-01T00:00:00Z", true, "until the counter keeps it"),
        (&since, &usual, vec![gold(), again()], "2025-04-01T00:00:00Z", false, "the deadline renews it"),
        (&rolling, &usual, vec![gold()], "2025-04-01T03:59:59Z", false, "more than 30 days ahead"),
        (&rolling, &usual, vec![gold()], "2025-04-01T04:00:00Z", true, "30 days ahead"),
        (&rolling, &never, vec![gold()], "2025-04-01T04:00:00Z", true, "30 days where there is no other number"),
        (&rolling, &late, vec![gold()], "2025-03-02T05:00:00Z", true, "the largest counts"),
        (&rolling, &late, vec![gold(), again()], "2025-03-02T05:00:00Z", false, "what comes in keeps it"),
        (&year, &usual, vec![gold(), assigned("gold", "lock", None)], "2025-06-01T00:00:00Z", false, "kept by hand"),
        (
            &year,
            &usual,
            vec![gold(), assigned("gold", "floor", Some("2026-06-01T04:00:00Z"))],
            "2025-06-01T00:00:00Z",
            false,
            "the end is that of an assignment",
        ),
        (
            &year,
            &usual,
            vec![spent("1", 120, "2024-05-01T12:00:00Z"), assigned("gold", "floor", Some("2026-01-01T05:00:00Z"))],
            "2025-06-01T00:00:00Z",
            false,
            "no purchase keeps what is given by hand",
        ),
        (&json!("lifetime"), &usual, vec![gold()], "2025-06-01T00:00:00Z", false, "never ends"),
    ] {
        let (found, _) = look(&program(period.clone(), notices.clone()), &facts, as_of, as_of);
        assert_eq!(found.at_risk, expected, "{period} at {as_of}: {why}");
    }
}

#[test]
fn within_reach_is_what_a_notice_would_say() {
    let program = program(json!("calendar_year"), json!({ "within_reach_percent": 10 }));
    for (total, next) in [(449, None), (450, Some("gold")), (500, None), (95, Some("silver"))] {
        let facts = [spent("1", total, "2025-05-01T12:00:00Z")];
        let (found, _) = look(&program, &facts, "2025-06-01T00:00:00Z", "2025-06-01T00:00:00Z");
        assert_eq!(found.within_reach.map(|reach| reach.next.to_string()).as_deref(), next, "{total}");
    }
}

/// What a review will take is at risk also where a grace holds it for another month, and until that ends.
#[test]
fn a_tier_is_at_risk_although_a_grace_follows_the_review() {
    let mut program = program(json!("calendar_year"), json!({}));
    program["milestone"]["grace"] = json!({ "days": 30 });
    let gold = [spent("1", 600, "2024-05-01T12:00:00Z")];
    let at_risk = |facts: &[Value], as_of: &str| look(&program, facts, as_of, "2024-01-01T00:00:00Z").0.at_risk;
    assert!(!at_risk(&gold, "2024-06-01T12:00:00Z"), "2024 is earned");
    assert!(at_risk(&gold, "2025-06-01T12:00:00Z"));
    assert!(at_risk(&gold, "2026-01-15T12:00:00Z"), "held by the grace");
    let kept = [gold[0].clone(), spent("2", 500, "2025-02-01T12:00:00Z")];
    assert!(!at_risk(&kept, "2025-06-01T12:00:00Z"));
}
