use serde_json::{Value, json};

use super::*;
use crate::calendar::Zones;
use crate::id::MemberId;
use crate::replay::Replay;

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn program(milestone: Value, notices: Value) -> Value {
    json!({ "timezone": "America/New_York", "start_date": "2023-01-01", "milestone": milestone, "notices": notices,
            "tiers": [{ "id": "silver", "threshold": 100 }, { "id": "gold", "threshold": 500 }] })
}

fn by_year() -> Value {
    json!({ "metric": "amount_spent", "period": "calendar_year" })
}

fn spent(id: &str, total: &str, on: &str) -> Value {
    json!({ "type": "order.paid", "member_id": "anna", "order_id": id, "total": total, "occurred_at": on })
}

fn floor(tier: &str, on: &str, until: &str) -> Value {
    json!({ "type": "tier.assigned", "member_id": "anna", "assignment_id": "a", "tier": tier, "mode": "floor",
            "occurred_at": on, "until": until })
}

/// Anna's standing after these facts, with the version that decides.
fn standing(program: &Value, facts: &[Value], as_of: &str) -> (Version, Standing) {
    let mut replay = Replay::start(program, &Zones::built_in()).unwrap();
    for fact in facts {
        replay.line(fact, at(as_of)).unwrap();
    }
    let standing = replay.standing(&MemberId::new("anna").unwrap(), at(as_of)).unwrap();
    (replay.version_at(at(as_of)).clone(), standing)
}

fn notices(program: &Value, facts: &[Value], as_of: &str) -> Vec<Notice> {
    let (version, standing) = standing(program, facts, as_of);
    due(&version, &standing, at(as_of))
}

fn keys(program: &Value, facts: &[Value], as_of: &str) -> Vec<String> {
    notices(program, facts, as_of).iter().map(Notice::key).collect()
}

/// Gold was reached in 2025, so it holds through 2026 in Anna's time zone.
#[test]
fn a_tier_is_expiring_from_the_local_midnight_so_many_days_before_its_end() {
    let order = [spent("1", "600", "2025-06-01T12:00:00Z")];
    let end = "2027-01-01T05:00:00.000Z";
    for (days, as_of, told) in [
        (json!([30]), "2026-12-02T04:59:59.999Z", None),
        (json!([30]), "2026-12-02T05:00:00Z", Some(30)),
        (json!([30]), "2027-01-01T04:59:59.999Z", Some(30)),
        (json!([30]), "2027-01-01T05:00:00Z", None),
        // A member evaluated late gets only the nearest notice, in whatever order the days are written.
        (json!([60, 30, 7]), "2026-12-10T12:00:00Z", Some(30)),
        (json!([7, 60, 30]), "2026-12-28T12:00:00Z", Some(7)),
        (json!([1]), "2026-12-31T05:00:00Z", Some(1)),
        (json!([]), "2026-12-31T05:00:00Z", None),
    ] {
        let expected: Vec<_> = told.into_iter().map(|days| format!("expiring#gold#{end}#{days}")).collect();
        let found =
            keys(&program(by_year(), json!({ "expiring_days": days, "within_reach_percent": 0 })), &order, as_of);
        assert_eq!(found, expected, "{days} at {as_of}");
    }
}

#[test]
fn what_keeps_the_tier_is_told_only_where_it_is_earned() {
    let program = program(by_year(), json!({ "within_reach_percent": 0 }));
    let facts = [spent("1", "600", "2025-06-01T12:00:00Z"), spent("2", "120", "2026-03-01T12:00:00Z")];
    let [Notice::Expiring(told)] = &*notices(&program, &facts, "2026-12-15T12:00:00Z") else { panic!() };
    let kept = told.requalify.unwrap();
    assert_eq!((told.upcoming.as_ref().unwrap().as_str(), kept.by), ("silver", told.valid_until));
    assert_eq!((kept.counted, kept.remaining), (Quantity::whole(120), Quantity::whole(380)));
    // Gold is given by hand over an earned silver, so no purchase keeps it.
    let facts =
        [spent("1", "120", "2025-06-01T12:00:00Z"), floor("gold", "2026-01-01T00:00:00Z", "2026-06-10T12:00:00Z")];
    let [Notice::Expiring(told)] = &*notices(&program, &facts, "2026-06-01T12:00:00Z") else { panic!() };
    assert_eq!((told.tier.as_str(), told.requalify), ("gold", None));
}

#[test]
fn an_end_within_a_day_counts_whole_local_days_before_its_own() {
    let program = program(json!({ "period": "lifetime" }), json!({ "expiring_days": [2] }));
    let facts = [floor("gold", "2026-01-01T00:00:00Z", "2026-06-10T22:00:00Z")];
    assert!(keys(&program, &facts, "2026-06-08T03:59:59Z").is_empty());
    assert_eq!(keys(&program, &facts, "2026-06-08T04:00:00Z"), ["expiring#gold#2026-06-10T22:00:00.000Z#2"]);
}

#[test]
fn a_tier_is_within_reach_when_at_most_so_much_of_its_threshold_is_missing() {
    let year = "2026-01-01T05:00:00.000Z";
    for (spend, percent, next) in [
        ("449.99", 10, None),
        ("450", 10, Some("gold")),
        ("499.99", 10, Some("gold")),
        ("500", 10, None),
        ("90", 10, Some("silver")),
        ("89.99", 10, None),
        ("499.99", 0, None),
        ("250", 50, Some("gold")),
    ] {
        let program = program(by_year(), json!({ "within_reach_percent": percent }));
        let found = keys(&program, &[spent("1", spend, "2026-03-01T12:00:00Z")], "2026-03-02T12:00:00Z");
        let expected: Vec<_> = next.into_iter().map(|next| format!("within_reach#{next}#{year}")).collect();
        assert_eq!(found, expected, "{spend} of {percent} %");
    }
}

#[test]
fn within_reach_is_told_with_what_is_missing_and_by_when_if_the_counter_restarts() {
    let upgraded = "2026-03-01T12:00:00.000Z";
    let both = [spent("1", "100", upgraded), spent("2", "460", "2026-03-05T12:00:00Z")];
    let second = &both[1..];
    for (period, facts, by, since) in [
        (json!("calendar_year"), second, Some("2027-01-01T05:00:00Z"), "2026-01-01T05:00:00.000Z"),
        (json!("lifetime"), second, None, "2026-03-05T12:00:00.000Z"),
        (json!({ "rolling": { "days": 30 } }), second, None, "2026-03-05T12:00:00.000Z"),
        // Reaching silver restarted the counter, and it ends at silver's deadline.
        (json!({ "since_last_upgrade": { "days": 90 } }), &both, Some("2026-05-31T04:00:00Z"), upgraded),
    ] {
        let program = program(json!({ "metric": "amount_spent", "period": period }), json!({ "expiring_days": [] }));
        let [Notice::WithinReach(told)] = &*notices(&program, facts, "2026-03-10T12:00:00Z") else {
            panic!("{period}")
        };
        assert_eq!((told.tier.as_ref().unwrap().as_str(), told.next.as_str()), ("silver", "gold"));
        assert_eq!((told.remaining, told.by), (Quantity::whole(40), by.map(at)), "{period}");
        assert_eq!(told.period.map(instant).as_deref(), Some(since), "{period}");
    }
}

/// With no tier earned the window moves every day, but a notice is not sent every day.
#[test]
fn a_trailing_window_starts_no_new_period_every_day() {
    let milestone = json!({ "metric": "amount_spent", "period": { "since_last_upgrade": { "days": 90 } } });
    let program = program(milestone, json!({}));
    let facts = [spent("1", "95", "2026-03-01T12:00:00Z")];
    let told = keys(&program, &facts, "2026-03-02T12:00:00Z");
    assert_eq!(told, ["within_reach#silver#2026-03-01T12:00:00.000Z"]);
    assert_eq!(keys(&program, &facts, "2026-04-20T12:00:00Z"), told);
}

#[test]
fn without_a_first_fact_or_while_the_program_is_inactive_there_is_nothing_to_tell() {
    let mut program = program(by_year(), json!({ "within_reach_percent": 100 }));
    assert!(keys(&program, &[], "2026-12-15T12:00:00Z").is_empty());
    let facts = [spent("1", "120", "2025-06-01T12:00:00Z")];
    assert_eq!(keys(&program, &facts, "2026-12-15T12:00:00Z").len(), 2);
    program["active"] = json!(false);
    assert!(keys(&program, &facts, "2026-12-15T12:00:00Z").is_empty());
    let tags = json!({ "start_date": "2023-01-01", "milestone": { "metric": "customer_tags" },
                       "notices": { "within_reach_percent": 100 }, "tiers": [{ "id": "gold", "tags": ["g"] }] });
    assert!(keys(&tags, &facts, "2026-12-15T12:00:00Z").is_empty());
}

#[test]
fn what_can_come_again_is_remembered_and_nothing_else() {
    let facts = [spent("1", "460", "2026-03-01T12:00:00Z")];
    for (key, as_of, recurs) in [
        ("expiring#gold#2027-01-01T05:00:00.000Z#30", "2027-01-01T04:59:59Z", true),
        // A newer release may move the midnight by less than three hours.
        ("expiring#gold#2027-01-01T05:00:00.000Z#30", "2027-01-01T07:59:59Z", true),
        ("expiring#gold#2027-01-01T05:00:00.000Z#30", "2027-01-01T08:00:00Z", false),
        ("expiring#a#b 1#2027-01-01T05:00:00.000Z#30", "2026-03-02T12:00:00Z", true),
        ("expiring#a#b 1#2026-01-01T05:00:00.000Z#30", "2026-03-02T12:00:00Z", false),
        ("within_reach#gold#2026-01-01T05:00:00.000Z", "2026-03-02T12:00:00Z", true),
        ("within_reach#a#b#2026-01-01T05:00:00.000Z", "2026-03-02T12:00:00Z", true),
        ("within_reach#gold#2025-01-01T05:00:00.000Z", "2026-03-02T12:00:00Z", false),
        ("within_reach#gold#2026-01-01T05:00:00.000Z", "2027-03-02T12:00:00Z", false),
        ("of_a_newer_release#gold", "2027-03-02T12:00:00Z", true),
    ] {
        let (version, mut standing) = standing(&program(by_year(), json!({})), &facts, as_of);
        assert_eq!(can_recur(key, &version, &standing, at(as_of)), recurs, "{key} at {as_of}");
        standing.active = false;
        assert!(can_recur(key, &version, &standing, at(as_of)) || key.starts_with(EXPIRING), "{key} while inactive");
    }
}

/// A key is remembered at the instant of its notice; otherwise the notice would be sent again at once.
#[test]
fn what_is_told_is_remembered_at_the_same_instant() {
    let facts = [spent("1", "600", "2025-06-01T12:00:00Z"), spent("2", "96", "2026-12-15T12:00:00Z")];
    for period in
        [json!("calendar_year"), json!("lifetime"), json!({ "rolling": {"days": 560} }), json!("since_last_upgrade")]
    {
        let program =
            program(json!({ "metric": "amount_spent", "period": period }), json!({ "within_reach_percent": 100 }));
        for as_of in ["2025-05-01T12:00:00Z", "2026-05-20T12:00:00Z", "2026-12-15T12:00:00Z", "2027-01-01T05:00:00Z"] {
            let (version, standing) = standing(&program, &facts, as_of);
            for notice in due(&version, &standing, at(as_of)) {
                assert!(can_recur(&notice.key(), &version, &standing, at(as_of)), "{notice:?}");
            }
        }
    }
}

#[test]
fn what_was_told_is_not_told_again_where_a_newer_release_moves_its_midnight() {
    let facts = [spent("1", "120", "2025-06-01T12:00:00Z")];
    let program = program(by_year(), json!({ "within_reach_percent": 100 }));
    let (version, standing) = standing(&program, &facts, "2026-12-15T12:00:00Z");
    let zone = &version.program.timezone;
    let notices = due(&version, &standing, at("2026-12-15T12:00:00Z"));
    let keys: Vec<String> = notices.iter().map(Notice::key).collect();
    assert_eq!(keys, ["expiring#silver#2027-01-01T05:00:00.000Z#30", "within_reach#gold#2026-01-01T05:00:00.000Z"]);
    for (notice, told, again) in [
        (&notices[0], "expiring#silver#2027-01-01T05:00:00.000Z#30", false),
        (&notices[0], "expiring#silver#2027-01-01T06:00:00.000Z#30", false),
        (&notices[0], "expiring#silver#2027-01-01T04:00:00.000Z#30", false),
        (&notices[0], "expiring#silver#2027-01-01T08:00:00.000Z#30", true),
        (&notices[0], "expiring#silver#2027-01-01T06:00:00.000Z#7", true),
        (&notices[0], "expiring#gold#2027-01-01T06:00:00.000Z#30", true),
        (&notices[1], "within_reach#gold#2026-01-01T06:00:00.000Z", false),
        (&notices[1], "within_reach#gold#2026-01-01T08:00:00.000Z", true),
        (&notices[1], "within_reach#silver#2026-01-01T06:00:00.000Z", true),
        (&notices[1], "within_reach#gold#-", true),
    ] {
        assert_eq!(notice.was_told(&[told.to_owned()], zone), !again, "{told}");
    }
    // An end that is not a midnight is never moved by a release.
    let lock = json!({ "type": "tier.assigned", "member_id": "anna", "assignment_id": "a", "occurred_at": "2026-12-01T12:00:00Z",
                       "tier": "gold", "mode": "lock", "until": "2026-12-20T10:00:00Z" });
    let (version, standing) = self::standing(&program, &[lock], "2026-12-15T12:00:00Z");
    let notice = due(&version, &standing, at("2026-12-15T12:00:00Z")).remove(0);
    assert!(!notice.was_told(&[notice.key().replace("T10:00", "T09:00")], &version.program.timezone), "{notice:?}");
}
