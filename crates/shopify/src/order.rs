//! Orders: every snapshot is the whole truth about its order, including refunds.

use rules::calendar::Instant;
use rules::fact::{Charge, Fact, FactBody, OrderPaid};
use rules::id::{MemberId, OrderId};
use rules::quantity::Amount;

use super::body::{Body, ShippingLine};
use super::json::{Nested, Scalar};
use super::reason::{NoFacts, Result};
use super::refund::{Backing, Worth};
use super::value::{self, Id, Money, Signed};
use super::{DocumentError, Ignored, id};

/// Reads a snapshot of an order, from any topic.
///
/// `is_payment` says that the topic announces the payment itself: then the document knows when that was.
pub(super) fn snapshot(
    order: &Body<'_>,
    triggered_at: Option<Instant>,
    is_payment: bool,
) -> std::result::Result<Vec<Fact>, NoFacts> {
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
        let known_at = triggered_at.map_or(updated_at, |triggered_at| triggered_at.min(updated_at));
        let paid_at = if is_payment { Some(paid_at(occurred_at(order)?, known_at)) } else { None };
        facts = paid(order, &order_id, (revision, paid_at), cancelled_at.is_some())?;
    } else if value::flag(&order.test, "$.test")? {
        return Err(Ignored::TestOrder.into());
    } else if cancelled_at.is_none() {
        let status = order.financial_status.text().unwrap_or_default().to_owned();
        return Err(Ignored::NotPaid { status }.into());
    }
    facts.extend(cancelled_at.map(|occurred_at| cancelled(order_id, occurred_at, revision)));
    Ok(facts)
}

/// An order whose payment is announced within this time was paid at the checkout: the announcement takes seconds, cash on
/// delivery and bank transfers hours. Otherwise an order at 23:59:59 would count for the next day.
const CHECKOUT_MS: i64 = 10 * 60 * 1_000;

/// The instant of payment of an order that was placed at one instant, and known to be paid at another.
fn paid_at(placed_at: Instant, known_at: Instant) -> Instant {
    if known_at <= placed_at.plus_millis(CHECKOUT_MS) { placed_at } else { known_at }
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
/// The `total` is therefore the rest *now* plus the refunded money, and never more than was charged: articles that were
/// exchanged or taken out by an edit are listed as refunds too, without money behind them. An outstanding balance is not
/// charged yet. A cancelled order keeps its price, because nothing of it is left anyway.
fn paid(
    order: &Body<'_>,
    order_id: &OrderId,
    (revision, paid_at): (Instant, Option<Instant>),
    is_cancelled: bool,
) -> Result<Vec<Fact>> {
    let price = Money::of(&order.total_price, &order.total_price_set, "$.total_price")?;
    let code =
        price.currency().or_else(|| order.currency.text()).ok_or_else(|| DocumentError::missing("$.currency"))?;
    let shop = Some(code);
    let refunds = order.refunds.list("$.refunds")?;
    let worths = refunds.iter().map(|refund| refund.worth(shop)).collect::<Result<Vec<_>>>()?;
    let current = Money::of(&order.current_total_price, &order.current_total_price_set, "$.current_total_price")?;
    let discounts = Money::of(&order.total_discounts, &order.total_discounts_set, "$.total_discounts")?;
    let outstanding = Money::of(&order.total_outstanding, &Nested::Absent, "$.total_outstanding")?.signed(shop)?;
    let price = price.positive(shop)?.ok_or_else(|| DocumentError::missing("$.total_price"))?;
    // An order that was created as paid, without any payment, is outstanding as a whole: its status is right.
    let is_part = |outstanding: &Signed| !is_cancelled && (1..price).contains(outstanding);
    let outstanding = outstanding.filter(is_part).unwrap_or(0);
    let charged = |sum: Signed| (sum - outstanding).max(0);
    // Of an order that is not paid in full, each part is paid in the same proportion.
    let full = price;
    let paid_part = |sum: Signed| if outstanding == 0 { sum } else { sum * (full - outstanding) / full };
    let price = charged(full);
    let current = current.positive(shop)?.filter(|_| !is_cancelled).map(charged);
    let (rest, given_back) = settled(price, current, &worths, says_refunded(order));
    let refunded: Vec<Worth> = worths.iter().zip(&given_back).map(|(worth, given)| worth.of(*given)).collect();
    let exchanged = worths.iter().zip(&given_back).filter(|(_, given)| **given == 0).map(|(worth, _)| worth.gift_cards);
    let exchanged: Signed = exchanged.sum();
    let total = value::amount(rest + given_back.iter().sum::<Signed>(), "$.total_price")?;
    let part = |sum: Signed, path| value::amount(paid_part(sum).min(total.ten_thousandths().into()), path);
    let charge = Charge {
        tax: value::amount(paid_part(tax(order, shop, is_cancelled, &refunded)?), "$.total_tax")?,
        shipping: value::amount(paid_part(shipping(order, shop)?), "$.shipping_lines")?,
        tips: part(tips(order, shop)?, "$.total_tip_received")?,
        duties: part(duties(order, shop, is_cancelled, &refunded)?, "$.current_total_duties_set")?,
        discounts: value::amount(discounts.positive(shop)?.unwrap_or(0), "$.total_discounts")?,
        gift_cards: part((gift_cards(order, shop)? - exchanged).max(0), "$.line_items")?,
        paid_with_credit: if is_paid_with_credit(order)? { total } else { Amount::ZERO },
        test: value::flag(&order.test, "$.test")?,
        ..Charge::of(total, value::currency(code, "$.currency")?)
    };
    let body = FactBody::OrderPaid(order_id.clone(), OrderPaid { paid_at, charge });
    let mut facts = Vec::with_capacity(refunds.len() + 2); // a cancellation may follow
    facts.push(Fact { revision, ..Fact::new(occurred_at(order)?, member(order)?, body) });
    for ((refund, worth), given_back) in refunds.iter().zip(&worths).zip(given_back) {
        facts.push(refund.fact(order_id.clone(), Some(revision), worth, given_back)?);
    }
    Ok(facts)
}

/// Whether Shopify says that money was given back.
fn says_refunded(order: &Body<'_>) -> bool {
    matches!(order.financial_status.text(), Some("partially_refunded" | "refunded"))
}

/// The rest of an order now, and the money that each of its refunds gave back.
///
/// A refund whose transactions succeeded gave back its worth; one whose transactions failed gave back nothing. Where the
/// document does not show transactions, a refund gave money back if the order's status says so. All of them together gave
/// back no more than the price and the rest differ by: in an exchange for a cheaper article the refund lists the whole
/// article. Refunds that show no transactions lose the excess first, the oldest before the others.
fn settled(price: Signed, current: Option<Signed>, worths: &[Worth], says_refunded: bool) -> (Signed, Vec<Signed>) {
    let mut given_back: Vec<Signed> = worths
        .iter()
        .map(|worth| match worth.backing {
            Backing::Money => worth.total.max(0),
            Backing::Unknown if says_refunded => worth.total.max(0),
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
    (rest, given_back)
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
    let tips = Money::of(&order.total_tip_received, &Nested::Absent, "$.total_tip_received")?;
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
        let mut discounts = 0;
        for part in line.discount_allocations.list(path)? {
            discounts += Money::of(&part.amount, &part.amount_set, path)?.positive(shop)?.unwrap_or(0);
        }
        sum += (price * value::count(&line.quantity, "$.line_items[].quantity")? - discounts).max(0);
    }
    Ok(sum)
}

/// Whether the whole order was paid with gift cards or store credit. Of an order that was paid in several ways, a document
/// does not say how much was paid in which.
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
    let is_credit = |name: &String| matches!(&**name, "gift_card" | "shopify_store_credit" | "store_credit");
    Ok(!names.is_empty() && names.iter().all(is_credit))
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
