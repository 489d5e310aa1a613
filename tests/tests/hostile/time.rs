//! Instants that are not valid, that never were, and that have not come yet. It is noon of June 1, 2024.

use serde_json::{Value, json};
use store::records::Reason;

use crate::case::{Applied, Case, case, quarantined, wrong};
use crate::told::{assigned, enrolled, order, with, without};

const AT: &[&str; 1] = &["$.occurred_at"];

fn at(instant: Value) -> Value {
    order(json!({ "occurred_at": instant }))
}

/// All cases of time.
pub fn cases() -> Vec<Case> {
    [instants(), limits(), birthdays()].concat()
}

fn instants() -> Vec<Case> {
    let none = |name, text: &str| case(name).event(at(json!(text)), wrong(AT, "is not an RFC 3339 instant such as"));
    vec![
        none("an instant without an offset", "2024-05-01T10:00:00"),
        none("a date alone", "2024-05-01"),
        none("twenty-four o'clock", "2024-05-01T24:00:00Z"),
        none("sixty minutes past", "2024-05-01T10:60:00Z"),
        none("February 29 of a common year", "2023-02-29T10:00:00Z"),
        none("February 30", "2024-02-30T10:00:00Z"),
        none("the thirteenth month", "2024-13-01T10:00:00Z"),
        none("the day before the month", "31/05/2024 10:00"),
        none("the year 10000", "10000-01-01T00:00:00Z"),
        none("a year of two digits", "24-05-01T10:00:00Z"),
        none("an offset of a day", "2024-05-01T10:00:00+24:00"),
        none("an offset by name", "2024-05-01T10:00:00 Europe/Berlin"),
        none("yesterday", "yesterday"),
        none("nothing", ""),
        none("before the year 0 in UTC", "0000-01-01T00:00:00+14:00"),
        case("seconds since 1970").event(at(json!(1_714_557_600)), wrong(AT, "must be a text, not a number")),
        case("no instant at all").event(without(order(json!({})), "occurred_at"), wrong(AT, "is missing")),
    ]
}

fn limits() -> Vec<Case> {
    let taken = |name, text: &str| case(name).event(at(json!(text)), Applied).stands("anna", "silver", "120.00");
    let before = |name, text: &str| case(name).event(at(json!(text)), Applied).stands("anna", "", "0.00");
    let ahead = quarantined(Reason::FromTheFuture, AT).saying("is more than five minutes ahead of the clock here");
    vec![
        taken("now", "2024-06-01T12:00:00Z"),
        case("five minutes ahead to the millisecond is taken, and counts when it comes")
            .event(at(json!("2024-06-01T12:05:00Z")), Applied)
            .stands("anna", "", "0.00"),
        case("five minutes and a millisecond ahead")
            .event(at(json!("2024-06-01T12:05:00.001Z")), ahead)
            .unknown("anna"),
        case("five minutes and a second ahead").event(at(json!("2024-06-01T12:05:01Z")), ahead).unknown("anna"),
        case("the same ahead, told from a zone further west").event(at(json!("2024-06-01T05:05:01-07:00")), ahead),
        case("the end of all years").event(at(json!("9999-12-31T23:59:59.999Z")), ahead),
        case("digits beyond milliseconds are cut off, not rounded: five minutes ahead")
            .event(at(json!("2024-06-01T12:05:00.000999Z")), Applied)
            .stands("anna", "", "0.00"),
        taken("a t and a z in small letters", "2024-05-01t10:00:00z"),
        before("a leap second that was", "2016-12-31T23:59:60Z"),
        taken("an hour that clocks skipped, told with its offset", "2024-03-31T02:30:00+01:00"),
        before("1800", "1800-01-01T00:00:00Z"),
        before("the year 0", "0000-01-01T00:00:00Z"),
        case("received before it happened")
            .event(order(json!({ "received_at": "2024-04-01T00:00:00Z" })), Applied)
            .stands("anna", "silver", "120.00"),
        case("received at no instant").event(
            order(json!({ "received_at": "just now" })),
            wrong(&["$.received_at"], "is not an RFC 3339 instant"),
        ),
        case("an assignment until no instant").event(
            assigned(json!({ "until": "2024-05-32T00:00:00Z" })),
            wrong(&["$.until"], "is not an RFC 3339 instant"),
        ),
    ]
}

fn birthdays() -> Vec<Case> {
    let born = |day: Value| enrolled(json!({ "birthday": day }));
    let set = with(
        json!({ "type": "customer.birthday_set", "member_id": "anna" }),
        json!({ "occurred_at": "2024-05-01T00:00:00Z" }),
    );
    const BIRTHDAY: &[&str; 1] = &["$.birthday"];
    let none = "is not a day of the year such as";
    vec![
        case("born on February 30").event(born(json!("02-30")), wrong(BIRTHDAY, none)).unknown("anna"),
        case("born on February 29").event(born(json!("02-29")), Applied).stands("anna", "", "0.00"),
        case("born on the thirteenth month").event(born(json!("31-12")), wrong(BIRTHDAY, none)),
        case("born in a year, which is not to be told").event(born(json!("1980-02-28")), wrong(BIRTHDAY, none)),
        case("born in one digit").event(born(json!("2-9")), wrong(BIRTHDAY, none)),
        case("a birthday that is not said is not the same as none")
            .event(set, wrong(BIRTHDAY, "is missing; write null")),
    ]
}
