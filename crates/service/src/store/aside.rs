//! What could not be taken in: a row for each, with nothing from the body but what is on a list.

use rules::calendar::Instant;

use super::commit::Commit;
use super::item::Item;
use super::{Store, StoreError, key};
use crate::ingest::Aside;
use crate::shop::ShopId;

impl Store {
    /// Notes that a message was set aside. The same message again changes nothing.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn set_aside(&self, id: &str, aside: &Aside, bytes: usize, now: Instant) -> Result<(), StoreError> {
        let Aside { shop, reason, topic, paths } = aside;
        let mut row = Item::at(&key::quarantine(shop.as_ref(), id)).text("reason", reason.code());
        row = row.number("bytes", bytes).text("recorded_at", key::at(now)).texts("paths", paths.iter().cloned());
        if let Some(topic) = topic {
            row = row.text("topic", *topic);
        }
        let mut commit = Commit::default();
        commit.control(self, row)?;
        match self.commit(commit).await {
            Ok(()) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What was set aside of a shop, or of nobody's: rows as they were written.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn asides(&self, shop: Option<&ShopId>) -> Result<Vec<Item>, StoreError> {
        self.query(&self.tables.control, None, ("pk", &key::quarantined(shop)), None).await
    }
}
