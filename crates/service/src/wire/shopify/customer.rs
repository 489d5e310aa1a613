//! Customers: enrolment, tags old and new, merging and erasure.

use std::collections::BTreeSet;

use rules::calendar::Instant;
use rules::fact::{Enrolled, Fact, Revised, Tag, TagsChanged, TagsSet};
use rules::id::MemberId;

use super::reason::Aside;
use super::scan::{Fault, Result, Scalar, Scan};
use super::value::{self, Id};
use super::{Ignored, Rejected, id};

type Told = std::result::Result<Vec<Fact>, Aside>;

/// A customer as it is written.
#[derive(Debug, Default)]
struct Customer<'a> {
    id: Id<'a>,
    created_at: Scalar<'a>,
    updated_at: Scalar<'a>,
    tags: Scalar<'a>,
}

/// Reads `customers/create`: the customer joined, and has the tags it names, if it names any.
pub(super) fn created(scan: &mut Scan<'_>, triggered_at: Option<Instant>) -> Told {
    let (customer, member) = Customer::read(scan, "customers/create")?;
    let occurred_at = value::needed_instant(&customer.created_at, "$.created_at")?;
    let content = Enrolled { occurred_at, birthday: None };
    let enrolled = Revised { revision: occurred_at, content, member: member.clone(), imported: false };
    let tags = customer.tags_set(member, triggered_at)?;
    Ok([Some(Fact::Enrolled(enrolled)), tags].into_iter().flatten().collect())
}

/// Reads `customers/update`: the full set of tags, where the API version still has it.
pub(super) fn updated(scan: &mut Scan<'_>, triggered_at: Option<Instant>) -> Told {
    let (customer, member) = Customer::read(scan, "customers/update")?;
    let tags = customer.tags_set(member, triggered_at)?;
    Ok(vec![tags.ok_or(Ignored::NoTags)?])
}

impl<'a> Customer<'a> {
    fn read(scan: &mut Scan<'a>, topic: &'static str) -> Result<(Self, MemberId)> {
        let (mut customer, mut only_id) = (Self::default(), true);
        scan.object("$", |scan, key| {
            only_id &= matches!(key, "id" | "admin_graphql_api_id");
            match key {
                "id" => customer.id.number = scan.scalar()?,
                "admin_graphql_api_id" => customer.id.global = scan.scalar()?,
                "created_at" => customer.created_at = scan.scalar()?,
                "updated_at" => customer.updated_at = scan.scalar()?,
                "tags" => customer.tags = scan.scalar()?,
                _ => scan.skip()?,
            }
            Ok(())
        })?;
        scan.end()?;
        let digits = customer.id.needed("Customer", "$.id")?;
        if only_id {
            return Err(Rejected::OversizeStub { topic, id: digits }.into());
        }
        let member = id(&digits, "$.id", MemberId::new)?;
        Ok((customer, member))
    }

    /// The tags of old: one text with commas, empty for none.
    fn tags_set(&self, member: MemberId, triggered_at: Option<Instant>) -> Result<Option<Fact>> {
        if self.tags.is_absent() {
            return Ok(None);
        }
        let text = self.tags.text().ok_or_else(|| Rejected::unreadable("$.tags", "must be a text with commas"))?;
        let occurred_at = value::needed_instant(&self.updated_at, "$.updated_at")?;
        let content = TagsSet { occurred_at, tags: text.split(',').filter_map(Tag::new).collect() };
        let revision = value::revision(occurred_at, triggered_at);
        Ok(Some(Fact::TagsSet(Revised { revision, content, member, imported: false })))
    }
}

/// Which way tags went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Added,
    Removed,
}

/// Reads `customer.tags_added` and `customer.tags_removed`, which have one and the same body.
pub(super) fn tags_changed(scan: &mut Scan<'_>, change: Change) -> Told {
    let (mut customer, mut at, mut tags) = (Scalar::Absent, Scalar::Absent, BTreeSet::new());
    scan.object("$", |scan, key| {
        match key {
            "customerId" => customer = scan.scalar()?,
            "occurredAt" => at = scan.scalar()?,
            "tags" => {
                tags.clear();
                scan.list("$.tags", |scan| {
                    let tag = scan.scalar()?;
                    tags.extend(Tag::new(
                        tag.text().ok_or_else(|| Rejected::unreadable("$.tags[]", "must be a text"))?,
                    ));
                    Ok(())
                })?;
            }
            _ => scan.skip()?,
        }
        Ok(())
    })?;
    scan.end()?;
    let member = member(&customer, "$.customerId")?;
    let occurred_at = value::needed_instant(&at, "$.occurredAt")?;
    if tags.is_empty() {
        return Err(Ignored::NoTags.into());
    }
    let (added, removed) = match change {
        Change::Added => (tags, BTreeSet::new()),
        Change::Removed => (BTreeSet::new(), tags),
    };
    let content = TagsChanged { occurred_at, added, removed };
    Ok(vec![Fact::TagsChanged(Revised { revision: occurred_at, content, member, imported: false })])
}

fn member(global: &Scalar<'_>, path: &'static str) -> Result<MemberId> {
    if global.is_absent() {
        return Err(Rejected::missing(path));
    }
    id(&value::global_digits(global, "Customer", path)?, path, MemberId::new)
}

/// Reads `customers/redact`: everything about the customer must go. The body has no date; a bare one is dated 1970,
/// because an erasure must not be lost for want of a date, and holds for all of the past in any case.
pub(super) fn redacted(scan: &mut Scan<'_>, told_at: Option<Instant>) -> Told {
    let mut number = Scalar::Absent;
    scan.object("$", |scan, key| match key {
        "customer" => scan
            .object("$.customer", |scan, key| match key {
                "id" => {
                    number = scan.scalar()?;
                    Ok(())
                }
                _ => scan.skip(),
            })
            .map(|_| ()),
        _ => scan.skip(),
    })?;
    scan.end()?;
    let path = "$.customer.id";
    let digits = value::digits(&number, path)?.ok_or_else(|| Rejected::missing(path))?;
    let occurred_at = told_at.unwrap_or(Instant::from_millis(0));
    Ok(vec![Fact::Erased { member: id(&digits, path, MemberId::new)?, occurred_at }])
}

/// Reads `customers/merge` to say whom it is about; it cannot be taken.
pub(super) fn merged(scan: &mut Scan<'_>) -> Fault {
    let (mut kept, mut deleted) = (Scalar::Absent, Scalar::Absent);
    let read = scan.object("$", |scan, key| {
        match key {
            "admin_graphql_api_customer_kept_id" => kept = scan.scalar()?,
            "admin_graphql_api_customer_deleted_id" => deleted = scan.scalar()?,
            _ => scan.skip()?,
        }
        Ok(())
    });
    let name = |global: &Scalar<'_>| value::global_digits(global, "Customer", "$").unwrap_or_else(|_| "?".to_owned());
    match read.and_then(|_| scan.end()) {
        Ok(()) => Rejected::MergeNotSupported { kept: name(&kept), deleted: name(&deleted) }.into(),
        Err(broken) => broken,
    }
}
