//! Programs from their JSON form.

mod gifts;
mod milestone;
mod tiers;

use std::collections::BTreeSet;

use milestone::{KindOfMilestone, kind_of_milestone};
use serde_json::Value;

use super::{Earning, Eligibility, GiftCards, Notices, Program, SkippedTierRewards, Spend};
use crate::calendar::{Instant, Zone, Zones};
use crate::fact::{Currency, Tag};
use crate::id::ProgramId;
use crate::json::{Node, Notes, Object, Problem, Problems};
use crate::quantity::{Amount, MinorUnit, Points};

/// A program as written in a file. Publishing gives it its number and, unless the file has one, its instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The rules.
    pub program: Program,
    /// The instant at which they take effect, if the file has one.
    pub effective_at: Option<Instant>,
    /// Whether the file takes its start date as stated (`clamp: false`).
    pub unclamped: bool,
    /// Settings that are allowed but probably not meant. For warnings that depend on the instant of publishing, see
    /// [`super::starting`] and [`super::replacing`].
    pub warnings: Vec<Problem>,
}

/// Windows are at most a century long, so dates stay within the calendar.
const DAYS_MAX: i64 = 36_500;
const MONTHS_MAX: i64 = 1_200;
const POINTS_MAX: i64 = 999_999_999_999;

impl Program {
    /// Reads a program as a whole; `zones` is the release of the database with its time zone.
    ///
    /// # Errors
    /// All problems at once, each with its JSON path.
    pub fn read(value: &Value, zones: &Zones) -> Result<Draft, Problems> {
        let notes = Notes::default();
        let read = Node::root(value, &notes).object().and_then(|object| read_program(object, zones));
        let mut draft = notes.settle(read)?;
        draft.warnings.extend(super::advice::of(&draft.program));
        Ok(draft)
    }
}

fn read_program(o: Object<'_>, zones: &Zones) -> Option<Draft> {
    let mut warnings = Vec::new();
    let id = o.maybe("program_id", |node| node.id(ProgramId::new));
    let name = o.maybe("name", free_text);
    let active = o.or("active", true, Node::bool);
    let timezone = o.or("timezone", Zone::utc(), |node| timezone(node, zones));
    let currency = o.get("currency").map_or_else(usd, |node| currency(&node));
    let start_date = o.maybe("start_date", Node::date);
    let effective_at = o.maybe("effective_at", Node::instant);
    let clamp = o.or("clamp", true, Node::bool);
    let milestone = match o.get("milestone") {
        Some(node) => node.object().and_then(|object| kind_of_milestone(object, &mut warnings)),
        None => Some(KindOfMilestone::default()),
    };
    let spend = o.get("spend").map_or(Some(Spend::default()), |node| spend(&node));
    let earning = o.maybe("earning", earning);
    let order_minimum = o.or("orders", Amount::ZERO, order_minimum);
    let eligibility = o.or("eligibility", Eligibility::default(), eligibility);
    let skipped = [("highest_only", SkippedTierRewards::HighestOnly), ("all_skipped", SkippedTierRewards::AllSkipped)];
    let skipped_tier_rewards =
        o.or("skipped_tier_rewards", SkippedTierRewards::HighestOnly, |node| node.word(&skipped));
    let repeat_tier_rewards = o.or("repeat_tier_rewards", false, Node::bool);
    let notices = o.get("notices").map_or(Some(Notices::default()), |node| notices(&node));
    let tiers = o.need("tiers").and_then(|node| tiers::read(&node, milestone.as_ref(), &mut warnings));
    o.finish();
    let (currency, minor_unit) = currency?;
    let (milestone, tiers) = tiers?;
    let program = Program {
        id: id?,
        name: name?,
        active: active?,
        timezone: timezone?,
        currency,
        minor_unit,
        start_date: start_date?,
        milestone,
        spend: spend?,
        earning: earning?,
        order_minimum: order_minimum?,
        eligibility: eligibility?,
        skipped_tier_rewards: skipped_tier_rewards?,
        repeat_tier_rewards: repeat_tier_rewards?,
        notices: notices?,
        tiers,
    };
    Some(Draft { program, effective_at: effective_at?, unclamped: !clamp?, warnings })
}

impl Default for Spend {
    fn default() -> Self {
        Self {
            include_tax: true,
            include_shipping: true,
            include_tips: true,
            include_duties: true,
            before_discounts: false,
            gift_cards: GiftCards::WhenSpent,
        }
    }
}

impl Default for Notices {
    fn default() -> Self {
        Self { expiring_days: vec![30], within_reach_percent: 10 }
    }
}

fn free_text(node: &Node<'_>) -> Option<String> {
    let text = node.text()?;
    if text.trim().is_empty() { node.problem("must not be empty") } else { Some(text.to_owned()) }
}

fn timezone(node: &Node<'_>, zones: &Zones) -> Option<Zone> {
    zones.named(node.text()?).map_or_else(|no_zone| node.problem(no_zone.to_string()), Some)
}

fn usd() -> Option<(Currency, MinorUnit)> {
    with_minor_unit(Currency::from_code("USD")?)
}

fn with_minor_unit(currency: Currency) -> Option<(Currency, MinorUnit)> {
    Some((currency, MinorUnit::new(currency.decimals()?)?))
}

fn currency(node: &Node<'_>) -> Option<(Currency, MinorUnit)> {
    let code = node.text()?;
    match Currency::from_code(code).and_then(with_minor_unit) {
        Some(currency) => Some(currency),
        None => node.problem(format!("`{code}` is not an ISO 4217 currency that money is paid in, such as \"USD\"")),
    }
}

fn spend(node: &Node<'_>) -> Option<Spend> {
    let o = node.object()?;
    let default = Spend::default();
    let include_tax = o.or("include_tax", default.include_tax, Node::bool);
    let include_shipping = o.or("include_shipping", default.include_shipping, Node::bool);
    let include_tips = o.or("include_tips", default.include_tips, Node::bool);
    let include_duties = o.or("include_duties", default.include_duties, Node::bool);
    let before_discounts = o.or("before_discounts", default.before_discounts, Node::bool);
    let words =
        [("when_spent", GiftCards::WhenSpent), ("when_bought", GiftCards::WhenBought), ("both", GiftCards::Both)];
    let gift_cards = o.or("gift_cards", default.gift_cards, |node| node.word(&words));
    o.finish();
    Some(Spend {
        include_tax: include_tax?,
        include_shipping: include_shipping?,
        include_tips: include_tips?,
        include_duties: include_duties?,
        before_discounts: before_discounts?,
        gift_cards: gift_cards?,
    })
}

fn earning(node: &Node<'_>) -> Option<Earning> {
    let o = node.object()?;
    let amount = o.need("amount").and_then(|node| above_zero(&node));
    let points = o.need("points").and_then(|node| points(&node));
    o.finish();
    Some(Earning { amount: amount?, points: points? })
}

fn order_minimum(node: &Node<'_>) -> Option<Amount> {
    let o = node.object()?;
    let min_total = o.or("min_total", Amount::ZERO, Node::amount);
    o.finish();
    min_total
}

fn eligibility(node: &Node<'_>) -> Option<Eligibility> {
    let o = node.object()?;
    let enrolled_only = o.or("enrolled_only", false, Node::bool);
    let excluded_tags = o.or("excluded_tags", BTreeSet::new(), tags);
    o.finish();
    Some(Eligibility { enrolled_only: enrolled_only?, excluded_tags: excluded_tags? })
}

/// Tags, each of which says something; the list may be empty.
fn tags(node: &Node<'_>) -> Option<BTreeSet<Tag>> {
    let mut found = BTreeSet::new();
    for item in node.list()? {
        match Tag::new(item.text()?) {
            Some(tag) => found.insert(tag),
            None => return item.problem("must not be empty"),
        };
    }
    Some(found)
}

fn points(node: &Node<'_>) -> Option<Points> {
    Points::new(node.integer(1..=POINTS_MAX)?)
}

fn above_zero(node: &Node<'_>) -> Option<Amount> {
    let amount = node.amount()?;
    if amount == Amount::ZERO { node.problem("must be above 0") } else { Some(amount) }
}

fn notices(node: &Node<'_>) -> Option<Notices> {
    let o = node.object()?;
    let days = |node: &Node<'_>| -> Option<Vec<u16>> {
        let days = node.list()?.into_iter().map(|day| day.integer(1..=366).and_then(|day| u16::try_from(day).ok()));
        days.collect()
    };
    let expiring_days = o.or("expiring_days", Notices::default().expiring_days, days);
    let percent = o.or("within_reach_percent", 10, |node| node.integer(0..=100));
    o.finish();
    Some(Notices { expiring_days: expiring_days?, within_reach_percent: u8::try_from(percent?).ok()? })
}

#[cfg(test)]
mod tests;
