//! The compact form of a member: lossless, small, and safe to read whatever the bytes.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use pure_tests::random::{BEGIN, HOUR, arrival, fact, programs, published, replayed};
use rules::calendar::{Instant, Zones};
use rules::compact::{CompactError, Packed, pack};
use rules::program::Program;
use rules::replay::Replay;
use rules::standing::evaluate;
use rules::version::Versions;
use serde_json::json;

fn packed(replay: &Replay) -> Vec<Vec<u8>> {
    let record = |id| replay.record(id).cloned().unwrap_or_default();
    replay.members().into_iter().filter_map(|id| Some(pack(replay.index().ledger(id)?, &record(id)))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_member_reads_as_it_was_packed_and_stands_the_same_under_any_program(
        (program, other) in (programs(), programs()),
        lines in prop::collection::vec(prop_oneof![12 => fact(), 1 => published()], 1..30),
        (end, asked) in (0..3000_i64, 0..4000_i64),
    ) {
        let mut lines = lines;
        lines.sort_by(|a, b| arrival(a).cmp(arrival(b)));
        let replay = replayed(&program, &lines, Instant::from_millis(BEGIN + end * HOUR));
        let draft = Program::read(&other, &Zones::built_in()).unwrap();
        let other = Versions::first(draft.program, draft.effective_at).unwrap();
        let asked = Instant::from_millis(BEGIN + asked * HOUR);
        for id in replay.members() {
            let record = replay.record(id).cloned().unwrap_or_default();
            let Some(ledger) = replay.index().ledger(id) else {
                continue;
            };
            let bytes = pack(ledger, &record);
            let packed = Packed::open(&bytes).unwrap();
            prop_assert_eq!(&packed.ledger().unwrap(), ledger);
            prop_assert_eq!(packed.record().unwrap(), record);
            for version in replay.versions().iter().chain(other.iter()) {
                prop_assert_eq!(packed.standing(version, asked).unwrap(), evaluate(version, ledger, asked));
            }
        }
    }

    #[test]
    fn bytes_that_were_never_written_are_refused_or_read_but_never_a_panic(
        program in programs(),
        lines in prop::collection::vec(fact(), 1..20),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let as_of = Instant::from_millis(BEGIN + 3000 * HOUR);
        let replay = replayed(&program, &lines, as_of);
        for mut bytes in packed(&replay) {
            for (place, byte) in &damage {
                let place = place.index(bytes.len());
                bytes[place] = *byte;
            }
            for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
                if let Ok(packed) = Packed::open(bytes) {
                    let _ = (packed.ledger(), packed.record(), packed.standing(replay.versions().last(), as_of));
                }
            }
        }
    }
}

/// Section 5 orders movements by instant, kind and key. Of points given back at one instant, the last one needed brings
/// the tier, so the order decides which tier it is.
#[test]
fn points_given_back_at_one_instant_act_in_the_order_of_their_keys() {
    let program = json!({ "start_date": "2023-01-01",
        "milestone": { "metric": "points_earned", "period": "since_last_upgrade", "on_refund": "keep" },
        "tiers": [{ "id": "bronze", "threshold": 100 }, { "id": "silver", "threshold": 150 }] });
    let points = |id: &str, kind: &str, day: u32, points: i64| {
        json!({ "type": kind, "member_id": "anna", "entry_id": id, "points": points,
                "occurred_at": format!("2023-03-{day:02}T00:00:00Z") })
    };
    let back = |id: &str, entry: &str| json!({ "type": "points.canceled", "cancel_id": id, "entry_id": entry, "occurred_at": "2023-04-01T00:00:00Z" });
    // As text, "10" comes before "9". 30 and 90 are 120, and the 60 come too late; 30 and 60 are not enough, and then
    // 90 make 180.
    for (of_ninety, of_sixty, tier) in [("10", "9", "bronze"), ("9", "10", "silver"), ("b", "a-7", "silver")] {
        let lines = [
            points("1", "points.adjusted", 1, -90),
            points("2", "points.adjusted", 2, -60),
            points("3", "points.earned", 3, 180),
            back(of_ninety, "1"),
            back(of_sixty, "2"),
        ];
        let as_of = Instant::parse("2023-04-01T00:00:00Z").unwrap();
        let replay = replayed(&program, &lines, as_of);
        let version = replay.versions().last();
        let bytes = packed(&replay).remove(0);
        let stands = Packed::open(&bytes).unwrap().standing(version, as_of).unwrap();
        assert_eq!(version.program.tier_id(stands.tier).map(|id| id.as_str()), Some(tier), "{of_ninety} {of_sixty}");
        let anna = rules::id::MemberId::new("anna").unwrap();
        assert_eq!(stands, evaluate(version, replay.index().ledger(&anna).unwrap(), as_of));
        let theirs = reference::replay(&program, &lines, as_of.millis());
        assert_eq!(theirs["standings"]["anna"]["tier"], tier);
    }
}

#[test]
fn an_unknown_format_says_so() {
    assert!(matches!(Packed::open(&[250, 0]), Err(CompactError::UnknownFormat(250))));
    assert!(matches!(Packed::open(&[]), Err(CompactError::Truncated)));
}

/// A member with every kind of fact, as version 1 of the format was first written.
fn everything() -> Replay {
    let program = json!({
        "start_date": "2023-01-01", "timezone": "Europe/Berlin", "currency": "EUR",
        "milestone": { "metric": "amount_spent", "period": "calendar_year" }, "repeat_tier_rewards": true,
        "tiers": [{ "id": "silver", "threshold": "100", "entry_rewards": [{ "type": "free_shipping" }],
                    "perks": [{ "type": "birthday_points", "points": 50 }] },
                  { "id": "gold", "threshold": "500", "entry_rewards": [{ "type": "points", "points": 100 }] }] });
    let mut raised = program.clone();
    raised["tiers"][1]["threshold"] = json!("900");
    let lines = [
        json!({ "type": "customer.enrolled", "member_id": "anna", "occurred_at": "2023-01-02T10:00:00Z", "birthday": "05-04" }),
        json!({ "type": "order.paid", "member_id": "anna", "order_id": "1001", "occurred_at": "2023-02-01T10:00:00Z",
                "total": "119.00", "tax": "19.00", "shipping": "4.90", "discounts": "10" }),
        json!({ "type": "order.paid", "member_id": "anna", "order_id": "1002", "occurred_at": "2023-02-03T11:12:13.456Z",
                "total": "500.25", "currency": "USD", "exchange_rate": "0.9213", "imported": true }),
        json!({ "type": "order.paid", "member_id": "anna", "order_id": "1003", "occurred_at": "2023-02-04T00:00:00Z",
                "total": "70", "currency": "USD" }),
        json!({ "type": "order.paid", "member_id": "anna", "order_id": "1004", "occurred_at": "2023-02-05T00:00:00Z",
                "total": "70", "test": true }),
        json!({ "type": "order.refunded", "order_id": "1001", "refund_id": "r1", "occurred_at": "2023-02-10T00:00:00Z", "amount": "19.00" }),
        json!({ "type": "order.cancelled", "order_id": "1003", "occurred_at": "2023-02-11T00:00:00Z", "imported": true }),
        json!({ "type": "order.refunded", "member_id": "anna", "order_id": "9999", "refund_id": "r1", "occurred_at": "2023-02-12T00:00:00Z", "amount": "1" }),
        json!({ "type": "points.earned", "member_id": "anna", "entry_id": "p1", "occurred_at": "2023-02-13T00:00:00Z", "points": 200 }),
        json!({ "type": "points.adjusted", "member_id": "anna", "entry_id": "p2", "occurred_at": "2023-02-14T00:00:00Z", "points": -20, "reason": "goodwill" }),
        json!({ "type": "points.canceled", "cancel_id": "c1", "entry_id": "p1", "occurred_at": "2023-02-15T00:00:00Z", "points": 30 }),
        json!({ "type": "points.canceled", "cancel_id": "c2", "entry_id": "p1", "occurred_at": "2023-02-16T00:00:00Z" }),
        json!({ "type": "customer.tags_set", "member_id": "anna", "occurred_at": "2023-02-17T00:00:00Z", "tags": ["VIP", "newsletter"] }),
        json!({ "type": "customer.tags_changed", "member_id": "anna", "occurred_at": "2023-02-18T00:00:00Z", "added": ["gründerin"], "removed": ["vip"] }),
        json!({ "type": "customer.birthday_set", "member_id": "anna", "occurred_at": "2023-02-19T00:00:00Z", "birthday": "02-29" }),
        json!({ "type": "tier.assigned", "member_id": "anna", "assignment_id": "a1", "occurred_at": "2023-02-20T00:00:00Z",
                "tier": "gold", "mode": "floor", "until": "2023-03-20T00:00:00Z", "reason": "support case 17" }),
        json!({ "type": "tier.unassigned", "member_id": "anna", "assignment_id": "a2", "occurred_at": "2023-02-21T00:00:00Z" }),
        json!({ "type": "tier.assigned", "member_id": "anna", "assignment_id": "a3", "occurred_at": "2023-02-22T00:00:00Z",
                "tier": null, "mode": "lock", "until": "2023-02-23T00:00:00Z", "reward": false }),
        json!({ "type": "program.published", "occurred_at": "2023-06-01T00:00:00Z", "program": raised, "options": { "demotions": "hold" } }),
        json!({ "type": "order.paid", "member_id": "anna", "order_id": "web-17", "occurred_at": "2024-02-28T23:30:00Z", "total": "150" }),
    ];
    replayed(&program, &lines, Instant::parse("2024-06-01T00:00:00Z").unwrap())
}

/// A member with all that format 3 was made for.
fn everything_of_format_3() -> Replay {
    let program = json!({ "start_date": "2023-01-01", "currency": "EUR", "milestone": { "metric": "amount_spent", "period": "lifetime" },
                          "spend": { "include_tips": false }, "tiers": [{ "id": "silver", "threshold": "100" }] });
    let lines = [
        json!({ "type": "order.paid", "member_id": "anna", "order_id": "1001", "occurred_at": "2023-02-01T10:00:00Z",
                "paid_at": "2023-02-02T10:00:00Z", "received_at": "2023-02-02T10:00:00Z", "total": "130.00", "tips": "10",
                "duties": "20.50", "gift_cards": "40", "paid_with_credit": "15.25" }),
        json!({ "type": "order.refunded", "order_id": "1001", "refund_id": "r1", "occurred_at": "2023-02-10T00:00:00Z",
                "amount": "19.00", "tax": "0", "shipping": "3", "tips": "1.50", "duties": "2", "gift_cards": "4" }),
        json!({ "type": "order.refunded", "order_id": "1001", "refund_id": "r2", "occurred_at": "2023-02-11T00:00:00Z", "amount": "5" }),
        json!({ "type": "order.paid", "member_id": "anna", "order_id": "1002", "occurred_at": "2023-02-12T00:00:00Z", "total": "60" }),
        json!({ "type": "order.cancelled", "order_id": "1002", "occurred_at": "2023-02-13T00:00:00Z" }),
        json!({ "type": "order.restored", "order_id": "1002", "occurred_at": "2023-02-14T00:00:00Z", "imported": true }),
        json!({ "type": "order.restored", "member_id": "anna", "order_id": "9999", "occurred_at": "2023-02-15T00:00:00Z" }),
    ];
    replayed(&program, &lines, Instant::parse("2023-06-01T00:00:00Z").unwrap())
}

/// The bytes of a golden file. If it is missing and `WRITE_GOLDEN` is set, it is written once.
fn golden(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden").join(name);
    if std::env::var_os("WRITE_GOLDEN").is_some() && !path.exists() {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let lines: Vec<_> = hex.as_bytes().chunks(100).map(|line| String::from_utf8_lossy(line)).collect();
        fs::write(&path, lines.join("\n") + "\n").unwrap();
    }
    let golden: String = fs::read_to_string(&path).unwrap().split_whitespace().collect();
    (0..golden.len()).step_by(2).map(|place| u8::from_str_radix(&golden[place..place + 2], 16).unwrap()).collect()
}

/// Values of these formats are in databases. The files are never edited, and always have to be readable.
#[test]
fn a_value_that_was_once_written_always_reads() {
    let replay = everything();
    let bytes = packed(&replay).remove(0);
    let anna = rules::id::MemberId::new("anna").unwrap();
    let (ledger, record) = (replay.index().ledger(&anna).unwrap(), replay.record(&anna).unwrap());

    let second = golden("member-format-2.hex", &bytes);
    let packed = Packed::open(&second).unwrap();
    assert_eq!((&packed.ledger().unwrap(), &packed.record().unwrap()), (ledger, record));
    assert_eq!(second, bytes, "format 2 is written differently now: give it a new number");

    // Format 1 does not have the local day of the last evaluation.
    let first = golden("member-format-1.hex", &[]);
    let packed = Packed::open(&first).unwrap();
    let old = packed.record().unwrap();
    assert_eq!(&packed.ledger().unwrap(), ledger);
    assert!(old.tells_the_same_as(record));
    assert_eq!((old.evaluated_at(), old.version()), (record.evaluated_at(), record.version()));
    assert_eq!(first.len() + 1, second.len());
}

/// The same for a member who needs format 3. One who does not is written in format 2, which older releases read.
#[test]
fn a_value_of_format_3_always_reads() {
    let replay = everything_of_format_3();
    let bytes = packed(&replay).remove(0);
    let third = golden("member-format-3.hex", &bytes);
    let anna = rules::id::MemberId::new("anna").unwrap();
    let (ledger, record) = (replay.index().ledger(&anna).unwrap(), replay.record(&anna).unwrap());
    let packed = Packed::open(&third).unwrap();
    assert_eq!((third[0], self::packed(&everything())[0][0]), (3, 2));
    assert_eq!((&packed.ledger().unwrap(), &packed.record().unwrap()), (ledger, record));
    assert_eq!(third, bytes, "format 3 is written differently now: give it a new number");
    let (version, as_of) = (replay.versions().last(), Instant::parse("2023-06-01T00:00:00Z").unwrap());
    assert_eq!(packed.standing(version, as_of).unwrap(), evaluate(version, ledger, as_of));
}

/// The same for a member the end of whose tier was corrected, which needs format 4.
#[test]
fn a_value_of_format_4_always_reads() {
    let program = json!({ "start_date": "2024-01-01", "currency": "USD",
                          "milestone": { "metric": "amount_spent", "period": "calendar_year" },
                          "tiers": [{ "id": "silver", "threshold": "100" }, { "id": "gold", "threshold": "500" }] });
    let lines = [
        json!({ "type": "order.paid", "member_id": "ada", "order_id": "1", "occurred_at": "2024-05-01T10:00:00Z", "total": "600" }),
        json!({ "type": "order.paid", "member_id": "ada", "order_id": "2", "occurred_at": "2025-11-19T10:00:00Z", "total": "550" }),
        json!({ "type": "order.refunded", "order_id": "2", "refund_id": "1", "occurred_at": "2025-11-30T10:00:00Z", "amount": "100" }),
    ];
    let replay = replayed(&program, &lines, Instant::parse("2025-12-20T00:00:00Z").unwrap());
    let bytes = packed(&replay).remove(0);
    let fourth = golden("member-format-4.hex", &bytes);
    let ada = rules::id::MemberId::new("ada").unwrap();
    let (ledger, record) = (replay.index().ledger(&ada).unwrap(), replay.record(&ada).unwrap());
    let packed = Packed::open(&fourth).unwrap();
    assert_eq!(fourth[0], 4);
    assert_eq!((&packed.ledger().unwrap(), &packed.record().unwrap()), (ledger, record));
    assert_eq!(fourth, bytes, "format 4 is written differently now: give it a new number");
}

/// Free text stays with the facts.
#[test]
fn what_people_wrote_is_not_in_the_compact_form() {
    for bytes in packed(&everything()) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!text.contains("goodwill") && !text.contains("support case"), "{text}");
    }
}
