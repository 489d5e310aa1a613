//! Members, programs and instants for the targets, made once.

use std::sync::OnceLock;

use rules::calendar::{Instant, Zones};
use rules::fact::Fact;
use rules::fact_index::FactIndex;
use rules::id::MemberId;
use rules::ledger::Ledger;
use rules::program::Program;
use rules::version::{Version, Versions};
use serde_json::{Value, json};

use super::usd;

/// Ordinary instants, boundaries, and the ends of the calendar.
pub fn instants() -> [Instant; 6] {
    static INSTANTS: OnceLock<[Instant; 6]> = OnceLock::new();
    *INSTANTS.get_or_init(|| {
        [
            "0000-01-01T00:00:00Z",
            "1969-12-31T23:59:59.999Z",
            "2024-01-01T00:00:00Z",
            "2024-03-01T12:34:56.789Z",
            "2026-02-28T05:00:00Z",
            "9999-12-31T23:59:59.999Z",
        ]
        .map(|text| Instant::parse(text).unwrap())
    })
}

/// A member with every kind of fact, over two years.
pub fn everyday() -> &'static Ledger {
    static LEDGER: OnceLock<Ledger> = OnceLock::new();
    LEDGER.get_or_init(|| {
        ledger(&[
            json!({ "type": "customer.enrolled", "occurred_at": "2023-01-02T10:00:00Z", "birthday": "02-29" }),
            json!({ "type": "order.paid", "order_id": "1001", "occurred_at": "2023-02-01T10:00:00Z", "total": "119.00", "tax": "19", "shipping": "4.90", "discounts": "10" }),
            json!({ "type": "order.paid", "order_id": "1002", "occurred_at": "2023-03-31T23:30:00Z", "total": "500.25", "currency": "EUR", "exchange_rate": "1.0875" }),
            json!({ "type": "order.paid", "order_id": "1003", "occurred_at": "2023-04-01T00:00:00Z", "total": "70", "currency": "JPY" }),
            json!({ "type": "order.paid", "order_id": "1004", "occurred_at": "2024-02-29T12:00:00Z", "total": "1000" }),
            json!({ "type": "order.paid", "order_id": "1005", "occurred_at": "2024-03-01T00:00:00Z", "total": "30", "test": true }),
            json!({ "type": "order.refunded", "order_id": "1001", "refund_id": "r1", "occurred_at": "2023-12-31T23:59:59.999Z", "amount": "19.99" }),
            json!({ "type": "order.refunded", "order_id": "1004", "refund_id": "r1", "occurred_at": "2025-01-10T00:00:00Z", "amount": "1000" }),
            json!({ "type": "order.cancelled", "order_id": "1003", "occurred_at": "2023-05-01T00:00:00Z" }),
            json!({ "type": "order.refunded", "order_id": "later", "refund_id": "r9", "occurred_at": "2023-05-02T00:00:00Z", "amount": "5" }),
            json!({ "type": "points.earned", "entry_id": "p1", "occurred_at": "2023-02-01T10:00:00Z", "points": 600 }),
            json!({ "type": "points.adjusted", "entry_id": "p2", "occurred_at": "2023-06-01T00:00:00Z", "points": -50 }),
            json!({ "type": "points.imported", "entry_id": "p3", "occurred_at": "2023-11-05T00:00:00Z", "points": 1500 }),
            json!({ "type": "points.canceled", "cancel_id": "c1", "entry_id": "p3", "occurred_at": "2024-05-05T00:00:00Z", "points": 700 }),
            json!({ "type": "points.canceled", "cancel_id": "c2", "entry_id": "p3", "occurred_at": "2024-05-05T00:00:00Z" }),
            json!({ "type": "customer.tags_set", "occurred_at": "2023-07-01T00:00:00Z", "tags": ["VIP", "gold"] }),
            json!({ "type": "customer.tags_changed", "occurred_at": "2024-07-01T00:00:00Z", "added": ["silver"], "removed": ["vip"] }),
            json!({ "type": "tier.assigned", "assignment_id": "a1", "occurred_at": "2024-01-15T00:00:00Z", "tier": "gold", "mode": "floor", "until": "2024-02-15T00:00:00Z" }),
            json!({ "type": "tier.assigned", "assignment_id": "a2", "occurred_at": "2025-03-01T00:00:00Z", "tier": null, "mode": "lock", "until": "2025-04-01T00:00:00Z" }),
            json!({ "type": "tier.unassigned", "assignment_id": "a3", "occurred_at": "2025-03-15T00:00:00Z" }),
        ])
    })
}

/// A member with the largest values of everything, at the ends of the calendar.
pub fn extremes() -> &'static Ledger {
    static LEDGER: OnceLock<Ledger> = OnceLock::new();
    LEDGER.get_or_init(|| {
        let largest = "999999999999.9999";
        let mut facts = Vec::new();
        for (id, at) in ["0000-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"].iter().enumerate() {
            let id = id.to_string();
            facts.push(json!({ "type": "order.paid", "order_id": id, "occurred_at": at, "total": largest, "tax": "0.0001", "discounts": largest,
                               "currency": "EUR", "exchange_rate": "999999999.9999999999" }));
            facts.push(json!({ "type": "order.refunded", "order_id": id, "refund_id": "r", "occurred_at": "2024-02-29T00:00:00Z", "amount": "333333333333.3333" }));
            facts.push(json!({ "type": "points.earned", "entry_id": id, "occurred_at": at, "points": 999_999_999_999_i64 }));
            facts.push(json!({ "type": "customer.tags_set", "occurred_at": at, "tags": ["gold"] }));
            facts.push(json!({ "type": "tier.assigned", "assignment_id": id, "occurred_at": at, "tier": "gold", "mode": "floor", "until": "9999-12-31T23:59:59.999Z" }));
        }
        ledger(&facts)
    })
}

fn ledger(facts: &[Value]) -> Ledger {
    let mut index = FactIndex::new();
    for fact in facts {
        let mut fact = fact.clone();
        fact["member_id"] = json!("anna");
        let _ = index.apply(Fact::read(&fact, usd()).unwrap().fact);
    }
    index.ledger(&MemberId::new("anna").unwrap()).unwrap().clone()
}

/// Programs of each metric and period.
pub fn versions() -> &'static [Version] {
    static VERSIONS: OnceLock<Vec<Version>> = OnceLock::new();
    VERSIONS.get_or_init(|| {
        let money = json!(["amount_spent", "UTC", ["100", "500", "900"]]);
        let points = json!(["points_earned", "America/New_York", ["0", "200", "1000"]]);
        let orders = json!(["orders_placed", "Pacific/Kiritimati", ["1", "2", "3"]]);
        let tags = json!(["customer_tags", "UTC", ["", "", ""]]);
        let programs = [
            (&money, json!("lifetime"), "keep"),
            (&money, json!("calendar_year"), "revoke"),
            (&money, json!({ "rolling": { "months": 12 } }), "revoke"),
            (&money, json!({ "since_last_upgrade": { "days": 365 } }), "keep"),
            (&points, json!("calendar_year"), "keep"),
            (&points, json!({ "since_last_upgrade": { "months": 1 } }), "revoke"),
            (&orders, json!({ "rolling": { "days": 30 } }), "revoke"),
            (&orders, json!("lifetime"), "revoke"),
            (&tags, json!("lifetime"), "keep"),
        ];
        programs.iter().map(|(counted, period, on_refund)| version(counted, period, on_refund)).collect()
    })
}

fn version(counted: &Value, period: &Value, on_refund: &str) -> Version {
    let has_tags = counted[0] == "customer_tags";
    let tier = |(rank, id): (usize, &str)| {
        if has_tags {
            json!({ "id": id, "tags": [id] })
        } else {
            json!({ "id": id, "threshold": counted[2][rank], "perks": [{ "type": "birthday_points", "points": 50 }] })
        }
    };
    let tiers: Vec<Value> = ["bronze", "silver", "gold"].into_iter().enumerate().map(tier).collect();
    let mut program = json!({ "start_date": "2023-01-01", "timezone": counted[1], "tiers": tiers,
                              "spend": { "include_tax": false, "before_discounts": true } });
    program["milestone"] = if has_tags {
        json!({ "metric": "customer_tags" })
    } else {
        json!({ "metric": counted[0], "period": period, "on_refund": on_refund })
    };
    let draft = Program::read(&program, &Zones::built_in()).unwrap();
    Versions::first(draft.program, draft.effective_at).unwrap().last().clone()
}
