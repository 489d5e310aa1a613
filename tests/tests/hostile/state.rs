//! Facts that do not fit those that are stored: too early, twice, undone, about another member, about an erased member.

use serde_json::{Value, json};
use store::records::Reason;

use crate::case::{Applied, Case, Duplicate, MemberErased, Superseded, case, quarantined, wrong};
use crate::told::{assigned, canceled, cancelled, earned, enrolled, erased, order, refund, unassigned, with};

/// All cases of facts out of place.
pub fn cases() -> Vec<Case> {
    [orders(), revisions(), points(), people(), assignments()].concat()
}

fn orders() -> Vec<Case> {
    vec![
        case("a refund of an order that never comes").event(refund(json!({})), Applied).unknown("anna"),
        case("a refund before its order")
            .event(refund(json!({})), Applied)
            .event(order(json!({})), Applied)
            .stands("anna", "silver", "100.00"),
        case("a refund that names another member than the order")
            .event(order(json!({})), Applied)
            .event(refund(json!({ "member_id": "ben" })), Applied)
            .stands("anna", "silver", "100.00"),
        case("a refund dated before its order acts when the order does")
            .event(order(json!({})), Applied)
            .event(refund(json!({ "occurred_at": "2020-01-01T00:00:00Z" })), Applied)
            .stands("anna", "silver", "100.00"),
        case("an order cancelled twice")
            .event(order(json!({})), Applied)
            .event(cancelled(json!({})), Applied)
            .event(cancelled(json!({})), Duplicate)
            .event(cancelled(json!({ "occurred_at": "2024-05-04T10:00:00Z" })), Applied)
            .stands("anna", "", "0.00"),
        case("a cancelled order paid again stays cancelled")
            .event(order(json!({})), Applied)
            .event(cancelled(json!({})), Applied)
            .event(order(json!({ "revision": "2024-05-09T00:00:00Z" })), Applied)
            .stands("anna", "", "0.00"),
        case("a refund of a cancelled order")
            .event(order(json!({})), Applied)
            .event(cancelled(json!({})), Applied)
            .event(refund(json!({ "amount": "120" })), Applied)
            .stands("anna", "", "0.00"),
    ]
}

fn revisions() -> Vec<Case> {
    let on =
        |day: u32, changes: Value| order(with(changes, json!({ "revision": format!("2024-05-{day:02}T00:00:00Z") })));
    vec![
        case("an order that moves to another member and back")
            .event(on(3, json!({})), Applied)
            .event(on(4, json!({ "member_id": "ben" })), Applied)
            .event(on(5, json!({})), Applied)
            .event(on(4, json!({ "member_id": "ben" })), Superseded)
            .stands("anna", "silver", "120.00")
            .stands("ben", "", "0.00"),
        case("an order that becomes a guest's")
            .event(on(3, json!({})), Applied)
            .event(on(4, json!({ "member_id": null })), Applied)
            .stands("anna", "", "0.00"),
        case("an older revision after a newer one")
            .event(on(5, json!({ "total": "600" })), Applied)
            .event(on(4, json!({})), Superseded)
            .stands("anna", "gold", "600.00"),
        case("the same revision with another total: the greater wins, whichever comes first")
            .event(on(4, json!({ "total": "600" })), Applied)
            .event(on(4, json!({})), Superseded)
            .event(on(4, json!({ "total": "700" })), Applied)
            .stands("anna", "gold", "700.00"),
        case("a revision dated before what it tells")
            .event(order(json!({ "revision": "1999-01-01T00:00:00Z" })), Applied)
            .stands("anna", "silver", "120.00"),
        case("a revision that is no instant")
            .event(order(json!({ "revision": 2 })), wrong(&["$.revision"], "must be a text, not a number")),
    ]
}

fn points() -> Vec<Case> {
    vec![
        case("points taken back before they were earned")
            .counting_points()
            .event(canceled(json!({ "points": 20 })), Applied)
            .event(earned(json!({})), Applied)
            .stands("anna", "silver", "100"),
        case("points taken back that were never earned")
            .counting_points()
            .event(canceled(json!({})), Applied)
            .unknown("anna"),
        case("the same points taken back under two keys")
            .counting_points()
            .event(earned(json!({})), Applied)
            .event(canceled(json!({ "points": 80 })), Applied)
            .event(canceled(json!({ "points": 80, "cancel_id": "c2" })), Applied)
            .stands("anna", "", "0"),
    ]
}

fn people() -> Vec<Case> {
    let merged =
        json!({ "type": "customer.merged", "member_id": "anna", "into": "ben", "occurred_at": "2024-05-01T10:00:00Z" });
    vec![
        case("a member is erased who never was").event(erased(json!({})), Applied).gone("anna"),
        case("a member is erased twice, and ordered in between")
            .event(order(json!({})), Applied)
            .event(erased(json!({})), Applied)
            .event(order(json!({ "order_id": "2" })), MemberErased)
            .event(erased(json!({})), Duplicate)
            .gone("anna"),
        case("an erased member enrolls again")
            .event(erased(json!({})), Applied)
            .event(enrolled(json!({ "occurred_at": "2024-05-30T00:00:00Z" })), MemberErased)
            .unknown("anna"),
        case("an order moves to an erased member: it is no member's, and does not come back")
            .event(order(json!({})), Applied)
            .event(erased(json!({ "member_id": "ben" })), Applied)
            .event(order(json!({ "member_id": "ben", "revision": "2024-05-30T00:00:00Z" })), MemberErased)
            .event(order(json!({})), Superseded)
            .stands("anna", "", "0.00")
            .gone("ben"),
        case("points move to an erased member, and are gone")
            .counting_points()
            .after(earned(json!({})))
            .after(erased(json!({ "member_id": "ben" })))
            .event(earned(json!({ "member_id": "ben", "revision": "2024-05-30T00:00:00Z" })), MemberErased)
            .stands("anna", "", "0")
            .gone("ben"),
        case("a tier given by hand moves to an erased member, and is gone")
            .after(assigned(json!({})))
            .after(erased(json!({ "member_id": "ben" })))
            .event(assigned(json!({ "member_id": "ben", "revision": "2024-05-30T00:00:00Z" })), MemberErased)
            .stands("anna", "", "0.00")
            .gone("ben"),
        case("a refund that names an erased member is the order's all the same")
            .after(order(json!({})))
            .after(erased(json!({ "member_id": "ben" })))
            .event(refund(json!({ "member_id": "ben" })), Applied)
            .stands("anna", "silver", "100.00")
            .gone("ben"),
        case("enrolled twice, with two birthdays: the earliest stays")
            .event(enrolled(json!({ "birthday": "03-01" })), Applied)
            .event(enrolled(json!({ "birthday": "04-01", "occurred_at": "2024-05-09T00:00:00Z" })), Superseded)
            .stands("anna", "", "0.00"),
        case("two members become one").after(order(json!({}))).event(merged, Applied).stands("anna", "silver", "120.00").stands("ben", "silver", "120.00"),
        case("a member becomes themselves")
            .event(
                json!({ "type": "customer.merged", "member_id": "anna", "into": "anna", "occurred_at": "2024-05-01T10:00:00Z" }),
                quarantined(Reason::Invalid, &["$.into"]),
            )
            .unknown("anna"),
    ]
}

fn assignments() -> Vec<Case> {
    vec![
        case("the end of what was never assigned").event(unassigned(json!({})), Applied).stands("anna", "", "0.00"),
        case("a tier that the program does not have is passed over")
            .event(assigned(json!({ "tier": "platinum" })), Applied)
            .stands("anna", "", "0.00"),
        case("a tier that the program does not have, over one that it has")
            .event(assigned(json!({})), Applied)
            .event(
                assigned(json!({ "assignment_id": "z", "tier": "platinum", "occurred_at": "2024-05-05T00:00:00Z" })),
                Applied,
            )
            .stands("anna", "gold", "0.00"),
        case("an assignment that ends before it begins has no effect")
            .event(assigned(json!({ "until": "2024-04-01T00:00:00Z" })), Applied)
            .stands("anna", "", "0.00"),
        case("an assignment without a tier, which is not the same as to none").event(
            crate::told::without(assigned(json!({})), "tier"),
            wrong(&["$.tier"], "is missing; write null for no tier"),
        ),
        case("an assignment of an unknown mode")
            .event(assigned(json!({ "mode": "ceiling" })), wrong(&["$.mode"], "write one of `floor`, `lock`")),
        case("at least no tier is whatever is earned")
            .event(order(json!({})), Applied)
            .event(assigned(json!({ "tier": null })), Applied)
            .stands("anna", "silver", "120.00"),
        case("the end of an assignment under its own id")
            .event(assigned(json!({})), Applied)
            .event(unassigned(json!({ "assignment_id": "a" })), Applied)
            .stands("anna", "", "0.00"),
        case("an assignment that moves to another member")
            .event(assigned(json!({})), Applied)
            .event(assigned(json!({ "member_id": "ben", "revision": "2024-05-04T00:00:00Z" })), Applied)
            .stands("anna", "", "0.00")
            .stands("ben", "gold", "0.00"),
    ]
}
