//! The payload: the fields that matter, by Shopify's names. Other modules interpret them.

use serde::Deserialize;

use super::json::{Nested, Scalar};
use super::refund::{Adjustment, GivenBack, Refund, RefundLine, Transaction};
use super::value::{Id, MoneySet, Signed};

/// A body, of any resource.
///
/// The fields of all resources are in one struct, because the topic of an enveloped body may come after it, and a body
/// is read only once. Fields not listed here are checked to be JSON and skipped; a field that comes twice is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct Body<'a> {
    // Of every resource.
    pub(super) id: Scalar<'a>,
    pub(super) admin_graphql_api_id: Scalar<'a>,
    pub(super) created_at: Scalar<'a>,
    pub(super) processed_at: Scalar<'a>,
    pub(super) updated_at: Scalar<'a>,
    // Of an order.
    pub(super) customer: Nested<Customer<'a>>,
    pub(super) cancelled_at: Scalar<'a>,
    pub(super) test: Scalar<'a>,
    pub(super) taxes_included: Scalar<'a>,
    pub(super) financial_status: Scalar<'a>,
    pub(super) currency: Scalar<'a>,
    pub(super) total_price: Scalar<'a>,
    pub(super) total_price_set: Nested<MoneySet<'a>>,
    pub(super) current_total_price: Scalar<'a>,
    pub(super) current_total_price_set: Nested<MoneySet<'a>>,
    pub(super) total_tax: Scalar<'a>,
    pub(super) total_tax_set: Nested<MoneySet<'a>>,
    pub(super) current_total_tax: Scalar<'a>,
    pub(super) current_total_tax_set: Nested<MoneySet<'a>>,
    pub(super) total_discounts: Scalar<'a>,
    pub(super) total_discounts_set: Nested<MoneySet<'a>>,
    pub(super) total_shipping_price_set: Nested<MoneySet<'a>>,
    pub(super) shipping_lines: Nested<ShippingLine<'a>>,
    pub(super) total_tip_received: Scalar<'a>,
    pub(super) total_tip_received_set: Nested<MoneySet<'a>>,
    pub(super) original_total_duties_set: Nested<MoneySet<'a>>,
    pub(super) current_total_duties_set: Nested<MoneySet<'a>>,
    pub(super) total_outstanding: Scalar<'a>,
    pub(super) total_outstanding_set: Nested<MoneySet<'a>>,
    pub(super) line_items: Nested<LineItem<'a>>,
    pub(super) payment_gateway_names: Scalar<'a>,
    /// The payments with gift cards or store credit, where a GraphQL query lists the payments. No webhook says it.
    #[serde(skip)]
    pub(super) listed_credit: Signed,
    pub(super) refunds: Nested<Refund<'a>>,
    // Of an order's edit.
    pub(super) order_edit: Scalar<'a>,
    // Of a refund.
    pub(super) order_id: Scalar<'a>,
    pub(super) refund_line_items: Nested<RefundLine<'a>>,
    pub(super) order_adjustments: Nested<Adjustment<'a>>,
    pub(super) refund_shipping_lines: Nested<GivenBack<'a>>,
    pub(super) total_duties_set: Nested<MoneySet<'a>>,
    pub(super) total_additional_fees_set: Nested<MoneySet<'a>>,
    pub(super) transactions: Nested<Transaction<'a>>,
    // Of a customer, of changed tags (where they are a list), of a merge and of a summary.
    pub(super) tags: Scalar<'a>,
    #[serde(rename = "customerId")]
    pub(super) customer_id: Scalar<'a>,
    #[serde(rename = "occurredAt")]
    pub(super) occurred_at: Scalar<'a>,
    pub(super) admin_graphql_api_customer_kept_id: Scalar<'a>,
    pub(super) admin_graphql_api_customer_deleted_id: Scalar<'a>,
    pub(super) status: Scalar<'a>,
    #[serde(rename = "numberOfOrders")]
    pub(super) number_of_orders: Scalar<'a>,
    // Of an answer of the Admin API, or of an event that carries one: the order or orders inside, as written.
    pub(super) order: Scalar<'a>,
    pub(super) orders: Scalar<'a>,
    pub(super) data: Scalar<'a>,
    // Of an envelope that could not be read as one.
    #[serde(rename = "detail-type")]
    pub(super) detail_type: Scalar<'a>,
}

/// The customer inside an order, or a customer to be erased.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct Customer<'a> {
    pub(super) id: Scalar<'a>,
    pub(super) admin_graphql_api_id: Scalar<'a>,
}

/// An article bought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct LineItem<'a> {
    pub(super) gift_card: Scalar<'a>,
    pub(super) quantity: Scalar<'a>,
    pub(super) price: Scalar<'a>,
    pub(super) price_set: Nested<MoneySet<'a>>,
    pub(super) discount_allocations: Nested<Allocation<'a>>,
}

/// The cost of a shipment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct ShippingLine<'a> {
    pub(super) price: Scalar<'a>,
    pub(super) price_set: Nested<MoneySet<'a>>,
    pub(super) discounted_price: Scalar<'a>,
    pub(super) discounted_price_set: Nested<MoneySet<'a>>,
    pub(super) discount_allocations: Nested<Allocation<'a>>,
    pub(super) tax_lines: Nested<TaxLine<'a>>,
    pub(super) is_removed: Scalar<'a>,
}

/// A part of a discount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct Allocation<'a> {
    pub(super) amount: Scalar<'a>,
    pub(super) amount_set: Nested<MoneySet<'a>>,
}

/// One of several taxes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct TaxLine<'a> {
    pub(super) price: Scalar<'a>,
    pub(super) price_set: Nested<MoneySet<'a>>,
}

impl<'a> Body<'a> {
    pub(super) fn ids(&self) -> Id<'_, 'a> {
        Id { number: &self.id, global: &self.admin_graphql_api_id }
    }

    /// Whether the body has only the id, of all the fields read here.
    pub(super) fn is_stub(&self) -> bool {
        let (id, admin_graphql_api_id) = (self.id.clone(), self.admin_graphql_api_id.clone());
        self.created_at.is_absent() && *self == Self { id, admin_graphql_api_id, ..Self::default() }
    }
}
