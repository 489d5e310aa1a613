//! Bytes that no member packs to are refused.

use serde_json::json;

use super::super::pack;
use super::*;
use crate::fact::{Fact, RefundParts};
use crate::fact_index::FactIndex;
use crate::id::MemberId;
use crate::ledger::Restoration;

fn member() -> Ledger {
    let mut index = FactIndex::new();
    let order = |id: &str, day: u32, currency: &str| {
        json!({ "type": "order.paid", "member_id": "anna", "order_id": id, "total": 10, "currency": currency,
                "occurred_at": format!("2024-01-{day:02}T00:00:00Z") })
    };
    let back = json!({ "type": "order.refunded", "order_id": "1", "refund_id": "r", "amount": 1, "occurred_at": "2024-01-05T00:00:00Z" });
    let points = json!({ "type": "points.earned", "member_id": "anna", "entry_id": "p", "points": 1, "occurred_at": "2024-01-05T00:00:00Z" });
    for fact in [order("1", 1, "EUR"), order("2", 2, "USD"), back, points] {
        let _ = index.apply(Fact::read(&fact, Currency::from_code("USD").unwrap()).unwrap().fact);
    }
    index.ledger(&MemberId::new("anna").unwrap()).unwrap().clone()
}

fn refused(bytes: &[u8]) -> CompactError {
    Packed::open(bytes).unwrap().ledger().unwrap_err()
}

/// Evaluation from the columns uses the first position of the currency, so such a member would have two different standings.
#[test]
fn a_currency_that_comes_twice_is_no_member() {
    let bytes = pack(&member(), &Record::default());
    let place = bytes.windows(6).position(|part| part == b"EURUSD").unwrap();
    for codes in [b"USDUSD", b"USDEUR"] {
        let mut bytes = bytes.clone();
        bytes[place..place + 6].copy_from_slice(codes);
        assert_eq!(refused(&bytes), CompactError::Corrupt("currency"));
    }
}

/// Evaluation uses -1 for the program's currency if no order is in it.
#[test]
fn a_currency_at_a_position_below_the_first_is_no_member() {
    let mut bytes = pack(&member(), &Record::default());
    let column = [1, 0, 0, 1]; // a width of one byte and a base of 0, then the positions 0 and 1
    let places: Vec<_> = bytes.windows(4).enumerate().filter(|(_, part)| *part == column).collect();
    let [(place, _)] = places[..] else { panic!("{places:?}") };
    bytes[place + 1] = 1; // a base of -1
    assert_eq!(refused(&bytes), CompactError::Corrupt("count"));
}

#[test]
fn facts_in_another_order_than_they_were_written_are_no_member() {
    let held_since = |since: i64| {
        let tier = TierId::new("gold").unwrap();
        let act = Act::Hold { version: 2, tier, until: None, since: Instant::from_millis(since) };
        vec![Assignment { at: Instant::from_millis(1), act, imported: false }]
    };
    let held = Ledger { assignments: held_since(1), ..member() };
    assert_eq!(Packed::open(&pack(&held, &Record::default())).unwrap().ledger().unwrap(), held);
    let held_too_early = Ledger { assignments: held_since(2), ..member() };
    assert_eq!(refused(&pack(&held_too_early, &Record::default())), CompactError::Corrupt("order"));
    let changes: [fn(&mut Ledger); 3] = [
        |ledger| ledger.orders.reverse(),
        |ledger| ledger.orders[0].refunds[0].at = Instant::from_millis(0),
        |ledger| ledger.orders[1].cancelled = Some(Cancellation { at: Instant::from_millis(0), imported: false }),
    ];
    for change in changes {
        let mut ledger = member();
        change(&mut ledger);
        assert_eq!(refused(&pack(&ledger, &Record::default())), CompactError::Corrupt("order"));
    }
}

#[test]
fn a_fact_outside_of_the_calendar_is_no_member() {
    let mut ledger = member();
    ledger.entries[0].at = Instant::LAST;
    assert_eq!(refused(&pack(&ledger, &Record::default())), CompactError::Corrupt("instant"));
}

/// Only what [`pack`] writes is a member of format 3: bits, parts and restorations have to agree.
#[test]
fn what_format_3_adds_has_to_agree_with_itself() {
    let parts = |parts: RefundParts| {
        let mut ledger = member();
        ledger.orders[0].refunds[0].refunded.parts = parts;
        pack(&ledger, &Record::default())
    };
    let shipping = RefundParts { shipping: Amount::from_ten_thousandths(5_000), ..RefundParts::default() };
    let bytes = parts(shipping);
    assert_eq!(Packed::open(&bytes).unwrap().ledger().unwrap().orders[0].refunds[0].refunded.parts, shipping);
    // The bits stand behind what the part was without them.
    let plain = pack(&member(), &Record::default());
    let [with, without] = [&bytes, &plain].map(|bytes| Packed::open(bytes).unwrap().orders);
    let place = bytes.windows(with.len()).position(|part| part == with).unwrap() + without.len();
    assert_eq!(bytes[place], extra::REFUND_PARTS);
    for wrong in [0, extra::REFUND_PARTS << 1] {
        let mut bytes = bytes.clone();
        bytes[place] = wrong;
        assert_eq!(refused(&bytes), CompactError::Corrupt("extra"));
    }
    // Format 2 has nothing behind the refunds.
    let mut older = bytes;
    older[0] = PLAIN_FORMAT;
    assert_eq!(refused(&older), CompactError::Corrupt("part"));

    // Restorations stand in a column of their own.
    let mut restored = member();
    restored.orders[1].restored = Some(Restoration { at: restored.orders[1].at, imported: false, rules: true });
    restored.orders[0].charge.tips = Amount::from_ten_thousandths(1).unwrap();
    let bytes = pack(&restored, &Record::default());
    assert_eq!(Packed::open(&bytes).unwrap().ledger().unwrap(), restored);
    let early = Restoration { at: Instant::from_millis(0), imported: false, rules: true };
    restored.orders[1].restored = Some(early);
    assert_eq!(refused(&pack(&restored, &Record::default())), CompactError::Corrupt("order"));
}
