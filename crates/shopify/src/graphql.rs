//! Orders as GraphQL writes them, put into the form of webhooks, whose reader does the rest.
//!
//! The fields are those of the Admin API's types, by their names. A connection may be inside its parent, as `nodes` or as
//! `edges`, or be lines of a bulk operation, gathered under [`super::bulk::LINES`]. A line names its parent and not its
//! field, so its fields tell its kind.

mod connection;

use std::borrow::Cow;

use rules::calendar::Instant;
use rules::fact::Fact;
use serde::{Deserialize, Deserializer};

use self::connection::{Connection, items, list, taken};
use super::body::{self, Body};
use super::json::{Nested, Scalar};
use super::order::Payment;
use super::payments::{self, Transaction};
use super::reason::{NoFacts, Result};
use super::refund::{Adjustment, GivenBack, Queried, Refund, RefundLine, RefundedArticle, Sale};
use super::value::{Money, MoneySet};
use super::{DocumentError, envelope, order, refund};

/// Whether a body is an order in this form: its id is a global one.
pub(super) fn is_order(body: &Body<'_>) -> bool {
    body.id.text().is_some_and(|id| id.starts_with("gid://shopify/Order/"))
}

/// Reads the snapshot of an order.
pub(super) fn snapshot(text: &str, triggered_at: Option<Instant>) -> std::result::Result<Vec<Fact>, NoFacts> {
    let order: Box<Order<'_>> =
        envelope::object(serde_json::from_str(text).map_err(envelope::fault)?, "$").map_err(NoFacts::Rejected)?;
    let payment = order.payment()?;
    let body = order.into_webhook()?;
    order::snapshot(&body, triggered_at, payment).map_err(|none| match none {
        NoFacts::Rejected(fault) => NoFacts::Rejected(Box::new(fault.renamed(name_of))),
        NoFacts::Ignored(ignored) => NoFacts::Ignored(ignored),
    })
}

/// The name in GraphQL of a webhook's field, for errors.
fn name_of(path: &'static str) -> &'static str {
    const NAMES: &[(&str, &str)] = &[
        ("$.id", "$.id"),
        ("$.customer.id", "$.customer.id"),
        ("$.created_at", "$.createdAt"),
        ("$.processed_at", "$.processedAt"),
        ("$.updated_at", "$.updatedAt"),
        ("$.cancelled_at", "$.cancelledAt"),
        ("$.financial_status", "$.displayFinancialStatus"),
        ("$.currency", "$.currencyCode"),
        ("$.taxes_included", "$.taxesIncluded"),
        ("$.total_price", "$.totalPriceSet"),
        ("$.current_total_price", "$.currentTotalPriceSet"),
        ("$.total_tax", "$.totalTaxSet"),
        ("$.current_total_tax", "$.currentTotalTaxSet"),
        ("$.total_discounts", "$.totalDiscountsSet"),
        ("$.total_shipping_price_set", "$.totalShippingPriceSet"),
        ("$.shipping_lines", "$.shippingLines"),
        ("$.shipping_lines[]", "$.shippingLines[]"),
        ("$.total_tip_received", "$.totalTipReceivedSet"),
        ("$.original_total_duties_set", "$.originalTotalDutiesSet"),
        ("$.current_total_duties_set", "$.currentTotalDutiesSet"),
        ("$.total_outstanding", "$.totalOutstandingSet"),
        ("$.line_items[]", "$.lineItems[]"),
        ("$.line_items[].gift_card", "$.lineItems[].isGiftCard"),
        ("$.payment_gateway_names", "$.paymentGatewayNames"),
        ("$..id", "$.refunds[].id"),
        ("$..created_at", "$.refunds[].createdAt"),
        ("$..processed_at", "$.refunds[].processedAt"),
        ("$..refund_line_items[].subtotal", "$..refundLineItems[].subtotalSet"),
        ("$..refund_line_items[].total_tax", "$..refundLineItems[].totalTaxSet"),
        ("$..order_adjustments[].amount", "$..orderAdjustments[].amountSet"),
        ("$..order_adjustments[].tax_amount", "$..orderAdjustments[].taxAmountSet"),
        ("$..refund_shipping_lines[]", "$..refundShippingLines[].subtotalAmountSet"),
    ];
    NAMES.iter().find(|(webhook, _)| *webhook == path).map_or(path, |(_, name)| name)
}

/// An order.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Order<'a> {
    id: Scalar<'a>,
    created_at: Scalar<'a>,
    processed_at: Scalar<'a>,
    updated_at: Scalar<'a>,
    cancelled_at: Scalar<'a>,
    test: Scalar<'a>,
    taxes_included: Scalar<'a>,
    display_financial_status: Scalar<'a>,
    currency_code: Scalar<'a>,
    #[serde(default, deserialize_with = "queried")]
    customer: Option<Nested<Reference<'a>>>,
    original_total_price_set: Nested<MoneySet<'a>>,
    total_price_set: Nested<MoneySet<'a>>,
    current_total_price_set: Nested<MoneySet<'a>>,
    total_tax_set: Nested<MoneySet<'a>>,
    current_total_tax_set: Nested<MoneySet<'a>>,
    total_discounts_set: Nested<MoneySet<'a>>,
    total_shipping_price_set: Nested<MoneySet<'a>>,
    total_tip_received_set: Nested<MoneySet<'a>>,
    original_total_duties_set: Nested<MoneySet<'a>>,
    current_total_duties_set: Nested<MoneySet<'a>>,
    total_outstanding_set: Nested<MoneySet<'a>>,
    payment_gateway_names: Scalar<'a>,
    transactions: Nested<Transaction<'a>>,
    refunds: Nested<RefundNode<'a>>,
    line_items: Nested<Connection<Part<'a>>>,
    shipping_lines: Nested<Connection<Part<'a>>>,
    agreements: Nested<Connection<Part<'a>>>,
    #[serde(rename = "__lines")]
    lines: Nested<Part<'a>>,
}

/// Another resource, of which only the id matters.
#[derive(Debug, Default, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Reference<'a> {
    id: Scalar<'a>,
}

/// A field that was queried, also if it is null. A guest's order has no customer; one without the field may have any.
fn queried<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<Nested<Reference<'a>>>, D::Error> {
    Nested::deserialize(from).map(Some)
}

/// A refund, as the list of the order's refunds has it. A bulk operation refuses connections in a list, so there its parts
/// are those of its agreement.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct RefundNode<'a> {
    id: Scalar<'a>,
    created_at: Scalar<'a>,
    processed_at: Scalar<'a>,
    total_refunded_set: Nested<MoneySet<'a>>,
    duties: Nested<Duty<'a>>,
    refund_line_items: Nested<Connection<Part<'a>>>,
    refund_shipping_lines: Nested<Connection<Part<'a>>>,
    order_adjustments: Nested<Connection<Part<'a>>>,
    transactions: Nested<Connection<Part<'a>>>,
}

/// A duty that is given back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Duty<'a> {
    amount_set: Nested<MoneySet<'a>>,
}

/// A node of a connection of any type, or a line of a bulk operation.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Part<'a> {
    id: Scalar<'a>,
    #[serde(rename = "__parentId")]
    parent: Scalar<'a>,
    // Of an article bought.
    is_gift_card: Scalar<'a>,
    quantity: Scalar<'a>,
    original_unit_price_set: Nested<MoneySet<'a>>,
    // Of a shipment.
    original_price_set: Nested<MoneySet<'a>>,
    discounted_price_set: Nested<MoneySet<'a>>,
    is_removed: Scalar<'a>,
    tax_lines: Nested<TaxLine<'a>>,
    discount_allocations: Nested<Allocation<'a>>,
    // Of an agreement, and of a sale.
    refund: Nested<Reference<'a>>,
    sales: Nested<Connection<Sale<'a>>>,
    line_type: Scalar<'a>,
    total_amount: Nested<MoneySet<'a>>,
    total_tax_amount: Nested<MoneySet<'a>>,
    // Of a refunded article, and of refunded shipping.
    subtotal_set: Nested<MoneySet<'a>>,
    total_tax_set: Nested<MoneySet<'a>>,
    line_item: Nested<Article<'a>>,
    subtotal_amount_set: Nested<MoneySet<'a>>,
    // Of an adjustment, and of a transaction.
    amount_set: Nested<MoneySet<'a>>,
    tax_amount_set: Nested<MoneySet<'a>>,
    status: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Article<'a> {
    is_gift_card: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Allocation<'a> {
    allocated_amount_set: Nested<MoneySet<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct TaxLine<'a> {
    price_set: Nested<MoneySet<'a>>,
}

/// The parts of an order, by their kind. Those of refunds have the id of their refund, or of its agreement.
#[derive(Debug, Default)]
struct Parts<'a> {
    articles: Vec<Part<'a>>,
    shipments: Vec<Part<'a>>,
    /// The ids of agreements, and of the refunds that they are about.
    agreements: Vec<(String, String)>,
    sales: Vec<(String, Sale<'a>)>,
    refunded: Vec<(String, Refunded<'a>)>,
}

/// A part of a refund.
#[derive(Debug)]
enum Refunded<'a> {
    Article(RefundLine<'a>),
    Shipping(Box<GivenBack<'a>>),
    Adjustment(Adjustment<'a>),
    Transaction(refund::Transaction<'a>),
}

impl<'a> Parts<'a> {
    /// Sorts a line of a bulk operation in.
    fn line(&mut self, mut part: Part<'a>) -> Result<()> {
        let parent = part.parent.text().unwrap_or_default().to_owned();
        if !part.line_type.is_absent() || !part.total_amount.is_absent() {
            self.sales.push((parent, part.sale()));
        } else if !part.refund.is_absent() {
            self.agreement(part)?;
        } else if !part.original_unit_price_set.is_absent() || !part.is_gift_card.is_absent() {
            self.articles.push(part);
        } else if !part.original_price_set.is_absent() || !part.discounted_price_set.is_absent() {
            self.shipments.push(part);
        } else if let Some(refunded) = part.refunded() {
            self.refunded.push((parent, refunded));
        }
        Ok(())
    }

    /// Notes which refund an agreement is about, and the sales inside it. Agreements of other kinds say nothing that the
    /// order does not.
    fn agreement(&mut self, part: Part<'a>) -> Result<()> {
        let path = "$.agreements[].refund";
        let Some(refund) = part.refund.object(path)?.and_then(|refund| refund.id.text()).map(str::to_owned) else {
            return Ok(());
        };
        if let Some(sales) = taken(part.sales, "$.agreements[].sales")? {
            for sale in sales {
                self.sales.push((refund.clone(), envelope::object(sale, "$.agreements[].sales")?));
            }
        }
        self.agreements.push((part.id.text().unwrap_or_default().to_owned(), refund));
        Ok(())
    }

    /// The id of the refund that a part with this parent belongs to.
    fn refund_of<'p>(&'p self, parent: &'p str) -> &'p str {
        self.agreements.iter().find(|(agreement, _)| agreement == parent).map_or(parent, |(_, refund)| refund)
    }
}

/// The parts inside a connection, if it was queried.
fn parts<'a>(connection: Nested<Connection<Part<'a>>>, path: &'static str) -> Result<Option<Vec<Part<'a>>>> {
    let nodes = taken(connection, path)?;
    nodes.map(|nodes| nodes.into_iter().map(|node| envelope::object(node, path)).collect()).transpose()
}

/// A word in the spelling of webhooks: `PARTIALLY_REFUNDED` is `partially_refunded`.
fn lower<'a>(word: &Scalar<'a>) -> Scalar<'a> {
    match word {
        Scalar::Text(text) => Scalar::Text(Cow::Owned(text.to_ascii_lowercase())),
        Scalar::Absent | Scalar::Bool(_) | Scalar::Number(_) | Scalar::Parts(_) => word.clone(),
    }
}

impl<'a> Order<'a> {
    /// What its transactions say about its payment.
    fn payment(&self) -> Result<Payment> {
        let original = Money::of_set(&self.original_total_price_set, "$.originalTotalPriceSet")?.positive(None)?;
        let price = Money::of_set(&self.total_price_set, "$.totalPriceSet")?.positive(None)?;
        let transactions = self.transactions.list("$.transactions")?;
        let paid_at = payments::first_in_full(&transactions, original.or(price).unwrap_or(0))?;
        Ok(paid_at.map_or(Payment::Unsaid, Payment::At))
    }

    /// The same order as a webhook would have it.
    fn into_webhook(self) -> Result<Body<'a>> {
        let mut sorted = Parts::default();
        for part in items(self.lines, "$.__lines")? {
            sorted.line(part)?;
        }
        sorted.articles.extend(parts(self.line_items, "$.lineItems")?.unwrap_or_default());
        sorted.shipments.extend(parts(self.shipping_lines, "$.shippingLines")?.unwrap_or_default());
        for agreement in parts(self.agreements, "$.agreements")?.unwrap_or_default() {
            sorted.agreement(agreement)?;
        }
        let transactions = self.transactions.list("$.transactions")?;
        let listed_credit = payments::with_credit(&transactions)?;
        let mut refunds = transactions.iter().filter(|it| it.is_refund());
        let is_pending = refunds.clone().any(|it| it.is_pending());
        let has_failed = !is_pending && refunds.any(|it| it.has_failed());
        let financial_status = lower(&self.display_financial_status);
        if self.refunds.is_absent() && matches!(financial_status.text(), Some("partially_refunded" | "refunded")) {
            return Err(DocumentError::missing("$.refunds"));
        }
        let mut refunds = Vec::new();
        for node in items(self.refunds, "$.refunds")? {
            refunds.push(node.into_webhook(&mut sorted, has_failed)?);
        }
        let customer = match self.customer.ok_or_else(|| DocumentError::missing("$.customer"))? {
            Nested::Object(Reference { id }) => {
                Nested::Object(body::Customer { id: Scalar::Absent, admin_graphql_api_id: id })
            }
            Nested::Absent => Nested::Absent,
            Nested::List(_) | Nested::Other => Nested::Other,
        };
        // Where the shipments were not queried, the total says what they cost.
        let shipments = Some(sorted.shipments).filter(|shipments| !shipments.is_empty());
        Ok(Body {
            admin_graphql_api_id: self.id,
            created_at: self.created_at,
            processed_at: self.processed_at,
            updated_at: self.updated_at,
            customer,
            cancelled_at: self.cancelled_at,
            test: self.test,
            taxes_included: self.taxes_included,
            financial_status,
            currency: self.currency_code,
            total_price_set: self.total_price_set,
            current_total_price_set: self.current_total_price_set,
            total_tax_set: self.total_tax_set,
            current_total_tax_set: self.current_total_tax_set,
            total_discounts_set: self.total_discounts_set,
            total_shipping_price_set: self.total_shipping_price_set,
            shipping_lines: match shipments {
                Some(shipments) => list(shipments.into_iter().map(Part::shipment).collect::<Result<_>>()?),
                None => Nested::Absent,
            },
            total_tip_received_set: self.total_tip_received_set,
            original_total_duties_set: self.original_total_duties_set,
            current_total_duties_set: self.current_total_duties_set,
            total_outstanding_set: self.total_outstanding_set,
            line_items: list(sorted.articles.into_iter().map(Part::article).collect::<Result<_>>()?),
            payment_gateway_names: self.payment_gateway_names,
            listed_credit,
            refunds: list(refunds),
            ..Body::default()
        })
    }
}

impl<'a> RefundNode<'a> {
    fn into_webhook(self, sorted: &mut Parts<'a>, has_failed: bool) -> Result<Refund<'a>> {
        let id = self.id.text().unwrap_or_default().to_owned();
        let mut refunded = Vec::new();
        for (connection, path) in [
            (self.refund_line_items, "$.refunds[].refundLineItems"),
            (self.refund_shipping_lines, "$.refunds[].refundShippingLines"),
            (self.order_adjustments, "$.refunds[].orderAdjustments"),
            (self.transactions, "$.refunds[].transactions"),
        ] {
            let inside = parts(connection, path)?.unwrap_or_default();
            refunded.extend(inside.into_iter().filter_map(|mut part| part.refunded()));
        }
        let of_lines: Vec<bool> = sorted.refunded.iter().map(|(parent, _)| sorted.refund_of(parent) == id).collect();
        let mut is_its = of_lines.into_iter();
        let (mine, others) =
            std::mem::take(&mut sorted.refunded).into_iter().partition(|_| is_its.next() == Some(true));
        sorted.refunded = others;
        refunded.extend(Vec::into_iter(mine).map(|(_, part)| part));
        let is_mine = |(parent, _): &&(String, Sale<'a>)| sorted.refund_of(parent) == id;
        let sales = sorted.sales.iter().filter(is_mine).map(|(_, sale)| sale.clone()).collect();
        let duties = items(self.duties, "$.refunds[].duties")?.into_iter().map(|duty| duty.amount_set).collect();
        let mut refund = Refund {
            admin_graphql_api_id: self.id,
            created_at: self.created_at,
            processed_at: self.processed_at,
            queried: Queried { sales, duties, total_refunded_set: self.total_refunded_set, has_failed },
            ..Refund::default()
        };
        let (mut lines, mut shipping, mut adjustments, mut transactions) = (vec![], vec![], vec![], vec![]);
        for part in refunded {
            match part {
                Refunded::Article(line) => lines.push(line),
                Refunded::Shipping(given_back) => shipping.push(*given_back),
                Refunded::Adjustment(adjustment) => adjustments.push(adjustment),
                Refunded::Transaction(transaction) => transactions.push(transaction),
            }
        }
        // A list without items may as well not have been queried. The refund's total then says what it gave back.
        if lines.len() + shipping.len() + adjustments.len() > 0 {
            refund.refund_line_items = list(lines);
            refund.refund_shipping_lines = list(shipping);
            refund.order_adjustments = list(adjustments);
        }
        refund.transactions = list(transactions);
        Ok(refund)
    }
}

impl<'a> Part<'a> {
    fn article(self) -> Result<body::LineItem<'a>> {
        Ok(body::LineItem {
            gift_card: self.is_gift_card,
            quantity: self.quantity,
            price: Scalar::Absent,
            price_set: self.original_unit_price_set,
            discount_allocations: allocations(self.discount_allocations)?,
        })
    }

    fn shipment(self) -> Result<body::ShippingLine<'a>> {
        let taxes = items(self.tax_lines, "$.shippingLines[].taxLines")?.into_iter();
        let tax = |tax: TaxLine<'a>| body::TaxLine { price: Scalar::Absent, price_set: tax.price_set };
        Ok(body::ShippingLine {
            price_set: self.original_price_set,
            discounted_price_set: self.discounted_price_set,
            discount_allocations: allocations(self.discount_allocations)?,
            tax_lines: list(taxes.map(tax).collect()),
            is_removed: self.is_removed,
            ..body::ShippingLine::default()
        })
    }

    fn sale(self) -> Sale<'a> {
        Sale { line_type: self.line_type, total_amount: self.total_amount, total_tax_amount: self.total_tax_amount }
    }

    /// The part of a refund that it is, if it is one.
    fn refunded(&mut self) -> Option<Refunded<'a>> {
        let take = |set: &mut Nested<MoneySet<'a>>| std::mem::take(set);
        if !self.subtotal_set.is_absent() {
            let line_item = match &self.line_item {
                Nested::Object(article) => Nested::Object(RefundedArticle {
                    gift_card: article.is_gift_card.clone(),
                    ..RefundedArticle::default()
                }),
                Nested::Absent | Nested::List(_) | Nested::Other => Nested::Absent,
            };
            let (subtotal_set, total_tax_set) = (take(&mut self.subtotal_set), take(&mut self.total_tax_set));
            return Some(Refunded::Article(RefundLine {
                subtotal_set,
                total_tax_set,
                line_item,
                ..RefundLine::default()
            }));
        }
        if !self.subtotal_amount_set.is_absent() {
            let subtotal_amount_set = take(&mut self.subtotal_amount_set);
            let tax_amount_set = take(&mut self.tax_amount_set);
            let given_back = GivenBack { subtotal_amount_set, tax_amount_set, ..GivenBack::default() };
            return Some(Refunded::Shipping(Box::new(given_back)));
        }
        if !self.status.is_absent() {
            return Some(Refunded::Transaction(refund::Transaction {
                status: lower(&self.status),
                ..refund::Transaction::default()
            }));
        }
        if !self.amount_set.is_absent() {
            // In GraphQL an adjustment is never refunded shipping, which has lines of its own.
            let kind = Scalar::Text(Cow::Borrowed("refund_discrepancy"));
            let (amount_set, tax_amount_set) = (take(&mut self.amount_set), take(&mut self.tax_amount_set));
            return Some(Refunded::Adjustment(Adjustment {
                kind,
                amount_set,
                tax_amount_set,
                ..Adjustment::default()
            }));
        }
        None
    }
}

fn allocations<'a>(allocations: Nested<Allocation<'a>>) -> Result<Nested<body::Allocation<'a>>> {
    let amount = |it: Allocation<'a>| body::Allocation { amount: Scalar::Absent, amount_set: it.allocated_amount_set };
    Ok(list(items(allocations, "$..discountAllocations")?.into_iter().map(amount).collect()))
}
