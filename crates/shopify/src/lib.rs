//! Shopify's webhooks, bare or in their EventBridge envelope, as facts.
//!
//! [`read`] is pure: the same bytes give the same outcome, whatever came before. Keys and revisions settle what a
//! single webhook cannot: every fact has the natural key of section 4 of the semantics, so repeats, late arrivals and
//! corrections resolve themselves.
//!
//! # Decisions
//! - **An order's snapshot is the truth** about it, with the refunds inside. It becomes `order.paid`, one
//!   `order.refunded` per refund, and `order.cancelled`. The total minus the refunds is the rest of the order
//!   (`current_total_price`; in older payloads the total minus the amounts of the refunds).
//! - **Only paid orders count**: `paid`, `partially_refunded`, `refunded`. Others are ignored until they are paid. A
//!   cancelled order yields its cancellation whatever its payment, because it may have been paid before. The
//!   cancellation names no member, so for an unknown order it affects no member.
//! - **Versions** are ordered by `updated_at`, then by the trigger time of the webhook: both in one `revision`. A
//!   refund on its own has its `created_at`, so a snapshot, which is never older, replaces it.
//! - **The day of payment** is known from `orders/paid` alone: when it was triggered. Other topics never move an order.
//! - **An order is never worth more than was charged.** Exchanges and edits list articles as refunds without money behind
//!   them; these give nothing back. An outstanding balance is not charged yet.
//! - **Money** is the shop's (`shop_money`), the grand total including duties, tips and fees. Amounts are read from
//!   their digits, as text or number. Nothing is rounded; amounts finer than four decimals are rejected.
//! - **Shipping** is the amount charged for it, after discounts and without the tax included in a price: that is tax.
//! - **Members** are named by the digits of the customer's global id. Guests have none, so their orders credit no
//!   member.
//! - **A deleted order** is a cancelled one; **a deleted customer** is ignored (Shopify deletes only those without
//!   orders), **a redacted one** erased. A created customer is enrolled. Tags of the customer inside an order are
//!   ignored, because they have no date of their own.
//! - **Nothing is half read**: a document gives all its facts or a reason with a code. A field that is read and comes
//!   twice is such a reason: senders and readers do not agree on which one counts.
//!
//! Gift cards bought are named as such, and orders paid with nothing but gift cards or store credit; the program says when
//! that money counts.

mod body;
mod charge;
mod customer;
mod envelope;
mod json;
mod order;
mod reason;
mod refund;
mod topic;
mod value;

pub use envelope::Source;
pub use reason::{DocumentError, Ignored};
pub use topic::Topic;

use rules::fact::{Fact, ReceivedFact};
use rules::id::IdError;

use body::Body;
use customer::Change;
use reason::{Fault, NoFacts};

/// The outcome for a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The document yields these facts.
    Facts {
        /// The shop's domain, from the envelope; a bare body has none that can be trusted.
        shop: Option<String>,
        /// The facts, at least one. The receiver sets their arrival.
        facts: Vec<ReceivedFact>,
    },
    /// The document does not matter to tiers.
    Ignored(Ignored),
    /// The document cannot be read as facts.
    Rejected(DocumentError),
}

/// Reads a webhook's body, or the envelope around one.
///
/// `hint` names the topic of a bare body (`orders/paid`; see [`Topic::named`]). An envelope names its own topic, which
/// wins. Without either, a body is accepted only if its shape fits exactly one topic.
pub fn read(document: &[u8], hint: Option<&str>) -> Outcome {
    match told(document, hint) {
        Ok((shop, facts)) => {
            let facts = facts.into_iter().map(ReceivedFact::of).collect();
            Outcome::Facts { shop, facts }
        }
        Err(NoFacts::Ignored(ignored)) => Outcome::Ignored(ignored),
        Err(NoFacts::Rejected(rejected)) => Outcome::Rejected(*rejected),
    }
}

/// The source that a document names, if it is an envelope, for filing a rejected document under its shop. Dates are left out.
pub fn source(document: &[u8]) -> Option<Source> {
    envelope::source(document)
}

fn told(document: &[u8], hint: Option<&str>) -> Result<(Option<String>, Vec<Fact>), NoFacts> {
    let (source, body) = envelope::open(document)?;
    let name = match (&source, hint) {
        (Some(source), _) => {
            source.topic.clone().ok_or_else(|| DocumentError::missing("$.detail.metadata.X-Shopify-Topic"))?
        }
        (None, Some(hint)) => hint.to_owned(),
        (None, None) => guess(&body)?,
    };
    let source = source.unwrap_or_default();
    let topic = Topic::named(&name).ok_or_else(|| DocumentError::UnknownTopic { topic: Some(name.clone()) })?;
    let triggered_at = source.triggered_at;
    let told_at = triggered_at.or(source.accepted_at);
    let facts = match topic {
        Topic::Order => order::snapshot(&body, triggered_at, Topic::is_payment(&name)),
        Topic::OrderDeleted => order::deleted(&body, told_at),
        Topic::Refund => refund::alone(&body),
        Topic::CustomerCreated => customer::created(&body, triggered_at),
        Topic::CustomerUpdated => customer::updated(&body, triggered_at),
        Topic::TagsAdded => customer::tags_changed(&body, Change::Added),
        Topic::TagsRemoved => customer::tags_changed(&body, Change::Removed),
        Topic::CustomerRedacted => customer::redacted(&body, told_at),
        Topic::CustomersMerged => customer::merged(&body, told_at),
        Topic::OrderEdited => Err(Ignored::NotASnapshot.into()),
        Topic::CustomerDeleted => Err(Ignored::CustomerDeleted.into()),
        Topic::Privacy => Err(Ignored::PrivacyRequest { topic: name }.into()),
        Topic::NotUsed => Err(Ignored::NotUsed { topic: name }.into()),
    }?;
    Ok((source.shop, facts))
}

/// The topic of a body whose shape fits exactly one. Added tags look like removed tags, and an erasure is never guessed.
fn guess(body: &Body<'_>) -> Result<String, Fault> {
    let is_order = !body.financial_status.is_absent() && !body.total_price.is_absent() && !body.updated_at.is_absent();
    let is_customer = body.admin_graphql_api_id.text().is_some_and(|id| id.starts_with("gid://shopify/Customer/"));
    let is_dated = !body.created_at.is_absent() && !body.updated_at.is_absent();
    let shapes = [
        (!body.order_edit.is_absent(), "orders/edited"),
        (!body.order_id.is_absent() && !body.refund_line_items.is_absent(), "refunds/create"),
        (is_order, "orders/updated"),
        (!body.customer_id.is_absent() && !body.number_of_orders.is_absent(), "customers/purchasing_summary"),
        (is_customer && is_dated, "customers/update"),
    ];
    let mut fitting = shapes.iter().filter(|(fits, _)| *fits).map(|(_, name)| *name);
    match (fitting.next(), fitting.next()) {
        (Some(name), None) => Ok(name.to_owned()),
        _ => Err(DocumentError::UnknownTopic { topic: None }.into()),
    }
}

/// Converts digits to an id of the rules.
fn id<T>(digits: &str, path: &'static str, new: impl FnOnce(&str) -> Result<T, IdError>) -> Result<T, Fault> {
    new(digits).map_err(|error| DocumentError::unreadable(path, error))
}
