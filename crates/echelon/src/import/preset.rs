//! Known kinds of files: their columns, and the words in their kind column.

use clap::ValueEnum;

use super::columns::Field;

/// The meaning of a kind of row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A paid order.
    Order,
    /// Money given back.
    Return,
    /// Neither.
    Ignore,
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
}

impl Preset {
    /// The header of a field.
    pub fn column(self, field: Field) -> Option<&'static str> {
        let columns: &[(Field, &str)] = match self {
            Self::Orders => return Some(field.name()),
            Self::Invoices => &[
                (Field::OrderId, "invoice_no"),
                (Field::MemberId, "customer_id"),
                (Field::OccurredAt, "invoice_at"),
                (Field::Total, "amount"),
                (Field::Currency, "currency"),
                (Field::Kind, "kind"),
            ],
            Self::ShopifyOrders => &[
                (Field::OrderId, "Id"),
                (Field::MemberId, "Email"),
                (Field::OccurredAt, "Paid at"),
                (Field::PaidAt, "Paid at"),
                (Field::CreatedAt, "Created at"),
                (Field::Total, "Total"),
                (Field::Tax, "Taxes"),
                (Field::Shipping, "Shipping"),
                (Field::Discounts, "Discount Amount"),
                (Field::Duties, "Duties"),
                (Field::Outstanding, "Outstanding Balance"),
                (Field::Currency, "Currency"),
                (Field::Kind, "Financial Status"),
                (Field::Refunded, "Refunded Amount"),
                (Field::CancelledAt, "Cancelled at"),
                (Field::Group, "Name"),
            ],
        };
        columns.iter().find(|(known, _)| *known == field).map(|(_, header)| *header)
    }

    /// The meanings of the words in the kind column.
    pub fn kinds(self) -> &'static [(&'static str, Meaning)] {
        match self {
            Self::Orders | Self::Invoices => &[
                ("order", Meaning::Order),
                ("sale", Meaning::Order),
                ("invoice", Meaning::Order),
                ("return", Meaning::Return),
                ("refund", Meaning::Return),
                ("cancellation", Meaning::Return),
                ("credit", Meaning::Return),
                ("adjustment", Meaning::Ignore),
            ],
            // Only an order that is paid in full is complete. Nothing was ever charged for a voided or expired one.
            Self::ShopifyOrders => &[
                ("paid", Meaning::Order),
                ("partially_refunded", Meaning::Order),
                ("refunded", Meaning::Order),
                ("pending", Meaning::Ignore),
                ("authorized", Meaning::Ignore),
                ("partially_paid", Meaning::Ignore),
                ("unpaid", Meaning::Ignore),
                ("expired", Meaning::Ignore),
                ("voided", Meaning::Ignore),
            ],
        }
    }

    /// The time zone of the file's times, if it is known.
    pub fn timezone(self) -> Option<&'static str> {
        match self {
            Self::Invoices => Some("Europe/London"),
            Self::Orders | Self::ShopifyOrders => None,
        }
    }

    /// Whether members are named by e-mail addresses, which ignore case.
    pub fn members_are_addresses(self) -> bool {
        self == Self::ShopifyOrders
    }

    /// Whether the field is required. Shopify's export also needs the kind, because unpaid orders have a total too.
    pub fn needs(self, field: Field) -> bool {
        field.required() || (field == Field::Kind && self == Self::ShopifyOrders)
    }
}

/// Reads `WORD=order`, `WORD=return` or `WORD=ignore`.
pub fn parse_kind(text: &str) -> Result<(String, Meaning), String> {
    let (word, meaning) = text.rsplit_once('=').ok_or("write WORD=order, WORD=return or WORD=ignore")?;
    let meaning = match meaning.trim() {
        "order" => Meaning::Order,
        "return" => Meaning::Return,
        "ignore" => Meaning::Ignore,
        other => return Err(format!("`{other}` is not known; write order, return or ignore after `=`")),
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
