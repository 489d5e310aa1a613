//! The outcome of a fact where several apply: the table of `docs/reference/facts.md`, pair by pair.

use rules::fact::{Currency, Fact};
use rules::fact_index::{FactIndex, FactStatus};
use serde_json::{Value, json};

fn read(fact: &Value) -> Fact {
    Fact::read(fact, Currency::from_code("USD").unwrap()).unwrap().fact
}

fn take(index: &mut FactIndex, fact: &Value) -> FactStatus {
    index.apply(read(fact))
}

fn order(member: &str, total: &str, revision: &str) -> Value {
    json!({ "type": "order.paid", "order_id": "1", "member_id": member, "total": total,
            "occurred_at": "2024-03-01T10:00:00Z", "revision": format!("2024-03-0{revision}T10:00:00Z") })
}

fn erase(index: &mut FactIndex, member: &str) -> FactStatus {
    take(index, &json!({ "type": "customer.erased", "member_id": member, "occurred_at": "2024-04-01T10:00:00Z" }))
}

#[test]
fn an_erased_member_wins_over_a_duplicate_and_over_a_newer_revision() {
    let (mut index, known) = (FactIndex::new(), order("anna", "10", "2"));
    assert_eq!(take(&mut index, &known), FactStatus::Applied);
    assert_eq!(erase(&mut index, "anna"), FactStatus::Applied);
    assert_eq!(take(&mut index, &known), FactStatus::MemberErased, "the same again is no duplicate");
    assert_eq!(
        take(&mut index, &order("anna", "10", "1")),
        FactStatus::MemberErased,
        "and an older one is not superseded"
    );
    assert_eq!(take(&mut index, &order("anna", "20", "3")), FactStatus::MemberErased, "nor is a newer one applied");
}

#[test]
fn a_duplicate_is_the_very_same_and_an_older_revision_of_the_same_is_superseded() {
    let mut index = FactIndex::new();
    assert_eq!(take(&mut index, &order("anna", "10", "2")), FactStatus::Applied);
    assert_eq!(take(&mut index, &order("anna", "10", "2")), FactStatus::Duplicate);
    assert_eq!(take(&mut index, &order("anna", "10", "1")), FactStatus::Superseded);
    assert_eq!(
        take(&mut index, &order("anna", "10", "3")),
        FactStatus::Applied,
        "a newer revision of the same is applied"
    );
}

#[test]
fn at_equal_revisions_the_greater_wins_by_content_then_member_then_whether_it_was_imported() {
    let mut imported = order("ben", "20", "2");
    imported["imported"] = json!(true);
    let rising = [order("anna", "10", "2"), order("anna", "20", "2"), order("ben", "20", "2"), imported];
    let mut index = FactIndex::new();
    for fact in &rising {
        assert_eq!(take(&mut index, fact), FactStatus::Applied, "{fact}");
    }
    for fact in rising.iter().rev().skip(1) {
        assert_eq!(take(&mut index, fact), FactStatus::Superseded, "{fact}");
    }
    assert_eq!(take(&mut index, &rising[3]), FactStatus::Duplicate);
}

#[test]
fn changed_tags_are_never_superseded_and_imported_ones_are_applied_over_others() {
    let changed = |imported: bool| {
        json!({ "type": "customer.tags_changed", "member_id": "anna", "added": ["vip"], "removed": [],
                "occurred_at": "2024-03-01T10:00:00Z", "imported": imported })
    };
    let mut index = FactIndex::new();
    assert_eq!(take(&mut index, &changed(false)), FactStatus::Applied);
    assert_eq!(take(&mut index, &changed(true)), FactStatus::Applied);
    assert_eq!(take(&mut index, &changed(false)), FactStatus::Duplicate);
}

#[test]
fn an_erasure_is_applied_once_and_a_duplicate_afterwards() {
    let mut index = FactIndex::new();
    assert_eq!(erase(&mut index, "anna"), FactStatus::Applied);
    assert_eq!(erase(&mut index, "anna"), FactStatus::Duplicate);
}
