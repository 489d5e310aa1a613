//! Orders: every snapshot is the whole truth about its order, including refunds.

use rules::calendar::Instant;
use rules::fact::{Charge, Currency, Fact, FactBody, OrderPaid};
use rules::id::{MemberId, OrderId};
use rules::quantity::Amount;

use super::body::Body;
use super::charge::{self, Charged};
use super::reason::{NoFacts, Result};
use super::value::{self, Id};
use super::{DocumentError, Ignored, id};

/// What a document says about the instant at which its order was paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Payment {
    /// Nothing.
    Unsaid,
    /// It was just then: the topic announces the payment itself.
    JustThen,
    /// It was at this instant: the document lists the payments.
    At(Instant),
}

/// Reads a snapshot of an order, from any topic.
pub(super) fn snapshot(
    order: &Body<'_>,
    triggered_at: Option<Instant>,
    payment: Payment,
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
        let known_at = match payment {
            Payment::Unsaid => None,
            Payment::JustThen => Some(triggered_at.map_or(updated_at, |triggered_at| triggered_at.min(updated_at))),
            Payment::At(instant) => Some(instant),
        };
        facts = paid(order, &order_id, (revision, known_at), cancelled_at.is_some())?;
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

/// The statement that an order was paid later than it was placed, as a version of the order that says nothing else.
///
/// An order that an edit made dearer is paid again, and announced as paid again. Of several statements the latest version
/// rules (section 4 of the semantics), so this one is a version the earlier, the later the payment was: the first payment
/// gives the day, in whatever order the documents arrive. The order's snapshot, and a payment at the checkout in it, are
/// versions later than any such statement, and so is a correction from an export.
fn later_payment(order: OrderId, placed_at: Instant, paid_at: Instant, currency: Currency) -> Fact {
    let charge = Charge::of(Amount::ZERO, currency);
    let body = FactBody::OrderPaid(order, OrderPaid { paid_at: Some(paid_at), charge });
    Fact { revision: Instant::from_millis(paid_at.millis().saturating_neg()), ..Fact::new(placed_at, None, body) }
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

/// The paid order and its refunds; see [`charge`] for their money. `known_at` is the instant at which it was known to be
/// paid.
fn paid(
    order: &Body<'_>,
    order_id: &OrderId,
    (revision, known_at): (Instant, Option<Instant>),
    is_cancelled: bool,
) -> Result<Vec<Fact>> {
    let Charged { charge, given_back } = charge::of(order, is_cancelled)?;
    let placed_at = occurred_at(order)?;
    let mut facts = Vec::with_capacity(given_back.len() + 3); // a payment may precede, a cancellation follow
    let paid_at = match known_at {
        Some(known_at) if known_at <= placed_at.plus_millis(CHECKOUT_MS) => Some(placed_at),
        Some(known_at) => {
            facts.push(later_payment(order_id.clone(), placed_at, known_at, charge.currency));
            None
        }
        None => None,
    };
    let body = FactBody::OrderPaid(order_id.clone(), OrderPaid { paid_at, charge });
    facts.push(Fact { revision, ..Fact::new(placed_at, member(order)?, body) });
    for (refund, given_back) in order.refunds.list("$.refunds")?.into_iter().zip(&given_back) {
        facts.push(refund.fact(order_id.clone(), Some(revision), given_back)?);
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
