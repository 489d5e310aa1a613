//! The money of an order: what was charged, what it was for, and what each refund gave back.
//!
//! The total minus the refunds is the rest according to Shopify. The total is therefore the rest *now* plus the refunded money,
//! and never more than was charged: articles that were exchanged or taken out by an edit are listed as refunds too, without
//! money behind them. An outstanding balance is not charged yet. A cancelled order keeps its price, because nothing of it is
//! left anyway.

use rules::fact::Charge;

use super::DocumentError;
use super::body::{Allocation, Body, ShippingLine};
use super::json::{Nested, Scalar};
use super::payments;
use super::reason::Result;
use super::refund::{Backing, Worth};
use super::value::{self, Money, Signed};

/// The charge of an order, and what each of its refunds gave back.
pub(super) struct Charged {
    pub(super) charge: Charge,
    pub(super) given_back: Vec<Worth>,
}

/// Reads the money of an order.
pub(super) fn of(order: &Body<'_>, is_cancelled: bool) -> Result<Charged> {
    let price = Money::of(&order.total_price, &order.total_price_set, "$.total_price")?;
    let code =
        price.currency().or_else(|| order.currency.text()).ok_or_else(|| DocumentError::missing("$.currency"))?;
    let shop = Some(code);
    let full = price.positive(shop)?.ok_or_else(|| DocumentError::missing("$.total_price"))?;
    let current = Money::of(&order.current_total_price, &order.current_total_price_set, "$.current_total_price")?;
    let discounts = Money::of(&order.total_discounts, &order.total_discounts_set, "$.total_discounts")?;
    let refunds = order.refunds.list("$.refunds")?;
    let mut worths =
        refunds.into_iter().map(|refund| refund.worth(shop, &order.total_price_set)).collect::<Result<Vec<_>>>()?;
    let current = current.positive(shop)?;
    // Without the refunds, and without what is left, it is not known how much was given back.
    if says_refunded(order) && !is_cancelled && current.is_none() && worths.is_empty() && full > 0 {
        return Err(DocumentError::missing("$.refunds"));
    }
    if value::flag(&order.taxes_included, "$.taxes_included")? {
        without_taxes_twice(&mut worths, current.map(|current| full - current));
    }

    let outstanding = if is_cancelled { 0 } else { outstanding(order, shop, full)? };
    let current = current.filter(|_| !is_cancelled).map(|current| (current - outstanding).max(0));
    let (rest, given_back) = settled(full - outstanding, current, &worths, says_refunded(order));
    let total: Signed = rest + given_back.iter().map(|worth| worth.total).sum::<Signed>();

    // Of an order that is not paid in full, each part is paid in the same proportion.
    let paid = |sum: Signed| if outstanding == 0 { sum } else { sum * (full - outstanding) / full };
    let rare = |sum: Signed| paid(sum).min(total);
    let bought = gift_cards(order, shop)? - not_bought(&worths, &given_back);
    let credit = if is_paid_with_credit(order)? { total } else { order.listed_credit.min(total) };
    let total = value::amount(total, "$.total_price")?;
    let charge = Charge {
        tax: value::amount(paid(tax(order, shop, is_cancelled, &given_back)?), "$.total_tax")?,
        shipping: value::amount(paid(shipping(order, shop)?), "$.shipping_lines")?,
        tips: value::amount(rare(tips(order, shop)?), "$.total_tip_received")?,
        duties: value::amount(rare(duties(order, shop, is_cancelled, &given_back)?), "$.current_total_duties_set")?,
        discounts: value::amount(discounts.positive(shop)?.unwrap_or(0), "$.total_discounts")?,
        gift_cards: value::amount(rare(bought), "$.line_items")?,
        paid_with_credit: value::amount(credit, "$.transactions")?,
        test: value::flag(&order.test, "$.test")?,
        ..Charge::of(total, value::currency(code, "$.currency")?)
    };
    Ok(Charged { charge, given_back })
}

/// The part of the price that is not paid yet. An order that was created as paid, without any payment, is outstanding as a
/// whole: its status is right.
fn outstanding(order: &Body<'_>, shop: Option<&str>, price: Signed) -> Result<Signed> {
    let outstanding =
        Money::of(&order.total_outstanding, &order.total_outstanding_set, "$.total_outstanding")?.signed(shop)?;
    Ok(outstanding.filter(|outstanding| (1..price).contains(outstanding)).unwrap_or(0))
}

/// The gift cards in refunds that gave nothing back: an edit took them out before they were paid.
fn not_bought(worths: &[Worth], given_back: &[Worth]) -> Signed {
    worths.iter().zip(given_back).filter(|(_, given)| given.total == 0).map(|(worth, _)| worth.gift_cards).sum()
}

/// Where prices include the tax, a refund's subtotal may include it as well. What the order lost tells it: if that is the
/// subtotals together, their tax is in them.
fn without_taxes_twice(worths: &mut [Worth], lost: Option<Signed>) {
    let total: Signed = worths.iter().map(|worth| worth.total).sum();
    let tax: Signed = worths.iter().map(|worth| worth.tax).sum();
    if tax > 0 && lost == Some(total - tax) {
        for worth in worths {
            worth.total -= worth.tax;
        }
    }
}

/// Whether Shopify says that money was given back.
fn says_refunded(order: &Body<'_>) -> bool {
    matches!(order.financial_status.text(), Some("partially_refunded" | "refunded"))
}

/// The rest of an order now, and the money that each of its refunds gave back.
///
/// A refund whose transactions succeeded gave back its worth, and no more than they moved; one whose transactions failed gave back nothing. Where the
/// document shows no transactions of any refund, a refund gave money back if the order's status says so. All of them together gave
/// back no more than the price and the rest differ by: in an exchange for a cheaper article the refund lists the whole
/// article. Refunds that show no transactions lose the excess first, the oldest before the others.
fn settled(price: Signed, current: Option<Signed>, worths: &[Worth], says_refunded: bool) -> (Signed, Vec<Worth>) {
    let shows_money = worths.iter().any(|worth| worth.backing == Backing::Money);
    let mut given_back: Vec<Signed> = worths
        .iter()
        .map(|worth| match worth.backing {
            Backing::Money => worth.at_most_moved(),
            Backing::Unknown if says_refunded && !shows_money => worth.total.max(0),
            Backing::Unknown | Backing::Failed => 0,
        })
        .collect();
    let taken = |(worth, given): (&Worth, &Signed)| if worth.total < 0 { worth.total } else { *given };
    let taken: Signed = worths.iter().zip(&given_back).map(taken).sum();
    let rest = current.unwrap_or((price - taken).max(0));
    let mut excess = (given_back.iter().sum::<Signed>() - (price - rest).max(0)).max(0);
    for backing in [Backing::Unknown, Backing::Money] {
        for (_, given) in worths.iter().zip(&mut given_back).filter(|(worth, _)| worth.backing == backing) {
            let less = excess.min(*given);
            *given -= less;
            excess -= less;
        }
    }
    (rest, worths.iter().zip(given_back).map(|(worth, given)| worth.of(given)).collect())
}

/// The tax in the total, computed like the total: the rest now plus the refunded tax.
fn tax(order: &Body<'_>, shop: Option<&str>, is_cancelled: bool, refunded: &[Worth]) -> Result<Signed> {
    let tax = Money::of(&order.total_tax, &order.total_tax_set, "$.total_tax")?.positive(shop)?;
    let current = Money::of(&order.current_total_tax, &order.current_total_tax_set, "$.current_total_tax")?;
    let refunded: Signed = refunded.iter().map(|worth| worth.tax).sum();
    let left = current.positive(shop)?.filter(|_| !is_cancelled);
    Ok(left.map_or(tax.unwrap_or(0), |left| left + refunded))
}

/// The duties in the total, computed like the tax.
fn duties(order: &Body<'_>, shop: Option<&str>, is_cancelled: bool, refunded: &[Worth]) -> Result<Signed> {
    let original = Money::of_set(&order.original_total_duties_set, "$.original_total_duties_set")?.positive(shop)?;
    let current = Money::of_set(&order.current_total_duties_set, "$.current_total_duties_set")?.positive(shop)?;
    let refunded: Signed = refunded.iter().map(|worth| worth.duties).sum();
    let left = current.filter(|_| !is_cancelled);
    Ok(left.map_or(original.unwrap_or(0), |left| left + refunded))
}

fn tips(order: &Body<'_>, shop: Option<&str>) -> Result<Signed> {
    let tips = Money::of(&order.total_tip_received, &order.total_tip_received_set, "$.total_tip_received")?;
    Ok(tips.positive(shop)?.unwrap_or(0))
}

/// The amount that bought gift cards, after discounts.
fn gift_cards(order: &Body<'_>, shop: Option<&str>) -> Result<Signed> {
    let path = "$.line_items[]";
    let mut sum = 0;
    for line in order.line_items.list("$.line_items")? {
        if !value::flag(&line.gift_card, "$.line_items[].gift_card")? {
            continue;
        }
        let price = Money::of(&line.price, &line.price_set, path)?.positive(shop)?.unwrap_or(0);
        let discounts = allocated(&line.discount_allocations, shop, path)?;
        sum += (price * value::count(&line.quantity, "$.line_items[].quantity")? - discounts).max(0);
    }
    Ok(sum)
}

/// Whether the whole order was paid with gift cards or store credit, by the names of its gateways. Of an order that was paid in
/// several ways, these do not say how much was paid in which; the list of its payments does, where a query asks for it.
fn is_paid_with_credit(order: &Body<'_>) -> Result<bool> {
    let path = "$.payment_gateway_names";
    let names: Vec<String> = match &order.payment_gateway_names {
        Scalar::Parts(list) => {
            serde_json::from_str(list).map_err(|_| DocumentError::unreadable(path, "must be a list of texts"))?
        }
        Scalar::Absent => Vec::new(),
        Scalar::Bool(_) | Scalar::Number(_) | Scalar::Text(_) => {
            return Err(DocumentError::unreadable(path, "must be a list of texts"));
        }
    };
    Ok(!names.is_empty() && names.iter().all(|name| payments::is_credit(name)))
}

/// The shipping in the total: after discounts, and without the tax that prices include, which counts as tax.
fn shipping(order: &Body<'_>, shop: Option<&str>) -> Result<Signed> {
    if order.shipping_lines.is_absent() {
        let set = Money::of_set(&order.total_shipping_price_set, "$.total_shipping_price_set")?;
        return Ok(set.positive(shop)?.unwrap_or(0));
    }
    let taxes_included = value::flag(&order.taxes_included, "$.taxes_included")?;
    order.shipping_lines.list("$.shipping_lines")?.into_iter().map(|line| shipment(line, shop, taxes_included)).sum()
}

fn shipment(line: &ShippingLine<'_>, shop: Option<&str>, taxes_included: bool) -> Result<Signed> {
    if value::flag(&line.is_removed, SHIPPING)? {
        return Ok(0);
    }
    let (charged, taxes) = line.charged(shop)?;
    Ok((charged - if taxes_included { taxes } else { 0 }).max(0))
}

const SHIPPING: &str = "$.shipping_lines[]";

impl ShippingLine<'_> {
    /// The price of the shipment after discounts, and the taxes on it or in it.
    pub(super) fn charged(&self, shop: Option<&str>) -> Result<(Signed, Signed)> {
        let discounted = Money::of(&self.discounted_price, &self.discounted_price_set, SHIPPING)?.positive(shop)?;
        let price = Money::of(&self.price, &self.price_set, SHIPPING)?.positive(shop)?;
        let discounts = allocated(&self.discount_allocations, shop, SHIPPING)?;
        let mut taxes = 0;
        for tax in self.tax_lines.list(SHIPPING)? {
            taxes += Money::of(&tax.price, &tax.price_set, SHIPPING)?.positive(shop)?.unwrap_or(0);
        }
        let price = price.or(discounted).unwrap_or(0) - discounts;
        Ok((discounted.unwrap_or(price).min(price), taxes))
    }
}

/// The discounts of a line together.
fn allocated(parts: &Nested<Allocation<'_>>, shop: Option<&str>, path: &'static str) -> Result<Signed> {
    let amount =
        |part: &Allocation<'_>| Ok(Money::of(&part.amount, &part.amount_set, path)?.positive(shop)?.unwrap_or(0));
    parts.list(path)?.into_iter().map(amount).sum()
}
