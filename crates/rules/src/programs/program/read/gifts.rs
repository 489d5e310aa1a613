//! Entry rewards and perks from their JSON form.

use super::{DAYS_MAX, above_zero, free_text, points};
use crate::json::Node;
use crate::program::{Gift, Perk, Reward};
use crate::quantity::Amount;

const PERCENT_MAX: u64 = 100 * 10_000;

fn percent(node: &Node<'_>) -> Option<Amount> {
    let percent = above_zero(node)?;
    if percent.ten_thousandths() > PERCENT_MAX { node.problem("must be at most 100") } else { Some(percent) }
}

pub(super) fn reward(node: &Node<'_>) -> Option<Reward> {
    let o = node.object()?;
    let gift = match o.need("type")?.text()? {
        "points" => o.need("points").and_then(|node| points(&node)).map(Gift::Points),
        "discount_percent" => o.need("percent").and_then(|node| percent(&node)).map(Gift::DiscountPercent),
        "discount_amount" => o.need("amount").and_then(|node| above_zero(&node)).map(Gift::DiscountAmount),
        "free_shipping" => Some(Gift::FreeShipping),
        "free_product" => o.need("product").and_then(|node| free_text(&node)).map(Gift::FreeProduct),
        "custom" => o.need("text").and_then(|node| free_text(&node)).map(Gift::Custom),
        other => {
            return o.need("type")?.problem(format!(
                "`{other}` is not a reward; write one of `points`, `discount_percent`, `discount_amount`, \
                 `free_shipping`, `free_product`, `custom`"
            ));
        }
    };
    let days = o.maybe("valid_days", |node| node.integer(1..=DAYS_MAX).and_then(|days| u16::try_from(days).ok()));
    let unit_cost = o.maybe("unit_cost", Node::amount);
    o.finish();
    Some(Reward { gift: gift?, valid_days: days?, unit_cost: unit_cost? })
}

pub(super) fn perk(node: &Node<'_>) -> Option<Perk> {
    let o = node.object()?;
    let perk = match o.need("type")?.text()? {
        "birthday_points" => o.need("points").and_then(|node| points(&node)).map(Perk::BirthdayPoints),
        "points_multiplier" => o.need("factor").and_then(|node| above_zero(&node)).map(Perk::PointsMultiplier),
        "free_shipping" => Some(Perk::FreeShipping),
        "early_access" => Some(Perk::EarlyAccess),
        "custom" => o.need("text").and_then(|node| free_text(&node)).map(Perk::Custom),
        other => {
            return o.need("type")?.problem(format!(
                "`{other}` is not a perk; write one of `birthday_points`, `points_multiplier`, `free_shipping`, \
                 `early_access`, `custom`"
            ));
        }
    };
    o.finish();
    perk
}
