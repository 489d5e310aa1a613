//! Orders: every snapshot is the whole truth about its order, refunds included.

use rules::calendar::Instant;
use rules::fact::{Cancelled, Fact, OrderPaid, Revised};
use rules::id::{MemberId, OrderId};

use super::reason::Aside;
use super::refund::{Refund, Worth};
use super::scan::{Result, Scalar, Scan};
use super::value::{self, Id, Money, Signed};
use super::{Ignored, Rejected, id};

/// An order as it is written.
#[derive(Debug, Default)]
struct Order<'a> {
    id: Id<'a>,
    customer: Id<'a>,
    created_at: Scalar<'a>,
    processed_at: Scalar<'a>,
    updated_at: Scalar<'a>,
    cancelled_at: Scalar<'a>,
    test: Scalar<'a>,
    taxes_included: Scalar<'a>,
    financial_status: Scalar<'a>,
    currency: Scalar<'a>,
    total: Money<'a>,
    current_total: Money<'a>,
    tax: Money<'a>,
    current_tax: Money<'a>,
    discounts: Money<'a>,
    shipping: Money<'a>,
    shipping_lines: Option<Vec<ShippingLine<'a>>>,
    refunds: Vec<Refund<'a>>,
    only_id: bool,
}

/// What a shipment cost.
#[derive(Debug, Default)]
struct ShippingLine<'a> {
    price: Money<'a>,
    discounted: Money<'a>,
    allocations: Vec<Money<'a>>,
    taxes: Vec<Money<'a>>,
    is_removed: Scalar<'a>,
}

/// Reads a snapshot of an order, from whichever topic.
pub(super) fn snapshot(scan: &mut Scan<'_>, triggered_at: Option<Instant>) -> std::result::Result<Vec<Fact>, Aside> {
    let order = Order::read(scan)?;
    scan.end()?;
    let digits = order.id.needed("Order", "$.id")?;
    if order.only_id {
        return Err(Rejected::OversizeStub { topic: "orders/*", id: digits }.into());
    }
    let order_id = id(&digits, "$.id", OrderId::new)?;
    let updated_at = value::needed_instant(&order.updated_at, "$.updated_at")?;
    let revision = value::revision(updated_at, triggered_at);
    let cancelled_at = value::instant(&order.cancelled_at, "$.cancelled_at")?;
    let mut facts = Vec::with_capacity(1 + order.refunds.len() + usize::from(cancelled_at.is_some()));
    if order.counts()? {
        order.tell_paid(&order_id, revision, cancelled_at.is_some(), &mut facts)?;
    } else if value::flag(&order.test, "$.test")? {
        return Err(Ignored::TestOrder.into());
    } else if cancelled_at.is_none() {
        let status = order.financial_status.text().unwrap_or_default().to_owned();
        return Err(Ignored::NotPaid { status }.into());
    }
    facts.extend(cancelled_at.map(|occurred_at| cancelled(order_id, occurred_at, revision)));
    Ok(facts)
}

/// Reads the body of `orders/delete`, which is only an id. Shopify lets go of orders that were cancelled, tests,
/// imported or paid by hand; whichever it was, nothing of the order is left. What the order itself said of its
/// cancellation stands: this says it with the earliest of revisions, so that it never redates one.
pub(super) fn deleted(scan: &mut Scan<'_>, triggered_at: Option<Instant>) -> std::result::Result<Vec<Fact>, Aside> {
    let order = Order::read(scan)?;
    scan.end()?;
    let digits = order.id.needed("Order", "$.id")?;
    let occurred_at = triggered_at.ok_or(Rejected::NoInstant { topic: "orders/delete" })?;
    Ok(vec![cancelled(id(&digits, "$.id", OrderId::new)?, occurred_at, Instant::from_millis(0))])
}

/// A cancellation names no member, but follows its order: of an order that was never paid it touches nobody.
fn cancelled(order: OrderId, occurred_at: Instant, revision: Instant) -> Fact {
    let cancelled = Revised { revision, content: Cancelled { occurred_at }, member: None, imported: false };
    Fact::OrderCancelled { order, cancelled }
}

impl<'a> Order<'a> {
    fn read(scan: &mut Scan<'a>) -> Result<Self> {
        let mut order = Self { only_id: true, ..Self::default() };
        let is_object = scan.object("$", |scan, key| {
            order.only_id &= matches!(key, "id" | "admin_graphql_api_id");
            order.field(scan, key)
        })?;
        if is_object { Ok(order) } else { Err(Rejected::unreadable("$", "must be an object")) }
    }

    fn field(&mut self, scan: &mut Scan<'a>, key: &str) -> Result<()> {
        match key {
            "id" => self.id.number = scan.scalar()?,
            "admin_graphql_api_id" => self.id.global = scan.scalar()?,
            "customer" => self.customer = customer(scan)?,
            "created_at" => self.created_at = scan.scalar()?,
            "processed_at" => self.processed_at = scan.scalar()?,
            "updated_at" => self.updated_at = scan.scalar()?,
            "cancelled_at" => self.cancelled_at = scan.scalar()?,
            "test" => self.test = scan.scalar()?,
            "taxes_included" => self.taxes_included = scan.scalar()?,
            "financial_status" => self.financial_status = scan.scalar()?,
            "currency" => self.currency = scan.scalar()?,
            "total_price" => self.total.plain = scan.scalar()?,
            "total_price_set" => self.total.read_set(scan, "$.total_price_set")?,
            "current_total_price" => self.current_total.plain = scan.scalar()?,
            "current_total_price_set" => self.current_total.read_set(scan, "$.current_total_price_set")?,
            "total_tax" => self.tax.plain = scan.scalar()?,
            "total_tax_set" => self.tax.read_set(scan, "$.total_tax_set")?,
            "current_total_tax" => self.current_tax.plain = scan.scalar()?,
            "current_total_tax_set" => self.current_tax.read_set(scan, "$.current_total_tax_set")?,
            "total_discounts" => self.discounts.plain = scan.scalar()?,
            "total_discounts_set" => self.discounts.read_set(scan, "$.total_discounts_set")?,
            "total_shipping_price_set" => self.shipping.read_set(scan, "$.total_shipping_price_set")?,
            "shipping_lines" => self.shipping_lines = Some(shipping_lines(scan)?),
            "refunds" => {
                self.refunds.clear();
                scan.list("$.refunds", |scan| {
                    self.refunds.push(Refund::read(scan)?);
                    Ok(())
                })?;
            }
            _ => scan.skip()?,
        }
        Ok(())
    }

    /// Whether its payment makes it count. `voided` and `expired` may still be paid another way; `partially_paid` is
    /// also what an order becomes that was paid and then grew by an edit: what was told of it before stands until the
    /// rest is paid.
    fn counts(&self) -> Result<bool> {
        let path = "$.financial_status";
        match self.financial_status.text() {
            Some("paid" | "partially_refunded" | "refunded") => Ok(true),
            Some("pending" | "authorized" | "partially_paid" | "voided" | "expired") => Ok(false),
            Some(other) => Err(Rejected::unreadable(path, format_args!("`{other}` is no payment status of Shopify"))),
            None if self.financial_status.is_absent() => Err(Rejected::missing(path)),
            None => Err(Rejected::unreadable(path, "must be a text")),
        }
    }

    /// The paid order and its refunds, so that the total less the refunds is what Shopify says is left.
    ///
    /// So `total` is what is left *now* plus what the refunds took. Mostly that is `total_price`; where an edit changed
    /// the order without a refund, or Shopify's account of a refund differs from ours, the snapshot is right, and the
    /// difference never was part of the order. Of a cancelled order nothing is left whatever it says, and the total is
    /// what it was.
    fn tell_paid(&self, order: &OrderId, revision: Instant, is_cancelled: bool, facts: &mut Vec<Fact>) -> Result<()> {
        let code =
            self.total.currency().or_else(|| self.currency.text()).ok_or_else(|| Rejected::missing("$.currency"))?;
        let shop = Some(code);
        let worths = self.refunds.iter().map(|refund| refund.worth(shop)).collect::<Result<Vec<_>>>()?;
        let price = self.total.positive(shop, "$.total_price")?.ok_or_else(|| Rejected::missing("$.total_price"))?;
        let current = self.current_total.positive(shop, "$.current_total_price")?;
        let total = if is_cancelled { price } else { charged(price, current, &worths) };
        let shipping = self.shipping(shop)?;
        let content = OrderPaid {
            occurred_at: self.occurred_at()?,
            total: value::amount(total, "$.total_price")?,
            tax: value::amount(self.tax(shop, is_cancelled, &worths)?, "$.total_tax")?,
            shipping: value::amount(shipping, "$.shipping_lines")?,
            discounts: value::amount(
                self.discounts.positive(shop, "$.total_discounts")?.unwrap_or(0),
                "$.total_discounts",
            )?,
            currency: value::currency(code, "$.currency")?,
            exchange_rate: None,
            test: value::flag(&self.test, "$.test")?,
        };
        let path = "$.customer.id";
        let member =
            self.customer.digits("Customer", path)?.map(|digits| id(&digits, path, MemberId::new)).transpose()?;
        let paid = Revised { revision, content, member, imported: false };
        facts.push(Fact::OrderPaid { order: order.clone(), paid });
        for (refund, worth) in self.refunds.iter().zip(&worths) {
            facts.push(refund.fact(order.clone(), Some(revision), worth.total)?);
        }
        Ok(())
    }

    fn occurred_at(&self) -> Result<Instant> {
        match value::instant(&self.processed_at, "$.processed_at")? {
            Some(processed_at) => Ok(processed_at),
            None => value::needed_instant(&self.created_at, "$.created_at"),
        }
    }

    /// The tax in the total, reckoned like the total: what is left now plus what the refunds took.
    fn tax(&self, shop: Option<&str>, is_cancelled: bool, worths: &[Worth]) -> Result<Signed> {
        let tax = self.tax.positive(shop, "$.total_tax")?.unwrap_or(0);
        let current = self.current_tax.positive(shop, "$.current_total_tax")?;
        let refunded: Signed = worths.iter().map(|worth| worth.tax).sum();
        Ok(current.filter(|_| !is_cancelled).map_or(tax, |current| current + refunded))
    }

    /// The shipping in the total: after discounts, and without the tax that prices include, which is tax.
    fn shipping(&self, shop: Option<&str>) -> Result<Signed> {
        let Some(lines) = &self.shipping_lines else {
            return Ok(self.shipping.positive(shop, "$.total_shipping_price_set")?.unwrap_or(0));
        };
        let taxes_included = value::flag(&self.taxes_included, "$.taxes_included")?;
        lines.iter().map(|line| line.charged(shop, taxes_included)).sum()
    }
}

/// The grand total charged: see [`Order::tell_paid`].
fn charged(price: Signed, current: Option<Signed>, worths: &[Worth]) -> Signed {
    let taken: Signed = worths.iter().map(|worth| worth.total).sum();
    let told: Signed = worths.iter().map(|worth| worth.total.max(0)).sum();
    current.unwrap_or((price - taken).max(0)) + told
}

impl ShippingLine<'_> {
    fn charged(&self, shop: Option<&str>, taxes_included: bool) -> Result<Signed> {
        let path = "$.shipping_lines[]";
        if value::flag(&self.is_removed, path)? {
            return Ok(0);
        }
        let sum = |amounts: &[Money<'_>]| -> Result<Signed> {
            amounts.iter().map(|amount| Ok(amount.positive(shop, path)?.unwrap_or(0))).sum()
        };
        let discounted = self.discounted.positive(shop, path)?;
        let price = self.price.positive(shop, path)?.or(discounted).unwrap_or(0) - sum(&self.allocations)?;
        let taxes = if taxes_included { sum(&self.taxes)? } else { 0 };
        Ok((discounted.unwrap_or(price).min(price) - taxes).max(0))
    }
}

fn customer<'a>(scan: &mut Scan<'a>) -> Result<Id<'a>> {
    let mut customer = Id::default();
    scan.object("$.customer", |scan, key| {
        match key {
            "id" => customer.number = scan.scalar()?,
            "admin_graphql_api_id" => customer.global = scan.scalar()?,
            _ => scan.skip()?,
        }
        Ok(())
    })?;
    Ok(customer)
}

fn shipping_lines<'a>(scan: &mut Scan<'a>) -> Result<Vec<ShippingLine<'a>>> {
    let path = "$.shipping_lines";
    let mut lines = Vec::new();
    scan.list(path, |scan| {
        let mut line = ShippingLine::default();
        scan.object(path, |scan, key| {
            match key {
                "price" => line.price.plain = scan.scalar()?,
                "price_set" => line.price.read_set(scan, path)?,
                "discounted_price" => line.discounted.plain = scan.scalar()?,
                "discounted_price_set" => line.discounted.read_set(scan, path)?,
                "discount_allocations" => line.allocations = amounts(scan, path, "amount", "amount_set")?,
                "tax_lines" => line.taxes = amounts(scan, path, "price", "price_set")?,
                "is_removed" => line.is_removed = scan.scalar()?,
                _ => scan.skip()?,
            }
            Ok(())
        })?;
        lines.push(line);
        Ok(())
    })?;
    Ok(lines)
}

fn amounts<'a>(scan: &mut Scan<'a>, path: &'static str, plain: &str, set: &str) -> Result<Vec<Money<'a>>> {
    let mut amounts = Vec::new();
    scan.list(path, |scan| {
        let mut amount = Money::default();
        scan.object(path, |scan, key| {
            if key == plain {
                amount.plain = scan.scalar()?;
                Ok(())
            } else if key == set {
                amount.read_set(scan, path)
            } else {
                scan.skip()
            }
        })?;
        amounts.push(amount);
        Ok(())
    })?;
    Ok(amounts)
}
