//! A shop of generated members, and what lists and insight should say of them: every member is evaluated one by one.

use std::collections::BTreeMap;
use std::str::FromStr;

use engine::lists::{Asked, Cursor, List, ListError, ListPage, page};
use rules::calendar::{Day, DayOfYear, Instant, Span};
use rules::fact::Currency;
use rules::id::{MemberId, TierId};
use rules::ledger::Ledger;
use rules::notice::{self, Notice};
use rules::program::{Milestone, Period};
use rules::standing::{Standing, evaluate};
use rules::version::Version;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use store::key::Spread;
use store::records::insight::{InTier, Insight};
use store::records::list::{Entry, Keep, Next};
use store::shop::ShopId;
use store::{Store, StoredMember};

use crate::system::System;

/// Pseudorandom numbers, always the same.
#[derive(Debug, Clone, Copy)]
pub struct Dice(pub u64);

impl Dice {
    /// A number below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A program that counts spending over a period.
pub fn program(period: &Value) -> Value {
    let tiers = [("silver", 100), ("gold", 500)].map(|(id, threshold)| json!({ "id": id, "threshold": threshold }));
    json!({ "start_date": "2023-01-01", "timezone": "America/New_York",
            "milestone": { "metric": "amount_spent", "period": period },
            "notices": { "within_reach_percent": 25, "expiring_days": [30, 90] },
            "tiers": tiers })
}

/// The events of a member in the two years before an instant.
pub fn life(member: &str, dice: &mut Dice, until: Instant) -> Vec<Value> {
    let ago = |days: u64| until.plus_millis(-3_600_000 * 24 * i64::try_from(days).unwrap() - 3_600_000).to_string();
    let mut events = Vec::new();
    for n in 0..1 + dice.roll(5) {
        let (days, id) = (20 + dice.roll(680), format!("{member}-{n}"));
        let mut order = json!({ "type": "order.paid", "order_id": id, "member_id": member, "occurred_at": ago(days),
                                "total": format!("{}.{:02}", 5 + dice.roll(300), dice.roll(100)) });
        match dice.roll(8) {
            0 => order["currency"] = json!("EUR"),
            1 => {
                order["currency"] = json!("EUR");
                order["exchange_rate"] = json!("1.0842");
            }
            2 => order["test"] = json!(true),
            _ => {}
        }
        events.push(order);
        match dice.roll(9) {
            0 => events.push(json!({ "type": "order.refunded", "order_id": id, "refund_id": "r", "member_id": member,
                                     "amount": "7.31", "occurred_at": ago(dice.roll(days)) })),
            1 => events.push(json!({ "type": "order.cancelled", "order_id": id, "member_id": member,
                                     "occurred_at": ago(dice.roll(days)) })),
            _ => {}
        }
    }
    if dice.roll(8) == 0 {
        let until = until.plus_millis(86_400_000 * (1 + i64::try_from(dice.roll(1_200)).unwrap()));
        events.push(json!({ "type": "tier.assigned", "assignment_id": format!("{member}-a"), "member_id": member,
                            "tier": "gold", "mode": "floor", "until": until.to_string(), "occurred_at": ago(19) }));
    }
    events
}

/// All members of the shop, by bucket and id.
pub async fn everybody(system: &System) -> Vec<(MemberId, Ledger)> {
    let ids = system.store.member_ids(&system.shop).await.unwrap();
    by_place(system.store.tables().spread, system.store.members(&system.shop, ids).await.unwrap())
}

/// All members that were not erased, by bucket and id.
pub fn by_place(spread: Spread, members: BTreeMap<MemberId, StoredMember>) -> Vec<(MemberId, Ledger)> {
    // An id that stands for another member is no member of its own.
    let whole = |stored: StoredMember| stored.present().filter(|held| held.stands_for.is_none());
    let known = members.into_iter().filter_map(|(id, stored)| Some((id, whole(stored)?.counting().into_owned())));
    let mut all: Vec<_> = known.collect();
    all.sort_by_key(|(id, _)| (spread.bucket(id), id.clone()));
    all
}

/// The version in force at an instant.
pub async fn version_at(system: &System, at: Instant) -> Version {
    system.store.versions(&system.shop).await.unwrap().unwrap().in_force(at).clone()
}

/// The tier of a member at an instant.
pub fn tier(version: &Version, ledger: &Ledger, at: Instant) -> Option<TierId> {
    version.program.tier_id(evaluate(version, ledger, at).tier).cloned()
}

/// The coming January 1.
pub fn new_year(version: &Version, at: Instant) -> Instant {
    let zone = &version.program.timezone;
    zone.midnight(Day::new_year(zone.day(at).year() + 1))
}

/// The entry of a member on a list.
pub fn entry(version: &Version, id: &MemberId, ledger: &Ledger, at: Instant) -> Entry {
    let standing = evaluate(version, ledger, at);
    let id_of = |rank| version.program.tier_id(rank).cloned();
    let next = standing.progress.and_then(|progress| progress.next);
    Entry {
        member_id: id.clone(),
        tier: id_of(standing.tier),
        valid_until: standing.valid_until,
        upcoming: id_of(standing.upcoming),
        next: next.map(|(rank, remaining)| Next { tier: id_of(Some(rank)).unwrap(), remaining }),
        requalify: standing.requalify.map(|keep| Keep { remaining: keep.remaining, by: keep.by }),
    }
}

/// Whether a member is on a list.
pub fn is_on(list: &List, version: &Version, ledger: &Ledger, at: Instant) -> bool {
    let standing = evaluate(version, ledger, at);
    match list {
        List::Tier(tier) => version.program.tier_id(standing.tier) == Some(tier),
        List::NearUpgrade => {
            notice::due(version, &standing, at).iter().any(|notice| matches!(notice, Notice::WithinReach(_)))
        }
        List::AtRisk => is_at_risk(version, &standing, at),
        List::ExpiringBefore(before) => standing.valid_until.is_some_and(|until| until < *before),
    }
}

/// Whether a member is at risk, as the documentation of `Forecast::at_risk` defines it.
fn is_at_risk(version: &Version, standing: &Standing, at: Instant) -> bool {
    let (Some(tier), Some(until), Some(keep)) = (standing.tier, standing.valid_until, standing.requalify) else {
        return false;
    };
    let Milestone::Counted(counted) = &version.program.milestone else { return false };
    let zone = &version.program.timezone;
    let days = version.program.notices.expiring_days.iter().max().copied().unwrap_or(30);
    let grace_ends = counted.grace.map(|grace| zone.midnight(grace.after(zone.day(keep.by).previous()).next()));
    let is_next = match counted.period {
        Period::CalendarYear { starts_on: DayOfYear::NEW_YEAR, .. } if counted.grace.is_none() => {
            until == new_year(version, at)
        }
        Period::CalendarYear { .. } | Period::MembershipYear { .. } | Period::SinceLastUpgrade(_) => {
            until == keep.by || grace_ends == Some(until)
        }
        Period::Rolling(_) => until == keep.by && at >= zone.midnight(Span::Days(days).before(zone.day(until))),
        Period::Lifetime => false,
    };
    is_next && !keep.remaining.is_zero() && keep.tier == tier
}

/// The expected entries of a list, computed from all members of a shop in their order.
pub fn expected(list: &List, version: &Version, all: &[(MemberId, Ledger)], at: Instant) -> Vec<Entry> {
    let on = all.iter().filter(|(_, ledger)| is_on(list, version, ledger, at));
    let mut found: Vec<Entry> = on.map(|(id, ledger)| entry(version, id, ledger, at)).collect();
    if let List::ExpiringBefore(_) = list {
        // Month by month; entries that end more than two years ahead come together, last.
        let zone = &version.program.timezone;
        let month = |at: Instant| zone.day(at).to_string()[..7].to_owned();
        let (year, rest) =
            month(at).split_once('-').map(|(year, rest)| (year.parse::<i32>().unwrap(), rest.to_owned())).unwrap();
        let last = format!("{:04}-{rest}", year + 2);
        found
            .sort_by_key(|entry| entry.valid_until.map(month).filter(|month| *month <= last).unwrap_or("later".into()));
    }
    found
}

/// One page of a list.
pub async fn one_page(
    system: &System,
    list: &List,
    limit: usize,
    cursor: Option<&Cursor>,
) -> Result<Option<ListPage>, ListError> {
    page(&system.store, &system.shop, &Asked { list, limit, cursor, now: system.now() }).await
}

/// A whole list, in pages of `limit` entries.
pub async fn read(system: &System, list: &List, limit: usize) -> Vec<Entry> {
    let read = whole((&system.store, &system.shop), system.now(), list, limit).await;
    read.unwrap().expect("lists that were written")
}

/// A whole list of any shop; `None` if no list is kept.
///
/// # Errors
/// The text says what is wrong with the pages.
pub async fn whole(
    (store, shop): (&Store, &ShopId),
    now: Instant,
    list: &List,
    limit: usize,
) -> Result<Option<Vec<Entry>>, String> {
    let (mut all, mut cursor, mut dated) = (Vec::new(), None::<Cursor>, None);
    loop {
        let asked = Asked { list, limit, cursor: cursor.as_ref(), now };
        let page = page(store, shop, &asked).await.map_err(|error| error.to_string())?;
        let Some(page) = page else { return Ok(None) };
        if *dated.get_or_insert((page.as_of, page.job)) != (page.as_of, page.job) {
            return Err(format!("a page of another sweep: {page:?}"));
        }
        if page.entries.len() > limit || (page.next.is_some() && page.entries.len() < limit) {
            return Err(format!("only the last page may be less than full: {page:?}"));
        }
        all.extend(page.entries);
        // The cursor travels as text.
        cursor = page.next.map(|next| next.to_string().parse().unwrap());
        if cursor.is_none() {
            return Ok(Some(all));
        }
    }
}

/// Every list that a caller can ask for.
pub fn lists(at: Instant) -> Vec<List> {
    let mut lists: Vec<List> =
        ["silver", "gold", "unknown"].map(|tier| List::Tier(TierId::new(tier).unwrap())).to_vec();
    lists.extend([List::NearUpgrade, List::AtRisk]);
    let days = [0, 1, 17, 45, 200, 366, 500, 700, 740, 1_000, 4_000];
    lists.extend(days.map(|days| List::ExpiringBefore(at.plus_millis(days * 86_400_000))));
    lists
}

/// Members by tier.
pub fn tiers(version: &Version, all: &[(MemberId, Ledger)], at: Instant) -> BTreeMap<MemberId, Option<TierId>> {
    all.iter().map(|(id, ledger)| (id.clone(), tier(version, ledger, at))).collect()
}

/// Net revenue, orders, and orders left out, computed in decimals.
fn revenue(version: &Version, ledger: &Ledger, until: Instant) -> (Decimal, u64, u64) {
    let zone = &version.program.timezone;
    let from = zone.midnight(Span::Days(365).before(zone.day(until)));
    let (mut net, mut orders, mut left_out) = (Decimal::ZERO, 0, 0);
    for order in ledger.orders() {
        let at = order.at;
        let cancelled_at = order.cancelled.map(|cancelled| cancelled.at).filter(|at| *at < until);
        let restored_at = order.restored.filter(|restored| restored.rules).map(|restored| restored.at);
        let is_cancelled = cancelled_at.is_some() && restored_at.is_none_or(|at| at >= until);
        if at < from || at >= until || is_cancelled || order.charge.test {
            continue;
        }
        let total = order.charge.total.decimal();
        let rate = match order.charge.exchange_rate {
            _ if order.charge.currency == Currency::from_code("USD").unwrap() => Decimal::ONE,
            Some(rate) => Decimal::from_str(&rate.to_string()).unwrap(),
            None => {
                left_out += 1;
                continue;
            }
        };
        let refunded =
            order.refunds.iter().filter(|refund| refund.at < until).map(|refund| refund.refunded.amount.decimal());
        let refunded = refunded.sum::<Decimal>().min(total);
        let worth = (total * rate).round_dp(2);
        let part = if total.is_zero() { Decimal::ZERO } else { worth * refunded / total };
        net += worth - part.round_dp(2);
        orders += 1;
    }
    (net, orders, left_out)
}

/// A tier or none, its members now and on January 1, and their net revenue, orders, and orders left out.
pub type OfTier = (Option<TierId>, u64, u64, Decimal, u64, u64);

/// The expected insight into the tiers.
pub fn in_tiers(version: &Version, all: &[(MemberId, Ledger)], at: Instant) -> Vec<OfTier> {
    let ids = version.program.tiers().map(|(_, tier)| Some(tier.id.clone()));
    let of = |asked: Option<TierId>| {
        let now = all.iter().filter(|(_, ledger)| tier(version, ledger, at) == asked);
        let then = all.iter().filter(|(_, ledger)| tier(version, ledger, new_year(version, at)) == asked).count();
        let (mut net, mut orders, mut left_out) = (Decimal::ZERO, 0, 0);
        for (_, ledger) in now.clone() {
            let more = revenue(version, ledger, at);
            (net, orders, left_out) = (net + more.0, orders + more.1, left_out + more.2);
        }
        let now = now.count() as u64;
        (asked, now, then as u64, net.normalize(), orders, left_out)
    };
    [None].into_iter().chain(ids).map(of).collect()
}

/// The insight into the tiers as it is.
pub fn told(insight: &Insight) -> Vec<OfTier> {
    let one = |of: &InTier| {
        let net = Decimal::from_str(&of.revenue.net.to_string()).unwrap().normalize();
        (of.tier.clone(), of.members, of.on_new_year, net, of.revenue.orders, of.revenue.left_out)
    };
    insight.tiers.iter().map(one).collect()
}
