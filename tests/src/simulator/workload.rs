//! The workload of a shop: programs, and messages about members. Few names are in use, which makes messages meet.

use std::collections::{BTreeMap, BTreeSet};

use engine::ingest::{native, native_document};
use rules::calendar::{Day, Instant, Zones};
use rules::fact::{Currency, Fact};
use rules::id::MemberId;
use serde_json::{Value, json};
use shopify;
use store::shop::ShopId;

use super::dice::Dice;
use super::fault::{Fault, Hits};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// The text of free fields in foreign messages, which must be stored and logged nowhere.
pub const CANARY: &str = "Kanarienvogel";

/// The eight zones, each with days on which its clocks are changed.
pub const ZONES: [(&str, &[&str]); 8] = [
    ("UTC", &[]),
    ("America/New_York", &["2024-03-10", "2024-11-03"]),
    ("Australia/Lord_Howe", &["2024-04-07", "2024-10-06"]),
    ("Africa/Cairo", &["2024-04-26", "2024-11-01"]),
    ("Europe/Berlin", &["2024-03-31", "2024-10-27"]),
    ("Asia/Kolkata", &[]),
    ("Pacific/Kiritimati", &[]),
    ("America/St_Johns", &["2024-03-10", "2024-11-03"]),
];

/// A zone, an instant four hours into a special day of its calendar, and the fault that the day stands for.
pub fn edge(dice: &mut Dice) -> (&'static str, i64, Fault) {
    let (zone, changes) = *dice.one(&ZONES);
    let (day, fault) = match dice.below(3) {
        0 if !changes.is_empty() => (*dice.one(changes), Fault::SummerTime),
        1 => ("2024-02-29", Fault::LeapDay),
        _ => ("2025-01-01", Fault::YearEdge),
    };
    let zoned = Zones::built_in().named(zone).unwrap();
    let day = Day::of(day.parse().unwrap());
    (zone, zoned.midnight(day).millis() + 4 * 60 * MINUTE, fault)
}

/// The expected fate of a message.
#[derive(Debug, Clone)]
pub enum Meant {
    /// These facts are known.
    Facts(Vec<Fact>),
    /// It is ignored.
    Nothing,
    /// It is quarantined.
    Quarantined,
}

/// A message as it was sent.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The body as it goes into the queue.
    pub body: String,
    /// Its expected fate.
    pub meant: Meant,
    /// When it was sent.
    pub at: i64,
}

impl Sent {
    /// The weight of the message where messages are counted by outcome: one per fact, or one if it tells none.
    pub fn weight(&self) -> u64 {
        match &self.meant {
            Meant::Facts(facts) => facts.len() as u64,
            Meant::Nothing | Meant::Quarantined => 1,
        }
    }
}

/// A refund of a part of an order; of some it is said which parts of the order they give back.
fn refund(dice: &mut Dice, order: &str, when: Instant) -> Value {
    let size = dice.between(1, 6);
    let mut event = json!({ "type": "order.refunded", "order_id": order, "refund_id": size.to_string(), "amount": size * 25,
                            "occurred_at": when.to_string() });
    for (part, amount) in [("tax", "1.25"), ("shipping", "4.5"), ("tips", "0"), ("gift_cards", "1")] {
        if dice.chance(150) {
            event[part] = json!(amount);
        }
    }
    event
}

/// A shop, and all that was said of it.
#[derive(Debug)]
pub struct Shop {
    /// Its name.
    pub id: ShopId,
    /// Its time zone.
    pub zone: &'static str,
    /// All messages, in the order in which they were sent.
    pub sent: Vec<Sent>,
    /// The members who asked to be forgotten.
    pub forgotten: BTreeSet<MemberId>,
    /// The publications in their order, as events.
    pub published: Vec<Value>,
    orders: BTreeMap<String, (String, Value)>,
    entries: BTreeSet<String>,
    tags: BTreeSet<String>,
    counter: u64,
}

impl Shop {
    /// A shop of which nothing was said yet.
    pub fn new(name: &str, zone: &'static str) -> Self {
        Self {
            id: ShopId::new(name).unwrap(),
            zone,
            sent: Vec::new(),
            forgotten: BTreeSet::new(),
            published: Vec::new(),
            orders: BTreeMap::new(),
            entries: BTreeSet::new(),
            tags: BTreeSet::new(),
            counter: 0,
        }
    }

    /// The first part of its name, with which the ids of its forgettable members begin.
    pub fn short_name(&self) -> &str {
        self.id.as_str().split('.').next().unwrap_or_default()
    }

    /// A random program.
    pub fn program(&self, dice: &mut Dice, start: &str) -> Value {
        let metric = *dice.one(&["points_earned", "amount_spent", "amount_spent", "orders_placed", "customer_tags"]);
        let span =
            if dice.chance(500) { json!({"days": dice.between(1, 40)}) } else { json!({"months": 1 + dice.below(3)}) };
        let period = match dice.below(6) {
            0 => json!("lifetime"),
            1 | 2 => json!("calendar_year"),
            3 => json!({ "rolling": span }),
            _ => json!({ "since_last_upgrade": span }),
        };
        let threshold = |n: u64| if metric == "orders_placed" { (n / 100).to_string() } else { n.to_string() };
        let repeats = dice.chance(300);
        let tier = |id: &str, n: u64| {
            let rewards = json!([{ "type": "free_shipping" }]);
            let perks = json!([{ "type": "birthday_points", "points": n + 10 }]);
            let counts =
                if metric == "customer_tags" { ("tags", json!([id])) } else { ("threshold", json!(threshold(n))) };
            let mut tier = json!({ "id": id, "name": id, "entry_rewards": rewards, "perks": perks });
            tier[counts.0] = counts.1;
            tier
        };
        let lowest = if dice.chance(300) && metric != "customer_tags" { 0 } else { 100 };
        let tiers = match dice.below(4) {
            0 => json!([tier("silver", 200), tier("gold", 400)]),
            1 => json!([tier("bronze", lowest), tier("gold", 200), tier("silver", 300)]),
            _ => json!([tier("bronze", lowest), tier("silver", 200), tier("gold", 400)]),
        };
        json!({ "timezone": self.zone, "currency": "USD", "start_date": start,
                "spend": { "include_tax": dice.chance(500), "include_shipping": true, "before_discounts": dice.chance(500),
                           "include_tips": dice.chance(500), "include_duties": dice.chance(500),
                           "gift_cards": dice.one(&["when_spent", "when_bought", "both"]) },
                "milestone": { "metric": metric, "period": period,
                               "on_refund": if dice.chance(500) { "keep" } else { "revoke" } },
                "skipped_tier_rewards": if dice.chance(500) { "all_skipped" } else { "highest_only" },
                "repeat_tier_rewards": repeats, "tiers": tiers })
    }

    /// A random member; the names are the same in every shop. Members who may ask to be forgotten are others.
    fn member(&self, dice: &mut Dice) -> String {
        format!("a-member-{}", dice.below(4))
    }

    /// A message about something that happens at about now.
    pub fn message(&mut self, dice: &mut Dice, fault_counts: &mut Hits, now: i64) -> Sent {
        let sent = match dice.below(40) {
            0 => self.unreadable(dice, fault_counts, now),
            1..=4 if self.id.as_str().contains('.') => self.shopify(dice, now),
            5 | 6 => self.about_the_forgettable(dice, now),
            7 | 8 => self.document(dice, fault_counts, now),
            _ => {
                let event = self.event(dice, fault_counts, now);
                self.native(&event, now)
            }
        };
        self.sent.push(sent.clone());
        sent
    }

    /// A fact about something that happens at about now, and the message that would carry it.
    pub fn fact(&mut self, dice: &mut Dice, fault_counts: &mut Hits, now: i64) -> (Value, Sent) {
        let event = self.event(dice, fault_counts, now);
        let sent = self.native(&event, now);
        self.sent.push(sent.clone());
        (event, sent)
    }

    fn native(&self, event: &Value, now: i64) -> Sent {
        let usd = Currency::from_code("USD").unwrap();
        let fact = Fact::read(event, usd).unwrap_or_else(|error| panic!("{error}: {event}")).fact;
        let body = native(&self.id, event, Instant::from_millis(now));
        Sent { body, meant: Meant::Facts(vec![fact]), at: now }
    }

    /// An order, and at once that it was refunded, cancelled or restored.
    fn document(&mut self, dice: &mut Dice, fault_counts: &mut Hits, now: i64) -> Sent {
        let when = Instant::from_millis(self.instant(dice, fault_counts, now));
        let (member, id) = (self.member(dice), dice.below(8).to_string());
        let paid = self.order(dice, fault_counts, (when, now), (member, id.clone()));
        let follows = match dice.below(3) {
            0 => json!({ "type": "order.cancelled", "order_id": id, "occurred_at": when.to_string() }),
            1 => json!({ "type": "order.restored", "order_id": id, "occurred_at": when.to_string() }),
            _ => refund(dice, &id, when),
        };
        let events = [paid, follows];
        let usd = Currency::from_code("USD").unwrap();
        let facts = events.iter().map(|event| Fact::read(event, usd).unwrap().fact).collect();
        let body = native_document(&self.id, events.iter(), Instant::from_millis(now));
        Sent { body, meant: Meant::Facts(facts), at: now }
    }

    fn unreadable(&mut self, dice: &mut Dice, fault_counts: &mut Hits, now: i64) -> Sent {
        fault_counts.hit(Fault::Unreadable);
        self.counter += 1;
        let at = Instant::from_millis(now).to_string();
        let member = format!("{CANARY}-{}", self.counter);
        let late = Instant::from_millis(now + 3_650 * DAY).to_string();
        let bad = [
            json!({ "type": "order.lost", "member_id": member, "occurred_at": at }),
            json!({ "type": "order.paid", "order_id": "1", "member_id": member, "total": "many", "occurred_at": at }),
            json!({ "type": "points.earned", "entry_id": "1", "member_id": member, "points": "1.5.0", "occurred_at": at }),
            json!({ "type": "customer.erased", "member_id": member, "occurred_at": "yesterday" }),
            json!({ "type": "points.earned", "entry_id": "1", "member_id": member, "points": 50, "occurred_at": late }),
        ];
        let mut body = native(&self.id, dice.one(&bad), Instant::from_millis(now));
        if dice.chance(150) {
            body.truncate(body.len() - 7);
        }
        Sent { body, meant: Meant::Quarantined, at: now }
    }

    /// These members have orders of their own, because erasing a member erases what was said of those.
    fn about_the_forgettable(&mut self, dice: &mut Dice, now: i64) -> Sent {
        let (number, order) = (dice.below(2), dice.below(3));
        let member = format!("{}-forgettable-{number}", self.short_name());
        let order = format!("{member}-{order}");
        let at = Instant::from_millis(now - dice.between(0, 40) * MINUTE).to_string();
        let event = match dice.below(6) {
            0 => {
                json!({ "type": "order.refunded", "order_id": order, "refund_id": "1", "member_id": member, "amount": "5", "occurred_at": at })
            }
            1 => {
                json!({ "type": "points.earned", "entry_id": order, "member_id": member, "points": 150, "occurred_at": at })
            }
            2 => json!({ "type": "customer.tags_set", "member_id": member, "tags": ["gold"], "occurred_at": at }),
            _ => {
                json!({ "type": "order.paid", "order_id": order, "member_id": member, "total": "130.50", "occurred_at": at })
            }
        };
        self.native(&event, now)
    }

    /// A member's request to be forgotten.
    pub fn erasure(&mut self, dice: &mut Dice, now: i64) -> Sent {
        let member = format!("{}-forgettable-{}", self.short_name(), dice.below(2));
        self.erasure_of(&MemberId::new(&member).unwrap(), now)
    }

    /// The erasure of a member.
    pub fn erasure_of(&mut self, member: &MemberId, now: i64) -> Sent {
        let at = Instant::from_millis(now).to_string();
        let sent = self.native(&json!({ "type": "customer.erased", "member_id": member, "occurred_at": at }), now);
        self.forgotten.insert(member.clone());
        self.sent.push(sent.clone());
        sent
    }

    /// An order from Shopify, with much personal data that must go nowhere.
    fn shopify(&mut self, dice: &mut Dice, now: i64) -> Sent {
        let money = |amount: &str| json!({ "shop_money": { "amount": amount, "currency_code": "USD" } });
        let (order, customer) = (7_000_000_000_000 + dice.below(5), 8_800_000_000_000 + dice.below(2));
        let at = Instant::from_millis(now - dice.between(0, 600) * MINUTE);
        let updated = Instant::from_millis(now).to_string();
        let total = format!("{}.{:02}", 20 + dice.below(300), dice.below(100));
        let payload = json!({ "id": order, "admin_graphql_api_id": format!("gid://shopify/Order/{order}"),
            "created_at": at.to_string(), "processed_at": at.to_string(), "updated_at": updated,
            "email": format!("{CANARY}@example.com"), "note": CANARY, "currency": "USD", "financial_status": "paid",
            "test": false, "cancelled_at": null, "total_price": total, "total_price_set": money(&total),
            "current_total_price": total, "current_total_price_set": money(&total), "total_tax": "0.00",
            "total_tax_set": money("0.00"), "total_discounts": "0.00", "total_discounts_set": money("0.00"),
            "taxes_included": false, "total_shipping_price_set": money("0.00"), "shipping_lines": [], "refunds": [],
            "billing_address": { "name": CANARY, "address1": CANARY },
            "customer": { "id": customer, "admin_graphql_api_id": format!("gid://shopify/Customer/{customer}"),
                          "first_name": CANARY, "email": format!("{CANARY}@example.com") } });
        let topic = if dice.chance(100) { "carts/update" } else { "orders/updated" };
        let body = json!({ "version": "0", "id": "1", "detail-type": "shopifyWebhook", "time": updated,
                "source": "aws.partner/shopify.com/1234/webhooks", "account": "1", "region": "local", "resources": [],
                "detail": { "payload": payload, "metadata": { "X-Shopify-Topic": topic,
                            "X-Shopify-Shop-Domain": self.id.as_str(), "X-Shopify-Triggered-At": updated } } });
        let body = body.to_string();
        let meant = match shopify::read(body.as_bytes(), None) {
            shopify::Outcome::Facts { facts, .. } => Meant::Facts(facts.into_iter().map(|told| told.fact).collect()),
            shopify::Outcome::Ignored(_) => Meant::Nothing,
            shopify::Outcome::Rejected(rejected) => panic!("{rejected:?}: {body}"),
        };
        Sent { body, meant, at: now }
    }

    /// The instant of something that is told now.
    fn instant(&self, dice: &mut Dice, fault_counts: &mut Hits, now: i64) -> i64 {
        match dice.below(20) {
            0 => {
                fault_counts.hit(Fault::YearLate);
                now - 365 * DAY - dice.between(0, 30) * DAY
            }
            1 => now + dice.between(0, 4 * MINUTE),
            2..=4 => now - dice.between(1, 40) * DAY,
            5..=7 => {
                // Midnight in the shop's time zone.
                let zone = Zones::built_in().named(self.zone).unwrap();
                zone.midnight(zone.day(Instant::from_millis(now))).millis()
            }
            _ => now - dice.between(0, 90 * 60) * 1_000,
        }
    }

    fn event(&mut self, dice: &mut Dice, fault_counts: &mut Hits, now: i64) -> Value {
        let when = Instant::from_millis(self.instant(dice, fault_counts, now));
        let (member, id) = (self.member(dice), dice.below(8).to_string());
        let size = dice.between(1, 6);
        let tier = *dice.one(&["bronze", "silver", "gold", "ruby"]);
        let until = Instant::from_millis(when.millis() + dice.between(1, 60) * DAY / 2).to_string();
        if dice.chance(20) {
            let other = self.member(dice);
            let into = (other != member).then_some(other);
            return json!({ "type": "customer.merged", "member_id": member, "into": into, "occurred_at": when.to_string() });
        }
        let mut event = match dice.below(23) {
            0..=6 => return self.order(dice, fault_counts, (when, now), (member, id)),
            7 | 8 => {
                if !self.orders.contains_key(&id) {
                    fault_counts.hit(Fault::RefundFirst);
                }
                return refund(dice, &id, when);
            }
            9 => {
                if !self.orders.contains_key(&id) {
                    fault_counts.hit(Fault::CancellationFirst);
                }
                json!({ "type": "order.cancelled", "order_id": id })
            }
            10..=13 => {
                self.entries.insert(id.clone());
                json!({ "type": "points.earned", "entry_id": id, "points": size * 50, "member_id": member })
            }
            14 => {
                self.entries.insert(id.clone());
                json!({ "type": "points.adjusted", "entry_id": id, "points": size * -60, "member_id": member })
            }
            15 => {
                if !self.entries.contains(&id) {
                    fault_counts.hit(Fault::PointsCanceledFirst);
                }
                json!({ "type": "points.canceled", "cancel_id": size.to_string(), "entry_id": id, "points": size * 40,
                        "member_id": member })
            }
            16 => {
                self.tags.insert(format!("{member} {tier}"));
                json!({ "type": "customer.tags_set", "tags": [tier], "member_id": member })
            }
            17 => {
                let removed = *dice.one(&["gold", "silver"]);
                if !self.tags.contains(&format!("{member} {removed}")) {
                    fault_counts.hit(Fault::TagRemovedFirst);
                }
                self.tags.insert(format!("{member} {tier}"));
                json!({ "type": "customer.tags_changed", "added": [tier], "removed": [removed], "member_id": member })
            }
            18 => json!({ "type": "customer.enrolled", "birthday": "12-31", "member_id": member }),
            19 => json!({ "type": "tier.assigned", "assignment_id": id, "tier": tier, "member_id": member,
                          "mode": if size > 3 { "floor" } else { "lock" }, "until": until }),
            20 => {
                json!({ "type": "tier.assigned", "assignment_id": id, "tier": tier, "mode": "floor", "member_id": member })
            }
            21 => json!({ "type": "order.restored", "order_id": id }),
            _ => json!({ "type": "tier.unassigned", "assignment_id": id, "member_id": member }),
        };
        event["occurred_at"] = json!(when.to_string());
        event
    }

    fn order(
        &mut self,
        dice: &mut Dice,
        fault_counts: &mut Hits,
        (when, now): (Instant, i64),
        (member, id): (String, String),
    ) -> Value {
        if let Some((_, before)) = self.orders.get(&id)
            && dice.chance(150)
        {
            // The same revision with another body.
            fault_counts.hit(Fault::SameRevision);
            let mut event = before.clone();
            event["total"] = json!(format!("{}.95", 10 + dice.below(200)));
            return event;
        }
        let total = format!("{}.{:02}", 10 + dice.below(250), dice.below(10) * 10 + 5);
        let mut event = json!({ "type": "order.paid", "order_id": id, "total": total, "tax": "3.25", "shipping": "4.5",
                                "occurred_at": when.to_string(), "revision": Instant::from_millis(now).to_string() });
        if dice.chance(900) {
            event["member_id"] = json!(member);
        }
        match dice.below(12) {
            0 => {
                event["currency"] = json!("EUR");
                event["exchange_rate"] = json!("1.0875");
            }
            1 => event["imported"] = json!(true),
            2 => event["revision"] = json!(Instant::from_millis(now - 90 * DAY).to_string()),
            3 => {
                for (part, amount) in
                    [("tips", "0.5"), ("duties", "0.75"), ("gift_cards", "1"), ("paid_with_credit", "0.8")]
                {
                    if dice.chance(600) {
                        event[part] = json!(amount);
                    }
                }
            }
            4 => event["paid_at"] = json!(Instant::from_millis(now - dice.between(0, 20) * DAY).to_string()),
            _ => {}
        }
        if self.orders.get(&id).is_some_and(|(before, _)| *before != member) {
            fault_counts.hit(Fault::OrderMoved);
        }
        self.orders.insert(id, (member, event.clone()));
        event
    }

    /// Many orders of one member at once.
    pub fn burst(&mut self, dice: &mut Dice, fault_counts: &mut Hits, now: i64) -> Vec<Sent> {
        fault_counts.hit(Fault::Burst);
        let member = self.member(dice);
        let count = 20 + dice.below(30);
        let mut all = Vec::new();
        for n in 0..count {
            let at = Instant::from_millis(now - dice.between(0, 3_600) * 1_000).to_string();
            // Long, and with nothing in common that could be left out: the orders do not fit into one item.
            let id = format!("burst-{}-{n}-{:0150x}", self.counter, dice.below(u64::MAX));
            let event = json!({ "type": "order.paid", "order_id": id, "member_id": member,
                                "total": "7.45", "occurred_at": at });
            all.push(self.native(&event, now));
        }
        self.counter += 1;
        self.sent.extend(all.iter().cloned());
        all
    }
}
