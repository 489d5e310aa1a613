//! What could not be taken in: a row for each, with nothing from the body but what is on a list.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use rules::calendar::Instant;
use serde::{Deserialize, Serialize};

use super::item::{Attributes, Item};
use super::key::{self, Key};
use super::meter::Kind;
use super::{Store, StoreError};
use crate::records::Quarantined;
use crate::shop::ShopId;

/// When it was quarantined last.
const RECORDED_AT: &str = "recorded_at";
/// Whose turn it is to replay, and until when, in milliseconds since 1970.
const BY: &str = "by";
const UNTIL: &str = "until";

/// Nobody has the turn for longer: what says so was written by a clock that was ahead.
pub const TURN_MS_MAX: i64 = 30 * 60 * 1_000;

/// Rows of a shop read at once.
const READ_TOGETHER: i32 = 500;
/// A page is given up as full after so many reads of a shop's rows,
const READS_MAX: usize = 10;
/// or of whatever lies in the table, of 1 MB each: somebody waits for the answer.
const SCANS_MAX: usize = 4;

/// How exact what is read has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exact {
    /// As it is now: something is done about what is read.
    Now,
    /// As it is or was a moment ago, at half the cost.
    Nearly,
}

/// A place among what was quarantined: behind this row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuarantineMark {
    #[serde(deserialize_with = "key::partition_part")]
    pk: String,
    #[serde(deserialize_with = "key::sort_part")]
    sk: String,
}

impl QuarantineMark {
    fn behind(Key { pk, sk }: Key) -> Self {
        Self { pk, sk }
    }

    fn key(self) -> Item {
        let Self { pk, sk } = self;
        Item::at(&Key { pk, sk })
    }
}

/// A part of what was quarantined.
#[derive(Debug, Clone, PartialEq)]
pub struct QuarantinePage {
    /// The rows, each with its shop, if it names one.
    pub rows: Vec<(Option<ShopId>, Item)>,
    /// Where it goes on, unless this is the end.
    pub next: Option<QuarantineMark>,
}

/// Items of one read, and where the next one begins.
type Read = (Vec<Item>, Option<QuarantineMark>);

fn read(items: Option<Vec<Attributes>>, last: Option<Attributes>) -> Read {
    let items = items.unwrap_or_default().into_iter().map(Item).collect();
    (items, last.map(|last| QuarantineMark::behind(Item(last).key())))
}

impl Store {
    /// Notes that a message was quarantined. Of the same message again the last time is noted.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn quarantine(
        &self,
        id: &str,
        quarantined: &Quarantined,
        bytes: usize,
        now: Instant,
    ) -> Result<(), StoreError> {
        let Quarantined { shop, reason, topic, paths } = quarantined;
        let mut row = Item::at(&key::quarantine(shop.as_ref(), id)).text("reason", reason.code());
        row = row.number("bytes", bytes).text(RECORDED_AT, key::at(now)).texts("paths", paths.iter().cloned());
        if let Some(topic) = topic {
            row = row.text("topic", *topic);
        }
        let asked = self.client.put_item().table_name(&self.tables.control).set_item(Some(row.0));
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let answer = asked.send().await.map_err(StoreError::of_sdk)?;
        self.meter.add(Kind::Write, answer.consumed_capacity());
        Ok(())
    }

    /// Those of a shop's rows, or of nobody's, that have these ids.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn quarantined_named<'a>(
        &self,
        shop: Option<&ShopId>,
        ids: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<Item>, StoreError> {
        let keys: Vec<Key> = ids.into_iter().map(|id| key::quarantine(shop, id)).collect();
        self.get_all(&self.tables.control, keys.iter()).await
    }

    /// A page of what was quarantined, of a shop or of all of them: also of shops that never published a program, and of nobody's.
    /// At most `limit` rows of those that fit, in no order that people know. A page may have fewer, or none, and not be the
    /// last: so that an answer comes in time, whatever else lies in the table.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn quarantined_page(
        &self,
        shop: Option<&ShopId>,
        exact: Exact,
        limit: usize,
        from: Option<QuarantineMark>,
        fits: impl Fn(&Item) -> bool,
    ) -> Result<QuarantinePage, StoreError> {
        let (mut rows, mut from) = (Vec::new(), from);
        for _ in 0..shop.map_or(SCANS_MAX, |_| READS_MAX) {
            let (items, next) = match shop {
                Some(shop) => self.some_rows_of(shop, exact, from.take()).await?,
                None => self.some_rows(exact, from.take()).await?,
            };
            let last = items.last().map(Item::key);
            for item in items.into_iter().filter(&fits) {
                let key = item.key();
                let is_last = next.is_none() && last.as_ref() == Some(&key);
                rows.push((key::quarantined_of(&key), item));
                if rows.len() == limit {
                    let next = if is_last { None } else { Some(QuarantineMark::behind(key)) };
                    return Ok(QuarantinePage { rows, next });
                }
            }
            from = next;
            if from.is_none() {
                break;
            }
        }
        Ok(QuarantinePage { rows, next: from })
    }

    async fn some_rows_of(
        &self,
        shop: &ShopId,
        exact: Exact,
        from: Option<QuarantineMark>,
    ) -> Result<Read, StoreError> {
        let of = key::quarantined(Some(shop));
        // Whoever made the mark up only moves within what is the shop's.
        let from = from.map(|mark| QuarantineMark { pk: of.clone(), ..mark }.key().0);
        let asked = self.client.query().table_name(&self.tables.control).consistent_read(exact == Exact::Now);
        let asked = asked.key_condition_expression("pk = :of").limit(READ_TOGETHER);
        let asked = asked.expression_attribute_values(":of", AttributeValue::S(of));
        let asked = asked.set_exclusive_start_key(from).return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let answer = asked.send().await.map_err(StoreError::of_sdk)?;
        self.meter.add(Kind::Read, answer.consumed_capacity());
        Ok(read(answer.items, answer.last_evaluated_key))
    }

    async fn some_rows(&self, exact: Exact, from: Option<QuarantineMark>) -> Result<Read, StoreError> {
        let asked = self.client.scan().table_name(&self.tables.control).consistent_read(exact == Exact::Now);
        let asked = asked.filter_expression("contains(pk, :quarantine)");
        let asked = asked.expression_attribute_values(":quarantine", AttributeValue::S(key::quarantined(None)));
        let asked = asked.set_exclusive_start_key(from.map(|mark| mark.key().0));
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let answer = asked.send().await.map_err(StoreError::of_sdk)?;
        self.meter.add(Kind::Read, answer.consumed_capacity());
        Ok(read(answer.items, answer.last_evaluated_key))
    }

    /// Takes the turn to go through the queue of bodies, until an instant, or keeps it until then: what one has received is
    /// hidden from another, who would take it for gone. Whether it was to be had.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn take_turn(&self, by: &str, now: Instant, until: Instant) -> Result<bool, StoreError> {
        let row = Item::at(&key::turn()).text(BY, by).number(UNTIL, until.millis());
        let asked = self.client.put_item().table_name(&self.tables.control).set_item(Some(row.0));
        let asked =
            asked.condition_expression("attribute_not_exists(pk) OR #by = :by OR #until < :now OR #until > :ahead");
        let asked = asked.expression_attribute_names("#until", UNTIL).expression_attribute_names("#by", BY);
        let asked = asked.expression_attribute_values(":by", AttributeValue::S(by.to_owned()));
        let ahead = now.plus_millis(TURN_MS_MAX).millis();
        let asked = asked.expression_attribute_values(":ahead", AttributeValue::N(ahead.to_string()));
        let asked = asked.expression_attribute_values(":now", AttributeValue::N(now.millis().to_string()));
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        match asked.send().await.map_err(StoreError::of_sdk) {
            Ok(answer) => {
                self.meter.add(Kind::Write, answer.consumed_capacity());
                Ok(true)
            }
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives the turn back, if it is still theirs.
    ///
    /// # Errors
    /// See [`StoreError`]; then it ends by itself.
    pub async fn end_turn(&self, by: &str) -> Result<(), StoreError> {
        let only_if = Some((BY, AttributeValue::S(by.to_owned())));
        match self.delete(&self.tables.control, &Item::at(&key::turn()), only_if).await {
            Ok(()) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Forgets that a message was quarantined, for it is tried again; unless it has been quarantined anew meanwhile.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn forget_quarantined(&self, row: &Item) -> Result<(), StoreError> {
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
