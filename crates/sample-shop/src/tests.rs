//! The shop is the same every time, in order, readable, and as irregular as it claims to be.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Datelike;
use rules::calendar::{Instant, Zones};
use rules::fact::{Charge, Currency, Fact, FactBody, OrderPaid};
use rules::id::MemberId;
use serde_json::json;

use super::{Event, Sample, Setup};

const SHOP: Setup = Setup { seed: 7, customers: 1_500 };
const DAY_MS: i64 = 86_400_000;

fn told(setup: Setup) -> Vec<(Instant, Fact)> {
    let fact = |event: Event| match &event {
        Event::Fact(told) => Some((event.arrives_at(), told.fact.clone())),
        Event::Published { .. } => None,
    };
    Sample::of(setup).filter_map(fact).collect()
}

/// The orders: arrival, member, instant of payment, and content.
fn orders(told: &[(Instant, Fact)]) -> Vec<(Instant, Option<MemberId>, Instant, Charge)> {
    let order = |(at, fact): &(Instant, Fact)| {
        let FactBody::OrderPaid(_, paid) = &fact.body else { return None };
        Some((*at, fact.member.clone(), fact.occurred_at, paid.charge))
    };
    told.iter().filter_map(order).collect()
}

/// The value below which `percent` percent of the values lie.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    sorted[sorted.len() * percent / 100]
}

#[test]
fn the_same_seed_makes_the_same_events_and_another_seed_others() {
    let lines = |seed| Sample::of(Setup { seed, customers: 60 }).map(|event| event.to_json().to_string());
    assert!(lines(1).eq(lines(1)));
    assert!(!lines(1).eq(lines(2)));
}

#[test]
fn the_first_events_of_seed_seven_never_change() {
    let lines: Vec<_> = Sample::of(Setup { seed: 7, customers: 40 }).take(2).map(|event| event.to_json()).collect();
    let expected = [
        json!({ "type": "order.paid", "order_id": "10001", "member_id": "kofi-20", "currency": "JPY",
                "exchange_rate": "0.006973", "total": "2438", "tax": "93", "shipping": "853",
                "occurred_at": "2023-02-19T12:10:09.787Z", "received_at": "2023-02-19T12:10:14.417Z" }),
        json!({ "type": "customer.enrolled", "member_id": "kofi-20", "occurred_at": "2023-02-19T12:13:54.197Z" }),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_larger_shop_holds_the_customers_of_a_smaller_one() {
    let days = |customers| {
        let told = told(Setup { seed: 7, customers });
        let of = |member: &str| {
            let own =
                orders(&told).into_iter().filter(|(_, whose, ..)| whose.as_ref().is_some_and(|m| m.as_str() == member));
            own.map(|(at, .., paid)| (at, paid.total)).collect::<Vec<_>>()
        };
        [of("ada-0"), of("amir-1"), of("anna-2")]
    };
    assert_eq!(days(20), days(200));
}

#[test]
fn events_come_in_order_of_arrival_and_never_before_they_happen() {
    let (mut clock, end) = (Instant::from_millis(0), Setup::end());
    for event in Sample::of(SHOP) {
        assert!(event.arrives_at() >= clock && event.arrives_at() < end);
        clock = event.arrives_at();
        if let Event::Fact(told) = &event {
            assert!(told.fact.occurred_at <= clock, "{told:?}");
        }
    }
}

#[test]
fn every_event_reads_back_as_the_fact_it_was() {
    let currency = Currency::from_code("USD").unwrap();
    for event in Sample::of(SHOP) {
        if let Event::Fact(told) = &event {
            assert_eq!(Fact::read(&event.to_json(), currency).as_ref(), Ok(told.as_ref()));
        }
    }
}

#[test]
fn most_customers_buy_on_a_few_days_a_year_and_a_few_on_many() {
    let told = told(Setup { customers: 4_000, ..SHOP });
    let zone = Zones::built_in().named("America/New_York").unwrap();
    let mut active: BTreeMap<(MemberId, i32), BTreeSet<String>> = BTreeMap::new();
    for (_, member, paid_at, _) in orders(&told) {
        let day = zone.day(paid_at);
        if let Some(member) = member {
            active.entry((member, day.year())).or_default().insert(day.to_string());
        }
    }
    let mut counts: Vec<u64> = active.values().map(|days| days.len() as u64).collect();
    counts.sort_unstable();
    let found = [50, 90, 99].map(|percent| percentile(&counts, percent));
    assert!(found[0] == 2 && (7..=11).contains(&found[1]) && (23..=35).contains(&found[2]), "{found:?}");
}

#[test]
fn baskets_are_mostly_small_with_a_long_tail_and_christmas_is_the_season() {
    let told = told(SHOP);
    let own = orders(&told).into_iter().filter(|(.., paid)| paid.currency.code() == "USD");
    let (mut dollars, mut months) = (Vec::new(), [0_u32; 13]);
    for (.., paid_at, paid) in own {
        dollars.push(paid.total.ten_thousandths() / 10_000);
        months[chrono::DateTime::from_timestamp_millis(paid_at.millis()).unwrap().month() as usize] += 1;
        assert!(paid.tax.ten_thousandths() + paid.shipping.ten_thousandths() <= paid.total.ten_thousandths());
        assert_eq!(paid.total.ten_thousandths() % 100, 0, "whole cents");
    }
    dollars.sort_unstable();
    let found = [50, 90, 99].map(|percent| percentile(&dollars, percent));
    assert!(
        (50..=75).contains(&found[0]) && (140..=240).contains(&found[1]) && (380..=800).contains(&found[2]),
        "{found:?}"
    );
    let quiet = months[1..=10].iter().max().unwrap();
    assert!(months[11] > quiet * 3 / 2 && months[12] > quiet * 3 / 2, "{months:?}");
}

#[test]
fn the_shop_has_every_kind_of_trouble() {
    let told = told(SHOP);
    let mut found: BTreeMap<&str, u32> = BTreeMap::new();
    let mut see = |what, whether: bool| *found.entry(what).or_default() += u32::from(whether);
    let mut deliveries = BTreeMap::new();
    let zone = Zones::built_in().named("America/New_York").unwrap();
    for (at, fact) in &told {
        let delivered = deliveries.entry(format!("{fact:?}")).or_insert(0);
        *delivered += 1;
        see("delivered twice", *delivered == 2);
        let (mut known_at, arrived) = (fact.occurred_at, *at);
        match &fact.body {
            FactBody::OrderPaid(_, OrderPaid { charge: paid, .. }) => {
                known_at = fact.revision;
                see("guest", fact.member.is_none());
                see("corrected or claimed", fact.revision != fact.occurred_at);
                see("foreign", paid.currency.code() != "USD");
                let no_rate = paid.exchange_rate.is_none();
                see("foreign without a rate", paid.currency.code() != "USD" && no_rate);
                see("yen", paid.currency.code() == "JPY");
                see("test", paid.test);
                see("discount", paid.discounts != rules::quantity::Amount::ZERO);
                see("free shipping", paid.shipping == rules::quantity::Amount::ZERO);
            }
            FactBody::OrderRefunded(_, refund, _) => {
                see("second refund", refund.as_str().ends_with("R2"));
                see("return after New Year", zone.day(fact.occurred_at).date().month() == 1);
            }
            FactBody::OrderCancelled(_) => see("cancelled", true),
            FactBody::OrderRestored(_) | FactBody::Merged(_) => panic!("no such thing here: {fact:?}"),
            FactBody::Enrolled(enrolled) => see("birthday", enrolled.birthday.is_some()),
            FactBody::BirthdaySet(_) => see("birthday told later", true),
            FactBody::TierAssigned(..) => see("assigned", true),
            FactBody::TierUnassigned(..) => see("unassigned", true),
            FactBody::PointsEntry(..)
            | FactBody::PointsCanceled(..)
            | FactBody::TagsSet(_)
            | FactBody::TagsChanged(_)
            | FactBody::Erased => panic!("no such thing here: {fact:?}"),
        }
        let late = arrived.millis() - known_at.millis() > DAY_MS && *delivered == 1;
        see("late", late);
        see("late across New Year", late && zone.day(known_at).year() < zone.day(arrived).year());
    }
    assert!(found.values().all(|count| *count > 0), "{found:?}");
    assert_eq!(found.len(), 18, "{found:?}");
    assert_eq!(Sample::of(SHOP).filter(|event| matches!(event, Event::Published { .. })).count(), 1);
}
