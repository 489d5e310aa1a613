//! Refunds: inside an order, and alone as `refunds/create`.
//! The worth of a refund is the amount that it takes off the order's grand total, in the shop's currency. That is its
//! lines with their tax, minus the (signed) adjustments with theirs, plus refunded duties and fees. Shopify counts it
//! the same way. The rule is the same inside an order and alone, so a later snapshot repeats the refund. It gave back no more
//! than the money that its `transactions` moved: of an article that was exchanged for a cheaper one, the refund lists the whole
//! price. Transactions in the customer's currency are converted at the rate of an amount that the document has in both
//! currencies; where it has none, only whether money moved is read.

use rules::calendar::Instant;
use rules::fact::{Fact, FactBody, RefundParts, Refunded};
use rules::id::{OrderId, RefundId};

use serde::Deserialize;

use super::body::{Body, ShippingLine};
use super::exchange::{Exchange, Exchanged};
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
    let worth = refund.worth(refund.currency()?, &Nested::Absent)?;
    // An empty list says that no money moved: goods were exchanged, or taken out by an edit.
    let has_moved = match worth.backing {
        Backing::Money => true,
        Backing::Unknown => body.transactions.is_absent(),
        Backing::Failed => false,
    };
    let given_back = worth.of(if has_moved { worth.at_most_moved() } else { 0 });
    Ok(vec![refund.fact(id(&order, path, OrderId::new)?, None, &given_back)?])
}

/// A refund as written in the payload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct Refund<'a> {
    pub(super) id: Scalar<'a>,
    pub(super) admin_graphql_api_id: Scalar<'a>,
    pub(super) created_at: Scalar<'a>,
    pub(super) processed_at: Scalar<'a>,
    pub(super) refund_line_items: Nested<RefundLine<'a>>,
    pub(super) order_adjustments: Nested<Adjustment<'a>>,
    pub(super) refund_shipping_lines: Nested<GivenBack<'a>>,
    pub(super) total_duties_set: Nested<MoneySet<'a>>,
    pub(super) total_additional_fees_set: Nested<MoneySet<'a>>,
    pub(super) transactions: Nested<Transaction<'a>>,
    /// What GraphQL says of a refund besides; webhooks have nothing of the kind.
    #[serde(skip)]
    pub(super) queried: Queried<'a>,
}

/// The parts of a refund that only a GraphQL query brings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Queried<'a> {
    /// The sales of the refund's agreement: every part of it by its type, also where its lines were not queried.
    pub(super) sales: Vec<Sale<'a>>,
    /// The duties that it gives back.
    pub(super) duties: Vec<Nested<MoneySet<'a>>>,
    /// The money that its transactions moved.
    pub(super) total_refunded_set: Nested<MoneySet<'a>>,
    /// Whether the order has a refund's transaction that failed and none that is pending.
    pub(super) has_failed: bool,
}

/// A part of a refund, by the type of its line. Its amounts are below 0 where the customer gets money.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(super) struct Sale<'a> {
    pub(super) line_type: Scalar<'a>,
    pub(super) total_amount: Nested<MoneySet<'a>>,
    pub(super) total_tax_amount: Nested<MoneySet<'a>>,
}

/// A movement of money.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct Transaction<'a> {
    pub(super) kind: Scalar<'a>,
    pub(super) status: Scalar<'a>,
    pub(super) amount: Scalar<'a>,
    pub(super) currency: Scalar<'a>,
}

/// The article of a refunded line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct RefundedArticle<'a> {
    pub(super) gift_card: Scalar<'a>,
    /// Present only on tips.
    pub(super) tip_payment_gateway: Scalar<'a>,
    pub(super) tip_payment_method: Scalar<'a>,
}

/// Refunded goods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct RefundLine<'a> {
    pub(super) subtotal: Scalar<'a>,
    pub(super) subtotal_set: Nested<MoneySet<'a>>,
    pub(super) total_tax: Scalar<'a>,
    pub(super) total_tax_set: Nested<MoneySet<'a>>,
    pub(super) line_item: Nested<RefundedArticle<'a>>,
}

/// An adjustment: another refund (below 0) or an amount kept (above 0).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct Adjustment<'a> {
    pub(super) kind: Scalar<'a>,
    pub(super) amount: Scalar<'a>,
    pub(super) amount_set: Nested<MoneySet<'a>>,
    pub(super) tax_amount: Scalar<'a>,
    pub(super) tax_amount_set: Nested<MoneySet<'a>>,
}

/// Refunded shipping.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct GivenBack<'a> {
    pub(super) subtotal_amount_set: Nested<MoneySet<'a>>,
    /// Only GraphQL has it.
    pub(super) tax_amount_set: Nested<MoneySet<'a>>,
    pub(super) shipping_line: Nested<ShippingLine<'a>>,
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
    /// The tips in it.
    pub(super) tips: Signed,
    /// The duties in it.
    pub(super) duties: Signed,
    /// The gift cards in it.
    pub(super) gift_cards: Signed,
    /// Whether money moved.
    pub(super) backing: Backing,
    /// The money that moved in the shop's currency, where the document says it or has a rate for it.
    pub(super) money: Option<Exchanged>,
    /// Whether only the total is known, so that no part can be named.
    pub(super) is_whole: bool,
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
            queried: Queried::default(),
        }
    }

    /// The amounts that it takes off an order in the `shop`'s currency. `price` is the order's, in both currencies, if it is known.
    pub(super) fn worth(&self, shop: Option<&str>, price: &Nested<MoneySet<'_>>) -> Result<Worth> {
        let money = self.moved(shop, price)?;
        let mut worth = Worth { backing: self.backing(shop)?, money, ..Worth::default() };
        if !self.queried.sales.is_empty() {
            for sale in &self.queried.sales {
                sale.add(&mut worth, shop)?;
            }
            return Ok(worth);
        }
        if self.shows_no_parts() {
            worth.total = self.money_back(shop)?.unwrap_or(0);
            worth.is_whole = true;
            return Ok(worth);
        }
        for line in self.refund_line_items.list("$..refund_line_items")? {
            let subtotal = line.worth()?.positive(shop)?.ok_or_else(|| DocumentError::missing(LINES))?;
            let tax = Money::of(&line.total_tax, &line.total_tax_set, "$..refund_line_items[].total_tax")?;
            let tax = tax.positive(shop)?.unwrap_or(0);
            worth.total += subtotal + tax;
            worth.tax += tax;
            let article = line.line_item.object("$..refund_line_items[].line_item")?;
            if article.map_or(Ok(false), |it| value::flag(&it.gift_card, "$..line_item.gift_card"))? {
                worth.gift_cards += subtotal;
            } else if article.is_some_and(RefundedArticle::is_tip) {
                worth.tips += subtotal;
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
                let tax = line.tax(amount, shop)?;
                worth.total += amount + tax;
                worth.tax += tax;
                worth.shipping += amount;
            }
        }
        let fees = Money::of_set(&self.total_additional_fees_set, "$..total_additional_fees_set")?;
        worth.duties = Money::of_set(&self.total_duties_set, DUTIES)?.positive(shop)?.unwrap_or(0);
        for duty in &self.queried.duties {
            worth.duties += Money::of_set(duty, DUTIES)?.positive(shop)?.unwrap_or(0);
        }
        worth.total += worth.duties;
        worth.total += fees.positive(shop)?.unwrap_or(0);
        Ok(worth)
    }

    /// Whether nothing but the refund's total was queried. A webhook always shows its parts.
    fn shows_no_parts(&self) -> bool {
        let lines = self.refund_line_items.is_absent() && self.refund_shipping_lines.is_absent();
        lines && self.order_adjustments.is_absent() && !self.queried.total_refunded_set.is_absent()
    }

    /// The money that its transactions moved, where it was queried.
    fn money_back(&self, shop: Option<&str>) -> Result<Option<Signed>> {
        Money::of_set(&self.queried.total_refunded_set, "$.refunds[].totalRefundedSet")?.positive(shop)
    }

    /// The money that it moved in the shop's currency, if the document says it or has a rate for it.
    fn moved(&self, shop: Option<&str>, price: &Nested<MoneySet<'_>>) -> Result<Option<Exchanged>> {
        let mut sum = Exchanged::default();
        let mut is_known = false;
        for transaction in self.transactions.list("$..transactions")? {
            if transaction.has_failed() || transaction.kind.text().is_some_and(|kind| kind != "refund") {
                continue;
            }
            let amount = Money::of(&transaction.amount, &Nested::Absent, "$..transactions[].amount")?.positive(None)?;
            is_known = match (amount, transaction.currency.text(), shop) {
                (Some(amount), Some(currency), Some(shop)) => {
                    let moved = self.in_shop_money(amount, currency, shop, price)?;
                    sum.amount += moved.map_or(0, |moved| moved.amount);
                    sum.uncertainty += moved.map_or(0, |moved| moved.uncertainty);
                    moved.is_some()
                }
                (_, _, _) => false,
            };
            if !is_known {
                break;
            }
        }
        let queried = || Ok(self.money_back(shop)?.filter(|money| *money > 0));
        if is_known {
            Ok(Some(sum))
        } else {
            queried().map(|money| money.map(|amount| Exchanged { amount, uncertainty: 0 }))
        }
    }

    /// An amount of a transaction in the shop's currency, if it is in that or there is a rate. The order's price gives the finest.
    fn in_shop_money(
        &self,
        amount: Signed,
        currency: &str,
        shop: &str,
        price: &Nested<MoneySet<'_>>,
    ) -> Result<Option<Exchanged>> {
        if currency == shop {
            return Ok(Some(Exchanged { amount, uncertainty: 0 }));
        }
        let (lines, adjustments) = (&self.refund_line_items, &self.order_adjustments);
        let lines = lines.list("$..refund_line_items")?.into_iter().map(|line| &line.subtotal_set);
        let adjustments = adjustments.list("$..order_adjustments")?.into_iter().map(|it| &it.amount_set);
        for set in std::iter::once(price).chain(lines).chain(adjustments) {
            if let Some(rate) = Exchange::of(set, currency, shop)? {
                return Ok(Some(rate.shop_money(amount)));
            }
        }
        Ok(None)
    }

    /// Whether money is behind it. A transaction that is pending counts: its refund is shown as given back.
    fn backing(&self, shop: Option<&str>) -> Result<Backing> {
        let transactions = self.transactions.list("$..transactions")?;
        Ok(match transactions.len() {
            0 if self.money_back(shop)?.is_some_and(|money| money > 0) => Backing::Money,
            0 if self.queried.has_failed => Backing::Failed,
            0 => Backing::Unknown,
            count if count == transactions.iter().filter(|it| it.has_failed()).count() => Backing::Failed,
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

impl Transaction<'_> {
    /// Whether it failed for good. One that is pending counts.
    fn has_failed(&self) -> bool {
        matches!(self.status.text(), Some("failure" | "error"))
    }
}

impl Worth {
    /// The worth, but no more than the money that moved, where that is known. Money that the rounding of two currencies may
    /// make as much as the worth is as much.
    pub(super) fn at_most_moved(&self) -> Signed {
        let worth = self.total.max(0);
        let is_less = |money: &Exchanged| money.amount + money.uncertainty < worth;
        self.money.filter(is_less).map_or(worth, |money| money.amount)
    }

    /// The part of it that an amount is, each of its parts in the same proportion.
    pub(super) fn of(&self, given_back: Signed) -> Self {
        let Self { total, tax, shipping, tips, duties, gift_cards, backing, money, is_whole } = *self;
        let part = |sum: Signed| if given_back == total { sum } else { sum * given_back / total.max(1) };
        Self {
            total: given_back,
            tax: part(tax),
            shipping: part(shipping),
            tips: part(tips),
            duties: part(duties),
            gift_cards: part(gift_cards),
            backing,
            money,
            is_whole,
        }
    }

    /// The parts of the refund by name, unless they do not add up: they then say nothing about what was given back.
    fn parts(&self) -> Result<Option<RefundParts>> {
        let Self { total, tax, shipping, tips, duties, gift_cards, backing: _, money: _, is_whole } = *self;
        let parts = [tax, shipping, tips, duties, gift_cards];
        if is_whole || total <= 0 || parts.iter().any(|part| *part < 0) || parts.iter().sum::<Signed>() > total {
            return Ok(None);
        }
        let part = |sum| value::amount(sum, "$..refunds[]").map(Some);
        let (tax, shipping, duties, gift_cards) = (part(tax)?, part(shipping)?, part(duties)?, part(gift_cards)?);
        // Hardly any refund gives back a tip, and one that is not named counts as none.
        let tips = if tips > 0 { part(tips)? } else { None };
        Ok(Some(RefundParts { tax, shipping, tips, duties, gift_cards }))
    }
}

impl RefundedArticle<'_> {
    fn is_tip(&self) -> bool {
        !self.tip_payment_gateway.is_absent() || !self.tip_payment_method.is_absent()
    }
}

impl GivenBack<'_> {
    /// The tax on the shipping that is given back: as it is said, or else in proportion to the tax on all of it.
    fn tax(&self, amount: Signed, shop: Option<&str>) -> Result<Signed> {
        const PATH: &str = "$..refund_shipping_lines[].tax_amount_set";
        if let Some(tax) = Money::of_set(&self.tax_amount_set, PATH)?.positive(shop)? {
            return Ok(tax);
        }
        let Some(line) = self.shipping_line.object("$..refund_shipping_lines[].shipping_line")? else { return Ok(0) };
        let (charged, taxes) = line.charged(shop)?;
        Ok(if charged > 0 { taxes * amount.min(charged) / charged } else { 0 })
    }
}

impl Sale<'_> {
    /// Adds the part to the worth of its refund. Of fees, articles and types to come only the total matters.
    fn add(&self, worth: &mut Worth, shop: Option<&str>) -> Result<()> {
        const PATH: &str = "$..sales[].totalAmount";
        let total = Money::of_set(&self.total_amount, PATH)?.signed(shop)?;
        let total = -total.ok_or_else(|| DocumentError::missing(PATH))?;
        let tax = -Money::of_set(&self.total_tax_amount, "$..sales[].totalTaxAmount")?.signed(shop)?.unwrap_or(0);
        worth.total += total;
        worth.tax += tax;
        match self.line_type.text() {
            Some("SHIPPING") => worth.shipping += total - tax,
            Some("TIP") => worth.tips += total - tax,
            Some("DUTY") => worth.duties += total - tax,
            Some("GIFT_CARD") => worth.gift_cards += total - tax,
            _ => {}
        }
        Ok(())
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
