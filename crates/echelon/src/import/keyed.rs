//! The members of imported orders: under the customer's number if the customers export names it, and how many orders and
//! how much money are under something else.

use std::fmt;

use rules::fact::ReceivedFact;
use serde::Serialize;
use serde_json::{Value, json};

use super::customers::{Customers, Match};
use super::outcome::Why;
use super::sum::OrderSum;
use super::tally::About;
use super::warnings::Watch;

/// How much later a version of an order is that names the customer's number. The same file imported without the customers
/// export would say something else at the same instant, and then the text of the member's id would decide.
const JOINED_LATER_MS: i64 = 1;

/// Counts of imported orders by what names their member.
#[derive(Debug, Default)]
pub struct Keyed {
    /// The member's number was found in the customers export.
    found: OrderSum,
    /// The member is named by an e-mail address.
    by_email: OrderSum,
    /// No member is named.
    by_nothing: OrderSum,
    /// Whether a customers export was given.
    with_customers: bool,
    /// Whether the file's members are e-mail addresses, as in Shopify's export of orders.
    are_addresses: bool,
}

impl Keyed {
    /// Counts for an import with or without a customers export, of files whose members are e-mail addresses or not.
    pub fn new(with_customers: bool, are_addresses: bool) -> Self {
        Self { with_customers, are_addresses, ..Self::default() }
    }

    /// Names the member of a row's facts by the customer's number, if exactly one customer has the row's e-mail address,
    /// or else one of its phone numbers; returns what names it now. They are a later version then than without the number.
    ///
    /// # Errors
    /// If several customers have it. It is not guessed which of them is meant.
    pub fn join(
        &self,
        facts: &mut [ReceivedFact],
        customers: Option<&Customers>,
        phones: &[String],
    ) -> Result<Option<About>, Why> {
        let named = facts.first().and_then(|told| told.fact.member.clone());
        let email = named.as_ref().map(rules::id::MemberId::as_str);
        let is_number = email.is_some_and(|id| !id.contains('@'));
        let found = match customers {
            Some(customers) if !is_number => customers.find(email, phones.iter().map(String::as_str)),
            Some(_) | None => Match::None,
        };
        match found {
            Match::One(number) => {
                for told in facts.iter_mut() {
                    told.fact.member = Some(number.clone());
                    told.fact.revision = told.fact.revision.plus_millis(JOINED_LATER_MS);
                }
                Ok(Some(About::ByNumber))
            }
            Match::Several => {
                let by = match (email, phones) {
                    (None, phones) => format!("`{}`", phones.join(", ")),
                    (Some(email), []) => format!("`{email}`"),
                    (Some(email), _) => format!("`{email}`, or a phone number of the row,"),
                };
                let text = format!(
                    "{by} belongs to several customers of the customers export, or to one whose row cannot be read; merge them in Shopify and export \
                     them again, or name a column with the customer's number with --column member_id=…"
                );
                Err(Why::new("ambiguous_customer", &text))
            }
            Match::None if is_number => Ok(None),
            Match::None if email.is_some() => Ok(Some(About::ByEmail)),
            Match::None => Ok(Some(About::ByNothing)),
        }
    }

    /// The same with the orders counted, once all are read.
    pub fn counted(self, watch: &Watch) -> Self {
        let [found, by_email, by_nothing] =
            [About::ByNumber, About::ByEmail, About::ByNothing].map(|named_by| watch.sum(named_by));
        Self { found, by_email, by_nothing, ..self }
    }

    /// Whether there is anything to say.
    pub fn is_silent(&self) -> bool {
        !self.with_customers && !self.are_addresses
    }

    /// The counts as JSON.
    pub fn to_json(&self) -> Value {
        json!(self)
    }
}

impl Serialize for Keyed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { found, by_email, by_nothing, with_customers: _, are_addresses: _ } = self;
        let sum = |sum: &OrderSum| json!({ "orders": sum.orders(), "money": sum.money() });
        let all = json!({ "by_number": sum(found), "by_email": sum(by_email), "by_nothing": sum(by_nothing) });
        all.serialize(serializer)
    }
}

/// Such as `2 orders over 820.00 EUR are`.
fn are(sum: &OrderSum) -> String {
    format!("{sum} {}", if sum.orders() == 1 { "is" } else { "are" })
}

impl fmt::Display for Keyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found, by_email, by_nothing, with_customers, are_addresses: _ } = self;
        // First what counts for no member.
        if by_nothing.orders() > 0 {
            write!(f, "{} without an e-mail address, and count for no member: ", are(by_nothing))?;
            if *with_customers {
                writeln!(f, "no customer of the customers export has their phone number")?;
            } else {
                writeln!(f, "with --customers customers_export.csv their customer is found by phone number")?;
            }
        }
        if found.orders() > 0 {
            writeln!(f, "{} under the customer's number, found in the customers export", are(found))?;
        }
        if by_email.orders() > 0 {
            write!(
                f,
                "{} under an e-mail address. Shopify's webhooks name the customer's number, so that each of ",
                are(by_email)
            )?;
            write!(f, "these customers would become two members: ")?;
            if *with_customers {
                writeln!(f, "their addresses are not in the customers export; export it again, as late as the orders")?;
            } else {
                writeln!(
                    f,
                    "give the customers export with --customers customers_export.csv, or a column with the number with \
                     --column member_id=…"
                )?;
            }
        }
        Ok(())
    }
}
