//! Known kinds of files: their columns, and the words in their kind column.

use clap::ValueEnum;

use super::columns::Field;
use super::numbers::Notation;
use super::shops::{BIGCOMMERCE, Export, MAGENTO, SHOPIFY, SQUARE, STRIPE, WOOCOMMERCE};

/// The meaning of a kind of row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A paid order.
    Order,
    /// Money given back.
    Return,
    /// Neither.
    Ignore,
    /// An order that was cancelled. Unless the row says when, it was never paid as far as the file knows.
    Cancelled,
    /// A paid order that was refunded, in full where the row has no amount.
    WhollyRefunded,
    /// A paid order of which a part was refunded: the row must have the amount.
    PartlyRefunded,
}

/// Known kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// Columns named like the fields of an event: order_id, member_id, occurred_at, total, tax, shipping, …
    Orders,
    /// Invoices and credit notes of a British wholesaler: invoice_no, customer_id, invoice_at, amount, currency, kind
    Invoices,
    /// The CSV that Shopify's admin exports under Orders
    ShopifyOrders,
    /// WooCommerce orders as its export extensions write them: order_id, customer_id, order_date, status, order_total, …
    #[value(name = "woocommerce")]
    WooCommerce,
    /// Square's transactions: Transaction ID, Customer ID, Date, Time, Event Type, Total Collected, …
    Square,
    /// Stripe's payments: id, Customer ID, Created date (UTC), Status, Amount, Amount Refunded, …
    Stripe,
    /// BigCommerce's order export: Order ID, Customer ID, Order Date, Order Status, Order Total (inc tax), …
    #[value(name = "bigcommerce")]
    BigCommerce,
    /// The grid of orders in Magento's admin: ID, Customer Email, Purchase Date, Status, Grand Total (Purchased), …
    Magento,
}

/// Invoices and credit notes.
const INVOICES: [(Field, &str); 6] = [
    (Field::OrderId, "invoice_no"),
    (Field::MemberId, "customer_id"),
    (Field::OccurredAt, "invoice_at"),
    (Field::Total, "amount"),
    (Field::Currency, "currency"),
    (Field::Kind, "kind"),
];

/// The words that need no explanation.
const WORDS: [(&str, Meaning); 8] = [
    ("order", Meaning::Order),
    ("sale", Meaning::Order),
    ("invoice", Meaning::Order),
    ("return", Meaning::Return),
    ("refund", Meaning::Return),
    ("cancellation", Meaning::Return),
    ("credit", Meaning::Return),
    ("adjustment", Meaning::Ignore),
];

impl Preset {
    fn export(self) -> Option<&'static Export> {
        match self {
            Self::Orders | Self::Invoices => None,
            Self::ShopifyOrders => Some(&SHOPIFY),
            Self::WooCommerce => Some(&WOOCOMMERCE),
            Self::Square => Some(&SQUARE),
            Self::Stripe => Some(&STRIPE),
            Self::BigCommerce => Some(&BIGCOMMERCE),
            Self::Magento => Some(&MAGENTO),
        }
    }

    /// The headers of a field, the better one first.
    pub fn columns(self, field: Field) -> Vec<&'static str> {
        let columns = match self {
            Self::Orders => return vec![field.name()],
            Self::Invoices => INVOICES.as_slice(),
            Self::ShopifyOrders
            | Self::WooCommerce
            | Self::Square
            | Self::Stripe
            | Self::BigCommerce
            | Self::Magento => self.export().map(|export| export.columns).unwrap_or_default(),
        };
        columns.iter().filter(|(known, _)| *known == field).map(|(_, header)| *header).collect()
    }

    /// The meanings of the words in the kind column.
    pub fn kinds(self) -> &'static [(&'static str, Meaning)] {
        self.export().map_or(WORDS.as_slice(), |export| export.kinds)
    }

    /// Whether a column with money says nothing that an order needs.
    pub fn is_needless(self, header: &str) -> bool {
        self.export().is_some_and(|export| export.needless.contains(&header.to_lowercase().as_str()))
    }

    /// The time zone of the file's times, if it is known.
    pub fn timezone(self) -> Option<&'static str> {
        match self {
            Self::Invoices => Some("Europe/London"),
            Self::Stripe => Some("UTC"),
            Self::Orders
            | Self::ShopifyOrders
            | Self::WooCommerce
            | Self::Square
            | Self::BigCommerce
            | Self::Magento => None,
        }
    }

    /// The way in which the file writes amounts.
    pub fn notation(self) -> Notation {
        match self {
            Self::Square => Notation::Point,
            Self::Orders
            | Self::Invoices
            | Self::ShopifyOrders
            | Self::WooCommerce
            | Self::Stripe
            | Self::BigCommerce
            | Self::Magento => Notation::Plain,
        }
    }

    /// The customer's id that means a guest.
    pub fn guest(self) -> Option<&'static str> {
        match self {
            Self::WooCommerce | Self::BigCommerce => Some("0"),
            Self::Orders | Self::Invoices | Self::ShopifyOrders | Self::Square | Self::Stripe | Self::Magento => None,
        }
    }

    /// Whether members are named by e-mail addresses, which ignore case.
    pub fn members_are_addresses(self) -> bool {
        matches!(self, Self::ShopifyOrders | Self::Magento)
    }

    /// Whether the field is required. A shop's export also needs the kind, because unpaid orders have a total too.
    pub fn needs(self, field: Field) -> bool {
        field.required() || (field == Field::Kind && self.export().is_some())
    }
}

/// Reads `WORD=MEANING`.
pub fn parse_kind(text: &str) -> Result<(String, Meaning), String> {
    const MEANINGS: &str = "order, return, ignore, cancelled, refunded or partly_refunded";
    let (word, meaning) =
        text.rsplit_once('=').ok_or_else(|| format!("write WORD=MEANING; a meaning is {MEANINGS}"))?;
    let meaning = match meaning.trim() {
        "order" => Meaning::Order,
        "return" => Meaning::Return,
        "ignore" => Meaning::Ignore,
        "cancelled" => Meaning::Cancelled,
        "refunded" => Meaning::WhollyRefunded,
        "partly_refunded" => Meaning::PartlyRefunded,
        other => return Err(format!("`{other}` is not known; write {MEANINGS} after `=`")),
    };
    Ok((word.trim().to_lowercase(), meaning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_explained_whatever_their_capitals() {
        assert_eq!(parse_kind("Gutschrift=return"), Ok(("gutschrift".to_owned(), Meaning::Return)));
        assert_eq!(parse_kind("=order"), Ok((String::new(), Meaning::Order)));
        assert!(parse_kind("x=y").is_err());
    }
}
