//! Refunds: inside an order, and alone as `refunds/create`.
//!
//! A refund is worth what it takes off the order's grand total in the shop's currency: its lines with their tax, less
//! the (signed) adjustments with theirs, plus duties and fees given back. That is Shopify's own account of it, and the
//! same rule holds inside an order and alone, so that a later snapshot repeats what the refund said. Its `transactions`
//! are not used: they are in the customer's currency, may be pending, or not there at all.

use rules::calendar::Instant;
use rules::fact::{Fact, Refunded, Revised};
use rules::id::{OrderId, RefundId};

use super::reason::Aside;
use super::scan::{Result, Scalar, Scan};
use super::value::{self, Id, Money, Signed};
use super::{Rejected, id};

/// A refund as it is written.
#[derive(Debug, Default)]
pub(super) struct Refund<'a> {
    id: Id<'a>,
    order_id: Scalar<'a>,
    created_at: Scalar<'a>,
    processed_at: Scalar<'a>,
    lines: Vec<Part<'a>>,
    adjustments: Vec<Part<'a>>,
    shipping: Vec<Money<'a>>,
    duties: Money<'a>,
    fees: Money<'a>,
    only_id: bool,
}

/// An amount with its tax beside it; adjustments also say of what kind they are.
#[derive(Debug, Default)]
struct Part<'a> {
    amount: Money<'a>,
    tax: Money<'a>,
    kind: Scalar<'a>,
}

/// What a refund takes off its order.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Worth {
    /// Of the grand total; below 0 when it gave something back to the shop.
    pub(super) total: Signed,
    /// Of the tax in it.
    pub(super) tax: Signed,
}

impl<'a> Refund<'a> {
    pub(super) fn read(scan: &mut Scan<'a>) -> Result<Self> {
        let mut refund = Self { only_id: true, ..Self::default() };
        scan.object("$..refunds[]", |scan, key| {
            refund.only_id &= matches!(key, "id" | "admin_graphql_api_id");
            match key {
                "id" => refund.id.number = scan.scalar()?,
                "admin_graphql_api_id" => refund.id.global = scan.scalar()?,
                "order_id" => refund.order_id = scan.scalar()?,
                "created_at" => refund.created_at = scan.scalar()?,
                "processed_at" => refund.processed_at = scan.scalar()?,
                "refund_line_items" => refund.lines = lines(scan)?,
                "order_adjustments" => refund.adjustments = adjustments(scan)?,
                "refund_shipping_lines" => refund.shipping = shipping(scan)?,
                "total_duties_set" => refund.duties.read_set(scan, "$..total_duties_set")?,
                "total_additional_fees_set" => refund.fees.read_set(scan, "$..total_additional_fees_set")?,
                _ => scan.skip()?,
            }
            Ok(())
        })?;
        Ok(refund)
    }

    /// What it takes off an order in the `shop`'s currency.
    pub(super) fn worth(&self, shop: Option<&str>) -> Result<Worth> {
        let mut worth = Worth::default();
        for line in &self.lines {
            let path = "$..refund_line_items[].subtotal";
            let subtotal = line.amount.positive(shop, path)?.ok_or_else(|| Rejected::missing(path))?;
            let tax = line.tax.positive(shop, "$..refund_line_items[].total_tax")?.unwrap_or(0);
            worth.total += subtotal + tax;
            worth.tax += tax;
        }
        for adjustment in &self.adjustments {
            let path = "$..order_adjustments[].amount";
            let amount = adjustment.amount.signed(shop, path)?.ok_or_else(|| Rejected::missing(path))?;
            let tax = adjustment.tax.signed(shop, "$..order_adjustments[].tax_amount")?.unwrap_or(0);
            worth.total -= amount + tax;
            worth.tax -= tax;
        }
        if self.shipping_lines_count() {
            for line in &self.shipping {
                worth.total += line.positive(shop, "$..refund_shipping_lines[]")?.unwrap_or(0);
            }
        }
        worth.total += self.duties.positive(shop, "$..total_duties_set")?.unwrap_or(0);
        worth.total += self.fees.positive(shop, "$..total_additional_fees_set")?.unwrap_or(0);
        Ok(worth)
    }

    /// Shipping given back is told as an adjustment, and since API 2024-10 a second time as shipping lines.
    fn shipping_lines_count(&self) -> bool {
        let told = |adjustment: &Part<'_>| adjustment.kind.text().is_none_or(|kind| kind == "shipping_refund");
        !self.adjustments.iter().any(told)
    }

    /// The fact that it is; it names no member, but follows its order.
    pub(super) fn fact(&self, order: OrderId, revision: Option<Instant>, total: Signed) -> Result<Fact> {
        let created_at = value::instant(&self.created_at, "$..created_at")?;
        let processed_at = value::instant(&self.processed_at, "$..processed_at")?;
        let occurred_at = processed_at.or(created_at).ok_or_else(|| Rejected::missing("$..processed_at"))?;
        let refund = id(&self.id.needed("Refund", "$..id")?, "$..id", RefundId::new)?;
        let content = Refunded { occurred_at, amount: value::amount(total, "$..refunds[]")? };
        let revision = revision.or(created_at).unwrap_or(occurred_at);
        Ok(Fact::OrderRefunded {
            order,
            refund,
            refunded: Revised { revision, content, member: None, imported: false },
        })
    }
}

/// Reads the body of `refunds/create`: taken until a later snapshot of the order says the same, under the same id.
pub(super) fn alone(scan: &mut Scan<'_>) -> std::result::Result<Vec<Fact>, Aside> {
    let refund = Refund::read(scan)?;
    scan.end()?;
    if refund.only_id {
        let id = refund.id.needed("Refund", "$.id")?;
        return Err(Rejected::OversizeStub { topic: "refunds/create", id }.into());
    }
    let path = "$.order_id";
    let order = value::digits(&refund.order_id, path)?.ok_or_else(|| Rejected::missing(path))?;
    let shop = refund.lines.iter().chain(&refund.adjustments).find_map(|part| part.amount.currency());
    let shop = shop.or_else(|| refund.duties.currency()).map(str::to_owned);
    let worth = refund.worth(shop.as_deref())?;
    Ok(vec![refund.fact(id(&order, path, OrderId::new)?, None, worth.total)?])
}

fn lines<'a>(scan: &mut Scan<'a>) -> Result<Vec<Part<'a>>> {
    parts(scan, "$..refund_line_items", ["subtotal", "subtotal_set", "total_tax", "total_tax_set"])
}

fn adjustments<'a>(scan: &mut Scan<'a>) -> Result<Vec<Part<'a>>> {
    parts(scan, "$..order_adjustments", ["amount", "amount_set", "tax_amount", "tax_amount_set"])
}

fn parts<'a>(scan: &mut Scan<'a>, path: &'static str, keys: [&str; 4]) -> Result<Vec<Part<'a>>> {
    let [amount, amount_set, tax, tax_set] = keys;
    let mut parts = Vec::new();
    scan.list(path, |scan| {
        let mut part = Part::default();
        scan.object(path, |scan, key| {
            match key {
                "kind" => part.kind = scan.scalar()?,
                _ if key == amount => part.amount.plain = scan.scalar()?,
                _ if key == amount_set => part.amount.read_set(scan, path)?,
                _ if key == tax => part.tax.plain = scan.scalar()?,
                _ if key == tax_set => part.tax.read_set(scan, path)?,
                _ => scan.skip()?,
            }
            Ok(())
        })?;
        parts.push(part);
        Ok(())
    })?;
    Ok(parts)
}

fn shipping<'a>(scan: &mut Scan<'a>) -> Result<Vec<Money<'a>>> {
    let path = "$..refund_shipping_lines";
    let mut lines = Vec::new();
    scan.list(path, |scan| {
        let mut line = Money::default();
        scan.object(path, |scan, key| match key {
            "subtotal_amount_set" => line.read_set(scan, path),
            _ => scan.skip(),
        })?;
        lines.push(line);
        Ok(())
    })?;
    Ok(lines)
}
