//! The order exports of shops, as their documentation and published headers have them: columns, the words of the status, and the
//! columns with money that need not be read. Where releases of an export differ, a field has several headers.

use super::columns::Field::{self, *};
use super::preset::Meaning::{self, *};

/// An export of orders.
#[derive(Debug)]
pub struct Export {
    /// The headers of each field, the better one first.
    pub columns: &'static [(Field, &'static str)],
    /// The meanings of the words in the kind column.
    pub kinds: &'static [(&'static str, Meaning)],
    /// The headers of columns with money that says nothing more, in lower case.
    pub needless: &'static [&'static str],
}

/// Shopify's admin. Only an order that is paid in full is complete. Nothing was ever charged for a voided or expired
/// one.
pub const SHOPIFY: Export = Export {
    columns: &[
        (OrderId, "Id"),
        (MemberId, "Email"),
        (OccurredAt, "Paid at"),
        (PaidAt, "Paid at"),
        (CreatedAt, "Created at"),
        (Total, "Total"),
        (Tax, "Taxes"),
        (Shipping, "Shipping"),
        (Discounts, "Discount Amount"),
        (Duties, "Duties"),
        (Outstanding, "Outstanding Balance"),
        (Currency, "Currency"),
        (Kind, "Financial Status"),
        (Refunded, "Refunded Amount"),
        (CancelledAt, "Cancelled at"),
        (Group, "Name"),
    ],
    kinds: &[
        ("paid", Order),
        ("partially_refunded", PartlyRefunded),
        ("refunded", WhollyRefunded),
        ("pending", Ignore),
        ("authorized", Ignore),
        ("partially_paid", Ignore),
        ("unpaid", Ignore),
        ("expired", Ignore),
        ("voided", Ignore),
    ],
    needless: &[
        "subtotal",
        "lineitem price",
        "lineitem compare at price",
        "lineitem discount",
        "tax 1 value",
        "tax 2 value",
        "tax 3 value",
        "tax 4 value",
        "tax 5 value",
    ],
};

/// WooCommerce has no order export of its own; these are the headers that its export extensions share.
pub const WOOCOMMERCE: Export = Export {
    columns: &[
        (OrderId, "order_id"),
        (MemberId, "customer_id"),
        (OccurredAt, "paid_date"),
        (OccurredAt, "date_paid"),
        (OccurredAt, "order_date"),
        (OccurredAt, "date"),
        (PaidAt, "paid_date"),
        (PaidAt, "date_paid"),
        (CreatedAt, "order_date"),
        (CreatedAt, "date"),
        (Total, "order_total"),
        (Tax, "tax_total"),
        (Shipping, "shipping_total"),
        (Discounts, "discount_total"),
        (Currency, "order_currency"),
        (Kind, "status"),
        (Kind, "order_status"),
        (Refunded, "refunded_total"),
        (Group, "order_id"),
    ],
    kinds: &[
        ("completed", Order),
        ("processing", Order),
        ("refunded", WhollyRefunded),
        ("cancelled", Cancelled),
        ("pending", Ignore),
        ("pending payment", Ignore),
        ("on-hold", Ignore),
        ("on hold", Ignore),
        ("failed", Ignore),
        ("draft", Ignore),
        ("checkout-draft", Ignore),
        ("wc-completed", Order),
        ("wc-processing", Order),
        ("wc-refunded", WhollyRefunded),
        ("wc-cancelled", Cancelled),
        ("wc-pending", Ignore),
        ("wc-on-hold", Ignore),
        ("wc-failed", Ignore),
        ("wc-checkout-draft", Ignore),
    ],
    needless: &["order_subtotal", "shipping_tax_total", "fee_tax_total", "cart_discount", "order_discount"],
};

/// Square's transactions. A refund is a row of its own, which names no order.
pub const SQUARE: Export = Export {
    columns: &[
        (OrderId, "Transaction ID"),
        (MemberId, "Customer ID"),
        (OccurredAt, "Date"),
        (TimeOfDay, "Time"),
        (Total, "Total Collected"),
        (Tax, "Tax"),
        (Tips, "Tip"),
        (Discounts, "Discounts"),
        (GiftCards, "Gift Card Sales"),
        (PaidWithCredit, "Square Gift Card"),
        (Currency, "Currency"),
        (Kind, "Event Type"),
    ],
    kinds: &[("payment", Order), ("refund", Return)],
    needless: &[
        "gross sales",
        "net sales",
        "service charges",
        "card",
        "cash",
        "other tender",
        "fees",
        "net total",
        "deposit",
    ],
};

/// Stripe's payments. An amount that was authorized and not captured is no payment.
pub const STRIPE: Export = Export {
    columns: &[
        (OrderId, "id"),
        (MemberId, "Customer ID"),
        (OccurredAt, "Created date (UTC)"),
        (OccurredAt, "Created (UTC)"),
        (Total, "Amount"),
        (Currency, "Currency"),
        (Test, "Mode"),
        (Kind, "Status"),
        (Refunded, "Amount Refunded"),
        (RefundedAt, "Refunded date (UTC)"),
    ],
    kinds: &[
        ("paid", Order),
        ("succeeded", Order),
        ("partially refunded", PartlyRefunded),
        ("partial_refund", PartlyRefunded),
        ("refunded", WhollyRefunded),
        ("failed", Ignore),
        ("canceled", Ignore),
        ("pending", Ignore),
        ("blocked", Ignore),
        ("incomplete", Ignore),
        ("uncaptured", Ignore),
        ("requires_capture", Ignore),
        ("requires_payment_method", Ignore),
        ("requires_confirmation", Ignore),
        ("requires_action", Ignore),
    ],
    needless: &["fee", "converted amount", "converted amount refunded", "taxes on fee", "application fee"],
};

/// BigCommerce's order export, in its default template.
pub const BIGCOMMERCE: Export = Export {
    columns: &[
        (OrderId, "Order ID"),
        (MemberId, "Customer ID"),
        (OccurredAt, "Order Date"),
        (Total, "Order Total (inc tax)"),
        (Tax, "Tax Total"),
        (Shipping, "Shipping Cost (ex tax)"),
        (Currency, "Order Currency Code"),
        (Kind, "Order Status"),
        (Refunded, "Refund Amount"),
        (Refunded, "Refunded Amount"),
    ],
    kinds: &[
        ("completed", Order),
        ("shipped", Order),
        ("partially shipped", Order),
        ("awaiting fulfillment", Order),
        ("awaiting shipment", Order),
        ("awaiting pickup", Order),
        ("refunded", WhollyRefunded),
        ("partially refunded", PartlyRefunded),
        ("cancelled", Cancelled),
        ("declined", Cancelled),
        ("pending", Ignore),
        ("incomplete", Ignore),
        ("awaiting payment", Ignore),
        ("manual verification required", Ignore),
    ],
    needless: &[
        "subtotal (inc tax)",
        "subtotal (ex tax)",
        "shipping cost (inc tax)",
        "handling cost (inc tax)",
        "handling cost (ex tax)",
        "order total (ex tax)",
    ],
};

/// The grid of orders in the admin of Magento 2 and Adobe Commerce.
pub const MAGENTO: Export = Export {
    columns: &[
        (OrderId, "ID"),
        (MemberId, "Customer Email"),
        (OccurredAt, "Purchase Date"),
        (Total, "Grand Total (Purchased)"),
        (Shipping, "Shipping and Handling"),
        (Currency, "Currency"),
        (Kind, "Status"),
        (Refunded, "Total Refunded"),
    ],
    kinds: &[
        ("complete", Order),
        ("processing", Order),
        ("closed", WhollyRefunded),
        ("canceled", Cancelled),
        ("pending", Ignore),
        ("pending payment", Ignore),
        ("pending_payment", Ignore),
        ("on hold", Ignore),
        ("holded", Ignore),
        ("payment review", Ignore),
        ("payment_review", Ignore),
        ("suspected fraud", Ignore),
        ("fraud", Ignore),
    ],
    needless: &["subtotal", "grand total (base)"],
};
