//! Ids that are not valid, that look like others, or that look like keys of ours.

use engine::ingest::native;
use rules::calendar::Instant;
use serde_json::{Value, json};
use store::records::Reason;
use store::shop::ShopId;

use crate::case::{Applied, Case, Superseded, case, wrong};
use crate::told::{canceled, earned, enrolled, order, refund, without};

const MEMBER: &[&str; 1] = &["$.member_id"];

fn of(member: Value) -> Value {
    order(json!({ "member_id": member }))
}

/// All cases of ids.
pub fn cases() -> Vec<Case> {
    [no_ids(), strange_ids(), same_ids()].concat()
}

fn no_ids() -> Vec<Case> {
    let empty = "an id must not be empty";
    let control = "an id must not contain control characters";
    let long = "an id has at most 256 bytes, this one has 257";
    vec![
        case("a member without a name").event(of(json!("")), wrong(MEMBER, empty)),
        case("a member of spaces").event(of(json!(" \u{3000} ")), wrong(MEMBER, empty)),
        case("a member of 257 letters").event(of(json!("x".repeat(257))), wrong(MEMBER, long)),
        case("a member of 256 letters").event(of(json!("x".repeat(256))), Applied).stands(
            "x".repeat(256),
            "silver",
            "120.00",
        ),
        case("an order of 257 letters")
            .event(order(json!({ "order_id": "x".repeat(257) })), wrong(&["$.order_id"], long)),
        case("a tab in a member, as between a member and their pages")
            .event(of(json!("anna\t00000001")), wrong(MEMBER, control)),
        case("a new line in a member, as between lines of a log").event(of(json!("anna\nben")), wrong(MEMBER, control)),
        case("a NUL in a member").event(of(json!("anna\0")), wrong(MEMBER, control)),
        case("an escape sequence for a terminal in an order")
            .event(order(json!({ "order_id": "\u{1b}[2J" })), wrong(&["$.order_id"], control)),
        case("a member that is a list").event(of(json!(["anna"])), wrong(MEMBER, "must be a text, not a list")),
        case("a member that is an object")
            .event(of(json!({ "id": "anna" })), wrong(MEMBER, "must be a text, not an object")),
        case("a member that is a float").event(of(json!(1.5)), wrong(MEMBER, "must be a text, not a number")),
        case("a member below zero").event(of(json!(-1)), wrong(MEMBER, "must be a text, not a number")),
        case("an enrollment of no member").event(enrolled(json!({ "member_id": null })), wrong(MEMBER, "is missing")),
        case("an order without an id")
            .event(without(order(json!({})), "order_id"), wrong(&["$.order_id"], "is missing")),
        case("a refund without an id")
            .event(without(refund(json!({})), "refund_id"), wrong(&["$.refund_id"], "is missing")),
        case("an order of null is a guest's").event(of(json!(null)), Applied).unknown("anna").unknown("null"),
    ]
}

fn strange_ids() -> Vec<Case> {
    let kept = |name, member: &str| {
        case(name).event(of(json!(member)), Applied).stands(member, "silver", "120.00").unknown("anna")
    };
    vec![
        kept("a member that looks like the key of an order", "acme#order#1"),
        kept("a member that looks like a partition of members", "acme#00"),
        kept("a member that looks like another shop's", "other#anna"),
        kept("a member that looks like a member's history", "acme#history#anna"),
        kept("a member that looks like a path", "../../anna"),
        kept("a member that looks like SQL", "anna'; DROP TABLE members; --"),
        kept("a member that looks like JSON", r#"{"$ne": null}"#),
        kept("a member that looks like HTML", "<script>alert(1)</script>"),
        kept("a member that looks like an expression of DynamoDB", "attribute_exists(pk) OR :v"),
        kept("a member of faces", "🦀👩‍👩‍👧"),
        kept("a member written from right to left", "\u{202e}anna\u{202c}"),
        kept("a member with an invisible letter", "an\u{200b}na"),
        kept("a member with a space behind is another than without", "anna "),
        kept("a member called null", "null"),
        case("a member as a number is the same as in digits")
            .event(of(json!(9_007_199_254_740_993_u64)), Applied)
            .stands("9007199254740993", "silver", "120.00")
            .unknown("9007199254740992"),
        case("names that look alike, composed and decomposed, are two members")
            .event(of(json!("andr\u{e9}")), Applied)
            .event(order(json!({ "member_id": "andre\u{301}", "order_id": "2", "total": "600" })), Applied)
            .stands("andr\u{e9}", "silver", "120.00")
            .stands("andre\u{301}", "gold", "600.00"),
        case("names in capitals and in small letters are two members")
            .event(of(json!("Anna")), Applied)
            .stands("Anna", "silver", "120.00")
            .unknown("anna"),
    ]
}

fn same_ids() -> Vec<Case> {
    let other = ShopId::new("other").unwrap();
    let other = native(&other, &order(json!({})), Instant::from_millis(0));
    vec![
        case("an order and an entry of the same id are two things")
            .event(order(json!({ "order_id": "7" })), Applied)
            .event(earned(json!({ "entry_id": "7" })), Applied)
            .event(canceled(json!({ "cancel_id": "7", "entry_id": "7" })), Applied)
            .stands("anna", "silver", "120.00"),
        case("two members' refunds of the same id are two refunds")
            .event(order(json!({})), Applied)
            .event(order(json!({ "order_id": "2", "member_id": "ben" })), Applied)
            .event(refund(json!({})), Applied)
            .event(refund(json!({ "order_id": "2", "amount": "50" })), Applied)
            .stands("anna", "silver", "100.00")
            .stands("ben", "", "70.00"),
        case("an entry that is told again as of another kind is the same entry")
            .counting_points()
            .event(earned(json!({ "type": "points.adjusted", "points": 5 })), Applied)
            .event(earned(json!({})), Superseded)
            .stands("anna", "", "5"),
        case("a member of the same name in a shop without a program")
            .message(other, crate::case::quarantined(Reason::UnknownShop, &[]).of("other"))
            .unknown("anna"),
        case("a shop in a body is never believed")
            .event(order(json!({ "shop": "other" })), wrong(&["$.shop"], "is not known here"))
            .unknown("anna"),
    ]
}
