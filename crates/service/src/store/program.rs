//! The versions of a shop's program: one row each, never changed.

use rules::calendar::Instant;
use rules::version::{PublishError, Published, Versions};
use serde_json::Value;

use super::commit::Commit;
use super::item::Item;
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
        versions = Some(followed(versions, &event, false)?);
    }
    Ok(versions)
}

fn followed(versions: Option<Versions>, event: &Value, has_orders: bool) -> Result<Versions, PublicationError> {
    let Published { at, program, options } = Published::read(event)?;
    Ok(match versions {
        None => Versions::first(program, Some(at))?,
        Some(mut versions) => {
            versions.publish(program, at, options, has_orders)?;
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
        let rows = self.query(&self.tables.control, None, (key::PK, &key::version(shop, 0).pk), None).await?;
        let event = |item: &Item| {
            let event = serde_json::from_str(item.need_text(name::EVENT)?);
            event.map_err(|error| item.corrupt(format!("event: {error}")))
        };
        let events: Vec<Value> = rows.iter().map(event).collect::<Result<_, _>>()?;
        let last = rows.into_iter().next_back();
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
        let before = self.versions(shop).await?;
        // Whether there is an order is asked only where it matters. Somebody of whom something is known stands for it.
        let currency = |versions: &Versions| versions.last().program.currency;
        let now_in = followed(before.clone(), &publication.event, false)?;
        let changes = before.as_ref().is_some_and(|before| currency(before) != currency(&now_in));
        let has_orders = changes && !self.member_ids(shop).await?.is_empty();
        let versions = followed(before, &publication.event, has_orders)?;
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
