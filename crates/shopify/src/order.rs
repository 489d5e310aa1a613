//! Orders: every snapshot is the whole truth about its order, including refunds.

use rules::calendar::Instant;
use rules::fact::{Fact, FactBody, OrderPaid};
use rules::id::{MemberId, OrderId};

use super::body::{Body, ShippingLine};
use super::reason::{NoFacts, Result};
use super::refund::Worth;
use super::value::{self, Id, Money, Signed};
use super::{DocumentError, Ignored, id};

/// Reads a snapshot of an order, from any topic.
pub(super) fn snapshot(order: &Body<'_>, triggered_at: Option<Instant>) -> std::result::Result<Vec<Fact>, NoFacts> {
    let digits = order.ids().needed("Order", "$.id")?;
    if order.is_stub() {
        return Err(DocumentError::OversizeStub { topic: "orders/*", id: digits }.into());
    }
    let order_id = id(&digits, "$.id", OrderId::new)?;
    let updated_at = value::needed_instant(&order.updated_at, "$.updated_at")?;
    let revision = value::revision(updated_at, triggered_at);
    let cancelled_at = value::instant(&order.cancelled_at, "$.cancelled_at")?;
    let mut facts = Vec::new();
    if counts(order)? {
        facts = paid(order, &order_id, revision, cancelled_at.is_some())?;
    } else if value::flag(&order.test, "$.test")? {
        return Err(Ignored::TestOrder.into());
    } else if cancelled_at.is_none() {
        let status = order.financial_status.text().unwrap_or_default().to_owned();
        return Err(Ignored::NotPaid { status }.into());
    }
    facts.extend(cancelled_at.map(|occurred_at| cancelled(order_id, occurred_at, revision)));
    Ok(facts)
}

/// Reads the body of `orders/delete`, which is only an id. Shopify deletes orders that were cancelled, tests, imported
/// or paid by hand; in each case nothing of the order is left. A cancellation in the order's own snapshot stays valid:
/// this one has the earliest possible revision, so it never redates another.
pub(super) fn deleted(order: &Body<'_>, triggered_at: Option<Instant>) -> std::result::Result<Vec<Fact>, NoFacts> {
    let digits = order.ids().needed("Order", "$.id")?;
    let occurred_at = triggered_at.ok_or(DocumentError::NoInstant { topic: "orders/delete" })?;
    Ok(vec![cancelled(id(&digits, "$.id", OrderId::new)?, occurred_at, Instant::from_millis(0))])
}

/// The cancellation of an order. It names no member but follows its order; for an order that was never paid it affects no member.
fn cancelled(order: OrderId, occurred_at: Instant, revision: Instant) -> Fact {
    Fact { revision, ..Fact::new(occurred_at, None, FactBody::OrderCancelled(order)) }
}

/// Whether the order's payment makes it count. `voided` and `expired` orders may still be paid in another way. A
/// `partially_paid` order may have been paid and then grown by an edit; its earlier facts stand until the rest is paid.
fn counts(order: &Body<'_>) -> Result<bool> {
    let path = "$.financial_status";
    match order.financial_status.text() {
        Some("paid" | "partially_refunded" | "refunded") => Ok(true),
        Some("pending" | "authorized" | "partially_paid" | "voided" | "expired") => Ok(false),
        Some(other) => {
            Err(DocumentError::unreadable(path, format_args!("`{other}` is not a payment status of Shopify")))
        }
        None if order.financial_status.is_absent() => Err(DocumentError::missing(path)),
        None => Err(DocumentError::unreadable(path, "must be a text")),
    }
}

/// The paid order and its refunds, such that the total minus the refunds is the rest according to Shopify.
///
/// The `total` is therefore the rest *now* plus the refunded amounts. Mostly that is `total_price`. It differs where an edit
/// changed the order without a refund, or where Shopify counts a refund differently. The snapshot is then right, and the
/// difference never was part of the order. A cancelled order keeps its `total_price`, because nothing of it is left anyway.
fn paid(order: &Body<'_>, order_id: &OrderId, revision: Instant, is_cancelled: bool) -> Result<Vec<Fact>> {
    let price = Money::of(&order.total_price, &order.total_price_set, "$.total_price")?;
    let code =
        price.currency().or_else(|| order.currency.text()).ok_or_else(|| DocumentError::missing("$.currency"))?;
    let shop = Some(code);
    let refunds = order.refunds.list("$.refunds")?;
    let worths = refunds.iter().map(|refund| refund.worth(shop)).collect::<Result<Vec<_>>>()?;
    let current = Money::of(&order.current_total_price, &order.current_total_price_set, "$.current_total_price")?;
    let discounts = Money::of(&order.total_discounts, &order.total_discounts_set, "$.total_discounts")?;
    let price = price.positive(shop)?.ok_or_else(|| DocumentError::missing("$.total_price"))?;
    let current = current.positive(shop)?;
    let total = if is_cancelled { price } else { charged(price, current, &worths) };
    let occurred_at = occurred_at(order)?;
    let paid = OrderPaid {
        total: value::amount(total, "$.total_price")?,
        tax: value::amount(tax(order, shop, is_cancelled, &worths)?, "$.total_tax")?,
        shipping: value::amount(shipping(order, shop)?, "$.shipping_lines")?,
        discounts: value::amount(discounts.positive(shop)?.unwrap_or(0), "$.total_discounts")?,
        currency: value::currency(code, "$.currency")?,
        exchange_rate: None,
        test: value::flag(&order.test, "$.test")?,
    };
    let body = FactBody::OrderPaid(order_id.clone(), paid);
    let mut facts = Vec::with_capacity(refunds.len() + 2); // a cancellation may follow
    facts.push(Fact { revision, ..Fact::new(occurred_at, member(order)?, body) });
    for (refund, worth) in refunds.iter().zip(&worths) {
        facts.push(refund.fact(order_id.clone(), Some(revision), worth.total)?);
    }
    Ok(facts)
}

fn member(order: &Body<'_>) -> Result<Option<MemberId>> {
    let path = "$.customer.id";
    let Some(customer) = order.customer.object("$.customer")? else { return Ok(None) };
    let ids = Id { number: &customer.id, global: &customer.admin_graphql_api_id };
    ids.digits("Customer", path)?.map(|digits| id(&digits, path, MemberId::new)).transpose()
}

fn occurred_at(order: &Body<'_>) -> Result<Instant> {
    match value::instant(&order.processed_at, "$.processed_at")? {
        Some(processed_at) => Ok(processed_at),
        None => value::needed_instant(&order.created_at, "$.created_at"),
    }
}

/// The grand total charged; see [`paid`].
fn charged(price: Signed, current: Option<Signed>, worths: &[Worth]) -> Signed {
    let taken: Signed = worths.iter().map(|worth| worth.total).sum();
    let told: Signed = worths.iter().map(|worth| worth.total.max(0)).sum();
    current.unwrap_or((price - taken).max(0)) + told
}

/// The tax in the total, computed like the total: the rest now plus the refunded tax.
fn tax(order: &Body<'_>, shop: Option<&str>, is_cancelled: bool, worths: &[Worth]) -> Result<Signed> {
    let tax = Money::of(&order.total_tax, &order.total_tax_set, "$.total_tax")?.positive(shop)?;
    let current = Money::of(&order.current_total_tax, &order.current_total_tax_set, "$.current_total_tax")?;
    let refunded: Signed = worths.iter().map(|worth| worth.tax).sum();
    let left = current.positive(shop)?.filter(|_| !is_cancelled);
    Ok(left.map_or(tax.unwrap_or(0), |left| left + refunded))
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
    let path = "$.shipping_lines[]";
    if value::flag(&line.is_removed, path)? {
        return Ok(0);
    }
    let discounted = Money::of(&line.discounted_price, &line.discounted_price_set, path)?.positive(shop)?;
    let price = Money::of(&line.price, &line.price_set, path)?.positive(shop)?;
    let mut discounts = 0;
    for part in line.discount_allocations.list(path)? {
        discounts += Money::of(&part.amount, &part.amount_set, path)?.positive(shop)?.unwrap_or(0);
    }
    let mut taxes = 0;
    for tax in line.tax_lines.list(path)? {
        taxes += Money::of(&tax.price, &tax.price_set, path)?.positive(shop)?.unwrap_or(0);
    }
    let price = price.or(discounted).unwrap_or(0) - discounts;
    Ok((discounted.unwrap_or(price).min(price) - if taxes_included { taxes } else { 0 }).max(0))
}
