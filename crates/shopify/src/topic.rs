//! Topics: the kinds of event that documents report.

use std::path::Path;

const PAYMENT: &str = "orders_paid";

/// A topic's name in one of its spellings, as it is compared.
fn plain(name: &str) -> String {
    name.trim().to_ascii_lowercase().replace(['/', '.', '-'], "_")
}

/// The meaning of a Shopify topic for the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A whole order: created, updated, paid, cancelled, fulfilled in part or whole.
    Order,
    /// An edit of an order, given as differences.
    OrderEdited,
    /// An order that was deleted.
    OrderDeleted,
    /// A refund without its order.
    Refund,
    /// A new customer.
    CustomerCreated,
    /// A customer in the present state.
    CustomerUpdated,
    /// A customer that was deleted.
    CustomerDeleted,
    /// Tags that were added to a customer.
    TagsAdded,
    /// Tags that were removed from a customer.
    TagsRemoved,
    /// Two customers that were merged.
    CustomersMerged,
    /// A customer whose personal data must be erased.
    CustomerRedacted,
    /// A request about personal data, or a shop that uninstalled the app: for the privacy endpoints.
    Privacy,
    /// Known to Shopify, and without effect on tiers.
    NotUsed,
}

/// The first parts of topics that say nothing about tiers. Payments (transactions, tenders) and parcels also appear in
/// the order's own snapshots.
const NOT_USED: &[&str] = &[
    "app_purchases",
    "app_scopes",
    "app_subscriptions",
    "app_uninstalled",
    "bulk_operations",
    "carts",
    "checkouts",
    "collection_listings",
    "collection_publications",
    "collections",
    "companies",
    "company_contact_roles",
    "company_contacts",
    "company_locations",
    "customer_account_settings",
    "customer_groups",
    "customer_joined_segment",
    "customer_left_segment",
    "customer_payment_methods",
    "customers_disable",
    "customers_email_marketing_consent",
    "customers_enable",
    "customers_marketing_consent",
    "customers_purchasing_summary",
    "discounts",
    "disputes",
    "domains",
    "draft_orders",
    "fulfillment_events",
    "fulfillment_holds",
    "fulfillment_orders",
    "fulfillments",
    "gift_cards",
    "inventory_items",
    "inventory_levels",
    "inventory_shipments",
    "inventory_transfers",
    "locales",
    "locations",
    "markets",
    "metafield_definitions",
    "metaobjects",
    "order_transactions",
    "orders_link_requested",
    "orders_risk_assessment_changed",
    "orders_shopify_protect_eligibility_changed",
    "payment_schedules",
    "payment_terms",
    "product_feeds",
    "product_listings",
    "product_publications",
    "products",
    "profiles",
    "returns",
    "reverse_deliveries",
    "reverse_fulfillment_orders",
    "segments",
    "selling_plan_groups",
    "shop_update",
    "subscription_billing_attempts",
    "subscription_billing_cycle_edits",
    "subscription_billing_cycles",
    "subscription_contracts",
    "tax_services",
    "tender_transactions",
    "themes",
    "variants",
];

impl Topic {
    /// The topic with a name, if Shopify has it. `orders/paid`, `customer.tags_added`, `ORDERS_PAID` and the folder
    /// name `orders_paid` are all understood.
    pub fn named(name: &str) -> Option<Self> {
        let plain = plain(name);
        Some(match plain.as_str() {
            // `Order` is the topic of the events of API 2026-10.
            "order"
            | "orders_create"
            | "orders_updated"
            | PAYMENT
            | "orders_cancelled"
            | "orders_fulfilled"
            | "orders_partially_fulfilled" => Self::Order,
            "orders_edited" => Self::OrderEdited,
            "orders_delete" => Self::OrderDeleted,
            "refunds_create" => Self::Refund,
            "customers_create" => Self::CustomerCreated,
            "customers_update" => Self::CustomerUpdated,
            "customers_delete" => Self::CustomerDeleted,
            "customer_tags_added" => Self::TagsAdded,
            "customer_tags_removed" => Self::TagsRemoved,
            "customers_merge" => Self::CustomersMerged,
            "customers_redact" => Self::CustomerRedacted,
            "customers_data_request" | "shop_redact" => Self::Privacy,
            other => return NOT_USED.iter().any(|family| is_of(other, family)).then_some(Self::NotUsed),
        })
    }

    /// Whether the topic of this name announces that an order was paid just then.
    pub fn is_payment(name: &str) -> bool {
        plain(name) == PAYMENT
    }

    /// The topic name that a file is filed under: its own name or its folder's, as in `orders_paid.json` and
    /// `orders_paid/01.json`.
    pub fn filed_under(path: &Path) -> Option<&str> {
        let folder = path.parent().and_then(Path::file_name);
        let names = [path.file_stem(), folder].into_iter().flatten().filter_map(|name| name.to_str());
        names.into_iter().find(|name| Self::named(name).is_some())
    }
}

/// Whether a name is the family's own, or one of its actions.
fn is_of(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|action| action.is_empty() || action.starts_with('_'))
}
