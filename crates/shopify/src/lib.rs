//! Shopify's webhooks, bare or in their EventBridge envelope, as facts.
//!
//! [`read`] is pure: the same bytes give the same outcome, whatever came before. What a webhook cannot say by itself
//! is left to keys and revisions: every fact carries the natural key of section 4 of the semantics, so repeats,
//! latecomers and corrections settle themselves.
//!
//! # Decisions
//! - **An order's snapshot is the truth** about it, with the refunds inside. It becomes `order.paid`, one
//!   `order.refunded` per refund, and `order.cancelled`; the total less the refunds is what is left of it
//!   (`current_total_price`; in older payloads the total less what the refunds say).
//! - **Only paid orders count**: `paid`, `partially_refunded`, `refunded`. Others are ignored until they are paid. A
//!   cancelled one says so whatever its payment, for it may have been paid before; naming no member, the cancellation
//!   of an order that nobody knows touches nobody.
//! - **Versions** are ordered by `updated_at`, then by when the webhook was triggered: both in one `revision`. A
//!   refund on its own carries its `created_at`, so that a snapshot, which is never older, replaces it.
//! - **Money** is the shop's (`shop_money`), the grand total: duties, tips and fees are in it. Amounts are read from
//!   their digits, as text or number; nothing is rounded, and what is finer than four decimals is rejected.
//! - **Shipping** is what was charged for it, after discounts and without the tax that is in a price: that is tax.
//! - **Members** are named by the digits of the customer's global id. Guests have none: their orders credit nobody.
//! - **A deleted order** is a cancelled one; **a deleted customer** is ignored (Shopify deletes only those without
//!   orders), **a redacted one** erased. A created customer is enrolled. Tags inside an order's customer are ignored:
//!   they have no date of their own.
//! - **Nothing is half read**: a document gives all its facts or a reason with a code. A field that is read and comes
//!   twice is such a reason: senders and readers do not agree on which one counts.
//!
//! Gift cards are money like any other: buying one counts when it is bought, and so does what is bought with it.

mod body;
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

/// What became of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It tells these facts.
    Facts {
        /// The shop's domain, from the envelope; a bare body names none that could be believed.
        shop: Option<String>,
        /// The facts, never none; when they arrived is for the receiver to say.
        facts: Vec<ReceivedFact>,
    },
    /// It is of no consequence.
    Ignored(Ignored),
    /// It cannot be taken.
    Rejected(DocumentError),
}

/// Reads a webhook's body or the envelope around one.
///
/// `hint` names the topic of a bare body (`orders/paid`; see [`Topic::named`]). An envelope names its own, which wins;
/// without either, only a body whose shape fits one topic alone is taken.
pub fn read(document: &[u8], hint: Option<&str>) -> Outcome {
    match told(document, hint) {
        Ok((shop, facts)) => {
            let facts = facts.into_iter().map(|fact| ReceivedFact { fact, received_at: None }).collect();
            Outcome::Facts { shop, facts }
        }
        Err(NoFacts::Ignored(ignored)) => Outcome::Ignored(ignored),
        Err(NoFacts::Rejected(rejected)) => Outcome::Rejected(*rejected),
    }
}

/// Where a document says that it comes from, if it is an envelope: to file under its shop what could not be taken. Dates
/// are left out.
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
        Topic::Order => order::snapshot(&body, triggered_at),
        Topic::OrderDeleted => order::deleted(&body, told_at),
        Topic::Refund => refund::alone(&body),
        Topic::CustomerCreated => customer::created(&body, triggered_at),
        Topic::CustomerUpdated => customer::updated(&body, triggered_at),
        Topic::TagsAdded => customer::tags_changed(&body, Change::Added),
        Topic::TagsRemoved => customer::tags_changed(&body, Change::Removed),
        Topic::CustomerRedacted => customer::redacted(&body, told_at),
        Topic::CustomersMerged => Err(customer::merged(&body).into()),
        Topic::OrderEdited => Err(Ignored::NotASnapshot.into()),
        Topic::CustomerDeleted => Err(Ignored::CustomerDeleted.into()),
        Topic::Privacy => Err(Ignored::PrivacyRequest { topic: name }.into()),
        Topic::NotUsed => Err(Ignored::NotUsed { topic: name }.into()),
    }?;
    Ok((source.shop, facts))
}

/// The topic of a body whose shape fits one alone. Tags that came look like tags that went, and an erasure is never
/// guessed.
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

/// Takes digits as an id of the rules.
fn id<T>(digits: &str, path: &'static str, new: impl FnOnce(&str) -> Result<T, IdError>) -> Result<T, Fault> {
    new(digits).map_err(|error| DocumentError::unreadable(path, error))
}
