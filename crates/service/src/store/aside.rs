//! What could not be taken in: a row for each, with nothing from the body but what is on a list.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use rules::calendar::Instant;

use super::item::Item;
use super::meter::Kind;
use super::{Store, StoreError, key};
use crate::ingest::Aside;
use crate::shop::ShopId;

/// When it was set aside last.
const RECORDED_AT: &str = "recorded_at";

impl Store {
    /// Notes that a message was set aside. Of the same message again the last time is noted.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn set_aside(&self, id: &str, aside: &Aside, bytes: usize, now: Instant) -> Result<(), StoreError> {
        let Aside { shop, reason, topic, paths } = aside;
        let mut row = Item::at(&key::quarantine(shop.as_ref(), id)).text("reason", reason.code());
        row = row.number("bytes", bytes).text(RECORDED_AT, key::at(now)).texts("paths", paths.iter().cloned());
        if let Some(topic) = topic {
            row = row.text("topic", *topic);
        }
        let asked = self.client.put_item().table_name(&self.tables.control).set_item(Some(row.0));
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let answer = asked.send().await.map_err(|error| StoreError::of_sdk(&error))?;
        self.meter.add(Kind::Write, answer.consumed_capacity());
        Ok(())
    }

    /// What was set aside of a shop, or of nobody's: rows as they were written.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn asides(&self, shop: Option<&ShopId>) -> Result<Vec<Item>, StoreError> {
        self.query(&self.tables.control, None, (key::PK, &key::quarantined(shop)), None).await
    }

    /// All that was set aside, whosever it is: also of shops that never published a program.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn all_asides(&self) -> Result<Vec<(Option<ShopId>, Item)>, StoreError> {
        let asked = self.client.scan().table_name(&self.tables.control).consistent_read(true);
        let asked = asked.filter_expression("contains(pk, :quarantine)");
        let asked = asked.expression_attribute_values(":quarantine", AttributeValue::S(key::quarantined(None)));
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let (mut rows, mut from) = (Vec::new(), None);
        loop {
            let answer = asked.clone().set_exclusive_start_key(from).send().await;
            let answer = answer.map_err(|error| StoreError::of_sdk(&error))?;
            self.meter.add(Kind::Read, answer.consumed_capacity());
            for row in answer.items.unwrap_or_default().into_iter().map(Item) {
                rows.push((key::quarantined_of(&row.key()), row));
            }
            from = answer.last_evaluated_key;
            if from.is_none() {
                return Ok(rows);
            }
        }
    }

    /// Forgets that a message was set aside, for it is tried again; unless it has been set aside anew meanwhile.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn forget_aside(&self, row: &Item) -> Result<(), StoreError> {
        let recorded_at = row.need_text(RECORDED_AT)?;
        match self
            .delete(&self.tables.control, row, Some((RECORDED_AT, AttributeValue::S(recorded_at.to_owned()))))
            .await
        {
            Ok(()) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
