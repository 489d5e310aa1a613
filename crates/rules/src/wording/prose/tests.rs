use serde_json::{Value, json};

use super::*;
use crate::calendar::{Instant, Zones};
use crate::id::MemberId;
use crate::record::Row;
use crate::replay::Replay;

fn program(milestone: Value) -> Value {
    json!({ "name": "Acme", "timezone": "America/New_York", "start_date": "2023-01-01", "milestone": milestone,
            "tiers": [{ "id": "silver", "name": "Silver", "threshold": "100" },
                      { "id": "gold", "name": "Gold", "threshold": "500" }] })
}

fn tags() -> Value {
    let mut program = program(json!({ "metric": "customer_tags" }));
    program["tiers"] = json!([{ "id": "silver", "name": "Silver", "tags": ["vip"] },
                              { "id": "gold", "name": "Gold", "tags": ["wholesale"] }]);
    program
}

fn order(id: &str, at: &str, total: &str) -> Value {
    json!({ "type": "order.paid", "member_id": "anna", "order_id": id, "occurred_at": at, "total": total })
}

fn refund(order: &str, at: &str, amount: &str) -> Value {
    json!({ "type": "order.refunded", "refund_id": "r", "order_id": order, "occurred_at": at, "amount": amount })
}

fn assigned(mode: &str, tier: Value, until: Value) -> Value {
    json!({ "type": "tier.assigned", "member_id": "anna", "assignment_id": "a1", "occurred_at": "2023-06-01T12:00:00Z",
            "tier": tier, "mode": mode, "until": until })
}

fn replayed(program: &Value, events: &[Value], as_of: Instant) -> Replay {
    let mut replay = Replay::start(program, &Zones::built_in()).unwrap();
    for event in events {
        replay.line(event, as_of).unwrap();
    }
    replay.finish(as_of);
    replay
}

fn told(program: &Value, events: &[Value], as_of: &str, lists: Lists) -> String {
    let as_of = Instant::parse(as_of).unwrap();
    let replay = replayed(program, events, as_of);
    let anna = MemberId::new("anna").unwrap();
    let (standing, explanation) = (replay.standing(&anna, as_of).unwrap(), replay.explain(&anna, as_of).unwrap());
    prose(replay.version_at(as_of), &standing, &explanation, lists).join("\n")
}

/// Asserts that the text about Anna contains each of these lines, or parts of lines.
#[track_caller]
fn says(program: &Value, events: &[Value], as_of: &str, expected: &[&str]) {
    let told = told(program, events, as_of, Lists::Short);
    for line in expected {
        assert!(told.contains(line), "missing: {line}\nin:\n{told}");
    }
}

#[test]
fn a_calendar_year_member_hears_both_years_and_what_keeps_the_tier() {
    let program = program(json!({ "metric": "amount_spent", "period": "calendar_year" }));
    let events = [
        order("old", "2022-12-31T12:00:00Z", "900"),
        order("o1", "2023-11-10T15:30:00Z", "550"),
        refund("o1", "2023-11-20T12:00:00Z", "30"),
        order("o2", "2024-02-01T12:00:00Z", "120"),
    ];
    says(
        &program,
        &events,
        "2024-06-01T00:00:00Z",
        &[
            "Holds Gold since November 10, 2023 at 10:30, through December 31, 2024.",
            "If nothing more happens, January 1, 2025 brings Silver.",
            "Acme: tiers are earned by the amount spent in a calendar year, and hold for the rest of that year",
            "a tier goes when what earned it is refunded or cancelled.",
            "This year (from January 1, 2024 through December 31, 2024): 120.00 USD, which earns Silver.",
            "Last year (from January 1, 2023 through December 31, 2023): 520.00 USD, which earns Gold.",
            "Earned: Gold, which takes 500.00 USD.",
            "There is no tier above Gold.",
            "To keep Gold beyond December 31, 2024: 500.00 USD by then; 120.00 USD are counted so far, 380.00 USD are missing.",
            "The tier can next change by itself on January 1, 2025.",
            "Counted this year:\n  120.00 USD, February 1, 2024, order `o2`",
            "Counted last year:\n  550.00 USD, November 10, 2023, order `o1`\n  -30.00 USD, November 10, 2023, refund `r` of order `o1`",
            "Not counted:\n  dated before the program's start: order `old`",
            "Program version 1 counts from January 1, 2023 on.",
        ],
    );
}

#[test]
fn a_calendar_year_member_who_earned_the_tier_again_is_requalified() {
    let program = program(json!({ "metric": "orders_placed", "period": "calendar_year" }));
    let events: Vec<_> = (0..100).map(|n| order(&n.to_string(), "2023-02-01T12:00:00Z", "9")).collect();
    says(
        &program,
        &events,
        "2023-06-01T00:00:00Z",
        &[
            "Requalified: Silver is already earned beyond December 31, 2023.",
            "Next: Gold, which takes 500 orders; 400 orders are missing, by December 31, 2023.",
            "through December 31, 2024.",
        ],
    );
}

#[test]
fn a_start_that_was_moved_to_new_year_is_named() {
    let mut program = program(json!({ "period": "calendar_year" }));
    program["start_date"] = json!("2021-11-01");
    program["effective_at"] = json!("2023-03-15T12:00:00Z");
    let events = [order("o1", "2023-11-10T15:30:00Z", "550")];
    says(
        &program,
        &events,
        "2023-12-01T00:00:00Z",
        &[
            "Program version 1 counts from January 1, 2023 on (its start date is November 1, 2021; a calendar-year program",
            "not what this program looks at: order `o1`",
            "Earned: no tier.",
        ],
    );
}

#[test]
fn a_lifetime_tier_is_kept_or_goes_with_the_refund() {
    let events = [order("o1", "2023-02-01T12:00:00Z", "550"), refund("o1", "2023-03-01T12:00:00Z", "100")];
    let keep = program(json!({ "metric": "amount_spent", "period": "lifetime" }));
    says(
        &keep,
        &events,
        "2023-06-01T00:00:00Z",
        &[
            "Holds Gold since February 1, 2023 at 07:00, with no end in sight.",
            "a tier once achieved is kept, whatever is refunded or cancelled.",
            "So far (from January 1, 2023): 450.00 USD",
            "Gold was reached before and is kept, although less counts now",
            "The tier does not change by itself.",
        ],
    );
    let revoke = program(json!({ "metric": "amount_spent", "period": "lifetime", "on_refund": "revoke" }));
    says(
        &revoke,
        &events,
        "2023-06-01T00:00:00Z",
        &[
            "Holds Silver since March 1, 2023 at 07:00, with no end in sight.",
            "a tier goes when what earned it is refunded or cancelled.",
            "Next: Gold, which takes 500.00 USD; 50.00 USD are missing.",
        ],
    );
}

#[test]
fn after_an_upgrade_the_counter_the_last_day_and_the_deadline_are_named() {
    let program = program(json!({ "metric": "amount_spent", "period": "since_last_upgrade" }));
    let events = [order("o1", "2023-02-01T12:00:00Z", "550"), order("o2", "2023-05-01T12:00:00Z", "40")];
    says(
        &program,
        &events,
        "2023-06-01T00:00:00Z",
        &[
            "Holds Gold since February 1, 2023 at 07:00, through February 1, 2024.",
            "since the last upgrade, which restarts the counter; a tier holds for 365 days and is then decided again;",
            "So far (from February 1, 2023 at 07:00 through February 1, 2024): 40.00 USD.",
            "To keep Gold beyond February 1, 2024: 500.00 USD by then; 40.00 USD are counted so far, 460.00 USD are missing.",
            "The tier can next change by itself on February 2, 2024.",
            "before the last upgrade or deadline, which restarted the counter: order `o1`",
        ],
    );
}

#[test]
fn a_rolling_member_hears_what_will_still_count() {
    let program = program(json!({ "metric": "amount_spent", "period": { "rolling": { "months": 12 } } }));
    let events = [order("o1", "2023-02-01T12:00:00Z", "450"), order("o2", "2023-05-01T12:00:00Z", "60")];
    says(
        &program,
        &events,
        "2023-06-01T12:00:00Z",
        &[
            "Holds Gold since May 1, 2023 at 08:00, through January 31, 2024.",
            "in the last 12 months, evaluated again every day; what is refunded or cancelled no longer counts.",
            "So far (from January 1, 2023 through June 1, 2023): 510.00 USD, which earns Gold.",
            "To keep Gold beyond January 31, 2024: 500.00 USD by then; 60.00 USD are counted so far, 440.00 USD are missing.",
        ],
    );
}

#[test]
fn tags_are_named_and_have_no_progress() {
    let events = [
        json!({ "type": "customer.tags_set", "member_id": "anna", "occurred_at": "2023-01-05T12:00:00Z", "tags": ["x"] }),
        json!({ "type": "customer.tags_set", "member_id": "anna", "occurred_at": "2023-02-01T12:00:00Z",
                "tags": ["VIP", "newsletter"] }),
    ];
    says(
        &tags(),
        &events,
        "2023-06-01T00:00:00Z",
        &[
            "Holds Silver since February 1, 2023 at 07:00, with no end in sight.",
            "Acme: tiers follow the customer's tags, as long as they are there.",
            "The customer's tags: `newsletter`, `vip`.",
            "Earned: Silver, by a tag.",
            "replaced by a later fact: tags of January 5, 2023 at 07:00",
            "Program version 1 decides.",
        ],
    );
}

#[test]
fn an_assignment_is_said_beside_what_is_earned() {
    let program = program(json!({ "metric": "amount_spent" }));
    let bought = order("o1", "2023-02-01T12:00:00Z", "150");
    let floor = assigned("floor", json!("gold"), json!("2023-12-01T05:00:00Z"));
    says(
        &program,
        &[bought.clone(), floor],
        "2023-07-01T00:00:00Z",
        &[
            "Holds Gold since June 1, 2023 at 08:00, through November 30, 2023.",
            "If nothing more happens, December 1, 2023 brings Silver.",
            "Earned: Silver, which takes 100.00 USD.",
            "Missed: Gold, which takes 500.00 USD, by 350.00 USD.",
            "The assignment `a1` gives at least Gold, through November 30, 2023; counters go on",
        ],
    );
    let lock = assigned("lock", Value::Null, json!("2023-12-01T12:00:00Z"));
    says(
        &program,
        &[bought.clone(), lock],
        "2023-07-01T00:00:00Z",
        &[
            "Holds no tier since June 1, 2023 at 08:00",
            "The assignment `a1` gives exactly no tier, until December 1, 2023 at 07:00",
        ],
    );
    let unknown = assigned("floor", json!("ruby"), Value::Null);
    says(
        &program,
        &[bought, unknown],
        "2023-07-01T00:00:00Z",
        &["Holds Silver", "names a tier that the program does not have: assignment `a1`"],
    );
}

#[test]
fn in_an_inactive_program_no_member_holds_a_tier_and_what_counts_is_told() {
    let mut program = program(json!({ "metric": "amount_spent" }));
    program["active"] = json!(false);
    says(
        &program,
        &[order("o1", "2023-02-01T12:00:00Z", "150")],
        "2023-07-01T00:00:00Z",
        &[
            "Holds no tier: the program is inactive. Facts are recorded, and no member has a tier.",
            "So far (from January 1, 2023): 150.00 USD",
            "Were it active: Silver, which takes 100.00 USD.",
        ],
    );
}

#[test]
fn an_erased_member_has_no_standing() {
    let erased = json!({ "type": "customer.erased", "member_id": "anna", "occurred_at": "2023-03-01T12:00:00Z" });
    let as_of = Instant::parse("2023-06-01T00:00:00Z").unwrap();
    let events = [order("o1", "2023-02-01T12:00:00Z", "150"), erased];
    let replay = replayed(&program(json!({})), &events, as_of);
    let anna = MemberId::new("anna").unwrap();
    assert_eq!(replay.standing(&anna, as_of), None);
    assert!(replay.rows(&anna).is_empty());
    assert!(ERASED.starts_with("Was erased"));
}

#[test]
fn a_tier_held_over_a_change_of_the_program_is_said() {
    let lifetime = program(json!({ "metric": "amount_spent" }));
    let mut dearer = lifetime.clone();
    dearer["tiers"][1]["threshold"] = json!("5000");
    let publish = json!({ "type": "program.published", "occurred_at": "2023-06-01T04:00:00Z", "program": dearer });
    let events = [order("o1", "2023-02-01T12:00:00Z", "550"), publish];
    says(
        &lifetime,
        &events,
        "2023-07-01T00:00:00Z",
        &[
            "Holds Gold since February 1, 2023 at 07:00, with no end in sight.",
            "Earned: Silver, which takes 100.00 USD.",
            "The change to program version 2 keeps at least Gold, without end",
        ],
    );
}

#[test]
fn a_long_list_is_shortened_in_the_middle_and_its_amounts_still_add_up() {
    let program = program(json!({ "metric": "amount_spent" }));
    let events: Vec<_> = (10..30)
        .map(|n| order(&n.to_string(), &format!("2023-02-{n}T12:00:00Z").replace("-29T", "-28T"), "10"))
        .collect();
    let short = told(&program, &events, "2023-06-01T00:00:00Z", Lists::Short);
    assert!(
        short.contains(
            "order `13`\n  … 12 more facts, together 120.00 USD …\n  10.00 USD, February 26, 2023, order `26`"
        )
    );
    let full = told(&program, &events, "2023-06-01T00:00:00Z", Lists::Full);
    assert_eq!(full.matches("  10.00 USD").count(), 20);
    assert!(!full.contains('…'));
}

#[test]
fn a_member_without_a_seen_fact_holds_nothing() {
    let later = json!({ "type": "points.earned", "member_id": "anna", "entry_id": "p", "points": 5,
                        "occurred_at": "2023-02-01T12:04:00Z", "received_at": "2023-02-01T12:00:00Z" });
    says(&program(json!({})), &[later], "2023-02-01T12:00:00Z", &["Holds no tier: nothing has happened yet."]);
}

#[test]
fn history_is_told_with_causes_in_words() {
    let mut program = program(json!({ "metric": "amount_spent", "period": "calendar_year" }));
    program["tiers"][1]["entry_rewards"] = json!([{ "type": "points", "points": 50 }]);
    program["tiers"][1]["perks"] = json!([{ "type": "birthday_points", "points": 20 }]);
    let events = [
        json!({ "type": "customer.enrolled", "member_id": "anna", "occurred_at": "2023-01-05T12:00:00Z",
                "birthday": "07-14" }),
        order("o1", "2023-02-01T12:00:00Z", "150"),
        order("o2", "2023-03-01T12:00:00Z", "500"),
        refund("o2", "2024-03-01T12:00:00Z", "500"),
        assigned("floor", json!("gold"), Value::Null),
    ];
    let as_of = Instant::parse("2025-06-01T00:00:00Z").unwrap();
    let replay = replayed(&program, &events[..4], as_of);
    let anna = MemberId::new("anna").unwrap();
    assert_eq!(
        history(replay.version_at(as_of), replay.rows(&anna)),
        [
            "1. February 1, 2023 at 07:00: entered Silver, by a purchase or points",
            "2. March 1, 2023 at 07:00: upgraded from Silver to Gold, by a purchase or points",
            "entry reward of Gold due, with transition 2",
            "July 14, 2023: 20 birthday points due, for holding Gold",
            "3. March 1, 2024 at 07:00: downgraded from Gold to Silver, by a refund or cancellation",
            "4. January 1, 2025: left Silver, because a period ended",
        ]
    );
}

/// Asserts the summaries of Anna's transitions.
#[track_caller]
fn sums_up(program: &Value, events: &[Value], as_of: &str, expected: &[&str]) {
    let as_of = Instant::parse(as_of).unwrap();
    let replay = replayed(program, events, as_of);
    let anna = MemberId::new("anna").unwrap();
    let transitions = replay.rows(&anna).iter().filter_map(|row| match row {
        Row::Transition(made) => Some(summary(replay.version_at(made.at), made)),
        Row::Reward(_) | Row::Birthday(_) | Row::Correction(_) | Row::Held(_) => None,
    });
    assert_eq!(transitions.collect::<Vec<_>>(), expected);
}

#[test]
fn a_transition_is_summed_up_with_what_decided() {
    let year = program(json!({ "metric": "amount_spent", "period": "calendar_year" }));
    let events = [order("o1", "2023-02-01T12:00:00Z", "150"), order("o2", "2023-03-01T12:00:00Z", "500")];
    sums_up(
        &year,
        &events,
        "2025-06-01T00:00:00Z",
        &[
            "Entered Silver by a purchase or points. 150.00 USD this year; Silver takes 100.00 USD.",
            "Upgraded from Silver to Gold by a purchase or points. 650.00 USD this year; Gold takes 500.00 USD.",
            "Left Gold because a period ended. 0.00 USD this year; Silver takes 100.00 USD.",
        ],
    );
    let since = program(json!({ "metric": "amount_spent", "period": "since_last_upgrade" }));
    sums_up(
        &since,
        &events[..1],
        "2023-06-01T00:00:00Z",
        &["Entered Silver by a purchase or points. Silver takes 100.00 USD."],
    );
    let lifetime = program(json!({ "metric": "orders_placed" }));
    let floor = assigned("floor", json!("gold"), json!("2023-12-01T05:00:00Z"));
    sums_up(
        &lifetime,
        &[floor],
        "2024-06-01T00:00:00Z",
        &[
            "Entered Gold by hand. The assignment `a1` gives at least Gold, through November 30, 2023.",
            "Left Gold because a period ended. 0 orders since January 1, 2023; Silver takes 100 orders.",
        ],
    );
    let tagged = json!({ "type": "customer.tags_set", "member_id": "anna", "occurred_at": "2023-01-05T12:00:00Z",
                         "tags": ["vip"] });
    sums_up(
        &tags(),
        &[tagged],
        "2023-06-01T00:00:00Z",
        &["Entered Silver by the customer's tags. The customer's tags decide."],
    );
}

#[test]
fn a_summary_stays_short_whatever_tiers_are_called() {
    let mut long = program(json!({ "metric": "amount_spent" }));
    long["tiers"][0]["name"] = json!("ß".repeat(400));
    let as_of = Instant::parse("2023-06-01T00:00:00Z").unwrap();
    let replay = replayed(&long, &[order("o1", "2023-02-01T12:00:00Z", "150")], as_of);
    let rows = replay.rows(&MemberId::new("anna").unwrap());
    let Row::Transition(made) = &rows[0] else { panic!("{rows:?}") };
    let summary = summary(replay.version_at(as_of), made);
    assert_eq!(summary.chars().count(), SUMMARY_CHARS_MAX);
    assert!(summary.ends_with("ß…"));
}
