//! Customers: enrollment, tags in the old and the new form, merging and erasure.

use std::collections::BTreeSet;

use rules::calendar::Instant;
use rules::fact::{Enrolled, Fact, FactBody, Merged, Tag, TagsChanged, TagsSet};
use rules::id::MemberId;

use super::body::Body;
use super::json::Scalar;
use super::reason::{NoFacts, Result};
use super::value;
use super::{DocumentError, Ignored, id};

type Facts = std::result::Result<Vec<Fact>, NoFacts>;

/// Reads `customers/create`: the customer enrolled, and has the listed tags, if the body has any.
pub(super) fn created(customer: &Body<'_>, triggered_at: Option<Instant>) -> Facts {
    let member = whole(customer, "customers/create")?;
    let occurred_at = value::needed_instant(&customer.created_at, "$.created_at")?;
    let enrolled = Fact::new(occurred_at, member.clone(), FactBody::Enrolled(Enrolled { birthday: None }));
    let tags = tags_set(customer, member, triggered_at)?;
    Ok([Some(enrolled), tags].into_iter().flatten().collect())
}

/// Reads `customers/update`: the full set of tags, if the API version still has it.
pub(super) fn updated(customer: &Body<'_>, triggered_at: Option<Instant>) -> Facts {
    let member = whole(customer, "customers/update")?;
    let tags = tags_set(customer, member, triggered_at)?;
    Ok(vec![tags.ok_or(Ignored::NoTags)?])
}

/// The member of a customer object, unless the object is only an id.
fn whole(customer: &Body<'_>, topic: &'static str) -> Result<MemberId> {
    let digits = customer.ids().needed("Customer", "$.id")?;
    if customer.is_stub() {
        return Err(DocumentError::OversizeStub { topic, id: digits }.into());
    }
    id(&digits, "$.id", MemberId::new)
}

/// The tags in the old form: one text with commas, empty for none.
fn tags_set(customer: &Body<'_>, member: MemberId, triggered_at: Option<Instant>) -> Result<Option<Fact>> {
    if customer.tags.is_absent() {
        return Ok(None);
    }
    let text = customer.tags.text().ok_or_else(|| DocumentError::unreadable("$.tags", "must be a text with commas"))?;
    let occurred_at = value::needed_instant(&customer.updated_at, "$.updated_at")?;
    let body = FactBody::TagsSet(TagsSet { tags: text.split(',').filter_map(Tag::new).collect() });
    let revision = value::revision(occurred_at, triggered_at);
    Ok(Some(Fact { revision, ..Fact::new(occurred_at, member, body) }))
}

/// Added or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Added,
    Removed,
}

/// Reads `customer.tags_added` and `customer.tags_removed`, which have the same body.
pub(super) fn tags_changed(body: &Body<'_>, change: Change) -> Facts {
    let path = "$.customerId";
    if body.customer_id.is_absent() {
        return Err(DocumentError::missing(path).into());
    }
    let member = id(&value::global_digits(&body.customer_id, "Customer", path)?, path, MemberId::new)?;
    let occurred_at = value::needed_instant(&body.occurred_at, "$.occurredAt")?;
    let tags = listed(&body.tags)?;
    if tags.is_empty() {
        return Err(Ignored::NoTags.into());
    }
    let (added, removed) = match change {
        Change::Added => (tags, BTreeSet::new()),
        Change::Removed => (BTreeSet::new(), tags),
    };
    Ok(vec![Fact::new(occurred_at, member, FactBody::TagsChanged(TagsChanged { added, removed }))])
}

/// The tags in the new form: a list of texts.
fn listed(tags: &Scalar<'_>) -> Result<BTreeSet<Tag>> {
    let list: Vec<String> = match tags {
        Scalar::Absent => Vec::new(),
        Scalar::Parts(list) => {
            serde_json::from_str(list).map_err(|error| DocumentError::unreadable("$.tags", error))?
        }
        Scalar::Bool(_) | Scalar::Number(_) | Scalar::Text(_) => {
            return Err(DocumentError::unreadable("$.tags", "must be a list of texts"));
        }
    };
    Ok(list.iter().filter_map(|tag| Tag::new(tag)).collect())
}

/// Reads `customers/redact`: everything about the customer must be deleted. The body has no date. A bare one is dated
/// 1970, because an erasure must not be lost for lack of a date, and it covers all of the past in any case.
pub(super) fn redacted(body: &Body<'_>, told_at: Option<Instant>) -> Facts {
    let path = "$.customer.id";
    let customer = body.customer.object("$.customer")?.ok_or_else(|| DocumentError::missing(path))?;
    let digits = value::digits(&customer.id, path)?.ok_or_else(|| DocumentError::missing(path))?;
    let occurred_at = told_at.unwrap_or(Instant::from_millis(0));
    Ok(vec![Fact::new(occurred_at, id(&digits, path, MemberId::new)?, FactBody::Erased)])
}

/// Reads `customers/merge`: the deleted customer's id stands for the kept one from now on. It is told whatever becomes of
/// the merge; only a completed one is a fact.
pub(super) fn merged(body: &Body<'_>, told_at: Option<Instant>) -> Facts {
    let status = body.status.text().ok_or_else(|| DocumentError::missing("$.status"))?;
    match status {
        "completed" => {}
        "failed" | "in_progress" | "requested" => return Err(Ignored::NotMerged { status: status.to_owned() }.into()),
        other => {
            let problem = format!("`{other}` is not one of `completed`, `failed`, `in_progress`, `requested`");
            return Err(DocumentError::unreadable("$.status", problem).into());
        }
    }
    let customer = |global: &Scalar<'_>, path: &'static str| {
        if global.is_absent() {
            return Err(DocumentError::missing(path));
        }
        id(&value::global_digits(global, "Customer", path)?, path, MemberId::new)
    };
    let into = customer(&body.admin_graphql_api_customer_kept_id, "$.admin_graphql_api_customer_kept_id")?;
    let path = "$.admin_graphql_api_customer_deleted_id";
    let member = customer(&body.admin_graphql_api_customer_deleted_id, path)?;
    if member == into {
        return Err(DocumentError::unreadable(path, "is the customer who was kept").into());
    }
    let occurred_at = told_at.ok_or(DocumentError::NoInstant { topic: "customers/merge" })?;
    Ok(vec![Fact::new(occurred_at, member, FactBody::Merged(Merged { into: Some(into) }))])
}
