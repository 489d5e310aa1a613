//! Refunds: inside an order, and alone as `refunds/create`.
//! The worth of a refund is the amount that it takes off the order's grand total, in the shop's currency. That is its
//! lines with their tax, minus the (signed) adjustments with theirs, plus refunded duties and fees. Shopify counts it
//! the same way. The rule is the same inside an order and alone, so a later snapshot repeats the refund. The amounts of its
//! `transactions` are not used: they are in the customer's currency. Only whether money moved at all is read from them.

use rules::calendar::Instant;
use rules::fact::{Fact, FactBody, RefundParts, Refunded};
use rules::id::{OrderId, RefundId};

use serde::Deserialize;

use super::body::Body;
use super::json::{Nested, Scalar};
use super::reason::{NoFacts, Result};
use super::value::{self, Id, Money, MoneySet, Signed};
use super::{DocumentError, id};

/// Reads the body of `refunds/create`. It counts until a later snapshot of the order repeats the refund under the same id.
pub(super) fn alone(body: &Body<'_>) -> std::result::Result<Vec<Fact>, NoFacts> {
    if body.is_stub() {
        let id = body.ids().needed("Refund", "$.id")?;
        return Err(DocumentError::OversizeStub { topic: "refunds/create", id }.into());
    }
    let path = "$.order_id";
    let order = value::digits(&body.order_id, path)?.ok_or_else(|| DocumentError::missing(path))?;
    let refund = Refund::of(body);
    let worth = refund.worth(refund.currency()?)?;
    // An empty list says that no money moved: goods were exchanged, or taken out by an edit.
    let has_moved = match worth.backing {
        Backing::Money => true,
        Backing::Unknown => body.transactions.is_absent(),
        Backing::Failed => false,
    };
    let given_back = worth.of(if has_moved { worth.total } else { 0 });
    Ok(vec![refund.fact(id(&order, path, OrderId::new)?, None, &given_back)?])
}

/// A refund as written in the payload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct Refund<'a> {
    id: Scalar<'a>,
    admin_graphql_api_id: Scalar<'a>,
    created_at: Scalar<'a>,
    processed_at: Scalar<'a>,
    refund_line_items: Nested<RefundLine<'a>>,
    order_adjustments: Nested<Adjustment<'a>>,
    refund_shipping_lines: Nested<GivenBack<'a>>,
    total_duties_set: Nested<MoneySet<'a>>,
    total_additional_fees_set: Nested<MoneySet<'a>>,
    transactions: Nested<Transaction<'a>>,
}

/// A movement of money.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct Transaction<'a> {
    status: Scalar<'a>,
}

/// The article of a refunded line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct RefundedArticle<'a> {
    gift_card: Scalar<'a>,
}

/// Refunded goods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct RefundLine<'a> {
    subtotal: Scalar<'a>,
    subtotal_set: Nested<MoneySet<'a>>,
    total_tax: Scalar<'a>,
    total_tax_set: Nested<MoneySet<'a>>,
    line_item: Nested<RefundedArticle<'a>>,
}

/// An adjustment: another refund (below 0) or an amount kept (above 0).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct Adjustment<'a> {
    kind: Scalar<'a>,
    amount: Scalar<'a>,
    amount_set: Nested<MoneySet<'a>>,
    tax_amount: Scalar<'a>,
    tax_amount_set: Nested<MoneySet<'a>>,
}

/// Refunded shipping.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct GivenBack<'a> {
    subtotal_amount_set: Nested<MoneySet<'a>>,
}

/// The amounts that a refund takes off its order.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Worth {
    /// The part of the grand total; below 0 if the refund gave something back to the shop.
    pub(super) total: Signed,
    /// The tax in it.
    pub(super) tax: Signed,
    /// The shipping in it.
    pub(super) shipping: Signed,
    /// The duties in it.
    pub(super) duties: Signed,
    /// The gift cards in it.
    pub(super) gift_cards: Signed,
    /// Whether money moved.
    pub(super) backing: Backing,
}

/// Whether money is behind a refund, as far as the document shows its transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Backing {
    /// A transaction succeeded, or is not known to have failed.
    Money,
    /// No transaction is shown.
    #[default]
    Unknown,
    /// All transactions failed.
    Failed,
}

const LINES: &str = "$..refund_line_items[].subtotal";
const ADJUSTMENTS: &str = "$..order_adjustments[].amount";
const DUTIES: &str = "$..total_duties_set";

impl<'a> Refund<'a> {
    /// The refund in a body.
    fn of(body: &Body<'a>) -> Self {
        Self {
            id: body.id.clone(),
            admin_graphql_api_id: body.admin_graphql_api_id.clone(),
            created_at: body.created_at.clone(),
            processed_at: body.processed_at.clone(),
            refund_line_items: body.refund_line_items.clone(),
            order_adjustments: body.order_adjustments.clone(),
            refund_shipping_lines: body.refund_shipping_lines.clone(),
            total_duties_set: body.total_duties_set.clone(),
            total_additional_fees_set: body.total_additional_fees_set.clone(),
            transactions: body.transactions.clone(),
        }
    }

    /// The amounts that it takes off an order in the `shop`'s currency.
    pub(super) fn worth(&self, shop: Option<&str>) -> Result<Worth> {
        let mut worth = Worth { backing: self.backing()?, ..Worth::default() };
        for line in self.refund_line_items.list("$..refund_line_items")? {
            let subtotal = line.worth()?.positive(shop)?.ok_or_else(|| DocumentError::missing(LINES))?;
            let tax = Money::of(&line.total_tax, &line.total_tax_set, "$..refund_line_items[].total_tax")?;
            let tax = tax.positive(shop)?.unwrap_or(0);
            worth.total += subtotal + tax;
            worth.tax += tax;
            let article = line.line_item.object("$..refund_line_items[].line_item")?;
            if article.map_or(Ok(false), |it| value::flag(&it.gift_card, "$..line_item.gift_card"))? {
                worth.gift_cards += subtotal;
            }
        }
        let adjustments = self.order_adjustments.list("$..order_adjustments")?;
        for adjustment in &adjustments {
            let amount = adjustment.worth()?.signed(shop)?.ok_or_else(|| DocumentError::missing(ADJUSTMENTS))?;
            let path = "$..order_adjustments[].tax_amount";
            let tax = Money::of(&adjustment.tax_amount, &adjustment.tax_amount_set, path)?.signed(shop)?.unwrap_or(0);
            worth.total -= amount + tax;
            worth.tax -= tax;
            if adjustment.kind.text() == Some("shipping_refund") {
                worth.shipping -= amount;
            }
        }
        if !adjustments.into_iter().any(Adjustment::may_be_shipping) {
            for line in self.refund_shipping_lines.list("$..refund_shipping_lines")? {
                let amount = Money::of_set(&line.subtotal_amount_set, "$..refund_shipping_lines[]")?;
                let amount = amount.positive(shop)?.unwrap_or(0);
                worth.total += amount;
                worth.shipping += amount;
            }
        }
        let fees = Money::of_set(&self.total_additional_fees_set, "$..total_additional_fees_set")?;
        worth.duties = Money::of_set(&self.total_duties_set, DUTIES)?.positive(shop)?.unwrap_or(0);
        worth.total += worth.duties;
        worth.total += fees.positive(shop)?.unwrap_or(0);
        Ok(worth)
    }

    /// Whether money is behind it. A transaction that is pending counts: its refund is shown as given back.
    fn backing(&self) -> Result<Backing> {
        let transactions = self.transactions.list("$..transactions")?;
        let failed = |it: &&Transaction<'_>| matches!(it.status.text(), Some("failure" | "error"));
        Ok(match transactions.len() {
            0 => Backing::Unknown,
            count if count == transactions.iter().filter(|it| failed(it)).count() => Backing::Failed,
            _ => Backing::Money,
        })
    }

    /// The first currency that its amounts name.
    fn currency(&self) -> Result<Option<&str>> {
        for line in self.refund_line_items.list("$..refund_line_items")? {
            if let Some(currency) = line.worth()?.currency() {
                return Ok(Some(currency));
            }
        }
        for adjustment in self.order_adjustments.list("$..order_adjustments")? {
            if let Some(currency) = adjustment.worth()?.currency() {
                return Ok(Some(currency));
            }
        }
        Ok(Money::of_set(&self.total_duties_set, DUTIES)?.currency())
    }

    /// The fact of the refund that gave back this worth. It names no member but follows its order.
    pub(super) fn fact(&self, order: OrderId, revision: Option<Instant>, given_back: &Worth) -> Result<Fact> {
        let created_at = value::instant(&self.created_at, "$..created_at")?;
        let processed_at = value::instant(&self.processed_at, "$..processed_at")?;
        let occurred_at = processed_at.or(created_at).ok_or_else(|| DocumentError::missing("$..processed_at"))?;
        let ids = Id { number: &self.id, global: &self.admin_graphql_api_id };
        let refund = id(&ids.needed("Refund", "$..id")?, "$..id", RefundId::new)?;
        let amount = value::amount(given_back.total, "$..refunds[]")?;
        let refunded = Refunded { amount, parts: given_back.parts()?.unwrap_or_default() };
        let revision = revision.or(created_at).unwrap_or(occurred_at);
        Ok(Fact { revision, ..Fact::new(occurred_at, None, FactBody::OrderRefunded(order, refund, refunded)) })
    }
}

impl Worth {
    /// The part of it that an amount is, each of its parts in the same proportion.
    pub(super) fn of(&self, given_back: Signed) -> Self {
        let Self { total, tax, shipping, duties, gift_cards, backing } = *self;
        let part = |sum: Signed| if given_back == total { sum } else { sum * given_back / total.max(1) };
        Self {
            total: given_back,
            tax: part(tax),
            shipping: part(shipping),
            duties: part(duties),
            gift_cards: part(gift_cards),
            backing,
        }
    }

    /// The parts of the refund by name, unless they do not add up: they then say nothing about what was given back.
    fn parts(&self) -> Result<Option<RefundParts>> {
        let Self { total, tax, shipping, duties, gift_cards, backing: _ } = *self;
        let parts = [tax, shipping, duties, gift_cards];
        if total <= 0 || parts.iter().any(|part| *part < 0) || parts.iter().sum::<Signed>() > total {
            return Ok(None);
        }
        let part = |sum| value::amount(sum, "$..refunds[]").map(Some);
        let (tax, shipping, duties, gift_cards) = (part(tax)?, part(shipping)?, part(duties)?, part(gift_cards)?);
        Ok(Some(RefundParts { tax, shipping, tips: None, duties, gift_cards }))
    }
}

impl<'a> RefundLine<'a> {
    fn worth(&self) -> Result<Money<'_, 'a>> {
        Money::of(&self.subtotal, &self.subtotal_set, LINES)
    }
}

impl<'a> Adjustment<'a> {
    fn worth(&self) -> Result<Money<'_, 'a>> {
        Money::of(&self.amount, &self.amount_set, ADJUSTMENTS)
    }

    /// Whether it may be refunded shipping. That comes as an adjustment, and since API 2024-10 again as shipping lines.
    fn may_be_shipping(&self) -> bool {
        self.kind.text().is_none_or(|kind| kind == "shipping_refund")
    }
}
