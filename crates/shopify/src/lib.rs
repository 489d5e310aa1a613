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
//! - **The day of payment** is known from `orders/paid`, when it was triggered, and from the payments that a GraphQL query
//!   lists. Other documents never move an order. An order is announced as paid again when the balance of an edit is paid:
//!   the first payment gives the day, in whatever order the announcements arrive.
//! - **An order is never worth more than was charged.** Exchanges and edits list articles as refunds without money behind
//!   them; these give nothing back. An outstanding balance is not charged yet.
//! - **Money** is the shop's (`shop_money`), the grand total including duties, tips and fees. Amounts are read from
//!   their digits, as text or number. Amounts finer than four decimals are rejected, and nothing is rounded but refunds whose
//!   transactions are in the customer's currency: these are converted at the order's rate.
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
pub mod bulk;
mod charge;
mod customer;
mod envelope;
mod exchange;
mod graphql;
mod json;
mod order;
mod payments;
mod reason;
mod refund;
mod topic;
mod value;
mod wrapped;

pub use envelope::Source;
pub use reason::{DocumentError, Ignored};
pub use topic::Topic;
pub use wrapped::{Page, errors, orders};

use rules::calendar::Instant;
use rules::fact::{Fact, ReceivedFact};
use rules::id::IdError;

use body::Body;
use customer::Change;
use order::Payment;
use reason::{Fault, NoFacts};
use wrapped::Inside;

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

/// Reads a webhook's body, or the envelope around one, or an order as the Admin API answers it.
///
/// An order of the Admin API is in the form of REST or of GraphQL, bare, or as `{"order": …}`, `{"data": {"order": …}}`; so
/// are the events of API 2026-10. [`orders`] takes lists apart, and [`bulk`] gathers the lines of bulk operations.
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
    let inside = match wrapped::inside(&body)? {
        Inside::Nothing if source.is_none() && graphql::is_order(&body) => Some(envelope::text(document)?),
        Inside::Nothing => None,
        Inside::Order(text) => Some(text),
    };
    let (source, name) = named(source, hint, &body, inside.is_some())?;
    let topic = Topic::named(&name).ok_or_else(|| DocumentError::UnknownTopic { topic: Some(name.clone()) })?;
    let facts = match inside {
        Some(text) if topic == Topic::Order => answer(text, source.triggered_at)?,
        Some(_) | None => webhook(&body, topic, name, &source)?,
    };
    Ok((source.shop, facts))
}

/// The source of a document, and the name of its topic.
fn named(
    source: Option<Source>,
    hint: Option<&str>,
    body: &Body<'_>,
    is_answer: bool,
) -> Result<(Source, String), Fault> {
    let name = match (&source, hint) {
        (Some(source), _) => {
            source.topic.clone().ok_or_else(|| DocumentError::missing("$.detail.metadata.X-Shopify-Topic"))?
        }
        (None, Some(hint)) => hint.to_owned(),
        (None, None) if is_answer => ANSWER.to_owned(),
        (None, None) => guess(body)?,
    };
    Ok((source.unwrap_or_default(), name))
}

/// The topic of an order that the Admin API answers: it announces nothing, and no payment in particular.
const ANSWER: &str = "orders/updated";

/// Reads an order inside an answer of the Admin API, in the form of REST or of GraphQL.
fn answer(text: &str, triggered_at: Option<Instant>) -> Result<Vec<Fact>, NoFacts> {
    let body = envelope::body(text)?;
    if graphql::is_order(&body) {
        return graphql::snapshot(text, triggered_at);
    }
    order::snapshot(&body, triggered_at, Payment::Unsaid)
}

/// Reads a webhook's body.
fn webhook(body: &Body<'_>, topic: Topic, name: String, source: &Source) -> Result<Vec<Fact>, NoFacts> {
    let triggered_at = source.triggered_at;
    let told_at = triggered_at.or(source.accepted_at);
    let payment = if Topic::is_payment(&name) { Payment::JustThen } else { Payment::Unsaid };
    match topic {
        Topic::Order => order::snapshot(body, triggered_at, payment),
        Topic::OrderDeleted => order::deleted(body, told_at),
        Topic::Refund => refund::alone(body),
        Topic::CustomerCreated => customer::created(body, triggered_at),
        Topic::CustomerUpdated => customer::updated(body, triggered_at),
        Topic::TagsAdded => customer::tags_changed(body, Change::Added),
        Topic::TagsRemoved => customer::tags_changed(body, Change::Removed),
        Topic::CustomerRedacted => customer::redacted(body, told_at),
        Topic::CustomersMerged => customer::merged(body, told_at),
        Topic::OrderEdited => Err(Ignored::NotASnapshot.into()),
        Topic::CustomerDeleted => Err(Ignored::CustomerDeleted.into()),
        Topic::Privacy => Err(Ignored::PrivacyRequest { topic: name }.into()),
        Topic::NotUsed => Err(Ignored::NotUsed { topic: name }.into()),
    }
}

/// The topic of a body whose shape fits exactly one. Added tags look like removed tags, and an erasure is never guessed.
fn guess(body: &Body<'_>) -> Result<String, Fault> {
    let is_order = !body.financial_status.is_absent() && !body.total_price.is_absent() && !body.updated_at.is_absent();
    // Of an order that was too large for a webhook only the ids are sent. Its reader says what to do.
    let names_an_order = |id: &str| id.starts_with("gid://shopify/Order/");
    let is_order_stub = body.is_stub() && body.admin_graphql_api_id.text().is_some_and(names_an_order);
    let is_customer = body.admin_graphql_api_id.text().is_some_and(|id| id.starts_with("gid://shopify/Customer/"));
    let is_dated = !body.created_at.is_absent() && !body.updated_at.is_absent();
    let shapes = [
        (!body.order_edit.is_absent(), "orders/edited"),
        (!body.order_id.is_absent() && !body.refund_line_items.is_absent(), "refunds/create"),
        (is_order || is_order_stub, ANSWER),
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
