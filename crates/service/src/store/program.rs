//! The versions of a shop's program: one row each, never changed.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use rules::calendar::Instant;
use rules::version::{PublishError, Published, Versions};
use serde_json::Value;

use super::commit::Commit;
use super::item::Item;
use super::meter::Kind;
use super::{Store, StoreError, key};
use crate::shop::ShopId;

/// The attributes of a version's row.
mod name {
    /// The event that published it (`program.published`, section 9).
    pub(super) const EVENT: &str = "event";
    pub(super) const BY: &str = "by";
    pub(super) const WHY: &str = "why";
    pub(super) const RECORDED_AT: &str = "recorded_at";
}

/// A version about to be published.
#[derive(Debug, Clone)]
pub struct Publication {
    /// `program.published`, with the program and the options; in force from its `occurred_at`.
    pub event: Value,
    /// Who publishes it.
    pub by: String,
    /// Why.
    pub why: String,
}

/// Why a version could not be published.
#[derive(Debug, thiserror::Error)]
pub enum PublicationError {
    /// The event or its program is not right.
    #[error(transparent)]
    Invalid(#[from] rules::json::Problems),
    /// It cannot follow the versions there are.
    #[error(transparent)]
    Refused(#[from] PublishError),
    /// The database did not take it; after a conflict somebody else has published a version meanwhile.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The versions that publications make, one after the other; none if there are no publications.
///
/// # Errors
/// Says what is wrong with the first that cannot be published.
pub fn published(events: impl IntoIterator<Item = Value>) -> Result<Option<Versions>, PublicationError> {
    let mut versions: Option<Versions> = None;
    for event in events {
        versions = Some(followed(versions, &event)?);
    }
    Ok(versions)
}

fn followed(versions: Option<Versions>, event: &Value) -> Result<Versions, PublicationError> {
    let Published { at, program, options } = Published::read(event)?;
    Ok(match versions {
        None => Versions::first(program, Some(at))?,
        Some(mut versions) => {
            versions.publish(program, at, options, false)?;
            versions
        }
    })
}

impl Store {
    /// The versions of a shop's program, those that are not in force yet included; none if the shop has none.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn versions(&self, shop: &ShopId) -> Result<Option<Versions>, StoreError> {
        let pk = key::version(shop, 0).pk;
        let asked = self.client.query().table_name(&self.tables.control).consistent_read(true);
        let asked = asked.key_condition_expression("pk = :pk");
        let asked = asked.expression_attribute_values(":pk", AttributeValue::S(pk));
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let (mut events, mut last, mut from) = (Vec::new(), None, None);
        loop {
            let answer = asked.clone().set_exclusive_start_key(from).send().await;
            let answer = answer.map_err(|error| StoreError::of_sdk(&error))?;
            self.meter.add(Kind::Read, answer.consumed_capacity());
            for item in answer.items.unwrap_or_default().into_iter().map(Item) {
                let event = serde_json::from_str(item.need_text(name::EVENT)?);
                events.push(event.map_err(|error| item.corrupt(format!("event: {error}")))?);
                last = Some(item);
            }
            from = answer.last_evaluated_key;
            if from.is_none() {
                break;
            }
        }
        let corrupt = |error: PublicationError| last.unwrap_or_default().corrupt(error.to_string());
        published(events).map_err(corrupt)
    }

    /// Publishes a version and yields all versions with it. The first makes the shop known.
    ///
    /// # Errors
    /// See [`PublicationError`]; then nothing changed.
    pub async fn publish(
        &self,
        shop: &ShopId,
        publication: &Publication,
        now: Instant,
    ) -> Result<Versions, PublicationError> {
        let versions = followed(self.versions(shop).await?, &publication.event)?;
        let number = versions.last().number;
        let Publication { event, by, why } = publication;
        let row = Item::at(&key::version(shop, number)).text(name::EVENT, event.to_string());
        let row = row.text(name::BY, by).text(name::WHY, why).text(name::RECORDED_AT, key::at(now));
        let mut commit = Commit::default();
        if number == 1 {
            commit.control(self, Item::at(&key::shop(shop)).text(name::RECORDED_AT, key::at(now)))?;
        }
        commit.control(self, row)?;
        self.commit(commit).await?;
        Ok(versions)
    }
}
