//! Members who were looked at by a clock that was years ahead, and are brought back. The simulator found each of these.

use std::collections::BTreeMap;

use rules::advance::{advance, bring_back};
use rules::apply::apply_fact;
use rules::calendar::{Instant, Zones};
use rules::fact::{Currency, Fact};
use rules::fact_index::FactIndex;
use rules::id::MemberId;
use rules::ledger::Act;
use rules::program::Program;
use rules::record::{Past, Record, Row};
use rules::version::{Demotions, Options, Versions};
use serde_json::{Value, json};
use store::key;
use store::shop::ShopId;

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn program(gold: &str) -> Program {
    let program = json!({ "program_id": "vip", "name": "VIP", "active": true, "timezone": "UTC", "currency": "USD",
                          "start_date": "2020-01-01", "milestone": { "metric": "amount_spent", "period": "calendar_year" },
                          "tiers": [{ "id": "gold", "name": "Gold", "threshold": gold }] });
    Program::read(&program, &Zones::built_in()).unwrap().program
}

fn anna() -> MemberId {
    MemberId::new("anna").unwrap()
}

/// A shop of one member.
struct Shop {
    index: FactIndex,
    records: BTreeMap<MemberId, Record>,
    versions: Versions,
}

impl Shop {
    fn new() -> Self {
        let versions = Versions::first(program("500"), None).unwrap();
        Self { index: FactIndex::new(), records: BTreeMap::new(), versions }
    }

    /// Tells a fact by a clock that shows `now`.
    fn tell(&mut self, fact: &Value, now: &str) -> Vec<Row> {
        let fact = Fact::read(fact, Currency::from_code("USD").unwrap()).unwrap().fact;
        let (_, rows) = apply_fact(&mut self.index, &mut self.records, &self.versions, fact, at(now));
        rows.into_iter().map(|(_, row)| row).collect()
    }

    fn advance(&mut self, until: &str) -> Vec<Row> {
        let (ledger, record) = (self.index.ledger_mut(&anna()).unwrap(), self.records.get_mut(&anna()).unwrap());
        advance(ledger, record, &self.versions, at(until))
    }

    fn bring_back(&mut self, now: &str) -> Vec<Row> {
        let record = self.records.get_mut(&anna()).unwrap();
        bring_back(self.index.ledger_mut(&anna()).unwrap(), record, &self.versions, at(now))
    }
}

fn order() -> Value {
    json!({ "type": "order.paid", "order_id": "1", "member_id": "anna", "total": "600",
            "occurred_at": "2025-05-01T10:00:00Z" })
}

#[test]
fn a_member_who_was_brought_back_does_not_differ_from_their_history() {
    let mut shop = Shop::new();
    let mut rows = shop.tell(&order(), "2025-05-01T10:00:00Z");
    // By a clock two years ahead Anna's year ends, and then her order is refunded. By the right time, too, she holds nothing.
    rows.extend(shop.advance("2027-11-01T10:00:00Z"));
    let refund = json!({ "type": "order.refunded", "order_id": "1", "refund_id": "1", "amount": "600",
                         "occurred_at": "2025-06-01T10:00:00Z" });
    rows.extend(shop.tell(&refund, "2027-11-01T10:00:00Z"));
    assert_eq!(shop.bring_back("2025-06-01T10:05:00Z"), []);
    let kept = &shop.records[&anna()];
    assert_eq!((kept.tier(), kept.seq(), kept.evaluated_at()), (None, 2, Some(at("2025-06-01T10:05:00Z"))));

    let past = rows.into_iter().filter_map(|row| match row {
        Row::Transition(made) => {
            Some(Past::Transition { seq: made.seq, to: made.to, at: made.at, renewed: made.renewed })
        }
        Row::Reward(_) | Row::Birthday(_) | Row::Correction(_) | Row::Held(_) => None,
    });
    let past: Vec<Past> = past.collect();
    assert!(matches!(&past[1], Past::Transition { at: told, .. } if *told == at("2027-01-01T00:00:00Z")), "{past:?}");
    for looked_at in ["2025-06-01T10:05:00Z", "2027-12-01T00:00:00Z"] {
        let recomputed = Record::from_history(past.clone(), at(looked_at), 1);
        assert!(recomputed.tells_the_same_as(kept), "{recomputed:?} {kept:?}");
    }
}

/// The options of a change that takes no tier.
fn that_hold() -> Options {
    Options { notify: true, demotions: Some(Demotions::Hold), while_active: true, ..Options::default() }
}

#[test]
fn a_version_that_was_passed_ahead_of_its_time_holds_a_tier_from_its_time_on() {
    let mut shop = Shop::new();
    shop.tell(&order(), "2025-05-01T10:00:00Z");
    shop.advance("2026-11-01T10:00:00Z");
    let options = that_hold();
    shop.versions.publish(program("1000"), at("2025-06-01T10:00:00Z"), options, true).unwrap();
    let held = |rows: Vec<Row>| -> Vec<Instant> {
        let held = rows.into_iter().filter_map(|row| if let Row::Held(held) = row { Some(held.at) } else { None });
        held.collect()
    };
    let first = held(shop.advance("2026-11-01T10:00:00Z"));
    assert_eq!(first, [at("2026-11-01T10:00:00Z")]);
    assert_eq!(shop.bring_back("2025-05-31T10:00:00Z"), []);
    let second = held(shop.advance("2025-06-01T10:00:00Z"));
    assert_eq!(second, [at("2025-06-01T10:00:00Z")]);
    // Each hold has a row of its own, and the earlier one counts, in whatever order they are read.
    let acme = ShopId::new("acme").unwrap();
    assert_ne!(key::hold(&acme, &anna(), 2, first[0]), key::hold(&acme, &anna(), 2, second[0]));
    let holds = |shop: &Shop| -> Vec<Instant> {
        let all = shop.index.ledger(&anna()).unwrap().assignments();
        all.iter().filter(|it| matches!(it.act, Act::Hold { .. })).map(|it| it.at).collect()
    };
    assert_eq!(holds(&shop), second);
    let ledger = shop.index.ledger_mut(&anna()).unwrap();
    let mut later = ledger.assignments().iter().find(|it| matches!(it.act, Act::Hold { .. })).unwrap().clone();
    later.at = first[0];
    ledger.hold(later);
    assert_eq!(holds(&shop), second);
    assert_eq!(shop.advance("2025-06-02T10:00:00Z"), [], "Anna does not fall");
}

/// A version published by a clock that was a day ahead raises gold to 1,000, and members who have gold keep it.
#[test]
fn a_version_that_was_brought_forward_holds_what_it_held_ahead_of_its_time() {
    let options = that_hold();
    let publish = |shop: &mut Shop, on: &str| shop.versions.publish(program("1000"), at(on), options, true).map(drop);
    let mut ahead = Shop::new();
    ahead.tell(&order(), "2025-05-01T10:00:00Z");
    publish(&mut ahead, "2025-06-02T10:00:00Z").unwrap();
    let rows = ahead.advance("2025-06-02T11:00:00Z");
    assert!(matches!(&rows[..], [Row::Held(held)] if held.at == at("2025-06-02T10:00:00Z")), "{rows:?}");
    // By the right clock it is in force from noon of the day before.
    let mut right = Versions::first(program("500"), None).unwrap();
    right.publish(program("1000"), at("2025-06-01T12:00:00Z"), options, true).unwrap();
    right.last_is_early();
    ahead.versions = right;
    let rows = ahead.bring_back("2025-06-01T12:01:00Z");
    assert!(matches!(&rows[..], [Row::Held(held)] if held.at == at("2025-06-01T12:00:00Z")), "{rows:?}");
    assert_eq!(ahead.records[&anna()].tier().map(ToString::to_string).as_deref(), Some("gold"));
    assert_eq!(ahead.advance("2025-06-03T10:00:00Z"), [], "Anna neither falls nor rises when the other hold begins");

    // A member whom that clock looked at past the end of her tier held nothing then, and no hold was written when the version
    // came.
    let mut gone = Shop::new();
    gone.tell(&order(), "2025-05-01T10:00:00Z");
    gone.advance("2029-01-01T00:00:00Z");
    assert_eq!(gone.records[&anna()].tier(), None);
    gone.versions = ahead.versions.clone();
    let rows = gone.bring_back("2025-06-01T12:01:00Z");
    assert!(rows.iter().any(|row| matches!(row, Row::Held(held) if held.at == at("2025-06-01T12:00:00Z"))), "{rows:?}");
    assert_eq!(gone.records[&anna()].tier().map(ToString::to_string).as_deref(), Some("gold"));
    // Brought back once more from a later time: what was passed in its time is not passed again.
    ahead.advance("2025-12-01T00:00:00Z");
    assert_eq!(ahead.bring_back("2025-08-01T00:00:00Z"), []);

    // The same if the first version is of that clock, whichever version the member was looked at under.
    for passed in [1, 2] {
        let mut new = Shop::new();
        new.tell(&order(), "2025-05-01T10:00:00Z");
        if passed == 2 {
            publish(&mut new, "2025-06-02T10:00:00Z").unwrap();
        }
        new.advance("2025-06-02T11:00:00Z");
        new.versions = Versions::first(program("500"), None).unwrap();
        new.versions.last_is_early();
        publish(&mut new, "2025-06-01T12:00:00Z").unwrap();
        new.versions.last_is_early();
        let rows = new.bring_back("2025-06-01T12:01:00Z");
        assert!(matches!(&rows[..], [Row::Held(_)]), "{passed}: {rows:?}");
    }
}
