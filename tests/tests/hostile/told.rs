//! The shop's own events, right as they stand. A case changes the fields that it is about.

use serde_json::{Value, json};

/// The event with other fields.
pub fn with(mut event: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        event[name] = value.clone();
    }
    event
}

/// The event without a field.
pub fn without(mut event: Value, field: &str) -> Value {
    event.as_object_mut().unwrap().remove(field);
    event
}

/// An order of anna's: `1`, of 120 dollars.
pub fn order(changes: Value) -> Value {
    let order = json!({ "type": "order.paid", "member_id": "anna", "order_id": "1", "total": "120",
                        "occurred_at": "2024-05-01T10:00:00Z" });
    with(order, changes)
}

/// A refund of 20 dollars of it, a day later.
pub fn refund(changes: Value) -> Value {
    let refund = json!({ "type": "order.refunded", "order_id": "1", "refund_id": "r", "amount": "20",
                         "occurred_at": "2024-05-02T10:00:00Z" });
    with(refund, changes)
}

/// The cancellation of the order, two days later.
pub fn cancelled(changes: Value) -> Value {
    with(json!({ "type": "order.cancelled", "order_id": "1", "occurred_at": "2024-05-03T10:00:00Z" }), changes)
}

/// 120 points of anna's: entry `e`.
pub fn earned(changes: Value) -> Value {
    let earned = json!({ "type": "points.earned", "member_id": "anna", "entry_id": "e", "points": 120,
                         "occurred_at": "2024-05-01T10:00:00Z" });
    with(earned, changes)
}

/// The cancellation of all that is left of them.
pub fn canceled(changes: Value) -> Value {
    let canceled = json!({ "type": "points.canceled", "cancel_id": "c", "entry_id": "e",
                           "occurred_at": "2024-05-02T10:00:00Z" });
    with(canceled, changes)
}

/// Anna's tags: `vip`.
pub fn tags_set(changes: Value) -> Value {
    let tags = json!({ "type": "customer.tags_set", "member_id": "anna", "tags": ["vip"],
                       "occurred_at": "2024-05-01T10:00:00Z" });
    with(tags, changes)
}

/// Changes of anna's tags, a day later.
pub fn tags_changed(changes: Value) -> Value {
    with(
        json!({ "type": "customer.tags_changed", "member_id": "anna", "occurred_at": "2024-05-02T10:00:00Z" }),
        changes,
    )
}

/// The enrollment of anna.
pub fn enrolled(changes: Value) -> Value {
    with(json!({ "type": "customer.enrolled", "member_id": "anna", "occurred_at": "2024-05-01T10:00:00Z" }), changes)
}

/// The assignment of gold to anna.
pub fn assigned(changes: Value) -> Value {
    let assigned = json!({ "type": "tier.assigned", "member_id": "anna", "assignment_id": "a", "tier": "gold",
                           "mode": "floor", "occurred_at": "2024-05-01T10:00:00Z" });
    with(assigned, changes)
}

/// The end of anna's assignment.
pub fn unassigned(changes: Value) -> Value {
    let ended = json!({ "type": "tier.unassigned", "member_id": "anna", "assignment_id": "b",
                        "occurred_at": "2024-05-02T10:00:00Z" });
    with(ended, changes)
}

/// The erasure of anna.
pub fn erased(changes: Value) -> Value {
    with(json!({ "type": "customer.erased", "member_id": "anna", "occurred_at": "2024-05-20T10:00:00Z" }), changes)
}
