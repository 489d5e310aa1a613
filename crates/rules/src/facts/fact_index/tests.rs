use std::cell::Cell;

use serde_json::{Value, json};

use super::*;
use crate::fact::Currency;

thread_local! {
    /// The number of refunds and cancellations that were built for ledgers on this thread.
    pub(super) static BUILT: Cell<usize> = const { Cell::new(0) };
}

fn fact(event: &Value) -> Fact {
    Fact::read(event, Currency::from_code("USD").unwrap()).unwrap().fact
}

/// The event with fields added or replaced.
fn with(event: &Value, over: &Value) -> Value {
    let mut event = event.clone();
    event.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
    event
}

/// Versions of one fact, in ascending order. Each step raises one field, while all fields that compare later are at their least.
fn steps(event: &Value, content: &[Value]) -> Vec<Value> {
    let mut steps = vec![
        json!({ "revision": "2024-05-01T00:00:00Z" }),
        json!({ "revision": "2024-05-02T00:00:00Z" }),
        json!({ "member_id": "anna" }),
        json!({ "member_id": "bert" }),
        json!({ "imported": false }),
        json!({ "imported": true }),
    ];
    steps.splice(2..2, content.iter().cloned());
    let least = |pairs: &[Value]| pairs.iter().step_by(2).fold(event.clone(), |event, low| with(&event, low));
    let greatest =
        |pairs: &[Value]| pairs.iter().skip(1).step_by(2).fold(event.clone(), |event, high| with(&event, high));
    let mut versions = Vec::new();
    for place in (0..steps.len()).step_by(2) {
        let (before, rest) = (least(&steps[..place]), &steps[place + 2..]);
        let merged = |over: &Value, at: &Value| with(&with(&before, over), at);
        versions.push((merged(&greatest(rest), &steps[place]), merged(&least(rest), &steps[place + 1])));
    }
    versions.into_iter().flat_map(|(less, more)| [less, more]).collect()
}

/// Section 4: by revision, then field by field in the order of the table (for entries the kind first), then by member,
/// then by `imported`.
#[test]
fn of_two_versions_the_one_that_compares_greater_wins_in_either_order() {
    let at = |on: &str| json!({ "occurred_at": on });
    let (early, late) = (at("2024-01-01T00:00:00Z"), at("2024-02-01T00:00:00Z"));
    let facts: [(Value, Vec<Value>); 9] = [
        (
            json!({ "type": "order.paid", "order_id": "1", "total": "1", "currency": "USD" }),
            vec![
                early.clone(),
                late.clone(),
                json!({ "total": "9" }),
                json!({ "total": "10" }),
                json!({ "tax": "1" }),
                json!({ "tax": "2" }),
                json!({ "shipping": "1" }),
                json!({ "shipping": "2" }),
                json!({ "tips": "1" }),
                json!({ "tips": "2" }),
                json!({ "duties": "1" }),
                json!({ "duties": "2" }),
                json!({ "discounts": "1" }),
                json!({ "discounts": "2" }),
                json!({ "gift_cards": "1" }),
                json!({ "gift_cards": "2" }),
                json!({ "paid_with_credit": "1" }),
                json!({ "paid_with_credit": "2" }),
                json!({ "currency": "EUR" }),
                json!({ "currency": "USD" }),
                json!({ "exchange_rate": "1" }),
                json!({ "exchange_rate": "2" }),
                json!({ "test": false }),
                json!({ "test": true }),
            ],
        ),
        (
            json!({ "type": "order.refunded", "order_id": "1", "refund_id": "1" }),
            vec![
                early.clone(),
                late.clone(),
                json!({ "amount": "8" }),
                json!({ "amount": "9" }),
                json!({ "tax": null }), // absent before present
                json!({ "tax": "0" }),
                json!({ "shipping": "1" }),
                json!({ "shipping": "2" }),
                json!({ "tips": "1" }),
                json!({ "tips": "2" }),
                json!({ "duties": "1" }),
                json!({ "duties": "2" }),
                json!({ "gift_cards": "1" }),
                json!({ "gift_cards": "2" }),
            ],
        ),
        (json!({ "type": "order.cancelled", "order_id": "1" }), vec![early.clone(), late.clone()]),
        (json!({ "type": "order.restored", "order_id": "1" }), vec![early.clone(), late.clone()]),
        (
            json!({ "entry_id": "1" }),
            vec![
                json!({ "type": "points.earned" }),
                json!({ "type": "points.adjusted" }),
                early.clone(),
                late.clone(),
                json!({ "points": 1 }),
                json!({ "points": 2 }),
                json!({ "reason": "a" }),
                json!({ "reason": "b" }),
            ],
        ),
        (
            json!({ "type": "points.canceled", "cancel_id": "1" }),
            vec![
                early.clone(),
                late.clone(),
                json!({ "entry_id": "1" }),
                json!({ "entry_id": "2" }),
                json!({ "points": 1 }),
                json!({ "points": 2 }),
            ],
        ),
        (
            json!({ "type": "customer.tags_set", "occurred_at": "2024-01-01T00:00:00Z" }),
            vec![json!({ "tags": ["a"] }), json!({ "tags": ["b"] })],
        ),
        (
            json!({ "type": "tier.assigned", "assignment_id": "1" }),
            vec![
                early.clone(),
                late.clone(),
                json!({ "tier": null }),
                json!({ "tier": "gold" }),
                json!({ "mode": "floor" }),
                json!({ "mode": "lock" }),
                json!({ "until": "2025-01-01T00:00:00Z" }),
                json!({ "until": "2025-02-01T00:00:00Z" }),
                json!({ "reason": "a" }),
                json!({ "reason": "b" }),
                json!({ "by": "a" }),
                json!({ "by": "b" }),
                json!({ "reward": false }),
                json!({ "reward": true }),
            ],
        ),
        (
            json!({ "type": "tier.unassigned", "assignment_id": "1" }),
            vec![
                early,
                late,
                json!({ "reason": "a" }),
                json!({ "reason": "b" }),
                json!({ "by": "a" }),
                json!({ "by": "b" }),
            ],
        ),
    ];
    for (event, content) in facts {
        // Tags belong to one member, so facts of different members cannot be compared.
        let is_own = event["type"] == "customer.tags_set";
        for pair in
            steps(&event, &content).chunks(2).filter(|pair| !is_own || pair[0]["member_id"] == pair[1]["member_id"])
        {
            let (less, more) = (fact(&pair[0]), fact(&pair[1]));
            let mut index = FactIndex::new();
            assert_eq!(index.apply(less.clone()), FactStatus::Applied, "{less:?}");
            assert_eq!(index.apply(more.clone()), FactStatus::Applied, "{more:?} over {less:?}");
            assert_eq!(index.apply(less.clone()), FactStatus::Superseded, "{less:?} under {more:?}");
            assert_eq!(index.apply(more.clone()), FactStatus::Duplicate, "{more:?}");
        }
    }
}

/// Events always name a member where one is required. A fact that is built without one belongs to no member.
#[test]
fn a_fact_without_a_required_member_reaches_no_member() {
    let events = [
        json!({ "type": "points.earned", "entry_id": "1", "points": 1 }),
        json!({ "type": "customer.tags_set", "tags": ["a"] }),
        json!({ "type": "customer.tags_changed", "added": ["a"] }),
        json!({ "type": "customer.enrolled" }),
        json!({ "type": "customer.birthday_set", "birthday": null }),
        json!({ "type": "tier.assigned", "assignment_id": "1", "tier": "gold", "mode": "floor" }),
        json!({ "type": "tier.unassigned", "assignment_id": "1" }),
        json!({ "type": "customer.erased" }),
    ];
    let mut index = FactIndex::new();
    let before =
        fact(&json!({ "type": "customer.enrolled", "member_id": "anna", "occurred_at": "2024-01-01T00:00:00Z" }));
    index.apply(before);
    let anna = index.members().next().unwrap().clone();
    let ledger = index.ledger(&anna).unwrap().clone();
    for event in events {
        let whole = fact(&with(&event, &json!({ "member_id": "anna", "occurred_at": "2024-02-01T00:00:00Z" })));
        let ownerless = Fact { member: None, ..whole };
        assert_eq!((ownerless.erased(), index.affected_members(&ownerless)), (None, BTreeSet::new()), "{event}");
        index.apply(ownerless);
        assert_eq!((index.members().collect::<Vec<_>>(), index.ledger(&anna)), (vec![&anna], Some(&ledger)), "{event}");
    }
}

/// An older version that states the payment stays beside a greater one that does not, whichever comes first: without its
/// member and its amounts, and never shown as an order of its own.
#[test]
fn the_day_of_payment_stays_with_an_order_whose_later_versions_do_not_know_it() {
    let order =
        json!({ "type": "order.paid", "order_id": "1", "occurred_at": "2023-12-31T20:00:00Z", "currency": "USD" });
    let stated =
        fact(&with(&order, &json!({ "member_id": "anna", "total": "100", "paid_at": "2024-01-02T09:00:00Z" })));
    let later =
        fact(&with(&order, &json!({ "member_id": "bert", "total": "120", "revision": "2024-02-01T10:00:00Z" })));
    let id = OrderId::new("1").unwrap();
    let subject = Subject::Order(id.clone());
    let mut found = Vec::new();
    for facts in [[stated.clone(), later.clone()], [later.clone(), stated.clone()]] {
        let mut index = FactIndex::new();
        for fact in &facts {
            assert_eq!(index.apply(fact.clone()), FactStatus::Applied);
        }
        assert_ne!(index.apply(stated.clone()), FactStatus::Applied, "the same again changes nothing");
        let ledger = index.ledger(&MemberId::new("bert").unwrap()).unwrap();
        let [order] = ledger.orders() else { panic!("{ledger:?}") };
        assert_eq!(
            (order.at.to_string(), order.charge.total.to_string()),
            ("2024-01-02T09:00:00Z".into(), "120".into())
        );
        assert!(index.ledger(&MemberId::new("anna").unwrap()).unwrap().is_empty());
        found.push(index.facts(&subject));
    }
    assert_eq!(found[0], found[1]);
    let [kept, beside] = &found[0][..] else { panic!("{found:?}") };
    assert_eq!((kept, beside.member()), (&later, None), "nothing of the older version but the payment is kept");
    // What was stored gives the same index again.
    let mut again = FactIndex::new();
    for fact in found[0].iter().rev() {
        again.insert_known(fact.clone());
    }
    assert_eq!(again.facts(&subject), found[0]);
    let [one] = &shown(found[0].clone())[..] else { panic!("an order is shown once") };
    let FactBody::OrderPaid(_, paid) = &one.body else { panic!("{one:?}") };
    assert_eq!(paid.paid_at.map(|at| at.to_string()).as_deref(), Some("2024-01-02T09:00:00Z"));
}

/// A thousand corrections of one order and of one entry, each put at its place by itself.
#[test]
fn a_correction_does_not_build_the_others_anew() {
    const COUNT: usize = 1_000;
    let mut index = FactIndex::new();
    let at = "2024-01-01T00:00:00Z";
    let own = json!({ "member_id": "anna", "occurred_at": at });
    let order = json!({ "type": "order.paid", "order_id": "1", "total": "5000" });
    let entry = json!({ "type": "points.earned", "entry_id": "1", "points": 5_000 });
    index.apply(fact(&with(&order, &own)));
    index.apply(fact(&with(&entry, &own)));
    BUILT.set(0);
    for number in 0..COUNT {
        let id = format!("{number:04}");
        let over = json!({ "occurred_at": at, "order_id": "1", "refund_id": id, "amount": "1" });
        assert_eq!(index.apply(fact(&with(&json!({ "type": "order.refunded" }), &over))), FactStatus::Applied);
        let over = json!({ "occurred_at": at, "entry_id": "1", "cancel_id": id, "points": 1 });
        assert_eq!(index.apply(fact(&with(&json!({ "type": "points.canceled" }), &over))), FactStatus::Applied);
    }
    assert_eq!(BUILT.get(), 2 * COUNT);
    let ledger = index.ledger(&MemberId::new("anna").unwrap()).unwrap();
    assert_eq!((ledger.orders()[0].refunds.len(), ledger.entries()[0].cancels.len()), (COUNT, COUNT));
    assert!(ledger.is_in_order());
}

/// Corrections before and after what they correct, by several members, revised, dated otherwise, and moved to another entry:
/// after each fact the ledgers are those of an index that builds everything at once.
#[test]
fn corrections_one_by_one_give_the_ledgers_of_all_at_once() {
    let mut seed = 11_u64;
    let mut dice = |sides: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 40) % sides
    };
    let mut parts = 0;
    for _ in 0..200 {
        let (mut index, mut told) = (FactIndex::new(), Vec::new());
        for _ in 0..40 {
            let member = ["anna", "bert"][usize::try_from(dice(2)).unwrap()];
            let of = dice(2).to_string();
            let mut event = match dice(7) {
                0 => json!({ "type": "order.paid", "order_id": of, "total": "100" }),
                1 => json!({ "type": "points.earned", "entry_id": of, "points": 100 }),
                2 | 3 => {
                    json!({ "type": "order.refunded", "order_id": of, "refund_id": dice(4).to_string(), "amount": "9" })
                }
                4 => json!({ "type": "order.cancelled", "order_id": of }),
                _ => {
                    json!({ "type": "points.canceled", "entry_id": of, "cancel_id": dice(4).to_string(), "points": 9 })
                }
            };
            event = with(
                &event,
                &json!({ "occurred_at": format!("2024-01-0{}T00:00:00Z", 1 + dice(5)),
                                          "revision": format!("2024-02-0{}T00:00:00Z", 1 + dice(3)) }),
            );
            if dice(8) > 0 || event["type"] == "order.paid" || event["type"] == "points.earned" {
                event = with(&event, &json!({ "member_id": member }));
            }
            let new = fact(&event);
            parts += usize::from(index.part(&new).is_some());
            index.apply(new.clone());
            told.push(new);
            let mut at_once = FactIndex::new();
            at_once.apply_all(told.iter());
            for member in ["anna", "bert"].map(|id| MemberId::new(id).unwrap()) {
                let [one, all] = [&index, &at_once].map(|index| index.ledger(&member).cloned().unwrap_or_default());
                assert_eq!(one, all, "{event}");
            }
        }
    }
    assert!(parts > 2_000, "few corrections were put in by themselves: {parts}");
}
