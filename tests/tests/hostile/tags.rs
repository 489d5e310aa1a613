//! Tags that are not valid, too many, or at odds.

use serde_json::{Value, json};
use store::records::Reason;

use crate::case::{Applied, Case, Duplicate, Superseded, case, quarantined, wrong};
use crate::told::{order, tags_changed, tags_set, without};

fn set(tags: Value) -> Value {
    tags_set(json!({ "tags": tags }))
}

/// All cases of tags.
pub fn cases() -> Vec<Case> {
    let tagged = |name| case(name).looking_at_tags();
    let many: Vec<String> = (0..10_000).map(|n| format!("tag {n}")).chain(["vip".to_owned()]).collect();
    let others: Vec<String> = (0..10_000).map(|n| format!("quite another tag, rather long, {n}")).collect();
    let too_many: Vec<String> = (0..10_000).map(|n| format!("a tag with an even longer name, number {n}")).collect();
    vec![
        tagged("tags in a text, as Shopify has them")
            .event(set(json!("vip, other")), wrong(&["$.tags"], "must be a list, not a text")),
        tagged("a tag with a comma is one tag").event(set(json!(["vip, other"])), Applied).stands("anna", "", ""),
        tagged("a tag that is a number")
            .event(set(json!(["vip", 7])), wrong(&["$.tags[1]"], "must be a text, not a number")),
        tagged("a tag that is null").event(set(json!([null])), wrong(&["$.tags[0]"], "must be a text, not null")),
        tagged("tags within tags").event(set(json!([["vip"]])), wrong(&["$.tags[0]"], "must be a text, not a list")),
        tagged("tags of null, which is not the same as no tags")
            .event(set(json!(null)), wrong(&["$.tags"], "is missing")),
        tagged("no tags said").event(without(tags_set(json!({})), "tags"), wrong(&["$.tags"], "is missing")),
        tagged("tags without letters are none")
            .event(set(json!(["", "  ", "vip"])), Applied)
            .event(set(json!(["vip"])), Duplicate)
            .stands("anna", "silver", ""),
        tagged("the same tag in capitals, with spaces, and twice is one tag")
            .event(set(json!([" VIP ", "vip", "Vip"])), Applied)
            .event(set(json!(["vip"])), Duplicate)
            .stands("anna", "silver", ""),
        tagged("a tag both added and removed at once is there")
            .event(tags_changed(json!({ "added": ["vip"], "removed": ["VIP"] })), Applied)
            .stands("anna", "silver", ""),
        tagged("a tag removed that never was")
            .event(tags_changed(json!({ "removed": ["vip"] })), Applied)
            .stands("anna", "", ""),
        tagged("a change that changes nothing").event(tags_changed(json!({})), Applied).stands("anna", "", ""),
        tagged("two sets at one instant: the greater wins, whichever comes first")
            .event(set(json!(["vip"])), Applied)
            .event(set(json!(["other"])), Superseded)
            .event(set(json!(["vvip"])), Applied)
            .stands("anna", "gold", ""),
        tagged("ten thousand tags").event(set(json!(many)), Applied).stands("anna", "silver", ""),
        tagged("more tags than an item holds")
            .event(set(json!(too_many)), quarantined(Reason::TooLarge, &[]))
            .unknown("anna"),
        case("ten thousand other tags are more than a member holds, and an order after them is not")
            .event(set(json!(many)), Applied)
            .event(
                tags_set(json!({ "tags": others, "occurred_at": "2023-05-01T00:00:00Z" })),
                quarantined(Reason::TooLarge, &[]),
            )
            .event(order(json!({})), Applied)
            .stands("anna", "silver", "120.00"),
        tagged("a tag of a hundred thousand letters")
            .event(set(json!(["x".repeat(100_000), "vip"])), Applied)
            .stands("anna", "silver", ""),
        tagged("a tag of two letters that small ones make of one")
            .event(set(json!(["İ"])), Applied)
            .stands("anna", "", ""),
        tagged("a misspelt field of a change")
            .event(tags_changed(json!({ "add": ["vip"] })), wrong(&["$.add"], "is not known here"))
            .unknown("anna"),
    ]
}
